//! What a token opens: the scenarios of Partner Center by its rules of 2023 and of
//! 2026, and `amr` as Entra would compute it.
//!
//! Always true: derived from the verdict alone. What is undecided stays undecided.
//! The tables are those of Microsoft's partner documentation (users.md, "What
//! Partner Center and Entra demand").

use serde::Serialize;

use super::{
    context::Consumer,
    report::{Kind, Outcome, Verdict},
};

/// Whether something is open to a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opens {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Only with a technical exception granted by Microsoft.
    WithAnException,
    /// The documentation says so; nobody confirmed it on a live tenant.
    ExpectedUnconfirmed,
    /// The operation is retired.
    Retired,
    /// Not known: the verdict is undecided.
    Undecided,
}

impl Opens {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::WithAnException => "with an exception",
            Self::ExpectedUnconfirmed => "expected, unconfirmed",
            Self::Retired => "retired",
            Self::Undecided => "undecided",
        }
    }
}

/// One scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Scenario {
    /// What is done.
    pub scenario: &'static str,
    /// By the rules of May 2023, if the second factor was not Entra's own.
    pub rules_2023: Opens,
    /// By the rules of 2026.
    pub rules_2026: Opens,
    /// If the second factor was Entra's own; by both. Absent where it cannot have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entra_mfa: Option<Opens>,
}

/// A protected page of Partner Center.
#[derive(Clone, Debug, Serialize)]
pub struct PortalPage {
    /// Its name.
    pub page: &'static str,
    /// Who may open it.
    pub roles: &'static [&'static str],
    /// Whether this token opens it, to these roles.
    pub opens: Opens,
}

/// What the token opens.
#[derive(Clone, Debug, Serialize)]
pub struct Scenarios {
    /// `amr` of the access token: its own, or as Entra would compute it. `null` if no token comes of it.
    pub amr: Option<Vec<String>>,
    /// The pages that demand MFA. Since September 2025 the whole portal does.
    pub portal: Vec<PortalPage>,
    /// The operations of the API with App+User tokens.
    pub api: Vec<Scenario>,
}

const PAGES: [(&str, &[&str]); 3] = [
    (
        "Customers",
        &["Admin agent", "Sales agent", "Helpdesk agent"],
    ),
    (
        "Support, Customer requests",
        &["Admin agent", "Helpdesk agent"],
    ),
    (
        "Billing",
        &[
            "Admin agent",
            "Global administrator",
            "Billing administrator",
        ],
    ),
];

/// Scenario, third-party MFA in 2023, federated or external MFA in 2026.
const TABLE: [(&str, Opens, Opens); 7] = [
    (
        "discover (price, catalogue, promotions)",
        Opens::WithAnException,
        Opens::Yes,
    ),
    ("transact and manage", Opens::WithAnException, Opens::Yes),
    (
        "billing and reconciliation",
        Opens::WithAnException,
        Opens::Yes,
    ),
    (
        "delegated access (AOBO), GDAP",
        Opens::No,
        Opens::ExpectedUnconfirmed,
    ),
    (
        "user and licence assignment, DAP",
        Opens::WithAnException,
        Opens::Retired,
    ),
    (
        "user and licence assignment, GDAP",
        Opens::No,
        Opens::ExpectedUnconfirmed,
    ),
    (
        "GDAP relationship request and assignment",
        Opens::No,
        Opens::ExpectedUnconfirmed,
    ),
];

/// What a message with these verdicts opens; nothing if Partner Center has no part in it.
pub(super) fn of(
    kind: Kind,
    verdicts: &[Verdict],
    own_amr: Option<Vec<String>>,
) -> Option<Scenarios> {
    if kind == Kind::FederationConfiguration {
        return None;
    }
    let outcome_of = |consumer: Consumer| {
        verdicts
            .iter()
            .find(|verdict| verdict.consumer == consumer)
            .map(|verdict| (verdict.outcome, verdict.mfa))
    };
    let door = [
        Consumer::EntraSaml2,
        Consumer::EntraWsfed,
        Consumer::EntraExternalMfa,
    ]
    .into_iter()
    .find_map(outcome_of);
    let (outcome, _) = match kind {
        Kind::Jwt | Kind::JwtClaims => outcome_of(Consumer::PartnerCenter)
            .or_else(|| outcome_of(Consumer::EntraExternalMfa))?,
        Kind::Saml2Response | Kind::Saml2Assertion | Kind::WsfedRstr | Kind::Saml11Assertion => {
            outcome_of(Consumer::PartnerCenter).or(door)?
        }
        _ => return None,
    };
    let amr = match (kind, door) {
        (Kind::Jwt | Kind::JwtClaims, None) => own_amr,
        // The first factor of External MFA is Entra's; a password in nearly every case.
        (_, Some((Outcome::Accepted, _))) => Some(vec!["pwd".to_owned(), "mfa".to_owned()]),
        (_, Some((Outcome::AcceptedWithoutMfa, _))) => Some(vec!["pwd".to_owned()]),
        _ => None,
    };
    let filled = |value: Opens| match outcome {
        Outcome::Accepted | Outcome::NotApplicable => value,
        Outcome::Rejected | Outcome::AcceptedWithoutMfa => match value {
            Opens::Retired => Opens::Retired,
            _ => Opens::No,
        },
        Outcome::Undecided => Opens::Undecided,
    };
    if outcome == Outcome::NotApplicable {
        return None;
    }
    // A federated assertion or an answer to External MFA is by nature not Entra's own MFA.
    let may_be_own = matches!(kind, Kind::Jwt | Kind::JwtClaims) && door.is_none();
    Some(Scenarios {
        amr,
        portal: PAGES
            .into_iter()
            .map(|(page, roles)| PortalPage {
                page,
                roles,
                opens: filled(Opens::Yes),
            })
            .collect(),
        api: TABLE
            .into_iter()
            .map(|(scenario, in_2023, in_2026)| Scenario {
                scenario,
                rules_2023: filled(in_2023),
                rules_2026: filled(in_2026),
                entra_mfa: may_be_own.then(|| match in_2026 {
                    Opens::Retired => Opens::Retired,
                    _ => filled(Opens::Yes),
                }),
            })
            .collect(),
    })
}
