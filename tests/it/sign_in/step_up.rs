//! Only what has aged is asked again, of the same person (attack 21); and circles end.

use claimbridge::base::clock::Timestamp;

use crate::support::{Browser, PASSWORD, Page, Person, World, entra};

const TEN_MINUTES: std::time::Duration = std::time::Duration::from_mins(10);

/// Signs in: the password now, the code a minute later. Both instants.
async fn sign_in(world: &World, browser: &mut Browser, person: &Person) -> (Timestamp, Timestamp) {
    let password_at = world.now();
    browser.start(&entra::request(password_at)).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    world.advance(60);
    let code_at = world.now();
    let answer = browser.submit_code(&person.code(code_at)).await;
    assert_eq!(answer.expect_answer().authn_instant(), Some(password_at));
    (password_at, code_at)
}

async fn start(world: &World, browser: &mut Browser) -> Page {
    browser.start(&entra::request(world.now())).await
}

#[tokio::test]
async fn attack_21_only_what_has_aged_is_asked_again_and_the_instants_are_those_of_the_proofs() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let (_, code_at) = sign_in(&world, &mut browser, &person).await;

    // The password has aged, the code has not.
    world.advance(14 * 60 + 30);
    let page = start(&world, &mut browser).await;
    assert!(page.asks_for_password(), "{}", page.text());
    assert!(page.body.contains(person.upn()), "the name is filled in");
    let password_at = world.now();
    let answer = browser.submit_password(person.upn(), PASSWORD).await;
    assert_eq!(answer.expect_answer().authn_instant(), Some(code_at));

    // The code has aged, the password has not: nobody types a name.
    world.advance(5 * 60);
    let page = start(&world, &mut browser).await;
    assert!(page.asks_for_code(), "{}", page.text());
    assert!(page.body.contains(person.upn()));
    let page = browser.submit_code("000000").await;
    assert!(page.answer().is_none() && page.asks_for_code());
    let answer = browser.submit_code(&person.code(world.now())).await;
    assert_eq!(answer.expect_answer().authn_instant(), Some(password_at));

    // Both have: both are asked.
    world.advance(20 * 60);
    assert!(start(&world, &mut browser).await.asks_for_password());
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
}

#[tokio::test]
async fn attack_21_stepping_up_is_for_the_same_person_or_not_at_all() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let other = world.ready("agent2@contoso.com").await;
    let mut browser = world.browser();
    sign_in(&world, &mut browser, &person).await;
    world.advance(14 * 60 + 30);
    // Somebody else at the same desk: what the first one proved helps nobody.
    start(&world, &mut browser).await;
    let page = browser.submit_password(other.upn(), PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
    let answer = browser.submit_code(&other.code(world.now())).await;
    let of_other = answer.expect_answer();
    assert_eq!(of_other.authn_instant(), Some(world.now()));

    // Where only the code is asked, it is the code of whose password is fresh.
    let mut browser = world.browser();
    world.advance(60);
    sign_in(&world, &mut browser, &person).await;
    world.advance(14 * 60 + 30);
    start(&world, &mut browser).await;
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    page.expect_answer();
    world.advance(5 * 60);
    assert!(start(&world, &mut browser).await.asks_for_code());
    let page = browser.submit_code(&other.code(world.now())).await;
    assert!(page.answer().is_none() && page.asks_for_code());
}

#[tokio::test]
async fn attack_21_nothing_is_carried_over_from_what_was_ended_revoked_or_is_not_wanted() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let upn = person.upn().parse().unwrap();
    for what in ["force", "sessions", "method", "password", "other browser"] {
        let mut browser = world.browser();
        sign_in(&world, &mut browser, &person).await;
        world.advance(14 * 60 + 30);
        let mut request = entra::request(world.now());
        match what {
            "force" => request = request.with(r#"ForceAuthn="true""#),
            "sessions" => {
                world
                    .sql()
                    .await
                    .run("UPDATE sessions SET revoked_at = 1")
                    .await;
            }
            "method" => {
                let revoked = "UPDATE totp SET revoked_at = 1";
                world.sql().await.run(revoked).await;
            }
            "password" => {
                let password = claimbridge::base::secret::Secret::new(PASSWORD.to_owned());
                let set = world.app().set_password(&upn, password, "tester");
                set.await.unwrap();
            }
            _ => browser = world.browser(),
        }
        assert!(browser.start(&request).await.asks_for_password(), "{what}");
        let page = browser.submit_password(person.upn(), PASSWORD).await;
        assert!(page.answer().is_none(), "{what}: {}", page.text());
        if what == "method" {
            world
                .sql()
                .await
                .run("UPDATE totp SET revoked_at = NULL")
                .await;
        }
        world.advance(60);
        if what == "password" {
            // The notice of it waits behind the code.
            browser.submit_code(&person.code(world.now())).await;
            browser.submit(&[]).await.expect_answer();
            world.advance(60);
        }
    }
}

/// So that only the code is asked: the password is five minutes old, the code older than all
/// that Entra takes.
async fn only_the_code_is_asked(world: &World, browser: &mut Browser, person: &Person) {
    sign_in(world, browser, person).await;
    world.advance(14 * 60 + 30);
    start(world, browser).await;
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    page.expect_answer();
    world.advance(5 * 60);
}

