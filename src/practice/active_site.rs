//! `POST /active`: what became of a WS-Trust answer, if a program with MSAL had got it.
//!
//! Always true: the answer is read as MSAL reads it, and the token judged as the token
//! endpoint judges it; nothing is handed out here.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::{
    Practice,
    oauth::assertion_grant,
    site,
    token::Amr,
    wsfed::msal::{self, Grant},
};

/// The body is the SOAP answer, as it came.
pub(super) async fn judge(State(practice): State<Arc<Practice>>, body: String) -> Response {
    let token = match msal::read(&body) {
        Ok(token) => token,
        Err(error) => {
            return site::json(
                StatusCode::OK,
                &json!({ "read": Value::Null, "accepted": false, "reason": format!("{error}.") }),
            );
        }
    };
    let read = json!({ "grant_type": token.grant.as_str(), "bytes": token.assertion.len() });
    if token.grant == Grant::Saml2 {
        let reason = "The practice tenant takes SAML 1.1 over WS-Trust, and nothing else.";
        return site::json(
            StatusCode::OK,
            &json!({ "read": read, "accepted": false, "reason": reason }),
        );
    }
    let body = match assertion_grant::judge(&practice, token.assertion) {
        Ok(sign_in) => json!({
            "read": read,
            "accepted": true,
            "person": sign_in.person.upn.as_str(),
            "amr": Amr::Password.values(),
            "authn_instant": sign_in.at.to_rfc3339(),
        }),
        Err(error) => json!({
            "read": read,
            "accepted": false,
            "aadsts": error.number().to_string(),
            "reason": error.to_string(),
        }),
    };
    site::json(StatusCode::OK, &body)
}
