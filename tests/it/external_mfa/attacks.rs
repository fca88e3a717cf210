//! Who tries to be asked less, or to answer for somebody else.

use claimbridge::protocol::oidc::hint::MAX_AGE;
use serde_json::json;
use tokio::task::JoinSet;

use super::kit::{self, AGENT, Door, OBJECT, SUBJECT, told};
use crate::support::{Browser, PASSWORD, entra};

const OTHER: &str = "agent2@contoso.com";

async fn path_after(door: &Door, browser: &mut Browser, name: &str) -> String {
    let page = door.arrive(browser, &door.ask(name)).await;
    assert!(page.asks_for_code(), "{}", page.text());
    browser.at.clone()
}

#[tokio::test]
async fn attack_1_nobody_answers_for_somebody_else() {
    let door = Door::new().await;
    let (agent, other) = (door.agent().await, door.world.ready(OTHER).await);
    let (mut one, mut two) = (door.world.browser(), door.world.browser());
    let first = path_after(&door, &mut one, AGENT).await;
    let ask = door
        .ask(OTHER)
        .hinting("oid", json!("bbbbcccc-1111-dddd-2222-eeee3333aaaa"));
    let page = door.arrive(&mut two, &ask).await;
    assert!(page.asks_for_code(), "{}", page.text());
    let second = two.at.clone();
    let now = door.world.now();
    // Each other's code, in each one's attempt.
    for (browser, code) in [(&mut one, other.code(now)), (&mut two, agent.code(now))] {
        let page = browser.submit_code(&code).await;
        assert_eq!(page.status, 403);
        assert!(page.asks_for_code(), "{}", page.text());
    }
    // Each other's attempt, with each one's own cookie and form.
    for (browser, path, code) in [
        (&mut one, &second, agent.code(now)),
        (&mut two, &first, other.code(now)),
    ] {
        let csrf = browser.page.clone().unwrap().forms()[0].inputs[0]
            .value
            .clone();
        let given = [("csrf", csrf.as_str()), ("code", code.as_str())];
        let page = browser.clone().post(&format!("{path}/code"), &given).await;
        assert_eq!(page.status, 403, "{}", page.text());
        assert!(kit::maybe_told(&page).is_none());
    }
    let mut tx = door.world.app().store().read().await.unwrap();
    for person in [&agent.user, &other.user] {
        // Of the sign-in at the other door that showed the notices.
        let receipts = tx.receipts_of(&person.id, 5).await.unwrap();
        assert_eq!(receipts.len(), 1, "{receipts:?}");
        let events = tx.events_of(&person.id, 50).await.unwrap();
        let refused = events.iter().filter(|event| event.kind() == "code-refused");
        assert_eq!(refused.count(), 1);
    }
}

#[tokio::test]
async fn attack_28_a_hint_begins_one_attempt_in_one_browser() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let ask = door.ask(AGENT);
    let mut browser = door.world.browser();
    door.arrive(&mut browser, &ask).await;
    let path = browser.at.clone();
    // Sent again, also with another nonce and state: the same browser's same attempt.
    let again = ask
        .clone()
        .with("nonce", Some("another"))
        .with("state", None);
    let page = door.arrive(&mut browser, &again).await;
    assert!(page.asks_for_code(), "{}", page.text());
    assert_eq!(browser.at, path);
    // In another browser: none.
    let stolen = door.arrive(&mut door.world.browser(), &ask).await;
    assert_eq!(stolen.status, 403);
    assert!(stolen.text().contains("CB-SIGNIN-003"), "{}", stolen.text());
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    let answer = told(&page);
    assert_eq!(answer.state, ask.field("state"));
    // After it was answered, and after it was ended, there is no second one.
    door.world.advance(90);
    let page = door.arrive(&mut browser, &ask).await;
    assert!(kit::maybe_told(&page).is_none() && !page.asks_for_code());
    door.world.app().purge().await.unwrap();
    let page = door.arrive(&mut door.world.browser(), &ask).await;
    assert!(!page.asks_for_code(), "{}", page.text());
}

/// A hint that began an attempt once begins no other: on no node, in no browser.
async fn begins_nothing(door: &Door, ask: &kit::Ask, when: &str) {
    for (at, node) in door.world.nodes.iter().enumerate() {
        node.app.purge().await.unwrap();
        let mut browser = door.world.browser_on(at);
        let page = door.arrive(&mut browser, ask).await;
        assert!(
            !page.asks_for_code() && !kit::maybe_told(&page).is_some_and(|told| told.is_token()),
            "{when}, node {at}: {}",
            page.text()
        );
        assert!(browser.cookies.is_empty(), "{when}, node {at}");
    }
}

