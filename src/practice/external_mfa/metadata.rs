//! What the method publishes, judged before anybody is sent (facts §5.2): the discovery document
//! and the keys.
//!
//! Always true: nobody is sent on the word of a document that breaks a rule; a key counts by the
//! certificate in its `x5c`, and only where that is the certificate of `n` and `e`.

use std::time::Duration;

use serde_json::{Map, Value};
use url::{Host, Url};

use super::{
    json,
    keys::{Key, certified, key_ids, public_keys},
};
use crate::{
    base::clock::Timestamp,
    practice::checks::{Check, CheckOutcome, Checks, Row},
};

/// How long Entra keeps what it read (facts §5.2).
pub const KEPT_FOR: Duration = Duration::from_hours(24);
/// Where every discovery URL ends (OpenID Connect Discovery §4).
pub const SUFFIX: &str = "/.well-known/openid-configuration";
/// No document is larger (bytes).
const LARGEST: usize = 256 * 1024;

/// The rules.
const ROWS: [Row; 9] = [
    (
        "discovery-url",
        "The discovery URL is https, without a query, and ends with /.well-known/openid-configuration",
        "50166",
    ),
    (
        "discovery",
        "It answers with JSON and a Content-Length",
        "50166",
    ),
    (
        "discovery-issuer",
        "issuer is the discovery URL without its end, character for character",
        "50027",
    ),
    (
        "discovery-fields",
        "Every required field is there, with id_token, openid and RS256",
        "50166",
    ),
    (
        "authorization-endpoint",
        "authorization_endpoint is https, without a query",
        "50166",
    ),
    ("jwks-uri", "jwks_uri is https, without a query", "50166"),
    (
        "keys",
        "The key set answers with JSON and a Content-Length; its keys are RSA, and public",
        "50166",
    ),
    (
        "key-ids",
        "Each key has a kid of its own, in base64",
        "50012",
    ),
    (
        "x5c",
        "Each key has its certificate in x5c: that of n and e",
        "5001256",
    ),
];

/// An answer as it came.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The status.
    pub status: u16,
    /// The header of that name.
    pub content_length: Option<String>,
    /// The header of that name.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Document {
    pub(super) fn is_too_large(&self) -> bool {
        self.body.len() > LARGEST
    }

    /// Its object, if it was served as Entra wants it.
    fn object(&self) -> Result<Map<String, Value>, String> {
        if self.status != 200 {
            return Err(format!("It answers {}.", self.status));
        }
        let length = self.content_length.as_deref();
        if length.and_then(|text| text.parse::<usize>().ok()) != Some(self.body.len()) {
            return Err(match length {
                None => "It has no Content-Length; an answer in chunks is not taken.".to_owned(),
                Some(length) => format!(
                    "Content-Length is {length}, and {} bytes came.",
                    self.body.len()
                ),
            });
        }
        let kind = self.content_type.as_deref().unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json")
            && !kind.eq_ignore_ascii_case("application/jwk-set+json")
        {
            return Err(format!("Content-Type is “{kind}”."));
        }
        json::object(&self.body).map_err(|why| format!("It cannot be read: {why}."))
    }
}

/// What a method publishes, with every rule kept.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Where it was read.
    pub discovery_url: String,
    /// When, by the tenant's clock.
    pub read_at: Timestamp,
    /// `issuer`.
    pub issuer: String,
    /// Where people are sent.
    pub authorization_endpoint: String,
    /// The keys.
    pub keys: Vec<Key>,
    /// The key set as it came, for the inspector.
    pub key_set: Vec<u8>,
    /// How the rules ended.
    pub checks: Vec<Check>,
}

/// Two documents being judged, one after the other.
pub struct Reading {
    checks: Checks,
    discovery_url: String,
    discovery_is_good: bool,
    document: Map<String, Value>,
    keys: Vec<Key>,
    key_set: Vec<u8>,
}

impl Reading {
    /// Judges the address.
    pub fn begin(discovery_url: &str) -> Self {
        let mut checks = Checks::of(&ROWS);
        let address = match address(discovery_url) {
            Ok(_) if !discovery_url.ends_with(SUFFIX) => {
                Err(format!("{discovery_url} ends otherwise."))
            }
            other => other,
        };
        let discovery_is_good = address.is_ok();
        checks.record("discovery-url", address);
        Self {
            checks,
            discovery_url: discovery_url.to_owned(),
            discovery_is_good,
            document: Map::new(),
            keys: Vec::new(),
            key_set: Vec::new(),
        }
    }

    /// Where the discovery document is, if that can be asked for.
    pub fn first(&self) -> Option<String> {
        self.discovery_is_good.then(|| self.discovery_url.clone())
    }

