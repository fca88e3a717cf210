//! Two `claimbridge serve` on one database.

use std::{
    io::{BufRead as _, BufReader},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use claimbridge::{
    base::{
        clock::{Clock as _, SystemClock, Timestamp},
        random::{SystemRandom, random_token},
    },
    keys::sealing::{MasterKey, Sealing},
    relying_party::domain::new_domain,
    storage::Store,
};
use sqlx::{AnyPool, AssertSqlSafe};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::{
    proxy::passing_on,
    support::{PUBLIC_URL, browser::Browser},
};

pub fn now() -> Timestamp {
    SystemClock.now()
}

/// Which database the processes share.
#[derive(Clone, Copy, Debug)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// The address of a database that nobody has used.
    async fn fresh(self, folder: &TempDir) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}", folder.path().join("shared.db").display()),
            Self::Postgres => {
                let server = std::env::var("CLAIMBRIDGE_TEST_POSTGRES").expect(
                    "set CLAIMBRIDGE_TEST_POSTGRES to a database (postgres://…), as tests/run.sh does",
                );
                sqlx::any::install_default_drivers();
                let pool = AnyPool::connect(&server).await.unwrap();
                let schema = format!("t_{}", random_token(&mut SystemRandom));
                let create = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
                sqlx::raw_sql(create).execute(&pool).await.unwrap();
                pool.close().await;
                let separator = if server.contains('?') { '&' } else { '?' };
                format!("{server}{separator}options=-c%20search_path%3D{schema}")
            }
        }
    }
}

/// What servers and commands are told: the database, the master key.
struct Site {
    url: String,
    key_file: PathBuf,
    folder: TempDir,
    /// What they are told besides.
    more: Vec<(&'static str, PathBuf)>,
}

impl Site {
    async fn fresh(engine: Engine, key: &MasterKey) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key_file = folder.path().join("master.key");
        let mut file = std::fs::OpenOptions::new();
        file.write(true).create_new(true).mode(0o600);
        std::io::Write::write_all(&mut file.open(&key_file).unwrap(), key.to_hex().as_bytes())
            .unwrap();
        Self {
            url: engine.fresh(&folder).await,
            key_file,
            folder,
            more: Vec::new(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claimbridge"));
        command
            .args(arguments)
            .env_clear()
            .env("CLAIMBRIDGE_PUBLIC_URL", PUBLIC_URL)
            .env("CLAIMBRIDGE_LISTEN", NOWHERE.to_string())
            .env("CLAIMBRIDGE_DATABASE_URL", &self.url)
            .env("CLAIMBRIDGE_MASTER_KEY_FILE", &self.key_file)
            .env("CLAIMBRIDGE_POLICY__TRUSTED_PROXIES", "127.0.0.1")
            // Fifty requests at once wait for ten connections: no news.
            .env("RUST_LOG", "warn,sqlx=error")
            .envs(self.more.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path());
        command
    }
}

/// The processes. They end with this value.
#[derive(Default)]
struct Processes([Option<Child>; 2]);

impl Drop for Processes {
    fn drop(&mut self) {
        for node in 0..2 {
            self.kill(node);
        }
    }
}

impl Processes {
    /// Starts a node; what it says.
    fn start(&mut self, node: usize, mut command: Command) -> ChildStdout {
        assert!(self.0[node].is_none());
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let said = process.stdout.take().unwrap();
        self.0[node] = Some(process);
        said
    }

    fn kill(&mut self, node: usize) {
        if let Some(mut process) = self.0[node].take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

/// Two processes on one database.
pub struct Cluster {
    pub sealing: Sealing,
    pub store: Store,
    pub sql: AnyPool,
    addresses: [SocketAddr; 2],
    /// How many requests each was sent.
    sent: [watch::Sender<usize>; 2],
    processes: Processes,
    site: Site,
}

impl Cluster {
    /// On a database that nobody has used. Both start at once, as after a power cut: one of
    /// them migrates it and makes the key.
    pub async fn start(engine: Engine) -> Self {
        Self::start_with(engine, |_| Vec::new()).await
    }

    /// The same, with more variables; `prepare` may put files into the folder.
    pub async fn start_with(
        engine: Engine,
        prepare: impl FnOnce(&Path) -> Vec<(&'static str, PathBuf)>,
    ) -> Self {
        let key = MasterKey::random(&mut SystemRandom);
        let mut site = Site::fresh(engine, &key).await;
        site.more = prepare(site.folder.path());
        let mut processes = Processes::default();
        let addresses = [0, 1]
            .map(|node| processes.start(node, site.command(&["serve", "--migrate"])))
            .map(address);

        let store = Store::connect(&site.url).await.unwrap();
        let issuer = format!("{PUBLIC_URL}/contoso.com");
        let name = "contoso.com".parse().unwrap();
        let domain = new_domain(name, None, &issuer, &[], now()).unwrap();
        let mut tx = store.begin().await.unwrap();
        assert!(tx.insert_domain(&domain).await.unwrap());
        tx.commit().await.unwrap();
        Self {
            sealing: Sealing::new(&key),
            store,
            sql: AnyPool::connect(&site.url).await.unwrap(),
            addresses,
            sent: [watch::Sender::new(0), watch::Sender::new(0)],
            processes,
            site,
        }
    }

    /// The folder that everything of this cluster is in.
    pub fn folder(&self) -> &Path {
        self.site.folder.path()
    }

    /// A command on this database, as an operator runs it while the servers run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.site.command(arguments)
    }

    /// Ends a node without a word (`kill -9`).
    pub fn kill(&mut self, node: usize) {
        self.processes.kill(node);
    }

    pub async fn restart(&mut self, node: usize) {
        let said = self.processes.start(node, self.site.command(&["serve"]));
        let address = tokio::task::spawn_blocking(|| address(said));
        self.addresses[node] = address.await.unwrap();
    }

    /// Ends when a node was sent so many requests more than now.
    pub fn requests(&self, node: usize, more: usize) -> impl Future<Output = ()> + use<> {
        let mut sent = self.sent[node].subscribe();
        let wanted = *sent.borrow() + more;
        async move {
            sent.wait_for(|sent| *sent >= wanted).await.unwrap();
        }
    }

    /// A browser before the proxy, which passes its requests on to these nodes in turn.
    pub fn browser<const N: usize>(&self, nodes: [usize; N]) -> Browser {
        Browser::over(
            nodes
                .map(|node| passing_on(self.addresses[node], self.sent[node].clone()))
                .to_vec(),
        )
    }

    /// The same browser where it is, after which the proxy passes its requests on to `node`:
    /// one more tab, or the balance has tipped.
    pub fn moved(&self, browser: &Browser, node: usize) -> Browser {
        let mut moved = self.browser([node]);
        moved.cookies.clone_from(&browser.cookies);
        moved.page.clone_from(&browser.page);
        moved.at.clone_from(&browser.at);
        moved
    }

    /// The address at which a node itself listens: the proxy's business, never an origin.
    pub fn address_of(&self, node: usize) -> SocketAddr {
        self.addresses[node]
    }
}

/// Any free port: an address that was free a moment ago may be another test's by now.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Waits for the line that says where a node listens.
fn address(said: ChildStdout) -> SocketAddr {
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line).unwrap();
    let (_, rest) = line
        .split_once("is served on ")
        .unwrap_or_else(|| panic!("the node did not start: {line:?}"));
    rest.trim().trim_end_matches('.').parse().unwrap()
}
