//! Domains, relying parties, keys.

use std::time::Duration;

use claimbridge::{
    base::{ids::KeyId, random::SystemRandom},
    directory::PassReuse,
    keys::{
        KeyPurpose,
        sealing::{MasterKey, Sealing},
        state::{Custody, Held, KeyState, Party, Sighting, Standing},
    },
    relying_party::{
        Domain, EntityId, EntraCloud, LogoutBinding, RelyingParty, RelyingPartyKind, ReplyUrl,
        RequestSignature, ResponseSignature, Sha1, SingleLogout, Tenant, TenantCloud,
    },
    storage::{ActiveMark, EnrolmentRow, OpenedBy, StoredKey},
};

use super::{
    database::{Database, assert_waits, count, race},
    person::{NOW, Person, pass, stored_attempt},
};

fn domain(name: &str, root: &str, issuer: &str) -> Domain {
    Domain {
        name: name.parse().unwrap(),
        root: root.parse().unwrap(),
        issuer_uri: issuer.to_owned(),
        created_at: NOW,
    }
}

pub async fn domains_read_back(database: Database) {
    let store = database.node().await;
    let root = domain(
        "contoso.com",
        "contoso.com",
        "https://idp.contoso.com/contoso.com",
    );
    let below = domain("eu.contoso.com", "contoso.com", &root.issuer_uri);
    let mut tx = store.begin().await.unwrap();
    assert!(tx.insert_domain(&root).await.unwrap());
    assert!(!tx.insert_domain(&root).await.unwrap());
    assert!(tx.insert_domain(&below).await.unwrap());
    // AADSTS50008 (attack 33): no second root with that issuer, whoever asks at once.
    let taken = domain("fabrikam.com", "fabrikam.com", &root.issuer_uri);
    assert!(!tx.insert_domain(&taken).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(
        store.read().await.unwrap().domains().await.unwrap(),
        [root, below]
    );
}

pub async fn tenants_read_back(database: Database) {
    let store = database.node().await;
    let tenant = |last: u8, client_id: &str, cloud, name: Option<&str>| Tenant {
        id: format!("72f988bf-86f1-41af-91ab-2d7cd011db{last:02x}")
            .parse()
            .unwrap(),
        client_id: client_id.parse().unwrap(),
        application_id: "6fa6c2ba-0d5a-4b53-9a0c-7e6a2d3f1b11".parse().unwrap(),
        cloud,
        name: name.map(|name| name.parse().unwrap()),
    };
    let one = tenant(1, "method-a", TenantCloud::Global, Some("Büro \"1\""));
    let second_method = tenant(1, "method-b", TenantCloud::Global, None);
    let shares_client = tenant(2, "method-a", TenantCloud::China, None);
    let mut tx = store.begin().await.unwrap();
    assert!(!tx.has_tenants().await.unwrap());
    for tenant in [&shares_client, &second_method, &one] {
        assert!(tx.insert_tenant(tenant, NOW).await.unwrap());
        assert!(!tx.insert_tenant(tenant, NOW).await.unwrap());
    }
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let all = [one.clone(), second_method.clone(), shares_client.clone()];
    assert_eq!(tx.tenants().await.unwrap(), all);
    assert_eq!(
        tx.tenants_by_client(&one.client_id).await.unwrap(),
        [one.clone(), shares_client.clone()]
    );
    for tenant in &all {
        assert!(tx.has_other_tenant(tenant.id).await.unwrap());
    }
    // Attack 23: the two ids together; neither alone finds another's.
    let found = tx
        .tenant(shares_client.id, &second_method.client_id)
        .await
        .unwrap();
    assert_eq!(found, None);
    let renamed = Tenant { name: None, ..one };
    assert!(tx.rename_tenant(&renamed).await.unwrap());
    let found = tx.tenant(renamed.id, &renamed.client_id).await.unwrap();
    assert_eq!(found, Some(renamed.clone()));
    let remove = (renamed.id, &renamed.client_id);
    assert!(tx.remove_tenant(remove.0, remove.1).await.unwrap());
    assert!(!tx.remove_tenant(remove.0, remove.1).await.unwrap());
    let left = [second_method.clone(), shares_client.clone()];
    assert_eq!(tx.tenants().await.unwrap(), left);
    assert!(tx.has_tenants().await.unwrap());
    let last = (shares_client.id, &shares_client.client_id);
    assert!(tx.remove_tenant(last.0, last.1).await.unwrap());
    // Two methods of one tenant are one tenant.
    assert!(!tx.has_other_tenant(second_method.id).await.unwrap());
    assert!(tx.has_other_tenant(shares_client.id).await.unwrap());
    let row = "INSERT INTO tenants VALUES ('common', 'c', 'a', 'global', NULL, 0)";
    tx.commit().await.unwrap();
    database.by_hand(row).await;
    let error = store.read().await.unwrap().tenants().await.unwrap_err();
    assert!(error.to_string().contains("tenant_id"), "{error}");
}

pub async fn relying_parties_read_back(database: Database) {
    let store = database.node().await;
    let entra = EntraCloud::global().relying_party(Vec::new());
    let other = RelyingParty {
        entity_id: EntityId("https://sp.example.com/\u{e4}?a=b&c='d'".to_owned()),
        display_name: "Test \"SP\"".to_owned(),
        kind: RelyingPartyKind::ServiceProvider,
        reply_urls: vec![
            ReplyUrl {
                index: 7,
                url: "https://sp.example.com/acs?x=1".to_owned(),
                preferred: false,
            },
            ReplyUrl {
                index: 0,
                url: "https://sp.example.com/acs".to_owned(),
                preferred: true,
            },
        ],
        request_certificates: vec![vec![0, 1, 254, 255], Vec::new()],
        request_signature: RequestSignature::Required,
        sha1: Sha1::AllowedInRequests,
        response_signature: ResponseSignature::AssertionAndResponse,
        session_max_age: Duration::from_mins(61),
        single_logout: Some(SingleLogout {
            binding: LogoutBinding::Redirect,
            request_url: "https://sp.example.com/slo?a=\"b\"".to_owned(),
            response_url: Some("https://sp.example.com/slo-done".to_owned()),
        }),
    };
    let mut tx = store.begin().await.unwrap();
    assert!(tx.insert_relying_party(&entra).await.unwrap());
    assert!(tx.insert_relying_party(&other).await.unwrap());
    assert!(!tx.insert_relying_party(&other).await.unwrap());
    let mut all = tx.relying_parties().await.unwrap();
    all.sort_by_key(|party| party.kind == RelyingPartyKind::ServiceProvider);
    assert_eq!(all, [entra.clone(), other.clone()]);
    assert_eq!(
        tx.relying_party(&other.entity_id).await.unwrap().as_ref(),
        Some(&other)
    );
    assert!(tx.remove_relying_party(&other.entity_id).await.unwrap());
    assert!(!tx.remove_relying_party(&other.entity_id).await.unwrap());
    assert_eq!(tx.relying_party(&other.entity_id).await.unwrap(), None);
    assert_eq!(tx.relying_parties().await.unwrap(), [entra]);
}

fn key(purpose: KeyPurpose) -> StoredKey {
    StoredKey {
        id: KeyId::random(&mut SystemRandom),
        purpose,
        certificate: vec![0x30, 0, 255],
        sealed_private_key: "cb1.sealed".to_owned(),
        created_at: NOW,
        custody: Custody::Software,
        standing: Standing::FIRST,
        state_tag: None,
    }
}

pub async fn attack_28_a_hundred_first_keys(database: Database) {
    let first = race(&database, 100, |store, _| async move {
        let mut tx = store.begin().await.unwrap();
        let first = tx
            .insert_first_key(&key(KeyPurpose::Assertion))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        first
    })
    .await;
    assert_eq!(count(&first, &true), 1);
    let store = database.node().await;
    assert_eq!(
        store
            .read()
            .await
            .unwrap()
            .keys_of(KeyPurpose::Assertion)
            .await
            .unwrap()
            .len(),
        1
    );
}

/// The same, with the first insert not committed when the second comes.
pub async fn attack_28_a_first_key_waits_for_another(database: Database) {
    let (one, two) = (database.node().await, database.node().await);
    let mut first = one.begin().await.unwrap();
    assert!(
        first
            .insert_first_key(&key(KeyPurpose::Assertion))
            .await
            .unwrap()
    );
    let mut second = tokio::spawn(async move {
        let mut tx = two.begin().await.unwrap();
        let inserted = tx.insert_first_key(&key(KeyPurpose::Assertion)).await;
        tx.commit().await.unwrap();
        inserted.unwrap()
    });
    assert_waits(&mut second).await;
    first.commit().await.unwrap();
    assert!(!second.await.unwrap());
}

pub async fn keys_read_back_and_are_sealed_anew(database: Database) {
    let store = database.node().await;
    let (assertion, oidc) = (key(KeyPurpose::Assertion), key(KeyPurpose::Oidc));
    let mut tx = store.begin().await.unwrap();
    assert!(tx.insert_first_key(&assertion).await.unwrap());
    assert!(tx.insert_first_key(&oidc).await.unwrap());
    assert!(!tx.insert_first_key(&key(KeyPurpose::Oidc)).await.unwrap());
    // Attack 34: a key is found by its own purpose only.
    assert_eq!(
        tx.keys_of(KeyPurpose::Assertion).await.unwrap(),
        std::slice::from_ref(&assertion)
    );
    assert_eq!(
        tx.keys_of(KeyPurpose::Oidc).await.unwrap(),
        std::slice::from_ref(&oidc)
    );
    assert_eq!(tx.keys_of(KeyPurpose::Audit).await.unwrap(), []);
    assert_eq!(tx.all_keys().await.unwrap().len(), 2);
    assert!(
        tx.update_key_seal(&assertion.id, "cb1.anew", None)
            .await
            .unwrap()
    );
    let anew = StoredKey {
        sealed_private_key: "cb1.anew".to_owned(),
        ..assertion
    };
    assert_eq!(tx.keys_of(KeyPurpose::Assertion).await.unwrap(), [anew]);
}

/// As it is tagged does not matter here.
fn in_state(key: &StoredKey, state: KeyState) -> StoredKey {
    StoredKey {
        standing: key.standing.moved(state, NOW),
        state_tag: Some(format!("tag of {state}")),
        ..key.clone()
    }
}

pub async fn a_key_moves_from_where_it_was_read(database: Database) {
    let store = database.node().await;
    let first = key(KeyPurpose::Assertion);
    let second = in_state(&key(KeyPurpose::Assertion), KeyState::Staged);
    let mut tx = store.begin().await.unwrap();
    assert!(tx.insert_first_key(&first).await.unwrap());
    assert!(tx.insert_key(&second).await.unwrap());
    // There is one staged key of a purpose, and each id once.
    let third = in_state(&key(KeyPurpose::Assertion), KeyState::Staged);
    assert!(!tx.insert_key(&third).await.unwrap());
    assert!(
        !tx.insert_key(&in_state(&second, KeyState::Prepared))
            .await
            .unwrap()
    );
    let oidc = in_state(&key(KeyPurpose::Oidc), KeyState::Staged);
    assert!(tx.insert_key(&oidc).await.unwrap());
    assert_eq!(tx.key(&second.id).await.unwrap().as_ref(), Some(&second));
    let mark = |key: &StoredKey| Some(ActiveMark::of(key));
    let purpose = KeyPurpose::Assertion;
    assert_eq!(tx.active_key(purpose).await.unwrap(), mark(&first));
    assert_eq!(tx.active_key(KeyPurpose::Oidc).await.unwrap(), None);
    // From somewhere else than where it is, nothing moves.
    let active = in_state(&second, KeyState::Active);
    assert!(!tx.move_key(&active, &second).await.unwrap());
    let relieved = in_state(&first, KeyState::Retiring);
    assert!(tx.move_key(&first, &relieved).await.unwrap());
    assert!(!tx.move_key(&first, &relieved).await.unwrap());
    assert!(tx.move_key(&second, &active).await.unwrap());
    assert_eq!(tx.active_key(purpose).await.unwrap(), mark(&active));
    assert_eq!(tx.key(&first.id).await.unwrap(), Some(relieved));
    tx.commit().await.unwrap();
}

/// Two operators activate two keys: one of them does, and never both.
pub async fn attack_28_one_key_is_active(database: Database) {
    let store = database.node().await;
    let first = key(KeyPurpose::Assertion);
    let mut tx = store.begin().await.unwrap();
    assert!(tx.insert_first_key(&first).await.unwrap());
    let mut others = Vec::new();
    for _ in 0..10 {
        let other = in_state(&key(KeyPurpose::Assertion), KeyState::Prepared);
        assert!(tx.insert_key(&other).await.unwrap());
        others.push(other);
    }
    tx.commit().await.unwrap();
    let others = std::sync::Arc::new(others);
    let done = race(&database, 10, move |store, number| {
        let (first, other) = (first.clone(), others[number].clone());
        async move {
            let mut tx = store.begin().await.unwrap();
            let relieved = in_state(&first, KeyState::Retiring);
            if !tx.move_key(&first, &relieved).await.unwrap() {
                return false;
            }
            let moved = tx
                .move_key(&other, &in_state(&other, KeyState::Active))
                .await;
            moved.is_ok_and(|moved| moved) && tx.commit().await.is_ok()
        }
    })
    .await;
    assert_eq!(count(&done, &true), 1);
    let mut tx = store.read().await.unwrap();
    let keys = tx.keys_of(KeyPurpose::Assertion).await.unwrap();
    let active = keys
        .iter()
        .filter(|key| key.standing.state == KeyState::Active);
    assert_eq!(active.count(), 1);
}

pub async fn who_knows_a_key_reads_back(database: Database) {
    let store = database.node().await;
    let sealing = Sealing::new(&MasterKey::random(&mut SystemRandom));
    let stored = key(KeyPurpose::Assertion);
    let mut tx = store.begin().await.unwrap();
    assert!(tx.insert_first_key(&stored).await.unwrap());
    let party = Party::Domain("contoso.com".to_owned());
    let other = Party::RelyingParty("contoso.com".to_owned());
    let since = Held::Since {
        first: NOW,
        last: NOW.plus(std::time::Duration::from_hours(1)),
    };
    let seen =
        |party: &Party, held| Sighting::new(&sealing, stored.id.clone(), party.clone(), held);
    let rows = [seen(&party, Held::MissingAt(NOW)), seen(&other, since)];
    tx.put_key_sighting(&seen(&party, since)).await.unwrap();
    for row in &rows {
        tx.put_key_sighting(row).await.unwrap();
    }
    let read = tx.key_sightings().await.unwrap();
    assert_eq!(read, rows, "the last look at each");
    assert!(read.iter().all(|row| row.require_tag(&sealing).is_ok()));
}

pub async fn one_master_key(database: Database) {
    let store = database.node().await;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.master_key_id().await.unwrap(), None);
    for id in ["0011223344556677", "8899aabbccddeeff"] {
        tx.set_master_key_id(id).await.unwrap();
        assert_eq!(tx.master_key_id().await.unwrap().as_deref(), Some(id));
    }
}

