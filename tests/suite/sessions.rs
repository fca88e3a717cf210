//! Sessions, what they told whom, known browsers, notices.

use std::time::Duration;

use claimbridge::{
    audit::Receipt,
    signin::{
        complete::{self, NotSignedIn},
        request::Protocol,
    },
    storage::{Reuse, SessionParty, Told},
};

use super::{
    database::{Database, assert_waits},
    events::receipt,
    person::{MILLI, NOW, Person, browser, stored_attempt, stored_user},
};

const ENTRA: &str = "urn:federation:MicrosoftOnline";

pub async fn a_session_reads_back(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let first = person.session(&store, NOW).await;
    let second = person
        .session(&store, NOW.plus(Duration::from_mins(1)))
        .await;
    // On another node, and the seal holds over what was stored.
    let store = database.node().await;
    let mut tx = store.read().await.unwrap();
    let row = tx
        .session_by_token(&first.row().token)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&row, first.row());
    assert_eq!(complete::verify_session(&row, &person.sealing), Ok(()));
    assert_eq!(
        tx.session(&first.row().id).await.unwrap().as_ref(),
        Some(first.row())
    );
    let all = tx.sessions_of(&person.user.id).await.unwrap();
    assert_eq!(all, [second.row().clone(), first.row().clone()]);
    assert_eq!(tx.session_by_token(&browser()).await.unwrap(), None);
}

/// Attack 38, with SQL.
pub async fn attack_38_a_session_written_by_hand_is_refused(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let other = Person::new(&store, "b@contoso.com").await;
    let session = person.session(&store, NOW).await;
    let cookie = browser();
    database
        .by_hand(&format!(
            "INSERT INTO sessions (id, token, user_id, proofs, created_at, last_used_at, tag)
             SELECT 'ses_{}', '{cookie}', user_id, proofs, created_at, last_used_at, tag FROM sessions",
            "a".repeat(26)
        ))
        .await;
    let seal = async |token| {
        let row = store
            .read()
            .await
            .unwrap()
            .session_by_token(token)
            .await
            .unwrap()
            .unwrap();
        complete::verify_session(&row, &person.sealing)
    };
    assert_eq!(seal(&cookie).await, Err(NotSignedIn::Seal));
    let token = &session.row().token;
    assert_eq!(seal(token).await, Ok(()));
    for (change, back) in [
        (
            format!("user_id = '{}'", other.user.id),
            format!("user_id = '{}'", person.user.id),
        ),
        (
            "created_at = created_at + 1".to_owned(),
            "created_at = created_at - 1".to_owned(),
        ),
        (
            format!(
                "proofs = replace(proofs, '{}', '{}')",
                person.totp.id, other.totp.id
            ),
            format!(
                "proofs = replace(proofs, '{}', '{}')",
                other.totp.id, person.totp.id
            ),
        ),
    ] {
        let one = format!("WHERE token = '{token}'");
        assert_eq!(
            database
                .by_hand(&format!("UPDATE sessions SET {change} {one}"))
                .await,
            1
        );
        assert_eq!(seal(token).await, Err(NotSignedIn::Seal), "{change}");
        database
            .by_hand(&format!("UPDATE sessions SET {back} {one}"))
            .await;
        assert_eq!(seal(token).await, Ok(()));
    }
}

pub async fn attack_28_an_ended_session_stays_ended(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let (first, second, third) = (
        person.session(&store, NOW).await,
        person
            .session(&store, NOW.plus(Duration::from_mins(1)))
            .await,
        person
            .session(&store, NOW.plus(Duration::from_mins(2)))
            .await,
    );
    let later = NOW.plus(Duration::from_mins(3));
    let mut tx = store.begin().await.unwrap();
    assert!(tx.revoke_session(&first.row().id, later).await.unwrap());
    assert!(
        !tx.revoke_session(&first.row().id, later.plus(MILLI))
            .await
            .unwrap()
    );
    assert_eq!(
        tx.revoke_sessions_of(&person.user.id, later).await.unwrap(),
        2
    );
    assert_eq!(
        tx.revoke_sessions_of(&person.user.id, later).await.unwrap(),
        0
    );
    tx.commit().await.unwrap();
    store.close().await;
    let store = database.node().await;
    let mut tx = store.begin().await.unwrap();
    for session in [first, second, third] {
        assert!(
            !tx.touch_session(&session.row().id, later.plus(MILLI))
                .await
                .unwrap()
        );
        let row = tx
            .session_by_token(&session.row().token)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.revoked_at, Some(later));
    }
}

