//! What the live check found, around the report on the token.
//!
//! Always true: no token, code or secret is in here; what the tenant wrote is shortened.

use serde::Serialize;
use serde_json::Value;
use url::Url;

use crate::{
    base::clock::Timestamp,
    inspect::{Report, aadsts, shown},
    outbound::{
        entra::{ClientIdentity, Refusal, SignedInPerson},
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
    /// Whether `amr` has exactly `mfa` as one of its values; absent if the token cannot be read.
    pub mfa: Option<bool>,
    /// What the access token says otherwise than the id_token or the request: the tenant, the
    /// person or the application. Such a token is none of this sign-in.
    pub mismatch: Option<&'static str>,
    /// What Microsoft's script Test-PartnerSecurityRequirement would answer: `pass` as soon as the
    /// letters occur anywhere in the claim `amr` (facts §6.1); absent if the token cannot be read.
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
            mismatch: None,
            test_partner_security_requirement: None,
            partner_center: None,
            secure_application_model: None,
            refused: None,
        }
    }

    /// The token that counts from here on.
    pub(super) fn token(&mut self, person: Option<&SignedInPerson>, report: &Report) {
        let claims = claims(report);
        self.tenant_id = person.map(|person| person.tenant_id.clone());
        self.upn = person.and_then(|person| person.upn.as_deref().map(short));
        self.mismatch = claims.and_then(|claims| mismatch(claims, person, &self.client_id));
        self.amr = claims.map(amr);
        self.mfa = self.amr.as_deref().map(has_mfa);
        self.test_partner_security_requirement = claims.map(|claims| {
            // The script looks at the claim as it is written, be it a list or not.
            match claims.get("amr") {
                Some(claim) if claim.to_string().contains("mfa") => "pass",
                _ => "fail",
            }
        });
    }

    /// There is no token that counts.
    pub(super) fn no_token(&mut self) {
        self.amr = None;
        self.mfa = None;
        self.mismatch = None;
        self.test_partner_security_requirement = None;
    }
}

fn short(text: &str) -> String {
    shown(text, 256)
}

/// The claims of the token that the report is about, if it could be read.
fn claims(report: &Report) -> Option<&Value> {
    report
        .decoded
        .get("claims")
        .filter(|claims| claims.is_object())
}

/// The values of `amr`; none where it is no list.
fn amr(claims: &Value) -> Vec<String> {
    let values = claims.get("amr").and_then(Value::as_array);
    values
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .take(32)
        .map(|value| shown(value, 80))
        .collect()
}

fn has_mfa(amr: &[String]) -> bool {
    amr.iter().any(|value| value == "mfa")
}

