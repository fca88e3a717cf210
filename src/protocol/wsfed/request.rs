//! A sign-in request's parameters → [`UnverifiedSignInRequest`] → [`VerifiedSignInRequest`]
//! (WS-Federation 1.2 §13.2.2).
//!
//! Always true: a `VerifiedSignInRequest` is made by [`UnverifiedSignInRequest::verify`]
//! alone, and the address that it names is one that is registered. Nothing in a request of
//! this protocol is signed, so nothing in it is believed: it can only choose among what is
//! registered, ask for more, and have its context given back.

use std::time::Duration;

use super::{
    demand::{self, Freshness},
    parameters::{ParameterError, Parameters, shortened},
};
use crate::{
    base::{clock::Timestamp, text::DomainName},
    relying_party::{RelyingParty, ReplyUrlError},
    signin::request::{Interaction, Protocol, Reauthentication, SignInRequest},
};

/// The longest context (`wctx`), in bytes.
pub const MAX_CONTEXT: usize = 8 * 1024;
/// The longest name that is filled in for a person, in bytes.
const MAX_HINT: usize = 256;

/// Why a request was refused. All end on a page: the protocol has no answer that says no.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// A parameter cannot be read.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// No `wtrealm`, so nobody to answer.
    #[error("the request names no party; wtrealm is missing")]
    NoRealm,
    /// The context is over its limit.
    #[error("wctx has more than {MAX_CONTEXT} bytes")]
    ContextTooLarge,
    /// The context holds what a form does not give back unchanged.
    #[error("wctx has control characters or line ends, which no form gives back as they came")]
    ContextCharacters,
    /// A method that we cannot give.
    #[error("the request demands {0}, and nobody signs in with a certificate here")]
    Certificate(String),
    /// Looked up under another name than it has.
    #[error("the request is of {asked:?}, not of {is:?}")]
    OtherParty {
        /// Its `wtrealm`.
        asked: String,
        /// The party given.
        is: String,
    },
    /// The party speaks SAML.
    #[error("{0:?} is registered for SAML 2.0; it gets no answer over WS-Federation")]
    OtherProtocol(String),
    /// The party has no address to answer to.
    #[error("there is no address to answer to")]
    ReplyUrl(#[from] ReplyUrlError),
}

/// A request that could be read. Nobody has checked who sent it, and nobody can.
#[derive(Clone, Debug)]
pub struct UnverifiedSignInRequest {
    realm: String,
    context: Option<String>,
    reply: Option<String>,
    freshness: Freshness,
    login_hint: Option<String>,
}

/// A request of a registered party, checked against what is registered.
#[derive(Debug, Eq, PartialEq)]
pub struct VerifiedSignInRequest {
    relying_party: String,
    reply_url: String,
    context: Option<String>,
    reauthentication: Reauthentication,
    max_age: Option<Duration>,
    login_hint: Option<String>,
    domain: Option<DomainName>,
    received_at: Timestamp,
}

impl UnverifiedSignInRequest {
    /// Reads what `wa=wsignin1.0` came with.
    ///
    /// `whr`, `domain_hint`, `mkt` and `lc` change nothing here: who a person is follows from
    /// the proofs, and pages have one language. `wreq` and `wreqptr` are not read, and
    /// nothing is fetched.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn parse(parameters: &Parameters<'_>) -> Result<Self, RequestError> {
        let realm = parameters
            .value("wtrealm")?
            .filter(|realm| !realm.is_empty())
            .ok_or(RequestError::NoRealm)?;
        let context = parameters.value("wctx")?;
        if let Some(context) = &context {
            if context.len() > MAX_CONTEXT {
                return Err(RequestError::ContextTooLarge);
            }
            if context.chars().any(char::is_control) {
                return Err(RequestError::ContextCharacters);
            }
        }
        demand::require_method(parameters)?;
        Ok(Self {
            realm,
            context,
            reply: parameters.value("wreply")?,
            freshness: demand::read_freshness(parameters)?,
            login_hint: ["login_hint", "username", "LoginHint"]
                .into_iter()
                .find_map(|name| parameters.hint(name, MAX_HINT)),
        })
    }

    /// Who says to have sent it: for looking up the party, for nothing else.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The same, shortened for the log.
    pub fn shown_realm(&self) -> String {
        shortened(&self.realm)
    }

    /// Checks the request against its party; `domain` is that of `?domain=`.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub fn verify(
        self,
        party: &RelyingParty,
        domain: Option<&DomainName>,
        now: Timestamp,
    ) -> Result<VerifiedSignInRequest, RequestError> {
        if party.entity_id.as_str() != self.realm {
            return Err(RequestError::OtherParty {
                asked: shortened(&self.realm),
                is: party.entity_id.to_string(),
            });
        }
        if !party.speaks_ws_federation() {
            return Err(RequestError::OtherProtocol(party.entity_id.to_string()));
        }
        // A wish for another address is no mistake to stop at: the answer goes where it is
        // registered to go (attack 30).
        let reply_url = match party.reply_url(self.reply.as_deref(), None) {
            Ok(listed) => listed,
            Err(_) => party.reply_url(None, None)?,
        };
        Ok(VerifiedSignInRequest {
            reply_url: reply_url.url.clone(),
            relying_party: self.realm,
            context: self.context,
            reauthentication: self.freshness.reauthentication,
            // A request may ask for fresher proofs than the party is registered with, not
            // for older ones.
            max_age: self
                .freshness
                .max_age
                .map(|age| age.min(party.session_max_age)),
            login_hint: self.login_hint,
            domain: domain.cloned(),
            received_at: now,
        })
    }
}

impl VerifiedSignInRequest {
    /// The registered address that the answer goes to.
    pub fn reply_url(&self) -> &str {
        &self.reply_url
    }

    /// The same in the terms of the story. The protocol's requests have no id: `request_id`
    /// is a new one of ours.
    pub fn into_sign_in_request(self, request_id: String) -> SignInRequest {
        SignInRequest {
            protocol: Protocol::WsFed,
            relying_party: self.relying_party,
            request_id,
            reply_url: self.reply_url,
            relay_state: self.context,
            domain: self.domain.map(|domain| domain.to_string()),
            reauthentication: self.reauthentication,
            interaction: Interaction::Allowed,
            max_age_seconds: self.max_age.map(|age| age.as_secs()),
            login_hint: self.login_hint,
            second_factor: None,
            received_at_millis: self.received_at.as_millis(),
        }
    }
}

#[cfg(test)]
mod tests;
