//! How the database is kept, for the doctor.

use super::{
    error::StoreError,
    row::{Reader, sql},
    store::Engine,
    tx::ReadTx,
};

/// How the database is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Upkeep {
    /// SQLite, with its journal's mode: `wal`.
    Sqlite {
        /// As SQLite spells it.
        journal: String,
    },
    /// PostgreSQL.
    Postgres {
        /// Its version.
        version: String,
        /// Whether it is reached over a socket, or at an address of its own machine.
        is_here: bool,
        /// Whether the connection is encrypted.
        is_encrypted: bool,
    },
}

impl ReadTx<'_> {
    /// How the database is kept.
    pub async fn upkeep(&mut self) -> Result<Upkeep, StoreError> {
        match self.store.engine {
            Engine::Sqlite => {
                let row = self.one(sql("PRAGMA journal_mode")).await?;
                let journal = match &row {
                    Some(row) => {
                        Reader::new(row, "database", "journal_mode").text("journal_mode")?
                    }
                    None => String::new(),
                };
                Ok(Upkeep::Sqlite { journal })
            }
            Engine::Postgres => {
                let row = self
                    .one(sql("SELECT current_setting('server_version') AS version,
                                CASE WHEN inet_server_addr() IS NULL THEN 1
                                     WHEN inet_server_addr() = inet_client_addr() THEN 1
                                     ELSE 0 END AS is_here,
                                CASE WHEN (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())
                                     THEN 1 ELSE 0 END AS is_encrypted"))
                    .await?
                    .ok_or(StoreError::Refused(sqlx::Error::RowNotFound))?;
                let row = Reader::new(&row, "database", "version");
                Ok(Upkeep::Postgres {
                    version: row.text("version")?,
                    is_here: row.integer("is_here")? == 1,
                    is_encrypted: row.integer("is_encrypted")? == 1,
                })
            }
        }
    }
}
