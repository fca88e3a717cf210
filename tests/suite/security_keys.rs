//! Security keys, the ids that were ever used, and questions that are answered once.

use claimbridge::{
    base::{
        aaguid::Aaguid,
        ids::{CredentialId, UserId},
        random::{SystemRandom, random_bytes},
    },
    directory::{AttestationState, CoseAlgorithm, SecurityKey},
    factor::webauthn::{
        Ceremony, Purpose,
        assertion::{CountUse as _, KeyUse, UseOutcome},
    },
    storage::Store,
};

use super::{
    database::{Database, count, race},
    person::{MILLI, NOW, stored_attempt, stored_user},
};

fn key(user: &UserId) -> SecurityKey {
    SecurityKey {
        id: CredentialId::random(&mut SystemRandom),
        user: user.clone(),
        name: "=blue key; \u{202e}'\"<".to_owned(),
        credential_id: random_bytes::<32>(&mut SystemRandom).to_vec(),
        passkey: r#"{"cred": "x"}"#.to_owned(),
        aaguid: Aaguid::from_bytes(random_bytes(&mut SystemRandom)),
        algorithm: CoseAlgorithm::RS256,
        backup_eligible: true,
        user_verified: false,
        attestation: AttestationState::Untrusted,
        attestation_key: Some("ab".repeat(20)),
        transports: vec!["usb".to_owned(), "nfc".to_owned()],
        discoverable: None,
        counter: u32::MAX - 10,
        backed_up: false,
        created_at: NOW,
        last_used_at: None,
        revoked_at: None,
        tag: "tag".to_owned(),
    }
}

async fn stored(store: &Store, key: &SecurityKey) -> bool {
    let mut tx = store.begin().await.unwrap();
    let inserted = tx.insert_security_key(key).await.unwrap();
    tx.commit().await.unwrap();
    inserted
}

fn used(counter: u32) -> KeyUse {
    KeyUse {
        counter,
        backed_up: true,
        at: NOW.plus(MILLI),
    }
}

pub async fn a_key_reads_back(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await.id;
    let bare = SecurityKey {
        attestation_key: None,
        transports: Vec::new(),
        discoverable: Some(true),
        backup_eligible: false,
        user_verified: true,
        counter: 0,
        created_at: NOW.plus(MILLI),
        ..key(&user)
    };
    let full = key(&user);
    for key in [&bare, &full] {
        assert!(stored(&store, key).await);
    }
    let mut tx = store.begin().await.unwrap();
    let both = [full.clone(), bare.clone()];
    assert_eq!(tx.security_keys_of(&user).await.unwrap(), both);
    assert_eq!(
        tx.security_key_by_credential_id(&bare.credential_id)
            .await
            .unwrap(),
        Some(bare.clone())
    );
    assert_eq!(
        tx.security_key_by_credential_id(b"nobody's").await.unwrap(),
        None
    );

    let other = UserId::random(&mut SystemRandom);
    assert!(
        !tx.rename_security_key(&other, &full.id, "theirs")
            .await
            .unwrap()
    );
    assert!(
        tx.rename_security_key(&user, &full.id, "red key")
            .await
            .unwrap()
    );
    assert!(tx.update_security_key_tag(&full.id, "new").await.unwrap());
    assert!(tx.revoke_security_key(&bare.id, NOW).await.unwrap());
    assert!(!tx.revoke_security_key(&bare.id, NOW).await.unwrap());
    assert!(
        !tx.rename_security_key(&user, &bare.id, "gone")
            .await
            .unwrap()
    );
    let live = tx.security_keys_of(&user).await.unwrap();
    assert_eq!(live.len(), 1);
    assert_eq!(
        (live[0].name.as_str(), live[0].tag.as_str()),
        ("red key", "new")
    );
    assert_eq!(tx.all_security_keys().await.unwrap().len(), 2);
    // One that was taken away is still known by its name.
    let gone = tx
        .security_key_by_credential_id(&bare.credential_id)
        .await
        .unwrap();
    assert_eq!(gone.unwrap().revoked_at, Some(NOW));
}

pub async fn a_credential_id_is_taken_once_for_ever(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await.id;
    let other = stored_user(&store, "b@contoso.com").await.id;
    let first = key(&user);
    assert!(stored(&store, &first).await);
    let again = |user: &UserId| SecurityKey {
        credential_id: first.credential_id.clone(),
        ..key(user)
    };
    assert!(!stored(&store, &again(&user)).await);
    assert!(!stored(&store, &again(&other)).await);
    let mut tx = store.begin().await.unwrap();
    tx.revoke_security_key(&first.id, NOW).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!stored(&store, &again(&user)).await);
    assert!(!stored(&database.node().await, &again(&other)).await);
}

