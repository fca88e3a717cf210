//! Is a bundle as it was made, and by whom?
//!
//! Always true: nothing is parsed or unpacked before its length is known and allowed; every
//! byte of the archive is accounted for; "by whom" is answered only by a key that the
//! asker brings — a bundle that vouches for itself shows that nobody altered it
//! *since*, not who made it.
//!
//! Pure: bytes in, an answer out.

use std::collections::BTreeSet;

use super::{
    bundle::{FORMAT, KEY, MANIFEST, Manifest, SIGNATURE, pem, sha256, signed_bytes},
    zip::{self, Packed, ReadError},
};
use crate::{
    base::clock::Timestamp,
    keys::{certificate::Certificate, ecdsa},
};

/// How long a manifest may be: all the files there may be, with long names.
const MAX_MANIFEST: usize = 128 << 10;
/// A signature in DER, with room; a certificate in PEM, too.
const MAX_SIGNATURE: usize = 256;
const MAX_KEY: usize = 16 << 10;
/// All files together. The largest bundles of ours have a few MiB.
const MAX_UNPACKED: u64 = 512 << 20;

/// The file is nothing that could be judged.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// Something that is not as it was made.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Problem {
    /// Which file; none if it is the archive itself.
    pub file: Option<String>,
    /// What is wrong, in one sentence.
    pub what: String,
}

/// What was found out about a bundle.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Examination {
    /// When it says that it was made.
    pub made_at: Option<String>,
    /// By which version, as it says.
    pub made_by: Option<String>,
    /// How many files it holds.
    pub files: usize,
    /// SHA-256 of the certificate in it, upper-case hexadecimal digits; only where its key signed this.
    pub fingerprint: Option<String>,
    /// What is wrong. Empty: it is as it was made by the holder of that certificate's key.
    pub problems: Vec<Problem>,
}

impl Examination {
    fn object(&mut self, file: Option<&str>, what: impl Into<String>) {
        self.problems.push(Problem {
            file: file.map(str::to_owned),
            what: what.into(),
        });
    }
}

/// Examines the bytes of a bundle.
pub fn examine(archive: &[u8]) -> Result<Examination, Unreadable> {
    let mut found = Examination::default();
    let files = match zip::read(archive) {
        Ok(files) => files,
        Err(ReadError::Structure(what)) => {
            found.object(None, what);
            return Ok(found);
        }
        Err(error) => {
            return Err(Unreadable(format!(
                "{error}; give a bundle that `claimbridge evidence` wrote"
            )));
        }
    };
    found.files = files.len();
    let small = |name: &str, limit: usize| {
        let file = files.iter().find(|file| file.name == name)?;
        // Stored: what is not yet believed is not unpacked either.
        (file.data.len() <= limit && file.is_stored())
            .then(|| zip::unpack(file, file.data.len()).ok())
            .flatten()
    };
    let Some(bytes) = small(MANIFEST, MAX_MANIFEST) else {
        found.object(Some(MANIFEST), "it is missing, too long or packed");
        return Ok(found);
    };
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) else {
        found.object(Some(MANIFEST), "it is no manifest of a bundle");
        return Ok(found);
    };
    if manifest.format != FORMAT {
        found.object(
            Some(MANIFEST),
            "it is of a kind that this version does not know; use a later one",
        );
        return Ok(found);
    }
    found.made_at = Some(manifest.made_at.clone());
    found.made_by = Some(manifest.made_by.clone());
    let unpacked: u64 = manifest
        .files
        .iter()
        .fold(0, |sum, file| sum.saturating_add(file.size));
    if unpacked > MAX_UNPACKED {
        return Err(Unreadable(format!(
            "it would unpack to more than {} MiB; give a bundle that `claimbridge evidence` wrote",
            MAX_UNPACKED >> 20
        )));
    }
    judge_files(&files, &manifest, &mut found);
    let at = Timestamp::parse_rfc3339(&manifest.made_at);
    if !at.is_some_and(|at| zip::has_time(archive, at)) {
        found.object(None, "the files have another time than the manifest says");
    }
    let signature = small(SIGNATURE, MAX_SIGNATURE);
    judge_signature(&files, &manifest, &bytes, signature, &mut found);
    Ok(found)
}

