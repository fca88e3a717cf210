//! Attempts, their evidence and enrolments.

use std::time::Duration;

use claimbridge::{
    base::{
        ids::{AttemptId, CredentialId, PassId},
        random::SystemRandom,
    },
    factor::evidence::{self, EvidenceError},
    signin::{
        attempt::{Attempt, LIFETIME},
        request::{Reauthentication, SignInRequest},
    },
    storage::{EnrolmentRow, InsertAttempt, OpenedBy},
};

use super::{
    database::{Database, count, race},
    person::{MILLI, NOW, Person, attempt, browser, stored_attempt, stored_user},
};

const HERE: &str = "203.0.113.7";

pub async fn an_attempt_reads_back(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await;
    for attempt in [
        attempt(None),
        Attempt {
            answered_at: Some(NOW),
            ..attempt(Some(&user))
        },
    ] {
        let mut tx = store.begin().await.unwrap();
        assert_eq!(
            tx.insert_attempt(&attempt, HERE).await.unwrap(),
            InsertAttempt::Inserted
        );
        tx.commit().await.unwrap();
        let mut tx = store.read().await.unwrap();
        assert_eq!(tx.attempt(&attempt.id).await.unwrap(), Some(attempt));
    }
    let nobodys = AttemptId::random(&mut SystemRandom);
    let mut tx = store.read().await.unwrap();
    assert_eq!(tx.attempt(&nobodys).await.unwrap(), None);
    assert_eq!(tx.answer_of(&nobodys).await.unwrap(), None);
}

pub async fn attack_15_a_request_has_one_attempt(database: Database) {
    let request = attempt(None).request;
    let outcomes = race(&database, 20, |store, _| {
        let attempt = Attempt {
            request: request.clone(),
            ..attempt(None)
        };
        async move {
            let mut tx = store.begin().await.unwrap();
            let outcome = tx.insert_attempt(&attempt, HERE).await.unwrap();
            tx.commit().await.unwrap();
            (attempt, outcome)
        }
    })
    .await;
    let (first, _) = outcomes
        .iter()
        .find(|(_, outcome)| *outcome == InsertAttempt::Inserted)
        .unwrap();
    for (attempt, outcome) in &outcomes {
        if attempt.id != first.id {
            assert_eq!(*outcome, InsertAttempt::Known(Box::new(first.clone())));
        }
    }
    // The same id of another party is another request.
    let mut other = attempt(None);
    other.request.request_id.clone_from(&request.request_id);
    other.request.relying_party = "https://sp.example.com".to_owned();
    let store = database.node().await;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(
        tx.insert_attempt(&other, HERE).await.unwrap(),
        InsertAttempt::Inserted
    );
}

pub async fn attack_1_an_attempt_keeps_its_person(database: Database) {
    let store = database.node().await;
    let (one, two) = (
        stored_user(&store, "a@contoso.com").await,
        stored_user(&store, "b@contoso.com").await,
    );
    let attempt = stored_attempt(&store, None, HERE).await;
    let mut tx = store.begin().await.unwrap();
    assert!(tx.set_attempt_user(&attempt.id, &one.id).await.unwrap());
    assert!(tx.set_attempt_user(&attempt.id, &one.id).await.unwrap());
    assert!(!tx.set_attempt_user(&attempt.id, &two.id).await.unwrap());
    assert_eq!(
        tx.attempt(&attempt.id).await.unwrap().unwrap().user,
        Some(one.id)
    );
}

pub async fn attack_28_a_hundred_answers_at_once(database: Database) {
    let store = database.node().await;
    let attempt = stored_attempt(&store, None, HERE).await;
    let answered = race(&database, 100, |store, number| {
        let id = attempt.id.clone();
        async move {
            let mut tx = store.begin().await.unwrap();
            let first = tx
                .answer_attempt(&id, &format!("answer {number}"), NOW)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            first.then_some(number)
        }
    })
    .await;
    let winners: Vec<usize> = answered.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    let node = database.node().await;
    let mut tx = node.begin().await.unwrap();
    assert_eq!(
        tx.answer_of(&attempt.id).await.unwrap(),
        Some(format!("answer {}", winners[0]))
    );
    assert_eq!(
        tx.attempt(&attempt.id).await.unwrap().unwrap().answered_at,
        Some(NOW)
    );
    assert!(!tx.answer_attempt(&attempt.id, "later", NOW).await.unwrap());
}

