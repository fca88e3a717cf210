//! Something that is needed does not answer: Entra is told so, and nobody makes a way in of it.

use std::{sync::atomic::Ordering, time::Duration};

use claimbridge::base::clock::Timestamp;

use super::{
    kit::{AGENT, Ask, Cloud, Door, OBJECT, TENANT, configure, maybe_told, told},
    refusals::{ends, error},
};
use crate::support::{Browser, Page, Person, World};

/// Somebody has arrived, and a code is asked.
async fn asked(door: &Door) -> (Person, Ask, Browser) {
    let agent = door.agent().await;
    let ask = door.ask(AGENT);
    let mut browser = door.world.browser();
    let page = door.arrive(&mut browser, &ask).await;
    assert!(page.asks_for_code(), "{}", page.text());
    (agent, ask, browser)
}

fn is_outage(door: &Door, ask: &Ask, page: &Page) {
    let told = told(page);
    assert_eq!(told.error(), "temporarily_unavailable");
    assert_eq!(told.action, door.reply_url());
    assert_eq!(told.state, ask.field("state"));
}

async fn receipts(door: &Door, agent: &Person) -> usize {
    let mut tx = door.world.app().store().read().await.unwrap();
    let all = tx.receipts_of(&agent.user.id, 10).await.unwrap();
    let of_this_door =
        |receipt: &&claimbridge::audit::Receipt| receipt.proofs.starts_with("second-factor:");
    all.iter().filter(of_this_door).count()
}

#[tokio::test]
async fn a_cloud_whose_keys_are_away_is_an_outage() {
    let door = Door::new().await;
    door.agent().await;
    door.cloud.answers.store(false, Ordering::SeqCst);
    assert_eq!(
        ends(&door, &door.ask(AGENT)).await,
        error("temporarily_unavailable")
    );
    door.cloud.answers.store(true, Ordering::SeqCst);
    door.world.advance(60);
    let page = door
        .arrive(&mut door.world.browser(), &door.ask(AGENT))
        .await;
    assert!(page.asks_for_code(), "{}", page.text());
}

/// `serve` reads the keys at its start and by time, of the clouds that its tenants are in.
#[tokio::test]
async fn the_first_who_comes_needs_no_cloud_that_answers() {
    let cloud = Cloud::start().await;
    let mut world = World::new().await;
    world.settings.endpoints = Some(cloud.endpoints());
    world.nodes.clear();
    world.start_node().await;
    // Without a tenant no cloud is anybody's.
    world.app().renew_hint_keys().await;
    assert_eq!(cloud.asked.load(Ordering::SeqCst), 0);
    // Added while it runs, by a command.
    configure(&world).await;
    let door = Door { world, cloud };
    door.agent().await;
    let node = &door.world.app().clone();
    node.renew_hint_keys().await;
    assert_eq!(door.cloud.asked.load(Ordering::SeqCst), 2);
    door.cloud.answers.store(false, Ordering::SeqCst);
    let is_asked = async || {
        let mut browser = door.world.browser();
        let page = door.arrive(&mut browser, &door.ask(AGENT)).await;
        page.asks_for_code()
    };
    assert!(is_asked().await);
    node.renew_hint_keys().await;
    assert_eq!(door.cloud.asked.load(Ordering::SeqCst), 2, "not yet");
    // Half a day later, and for two days nobody came.
    door.cloud.answers.store(true, Ordering::SeqCst);
    for _ in 0..4 {
        door.world.advance(12 * 60 * 60);
        node.renew_hint_keys().await;
    }
    assert_eq!(door.cloud.asked.load(Ordering::SeqCst), 10);
    door.cloud.answers.store(false, Ordering::SeqCst);
    door.world.advance(11 * 60 * 60);
    assert!(is_asked().await);
    assert_eq!(door.cloud.asked.load(Ordering::SeqCst), 10);
}

/// Our key, taken away or altered by a writer of the database: nothing is signed, nobody is
/// asked in vain, and Entra is told.
#[tokio::test]
async fn a_key_that_is_missing_or_altered_is_an_outage_before_and_after_the_code() {
    for sql in [
        "DELETE FROM signing_keys WHERE purpose = 'oidc'",
        "UPDATE signing_keys SET sealed_private_key = 'x' WHERE purpose = 'oidc'",
        "UPDATE signing_keys SET state = 'staged' WHERE purpose = 'oidc'",
        "DELETE FROM key_marks WHERE purpose = 'oidc'",
    ] {
        let door = Door::new().await;
        let (agent, ask, mut browser) = asked(&door).await;
        door.world.sql().await.define(sql).await;
        let page = browser.submit_code(&agent.code(door.world.now())).await;
        is_outage(&door, &ask, &page);
        // It is an end: the proof that is there leads to no token.
        let again = browser.reload_attempt().await;
        is_outage(&door, &ask, &again);
        assert_eq!(
            ends(&door, &door.ask(AGENT)).await,
            error("temporarily_unavailable"),
            "{sql}"
        );
        assert_eq!(receipts(&door, &agent).await, 0, "{sql}");
    }
}

