//! What the inspector may assume: the instant, and what the operator registered.
//!
//! Always true: nothing is assumed that was not given. A field that is `None`
//! leaves the rules that need it undecided.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    base::{clock::Timestamp, text::DomainName},
    keys::certificate::Certificate,
    relying_party::EntraCloud,
};

use super::jwks::Jwks;

/// The skew that is taken when none is given. Entra's own tolerance is not
/// documented; five minutes is what Microsoft's libraries use (facts §9).
pub const DEFAULT_SKEW: Duration = Duration::from_mins(5);

/// Who would receive a message.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consumer {
    /// Entra ID's `login.srf` for a federated domain of protocol `saml` (facts §1).
    EntraSaml2,
    /// The same for protocol `wsFed` (facts §2).
    EntraWsfed,
    /// Entra ID's External MFA (facts §5).
    EntraExternalMfa,
    /// Partner Center and its API (facts §6).
    PartnerCenter,
}

impl Consumer {
    /// All consumers.
    pub const ALL: [Self; 4] = [
        Self::EntraSaml2,
        Self::EntraWsfed,
        Self::EntraExternalMfa,
        Self::PartnerCenter,
    ];

    /// The spelling of the command line and the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EntraSaml2 => "entra-saml2",
            Self::EntraWsfed => "entra-wsfed",
            Self::EntraExternalMfa => "entra-external-mfa",
            Self::PartnerCenter => "partner-center",
        }
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no consumer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a consumer is one of entra-saml2, entra-wsfed, entra-external-mfa, partner-center")]
pub struct ConsumerError;

impl FromStr for Consumer {
    type Err = ConsumerError;

    fn from_str(text: &str) -> Result<Self, ConsumerError> {
        Self::ALL
            .into_iter()
            .find(|consumer| consumer.as_str() == text)
            .ok_or(ConsumerError)
    }
}

/// What to make of a signature that cannot be checked for want of a key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum UncheckedSignature {
    /// It leaves the verdict undecided.
    #[default]
    Undecided,
    /// "And if the signature were good?" (`--trust-unsigned`). A signature that
    /// is missing, or that was checked and is bad, stays an error.
    TakenAsGood,
}

/// The request that a response should answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GivenRequest {
    /// Its `ID`, which `InResponseTo` must repeat.
    pub id: String,
}

/// Which messages the rules judge against, and when.
#[derive(Clone, Debug)]
pub struct Context {
    /// The instant asked about.
    pub at: Timestamp,
    /// Judge for this consumer only; otherwise for all that the message concerns.
    pub expect: Option<Consumer>,
    /// The `issuerUri` registered for the domain.
    pub issuer: Option<String>,
    /// The root domain that the issuer speaks for (CB-SAML-015). Without it the
    /// domain that `issuer` itself names counts, if it names one.
    pub realm: Option<DomainName>,
    /// The cloud that the message is for: its audience and reply address.
    pub cloud: Option<EntraCloud>,
    /// `signingCertificate` and `nextSigningCertificate` of the domain, DER.
    pub certificates: Vec<Vec<u8>>,
    /// Certificates that were read before, so that the caller need not pay for it at
    /// each message. This registers none: only `certificates` says which count.
    pub known: Vec<Arc<Certificate>>,
    /// The request that the response should answer.
    pub request: Option<GivenRequest>,
    /// The keys that tokens are verified with.
    pub jwks: Option<Jwks>,
    /// How far clocks may differ, both ways.
    pub skew: Duration,
    /// How old the sign-in may be (a sign-in frequency, an MFA age).
    pub max_age: Option<Duration>,
    /// What to make of a signature that cannot be checked.
    pub unchecked_signature: UncheckedSignature,
}

impl Context {
    /// Nothing but the instant given.
    pub fn at(at: Timestamp) -> Self {
        Self {
            at,
            expect: None,
            issuer: None,
            realm: None,
            cloud: None,
            certificates: Vec::new(),
            known: Vec::new(),
            request: None,
            jwks: None,
            skew: DEFAULT_SKEW,
            max_age: None,
            unchecked_signature: UncheckedSignature::default(),
        }
    }
}
