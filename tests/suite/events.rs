//! Events, counts of refusals, receipts.

use std::{sync::Arc, time::Duration};

use claimbridge::{
    audit::{Actor, Event, Receipt, Refused},
    base::{
        clock::ManualClock,
        ids::{AttemptId, CredentialId, KeyId, SessionId, UserId},
        random::SystemRandom,
    },
    storage::{Store, StoreError},
};

use super::{
    database::{Database, race},
    person::{MILLI, NOW, stored_user},
};

pub async fn an_event_reads_back(database: Database) {
    let clock = Arc::new(ManualClock::at(NOW));
    let store = database.node().await.with_clock(clock.clone());
    let user = stored_user(&store, "a@contoso.com").await;
    let attempt = AttemptId::random(&mut SystemRandom);
    let credential = CredentialId::random(&mut SystemRandom);
    let mut tx = store.begin().await.unwrap();
    let added = Event::UserAdded {
        upn: "a@contoso.com".to_owned(),
    };
    tx.append(
        Actor::Operator("root".to_owned()),
        Some(user.id.clone()),
        added,
    );
    clock.advance(MILLI);
    let verified = Event::PasswordVerified {
        attempt: attempt.clone(),
        credential: credential.clone(),
    };
    tx.append(Actor::Person, Some(user.id.clone()), verified);
    tx.append(
        Actor::System,
        None,
        Event::TamperingFound { what: "evidence" },
    );
    tx.commit().await.unwrap();

    let mut tx = store.read().await.unwrap();
    let events = tx.events_of_node(store.node()).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.sequence, event.at, &event.actor, event.kind()))
        .collect();
    let operator = Actor::Operator("root".to_owned());
    let later = NOW.plus(MILLI);
    assert_eq!(
        told,
        [
            (1, NOW, &operator, "user-added"),
            (2, later, &Actor::Person, "password-verified"),
            (3, later, &Actor::System, "tampering-found"),
        ]
    );
    assert_eq!(events[1].event["credential"], credential.as_str());
    assert_eq!(events[2].user, None);
    // As `--json` prints it.
    let line = serde_json::to_value(&events[0]).unwrap();
    assert_eq!(
        (&line["actor"], &line["name"], &line["upn"]),
        (&"operator".into(), &"root".into(), &"a@contoso.com".into())
    );
    assert_eq!(line["at"], NOW.to_rfc3339());

    assert_eq!(tx.events_of_attempt(&attempt).await.unwrap(), events[1..2]);
    let of_user = tx.events_of(&user.id, 10).await.unwrap();
    assert_eq!(of_user, [events[1].clone(), events[0].clone()]);
    assert_eq!(tx.events_of(&user.id, 1).await.unwrap(), events[1..2]);
}

/// Visits to the own pages: those of one person, newest first, as many as are asked for.
pub async fn sign_ins_to_the_own_pages_are_found(database: Database) {
    let clock = Arc::new(ManualClock::at(NOW));
    let store = database.node().await.with_clock(clock.clone());
    let user = stored_user(&store, "a@contoso.com").await;
    let other = stored_user(&store, "b@contoso.com").await;
    let mut tx = store.begin().await.unwrap();
    for (who, proofs) in [(&user, "first"), (&other, "other"), (&user, "second")] {
        let opened = Event::AccountOpened {
            attempt: AttemptId::random(&mut SystemRandom),
            proofs: proofs.to_owned(),
        };
        tx.append(Actor::Person, Some(who.id.clone()), opened);
        tx.append(Actor::Person, Some(who.id.clone()), Event::UserUnlocked);
        clock.advance(MILLI);
    }
    tx.commit().await.unwrap();
    let mut tx = store.read().await.unwrap();
    for (limit, wanted) in [(10, &["second", "first"][..]), (1, &["second"])] {
        let found = tx.account_sign_ins_of(&user.id, limit).await.unwrap();
        let proofs: Vec<&str> = found
            .iter()
            .map(|event| event.event["proofs"].as_str().unwrap())
            .collect();
        assert_eq!(proofs, wanted);
    }
}

/// Events that a crashed or refused change would have told of are gone with it, and
/// what is there is numbered 1, 2, 3 … for each node.
pub async fn numbers_have_no_gap_after_rollbacks_and_races(database: Database) {
    let user = stored_user(&database.node().await, "a@contoso.com").await;
    let nodes = race(&database, 40, |store, number| {
        let user = user.clone();
        async move { write_some(store, number, &user.id).await }
    })
    .await;
    let mut written = 0;
    let mut seen: Vec<&str> = Vec::new();
    for node in &nodes {
        if seen.contains(&node.as_str()) {
            continue;
        }
        seen.push(node.as_str());
        let store = database.node().await;
        let events = store
            .read()
            .await
            .unwrap()
            .events_of_node(node)
            .await
            .unwrap();
        let numbers: Vec<i64> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(
            numbers,
            (1..=i64::try_from(events.len()).unwrap()).collect::<Vec<_>>()
        );
        written += events.len();
        let last = format!("SELECT sequence FROM nodes WHERE id = '{node}'");
        assert_eq!(database.number(&last).await, *numbers.last().unwrap());
    }
    assert_eq!(seen.len(), 2);
    // Tasks 0, 1, 3, 4, 6 … commit 1 to 3 events each; every third rolls back.
    let expected: usize = (0..40)
        .filter(|number| number % 3 != 2)
        .map(|number| number % 4)
        .sum();
    assert_eq!(written, expected);
}

