//! A practice tenant with two domains and three people, and a browser for it.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use claimbridge::{
    base::{
        clock::{Clock, ManualClock, Timestamp},
        random::SystemRandom,
        secret::Secret,
    },
    practice::{
        Brings, DemoPerson, DesktopTotp, FederatedDomain, MfaBehavior, More, Practice,
        PracticeConfig, PracticeUser, PreferredProtocol, PromptLogin,
    },
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tower::ServiceExt as _;

use super::signer::{MULTIPLE_AUTHN, PERSISTENT, REGISTERED, Response, Signed, TestKey};

pub const TENANT: &str = "http://127.0.0.1:8081";
pub const PARTNER_CENTER: &str = "http://127.0.0.1:8082";
pub const ISSUER: &str = "http://localhost:8080/contoso.com";
pub const REPLY_URL: &str = "http://127.0.0.1:8081/login.srf";

pub struct World {
    pub practice: Arc<Practice>,
    pub tenant: Router,
    pub partner_center: Router,
    pub clock: Arc<ManualClock>,
}

/// With or without the demo's people.
#[derive(Clone, Copy, PartialEq)]
pub enum People {
    Demo,
    None,
}

pub fn world() -> World {
    world_with(People::None)
}

pub fn world_with(people: People) -> World {
    world_of(people, More::default())
}

/// With further domains and people.
pub fn world_more(more: More) -> World {
    world_of(People::None, more)
}

fn world_of(people: People, more: More) -> World {
    let clock = Arc::new(ManualClock::at(
        Timestamp::parse_rfc3339("2026-11-20T10:00:00Z").unwrap(),
    ));
    let domain = |name: &str| FederatedDomain {
        name: name.parse().unwrap(),
        issuer_uri: format!("http://localhost:8080/{name}"),
        sign_in_url: format!("http://localhost:8080/saml2/sso?domain={name}"),
        certificates: vec![REGISTERED.certificate.clone()],
        preferred_protocol: PreferredProtocol::Saml,
        mfa_behavior: MfaBehavior::EnforceMfaByFederatedIdp,
        prompt_login: PromptLogin::Unset,
        sign_out_url: None,
    };
    let user = |upn: &str, immutable_id: &str, object_id: &str| PracticeUser {
        upn: upn.parse().unwrap(),
        immutable_id: immutable_id.to_owned(),
        object_id: object_id.to_owned(),
        display_name: "Agent One".to_owned(),
    };
    let demo_people = vec![DemoPerson {
        upn: "agent1@contoso.com".to_owned(),
        password: Secret::new("correct horse".to_owned()),
        brings: Brings::Program(DesktopTotp {
            upn: "agent1@contoso.com".to_owned(),
            secret: Secret::new(b"12345678901234567890".to_vec()),
        }),
    }];
    let practice = Practice::new(PracticeConfig {
        own_url: TENANT.to_owned(),
        idp_url: "http://localhost:8080".to_owned(),
        partner_center_url: PARTNER_CENTER.to_owned(),
        entity_id: "urn:federation:MicrosoftOnline".to_owned(),
        domains: vec![domain("contoso.com"), domain("fabrikam.com")],
        users: vec![
            user(
                "agent1@contoso.com",
                "AGENT1id",
                "4988e250-5aee-482a-9136-6d269cb755c0",
            ),
            user(
                "agent2@eu.contoso.com",
                "AGENT2id",
                "4988e250-5aee-482a-9136-6d269cb755c2",
            ),
            user(
                "boss@fabrikam.com",
                "BOSSid",
                "4988e250-5aee-482a-9136-6d269cb755c3",
            ),
        ],
        more,
        demo_people: if people == People::Demo {
            demo_people
        } else {
            Vec::new()
        },
        clock: clock.clone(),
        random: Box::new(SystemRandom),
    })
    .unwrap();
    World {
        tenant: practice.tenant_router(),
        partner_center: practice.partner_center_router(),
        practice,
        clock,
    }
}

/// An answer of either site.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }

    fn cookie(&self) -> Option<String> {
        let set = self.headers.get(header::SET_COOKIE)?.to_str().unwrap();
        Some(set.split(';').next().unwrap().to_owned())
    }
}

pub async fn call(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 22).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

/// A browser that keeps each site's cookie.
#[derive(Default)]
pub struct Browser {
    tenant_cookie: String,
    partner_center_cookie: String,
}

/// What the browser carries to the identity provider.
pub struct Carried {
    pub target: String,
    pub request: String,
    pub request_id: String,
    pub relay_state: String,
    pub page: Answer,
}

