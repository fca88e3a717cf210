//! The inventory of hardware tokens.

use claimbridge::{
    base::{
        ids::{CredentialId, OathTokenId, UserId},
        random::SystemRandom,
    },
    directory::{OathAlgorithm, OathToken, TokenState, TotpParameters},
    factor::totp::{ConsumeStep as _, MatchedStep},
    keys::sealing::{MasterKey, Sealing},
    storage::Store,
};

use super::{
    database::{Database, count, race},
    person::{NOW, Person, stored_user, unconfirmed},
};

fn sealing() -> Sealing {
    Sealing::new(&MasterKey::random(&mut SystemRandom))
}

fn token(sealing: &Sealing, serial: &str) -> OathToken {
    let id = OathTokenId::random(&mut SystemRandom);
    let place = OathToken::secret_place(&id);
    let mut token = OathToken {
        sealed_secret: sealing.seal(&place, b"12345678901234567890", &mut SystemRandom),
        id,
        secret_tag: None,
        serial: serial.parse().unwrap(),
        manufacturer: "Feitian \u{e4} 'x'".to_owned(),
        model: "c200".to_owned(),
        parameters: TotpParameters {
            algorithm: OathAlgorithm::Sha256,
            digits: 8,
            period: 60,
        },
        state: TokenState::InStock,
        user: None,
        credential: None,
        drift_steps: -3,
        last_step: None,
        imported_at: NOW,
        assigned_at: None,
        assigned_by: None,
        activated_at: None,
        ended_at: None,
        tag: String::new(),
    };
    token.tag = token.make_tag(sealing);
    token
}

fn assigned(sealing: &Sealing, serial: &str, user: &UserId) -> OathToken {
    let mut token = OathToken {
        state: TokenState::Assigned,
        user: Some(user.clone()),
        assigned_at: Some(NOW),
        assigned_by: Some("os:root".to_owned()),
        ..token(sealing, serial)
    };
    token.tag = token.make_tag(sealing);
    token
}

async fn stored(store: &Store, token: &OathToken) {
    let mut tx = store.begin().await.unwrap();
    assert!(tx.insert_oath_token(token).await.unwrap());
    tx.commit().await.unwrap();
}

/// Every column.
fn row(token: &OathToken) -> String {
    format!("{token:?}")
}

pub async fn a_token_reads_back(database: Database) {
    let store = database.node().await;
    let sealing = sealing();
    let user = stored_user(&store, "a@contoso.com").await;
    let mut full = assigned(&sealing, "AB-1", &user.id);
    full.credential = Some(CredentialId::random(&mut SystemRandom));
    full.last_step = Some(7);
    full.secret_tag = Some("tag of a secret".to_owned());
    full.activated_at = Some(NOW);
    full.ended_at = Some(NOW);
    full.tag = full.make_tag(&sealing);
    let bare = token(&sealing, "2");
    for token in [&full, &bare] {
        stored(&store, token).await;
        let mut tx = store.read().await.unwrap();
        let read = tx.oath_token(&token.serial).await.unwrap().unwrap();
        assert_eq!(row(&read), row(token));
        read.require_tag(&sealing).unwrap();
    }
    let mut tx = store.begin().await.unwrap();
    // Any spelling finds it.
    let spelled = "ａb-1".parse().unwrap();
    assert_eq!(tx.oath_token(&spelled).await.unwrap().unwrap().id, full.id);
    assert!(tx.is_serial_there(&spelled).await.unwrap());
    assert!(!tx.is_serial_there(&"3".parse().unwrap()).await.unwrap());
    assert!(
        tx.oath_token(&"3".parse().unwrap())
            .await
            .unwrap()
            .is_none()
    );

    // Changed as read, and only so.
    let read_tag = bare.tag.clone();
    let mut changed = OathToken {
        state: TokenState::Retired,
        ended_at: Some(NOW),
        sealed_secret: "sealed anew".to_owned(),
        secret_tag: Some("another".to_owned()),
        drift_steps: 4,
        last_step: Some(9),
        ..bare
    };
    changed.tag = changed.make_tag(&sealing);
    assert!(!tx.update_oath_token(&changed, "another tag").await.unwrap());
    assert!(tx.update_oath_token(&changed, &read_tag).await.unwrap());
    assert!(!tx.update_oath_token(&changed, &read_tag).await.unwrap());
    let read = tx.oath_token(&changed.serial).await.unwrap().unwrap();
    assert_eq!(row(&read), row(&changed));
}

