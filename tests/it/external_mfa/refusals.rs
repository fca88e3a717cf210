//! What is refused, and where the refusal goes: to Entra where it is known that it is Entra, to a
//! page otherwise.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::kit::{self, AGENT, Ask, CLIENT, Door, KEY, told};

/// How a request ends: with an error for Entra, or with a page and its support code.
#[derive(Debug, PartialEq)]
pub enum Ends {
    Error(String),
    Page(u16, String),
}

pub async fn ends(door: &Door, ask: &Ask) -> Ends {
    ends_of(door, ask.body(), ask.field("state")).await
}

/// The same of a form's body, as it is sent.
pub async fn ends_of(door: &Door, body: String, state: Option<String>) -> Ends {
    let mut browser = door.world.browser();
    let page = browser.send("POST", "/oidc/authorize", Some(body)).await;
    assert!(!page.asks_for_code(), "{}", page.text());
    assert!(browser.cookies.is_empty(), "an attempt was begun");
    if let Some(told) = kit::maybe_told(&page) {
        assert_eq!(told.action, door.reply_url());
        assert_eq!(told.state, state);
        return Ends::Error(told.error().to_owned());
    }
    let text = page.text();
    let code = text
        .find("CB-")
        .map(|at| text[at..].chars().take(13).collect());
    let code: String = code.unwrap_or_default();
    let code = code
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    Ends::Page(page.status.as_u16(), code)
}

pub fn error(code: &str) -> Ends {
    Ends::Error(code.to_owned())
}

pub fn page(status: u16, code: &str) -> Ends {
    Ends::Page(status, code.to_owned())
}

#[tokio::test]
async fn attack_23_what_is_wrong_with_a_hint_is_told_to_entra_and_asks_nobody() {
    let door = Door::new().await;
    door.agent().await;
    let right = || door.ask(AGENT);
    let now = door.world.now().as_secs();
    let foreign = "ccccdddd-2222-eeee-3333-ffff4444aaaa";
    let unsigned = |alg: &str, signature: &str| {
        let mut ask = right();
        ask.header["alg"] = json!(alg);
        ask.token = Some(format!("{}.{signature}", ask.signed_part()));
        ask
    };
    let mut unknown_key = right();
    unknown_key.header["kid"] = json!("another");
    // The public key as the secret of an HMAC.
    let with_public_key = {
        let mut ask = right();
        ask.header["alg"] = json!("HS256");
        let public = aws_lc_rs::signature::KeyPair::public_key(&*KEY);
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public.as_ref());
        let tag = aws_lc_rs::hmac::sign(&key, ask.signed_part().as_bytes());
        ask.token = Some(format!(
            "{}.{}",
            ask.signed_part(),
            URL_SAFE_NO_PAD.encode(tag.as_ref())
        ));
        ask
    };
    let altered = {
        let mut ask = right();
        let signed = ask.hint_token();
        let other = right().hinting("oid", json!(foreign)).signed_part();
        let signature = signed.rsplit_once('.').unwrap().1.to_owned();
        ask.token = Some(format!("{other}.{signature}"));
        ask
    };
    for (what, ask) in [
        ("foreign tenant", right().hinting("tid", json!(foreign))),
        (
            "foreign issuer",
            right().hinting("iss", json!("https://login.microsoftonline.com/x/v2.0")),
        ),
        (
            "another application's",
            right().hinting("aud", json!(foreign)),
        ),
        ("none", unsigned("none", "")),
        ("HS256", with_public_key),
        ("altered", altered),
        ("unknown key", unknown_key),
        ("version 1", right().hinting("ver", json!("1.0"))),
        ("no oid", right().hinting("oid", json!(null))),
        ("no sub", right().hinting("sub", json!(""))),
        ("old", right().hinting("iat", json!(now - 3600))),
        ("of tomorrow", right().hinting("iat", json!(now + 86_400))),
        ("no nonce", right().with("nonce", None)),
        ("no claims", right().with("claims", None)),
        (
            "100 KB of claims",
            right().with("claims", Some(&"x".repeat(100_000))),
        ),
    ] {
        assert_eq!(ends(&door, &ask).await, error("invalid_request"), "{what}");
    }
    for (ask, code) in [
        (
            right().with("response_type", Some("code")),
            "unsupported_response_type",
        ),
        (right().with("scope", Some("profile")), "invalid_scope"),
        (
            right().with("request", Some("a.b.c")),
            "request_not_supported",
        ),
        (
            right().with("request_uri", Some("https://evil.example/r")),
            "request_uri_not_supported",
        ),
    ] {
        assert_eq!(ends(&door, &ask).await, error(code));
    }
    // Right after all of it, a right one is taken.
    let taken = door.arrive(&mut door.world.browser(), &right()).await;
    assert!(taken.asks_for_code(), "{}", taken.text());
}

