//! Counting what strangers cause, without writing for each of it.
//!
//! Always true: a refusal that needs no transaction of its own makes none. It is counted
//! in memory by hour and reason, and `serve` writes the counts every few seconds and when
//! it stops. A process that is killed loses a few seconds of counting, nothing else.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::{App, Error};
pub use crate::audit::Refused;
use crate::{
    base::clock::Timestamp,
    storage::{Store, StoreError, hour_of},
};

/// Counts that are not written yet: how often, by hour and reason; and all of this process.
#[derive(Debug, Default)]
pub(super) struct Tally {
    unwritten: Mutex<Counts>,
    totals: Mutex<BTreeMap<Refused, u64>>,
}

// Ordered: two nodes that raise the same rows in two orders would wait for each other.
type Counts = BTreeMap<(Timestamp, Refused), u64>;

impl Tally {
    /// How often, since the process began.
    pub(super) fn totals(&self) -> BTreeMap<Refused, u64> {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.clone()
    }

    fn count(&self, reason: Refused) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let count = totals.entry(reason).or_default();
        *count = count.saturating_add(1);
    }

    fn add(&self, hour: Timestamp, reason: Refused, times: u64) {
        let mut counts = self
            .unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((hour, reason)).or_default();
        *count = count.saturating_add(times);
    }

    fn take(&self) -> Counts {
        std::mem::take(
            &mut *self
                .unwritten
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl App {
    /// Counts what a stranger caused. Nothing is written before [`App::flush_refused`].
    pub fn count_refused(&self, reason: Refused) {
        self.refused.count(reason);
        self.refused.add(hour_of(self.now()), reason, 1);
    }

    /// Writes what was counted since the last time. If it cannot be written, it is kept.
    pub async fn flush_refused(&self) -> Result<(), Error> {
        let counts = self.refused.take();
        if counts.is_empty() {
            return Ok(());
        }
        if let Err(error) = write(&self.store, &counts).await {
            for ((hour, reason), times) in counts {
                self.refused.add(hour, reason, times);
            }
            return Err(error.into());
        }
        Ok(())
    }
}

async fn write(store: &Store, counts: &Counts) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    for (&(hour, reason), &times) in counts {
        tx.count_refused(reason, times, hour).await?;
    }
    tx.commit().await
}
