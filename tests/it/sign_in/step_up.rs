//! Only what has aged is asked again, of the same person (attack 21).

use claimbridge::{base::clock::Timestamp, directory::TotpParameters, factor::totp};

use crate::support::{Browser, PASSWORD, Page, Person, World, entra};

const TEN_MINUTES: std::time::Duration = std::time::Duration::from_mins(10);

/// Signs in: the password now, the code a minute later. Both instants.
pub(super) async fn sign_in(
    world: &World,
    browser: &mut Browser,
    person: &Person,
) -> (Timestamp, Timestamp) {
    let password_at = world.now();
    browser.start(&entra::request(password_at)).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    world.advance(60);
    let code_at = world.now();
    let answer = browser.submit_code(&person.code(code_at)).await;
    assert_eq!(answer.expect_answer().authn_instant(), Some(password_at));
    (password_at, code_at)
}

pub(super) async fn start(world: &World, browser: &mut Browser) -> Page {
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
    // The page promises no more than it takes, and a code that is typed all the same is neither
    // used nor counted, however often.
    let told = browser.page.as_ref().unwrap().text();
    assert!(!told.contains("will do too"), "{told}");
    assert!(told.contains("sign in again with your password"), "{told}");
    // Spelled as anywhere else: case, spaces and hyphens do not count.
    let spellings = [
        code.clone(),
        code.replace('-', ""),
        code.to_uppercase().replace('-', " "),
        format!(" {}", code.replacen('-', "", 1)),
    ];
    for typed in spellings.iter().chain(&spellings) {
        let values = [("username", person.upn()), ("pass", typed.as_str())];
        let page = browser.submit(&values).await;
        assert!(page.asks_for_pass(), "refused: {}", page.text());
        assert!(page.text().contains("was not used"), "{}", page.text());
    }

    // Where an enrolment was, everything is asked: here without the notices that a pass leaves,
    // which alone would see to it (the way of people is the test after this).
    let tx = world.sql().await;
    let began = "UPDATE enrolments SET finished_at = 1, attempt = (SELECT id FROM attempts \
        WHERE answered_at IS NULL ORDER BY created_at DESC LIMIT 1)";
    tx.run(began).await;
    let page = browser.get(&path).await;
    assert!(page.asks_for_password(), "{}", page.text());

    // The way on: the password in an attempt, then the code.
    let mut other = world.browser();
    other.cookies = browser.cookies.clone();
    assert!(start(&world, &mut other).await.asks_for_code());
    let attempt = other.at.clone();
    other.get(&format!("{attempt}/pass")).await;
    let page = other.press(&format!("{attempt}/not-me")).await;
    assert!(page.asks_for_password(), "{}", page.text());
    let page = other.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
    let page = other.get(&format!("{attempt}/pass")).await;
    assert!(page.text().contains("will do too"), "{}", page.text());
    let page = other.submit_pass(&code).await;
    assert!(
        page.text().contains("Add a code generator"),
        "it opens enrolment: {}",
        page.text()
    );
}

#[tokio::test]
async fn attack_37_a_pass_in_a_stepped_up_attempt_leaves_nothing_carried() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    // It ends the sessions, so it is there before.
    let pass = world.issue_pass(person.upn()).await;
    let mut browser = world.browser();
    start(&world, &mut browser).await;
    browser.submit_password(person.upn(), PASSWORD).await;
    browser.submit_code(&person.code(world.now())).await;
    browser.submit(&[]).await.expect_answer();
    world.advance(20 * 60);
    only_the_code_is_asked(&world, &mut browser, &person).await;
    assert!(start(&world, &mut browser).await.asks_for_code());
    let at = browser.at.clone();
    browser.get(&format!("{at}/pass")).await;
    // As long as a code without hyphens, and the person holds a pass: it is taken as one.
    assert_eq!(pass.len(), 12);
    let page = browser.submit_pass(&pass).await;
    let secret = page.totp_secret();
    let code = totp::code_at(&secret, TotpParameters::default(), world.now()).unwrap();
    browser.confirm(&code).await;
    world.advance(30);
    let page = browser.get(&at).await;
    assert!(page.asks_for_password(), "{}", page.text());
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
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

/// Entra's request by WS-Federation, with more of its query.
fn by_ws_federation(more: &str) -> String {
    let realm = "urn%3afederation%3aMicrosoftOnline";
    format!("/wsfed?domain=contoso.com&wa=wsignin1.0&wtrealm={realm}&wctx=x{more}")
}

