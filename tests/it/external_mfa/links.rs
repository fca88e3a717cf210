//! Whose an account of the tenant is here: by its ids, and first by a proof or an operator.

use std::time::Duration;

use claimbridge::base::{ids::UserId, random::SystemRandom};
use serde_json::json;

use super::kit::{self, AGENT, Ask, Door, OBJECT, TENANT, told};
use crate::support::Person;

const OTHER: &str = "agent2@contoso.com";
const OTHER_OBJECT: &str = "bbbbcccc-1111-dddd-2222-eeee3333aaaa";

async fn links_of(door: &Door, upn: &str) -> Vec<String> {
    let app = door.world.app();
    let links = app.external_accounts_of(&upn.parse().unwrap()).await;
    let links = links.unwrap().into_iter();
    links.map(|link| link.object.to_string()).collect()
}

async fn link(door: &Door, upn: &str, object: &str) -> Result<(), claimbridge::app::Error> {
    let (tenant, object) = (TENANT.parse().unwrap(), object.parse().unwrap());
    let app = door.world.app();
    app.link_external_account(&upn.parse().unwrap(), (tenant, object), None, "tester")
        .await
}

#[tokio::test]
async fn attack_23_who_is_linked_is_known_by_ids_and_not_by_name() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let other = door.world.ready(OTHER).await;
    let mut browser = door.world.browser();
    assert!(
        door.prove(&mut browser, &door.ask(AGENT), &agent)
            .await
            .is_token()
    );
    assert_eq!(links_of(&door, AGENT).await, [OBJECT]);

    // Renamed at Entra, into nobody's name and into another's: the same person is asked.
    let prove = async |ask: &Ask, person: &Person| {
        let mut browser = door.world.browser();
        door.arrive(&mut browser, ask).await;
        // The notice of the link is shown once.
        let page = browser.submit_code(&person.code(door.world.now())).await;
        door.world.advance(30);
        let page = if page.text().contains("A Microsoft account was linked") {
            browser.submit(&[]).await
        } else {
            page
        };
        kit::maybe_told(&page).is_some_and(|told| told.is_token())
    };
    for name in ["renamed@elsewhere.example", OTHER, "no name"] {
        assert!(prove(&door.ask(name), &agent).await, "{name}");
        assert!(!prove(&door.ask(name), &other).await, "{name}");
    }
    // Without a name at all.
    let nameless = door.ask(AGENT).hinting("preferred_username", json!(null));
    assert!(prove(&nameless, &agent).await);
    assert_eq!(links_of(&door, OTHER).await, Vec::<String>::new());
}

#[tokio::test]
async fn whoever_is_not_known_by_name_is_linked_by_an_operator_only() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let ask = || door.ask("agent1@elsewhere.example");
    let mut browser = door.world.browser();
    let page = door.arrive(&mut browser, &ask()).await;
    assert_eq!(page.status, 403);
    let text = page.text();
    assert!(text.contains("CB-MFA-006") && text.contains("agent1@elsewhere.example"));
    // The operator learns the ids from the page's reference.
    let id = browser.at.rsplit('/').next().unwrap().to_owned();
    assert!(text.contains(&id));
    let mut tx = door.world.app().store().read().await.unwrap();
    let events = tx.events_of_attempt(&id.parse().unwrap()).await.unwrap();
    assert_eq!(events[0].kind(), "external-mfa-stranger");
    assert_eq!(events[0].event["object"], OBJECT);
    drop(tx);

    // A pass opens nothing where Entra named nobody: its holder could tie the account to himself.
    let pass = door.world.issue_pass(AGENT).await;
    let path = browser.at.clone();
    let csrf = page.forms()[0].inputs[0].value.clone();
    let given = [
        ("csrf", csrf.as_str()),
        ("username", AGENT),
        ("pass", &pass),
    ];
    let refused = browser.clone().post(&format!("{path}/pass"), &given).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(links_of(&door, AGENT).await.is_empty());
    let page = browser.press(&format!("{path}/cancel")).await;
    assert_eq!(told(&page).error(), "access_denied");

    link(&door, AGENT, OBJECT).await.unwrap();
    let page = door.arrive(&mut door.world.browser(), &ask()).await;
    assert!(page.asks_for_code(), "{}", page.text());
    let _ = agent;
}