/// The archive holds what the manifest lists, in its order, and nothing else.
fn judge_files(files: &[Packed<'_>], manifest: &Manifest, found: &mut Examination) {
    let listed: Vec<&str> = manifest
        .files
        .iter()
        .map(|file| file.name.as_str())
        .chain([MANIFEST, SIGNATURE])
        .collect();
    let there: Vec<&str> = files.iter().map(|file| file.name).collect();
    let (wanted, present): (BTreeSet<&str>, BTreeSet<&str>) = (
        listed.iter().copied().collect(),
        there.iter().copied().collect(),
    );
    for name in wanted.difference(&present) {
        found.object(Some(name), "it was taken out");
    }
    for name in present.difference(&wanted) {
        found.object(Some(name), "it was added: the manifest does not list it");
    }
    if wanted == present && listed != there {
        found.object(None, "the files stand in another order than the manifest's");
        // A name that is listed again and again is not unpacked again and again.
        return;
    }
    for entry in &manifest.files {
        let Some(file) = files.iter().find(|file| file.name == entry.name) else {
            continue;
        };
        if let Err(what) = judge_file(file, entry.size, &entry.sha256, &entry.packed_sha256) {
            found.object(Some(&entry.name), what);
        }
    }
}

fn judge_file(
    file: &Packed<'_>,
    size: u64,
    wanted: &str,
    wanted_packed: &str,
) -> Result<(), String> {
    const ALTERED: &str = "it was altered: its SHA-256 is another than the manifest says";
    if sha256(file.data) != wanted_packed {
        return Err(ALTERED.to_owned());
    }
    let size = usize::try_from(size).map_err(|_| ReadError::TooMuch.to_string())?;
    let bytes = zip::unpack(file, size).map_err(|error| error.to_string())?;
    if sha256(&bytes) == wanted {
        Ok(())
    } else {
        Err(ALTERED.to_owned())
    }
}

fn judge_signature(
    files: &[Packed<'_>],
    manifest: &Manifest,
    bytes: &[u8],
    signature: Option<Vec<u8>>,
    found: &mut Examination,
) {
    let certificate = files
        .iter()
        .find(|file| file.name == KEY)
        .zip(manifest.files.iter().find(|entry| entry.name == KEY))
        .filter(|(_, entry)| entry.size <= MAX_KEY as u64)
        .and_then(|(file, entry)| zip::unpack(file, usize::try_from(entry.size).ok()?).ok())
        .and_then(|text| parse_pem(&text));
    let Some(certificate) = certificate else {
        found.object(Some(KEY), "it is no certificate");
        return;
    };
    let fingerprint = certificate.fingerprint();
    if manifest.key.fingerprint != fingerprint {
        found.object(Some(KEY), "it is another key than the manifest names");
    }
    let verified = signature.is_some_and(|signature| {
        ecdsa::verify(&certificate, &signed_bytes(bytes), &signature).is_ok()
    });
    if verified {
        found.fingerprint = Some(fingerprint);
    } else {
        found.object(
            Some(SIGNATURE),
            "it is no signature over this manifest by the key in the bundle",
        );
    }
}

/// One certificate in PEM, written as we write it.
pub fn parse_pem(text: &[u8]) -> Option<Certificate> {
    let text = std::str::from_utf8(text).ok()?;
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let der = data_encoding::BASE64.decode(body.as_bytes()).ok()?;
    if pem(&der) != text {
        return None;
    }
    Certificate::read(&der).ok()
}

/// Upper-case hexadecimal digits of a fingerprint however it was written: with colons or spaces, after
/// `sha256 Fingerprint=`. `None` if it is no SHA-256.
pub fn parse_fingerprint(text: &str) -> Option<String> {
    let text = text.rsplit('=').next().unwrap_or(text);
    let digits: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .collect::<String>()
        .to_ascii_uppercase();
    (digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}
