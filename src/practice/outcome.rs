//! From a judged response to what Entra would do next, and what Partner Center
//! would answer then.
//!
//! Always true: `amr` gets `mfa` from the verifier's look at the signed class
//! reference and from nothing else; without it the domain's
//! `enforceMfaByFederatedIdp` means that no token is handed out.
//! `rejectMfaByFederatedIdp` takes `mfa` away, and never adds it.

use serde_json::{Value, json};

use crate::{base::clock::Timestamp, inspect::Report};

use super::{
    checks::{Check, CheckOutcome},
    federation::{Break, FederatedDomain, PracticeUser, Protocol},
    partner_center::PartnerCenterAnswer,
    token::Amr,
};

/// What the practice tenant does with a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Taken, with MFA: on to Partner Center.
    Accepted,
    /// Good in all but the claim: under `enforceMfaByFederatedIdp` Entra sends the
    /// person back to the identity provider, again and again.
    WithoutMfa,
    /// Taken, and its MFA is not counted: `rejectMfaByFederatedIdp`. On to Partner
    /// Center, which refuses the token.
    MfaIgnored,
    /// Refused.
    Refused,
}

impl Decision {
    /// Whether the tenant signs the person in and hands out a token.
    pub fn hands_out_tokens(self) -> bool {
        match self {
            Self::Accepted | Self::MfaIgnored => true,
            Self::WithoutMfa | Self::Refused => false,
        }
    }

    /// The spelling of `/last.json`, which is the inspector's.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::WithoutMfa | Self::MfaIgnored => "accepted-without-mfa",
            Self::Refused => "rejected",
        }
    }
}

/// Whose bytes were judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// As they came from the identity provider.
    IdentityProvider,
    /// The re-signed copy of `altered.rs`.
    AlteredCopy,
}

/// All there is to know about one judged response.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What happens next.
    pub decision: Decision,
    /// What the response is written in.
    pub protocol: Protocol,
    /// The verifier's checks.
    pub checks: Vec<Check>,
    /// Where the assertion says that the person used two factors.
    pub mfa_places: Vec<&'static str>,
    /// The assertion's id, where a registered key signed it.
    pub assertion_id: Option<String>,
    /// The person that Entra would sign in.
    pub person: Option<PracticeUser>,
    /// When that person signed in.
    pub authn_instant: Option<Timestamp>,
    /// The `amr` of the access token.
    pub amr: Option<Amr>,
    /// The inspector on the response.
    pub response_report: Report,
    /// The inspector on the access token, where one is handed out.
    pub token_report: Option<Report>,
    /// The access token. Without MFA it is one that Entra would not hand out.
    pub access_token: Option<String>,
    /// Its claims.
    pub access_token_claims: Option<Value>,
    /// What Partner Center answers.
    pub partner_center: PartnerCenterAnswer,
    /// What was registered while it was judged.
    pub registered: FederatedDomain,
    /// The button that was pressed.
    pub broken: Option<Break>,
    /// Whose bytes these are.
    pub origin: Origin,
    /// The tenant's clock while it judged.
    pub judged_at: Timestamp,
    /// The judged message, decoded; empty if it could not be.
    pub message: String,
    /// The request that it answers.
    pub request: Option<String>,
    /// RelayState, or `wctx`, as it came.
    pub relay_state: String,
}

impl Outcome {
    /// The check that decided against the response.
    pub fn refusal(&self) -> Option<&Check> {
        let mfa_counts = self.decision == Decision::WithoutMfa;
        self.checks.iter().find(|check| {
            check.outcome == CheckOutcome::Failed && (mfa_counts || check.name != "mfa")
        })
    }

    /// `GET /last.json`.
    pub fn to_json(&self) -> Value {
        let checks: Vec<Value> = self.checks.iter().map(Check::to_json).collect();
        let verdicts: Vec<Value> = std::iter::once(&self.response_report)
            .chain(&self.token_report)
            .flat_map(|report| &report.verdicts)
            .map(|verdict| json!(verdict))
            .collect();
        json!({
            "protocol": match self.protocol {
                Protocol::Saml2 => "saml",
                Protocol::WsFed => "wsFed",
            },
            "mfa_in": self.mfa_places,
            "accepted": self.decision.hands_out_tokens(),
            "outcome": self.decision.as_str(),
            "amr": self.amr.map_or(&[][..], Amr::values),
            "aadsts": self.refusal().map(|check| check.aadsts),
            "findings": self.response_report.broken(),
            "undecided": undecided(&self.response_report),
            "token_findings": self.token_report.as_ref().map(Report::broken),
            "verdicts": verdicts,
            "checks": checks,
            "person": self.person.as_ref().map(|person| person.upn.as_str()),
            "authn_instant": self.authn_instant.map(Timestamp::to_rfc3339),
            "registered": self.registered.to_graph(),
            "break": self.broken.map(Break::as_str),
            "altered": self.origin == Origin::AlteredCopy,
            "access_token": self.access_token,
            "access_token_claims": self.access_token_claims,
            "partner_center": self.partner_center.to_json(),
        })
    }
}

fn undecided(report: &Report) -> Vec<&'static str> {
    report
        .findings
        .iter()
        .filter(|finding| finding.severity == crate::inspect::Severity::Undecided)
        .map(|finding| finding.rule)
        .collect()
}