pub async fn a_serial_is_there_once_whoever_made_it(database: Database) {
    let store = database.node().await;
    let sealing = sealing();
    stored(&store, &token(&sealing, "AB-1")).await;
    let mut tx = store.begin().await.unwrap();
    for serial in ["AB-1", "ab-1", "ＡＢ-1"] {
        let again = OathToken {
            manufacturer: "somebody else".to_owned(),
            ..token(&sealing, serial)
        };
        assert!(!tx.insert_oath_token(&again).await.unwrap(), "{serial}");
    }
    assert!(
        tx.insert_oath_token(&token(&sealing, "AB-2"))
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
}

pub async fn tokens_come_in_the_order_of_their_serials(database: Database) {
    let store = database.node().await;
    let sealing = sealing();
    let user = stored_user(&store, "a@contoso.com").await;
    for serial in ["b2", "A1", "10", "B1", "9", "a2"] {
        stored(&store, &token(&sealing, serial)).await;
    }
    stored(&store, &assigned(&sealing, "C", &user.id)).await;
    let mut tx = store.read().await.unwrap();
    let mut serials = Vec::new();
    let mut after = None;
    loop {
        let page = tx.oath_tokens(after.as_ref(), 2).await.unwrap();
        for listed in &page {
            serials.push(listed.token.serial.to_string());
            let upn = listed.upn.as_ref().map(ToString::to_string);
            let wanted = (listed.token.serial.as_str() == "C").then(|| "a@contoso.com".to_owned());
            assert_eq!(upn, wanted);
            assert_eq!(listed.used, None);
        }
        match page.into_iter().last() {
            Some(last) => after = Some(last.token.serial),
            None => break,
        }
    }
    assert_eq!(serials, ["10", "9", "A1", "a2", "B1", "b2", "C"]);
    assert_eq!(tx.oath_tokens_of(&user.id).await.unwrap().len(), 1);
}

pub async fn what_a_token_became_tells_when_it_was_used(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let user = &person.user.id;
    let mut active = assigned(&person.sealing, "1", user);
    active.state = TokenState::Active;
    active.credential = Some(person.totp.id.clone());
    active.tag = active.make_tag(&person.sealing);
    stored(&store, &active).await;
    let mut lost = assigned(&person.sealing, "2", user);
    lost.state = TokenState::Lost;
    lost.tag = lost.make_tag(&person.sealing);
    stored(&store, &lost).await;
    let mut tx = store.begin().await.unwrap();
    tx.consume_step(&person.totp.id, 5_000, -2).await.unwrap();
    let listed = tx.oath_tokens(None, 10).await.unwrap();
    assert_eq!(listed[0].used, Some((5_000, -2)));
    assert_eq!(listed[1].used, None);
    // Who lost a token is known, but has it no more.
    assert_eq!(listed[1].upn.as_ref(), Some(&person.user.upn));
    let held = tx.oath_tokens_of(user).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].id, active.id);
}

pub async fn attack_3_of_tokens_with_one_secret_one_is_active(database: Database) {
    let store = database.node().await;
    let sealing = sealing();
    let user = stored_user(&store, "a@contoso.com").await;
    let secret_tag = OathToken::make_secret_tag(&sealing, b"12345678901234567890");
    let mut tx = store.begin().await.unwrap();
    assert!(!tx.is_secret_there(&secret_tag).await.unwrap());
    for serial in ["1", "2"] {
        let token = OathToken {
            secret_tag: Some(secret_tag.clone()),
            ..assigned(&sealing, serial, &user.id)
        };
        assert!(tx.insert_oath_token(&token).await.unwrap());
    }
    assert!(tx.is_secret_there(&secret_tag).await.unwrap());
    assert!(!tx.is_secret_active(&secret_tag).await.unwrap());
    tx.commit().await.unwrap();
    // Each saw no other one active: the database lets one through.
    let outcomes = race(&database, 2, |store, number| async move {
        let mut tx = store.begin().await.unwrap();
        let serial = ["1", "2"][number].parse().unwrap();
        let mut token = tx.oath_token(&serial).await.unwrap().unwrap();
        token.state = TokenState::Active;
        let read_tag = token.tag.clone();
        match tx.update_oath_token(&token, &read_tag).await {
            Ok(true) => tx.commit().await.is_ok(),
            _ => false,
        }
    })
    .await;
    assert_eq!(count(&outcomes, &true), 1);
    let mut tx = store.read().await.unwrap();
    assert!(tx.is_secret_active(&secret_tag).await.unwrap());
}

