//! Who we are to an authenticator: the RP id and the one origin (WebAuthn §4).
//!
//! A key belongs to its RP id for ever: when `public_url` changes its host, every key is
//! orphaned. An IP address is no RP id.

use std::{fmt, time::Duration};

use url::{Host, Origin, Url};
use webauthn_rs_core::WebauthnCore;

/// How long the browser waits for the person (a hint; our own limit is the ceremony's).
pub const CLIENT_TIMEOUT: Duration = Duration::from_mins(2);

/// The RP id and origin that credentials are scoped to.
#[derive(Clone)]
pub struct Scope {
    pub(super) library: WebauthnCore,
    id: String,
    origin: String,
}

/// Why there is no scope: security keys cannot work at this address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoScope {
    /// Browsers allow domain names only.
    #[error("security keys need a host name in public_url; an IP address cannot be their RP id")]
    IpAddress,
    /// Browsers offer WebAuthn in secure contexts only.
    #[error("security keys need https in public_url, or http on localhost")]
    Insecure,
    /// Not a web address.
    #[error("public_url has no host")]
    NoHost,
}

impl Scope {
    /// From the address at which people reach us, and the name that keys may show.
    pub fn new(public_url: &str, name: &str) -> Result<Self, NoScope> {
        let url = Url::parse(public_url).map_err(|_| NoScope::NoHost)?;
        let id = match url.host() {
            Some(Host::Domain(domain)) => domain.to_owned(),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => return Err(NoScope::IpAddress),
            None => return Err(NoScope::NoHost),
        };
        let local = id == "localhost" || id.ends_with(".localhost");
        if url.scheme() != "https" && !(url.scheme() == "http" && local) {
            return Err(NoScope::Insecure);
        }
        let origin = url.origin();
        if !matches!(origin, Origin::Tuple(..)) {
            return Err(NoScope::NoHost);
        }
        let origin = origin.ascii_serialization();
        let allowed = Url::parse(&origin).map_err(|_| NoScope::NoHost)?;
        // Neither subdomains nor other ports: and `client_data` compares the very bytes before.
        let library = WebauthnCore::new_unsafe_experts_only(
            name,
            &id,
            vec![allowed],
            CLIENT_TIMEOUT,
            Some(false),
            Some(false),
        );
        Ok(Self {
            library,
            id,
            origin,
        })
    }

    /// The RP id: the host of `public_url`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The origin as browsers write it.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({})", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_rp_id_and_an_address_is_none() {
        for (url, id, origin) in [
            (
                "https://idp.contoso.com",
                "idp.contoso.com",
                "https://idp.contoso.com",
            ),
            (
                "https://idp.contoso.com:443/",
                "idp.contoso.com",
                "https://idp.contoso.com",
            ),
            (
                "https://IDP.contoso.com:8443",
                "idp.contoso.com",
                "https://idp.contoso.com:8443",
            ),
            (
                "http://localhost:8080",
                "localhost",
                "http://localhost:8080",
            ),
        ] {
            let scope = Scope::new(url, "x").unwrap();
            assert_eq!((scope.id(), scope.origin()), (id, origin), "{url}");
            assert_eq!(format!("{scope:?}"), format!("Scope({origin})"));
        }
        for (url, why) in [
            ("https://192.0.2.1", NoScope::IpAddress),
            ("http://127.0.0.1:8080", NoScope::IpAddress),
            ("https://[::1]", NoScope::IpAddress),
            ("http://idp.contoso.com", NoScope::Insecure),
            ("data:text/plain,x", NoScope::NoHost),
            ("contoso", NoScope::NoHost),
        ] {
            assert_eq!(Scope::new(url, "x").unwrap_err(), why, "{url}");
        }
    }
}
