//! What a session may answer, and for how long (attack 21).

use claimbridge::app::passes::PassOptions;

use crate::support::{PASSWORD, World, entra};

#[tokio::test]
async fn a_fresh_session_answers_with_the_original_instants() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let first = browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    world.advance(14 * 60);
    let second = browser
        .start(&entra::request(world.now()))
        .await
        .expect_answer();
    assert_eq!(second.authn_instant(), first.authn_instant());
    assert_eq!(second.session_index(), first.session_index());
    assert_ne!(second.xml, first.xml);
}

#[tokio::test]
async fn attack_21_after_fifteen_minutes_entra_gets_no_answer_from_the_session() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    world.advance(15 * 60 + 1);
    let page = browser.start(&entra::request(world.now())).await;
    assert!(
        page.answer().is_none() && page.asks_for_password(),
        "{}",
        page.text()
    );
    let began = world.now();
    browser.submit_password(person.upn(), PASSWORD).await;
    let answer = browser
        .submit_code(&person.code(world.now()))
        .await
        .expect_answer();
    assert_eq!(answer.authn_instant(), Some(began));
}

#[tokio::test]
async fn attack_21_force_authn_asks_both_factors() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    let page = browser
        .start(&entra::request(world.now()).with(r#"ForceAuthn="true""#))
        .await;
    assert!(page.answer().is_none() && page.asks_for_password());
    browser.submit_password(person.upn(), PASSWORD).await;
    world.advance(30);
    browser
        .submit_code(&person.code(world.now()))
        .await
        .expect_answer();
}

#[tokio::test]
async fn is_passive_is_answered_from_a_session_or_by_no_passive() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let passive = || entra::request(world.now()).with(r#"IsPassive="true""#);
    let to_contoso = |request: &entra::AuthnRequest| {
        let (saml, relay) = (request.base64(), request.relay_state.clone());
        (saml, relay)
    };
    let (saml, relay) = to_contoso(&passive());
    let page = browser
        .post(
            "/saml2/sso?domain=contoso.com",
            &[("SAMLRequest", &saml), ("RelayState", &relay)],
        )
        .await;
    let answer = page.expect_answer();
    assert_eq!(answer.status().as_deref(), Some("NoPassive"));
    assert!(!answer.is_assertion());
    assert_eq!(
        answer.issuer().as_deref(),
        Some("https://idp.example.com/contoso.com")
    );
    // Without a domain nobody may speak for anyone: a page.
    let page = browser.start(&passive()).await;
    assert!(
        page.answer().is_none() && page.status.is_client_error(),
        "{}",
        page.text()
    );
    browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    assert!(
        browser
            .start(&passive())
            .await
            .expect_answer()
            .is_assertion()
    );
}

#[tokio::test]
async fn being_asked_again_at_once_means_too_old() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    world.advance(6 * 60);
    browser
        .start(&entra::request(world.now()))
        .await
        .expect_answer();
    world.advance(60);
    let page = browser.start(&entra::request(world.now())).await;
    assert!(
        page.answer().is_none() && page.asks_for_password(),
        "the second request within two minutes: {}",
        page.text()
    );
}

#[tokio::test]
async fn disabling_a_person_ends_the_session_at_once() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    let upn = person.upn().parse().unwrap();
    world.app().disable_user(&upn, "tester").await.unwrap();
    world.advance(30);
    let page = browser.start(&entra::request(world.now())).await;
    assert!(page.answer().is_none() && page.asks_for_password());
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    assert!(
        page.asks_for_password(),
        "a disabled account looks like a wrong password: {}",
        page.text()
    );
}

#[tokio::test]
async fn what_makes_someone_able_to_become_a_person_ends_the_sessions() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let upn: claimbridge::base::text::Upn = person.upn().parse().unwrap();
    for what in ["pass", "password", "immutable-id", "reset"] {
        let mut browser = world.browser();
        if what != "reset" || world.app().view_user(&upn).await.unwrap().methods.len() == 1 {
            browser.start(&entra::request(world.now())).await;
            browser.submit_password(person.upn(), PASSWORD).await;
            let page = browser.submit_code(&person.code(world.now())).await;
            if page.answer().is_none() {
                browser.submit(&[]).await.expect_answer();
            }
        }
        let app = world.app();
        match what {
            "pass" => drop(
                app.issue_pass(&upn, PassOptions::default(), "tester")
                    .await
                    .unwrap(),
            ),
            "password" => app
                .set_password(
                    &upn,
                    claimbridge::base::secret::Secret::new(PASSWORD.to_owned()),
                    "tester",
                )
                .await
                .unwrap(),
            "immutable-id" => app
                .set_immutable_id(
                    &upn,
                    &"NEWVALUE".parse().unwrap(),
                    claimbridge::app::users::Replace::Yes,
                    "tester",
                )
                .await
                .unwrap(),
            _ => app.reset_user(&upn, "tester").await.unwrap(),
        }
        let sessions = app.sessions_of(&upn).await.unwrap();
        assert!(
            !sessions.is_empty()
                && sessions
                    .iter()
                    .all(|session| session.row.revoked_at.is_some()),
            "{what}"
        );
        world.advance(60);
        let page = browser.start(&entra::request(world.now())).await;
        assert!(page.answer().is_none(), "{what}");
    }
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    let page = browser.get("/account").await;
    assert!(
        page.text().contains("agent1@contoso.com"),
        "{}",
        page.text()
    );
    let kept = browser.cookies.clone();
    let page = browser.get("/sign-out").await;
    assert!(page.status.is_success());
    assert!(
        browser
            .get("/account")
            .await
            .text()
            .contains("agent1@contoso.com"),
        "GET changes nothing"
    );
    browser.get("/sign-out").await;
    browser.submit(&[]).await;
    assert!(
        !browser
            .get("/account")
            .await
            .text()
            .contains("agent1@contoso.com")
    );
    let mut replayed = world.browser();
    replayed.cookies = kept;
    assert!(
        replayed
            .start(&entra::request(world.now()))
            .await
            .answer()
            .is_none(),
        "the old cookie is nothing any more"
    );
}

#[tokio::test]
async fn a_new_sign_in_is_a_new_session_and_the_former_cookie_is_dead() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    let former = browser.cookies.clone();
    world.advance(30);
    let forced = entra::request(world.now()).with(r#"ForceAuthn="true""#);
    browser
        .sign_in(&forced, person.upn(), &person.code(world.now()))
        .await
        .expect_answer();
    assert_ne!(browser.cookies, former);
    let mut old = world.browser();
    old.cookies = former;
    assert!(
        old.start(&entra::request(world.now()))
            .await
            .answer()
            .is_none()
    );
}

#[tokio::test]
async fn after_signing_out_going_back_sends_no_answer_again() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await
        .expect_answer();
    let answered = browser.at.split('/').take(3).collect::<Vec<_>>().join("/");
    browser.get("/sign-out").await;
    browser.submit(&[]).await;
    assert!(browser.get(&answered).await.answer().is_none());
}

#[tokio::test]
async fn a_second_tab_that_sends_its_form_after_the_answer_gets_that_answer() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let mut tab = browser.clone();
    let page = tab.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_code());
    browser.cookies = tab.cookies.clone();
    let answer = tab
        .submit_code(&person.code(world.now()))
        .await
        .expect_answer();
    let again = browser
        .submit_password(person.upn(), PASSWORD)
        .await
        .expect_answer();
    assert_eq!(again.xml, answer.xml);
}
