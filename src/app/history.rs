//! What happened in one attempt, for the operator who was given its id.

use super::Error;
use crate::{
    audit::Receipt,
    base::ids::AttemptId,
    storage::{Store, StoredEvent},
};

/// What is known of an attempt.
#[derive(Debug)]
pub struct AttemptHistory {
    /// Its events, oldest first.
    pub events: Vec<StoredEvent>,
    /// The receipt, if it was answered.
    pub receipt: Option<Receipt>,
}

/// What is known of the attempt; not found if nothing is.
pub async fn of_attempt(store: &Store, id: &AttemptId) -> Result<AttemptHistory, Error> {
    let mut tx = store.read().await?;
    let events = tx.events_of_attempt(id).await?;
    let receipt = tx.receipt_of_attempt(id).await?;
    if events.is_empty() && receipt.is_none() {
        return Err(Error::not_found(format!(
            "nothing is known of {id}; an attempt in which nothing was tried is forgotten"
        )));
    }
    Ok(AttemptHistory { events, receipt })
}
