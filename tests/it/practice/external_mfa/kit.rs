//! An external method of the tests' own, on a port of this computer: it shares no line with ours
//! or the tenant's, and it can be told to get any one thing wrong.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    rsa::{KeyPair, PublicKeyComponents},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use axum::http::StatusCode;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use claimbridge::{
    base::clock::Clock as _,
    practice::{Consent, ExternalMethod},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

use super::super::world::{Answer, Browser, World, between, world};

pub const APPLICATION: &str = "0f5e9a55-1111-4222-8333-444455556666";
pub const CLIENT: &str = "practice-client";
pub const AGENT: &str = "agent1@contoso.com";
pub const REPLY_PATH: &str = "/common/federation/externalauthprovider";

/// A signing key with its certificate.
pub struct Key {
    pair: KeyPair,
    certificate: Vec<u8>,
    kid: String,
}

fn key(name: &str) -> Key {
    let made = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = parameters.self_signed(&made).unwrap().der().to_vec();
    let thumbprint = digest::digest(&digest::SHA256, &certificate);
    Key {
        pair: KeyPair::from_pkcs8(&made.serialize_der()).unwrap(),
        certificate,
        kid: STANDARD.encode(thumbprint),
    }
}

/// The key that is published.
pub static PUBLISHED: LazyLock<Key> = LazyLock::new(|| key("idp.contoso.com"));
/// A key that is not.
pub static STRANGER: LazyLock<Key> = LazyLock::new(|| key("idp.evil.example"));

impl Key {
    pub fn jwk(&self) -> Value {
        let public = PublicKeyComponents::<Vec<u8>>::from(self.pair.public_key());
        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.certificate);
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid,
            "n": URL_SAFE_NO_PAD.encode(public.n),
            "e": URL_SAFE_NO_PAD.encode(public.e),
            "x5t": URL_SAFE_NO_PAD.encode(thumbprint),
            "x5c": [STANDARD.encode(&self.certificate)],
        })
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub fn modulus(&self) -> Vec<u8> {
        PublicKeyComponents::<Vec<u8>>::from(self.pair.public_key()).n
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair
            .sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
            .unwrap();
        signature
    }
}

/// How a document is served.
#[derive(Clone)]
pub struct Served {
    pub status: &'static str,
    /// The header line about the length, whole; `None` sends the body in chunks.
    pub length: Option<String>,
    pub kind: &'static str,
    pub body: String,
}

impl Served {
    pub fn json(value: &Value) -> Self {
        let body = value.to_string();
        Self {
            status: "200 OK",
            length: Some(body.len().to_string()),
            kind: "application/json",
            body,
        }
    }

    fn bytes(&self) -> String {
        let Self {
            status, kind, body, ..
        } = self;
        match &self.length {
            Some(length) => format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ),
            None => format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            ),
        }
    }
}

type Pages = Arc<Mutex<HashMap<String, Served>>>;

/// A provider that is served.
pub struct Provider {
    pub url: String,
    pages: Pages,
    reads: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub const DISCOVERY: &str = "/oidc/.well-known/openid-configuration";
pub const KEYS: &str = "/oidc/jwks";

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pages = Pages::default();
        let reads = Arc::new(Mutex::new(Vec::new()));
        let (shown, seen) = (Arc::clone(&pages), Arc::clone(&reads));
        let server = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = Vec::new();
                let mut part = [0; 4096];
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    match socket.read(&mut part).await {
                        Ok(read) if read > 0 => request.extend_from_slice(&part[..read]),
                        _ => break,
                    }
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                let page = shown.lock().unwrap().get(&path).cloned();
                seen.lock().unwrap().push(path);
                let answer = page.map_or_else(
                    || "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
                    |page| page.bytes(),
                );
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
            }
        });
        let provider = Self {
            url,
            pages,
            reads,
            server,
        };
        provider.serves(DISCOVERY, Served::json(&provider.discovery()));
        provider.serves(KEYS, Served::json(&json!({ "keys": [PUBLISHED.jwk()] })));
        provider
    }

    pub fn serves(&self, path: &str, page: Served) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// What was read since the last time.
    pub fn reads(&self) -> Vec<String> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }

    pub fn issuer(&self) -> String {
        format!("{}/oidc", self.url)
    }

    pub fn endpoint(&self) -> String {
        format!("{}/oidc/authorize", self.url)
    }

    pub fn discovery_url(&self) -> String {
        format!("{}{DISCOVERY}", self.url)
    }

    /// A document that deserves to be taken.
    pub fn discovery(&self) -> Value {
        json!({
            "issuer": self.issuer(),
            "authorization_endpoint": self.endpoint(),
            "jwks_uri": format!("{}{KEYS}", self.url),
            "scopes_supported": ["openid"],
            "response_types_supported": ["id_token"],
            "response_modes_supported": ["form_post"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claim_types_supported": ["normal"],
        })
    }

    pub fn method(&self) -> ExternalMethod {
        ExternalMethod {
            name: "Contoso MFA".to_owned(),
            application_id: APPLICATION.to_owned(),
            client_id: CLIENT.to_owned(),
            discovery_url: self.discovery_url(),
            reply_urls: vec![self.endpoint()],
            consent: Consent::Granted,
        }
    }
}

