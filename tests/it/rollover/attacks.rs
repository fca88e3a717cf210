//! A writer of the database who has not the master key (attack 20).

use claimbridge::{
    app::keys::rollover::{Force, Outcome, Step},
    audit::Actor,
    keys::{
        KeyPurpose,
        state::{Held, KeyState},
    },
};

use super::{ASSERTION, OIDC, chosen, parties::Site};
use crate::support::entra;

#[tokio::test]
async fn attack_20_a_key_that_is_activated_by_hand_signs_nothing() {
    let mut site = Site::new().await;
    site.must(Step::Stage, ASSERTION).await;
    let sql = site.world.sql().await;
    sql.run("UPDATE signing_keys SET state = 'retiring' WHERE state = 'active'")
        .await;
    sql.run("UPDATE signing_keys SET state = 'active' WHERE state = 'staged'")
        .await;
    let published = site.published(ASSERTION).await;
    assert_eq!(published.certificates(), Vec::<&[u8]>::new());
    let refused = site.world.app().ready().await.unwrap_err();
    assert!(refused.detail().contains("altered"), "{refused}");
    // Nor without its tag, as if it were a first key.
    sql.run("UPDATE signing_keys SET state_tag = NULL").await;
    assert!(site.world.app().ready().await.is_err());
    assert!(!site.try_sign_in(0).await);
}

#[tokio::test]
async fn attack_20_a_key_is_revived_by_no_hand() {
    let mut site = Site::new().await;
    site.must(Step::Stage, ASSERTION).await;
    site.force(Step::Activate, ASSERTION).await;
    let new = site.published(ASSERTION).await.active.unwrap().id;
    let sql = site.world.sql().await;
    // The former one, as it once was: the first key has no tag.
    sql.run(&format!(
        "UPDATE signing_keys SET state = 'retired' WHERE id = '{new}'"
    ))
    .await;
    sql.run("UPDATE signing_keys SET state = 'active', staged_at = NULL, state_since = NULL, state_tag = NULL WHERE state = 'retiring'").await;
    assert!(site.world.app().ready().await.is_err());
    assert!(!site.try_sign_in(0).await);
    assert_eq!(site.published(ASSERTION).await.active, None);
    // A server that starts on it signs nothing either, and an operator can mend it: the altered
    // row is not kept.
    site.world.start_node().await;
    let node = &site.world.nodes.last().unwrap().app;
    assert!(node.ready().await.is_err());
    let actor = || Actor::Operator("tester".to_owned());
    let wanted = chosen(ASSERTION);
    for step in [Step::Stage, Step::Activate] {
        let done = node.step_key(step, &wanted, Force::Given, actor()).await;
        assert!(matches!(done, Ok(Outcome::Done { .. })), "{done:?}");
    }
    assert!(node.ready().await.is_ok());
    let kept = node.keys().await.unwrap();
    let states: Vec<_> = kept.iter().filter_map(|key| key.state).collect();
    assert_eq!(states, [KeyState::Active], "{kept:?}");
}

#[tokio::test]
async fn attack_20_a_certificate_that_was_exchanged_by_hand_is_published_nowhere() {
    let site = Site::new().await;
    let other = Site::new().await.published(ASSERTION).await.active.unwrap();
    let hex = data_encoding::HEXLOWER.encode(&other.certificate);
    site.must(Step::Stage, ASSERTION).await;
    let sql = site.world.sql().await;
    let literal = if site.world.database_url.starts_with("sqlite") {
        format!("x'{hex}'")
    } else {
        format!("'\\x{hex}'::bytea")
    };
    sql.run(&format!("UPDATE signing_keys SET certificate = {literal}"))
        .await;
    let published = site.published(ASSERTION).await;
    assert_eq!((published.active, published.staged), (None, None));
    let keys = site.world.app().keys().await.unwrap();
    assert!(keys.iter().all(|key| key.state.is_none()), "{keys:?}");
}

