//! The content, of which only what is used is kept (MDS3 §3.1.6).
//!
//! Always true: it was verified before it is read. Fields that are not known are skipped
//! without being stored, texts are borrowed until they are kept, a root that several
//! models share is kept once, and pictures stop being kept at a limit, so that a file of
//! 20 MB stays far below 60 MiB.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde::Deserialize;
use time::{Date, macros::format_description};

use super::{
    Metadata, MetadataError,
    entry::{Entry, Icon, KeyIdentifier, Status, StatusReport},
};
use crate::{
    base::{aaguid::Aaguid, clock::Timestamp},
    factor::webauthn::chain::Standing,
};

/// How many bytes of pictures are kept in all.
const MAX_PICTURES: usize = 12 << 20;

/// How many characters of a model's name are kept.
const MAX_NAME: usize = 200;

#[derive(Deserialize)]
struct Text<'p>(#[serde(borrow)] Cow<'p, str>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPayload<'p> {
    no: u64,
    #[serde(borrow)]
    next_update: Cow<'p, str>,
    #[serde(borrow)]
    entries: Vec<RawEntry<'p>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEntry<'p> {
    #[serde(default, borrow)]
    aaguid: Option<Cow<'p, str>>,
    #[serde(default, borrow)]
    attestation_certificate_key_identifiers: Vec<Text<'p>>,
    #[serde(default, borrow)]
    metadata_statement: Option<RawStatement<'p>>,
    #[serde(borrow)]
    status_reports: Vec<RawReport<'p>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatement<'p> {
    #[serde(default, borrow)]
    description: Option<Cow<'p, str>>,
    #[serde(default, borrow)]
    icon: Option<Cow<'p, str>>,
    #[serde(default, borrow)]
    attestation_root_certificates: Vec<Text<'p>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawReport<'p> {
    #[serde(borrow)]
    status: Cow<'p, str>,
    #[serde(default, borrow)]
    effective_date: Option<Cow<'p, str>>,
}

pub(super) fn read(payload: &[u8], signer: Standing) -> Result<Metadata, MetadataError> {
    let raw: RawPayload<'_> = serde_json::from_slice(payload)
        .map_err(|error| MetadataError::Content(error.to_string()))?;
    let next_update = day(&raw.next_update).ok_or_else(|| {
        MetadataError::Content("nextUpdate is no date such as 2026-12-01".to_owned())
    })?;
    let mut metadata = Metadata {
        number: raw.no,
        next_update,
        signer,
        entries: Vec::with_capacity(raw.entries.len()),
        by_aaguid: HashMap::new(),
        by_key_identifier: HashMap::new(),
        left_out: 0,
    };
    let mut kept = Kept::default();
    for entry in raw.entries {
        add(&mut metadata, &mut kept, &entry)?;
    }
    Ok(metadata)
}

fn add(metadata: &mut Metadata, kept: &mut Kept, raw: &RawEntry<'_>) -> Result<(), MetadataError> {
    let aaguid = match &raw.aaguid {
        None => None,
        Some(text) => Some(text.parse::<Aaguid>().map_err(|error| {
            MetadataError::Content(format!("an entry has the AAGUID “{text}”: {error}"))
        })?),
    };
    let identifiers = raw
        .attestation_certificate_key_identifiers
        .iter()
        .map(|text| text.0.parse::<KeyIdentifier>())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| MetadataError::Content(error.to_string()))?;
    // All zeros would speak for every key without a model.
    let aaguid = aaguid.filter(|aaguid| !aaguid.is_zero());
    if aaguid.is_none() && identifiers.is_empty() {
        metadata.left_out += 1;
        return Ok(());
    }
    let index = metadata.entries.len();
    if let Some(aaguid) = aaguid
        && metadata.by_aaguid.insert(aaguid, index).is_some()
    {
        return Err(MetadataError::Twice(aaguid.to_string()));
    }
    for identifier in identifiers {
        let sharing = metadata.by_key_identifier.entry(identifier);
        sharing.or_default().push(index);
    }
    let statement = raw.metadata_statement.as_ref();
    let description = statement
        .and_then(|statement| statement.description.as_deref())
        .unwrap_or_default();
    let icon = statement.and_then(|statement| statement.icon.as_deref());
    let roots = statement.map_or(&[][..], |statement| {
        &statement.attestation_root_certificates
    });
    metadata.entries.push(Entry {
        aaguid,
        name: description
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_NAME)
            .collect(),
        icon: icon.and_then(|uri| kept.picture(uri)),
        roots: roots.iter().filter_map(|text| kept.root(&text.0)).collect(),
        reports: raw.status_reports.iter().map(report).collect(),
    });
    Ok(())
}

fn report(raw: &RawReport<'_>) -> StatusReport {
    StatusReport {
        status: Status::parse(&raw.status),
        // No date, or none that can be read: it is in effect (MDS3 §3.1.3).
        effective: raw.effective_date.as_deref().and_then(day),
    }
}

/// What entries share.
#[derive(Default)]
struct Kept {
    roots: HashSet<Arc<[u8]>>,
    picture_bytes: usize,
}

impl Kept {
    /// A root in DER. One that cannot be read vouches for nobody and is left out.
    fn root(&mut self, text: &str) -> Option<Arc<[u8]>> {
        let packed: String = text.split_ascii_whitespace().collect();
        let der = data_encoding::BASE64.decode(packed.as_bytes()).ok()?;
        if let Some(known) = self.roots.get(der.as_slice()) {
            return Some(Arc::clone(known));
        }
        let root: Arc<[u8]> = der.into();
        self.roots.insert(Arc::clone(&root));
        Some(root)
    }

    fn picture(&mut self, uri: &str) -> Option<Icon> {
        let icon = Icon::read(uri)?;
        if self.picture_bytes + icon.bytes().len() > MAX_PICTURES {
            return None;
        }
        self.picture_bytes += icon.bytes().len();
        Some(icon)
    }
}

/// The beginning of a day such as `2026-12-01` (UTC).
fn day(text: &str) -> Option<Timestamp> {
    let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
    let seconds = date.midnight().assume_utc().unix_timestamp();
    Some(Timestamp::from_millis(seconds.saturating_mul(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_utc() {
        assert_eq!(
            day("2026-12-01"),
            Timestamp::parse_rfc3339("2026-12-01T00:00:00Z")
        );
        for bad in [
            "",
            "2026-13-01",
            "2026-12-01T00:00:00Z",
            "01.12.2026",
            "soon",
        ] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }

    #[test]
    fn pictures_are_kept_up_to_twelve_mebibytes_in_all() {
        let picture = |bytes: usize| {
            let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
            picture.resize(bytes, 0);
            let text = data_encoding::BASE64.encode(&picture);
            format!("data:image/png;base64,{text}")
        };
        let most = 12 * 1024 * 1024;
        let mut kept = Kept::default();
        for total in [1_000, 2_000] {
            assert!(kept.picture(&picture(1_000)).is_some());
            assert_eq!(kept.picture_bytes, total);
        }
        kept.picture_bytes = most - 999;
        assert!(kept.picture(&picture(1_000)).is_none());
        // What is not kept takes no room; a smaller one has its place still.
        assert!(kept.picture(&picture(999)).is_some());
        assert_eq!(kept.picture_bytes, most);
        assert!(kept.picture(&picture(8)).is_none());
    }
}
