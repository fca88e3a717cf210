//! Who we answer to: relying parties, the Entra clouds, domains and their issuers.
//!
//! Always true: where an answer goes is decided by what is registered here,
//! never by what a request says; and an issuer speaks only for people of the
//! domains that are bound to it.

/// Entra's clouds as presets: entity id, reply address, metadata address.
pub mod cloud;
/// Domains, their roots and their issuers.
pub mod domain;
/// Where a cloud's authority and Microsoft Graph are.
pub mod endpoints;
/// The tenants that ask for a second factor.
pub mod external_mfa;
/// Domains of the tenant that are another provider's, rightly.
pub mod known_federation;
/// Which entity ids nobody else may register.
pub mod name_rule;
/// Where a party is told of a sign-out.
pub mod single_logout;
/// Tenants of Entra that take our second factor (External MFA).
pub mod tenant;
/// Whose people such a tenant may name.
pub mod tenant_domains;

use std::{fmt, time::Duration};

pub use cloud::EntraCloud;
pub use domain::{Domain, DomainProtocol};
pub use endpoints::{EndpointsError, EntraEndpoints};
pub use external_mfa::{ExternalMfaCloud, ExternalMfaTenant};
pub use known_federation::KnownFederation;
pub use single_logout::{LogoutBinding, SingleLogout};
pub use tenant::{ClientId, Tenant, TenantCloud};
pub use tenant_domains::TenantDomains;

/// A SAML entity id (or WS-Federation realm): an opaque string, compared byte for byte.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
pub struct EntityId(pub String);

impl EntityId {
    /// The id itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Someone we send answers to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelyingParty {
    /// Its entity id; also the audience of what we send it.
    pub entity_id: EntityId,
    /// What people see: "Microsoft Entra ID".
    pub display_name: String,
    /// Entra, or some other service provider.
    pub kind: RelyingPartyKind,
    /// Where a response may go (HTTP-POST only). Never empty.
    pub reply_urls: Vec<ReplyUrl>,
    /// Certificates (DER) whose keys may sign this party's requests.
    pub request_certificates: Vec<Vec<u8>>,
    /// Whether an unsigned request is taken.
    pub request_signature: RequestSignature,
    /// Whether SHA-1 is taken in this party's request signatures.
    pub sha1: Sha1,
    /// Whether the response is signed beside the assertion.
    pub response_signature: ResponseSignature,
    /// How old the oldest proof of a session may be to answer this party.
    pub session_max_age: Duration,
    /// Where it takes part in SAML single logout, if it does.
    pub single_logout: Option<SingleLogout>,
}

/// What sort of relying party it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RelyingPartyKind {
    /// Entra ID, in one of its clouds.
    Entra,
    /// Any other SAML service provider.
    ServiceProvider,
}

/// An assertion consumer service address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReplyUrl {
    /// The index that a request may name (SAML metadata §2.4.4).
    pub index: u16,
    /// The address, exactly as a request must repeat it.
    pub url: String,
    /// Whether this is the one to use when a request names none.
    pub preferred: bool,
}

/// Whether a party's requests must be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RequestSignature {
    /// Unsigned requests are taken; a signature that is there must verify.
    Optional,
    /// An unsigned request is refused.
    Required,
}

/// Whether SHA-1 is taken from a party (Entra's documentation still shows it).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sha1 {
    /// Refused.
    Refused,
    /// Taken in request signatures of this party only.
    AllowedInRequests,
}

/// What is signed in a response. The assertion always is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResponseSignature {
    /// The assertion only.
    AssertionOnly,
    /// The assertion, and the response around it.
    AssertionAndResponse,
}

/// Why a reply address was not given.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReplyUrlError {
    /// The request names an address that is not registered.
    #[error("the request names a reply address that is not registered for its sender")]
    Unlisted,
    /// The request names an index that is not registered.
    #[error("the request names a reply index that is not registered for its sender")]
    UnknownIndex,
}

impl RelyingParty {
    /// Whether it takes answers over WS-Federation. Entra takes both protocols under one
    /// name; who is registered by SAML metadata takes SAML's.
    pub fn speaks_ws_federation(&self) -> bool {
        match self.kind {
            RelyingPartyKind::Entra => true,
            RelyingPartyKind::ServiceProvider => false,
        }
    }

    /// The registered address that a request's wish means: an address is compared
    /// byte for byte, an index by number; without a wish the preferred one.
    pub fn reply_url(
        &self,
        url: Option<&str>,
        index: Option<u16>,
    ) -> Result<&ReplyUrl, ReplyUrlError> {
        match (url, index) {
            (Some(url), _) => self
                .reply_urls
                .iter()
                .find(|known| known.url == url)
                .ok_or(ReplyUrlError::Unlisted),
            (None, Some(index)) => self
                .reply_urls
                .iter()
                .find(|known| known.index == index)
                .ok_or(ReplyUrlError::UnknownIndex),
            (None, None) => self
                .reply_urls
                .iter()
                .find(|known| known.preferred)
                .or_else(|| self.reply_urls.first())
                .ok_or(ReplyUrlError::Unlisted),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn party() -> RelyingParty {
        let url = |index, url: &str, preferred| ReplyUrl {
            index,
            url: url.to_owned(),
            preferred,
        };
        RelyingParty {
            reply_urls: vec![
                url(3, "https://sp.example.com/acs", false),
                url(7, "https://sp.example.com/saml/acs?a=b", true),
            ],
            ..EntraCloud::global().relying_party(Vec::new())
        }
    }

    #[test]
    fn a_wish_is_looked_up_and_nothing_is_taken_over_from_it() {
        let party = party();
        let index = |url, index| party.reply_url(url, index).map(|found| found.index);
        assert_eq!(index(None, None), Ok(7), "the preferred one");
        assert_eq!(index(Some("https://sp.example.com/acs"), None), Ok(3));
        assert_eq!(index(None, Some(3)), Ok(3));
        assert_eq!(index(None, Some(0)), Err(ReplyUrlError::UnknownIndex));
        assert_eq!(
            index(Some("https://evil.example/"), Some(3)),
            Err(ReplyUrlError::Unlisted)
        );
        let mut without = party.clone();
        without.reply_urls[1].preferred = false;
        assert_eq!(
            without.reply_url(None, None).map(|found| found.index),
            Ok(3)
        );
    }

    proptest! {
        /// One character more, less or other is another address.
        #[test]
        fn a_near_miss_is_never_accepted(which in 0_usize..2, at in 0_usize..64, edit in 0_u8..3, c in any::<char>()) {
            let party = party();
            let registered = &party.reply_urls[which].url;
            let mut chars: Vec<char> = registered.chars().collect();
            let at = at % chars.len();
            match edit {
                0 => chars.insert(at, c),
                1 => chars[at] = c,
                _ => drop(chars.remove(at)),
            }
            let near: String = chars.into_iter().collect();
            let accepted = party.reply_url(Some(&near), None).is_ok();
            prop_assert_eq!(accepted, party.reply_urls.iter().any(|known| known.url == near));
        }
    }
}
