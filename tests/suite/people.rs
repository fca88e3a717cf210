//! People, and what every transaction keeps to.

use std::time::Duration;

use claimbridge::{
    audit::{Actor, Event},
    base::text::Upn,
    directory::{ImmutableId, User},
    storage::{InsertUser, SetImmutableId, StoreError},
};
use tokio::sync::watch;

use super::{
    database::{Database, count, race},
    person::{NOW, stored_user, user},
};

fn immutable(text: &str) -> ImmutableId {
    text.parse().unwrap()
}

pub async fn a_person_reads_back(database: Database) {
    let store = database.node().await;
    let person = User {
        display_name: "Žofie O'Neill \u{1f511}".to_owned(),
        immutable_id: Some(immutable("hKd3+/Zk0Eq==")),
        disabled_at: Some(NOW),
        ..user("agent1@contoso.com")
    };
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.insert_user(&person).await.unwrap(), InsertUser::Inserted);
    // Its own transaction sees it, another does not before the commit.
    assert_eq!(tx.user(&person.id).await.unwrap().as_ref(), Some(&person));
    assert_eq!(
        store.read().await.unwrap().user(&person.id).await.unwrap(),
        None
    );
    tx.commit().await.unwrap();

    let mut tx = store.read().await.unwrap();
    assert_eq!(tx.user(&person.id).await.unwrap().as_ref(), Some(&person));
    // Attack 25: every spelling is one row.
    let spelling: Upn = " AGENT1@Contoso.com ".parse().unwrap();
    assert_eq!(
        tx.user_by_upn(&spelling).await.unwrap().as_ref(),
        Some(&person)
    );
    assert_eq!(
        tx.user_by_upn(&"agent2@contoso.com".parse().unwrap())
            .await
            .unwrap(),
        None
    );
    drop(tx);

    let mut tx = store.begin().await.unwrap();
    assert!(tx.set_user_disabled(&person.id, None).await.unwrap());
    assert!(tx.update_identity_tag(&person.id, "new").await.unwrap());
    assert!(
        !tx.set_user_disabled(&user("x@contoso.com").id, None)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
    let changed = store
        .read()
        .await
        .unwrap()
        .user(&person.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (changed.disabled_at, changed.identity_tag.as_str()),
        (None, "new")
    );
}

pub async fn names_and_immutable_ids_are_taken_once(database: Database) {
    let store = database.node().await;
    let first = User {
        immutable_id: Some(immutable("A1")),
        ..user("a@contoso.com")
    };
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.insert_user(&first).await.unwrap(), InsertUser::Inserted);
    assert_eq!(
        tx.insert_user(&user("a@contoso.com")).await.unwrap(),
        InsertUser::UpnTaken
    );
    let thief = User {
        immutable_id: Some(immutable("A1")),
        ..user("b@contoso.com")
    };
    assert_eq!(
        tx.insert_user(&thief).await.unwrap(),
        InsertUser::ImmutableIdTaken
    );
    // What was refused left nothing, even if the caller commits.
    tx.commit().await.unwrap();
    let mut tx = store.read().await.unwrap();
    assert_eq!(tx.users(None, 10).await.unwrap(), [first]);
}

pub async fn many_names_and_values_are_asked_for_at_a_time(database: Database) {
    let store = database.node().await;
    let (mut names, mut values) = (Vec::new(), Vec::new());
    let mut tx = store.begin().await.unwrap();
    for number in 0..120 {
        let person = User {
            immutable_id: Some(immutable(&format!("Id{number}"))),
            ..user(&format!("person{number}@contoso.com"))
        };
        tx.insert_user(&person).await.unwrap();
        names.push(person.upn);
        values.push(person.immutable_id.unwrap());
    }
    // One whose value was replaced: nobody has the former one, and it is still taken.
    let first = tx.user_by_upn(&names[0]).await.unwrap().unwrap();
    tx.set_immutable_id(&first.id, &immutable("New"), "t", NOW)
        .await
        .unwrap();
    names.push("nobody@contoso.com".parse().unwrap());
    values.extend([immutable("Unknown"), immutable("New")]);
    tx.commit().await.unwrap();
    let mut tx = store.read().await.unwrap();
    let mut found: Vec<_> = tx
        .users_by_upn(&names)
        .await
        .unwrap()
        .into_iter()
        .map(|person| person.upn)
        .collect();
    names.pop();
    found.sort();
    names.sort();
    assert_eq!(found, names);
    let held = tx.holders_of_immutable_ids(&values).await.unwrap();
    assert_eq!(held.len(), 121);
    for (value, holder) in [
        ("Id0", None),
        ("New", Some("person0@contoso.com")),
        ("Id119", Some("person119@contoso.com")),
    ] {
        let (_, found) = held.iter().find(|(known, _)| known == value).unwrap();
        assert_eq!(found.as_ref().map(Upn::as_str), holder, "{value}");
    }
    assert_eq!(tx.users_by_upn(&[]).await.unwrap(), []);
}