#[tokio::test]
async fn an_account_has_one_person_until_it_is_unlinked() {
    let door = Door::new().await;
    door.agent().await;
    door.world.ready(OTHER).await;
    link(&door, AGENT, OBJECT).await.unwrap();
    link(&door, AGENT, OTHER_OBJECT).await.unwrap();
    let taken = link(&door, OTHER, OBJECT).await.unwrap_err().to_string();
    assert!(taken.contains(&format!("--instead-of {AGENT}")), "{taken}");
    let mut links = links_of(&door, AGENT).await;
    links.sort();
    assert_eq!(links, [OTHER_OBJECT, OBJECT]);

    // An attempt that began under the link does not end after it.
    let mut browser = door.world.browser();
    let page = door
        .arrive(&mut browser, &door.ask("x@elsewhere.example"))
        .await;
    assert!(page.asks_for_code(), "{}", page.text());
    let (tenant, object) = (TENANT.parse().unwrap(), OBJECT.parse().unwrap());
    let app = door.world.app();
    let upn = AGENT.parse().unwrap();
    let unlinked = app.unlink_external_account(&upn, tenant, object, "tester");
    unlinked.await.unwrap();
    assert_eq!(
        told(&browser.reload_attempt().await).error(),
        "access_denied"
    );
    let again = app.unlink_external_account(&upn, tenant, object, "tester");
    assert!(again.await.is_err());
    link(&door, OTHER, OBJECT).await.unwrap();
    assert_eq!(links_of(&door, OTHER).await, [OBJECT]);
}

#[tokio::test]
async fn an_account_changes_hands_in_one_step() {
    let door = Door::new().await;
    let agent = door.agent().await;
    door.world.ready(OTHER).await;
    link(&door, AGENT, OBJECT).await.unwrap();
    let (of, object) = (AGENT.parse().unwrap(), OBJECT.parse().unwrap());
    let (tenant, to) = (TENANT.parse().unwrap(), OTHER.parse().unwrap());
    let app = door.world.app();
    // Not away from somebody who has not got it.
    let wrong = app.link_external_account(&of, (tenant, object), Some(&to), "tester");
    assert!(wrong.await.is_err());
    assert_eq!(links_of(&door, AGENT).await, [OBJECT]);
    app.link_external_account(&to, (tenant, object), Some(&of), "tester")
        .await
        .unwrap();
    assert_eq!(links_of(&door, AGENT).await, Vec::<String>::new());
    assert_eq!(links_of(&door, OTHER).await, [OBJECT]);
    // Whose it was answers for it no more, although the name is still the same.
    let mut browser = door.world.browser();
    door.arrive(&mut browser, &door.ask(AGENT)).await;
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    assert_eq!(page.status, 403, "{}", page.text());
    assert!(kit::maybe_told(&page).is_none(), "{}", page.text());
}

#[tokio::test]
async fn attack_38_a_link_that_was_taken_away_and_is_put_back_is_tampering() {
    let door = Door::new().await;
    let agent = door.agent().await;
    link(&door, AGENT, OBJECT).await.unwrap();
    let sql = door.world.sql().await;
    sql.define("CREATE TABLE kept AS SELECT * FROM external_accounts")
        .await;
    let (tenant, object) = (TENANT.parse().unwrap(), OBJECT.parse().unwrap());
    let upn = AGENT.parse().unwrap();
    let app = door.world.app();
    app.unlink_external_account(&upn, tenant, object, "tester")
        .await
        .unwrap();
    sql.run("INSERT INTO external_accounts SELECT * FROM kept")
        .await;
    let ask = || door.ask("x@elsewhere.example");
    let page = door.arrive(&mut door.world.browser(), &ask()).await;
    assert!(!page.asks_for_code(), "{}", page.text());
    let mut tx = app.store().read().await.unwrap();
    let found = tx.events_of(&agent.user.id, 50).await.unwrap();
    assert!(found.iter().any(|event| event.kind() == "tampering-found"));
    drop(tx);
    // An operator's new link is a link.
    app.unlink_external_account(&upn, tenant, object, "tester")
        .await
        .unwrap();
    link(&door, AGENT, OBJECT).await.unwrap();
    let page = door.arrive(&mut door.world.browser(), &ask()).await;
    assert!(page.asks_for_code(), "{}", page.text());
}

