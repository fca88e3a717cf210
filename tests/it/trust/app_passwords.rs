//! Application passwords: made on the account page or by an operator, seen, revoked.

use claimbridge::{app::Category, signin::active::ActiveDoor};

use super::world;
use crate::support::{Browser, PASSWORD, Page, Person, World};

async fn at_the_account(world: &World, person: &Person) -> Browser {
    let mut browser = world.browser();
    browser.get("/account").await;
    browser.submit_password(person.upn(), PASSWORD).await;
    browser.submit_code(&person.code(world.now())).await;
    if browser.at != "/account" {
        browser.submit(&[]).await;
    }
    assert_eq!(browser.at, "/account", "{:?}", browser.page);
    browser
}

async fn make(browser: &mut Browser, label: &str) -> Page {
    let page = browser.page.clone().unwrap();
    let mut forms = page.forms().into_iter();
    let form = forms.find(|form| form.action == "/account/app-passwords");
    let form = form.unwrap_or_else(|| panic!("{}", page.text()));
    browser.send_form(&form, &[("name", label)]).await
}

async fn stored(world: &World, person: &Person) -> Vec<(String, bool)> {
    let list = world.app().app_passwords_of(&person.user.upn).await;
    let list = list.unwrap().into_iter();
    list.map(|one| (one.label, one.last_used_at.is_some()))
        .collect()
}

#[tokio::test]
async fn one_is_made_for_a_device_shown_once_and_revoked() {
    let world = world(ActiveDoor::ApplicationPasswords).await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = at_the_account(&world, &person).await;
    let page = make(&mut browser, "<b>Scanner</b>").await;
    let value = page.body.split("<code>").nth(1).unwrap();
    let value = value.split("</code>").next().unwrap().to_owned();
    assert_eq!(value.len(), 34, "{}", page.text());
    assert!(!page.body.contains("<b>Scanner"), "{}", page.body);
    let page = browser.get("/account").await;
    assert!(!page.body.contains(&value), "shown once");
    assert!(page.text().contains("never used"), "{}", page.text());
    assert_eq!(
        stored(&world, &person).await,
        [("<b>Scanner</b>".to_owned(), false)]
    );
    // A name has something in it and an end.
    for bad in ["", "  ", "two\nlines", &"x".repeat(65)] {
        browser.get("/account").await;
        let page = make(&mut browser, bad).await;
        assert_eq!(page.status, 400, "{bad:?}");
    }

    let page = browser.get("/account").await;
    let actions: Vec<String> = page.forms().into_iter().map(|form| form.action).collect();
    let revoke = actions.iter().find(|action| action.ends_with("/revoke"));
    let page = browser.press(revoke.unwrap()).await;
    assert_eq!(browser.at, "/account");
    assert!(
        page.text().contains("An application password was revoked"),
        "what changed: {}",
        page.text()
    );
    assert!(stored(&world, &person).await.is_empty());
}

/// It does nothing on a sign-in page: it is no password there, and no second step.
#[tokio::test]
async fn attack_21_on_a_sign_in_page_an_application_password_is_a_wrong_password() {
    let world = world(ActiveDoor::OwnPasswordsToo).await;
    let person = world.ready("agent1@contoso.com").await;
    let made = world
        .app()
        .add_app_password(&person.user.upn, "Scanner", "tester")
        .await
        .unwrap();
    let mut browser = world.browser();
    browser.get("/account").await;
    let page = browser
        .submit_password(person.upn(), made.value.expose())
        .await;
    assert!(page.asks_for_password(), "{}", page.text());
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
    let page = browser.submit_code(made.value.expose()).await;
    assert!(page.asks_for_code(), "{}", page.text());
}

#[tokio::test]
async fn attack_6_making_one_needs_a_sign_in_of_a_moment_ago() {
    let world = world(ActiveDoor::ApplicationPasswords).await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = at_the_account(&world, &person).await;
    world.advance(6 * 60);
    let page = make(&mut browser, "Scanner").await;
    assert!(page.asks_for_password(), "{}", page.text());
    assert!(stored(&world, &person).await.is_empty());
}

/// What an operator does is told to the person, ends the sessions, and names the operator.
#[tokio::test]
async fn an_operators_one_is_told_to_its_person() {
    let world = world(ActiveDoor::ApplicationPasswords).await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = at_the_account(&world, &person).await;
    let app = world.app();
    let made = app.add_app_password(&person.user.upn, "Scanner", "alice");
    made.await.unwrap();
    world.advance(60);
    let page = browser.get("/account").await;
    assert!(
        page.asks_for_password(),
        "the session ended: {}",
        page.text()
    );
    browser.submit_password(person.upn(), PASSWORD).await;
    let page = browser.submit_code(&person.code(world.now())).await;
    let text = page.text();
    assert!(
        text.contains("An application password was made") && text.contains("alice"),
        "{text}"
    );
}