pub async fn attack_5_an_answer_comes_in_time(database: Database) {
    let store = database.node().await;
    for (at, accepted) in [
        (NOW.plus(LIFETIME).minus(MILLI), true),
        (NOW.plus(LIFETIME), false),
        (NOW.plus(LIFETIME).plus(MILLI), false),
    ] {
        let attempt = stored_attempt(&store, None, HERE).await;
        let mut tx = store.begin().await.unwrap();
        assert_eq!(
            tx.answer_attempt(&attempt.id, "answer", at).await.unwrap(),
            accepted,
            "{at}"
        );
        assert_eq!(tx.answer_of(&attempt.id).await.unwrap().is_some(), accepted);
        tx.commit().await.unwrap();
    }
}

pub async fn a_person_whose_attempts_end(database: Database) {
    let store = database.node().await;
    let (one, two) = (
        stored_user(&store, "a@contoso.com").await,
        stored_user(&store, "b@contoso.com").await,
    );
    let (open, answered, others) = (
        stored_attempt(&store, Some(&one), HERE).await,
        stored_attempt(&store, Some(&one), HERE).await,
        stored_attempt(&store, Some(&two), HERE).await,
    );
    let later = NOW.plus(Duration::from_mins(1));
    let mut tx = store.begin().await.unwrap();
    assert!(tx.answer_attempt(&answered.id, "token", NOW).await.unwrap());
    assert_eq!(tx.end_attempts_of(&one.id, later).await.unwrap(), 1);
    assert_eq!(tx.end_attempts_of(&one.id, later).await.unwrap(), 0);
    // Also for an answer that read its clock before the attempts were ended.
    for now in [NOW, later] {
        assert!(!tx.answer_attempt(&open.id, "token", now).await.unwrap());
    }
    // What was answered a moment ago is not handed out again.
    assert_eq!(tx.answer_of(&answered.id).await.unwrap(), None);
    assert_eq!(tx.attempt(&others.id).await.unwrap(), Some(others));
}

/// Who is named says "not me": nothing that was proved remains, and only in that attempt.
pub async fn an_attempt_begins_anew(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let attempt = stored_attempt(&store, Some(&person.user), HERE).await;
    let other = stored_attempt(&store, Some(&person.user), HERE).await;
    for id in [&attempt.id, &other.id] {
        database
            .by_hand(&format!(
                "INSERT INTO evidence (attempt, kind, user_id, credential, proved_at, tag)
                 VALUES ('{id}', 'password', '{}', 'crd_{}', 1, 'x')",
                person.user.id,
                "a".repeat(26)
            ))
            .await;
    }
    let request = SignInRequest {
        reauthentication: Reauthentication::Always,
        ..attempt.request.clone()
    };
    let mut tx = store.begin().await.unwrap();
    let restarted = tx.restart_attempt(&attempt.id, &request, NOW).await;
    assert!(restarted.unwrap());
    let found = tx.attempt(&attempt.id).await.unwrap().unwrap();
    let anew = Attempt {
        request: request.clone(),
        user: None,
        ..attempt.clone()
    };
    assert_eq!(found, anew);
    assert_eq!(tx.evidence_of(&attempt.id).await.unwrap(), []);
    assert_eq!(tx.evidence_of(&other.id).await.unwrap().len(), 1);
    assert_eq!(tx.attempt(&other.id).await.unwrap().unwrap(), other);
    // Not one that is over.
    assert!(tx.answer_attempt(&other.id, "answer", NOW).await.unwrap());
    for (attempt, at) in [(&other, NOW), (&attempt, NOW.plus(LIFETIME))] {
        let restarted = tx.restart_attempt(&attempt.id, &request, at).await;
        assert!(!restarted.unwrap());
    }
    assert_eq!(tx.evidence_of(&other.id).await.unwrap().len(), 1);
}

pub async fn attempts_are_counted_by_source(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let proved = stored_attempt(&store, Some(&person.user), HERE).await;
    let answered = stored_attempt(&store, None, HERE).await;
    for source in [HERE, HERE, "2001:db8::1"] {
        stored_attempt(&store, None, source).await;
    }
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.unproved_attempts_from(HERE, NOW).await.unwrap(), 4);
    assert!(tx.answer_attempt(&proved.id, "answer", NOW).await.unwrap());
    assert_eq!(tx.unproved_attempts_from(HERE, NOW).await.unwrap(), 3);
    // An answer for nobody can be had as often as one asks.
    assert!(
        tx.answer_attempt(&answered.id, "answer", NOW)
            .await
            .unwrap()
    );
    assert_eq!(tx.unproved_attempts_from(HERE, NOW).await.unwrap(), 3);
    assert_eq!(
        tx.unproved_attempts_from(HERE, NOW.plus(LIFETIME).minus(MILLI))
            .await
            .unwrap(),
        3
    );
    assert_eq!(
        tx.unproved_attempts_from(HERE, NOW.plus(LIFETIME))
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        tx.unproved_attempts_from("198.51.100.1", NOW)
            .await
            .unwrap(),
        0
    );
}