#[tokio::test]
async fn attack_37_a_carried_password_opens_no_enrolment_and_none_is_carried_after_one() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    // A new account has recovery codes only if it asks for them.
    browser.get("/account").await;
    browser.submit_password(person.upn(), PASSWORD).await;
    world.advance(60);
    browser.submit_code(&person.code(world.now())).await;
    browser.get("/account").await;
    let page = browser.press("/account/recovery-codes").await;
    let code = page.body.split("<code>").nth(1).unwrap();
    let code = code.split("</code>").next().unwrap().to_owned();
    world.advance(60);
    let mut browser = world.browser();
    start(&world, &mut browser).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    browser.submit_code(&person.code(world.now())).await;
    browser.submit(&[]).await.expect_answer();
    world.advance(16 * 60);
    only_the_code_is_asked(&world, &mut browser, &person).await;
    assert!(start(&world, &mut browser).await.asks_for_code());
    let path: Vec<&str> = browser.at.split('/').take(3).collect();
    let path = path.join("/");
    browser.get(&format!("{path}/pass")).await;
    let values = [("username", person.upn()), ("pass", code.as_str())];
    let page = browser.submit(&values).await;
    assert!(page.asks_for_pass(), "refused: {}", page.text());

    // With a pass, which needs no password: afterwards everything is asked in this attempt.
    let tx = world.sql().await;
    let began = "UPDATE enrolments SET finished_at = 1, attempt = (SELECT id FROM attempts \
        WHERE answered_at IS NULL ORDER BY created_at DESC LIMIT 1)";
    tx.run(began).await;
    let page = browser.get(&path).await;
    assert!(page.asks_for_password(), "{}", page.text());
}

#[tokio::test]
async fn a_name_that_the_party_gives_is_not_another_persons_step_up() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let other = world.ready("agent2@contoso.com").await;
    for (hint, asks_code) in [(person.upn(), true), (other.upn(), false)] {
        let mut browser = world.browser();
        only_the_code_is_asked(&world, &mut browser, &person).await;
        let request = entra::request(world.now()).redirect();
        let page = browser.get(&format!("{request}&username={hint}")).await;
        assert_eq!(page.asks_for_code(), asks_code, "{hint}: {}", page.text());
        assert_eq!(page.asks_for_password(), !asks_code, "{hint}");
        assert!(page.body.contains(hint));
        world.advance(20 * 60);
    }
}

#[tokio::test]
async fn attack_21_two_tabs_step_up_at_once_and_a_session_that_ended_is_worth_nothing() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut first = world.browser();
    sign_in(&world, &mut first, &person).await;
    world.advance(14 * 60 + 30);
    let mut second = world.browser();
    second.cookies = first.cookies.clone();
    start(&world, &mut first).await;
    start(&world, &mut second).await;
    let answer = first.submit_password(person.upn(), PASSWORD).await;
    answer.expect_answer();
    // The session was replaced: the other tab's cookie is that of the former one.
    let page = second.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
}

#[tokio::test]
async fn stepping_up_makes_no_session_live_longer() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    let (began, _) = sign_in(&world, &mut browser, &person).await;
    let end = claimbridge::session::SessionPolicy::default().absolute;
    let mut asked = Vec::new();
    // Every ten minutes somebody asks; what has aged is proved.
    while world.now().since(began) + TEN_MINUTES < end {
        world.advance(10 * 60);
        let page = start(&world, &mut browser).await;
        let page = if page.asks_for_password() {
            asked.push("password");
            browser.submit_password(person.upn(), PASSWORD).await
        } else {
            page
        };
        if page.asks_for_code() {
            asked.push("code");
            browser.submit_code(&person.code(world.now())).await;
        }
    }
    assert!(asked.len() > 40, "{asked:?}");
    // Ten hours after both were proved in one go, nothing is left to build on.
    world.advance(10 * 60);
    assert!(start(&world, &mut browser).await.asks_for_password());
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
}

#[tokio::test]
async fn the_fourth_round_trip_in_two_minutes_stops_at_a_page_that_says_why() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    // Setting up ended in an answer, too.
    world.advance(120);
    let mut browser = world.browser();
    sign_in(&world, &mut browser, &person).await;
    for _ in 0..2 {
        world.advance(10);
        start(&world, &mut browser).await.expect_answer();
    }
    world.advance(10);
    let page = start(&world, &mut browser).await;
    assert!(page.answer().is_none(), "{}", page.text());
    assert_eq!(page.status.as_u16(), 429);
    let text = page.text();
    for words in [
        "CB-SIGNIN-015",
        "federatedIdpMfaBehavior",
        "domain verify contoso.com",
        "finds nothing in the last answer that Entra would refuse",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // Nor is anything stopped but the way to this party.
    let mut elsewhere = world.browser();
    elsewhere.cookies = browser.cookies.clone();
    let page = elsewhere.get("/account").await;
    assert!(page.text().contains(person.upn()), "{}", page.text());
    let other = world.ready("agent2@contoso.com").await;
    let mut elsewhere = world.browser();
    let request = entra::request(world.now());
    let code = other.code(world.now());
    let answer = elsewhere.sign_in(&request, other.upn(), &code).await;
    answer.expect_answer();
    // The same address goes on once the two minutes are over.
    world.advance(100);
    browser.reload_attempt().await.expect_answer();
}
