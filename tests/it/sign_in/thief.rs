//! Somebody else holds a proof (a key with its PIN, a session) while it is taken away.

use std::{sync::Arc, time::Duration};

use claimbridge::{
    app::{
        Error,
        account::{FRESH, FreshSession},
        enrol::{Confirm, NewKeyOutcome},
        passes::PassOptions,
        prove::Guess,
    },
    base::{
        clock::Timestamp,
        ids::{AttemptId, CredentialId},
        random::SystemRandom,
        secret::Secret,
    },
    directory::{PassReuse, PasswordCredential, TotpParameters},
    factor::{
        password::{self, HashCost},
        totp::code_at,
    },
};

use super::keys::{asked, attempt_of, registers, signs, to_new_key};
use crate::{
    soft_key::SoftKey,
    support::{Browser, PASSWORD, PUBLIC_URL, Person, World},
};

const UPN: &str = "agent1@contoso.com";
const NEW_PASSWORD: &str = "märzveilchen und teer";

/// Somebody with a code generator and a key.
async fn with_both(world: &World) -> (Person, SoftKey) {
    let person = world.ready(UPN).await;
    let mut key = SoftKey::new();
    let mut browser = to_new_key(world, UPN).await;
    registers(&mut browser, &mut key).await;
    (person, key)
}

/// On the account page by the key alone, as whoever has it and knows its PIN.
async fn by_key(world: &World, key: &mut SoftKey) -> Browser {
    let mut browser = world.browser();
    browser.get("/account").await;
    signs(&mut browser, "passkey", key).await;
    if browser.at != "/account" {
        browser.submit(&[]).await;
    }
    assert_eq!(browser.at, "/account", "{:?}", browser.page);
    browser
}

/// On the account page by password and code.
async fn by_code(world: &World, person: &Person) -> Browser {
    let mut browser = world.browser();
    browser.get("/account").await;
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    if !page.asks_for_code() {
        let by_code = format!("/sign-in/{}/code", attempt_of(&browser));
        browser.get(&by_code).await;
    }
    browser.submit_code(&person.code(world.now())).await;
    if browser.at != "/account" {
        browser.submit(&[]).await;
    }
    assert_eq!(browser.at, "/account", "{:?}", browser.page);
    browser
}

fn code_of(secret: &[u8], at: Timestamp) -> String {
    code_at(secret, TotpParameters::default(), at).unwrap()
}

async fn counting(world: &World) -> usize {
    let view = world.app().view_user(&UPN.parse().unwrap()).await.unwrap();
    view.counting()
}

/// How the key is taken away.
#[derive(Clone, Copy, Debug)]
enum Taken {
    /// By its person, on the account page.
    OnThePage,
    /// By somebody who ends nothing else.
    InTheStore,
}

#[tokio::test]
async fn attack_6_who_holds_a_stolen_key_adds_nothing_once_it_is_taken_away() {
    for taken in [Taken::OnThePage, Taken::InTheStore] {
        let world = World::new().await;
        let (person, mut key) = with_both(&world).await;
        world.advance(60);
        let mut thief = by_key(&world, &mut key).await;
        thief.press("/account/add").await;
        let secret = thief.choose_totp().await.totp_secret();
        let mut tx = world.app().store().begin().await.unwrap();
        let stolen = tx
            .security_keys_of(&person.user.id)
            .await
            .unwrap()
            .remove(0);
        match taken {
            Taken::OnThePage => {
                drop(tx);
                let victim = by_code(&world, &person).await;
                let app = world.app();
                let fresh = app.require_fresh(&victim.app_cookies()).await.unwrap();
                app.remove_method(&fresh, &stolen.id).await.unwrap();
            }
            Taken::InTheStore => {
                let at = world.now();
                tx.revoke_security_key(&stolen.id, at).await.unwrap();
                tx.commit().await.unwrap();
            }
        }
        let page = thief.confirm(&code_of(&secret, world.now())).await;
        assert_eq!(counting(&world).await, 1, "{taken:?}: {}", page.text());
        let page = thief.get("/account").await;
        assert!(page.asks_for_password(), "{taken:?}: {}", page.text());
    }
}

/// What an operator does to somebody who has called for help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Help {
    Reset,
    Password,
    Disable,
    Pass,
    EndSessions,
}

