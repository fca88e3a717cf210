//! The applications that the tenant knows: Microsoft's public one that
//! Test-PartnerSecurityRequirement uses (facts §6.1), and a web application with a
//! secret for the Secure Application Model (facts §6.4).
//!
//! Always true: an address for answers is compared as a string, never as a prefix;
//! the secret is random for each start and compared in constant time.

use axum::http::{HeaderMap, header};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq as _;

use super::{errors::OAuthError, scope::Resource};
use crate::{
    base::{
        random::{Random, random_bytes},
        secret::Secret,
    },
    practice::{request::guid, token::Application},
};

/// The public client (facts §6.1).
pub const AZURE_CLI: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
/// The public client of Microsoft's own tools for Graph.
pub const GRAPH_TOOLS: &str = "14d82eec-204b-4c2f-b7e8-296a70dab67e";
/// What the application that watches may: read.
pub const WATCH_ROLES: [&str; 5] = [
    "Domain.Read.All",
    "Policy.Read.All",
    "User.Read.All",
    "Organization.Read.All",
    "AuditLog.Read.All",
];
/// What the application that may too much may.
pub const WRITER_ROLES: [&str; 4] = [
    "Domain.Read.All",
    "Policy.Read.All",
    "Domain-InternalFederation.ReadWrite.All",
    "User.ReadWrite.All",
];
/// Where the web application is answered, besides loopback.
pub const WEB_REDIRECT: &str = "https://web.practice.example/signin-oidc";

/// An application.
#[derive(Debug)]
pub struct Client {
    id: String,
    name: &'static str,
    kind: Kind,
    resource: Resource,
    roles: &'static [&'static str],
}

#[derive(Debug)]
enum Kind {
    Public,
    Confidential(Secret<String>),
}

impl Client {
    /// `client_id`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name that the confirmation page shows.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its secret, where it has one.
    pub fn secret(&self) -> Option<&Secret<String>> {
        match &self.kind {
            Kind::Public => None,
            Kind::Confidential(secret) => Some(secret),
        }
    }

    /// Whether it must prove a code's possession by PKCE (RFC 8252 §8.1).
    pub fn is_public(&self) -> bool {
        matches!(self.kind, Kind::Public)
    }

    /// Which API it is for.
    pub fn resource(&self) -> Resource {
        self.resource
    }

    /// What was consented to for the application on its own.
    pub fn roles(&self) -> &'static [&'static str] {
        self.roles
    }

    /// How it stands in the access token.
    pub fn in_token(&self) -> Application<'_> {
        Application {
            id: &self.id,
            appidacr: if self.is_public() { "0" } else { "1" },
        }
    }

    /// Whether an answer may go there: loopback with any port (RFC 8252 §7.3), or the
    /// registered address, byte for byte.
    pub fn may_answer_at(&self, address: &str) -> bool {
        is_loopback(address) || (!self.is_public() && address == WEB_REDIRECT)
    }
}

fn is_loopback(address: &str) -> bool {
    let Some(rest) = ["http://localhost", "http://127.0.0.1"]
        .iter()
        .find_map(|host| address.strip_prefix(host))
    else {
        return false;
    };
    let port = rest.strip_suffix('/').unwrap_or(rest);
    match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(digits) => {
            digits.bytes().all(|digit| digit.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
    }
}

/// What a request says about who sends it.
#[derive(Debug, Default)]
pub(super) struct Credentials<'a> {
    /// The form's `client_id`.
    pub(super) id: Option<&'a str>,
    /// The form's `client_secret`.
    pub(super) secret: Option<&'a Secret<String>>,
}

/// The applications.
#[derive(Debug)]
pub struct Clients {
    public: Client,
    web: Client,
    graph_tools: Client,
    watch: Client,
    writer: Client,
}

impl Clients {
    pub(super) fn new(random: &mut dyn Random) -> Self {
        let public = |id: &str, name, resource| Client {
            id: id.to_owned(),
            name,
            kind: Kind::Public,
            resource,
            roles: &[],
        };
        let mut confidential = |name, resource, roles| {
            let secret = URL_SAFE_NO_PAD.encode(random_bytes::<32>(random));
            Client {
                id: guid(random),
                name,
                kind: Kind::Confidential(Secret::new(secret)),
                resource,
                roles,
            }
        };
        Self {
            web: confidential("Practice web application", Resource::PartnerCenter, &[]),
            watch: confidential(
                "claimbridge drift watch (reads)",
                Resource::Graph,
                &WATCH_ROLES,
            ),
            writer: confidential(
                "claimbridge drift watch (may write)",
                Resource::Graph,
                &WRITER_ROLES,
            ),
            public: public(AZURE_CLI, "Microsoft Azure CLI", Resource::PartnerCenter),
            graph_tools: public(
                GRAPH_TOOLS,
                "Microsoft Graph Command Line Tools",
                Resource::Graph,
            ),
        }
    }