pub async fn evidence_is_one_of_a_kind(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let attempt = stored_attempt(&store, Some(&person.user), HERE).await;
    let records = person.prove(&store, &attempt, NOW).await;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.evidence_of(&attempt.id).await.unwrap(), records);
    tx.commit().await.unwrap();
    let later = NOW.plus(Duration::from_mins(1));
    let newer = person.prove(&store, &attempt, later).await;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.evidence_of(&attempt.id).await.unwrap(), newer);
    assert_eq!(tx.clear_evidence(&attempt.id).await.unwrap(), 2);
    assert_eq!(tx.evidence_of(&attempt.id).await.unwrap(), []);
}

/// Attacks 36 and 38, with SQL: a row that is moved proves nothing where it arrives.
pub async fn attack_38_evidence_that_was_copied_is_refused(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let other = Person::new(&store, "b@contoso.com").await;
    let attempt = stored_attempt(&store, Some(&person.user), HERE).await;
    let target = stored_attempt(&store, Some(&person.user), HERE).await;
    person.prove(&store, &attempt, NOW).await;
    let open = async |attempt: &Attempt| {
        let records = store
            .read()
            .await
            .unwrap()
            .evidence_of(&attempt.id)
            .await
            .unwrap();
        assert_eq!(records.len(), 2);
        evidence::open_all(&records, attempt.binding(), &person.sealing, NOW, LIFETIME)
            .map(|opened| opened.len())
    };
    assert_eq!(open(&attempt).await, Ok(2));
    database
        .by_hand(&format!(
            "INSERT INTO evidence (attempt, kind, user_id, credential, proved_at, tag)
             SELECT '{}', kind, user_id, credential, proved_at, tag FROM evidence",
            target.id
        ))
        .await;
    assert_eq!(open(&target).await, Err(EvidenceError::Broken));
    assert_eq!(open(&attempt).await, Ok(2));
    // The attempt itself handed to another browser.
    database
        .by_hand(&format!(
            "UPDATE attempts SET browser = '{}' WHERE id = '{}'",
            browser(),
            attempt.id
        ))
        .await;
    let moved = store
        .read()
        .await
        .unwrap()
        .attempt(&attempt.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(open(&moved).await, Err(EvidenceError::Broken));
    database
        .by_hand(&format!(
            "UPDATE attempts SET browser = '{}' WHERE id = '{}'",
            attempt.browser, attempt.id
        ))
        .await;
    for change in [
        format!("user_id = '{}'", other.user.id),
        "proved_at = proved_at + 1".to_owned(),
        format!("credential = '{}'", other.totp.id),
        "tag = ''".to_owned(),
    ] {
        database
            .by_hand(&format!(
                "CREATE TABLE kept AS SELECT * FROM evidence WHERE attempt = '{}'",
                attempt.id
            ))
            .await;
        database
            .by_hand(&format!(
                "UPDATE evidence SET {change} WHERE attempt = '{}'",
                attempt.id
            ))
            .await;
        assert_eq!(open(&attempt).await, Err(EvidenceError::Broken), "{change}");
        database
            .by_hand(&format!(
                "DELETE FROM evidence WHERE attempt = '{}'; INSERT INTO evidence SELECT * FROM kept; DROP TABLE kept",
                attempt.id
            ))
            .await;
        assert_eq!(open(&attempt).await, Ok(2));
    }
}

async fn enrolment(database: &Database) -> EnrolmentRow {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await;
    let attempt = stored_attempt(&store, Some(&user), HERE).await;
    let row = EnrolmentRow {
        attempt: attempt.id,
        user: user.id,
        opened_by: OpenedBy::Pass(PassId::random(&mut SystemRandom)),
        method: None,
        credential: Some(CredentialId::random(&mut SystemRandom)),
        expires_at: NOW.plus(Duration::from_mins(10)),
        finished_at: None,
        tag: "a tag".to_owned(),
    };
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.open_enrolment_of(&row.attempt, NOW).await.unwrap(), None);
    tx.insert_enrolment(&row).await.unwrap();
    tx.commit().await.unwrap();
    row
}

