//! Groups of people, and the number of the metadata file that was used last.

use std::time::Duration;

use claimbridge::{
    audit::{Actor, Event},
    base::{clock::Timestamp, ids::AttemptId, random::SystemRandom},
    directory::GroupName,
};

use super::{
    database::{Database, race},
    person::{NOW, stored_user},
};

fn group(text: &str) -> GroupName {
    text.parse().unwrap()
}

pub async fn people_are_in_groups(database: Database) {
    let store = database.node().await;
    let person = stored_user(&store, "agent1@contoso.com").await.id;
    let other = stored_user(&store, "agent2@contoso.com").await.id;
    let mut tx = store.begin().await.unwrap();
    assert!(tx.add_to_group(&person, &group("tokens")).await.unwrap());
    assert!(tx.add_to_group(&person, &group("Desk")).await.unwrap());
    assert!(!tx.add_to_group(&person, &group("desk")).await.unwrap());
    assert!(tx.add_to_group(&other, &group("desk")).await.unwrap());
    tx.commit().await.unwrap();
    let mut tx = store.read().await.unwrap();
    assert_eq!(
        tx.groups_of(&person).await.unwrap(),
        [group("desk"), group("tokens")]
    );
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    assert!(tx.remove_from_group(&person, &group("desk")).await.unwrap());
    assert!(!tx.remove_from_group(&person, &group("desk")).await.unwrap());
    tx.commit().await.unwrap();
    let mut tx = store.read().await.unwrap();
    assert_eq!(tx.groups_of(&person).await.unwrap(), [group("tokens")]);
    assert_eq!(tx.groups_of(&other).await.unwrap(), [group("desk")]);
}

pub async fn attack_35_the_number_only_grows(database: Database) {
    let store = database.node().await;
    let used = async |roots: &str, number, at: Timestamp| {
        let mut tx = store.begin().await.unwrap();
        let used = tx.use_metadata_number(roots, number, at).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = store.read().await.unwrap();
        (used, tx.metadata_number(roots).await.unwrap())
    };
    let later = NOW.plus(Duration::from_secs(1));
    assert_eq!(used("A", 42, NOW).await, (true, Some(42)));
    assert_eq!(used("A", 42, later).await, (true, Some(42)));
    assert_eq!(used("A", 41, later).await, (false, Some(42)));
    assert_eq!(used("A", 43, later).await, (true, Some(43)));
    assert_eq!(used("A", u64::MAX, later).await, (false, Some(43)));
    // Other roots have a number of their own.
    assert_eq!(used("B", 1, later).await, (true, Some(1)));
    assert_eq!(used("C", 0, later).await, (true, Some(0)));
}

/// Of nodes that load different files at once, the highest number stays.
pub async fn attack_35_many_nodes_load_at_once(database: Database) {
    race(&database, 20, |store, index| async move {
        let mut tx = store.begin().await.unwrap();
        let number = 100 + u64::try_from(index).unwrap();
        tx.use_metadata_number("A", number, NOW).await.unwrap();
        tx.commit().await.unwrap();
    })
    .await;
    let store = database.node().await;
    let mut tx = store.read().await.unwrap();
    assert_eq!(tx.metadata_number("A").await.unwrap(), Some(119));
}

pub async fn the_last_refusal_is_found(database: Database) {
    let store = database.node().await;
    let person = stored_user(&store, "agent1@contoso.com").await.id;
    let other = stored_user(&store, "agent2@contoso.com").await.id;
    let attempt = AttemptId::random(&mut SystemRandom);
    let mut tx = store.begin().await.unwrap();
    for (user, event) in [
        (
            &person,
            Event::PassRefused {
                attempt: attempt.clone(),
            },
        ),
        (
            &person,
            Event::CodeRefused {
                attempt: attempt.clone(),
                reason: "wrong",
            },
        ),
        (&person, Event::UserUnlocked),
        (
            &other,
            Event::PasswordRefused {
                attempt: attempt.clone(),
                reason: "wrong",
            },
        ),
    ] {
        tx.append(Actor::Person, Some(user.clone()), event);
    }
    tx.commit().await.unwrap();
    let mut tx = store.read().await.unwrap();
    let last = tx.last_refusal_of(&person).await.unwrap().unwrap();
    assert_eq!(last.kind(), "code-refused");
    assert_eq!(last.event["reason"], "wrong");
    let last = tx.last_refusal_of(&other).await.unwrap().unwrap();
    assert_eq!(last.kind(), "password-refused");
    let third = super::person::user("agent3@contoso.com").id;
    assert!(tx.last_refusal_of(&third).await.unwrap().is_none());
}
