//! An application: its requests, and what it reads from the answers.

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use claimbridge::practice::token;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::super::{
    signer::REGISTERED,
    world::{Answer, Browser, Carried, TENANT, World, call, good},
};

pub const CLI: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
pub const RETURN: &str = "http://localhost:8400/";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const SCOPE: &str =
    "openid profile offline_access https://api.partnercenter.microsoft.com/user_impersonation";

/// Parameters of a request.
#[derive(Clone)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    pub fn encoded(&self) -> String {
        self.0
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect::<Vec<_>>()
            .join("&")
    }
}

pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

/// What the public client asks.
pub fn asks() -> Parameters {
    Parameters::of(&[
        ("client_id", CLI),
        ("response_type", "code"),
        ("redirect_uri", RETURN),
        ("scope", SCOPE),
        ("state", "s t&ate"),
        ("nonce", "n0nce"),
        ("code_challenge", &challenge(VERIFIER)),
        ("code_challenge_method", "S256"),
    ])
}

pub fn authorize(parameters: &Parameters) -> String {
    authorize_at("organizations", parameters)
}

pub fn authorize_at(tenant: &str, parameters: &Parameters) -> String {
    format!("/{tenant}/oauth2/v2.0/authorize?{}", parameters.encoded())
}

pub fn authorize_v1(parameters: &Parameters) -> String {
    format!("/contoso.com/oauth2/authorize?{}", parameters.encoded())
}

/// What it sends for the code.
pub fn redeems(code: &str) -> Parameters {
    Parameters::of(&[
        ("grant_type", "authorization_code"),
        ("client_id", CLI),
        ("code", code),
        ("redirect_uri", RETURN),
        ("code_verifier", VERIFIER),
    ])
}

pub fn refreshes(refresh_token: &str) -> Parameters {
    Parameters::of(&[
        ("grant_type", "refresh_token"),
        ("client_id", CLI),
        ("refresh_token", refresh_token),
    ])
}

pub async fn post(world: &World, path: &str, form: &Parameters) -> Answer {
    let request = Request::post(path)
        .header(header::HOST, "127.0.0.1:8081")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.encoded()))
        .unwrap();
    call(&world.tenant, request).await
}

pub async fn post_with_basic(
    world: &World,
    path: &str,
    form: &Parameters,
    id: &str,
    secret: &str,
) -> Answer {
    let request = Request::post(path)
        .header(header::HOST, "127.0.0.1:8081")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(
            header::AUTHORIZATION,
            format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))),
        )
        .body(Body::from(form.encoded()))
        .unwrap();
    call(&world.tenant, request).await
}

pub fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("no JSON: {}", answer.body))
}

/// The token endpoint's answer.
pub async fn token(world: &World, form: &Parameters) -> Answer {
    post(world, "/organizations/oauth2/v2.0/token", form).await
}

/// Tokens, or the test ends here.
pub async fn tokens(world: &World, form: &Parameters) -> Value {
    let answer = token(world, form).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    json(&answer)
}

/// Refused: the OAuth name and Microsoft's number.
pub fn refusal(answer: &Answer) -> (u16, String, u64) {
    let body = json(answer);
    let number = body["error_codes"][0].as_u64().unwrap();
    let description = body["error_description"].as_str().unwrap();
    assert!(
        description.starts_with(&format!("AADSTS{number}: ")),
        "{description}"
    );
    for name in ["timestamp", "trace_id", "correlation_id"] {
        assert!(body[name].is_string(), "{body}");
    }
    (
        answer.status.as_u16(),
        body["error"].as_str().unwrap().to_owned(),
        number,
    )
}

/// What stands in the address that the browser is sent back to.
pub fn returned(answer: &Answer) -> impl Fn(&str) -> Option<String> + use<> {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let address = url::Url::parse(answer.location()).unwrap();
    let mut bare = address.clone();
    bare.set_query(None);
    assert_eq!(bare.as_str(), RETURN);
    move |name| {
        address
            .query_pairs()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    }
}

pub fn code_in(answer: &Answer) -> String {
    let returned = returned(answer);
    assert_eq!(
        returned("error"),
        None,
        "{:?}",
        returned("error_description")
    );
    assert_eq!(returned("state").as_deref(), Some("s t&ate"));
    returned("code").unwrap()
}

/// Through the identity provider, with both factors; back where the tenant sends it.
pub async fn signs_in(browser: &mut Browser, world: &World, path: &str) -> Answer {
    let carried = browser.start(world, path).await;
    answers(browser, world, &carried).await
}

/// Brings the identity provider's good answer.
pub async fn answers(browser: &mut Browser, world: &World, carried: &Carried) -> Answer {
    let response = good(world, carried);
    browser
        .bring(world, &response.xml(&REGISTERED), &carried.relay_state)
        .await
}

/// A code from a full sign-in.
pub async fn code(browser: &mut Browser, world: &World) -> String {
    code_in(&signs_in(browser, world, &authorize(&asks())).await)
}

/// Claims of a token, after its signature has held.
pub async fn claims(world: &World, token: &Value) -> Value {
    let keys = Browser::default()
        .get(world, "/common/discovery/v2.0/keys")
        .await;
    token::verify(token.as_str().unwrap(), &json(&keys)).unwrap()
}

pub async fn tenant_id(world: &World) -> String {
    let answer = Browser::default()
        .get(world, "/contoso.com/v2.0/.well-known/openid-configuration")
        .await;
    let issuer = json(&answer)["issuer"].as_str().unwrap().to_owned();
    let rest = issuer.strip_prefix(&format!("{TENANT}/")).unwrap();
    rest.strip_suffix("/v2.0").unwrap().to_owned()
}

/// Partner Center's status for an access token, its code, and `isMfaCompliant`.
pub async fn partner_center(world: &World, token: &Value) -> (u16, String, String) {
    let request = Request::get("/v1/profiles/organization")
        .header(header::HOST, "127.0.0.1:8082")
        .header(
            header::AUTHORIZATION,
            format!("Bearer {}", token.as_str().unwrap()),
        )
        .header("ValidateMfa", "true")
        .header("MS-CorrelationId", "one-call")
        .body(Body::empty())
        .unwrap();
    let answer = call(&world.partner_center, request).await;
    assert_eq!(answer.headers["ms-correlationid"], "one-call");
    assert_eq!(answer.headers["ms-requestid"].len(), 36);
    let body = json(&answer);
    (
        answer.status.as_u16(),
        body["code"].as_str().unwrap_or_default().to_owned(),
        answer.headers["isMfaCompliant"]
            .to_str()
            .unwrap()
            .to_owned(),
    )
}