#[tokio::test]
async fn a_new_password_and_a_reset_end_them_all_and_a_new_master_key_none() {
    let mut world = world(ActiveDoor::ApplicationPasswords).await;
    let person = world.ready("agent1@contoso.com").await;
    let upn = person.user.upn.clone();
    for with in ["password", "reset", "rewrap"] {
        let app = world.app();
        for label in ["one", "two"] {
            app.add_app_password(&upn, label, "tester").await.unwrap();
        }
        match with {
            "password" => {
                let password = claimbridge::base::secret::Secret::new("another good one".into());
                app.set_password(&upn, password, "tester").await.unwrap();
            }
            "reset" => app.reset_user(&upn, "tester").await.unwrap(),
            _ => {
                let random = &mut claimbridge::base::random::SystemRandom;
                let new = claimbridge::keys::sealing::MasterKey::random(random);
                let old = world.sealing();
                let sealing = claimbridge::keys::sealing::Sealing::new(&new);
                let done = claimbridge::app::keys::rewrap(
                    app.store(),
                    &old,
                    &sealing,
                    "tester",
                    world.now(),
                    random,
                );
                assert_eq!(done.await.unwrap().app_passwords, 2);
                world.set_master(new);
                world.nodes.clear();
                world.start_node().await;
                assert_eq!(stored(&world, &person).await.len(), 2);
                continue;
            }
        }
        assert!(stored(&world, &person).await.is_empty(), "{with}");
    }
}

/// For a device that was stolen: all at once, and one notice (review L13).
#[tokio::test]
async fn an_operator_revokes_all_at_once() {
    let world = world(ActiveDoor::ApplicationPasswords).await;
    let person = world.ready("agent1@contoso.com").await;
    let (app, upn) = (world.app(), &person.user.upn);
    for label in ["one", "two", "three"] {
        app.add_app_password(upn, label, "tester").await.unwrap();
    }
    let gone = app.app_passwords_of(upn).await.unwrap().remove(1).id;
    app.revoke_app_password(upn, &gone, "tester").await.unwrap();
    let mut tx = app.store().read().await.unwrap();
    let before = tx.unseen_notices(&person.user.id).await.unwrap().len();
    drop(tx);
    let revoked = app.revoke_app_passwords(upn, "tester").await.unwrap();
    assert_eq!(revoked.len(), 2);
    assert!(stored(&world, &person).await.is_empty());
    let mut tx = app.store().read().await.unwrap();
    let after = tx.unseen_notices(&person.user.id).await.unwrap().len();
    assert_eq!(after - before, 1);
    let events = tx.events_of(&person.user.id, 100).await.unwrap();
    let told = events
        .iter()
        .filter(|event| event.kind() == "app-password-revoked");
    assert_eq!(told.count(), 3);
    drop(tx);
    assert!(
        app.revoke_app_passwords(upn, "tester")
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn nobody_has_more_than_twenty_and_a_closed_door_takes_none() {
    let open = world(ActiveDoor::ApplicationPasswords).await;
    let person = open.add_user("agent1@contoso.com").await;
    for number in 0..20 {
        let label = format!("device {number}");
        let made = open.app().add_app_password(&person.upn, &label, "tester");
        made.await.unwrap();
    }
    let one_more = open
        .app()
        .add_app_password(&person.upn, "one more", "tester");
    let error = one_more.await.unwrap_err();
    assert_eq!(error.category(), Category::Conflict);
    assert!(error.detail().contains("revoke"), "{error}");

    let closed = world(ActiveDoor::Closed).await;
    let person = closed.ready("agent1@contoso.com").await;
    let made = closed
        .app()
        .add_app_password(&person.user.upn, "x", "tester");
    let error = made.await.unwrap_err();
    assert!(error.detail().contains("[trust]"), "{error}");
    let browser = at_the_account(&closed, &person).await;
    let page = browser.page.unwrap();
    assert!(
        !page.text().contains("Application password"),
        "{}",
        page.text()
    );
}

/// None is handed out that would open nothing (review M2-4).
#[tokio::test]
async fn nobody_gets_one_whose_domain_takes_no_programs() {
    let mut world = world(ActiveDoor::ApplicationPasswords).await;
    let person = world.ready("agent1@fabrikam.com").await;
    let upn = person.user.upn.clone();
    let refused = world.app().add_app_password(&upn, "Scanner", "tester");
    let error = refused.await.unwrap_err();
    assert_eq!(error.category(), Category::Conflict);
    assert!(error.detail().contains("fabrikam.com"), "{error}");
    assert!(error.detail().contains("wsFed"), "{error}");
    let page = at_the_account(&world, &person).await.page.unwrap();
    assert!(!page.text().contains("Application password"), "{page:?}");
    // Those of before are shown, and can be revoked.
    super::guesses::device_of_before(&mut world, person.upn()).await;
    world.advance(30);
    let mut browser = at_the_account(&world, &person).await;
    let page = browser.page.clone().unwrap();
    assert!(
        page.text().contains("open nothing for you"),
        "{}",
        page.text()
    );
    let actions: Vec<String> = page.forms().into_iter().map(|form| form.action).collect();
    assert!(
        !actions
            .iter()
            .any(|action| action == "/account/app-passwords")
    );
    let revoke = actions
        .iter()
        .find(|action| action.ends_with("/revoke") && action.contains("app-passwords"));
    browser.press(revoke.unwrap()).await;
    assert!(stored(&world, &person).await.is_empty());
}
