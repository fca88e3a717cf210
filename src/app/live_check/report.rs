//! What the live check found, around the report on the token.
//!
//! Always true: no token, code or secret is in here; what the tenant wrote is shortened.

use serde::Serialize;
use url::Url;

use crate::{
    base::clock::Timestamp,
    inspect::{Report, aadsts},
    outbound::{
        entra::{ClientIdentity, Refusal},
        partner_center::ApiAnswer,
    },
};

use super::{Flow, Plan};

/// The error code of Partner Center's API for a token without MFA (facts §6.2).
const MFA_REQUIRED: &str = "900421";

/// What happened.
#[derive(Clone, Debug, Serialize)]
pub struct Live {
    /// The authority that was asked.
    pub authority: String,
    /// The tenant, as it was named.
    pub tenant: String,
    /// The tenant of the person, from the verified id_token.
    pub tenant_id: Option<String>,
    /// When the check began.
    pub checked_at: Timestamp,
    /// `authorization-code`, `device-code` or `secure-application-model`.
    pub flow: &'static str,
    /// The application.
    pub client_id: String,
    /// `login` if the person had to sign in anew.
    pub prompt: Option<&'static str>,
    /// Who signed in, from the verified id_token.
    pub upn: Option<String>,
    /// `amr` of the access token.
    pub amr: Option<Vec<String>>,
    /// Whether `amr` has exactly `mfa` as one of its values.
    pub mfa: Option<bool>,
    /// What Microsoft's script Test-PartnerSecurityRequirement would answer: `pass` as soon as the
    /// letters occur anywhere in `amr` (facts §6.1).
    pub test_partner_security_requirement: Option<&'static str>,
    /// What Partner Center's API answered, if it was asked.
    pub partner_center: Option<PartnerCenterSays>,
    /// The round of the Secure Application Model, if it was made.
    pub secure_application_model: Option<Consent>,
    /// Why there is no token.
    pub refused: Option<Refused>,
}

impl Live {
    pub(super) fn of(plan: &Plan, now: Timestamp) -> Self {
        let ClientIdentity { id, .. } = &plan.identity;
        Self {
            authority: plan.authority.base().to_owned(),
            tenant: plan.authority.tenant().to_owned(),
            tenant_id: None,
            checked_at: now,
            flow: match plan.flow {
                Flow::AuthorizationCode => "authorization-code",
                Flow::DeviceCode => "device-code",
                Flow::SecureApplicationModel { .. } => "secure-application-model",
            },
            client_id: id.clone(),
            // The device grant knows no prompt.
            prompt: (plan.anew && !matches!(plan.flow, Flow::DeviceCode)).then_some("login"),
            upn: None,
            amr: None,
            mfa: None,
            test_partner_security_requirement: None,
            partner_center: None,
            secure_application_model: None,
            refused: None,
        }
    }

    pub(super) fn renewed(&mut self, report: &Report) {
        let amr = amr(report);
        self.mfa = Some(has_mfa(&amr));
        self.test_partner_security_requirement =
            Some(if amr.iter().any(|value| value.contains("mfa")) {
                "pass"
            } else {
                "fail"
            });
        self.amr = Some(amr);
    }
}

/// `amr` of the token that the report is about.
fn amr(report: &Report) -> Vec<String> {
    report
        .scenarios
        .as_ref()
        .and_then(|scenarios| scenarios.amr.clone())
        .unwrap_or_default()
}

fn has_mfa(amr: &[String]) -> bool {
    amr.iter().any(|value| value == "mfa")
}

/// What Partner Center's API answered to `ValidateMfa: true`.
#[derive(Clone, Debug, Serialize)]
pub struct PartnerCenterSays {
    /// Which API was asked.
    pub url: String,
    /// HTTP's status.
    pub status: u16,
    /// The header `isMfaCompliant`.
    pub is_mfa_compliant: Option<bool>,
    /// The error's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The error's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it means.
    pub says: &'static str,
}

impl PartnerCenterSays {
    pub(super) fn of(api: &Url, answer: ApiAnswer) -> Self {
        let mfa_required = answer.code.as_deref() == Some(MFA_REQUIRED);
        let says = match (answer.status, answer.is_mfa_compliant) {
            _ if mfa_required => {
                "Error 900421: the token does not carry MFA, and the API refuses it. The sign-in must bring the MFA claim, and federatedIdpMfaBehavior must take it."
            }
            (200, Some(true)) => "The API takes the token and calls it MFA-compliant.",
            (200, Some(false)) => {
                "The API still takes the token, but calls it not MFA-compliant: it will be refused where that is enforced."
            }
            (200, None) => "The API takes the token, but does not say whether it is MFA-compliant.",
            (_, Some(true)) => {
                "The API calls the token MFA-compliant, but refuses the request: the person has no role in Partner Center, or the application no permission."
            }
            (401, _) => {
                "The API refuses the token. Look at audience, tenant and lifetime in the findings."
            }
            (403, _) => {
                "The API refuses the request: the person has no role in Partner Center, or the application no permission. Whether MFA counts was not said."
            }
            _ => "The API failed; try again later.",
        };
        Self {
            url: api.as_str().trim_end_matches('/').to_owned(),
            status: answer.status,
            is_mfa_compliant: answer.is_mfa_compliant,
            code: answer.code,
            description: answer.description,
            says,
        }
    }

    /// Whether it says "MFA-compliant", and takes the token. What it did not say is no yes.
    pub fn passes(&self) -> bool {
        self.status == 200 && self.is_mfa_compliant == Some(true)
    }
}

/// What became of the refresh token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshTokenKept {
    /// It stands in the file that was named.
    InTheFile,
    /// It is gone.
    Nowhere,
}

/// The round of the Secure Application Model (facts §6.4).
#[derive(Clone, Debug, Serialize)]
pub struct Consent {
    /// `amr` of the access token that came with the code.
    pub first_amr: Vec<String>,
    /// `amr` of the one that the refresh token brought; absent if it brought none.
    pub renewed_amr: Option<Vec<String>>,
    /// Whether both have `mfa`.
    pub survived: bool,
    /// What became of the refresh token.
    pub refresh_token: RefreshTokenKept,
}

impl Consent {
    pub(super) fn of(first: &Report, second: &Report, kept: RefreshTokenKept) -> Self {
        let (first_amr, renewed_amr) = (amr(first), amr(second));
        Self {
            survived: has_mfa(&first_amr) && has_mfa(&renewed_amr),
            first_amr,
            renewed_amr: Some(renewed_amr),
            refresh_token: kept,
        }
    }

    pub(super) fn lost(first: &Report) -> Self {
        Self {
            first_amr: amr(first),
            renewed_amr: None,
            survived: false,
            refresh_token: RefreshTokenKept::Nowhere,
        }
    }
}

/// A refusal, explained.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// OAuth's error.
    pub error: String,
    /// The tenant's own words, one line.
    pub description: String,
    /// What its codes mean.
    pub explained: Vec<aadsts::EntraError>,
}

impl Refused {
    pub(super) fn of(refusal: &Refusal) -> Self {
        let first_line = refusal.description.lines().next().unwrap_or_default();
        Self {
            error: refusal.error.clone(),
            description: first_line.trim().to_owned(),
            explained: aadsts::codes_in(first_line)
                .into_iter()
                .filter_map(|code| aadsts::of(code).copied())
                .collect(),
        }
    }
}
