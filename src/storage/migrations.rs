//! Migrations: numbered files, embedded, the same names for both engines.
//!
//! Always true: an applied migration is never edited (its checksum is stored and
//! compared); all pending ones are applied in one transaction behind one lock, so two
//! nodes that start at once apply them once, and a failure leaves nothing half done.

use super::{
    error::StoreError,
    row::{Reader, sql},
    store::{Engine, Store},
    tx::{ReadTx, Tx},
};

struct Migration {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        const MIGRATIONS: &[Migration] = &[$(Migration {
            name: $name,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        }),*];
    };
}

// Add at the end only.
migrations![
    "0001_people_and_sign_ins",
    "0002_chosen_method",
    "0003_groups_and_metadata",
    "0004_security_keys",
    "0005_oath_tokens",
    "0006_recovery_codes",
    "0008_token_secrets",
    "0009_key_states",
    "0010_federation_journal",
    "0011_watch",
    "0013_key_sightings",
    "0015_key_generation",
    "0017_sign_out",
    "0018_application_passwords",
    "0019_session_lineage",
    "0021_key_steps",
    "0023_external_accounts",
    "0024_tenants",
    "0025_revoked_app_passwords",
    "0026_sign_outs_of_browser",
    "0029_linked_accounts",
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    name TEXT PRIMARY KEY,
    checksum TEXT NOT NULL,
    applied_at BIGINT NOT NULL
)";

/// How the database's schema stands to this version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MigrationState {
    /// The same.
    Current,
    /// These are to be applied, in this order.
    Pending(Vec<String>),
    /// These were applied and are not known here, or read differently here.
    Unknown(Vec<String>),
}

impl Migration {
    fn text(&self, engine: Engine) -> &'static str {
        match engine {
            Engine::Sqlite => self.sqlite,
            Engine::Postgres => self.postgres,
        }
    }

    fn checksum(&self, engine: Engine) -> String {
        let text = self.text(engine).as_bytes();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text);
        data_encoding::HEXLOWER.encode(digest.as_ref())
    }
}

impl Store {
    /// How the schema stands. Changes nothing.
    pub async fn migration_state(&self) -> Result<MigrationState, StoreError> {
        let mut tx = self.read().await?;
        if !tx.has_migrations_table().await? {
            return Ok(MigrationState::Pending(names(MIGRATIONS)));
        }
        let applied = tx.applied_migrations().await?;
        Ok(state(&applied, self.engine))
    }

    /// Applies what is pending; the names of what was applied, none if nothing was.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        let mut tx = self.begin().await?;
        tx.lock_schema().await?;
        tx.run_script(TABLE).await?;
        let applied = tx.applied_migrations().await?;
        let pending = match state(&applied, self.engine) {
            MigrationState::Current => return Ok(Vec::new()),
            MigrationState::Unknown(names) => {
                return Err(StoreError::UnknownMigrations(names.join(", ")));
            }
            MigrationState::Pending(pending) => pending,
        };
        for migration in MIGRATIONS
            .iter()
            .filter(|known| pending.iter().any(|name| name == known.name))
        {
            tx.run_script(migration.text(self.engine)).await?;
            tx.run(
                sql("INSERT INTO migrations (name, checksum, applied_at) VALUES ($1, $2, $3)")
                    .bind(migration.name)
                    .bind(migration.checksum(self.engine))
                    .bind(self.now().as_millis()),
            )
            .await?;
        }
        tx.commit().await?;
        Ok(pending)
    }
}

/// Which database it is, for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DatabaseVersion {
    /// `SQLite` or `PostgreSQL`.
    pub engine: &'static str,
    /// Its own version.
    pub version: String,
    /// The last migration that was applied.
    pub schema: Option<String>,
}

