//! What wrong guesses cost.
//!
//! Every guess is paid for before it is checked: the store raises a counter in one
//! conditional UPDATE of its own transaction, and refuses while a wait is running;
//! a right answer gives the counter back. So neither a rollback nor a race is a free
//! guess (attacks 2 and 4). A wait is a refusal that names its end, never a held request.
//! A source's failures are forgiven one by one as time passes, because nobody's right
//! answer ends them: an office that mistypes now and then is never locked out by it.
//!
//! ```text
//!   failures   1 … free      free+1   free+2   free+3 …
//!   wait       none          base     2·base   4·base …  up to cap
//! ```

use std::time::Duration;

use crate::base::clock::Timestamp;

/// How a counter makes people wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Delays {
    /// Failures that cost nothing.
    pub free: u32,
    /// The first wait.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
    /// One failure is forgiven each time that this has passed; `None`: only a right answer
    /// ends them. In whole milliseconds, at least one.
    pub forgiven: Option<Duration>,
}

/// What a counter holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Count {
    /// Failures that are not forgiven.
    pub failures: u32,
    /// Since when the next one waits to be forgiven.
    pub since: Timestamp,
}

impl Delays {
    /// For passwords, codes and passes of one person.
    pub const PERSON: Self = Self {
        free: 5,
        base: Duration::from_secs(30),
        cap: Duration::from_mins(30),
        forgiven: None,
    };

    /// For everything that one source sends: many people share an office's address.
    pub const SOURCE: Self = Self {
        free: 60,
        base: Duration::from_secs(15),
        cap: Duration::from_mins(5),
        forgiven: Some(Duration::from_mins(1)),
    };

    /// The counter after one more failure at `now`. The store's statement does the same in
    /// SQL; the storage suite compares the two.
    #[must_use]
    pub fn after_failure(self, before: Option<Count>, now: Timestamp) -> Count {
        let (left, since) = match (before, self.forgiven) {
            (None, _) => (0, now),
            (Some(before), None) => (before.failures, now),
            (Some(before), Some(every)) => {
                let every = every.max(Duration::from_millis(1));
                let times = now.since(before.since).as_millis() / every.as_millis();
                let times = u32::try_from(times).unwrap_or(u32::MAX);
                match before.failures.saturating_sub(times) {
                    0 => (0, now),
                    // What has passed of the next one's time is kept.
                    left => (left, before.since.plus(every.saturating_mul(times))),
                }
            }
        };
        Count {
            failures: left.saturating_add(1),
            since,
        }
    }

    /// The wait that follows the failure number `failures` (counted from 1).
    pub fn wait_after(self, failures: u32) -> Duration {
        if failures < self.free {
            return Duration::ZERO;
        }
        let doublings = (failures - self.free).min(20);
        self.base.saturating_mul(1 << doublings).min(self.cap)
    }
}

/// After so many second-factor failures in a row — each needs the right password, so
/// somebody knows it — the password is dead until it is reset.
pub const SECOND_FACTOR_LIMIT: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stop_growing() {
        let waits: Vec<u64> = [1, 4, 5, 6, 7, 10, 11, 12, 1000, u32::MAX]
            .map(|n| Delays::PERSON.wait_after(n).as_secs())
            .to_vec();
        assert_eq!(waits, [0, 0, 30, 60, 120, 960, 1800, 1800, 1800, 1800]);
    }

    #[test]
    fn a_source_is_forgiven_a_failure_a_minute_and_a_person_none() {
        let start = Timestamp::from_millis(1_000_000);
        let at = |seconds| start.plus(Duration::from_secs(seconds));
        let mut count = None;
        for _ in 0..10 {
            count = Some(Delays::SOURCE.after_failure(count, start));
        }
        let failures_at = |delays: Delays, seconds| delays.after_failure(count, at(seconds));
        for (seconds, failures, since) in [
            (59, 11, 0),
            (60, 10, 60),
            (119, 10, 60),
            (9 * 60, 2, 9 * 60),
            (599, 2, 540),
            (600, 1, 600),
            (10_000, 1, 10_000),
        ] {
            let since = at(since);
            assert_eq!(
                failures_at(Delays::SOURCE, seconds),
                Count { failures, since }
            );
            assert_eq!(failures_at(Delays::PERSON, seconds).failures, 11);
        }
        // Somebody who tries every half a minute is forgiven every other try.
        let mut count = None;
        for half in 0..1000 {
            count = Some(Delays::SOURCE.after_failure(count, at(30 * half)));
        }
        assert_eq!(count.map(|count| count.failures), Some(501));
        // A clock that was set back forgives nothing and takes nothing.
        let behind = start.minus(Duration::from_hours(1));
        let ahead = Some(Count {
            failures: 3,
            since: start,
        });
        let after = Delays::SOURCE.after_failure(ahead, behind);
        assert_eq!((after.failures, after.since), (4, start));
    }
}
