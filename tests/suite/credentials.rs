//! Passwords, secrets and their steps, passes.

use std::time::Duration;

use claimbridge::{
    base::{
        ids::{CredentialId, RecoveryCodeId},
        random::SystemRandom,
    },
    directory::{AccessPass, PassReuse, PasswordCredential, TotpCredential},
    factor::totp::{self, ConsumeStep, MatchedStep, StepUse, TotpRefused},
    storage::{NewRecoveryCode, Store},
};

use super::{
    database::{Database, count, race},
    person::{MILLI, NOW, Person, attempt, pass, stored_user, unconfirmed},
};

fn row(password: &PasswordCredential) -> impl PartialEq + std::fmt::Debug {
    (
        password.id.clone(),
        password.user.clone(),
        password.phc.clone(),
        password.set_at,
        password.dead_at,
        password.tag.clone(),
    )
}

fn totp_row(totp: &TotpCredential) -> impl PartialEq + std::fmt::Debug {
    (
        (
            totp.id.clone(),
            totp.user.clone(),
            totp.name.clone(),
            totp.parameters,
            totp.sealed_secret.clone(),
        ),
        (
            totp.drift_steps,
            totp.last_step,
            totp.confirmed_at,
            totp.revoked_at,
            totp.created_at,
            totp.tag.clone(),
        ),
    )
}

pub async fn a_password_is_replaced_and_rehashed(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let user = &person.user.id;
    let old = &person.password;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(row(&tx.password_of(user).await.unwrap().unwrap()), row(old));

    assert!(
        !tx.rehash_password(&old.id, "another hash", "new", "t")
            .await
            .unwrap()
    );
    assert!(
        tx.rehash_password(&old.id, &old.phc, "new", "t")
            .await
            .unwrap()
    );
    assert!(
        !tx.rehash_password(&old.id, &old.phc, "newer", "t")
            .await
            .unwrap()
    );
    let rehashed = tx.password_of(user).await.unwrap().unwrap();
    assert_eq!(
        (rehashed.phc.as_str(), rehashed.tag.as_str(), &rehashed.id),
        ("new", "t", &old.id)
    );

    assert!(tx.kill_password(user, NOW).await.unwrap());
    assert!(!tx.kill_password(user, NOW.plus(MILLI)).await.unwrap());
    assert_eq!(
        tx.password_of(user).await.unwrap().unwrap().dead_at,
        Some(NOW)
    );

    let new = PasswordCredential {
        id: CredentialId::random(&mut SystemRandom),
        ..old.clone()
    };
    tx.put_password(&new).await.unwrap();
    assert_eq!(
        row(&tx.password_of(user).await.unwrap().unwrap()),
        row(&new)
    );
    assert!(
        !tx.rehash_password(&old.id, &old.phc, "new", "t")
            .await
            .unwrap()
    );
    assert!(tx.update_password_tag(&new.id, "rewrapped").await.unwrap());
    assert_eq!(tx.all_passwords().await.unwrap()[0].tag, "rewrapped");
    assert!(tx.remove_password(user).await.unwrap());
    assert!(!tx.remove_password(user).await.unwrap());
    assert!(tx.password_of(user).await.unwrap().is_none());
}

