//! The journal under another master key (`keys rewrap`).
//!
//! Always true: what was altered is not blessed by it, and keeps nobody from leaving a master key.

use super::{
    journal::{place, place_row, read_change},
    order::Head,
};
use crate::{app::Error, base::random::Random, keys::sealing::Sealing, storage::Tx};

/// Seals every entry and every head under another master key; how many entries.
pub(in crate::app) async fn rewrap_journal(
    tx: &mut Tx<'_>,
    old: &Sealing,
    new: &Sealing,
    random: &mut (dyn Random + Send),
) -> Result<usize, Error> {
    let mut done = 0;
    for change in tx.all_federation_changes().await?.read {
        // An altered one stays what it is.
        let Some(entries) = tx.federation_entries(&change.id).await? else {
            continue;
        };
        let Some(known) = read_change(old, &change, &entries) else {
            continue;
        };
        let mut last = String::new();
        for entry in &entries {
            let row = place_row(&entry.change, entry.number);
            let place = place(&row, change.domain.as_str());
            let Ok(plain) = old.open(&place, &entry.sealed) else {
                continue;
            };
            last = new.seal(&place, &plain, random);
            tx.update_federation_seal(&entry.change, entry.number, &last)
                .await?;
            done += 1;
        }
        let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        let head = Head::of(change.begun_at, count, &last, known.standing);
        let sealed = head.seal(new, &change.id, &change.domain, random)?;
        tx.set_federation_head(&change.id, &sealed).await?;
    }
    Ok(done)
}