/// Whoever has the account's name does not get it by a writer who takes the link of its present
/// person away (review of session 9).
#[tokio::test]
async fn attack_38_a_link_that_is_gone_and_nobody_took_away_gives_the_account_to_nobody() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let other = door.world.ready(OTHER).await;
    link(&door, AGENT, OBJECT).await.unwrap();
    let (of, to) = (AGENT.parse().unwrap(), OTHER.parse().unwrap());
    let named = (TENANT.parse().unwrap(), OBJECT.parse().unwrap());
    let app = door.world.app();
    let moved = app.link_external_account(&to, named, Some(&of), "tester");
    moved.await.unwrap();
    // Both are here, and the account has the name of the one whose it was.
    door.world.advance(30);
    let begun_before = {
        let mut browser = door.world.browser();
        let page = door.arrive(&mut browser, &door.ask(AGENT)).await;
        assert!(page.text().contains(OTHER), "{}", page.text());
        browser
    };
    let sql = door.world.sql().await;
    sql.run("DELETE FROM external_accounts").await;
    let page = door
        .arrive(&mut door.world.browser(), &door.ask(AGENT))
        .await;
    assert_eq!(told(&page).error(), "access_denied");
    // Nor does an attempt that is under way write it anew.
    let mut browser = begun_before;
    let page = browser.submit_code(&other.code(door.world.now())).await;
    assert!(!kit::maybe_told(&page).is_some_and(|told| told.is_token()));
    assert_eq!(links_of(&door, OTHER).await, Vec::<String>::new());
    let mut tx = app.store().read().await.unwrap();
    let found = tx.events_of(&other.user.id, 50).await.unwrap();
    assert!(found.iter().any(|event| event.kind() == "tampering-found"));
    drop(tx);

    // An operator's word settles it: for whose it was told to be, or for another.
    let refused = link(&door, AGENT, OBJECT).await.unwrap_err().to_string();
    assert!(
        refused.contains(&format!("--instead-of {OTHER}")),
        "{refused}"
    );
    link(&door, OTHER, OBJECT).await.unwrap();
    let page = door
        .arrive(&mut door.world.browser(), &door.ask(AGENT))
        .await;
    assert!(page.text().contains(OTHER), "{}", page.text());
    sql.run("DELETE FROM external_accounts").await;
    app.unlink_external_account(&to, named.0, named.1, "tester")
        .await
        .unwrap();
    let mut browser = door.world.browser();
    door.arrive(&mut browser, &door.ask(AGENT)).await;
    browser.submit_code(&agent.code(door.world.now())).await;
    assert!(told(&browser.submit(&[]).await).is_token());
}

/// A row that was put aside before its link was taken away, and is back now.
async fn put_back(door: &Door) {
    let sql = door.world.sql().await;
    sql.run("INSERT INTO external_accounts SELECT * FROM kept")
        .await;
}

async fn keep(door: &Door) {
    let sql = door.world.sql().await;
    sql.define("CREATE TABLE kept AS SELECT * FROM external_accounts")
        .await;
}

async fn unlink_on(door: &Door, node: usize) {
    let (tenant, object) = (TENANT.parse().unwrap(), OBJECT.parse().unwrap());
    let (app, upn) = (&door.world.nodes[node].app, AGENT.parse().unwrap());
    let unlinked = app.unlink_external_account(&upn, tenant, object, "tester");
    unlinked.await.unwrap();
}