#[tokio::test]
async fn attack_30_nothing_goes_to_an_address_that_is_not_the_clouds() {
    let door = Door::new().await;
    let right = || door.ask(AGENT);
    let reply = door.reply_url();
    for address in [
        "https://evil.example/".to_owned(),
        format!("{reply}/"),
        format!("{reply}?x=1"),
        "https://login.microsoftonline.com/common/federation/externalauthprovider".to_owned(),
        String::new(),
    ] {
        let ask = right().with("redirect_uri", Some(&address));
        assert!(
            matches!(ends(&door, &ask).await, Ends::Page(400 | 403, _)),
            "{address}"
        );
    }
    let unknown = right().with("client_id", Some("somebody-else"));
    assert_eq!(ends(&door, &unknown).await, page(403, "CB-MFA-002"));
    let without = right().with("client_id", None);
    assert_eq!(ends(&door, &without).await, page(400, "CB-SIGNIN-001"));
    let mut twice = right();
    twice
        .fields
        .push(("client_id".to_owned(), CLIENT.to_owned()));
    assert_eq!(ends(&door, &twice).await, page(400, "CB-SIGNIN-001"));
    // The documentation's other name of the parameter.
    let other_name = right()
        .with("redirect_uri", None)
        .with("redirect_url", Some(&reply));
    door.agent().await;
    let taken = door.arrive(&mut door.world.browser(), &other_name).await;
    assert!(taken.asks_for_code(), "{}", taken.text());
}

#[tokio::test]
async fn attack_5_at_4_59_a_code_is_taken_and_at_5_01_it_is_over() {
    let door = Door::new().await;
    let agent = door.agent().await;
    for (seconds, taken) in [(299, true), (301, false)] {
        let mut browser = door.world.browser();
        let page = door.arrive(&mut browser, &door.ask(AGENT)).await;
        assert!(page.asks_for_code(), "{}", page.text());
        door.world.advance(seconds);
        let page = browser.submit_code(&agent.code(door.world.now())).await;
        assert_eq!(
            kit::maybe_told(&page).is_some_and(|told| told.is_token()),
            taken,
            "{seconds}: {}",
            page.text()
        );
        door.world.advance(30);
    }
}

#[tokio::test]
async fn when_entra_waits_no_longer_it_is_told_so_while_it_still_listens() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let mut browser = door.world.browser();
    let ask = door.ask(AGENT);
    let page = door.arrive(&mut browser, &ask).await;
    assert!(page.body.contains("data-seconds=\"270\""), "{}", page.body);
    assert!(
        page.body
            .contains("<noscript><meta http-equiv=\"refresh\" content=\"270;"),
        "{}",
        page.body
    );
    door.world.advance(269);
    assert!(browser.reload_attempt().await.asks_for_code());
    door.world.advance(1);
    let said = told(&browser.reload_attempt().await);
    assert_eq!(
        (said.error(), &said.state),
        ("access_denied", &ask.field("state"))
    );
    // It is an end: no code changes it.
    let path = browser.at.clone();
    let code = agent.code(door.world.now());
    let late = browser
        .post(&format!("{path}/code"), &[("code", &code)])
        .await;
    assert!(!kit::maybe_told(&late).is_some_and(|told| told.is_token()));
}

#[tokio::test]
async fn who_is_disabled_and_who_has_no_way_that_is_asked_is_told_to_entra() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let mut browser = door.world.browser();
    // Entra asks for security keys only; this person has none.
    let asked = json!({"id_token": {
        "acr": {"values": ["possessionorinherence"]}, "amr": {"values": ["fido"]}
    }});
    let ask = door.ask(AGENT).with("claims", Some(&asked.to_string()));
    let page = door.arrive(&mut browser, &ask).await;
    assert_eq!(page.status, 403);
    assert!(page.text().contains("CB-MFA-007"), "{}", page.text());
    let path = browser.at.clone();
    // A code is not taken, though it is right.
    let code = agent.code(door.world.now());
    let csrf = page.forms()[0].inputs[0].value.clone();
    let given = [("csrf", csrf.as_str()), ("code", code.as_str())];
    let forced = browser.clone().post(&format!("{path}/code"), &given).await;
    assert_eq!(forced.status, 403);
    let page = browser.press(&format!("{path}/cancel")).await;
    assert_eq!(told(&page).error(), "access_denied");

    // The first factor was something that the person has: a code would be of the same class.
    let asked = json!({"id_token": {"acr": {"values": ["knowledgeorinherence"]}}});
    let ask = door.ask(AGENT).with("claims", Some(&asked.to_string()));
    let page = door.arrive(&mut door.world.browser(), &ask).await;
    assert!(page.text().contains("CB-MFA-007"), "{}", page.text());

    door.world
        .app()
        .disable_user(&AGENT.parse().unwrap(), "tester")
        .await
        .unwrap();
    let page = door
        .arrive(&mut door.world.browser(), &door.ask(AGENT))
        .await;
    assert_eq!(told(&page).error(), "access_denied");
}