pub async fn attack_3_a_secret_counts_once_confirmed(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let user = &person.user.id;
    let second = unconfirmed(&person.sealing, user);
    let mut tx = store.begin().await.unwrap();
    assert_eq!(
        totp_row(&tx.totp_of(user).await.unwrap()[0]),
        totp_row(&person.totp)
    );
    tx.insert_totp(&second).await.unwrap();
    assert_eq!(tx.totp_of(user).await.unwrap().len(), 2);
    // Unconfirmed: no step of it can be used.
    assert_eq!(
        tx.consume_step(&second.id, 100, 0).await.unwrap(),
        StepUse::AlreadyUsed
    );
    let confirming = MatchedStep {
        step: 100,
        drift_steps: -1,
    };
    assert!(
        tx.confirm_totp(&second.id, "laptop", confirming, NOW)
            .await
            .unwrap()
    );
    assert!(
        !tx.confirm_totp(&second.id, "again", confirming, NOW)
            .await
            .unwrap()
    );
    // The confirming code is spent, and so is every earlier one.
    assert_eq!(
        tx.consume_step(&second.id, 100, 0).await.unwrap(),
        StepUse::AlreadyUsed
    );
    assert_eq!(
        tx.consume_step(&second.id, 99, 0).await.unwrap(),
        StepUse::AlreadyUsed
    );
    assert_eq!(
        tx.consume_step(&second.id, 101, 2).await.unwrap(),
        StepUse::Consumed
    );
    let stored = tx
        .totp_of(user)
        .await
        .unwrap()
        .into_iter()
        .find(|totp| totp.id == second.id)
        .unwrap();
    assert_eq!(
        (stored.name.as_str(), stored.last_step, stored.drift_steps),
        ("laptop", Some(101), 2)
    );

    assert!(tx.revoke_totp(&second.id, NOW).await.unwrap());
    assert!(!tx.revoke_totp(&second.id, NOW).await.unwrap());
    assert_eq!(
        tx.consume_step(&second.id, 102, 0).await.unwrap(),
        StepUse::AlreadyUsed
    );
    assert_eq!(tx.totp_of(user).await.unwrap().len(), 1);
    assert_eq!(tx.all_totp().await.unwrap().len(), 1);

    tx.insert_totp(&unconfirmed(&person.sealing, user))
        .await
        .unwrap();
    let late = unconfirmed(&person.sealing, user);
    tx.insert_totp(&late).await.unwrap();
    assert_eq!(tx.drop_unconfirmed_totp(user).await.unwrap(), 2);
    assert!(
        !tx.confirm_totp(&late.id, "late", confirming, NOW)
            .await
            .unwrap()
    );
    assert!(
        tx.update_totp_seal(&person.totp.id, "sealed", "tag")
            .await
            .unwrap()
    );
    let stored = &tx.totp_of(user).await.unwrap()[0];
    assert_eq!(
        (stored.sealed_secret.as_str(), stored.tag.as_str()),
        ("sealed", "tag")
    );
}

async fn submit(
    store: &Store,
    person: &Person,
    code: &str,
    at: u64,
) -> Result<(), TotpRefused<()>> {
    let attempt = attempt(Some(&person.user));
    let now = NOW.plus(Duration::from_secs(at));
    let mut tx = store.begin().await.unwrap();
    let credentials = tx.totp_of(&person.user.id).await.unwrap();
    let proof = totp::verify(
        code,
        &credentials,
        1,
        &attempt.id,
        &person.sealing,
        now,
        &mut tx,
    )
    .await;
    let outcome = proof.map(drop).map_err(|refused| match refused {
        TotpRefused::Wrong => TotpRefused::Wrong,
        TotpRefused::AlreadyUsed => TotpRefused::AlreadyUsed,
        TotpRefused::Store(error) => panic!("{error}"),
    });
    tx.commit().await.unwrap();
    outcome
}

pub async fn attack_3_one_code_counts_once(database: Database) {
    let (one, two) = (database.node().await, database.node().await);
    let person = Person::new(&one, "a@contoso.com").await;
    let (code, next) = (
        person.code(NOW),
        person.code(NOW.plus(Duration::from_secs(30))),
    );
    assert_eq!(submit(&one, &person, &next, 30).await, Ok(()));
    // The same, on the other node; and one of an earlier step, still inside the window.
    assert_eq!(
        submit(&two, &person, &next, 31).await,
        Err(TotpRefused::AlreadyUsed)
    );
    assert_eq!(
        submit(&two, &person, &code, 31).await,
        Err(TotpRefused::AlreadyUsed)
    );
    // After a restart.
    let three = database.node().await;
    assert_eq!(
        submit(&three, &person, &next, 32).await,
        Err(TotpRefused::AlreadyUsed)
    );
    let later = person.code(NOW.plus(Duration::from_mins(1)));
    assert_eq!(submit(&three, &person, &later, 60).await, Ok(()));
}

pub async fn attack_3_twenty_submissions_at_once(database: Database) {
    let person = Person::new(&database.node().await, "a@contoso.com").await;
    // Read before the race, as every submission would have: the row decides, not the reading.
    let id = &person.totp.id;
    let step = NOW.as_secs() / 30;
    let outcomes = race(&database, 20, |store, _| {
        let id = id.clone();
        async move {
            let mut tx = store.begin().await.unwrap();
            let outcome = tx.consume_step(&id, step, 0).await.unwrap();
            tx.commit().await.unwrap();
            outcome
        }
    })
    .await;
    assert_eq!(count(&outcomes, &StepUse::Consumed), 1);
    assert_eq!(count(&outcomes, &StepUse::AlreadyUsed), 19);
}

async fn store_pass(store: &Store, pass: &AccessPass) {
    let mut tx = store.begin().await.unwrap();
    tx.insert_pass(pass).await.unwrap();
    tx.commit().await.unwrap();
}