/// The same, while nobody is in the middle of anything: it is an alarm all the same (review P2-1).
#[tokio::test]
async fn attack_38_an_altered_key_is_an_alarm_before_anybody_is_asked() {
    for sql in [
        "UPDATE signing_keys SET sealed_private_key = 'x' WHERE purpose = 'oidc'",
        "DELETE FROM key_marks WHERE purpose = 'oidc'",
    ] {
        let door = Door::new().await;
        let agent = door.agent().await;
        let mut browser = door.world.browser();
        let told = door.prove(&mut browser, &door.ask(AGENT), &agent).await;
        assert!(told.is_token());
        door.world.sql().await.define(sql).await;
        let outage = error("temporarily_unavailable");
        assert_eq!(ends(&door, &door.ask(AGENT)).await, outage, "{sql}");
        let mut tx = door.world.app().store().read().await.unwrap();
        let counts = tx.event_counts(Timestamp::from_millis(0)).await.unwrap();
        let found = counts.iter().any(|(kind, _)| kind == "tampering-found");
        assert!(found, "{sql}: {counts:?}");
    }
}

/// An attempt of this door lasts as long as Entra waits, however short others are (review N1-5).
#[tokio::test]
async fn a_short_lifetime_of_attempts_is_that_of_the_other_doors() {
    let door = Door::with(|settings| settings.attempt_lifetime = Duration::from_mins(2)).await;
    let (agent, _, mut browser) = asked(&door).await;
    let (tenant, object) = (TENANT.parse().unwrap(), OBJECT.parse().unwrap());
    let (app, upn) = (door.world.app().clone(), AGENT.parse().unwrap());
    app.link_external_account(&upn, (tenant, object), None, "tester")
        .await
        .unwrap();
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    assert!(page.text().contains("was linked"), "{}", page.text());
    door.world.advance(130);
    let page = browser.submit(&[]).await;
    assert!(told(&page).is_token(), "{}", page.text());
}

#[tokio::test]
async fn a_tenant_that_is_removed_meanwhile_is_told() {
    let door = Door::new().await;
    let (agent, ask, mut browser) = asked(&door).await;
    door.world.sql().await.define("DELETE FROM tenants").await;
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    let said = told(&page);
    assert_eq!(
        (said.error(), &said.state),
        ("access_denied", &ask.field("state"))
    );
    assert_eq!(receipts(&door, &agent).await, 0);
}

/// Somebody writes for longer than we wait: at the code, and at the answer.
#[tokio::test]
async fn a_database_that_takes_nothing_is_an_outage_and_changes_nothing() {
    let door = Door::new().await;
    let (agent, ask, mut browser) = asked(&door).await;
    let writes = door.world.sql().await.hold().await;
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    is_outage(&door, &ask, &page);
    // Without the attempt's cookie nothing is told to anybody.
    let path = browser.at.clone();
    let mut without = door.world.browser();
    let (stranger, page) = tokio::join!(without.get(&path), browser.reload_attempt());
    assert!(maybe_told(&stranger).is_none(), "{}", stranger.text());
    if door.world.database_url.starts_with("sqlite:") {
        is_outage(&door, &ask, &page);
    } else {
        // Where who looks waits for no writer, the question is still there.
        assert!(page.asks_for_code(), "{}", page.text());
    }
    writes.rollback().await.unwrap();
    // Nothing was written down, so the attempt goes on where it was: it asks.
    let page = browser.reload_attempt().await;
    assert!(page.asks_for_code(), "{}", page.text());
    assert_eq!(receipts(&door, &agent).await, 0);
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    assert!(told(&page).is_token(), "{}", page.text());
    assert_eq!(receipts(&door, &agent).await, 1);
}

/// What is refused after Entra's request was verified is told to Entra: a dead page would keep the
/// person from any other way (review N1-7).
#[tokio::test]
async fn what_changed_meanwhile_and_too_many_sign_ins_are_told_to_entra() {
    let mut door = Door::new().await;
    let (agent, ask, mut browser) = asked(&door).await;
    door.world.ready("agent2@contoso.com").await;
    let (tenant, object) = (TENANT.parse().unwrap(), OBJECT.parse().unwrap());
    let app = door.world.app().clone();
    let other = "agent2@contoso.com".parse().unwrap();
    let linked = app.link_external_account(&other, (tenant, object), None, "tester");
    linked.await.unwrap();
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    let said = told(&page);
    assert_eq!(
        (said.error(), &said.state),
        ("access_denied", &ask.field("state"))
    );
    assert_eq!(told(&browser.reload_attempt().await), said);
    assert_eq!(receipts(&door, &agent).await, 0);

    // Others of this network have left some behind.
    door.world.settings.open_attempts_per_source = 3;
    door.world.nodes.clear();
    door.world.start_node().await;
    let mut taken = 0;
    let refused = loop {
        let ask = door.ask(AGENT);
        let page = door.arrive(&mut door.world.browser(), &ask).await;
        if !page.asks_for_code() {
            is_outage(&door, &ask, &page);
            break true;
        }
        taken += 1;
        if taken > 3 {
            break false;
        }
    };
    assert!(refused);
}