pub async fn attack_28_fifty_registrations_of_one_id(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await.id;
    let credential_id = key(&user).credential_id;
    let outcomes = race(&database, 50, |store, _| {
        let key = SecurityKey {
            credential_id: credential_id.clone(),
            ..key(&user)
        };
        async move { stored(&store, &key).await }
    })
    .await;
    assert_eq!(count(&outcomes, &true), 1);
}

pub async fn a_counter_never_goes_back(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await.id;
    let counting = SecurityKey {
        counter: 5,
        ..key(&user)
    };
    let silent = SecurityKey {
        counter: 0,
        ..key(&user)
    };
    for key in [&counting, &silent] {
        assert!(stored(&store, key).await);
    }
    let mut tx = store.begin().await.unwrap();
    for (counter, outcome) in [
        (4, UseOutcome::WentBack),
        (5, UseOutcome::WentBack),
        (0, UseOutcome::WentBack),
        (6, UseOutcome::Counted),
        (6, UseOutcome::WentBack),
        (u32::MAX, UseOutcome::Counted),
        (0, UseOutcome::WentBack),
    ] {
        let counted = tx.count_use(&counting.id, used(counter)).await.unwrap();
        assert_eq!(counted, outcome, "{counter}");
    }
    // One that does not count may begin to, and then must go on.
    for (counter, outcome) in [
        (0, UseOutcome::Counted),
        (0, UseOutcome::Counted),
        (1, UseOutcome::Counted),
        (0, UseOutcome::WentBack),
    ] {
        let counted = tx.count_use(&silent.id, used(counter)).await.unwrap();
        assert_eq!(counted, outcome, "{counter}");
    }
    let stored = tx.security_keys_of(&user).await.unwrap();
    let row = stored.iter().find(|key| key.id == counting.id).unwrap();
    assert_eq!(
        (row.counter, row.backed_up, row.last_used_at),
        (u32::MAX, true, Some(NOW.plus(MILLI)))
    );
    tx.revoke_security_key(&silent.id, NOW).await.unwrap();
    let revoked = tx.count_use(&silent.id, used(9)).await.unwrap();
    assert_eq!(revoked, UseOutcome::Revoked);
}

pub async fn attack_28_a_key_and_its_copies_at_once(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await.id;
    let counting = SecurityKey {
        counter: 5,
        ..key(&user)
    };
    assert!(stored(&store, &counting).await);
    let outcomes = race(&database, 20, |store, _| {
        let id = counting.id.clone();
        async move {
            let mut tx = store.begin().await.unwrap();
            let outcome = tx.count_use(&id, used(6)).await.unwrap();
            tx.commit().await.unwrap();
            outcome
        }
    })
    .await;
    assert_eq!(count(&outcomes, &UseOutcome::Counted), 1);
    assert_eq!(count(&outcomes, &UseOutcome::WentBack), 19);
}

async fn question(store: &Store) -> Ceremony {
    let user = stored_user(store, "a@contoso.com").await;
    let attempt = stored_attempt(store, Some(&user), "203.0.113.7").await;
    let ceremony = Ceremony {
        attempt: attempt.id,
        purpose: Purpose::SecondFactor,
        user: Some(user.id),
        expires_at: NOW.plus(MILLI),
        sealed_state: "sealed".to_owned(),
    };
    let mut tx = store.begin().await.unwrap();
    tx.put_ceremony(&ceremony).await.unwrap();
    tx.commit().await.unwrap();
    ceremony
}

pub async fn attack_28_one_question_answered_fifty_times(database: Database) {
    let asked = question(&database.node().await).await;
    let taken = race(&database, 50, |store, _| {
        let attempt = asked.attempt.clone();
        async move {
            let mut tx = store.begin().await.unwrap();
            let taken = tx
                .take_ceremony(&attempt, Purpose::SecondFactor, NOW)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            taken.is_some()
        }
    })
    .await;
    assert_eq!(count(&taken, &true), 1);
}

pub async fn attack_5_a_question_is_of_its_purpose_and_ends(database: Database) {
    let store = database.node().await;
    let asked = question(&store).await;
    let mut tx = store.begin().await.unwrap();
    for (purpose, at) in [
        (Purpose::Register, NOW),
        (Purpose::Passwordless, NOW),
        (Purpose::SecondFactor, asked.expires_at),
    ] {
        let taken = tx.take_ceremony(&asked.attempt, purpose, at).await.unwrap();
        assert_eq!(taken, None, "{purpose:?}");
    }
    // Asked again: only the newer question can be answered.
    let again = Ceremony {
        user: None,
        sealed_state: "newer".to_owned(),
        ..asked.clone()
    };
    tx.put_ceremony(&again).await.unwrap();
    let last = asked.expires_at.minus(MILLI);
    let taken = tx.take_ceremony(&asked.attempt, Purpose::SecondFactor, last);
    assert_eq!(taken.await.unwrap(), Some(again));
    let taken = tx.take_ceremony(&asked.attempt, Purpose::SecondFactor, last);
    assert_eq!(taken.await.unwrap(), None);
}
