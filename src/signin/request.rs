//! What a relying party asks, whatever the protocol: who asks, how fresh, reply where.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::asked::SealedSecondFactor;
use crate::base::{clock::Timestamp, text::DomainName};

/// Over which protocol the answer goes back. Stored with the attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// SAML 2.0 web browser SSO.
    Saml2,
    /// WS-Federation passive requestor profile.
    WsFed,
    /// Nobody asks but the person: to the own account pages. No token leaves.
    Account,
    /// External MFA: Entra did the first factor and asks for one more (OpenID Connect).
    ExternalMfa,
}

impl Protocol {
    /// The stored spelling, outside of a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Saml2 => "saml2",
            Self::WsFed => "ws-fed",
            Self::Account => "account",
            Self::ExternalMfa => "external-mfa",
        }
    }

    /// From the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Saml2, Self::WsFed, Self::Account, Self::ExternalMfa]
            .into_iter()
            .find(|protocol| protocol.as_str() == text)
    }
}

/// Whether the person must prove everything anew (SAML `ForceAuthn`).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reauthentication {
    /// Only what is not fresh enough.
    AsNeeded,
    /// Both factors, now.
    Always,
}

/// Whether the person may be asked anything (SAML `IsPassive`).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interaction {
    /// Pages may be shown.
    Allowed,
    /// Answer from what is there, or say that it cannot be done.
    Forbidden,
}

/// What stands in the place of a party's entity id when a person asks for the own account.
/// Only the protocol says that a request is the person's own; this is its name.
pub const OWN_ACCOUNT: &str = "account";

/// A verified request in the terms of the story. Everything in it was checked against
/// what is registered; nothing in it says who the person is.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct SignInRequest {
    /// The protocol.
    pub protocol: Protocol,
    /// The asking party's entity id, of a registered party; [`OWN_ACCOUNT`] for the own pages.
    pub relying_party: String,
    /// The request's own id, repeated in the answer.
    pub request_id: String,
    /// Where the answer goes: a registered address; a path of ours for the own pages.
    pub reply_url: String,
    /// Opaque, echoed byte for byte.
    pub relay_state: Option<String>,
    /// The domain that the address of the request named (`?domain=`): only its people are let in.
    pub domain: Option<String>,
    /// Whether everything must be proved anew.
    pub reauthentication: Reauthentication,
    /// Whether pages may be shown.
    pub interaction: Interaction,
    /// How old the oldest proof may be, in seconds, if that is less than what the party is
    /// registered with.
    #[serde(default)]
    pub max_age_seconds: Option<u64>,
    /// A name to fill in for the person; proves nothing.
    pub login_hint: Option<String>,
    /// When it arrived, milliseconds since 1970.
    pub received_at_millis: i64,
    /// What the door of External MFA asks; none at the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<SealedSecondFactor>,
}

impl SignInRequest {
    /// When it arrived.
    pub fn received_at(&self) -> Timestamp {
        Timestamp::from_millis(self.received_at_millis)
    }

    /// How old the oldest proof may be, if the request says so.
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age_seconds.map(Duration::from_secs)
    }

    /// The domain that the request is bound to, if it names one.
    pub fn domain_name(&self) -> Option<DomainName> {
        self.domain.as_deref().and_then(|name| name.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signin::attempt::tests::{NOW, request};

    #[test]
    fn a_stored_request_reads_back_with_its_domain_and_instant() {
        let request = SignInRequest {
            domain: Some("contoso.com".to_owned()),
            max_age_seconds: Some(300),
            ..request()
        };
        let stored = serde_json::to_string(&request).unwrap();
        let again: SignInRequest = serde_json::from_str(&stored).unwrap();
        assert_eq!(again, request);
        assert_eq!(again.domain_name(), "contoso.com".parse().ok());
        assert_eq!(again.received_at(), NOW);
        assert_eq!(again.max_age(), Some(Duration::from_mins(5)));
    }

    #[test]
    fn a_protocol_is_stored_under_a_name_that_stays() {
        for (protocol, name) in [
            (Protocol::Saml2, "\"saml2\""),
            (Protocol::WsFed, "\"ws-fed\""),
            (Protocol::Account, "\"account\""),
            (Protocol::ExternalMfa, "\"external-mfa\""),
        ] {
            assert_eq!(serde_json::to_string(&protocol).unwrap(), name);
            assert_eq!(serde_json::from_str::<Protocol>(name).unwrap(), protocol);
            assert_eq!(name.trim_matches('"'), protocol.as_str());
            assert_eq!(Protocol::parse(protocol.as_str()), Some(protocol));
        }
    }
}
