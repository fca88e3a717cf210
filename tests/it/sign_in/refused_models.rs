//! Models of keys that do not count any more: by the metadata, by the rules.

use claimbridge::{app::metadata::Supply, base::aaguid::Aaguid, factor::webauthn::policy::Models};
use serde_json::json;

use super::{
    keys::{attempt_of, reasons, signs, with_key},
    oath::{step, token},
};
use crate::{
    mds_kit::{Publisher, entry, payload},
    soft_key::MODEL,
    support::{PASSWORD, World, entra},
};

const UPN: &str = "agent1@contoso.com";

/// A file that went back (a deployment, or who may write it) speaks for nobody, and what it
/// reports itself still counts: no revoked model comes back by it.
#[tokio::test]
async fn attack_35_an_older_file_brings_no_revoked_model_back() {
    let mut world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let publisher = Publisher::new();
    let file = |number, revoked: bool| {
        let status = if revoked { "REVOKED" } else { "FIDO_CERTIFIED" };
        let reports = json!([{"status": status, "effectiveDate": "2024-01-01"}]);
        let model = Aaguid::from_bytes(MODEL).to_string();
        let entries = [entry(&model, "A bad one", &[b"root"], &reports)];
        publisher.publish(&payload(number, &entries))
    };
    let used = world.app().use_metadata(file(44, true), publisher.roots());
    used.await.unwrap();
    for (number, revoked) in [(42, false), (43, true)] {
        world.start_node().await;
        let node = world.nodes.len() - 1;
        let app = world.nodes[node].app.clone();
        let used = app.use_metadata(file(number, revoked), publisher.roots());
        used.await.unwrap_err();
        // Of two that are too old, the newer speaks.
        let used = app.use_metadata(file(41, false), publisher.roots());
        used.await.unwrap_err();
        assert_eq!(app.metadata_supply(), Supply::Withheld);
        assert!(app.metadata().is_none(), "for nothing else");
        let view = app.view_user(&UPN.parse().unwrap()).await.unwrap();
        assert_eq!(view.is_covered(), !revoked);

        let mut browser = world.browser_on(node);
        browser.get("/account").await;
        let attempt = attempt_of(&browser);
        let page = signs(&mut browser, "passkey", &mut key).await;
        let refused = reasons(&world, &attempt).await;
        if revoked {
            assert_eq!(page.status, 403, "{}", page.text());
            assert!(page.text().contains("REVOKED"), "{}", page.text());
            assert_eq!(refused, ["compromised"]);
        } else {
            assert!(refused.is_empty(), "{refused:?}");
        }
    }
}

/// A node whose rules refuse the model of [`SoftKey`](crate::soft_key::SoftKey).
async fn refusing(world: &mut World) -> usize {
    let refused = vec![Aaguid::from_bytes(MODEL)];
    world.settings.webauthn.models = Models::Except(refused);
    world.start_node().await;
    world.nodes.len() - 1
}

/// A session rests on keys that count: one whose model was put on the list answers nobody.
#[tokio::test]
async fn attack_7_a_session_by_a_key_that_is_refused_now_is_over() {
    let mut world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let mut before = world.browser();
    before.get("/account").await;
    signs(&mut before, "passkey", &mut key).await;
    assert_eq!(before.at, "/account");
    let node = refusing(&mut world).await;
    let mut browser = world.browser_on(node);
    browser.cookies.clone_from(&before.cookies);
    let page = browser.get("/account").await;
    assert!(page.asks_for_password(), "{}", page.text());
    let app = world.nodes[node].app.clone();
    let fresh = app.require_fresh(&browser.app_cookies()).await;
    assert!(fresh.is_err());
    let page = browser.start(&entra::request(world.now())).await;
    assert!(page.answer().is_none() && page.asks_for_password());
    // Where it is allowed the session goes on.
    let page = before.start(&entra::request(world.now())).await;
    page.expect_answer();
}

/// Whose only key is refused is told so at the key; who was handed a token is asked for that.
#[tokio::test]
async fn a_token_that_was_handed_over_comes_before_a_key_that_is_refused() {
    let mut world = World::new().await;
    let mut key = with_key(&world, UPN).await;
    let node = refusing(&mut world).await;
    let mut browser = world.browser_on(node);
    browser.start(&entra::request(world.now())).await;
    browser.submit_password(UPN, PASSWORD).await;
    let page = signs(&mut browser, "key", &mut key).await;
    assert_eq!(page.status, 403);
    assert!(
        page.text().contains("are not allowed here"),
        "{}",
        page.text()
    );

    let token = token(&world, "1001", 30).await;
    let (app, upn) = (world.nodes[node].app.clone(), UPN.parse().unwrap());
    app.assign_oath_token(&token.serial, &upn, "tester")
        .await
        .unwrap();
    let mut browser = world.browser_on(node);
    browser.start(&entra::request(world.now())).await;
    let page = browser.submit_password(UPN, PASSWORD).await;
    assert!(
        page.text().contains("Its code activates it"),
        "{}",
        page.text()
    );
    browser.submit_code(&token.shown(&world)).await;
    step(&world, &token);
    browser.submit_code(&token.shown(&world)).await;
    browser.submit(&[]).await.expect_answer();
    // A code is asked from now on; the key is offered for its words only.
    let mut browser = world.browser_on(node);
    browser.start(&entra::request(world.now())).await;
    let page = browser.submit_password(UPN, PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
}
