//! Findings as they are kept: each with a tag over all of it.
//!
//! Always true: while the webhook has not taken the last word of a finding, the finding says
//! so, under its tag. Who deletes the message hides nothing: it is made again.

use serde::{Deserialize, Serialize};

use super::{
    changes::{Alarm, Change, Known, Telling},
    webhook,
};
use crate::{
    app::Error,
    base::clock::Timestamp,
    keys::sealing::{Sealing, TagLabel},
    storage::{StoredFinding, Tx},
};

/// What the webhook has not taken yet.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Owed {
    /// The message.
    pub message: String,
    /// What it tells of the finding.
    pub event: Telling,
}

/// A finding as it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Kept {
    pub known: Known,
    pub owed: Option<Owed>,
}

impl Kept {
    /// It is there no more, and kept only until somebody was told.
    pub fn is_over(&self) -> bool {
        let event = self.owed.as_ref().map(|owed| owed.event);
        event == Some(Telling::Over)
    }
}

/// The body, of which a version without webhooks reads what it knows.
#[derive(Deserialize, Serialize)]
struct Body {
    #[serde(flatten)]
    alarm: Alarm,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owed: Option<Owed>,
}

/// The finding of a change, to be stored.
pub(super) fn stored(
    sealing: &Sealing,
    change: &Change,
    owed: Option<Owed>,
    now: Timestamp,
) -> StoredFinding {
    let body = Body {
        alarm: change.alarm.clone(),
        owed,
    };
    let mut finding = StoredFinding {
        id: change.alarm.id.clone(),
        kind: change.alarm.kind.clone(),
        severity: change.alarm.severity.as_str().to_owned(),
        body: serde_json::json!(body).to_string(),
        first_seen_at: change.since,
        told_at: now,
        tag: String::new(),
    };
    finding.tag = make_tag(sealing, &finding);
    finding
}

fn make_tag(sealing: &Sealing, finding: &StoredFinding) -> String {
    sealing.tag(
        TagLabel::Watch,
        &fields(finding).each_ref().map(Vec::as_slice),
    )
}

/// What the tag is over.
fn fields(finding: &StoredFinding) -> [Vec<u8>; 7] {
    [
        b"finding".to_vec(),
        finding.id.clone().into_bytes(),
        finding.kind.clone().into_bytes(),
        finding.severity.clone().into_bytes(),
        finding.body.clone().into_bytes(),
        finding.first_seen_at.as_millis().to_be_bytes().to_vec(),
        finding.told_at.as_millis().to_be_bytes().to_vec(),
    ]
}

/// The same finding, of which nothing is owed.
pub(super) fn told(sealing: &Sealing, stored: &StoredFinding, kept: &Kept) -> StoredFinding {
    let body = Body {
        alarm: kept.known.alarm.clone(),
        owed: None,
    };
    let mut finding = StoredFinding {
        body: serde_json::json!(body).to_string(),
        ..stored.clone()
    };
    finding.tag = make_tag(sealing, &finding);
    finding
}

/// A finding as it was written; none if the row was altered.
pub(super) fn read(sealing: &Sealing, stored: &StoredFinding) -> Option<Kept> {
    let fields = fields(stored);
    sealing
        .verify_tag(
            TagLabel::Watch,
            &fields.each_ref().map(Vec::as_slice),
            &stored.tag,
        )
        .ok()?;
    let body: Body = serde_json::from_str(&stored.body).ok()?;
    Some(Kept {
        known: Known {
            alarm: body.alarm,
            since: stored.first_seen_at,
            told: stored.told_at,
        },
        owed: body.owed,
    })
}

/// Findings and messages go under a new master key. An altered one is dropped: what it hid is
/// found again, and what it said is not said.
pub(in crate::app) async fn rewrap_watch(
    tx: &mut Tx<'_>,
    old: &Sealing,
    new: &Sealing,
    now: Timestamp,
) -> Result<(), Error> {
    for mut finding in tx.watch_findings().await? {
        if read(old, &finding).is_some() {
            finding.tag = make_tag(new, &finding);
            tx.put_finding(&finding).await?;
        } else {
            tx.forget_finding(&finding.id).await?;
        }
    }
    for stored in tx.messages().await? {
        tx.remove_message(&stored.id).await?;
        if let Some(mut message) = webhook::as_written(old, &stored, now) {
            message.tag = webhook::make_tag(new, &message);
            tx.put_message(&message).await?;
        }
    }
    Ok(())
}
