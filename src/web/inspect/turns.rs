//! Who has a turn of the inspector, and who is sending it something.
//!
//! Always true: judging takes a turn, of which there are few; sending takes none.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Judged at once. Each may take a good part of a second and some memory.
const AT_ONCE: usize = 2;

/// Forms that are read at once, in all and of one person.
const SENDERS: usize = 8;
const SENT_BY_ONE: usize = 2;

/// How long a person waits for a turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many forms each sends just now.
type Senders = Arc<Mutex<HashMap<String, usize>>>;

/// The turns of the inspector, and who is sending it something.
pub struct Turns {
    judged: Arc<Semaphore>,
    senders: Senders,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            judged: Arc::new(Semaphore::new(AT_ONCE)),
            senders: Arc::default(),
        }
    }
}

/// Somebody who is sending; not any more when it is dropped.
pub(in crate::web) struct Sending {
    who: String,
    senders: Senders,
}

impl Drop for Sending {
    fn drop(&mut self) {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = senders.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                senders.remove(&self.who);
            }
        }
    }
}

impl Turns {
    /// A turn, if one is free before patience ends.
    pub(in crate::web) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.judged).acquire_owned();
        tokio::time::timeout(PATIENCE, turn).await.ok()?.ok()
    }

    /// Leave to send. No turn is held meanwhile: who sends slowly keeps nobody waiting.
    /// Few may send at once, because what they send is in memory, and each of them little,
    /// so that nobody takes all of it.
    pub(in crate::web) fn sends(&self, who: &str) -> Option<Sending> {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let in_all: usize = senders.values().sum();
        let own = senders.get(who).copied().unwrap_or_default();
        if in_all >= SENDERS || own >= SENT_BY_ONE {
            return None;
        }
        senders.insert(who.to_owned(), own + 1);
        Some(Sending {
            who: who.to_owned(),
            senders: Arc::clone(&self.senders),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_sends_slowly_keeps_nobody_else_waiting() {
        let turns = Turns::default();
        let slow: Vec<_> = (0..5).filter_map(|_| turns.sends("slow")).collect();
        assert_eq!(slow.len(), SENT_BY_ONE);
        assert!(turns.sends("another").is_some());
        // Nobody holds a turn by sending.
        let (one, two) = (turns.take().await, turns.take().await);
        assert!(one.is_some() && two.is_some());
        drop(slow);
        assert!(turns.sends("slow").is_some());
        let all: Vec<_> = (0..SENDERS * 2)
            .filter_map(|number| turns.sends(&number.to_string()))
            .collect();
        assert_eq!(all.len(), SENDERS);
    }
}