#[tokio::test]
async fn attack_20_nobody_is_made_to_know_a_key_by_hand() {
    let site = Site::new().await;
    site.must(Step::Stage, ASSERTION).await;
    site.verify("contoso.com").await;
    let sql = site.world.sql().await;
    sql.run("UPDATE key_sightings SET held_at = missing_at, looked_at = missing_at, missing_at = NULL WHERE missing_at IS NOT NULL").await;
    let by = ["contoso.com", "fabrikam.com", "https://sp.example.com"];
    site.refused(Step::Activate, ASSERTION, &by).await;
    let keys = site.world.app().keys().await.unwrap();
    let seen = keys.iter().flat_map(|key| &key.seen);
    let held = seen
        .filter(|(_, held)| matches!(held, Held::Since { .. }))
        .count();
    assert_eq!(held, 1, "the one that is genuine: of the active key");
}

/// Whoever takes all keys away gets no new one made, and signed with, in their place (review H1).
#[tokio::test]
async fn attack_20_keys_that_were_deleted_are_missed_and_none_is_made() {
    for with_the_mark in [false, true] {
        let mut site = Site::new().await;
        let former = site.published(ASSERTION).await.active.unwrap().id;
        let sql = site.world.sql().await;
        sql.define("DELETE FROM key_sightings").await;
        for table in ["signing_keys", "key_marks"] {
            if with_the_mark || table != "key_marks" {
                sql.run(&format!("DELETE FROM {table}")).await;
            }
        }
        assert!(site.world.app().ready().await.is_err());
        site.world.start_node().await;
        let node = site.world.nodes.last().unwrap().app.clone();
        assert!(node.ready().await.is_err());
        assert_eq!(node.keys().await.unwrap().len(), 0);
        assert!(!site.try_sign_in(0).await);
        site.refused(Step::Stage, ASSERTION, &["missing"]).await;
        assert_eq!(
            node.keys().await.unwrap().len(),
            0,
            "judged before it is made"
        );
        // The way on without a backup: forced, and nobody knows the new key.
        site.force(Step::Stage, ASSERTION).await;
        let by = ["contoso.com", "fabrikam.com", "https://sp.example.com"];
        site.refused(Step::Activate, ASSERTION, &by).await;
        site.force(Step::Activate, ASSERTION).await;
        let new = site.published(ASSERTION).await.active;
        assert_ne!(new.unwrap().id, former);
        assert!(node.ready().await.is_ok());
    }
}

/// Rows as they once were, tags and all, revive no key (review H7); nor do they with the mark of
/// that time beside them.
#[tokio::test]
async fn attack_20_an_older_copy_that_is_put_back_revives_nothing() {
    for with_the_mark in [false, true] {
        let mut site = Site::new().await;
        site.must(Step::Stage, ASSERTION).await;
        let sql = site.world.sql().await;
        sql.define("CREATE TABLE older AS SELECT * FROM signing_keys")
            .await;
        sql.define("CREATE TABLE older_marks AS SELECT * FROM key_marks")
            .await;
        site.force(Step::Activate, ASSERTION).await;
        site.force(Step::Retire, ASSERTION).await;
        for node in &site.world.nodes {
            assert!(node.app.ready().await.is_ok());
        }
        sql.run("UPDATE signing_keys SET state = 'retired'").await;
        let put_back: Vec<String> = [
            "state",
            "staged_at",
            "state_since",
            "state_tag",
            "sealed_private_key",
        ]
        .iter()
        .map(|column| {
            format!("{column} = (SELECT {column} FROM older WHERE older.id = signing_keys.id)")
        })
        .collect();
        sql.run(&format!("UPDATE signing_keys SET {}", put_back.join(", ")))
            .await;
        if with_the_mark {
            sql.run("DELETE FROM key_marks").await;
            sql.run("INSERT INTO key_marks SELECT * FROM older_marks")
                .await;
        }
        // Who was running saw more; who starts reads what happened.
        let refused = site.world.app().ready().await.unwrap_err();
        assert!(refused.detail().contains("altered"), "{refused}");
        assert!(!site.try_sign_in(0).await);
        site.world.start_node().await;
        let node = site.world.nodes.last().unwrap().app.clone();
        let keys = node.keys().await.unwrap();
        assert_eq!(keys.len(), 2);
        assert!(keys.iter().all(|key| key.state.is_none()), "{keys:?}");
        assert!(node.ready().await.is_err());
        let published = site.published(ASSERTION).await;
        assert_eq!(published.certificates(), Vec::<&[u8]>::new());
    }
}

