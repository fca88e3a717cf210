//! Two nodes over one database: any of them can go on (two processes: `tests/nodes`).

use crate::support::{World, entra};

#[tokio::test]
async fn each_request_of_a_sign_in_may_reach_another_node() {
    let mut world = World::new().await;
    world.start_node().await;
    world.start_node().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.wandering_browser();
    let answer = browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    assert!(answer.is_assertion());
    let mut again = browser.clone();
    assert!(
        again
            .start(&entra::request(world.now()))
            .await
            .answer()
            .is_some(),
        "the session is known everywhere"
    );
    assert_eq!(
        world.nodes[0].app.assertion_key().certificate,
        world.nodes[2].app.assertion_key().certificate,
        "one key, made once"
    );
}

#[tokio::test]
async fn attack_28_what_was_consumed_or_revoked_stays_so_after_a_restart_and_on_the_other_node() {
    let mut world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let code = person.code(world.now());
    let mut browser = world.browser();
    browser
        .sign_in(&entra::request(world.now()), person.upn(), &code)
        .await
        .expect_answer();
    world
        .app()
        .end_sessions(&person.upn().parse().unwrap(), "tester")
        .await
        .unwrap();

    world.start_node().await;
    let mut second = world.browser_on(1);
    let page = second
        .sign_in(&entra::request(world.now()), person.upn(), &code)
        .await;
    assert!(
        page.answer().is_none() && page.asks_for_code(),
        "a spent code: {}",
        page.text()
    );
    let mut resumed = world.browser_on(1);
    resumed.cookies = browser.cookies;
    let page = resumed.start(&entra::request(world.now())).await;
    assert!(
        page.answer().is_none(),
        "a revoked session: {}",
        page.text()
    );
}
