//! What wrong guesses cost.
//!
//! Every guess is paid for before it is checked: the store raises a counter in one
//! conditional UPDATE of its own transaction, and refuses while a wait is running;
//! a right answer gives the counter back. So neither a rollback nor a race is a free
//! guess (attacks 2 and 4). A wait is a refusal that names its end, never a held request.
//!
//! ```text
//!   failures   1 … free      free+1   free+2   free+3 …
//!   wait       none          base     2·base   4·base …  up to cap
//! ```

use std::time::Duration;

/// How a counter makes people wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Delays {
    /// Failures that cost nothing.
    pub free: u32,
    /// The first wait.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl Delays {
    /// For passwords, codes and passes of one person.
    pub const PERSON: Self = Self {
        free: 5,
        base: Duration::from_secs(30),
        cap: Duration::from_mins(30),
    };

    /// For everything that one source sends: many people share an office's address.
    pub const SOURCE: Self = Self {
        free: 60,
        base: Duration::from_secs(15),
        cap: Duration::from_mins(5),
    };

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
}
