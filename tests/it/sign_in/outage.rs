//! When the database does not answer: 503, and no token.

use crate::support::{PASSWORD, World, entra};

#[tokio::test]
async fn without_the_database_every_step_says_so_and_nothing_is_issued() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut before_password = world.browser();
    before_password.start(&entra::request(world.now())).await;
    let mut before_code = world.browser();
    before_code.start(&entra::request(world.now())).await;
    before_code.submit_password(person.upn(), PASSWORD).await;
    let code = person.code(world.now());

    world.app().store().close().await;
    let start = world.browser().start(&entra::request(world.now())).await;
    let password = before_password
        .submit_password(person.upn(), PASSWORD)
        .await;
    let code = before_code.submit_code(&code).await;
    for (step, page) in [("start", start), ("password", password), ("code", code)] {
        assert_eq!(page.status, 503, "{step}: {}", page.text());
        assert!(page.answer().is_none(), "{step}");
        assert!(
            page.body.contains("CB-STORE-001"),
            "{step}: {}",
            page.text()
        );
        assert!(page.headers.contains_key("retry-after"), "{step}");
    }
    assert_eq!(world.browser().get("/readyz").await.status, 503);
    assert_eq!(world.browser().get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_database_that_another_writer_holds_is_503_and_afterwards_the_person_goes_on() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser.submit_password(person.upn(), PASSWORD).await;

    let other = claimbridge::storage::Store::connect(&world.database_url)
        .await
        .unwrap();
    // SQLite is held by any writer, PostgreSQL by one that changes the same row.
    let mut holding = other.begin().await.unwrap();
    let totp = holding.totp_of(&person.user.id).await.unwrap();
    holding.revoke_totp(&totp[0].id, world.now()).await.unwrap();
    let page = browser.submit_code(&person.code(world.now())).await;
    assert_eq!(page.status, 503, "{}", page.text());
    drop(holding);
    let page = browser.reload_attempt().await;
    assert!(page.asks_for_code(), "{}", page.text());
    browser
        .submit_code(&person.code(world.now()))
        .await
        .expect_answer();
}