/// An older copy with its genuine mark, although no key was retired since: a server that starts
/// has seen nothing, and reads the numbers of the changes in the events (review L1).
#[tokio::test]
async fn attack_20_no_start_takes_an_older_copy_for_the_newest() {
    for is_staged in [false, true] {
        let mut site = Site::new().await;
        if is_staged {
            site.must(Step::Stage, ASSERTION).await;
        }
        let sql = site.world.sql().await;
        for table in ["signing_keys", "key_marks"] {
            let copy = format!("CREATE TABLE older_{table} AS SELECT * FROM {table}");
            sql.define(&copy).await;
        }
        if !is_staged {
            site.must(Step::Stage, ASSERTION).await;
        }
        site.force(Step::Activate, ASSERTION).await;
        let newest = site.published(ASSERTION).await.active.unwrap().id;
        for table in ["key_sightings", "signing_keys", "key_marks"] {
            sql.define(&format!("DELETE FROM {table}")).await;
        }
        for table in ["signing_keys", "key_marks"] {
            sql.run(&format!("INSERT INTO {table} SELECT * FROM older_{table}"))
                .await;
        }
        site.world.nodes.clear();
        site.world.start_node().await;
        site.world.start_node().await;
        let node = site.world.app();
        let refused = node.ready().await.unwrap_err();
        assert!(refused.detail().contains("altered"), "{refused}");
        let keys = node.keys().await.unwrap();
        assert_eq!(keys.len(), if is_staged { 2 } else { 1 });
        assert!(keys.iter().all(|key| key.state.is_none()), "{keys:?}");
        // The way on without a backup, by a process that saw none of it.
        let stage = [Step::Stage, Step::Activate];
        for step in if is_staged { &stage[1..] } else { &stage[..] } {
            site.force(*step, ASSERTION).await;
        }
        assert!(node.ready().await.is_ok());
        assert_eq!(
            site.published(ASSERTION).await.active.unwrap().id == newest,
            is_staged
        );
        site.world.start_node().await;
        let another = &site.world.nodes.last().unwrap().app;
        assert!(another.ready().await.is_ok());
        assert!(
            another
                .keys()
                .await
                .unwrap()
                .iter()
                .all(|key| key.state.is_some())
        );
    }
}

