//! Tokens for Graph, and calls with them.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use claimbridge::practice::{EmergencyAdministrator, oauth::clients::Client};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::super::{
    oauth::kit::{self, Parameters},
    world::{Answer, Browser, World, between, call},
};

pub const TOOLS: &str = "14d82eec-204b-4c2f-b7e8-296a70dab67e";
pub const EVERYTHING: &str = "openid profile https://graph.microsoft.com/Domain-InternalFederation.ReadWrite.All https://graph.microsoft.com/Domain.ReadWrite.All https://graph.microsoft.com/User.ReadWrite.All Policy.Read.All Policy.ReadWrite.AuthenticationMethod Policy.ReadWrite.FedTokenValidation AuditLog.Read.All Organization.Read.All User.Read";

pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A token of an application on its own.
pub async fn of_application(world: &World, client: &Client) -> String {
    let form = Parameters::of(&[
        ("grant_type", "client_credentials"),
        ("client_id", client.id()),
        ("client_secret", client.secret().unwrap().expose()),
        ("scope", "https://graph.microsoft.com/.default"),
    ]);
    let answer = kit::post(world, "/contoso.com/oauth2/v2.0/token", &form).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let body = kit::json(&answer);
    body["access_token"].as_str().unwrap().to_owned()
}

/// What Microsoft's tools for Graph ask.
pub fn asks(scope: &str) -> Parameters {
    kit::asks().with("client_id", TOOLS).with("scope", scope)
}

/// Types name and password into the tenant's own page.
pub async fn types(
    browser: &mut Browser,
    world: &World,
    page: &Answer,
    upn: &str,
    password: &str,
) -> Answer {
    let handle = between(&page.body, "name=\"handle\" value=\"", "\"");
    let form = format!(
        "handle={}&username={}&password={}",
        encoded(&handle),
        encoded(upn),
        encoded(password)
    );
    browser.submit(world, "/account", &form).await
}

/// A token of an emergency administrator, with these scopes.
pub async fn of_administrator(world: &World, scope: &str) -> String {
    let EmergencyAdministrator { upn, password } = &world.practice.emergency_administrators()[0];
    let mut browser = Browser::default();
    let page = browser.get(world, &kit::authorize(&asks(scope))).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let answer = types(&mut browser, world, &page, upn.as_str(), password.expose()).await;
    let code = kit::code_in(&answer);
    let tokens = kit::tokens(world, &kit::redeems(&code).with("client_id", TOOLS)).await;
    tokens["access_token"].as_str().unwrap().to_owned()
}

/// An administrator's calls.
pub struct Admin<'w> {
    pub world: &'w World,
    pub token: String,
}

impl<'w> Admin<'w> {
    pub async fn of(world: &'w World) -> Self {
        Self {
            token: of_administrator(world, EVERYTHING).await,
            world,
        }
    }

    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        call_with(self.world, &self.token, method, path, body).await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::PATCH, path, Some(body)).await
    }
}

pub async fn call_with(
    world: &World,
    token: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("/graph{path}"))
        .header(header::HOST, "127.0.0.1:8081")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header("ConsistencyLevel", "eventual")
        .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
        .unwrap();
    let answer = call(&world.tenant, request).await;
    assert_eq!(answer.headers["request-id"].len(), 36);
    let body = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    (answer.status.as_u16(), body)
}

/// `error.code`, after the form has been looked at.
pub fn code(body: &Value) -> &str {
    let error = &body["error"];
    assert!(error["message"].is_string(), "{body}");
    for name in ["date", "request-id", "client-request-id"] {
        assert!(error["innerError"][name].is_string(), "{body}");
    }
    error["code"].as_str().unwrap()
}
