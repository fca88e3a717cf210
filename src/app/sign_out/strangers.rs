//! Signed answers for whoever asks without a session of ours: so many and no more.
//!
//! Always true: nothing is written for it, so that a stranger takes no lock of the database;
//! it is counted before anything is signed; and strangers never have more than a few of the
//! places at which a token signs, which people who sign in need. It is counted by process:
//! with several nodes the limit is that of each.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::LIFETIME;
use crate::base::clock::Timestamp;

/// How many of such signatures are made at once. A token has more places than these.
const AT_ONCE: usize = 2;

/// How long anybody waits for a place.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many sources are remembered. Beyond that the one that had least is forgotten: whoever has
/// more addresses than this gets more signatures by them, and has nobody else forgotten. Few are made
/// at once: where a token signs slowly, a crowd of them can keep the others' answers unsigned for as
/// long as it lasts.
const SOURCES: usize = 4096;

/// What strangers have had.
pub(in crate::app) struct Strangers {
    places: Semaphore,
    counts: Mutex<HashMap<String, Count>>,
}

struct Count {
    since: Timestamp,
    taken: u32,
}

impl Default for Strangers {
    fn default() -> Self {
        Self {
            places: Semaphore::new(AT_ONCE),
            counts: Mutex::default(),
        }
    }
}

impl Strangers {
    /// A place to sign at for one of `source`; `None`: it had `limit` of them within the
    /// lifetime of a sign-out, or too many others wait.
    pub(super) async fn place(
        &self,
        source: &str,
        limit: u32,
        now: Timestamp,
    ) -> Option<SemaphorePermit<'_>> {
        if !self.pay(source, limit, now) {
            return None;
        }
        timeout(PATIENCE, self.places.acquire()).await.ok()?.ok()
    }

    fn pay(&self, source: &str, limit: u32, now: Timestamp) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let runs = |count: &Count| now < count.since.plus(LIFETIME);
        if !counts.contains_key(source) && counts.len() >= SOURCES {
            counts.retain(|_, count| runs(count));
            if counts.len() >= SOURCES {
                forget_one(&mut counts);
            }
        }
        let count = counts.entry(source.to_owned()).or_insert(Count {
            since: now,
            taken: 0,
        });
        if !runs(count) {
            *count = Count {
                since: now,
                taken: 0,
            };
        }
        if count.taken >= limit {
            return false;
        }
        count.taken += 1;
        true
    }
}

/// Forgets the source that had least, of those the one that began first.
fn forget_one(counts: &mut HashMap<String, Count>) {
    let least = counts
        .iter()
        .min_by_key(|(_, count)| (count.taken, count.since))
        .map(|(source, _)| source.clone());
    if let Some(least) = least {
        counts.remove(&least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn each_source_has_so_many_within_a_quarter_of_an_hour() {
        let strangers = Strangers::default();
        let had = |source, now| (0..9).filter(|_| strangers.pay(source, 3, now)).count();
        assert_eq!(had("203.0.113.7", NOW), 3);
        assert_eq!(had("203.0.113.8", NOW), 3, "another one has its own");
        let later = NOW.plus(LIFETIME);
        assert_eq!(had("203.0.113.7", later.minus(Duration::from_millis(1))), 0);
        assert_eq!(had("203.0.113.7", later), 3);
    }

    #[test]
    fn whoever_has_many_addresses_keeps_nobody_else_from_an_answer() {
        let strangers = Strangers::default();
        let at = |millis| NOW.plus(Duration::from_millis(millis));
        let kept = || strangers.counts.lock().unwrap().len();
        // An office of which many sign out, and one that had all it may.
        assert!((0..5).all(|_| strangers.pay("office", 9, NOW)));
        assert!(strangers.pay("spent", 1, NOW) && strangers.pay("spent", 2, NOW));
        for source in 0..SOURCES as u64 + 50 {
            assert!(strangers.pay(&source.to_string(), 2, at(source + 1)));
        }
        assert_eq!(kept(), SOURCES);
        assert!(strangers.pay("one more", 2, at(9000)));
        // Who had more than those is remembered.
        assert!(!strangers.pay("spent", 2, at(9000)));
        let had = (0..9).filter(|_| strangers.pay("office", 9, at(9000)));
        assert_eq!(had.count(), 4);
        // Those that are over make room.
        assert!(strangers.pay("later", 1, at(9000).plus(LIFETIME)));
        assert_eq!(kept(), 1);
    }

    #[tokio::test]
    async fn few_sign_at_once() {
        let strangers = Strangers::default();
        let one = strangers.place("a", 9, NOW).await;
        let two = strangers.place("b", 9, NOW).await;
        assert!(one.is_some() && two.is_some());
        assert!(strangers.places.try_acquire().is_err());
        drop(one);
        assert!(strangers.place("c", 9, NOW).await.is_some());
    }
}