#[tokio::test]
async fn attack_28_a_hint_counts_once_after_a_restart_and_on_the_second_node_too() {
    let mut door = Door::new().await;
    let agent = door.agent().await;
    let begun_at = door.world.now();
    let (answered, left) = (door.ask(AGENT), door.ask(AGENT));
    let mut browser = door.world.browser_on(0);
    assert!(door.arrive(&mut browser, &answered).await.asks_for_code());
    let mut leaving = door.world.browser_on(0);
    assert!(door.arrive(&mut leaving, &left).await.asks_for_code());
    door.restart().await;
    begins_nothing(&door, &answered, "open").await;

    // The same browser goes on with the same attempt, at the second node of the new ones.
    let mut again = door.world.browser_on(1);
    again.cookies.clone_from(&browser.cookies);
    assert!(door.arrive(&mut again, &answered).await.asks_for_code());
    assert_eq!(again.at, browser.at);
    let page = again.submit_code(&agent.code(door.world.now())).await;
    assert!(told(&page).is_token());
    begins_nothing(&door, &answered, "answered").await;
    door.restart().await;
    begins_nothing(&door, &answered, "answered, and started anew").await;

    // The other one's is ended by an operator: it is over as of 1970.
    let (tenant, object) = (kit::TENANT.parse().unwrap(), OBJECT.parse().unwrap());
    let app = door.world.app();
    let named = AGENT.parse().unwrap();
    app.unlink_external_account(&named, tenant, object, "tester")
        .await
        .unwrap();
    let mut tx = app.store().read().await.unwrap();
    let id = leaving.at.split('/').nth(2).unwrap().parse().unwrap();
    let attempt = tx.attempt(&id).await.unwrap().unwrap();
    assert!(attempt.expires_at < begun_at, "it was not ended");
    drop(tx);
    begins_nothing(&door, &left, "ended").await;

    // To the last second of a hint's life, at which another one of that age is taken.
    let last = MAX_AGE.as_secs() - 1;
    door.world.clock.set(
        begun_at
            .plus(MAX_AGE)
            .minus(std::time::Duration::from_secs(1)),
    );
    door.restart().await;
    for (ask, when) in [(&answered, "answered, at 9:59"), (&left, "ended, at 9:59")] {
        begins_nothing(&door, ask, when).await;
    }
    let aged = door.world.now().as_secs() - i64::try_from(last).unwrap();
    let other = door
        .ask(AGENT)
        .hinting("iat", json!(aged))
        .hinting("nbf", json!(aged));
    let page = door.arrive(&mut door.world.browser(), &other).await;
    assert!(page.asks_for_code(), "{}", page.text());
}

#[tokio::test]
async fn attack_28_of_a_hundred_at_once_one_is_answered() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let ask = door.ask(AGENT);
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let (mut browser, body) = (door.world.browser(), ask.body());
        tasks.spawn(async move {
            let page = browser.request("POST", "/oidc/authorize", Some(body)).await;
            // On a slow machine some are told to come again.
            let busy = kit::maybe_told(&page).map(|told| told.error().to_owned());
            assert!(busy.is_none_or(|busy| busy == "temporarily_unavailable"));
            (page.redirect(), browser.cookies.len())
        });
    }
    let mut begun = tasks.join_all().await;
    let cookies: usize = begun.iter().map(|(_, cookies)| cookies).sum();
    assert_eq!(cookies, 1, "one browser is bound");
    begun.retain(|(to, _)| to.is_some());
    assert!(begun.len() > 1 && begun.iter().all(|(to, _)| *to == begun[0].0));

    // And of a hundred right codes one makes an answer.
    let mut browser = door.world.browser();
    let path = path_after(&door, &mut browser, AGENT).await;
    let page = browser.page.clone().unwrap();
    let csrf = page.forms()[0].inputs[0].value.clone();
    let code = agent.code(door.world.now());
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (mut browser, path) = (browser.clone(), path.clone());
        let (csrf, code) = (csrf.clone(), code.clone());
        tasks.spawn(async move {
            let given = [("csrf", csrf.as_str()), ("code", code.as_str())];
            let page = browser.post(&format!("{path}/code"), &given).await;
            kit::maybe_told(&page).filter(kit::Told::is_token)
        });
    }
    let mut tokens = tasks.join_all().await;
    tokens.retain(Option::is_some);
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    let mut tx = door.world.app().store().read().await.unwrap();
    let receipts = tx.receipts_of(&agent.user.id, 10).await.unwrap();
    let answered = receipts
        .iter()
        .filter(|receipt| receipt.proofs.starts_with("second-"));
    assert_eq!(answered.count(), 1);
}