pub async fn attack_5_a_pass_has_a_beginning_and_an_end(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await;
    let other = stored_user(&store, "b@contoso.com").await;
    let mut reusable = pass(&user.id, "value", PassReuse::UntilExpiry);
    reusable.starts_at = NOW.plus(Duration::from_mins(1));
    store_pass(&store, &reusable).await;
    for (at, accepted) in [
        (reusable.starts_at.minus(MILLI), false),
        (reusable.starts_at, true),
        (reusable.expires_at.minus(MILLI), true),
        (reusable.expires_at, false),
    ] {
        let mut tx = store.begin().await.unwrap();
        let redeemed = tx.consume_pass(&user.id, "value", at).await.unwrap();
        assert_eq!(redeemed.is_some(), accepted, "{at}");
        // The first use stays written down.
        assert!(
            redeemed.is_none_or(
                |pass| pass.used_at == Some(reusable.starts_at) && pass.id == reusable.id
            )
        );
        assert!(
            tx.consume_pass(&user.id, "wrong", at)
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            tx.consume_pass(&other.id, "value", at)
                .await
                .unwrap()
                .is_none()
        );
        assert_eq!(
            tx.live_pass_of(&user.id, at).await.unwrap().is_some(),
            at < reusable.expires_at
        );
        tx.commit().await.unwrap();
    }
}

pub async fn attack_28_a_hundred_redemptions_of_a_pass(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await;
    store_pass(&store, &pass(&user.id, "value", PassReuse::Once)).await;
    let accepted = race(&database, 100, |store, _| {
        let user = user.id.clone();
        async move {
            let mut tx = store.begin().await.unwrap();
            let redeemed = tx.consume_pass(&user, "value", NOW).await.unwrap();
            tx.commit().await.unwrap();
            redeemed.is_some()
        }
    })
    .await;
    assert_eq!(count(&accepted, &true), 1);
    // A node that starts afterwards knows it too.
    let node = database.node().await;
    let mut tx = node.begin().await.unwrap();
    assert!(
        tx.consume_pass(&user.id, "value", NOW)
            .await
            .unwrap()
            .is_none()
    );
    assert!(tx.live_pass_of(&user.id, NOW).await.unwrap().is_none());
}

