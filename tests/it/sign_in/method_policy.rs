//! Which kinds of methods count, by groups: at sign-in, at enrolment, for sessions.

use claimbridge::{
    app::prove::Guess,
    directory::{EffectivePolicy, GroupName, MethodKind, MethodPolicy},
};

use crate::support::{PASSWORD, World, entra};

const AGENT: &str = "agent1@contoso.com";

fn desk() -> GroupName {
    "desk".parse().unwrap()
}

/// Code generators for everyone, security keys only for the group "desk"; the node that
/// keeps to it is the last one.
async fn world() -> (World, usize) {
    let mut world = World::new().await;
    world.settings.methods = MethodPolicy {
        everyone: EffectivePolicy::new(vec![MethodKind::Totp], 1),
        groups: vec![(
            desk(),
            EffectivePolicy::new(vec![MethodKind::SecurityKey], 1),
        )],
    };
    world.start_node().await;
    let last = world.nodes.len() - 1;
    (world, last)
}

#[tokio::test]
async fn a_kind_that_the_group_does_not_allow_proves_nothing() {
    let (world, node) = world().await;
    let person = world.ready(AGENT).await;
    let app = world.nodes[node].app.clone();
    let upn = person.user.upn.clone();

    // Before: signs in, and the session answers again.
    let mut browser = world.browser_on(node);
    browser
        .sign_in(
            &entra::request(world.now()),
            AGENT,
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    let again = browser.start(&entra::request(world.now())).await;
    assert!(again.answer().is_some(), "{}", again.text());
    world.advance(30);

    assert!(app.add_to_group(&upn, &desk(), "tester").await.unwrap());
    // The session rests on a method that does not count any more.
    let page = browser.start(&entra::request(world.now())).await;
    assert!(page.answer().is_none(), "{}", page.text());
    // A fresh sign-in finds no method, and a code that is sent all the same is refused.
    let mut browser = world.browser_on(node);
    browser.start(&entra::request(world.now())).await;
    let page = browser.submit_password(AGENT, PASSWORD).await;
    assert!(page.asks_for_pass(), "{}", page.text());
    let attempt = browser.at.split('/').nth(2).unwrap().parse().unwrap();
    let code = person.code(world.now());
    let guess = app
        .submit_code(&attempt, &browser.app_cookies(), &code)
        .await
        .unwrap();
    assert_eq!(guess, Guess::Wrong);

    // Out of the group: as before.
    assert!(
        app.remove_from_group(&upn, &desk(), "tester")
            .await
            .unwrap()
    );
    let guess = app
        .submit_code(&attempt, &browser.app_cookies(), &code)
        .await
        .unwrap();
    assert_eq!(guess, Guess::Right);
}

#[tokio::test]
async fn a_kind_that_the_group_does_not_allow_is_not_set_up() {
    let (world, node) = world().await;
    let user = world.add_user(AGENT).await;
    let app = world.nodes[node].app.clone();
    app.add_to_group(&user.upn, &desk(), "tester")
        .await
        .unwrap();
    let pass = world.issue_pass(AGENT).await;
    let mut browser = world.browser_on(node);
    browser.start(&entra::request(world.now())).await;
    browser.submit_password(AGENT, PASSWORD).await;
    let page = browser.submit_pass(&pass).await;
    assert!(!page.body.contains("otpauth"), "{}", page.text());
    let attempt = browser.at.split('/').nth(2).unwrap().parse().unwrap();
    let chosen = app
        .choose_method(&attempt, &browser.app_cookies(), MethodKind::Totp)
        .await;
    assert!(chosen.is_err());
}
