//! The clock, compared with the `Date` that others put on their answers.

use std::collections::BTreeSet;

use super::{Finding, catalogue::CLOCK};
use crate::base::clock::Timestamp;

const WARNING: i64 = 30_000;
const PROBLEM: i64 = 60_000;

/// One comparison.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sample {
    /// Whose clock.
    pub host: String,
    /// How far ahead of it ours is, in milliseconds; right to about a second.
    pub ahead: i64,
}

/// Compares a `Date` with the middle of the exchange. `Date` has whole seconds: on average it
/// is half a second old.
pub fn sample(host: &str, date: Timestamp, asked: Timestamp, answered: Timestamp) -> Sample {
    let middle = asked.as_millis().midpoint(answered.as_millis());
    Sample {
        host: host.to_owned(),
        ahead: middle - (date.as_millis() + 500),
    }
}

/// What the samples say: the middle one, so that one clock that is wrong itself says nothing.
pub fn judge(samples: &[Sample]) -> Finding {
    let mut ahead: Vec<i64> = samples.iter().map(|sample| sample.ahead).collect();
    ahead.sort_unstable();
    let Some(&high) = ahead.get(ahead.len() / 2) else {
        return CLOCK.unseen(
            "this machine",
            "Nobody answered whose clock could be compared",
            "see why Entra cannot be reached, or compare with `chronyc tracking` or `timedatectl`",
        );
    };
    let median = if ahead.len().is_multiple_of(2) {
        ahead[ahead.len() / 2 - 1].midpoint(high)
    } else {
        high
    };
    let hosts: BTreeSet<&str> = samples.iter().map(|sample| sample.host.as_str()).collect();
    let hosts: Vec<&str> = hosts.into_iter().collect();
    let hosts = hosts.join(", ");
    let seconds = (median.unsigned_abs() + 500) / 1000;
    let off = match (seconds, median < 0) {
        // `Date` says no more.
        (..2, _) => "right".to_owned(),
        (_, true) => format!("{seconds} s slow"),
        (_, false) => format!("{seconds} s fast"),
    };
    let remedy = "let a time service set the clock (chrony or systemd-timesyncd), and see that it reaches its servers";
    match median.abs() {
        ..WARNING => CLOCK.good(
            "this machine",
            format!("The clock is {off} (compared with {hosts})"),
        ),
        WARNING..=PROBLEM => CLOCK.warning(
            "this machine",
            format!("The clock is {off} (compared with {hosts})"),
            remedy,
        ),
        _ => CLOCK.problem(
            "this machine",
            format!("The clock is {off} (compared with {hosts}); Entra refuses what is signed, and one-time codes are wrong"),
            remedy,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::Outcome;

    fn outcome(ahead: &[i64]) -> Outcome {
        let samples: Vec<Sample> = ahead
            .iter()
            .map(|&ahead| Sample {
                host: "a".to_owned(),
                ahead,
            })
            .collect();
        judge(&samples).outcome
    }

    #[test]
    fn the_middle_of_several_clocks_counts() {
        for (ahead, wanted) in [
            (vec![], Outcome::Unseen),
            (vec![400], Outcome::Good),
            (vec![-29_000], Outcome::Good),
            (vec![-31_000], Outcome::Warning),
            (vec![31_000, 32_000], Outcome::Warning),
            (vec![61_000], Outcome::Problem),
            (vec![-3_600_000, -3_600_000, 0], Outcome::Problem),
            (vec![0, 100, 3_600_000], Outcome::Good),
        ] {
            assert_eq!(outcome(&ahead), wanted, "{ahead:?}");
        }
    }

    #[test]
    fn the_middle_of_the_exchange_is_compared() {
        let at = Timestamp::from_millis;
        let sample = sample("h", at(10_000), at(10_400), at(10_600));
        assert_eq!(sample.ahead, 0);
        assert!(
            judge(&[Sample {
                ahead: -75_000,
                ..sample
            }])
            .sentence
            .contains("75 s slow")
        );
    }
}
