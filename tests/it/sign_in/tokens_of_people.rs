//! Hardware tokens between their holders, thieves and operators.

use claimbridge::{
    app::{oath_tokens::Withdrawal, user_view::MethodStanding},
    base::secret::Secret,
    directory::{EffectivePolicy, MethodKind, MethodPolicy, TokenState, TotpParameters},
    factor::totp,
};

use super::oath::{active, after_password, assigned, signs_in, state, step, token, under};
use crate::support::{Browser, PASSWORD, World, entra};

const UPN: &str = "agent1@contoso.com";

async fn with_tokens_only() -> (World, usize) {
    let mut world = World::new().await;
    world.settings.methods = MethodPolicy {
        everyone: EffectivePolicy::new(vec![MethodKind::OathToken], 1),
        groups: Vec::new(),
    };
    world.start_node().await;
    let node = world.nodes.len() - 1;
    (world, node)
}

async fn events(world: &World, kind: &str) -> usize {
    let user = world.app().find_user(&UPN.parse().unwrap()).await.unwrap();
    let mut tx = world.app().store().read().await.unwrap();
    let events = tx.events_of(&user.id, 100).await.unwrap();
    events.iter().filter(|event| event.kind() == kind).count()
}

/// Two codes on the page that brings a token back; whether they did.
async fn brought_back(browser: &mut Browser, codes: [&str; 2]) -> bool {
    let path = under(browser, "resync");
    browser.get(&path).await;
    let page = browser
        .submit(&[("code", codes[0]), ("next", codes[1])])
        .await;
    page.text().contains("Enter your one-time code")
}

#[tokio::test]
async fn attack_3_codes_that_were_filmed_are_no_second_factor_later() {
    let world = World::new().await;
    let token = active(&world, 30).await;
    let filmed = [0, 1, 2].map(|later| token.shown_later(&world, later));
    // Five minutes later, by who knows the password.
    world.advance(5 * 60);
    let mut browser = world.browser();
    after_password(&world, &mut browser).await;
    assert!(!brought_back(&mut browser, [&filmed[0], &filmed[1]]).await);
    let path = under(&browser, "code");
    browser.get(&path).await;
    let page = browser.submit_code(&filmed[2]).await;
    assert!(page.answer().is_none() && page.asks_for_code());
    // The token itself goes on.
    assert!(signs_in(&world, &token).await);
}

