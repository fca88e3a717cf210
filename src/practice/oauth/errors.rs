//! Refusals in Microsoft's words and shapes: JSON for programs, a redirect for the
//! application, a page for a person.
//!
//! The numbers and OAuth names are those of Microsoft's list of AADSTS codes; the
//! sentences are this tenant's.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::practice::{
    Practice, pages,
    site::{self, Forms, page},
};

/// Why an application is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OAuthError {
    /// `{tenant}` names nothing here.
    #[error(
        "Tenant '{0}' not found. Check that the tenant id or domain name is that of this practice tenant."
    )]
    UnknownTenant(String),
    /// Not a form, or the same parameter twice.
    #[error("Request is malformed or invalid.")]
    Malformed,
    /// A parameter is too long to be kept.
    #[error("The parameter '{0}' is too long.")]
    TooLong(&'static str),
    /// A parameter is absent.
    #[error("The request must contain the following parameter: '{0}'.")]
    Missing(&'static str),
    /// A parameter has a value that is not supported.
    #[error("The value '{value}' of the parameter '{name}' is not supported.")]
    Value {
        /// Which.
        name: &'static str,
        /// What it said.
        value: String,
    },
    /// No such application.
    #[error("Application with identifier '{0}' was not found in the directory.")]
    UnknownClient(String),
    /// The address for answers is not registered.
    #[error(
        "The redirect URI '{0}' specified in the request does not match the redirect URIs configured for the application."
    )]
    RedirectUri(String),
    /// Only codes are handed out.
    #[error("The response_type '{0}' is not enabled for the application; ask for 'code'.")]
    ResponseType(String),
    /// Only by redirect with a query.
    #[error("The response_mode '{0}' is not supported; leave it out or say 'query'.")]
    ResponseMode(String),
    /// A public client without PKCE.
    #[error("Proof Key for Code Exchange is required: the parameter 'code_challenge' is missing.")]
    ChallengeMissing,
    /// Another method than S256, or a challenge that is none.
    #[error(
        "Invalid size of Code_Challenge parameter, or a code_challenge_method other than S256."
    )]
    Challenge,
    /// The verifier does not belong to the challenge.
    #[error(
        "The Code_Verifier does not match the code_challenge supplied in the authorization request."
    )]
    Verifier,
    /// A scope that nobody here can grant.
    #[error(
        "The provided value for the input parameter 'scope' is not valid: '{0}'. The practice tenant has tokens for Partner Center only: https://api.partnercenter.microsoft.com/user_impersonation."
    )]
    Scope(String),
    /// A resource that is not here.
    #[error(
        "The resource principal named '{0}' was not found in the tenant. The practice tenant has tokens for https://api.partnercenter.microsoft.com only."
    )]
    Resource(String),
    /// `prompt=none`, and nobody is signed in.
    #[error("A silent sign-in request was sent but no user is signed in.")]
    NobodySignedIn,
    /// MFA was asked for, and the sign-in did not bring it.
    #[error(
        "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access Partner Center."
    )]
    MfaRequired,
    /// The code, or token, is not one that is good here, now, for this client.
    #[error(
        "The provided value for the input parameter '{0}' is not valid, was redeemed before, or belongs to another application."
    )]
    Grant(&'static str),
    /// The code, or token, was good once.
    #[error(
        "The provided authorization code or refresh token has expired. Send a new interactive authorization request for this user and resource."
    )]
    Expired,
    /// The address is another than when the code was asked for.
    #[error(
        "The reply address '{0}' does not match the reply address provided when requesting the authorization code."
    )]
    OtherRedirectUri(String),
    /// `grant_type` is none of those known.
    #[error("The app requested an unsupported grant type '{0}'.")]
    GrantType(String),
    /// A secret where there is none.
    #[error(
        "Client is public so neither 'client_assertion' nor 'client_secret' should be presented."
    )]
    SecretOfPublicClient,
    /// No secret where one is needed.
    #[error(
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
    )]
    SecretMissing,
    /// Not the secret.
    #[error("Invalid client secret provided for the app '{0}'.")]
    SecretWrong(String),
    /// Nobody has decided about the device code yet.
    #[error("OAuth 2.0 device flow error. Authorization is pending. Continue polling.")]
    Pending,
    /// Asked again too soon.
    #[error(
        "OAuth 2.0 device flow error. Authorization is pending. Poll less often than you did: wait for the interval."
    )]
    SlowDown,
    /// The person said no.
    #[error("OAuth 2.0 device flow error. The person declined the sign-in.")]
    Declined,
    /// The device code is unknown or used up.
    #[error(
        "OAuth 2.0 device flow error. The device code was not recognised, or was redeemed before."
    )]
    DeviceCode,
    /// The device code was not used in time.
    #[error("OAuth 2.0 device flow error. The verification code has expired. Start again.")]
    DeviceCodeExpired,
    /// A SAML assertion that is not good here.
    #[error("The SAML assertion is not valid. {why}")]
    Assertion {
        /// The number.
        aadsts: u32,
        /// What is wrong with it.
        why: String,
    },
    /// A key could not sign.
    #[error("The practice tenant could not make a token. Try again.")]
    Internal,
}