async fn write_some(store: Store, number: usize, user: &UserId) -> claimbridge::base::ids::NodeId {
    let mut tx = store.begin().await.unwrap();
    for _ in 0..number % 4 {
        tx.append(Actor::System, Some(user.clone()), Event::UserUnlocked);
    }
    if number % 3 == 2 {
        drop(tx);
    } else {
        tx.commit().await.unwrap();
    }
    store.node().clone()
}

pub async fn a_rollback_leaves_no_event(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await;
    let mut tx = store.begin().await.unwrap();
    tx.set_user_disabled(&user.id, Some(NOW)).await.unwrap();
    tx.append(Actor::System, Some(user.id.clone()), Event::UserDisabled);
    drop(tx);
    let mut tx = store.read().await.unwrap();
    assert_eq!(tx.events_of(&user.id, 10).await.unwrap(), []);
    assert_eq!(tx.user(&user.id).await.unwrap(), Some(user));
}

pub async fn refusals_are_counted_not_stored(database: Database) {
    race(&database, 30, |store, number| async move {
        let reason = if number % 3 == 0 {
            Refused::UnknownName
        } else {
            Refused::MalformedRequest
        };
        let mut tx = store.begin().await.unwrap();
        tx.count_refused(reason, 1, NOW.plus(Duration::from_mins(1)))
            .await
            .unwrap();
        tx.commit().await.unwrap();
    })
    .await;
    let store = database.node().await;
    let mut tx = store.begin().await.unwrap();
    let next_hour = NOW.plus(Duration::from_hours(1));
    for times in [1, 40] {
        tx.count_refused(Refused::OtherBrowser, times, next_hour)
            .await
            .unwrap();
    }
    let counts = tx.refused_counts().await.unwrap();
    let told: Vec<_> = counts
        .iter()
        .map(|count| (count.hour, count.reason.as_str(), count.count))
        .collect();
    assert_eq!(
        told,
        [
            (next_hour, Refused::OtherBrowser.as_str(), 41),
            (NOW, Refused::MalformedRequest.as_str(), 20),
            (NOW, Refused::UnknownName.as_str(), 10),
        ]
    );
}

/// Of an answer to Entra, of an attempt and a session that nobody stored.
pub fn receipt(user: &UserId) -> Receipt {
    Receipt {
        assertion_id: format!("_{}", AttemptId::random(&mut SystemRandom)),
        attempt: AttemptId::random(&mut SystemRandom),
        user: user.clone(),
        relying_party: "urn:federation:MicrosoftOnline".to_owned(),
        request_id: "_request".to_owned(),
        issuer: "https://idp.contoso.com/contoso.com".to_owned(),
        name_id: "ABCDEG1234567890".to_owned(),
        proofs: "password crd_a 1\ntotp crd_b 2\n".to_owned(),
        session: SessionId::random(&mut SystemRandom),
        authn_instant_millis: NOW.as_millis(),
        issued_at_millis: NOW.as_millis(),
        key: KeyId::random(&mut SystemRandom),
        sha256: "00".repeat(32),
    }
}

pub async fn receipts_read_back(database: Database) {
    let store = database.node().await;
    let user = UserId::random(&mut SystemRandom);
    let first = receipt(&user);
    let second = Receipt {
        issued_at_millis: first.issued_at_millis + 1,
        ..receipt(&user)
    };
    let mut tx = store.begin().await.unwrap();
    tx.insert_receipt(&first).await.unwrap();
    tx.insert_receipt(&second).await.unwrap();
    assert_eq!(
        tx.receipt_of_attempt(&first.attempt).await.unwrap(),
        Some(first.clone())
    );
    assert_eq!(
        tx.receipt_of_attempt(&AttemptId::random(&mut SystemRandom))
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        tx.receipts_of(&user, 10).await.unwrap(),
        [second.clone(), first]
    );
    assert_eq!(tx.receipts_of(&user, 1).await.unwrap(), [second]);
}