/// The same where the copy comes back after the start: what the start read holds, although nothing
/// was asked of it since (review M2-5).
#[tokio::test]
async fn attack_20_a_server_that_started_and_signed_nothing_takes_no_older_copy() {
    let mut site = Site::new().await;
    let person = site.world.ready("agent2@contoso.com").await;
    site.must(Step::Stage, ASSERTION).await;
    let sql = site.world.sql().await;
    for table in ["signing_keys", "key_marks"] {
        let copy = format!("CREATE TABLE older_{table} AS SELECT * FROM {table}");
        sql.define(&copy).await;
    }
    site.force(Step::Activate, ASSERTION).await;
    site.world.nodes.clear();
    for _ in 0..3 {
        site.world.start_node().await;
    }
    // A mark that is gone takes nothing back either.
    sql.define("CREATE TABLE newest_key_marks AS SELECT * FROM key_marks")
        .await;
    sql.define("DELETE FROM key_marks").await;
    let refused = site.world.nodes[2].app.ready().await.unwrap_err();
    assert!(refused.detail().contains("altered"), "{refused}");
    sql.run("INSERT INTO key_marks SELECT * FROM newest_key_marks")
        .await;
    for table in ["key_sightings", "signing_keys", "key_marks"] {
        sql.define(&format!("DELETE FROM {table}")).await;
    }
    for table in ["signing_keys", "key_marks"] {
        sql.run(&format!("INSERT INTO {table} SELECT * FROM older_{table}"))
            .await;
    }
    let published = site.published(ASSERTION).await;
    assert_eq!(published.certificates(), Vec::<&[u8]>::new());
    // The browsers of the site are at the servers of before, which saw nothing of the last step.
    let mut browser = site.world.browser_on(1);
    let (now, upn) = (site.world.now(), person.upn().to_owned());
    let page = browser
        .sign_in(&entra::request(now), &upn, &person.code(now))
        .await;
    assert!(page.answer().is_none(), "{}", page.body);
    for node in &site.world.nodes {
        let refused = node.app.ready().await.unwrap_err();
        assert!(refused.detail().contains("altered"), "{refused}");
    }
}

/// Nobody raises the number by hand: then no step could ever be the newest one.
#[tokio::test]
async fn attack_20_a_number_that_was_written_by_hand_counts_for_nothing() {
    let mut site = Site::new().await;
    site.must(Step::Stage, ASSERTION).await;
    let sql = site.world.sql().await;
    sql.run("UPDATE events SET body = replace(body, '\"generation\":2', '\"generation\":9223372036854775807') WHERE kind = 'key-staged'")
        .await;
    let mut tx = site.world.app().store().read().await.unwrap();
    let told = tx.keys_in_events(ASSERTION).await.unwrap();
    drop(tx);
    assert!(told.iter().any(|told| {
        told.generation
            .as_ref()
            .is_some_and(|(number, _)| *number == i64::MAX)
    }));
    site.world.start_node().await;
    let node = &site.world.nodes.last().unwrap().app;
    assert!(node.ready().await.is_ok());
    site.force(Step::Activate, ASSERTION).await;
    let mut tx = site.world.app().store().read().await.unwrap();
    let mark = tx.key_mark(ASSERTION).await.unwrap().unwrap();
    assert_eq!(mark.generation, 3);
}

/// Of two operators who activate different keys at once, or one key twice, one does.
#[tokio::test]
async fn attack_28_two_operators_make_one_step() {
    let site = Site::new().await;
    site.must(Step::Stage, ASSERTION).await;
    let (one, two) = (&site.world.nodes[0].app, &site.world.nodes[1].app);
    let actor = || Actor::Operator("tester".to_owned());
    let wanted = chosen(KeyPurpose::Assertion);
    let (first, second) = tokio::join!(
        one.step_key(Step::Activate, &wanted, Force::Given, actor()),
        two.step_key(Step::Activate, &wanted, Force::Given, actor()),
    );
    let done = |outcome: &Result<Outcome, _>| matches!(outcome, Ok(Outcome::Done { .. }));
    assert!(done(&first) != done(&second), "{first:?} {second:?}");
    let active = site.published(ASSERTION).await;
    assert!(active.active.is_some() && active.retiring.len() == 1);
}