impl OAuthError {
    /// OAuth's name and the number after AADSTS.
    pub(super) fn codes(&self) -> (&'static str, u32) {
        match self {
            Self::UnknownTenant(_) => ("invalid_request", 90002),
            Self::Malformed => ("invalid_request", 9_002_313),
            Self::TooLong(_) => ("invalid_request", 90015),
            Self::Missing(_) => ("invalid_request", 900_144),
            Self::Value { .. } => ("invalid_request", 90023),
            Self::UnknownClient(_) => ("unauthorized_client", 700_016),
            Self::RedirectUri(_) => ("invalid_request", 50011),
            Self::ResponseType(_) => ("unsupported_response_type", 70005),
            Self::ResponseMode(_) => ("invalid_request", 70007),
            Self::ChallengeMissing => ("invalid_request", 50147),
            Self::Challenge => ("invalid_request", 501_491),
            Self::Verifier => ("invalid_grant", 501_481),
            Self::Scope(_) => ("invalid_scope", 70011),
            Self::Resource(_) => ("invalid_resource", 500_011),
            Self::NobodySignedIn => ("login_required", 50058),
            Self::MfaRequired => ("interaction_required", 50076),
            Self::Grant(_) => ("invalid_grant", 70000),
            Self::Expired => ("invalid_grant", 70008),
            Self::OtherRedirectUri(_) => ("invalid_grant", 500_112),
            Self::GrantType(_) => ("unsupported_grant_type", 70003),
            Self::SecretOfPublicClient => ("invalid_client", 700_025),
            Self::SecretMissing => ("invalid_client", 7_000_218),
            Self::SecretWrong(_) => ("invalid_client", 7_000_215),
            Self::Pending => ("authorization_pending", 70016),
            Self::SlowDown => ("slow_down", 70016),
            Self::Declined => ("authorization_declined", 70018),
            Self::DeviceCode => ("bad_verification_code", 70018),
            Self::DeviceCodeExpired => ("expired_token", 70019),
            Self::Assertion { aadsts, .. } => ("invalid_grant", *aadsts),
            Self::Internal => ("server_error", 50000),
        }
    }

    /// The number after AADSTS.
    pub fn number(&self) -> u32 {
        self.codes().1
    }

    /// `AADSTS…: …`.
    pub(super) fn description(&self) -> String {
        format!("AADSTS{}: {self}", self.codes().1)
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::SecretOfPublicClient | Self::SecretMissing | Self::SecretWrong(_) => {
                StatusCode::UNAUTHORIZED
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// For a program.
    pub(super) fn to_json(&self, practice: &Practice) -> Response {
        let (error, number) = self.codes();
        let (trace, correlation) = (practice.guid(), practice.guid());
        let now = practice.now().to_rfc3339();
        let timestamp = format!("{}Z", now.get(..19).unwrap_or_default().replace('T', " "));
        site::json(
            self.status(),
            &json!({
                "error": error,
                "error_description": format!(
                    "{} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}",
                    self.description()
                ),
                "error_codes": [number],
                "timestamp": timestamp,
                "trace_id": trace,
                "correlation_id": correlation,
            }),
        )
    }

    /// For a person: where there is no address that the answer may go to.
    pub(super) fn to_page(&self) -> Response {
        page(
            self.status(),
            &pages::OAuthRefused {
                description: self.description(),
            },
            Forms::Own,
        )
    }

    /// For the application, through the browser. The caller has checked `redirect_uri`.
    pub(super) fn to_redirect(&self, redirect_uri: &str, state: Option<&str>) -> Response {
        let description = self.description();
        redirect(
            redirect_uri,
            &[
                ("error", Some(self.codes().0)),
                ("error_description", Some(description.as_str())),
                ("state", state),
            ],
        )
    }
}

/// To `redirect_uri`, which has no query of its own, with these parameters.
pub(super) fn redirect(redirect_uri: &str, parameters: &[(&str, Option<&str>)]) -> Response {
    let query: Vec<String> = parameters
        .iter()
        .filter_map(|(name, value)| {
            let value = utf8_percent_encode((*value)?, NON_ALPHANUMERIC);
            Some(format!("{name}={value}"))
        })
        .collect();
    Redirect::to(&format!("{redirect_uri}?{}", query.join("&"))).into_response()
}
