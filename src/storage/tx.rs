//! Transactions.
//!
//! [`Store::begin`] is for changes: on SQLite it takes the write lock at once, because a
//! transaction that reads first and writes later loses against another writer however
//! long it waits (8 at once: 1 succeeded with `BEGIN`, 8 with `BEGIN IMMEDIATE`). On
//! PostgreSQL it is READ COMMITTED: a conditional UPDATE looks at the row again once it
//! has the row's lock. Events of the transaction are kept until the commit and numbered
//! there. Dropping a transaction rolls it back, events included.

use std::ops::{Deref, DerefMut};

use sqlx::{Any, Transaction, any::AnyRow};
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout},
};

use super::{
    error::StoreError,
    events::Pending,
    row::{Reader, Statement},
    store::{Engine, PATIENCE, Store},
};
use crate::{
    audit::{Actor, Event},
    base::ids::UserId,
};

/// With five milliseconds' patience SQLite looks four times.
const BEGIN_TO_WRITE: &str = "PRAGMA busy_timeout = 5; BEGIN IMMEDIATE; PRAGMA busy_timeout = 5000";

/// The patience that a connection has by itself: one that did not get to write has less.
const BEGIN_TO_READ: &str = "PRAGMA busy_timeout = 5000; BEGIN";

/// A transaction that reads: one consistent view, and no method that writes.
pub struct ReadTx<'s> {
    connection: Transaction<'static, Any>,
    pub(super) store: &'s Store,
    failed: bool,
}

/// A transaction that changes something. Look-ups are those of [`ReadTx`].
pub struct Tx<'s> {
    // Dropped in this order: rolled back first, then the next writer's turn.
    read: ReadTx<'s>,
    pub(super) events: Vec<Pending>,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Store {
    /// Begins a transaction that changes something.
    ///
    /// Hold one at a time: on SQLite a task that begins a second one before the first is
    /// over waits for itself until it is told "unavailable".
    pub async fn begin(&self) -> Result<Tx<'_>, StoreError> {
        let turn = match &self.writer {
            None => None,
            Some(writer) => {
                let waiting = timeout(PATIENCE, std::sync::Arc::clone(writer).lock_owned()).await;
                Some(waiting.map_err(|_| StoreError::Unavailable(sqlx::Error::PoolTimedOut))?)
            }
        };
        let read = match self.engine {
            Engine::Sqlite => self.open_for_writing().await?,
            Engine::Postgres => self.open("BEGIN").await?,
        };
        Ok(Tx {
            read,
            events: Vec::new(),
            _turn: turn,
        })
    }

    /// Takes SQLite's write lock, which other processes take too: a second server, a command.
    ///
    /// SQLite itself would look for it ever more rarely, every 100 ms in the end, and whoever
    /// writes without a pause (an import) leaves it free for less than one: somebody waited
    /// five seconds in vain. So it looks every one or two milliseconds.
    async fn open_for_writing(&self) -> Result<ReadTx<'_>, StoreError> {
        let began = Instant::now();
        loop {
            match self.open(BEGIN_TO_WRITE).await {
                Err(error) if error.is_busy() && began.elapsed() < PATIENCE => {}
                done => return done,
            }
        }
    }

    /// Begins a transaction that only reads.
    pub async fn read(&self) -> Result<ReadTx<'_>, StoreError> {
        self.open(match self.engine {
            Engine::Sqlite => BEGIN_TO_READ,
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        })
        .await
    }

    async fn open(&self, statement: &'static str) -> Result<ReadTx<'_>, StoreError> {
        Ok(ReadTx {
            connection: self.pool.begin_with(statement).await?,
            store: self,
            failed: false,
        })
    }
}

impl ReadTx<'_> {
    pub(super) async fn one(&mut self, statement: Statement) -> Result<Option<AnyRow>, StoreError> {
        let result = statement.fetch_optional(&mut *self.connection).await;
        self.noting(result)
    }

    pub(super) async fn all(&mut self, statement: Statement) -> Result<Vec<AnyRow>, StoreError> {
        let result = statement.fetch_all(&mut *self.connection).await;
        self.noting(result)
    }

    /// What a statement counts, as `counted`, in `table`.
    pub(super) async fn count(
        &mut self,
        statement: Statement,
        table: &'static str,
    ) -> Result<i64, StoreError> {
        match &self.one(statement).await? {
            None => Ok(0),
            Some(row) => Reader::new(row, table, "counted").integer("counted"),
        }
    }

    fn noting<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        self.failed |= result.is_err();
        Ok(result?)
    }
}

impl Tx<'_> {
    /// Runs a statement; how many rows it changed.
    pub(super) async fn run(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let result = statement.execute(&mut *self.read.connection).await;
        Ok(self.read.noting(result)?.rows_affected())
    }

    /// Runs a statement that changes one row or none; whether it did.
    pub(super) async fn run_once(&mut self, statement: Statement) -> Result<bool, StoreError> {
        Ok(self.run(statement).await? > 0)
    }

    /// Runs constant statements without arguments, separated by semicolons.
    pub(super) async fn run_script(&mut self, script: &'static str) -> Result<(), StoreError> {
        let result = sqlx::raw_sql(script)
            .execute(&mut *self.read.connection)
            .await;
        self.read.noting(result).map(drop)
    }

    /// Writes down what happens in this transaction: now, by the store's clock. It is
    /// stored by the commit, numbered without a gap, and gone if there is none.
    pub fn append(&mut self, actor: Actor, user: Option<UserId>, event: Event) {
        self.events.push(Pending {
            at: self.read.store.now(),
            actor,
            user,
            event,
        });
    }

    /// Writes the events and makes everything last. After an error nothing has changed.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.write_events().await?;
        if self.read.failed {
            return Err(StoreError::Spoilt);
        }
        Ok(self.read.connection.commit().await?)
    }
}

impl<'s> Deref for Tx<'s> {
    type Target = ReadTx<'s>;

    fn deref(&self) -> &ReadTx<'s> {
        &self.read
    }
}

impl<'s> DerefMut for Tx<'s> {
    fn deref_mut(&mut self) -> &mut ReadTx<'s> {
        &mut self.read
    }
}