/// Attack 28: an operator ends everything while another node is beginning a session.
pub async fn a_session_that_begins_meanwhile_ends_too(database: Database) {
    let (one, two) = (database.node().await, database.node().await);
    let person = Person::new(&one, "a@contoso.com").await;
    let session = person.sealed_session(&one, NOW).await;
    let mut beginning = one.begin().await.unwrap();
    beginning.insert_session(&session, None).await.unwrap();
    let user = person.user.id.clone();
    let mut ending = tokio::spawn(async move {
        let mut tx = two.begin().await.unwrap();
        tx.revoke_sessions_of(&user, NOW).await.unwrap();
        tx.commit().await.unwrap();
    });
    assert_waits(&mut ending).await;
    beginning.commit().await.unwrap();
    ending.await.unwrap();
    let mut tx = one.read().await.unwrap();
    let row = tx.session(&session.row().id).await.unwrap().unwrap();
    assert_eq!(row.revoked_at, Some(NOW));
}

pub async fn a_session_is_used_forwards(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let session = person.session(&store, NOW).await;
    let id = &session.row().id;
    let later = NOW.plus(Duration::from_mins(1));
    let mut tx = store.begin().await.unwrap();
    assert!(tx.touch_session(id, later).await.unwrap());
    // A request that was slower does not make the session look older.
    assert!(tx.touch_session(id, NOW).await.unwrap());
    let row = tx.session(id).await.unwrap().unwrap();
    assert_eq!((row.last_used_at, row.created_at), (later, NOW));
    // Use is not what the seal is about.
    assert_eq!(complete::verify_session(&row, &person.sealing), Ok(()));
}

pub async fn parties_are_remembered(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let session = person.session(&store, NOW).await;
    let id = &session.row().id;
    let told = Told {
        protocol: Protocol::Saml2,
        issuer: "https://idp.example.com/contoso.com".to_owned(),
        name_id: "ABCDEG1234567890".to_owned(),
        authn_instant: NOW,
    };
    let first = SessionParty {
        session_index: "_i".to_owned(),
        answered_at: NOW,
        reused_at: None,
        told: None,
    };
    let again = SessionParty {
        reused_at: Some(NOW.plus(MILLI)),
        answered_at: NOW.plus(MILLI),
        told: Some(told),
        ..first.clone()
    };
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.party_of_session(id, ENTRA).await.unwrap(), None);
    for party in [first, again] {
        tx.put_party_of_session(id, ENTRA, &party).await.unwrap();
        assert_eq!(
            tx.party_of_session(id, ENTRA).await.unwrap().as_ref(),
            Some(&party)
        );
        let all = tx.parties_of_session(id).await.unwrap();
        assert_eq!(all, [(ENTRA.to_owned(), party)]);
    }
    assert_eq!(
        tx.party_of_session(id, "https://sp.example.com")
            .await
            .unwrap(),
        None
    );
    tx.commit().await.unwrap();

    // What follows upon the session knows the party, and that it took a reused answer only
    // while old proofs are carried over.
    let (next, last) = (
        person
            .session(&store, NOW.plus(Duration::from_mins(1)))
            .await,
        person
            .session(&store, NOW.plus(Duration::from_mins(2)))
            .await,
    );
    let (next, last) = (&next.row().id, &last.row().id);
    let mut tx = store.begin().await.unwrap();
    tx.move_parties(id, next, Reuse::Remembered).await.unwrap();
    assert_eq!(tx.party_of_session(id, ENTRA).await.unwrap(), None);
    let told = tx.party_of_session(next, ENTRA).await.unwrap().unwrap();
    assert_eq!(told.reused_at, Some(NOW.plus(MILLI)));
    tx.move_parties(next, last, Reuse::Forgotten).await.unwrap();
    let told = tx.party_of_session(last, ENTRA).await.unwrap().unwrap();
    assert_eq!(told.reused_at, None);
}