/// A tenant in which that provider's method is enabled.
pub async fn external_world() -> (World, Provider) {
    let (world, provider) = (world(), Provider::start().await);
    world.practice.register_external_method(provider.method());
    (world, provider)
}

/// What the browser carries to the method.
pub struct Round {
    pub target: String,
    pub fields: Vec<(String, String)>,
}

impl Round {
    /// Reads the page's form.
    pub fn of(page: &Answer) -> Self {
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let fields = page
            .body
            .match_indices("<input type=\"hidden\"")
            .map(|(at, _)| {
                let input = &page.body[at..];
                (
                    between(input, "name=\"", "\""),
                    between(input, "value=\"", "\""),
                )
            })
            .collect();
        Self {
            target: between(&page.body, "<form method=\"post\" action=\"", "\""),
            fields,
        }
    }

    pub fn value(&self, name: &str) -> &str {
        let mut found = self.fields.iter().filter(|(known, _)| known == name);
        let (_, value) = found.next().unwrap_or_else(|| panic!("no {name}"));
        assert!(found.next().is_none(), "{name} stands there twice");
        value
    }

    /// The claims of the hint, unverified.
    pub fn hint(&self) -> Value {
        claims(self.value("id_token_hint"))
    }

    /// The one `acr` that is asked for.
    pub fn acr(&self) -> String {
        let wanted: Value = serde_json::from_str(self.value("claims")).unwrap();
        let values = wanted["id_token"]["acr"]["values"].as_array().unwrap();
        assert_eq!(values.len(), 1);
        values[0].as_str().unwrap().to_owned()
    }
}

/// The claims of a JWT.
pub fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

/// A token to be.
pub struct Token {
    pub header: Value,
    pub claims: Value,
}

impl Token {
    /// One that deserves to be accepted.
    pub fn good(world: &World, provider: &Provider, round: &Round) -> Self {
        let now = world.clock.now().as_secs();
        Self {
            header: json!({ "typ": "JWT", "alg": "RS256", "kid": PUBLISHED.kid() }),
            claims: json!({
                "iss": provider.issuer(),
                "aud": round.value("client_id"),
                "sub": round.hint()["sub"],
                "nonce": round.value("nonce"),
                "iat": now,
                "exp": now + 300,
                "acr": round.acr(),
                "amr": ["otp"],
            }),
        }
    }

    pub fn signed(&self, key: &Key) -> String {
        self.signed_as(key, &self.claims.to_string())
    }

    /// With this text as its body.
    pub fn signed_as(&self, key: &Key, body: &str) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(self.header.to_string()),
            URL_SAFE_NO_PAD.encode(body)
        );
        let signature = URL_SAFE_NO_PAD.encode(key.sign(&signed));
        format!("{signed}.{signature}")
    }
}

impl Browser {
    /// Chooses the agent and this first factor.
    pub async fn asks(&mut self, world: &World, first: &str) -> Round {
        let path = format!("/external-mfa/start?username=agent1%40contoso.com&first={first}");
        Round::of(&self.get(world, &path).await)
    }

    /// Brings a form to the address of answers, from another site.
    pub async fn answers(&mut self, world: &World, fields: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let form: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        self.post_from_elsewhere(world, REPLY_PATH, &form.join("&"))
            .await
    }

    /// A whole round; `change` spoils the token.
    pub async fn second_factor(
        &mut self,
        world: &World,
        provider: &Provider,
        change: impl FnOnce(&mut Token),
    ) -> Answer {
        let round = self.asks(world, "password").await;
        let mut token = Token::good(world, provider, &round);
        change(&mut token);
        let text = token.signed(&PUBLISHED);
        self.answers(
            world,
            &[("id_token", &text), ("state", round.value("state"))],
        )
        .await
    }
}

/// The names of the rules before the round that did not pass.
pub fn failed_before(last: &Value) -> Vec<&str> {
    last["before"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["outcome"] == "failed")
        .map(|check| check["name"].as_str().unwrap())
        .collect()
}
