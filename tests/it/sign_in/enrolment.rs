//! Methods are added by a pass and by nothing else.

use std::time::Duration;

use claimbridge::{
    app::{enrol::Confirm, passes::PassOptions},
    directory::PassReuse,
};

use crate::support::{Browser, PASSWORD, Person, World, entra};

#[tokio::test]
async fn attack_37_a_password_alone_never_shows_an_enrolment_page() {
    let world = World::new().await;
    world.add_user("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let page = browser
        .submit_password("agent1@contoso.com", PASSWORD)
        .await;
    assert!(page.asks_for_pass(), "{}", page.text());
    assert!(!page.body.contains("otpauth"), "no secret is shown");
    let page = browser.submit_pass("wrong-pass-123").await;
    assert!(!page.body.contains("otpauth") && page.answer().is_none());
    let attempt = browser.at.split('/').nth(2).unwrap().parse().unwrap();
    let view = world
        .app()
        .new_totp_of(&attempt, &browser.app_cookies())
        .await;
    assert!(view.is_err());
}

#[tokio::test]
async fn attack_6_enrolment_by_a_pass_ends_in_a_normal_sign_in_with_both_factors() {
    let world = World::new().await;
    world.add_user("agent1@contoso.com").await;
    let pass = world.issue_pass("agent1@contoso.com").await;
    let request = entra::request(world.now());
    let mut browser = world.browser();
    browser.start(&request).await;
    browser
        .submit_password("agent1@contoso.com", PASSWORD)
        .await;
    let page = browser.submit_pass(&pass).await;
    let secret = page.totp_secret();
    let code = |at| {
        claimbridge::factor::totp::code_at(
            &secret,
            claimbridge::directory::TotpParameters::default(),
            at,
        )
        .unwrap()
    };
    let confirming = code(world.now());
    let page = browser.confirm(&confirming).await;
    assert!(page.answer().is_none(), "the confirming code is no sign-in");

    // On to where the person was going: both factors, and the confirming code is spent.
    let attempt = browser.at.split('/').nth(2).unwrap().to_owned();
    let page = browser.get(&format!("/sign-in/{attempt}")).await;
    assert!(
        page.asks_for_password(),
        "both factors follow: {}",
        page.text()
    );
    browser
        .submit_password("agent1@contoso.com", PASSWORD)
        .await;
    let page = browser.submit_code(&confirming).await;
    assert!(
        page.answer().is_none() && page.asks_for_code(),
        "{}",
        page.text()
    );
    world.advance(30);
    let page = browser.submit_code(&code(world.now())).await;
    assert!(
        page.answer().is_none() && page.text().contains("tester"),
        "notices first: {}",
        page.text()
    );
    let answer = browser.submit(&[]).await.expect_answer();
    assert_eq!(answer.in_response_to(), Some(request.id));
}

#[tokio::test]
async fn attack_6_a_pass_is_used_once_and_for_its_person() {
    let world = World::new().await;
    world.add_user("one@contoso.com").await;
    world.add_user("two@contoso.com").await;
    let pass = world.issue_pass("one@contoso.com").await;
    let open = |upn: &'static str, pass: String| {
        let world = &world;
        async move {
            let mut browser = world.browser();
            browser.start(&entra::request(world.now())).await;
            browser.submit_password(upn, PASSWORD).await;
            browser.submit_pass(&pass).await.body.contains("otpauth")
        }
    };
    assert!(
        !open("two@contoso.com", pass.clone()).await,
        "somebody else's"
    );
    assert!(open("one@contoso.com", pass.clone()).await, "the own");
    assert!(!open("one@contoso.com", pass).await, "used");
}

