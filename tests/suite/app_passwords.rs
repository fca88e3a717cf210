//! Application passwords.

use claimbridge::{
    audit::{Actor, Event},
    base::{
        ids::{CredentialId, UserId},
        random::SystemRandom,
    },
    directory::ApplicationPassword,
};
use tokio::task::JoinSet;

use super::{
    database::Database,
    person::{MILLI, NOW, stored_user},
};

fn password(user: &UserId, label: &str) -> ApplicationPassword {
    ApplicationPassword {
        id: CredentialId::random(&mut SystemRandom),
        user: user.clone(),
        label: label.to_owned(),
        verifier: format!("digest of {label}"),
        created_at: NOW,
        last_used_at: None,
        revoked_at: None,
        tag: "tag".to_owned(),
    }
}

pub async fn an_application_password_reads_back(database: Database) {
    let store = database.node().await;
    let mine = stored_user(&store, "a@contoso.com").await.id;
    let other = stored_user(&store, "b@contoso.com").await.id;
    let mut first = password(&mine, "scanner");
    let second = ApplicationPassword {
        created_at: NOW.plus(MILLI),
        ..password(&mine, "<lock screen>")
    };
    let mut tx = store.begin().await.unwrap();
    tx.insert_app_password(&second).await.unwrap();
    tx.insert_app_password(&first).await.unwrap();
    let foreign = password(&other, "theirs");
    tx.insert_app_password(&foreign).await.unwrap();
    let used_at = NOW.plus(MILLI * 7);
    assert!(tx.use_app_password(&first.id, used_at).await.unwrap());
    first.last_used_at = Some(used_at);
    assert!(
        tx.update_app_password_tag(&first.id, "rewrapped")
            .await
            .unwrap()
    );
    first.tag = "rewrapped".to_owned();
    tx.commit().await.unwrap();

    let node = database.node().await;
    let mut tx = node.begin().await.unwrap();
    let listed = tx.app_passwords_of(&mine).await.unwrap();
    assert_eq!(listed, [first.clone(), second.clone()]);
    assert_eq!(tx.all_app_passwords().await.unwrap().len(), 3);
    // Nobody revokes another's.
    assert!(
        !tx.revoke_app_password(&mine, &foreign.id, NOW)
            .await
            .unwrap()
    );
    assert!(tx.revoke_app_password(&mine, &first.id, NOW).await.unwrap());
    assert!(!tx.revoke_app_password(&mine, &first.id, NOW).await.unwrap());
    assert!(!tx.use_app_password(&first.id, NOW).await.unwrap());
    assert_eq!(tx.app_passwords_of(&mine).await.unwrap(), [second]);
    assert_eq!(tx.app_passwords_of(&other).await.unwrap(), [foreign]);
    assert_eq!(tx.all_app_passwords().await.unwrap().len(), 2);
}

pub async fn attack_38_a_revoked_one_is_not_revived_by_hand(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await.id;
    let row = password(&user, "scanner");
    let mut tx = store.begin().await.unwrap();
    tx.insert_app_password(&row).await.unwrap();
    assert!(tx.revoke_app_password(&user, &row.id, NOW).await.unwrap());
    tx.commit().await.unwrap();
    let revived = database
        .by_hand("UPDATE application_passwords SET revoked_at = NULL")
        .await;
    assert_eq!(revived, 1);
    let mut tx = store.read().await.unwrap();
    let rows = tx.app_passwords_of(&user).await.unwrap();
    assert_eq!(rows[0].verifier, "", "nothing is left to check a value by");
}

/// Twenty uses and one revocation: after it none is written.
pub async fn attack_28_one_use_and_its_revocation_at_once(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await.id;
    let row = password(&user, "scanner");
    let mut tx = store.begin().await.unwrap();
    tx.insert_app_password(&row).await.unwrap();
    tx.commit().await.unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..21 {
        let (node, id, user) = (database.node().await, row.id.clone(), user.clone());
        tasks.spawn(async move {
            let mut tx = node.begin().await.unwrap();
            if number == 10 {
                assert!(tx.revoke_app_password(&user, &id, NOW).await.unwrap());
            } else {
                tx.use_app_password(&id, NOW).await.unwrap();
            }
            tx.commit().await.unwrap();
        });
    }
    tasks.join_all().await;
    let mut tx = store.begin().await.unwrap();
    assert!(!tx.use_app_password(&row.id, NOW).await.unwrap());
    assert!(tx.app_passwords_of(&user).await.unwrap().is_empty());
}

/// As many events as years of use leave: what was revoked is found by its index. Without it a
/// device made everybody wait, and time told who exists (review M2-2).
pub async fn what_was_revoked_is_one_look_however_many_events_there_are(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await.id;
    let revoked = CredentialId::random(&mut SystemRandom);
    let mut tx = store.begin().await.unwrap();
    let event = Event::AppPasswordRevoked {
        credential: revoked.clone(),
    };
    tx.append(Actor::Person, Some(user.clone()), event);
    tx.commit().await.unwrap();
    database
        .by_hand(
            "WITH RECURSIVE counted (number) AS (
                 SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < 5000)
             INSERT INTO events (id, node, sequence, written_at, actor, user_id, kind, body)
             SELECT 'evt_' || number, node, 1000000 + number, written_at, actor, user_id,
                 'token-asked', '{}'
             FROM counted, events WHERE kind = 'app-password-revoked'",
        )
        .await;
    let mut tx = store.read().await.unwrap();
    assert_eq!(tx.revoked_app_passwords_of(&user).await.unwrap(), [revoked]);
    drop(tx);
    database.by_hand("ANALYZE").await;
    let plan = database
        .plan(&format!(
            "SELECT id, body FROM events WHERE user_id = '{user}' AND kind = 'app-password-revoked'"
        ))
        .await;
    assert!(plan.contains("events_of_revoked_app_passwords"), "{plan}");
}
