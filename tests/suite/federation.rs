//! The journal of changes at Entra.

use claimbridge::{
    audit::{Actor, Event},
    base::{ids::ChangeId, random::SystemRandom},
    storage::{StoredChange, StoredEntry},
};

use super::{
    database::{Database, race},
    person::NOW,
};

fn change(domain: &str) -> StoredChange {
    StoredChange {
        id: ChangeId::random(&mut SystemRandom),
        domain: domain.parse().unwrap(),
        begun_at: NOW,
        finished_at: None,
        head: String::new(),
    }
}

fn entry(change: &ChangeId, number: i64) -> StoredEntry {
    StoredEntry {
        change: change.clone(),
        number,
        written_at: NOW,
        sealed: format!("sealed {number}"),
    }
}

pub async fn a_change_reads_back_with_its_entries(database: Database) {
    let store = database.node().await;
    let begun = change("contoso.com");
    let mut tx = store.begin().await.unwrap();
    assert!(tx.insert_federation_change(&begun).await.unwrap());
    for number in [1, 0, 10, 2] {
        assert!(
            tx.insert_federation_entry(&entry(&begun.id, number))
                .await
                .unwrap()
        );
    }
    // Somebody else was quicker.
    assert!(
        !tx.insert_federation_entry(&entry(&begun.id, 2))
            .await
            .unwrap()
    );
    assert!(tx.set_federation_head(&begun.id, "head").await.unwrap());
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let read = tx.federation_changes(&begun.domain).await.unwrap().read;
    assert_eq!(
        read,
        [StoredChange {
            head: "head".to_owned(),
            ..begun.clone()
        }]
    );
    let numbers: Vec<i64> = tx
        .federation_entries(&begun.id)
        .await
        .unwrap()
        .unwrap()
        .iter()
        .map(|entry| entry.number)
        .collect();
    assert_eq!(numbers, [0, 1, 2, 10]);
    // At most one is open; when it is over the next may begin.
    assert!(
        !tx.insert_federation_change(&change("contoso.com"))
            .await
            .unwrap()
    );
    assert!(
        tx.insert_federation_change(&change("fabrikam.com"))
            .await
            .unwrap()
    );
    assert!(tx.finish_federation_change(&begun.id, NOW).await.unwrap());
    assert!(!tx.finish_federation_change(&begun.id, NOW).await.unwrap());
    assert!(
        tx.insert_federation_change(&change("contoso.com"))
            .await
            .unwrap()
    );
    assert_eq!(tx.all_federation_changes().await.unwrap().read.len(), 3);
    tx.commit().await.unwrap();
}

pub async fn the_events_of_a_domains_changes_are_its_own(database: Database) {
    let store = database.node().await;
    let mut tx = store.begin().await.unwrap();
    let mut begun = Vec::new();
    for domain in ["contoso.com", "fabrikam.com", "contoso.com"] {
        let id = ChangeId::random(&mut SystemRandom);
        begun.push(id.to_string());
        let event = Event::FederationChangeBegun {
            change: id,
            kind: "apply",
            domain: domain.to_owned(),
            administrator: "admin".to_owned(),
            tenant: None,
        };
        tx.append(Actor::System, None, event);
    }
    let what = "contoso.com";
    tx.append(Actor::System, None, Event::TamperingFound { what });
    tx.commit().await.unwrap();
    let mut tx = store.read().await.unwrap();
    let contoso = "contoso.com".parse().unwrap();
    let read: Vec<String> = tx
        .federation_events(&contoso)
        .await
        .unwrap()
        .0
        .iter()
        .map(|event| event.event["change"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(read, [begun[0].clone(), begun[2].clone()]);
}

/// Two operators apply at the same moment: one begins.
pub async fn attack_28_one_change_of_a_domain_is_open(database: Database) {
    let begun = race(&database, 8, |store, _| async move {
        let mut tx = store.begin().await.unwrap();
        let begun = tx
            .insert_federation_change(&change("contoso.com"))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        begun
    })
    .await;
    assert_eq!(begun.into_iter().filter(|begun| *begun).count(), 1);
}
