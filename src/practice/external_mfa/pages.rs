//! The pages of External MFA: one struct per page, as data only.

use askama::Template;

use super::{ExternalMethod, ExternalOutcome, FirstFactor, answer::Ending};
use crate::{
    inspect::{Finding, words},
    practice::{
        Practice,
        checks::Check,
        pages::{mark, pretty_json, shown},
        totp::{Adds, Brings},
    },
};

/// `/external-mfa`: who asks, and after what.
#[derive(Template)]
#[template(path = "practice/external_mfa.html")]
pub(super) struct ExternalStart<'a> {
    pub(super) practice: &'a Practice,
    pub(super) method: Option<ExternalMethod>,
    /// The people to choose from.
    pub(super) people: Vec<String>,
    pub(super) chosen: &'a str,
    pub(super) problem: Option<&'static str>,
    pub(super) judged: bool,
}

/// What people choose from.
fn factors() -> [(FirstFactor, &'static str); 2] {
    FirstFactor::ALL.map(|factor| {
        let words = match factor {
            FirstFactor::Password => "a password (knowledge)",
            FirstFactor::Certificate => {
                "a certificate (possession): then no code or key counts beside it"
            }
        };
        (factor, words)
    })
}

/// What came of the last round.
#[derive(Template)]
#[template(path = "practice/external_mfa_result.html")]
pub(in crate::practice) struct ExternalResult<'a> {
    outcome: &'a ExternalOutcome,
    claims: Option<String>,
    token_claims: Option<String>,
}

impl<'a> ExternalResult<'a> {
    pub(in crate::practice) fn of(outcome: &'a ExternalOutcome) -> Self {
        Self {
            claims: outcome.claims.as_ref().map(pretty_json),
            token_claims: outcome.access_token_claims.as_ref().map(pretty_json),
            outcome,
        }
    }

    fn accepted(&self) -> Option<&'static str> {
        match self.outcome.ending {
            Ending::Accepted(method) => Some(method),
            Ending::Declined(_) | Ending::Refused => None,
        }
    }

    fn declined(&self) -> Option<&str> {
        match &self.outcome.ending {
            Ending::Declined(error) => Some(error),
            Ending::Accepted(_) | Ending::Refused => None,
        }
    }

    /// What Entra's page would say to the person.
    fn told(&self) -> &'static str {
        match self.declined() {
            Some("access_denied") => {
                "The person did not, or could not, give a second factor. Entra does not sign them in, and lets them try again or choose another method."
            }
            Some("temporarily_unavailable") => {
                "The method cannot be used just now. Entra does not sign the person in, and lets them choose another method."
            }
            Some(_) | None => {
                "The method takes the request for a wrong one. Entra does not sign the person in; an administrator has to look into it."
            }
        }
    }

    fn refusal(&self) -> Option<&Check> {
        self.outcome.refusal()
    }

    fn findings(&self) -> Vec<&Finding> {
        self.outcome.report.as_ref().map(shown).unwrap_or_default()
    }

    fn nobody_was_sent(&self) -> bool {
        self.outcome.checks.is_empty()
    }
}