#[tokio::test]
async fn a_session_does_not_answer_for_somebody_else_whom_the_party_names() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let other = world.ready("agent2@contoso.com").await;
    let saml = |hint: &str| format!("{}{hint}", entra::request(world.now()).redirect());
    let mut browser = world.browser();
    sign_in(&world, &mut browser, &person).await;
    let pages = [
        saml("&username=Agent2@Contoso.com"),
        saml("&login_hint=agent2@contoso.com"),
        // Whether there is such a person, nobody learns.
        saml("&login_hint=nobody@contoso.com"),
        by_ws_federation("&username=agent2@contoso.com"),
    ];
    for path in &pages {
        let page = browser.get(path).await;
        assert!(page.asks_for_password(), "{path}: {}", page.text());
        assert!(!page.body.contains(person.upn()), "{path}");
        let hinted = ["gent2@", "nobody@"].iter();
        assert!(hinted.clone().any(|name| page.body.contains(*name)));
    }
    // A name that cannot be anybody's here, and the person's own, change nothing.
    for hint in [
        "&username=somebody@example.net",
        "&username=AGENT1@contoso.com",
    ] {
        world.advance(60);
        browser.get(&saml(hint)).await.expect_answer();
    }
    // Who may not be asked gets no answer about the other one.
    world.advance(60);
    let passive = entra::request(world.now()).with(r#"IsPassive="true""#);
    let path = format!("{}&domain=contoso.com", passive.redirect());
    let page = browser
        .get(&format!("{path}&username={}", other.upn()))
        .await;
    let status = page.answer().unwrap().status().unwrap();
    assert!(status.ends_with("NoPassive"), "{status}");

    // Until the second person signed in, the first one's session is as it was.
    let page = browser.get(&saml("&username=agent2@contoso.com")).await;
    assert!(page.asks_for_password());
    let attempt = browser.at.clone();
    let page = browser.get("/account").await;
    assert!(page.text().contains(person.upn()), "{}", page.text());
    browser.get(&attempt).await;
    browser.submit_password(other.upn(), PASSWORD).await;
    let answer = browser.submit_code(&other.code(world.now())).await;
    assert_eq!(answer.expect_answer().authn_instant(), Some(world.now()));
    let page = browser.get("/account").await;
    assert!(page.text().contains(other.upn()), "{}", page.text());
}

#[tokio::test]
async fn wrong_codes_beside_a_carried_password_do_not_count_against_it() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    only_the_code_is_asked(&world, &mut browser, &person).await;
    let near =
        "UPDATE throttle SET failures = 100, counts = 'in-a-row' WHERE bucket LIKE 'in-a-row:%'";
    let counter = format!(
        "INSERT INTO throttle (bucket, counts, failures, wait_until, touched_at)
         VALUES ('in-a-row:{}', 'in-a-row', 0, 0, 0) ON CONFLICT DO NOTHING",
        person.user.id
    );
    world.sql().await.define(&counter).await;
    world.sql().await.run(near).await;
    // The next one that counts would be the last. Here nobody gave the password.
    assert!(start(&world, &mut browser).await.asks_for_code());
    let page = browser.submit_code("000000").await;
    assert!(page.asks_for_code(), "{}", page.text());
    // Where it was given, it counts.
    let mut elsewhere = world.browser();
    start(&world, &mut elsewhere).await;
    elsewhere.submit_password(person.upn(), PASSWORD).await;
    elsewhere.submit_code("000000").await;
    start(&world, &mut elsewhere).await;
    let page = elsewhere.submit_password(person.upn(), PASSWORD).await;
    assert!(page.text().contains("switched off"), "{}", page.text());
}

#[tokio::test]
async fn what_was_done_to_the_account_is_told_after_both_factors_whatever_had_aged() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    for partly_aged in [false, true] {
        let mut browser = world.browser();
        world.advance(60);
        if partly_aged {
            only_the_code_is_asked(&world, &mut browser, &person).await;
        } else {
            sign_in(&world, &mut browser, &person).await;
        }
        let notice = format!(
            "INSERT INTO notices (id, user_id, kind, by_whom, noted_at)
             VALUES ('ntc_{}', '{}', 'token-resynced', 'tester', {})",
            if partly_aged { "b" } else { "a" }.repeat(26),
            person.user.id,
            world.now().as_millis()
        );
        world.sql().await.run(&notice).await;
        let page = start(&world, &mut browser).await;
        assert!(page.asks_for_password(), "{}", page.text());
        let page = browser.submit_password(person.upn(), PASSWORD).await;
        assert!(page.asks_for_code(), "{}", page.text());
        world.advance(30);
        let page = browser.submit_code(&person.code(world.now())).await;
        assert!(page.text().contains("brought back into step"));
        browser.submit(&[]).await.expect_answer();
        world.advance(20 * 60);
    }
}