async fn help(world: &World, how: Help) -> Result<(), Error> {
    let (app, upn) = (world.app(), UPN.parse().unwrap());
    match how {
        Help::Reset => app.reset_user(&upn, "tester").await,
        Help::Password => {
            let password = Secret::new(NEW_PASSWORD.to_owned());
            app.set_password(&upn, password, "tester").await
        }
        Help::Disable => app.disable_user(&upn, "tester").await,
        Help::Pass => {
            let options = PassOptions::default();
            app.issue_pass(&upn, options, "tester").await.map(drop)
        }
        Help::EndSessions => app.end_sessions(&upn, "tester").await.map(drop),
    }
}

/// A request that was let in a moment ago, and whose work (a hash takes long) ends after an
/// operator helped: it changes nothing any more.
#[tokio::test]
async fn attack_6_what_was_let_in_before_an_operator_helped_changes_nothing_after() {
    let all = [
        Help::Reset,
        Help::Password,
        Help::Disable,
        Help::Pass,
        Help::EndSessions,
    ];
    for how in all {
        let world = World::new().await;
        let (person, mut key) = with_both(&world).await;
        world.advance(60);
        let thief = by_key(&world, &mut key).await;
        let app = world.app();
        let cookies = thief.app_cookies();
        let let_in = async || -> FreshSession { app.require_fresh(&cookies).await.unwrap() };
        let fresh = let_in().await;
        let adding = let_in().await;
        let mut tx = app.store().read().await.unwrap();
        let method = tx.totp_of(&person.user.id).await.unwrap().remove(0).id;
        let session = tx.sessions_of(&person.user.id).await.unwrap().remove(0).id;
        drop(tx);
        help(&world, how).await.unwrap();
        let mut tx = app.store().read().await.unwrap();
        let before = tx.events_of(&person.user.id, 1000).await.unwrap().len();
        let phc = async |tx: &mut claimbridge::storage::ReadTx<'_>| {
            let password = tx.password_of(&person.user.id).await.unwrap();
            password.map(|password| password.phc)
        };
        let password = phc(&mut tx).await;
        drop(tx);

        let mine = Secret::new("the thief's own words".to_owned());
        let refused = [
            app.change_password(&fresh, mine).await.err(),
            app.rename_method(&fresh, &method, "mine").await.err(),
            app.remove_method(&fresh, &method).await.err(),
            app.end_own_session(&fresh, &session).await.err(),
            app.make_recovery_codes(&fresh).await.err(),
            app.add_method(adding, &cookies).await.err(),
        ];
        for (number, error) in refused.into_iter().enumerate() {
            let code = error.map(|error| error.code().code);
            assert_eq!(code, Some("CB-ACCOUNT-002"), "{how:?}, {number}");
        }
        let mut tx = app.store().read().await.unwrap();
        let after = tx.events_of(&person.user.id, 1000).await.unwrap().len();
        assert_eq!(after, before, "{how:?}");
        assert_eq!(phc(&mut tx).await, password, "{how:?}");
        let left = tx.recovery_codes_left(&person.user.id).await.unwrap();
        assert_eq!(left, 0, "{how:?}");
    }
}

/// A key is confirmed, a password chosen and a program confirmed at the moment of a reset, on
/// several nodes: whichever comes first, nothing is left that counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_6_what_is_added_at_the_moment_of_a_reset_does_not_outlive_it() {
    let world = World::new().await;
    world.ready(UPN).await;
    let upn = UPN.parse().unwrap();
    for round in 0..12 {
        // In every round somebody adds by a pass; every third time there is no password yet.
        if round % 3 == 0 {
            world.app().reset_user(&upn, "tester").await.unwrap();
        } else {
            let password = Secret::new(PASSWORD.to_owned());
            world
                .app()
                .set_password(&upn, password, "tester")
                .await
                .unwrap();
        }
        let options = PassOptions {
            reuse: PassReuse::UntilExpiry,
            ..PassOptions::default()
        };
        let pass = world.app().issue_pass(&upn, options, "tester").await;
        let pass = pass.unwrap().value;
        let mut browser = world.browser();
        browser.get("/account").await;
        let by_pass = format!("{}/pass", browser.at);
        browser.get(&by_pass).await;
        browser
            .submit(&[("username", UPN), ("pass", pass.expose())])
            .await;
        let (attempt, cookies) = (attempt_of(&browser), browser.app_cookies());
        let adding = match round % 3 {
            0 => Adding::Password,
            1 => {
                let secret = browser.choose_totp().await.totp_secret();
                Adding::Code(code_of(&secret, world.now()))
            }
            _ => {
                let page = browser.page.clone().unwrap();
                let of_keys = page.forms().into_iter().find(|form| {
                    let mut inputs = form.inputs.iter();
                    inputs.any(|input| input.value == "security-key")
                });
                browser.send_form(&of_keys.unwrap(), &[]).await;
                let (_, _, question) = asked(&mut browser, "new-key").await;
                Adding::Key(SoftKey::new().registers(&question, PUBLIC_URL))
            }
        };
        let adds = {
            let app = Arc::clone(&world.nodes[world.nodes.len() - 1].app);
            tokio::spawn(async move { adding.at(&app, &attempt, &cookies).await })
        };
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        world.app().reset_user(&upn, "tester").await.unwrap();
        let added = adds.await.unwrap();
        let view = world.app().view_user(&upn).await.unwrap();
        assert_eq!(view.counting(), 0, "round {round}, added: {added}");
        let mut tx = world.app().store().read().await.unwrap();
        let password = tx.password_of(&view.user.id).await.unwrap();
        assert!(password.is_none(), "round {round}, added: {added}");
        world.advance(30);
    }
}

