//! The inspector's rules on what this door really sends: none is broken; and each thing that was
//! changed on the way trips its rule.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use claimbridge::{
    base::clock::Timestamp,
    inspect::{
        self, Consumer, Context, ExternalMfa, GivenAuthorization, Jwks, Kind, Outcome, Report,
        given_authorization,
    },
};
use serde_json::{Value, json};

use super::kit::{AGENT, Ask, CLIENT, Door, What};
use crate::support::Page;

const ISSUER: &str = "https://idp.example.com/oidc";

/// What went over the wire.
struct Sent {
    discovery: Page,
    keys: Page,
    token: String,
    ask: Ask,
    at: Timestamp,
}

impl Sent {
    async fn new() -> Self {
        let door = Door::new().await;
        let agent = door.agent().await;
        let ask = door.ask(AGENT);
        let at = door.world.now();
        let told = door.prove(&mut door.world.browser(), &ask, &agent).await;
        let What::Token(token) = told.what else {
            panic!("{told:?}");
        };
        let mut reader = door.world.browser();
        let discovery = reader.get("/oidc/.well-known/openid-configuration").await;
        let keys = reader.get("/oidc/jwks").await;
        Self {
            discovery,
            keys,
            token,
            ask,
            at,
        }
    }

    fn context(&self) -> Context {
        Context {
            expect: Some(Consumer::EntraExternalMfa),
            external_mfa: ExternalMfa {
                discovery_url: Some(format!("{ISSUER}/.well-known/openid-configuration")),
                client_id: Some(CLIENT.to_owned()),
                app_reply_urls: vec![format!("{ISSUER}/authorize")],
                ..ExternalMfa::default()
            },
            ..Context::at(self.at)
        }
    }

    /// The token, by what Entra asked and by these keys.
    fn token_by(
        &self,
        token: &str,
        asked: GivenAuthorization,
        keys: &str,
        at: Timestamp,
    ) -> Report {
        let mut context = self.context();
        context.at = at;
        context.jwks = Some(Jwks::parse(keys.as_bytes()).unwrap());
        context.external_mfa.authorization = Some(asked);
        inspect::inspect(token.as_bytes(), &context)
    }

    fn asked(&self) -> GivenAuthorization {
        given_authorization(self.ask.body().as_bytes()).unwrap()
    }

    fn document(&self, page: &Page, change: impl FnOnce(&mut Value), head: bool) -> Report {
        let mut body: Value = serde_json::from_str(&page.body).unwrap();
        change(&mut body);
        let body = body.to_string();
        let length = page.headers.contains_key("content-length") && head;
        let length = if length {
            format!("Content-Length: {}\r\n", body.len())
        } else {
            String::new()
        };
        let text =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{length}\r\n{body}");
        inspect::inspect(text.as_bytes(), &self.context())
    }
}

fn is_accepted(report: &Report) {
    let verdict = report.verdict(Consumer::EntraExternalMfa).unwrap();
    assert_eq!(verdict.outcome, Outcome::Accepted, "{report:?}");
    assert_eq!(report.broken(), Vec::<&str>::new(), "{report:?}");
}

fn is_refused(report: &Report, by: &str) {
    let verdict = report.verdict(Consumer::EntraExternalMfa).unwrap();
    assert_eq!(verdict.outcome, Outcome::Rejected, "{by}: {report:?}");
    assert!(verdict.because.contains(&by), "{by}: {report:?}");
}

fn changed(keys: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut keys: Value = serde_json::from_str(keys).unwrap();
    change(&mut keys["keys"][0]);
    keys.to_string()
}

#[tokio::test]
async fn the_inspector_finds_nothing_in_what_this_door_sends_and_names_what_was_changed() {
    let sent = Sent::new().await;
    let keys = &sent.keys.body;
    let token = sent.token_by(&sent.token, sent.asked(), keys, sent.at);
    assert_eq!(token.input.kind, Kind::Jwt);
    is_accepted(&token);
    let discovery = sent.document(&sent.discovery, |_| (), true);
    assert_eq!(discovery.input.kind, Kind::OidcDiscovery);
    is_accepted(&discovery);
    let list = sent.document(&sent.keys, |_| (), true);
    assert_eq!(list.input.kind, Kind::Jwks);
    is_accepted(&list);

    // The documents.
    let drop_of = |name: &'static str| {
        move |document: &mut Value| drop(document.as_object_mut().unwrap().remove(name))
    };
    let written =
        |name: &'static str, value: Value| move |document: &mut Value| document[name] = value;
    for (report, by) in [
        (sent.document(&sent.discovery, |_| (), false), "CB-EAM-010"),
        (
            sent.document(&sent.discovery, drop_of("jwks_uri"), true),
            "CB-EAM-010",
        ),
        (
            sent.document(
                &sent.discovery,
                written("issuer", json!(format!("{ISSUER}/"))),
                true,
            ),
            "CB-EAM-004",
        ),
        (
            sent.document(
                &sent.discovery,
                written(
                    "authorization_endpoint",
                    json!("https://idp.example.com/oidc/authorise"),
                ),
                true,
            ),
            "CB-EAM-011",
        ),
        (
            sent.document(
                &sent.keys,
                |list| drop_of("x5c")(&mut list["keys"][0]),
                true,
            ),
            "CB-EAM-003",
        ),
        (
            sent.document(
                &sent.keys,
                |list| list["keys"][0]["kid"] = json!("key.1"),
                true,
            ),
            "CB-EAM-002",
        ),
    ] {
        is_refused(&report, by);
    }

    // The keys that the token is verified with.
    let kid = serde_json::from_str::<Value>(keys).unwrap()["keys"][0]["kid"].clone();
    let bare = URL_SAFE_NO_PAD.encode(kid.as_str().unwrap());
    for (keys, by) in [
        (changed(keys, drop_of("x5c")), "CB-EAM-003"),
        (changed(keys, written("kid", json!(bare))), "CB-EAM-002"),
        (changed(keys, drop_of("kid")), "CB-EAM-002"),
    ] {
        is_refused(
            &sent.token_by(&sent.token, sent.asked(), &keys, sent.at),
            by,
        );
    }

    // What was asked.
    let other = |change: fn(&mut GivenAuthorization)| {
        let mut asked = sent.asked();
        change(&mut asked);
        asked
    };
    for (asked, by) in [
        (
            other(|asked| asked.nonce = Some("another".to_owned())),
            "CB-EAM-005",
        ),
        (
            other(|asked| asked.acr = vec!["knowledgeorinherence".to_owned()]),
            "CB-EAM-006",
        ),
        (
            other(|asked| asked.amr = vec!["fido".to_owned()]),
            "CB-EAM-007",
        ),
    ] {
        is_refused(&sent.token_by(&sent.token, asked, keys, sent.at), by);
    }

    // The time, and the token itself.
    let late = sent.at.plus(std::time::Duration::from_mins(11));
    is_refused(
        &sent.token_by(&sent.token, sent.asked(), keys, late),
        "CB-EAM-009",
    );
    let mut parts = sent.token.split('.');
    let (_, claims) = (parts.next(), parts.next().unwrap());
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "kid": kid}).to_string());
    let unsigned = format!("{header}.{claims}.");
    is_refused(
        &sent.token_by(&unsigned, sent.asked(), keys, sent.at),
        "CB-EAM-001",
    );
}
