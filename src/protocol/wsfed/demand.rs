//! What a request may demand of the authentication, and what we can give (facts §2.2).
//!
//! Always true: the answer is always multi-factor and says truthfully how; no demand makes
//! it weaker. So a method is a minimum: obeying `wauth=…/password` literally is how a
//! password-only token comes about, and Test-PartnerSecurityRequirement fails. A method
//! that nobody knows yet is met the same way, because Entra invents them and whoever reads
//! the token sees what was done. Only what we can surely not give is refused.

use std::time::Duration;

use super::{
    parameters::{ParameterError, Parameters, shortened},
    request::RequestError,
};
use crate::signin::request::Reauthentication;

/// Methods of certificates and smart cards: our people have none.
const CERTIFICATES: [&str; 7] = [
    "urn:ietf:rfc:2246",
    "urn:oasis:names:tc:SAML:1.0:am:X509-PKI",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:TLSClient",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:X509",
    "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI",
    "http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/tlsclient",
    "http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/smartcardpki",
];

/// How fresh the proofs must be, as far as the request says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Freshness {
    pub(super) reauthentication: Reauthentication,
    pub(super) max_age: Option<Duration>,
}

/// `wauth`.
pub(super) fn require_method(parameters: &Parameters<'_>) -> Result<(), RequestError> {
    let Some(method) = parameters.value("wauth")? else {
        return Ok(());
    };
    // The documentation writes some names with https.
    let name = match method.strip_prefix("https://") {
        Some(rest) => format!("http://{rest}"),
        None => method,
    };
    if CERTIFICATES.contains(&name.as_str()) {
        return Err(RequestError::Certificate(name));
    }
    Ok(())
}

/// `wfresh` and `prompt`: `wfresh=0` and `prompt=login` ask for both factors now.
pub(super) fn read_freshness(parameters: &Parameters<'_>) -> Result<Freshness, RequestError> {
    let max_age = read_wfresh(parameters)?;
    let prompts_login = parameters
        .value("prompt")?
        .is_some_and(|prompt| prompt.split(' ').any(|word| word == "login"));
    let reauthentication = if prompts_login || max_age == Some(Duration::ZERO) {
        Reauthentication::Always
    } else {
        Reauthentication::AsNeeded
    };
    Ok(Freshness {
        reauthentication,
        max_age,
    })
}

/// Minutes; empty as if it were not there (Entra sends `wfresh=`). More than can be counted
/// is any age.
fn read_wfresh(parameters: &Parameters<'_>) -> Result<Option<Duration>, ParameterError> {
    let Some(text) = parameters.value("wfresh")?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParameterError::Freshness(shortened(&text)));
    }
    let minutes = text.parse().unwrap_or(u64::MAX);
    Ok(Some(Duration::from_secs(minutes.saturating_mul(60))))
}