/// Whether the person is asked, by the link alone.
async fn is_asked(door: &Door) -> bool {
    let ask = door.ask("x@elsewhere.example");
    let page = door.arrive(&mut door.world.browser(), &ask).await;
    page.asks_for_code()
}

fn set_back(door: &Door) {
    let behind = door.world.now().minus(Duration::from_secs(30));
    door.world.clock.set(behind);
}

/// Two servers whose clocks differ by half a minute (review P2-8).
#[tokio::test]
async fn attack_38_a_link_is_known_by_its_name_and_not_by_clocks() {
    let door = Door::new().await;
    door.agent().await;
    link(&door, AGENT, OBJECT).await.unwrap();
    keep(&door).await;
    assert!(is_asked(&door).await);
    set_back(&door);
    unlink_on(&door, 0).await;
    put_back(&door).await;
    assert!(!is_asked(&door).await, "the later event says that it is");
    unlink_on(&door, 0).await;
    // And the other way round: what was taken away earlier does not end what is made now.
    set_back(&door);
    link(&door, AGENT, OBJECT).await.unwrap();
    assert!(is_asked(&door).await);
}

#[tokio::test]
async fn attack_38_a_link_that_two_servers_made_and_took_away_at_once_is_gone() {
    let mut door = Door::new().await;
    door.agent().await;
    // Which has written nothing yet: its events have small numbers.
    door.world.start_node().await;
    let second = door.world.nodes.len() - 1;
    link(&door, AGENT, OBJECT).await.unwrap();
    keep(&door).await;
    unlink_on(&door, second).await;
    put_back(&door).await;
    assert!(!is_asked(&door).await);
    unlink_on(&door, second).await;
    // At the same instant still: another link, which stands.
    for _ in 0..2 {
        link(&door, AGENT, OBJECT).await.unwrap();
        assert!(is_asked(&door).await);
        // In one step from a person to the same one, too.
        let (tenant, object) = (TENANT.parse().unwrap(), OBJECT.parse().unwrap());
        let upn = AGENT.parse().unwrap();
        let app = door.world.app();
        app.link_external_account(&upn, (tenant, object), Some(&upn), "tester")
            .await
            .unwrap();
        assert!(is_asked(&door).await);
        unlink_on(&door, second).await;
    }
}

/// The row is altered before it is taken away, and put back as it was.
#[tokio::test]
async fn attack_38_an_altered_row_takes_the_link_with_it() {
    let door = Door::new().await;
    door.agent().await;
    link(&door, AGENT, OBJECT).await.unwrap();
    keep(&door).await;
    let sql = door.world.sql().await;
    sql.run("UPDATE external_accounts SET linked_at = linked_at + 1")
        .await;
    assert!(!is_asked(&door).await);
    unlink_on(&door, 0).await;
    put_back(&door).await;
    assert!(!is_asked(&door).await);
}

/// The row is altered to another person's, and put back as it was after an operator gave the account
/// to a third: whoever's it is by the row or by the events, it is not any more.
#[tokio::test]
async fn attack_38_an_altered_row_leaves_the_account_to_one_person() {
    for (former, altered_to) in [(AGENT, OTHER), (OTHER, OTHER), (AGENT, "nobody")] {
        let door = Door::new().await;
        let agent = door.agent().await;
        let other = door.world.ready(OTHER).await;
        door.world.ready("agent3@contoso.com").await;
        link(&door, AGENT, OBJECT).await.unwrap();
        keep(&door).await;
        let sql = door.world.sql().await;
        let nobody = UserId::random(&mut SystemRandom);
        let holder = if altered_to == OTHER {
            &other.user.id
        } else {
            &nobody
        };
        // As a tool of the database does it, which looks at no references.
        sql.run_unchecked(&format!(
            "UPDATE external_accounts SET user_id = '{holder}'"
        ))
        .await;
        let (of, to) = (
            former.parse().unwrap(),
            "agent3@contoso.com".parse().unwrap(),
        );
        let named = (TENANT.parse().unwrap(), OBJECT.parse().unwrap());
        let moved = door.world.app();
        let moved = moved.link_external_account(&to, named, Some(&of), "tester");
        moved.await.unwrap();
        assert!(is_asked(&door).await, "{former} {altered_to}");
        sql.run("DELETE FROM external_accounts").await;
        put_back(&door).await;
        assert!(!is_asked(&door).await, "{former} {altered_to}");
        let mut tx = door.world.app().store().read().await.unwrap();
        let found = tx.events_of(&agent.user.id, 50).await.unwrap();
        let count = |kind: &str| found.iter().filter(|event| event.kind() == kind).count();
        assert_eq!(count("external-account-unlinked"), 1, "{former}");
        assert_eq!(count("tampering-found"), 1, "{former}");
    }
}