pub async fn attack_38_of_a_secret_that_was_taken_away_nothing_is_left(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let id = &person.totp.id;
    let mut tx = store.begin().await.unwrap();
    tx.consume_step(id, 5_000, -2).await.unwrap();
    assert_eq!(tx.hold_totp(id).await.unwrap(), Some((Some(5_000), -2)));
    assert!(tx.revoke_totp(id, NOW).await.unwrap());
    assert_eq!(tx.hold_totp(id).await.unwrap(), Some((Some(5_000), -2)));
    let nobody = CredentialId::random(&mut SystemRandom);
    assert_eq!(tx.hold_totp(&nobody).await.unwrap(), None);
    assert!(tx.all_totp().await.unwrap().is_empty());
    tx.commit().await.unwrap();
    let brought_back = format!("UPDATE totp SET revoked_at = NULL WHERE id = '{id}'");
    assert_eq!(database.by_hand(&brought_back).await, 1);
    let mut tx = store.read().await.unwrap();
    let totp = tx.totp_of(&person.user.id).await.unwrap().remove(0);
    assert_eq!(totp.sealed_secret, "");
    assert!(totp.require_tag(&person.sealing).is_err());
}

pub async fn attack_38_a_token_moved_by_hand_is_refused(database: Database) {
    let store = database.node().await;
    let sealing = sealing();
    let user = stored_user(&store, "a@contoso.com").await;
    let thief = stored_user(&store, "b@contoso.com").await;
    for (serial, by_hand) in [
        ("1", format!("user_id = '{}'", thief.id)),
        ("2", "state = 'active'".to_owned()),
        ("3", "serial = '33'".to_owned()),
        ("4", "digits = 6".to_owned()),
        (
            "5",
            format!("credential = '{}'", CredentialId::random(&mut SystemRandom)),
        ),
    ] {
        let token = assigned(&sealing, serial, &user.id);
        stored(&store, &token).await;
        let statement = format!("UPDATE oath_tokens SET {by_hand} WHERE serial_key = '{serial}'");
        assert_eq!(database.by_hand(&statement).await, 1);
        let mut tx = store.read().await.unwrap();
        let read = tx.oath_token(&token.serial).await.unwrap().unwrap();
        assert!(read.require_tag(&sealing).is_err(), "{by_hand}");
    }
}

pub async fn attack_28_fifty_hands_at_once(database: Database) {
    let store = database.node().await;
    let sealing = std::sync::Arc::new(sealing());
    let user = stored_user(&store, "a@contoso.com").await;
    let token = assigned(&sealing, "1", &user.id);
    stored(&store, &token).await;
    // Each read the token before the race, and made a credential of its own of it.
    let outcomes = race(&database, 50, |store, _| {
        let (token, sealing) = (token.clone(), std::sync::Arc::clone(&sealing));
        let credential = unconfirmed(&sealing, &user.id);
        async move {
            let mut tx = store.begin().await.unwrap();
            tx.insert_totp(&credential).await.unwrap();
            let matched = MatchedStep {
                step: 1,
                drift_steps: 0,
            };
            let confirmed = tx.confirm_totp(&credential.id, "token", matched, NOW).await;
            assert!(confirmed.unwrap());
            let read_tag = token.tag.clone();
            let mut active = OathToken {
                state: TokenState::Active,
                credential: Some(credential.id),
                ..token
            };
            active.tag = active.make_tag(&sealing);
            let won = tx.update_oath_token(&active, &read_tag).await.unwrap();
            if won {
                tx.commit().await.unwrap();
            }
            won
        }
    })
    .await;
    assert_eq!(count(&outcomes, &true), 1);
    let mut tx = store.read().await.unwrap();
    let held = tx.totp_of(&user.id).await.unwrap();
    assert_eq!(held.len(), 1, "the others left nothing");
    let read = tx.oath_token(&token.serial).await.unwrap().unwrap();
    assert_eq!(read.credential.as_ref(), Some(&held[0].id));
    read.require_tag(&sealing).unwrap();
}
