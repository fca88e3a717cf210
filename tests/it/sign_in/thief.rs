//! Somebody else holds a proof (a key with its PIN, a session) while it is taken away.

use std::{sync::Arc, time::Duration};

use claimbridge::{
    app::{
        Error,
        account::{FRESH, FreshSession},
        enrol::{Confirm, NewKeyOutcome},
        passes::PassOptions,
    },
    base::{clock::Timestamp, ids::AttemptId, random::SystemRandom, secret::Secret},
    directory::{PassReuse, TotpParameters},
    factor::totp::code_at,
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
        let secret = browser.choose_totp().await.totp_secret();
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
    assert_eq!(page.status, 409, "{}", page.text());
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
