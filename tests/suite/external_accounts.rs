//! Accounts of tenants and whose they are.

use claimbridge::{
    audit::{Actor, Event},
    base::{clock::Timestamp, guid::Guid, ids::UserId, random::SystemRandom},
    directory::{ExternalAccount, LinkTold, LinkedBy},
    keys::sealing::{MasterKey, Sealing},
};
use tokio::task::JoinSet;

use super::{
    database::Database,
    person::{MILLI, NOW, stored_user},
};

const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const OTHER_TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222ffff";
const OBJECT: &str = "bbbbcccc-1111-dddd-2222-eeee3333ffff";

fn sealing() -> Sealing {
    Sealing::new(&MasterKey::random(&mut SystemRandom))
}

fn account(sealing: &Sealing, tenant: &str, user: &UserId) -> ExternalAccount {
    let named = (tenant.parse().unwrap(), OBJECT.parse().unwrap());
    ExternalAccount::new(sealing, named, user.clone(), NOW, LinkedBy::Operator)
}

pub async fn an_account_reads_back_and_is_one_persons(database: Database) {
    let (store, sealing) = (database.node().await, sealing());
    let mine = stored_user(&store, "a@contoso.com").await.id;
    let other = stored_user(&store, "b@contoso.com").await.id;
    let first = account(&sealing, TENANT, &mine);
    let second = ExternalAccount {
        linked_at: NOW.plus(MILLI),
        linked_by: LinkedBy::Proof,
        ..account(&sealing, OTHER_TENANT, &mine)
    };
    let mut tx = store.begin().await.unwrap();
    assert!(tx.insert_external_account(&second).await.unwrap());
    assert!(tx.insert_external_account(&first).await.unwrap());
    // One account has one person, whoever asks a second time.
    let taken = account(&sealing, TENANT, &other);
    assert!(!tx.insert_external_account(&taken).await.unwrap());
    assert!(!tx.insert_external_account(&first).await.unwrap());
    tx.commit().await.unwrap();

    let node = database.node().await;
    let mut tx = node.begin().await.unwrap();
    let (tenant, object): (Guid, Guid) = (first.tenant, first.object);
    let found = tx.external_account(tenant, object).await.unwrap();
    assert_eq!(found.as_ref(), Some(&first));
    assert_eq!(found.unwrap().require_tag(&sealing), Ok(()));
    let all = tx.external_accounts_of(&mine).await.unwrap();
    assert_eq!(all, [first.clone(), second.clone()]);
    assert!(tx.external_accounts_of(&other).await.unwrap().is_empty());
    assert_eq!(tx.all_external_accounts().await.unwrap().len(), 2);
    assert!(
        tx.update_external_account_tag(&second, "anew")
            .await
            .unwrap()
    );
    // Nobody unlinks another's.
    let unlinked = tx.delete_external_account(&other, tenant, object).await;
    assert_eq!(unlinked.unwrap(), None);
    let unlinked = tx.delete_external_account(&mine, tenant, object).await;
    assert_eq!(unlinked.unwrap(), Some(NOW));
    assert_eq!(tx.external_account(tenant, object).await.unwrap(), None);
    assert!(tx.insert_external_account(&taken).await.unwrap());
    let left = tx.external_accounts_of(&mine).await.unwrap();
    assert_eq!((left.len(), left[0].tag.as_str()), (1, "anew"));
}

/// Twenty people at once.
pub async fn attack_28_of_many_links_at_once_one_stands(database: Database) {
    let (store, sealing) = (database.node().await, sealing());
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let user = stored_user(&store, &format!("a{number}@contoso.com"))
            .await
            .id;
        let (node, account) = (database.node().await, account(&sealing, TENANT, &user));
        tasks.spawn(async move {
            let mut tx = node.begin().await.unwrap();
            let linked = tx.insert_external_account(&account).await.unwrap();
            tx.commit().await.unwrap();
            usize::from(linked)
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), 1);
    let mut tx = store.read().await.unwrap();
    assert_eq!(tx.all_external_accounts().await.unwrap().len(), 1);
}