impl ReadTx<'_> {
    /// Engine, version and schema.
    pub async fn database_version(&mut self) -> Result<DatabaseVersion, StoreError> {
        let (engine, ask) = match self.store.engine {
            Engine::Sqlite => ("SQLite", "SELECT sqlite_version() AS version"),
            Engine::Postgres => (
                "PostgreSQL",
                "SELECT current_setting('server_version') AS version",
            ),
        };
        let version = match &self.one(sql(ask)).await? {
            Some(row) => Reader::new(row, "database", "version").text("version")?,
            None => String::new(),
        };
        let schema = self.applied_migrations().await?.pop().map(|(name, _)| name);
        Ok(DatabaseVersion {
            engine,
            version,
            schema,
        })
    }

    async fn has_migrations_table(&mut self) -> Result<bool, StoreError> {
        let found = self
            .one(sql(match self.store.engine {
                Engine::Sqlite => {
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'migrations'"
                }
                Engine::Postgres => {
                    "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables
                     WHERE table_schema = current_schema() AND table_name = 'migrations'"
                }
            }))
            .await?;
        Ok(found.is_some())
    }

    /// Names and checksums.
    async fn applied_migrations(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        self.all(sql("SELECT name, checksum FROM migrations ORDER BY name"))
            .await?
            .iter()
            .map(|row| {
                let row = Reader::new(row, "migrations", "name");
                Ok((row.text("name")?, row.text("checksum")?))
            })
            .collect()
    }
}

impl Tx<'_> {
    /// SQLite's write lock is held already. PostgreSQL: an advisory lock of this
    /// transaction (the number says "claimbridge" to nobody else).
    async fn lock_schema(&mut self) -> Result<(), StoreError> {
        if self.store.engine == Engine::Postgres {
            self.run(sql("SELECT CAST(pg_advisory_xact_lock(7166117) AS TEXT)"))
                .await?;
        }
        Ok(())
    }
}

fn names<'m>(migrations: impl IntoIterator<Item = &'m Migration>) -> Vec<String> {
    migrations
        .into_iter()
        .map(|migration| migration.name.to_owned())
        .collect()
}

fn state(applied: &[(String, String)], engine: Engine) -> MigrationState {
    let unknown: Vec<String> = applied
        .iter()
        .filter(|(name, checksum)| {
            !MIGRATIONS
                .iter()
                .any(|known| known.name == name && known.checksum(engine) == *checksum)
        })
        .map(|(name, _)| name.clone())
        .collect();
    if !unknown.is_empty() {
        return MigrationState::Unknown(unknown);
    }
    let pending = names(
        MIGRATIONS
            .iter()
            .filter(|known| !applied.iter().any(|(name, _)| name == known.name)),
    );
    if pending.is_empty() {
        MigrationState::Current
    } else {
        MigrationState::Pending(pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_on_both_sides() {
        for folder in ["sqlite", "postgres"] {
            let mut files: Vec<String> = std::fs::read_dir(format!(
                "{}/migrations/{folder}",
                env!("CARGO_MANIFEST_DIR")
            ))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
            files.sort();
            let listed: Vec<String> = MIGRATIONS
                .iter()
                .map(|known| format!("{}.sql", known.name))
                .collect();
            assert_eq!(files, listed, "{folder}");
        }
    }

    #[test]
    fn what_is_unknown_or_altered_stops_everything() {
        let engine = Engine::Sqlite;
        let applied: Vec<(String, String)> = MIGRATIONS
            .iter()
            .map(|known| (known.name.to_owned(), known.checksum(engine)))
            .collect();
        assert_eq!(state(&applied, engine), MigrationState::Current);
        assert_eq!(
            state(&[], engine),
            MigrationState::Pending(names(MIGRATIONS))
        );
        let mut newer = applied.clone();
        newer.push(("9999_later".to_owned(), String::new()));
        assert_eq!(
            state(&newer, engine),
            MigrationState::Unknown(vec!["9999_later".to_owned()])
        );
        let mut altered = applied;
        altered[0].1 = "0".repeat(64);
        assert_eq!(
            state(&altered, engine),
            MigrationState::Unknown(vec![altered[0].0.clone()])
        );
    }
}