#[tokio::test]
async fn attack_36_the_link_of_an_attempt_is_worth_nothing_elsewhere() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let mut browser = door.world.browser();
    let path = path_after(&door, &mut browser, AGENT).await;
    let mut other = door.world.browser();
    let refuses = async |other: &mut Browser| {
        let page = other.get(&path).await;
        assert_eq!(page.status, 403);
        assert!(page.text().contains("CB-SIGNIN-003"), "{}", page.text());
        assert!(!page.body.contains(AGENT));
        let page = other
            .post(&format!("{path}/cancel"), &[("csrf", "x")])
            .await;
        assert_eq!(page.status, 403);
    };
    refuses(&mut other).await;
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    assert!(told(&page).is_token());
    refuses(&mut other).await;
}

#[tokio::test]
async fn attack_38_a_writer_of_the_database_answers_for_nobody() {
    let door = Door::new().await;
    let (agent, other) = (door.agent().await, door.world.ready(OTHER).await);
    let sql = door.world.sql().await;
    // Another `sub` in what was asked, while the person types the own code.
    let mut browser = door.world.browser();
    let path = path_after(&door, &mut browser, AGENT).await;
    let id = path.rsplit('/').next().unwrap();
    sql.run(&format!(
        "UPDATE attempts SET request = replace(request, '{SUBJECT}', 'victims-subject') WHERE id = '{id}'"
    ))
    .await;
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    assert!(kit::maybe_told(&page).is_none(), "{}", page.text());
    door.world.advance(30);

    // An account that is moved to another person by hand.
    let mut browser = door.world.browser();
    assert!(
        door.prove(&mut browser, &door.ask(AGENT), &agent)
            .await
            .is_token()
    );
    sql.run(&format!(
        "UPDATE external_accounts SET user_id = '{}' WHERE object = '{OBJECT}'",
        other.user.id
    ))
    .await;
    let page = door
        .arrive(&mut door.world.browser(), &door.ask(AGENT))
        .await;
    assert!(!page.asks_for_code(), "{}", page.text());
    let mut tx = door.world.app().store().read().await.unwrap();
    let found = tx.events_of(&other.user.id, 50).await.unwrap();
    assert!(found.iter().any(|event| event.kind() == "tampering-found"));
    drop(tx);

    // Another person's attempt: the row says that it is that one's.
    let mut browser = door.world.browser();
    sql.run("DELETE FROM external_accounts").await;
    let named = (kit::TENANT.parse().unwrap(), OBJECT.parse().unwrap());
    let (app, upn) = (door.world.app(), AGENT.parse().unwrap());
    app.unlink_external_account(&upn, named.0, named.1, "tester")
        .await
        .unwrap();
    let path = path_after(&door, &mut browser, AGENT).await;
    let id = path.rsplit('/').next().unwrap();
    sql.run(&format!(
        "UPDATE attempts SET user_id = '{}' WHERE id = '{id}'",
        other.user.id
    ))
    .await;
    let page = browser.submit_code(&other.code(door.world.now())).await;
    assert_eq!(told(&page).error(), "access_denied");
}

#[tokio::test]
async fn wrong_codes_wait_as_at_every_door_and_take_no_password_away() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let mut waited = false;
    for _ in 0..40 {
        let mut browser = door.world.browser();
        path_after(&door, &mut browser, AGENT).await;
        for _ in 0..3 {
            let page = browser.submit_code("000000").await;
            waited |= page.status == 429;
        }
        door.world.advance(120);
    }
    assert!(waited);
    // A stranger with the password at Entra could else take the password here away.
    door.world.advance(86_400);
    let mut browser = door.world.browser();
    browser.start(&entra::request(door.world.now())).await;
    let page = browser.submit_password(AGENT, PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    assert!(page.answer().is_some(), "{}", page.text());
}