    /// Judges the discovery document.
    pub fn discovery(&mut self, answer: Result<Document, String>) {
        self.discovery_is_good = false;
        let object = answer.and_then(|document| {
            let object = document.object()?;
            Ok((object, document.body.len()))
        });
        let length = match object {
            Ok((object, length)) => {
                self.document = object;
                Ok(format!("{length} bytes."))
            }
            Err(why) => Err(why),
        };
        let came = length.is_ok();
        self.checks.record("discovery", length);
        if !came {
            return;
        }
        let issuer = self.issuer();
        let fields = self.fields();
        let (endpoint, keys) = (
            self.address_in("authorization_endpoint"),
            self.address_in("jwks_uri"),
        );
        self.discovery_is_good =
            issuer.is_ok() && fields.is_ok() && endpoint.is_ok() && keys.is_ok();
        for (name, result) in [
            ("discovery-issuer", issuer),
            ("discovery-fields", fields),
            ("authorization-endpoint", endpoint),
            ("jwks-uri", keys),
        ] {
            self.checks.record(name, result);
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.document.get(name).and_then(Value::as_str)
    }

    fn issuer(&self) -> Result<String, String> {
        let wanted = self.discovery_url.strip_suffix(SUFFIX).unwrap_or_default();
        match self.text("issuer") {
            Some(found) if found == wanted => Ok(format!("{found}.")),
            Some(found) => Err(format!("It is “{found}”, wanted is “{wanted}”.")),
            None => Err("There is none.".to_owned()),
        }
    }

    /// The required fields of OpenID Connect Discovery 1.0 §3 and the values that Entra wants.
    fn fields(&self) -> Result<String, String> {
        for (name, wanted) in [
            ("response_types_supported", Some("id_token")),
            ("subject_types_supported", None),
            ("id_token_signing_alg_values_supported", Some("RS256")),
            ("scopes_supported", Some("openid")),
        ] {
            let values = self
                .document
                .get(name)
                .and_then(Value::as_array)
                .filter(|values| !values.is_empty() && values.iter().all(Value::is_string))
                .ok_or_else(|| format!("There is no list {name}."))?;
            if let Some(wanted) = wanted
                && !values.iter().any(|value| value == wanted)
            {
                return Err(format!("{name} lacks {wanted}."));
            }
        }
        match self.document.get("claim_types_supported") {
            Some(Value::Array(values)) if values.iter().any(|value| value == "normal") => {}
            None => {}
            Some(_) => return Err("claim_types_supported lacks normal.".to_owned()),
        }
        Ok("They are there.".to_owned())
    }

    fn address_in(&self, name: &str) -> Result<String, String> {
        match self.text(name) {
            Some(text) => address(text),
            None => Err("There is none.".to_owned()),
        }
    }

    /// Where the keys are, if they can be asked for.
    pub fn second(&self) -> Option<String> {
        let address = self.text("jwks_uri").filter(|_| self.discovery_is_good);
        address.map(str::to_owned)
    }

    /// Judges the key set.
    pub fn keys(&mut self, answer: Result<Document, String>) {
        let members = answer.and_then(|document| {
            let object = document.object()?;
            self.key_set = document.body;
            public_keys(&object)
        });
        let members = match members {
            Ok(members) => {
                self.checks
                    .record("keys", Ok(format!("{} of them.", members.len())));
                members
            }
            Err(why) => {
                self.checks.record("keys", Err(why));
                return;
            }
        };
        let ids = key_ids(&members);
        let certified: Result<Vec<Key>, String> = members.iter().map(certified).collect();
        self.checks
            .record("key-ids", ids.map(|ids| format!("{}.", ids.join(", "))));
        match certified {
            Ok(keys) => {
                self.keys = keys;
                self.checks
                    .record("x5c", Ok("It is the same key each time.".to_owned()));
            }
            Err(why) => self.checks.record("x5c", Err(why)),
        }
    }

    /// What was read, if every rule is kept; else how each rule ended.
    pub fn end(self, now: Timestamp) -> Result<Provider, Vec<Check>> {
        let text = |name: &str| self.text(name).unwrap_or_default().to_owned();
        let (issuer, authorization_endpoint) = (text("issuer"), text("authorization_endpoint"));
        let checks = self.checks.finish();
        if checks
            .iter()
            .any(|check| check.outcome != CheckOutcome::Passed)
        {
            return Err(checks);
        }
        Ok(Provider {
            discovery_url: self.discovery_url,
            read_at: now,
            issuer,
            authorization_endpoint,
            keys: self.keys,
            key_set: self.key_set,
            checks,
        })
    }
}

/// An address that Entra takes; plain http on this computer, where there is no TLS to practise
/// with.
fn address(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| format!("“{text}” is no address."))?;
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if text.contains(['?', '#', '@']) {
        return Err(format!("{text} has a query, a fragment or a name in it."));
    }
    match url.scheme() {
        "https" => Ok(format!("{text}.")),
        "http" if here => Ok(format!(
            "{text}. Plain http is taken on this computer only; Entra takes https."
        )),
        _ => Err(format!("{text} is not https.")),
    }
}