pub async fn an_immutable_id_is_never_anothers(database: Database) {
    let store = database.node().await;
    let (one, two) = (
        stored_user(&store, "a@contoso.com").await,
        stored_user(&store, "b@contoso.com").await,
    );
    let mut tx = store.begin().await.unwrap();
    for (value, tag) in [("A1", "t1"), ("A2", "t2")] {
        let set = tx
            .set_immutable_id(&one.id, &immutable(value), tag, NOW)
            .await
            .unwrap();
        assert_eq!(set, SetImmutableId::Set);
    }
    // A1 was replaced; it is still not free for another.
    for value in ["A1", "A2"] {
        let taken = tx
            .set_immutable_id(&two.id, &immutable(value), "t", NOW)
            .await
            .unwrap();
        assert_eq!(taken, SetImmutableId::TakenByOther, "{value}");
    }
    // Letter case means something to Entra.
    assert_eq!(
        tx.set_immutable_id(&two.id, &immutable("a1"), "t3", NOW)
            .await
            .unwrap(),
        SetImmutableId::Set
    );
    // One may go back to a value of one's own.
    assert_eq!(
        tx.set_immutable_id(&one.id, &immutable("A1"), "t4", NOW)
            .await
            .unwrap(),
        SetImmutableId::Set
    );
    tx.commit().await.unwrap();
    let mut tx = store.read().await.unwrap();
    let one = tx.user(&one.id).await.unwrap().unwrap();
    assert_eq!(
        (one.immutable_id, one.identity_tag.as_str()),
        (Some(immutable("A1")), "t4")
    );
    let two = tx.user(&two.id).await.unwrap().unwrap();
    assert_eq!(
        (two.immutable_id, two.identity_tag.as_str()),
        (Some(immutable("a1")), "t3")
    );
}

pub async fn of_many_at_once_one_gets_the_name(database: Database) {
    let names = race(&database, 20, |store, _| async move {
        let mut tx = store.begin().await.unwrap();
        let inserted = tx.insert_user(&user("a@contoso.com")).await.unwrap();
        tx.commit().await.unwrap();
        inserted
    })
    .await;
    assert_eq!(count(&names, &InsertUser::Inserted), 1);
    assert_eq!(count(&names, &InsertUser::UpnTaken), 19);
    let values = race(&database, 20, |store, number| async move {
        let person = User {
            immutable_id: Some(immutable("A1")),
            ..user(&format!("b{number}@contoso.com"))
        };
        let mut tx = store.begin().await.unwrap();
        let inserted = tx.insert_user(&person).await.unwrap();
        tx.commit().await.unwrap();
        inserted
    })
    .await;
    assert_eq!(count(&values, &InsertUser::Inserted), 1);
    assert_eq!(count(&values, &InsertUser::ImmutableIdTaken), 19);
    assert_eq!(database.number("SELECT COUNT(*) FROM users").await, 2);
}

pub async fn people_come_in_pages(database: Database) {
    let store = database.node().await;
    // By bytes: `-` before digits before letters, whatever the server's language.
    let ordered = [
        "a-z@contoso.com",
        "a1@contoso.com",
        "a2@contoso.com",
        "aa@contoso.com",
        "b@contoso.com",
    ];
    for upn in [3, 0, 4, 2, 1].map(|at| ordered[at]) {
        stored_user(&store, upn).await;
    }
    let mut tx = store.read().await.unwrap();
    let mut seen: Vec<Upn> = Vec::new();
    loop {
        let page = tx.users(seen.last(), 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        seen.extend(page.into_iter().map(|person| person.upn));
    }
    assert_eq!(seen.iter().map(Upn::as_str).collect::<Vec<_>>(), ordered);
}

pub async fn an_impossible_value_is_named(database: Database) {
    let store = database.node().await;
    let person = stored_user(&store, "a@contoso.com").await;
    database
        .by_hand("UPDATE users SET immutable_id = 'not_one'")
        .await;
    let error = store
        .read()
        .await
        .unwrap()
        .user(&person.id)
        .await
        .unwrap_err();
    assert!(!error.is_unavailable());
    let StoreError::Inconsistent { table, column, row } = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (table, column, row.as_str()),
        ("users", "immutable_id", person.id.as_str())
    );
}

