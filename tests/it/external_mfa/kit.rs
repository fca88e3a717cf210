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
    app::external_mfa::tenants,
    relying_party::{EntraEndpoints, Tenant, TenantCloud},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::support::{Browser, Page, Person, World};

pub const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
pub const APPLICATION: &str = "0f5e9a55-1111-4222-8333-444455556666";
pub const CLIENT: &str = "claimbridge-of-contoso";
pub const OBJECT: &str = "bbbbcccc-1111-dddd-2222-eeee3333ffff";
pub const SUBJECT: &str = "mBfcvuhSHkDWVgV72x2ruIYdSsPSvcj2R0qfc6mGEAA";
pub const AGENT: &str = "agent1@contoso.com";
const KID: &str = "-KI3Q9nNR7bRofxmeZoXqbHZGew";

pub static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

/// A cloud that is served.
pub struct Cloud {
    pub url: String,
    /// Whether it answers.
    pub answers: Arc<AtomicBool>,
    server: JoinHandle<()>,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Cloud {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(AtomicBool::new(true));
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
            let answers = Arc::clone(&answers);
            get(move || async move {
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
            server,
        }
    }
}

/// An identity provider with a tenant that asks.
pub struct Door {
    pub world: World,
    pub cloud: Cloud,
}

impl Door {
    pub async fn new() -> Self {
        let cloud = Cloud::start().await;
        let mut world = World::new().await;
        world.settings.endpoints = Some(EntraEndpoints {
            authority_url: cloud.url.clone(),
            graph_url: cloud.url.clone(),
        });
        world.nodes.clear();
        world.start_node().await;
        let tenant = Tenant {
            id: TENANT.parse().unwrap(),
            client_id: CLIENT.parse().unwrap(),
            application_id: APPLICATION.parse().unwrap(),
            cloud: TenantCloud::Custom,
            name: None,
        };
        let app = world.app();
        let now = world.now();
        tenants::add(app.store(), app.settings(), tenant, "tester", now)
            .await
            .unwrap();
        Self { world, cloud }
    }

    pub fn reply_url(&self) -> String {
        format!("{}/common/federation/externalauthprovider", self.cloud.url)
    }

    /// What Entra asks about the account of that name.
    pub fn ask(&self, name: &str) -> Ask {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let iat = self.world.now().as_secs();
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
                "iss": format!("{}/{TENANT}/v2.0", self.cloud.url),
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

    /// Somebody who has a code and no notices.
    pub async fn agent(&self) -> Person {
        self.world.ready(AGENT).await
    }

    /// Arrives from Entra.
    pub async fn arrive(&self, browser: &mut Browser, ask: &Ask) -> Page {
        browser
            .send("POST", "/oidc/authorize", Some(ask.body()))
            .await
    }

    /// The whole way with a code of that person.
    pub async fn prove(&self, browser: &mut Browser, ask: &Ask, person: &Person) -> Told {
        let page = self.arrive(browser, ask).await;
        assert!(page.asks_for_code(), "{}", page.text());
        let page = browser.submit_code(&person.code(self.world.now())).await;
        self.world.advance(30);
        told(&page)
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
    /// The claims of the token, if `keys` (our key list) verify it.
    pub fn claims(&self, keys: &Value) -> Value {
        let What::Token(token) = &self.what else {
            panic!("{self:?} is no token");
        };
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
        let read = |part: &str| serde_json::from_slice::<Value>(&decode(part)).unwrap();
        let header = read(header);
        assert_eq!(header["alg"], "RS256");
        let all = keys["keys"].as_array().unwrap();
        let key = all.iter().find(|key| key["kid"] == header["kid"]).unwrap();
        let number = |name: &str| decode(key[name].as_str().unwrap());
        let public = PublicKeyComponents {
            n: number("n"),
            e: number("e"),
        };
        public
            .verify(
                &RSA_PKCS1_2048_8192_SHA256,
                signed.as_bytes(),
                &decode(signature),
            )
            .unwrap();
        read(claims)
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