#[tokio::test]
async fn attack_5_a_pass_begins_and_ends_to_the_second() {
    let world = World::new().await;
    world.add_user("agent1@contoso.com").await;
    let upn = "agent1@contoso.com".parse().unwrap();
    let start = world.now().plus(Duration::from_secs(100));
    let options = PassOptions {
        lifetime: Duration::from_mins(10),
        reuse: PassReuse::UntilExpiry,
        starts_at: Some(start),
        ..PassOptions::default()
    };
    let pass = world
        .app()
        .issue_pass(&upn, options, "tester")
        .await
        .unwrap();
    let end = start.plus(Duration::from_mins(10));
    let second = Duration::from_secs(1);
    for (at, opens) in [
        (start.minus(second), false),
        (start, true),
        (end.minus(second), true),
        (end, false),
        (end.plus(second), false),
    ] {
        world.clock.set(at);
        let mut browser = world.browser();
        browser.start(&entra::request(world.now())).await;
        browser
            .submit_password("agent1@contoso.com", PASSWORD)
            .await;
        let page = browser.submit_pass(pass.value.expose()).await;
        assert_eq!(
            page.body.contains("otpauth"),
            opens,
            "{at}: {}",
            page.text()
        );
    }
}

#[tokio::test]
async fn attack_5_an_opened_enrolment_ends_after_ten_minutes() {
    let world = World::new().await;
    world.add_user("agent1@contoso.com").await;
    let pass = world.issue_pass("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser
        .submit_password("agent1@contoso.com", PASSWORD)
        .await;
    let secret = browser.submit_pass(&pass).await.totp_secret();
    world.advance(600);
    let code = claimbridge::factor::totp::code_at(
        &secret,
        claimbridge::directory::TotpParameters::default(),
        world.now(),
    )
    .unwrap();
    let page = browser.confirm(&code).await;
    let mut tx = world.app().store().read().await.unwrap();
    let user = tx
        .user_by_upn(&"agent1@contoso.com".parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert!(
        tx.totp_of(&user.id)
            .await
            .unwrap()
            .iter()
            .all(|totp| totp.confirmed_at.is_none()),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn attack_5_a_pass_that_is_taken_back_closes_what_it_opened() {
    let world = World::new().await;
    world.add_user("agent1@contoso.com").await;
    let upn = "agent1@contoso.com".parse().unwrap();
    let options = PassOptions {
        reuse: PassReuse::UntilExpiry,
        ..PassOptions::default()
    };
    let issued = world.app().issue_pass(&upn, options, "tester").await;
    let pass = issued.unwrap().value.expose().clone();
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser
        .submit_password("agent1@contoso.com", PASSWORD)
        .await;
    let secret = browser.submit_pass(&pass).await.totp_secret();
    world.app().revoke_pass(&upn, "tester").await.unwrap();
    let parameters = claimbridge::directory::TotpParameters::default();
    let code = claimbridge::factor::totp::code_at(&secret, parameters, world.now()).unwrap();
    browser.confirm(&code).await;
    let view = world.app().view_user(&upn).await.unwrap();
    assert_eq!(view.counting(), 0, "{:?}", view.methods);
    // Nor does it open another.
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser
        .submit_password("agent1@contoso.com", PASSWORD)
        .await;
    let page = browser.submit_pass(&pass).await;
    assert!(page.asks_for_pass(), "{}", page.text());
}

/// What the printed slip says leads there for everyone: with a method or without.
#[tokio::test]
async fn the_way_on_the_slip_leads_to_enrolment_and_to_the_account() {
    let world = World::new().await;
    world.add_user("new@contoso.com").await;
    world.ready("old@contoso.com").await;
    for upn in ["new@contoso.com", "old@contoso.com"] {
        let pass = world.issue_pass(upn).await;
        let mut browser = world.browser();
        let page = browser.get("/account").await;
        let words = "I have a temporary access pass<";
        let link = page.body.split(words).next().unwrap();
        let link = link.rsplit("href=\"").next().unwrap();
        let link = link.split('"').next().unwrap().to_owned();
        browser.get(&link).await;
        browser.submit(&[("username", upn), ("pass", &pass)]).await;
        let page = browser.choose_totp().await;
        assert!(page.body.contains("otpauth"), "{upn}: {}", page.text());
        let parameters = claimbridge::directory::TotpParameters::default();
        let secret = page.totp_secret();
        let code = |at| claimbridge::factor::totp::code_at(&secret, parameters, at).unwrap();
        browser.confirm(&code(world.now())).await;
        browser.reload_attempt().await;
        browser.submit_password(upn, PASSWORD).await;
        world.advance(30);
        browser.submit_code(&code(world.now())).await;
        let page = browser.submit(&[]).await;
        assert_eq!(browser.at, "/account", "{upn}: {}", page.text());
    }
}

#[tokio::test]
async fn attack_36_an_enrolment_page_belongs_to_its_browser() {
    let world = World::new().await;
    world.add_user("agent1@contoso.com").await;
    let pass = world.issue_pass("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser
        .submit_password("agent1@contoso.com", PASSWORD)
        .await;
    browser.submit_pass(&pass).await;
    let mut thief = world.browser();
    let page = thief.get(&browser.at).await;
    assert!(!page.body.contains("otpauth"), "{}", page.text());
}

#[tokio::test]
async fn a_person_without_a_password_chooses_one_with_the_pass() {
    let world = World::new().await;
    let new = claimbridge::app::users::NewUser {
        upn: "agent1@contoso.com".parse().unwrap(),
        display_name: "Agent One".to_owned(),
        immutable_id: Some("ABCDEG1234567890".parse().unwrap()),
        password: None,
        groups: Vec::new(),
    };
    world.app().add_user(new, "tester").await.unwrap();
    let pass = world.issue_pass("agent1@contoso.com").await;
    let mut browser = world.browser();
    let page = browser.start(&entra::request(world.now())).await;
    let link = page
        .body
        .split("href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .find(|href| href.contains("pass"));
    let link = link
        .unwrap_or_else(|| panic!("the first page offers the pass: {}", page.body))
        .to_owned();
    let page = browser.get(&link).await;
    assert!(page.asks_for_pass(), "{}", page.text());
    let page = browser
        .submit(&[("username", "agent1@contoso.com"), ("pass", &pass)])
        .await;
    assert!(
        !page.body.contains("otpauth"),
        "first a password: {}",
        page.text()
    );
    browser
        .submit(&[("new-password", "correct horse battery")])
        .await;
    let secret = browser.choose_totp().await.totp_secret();
    let code = claimbridge::factor::totp::code_at(
        &secret,
        claimbridge::directory::TotpParameters::default(),
        world.now(),
    )
    .unwrap();
    browser.confirm(&code).await;
    let attempt = browser.at.split('/').nth(2).unwrap().to_owned();
    assert!(
        browser
            .get(&format!("/sign-in/{attempt}"))
            .await
            .asks_for_password()
    );
}

#[tokio::test]
async fn who_waits_for_a_pass_types_it_where_they_are() {
    let world = World::new().await;
    world.add_user("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let page = browser
        .submit_password("agent1@contoso.com", PASSWORD)
        .await;
    assert!(page.asks_for_pass());
    for _ in 0..6 {
        browser.submit_pass("wrong-pass-123").await;
    }
    let pass = world.issue_pass("agent1@contoso.com").await;
    let page = browser.submit_pass(&pass).await;
    assert!(page.body.contains("otpauth"), "{}", page.text());
}

#[tokio::test]
async fn a_pass_takes_back_what_was_proved_in_open_attempts() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    world.issue_pass(person.upn()).await;
    let page = browser.submit_code(&person.code(world.now())).await;
    assert!(page.answer().is_none(), "{}", page.text());
    assert!(browser.reload_attempt().await.asks_for_password());
}

#[tokio::test]
async fn a_notice_that_came_after_the_page_is_shown_too() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    world.issue_pass(person.upn()).await;
    let mut browser = world.browser();
    let page = browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await;
    assert!(page.text().contains("tester"));
    world.advance(5);
    let mut tx = world.app().store().begin().await.unwrap();
    tx.add_notice(
        &person.user.id,
        "method-added",
        "somebody else",
        world.now(),
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let page = browser.submit(&[]).await;
    assert!(
        page.answer().is_none() && page.text().contains("somebody else"),
        "{}",
        page.text()
    );
    browser.submit(&[]).await.expect_answer();
}

#[tokio::test]
async fn attack_6_what_a_pass_did_is_told_at_the_next_sign_in() {
    let world = World::new().await;
    let person = world.enrolled("agent1@contoso.com").await;
    let mut tx = world.app().store().read().await.unwrap();
    let notices = tx.unseen_notices(&person.user.id).await.unwrap();
    drop(tx);
    let told: Vec<&str> = notices.iter().map(|notice| notice.kind.as_str()).collect();
    for kind in ["pass-issued", "pass-accepted", "method-added"] {
        assert!(told.contains(&kind), "{kind}: {told:?}");
    }
    let request = entra::request(world.now());
    let code = person.code(world.now());
    let page = world.browser().sign_in(&request, person.upn(), &code).await;
    assert!(page.answer().is_none(), "first the notices");
}

/// Twenty requests of the one enrolling browser, with the right code: one method, one event.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_6_an_enrolment_that_is_confirmed_twenty_times_at_once_adds_one_method() {
    let world = World::new().await;
    let user = world.add_user("agent1@contoso.com").await;
    let pass = world.issue_pass("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser
        .submit_password("agent1@contoso.com", PASSWORD)
        .await;
    let secret = browser.submit_pass(&pass).await.totp_secret();
    let code = crate::support::Person {
        user: user.clone(),
        secret,
    }
    .code(world.now());
    let attempt: claimbridge::base::ids::AttemptId =
        browser.at.split('/').nth(2).unwrap().parse().unwrap();
    let cookies = browser.app_cookies();
    let tries: Vec<_> = (0..20)
        .map(|number| {
            let app = std::sync::Arc::clone(&world.nodes[number % world.nodes.len()].app);
            let (attempt, cookies, code) = (attempt.clone(), cookies.clone(), code.clone());
            tokio::spawn(async move {
                let confirmed = app.confirm_totp(&attempt, &cookies, "desk", &code).await;
                confirmed.is_ok_and(|confirmed| matches!(confirmed, Confirm::Added(_)))
            })
        })
        .collect();
    let mut confirmed = 0;
    for done in tries {
        confirmed += usize::from(done.await.unwrap());
    }
    assert_eq!(confirmed, 1);
    // And later, with a code of another step.
    world.advance(30);
    let again = world
        .app()
        .confirm_totp(&attempt, &cookies, "desk", "000000")
        .await;
    assert!(again.is_err());
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of(&user.id, 100).await.unwrap();
    let added = events.iter().filter(|event| event.kind() == "method-added");
    assert_eq!(added.count(), 1);
    assert_eq!(tx.totp_of(&user.id).await.unwrap().len(), 1);
}

/// Signs in to the account page and stays there.
async fn at_the_account(world: &World, person: &Person) -> Browser {
    let mut browser = world.browser();
    let page = browser.get("/account").await;
    assert!(page.asks_for_password(), "{}", page.text());
    browser.submit_password(person.upn(), PASSWORD).await;
    let page = browser.submit_code(&person.code(world.now())).await;
    assert_eq!(browser.at, "/account");
    assert!(page.text().contains("Your account"), "{}", page.text());
    browser
}

async fn receipts(world: &World, person: &Person) -> usize {
    let mut tx = world.app().store().read().await.unwrap();
    tx.receipts_of(&person.user.id, 100).await.unwrap().len()
}

#[tokio::test]
async fn a_person_signs_in_to_the_own_account_and_no_token_leaves() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let before = receipts(&world, &person).await;
    let mut browser = world.browser();
    let page = browser.get("/account").await;
    assert!(page.asks_for_password() && browser.at.starts_with("/sign-in/"));
    // The password alone shows nothing of the account.
    browser.submit_password(person.upn(), PASSWORD).await;
    let page = browser.get("/account").await;
    assert!(page.asks_for_password(), "{}", page.text());
    let mut browser = at_the_account(&world, &person).await;
    assert!(browser.get("/account").await.answer().is_none());
    assert_eq!(receipts(&world, &person).await, before);
}

#[tokio::test]
async fn attack_6_a_method_is_added_after_fresh_proofs_only() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = at_the_account(&world, &person).await;
    // Three minutes leave time enough; the new secret confirms itself and the way leads back.
    world.advance(180);
    browser.press("/account/add").await;
    let secret = browser.choose_totp().await.totp_secret();
    let code = |at| {
        claimbridge::factor::totp::code_at(
            &secret,
            claimbridge::directory::TotpParameters::default(),
            at,
        )
        .unwrap()
    };
    let attempt = browser.at.clone();
    let page = browser.confirm(&code(world.now())).await;
    assert_eq!(browser.at, "/account");
    assert_eq!(page.text().matches("Code generator").count(), 2);
    // Replayed, it shows no secret and adds nothing.
    let page = browser.get(&attempt).await;
    assert!(!page.body.contains("otpauth"), "{}", page.text());
    // A moment later both factors are asked for again, and lead back to the account.
    world.advance(1);
    let page = browser.press("/account/add").await;
    assert!(
        page.asks_for_password() && !page.body.contains("otpauth"),
        "{}",
        page.text()
    );
    world.advance(60);
    browser.submit_password(person.upn(), PASSWORD).await;
    browser.submit_code(&person.code(world.now())).await;
    // What was added since the last sign-in is said first.
    let page = browser.submit(&[]).await;
    assert_eq!(browser.at, "/account", "{}", page.text());
    browser.press("/account/add").await;
    let page = browser.choose_totp().await;
    assert!(page.body.contains("otpauth"), "{}", page.text());
}

#[tokio::test]
async fn attack_6_an_enrolment_from_the_account_ends_with_its_session() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = at_the_account(&world, &person).await;
    browser.press("/account/add").await;
    let page = browser.choose_totp().await;
    assert!(page.body.contains("otpauth"), "{}", page.text());
    let open = browser.at.clone();
    let mut tab = browser.clone();
    tab.get("/account").await;
    let page = tab.press("/sign-out").await;
    assert!(page.text().contains("signed out"), "{}", page.text());
    let page = browser.get(&open).await;
    assert!(!page.body.contains("otpauth"), "{}", page.text());
}

#[tokio::test]
async fn at_a_clean_desk_there_is_no_picture_to_photograph() {
    let mut world = World::new().await;
    world.settings.desk = claimbridge::session::Desk::Clean;
    world.start_node().await;
    world.add_user("agent1@contoso.com").await;
    let ordinary = enrolment_page(&world, 0).await;
    assert!(ordinary.contains("class=\"qr\"") && ordinary.contains("scan the picture"));
    let clean = enrolment_page(&world, world.nodes.len() - 1).await;
    assert!(
        !clean.contains("<svg") && !clean.contains("picture"),
        "{clean}"
    );
    assert!(clean.contains("otpauth://") && clean.contains("Copy the text or open the link"));
}

/// The page of a new program, as that node shows it.
async fn enrolment_page(world: &World, node: usize) -> String {
    let pass = world.issue_pass("agent1@contoso.com").await;
    let mut browser = world.browser_on(node);
    browser.start(&entra::request(world.now())).await;
    browser
        .submit_password("agent1@contoso.com", PASSWORD)
        .await;
    browser.submit_pass(&pass).await.body
}

#[tokio::test]
async fn attack_5_an_enrolment_ends_with_its_pass() {
    let world = World::new().await;
    world.add_user("agent1@contoso.com").await;
    let pass = world.issue_pass("agent1@contoso.com").await;
    // The default pass lives for an hour: used in its last two minutes.
    world.advance(58 * 60);
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser
        .submit_password("agent1@contoso.com", PASSWORD)
        .await;
    let page = browser.submit_pass(&pass).await;
    assert!(page.body.contains("otpauth"), "{}", page.text());
    world.advance(119);
    let page = browser.reload_attempt().await;
    assert!(page.body.contains("otpauth"), "{}", page.text());
    world.advance(1);
    let page = browser.reload_attempt().await;
    assert!(!page.body.contains("otpauth"), "{}", page.text());
}

#[tokio::test]
async fn attack_5_a_pass_that_was_used_is_taken_back_with_what_it_opened() {
    let world = World::new().await;
    world.add_user("agent1@contoso.com").await;
    let upn = "agent1@contoso.com".parse().unwrap();
    let pass = world.issue_pass("agent1@contoso.com").await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser
        .submit_password("agent1@contoso.com", PASSWORD)
        .await;
    let page = browser.submit_pass(&pass).await;
    assert!(page.body.contains("otpauth"), "{}", page.text());
    world.app().revoke_pass(&upn, "tester").await.unwrap();
    let page = browser.reload_attempt().await;
    assert!(!page.body.contains("otpauth"), "{}", page.text());
    // Now there is nothing to take back.
    assert!(world.app().revoke_pass(&upn, "tester").await.is_err());
}
