//! The watch: whose turn it is, findings, messages.

use std::{collections::BTreeSet, time::Duration};

use claimbridge::storage::{StoredFinding, StoredMessage, TurnLimits, WatchState};

use super::{database::Database, person::NOW};

const HOUR: Duration = Duration::from_hours(1);

pub async fn of_many_nodes_one_has_the_turn(database: Database) {
    let until = NOW.plus(Duration::from_mins(10));
    let beyond = NOW.plus(48 * HOUR);
    let limits = TurnLimits {
        lease: beyond,
        next: beyond,
    };
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let node = database.node().await;
        tasks.spawn(async move {
            let holder = format!("node {number}");
            let mut tx = node.begin().await.unwrap();
            let taken = tx.take_watch(&holder, NOW, until, &limits).await.unwrap();
            tx.commit().await.unwrap();
            taken.then_some(holder)
        });
    }
    let holders: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(holders.len(), 1, "{holders:?}");
    let store = database.node().await;
    let state = WatchState {
        lease_until: until,
        next_look_at: NOW.plus(HOUR),
        looked_at: Some(NOW),
        read_at: None,
        failures: 3,
    };
    // Who has not the turn ends nobody's.
    let mut tx = store.begin().await.unwrap();
    assert!(!tx.end_watch("somebody", until, &state).await.unwrap());
    assert!(!tx.end_watch(&holders[0], NOW, &state).await.unwrap());
    assert!(tx.end_watch(&holders[0], until, &state).await.unwrap());
    assert!(!tx.end_watch(&holders[0], until, &state).await.unwrap());
    // Not before its time, and then again.
    assert!(!tx.take_watch("b", NOW, until, &limits).await.unwrap());
    let later = NOW.plus(HOUR);
    assert!(
        tx.take_watch("b", later, later.plus(HOUR), &limits)
            .await
            .unwrap()
    );
    // A turn that was not given back ends by itself; one that never ends is none.
    assert!(
        !tx.take_watch("c", later, later.plus(HOUR), &limits)
            .await
            .unwrap()
    );
    let much_later = later.plus(HOUR);
    assert!(
        tx.take_watch("c", much_later, beyond.plus(HOUR), &limits)
            .await
            .unwrap()
    );
    assert!(
        tx.take_watch("d", much_later, much_later.plus(HOUR), &limits)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let forced = TurnLimits::NONE;
    assert!(
        tx.take_watch("e", much_later, much_later.plus(HOUR), &forced)
            .await
            .unwrap(),
        "whatever the row says"
    );
    assert!(!tx.restore_watch().await.unwrap(), "it is there");
    // Whoever has it: what came of a look is written.
    tx.end_watch_anyway(&state).await.unwrap();
    assert!(
        !tx.end_watch("e", much_later.plus(HOUR), &state)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let read = store
        .read()
        .await
        .unwrap()
        .watch_state()
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (read.looked_at, read.read_at, read.failures),
        (Some(NOW), None, 3)
    );
}

pub async fn findings_and_messages_read_back(database: Database) {
    let store = database.node().await;
    let mut finding = StoredFinding {
        id: "unknown-certificate:1".to_owned(),
        kind: "unknown-certificate".to_owned(),
        severity: "critical".to_owned(),
        body: "{\"\u{e4}\":\"'\"}".to_owned(),
        first_seen_at: NOW,
        told_at: NOW,
        tag: "t".to_owned(),
    };
    let mut tx = store.begin().await.unwrap();
    tx.put_finding(&finding).await.unwrap();
    finding.told_at = NOW.plus(HOUR);
    tx.put_finding(&finding).await.unwrap();
    assert_eq!(tx.watch_findings().await.unwrap(), [finding.clone()]);
    let other = StoredFinding {
        body: "{}".to_owned(),
        tag: "u".to_owned(),
        ..finding.clone()
    };
    assert!(!tx.replace_finding("v", &other).await.unwrap());
    assert!(tx.replace_finding("t", &other).await.unwrap());
    assert_eq!(tx.watch_findings().await.unwrap(), [other]);
    tx.forget_finding(&finding.id).await.unwrap();
    assert_eq!(tx.watch_findings().await.unwrap(), []);
    let message = StoredMessage {
        id: "wmg_1".to_owned(),
        body: "{}".to_owned(),
        made_at: NOW,
        tries: 0,
        next_try_at: NOW,
        tag: "t".to_owned(),
    };
    assert!(tx.put_message(&message).await.unwrap());
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.messages().await.unwrap(), std::slice::from_ref(&message));
    let taken = StoredMessage {
        tries: 1,
        next_try_at: NOW.plus(HOUR),
        tag: "u".to_owned(),
        ..message.clone()
    };
    assert!(tx.take_message("t", &taken).await.unwrap());
    assert!(
        !tx.take_message("t", &taken).await.unwrap(),
        "it is another's"
    );
    assert!(!tx.put_message(&message).await.unwrap(), "it is there");
    assert_eq!(tx.messages().await.unwrap(), [taken]);
    let ids = tx.message_ids().await.unwrap();
    assert_eq!(ids, BTreeSet::from([message.id.clone()]));
    tx.remove_message(&message.id).await.unwrap();
    assert!(tx.message_ids().await.unwrap().is_empty());
    tx.commit().await.unwrap();
}

pub async fn how_the_database_is_kept_is_told(database: Database) {
    use claimbridge::storage::Upkeep;
    let store = database.node().await;
    match store.read().await.unwrap().upkeep().await.unwrap() {
        Upkeep::Sqlite { journal } => assert_eq!(journal, "wal"),
        Upkeep::Postgres {
            version, is_here, ..
        } => {
            assert!(
                version.starts_with(|first: char| first.is_ascii_digit()),
                "{version}"
            );
            assert!(is_here);
        }
    }
}
