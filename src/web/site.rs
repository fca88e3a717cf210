//! Where this service lives: scheme, host and port of `public_url`.

use axum::http::HeaderValue;
use url::Url;

/// Whether browsers reach it over TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// The rule.
    Https,
    /// Allowed only for a loopback address; `config` sees to that.
    Http,
}

/// The one name under which this service answers.
#[derive(Clone, Debug)]
pub struct Site {
    /// `https://idp.contoso.com`, without a slash at the end.
    pub origin: String,
    /// Whether cookies are `Secure` and browsers are told to stay on TLS.
    pub scheme: Scheme,
    host: String,
    default_port: &'static str,
}

impl Site {
    /// From `public_url`, which has no path (`config` sees to that).
    #[must_use]
    pub fn new(public_url: &str) -> Self {
        let origin = Url::parse(public_url).map_or_else(
            |_| public_url.to_owned(),
            |url| url.origin().ascii_serialization(),
        );
        let (scheme, default_port) = if origin.starts_with("http://") {
            (Scheme::Http, ":80")
        } else {
            (Scheme::Https, ":443")
        };
        let host = origin
            .split_once("://")
            .map_or(origin.as_str(), |(_, host)| host)
            .to_owned();
        Self {
            origin,
            scheme,
            host,
            default_port,
        }
    }

    /// Whether a `Host` header names this service. Any other name is refused, so
    /// that no link, cookie or cache entry is ever made for a name that is not ours.
    #[must_use]
    pub fn is_named_by(&self, host: &str) -> bool {
        let host = host.strip_suffix(self.default_port).unwrap_or(host);
        host.eq_ignore_ascii_case(&self.host)
    }

    /// Whether an `Origin` header says that one of our own pages sent the request.
    #[must_use]
    pub fn is_origin(&self, origin: &HeaderValue) -> bool {
        origin.as_bytes() == self.origin.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_public_url_is_ours() {
        let site = Site::new("https://idp.contoso.com");
        for ours in ["idp.contoso.com", "IDP.contoso.com", "idp.contoso.com:443"] {
            assert!(site.is_named_by(ours), "{ours}");
        }
        for other in [
            "",
            "contoso.com",
            "idp.contoso.com.",
            "idp.contoso.com:8443",
            "idp.contoso.com:80",
            "evil.idp.contoso.com",
            "idp.contoso.com@evil.example",
            "127.0.0.1",
        ] {
            assert!(!site.is_named_by(other), "{other}");
        }
        let local = Site::new("http://localhost:8080/");
        assert!(local.is_named_by("localhost:8080"));
        assert!(!local.is_named_by("localhost"));
        assert_eq!(local.origin, "http://localhost:8080");
        assert_eq!(local.scheme, Scheme::Http);
    }
}