pub async fn attack_38_an_account_moved_by_hand_is_refused(database: Database) {
    let (store, sealing) = (database.node().await, sealing());
    let mine = stored_user(&store, "a@contoso.com").await.id;
    let other = stored_user(&store, "b@contoso.com").await.id;
    let account = account(&sealing, TENANT, &mine);
    let mut tx = store.begin().await.unwrap();
    assert!(tx.insert_external_account(&account).await.unwrap());
    tx.commit().await.unwrap();
    let statement = format!("UPDATE external_accounts SET user_id = '{other}'");
    assert_eq!(database.by_hand(&statement).await, 1);
    let mut tx = store.read().await.unwrap();
    let moved = tx.external_account(account.tenant, account.object).await;
    let moved = moved.unwrap().unwrap();
    assert_eq!(moved.user, other);
    assert!(moved.require_tag(&sealing).is_err());
}

/// Also what versions told that gave links no names.
pub async fn what_is_told_of_links_reads_back(database: Database) {
    let store = database.node().await;
    let [mine, other] = [
        stored_user(&store, "a@contoso.com").await.id,
        stored_user(&store, "b@contoso.com").await.id,
    ];
    let made = |tenant: &str, linked_at| Event::ExternalAccountLinked {
        tenant: tenant.to_owned(),
        object: OBJECT.to_owned(),
        by: "operator",
        linked_at,
    };
    let ended = |links: &[Timestamp]| Event::ExternalAccountUnlinked {
        tenant: TENANT.to_owned(),
        object: OBJECT.to_owned(),
        links: links.to_vec(),
    };
    for (user, event) in [
        (&mine, made(TENANT, NOW)),
        (&mine, made(OTHER_TENANT, NOW.plus(MILLI))),
        (&other, made(TENANT, NOW.plus(MILLI))),
        (&mine, ended(&[NOW, NOW.plus(MILLI)])),
    ] {
        let mut tx = store.begin().await.unwrap();
        tx.append(Actor::System, Some(user.clone()), event);
        tx.commit().await.unwrap();
    }
    let named = (TENANT.parse().unwrap(), OBJECT.parse().unwrap());
    let told = async |user: &UserId| {
        let mut tx = store.read().await.unwrap();
        tx.links_told(user, named).await.unwrap()
    };
    let mut all = told(&mine).await;
    // Both may be of one millisecond.
    all.sort_by_key(|told| matches!(told, LinkTold::Ended(_)));
    let both = vec![NOW, NOW.plus(MILLI)];
    assert_eq!(all, [LinkTold::Made(Some(NOW)), LinkTold::Ended(both)]);
    assert_eq!(told(&other).await, [LinkTold::Made(Some(NOW.plus(MILLI)))]);
    for kind in ["linked", "unlinked"] {
        let body = format!("{{\"event\":\"x\",\"tenant\":\"{TENANT}\",\"object\":\"{OBJECT}\"}}");
        let statement = format!(
            "UPDATE events SET body = '{body}' WHERE kind = 'external-account-{kind}' AND user_id = '{mine}'
               AND body LIKE '%{TENANT}%'"
        );
        assert_eq!(database.by_hand(&statement).await, 1);
    }
    let mut all = told(&mine).await;
    all.sort_by_key(|told| matches!(told, LinkTold::Ended(_)));
    assert_eq!(all, [LinkTold::Made(None), LinkTold::Ended(Vec::new())]);
}

/// Who unlinked it is asked of the events, by their index.
pub async fn links_are_counted_by_their_index(database: Database) {
    let store = database.node().await;
    let user = stored_user(&store, "a@contoso.com").await.id;
    let plan = database
        .plan(&format!(
            "SELECT id, kind, body FROM events WHERE user_id = '{user}'
               AND kind IN ('external-account-linked', 'external-account-unlinked')"
        ))
        .await;
    assert!(plan.contains("events_of_linked_accounts"), "{plan}");
}
