//! A cloud of the tests' own, on a port of this computer: its keys, its hints, and Entra's side of
//! a request. It shares no line with the door that it asks.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize, PublicKeyComponents},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256},
};
use axum::{Router, http::StatusCode, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use claimbridge::{
    base::clock::Timestamp,
    keys::certificate::{Certificate, RsaHash},
    relying_party::EntraEndpoints,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::support::browser::Page;

pub const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
pub const APPLICATION: &str = "0f5e9a55-1111-4222-8333-444455556666";
pub const CLIENT: &str = "claimbridge-of-contoso";
pub const OBJECT: &str = "bbbbcccc-1111-dddd-2222-eeee3333ffff";
pub const SUBJECT: &str = "mBfcvuhSHkDWVgV72x2ruIYdSsPSvcj2R0qfc6mGEAA";
const KID: &str = "-KI3Q9nNR7bRofxmeZoXqbHZGew";

pub static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

/// A cloud that is served.
pub struct Cloud {
    pub url: String,
    /// Whether it answers.
    pub answers: Arc<AtomicBool>,
    /// How often it was asked for a document.
    pub asked: Arc<AtomicU64>,
    server: JoinHandle<()>,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Cloud {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(AtomicBool::new(true));
        let asked = Arc::new(AtomicU64::new(0));
        let metadata = json!({
            "issuer": format!("{url}/{{tenantid}}/v2.0"),
            "authorization_endpoint": format!("{url}/common/oauth2/v2.0/authorize"),
            "jwks_uri": format!("{url}/common/discovery/v2.0/keys"),
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        let public = PublicKeyComponents::<Vec<u8>>::from(KEY.public_key());
        let keys = json!({"keys": [{
            "kty": "RSA", "use": "sig", "kid": KID, "x5t": KID,
            "n": URL_SAFE_NO_PAD.encode(public.n), "e": URL_SAFE_NO_PAD.encode(public.e),
            "issuer": format!("{url}/{{tenantid}}/v2.0"),
        }]});
        let serve = |document: Value| {
            let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
            get(move || async move {
                asked.fetch_add(1, Ordering::SeqCst);
                if answers.load(Ordering::SeqCst) {
                    Ok(document.to_string())
                } else {
                    Err(StatusCode::SERVICE_UNAVAILABLE)
                }
            })
        };
        let router = Router::new()
            .route(
                "/common/v2.0/.well-known/openid-configuration",
                serve(metadata),
            )
            .route("/common/discovery/v2.0/keys", serve(keys));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            answers,
            asked,
            server,
        }
    }
}

impl Cloud {
    pub fn endpoints(&self) -> EntraEndpoints {
        EntraEndpoints {
            authority_url: self.url.clone(),
            graph_url: self.url.clone(),
        }
    }

    pub fn reply_url(&self) -> String {
        format!("{}/common/federation/externalauthprovider", self.url)
    }

    /// What Entra asks about the account of that name.
    pub fn ask(&self, name: &str, now: Timestamp) -> Ask {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let iat = now.as_secs();
        let asked = json!({"id_token": {
            "acr": {"essential": true, "values": ["possessionorinherence"]},
            "amr": {"essential": true, "values": ["fido", "hwk", "otp"]},
        }});
        let reply_url = self.reply_url();
        let fields = [
            ("scope", "openid".to_owned()),
            ("response_type", "Id_token".to_owned()),
            ("response_mode", "form_post".to_owned()),
            ("client_id", CLIENT.to_owned()),
            ("redirect_uri", reply_url),
            ("nonce", format!("nonce-{number}")),
            ("state", format!("state <&\"> {number}")),
            ("claims", asked.to_string()),
            (
                "client-request-id",
                "0f5e9a55-aaaa-4222-8333-444455556666".to_owned(),
            ),
            ("mkt", "de-DE".to_owned()),
        ];
        Ask {
            header: json!({"typ": "JWT", "alg": "RS256", "kid": KID}),
            hint: json!({
                "ver": "2.0",
                "iss": format!("{}/{TENANT}/v2.0", self.url),
                "aud": APPLICATION,
                "sub": SUBJECT,
                "tid": TENANT,
                "oid": OBJECT,
                "preferred_username": name,
                "iat": iat, "nbf": iat, "exp": iat - 1,
                "uti": format!("uti-{number}"),
            }),
            fields: fields
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
            token: None,
        }
    }
}

/// A request of Entra, right but for what a test changes.
#[derive(Clone)]
pub struct Ask {
    pub header: Value,
    pub hint: Value,
    pub fields: Vec<(String, String)>,
    /// The hint itself, where it is not made from the above.
    pub token: Option<String>,
}

impl Ask {
    pub fn hinting(mut self, name: &str, value: Value) -> Self {
        match (&mut self.hint, value) {
            (Value::Object(map), Value::Null) => drop(map.remove(name)),
            (Value::Object(map), value) => drop(map.insert(name.to_owned(), value)),
            _ => unreachable!(),
        }
        self
    }

    /// Another value of a parameter; without it, if there is none.
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.fields.retain(|(present, _)| present != name);
        if let Some(value) = value {
            self.fields.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    pub fn field(&self, name: &str) -> Option<String> {
        let found = self.fields.iter().find(|(present, _)| present == name);
        found.map(|(_, value)| value.clone())
    }

    pub fn signed_part(&self) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", encode(&self.header), encode(&self.hint))
    }

    pub fn hint_token(&self) -> String {
        if let Some(token) = &self.token {
            return token.clone();
        }
        let signed = self.signed_part();
        let mut signature = vec![0; KEY.public_modulus_len()];
        let random = SystemRandom::new();
        KEY.sign(
            &RSA_PKCS1_SHA256,
            &random,
            signed.as_bytes(),
            &mut signature,
        )
        .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub fn body(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(&self.fields);
        form.append_pair("id_token_hint", &self.hint_token());
        form.finish()
    }
}

/// What goes back to Entra.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub action: String,
    pub state: Option<String>,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Token(String),
    Error(String),
}

/// Reads the page that posts itself to Entra.
pub fn told(page: &Page) -> Told {
    maybe_told(page).unwrap_or_else(|| panic!("nothing for Entra on\n{}", page.text()))
}

pub fn maybe_told(page: &Page) -> Option<Told> {
    let form = page.forms().into_iter().find(|form| {
        let mut inputs = form.inputs.iter();
        inputs.any(|input| input.name == "id_token" || input.name == "error")
    })?;
    let value = |name: &str| {
        let mut inputs = form.inputs.iter();
        let input = inputs.find(|input| input.name == name);
        input.map(|input| input.value.clone())
    };
    let what = match (value("id_token"), value("error")) {
        (Some(token), None) => What::Token(token),
        (None, Some(error)) => What::Error(error),
        both => panic!("{both:?}"),
    };
    Some(Told {
        action: form.action.clone(),
        state: value("state"),
        what,
    })
}

impl Told {
    /// The token.
    pub fn token(&self) -> &str {
        match &self.what {
            What::Token(token) => token,
            What::Error(error) => panic!("{error} instead of a token"),
        }
    }

    /// The claims of the token, if `keys` (our key list) verify it.
    pub fn claims(&self, keys: &Value) -> Value {
        assert!(verifies(keys, self.token()), "{self:?}");
        part(self.token(), 1)
    }

    pub fn error(&self) -> &str {
        match &self.what {
            What::Error(error) => error,
            What::Token(_) => panic!("a token instead of an error"),
        }
    }

    pub fn is_token(&self) -> bool {
        matches!(self.what, What::Token(_))
    }
}

/// A part of a token, by its place: 0 the header, 1 the claims.
pub fn part(token: &str, place: usize) -> Value {
    let part = token.split('.').nth(place).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Whether a key list verifies a token as Entra does: by the one key that the header names, and
/// by no other that would fit; by its numbers and by its certificate, which are of one key.
pub fn verifies(keys: &Value, token: &str) -> bool {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let header = part(token, 0);
    assert_eq!(header["alg"], "RS256");
    let all = keys["keys"].as_array().unwrap();
    let named: Vec<&Value> = all
        .iter()
        .filter(|key| key["kid"] == header["kid"])
        .collect();
    let [key] = named[..] else {
        assert!(named.is_empty(), "two keys of one name: {keys}");
        return false;
    };
    let number = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let public = PublicKeyComponents {
        n: number("n"),
        e: number("e"),
    };
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let by_numbers = public.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature);
    let certificate = data_encoding::BASE64
        .decode(key["x5c"][0].as_str().unwrap().as_bytes())
        .unwrap();
    let certificate = Certificate::read(&certificate).unwrap();
    let by_certificate = certificate.verify_rsa(RsaHash::Sha256, signed.as_bytes(), &signature);
    assert_eq!(by_numbers.is_ok(), by_certificate.is_ok(), "{key}");
    by_numbers.is_ok()
}