#[tokio::test]
async fn stepping_up_elsewhere_does_not_make_a_party_forget_that_it_asked_again() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = world.browser();
    sign_in(&world, &mut browser, &person).await;
    world.advance(9 * 60 + 30);
    let page = browser.get(&by_ws_federation("&wfresh=10")).await;
    assert!(page.asks_for_password(), "{}", page.text());
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    assert!(page.body.contains("wresult"), "{}", page.text());

    // The password is four minutes old, the code thirteen: Entra is answered out of that.
    world.advance(4 * 60);
    start(&world, &mut browser).await.expect_answer();
    // Meanwhile, in another tab, one of the two is proved again.
    world.advance(10);
    let page = browser.get("/account/password").await;
    assert!(page.asks_for_code(), "{}", page.text());
    let page = browser.submit_code(&person.code(world.now())).await;
    assert_eq!(browser.at, "/account", "{}", page.text());
    // Entra asks again: the password, which was not, is still what it found too old.
    world.advance(60);
    let page = start(&world, &mut browser).await;
    assert!(page.asks_for_password(), "{}", page.text());
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
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
async fn who_is_not_the_one_who_is_stepped_up_signs_in_with_another_name() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let other = world.ready("agent2@contoso.com").await;
    let mut browser = world.browser();
    only_the_code_is_asked(&world, &mut browser, &person).await;
    // By POST: for whoever has JavaScript or not, and by no link.
    assert!(start(&world, &mut browser).await.asks_for_code());
    let attempt = browser.at.clone();
    let way_out = format!("{attempt}/not-me");
    assert!(browser.get(&way_out).await.asks_for_code());
    let forged = browser.post(&way_out, &[("csrf", "x")]).await;
    assert_eq!(forged.status.as_u16(), 403, "{}", forged.text());
    // Nor from another browser.
    let mut elsewhere = world.browser();
    elsewhere.post(&way_out, &[("csrf", "x")]).await;
    assert!(browser.get(&attempt).await.asks_for_code());

    // What was proved here goes with it.
    let page = browser.press(&way_out).await;
    assert_eq!(browser.at, attempt);
    assert!(page.asks_for_password(), "{}", page.text());
    assert!(!page.body.contains(person.upn()), "{}", page.text());
    let page = browser.submit_password(other.upn(), PASSWORD).await;
    assert!(page.asks_for_code() && page.body.contains(other.upn()));
    // It goes on being the same person or not at all, until that is said again.
    let page = browser.press(&way_out).await;
    assert!(page.asks_for_password(), "{}", page.text());
    // The first one's session lives, but nothing of it counts in this attempt.
    let account = browser.get("/account").await;
    assert!(account.text().contains(person.upn()), "{}", account.text());
    browser.get(&attempt).await;
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
    browser.press(&way_out).await;
    // Elsewhere it does: only this attempt was changed.
    let mut tab = world.browser();
    tab.cookies = browser.cookies.clone();
    assert!(start(&world, &mut tab).await.asks_for_code());

    browser.submit_password(other.upn(), PASSWORD).await;
    let page = browser.submit_code(&person.code(world.now())).await;
    assert!(page.asks_for_code(), "{}", page.text());
    let answer = browser.submit_code(&other.code(world.now())).await;
    let answer = answer.expect_answer();
    assert_eq!(answer.authn_instant(), Some(world.now()));
    assert_eq!(
        answer.name_id(),
        other.user.immutable_id.as_ref().map(ToString::to_string)
    );
    let account = browser.get("/account").await;
    assert!(account.text().contains(other.upn()), "{}", account.text());
    // That attempt is answered: nothing leads back.
    let page = browser.post(&way_out, &[("csrf", "x")]).await;
    assert!(!page.status.is_success());
}

#[tokio::test]
async fn the_way_out_stays_when_what_was_carried_does_not_count_any_more() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let other = world.ready("agent2@contoso.com").await;
    for what in ["aged", "ended"] {
        let mut browser = world.browser();
        only_the_code_is_asked(&world, &mut browser, &person).await;
        assert!(start(&world, &mut browser).await.asks_for_code());
        let attempt = browser.at.clone();
        let way_out = format!("{attempt}/not-me");
        if what == "aged" {
            world.advance(10 * 60 + 1);
        } else {
            let end = "UPDATE sessions SET revoked_at = 1";
            world.sql().await.run(end).await;
        }
        // From the code page that was open all the while, or from the password's.
        if what == "ended" {
            let page = browser.get(&attempt).await;
            assert!(page.asks_for_password(), "{what}: {}", page.text());
            assert!(page.body.contains(person.upn()), "{what}");
        }
        let page = browser.press(&way_out).await;
        assert!(page.asks_for_password(), "{what}: {}", page.text());
        assert!(!page.body.contains(person.upn()), "{what}: {}", page.text());
        assert!(!page.body.contains("not-me"), "nobody is named: {what}");
        let page = browser.submit_password(other.upn(), PASSWORD).await;
        assert!(page.asks_for_code(), "{what}: {}", page.text());
        let answer = browser.submit_code(&other.code(world.now())).await;
        assert_eq!(answer.expect_answer().authn_instant(), Some(world.now()));
        world.advance(20 * 60);
    }
}
