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

/// What Entra sent to the external method (facts §5.3), as far as the answer is judged by it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GivenAuthorization {
    /// `client_id`, which `aud` must repeat.
    pub client_id: Option<String>,
    /// `nonce`, which the answer must repeat.
    pub nonce: Option<String>,
    /// The requested values of `acr`.
    pub acr: Vec<String>,
    /// The requested values of `amr`.
    pub amr: Vec<String>,
    /// The hint that came with it.
    pub hint: Option<Hint>,
}

/// What the answer is judged by of an `id_token_hint` (facts §5.4). It is not verified here.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hint {
    /// `sub`, which the answer must repeat.
    pub sub: Option<String>,
    /// `iat`: when Entra sent the person.
    pub issued_at: Option<Timestamp>,
}

/// What is known about an external authentication method (facts §5).
#[derive(Clone, Debug, Default)]
pub struct ExternalMfa {
    /// The `issuer` of the discovery document.
    pub issuer: Option<String>,
    /// The discovery URL that is registered with Entra.
    pub discovery_url: Option<String>,
    /// The client id that was given to Entra.
    pub client_id: Option<String>,
    /// The reply URLs of the app registration.
    pub app_reply_urls: Vec<String>,
    /// The request that the token answers.
    pub authorization: Option<GivenAuthorization>,
    /// The `id_token_hint`, if it was given by itself.
    pub hint: Option<Hint>,
}

impl ExternalMfa {
    /// The issuer, from the discovery URL if it was not given (facts §5.2).
    pub(super) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref().or_else(|| {
            self.discovery_url
                .as_deref()?
                .strip_suffix("/.well-known/openid-configuration")
        })
    }

    pub(super) fn client_id(&self) -> Option<&str> {
        self.client_id
            .as_deref()
            .or_else(|| self.authorization.as_ref()?.client_id.as_deref())
    }

    pub(super) fn hint(&self) -> Option<&Hint> {
        self.hint
            .as_ref()
            .or_else(|| self.authorization.as_ref()?.hint.as_ref())
    }
}

/// Something that is so, is not so, or was not said.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Known {
    /// Nobody said.
    #[default]
    Unknown,
    /// It is so.
    Yes,
    /// It is not so.
    No,
}

/// What is known about our side of a domain's federation (facts §4).
#[derive(Clone, Debug, Default)]
pub struct Federation {
    /// Our `passiveSignInUri`.
    pub sign_in_url: Option<String>,
    /// Our `signOutUri`.
    pub sign_out_url: Option<String>,
    /// Whether Microsoft's keys are loaded, so that signed requests can be verified.
    pub request_keys: Known,
    /// Whether cloud-only emergency accounts exist.
    pub emergency_accounts: Known,
    /// Whether the tenant has security defaults on.
    pub security_defaults: Known,
    /// The issuers of the other domains.
    pub others: Vec<(DomainName, String)>,
}

/// What time counts for the messages of a trace.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TraceTime {
    /// When each was sent, as the trace has it.
    #[default]
    AsRecorded,
    /// The instant asked about, for all.
    AskedAbout,
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
    /// Certificates (DER) of the party that asks: its requests are verified with them.
    pub request_certificates: Vec<Vec<u8>>,
    /// The keys that tokens are verified with.
    pub jwks: Option<Jwks>,
    /// How far clocks may differ, both ways.
    pub skew: Duration,
    /// How old the sign-in may be (a sign-in frequency, an MFA age).
    pub max_age: Option<Duration>,
    /// What to make of a signature that cannot be checked.
    pub unchecked_signature: UncheckedSignature,
    /// For External MFA.
    pub external_mfa: ExternalMfa,
    /// For the configuration of a domain.
    pub federation: Federation,
    /// For traces.
    pub trace_time: TraceTime,
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
            request_certificates: Vec::new(),
            jwks: None,
            skew: DEFAULT_SKEW,
            max_age: None,
            unchecked_signature: UncheckedSignature::default(),
            external_mfa: ExternalMfa::default(),
            federation: Federation::default(),
            trace_time: TraceTime::default(),
        }
    }
}
