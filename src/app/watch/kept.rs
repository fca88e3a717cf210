//! Findings as they are kept: each with a tag over all of it.

use super::{
    changes::{Change, Known},
    round::BEYOND,
    webhook,
};
use crate::{
    app::Error,
    base::clock::Timestamp,
    keys::sealing::{Sealing, TagLabel},
    storage::{StoredFinding, Tx},
};

/// The finding of a change, to be stored.
pub(super) fn stored(sealing: &Sealing, change: &Change, now: Timestamp) -> StoredFinding {
    let mut finding = StoredFinding {
        id: change.alarm.id.clone(),
        kind: change.alarm.kind.clone(),
        severity: change.alarm.severity.as_str().to_owned(),
        body: serde_json::json!(change.alarm).to_string(),
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

/// A finding as it was written; none if the row was altered.
pub(super) fn read(sealing: &Sealing, stored: &StoredFinding) -> Option<Known> {
    let fields = fields(stored);
    sealing
        .verify_tag(
            TagLabel::Watch,
            &fields.each_ref().map(Vec::as_slice),
            &stored.tag,
        )
        .ok()?;
    Some(Known {
        alarm: serde_json::from_str(&stored.body).ok()?,
        since: stored.first_seen_at,
        told: stored.told_at,
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
    let all = tx.messages_due(now.plus(BEYOND), u32::MAX).await?;
    for mut message in all {
        tx.remove_message(&message.id).await?;
        if webhook::is_ours(old, &message) {
            message.tag = webhook::make_tag(new, &message);
            tx.put_message(&message).await?;
        }
    }
    Ok(())
}
