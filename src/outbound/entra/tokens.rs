//! Requests to the token endpoints.
//!
//! Version 1 writes `expires_in` as a string ("3599"), which RFC 6749 §5.1 does not know
//! and the library does not read: it is made the number that it means.

use openidconnect::{HttpRequest, HttpResponse, http::StatusCode};
use serde_json::{Map, Value};

use crate::outbound::guard::{Outbound, OutboundError};

pub(super) async fn call(
    outbound: &Outbound,
    request: HttpRequest,
) -> Result<HttpResponse, OutboundError> {
    let host = request.uri().host().unwrap_or_default().to_owned();
    let answer = outbound.call(request).await?;
    let status = answer.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        // A gateway's page says nothing about the sign-in.
        return Err(OutboundError::OutOfOrder {
            host,
            status: status.as_u16(),
        });
    }
    let (mut head, body) = answer.into_parts();
    let body = numeric_lifetime(body);
    // It no longer says how long the body is.
    head.headers
        .remove(openidconnect::http::header::CONTENT_LENGTH);
    Ok(HttpResponse::from_parts(head, body))
}

fn numeric_lifetime(body: Vec<u8>) -> Vec<u8> {
    let Ok(mut members) = serde_json::from_slice::<Map<String, Value>>(&body) else {
        return body;
    };
    let number = match members.get("expires_in") {
        Some(Value::String(text)) => text.parse::<u64>().ok(),
        _ => None,
    };
    let Some(number) = number else { return body };
    members.insert("expires_in".to_owned(), number.into());
    serde_json::to_vec(&members).unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(text: &str) -> String {
        String::from_utf8(numeric_lifetime(text.as_bytes().to_vec())).unwrap()
    }

    #[test]
    fn a_lifetime_in_quotes_becomes_a_number_and_nothing_else_changes() {
        assert_eq!(
            through(r#"{"access_token":"a","expires_in":"3599"}"#),
            r#"{"access_token":"a","expires_in":3599}"#
        );
        for untouched in [
            r#"{"expires_in":3599 }"#,
            r#"{"expires_in":"soon"}"#,
            r#"{"error":"invalid_grant"}"#,
            "not json",
        ] {
            assert_eq!(through(untouched), untouched);
        }
    }
}