/// Where a row, or an event, says that the account is somebody's who does not exist (under an id
/// that could be one), an operator's word settles it all the same, and it is told as tampering.
#[tokio::test]
async fn what_makes_an_account_nobodys_is_in_nobodys_way() {
    for written in ["the row", "a row", "an event"] {
        let door = Door::new().await;
        door.agent().await;
        let sql = door.world.sql().await;
        let nobody = UserId::random(&mut SystemRandom);
        let to_nobody = |table: &str| format!("UPDATE {table} SET user_id = '{nobody}'");
        link(&door, AGENT, OBJECT).await.unwrap();
        match written {
            "the row" => {
                sql.run_unchecked(&to_nobody("external_accounts")).await;
                unlink_on(&door, 0).await;
            }
            "a row" => {
                sql.run_unchecked(&to_nobody("external_accounts")).await;
                keep(&door).await;
                sql.run("DELETE FROM external_accounts").await;
                unlink_on(&door, 0).await;
                sql.run_unchecked("INSERT INTO external_accounts SELECT * FROM kept")
                    .await;
            }
            _ => {
                let told = "WHERE kind = 'external-account-linked'";
                sql.run(&format!("{} {told}", to_nobody("events"))).await;
                sql.run("DELETE FROM external_accounts").await;
            }
        }
        let by_name = async || {
            let page = door
                .arrive(&mut door.world.browser(), &door.ask(AGENT))
                .await;
            page.asks_for_code()
        };
        assert!(!by_name().await, "{written}");
        let alarms = async || {
            let mut tx = door.world.app().store().read().await.unwrap();
            let found = tx.events_of(&nobody, 50).await.unwrap();
            let found = found
                .iter()
                .filter(|event| event.kind() == "tampering-found");
            found.count()
        };
        let before = alarms().await;
        link(&door, AGENT, OBJECT).await.unwrap();
        assert_eq!(alarms().await, before + 1, "{written}");
        assert!(is_asked(&door).await, "{written}");
        unlink_on(&door, 0).await;
        assert!(by_name().await, "{written}: it is nobody's again");
    }
}

/// Links of versions whose events named none are judged as those versions did.
#[tokio::test]
async fn a_link_whose_events_name_none_stands_until_it_is_taken_away() {
    let door = Door::new().await;
    door.agent().await;
    link(&door, AGENT, OBJECT).await.unwrap();
    keep(&door).await;
    let sql = door.world.sql().await;
    let body = format!(
        "{{\"event\":\"external-account-linked\",\"tenant\":\"{TENANT}\",\"object\":\"{OBJECT}\",\"by\":\"operator\"}}"
    );
    sql.run(&format!(
        "UPDATE events SET body = '{body}' WHERE kind = 'external-account-linked'"
    ))
    .await;
    assert!(is_asked(&door).await);
    door.world.advance(30);
    unlink_on(&door, 0).await;
    assert!(!is_asked(&door).await);
    put_back(&door).await;
    assert!(!is_asked(&door).await);
    unlink_on(&door, 0).await;
    link(&door, AGENT, OBJECT).await.unwrap();
    assert!(is_asked(&door).await);
}
