//! Opening a database: which engine, and how its connections are set up.
//!
//! Always true: a committed row survives a power cut (`synchronous=FULL`): a lost TOTP
//! step or event would be a security defect, not a statistic. A new SQLite file can be
//! read by its owner only.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sqlx::{
    AnyPool, Executor as _,
    any::{AnyConnectOptions, AnyPoolOptions},
};

use super::error::StoreError;
use crate::base::{
    clock::{Clock, SystemClock, Timestamp},
    ids::NodeId,
    random::{Random, SystemRandom},
};

/// How long a request waits for a connection, or for its turn to write, before it is
/// answered "unavailable".
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The same patience inside SQLite, for other processes (see `tx` for those that write).
const SQLITE: &str = "PRAGMA busy_timeout = 5000;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA secure_delete = ON;
    PRAGMA foreign_keys = ON;";

/// The same patience inside PostgreSQL; and commits that are on disk when they are
/// answered, whatever the server's default is.
const POSTGRES: &str = "SET lock_timeout = '5s';
    SET statement_timeout = '15s';
    SET idle_in_transaction_session_timeout = '60s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Which database it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

/// The database, as one node sees it. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct Store {
    pub(super) pool: AnyPool,
    pub(super) engine: Engine,
    /// SQLite has one writer: its turn is taken here first, in order of arrival, instead
    /// of by polling the file's lock.
    pub(super) writer: Option<Arc<tokio::sync::Mutex<()>>>,
    node: NodeId,
    clock: Arc<dyn Clock>,
    random: Arc<Mutex<Box<dyn Random>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("engine", &self.engine)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens `sqlite://FILE` (made if missing, 0600) or `postgres://…`. It applies no
    /// migrations: see [`Store::migrate`].
    ///
    /// The process becomes a new node; event ids and the node's come from the system's
    /// generator and instants of events from its clock, unless
    /// [`with_clock`](Self::with_clock) and [`with_random`](Self::with_random) say otherwise.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let engine = match url.split_once(':') {
            Some(("sqlite", _)) => Engine::Sqlite,
            Some(("postgres" | "postgresql", _)) => Engine::Postgres,
            _ => return Err(StoreError::Url("it names neither SQLite nor PostgreSQL")),
        };
        let url = match engine {
            Engine::Sqlite => sqlite_url(url)?,
            Engine::Postgres => url.to_owned(),
        };
        let options: AnyConnectOptions =
            url.parse().map_err(|_| StoreError::Url("it is no URL"))?;
        let (set_up, connections) = match engine {
            Engine::Sqlite => (SQLITE, 8),
            Engine::Postgres => (POSTGRES, 10),
        };
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(PATIENCE)
            // A server may have been restarted; a file has not.
            .test_before_acquire(engine == Engine::Postgres)
            .after_connect(move |connection, _| {
                Box::pin(async move { connection.execute(sqlx::raw_sql(set_up)).await.map(drop) })
            })
            .connect_with(options)
            .await?;
        let mut random: Box<dyn Random> = Box::new(SystemRandom);
        Ok(Self {
            pool,
            engine,
            writer: (engine == Engine::Sqlite).then(Arc::default),
            node: NodeId::random(random.as_mut()),
            clock: Arc::new(SystemClock),
            random: Arc::new(Mutex::new(random)),
        })
    }

    /// Takes the instants of events from `clock`.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes ids, the node's too, from `random`.
    pub fn with_random(mut self, mut random: Box<dyn Random>) -> Self {
        self.node = NodeId::random(random.as_mut());
        self.random = Arc::new(Mutex::new(random));
        self
    }

    /// The id under which this process writes events.
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// Closes all connections; whoever still asks gets "unavailable".
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn draw<T>(&self, draw: impl FnOnce(&mut dyn Random) -> T) -> T {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        draw(random.as_mut())
    }
}

/// What need not be escaped in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// The absolute URL of the file that `url` names; makes the file if it is missing.
fn sqlite_url(url: &str) -> Result<String, StoreError> {
    let rest = url.strip_prefix("sqlite:").unwrap_or(url);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !matches!(query, "" | "mode=rwc" | "mode=rw") {
        return Err(StoreError::Url("a SQLite address takes no parameters"));
    }
    if path.is_empty() || path.contains(":memory:") {
        return Err(StoreError::Url(
            "SQLite needs a file, because all connections must see one database",
        ));
    }
    let path = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| StoreError::Url("the path is not UTF-8"))?;
    let path = std::path::absolute(PathBuf::from(path.as_ref()))
        .map_err(|_| StoreError::Url("the path is not usable"))?;
    let text = path.to_string_lossy().into_owned();
    create_private(&path).map_err(|cause| StoreError::File {
        path: text.clone(),
        cause,
    })?;
    Ok(format!(
        "sqlite://{}?mode=rw",
        utf8_percent_encode(&text, PATH)
    ))
}

/// Makes the file if it is missing, readable by its owner only; SQLite gives its
/// write-ahead log the same mode.
fn create_private(path: &std::path::Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_address_names_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b#c.db");
        let url = sqlite_url(&format!("sqlite://{}", path.display()).replace(' ', "%20")).unwrap();
        assert!(url.ends_with("/a%20b%23c.db?mode=rw"), "{url}");
        assert!(path.exists());
        for bad in [
            "sqlite::memory:",
            "sqlite://",
            "sqlite://x.db?mode=memory",
            "sqlite://x.db?cache=shared",
        ] {
            assert!(matches!(sqlite_url(bad), Err(StoreError::Url(_))), "{bad}");
        }
        let nowhere = folder.path().join("missing/x.db");
        assert!(matches!(
            sqlite_url(&format!("sqlite://{}", nowhere.display())),
            Err(StoreError::File { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_its_owners_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.db");
        sqlite_url(&format!("sqlite://{}", path.display())).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
