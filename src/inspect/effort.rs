//! How much one input may cost.
//!
//! Always true: it is counted over the whole input. A trace has as many messages as its
//! writer likes, each tried with as many keys as were given: neither number is ours
//! (attack 17). What is left out for it is said, and never taken for checked.

use std::cell::Cell;

/// Verifications of one input: a full trace of small messages needs fewer.
const MAX_VERIFICATIONS: usize = 2_000;
/// A verification digests the message: so many bytes count as one.
const BYTES_OF_ONE: usize = 16 * 1024;
/// What all messages of one input have without their wrappings.
const MAX_UNWRAPPED: usize = 32 * 1024 * 1024;

/// Why a signature was not checked.
pub(super) const TOO_MANY: &str = "The input has too many signatures and keys to try them all.";
/// What decides it then.
pub(super) const FEWER: &[&str] = &["the message by itself and the key that signed it"];

/// What is left for one input.
pub(super) struct Effort {
    verifications: Cell<usize>,
    unwrapped: Cell<usize>,
}

impl Effort {
    /// All of it.
    pub(super) fn of_one_input() -> Self {
        Self {
            verifications: Cell::new(MAX_VERIFICATIONS),
            unwrapped: Cell::new(MAX_UNWRAPPED),
        }
    }

    /// Whether one more key may be tried on a message of `bytes`; if so it is paid for.
    pub(super) fn may_verify(&self, bytes: usize) -> bool {
        let left = self.verifications.get();
        let cost = 1 + bytes / BYTES_OF_ONE;
        self.verifications.set(left.saturating_sub(cost));
        left >= cost
    }

    /// Notes a message of `bytes` that was unwrapped.
    pub(super) fn unwraps(&self, bytes: usize) {
        self.unwrapped
            .set(self.unwrapped.get().saturating_sub(bytes));
    }

    /// Whether another message may be read.
    pub(super) fn may_read(&self) -> bool {
        self.unwrapped.get() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_17_what_is_spent_is_spent() {
        let effort = Effort::of_one_input();
        let tried = (0..MAX_VERIFICATIONS * 2)
            .filter(|_| effort.may_verify(0))
            .count();
        assert_eq!(tried, MAX_VERIFICATIONS);
        let effort = Effort::of_one_input();
        let large = 256 * 1024;
        let tried = (0..MAX_VERIFICATIONS)
            .filter(|_| effort.may_verify(large))
            .count();
        assert_eq!(tried, MAX_VERIFICATIONS / (1 + large / BYTES_OF_ONE));
        let read = (0..1_000)
            .take_while(|_| effort.may_read())
            .map(|_| effort.unwraps(1024 * 1024))
            .count();
        assert_eq!(read, 32);
    }
}
