//! The list of checks that a response goes through, and how each ended.
//!
//! Always true: a judgement shows every check of the list, in its order; what an
//! earlier failure left unchecked is shown as such and never as passed.

use serde_json::{Value, json};

/// How a check ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CheckOutcome {
    /// As it should be.
    Passed,
    /// Not as it should be.
    Failed,
    /// An earlier failure left nothing to check.
    NotReached,
}

/// One thing that was checked.
#[derive(Clone, Debug)]
pub struct Check {
    /// A stable short name.
    pub name: &'static str,
    /// What was asked, in one sentence.
    pub title: &'static str,
    /// How it ended.
    pub outcome: CheckOutcome,
    /// What was seen.
    pub detail: String,
    /// The Entra error that a failure predicts (facts §9), digits only.
    pub aadsts: &'static str,
}

impl CheckOutcome {
    /// `passed`, `failed` or `not-reached`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotReached => "not-reached",
        }
    }
}

impl Check {
    /// As it stands in `GET /last.json`.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "outcome": self.outcome.as_str(),
            "detail": self.detail,
        })
    }
}

/// A check to be: name, title, predicted error.
pub(super) type Row = (&'static str, &'static str, &'static str);

/// The checks of a SAML 2.0 response.
pub(super) const SAML2: [Row; 18] = [
    ("message", "The form field is base64 of plain XML", "50008"),
    ("status", "The status is Success", "500082"),
    (
        "assertion",
        "There is exactly one assertion, not encrypted",
        "500082",
    ),
    ("signed", "The assertion itself is signed", "50008"),
    ("signature", "The signature holds", "50006"),
    (
        "certificate",
        "The key is one that is registered for the domain",
        "5000811",
    ),
    (
        "issuer",
        "The issuer is the registered issuerUri, byte for byte",
        "50107",
    ),
    ("audience", "The audience is this tenant", "50008"),
    (
        "recipient",
        "The recipient is this tenant's login.srf",
        "500089",
    ),
    (
        "request",
        "It answers a request of ours, for the first time",
        "500089",
    ),
    ("time", "It is valid now", "50008"),
    ("name-id", "The NameID is persistent", "500089"),
    (
        "person",
        "The NameID is the ImmutableID of a known person",
        "51004",
    ),
    (
        "email",
        "IDPEmail is that person's user principal name",
        "50034",
    ),
    (
        "root-domain",
        "The person belongs to the issuer's root domain",
        "5000820",
    ),
    (
        "sign-in",
        "It says when the person signed in, and that is recent enough",
        "50078",
    ),
    ("relay-state", "RelayState came back byte for byte", "50008"),
    (
        "mfa",
        "The class reference is multipleauthn: the person used two factors",
        "50079",
    ),
];

/// The checks of a WS-Federation answer (facts §2.3).
pub(super) const WSFED: [Row; 19] = [
    (
        "message",
        "wresult is plain XML, one RequestSecurityTokenResponse",
        "50008",
    ),
    (
        "assertion",
        "There is exactly one token, a SAML 1.1 assertion",
        "50008",
    ),
    ("signed", "The assertion itself is signed", "50008"),
    (
        "last-child",
        "The signature is the assertion's last child",
        "50008",
    ),
    ("signature", "The signature holds", "50006"),
    (
        "certificate",
        "The key is one that is registered for the domain",
        "5000811",
    ),
    (
        "issuer",
        "The issuer is the registered issuerUri, byte for byte",
        "50107",
    ),
    ("audience", "The audience is this tenant", "50008"),
    (
        "confirmation",
        "Every statement is confirmed as bearer",
        "50008",
    ),
    (
        "request",
        "It answers a request of ours, for the first time",
        "50008",
    ),
    ("time", "It is valid now", "50008"),
    ("person", "ImmutableID is that of a known person", "51004"),
    (
        "name-id",
        "NameIdentifier, where there is one, is the same",
        "51004",
    ),
    ("upn", "UPN is that person's user principal name", "50034"),
    (
        "root-domain",
        "The person belongs to the issuer's root domain",
        "5000820",
    ),
    (
        "sign-in",
        "authenticationinstant says when the person signed in, and that is recent enough",
        "50078",
    ),
    (
        "mfa-instant",
        "multifactorauthenticationinstant is recent enough",
        "50078",
    ),
    ("wctx", "wctx came back byte for byte", "50008"),
    (
        "mfa",
        "multipleauthn stands in a place that Entra reads: the person used two factors",
        "50079",
    ),
];

/// The checks of a SAML 1.1 assertion that a program brings over WS-Trust (facts §3).
pub(super) const ACTIVE: [Row; 13] = [
    WSFED[1],
    WSFED[2],
    WSFED[4],
    WSFED[5],
    WSFED[6],
    WSFED[7],
    WSFED[8],
    WSFED[10],
    WSFED[11],
    WSFED[12],
    WSFED[13],
    WSFED[14],
    ("sign-in", "It says when the person signed in", "50078"),
];

/// The checks of one judgement so far.
pub(super) struct Checks {
    table: &'static [Row],
    list: Vec<Check>,
}

impl Checks {
    pub(super) fn of(table: &'static [Row]) -> Self {
        Self {
            table,
            list: Vec::new(),
        }
    }

    pub(super) fn record(&mut self, name: &str, result: Result<String, String>) {
        let (outcome, detail) = match result {
            Ok(detail) => (CheckOutcome::Passed, detail),
            Err(detail) => (CheckOutcome::Failed, detail),
        };
        if let Some((name, title, aadsts)) = self.table.iter().find(|(known, ..)| *known == name) {
            self.list.push(Check {
                name,
                title,
                outcome,
                detail,
                aadsts,
            });
        }
    }

    /// Fills in what was not reached, in the table's order.
    pub(super) fn finish(mut self) -> Vec<Check> {
        self.table
            .iter()
            .map(|(name, title, aadsts)| {
                let at = self.list.iter().position(|check| check.name == *name);
                at.map_or_else(
                    || Check {
                        name,
                        title,
                        outcome: CheckOutcome::NotReached,
                        detail: "An earlier failure left nothing to check.".to_owned(),
                        aadsts,
                    },
                    |at| self.list.swap_remove(at),
                )
            })
            .collect()
    }
}
