//! How fresh the proofs must be: when a session may answer a request.

use std::time::Duration;

use super::request::{Reauthentication, SignInRequest};
use crate::base::clock::Timestamp;

/// Within this time a second request of the same browser and party may mean "too old".
pub const LOOP_WINDOW: Duration = Duration::from_mins(2);
/// So many answers to one party within [`LOOP_WINDOW`] are given, each asked for after the
/// one before; the next request in it stops at a page, because a browser that runs in a circle
/// tells nobody why.
pub const ROUND_TRIPS: usize = 3;
/// Proofs younger than this cannot be what the party found too old.
pub const YOUNG_PROOF: Duration = Duration::from_mins(5);

/// What a request demands of the proofs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// A session whose oldest proof is at most this old will do.
    AtMost(Duration),
    /// Only proofs of this attempt.
    ThisAttempt,
}

/// What `request` demands, for a party that takes sessions of `max_age`. A request may ask
/// for fresher proofs than the policy does, never for older ones.
///
/// `reused_at`: when this browser last had an answer to this party out of a reused
/// session. Entra has no way to say "your proofs are too old" but to ask again at
/// once (facts §2.2, AADSTS50078), so a second request within [`LOOP_WINDOW`] counts
/// as ForceAuthn if the oldest proof is not young.
pub fn freshness(
    request: &SignInRequest,
    max_age: Duration,
    reused_at: Option<Timestamp>,
    oldest_proof: Option<Timestamp>,
) -> Freshness {
    if request.reauthentication == Reauthentication::Always {
        return Freshness::ThisAttempt;
    }
    // When the party asked decides, not when the person looks: waiting makes nothing fresher.
    let now = request.received_at();
    let asked_again = reused_at.is_some_and(|at| now.since(at) < LOOP_WINDOW);
    let old = oldest_proof.is_some_and(|at| now.since(at) > YOUNG_PROOF);
    if asked_again && old {
        return Freshness::ThisAttempt;
    }
    Freshness::AtMost(
        request
            .max_age()
            .map_or(max_age, |asked| asked.min(max_age)),
    )
}

impl Freshness {
    /// Whether a session's proof of that instant satisfies it; of several, the oldest must.
    pub fn is_met_by_session(self, proved_at: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::AtMost(age) => now.since(proved_at) <= age,
            Self::ThisAttempt => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signin::attempt::tests::{NOW, request};

    const MAX: Duration = Duration::from_mins(15);

    fn minutes_ago(minutes: u64) -> Timestamp {
        NOW.minus(Duration::from_mins(minutes))
    }

    #[test]
    fn a_session_answers_while_it_is_young_enough() {
        let demanded = freshness(&request(), MAX, None, Some(minutes_ago(10)));
        assert_eq!(demanded, Freshness::AtMost(MAX));
        assert!(demanded.is_met_by_session(minutes_ago(15), NOW));
        assert!(!demanded.is_met_by_session(minutes_ago(15).minus(Duration::from_millis(1)), NOW));
    }

    #[test]
    fn a_request_may_ask_for_fresher_proofs_and_never_for_older_ones() {
        let minutes = |minutes: u64| SignInRequest {
            max_age_seconds: Some(minutes * 60),
            ..request()
        };
        for (asked, expected) in [(5, 5), (15, 15), (60, 15), (0, 0)] {
            let demanded = freshness(&minutes(asked), MAX, None, Some(NOW));
            assert_eq!(demanded, Freshness::AtMost(Duration::from_mins(expected)));
        }
    }

    #[test]
    fn force_authn_takes_no_session() {
        let forced = SignInRequest {
            reauthentication: Reauthentication::Always,
            ..request()
        };
        let demanded = freshness(&forced, MAX, None, Some(NOW));
        assert_eq!(demanded, Freshness::ThisAttempt);
        assert!(!demanded.is_met_by_session(NOW, NOW));
    }

    #[test]
    fn asking_again_at_once_means_too_old_unless_the_proofs_are_young() {
        let just_now = Some(NOW.minus(Duration::from_secs(119)));
        assert_eq!(
            freshness(&request(), MAX, just_now, Some(minutes_ago(6))),
            Freshness::ThisAttempt
        );
        assert_eq!(
            freshness(&request(), MAX, just_now, Some(minutes_ago(5))),
            Freshness::AtMost(MAX)
        );
        assert_eq!(
            freshness(&request(), MAX, Some(minutes_ago(2)), Some(minutes_ago(6)),),
            Freshness::AtMost(MAX)
        );
    }
}