pub async fn everything_ends(database: Database) {
    let store = database.node().await;
    let person = Person::new(&store, "a@contoso.com").await;
    let session = person.session(&store, NOW).await;
    let attempt = stored_attempt(&store, Some(&person.user), "203.0.113.7").await;
    let answered = stored_attempt(&store, Some(&person.user), "203.0.113.7").await;
    let pass = pass(&person.user.id, "value", PassReuse::UntilExpiry);
    let later = NOW.plus(Duration::from_mins(1));
    let mut tx = store.begin().await.unwrap();
    tx.insert_pass(&pass).await.unwrap();
    tx.insert_enrolment(&EnrolmentRow {
        attempt: attempt.id.clone(),
        user: person.user.id.clone(),
        opened_by: OpenedBy::Pass(pass.id),
        method: None,
        credential: None,
        expires_at: attempt.expires_at,
        finished_at: None,
        tag: "a tag".to_owned(),
    })
    .await
    .unwrap();
    assert!(tx.answer_attempt(&answered.id, "token", NOW).await.unwrap());
    assert!(tx.end_everything(later).await.unwrap() > 0);
    assert!(
        tx.consume_pass(&person.user.id, "value", later)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        tx.session(&session.row().id)
            .await
            .unwrap()
            .unwrap()
            .revoked_at,
        Some(later)
    );
    assert!(
        !tx.answer_attempt(&attempt.id, "token", later)
            .await
            .unwrap()
    );
    assert_eq!(tx.answer_of(&answered.id).await.unwrap(), None);
    assert_eq!(
        tx.open_enrolment_of(&attempt.id, later).await.unwrap(),
        None
    );
    tx.commit().await.unwrap();
    assert_eq!(database.number("SELECT COUNT(*) FROM evidence").await, 0);
}