pub async fn attack_28_a_revoked_pass_stays_revoked(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await;
    store_pass(&store, &pass(&user.id, "value", PassReuse::UntilExpiry)).await;
    let mut tx = store.begin().await.unwrap();
    assert!(
        tx.consume_pass(&user.id, "value", NOW)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(tx.revoke_passes(&user.id, NOW).await.unwrap(), 1);
    assert_eq!(tx.revoke_passes(&user.id, NOW).await.unwrap(), 0);
    tx.commit().await.unwrap();
    let node = database.node().await;
    let mut tx = node.begin().await.unwrap();
    assert!(
        tx.consume_pass(&user.id, "value", NOW)
            .await
            .unwrap()
            .is_none()
    );
}

/// A pass that may open the same once more does so by another tag, for a time, and until
/// something ends it.
pub async fn attack_28_a_kept_pass_is_found_in_its_time_and_no_longer(database: Database) {
    let store = database.node().await;
    let later = NOW.plus(MILLI);
    for (number, ends) in ["spent", "enrolments", "revoked", "replaced"]
        .into_iter()
        .enumerate()
    {
        let user = stored_user(&store, &format!("agent{number}@contoso.com")).await;
        let one = pass(&user.id, "value", PassReuse::Once);
        store_pass(&store, &one).await;
        let mut tx = store.begin().await.unwrap();
        // Before it is used there is nothing to keep.
        tx.keep_pass(&one.id, "again").await.unwrap();
        let first = tx.consume_pass(&user.id, "value", NOW).await.unwrap();
        assert!(first.is_some());
        let since = NOW.minus(MILLI);
        let kept = tx.kept_pass_of(&user.id, since, NOW).await.unwrap();
        assert!(kept.is_none(), "used up");
        tx.keep_pass(&one.id, "again").await.unwrap();
        for (since, now, found) in [
            (since, NOW, true),
            (since, one.expires_at.minus(MILLI), true),
            (since, one.expires_at, false),
            (NOW, later, false),
        ] {
            let kept = tx.kept_pass_of(&user.id, since, now).await.unwrap();
            let kept = kept.map(|kept| (kept.id, kept.value_tag, kept.used_at));
            let expected = (one.id.clone(), "again".to_owned(), Some(NOW));
            assert_eq!(kept, found.then_some(expected), "{since} {now}");
        }
        // It is no pass that could be used, by neither tag.
        assert!(tx.live_pass_of(&user.id, NOW).await.unwrap().is_none());
        for value in ["value", "again"] {
            let again = tx.consume_pass(&user.id, value, NOW).await.unwrap();
            assert!(again.is_none(), "{value}");
        }
        match ends {
            "spent" => tx.spend_kept_passes_of(&user.id).await.unwrap(),
            "enrolments" => drop(tx.end_enrolments_of(&user.id).await.unwrap()),
            "revoked" => assert_eq!(tx.revoke_passes(&user.id, NOW).await.unwrap(), 1),
            _ => {
                let next = pass(&user.id, "next", PassReuse::Once);
                tx.insert_pass(&next).await.unwrap();
            }
        }
        let kept = tx.kept_pass_of(&user.id, since, NOW).await.unwrap();
        assert!(kept.is_none(), "{ends}");
        tx.commit().await.unwrap();
    }
}

pub async fn attack_5_a_new_pass_replaces_the_former(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await;
    store_pass(&store, &pass(&user.id, "first", PassReuse::Once)).await;
    let second = pass(&user.id, "second", PassReuse::Once);
    store_pass(&store, &second).await;
    let mut tx = store.begin().await.unwrap();
    let live = tx.live_pass_of(&user.id, NOW).await.unwrap().unwrap();
    assert_eq!(
        (&live.id, live.issued_by.as_str(), live.reuse),
        (&second.id, "root", PassReuse::Once)
    );
    assert!(
        tx.consume_pass(&user.id, "first", NOW)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        tx.consume_pass(&user.id, "second", NOW)
            .await
            .unwrap()
            .is_some()
    );
}

pub async fn two_passes_at_once_leave_one(database: Database) {
    let user = stored_user(&database.node().await, "a@contoso.com").await;
    race(&database, 10, |store, number| {
        let pass = pass(&user.id, &format!("value {number}"), PassReuse::Once);
        async move { store_pass(&store, &pass).await }
    })
    .await;
    let live = "SELECT COUNT(*) FROM access_passes WHERE revoked_at IS NULL";
    assert_eq!(database.number(live).await, 1);
    assert_eq!(
        database.number("SELECT COUNT(*) FROM access_passes").await,
        10
    );
}

/// A writer of the database takes back the marks of use: nothing is usable by it.
pub async fn attack_38_what_is_used_up_or_revoked_stays_so(database: Database) {
    let store = database.node().await;
    let [once, reusable, replaced] = ["a@contoso.com", "b@contoso.com", "c@contoso.com"];
    let once = stored_user(&store, once).await.id;
    let reusable = stored_user(&store, reusable).await.id;
    let replaced = stored_user(&store, replaced).await.id;
    store_pass(&store, &pass(&once, "value", PassReuse::Once)).await;
    store_pass(&store, &pass(&reusable, "value", PassReuse::UntilExpiry)).await;
    store_pass(&store, &pass(&replaced, "value", PassReuse::Once)).await;
    let codes: Vec<NewRecoveryCode> = ["used", "revoked"]
        .map(|value| NewRecoveryCode {
            id: RecoveryCodeId::random(&mut SystemRandom),
            value_tag: value.to_owned(),
        })
        .into();
    let mut tx = store.begin().await.unwrap();
    tx.replace_recovery_codes(&once, &codes, NOW).await.unwrap();
    let used = tx.consume_recovery_code(&once, "used", NOW).await.unwrap();
    assert!(used.is_some());
    assert_eq!(tx.revoke_recovery_codes(&once, NOW).await.unwrap(), 1);
    assert!(
        tx.consume_pass(&once, "value", NOW)
            .await
            .unwrap()
            .is_some()
    );
    // Used, and good until it ends or is revoked.
    for _ in 0..2 {
        let again = tx.consume_pass(&reusable, "value", NOW).await.unwrap();
        assert!(again.is_some());
    }
    assert_eq!(tx.revoke_passes(&reusable, NOW).await.unwrap(), 1);
    tx.commit().await.unwrap();
    // The former one is revoked, and goes, so that the marks can be taken back.
    store_pass(&store, &pass(&replaced, "newer", PassReuse::Once)).await;
    for statement in [
        "DELETE FROM access_passes WHERE value_tag = 'newer'",
        "UPDATE access_passes SET used_at = NULL, revoked_at = NULL",
        "UPDATE recovery_codes SET used_at = NULL, revoked_at = NULL",
    ] {
        assert!(database.by_hand(statement).await > 0, "{statement}");
    }
    let mut tx = store.begin().await.unwrap();
    for user in [&once, &reusable, &replaced] {
        assert!(tx.live_pass_of(user, NOW).await.unwrap().is_some());
        assert!(tx.consume_pass(user, "value", NOW).await.unwrap().is_none());
    }
    for value in ["used", "revoked"] {
        let again = tx.consume_recovery_code(&once, value, NOW).await.unwrap();
        assert!(again.is_none(), "{value}");
    }
}
