//! What goes back to Entra: a form that the browser posts (facts §5.5; OAuth 2.0 Form Post
//! Response Mode).
//!
//! Always true: the address is one that is written in `relying_party::external_mfa`; `state` is
//! given back as it came, and only if it came; an error says nothing of the person.

/// Why there is no token, in the words of OAuth 2.0 (RFC 6749 §4.2.2.1) and OpenID Connect
/// (Core §3.1.2.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorCode {
    /// The request cannot be answered as it is.
    InvalidRequest,
    /// Another response than an id_token was asked for.
    UnsupportedResponseType,
    /// Not `openid`.
    InvalidScope,
    /// A request object, which nobody verified (attack 31).
    RequestNotSupported,
    /// The address of a request object: nothing is fetched from it (attack 29).
    RequestUriNotSupported,
    /// The person, or who looks after the account, said no; or there is no way to do it.
    AccessDenied,
    /// What is needed is out of order; trying again may help.
    TemporarilyUnavailable,
    /// A fault of ours.
    ServerError,
}

impl ErrorCode {
    /// As it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::AccessDenied => "access_denied",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

/// A form for the browser to post to Entra.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FormAnswer {
    /// Where it goes: the reply address of a tenant's cloud.
    pub action: String,
    /// Names and values, in their order.
    pub fields: Vec<(&'static str, String)>,
}

/// The answer with a token.
pub fn token_answer(reply_url: &str, id_token: String, state: Option<&str>) -> FormAnswer {
    form(reply_url, ("id_token", id_token), state)
}

/// The answer without one.
pub fn error_answer(reply_url: &str, code: ErrorCode, state: Option<&str>) -> FormAnswer {
    form(reply_url, ("error", code.as_str().to_owned()), state)
}

fn form(reply_url: &str, first: (&'static str, String), state: Option<&str>) -> FormAnswer {
    let state = state.map(|state| ("state", state.to_owned()));
    FormAnswer {
        action: reply_url.to_owned(),
        fields: std::iter::once(first).chain(state).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_goes_back_as_it_came_and_only_if_it_came() {
        let with = token_answer("https://e/x", "a.b.c".to_owned(), Some("s&\"<>"));
        assert_eq!(
            with.fields,
            [
                ("id_token", "a.b.c".to_owned()),
                ("state", "s&\"<>".to_owned())
            ]
        );
        let without = error_answer("https://e/x", ErrorCode::AccessDenied, None);
        assert_eq!(without.fields, [("error", "access_denied".to_owned())]);
        assert_eq!(without.action, "https://e/x");
    }
}