enum Adding {
    Password,
    Code(String),
    Key(String),
}

impl Adding {
    /// Whether it was added for a moment at least.
    async fn at(
        self,
        app: &claimbridge::app::App,
        attempt: &AttemptId,
        cookies: &claimbridge::app::sign_in::Browser,
    ) -> bool {
        match self {
            Self::Password => {
                let password = Secret::new(NEW_PASSWORD.to_owned());
                app.choose_password(attempt, cookies, password)
                    .await
                    .is_ok()
            }
            Self::Code(code) => {
                let confirmed = app.confirm_totp(attempt, cookies, "desk", &code).await;
                confirmed.is_ok_and(|confirmed| matches!(confirmed, Confirm::Added(_)))
            }
            Self::Key(answer) => {
                let added = app.confirm_key(attempt, cookies, "key", &answer).await;
                added.is_ok_and(|added| matches!(added, NewKeyOutcome::Added(_)))
            }
        }
    }
}

/// The five minutes of the proofs are counted to the end of the change, not to its beginning.
#[tokio::test]
async fn attack_5_an_enrolment_from_the_account_ends_when_its_proofs_are_not_fresh_any_more() {
    for (wait, added) in [(200, false), (199, true)] {
        let world = World::new().await;
        let person = world.ready(UPN).await;
        let mut browser = by_code(&world, &person).await;
        world.advance(100);
        browser.press("/account/add").await;
        let page = browser.choose_totp().await;
        let text = page.text();
        assert!(text.contains("There is time until 20"), "{text}");
        let secret = page.totp_secret();
        world.advance(wait);
        assert_eq!(FRESH, Duration::from_mins(5));
        browser.confirm(&code_of(&secret, world.now())).await;
        let expected = 1 + usize::from(added);
        assert_eq!(counting(&world).await, expected, "{wait}");
    }
    // With too little time to set anything up, a sign-in comes first.
    let world = World::new().await;
    let person = world.ready(UPN).await;
    let mut browser = by_code(&world, &person).await;
    let account = browser.page.clone();
    world.advance(180);
    let page = browser.press("/account/add").await;
    assert!(!page.asks_for_password(), "{}", page.text());
    world.advance(1);
    browser.page = account;
    let page = browser.press("/account/add").await;
    assert!(page.asks_for_password(), "{}", page.text());
}

/// The number of methods is looked at when one is confirmed, not only when it is begun.
#[tokio::test]
async fn attack_6_an_eleventh_method_is_not_confirmed() {
    let world = World::new().await;
    let person = world.ready(UPN).await;
    let mut browser = by_code(&world, &person).await;
    browser.press("/account/add").await;
    let secret = browser.choose_totp().await.totp_secret();
    let mut tx = world.app().store().begin().await.unwrap();
    let mut more = tx.totp_of(&person.user.id).await.unwrap().remove(0);
    for _ in 0..9 {
        more.id = claimbridge::base::ids::CredentialId::random(&mut SystemRandom);
        tx.insert_totp(&more).await.unwrap();
    }
    tx.commit().await.unwrap();
    let page = browser.confirm(&code_of(&secret, world.now())).await;
    assert_eq!(page.status, 403, "{}", page.text());
    let mut tx = world.app().store().read().await.unwrap();
    let live = tx.totp_of(&person.user.id).await.unwrap();
    assert_eq!(live.iter().filter(|totp| totp.is_live()).count(), 10);
}

#[tokio::test]
async fn attack_17_a_session_opens_no_more_attempts_than_its_source_may_have() {
    let mut world = World::new().await;
    let person = world.ready(UPN).await;
    world.settings.open_attempts_per_source = 3;
    world.nodes.clear();
    world.start_node().await;
    let mut browser = by_code(&world, &person).await;
    browser.source = "203.0.113.8".to_owned();
    let account = browser.page.clone();
    for number in 0..4 {
        browser.page.clone_from(&account);
        let page = browser.press("/account/add").await;
        let refused = page.text().contains("CB-SIGNIN-006");
        assert_eq!(refused, number == 3, "{number}: {}", page.text());
    }
}

