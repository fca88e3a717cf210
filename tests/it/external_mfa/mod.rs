//! The door of External MFA, from Entra's request to what is posted back to it.

/// A cloud, its hints, and Entra's side.
pub mod cloud;
/// The identity provider that it asks.
pub mod kit;

/// Who tries what.
mod attacks;
/// What ends an attempt while Entra waits.
mod ended;
/// How many guesses there are, and whom they keep from what.
mod guesses;
/// What the inspector says of what this door sends.
mod inspected;
/// Security keys.
mod keys;
/// Whose an account is.
mod links;
/// Whom a tenant may name.
mod names;
/// What is told when something that is needed does not answer.
mod outage;
/// A parameter that stands twice, or under an encoded name.
mod parameters;
/// A pass within the five minutes.
mod passes;
/// What is refused.
mod refusals;
/// A hardware token that waits.
mod tokens;

use serde_json::{Value, json};

use crate::support::{Browser, entra};
use kit::{AGENT, CLIENT, Door, OBJECT, SUBJECT, TENANT, told};

async fn document(browser: &mut Browser, path: &str) -> Value {
    let page = browser.get(path).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let length = page.headers["content-length"].to_str().unwrap();
    assert_eq!(length, page.body.len().to_string());
    assert_eq!(page.headers["content-type"], "application/json");
    assert!(!page.headers.contains_key("access-control-allow-origin"));
    serde_json::from_str(&page.body).unwrap()
}

async fn key_list(door: &Door) -> Value {
    document(&mut door.world.browser(), "/oidc/jwks").await
}

#[tokio::test]
async fn a_code_answers_entra_and_says_what_was_asked_and_no_more() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let mut browser = door.world.browser();
    let ask = door.ask(AGENT);
    let at = door.world.now().as_secs();
    let told = door.prove(&mut browser, &ask, &agent).await;
    assert_eq!(told.action, door.reply_url());
    assert_eq!(told.state, ask.field("state"));
    let discovery = document(
        &mut door.world.browser(),
        "/oidc/.well-known/openid-configuration",
    )
    .await;
    assert_eq!(discovery["issuer"], "https://idp.example.com/oidc");
    assert_eq!(
        told.claims(&key_list(&door).await),
        json!({
            "iss": "https://idp.example.com/oidc",
            "aud": CLIENT,
            "sub": SUBJECT,
            "nonce": ask.field("nonce").unwrap(),
            "acr": "possessionorinherence",
            "amr": ["otp"],
            "iat": at,
            "exp": at + 300,
        })
    );
    // The same browser gets the same bytes for a minute.
    let again = browser.reload_attempt().await;
    assert_eq!(kit::told(&again), told);
    door.world.advance(60);
    let over = browser.reload_attempt().await;
    assert!(kit::maybe_told(&over).is_none());

    // No session, no known browser: only the attempt's own cookie.
    let cookies: Vec<&String> = browser.cookies.keys().collect();
    assert!(
        cookies.iter().all(|name| name.contains("att_")),
        "{cookies:?}"
    );
    // The receipt says what was told, and it is no claim of MFA.
    let mut tx = door.world.app().store().read().await.unwrap();
    let receipt = tx.receipts_of(&agent.user.id, 1).await.unwrap().remove(0);
    assert_eq!(receipt.relying_party, format!("external-mfa:{TENANT}"));
    assert!(receipt.proofs.starts_with("second-factor:totp crd_"));
    assert_eq!(receipt.name_id, SUBJECT);
    let events = tx.events_of_attempt(&receipt.attempt).await.unwrap();
    let mut kinds: Vec<&str> = events
        .iter()
        .map(claimbridge::storage::StoredEvent::kind)
        .collect();
    // Of two nodes at one instant none is the first.
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        ["code-tried", "code-verified", "external-mfa-answered"]
    );
    let all = tx.events_of(&agent.user.id, 50).await.unwrap();
    let linked = all
        .iter()
        .find(|event| event.kind() == "external-account-linked");
    let linked = &linked.unwrap().event;
    assert_eq!(
        (&linked["object"], &linked["by"]),
        (&json!(OBJECT), &json!("proof"))
    );
}

#[tokio::test]
async fn the_door_is_shut_without_a_tenant_and_takes_posts_only() {
    let world = crate::support::World::new().await;
    let mut browser = world.browser();
    for (method, path) in [
        ("GET", "/oidc/.well-known/openid-configuration"),
        ("GET", "/oidc/jwks"),
        ("GET", "/oidc/authorize"),
        ("POST", "/oidc/authorize"),
    ] {
        let body = (method == "POST").then(|| "client_id=x".to_owned());
        let page = browser.request(method, path, body).await;
        assert_eq!(page.status, 404, "{method} {path}");
        assert!(page.text().contains("not set up"), "{}", page.text());
    }
    let door = Door::new().await;
    let page = door.world.browser().get("/oidc/authorize").await;
    assert_eq!(page.status, 405);
    assert_eq!(page.headers["allow"], "POST");
    assert!(page.text().contains("CB-MFA-005"), "{}", page.text());
}

