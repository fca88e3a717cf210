//! The built program, as scripts use it: the promises of the command line (interfaces.md),
//! its exit codes and what stands on which stream. Nothing of the environment is passed on.

/// Tenants of External MFA, their plan, and what Entra would read.
mod external_mfa;
/// `serve` with tenants of External MFA: whom they may name, and their clouds' keys.
mod external_mfa_serve;
/// What `user import` adds, and what it says of what it did not add.
mod import;
/// The token inspector with the local configuration.
mod inspect;
/// The rollover of signing keys.
mod keys;
/// Hardware tokens.
mod oath;
/// People here and in a tenant.
mod people_sync;
/// Security keys' models and groups of people.
mod policy;
/// The practice tenant alone.
mod practice;
/// The lines that are promised word for word, and each command once.
mod promised;
/// Temporary access passes and the slip to print.
mod slip;
/// TLS of the running server.
mod tls;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// A folder with a configuration, a master key and a migrated SQLite database.
pub struct Cli {
    folder: tempfile::TempDir,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl Cli {
    /// An empty folder.
    pub fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// With contoso.com.
    pub fn new() -> Self {
        let cli = Self::empty();
        cli.done(&["init", "--public-url", "https://idp.contoso.com"]);
        cli.done(&["migrate"]);
        cli.done(&["domain", "add", "contoso.com"]);
        cli
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A file that nobody else can read.
    pub fn write_secret(&self, name: &str, text: impl AsRef<[u8]>) {
        self.write(name, text);
        self.permit(name, 0o600);
    }

    /// Who may do what with a file, as `chmod` says it.
    pub fn permit(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), permissions).unwrap();
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, "")
    }

    /// With that on standard input.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Said {
        self.start(&[], arguments, input)
    }

    /// With these variables.
    pub fn run_where(&self, variables: &[(&str, String)], arguments: &[&str]) -> Said {
        self.start(variables, arguments, "")
    }

    fn start(&self, variables: &[(&str, String)], arguments: &[&str], input: &str) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
            .args(arguments)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that does not read its input has closed it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Said {
            exit: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A command that must succeed; what it wrote.
    pub fn done(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.exit, 0, "{arguments:?}: {said:?}");
        assert_eq!(said.err, "", "{arguments:?}");
        said.out
    }

    /// The same, as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).json()
    }

    /// A command that must answer with that exit code; what it said of it.
    pub fn refused(&self, exit: i32, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.exit, exit, "{arguments:?}: {said:?}");
        assert_eq!(said.out, "", "{arguments:?}");
        said.err
    }

    /// A statement on the database, past the program.
    pub async fn sql(&self, statement: &str) {
        sqlx::any::install_default_drivers();
        let url = format!("sqlite://{}", self.path("claimbridge.db").display());
        let pool = sqlx::AnyPool::connect(&url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
    }
}

impl Cli {
    /// One number of the database, past the program.
    pub async fn number(&self, query: &str) -> i64 {
        sqlx::any::install_default_drivers();
        let url = format!("sqlite://{}", self.path("claimbridge.db").display());
        let pool = sqlx::AnyPool::connect(&url).await.unwrap();
        let number = sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned()))
            .fetch_one(&pool)
            .await
            .unwrap();
        pool.close().await;
        number
    }
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// A file of the repository.
pub fn fixture(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path)
        .display()
        .to_string()
}