/// What `evidence` counts: a page never leaves one out nor tells it twice, also where many left
/// in one millisecond.
pub async fn receipts_of_a_period_come_in_pages(database: Database) {
    let store = database.node().await;
    let user = UserId::random(&mut SystemRandom);
    let mut tx = store.begin().await.unwrap();
    for number in 0..10 {
        let issued_at_millis = NOW.as_millis() + number / 4;
        let receipt = Receipt {
            issued_at_millis,
            ..receipt(&user)
        };
        tx.insert_receipt(&receipt).await.unwrap();
    }
    let other = UserId::random(&mut SystemRandom);
    tx.insert_receipt(&receipt(&other)).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.read().await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = tx
            .receipts_of_since(&user, NOW, after.as_ref(), 3)
            .await
            .unwrap();
        assert!(page.len() <= 3);
        after = page.last().cloned();
        seen.extend(page);
        if after.is_none() {
            break;
        }
    }
    let mut ids: Vec<&str> = seen.iter().map(|r| r.assertion_id.as_str()).collect();
    assert_eq!(ids.len(), 10);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 10);
    assert!(seen.is_sorted_by_key(|receipt| receipt.issued_at_millis));
    let later = tx
        .receipts_of_since(&user, NOW.plus(2 * MILLI), None, 100)
        .await
        .unwrap();
    assert_eq!(later.len(), 2);
    assert_eq!(tx.count_receipts_since(NOW).await.unwrap(), 11);
    let after_first = tx.count_receipts_since(NOW.plus(MILLI)).await.unwrap();
    assert_eq!(after_first, 6);
}

/// What `evidence` tells of operators, and how it notices that a row is gone.
pub async fn acts_are_told_and_missing_events_are_noticed(database: Database) {
    let clock = Arc::new(ManualClock::at(NOW));
    let store = database.node().await.with_clock(clock.clone());
    let user = stored_user(&store, "a@contoso.com").await;
    let attempt = AttemptId::random(&mut SystemRandom);
    let mut tx = store.begin().await.unwrap();
    let operator = Actor::Operator("root".to_owned());
    tx.append(operator.clone(), Some(user.id.clone()), Event::UserDisabled);
    clock.advance(MILLI);
    tx.append(operator, Some(user.id.clone()), Event::UserEnabled);
    let tried = Event::PasswordTried { attempt };
    tx.append(Actor::Person, Some(user.id.clone()), tried);
    let created = Event::KeyCreated {
        key: KeyId::random(&mut SystemRandom),
        purpose: "audit".to_owned(),
        generation: None,
    };
    tx.append(Actor::System, None, created);
    tx.commit().await.unwrap();

    let mut tx = store.read().await.unwrap();
    let kinds = |events: Vec<claimbridge::storage::StoredEvent>| -> Vec<String> {
        events.iter().map(|event| event.kind().to_owned()).collect()
    };
    let acts = kinds(tx.acts_since(NOW, 10).await.unwrap());
    assert_eq!(acts, ["key-created", "user-enabled", "user-disabled"]);
    let acts = kinds(tx.acts_since(NOW, 1).await.unwrap());
    assert_eq!(acts, ["key-created"]);
    let acts = kinds(tx.acts_since(NOW.plus(MILLI), 10).await.unwrap());
    assert_eq!(acts, ["key-created", "user-enabled"]);
    let counts = tx.event_counts(NOW).await.unwrap();
    assert!(
        counts.contains(&("password-tried".to_owned(), 1)),
        "{counts:?}"
    );
    assert_eq!(tx.missing_events().await.unwrap(), 0);
    let version = tx.database_version().await.unwrap();
    assert!(
        ["SQLite", "PostgreSQL"].contains(&version.engine),
        "{version:?}"
    );
    assert!(
        version.version.starts_with(|c: char| c.is_ascii_digit()),
        "{version:?}"
    );
    assert!(version.schema.unwrap().starts_with("00"));
    drop(tx);
    let gone = "DELETE FROM events WHERE kind = 'user-enabled'";
    assert_eq!(database.by_hand(gone).await, 1);
    let mut tx = store.read().await.unwrap();
    assert_eq!(tx.missing_events().await.unwrap(), 1);
}

/// Whatever else goes wrong, the database takes no second token of an attempt.
pub async fn an_attempt_has_one_receipt(database: Database) {
    let user = UserId::random(&mut SystemRandom);
    let first = receipt(&user);
    let outcomes = race(&database, 20, |store, _| {
        let mine = Receipt {
            attempt: first.attempt.clone(),
            ..receipt(&user)
        };
        async move {
            let mut tx = store.begin().await.unwrap();
            match tx.insert_receipt(&mine).await {
                Ok(()) => tx.commit().await.is_ok(),
                Err(StoreError::Refused(_)) => {
                    assert!(tx.commit().await.is_err());
                    false
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|issued| **issued).count(), 1);
    let store = database.node().await;
    let issued = store
        .read()
        .await
        .unwrap()
        .receipt_of_attempt(&first.attempt)
        .await
        .unwrap()
        .unwrap();
    let twice = Receipt {
        assertion_id: issued.assertion_id,
        ..receipt(&user)
    };
    let mut tx = store.begin().await.unwrap();
    assert!(matches!(
        tx.insert_receipt(&twice).await,
        Err(StoreError::Refused(_))
    ));
}