/// The same of the keys of External MFA: whoever takes them away or puts an
/// older copy back gets nothing published and nothing signed.
#[tokio::test]
async fn attack_20_the_keys_of_id_tokens_are_missed_and_not_revived_either() {
    for is_deleted in [true, false] {
        let mut site = Site::new().await;
        site.first_oidc_key().await;
        let sql = site.world.sql().await;
        if is_deleted {
            sql.run("DELETE FROM signing_keys WHERE purpose = 'oidc'")
                .await;
        } else {
            for table in ["signing_keys", "key_marks"] {
                let copy = format!("CREATE TABLE older_{table} AS SELECT * FROM {table}");
                sql.define(&copy).await;
            }
            site.must(Step::Stage, OIDC).await;
            site.force(Step::Activate, OIDC).await;
            site.force(Step::Retire, OIDC).await;
            for (at, node) in site.world.nodes.iter().enumerate() {
                assert!(node.app.key_list().await.is_ok());
                assert!(site.id_token(at).await.is_some(), "node {at}");
                site.world.advance(30);
            }
            for table in ["key_sightings", "signing_keys", "key_marks"] {
                sql.define(&format!("DELETE FROM {table}")).await;
            }
            for table in ["signing_keys", "key_marks"] {
                let back = format!("INSERT INTO {table} SELECT * FROM older_{table}");
                sql.run(&back).await;
            }
        }
        site.world.start_node().await;
        for (at, node) in site.world.nodes.iter().enumerate() {
            let list = node.app.key_list().await;
            assert!(list.is_err(), "{is_deleted}, node {at}: {list:?}");
            let token = site.id_token(at).await;
            assert_eq!(token, None, "{is_deleted}, node {at}");
        }
        let states = site.world.app().keys().await.unwrap();
        let of_oidc = states.iter().filter(|key| key.purpose == OIDC);
        assert!(of_oidc.clone().all(|key| key.state.is_none()));
    }
}

/// A server that runs and has signed no id_token yet knows of which number the keys were when it
/// started: an older copy is none, also where the events of the changes were taken away.
#[tokio::test]
async fn attack_20_a_server_that_signed_no_id_token_yet_takes_no_older_copy() {
    let mut site = Site::new().await;
    site.first_oidc_key().await;
    let sql = site.world.sql().await;
    for table in ["signing_keys", "key_marks"] {
        let copy = format!("CREATE TABLE older_{table} AS SELECT * FROM {table}");
        sql.define(&copy).await;
    }
    site.must(Step::Stage, OIDC).await;
    site.force(Step::Activate, OIDC).await;
    // It starts, and nobody asks it for anything.
    site.world.start_node().await;
    for table in ["key_sightings", "signing_keys", "key_marks"] {
        sql.define(&format!("DELETE FROM {table}")).await;
    }
    for table in ["signing_keys", "key_marks"] {
        let back = format!("INSERT INTO {table} SELECT * FROM older_{table}");
        sql.run(&back).await;
    }
    sql.define("UPDATE events SET kind = 'gone' WHERE kind LIKE 'key-%'")
        .await;
    let node = &site.world.nodes.last().unwrap().app;
    assert!(node.oidc_key().await.is_err());
    assert!(node.key_list().await.is_err());
}

/// A key list is never empty, and there is none before somebody asks.
#[tokio::test]
async fn the_first_key_of_id_tokens_is_made_once_when_a_tenant_asks() {
    let mut site = Site::new().await;
    let app = site.world.app().clone();
    assert!(app.key_list().await.is_err());
    assert!(app.discovery_document().await.is_err());
    app.ensure_oidc_key().await.unwrap();
    assert_eq!(site.published(OIDC).await.active, None);
    site.first_oidc_key().await;
    assert!(
        app.discovery_document()
            .await
            .unwrap()
            .contains("/oidc/jwks")
    );
    let mut lists = Vec::new();
    for node in &site.world.nodes {
        lists.push(node.app.key_list().await.unwrap());
    }
    lists.dedup();
    assert_eq!(lists.len(), 1);
    let key = site.published(OIDC).await.active.unwrap();
    for node in 0..site.world.nodes.len() {
        let token = site.id_token(node).await.unwrap();
        let header = crate::external_mfa::cloud::part(&token, 0);
        assert_eq!(vec![header["kid"].clone()], site.kids().await);
        site.world.advance(30);
    }
    assert_ne!(app.assertion_key().id, key.id);
}
