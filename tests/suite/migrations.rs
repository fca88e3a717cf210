//! Migrations. The databases that come here are migrated already; `empty` ones are asked for.

use claimbridge::storage::{MigrationState, StoreError};
use tokio::task::JoinSet;

use super::database::Database;

/// `database` is empty here.
pub async fn four_nodes_migrate_at_once(database: Database) {
    // Back to nothing: what `migrated` made is dropped by hand, in an order that keys allow.
    database
        .by_hand(
            "DROP TABLE external_accounts; DROP TABLE tenants; DROP TABLE sign_outs; DROP TABLE watch; DROP TABLE watch_findings; DROP TABLE watch_messages;
             DROP TABLE federation_journal; DROP TABLE federation_changes;
             DROP TABLE recovery_codes; DROP TABLE application_passwords; DROP TABLE oath_tokens; DROP TABLE ceremonies; DROP TABLE security_keys; DROP TABLE used_credential_ids;
             DROP TABLE user_groups; DROP TABLE metadata_numbers; DROP TABLE evidence; DROP TABLE enrolments; DROP TABLE attempts; DROP TABLE session_parties;
             DROP TABLE sessions; DROP TABLE known_browsers; DROP TABLE notices; DROP TABLE passwords;
             DROP TABLE totp; DROP TABLE access_passes; DROP TABLE users; DROP TABLE immutable_ids;
             DROP TABLE throttle; DROP TABLE events; DROP TABLE nodes; DROP TABLE refused;
             DROP TABLE receipts; DROP TABLE domains; DROP TABLE relying_parties; DROP TABLE key_sightings; DROP TABLE key_marks; DROP TABLE signing_keys;
             DROP TABLE sealed_under; DROP TABLE migrations",
        )
        .await;
    let state = database.node().await.migration_state().await.unwrap();
    assert!(
        matches!(&state, MigrationState::Pending(names) if !names.is_empty()),
        "{state:?}"
    );
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let node = database.node().await;
        tasks.spawn(async move { node.migrate().await.unwrap().len() });
    }
    let mut applied = tasks.join_all().await;
    applied.sort_unstable();
    assert_eq!(&applied[..3], [0, 0, 0]);
    assert!(applied[3] > 0);
    assert_eq!(
        database.node().await.migration_state().await.unwrap(),
        MigrationState::Current
    );
}

pub async fn migrating_again_changes_nothing(database: Database) {
    let store = database.node().await;
    assert_eq!(
        store.migration_state().await.unwrap(),
        MigrationState::Current
    );
    assert_eq!(store.migrate().await.unwrap(), Vec::<String>::new());
    assert_eq!(
        store.migration_state().await.unwrap(),
        MigrationState::Current
    );
}

pub async fn an_unknown_or_altered_migration_stops_everything(database: Database) {
    let store = database.node().await;
    database
        .by_hand("INSERT INTO migrations VALUES ('9999_of_tomorrow', 'x', 0)")
        .await;
    let unknown = vec!["9999_of_tomorrow".to_owned()];
    assert_eq!(
        store.migration_state().await.unwrap(),
        MigrationState::Unknown(unknown)
    );
    assert!(matches!(
        store.migrate().await,
        Err(StoreError::UnknownMigrations(_))
    ));
    database
        .by_hand("DELETE FROM migrations WHERE name = '9999_of_tomorrow'")
        .await;
    assert_eq!(
        store.migration_state().await.unwrap(),
        MigrationState::Current
    );
    database
        .by_hand("UPDATE migrations SET checksum = 'edited'")
        .await;
    assert!(matches!(
        store.migration_state().await.unwrap(),
        MigrationState::Unknown(_)
    ));
}
