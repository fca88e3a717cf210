//! What can go wrong with the store.

use sqlx::error::DatabaseError;

/// A failure of the store. A row that is not there is no failure: look-ups answer `Option`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, or not in time: nothing was changed; try again later (503).
    #[error("the database does not answer")]
    Unavailable(#[source] sqlx::Error),
    /// A row holds what cannot be there: written by hand, or damaged.
    #[error("the database holds an impossible value in {table}.{column} of row {row}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key.
        row: String,
    },
    /// A statement was refused: a constraint that the caller had to keep, or a defect of ours.
    #[error("the database refused a statement")]
    Refused(#[source] sqlx::Error),
    /// A statement of this transaction had failed, so it cannot be committed. PostgreSQL
    /// would answer COMMIT with a silent rollback.
    #[error("the transaction had failed and was rolled back")]
    Spoilt,
    /// The address of the database is not one of ours.
    #[error(
        "the database_url is not usable: {0}; write sqlite://FILE or postgres://USER@HOST/NAME"
    )]
    Url(&'static str),
    /// The database's file could not be made.
    #[error(
        "the database file {path} could not be created; check that its folder exists and may be written"
    )]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The schema is of a newer version, or a migration that was applied reads differently here.
    #[error(
        "the database has migrations that this version does not know ({0}); use the version that made them"
    )]
    UnknownMigrations(String),
}

impl StoreError {
    /// Whether waiting may help: the caller answers 503 and issues nothing.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::File { .. })
    }

    /// Whether another writer of a SQLite file was in the way.
    pub(super) fn is_busy(&self) -> bool {
        const BUSY: u32 = 5;
        let Self::Unavailable(sqlx::Error::Database(error)) = self else {
            return false;
        };
        let code = error.code().and_then(|code| code.parse::<u32>().ok());
        code.is_some_and(|code| code & 0xff == BUSY)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let unavailable = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => true,
            sqlx::Error::Database(error) => may_pass(error.as_ref()),
            _ => false,
        };
        if unavailable {
            Self::Unavailable(error)
        } else {
            Self::Refused(error)
        }
    }
}

/// Whether the database may answer the same statement another time.
fn may_pass(error: &dyn DatabaseError) -> bool {
    let Some(code) = error.code() else {
        return false;
    };
    match code.parse::<u32>() {
        // SQLite result codes (https://www.sqlite.org/rescode.html), extended ones have the
        // primary code in the low byte: BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL,
        // CANTOPEN, PROTOCOL. PostgreSQL's codes have five characters.
        Ok(number) if code.len() < 5 => {
            matches!(number & 0xff, 5 | 6 | 7 | 8 | 9 | 10 | 13 | 14 | 15)
        }
        // PostgreSQL, appendix A: connection (08), resources (53), operator or lock time-out
        // (55P03, 57), system (58), serialisation and deadlock (40), read-only standby (25006).
        _ => {
            ["08", "53", "57", "58", "40"]
                .iter()
                .any(|class| code.starts_with(class))
                || matches!(code.as_ref(), "55P03" | "25006")
        }
    }
}