#[tokio::test]
async fn a_holder_reaches_farther_with_each_week_without_use_and_an_operator_a_day() {
    let world = World::new().await;
    let mut token = active(&world, 30).await;
    for (weeks, reach) in [(0_u64, 2_i64), (5, 15)] {
        world.advance(weeks * 7 * 24 * 60 * 60);
        for (steps, found) in [(reach + 1, false), (reach, true)] {
            token.ahead += (steps - 1) * 30;
            let codes = [token.shown(&world), token.shown_later(&world, 1)];
            let mut browser = world.browser();
            after_password(&world, &mut browser).await;
            let back = brought_back(&mut browser, [&codes[0], &codes[1]]).await;
            assert_eq!(back, found, "{weeks} weeks, {steps} steps");
            if !found {
                token.ahead -= (steps - 1) * 30;
            }
        }
        // The second code was typed before it was shown: the next sign-in tells the drift.
        step(&world, &token);
        step(&world, &token);
        let mut browser = world.browser();
        after_password(&world, &mut browser).await;
        browser.submit_code(&token.shown(&world)).await;
        browser.submit(&[]).await.expect_answer();
        step(&world, &token);
    }
    token.ahead += 2_000 * 30;
    let codes = [token.shown(&world), token.shown_later(&world, 1)];
    let app = world.app();
    app.resync_oath_token(&token.serial, [&codes[0], &codes[1]], "tester")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_kind_that_is_not_allowed_is_not_brought_back_either() {
    let mut world = World::new().await;
    let mut token = active(&world, 30).await;
    let desk: claimbridge::directory::GroupName = "desk".parse().unwrap();
    world.settings.methods = MethodPolicy {
        everyone: EffectivePolicy::default(),
        groups: vec![(
            desk.clone(),
            EffectivePolicy::new(vec![MethodKind::Totp, MethodKind::SecurityKey], 1),
        )],
    };
    world.start_node().await;
    // Another method, so that the code question is asked.
    let pass = world.issue_pass(UPN).await;
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let path = under(&browser, "pass");
    browser.get(&path).await;
    browser.submit(&[("username", UPN), ("pass", &pass)]).await;
    let program = browser.choose_totp().await.totp_secret();
    let code = totp::code_at(&program, TotpParameters::default(), world.now());
    browser.confirm(&code.unwrap()).await;
    let node = world.nodes.len() - 1;
    let app = world.nodes[node].app.clone();
    app.add_to_group(&UPN.parse().unwrap(), &desk, "tester")
        .await
        .unwrap();
    token.ahead = 30;
    let codes = [token.shown(&world), token.shown_later(&world, 1)];
    let mut browser = world.browser_on(node);
    after_password(&world, &mut browser).await;
    let id = browser.at.split('/').nth(2).unwrap().parse().unwrap();
    let guess = app
        .resync_own_token(&id, &browser.app_cookies(), [&codes[0], &codes[1]])
        .await;
    assert!(
        matches!(guess, Ok(claimbridge::app::prove::Guess::Wrong)),
        "{guess:?}"
    );
    assert_eq!(events(&world, "oath-token-resynced").await, 0);
}

/// Who has another method adds a token on the account page, behind fresh proofs; the
/// password and a token that was found activate nothing.
#[tokio::test]
async fn attack_6_a_further_token_is_added_on_the_account_page() {
    let world = World::new().await;
    let person = world.ready(UPN).await;
    let token = assigned(&world, UPN, "1", 30).await;
    let mut thief = world.browser();
    let page = after_password(&world, &mut thief).await;
    assert!(page.contains("Enter your one-time code"), "{page}");
    let mut browser = world.browser();
    browser.get("/account").await;
    browser.submit_password(UPN, PASSWORD).await;
    browser.submit_code(&person.code(world.now())).await;
    browser.submit(&[]).await;
    assert_eq!(browser.at, "/account");
    let page = browser.press("/account/add").await;
    let choose = page
        .forms()
        .into_iter()
        .find(|form| form.inputs.iter().any(|input| input.value == "oath-token"))
        .unwrap_or_else(|| panic!("{}", page.text()));
    let page = browser.send_form(&choose, &[]).await;
    assert!(
        page.text().contains("Activate your token"),
        "{}",
        page.text()
    );
    let page = browser.submit_code("000000").await;
    assert!(page.text().contains("did not fit"), "{}", page.text());
    assert_eq!(state(&world, &token).await, TokenState::Assigned);
    let (now, next) = (token.shown(&world), token.shown_later(&world, 1));
    browser.submit(&[("code", &now), ("next", &next)]).await;
    assert_eq!(browser.at, "/account");
    assert_eq!(state(&world, &token).await, TokenState::Active);
    assert_eq!(events(&world, "oath-token-activated").await, 1);
    step(&world, &token);
    step(&world, &token);
    let mut browser = world.browser();
    after_password(&world, &mut browser).await;
    let page = browser.submit_code(&token.shown(&world)).await;
    assert!(page.text().contains("was added"), "{}", page.text());
    browser.submit(&[]).await.expect_answer();
}

/// A pass is not burnt by who may only have a token.
#[tokio::test]
async fn a_pass_leads_to_a_token_where_nothing_else_is_allowed() {
    let (world, node) = with_tokens_only().await;
    let app = world.nodes[node].app.clone();
    let new = claimbridge::app::users::NewUser {
        upn: UPN.parse().unwrap(),
        display_name: "Agent One".to_owned(),
        immutable_id: None,
        groups: Vec::new(),
        password: None,
    };
    app.add_user(new, "tester").await.unwrap();
    let pass = world.issue_pass(UPN).await;
    let mut browser = world.browser_on(node);
    browser.start(&entra::request(world.now())).await;
    let path = under(&browser, "pass");
    browser.get(&path).await;
    browser.submit(&[("username", UPN), ("pass", &pass)]).await;
    let fresh = "einhorn unter der lampe";
    let page = browser
        .submit(&[("new-password", fresh), ("again", fresh)])
        .await;
    // None was handed over: that is what the page says, and what helps.
    assert!(
        page.text().contains("none was handed to you"),
        "{}",
        page.text()
    );
    let token = assigned(&world, UPN, "1", 30).await;
    let page = browser.reload_attempt().await;
    assert!(page.asks_for_password(), "{}", page.text());
    let page = browser.submit_password(UPN, fresh).await;
    assert!(
        page.text().contains("Activate your token"),
        "{}",
        page.text()
    );
    // With a pass in hand it is the same page, and a sign-in follows.
    let second = world.issue_pass(UPN).await;
    let mut browser = world.browser_on(node);
    browser.start(&entra::request(world.now())).await;
    browser.submit_password(UPN, fresh).await;
    let path = under(&browser, "pass");
    browser.get(&path).await;
    let page = browser.submit(&[("pass", &second)]).await;
    assert!(
        page.text().contains("Activate your token"),
        "{}",
        page.text()
    );
    let code = token.shown(&world);
    let page = browser.submit_code(&code).await;
    assert!(page.asks_for_password() && page.answer().is_none());
    assert_eq!(state(&world, &token).await, TokenState::Active);
    browser.submit_password(UPN, fresh).await;
    let page = browser.submit_code(&code).await;
    assert!(page.answer().is_none(), "the activating code is spent");
    step(&world, &token);
    browser.submit_code(&token.shown(&world)).await;
    browser.submit(&[]).await.expect_answer();
}

#[tokio::test]
async fn attack_3_of_tokens_that_share_a_secret_one_is_activated() {
    let world = World::new().await;
    active(&world, 30).await;
    world.add_user("agent2@contoso.com").await;
    let copy = token(&world, "copy", 30).await;
    let app = world.app();
    app.assign_oath_token(
        &copy.serial,
        &"agent2@contoso.com".parse().unwrap(),
        "tester",
    )
    .await
    .unwrap();
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    browser
        .submit_password("agent2@contoso.com", PASSWORD)
        .await;
    let page = browser.submit_code(&copy.shown(&world)).await;
    assert!(page.text().contains("CB-ACCOUNT-004"), "{}", page.text());
    assert_eq!(state(&world, &copy).await, TokenState::Assigned);
    // When the other one is gone it may.
    app.take_oath_token(
        &"2600124809778".parse().unwrap(),
        Withdrawal::Lost,
        "tester",
    )
    .await
    .unwrap();
    browser.reload_attempt().await;
    let page = browser.submit_code(&copy.shown(&world)).await;
    assert!(page.text().contains("Enter your one-time code"));
}

#[tokio::test]
async fn attack_38_an_altered_row_of_an_active_token_is_an_alarm_and_can_be_taken_away() {
    let world = World::new().await;
    let token = active(&world, 30).await;
    // Its code generator would count as another kind.
    world
        .sql()
        .await
        .run("UPDATE oath_tokens SET credential = NULL")
        .await;
    assert!(!signs_in_quietly(&world, &token.shown(&world)).await);
    assert!(events(&world, "tampering-found").await > 0);
    // Operators still see people, that no sign-in would succeed, and take everything away.
    let upn = UPN.parse().unwrap();
    let view = world.app().view_user(&upn).await.unwrap();
    assert!(!view.is_covered() && view.counting() == 0, "{view:?}");
    assert_eq!(view.methods[0].standing, MethodStanding::Altered);
    world.app().reset_user(&upn, "tester").await.unwrap();
    assert_eq!(state(&world, &token).await, TokenState::Retired);
}

async fn signs_in_quietly(world: &World, code: &str) -> bool {
    let mut browser = world.browser();
    browser.start(&entra::request(world.now())).await;
    let page = browser.submit_password(UPN, PASSWORD).await;
    if !page.asks_for_code() {
        return false;
    }
    browser.submit_code(code).await.answer().is_some()
}

#[tokio::test]
async fn attack_38_what_is_lost_leaves_no_secret_of_its_credential() {
    let world = World::new().await;
    let token = active(&world, 30).await;
    let user = world.app().find_user(&UPN.parse().unwrap()).await.unwrap();
    world
        .app()
        .take_oath_token(&token.serial, Withdrawal::Lost, "tester")
        .await
        .unwrap();
    world
        .sql()
        .await
        .run("UPDATE totp SET revoked_at = NULL")
        .await;
    assert!(!signs_in_quietly(&world, &token.shown(&world)).await);
    let mut tx = world.app().store().read().await.unwrap();
    let row = tx.totp_of(&user.id).await.unwrap().remove(0);
    assert_eq!(row.sealed_secret, "");
    let kept = tx.oath_token(&token.serial).await.unwrap().unwrap();
    assert!(kept.last_step.is_some());
}

/// Who alters the row of a token that was stolen must not save it by that: what is taken away is
/// what it became, whatever the row says, and nobody else's.
#[tokio::test]
async fn attack_38_an_altered_row_saves_no_code_generator_and_costs_nobody_elses() {
    for altered in [
        "credential = NULL",
        "credential = (SELECT t.id FROM totp t JOIN users u ON u.id = t.user_id WHERE u.upn = 'agent2@contoso.com')",
        "user_id = (SELECT id FROM users WHERE upn = 'agent2@contoso.com')",
        "user_id = NULL, state = 'in-stock'",
        "state = 'removed'",
    ] {
        let world = World::new().await;
        let token = active(&world, 30).await;
        let other = world.ready("agent2@contoso.com").await;
        let mut session = world.browser();
        session
            .sign_in(
                &entra::request(world.now()),
                other.upn(),
                &other.code(world.now()),
            )
            .await
            .expect_answer();
        let set = format!("UPDATE oath_tokens SET {altered}");
        world.sql().await.run(&set).await;
        let app = world.app();
        let withdrawn = app
            .take_oath_token(&token.serial, Withdrawal::Lost, "tester")
            .await
            .unwrap();
        assert_eq!(withdrawn.state, TokenState::Retired, "{altered}");
        assert!(events(&world, "method-revoked").await == 1, "{altered}");
        step(&world, &token);
        assert!(!signs_in_quietly(&world, &token.shown(&world)).await);
        let holder = app.view_user(&UPN.parse().unwrap()).await.unwrap();
        assert_eq!(holder.methods.len(), 0, "{altered}");
        let mut tx = app.store().read().await.unwrap();
        let secrets = tx.all_totp().await.unwrap();
        assert_eq!(secrets.len(), 1, "{altered}");
        assert_eq!(secrets[0].user, other.user.id, "{altered}");
        drop(tx);
        // The other person's session goes on too.
        let page = session.start(&entra::request(world.now())).await;
        page.expect_answer();
    }
}

/// Whatever on the account pages meets an altered row writes it down.
#[tokio::test]
async fn attack_38_an_alarm_of_the_account_pages_is_written_down() {
    let world = World::new().await;
    let token = active(&world, 30).await;
    let mut browser = world.browser();
    browser.get("/account").await;
    browser.submit_password(UPN, PASSWORD).await;
    browser.submit_code(&token.shown(&world)).await;
    assert_eq!(browser.at, "/account", "{:?}", browser.page);
    let (app, cookies) = (world.app(), browser.app_cookies());
    let let_in = async || app.require_fresh(&cookies).await.unwrap();
    let (fresh, adding) = (let_in().await, let_in().await);
    let view = app.account(&cookies).await.unwrap().unwrap();
    let (method, session) = (view.methods[0].id.clone(), view.session.id.clone());
    let alter = "UPDATE oath_tokens SET credential = NULL";
    world.sql().await.run(alter).await;
    let new = || Secret::new("märzveilchen und teer".to_owned());
    let alarms = [
        app.account(&cookies).await.err(),
        app.require_fresh(&cookies).await.err(),
        app.rename_method(&fresh, &method, "mine").await.err(),
        app.remove_method(&fresh, &method).await.err(),
        app.change_password(&fresh, new()).await.err(),
        app.end_own_session(&fresh, &session).await.err(),
        app.make_recovery_codes(&fresh).await.err(),
        app.add_method(adding, &cookies).await.err(),
    ];
    let number = alarms.len();
    for (number, error) in alarms.into_iter().enumerate() {
        let code = error.map(|error| error.code().code);
        assert_eq!(code, Some("CB-SIGNIN-010"), "{number}");
    }
    assert_eq!(events(&world, "tampering-found").await, number);
}

/// Who has the token in use and may have nothing else is told that there is nothing to add.
#[tokio::test]
async fn where_nothing_can_be_added_that_is_said_on_the_way() {
    let (world, node) = with_tokens_only().await;
    let token = active(&world, 30).await;
    let mut browser = world.browser_on(node);
    browser.get("/account").await;
    browser.submit_password(UPN, PASSWORD).await;
    browser.submit_code(&token.shown(&world)).await;
    assert_eq!(browser.at, "/account", "{:?}", browser.page);
    let page = browser.press("/account/add").await;
    assert!(page.text().contains("CB-ACCOUNT-006"), "{}", page.text());
    // By a pass the page says why, and not of a token that it was not handed over.
    let pass = world.issue_pass(UPN).await;
    let mut browser = world.browser_on(node);
    browser.start(&entra::request(world.now())).await;
    let path = under(&browser, "pass");
    browser.get(&path).await;
    let page = browser.submit(&[("username", UPN), ("pass", &pass)]).await;
    let text = page.text();
    assert!(text.contains("that waits to be activated"), "{text}");
    assert!(!text.contains("but they do not work"), "{text}");
}