impl Browser {
    pub async fn get(&mut self, world: &World, path: &str) -> Answer {
        let request = Request::get(path)
            .header(header::HOST, "127.0.0.1:8081")
            .header(header::COOKIE, &self.tenant_cookie)
            .body(Body::empty())
            .unwrap();
        let answer = call(&world.tenant, request).await;
        if let Some(cookie) = answer.cookie() {
            self.tenant_cookie = cookie;
        }
        answer
    }

    /// As a browser does it from another site: a Lax cookie stays behind.
    pub async fn post_from_elsewhere(&mut self, world: &World, path: &str, form: &str) -> Answer {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, "127.0.0.1:8081")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        let answer = call(&world.tenant, request).await;
        if let Some(cookie) = answer.cookie() {
            self.tenant_cookie = cookie;
        }
        answer
    }

    /// As a browser does it from the tenant's own page.
    pub async fn submit(&mut self, world: &World, path: &str, form: &str) -> Answer {
        let request = Request::post(path)
            .header(header::HOST, "127.0.0.1:8081")
            .header(header::COOKIE, &self.tenant_cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form.to_owned()))
            .unwrap();
        let answer = call(&world.tenant, request).await;
        if let Some(cookie) = answer.cookie() {
            self.tenant_cookie = cookie;
        }
        answer
    }

    pub async fn press(&mut self, world: &World, name: &str) -> Answer {
        self.submit(world, "/break", &format!("break={name}")).await
    }

    pub async fn partner_center(&mut self, world: &World, address: &str) -> Answer {
        let path = address.strip_prefix(PARTNER_CENTER).unwrap_or(address);
        let request = Request::get(path)
            .header(header::HOST, "127.0.0.1:8082")
            .header(header::COOKIE, &self.partner_center_cookie)
            .body(Body::empty())
            .unwrap();
        let answer = call(&world.partner_center, request).await;
        if let Some(cookie) = answer.cookie() {
            self.partner_center_cookie = cookie;
        }
        answer
    }

    /// Presses "Sign in", with options in the address.
    pub async fn start(&mut self, world: &World, path: &str) -> Carried {
        let page = self.get(world, path).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        Self::carried(page)
    }

    /// What the page carries on.
    pub fn carried(page: Answer) -> Carried {
        let request =
            String::from_utf8(STANDARD.decode(hidden(&page.body, "SAMLRequest")).unwrap()).unwrap();
        let id = request.split("ID=\"").nth(1).unwrap();
        Carried {
            target: between(&page.body, "<form method=\"post\" action=\"", "\""),
            request_id: id.split('"').next().unwrap().to_owned(),
            relay_state: hidden(&page.body, "RelayState"),
            request,
            page,
        }
    }

    /// Brings a response back.
    pub async fn bring(&mut self, world: &World, xml: &str, relay_state: &str) -> Answer {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let form = format!(
            "SAMLResponse={}&RelayState={}",
            encode(&STANDARD.encode(xml)),
            encode(relay_state)
        );
        self.post_from_elsewhere(world, "/login.srf", &form).await
    }

    /// Starts, lets `change` spoil the response, and brings it back.
    pub async fn sign_in(
        &mut self,
        world: &World,
        key: &TestKey,
        change: impl FnOnce(&mut Response),
    ) -> Answer {
        let carried = self.start(world, "/start").await;
        let mut response = good(world, &carried);
        change(&mut response);
        self.bring(world, &response.xml(key), &carried.relay_state)
            .await
    }

    pub async fn last(&mut self, world: &World) -> serde_json::Value {
        let answer = self.get(world, "/last.json").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}

/// A response that deserves to be accepted.
pub fn good(world: &World, carried: &Carried) -> Response {
    Response {
        issuer: ISSUER.to_owned(),
        audience: "urn:federation:MicrosoftOnline".to_owned(),
        recipient: REPLY_URL.to_owned(),
        in_response_to: carried.request_id.clone(),
        name_id: "AGENT1id".to_owned(),
        name_id_format: PERSISTENT.to_owned(),
        email: "agent1@contoso.com".to_owned(),
        class_reference: MULTIPLE_AUTHN.to_owned(),
        status: "urn:oasis:names:tc:SAML:2.0:status:Success".to_owned(),
        issued_at: world.clock.now(),
        signed_in_at: world.clock.now(),
        signed: Signed::Assertion,
    }
}

/// The names of the checks that did not pass.
pub fn failed(last: &serde_json::Value) -> Vec<&str> {
    last["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["outcome"] == "failed")
        .map(|check| check["name"].as_str().unwrap())
        .collect()
}

fn hidden(page: &str, name: &str) -> String {
    between(page, &format!("name=\"{name}\" value=\""), "\"")
}

/// The text between two marks, with HTML's references resolved.
pub fn between(page: &str, from: &str, to: &str) -> String {
    let rest = page.split(from).nth(1).unwrap();
    rest.split(to)
        .next()
        .unwrap()
        .replace("&#38;", "&")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
}