    /// The public client.
    pub fn public(&self) -> &Client {
        &self.public
    }

    /// The application with a secret.
    pub fn web(&self) -> &Client {
        &self.web
    }

    /// Microsoft's tools for Graph.
    pub fn graph_tools(&self) -> &Client {
        &self.graph_tools
    }

    /// The application that watches, and may only read.
    pub fn watch(&self) -> &Client {
        &self.watch
    }

    /// One that watches and may write: more than it should.
    pub fn writer(&self) -> &Client {
        &self.writer
    }

    fn all(&self) -> [&Client; 5] {
        [
            &self.public,
            &self.web,
            &self.graph_tools,
            &self.watch,
            &self.writer,
        ]
    }

    /// The application of that id.
    pub(super) fn by_id(&self, id: Option<&str>) -> Result<&Client, OAuthError> {
        let id = id.ok_or(OAuthError::Missing("client_id"))?;
        self.all()
            .into_iter()
            .find(|client| client.id.eq_ignore_ascii_case(id))
            .ok_or_else(|| OAuthError::UnknownClient(id.to_owned()))
    }

    /// The application that proves to be itself (RFC 6749 §2.3.1).
    pub(super) fn authenticate(
        &self,
        headers: &HeaderMap,
        form: &Credentials<'_>,
    ) -> Result<&Client, OAuthError> {
        let basic = match headers.get(header::AUTHORIZATION) {
            Some(value) => Some(basic(value.as_bytes()).ok_or(OAuthError::Malformed)?),
            None => None,
        };
        let (id, given) = match &basic {
            Some(_) if form.secret.is_some() => return Err(OAuthError::Malformed),
            Some((id, given)) => {
                if form.id.is_some_and(|other| other != id) {
                    return Err(OAuthError::Malformed);
                }
                (Some(id.as_str()), Some(given))
            }
            None => (form.id, form.secret),
        };
        let client = self.by_id(id)?;
        match (&client.kind, given) {
            (Kind::Public, None) => Ok(client),
            (Kind::Public, Some(_)) => Err(OAuthError::SecretOfPublicClient),
            (Kind::Confidential(_), None) => Err(OAuthError::SecretMissing),
            (Kind::Confidential(registered), Some(given)) => {
                let right = registered
                    .expose()
                    .as_bytes()
                    .ct_eq(given.expose().as_bytes());
                if bool::from(right) {
                    Ok(client)
                } else {
                    Err(OAuthError::SecretWrong(client.id.clone()))
                }
            }
        }
    }
}

fn basic(header: &[u8]) -> Option<(String, Secret<String>)> {
    let (scheme, value) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = Secret::new(String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?);
    let (id, secret) = pair.expose().split_once(':')?;
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        Some(percent_decode_str(&text).decode_utf8().ok()?.into_owned())
    };
    Some((decoded(id)?, Secret::new(decoded(secret)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;

    #[test]
    fn only_loopback_and_registered_addresses_are_answered() {
        let clients = Clients::new(&mut SystemRandom);
        for good in [
            "http://localhost",
            "http://localhost/",
            "http://localhost:8400/",
            "http://localhost:8400",
            "http://127.0.0.1:65535/",
        ] {
            assert!(clients.public().may_answer_at(good), "{good}");
            assert!(clients.web().may_answer_at(good), "{good}");
        }
        for bad in [
            "",
            "http://localhost.evil.example/",
            "http://localhost:80@evil.example/",
            "http://localhost:/x",
            "http://localhost:",
            "http://localhost:99999/",
            "http://localhost:+80/",
            "http://localhost:8400/callback",
            "http://localhost:8400/?x",
            "http://localhost:8400/#x",
            "http://localhost:8400//",
            "https://localhost:8400/",
            "http://127.0.0.11/",
            "http://127.0.0.1.evil.example/",
            "HTTP://LOCALHOST/",
            "javascript:alert(1)",
            "https://web.practice.example/signin-oidc/",
            "https://web.practice.example/",
        ] {
            assert!(!clients.public().may_answer_at(bad), "{bad}");
            assert!(!clients.web().may_answer_at(bad), "{bad}");
        }
        assert!(clients.web().may_answer_at(WEB_REDIRECT));
        assert!(!clients.public().may_answer_at(WEB_REDIRECT));
    }
}
