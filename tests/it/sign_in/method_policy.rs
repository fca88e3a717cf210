//! Which kinds of methods count, by groups: at sign-in, at enrolment, for sessions.

use claimbridge::{
    app::{prove::Guess, user_view::MethodStanding},
    base::{ids::OathTokenId, random::SystemRandom},
    directory::{
        EffectivePolicy, GroupName, MethodKind, MethodPolicy, OathToken, TokenState, TotpParameters,
    },
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

#[tokio::test]
async fn coverage_counts_what_counts_for_the_person() {
    let (world, node) = world().await;
    let person = world.enrolled(AGENT).await;
    let app = world.nodes[node].app.clone();
    let upn = person.user.upn.clone();
    let view = app.view_user(&upn).await.unwrap();
    assert!(view.is_covered() && view.counting() == 1);
    assert!(view.last_refusal.is_none() && view.last_mfa.is_none());
    let method = &view.methods[0];
    assert_eq!(
        (method.kind, method.standing),
        (MethodKind::Totp, MethodStanding::Counts)
    );

    // A wrong password is the last refusal; a sign-in the last MFA.
    let mut browser = world.browser_on(node);
    browser.start(&entra::request(world.now())).await;
    browser.submit_password(AGENT, "a wrong password").await;
    browser.submit_password(AGENT, PASSWORD).await;
    let page = browser.submit_code(&person.code(world.now())).await;
    assert!(page.answer().is_none(), "enrolment leaves notices");
    browser.submit(&[]).await.expect_answer();
    let view = app.view_user(&upn).await.unwrap();
    assert_eq!(view.last_refusal.unwrap().kind(), "password-refused");
    assert!(view.last_mfa.is_some());
    let used = view.methods[0].last_used_at.unwrap();
    assert!(world.now().since(used).as_secs() < 30, "{used}");

    // In the group it does not count, and the listing says so.
    app.add_to_group(&upn, &desk(), "tester").await.unwrap();
    let view = app.list_users(None, 10).await.unwrap().swap_remove(0);
    assert!(!view.is_covered() && view.counting() == 0);
    assert_eq!(view.methods[0].standing, MethodStanding::NotAllowed);
    assert_eq!(view.groups, [desk()]);
    assert_eq!(view.policy.allowed(), [MethodKind::SecurityKey]);
}

#[tokio::test]
async fn a_hardware_token_is_a_kind_of_its_own_unless_its_row_was_altered() {
    let mut world = World::new().await;
    world.settings.methods.everyone = EffectivePolicy::new(vec![MethodKind::OathToken], 1);
    let person = world.ready(AGENT).await;
    world.start_node().await;
    let app = world.nodes.last().unwrap().app.clone();
    let view = async || app.view_user(&person.user.upn).await.unwrap();
    // A program, which nobody may use.
    assert_eq!(view().await.methods[0].standing, MethodStanding::NotAllowed);

    let credential = view().await.methods[0].id.clone();
    let mut token = OathToken {
        id: OathTokenId::random(&mut SystemRandom),
        serial: "12345678".parse().unwrap(),
        manufacturer: String::new(),
        model: String::new(),
        parameters: TotpParameters::default(),
        sealed_secret: "sealed".to_owned(),
        state: TokenState::Active,
        user: Some(person.user.id.clone()),
        credential: Some(credential),
        drift_steps: 0,
        last_step: None,
        imported_at: world.now(),
        assigned_at: Some(world.now()),
        assigned_by: Some("tester".to_owned()),
        activated_at: Some(world.now()),
        ended_at: None,
        secret_tag: None,
        tag: String::new(),
    };
    token.tag = token.make_tag(&world.sealing());
    let mut tx = app.store().begin().await.unwrap();
    assert!(tx.insert_oath_token(&token).await.unwrap());
    tx.commit().await.unwrap();
    let known = view().await;
    assert_eq!(known.methods[0].kind, MethodKind::OathToken);
    assert!(known.is_covered());
    let mut browser = world.browser_on(world.nodes.len() - 1);
    browser
        .sign_in(
            &entra::request(world.now()),
            AGENT,
            &person.code(world.now()),
        )
        .await
        .expect_answer();

    let sql = world.sql().await;
    sql.run("UPDATE oath_tokens SET sealed_secret = 'another'")
        .await;
    assert_eq!(view().await.methods[0].standing, MethodStanding::Altered);
    assert!(!view().await.is_covered());
}