fn mismatch(
    claims: &Value,
    person: Option<&SignedInPerson>,
    client_id: &str,
) -> Option<&'static str> {
    let says = |name: &str| claims.get(name).and_then(Value::as_str);
    let differs = |name: &str, wanted: &str| {
        says(name).is_some_and(|found| !found.eq_ignore_ascii_case(wanted))
    };
    let person = person?;
    if differs("tid", &person.tenant_id) {
        return Some("the tenant");
    }
    if person
        .object_id
        .as_deref()
        .is_some_and(|id| differs("oid", id))
    {
        return Some("the person");
    }
    if differs("appid", client_id) || differs("azp", client_id) {
        return Some("the application");
    }
    None
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
    pub(super) fn of(api: &Url, answer: &ApiAnswer) -> Self {
        let mfa_required = answer.code.as_deref() == Some(MFA_REQUIRED);
        let says = match (answer.status, answer.is_mfa_compliant) {
            _ if mfa_required => {
                "Error 900421: the token does not carry MFA, and the API refuses it. The sign-in must bring the MFA claim, and federatedIdpMfaBehavior must take it."
            }
            (429 | 500.., _) => "The API is out of order or has enough of us; try again later.",
            (200, Some(true)) => "The API takes the token and calls it MFA-compliant.",
            (200, Some(false)) => {
                "The API still takes the token, but calls it not MFA-compliant: it will be refused where that is enforced."
            }
            (200, None) => "The API takes the token, but does not say whether it is MFA-compliant.",
            (_, Some(false)) => {
                "The API refuses the request and calls the token not MFA-compliant: the sign-in must bring the MFA claim, and federatedIdpMfaBehavior must take it."
            }
            (403, Some(true)) => {
                "The API calls the token MFA-compliant, but refuses the request: the person has no role in Partner Center, or the application no permission."
            }
            (403, None) => {
                "The API refuses the request: the person has no role in Partner Center, or the application no permission. Whether MFA counts was not said."
            }
            (401, _) => {
                "The API does not take the token. Look at audience, tenant and lifetime in the findings."
            }
            _ => {
                "The API does not know the request; is --partner-center-url the address of Partner Center's API?"
            }
        };
        Self {
            url: api.as_str().trim_end_matches('/').to_owned(),
            status: answer.status,
            is_mfa_compliant: answer.is_mfa_compliant,
            code: answer.code.as_deref().map(short),
            description: answer.description.as_deref().map(short),
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
    pub kept: RefreshTokenKept,
}

impl Consent {
    pub(super) fn of(first: &Report, second: &Report) -> Self {
        let of = |report| claims(report).map(amr).unwrap_or_default();
        let (first_amr, renewed_amr) = (of(first), of(second));
        Self {
            survived: has_mfa(&first_amr) && has_mfa(&renewed_amr),
            first_amr,
            renewed_amr: Some(renewed_amr),
            kept: RefreshTokenKept::Nowhere,
        }
    }

    pub(super) fn lost(first: &Report) -> Self {
        Self {
            first_amr: claims(first).map(amr).unwrap_or_default(),
            renewed_amr: None,
            survived: false,
            kept: RefreshTokenKept::Nowhere,
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
            error: shown(&refusal.error, 80),
            description: shown(first_line.trim(), 600),
            explained: aadsts::codes_in(first_line)
                .into_iter()
                .filter_map(|code| aadsts::of(code).copied())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(status: u16, compliant: Option<bool>, code: Option<&str>) -> PartnerCenterSays {
        PartnerCenterSays::of(
            &Url::parse("https://api.partnercenter.microsoft.com").unwrap(),
            &ApiAnswer {
                status,
                is_mfa_compliant: compliant,
                code: code.map(ToOwned::to_owned),
                description: None,
            },
        )
    }

    #[test]
    fn what_partner_center_answers_is_explained_as_it_is() {
        for (status, compliant, code, part) in [
            (200, Some(true), None, "calls it MFA-compliant"),
            (200, Some(false), None, "calls it not MFA-compliant"),
            (200, None, None, "does not say"),
            (401, Some(false), Some("900421"), "Error 900421"),
            (401, Some(false), None, "not MFA-compliant"),
            (401, Some(true), None, "does not take the token"),
            (403, Some(true), None, "no role"),
            (403, Some(false), None, "not MFA-compliant"),
            (403, None, None, "was not said"),
            (429, Some(true), None, "try again later"),
            (503, Some(true), None, "try again later"),
            (404, None, None, "--partner-center-url"),
        ] {
            let answer = says(status, compliant, code);
            assert!(
                answer.says.contains(part),
                "{status} {compliant:?}: {}",
                answer.says
            );
            assert_eq!(answer.passes(), (status, compliant) == (200, Some(true)));
        }
    }

    #[test]
    fn a_token_of_another_tenant_person_or_application_is_none_of_this_sign_in() {
        let person = SignedInPerson {
            tenant_id: "t".to_owned(),
            object_id: Some("o".to_owned()),
            upn: None,
        };
        for (claims, what) in [
            (
                serde_json::json!({"tid": "T", "oid": "o", "appid": "c"}),
                None,
            ),
            (
                serde_json::json!({"tid": "x", "oid": "o", "appid": "c"}),
                Some("the tenant"),
            ),
            (
                serde_json::json!({"tid": "t", "oid": "x", "appid": "c"}),
                Some("the person"),
            ),
            (
                serde_json::json!({"tid": "t", "oid": "o", "azp": "x"}),
                Some("the application"),
            ),
        ] {
            assert_eq!(mismatch(&claims, Some(&person), "c"), what, "{claims}");
        }
    }
}