/// Who takes an account over reads its notices too: its person finds them on the account page.
#[tokio::test]
async fn attack_6_what_a_thief_was_told_the_person_still_finds_on_the_account_page() {
    let world = World::new().await;
    let (person, mut key) = with_both(&world).await;
    // The key is the thief's, who signs in first and knows about it.
    by_key(&world, &mut key).await;
    world.advance(60);
    let victim = by_code(&world, &person).await;
    let text = victim.page.clone().unwrap().text();
    let shown = text.split("What changed in the last 30 days").nth(1);
    let shown = shown.unwrap_or_else(|| panic!("{text}"));
    let shown = shown.split("Last sign-ins").next().unwrap();
    assert_eq!(
        shown.matches("A way to sign in was added").count(),
        2,
        "{shown}"
    );
    assert!(shown.contains("by tester"), "{shown}");
    world.clock.advance(Duration::from_hours(30 * 24));
    let victim = by_code(&world, &person).await;
    let text = victim.page.clone().unwrap().text();
    assert!(!text.contains("What changed"), "{text}");
}

/// Who found the sheet and knows the password opens enrolment by a code; its person, told of
/// it, makes ten new ones, which says that the old become void.
#[tokio::test]
async fn attack_5_what_a_recovery_code_opened_ends_with_the_former_codes() {
    let world = World::new().await;
    let person = world.ready(UPN).await;
    let victim = by_code(&world, &person).await;
    let app = world.app();
    let fresh = app.require_fresh(&victim.app_cookies()).await.unwrap();
    let sheet = app.make_recovery_codes(&fresh).await.unwrap();
    for voided in [true, false] {
        let mut thief = world.browser();
        thief.get("/account").await;
        thief.submit_password(UPN, PASSWORD).await;
        thief.get(&format!("{}/pass", thief.at)).await;
        let code = &sheet[usize::from(!voided)];
        let page = thief.submit_pass(code.expose()).await;
        let now_void = !page.body.contains("otpauth");
        assert_eq!(now_void, !voided, "{}", page.text());
        if voided {
            let secret = page.totp_secret();
            app.make_recovery_codes(&fresh).await.unwrap();
            thief.confirm(&code_of(&secret, world.now())).await;
        }
        assert_eq!(counting(&world).await, 1);
    }
}

/// The method that a thief signed in with goes, and the thief's session with it: it is not
/// listed as one that lives, and that it ended is an event.
#[tokio::test]
async fn attack_6_sessions_that_rest_on_a_removed_key_end_with_it() {
    let world = World::new().await;
    let (person, mut key) = with_both(&world).await;
    world.advance(60);
    by_key(&world, &mut key).await;
    let victim = by_code(&world, &person).await;
    let (app, cookies) = (world.app(), victim.app_cookies());
    let view = app.account(&cookies).await.unwrap().unwrap();
    assert_eq!(view.sessions.len(), 2);
    let fresh = app.require_fresh(&cookies).await.unwrap();
    let stolen = view
        .methods
        .iter()
        .find(|method| method.kind == claimbridge::directory::MethodKind::SecurityKey);
    app.remove_method(&fresh, &stolen.unwrap().id)
        .await
        .unwrap();
    let view = app.account(&cookies).await.unwrap().unwrap();
    let left: Vec<_> = view.sessions.iter().map(|known| &known.row.id).collect();
    assert_eq!(left, [&view.session.id]);
    let mut tx = app.store().read().await.unwrap();
    let events = tx.events_of(&person.user.id, 10).await.unwrap();
    let ended = events
        .iter()
        .filter(|event| event.kind() == "session-ended");
    let reasons: Vec<_> = ended.map(|event| event.event["reason"].clone()).collect();
    assert_eq!(reasons, ["method-removed"]);
}