/// PostgreSQL answers COMMIT of a failed transaction with a silent rollback.
pub async fn a_failed_transaction_cannot_be_committed(database: Database) {
    let store = database.node().await;
    let person = stored_user(&store, "a@contoso.com").await;
    let mut tx = store.begin().await.unwrap();
    tx.set_user_disabled(&person.id, Some(NOW)).await.unwrap();
    // The id is taken: a constraint that the caller has to keep.
    let again = User {
        id: person.id.clone(),
        ..user("b@contoso.com")
    };
    let error = tx.insert_user(&again).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert!(tx.commit().await.is_err());
    let person = store
        .read()
        .await
        .unwrap()
        .user(&person.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(person.disabled_at, None);
}

pub async fn a_reader_keeps_its_view(database: Database) {
    let (reader, writer) = (database.node().await, database.node().await);
    let person = stored_user(&writer, "a@contoso.com").await;
    let mut view = reader.read().await.unwrap();
    let before = view.user(&person.id).await.unwrap();
    // A reader holds no writer up.
    let mut tx = writer.begin().await.unwrap();
    tx.set_user_disabled(&person.id, Some(NOW)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(view.user(&person.id).await.unwrap(), before);
    drop(view);
    let after = reader
        .read()
        .await
        .unwrap()
        .user(&person.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(after.disabled_at, Some(NOW));
}

/// SQLite with a plain BEGIN lets one of these through and refuses the others.
pub async fn many_who_read_and_then_write_all_succeed(database: Database) {
    let id = stored_user(&database.node().await, "a@contoso.com")
        .await
        .id;
    let changed = race(&database, 20, |store, _| {
        let id = id.clone();
        async move {
            let mut tx = store.begin().await.unwrap();
            assert!(tx.user(&id).await.unwrap().is_some());
            let changed = tx.set_user_disabled(&id, Some(NOW)).await.unwrap();
            tx.commit().await.unwrap();
            changed
        }
    })
    .await;
    assert_eq!(count(&changed, &true), 20);
}

pub async fn a_locked_database_is_unavailable(database: Database) {
    let (one, two) = (database.node().await, database.node().await);
    let person = stored_user(&one, "a@contoso.com").await;
    let mut holding = one.begin().await.unwrap();
    holding
        .set_user_disabled(&person.id, Some(NOW))
        .await
        .unwrap();
    // SQLite refuses to begin, PostgreSQL to change the row; both in time and as "unavailable".
    let waiting = async {
        let mut tx = two.begin().await?;
        tx.set_user_disabled(&person.id, None).await
    };
    let error = tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap()
        .unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    holding.commit().await.unwrap();
    let person = two
        .read()
        .await
        .unwrap()
        .user(&person.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(person.disabled_at, Some(NOW));
}

/// One process writes without a pause, as an import does; another one wants to write now and
/// then. It is counted how often it was passed over, not how long it took: that holds on a
/// slow machine too.
pub async fn a_neighbour_who_writes_without_a_pause_lets_others_write(database: Database) {
    let (busy, polite) = (database.node().await, database.node().await);
    let (written, mut seen) = watch::channel(0_usize);
    let neighbour = tokio::spawn(async move {
        while !written.is_closed() {
            let mut tx = busy.begin().await.unwrap();
            for _ in 0..30 {
                let reason = "written-without-a-pause";
                tx.append(Actor::System, None, Event::SessionsEnded { reason });
            }
            tx.commit().await.unwrap();
            written.send_modify(|written| *written += 1);
        }
    });
    let mut passed_over = 0;
    for _ in 0..40 {
        // Not at once again: whoever wrote last is the quickest to write next.
        let pause = *seen.borrow() + 5;
        seen.wait_for(|written| *written >= pause).await.unwrap();
        let before = *seen.borrow();
        let tx = polite.begin().await.unwrap();
        passed_over = passed_over.max(*seen.borrow() - before);
        tx.commit().await.unwrap();
    }
    drop(seen);
    neighbour.await.unwrap();
    // About 30 here; 150 to 300 where SQLite itself waits for its lock.
    assert!(passed_over < 80, "passed over {passed_over} times");
}

pub async fn a_closed_store_is_unavailable(database: Database) {
    let store = database.node().await;
    store.close().await;
    assert!(
        store
            .begin()
            .await
            .is_err_and(|error| error.is_unavailable())
    );
    assert!(
        store
            .read()
            .await
            .is_err_and(|error| error.is_unavailable())
    );
}