pub async fn round_trips_are_those_of_one_browser(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let other = Person::new(&store, "b@contoso.com").await;
    let minutes = |minutes| NOW.plus(Duration::from_mins(minutes));
    // The second replaced the first, the third the second; the last is another browser's.
    let first = person.session(&store, NOW).await;
    let mut replaced = first.row().id.clone();
    let mut line = vec![replaced.clone()];
    for number in 1..3 {
        let next = person.sealed_session(&store, minutes(number)).await;
        let mut tx = store.begin().await.unwrap();
        tx.insert_session(&next, Some(&replaced)).await.unwrap();
        tx.commit().await.unwrap();
        replaced = next.row().id.clone();
        line.push(replaced.clone());
    }
    let alone = person.session(&store, minutes(3)).await.row().id.clone();
    let answered_at = minutes(4);
    for session in line.iter().chain([&alone]) {
        let attempt = stored_attempt(&store, Some(&person.user), "here").await;
        let mut tx = store.begin().await.unwrap();
        assert!(
            tx.answer_attempt(&attempt.id, "sealed", answered_at)
                .await
                .unwrap()
        );
        let receipt = Receipt {
            attempt: attempt.id,
            session: session.clone(),
            ..receipt(&person.user.id)
        };
        tx.insert_receipt(&receipt).await.unwrap();
        tx.commit().await.unwrap();
    }
    // A program's token has no session.
    let mut tx = store.begin().await.unwrap();
    tx.insert_receipt(&receipt(&person.user.id)).await.unwrap();
    tx.commit().await.unwrap();
    // Of all that a person ever had, what was issued long before is not even looked at.
    let attempt = stored_attempt(&store, Some(&person.user), "here").await;
    let mut tx = store.begin().await.unwrap();
    let answered = tx.answer_attempt(&attempt.id, "sealed", answered_at).await;
    assert!(answered.unwrap());
    let old = Receipt {
        attempt: attempt.id,
        session: line[0].clone(),
        issued_at_millis: NOW.minus(Duration::from_mins(1)).as_millis(),
        ..receipt(&person.user.id)
    };
    tx.insert_receipt(&old).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.read().await.unwrap();
    let user = &person.user.id;
    for session in &line {
        let trips = tx.round_trips_of(session, user, ENTRA, NOW).await.unwrap();
        assert_eq!(trips.len(), 3);
        for trip in trips {
            assert_eq!((trip.asked_at, trip.answered_at), (NOW, answered_at));
            assert!(line.contains(&trip.receipt.session));
        }
    }
    let trips = tx.round_trips_of(&alone, user, ENTRA, NOW).await.unwrap();
    assert_eq!(trips.len(), 1);
    let (session, other) = (&line[0], &other.user.id);
    for (session, user, party, after) in [
        (session, other, ENTRA, NOW),
        (session, user, "https://sp.example.com", NOW),
        (session, user, ENTRA, answered_at),
    ] {
        let trips = tx.round_trips_of(session, user, party, after).await;
        assert_eq!(trips.unwrap(), []);
    }
}

pub async fn browsers_are_known_by_person(database: Database) {
    let store = database.node().await;
    let (one, two) = (
        stored_user(&store, "a@contoso.com").await,
        stored_user(&store, "b@contoso.com").await,
    );
    let (token, another) = (browser(), browser());
    let mut tx = store.begin().await.unwrap();
    tx.put_known_browser(&token, &one.id, NOW).await.unwrap();
    tx.put_known_browser(&token, &one.id, NOW.plus(MILLI))
        .await
        .unwrap();
    tx.put_known_browser(&another, &two.id, NOW).await.unwrap();
    assert!(tx.is_known_browser(&token, &one.id).await.unwrap());
    assert!(!tx.is_known_browser(&token, &two.id).await.unwrap());
    assert!(!tx.is_known_browser(&another, &one.id).await.unwrap());
    assert_eq!(tx.forget_browsers_of(&one.id).await.unwrap(), 1);
    assert!(!tx.is_known_browser(&token, &one.id).await.unwrap());
    assert!(tx.is_known_browser(&another, &two.id).await.unwrap());
}

pub async fn notices_wait_until_seen(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await;
    let other = stored_user(&store, "b@contoso.com").await;
    let later = NOW.plus(MILLI);
    let mut tx = store.begin().await.unwrap();
    tx.add_notice(&user.id, "password-set", "root", later)
        .await
        .unwrap();
    tx.add_notice(&user.id, "pass-issued", "root", NOW)
        .await
        .unwrap();
    tx.add_notice(&other.id, "pass-issued", "root", NOW)
        .await
        .unwrap();
    let unseen = tx.unseen_notices(&user.id).await.unwrap();
    let told: Vec<_> = unseen
        .iter()
        .map(|notice| (notice.kind.as_str(), notice.by.as_str(), notice.at))
        .collect();
    assert_eq!(
        told,
        [
            ("pass-issued", "root", NOW),
            ("password-set", "root", later)
        ]
    );
    assert_ne!(unseen[0].id, unseen[1].id);
    // What came while the person read stays unseen.
    assert_eq!(tx.mark_notices_seen(&user.id, NOW).await.unwrap(), 1);
    let unseen = tx.unseen_notices(&user.id).await.unwrap();
    assert_eq!(unseen.len(), 1);
    assert_eq!(unseen[0].kind, "password-set");
    assert_eq!(tx.unseen_notices(&other.id).await.unwrap().len(), 1);
    // Seen or not, the newest first, as many as are wanted.
    let kinds = |notices: Vec<claimbridge::storage::Notice>| -> Vec<String> {
        notices.into_iter().map(|notice| notice.kind).collect()
    };
    let all = tx.notices_since(&user.id, NOW, 9).await.unwrap();
    assert_eq!(kinds(all), ["password-set", "pass-issued"]);
    let late = tx.notices_since(&user.id, later, 9).await.unwrap();
    assert_eq!(kinds(late), ["password-set"]);
    let one = tx.notices_since(&user.id, NOW, 1).await.unwrap();
    assert_eq!(kinds(one), ["password-set"]);
}