/// What somebody typed with the former password is not held against who has the new one.
#[tokio::test]
async fn attack_2_a_password_of_ones_own_choice_begins_a_new_row_of_failures() {
    let world = World::new().await;
    let person = world.ready(UPN).await;
    let mut thief = world.browser();
    thief.get("/account").await;
    thief.submit_password(UPN, PASSWORD).await;
    for _ in 0..3 {
        thief.submit_code("000000").await;
    }
    let bucket = format!("in-a-row:{}", person.user.id);
    let failures = async || -> u32 {
        let mut tx = world.app().store().read().await.unwrap();
        tx.failures(&bucket).await.unwrap()
    };
    let victim = by_code(&world, &person).await;
    // The victim's own right code ended the row; it begins once more.
    assert_eq!(failures().await, 0);
    thief.submit_code("000000").await;
    assert_eq!(failures().await, 1);
    let app = world.app();
    let fresh = app.require_fresh(&victim.app_cookies()).await.unwrap();
    let password = Secret::new(NEW_PASSWORD.to_owned());
    app.change_password(&fresh, password).await.unwrap();
    assert_eq!(failures().await, 0);
}

fn of_new_password(world: &World, user: &claimbridge::directory::User) -> PasswordCredential {
    let mut random = SystemRandom;
    let id = CredentialId::random(&mut random);
    let password = Secret::new(NEW_PASSWORD.to_owned());
    let phc = password::hash(&password, HashCost::FLOOR, &mut random).unwrap();
    let tag = PasswordCredential::make_tag(&world.sealing(), &id, &user.id, &phc);
    PasswordCredential {
        id,
        user: user.id.clone(),
        phc,
        set_at: world.now(),
        dead_at: None,
        tag,
    }
}

/// Hashing takes long under load. A password that was replaced meanwhile is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_6_a_password_that_was_replaced_while_it_was_checked_is_wrong() {
    let world = World::new().await;
    let user = world.add_user(UPN).await;
    for round in 0.. {
        assert!(round < 50, "the check was always faster");
        let password = Secret::new(PASSWORD.to_owned());
        let upn = user.upn.clone();
        let app = Arc::clone(world.app());
        app.set_password(&upn, password.clone(), "tester")
            .await
            .unwrap();
        let mut thief = world.browser();
        thief.get("/account").await;
        let (attempt, cookies) = (attempt_of(&thief), thief.app_cookies());
        let new = of_new_password(&world, &user);
        let guess = {
            let (app, attempt) = (Arc::clone(&app), attempt.clone());
            tokio::spawn(
                async move { app.submit_password(&attempt, &cookies, UPN, password).await },
            )
        };
        // The guess is paid for, so its password was read.
        loop {
            let mut tx = app.store().read().await.unwrap();
            if !tx.events_of_attempt(&attempt).await.unwrap().is_empty() {
                break;
            }
        }
        let mut tx = app.store().begin().await.unwrap();
        // As everything that changes a password does; else PostgreSQL would let both go on.
        tx.lock_user(&user.id).await.unwrap();
        let early = tx.evidence_of(&attempt).await.unwrap().is_empty();
        tx.put_password(&new).await.unwrap();
        tx.commit().await.unwrap();
        let guess = guess.await.unwrap().unwrap();
        if early {
            assert_eq!(guess, Guess::Wrong);
            let mut tx = app.store().read().await.unwrap();
            assert!(tx.evidence_of(&attempt).await.unwrap().is_empty());
            let events = tx.events_of_attempt(&attempt).await.unwrap();
            assert_eq!(events.last().unwrap().event["reason"], "replaced");
            break;
        }
    }
}

/// Nor does a proof of the former password open anything that follows a password.
#[tokio::test]
async fn attack_6_a_proof_of_a_password_that_was_replaced_opens_nothing() {
    let world = World::new().await;
    let (person, _) = with_both(&world).await;
    let victim = by_code(&world, &person).await;
    let app = world.app();
    let fresh = app.require_fresh(&victim.app_cookies()).await.unwrap();
    let codes = app.make_recovery_codes(&fresh).await.unwrap();
    let mut thief = world.browser();
    thief.get("/account").await;
    thief.submit_password(UPN, PASSWORD).await;
    let (attempt, cookies) = (attempt_of(&thief), thief.app_cookies());
    let mut tx = app.store().begin().await.unwrap();
    let new = of_new_password(&world, &person.user);
    tx.put_password(&new).await.unwrap();
    tx.commit().await.unwrap();
    let guess = app.submit_pass(&attempt, &cookies, UPN, &codes[0]).await;
    assert_eq!(guess.unwrap(), Guess::Wrong);
    let refused = [
        app.ask_key(&attempt, &cookies).await.err(),
        app.submit_key(&attempt, &cookies, "{}").await.err(),
        app.submit_code(&attempt, &cookies, "000000").await.err(),
        app.activate_own_token(&attempt, &cookies, "000000", "")
            .await
            .err(),
    ];
    for (number, error) in refused.into_iter().enumerate() {
        let code = error.map(|error| error.code().code);
        assert_eq!(code, Some("CB-SIGNIN-004"), "{number}");
    }
}