#[tokio::test]
async fn whoever_has_no_method_sets_one_up_inside_by_a_pass_and_proves_it_then() {
    let door = Door::new().await;
    let person = door.world.add_user(AGENT).await;
    let pass = door.world.issue_pass(AGENT).await;
    let mut browser = door.world.browser();
    let page = door.arrive(&mut browser, &door.ask(AGENT)).await;
    assert!(page.asks_for_pass(), "{}", page.text());
    assert!(!page.text().contains("recovery code"), "{}", page.text());
    // No password is asked for or chosen here.
    let page = browser.submit_pass(&pass).await;
    let secret = page.totp_secret();
    let agent = crate::support::Person {
        user: person,
        secret,
    };
    let used = agent.code(door.world.now());
    let page = browser.confirm(&used).await;
    assert!(page.status.is_success(), "{}", page.text());
    // What confirmed it proves nothing.
    let page = browser.reload_attempt().await;
    assert!(page.asks_for_code(), "{}", page.text());
    let page = browser.submit_code(&used).await;
    assert_eq!(page.status, 403);
    door.world.advance(30);
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    assert!(page.text().contains("A way to sign in was added"));
    let page = browser.submit(&[("up_to", &notice_up_to(&page))]).await;
    assert!(told(&page).is_token());
}

fn notice_up_to(page: &crate::support::Page) -> String {
    let inputs = page.forms().into_iter().flat_map(|form| form.inputs);
    let found = inputs.into_iter().find(|input| input.name == "up_to");
    found.unwrap().value
}

#[tokio::test]
async fn cancelling_tells_entra_so_and_the_attempt_is_over() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let mut browser = door.world.browser();
    let ask = door.ask(AGENT);
    let page = door.arrive(&mut browser, &ask).await;
    assert!(
        page.text().contains("Microsoft waits for you"),
        "{}",
        page.text()
    );
    let cancel = format!("{}/cancel", browser.at);
    // Without the page's own form nobody cancels.
    let forged = browser.clone().post(&cancel, &[("csrf", "x")]).await;
    assert_eq!(forged.status, 403);
    let page = browser.press(&cancel).await;
    let said = told(&page);
    assert_eq!(
        (said.error(), &said.state),
        ("access_denied", &ask.field("state"))
    );
    // Nothing that is proved afterwards changes it.
    let path = browser.at.clone();
    let code = agent.code(door.world.now());
    let late = browser
        .post(&format!("{path}/code"), &[("code", &code)])
        .await;
    assert!(!kit::maybe_told(&late).is_some_and(|told| told.is_token()));
}

#[tokio::test]
async fn attack_40_one_proof_counts_at_no_other_door() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let mut browser = door.world.browser();
    assert!(
        door.prove(&mut browser, &door.ask(AGENT), &agent)
            .await
            .is_token()
    );
    door.world.advance(30);
    // Everywhere else both factors are asked, in the same browser.
    let page = browser.start(&entra::request(door.world.now())).await;
    assert!(page.asks_for_password(), "{}", page.text());
    let page = browser
        .submit_password(AGENT, crate::support::PASSWORD)
        .await;
    assert!(page.asks_for_code(), "{}", page.text());
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    // The link is told at the next sign-in, wherever that is.
    assert!(page.text().contains("A Microsoft account was linked"));
    browser.submit(&[]).await.answer().expect("an answer");
    door.world.advance(30);
    let page = browser.get("/account").await;
    assert!(page.text().contains(AGENT), "{}", page.text());

    // And the session of the other door is none here.
    let page = door.arrive(&mut browser, &door.ask(AGENT)).await;
    assert!(page.asks_for_code(), "{}", page.text());
    // A password proves nothing here, where the form of none is shown.
    let path = browser.at.clone();
    let csrf = page.forms()[0].inputs[0].value.clone();
    let given = [
        ("csrf", csrf.as_str()),
        ("username", AGENT),
        ("password", crate::support::PASSWORD),
    ];
    let page = browser.post(&path, &given).await;
    assert_eq!(page.status, 403, "{}", page.text());
    let mut tx = door.world.app().store().read().await.unwrap();
    let id = path.rsplit('/').next().unwrap().parse().unwrap();
    assert!(tx.evidence_of(&id).await.unwrap().is_empty());
}
