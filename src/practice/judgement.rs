//! What a response is judged against, and what comes of it: the same for both protocols.
//!
//! Always true: nobody is let in unless every check but the one about MFA has passed.

use std::time::Duration;

use crate::base::{clock::Timestamp, text::Upn};

use super::{
    checks::{Check, CheckOutcome, Checks},
    directory::Directory,
    federation::{FederatedDomain, PracticeUser},
    reading::ReadingError,
};

/// How far clocks may differ. Entra's own tolerance is not documented (facts §9).
pub(super) const SKEW: Duration = Duration::from_mins(5);
/// How much older than the request a forced sign-in may be: whole seconds and the network.
pub(super) const FORCED_TOLERANCE: Duration = Duration::from_secs(2);

/// The request that a response should answer.
#[derive(Clone, Debug)]
pub struct ExpectedRequest {
    /// Its `ID`; of WS-Federation its `client-request-id`.
    pub id: String,
    /// When it left.
    pub issued_at: Timestamp,
    /// Whether it asked for a fresh sign-in.
    pub freshness: Freshness,
    /// Whether a response to it has been taken before.
    pub state: RequestState,
}

/// What a request says about an older sign-in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// Any will do.
    Any,
    /// `ForceAuthn="true"`, `wfresh=0` or `prompt=login`.
    Forced,
}

/// Whether a request is still open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestState {
    /// Unanswered.
    Open,
    /// Answered: a further response is a replay.
    Answered,
}

/// Whether an assertion was here before: `AssertionID` is all that tells in WS-Federation,
/// whose answers name no request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// It was not.
    First,
    /// It was: a replay, whatever `wctx` comes with it.
    Repeated,
}

/// Whether RelayState, or `wctx`, came back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RelayStateEcho {
    /// Byte for byte.
    Exact,
    /// Changed, or not at all.
    Changed,
}

/// What a response is judged against.
#[derive(Clone, Debug)]
pub struct Expectation<'a> {
    /// The tenant's clock.
    pub now: Timestamp,
    /// The tenant's entity id: the audience.
    pub entity_id: &'a str,
    /// The tenant's `login.srf`.
    pub reply_url: &'a str,
    /// The domain's registration.
    pub domain: &'a FederatedDomain,
    /// The tenant's people.
    pub users: &'a Directory,
    /// The request, if one is known.
    pub request: Option<&'a ExpectedRequest>,
    /// What became of RelayState or `wctx`.
    pub relay_state: RelayStateEcho,
    /// Whether the assertion was here before.
    pub arrival: Arrival,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Every check, in order.
    pub checks: Vec<Check>,
    /// The person, if everything but the check about MFA passed.
    pub person: Option<PracticeUser>,
    /// Where the assertion says that the person used two factors; nowhere if it does not.
    pub mfa_places: Vec<&'static str>,
    /// `AuthnInstant`; of WS-Federation the attribute `authenticationinstant`.
    pub authn_instant: Option<Timestamp>,
    /// The id of the assertion, where a registered key signed it.
    pub assertion_id: Option<String>,
}

impl Judgement {
    /// From the checks: the person only if all passed but the one about MFA.
    pub(super) fn of(
        checks: Vec<Check>,
        person: Option<PracticeUser>,
        mfa_places: Vec<&'static str>,
        authn_instant: Option<&str>,
        assertion_id: Option<String>,
    ) -> Self {
        let passed = |check: &Check| check.outcome == CheckOutcome::Passed;
        let all_passed = checks
            .iter()
            .all(|check| passed(check) || check.name == "mfa");
        let signed = checks
            .iter()
            .any(|check| check.name == "certificate" && passed(check));
        Self {
            person: person.filter(|_| all_passed),
            mfa_places,
            authn_instant: authn_instant.and_then(Timestamp::parse_rfc3339),
            assertion_id: assertion_id.filter(|_| signed),
            checks,
        }
    }

    /// The first check that failed, MFA aside.
    pub fn refusal(&self) -> Option<&Check> {
        self.checks
            .iter()
            .find(|check| check.outcome == CheckOutcome::Failed && check.name != "mfa")
    }
}

impl Expectation<'_> {
    /// The checks about RelayState, or `wctx`: `check` is its name in the protocol's list.
    pub(super) fn judge_echo(&self, check: &str, checks: &mut Checks) {
        checks.record(
            check,
            match self.relay_state {
                RelayStateEcho::Exact => Ok("Unchanged.".to_owned()),
                RelayStateEcho::Changed => {
                    Err("It is not one that this tenant sent with a request.".to_owned())
                }
            },
        );
    }

    /// The checks about the person: `immutable_id` is of somebody who is not disabled, `upn` is
    /// that person's name (`upn_check`: what the protocol's list calls that check), and the
    /// person belongs to the domain.
    pub(super) fn judge_person(
        &self,
        immutable_id: Option<&str>,
        (upn_check, upn): (&str, Option<&str>),
        checks: &mut Checks,
    ) -> Option<PracticeUser> {
        let known = immutable_id
            .filter(|id| !id.is_empty())
            .and_then(|id| self.users.by_immutable_id(id));
        let Some(known) = known else {
            checks.record(
                "person",
                Err(format!(
                    "Nobody here has the ImmutableID {}.",
                    shown(immutable_id)
                )),
            );
            return None;
        };
        let person = known.as_user();
        checks.record(
            "person",
            if known.enabled {
                Ok(person.upn.to_string())
            } else {
                Err(format!("The account of {} is disabled.", person.upn))
            },
        );
        let same = upn.and_then(|text| text.parse::<Upn>().ok()).as_ref() == Some(&person.upn);
        checks.record(
            upn_check,
            if same {
                Ok(person.upn.to_string())
            } else {
                Err(format!("{} is not {}.", shown(upn), person.upn))
            },
        );
        checks.record(
            "root-domain",
            if person.upn.domain().is_within(&self.domain.name) {
                Ok(self.domain.name.to_string())
            } else {
                Err(format!(
                    "{} does not belong to {}.",
                    person.upn, self.domain.name
                ))
            },
        );
        Some(person)
    }
}

pub(super) fn sentence(error: &ReadingError) -> String {
    format!("{error}.")
}

pub(super) fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |text| format!("“{text}”"))
}

pub(super) fn listed(values: &[String]) -> String {
    if values.is_empty() {
        "nothing".to_owned()
    } else {
        values.join(", ")
    }
}