pub async fn attack_6_an_enrolment_is_finished_once(database: Database) {
    let row = enrolment(&database).await;
    let store = database.node().await;
    let mut tx = store.begin().await.unwrap();
    let open = tx.open_enrolment_of(&row.attempt, NOW).await.unwrap();
    assert_eq!(open, Some(row.clone()));
    drop(tx);
    let finished = race(&database, 20, |store, _| {
        let id = row.attempt.clone();
        async move {
            let mut tx = store.begin().await.unwrap();
            let first = tx.finish_enrolment(&id, NOW).await.unwrap();
            tx.commit().await.unwrap();
            first
        }
    })
    .await;
    assert_eq!(count(&finished, &true), 1);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.open_enrolment_of(&row.attempt, NOW).await.unwrap(), None);
}

pub async fn attack_5_an_enrolment_ends(database: Database) {
    let row = enrolment(&database).await;
    let store = database.node().await;
    for (at, open) in [(row.expires_at, false), (row.expires_at.minus(MILLI), true)] {
        let mut tx = store.begin().await.unwrap();
        assert_eq!(
            tx.open_enrolment_of(&row.attempt, at)
                .await
                .unwrap()
                .is_some(),
            open
        );
        assert_eq!(tx.finish_enrolment(&row.attempt, at).await.unwrap(), open);
    }
    // Another pass opens it again.
    let again = EnrolmentRow {
        opened_by: OpenedBy::Pass(PassId::random(&mut SystemRandom)),
        ..row.clone()
    };
    let mut tx = store.begin().await.unwrap();
    assert!(tx.finish_enrolment(&row.attempt, NOW).await.unwrap());
    tx.insert_enrolment(&again).await.unwrap();
    assert_eq!(
        tx.open_enrolment_of(&row.attempt, NOW).await.unwrap(),
        Some(again)
    );
}

pub async fn what_is_old_is_forgotten(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let session = person.session(&store, NOW).await;
    let old = stored_attempt(&store, Some(&person.user), HERE).await;
    person
        .prove(&store, &old, NOW.plus(Duration::from_mins(1)))
        .await;
    let later = NOW.plus(Duration::from_hours(24));
    let young = Attempt {
        expires_at: later.plus(LIFETIME),
        ..attempt(Some(&person.user))
    };
    let mut tx = store.begin().await.unwrap();
    tx.insert_attempt(&young, HERE).await.unwrap();
    tx.insert_enrolment(&EnrolmentRow {
        attempt: old.id.clone(),
        user: person.user.id.clone(),
        opened_by: OpenedBy::Pass(PassId::random(&mut SystemRandom)),
        method: None,
        credential: None,
        expires_at: NOW,
        finished_at: None,
        tag: "a tag".to_owned(),
    })
    .await
    .unwrap();
    // Nothing is old yet.
    assert_eq!(tx.purge(NOW).await.unwrap(), 0);
    // Two attempts (one began the session) and the session; the rest goes with them.
    assert_eq!(tx.purge(later).await.unwrap(), 3);
    assert_eq!(tx.attempt(&old.id).await.unwrap(), None);
    assert_eq!(tx.evidence_of(&old.id).await.unwrap(), []);
    assert_eq!(tx.session(&session.row().id).await.unwrap(), None);
    assert_eq!(tx.attempt(&young.id).await.unwrap(), Some(young));
    tx.commit().await.unwrap();
    assert_eq!(database.number("SELECT COUNT(*) FROM evidence").await, 0);
    assert_eq!(database.number("SELECT COUNT(*) FROM enrolments").await, 0);
}

/// Ended attempts are over as of 1970, and still their request is known for a day.
pub async fn attack_28_a_request_is_known_after_its_attempt_was_ended(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let ended = stored_attempt(&store, Some(&person.user), HERE).await;
    let day = Duration::from_hours(24);
    let mut tx = store.begin().await.unwrap();
    let later = NOW.plus(Duration::from_mins(1));
    tx.end_attempts_of(&person.user.id, later).await.unwrap();
    assert_eq!(tx.purge(later.minus(day)).await.unwrap(), 0);
    let again = Attempt {
        request: ended.request.clone(),
        ..attempt(None)
    };
    let known = tx.insert_attempt(&again, HERE).await.unwrap();
    let InsertAttempt::Known(known) = known else {
        panic!("the request began a second attempt");
    };
    assert_eq!(known.id, ended.id);
    assert!(tx.purge(later).await.unwrap() > 0);
}
