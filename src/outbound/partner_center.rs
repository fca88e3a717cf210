//! Partner Center's API, asked what it makes of a token (facts §6.2).
//!
//! Always true: one GET that reads the partner's own profile and changes nothing; the
//! token stands in one header and nowhere else.

use openidconnect::http::{self, StatusCode, header};
use url::Url;

use super::guard::{Outbound, OutboundError};

/// What is read: the partner's own organisation profile; nothing is changed. Which roles may read
/// it is not in the facts: a 403 is told as what it is.
pub const PATH: &str = "/v1/profiles/organization";
/// The longest text of theirs that is shown.
const LONGEST: usize = 400;

/// What it answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiAnswer {
    /// HTTP's status.
    pub status: u16,
    /// The header `isMfaCompliant`; none if it is absent or says neither.
    pub is_mfa_compliant: Option<bool>,
    /// The body's `code`, if it has one: `900421` is "MFA required".
    pub code: Option<String>,
    /// The body's `description`, if it has one.
    pub description: Option<String>,
}

/// Asks with `ValidateMfa: true`.
pub async fn validate_mfa(
    outbound: &Outbound,
    api: &Url,
    access_token: &str,
) -> Result<ApiAnswer, OutboundError> {
    let address = format!("{}{PATH}", api.as_str().trim_end_matches('/'));
    let mut bearer = header::HeaderValue::try_from(format!("Bearer {access_token}"))
        .map_err(|error| OutboundError::Request(error.into()))?;
    bearer.set_sensitive(true);
    let request = http::Request::builder()
        .uri(address)
        .header(header::ACCEPT, "application/json")
        .header(header::AUTHORIZATION, bearer)
        .header("ValidateMfa", "true")
        .body(Vec::new())
        .map_err(OutboundError::Request)?;
    let answer = outbound.call(request).await?;
    let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let text = |name: &str| match &body[name] {
        serde_json::Value::String(text) => Some(text.chars().take(LONGEST).collect()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let failed = answer.status() != StatusCode::OK;
    Ok(ApiAnswer {
        status: answer.status().as_u16(),
        is_mfa_compliant: answer
            .headers()
            .get("isMfaCompliant")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.trim().to_ascii_lowercase().parse().ok()),
        code: failed.then(|| text("code")).flatten(),
        description: failed.then(|| text("description")).flatten(),
    })
}
