//! A stage for `domain apply` and its kin: a practice tenant, our server, and the built program,
//! which an administrator signs in to by a browser.

use std::{
    io::{BufReader, Read as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use claimbridge::{
    app::{
        App, Parts, Settings,
        federation::journal::{Beginning, ChangeKind, Hand, Journal},
    },
    base::{clock::SystemClock, random::SystemRandom, secret::Secret},
    federation::DomainState,
    keys::sealing::{MasterKey, Place, Sealing},
    practice::{
        self, Fault, More, Person, Practice, PracticeConfig, PracticeUser, Role,
        graph::registration::Registration,
    },
    relying_party::EntraCloud,
    storage::Store,
    web::{self, Web},
};
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime};

use crate::{demo::client::Client, support};

/// How a command ended.
#[derive(Debug)]
pub struct Said {
    /// -1: it was killed.
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

/// The tenant (contoso.com is managed, eu.contoso.com lies below it), our server and a folder.
pub struct Stage {
    pub practice: Arc<Practice>,
    folder: tempfile::TempDir,
    runtime: Runtime,
    app: Arc<App>,
}

/// A person of the tenant.
fn person(upn: &str, immutable_id: &str) -> Person {
    Person::member(PracticeUser {
        upn: upn.parse().unwrap(),
        immutable_id: immutable_id.to_owned(),
        object_id: format!("4988e250-5aee-482a-9136-{:012x}", upn.len()),
        display_name: "Agent".to_owned(),
    })
}

impl Stage {
    pub fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (practice, app) = runtime.block_on(set(&folder));
        Self {
            practice,
            folder,
            runtime,
            app,
        }
    }

    /// An administrator whose account lies in contoso.com.
    pub fn inside(&self, upn: &str, password: &str) {
        self.practice.with_directory(|directory| {
            directory.add(Person {
                password: Some(Secret::new(password.to_owned())),
                role: Role::GlobalAdministrator,
                ..person(upn, "INSIDE")
            });
        });
    }

    pub fn without_immutable_id(&self, upn: &str) {
        self.practice.with_directory(|directory| {
            directory.add(person(upn, ""));
        });
    }

    pub fn fault(&self, fault: Fault) {
        self.practice.graph_faults().add(fault);
    }

    pub fn emergency(&self) -> Vec<String> {
        self.practice
            .emergency_administrators()
            .iter()
            .map(|one| one.upn.to_string())
            .collect()
    }

    /// What Graph shows of contoso.com's federation.
    pub fn federation(&self) -> Option<Value> {
        self.practice.with_directory(|directory| {
            let domain = directory.domain("contoso.com").unwrap();
            domain.registration.as_ref().map(Registration::to_graph)
        })
    }

    /// Another domain of the tenant is federated with somebody else.
    pub fn federated_elsewhere(&self, name: &str) {
        let body = serde_json::json!({
            "displayName": name,
            "issuerUri": format!("https://idp.{name}/"),
            "passiveSignInUri": format!("https://idp.{name}/sign-in"),
            "signingCertificate": data_encoding::BASE64.encode(&super::certificate("other.pem")),
        });
        let id = "5e1f6b2c-0000-4000-8000-000000000001".to_owned();
        self.practice.with_directory(|directory| {
            let made = Registration::create(id, body.as_object().unwrap()).unwrap();
            directory.domain_mut(name).unwrap().registration = Some(made);
        });
    }

    /// Somebody changes a property behind our back.
    pub fn behind_our_back(&self, property: &str, value: Value) {
        self.practice.with_directory(|directory| {
            let domain = directory.domain_mut("contoso.com").unwrap();
            let mut changed = serde_json::Map::new();
            changed.insert(property.to_owned(), value);
            domain
                .registration
                .as_mut()
                .unwrap()
                .update(&changed)
                .unwrap();
        });
    }

    /// `apply contoso.com`, confirmed, with both emergency accounts.
    pub fn apply(&self, more: &[&str]) -> Said {
        self.apply_until(more, None)
    }

    /// The same, killed after the how-manieth call of Graph.
    pub fn apply_until(&self, more: &[&str], kill_after: Option<usize>) -> Said {
        let accounts = self.emergency();
        let mut line = vec!["domain", "apply", "contoso.com", "--confirm", "contoso.com"];
        line.extend(["--emergency-account", &accounts[0], &accounts[1]]);
        line.extend(more);
        self.run_until(&line, kill_after)
    }

    pub fn rollback(&self, kill_after: Option<usize>) -> Said {
        let line = [
            "domain",
            "rollback",
            "contoso.com",
            "--confirm",
            "contoso.com",
        ];
        self.run_until(&line, kill_after)
    }

    /// A command; whoever has to sign in is the first emergency administrator.
    pub fn run(&self, line: &[&str]) -> Said {
        self.run_until(line, None)
    }

    pub fn run_until(&self, line: &[&str], kill_after: Option<usize>) -> Said {
        let admin = &self.practice.emergency_administrators()[0];
        let password = admin.password.expose().clone();
        self.run_as(line, admin.upn.as_str(), &password, kill_after)
    }

    pub fn run_as(
        &self,
        line: &[&str],
        upn: &str,
        password: &str,
        kill_after: Option<usize>,
    ) -> Said {
        self.run_visiting(line, kill_after, |address| {
            administrator_signs_in(address, upn, password);
        })
    }

    /// A command; each address that it names is visited.
    pub fn run_visiting(
        &self,
        line: &[&str],
        kill_after: Option<usize>,
        visit: impl FnMut(&str),
    ) -> Said {
        let mut child = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
            .args(line)
            .env_clear()
            // What goes to this computer must not go to a proxy.
            .env("HTTPS_PROXY", "http://127.0.0.1:9")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let child = Arc::new(Mutex::new(child));
        let faults = self.practice.graph_faults();
        let before = faults.calls().len();
        if let Some(after) = kill_after {
            let child = Arc::clone(&child);
            faults.after_each(move |call| {
                if call.number == before + after {
                    child.lock().unwrap().kill().unwrap();
                }
            });
        }
        // What it says on standard output is little: it fits the pipe.
        let err = visiting(BufReader::new(stderr), visit);
        let mut out = String::new();
        stdout.read_to_string(&mut out).unwrap();
        faults.after_each(|_| {});
        let exit = wait(&child);
        Said { exit, out, err }
    }

    /// How many calls of Graph there were so far.
    pub fn calls(&self) -> usize {
        self.practice.graph_faults().calls().len()
    }

    /// The changes in the journal: kind and outcome, newest first.
    pub fn journal(&self) -> Vec<(String, Option<String>)> {
        let contoso = "contoso.com".parse().unwrap();
        let history = self
            .runtime
            .block_on(self.app.federation_changes(&contoso))
            .unwrap();
        history
            .changes
            .iter()
            .map(|change| {
                let outcome = change.outcome().map(|outcome| outcome.as_str().to_owned());
                (change.kind().as_str().to_owned(), outcome)
            })
            .collect()
    }

    /// All text of the journal, opened.
    pub fn journal_text(&self) -> String {
        let contoso = "contoso.com".parse().unwrap();
        let changes = self
            .runtime
            .block_on(self.app.federation_changes(&contoso))
            .unwrap();
        format!("{changes:?}")
    }

    /// The calls of the newest change were written that much later, in milliseconds.
    pub fn moved_in_time(&self, by: i64) {
        self.resealed(|entry| {
            if let Some(at) = entry["at"].as_i64() {
                entry["at"] = (at + by).into();
            }
        });
    }

    /// The newest change's entries are others, as the program itself would have sealed them.
    pub fn resealed(&self, change: impl Fn(&mut Value)) {
        let sealing = sealing_of(&self.path("master.key"));
        let url = format!("sqlite://{}", self.path("claimbridge.db").display());
        self.runtime.block_on(async {
            use sqlx::{Connection as _, Row as _};
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            let row = sqlx::query(
                "SELECT id, head FROM federation_changes ORDER BY begun_at DESC LIMIT 1",
            )
            .fetch_one(&mut connection)
            .await
            .unwrap();
            let (id, head): (String, String) = (row.get("id"), row.get("head"));
            let rows = sqlx::query(
                "SELECT number, sealed FROM federation_journal WHERE change_id = $1 ORDER BY number",
            )
            .bind(&id)
            .fetch_all(&mut connection)
            .await
            .unwrap();
            let mut last = String::new();
            for row in rows {
                let (number, sealed): (i64, String) = (row.get("number"), row.get("sealed"));
                let place = format!("{id}/{number}");
                let place = Place {
                    table: "federation_journal",
                    column: "sealed",
                    row: &place,
                    owner: "contoso.com",
                };
                let mut entry: Value =
                    serde_json::from_slice(&sealing.open(&place, &sealed).unwrap()).unwrap();
                change(&mut entry);
                last = sealing.seal(&place, entry.to_string().as_bytes(), &mut SystemRandom);
                sqlx::query(
                    "UPDATE federation_journal SET sealed = $3 WHERE change_id = $1 AND number = $2",
                )
                .bind(&id)
                .bind(number)
                .bind(&last)
                .execute(&mut connection)
                .await
                .unwrap();
            }
            let place = Place {
                table: "federation_changes",
                column: "head",
                row: &id,
                owner: "contoso.com",
            };
            let mut said: Value =
                serde_json::from_slice(&sealing.open(&place, &head).unwrap()).unwrap();
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, last.as_bytes());
            said["last"] = data_encoding::HEXLOWER.encode(digest.as_ref()).into();
            let head = sealing.seal(&place, said.to_string().as_bytes(), &mut SystemRandom);
            sqlx::query("UPDATE federation_changes SET head = $2 WHERE id = $1")
                .bind(&id)
                .bind(&head)
                .execute(&mut connection)
                .await
                .unwrap();
        });
    }

    /// A line in the journal as an earlier version began it: interrupted before it was drawn.
    pub fn undrawn_line(&self) {
        let contoso = "contoso.com".parse().unwrap();
        self.runtime.block_on(async {
            let history = self.app.federation_changes(&contoso).await.unwrap();
            let beginning = Beginning {
                kind: ChangeKind::SetAside,
                hand: Hand {
                    operator: "tester".to_owned(),
                    administrator: String::new(),
                    tenant: None,
                    graph: String::new(),
                },
                before: &DomainState::unknown(contoso.clone()),
                rolls_back: None,
                named: Vec::new(),
                covers: Vec::new(),
                aside: &history,
            };
            let begun = Journal::begin(&self.app, &contoso, beginning).await;
            drop(begun.unwrap());
        });
    }

    /// Everything goes under a new master key, which is the file's from then on.
    pub fn rewrapped(&self) {
        let master = MasterKey::random(&mut SystemRandom);
        let (old, new) = (sealing_of(&self.path("master.key")), Sealing::new(&master));
        let now = claimbridge::base::clock::Clock::now(&SystemClock);
        let random = &mut SystemRandom;
        let done =
            claimbridge::app::keys::rewrap(self.app.store(), &old, &new, "tester", now, random);
        self.runtime.block_on(done).unwrap();
        std::fs::write(self.path("master.key"), &*master.to_hex()).unwrap();
    }

    /// Somebody of contoso.com with both factors here: name, password, TOTP secret.
    pub fn somebody(&self) -> (String, String, Vec<u8>) {
        let (upn, password) = ("agent2@contoso.com", "a password of the agent");
        let name: claimbridge::base::text::Upn = upn.parse().unwrap();
        let (user, secret) = self.runtime.block_on(async {
            let words = Secret::new(password.to_owned());
            let app = &self.app;
            let user = app.add_demo_user(name.clone(), "Agent Two", words, Vec::new());
            let user = user.await.unwrap();
            (user, app.add_demo_totp(&name).await.unwrap())
        });
        self.practice.with_directory(|directory| {
            directory.add(person(upn, &user.immutable_id));
        });
        (upn.to_owned(), password.to_owned(), secret.expose().clone())
    }

    /// `rollback contoso.com --to-managed`, confirmed.
    pub fn break_glass(&self) -> Said {
        self.run(&[
            "domain",
            "rollback",
            "contoso.com",
            "--to-managed",
            "--confirm",
            "contoso.com",
        ])
    }

    /// A statement on the database, as somebody who can write it would run it.
    pub fn by_hand(&self, statement: &'static str) {
        let url = format!("sqlite://{}", self.path("claimbridge.db").display());
        self.runtime.block_on(async {
            use sqlx::Connection as _;
            let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(statement)
                .execute(&mut connection)
                .await
                .unwrap();
        });
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn sealing_of(path: &std::path::Path) -> Sealing {
    let hex = std::fs::read_to_string(path).unwrap();
    Sealing::new(&MasterKey::parse(&hex).unwrap())
}

fn wait(child: &Arc<Mutex<Child>>) -> i32 {
    child.lock().unwrap().wait().unwrap().code().unwrap_or(-1)
}

/// Reads what the command says; goes where it asks for a browser.
fn visiting(mut says: impl std::io::BufRead, mut visit: impl FnMut(&str)) -> String {
    let (mut all, mut line) = (String::new(), String::new());
    while says.read_line(&mut line).unwrap() > 0 {
        if line.trim().starts_with("http://") {
            visit(line.trim());
        }
        all.push_str(&line);
        line.clear();
    }
    all
}

pub fn administrator_signs_in(address: &str, upn: &str, password: &str) {
    let mut browser = Client::default();
    let page = browser.get(address);
    let mut form = page.form();
    form.set("username", upn);
    form.set("password", password);
    let last = browser.submit(&page, &form);
    assert!(last.status < 500, "{}", last.body);
}

/// Starts everything.
async fn set(folder: &tempfile::TempDir) -> (Arc<Practice>, Arc<App>) {
    let own = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tenant = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let partner_center = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}", own.local_addr().unwrap().port());
    let tenant_url = format!("http://{}", tenant.local_addr().unwrap());
    let practice = Practice::new(PracticeConfig {
        own_url: tenant_url.clone(),
        idp_url: url.clone(),
        partner_center_url: format!("http://{}", partner_center.local_addr().unwrap()),
        entity_id: "urn:federation:practice".to_owned(),
        domains: Vec::new(),
        users: Vec::new(),
        more: More {
            managed_domains: ["contoso.com", "fabrikam.com", "wingtip.com"]
                .map(|name| name.parse().unwrap())
                .to_vec(),
            unverified_domains: vec!["tailspin.com".parse().unwrap()],
            people: vec![person("agent1@contoso.com", "AGENT1id")],
            ..More::default()
        },
        demo_people: Vec::new(),
        clock: Arc::new(SystemClock),
        random: Box::new(SystemRandom),
    })
    .unwrap();
    let serving = Arc::clone(&practice);
    tokio::spawn(async move {
        practice::serve(&serving, tenant, partner_center, std::future::pending()).await
    });
    let master = MasterKey::random(&mut SystemRandom);
    let write = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("master.key", &master.to_hex());
    write(
        "claimbridge.toml",
        &format!(
            "public_url = \"{url}\"\ndatabase_url = \"sqlite://claimbridge.db\"\nmaster_key_file = \"master.key\"\n\
             [[domain]]\nname = \"contoso.com\"\n[[domain]]\nname = \"northwind.com\"\n\
             [[domain]]\nname = \"tailspin.com\"\n\
             [entra.cloud]\nentity_id = \"urn:federation:practice\"\nreply_url = \"{tenant_url}/login.srf\"\n\
             authority_url = \"{tenant_url}\"\ngraph_url = \"{tenant_url}/graph\"\n"
        ),
    );
    let cloud = EntraCloud {
        name: "custom".to_owned(),
        entity_id: "urn:federation:practice".to_owned(),
        reply_url: practice.reply_url(),
        metadata_url: None,
    };
    let database = format!(
        "sqlite://{}",
        folder.path().join("claimbridge.db").display()
    );
    let store = Store::connect(&database).await.unwrap();
    store.migrate().await.unwrap();
    let name = |name: &str| name.parse().unwrap();
    let parts = Parts {
        store,
        clock: Arc::new(SystemClock),
        random: Box::new(SystemRandom),
        sealing: Arc::new(Sealing::new(&master)),
        settings: Settings {
            public_url: url.clone(),
            entra: cloud.relying_party(Vec::new()),
            domains: ["contoso.com", "northwind.com", "tailspin.com"]
                .map(|domain| (name(domain), None))
                .to_vec(),
            service_name: "claimbridge".to_owned(),
            ..support::settings()
        },
    };
    let app = Arc::new(App::start(parts).await.unwrap());
    let router = web::router(Arc::new(Web::new(Arc::clone(&app), Vec::new())));
    tokio::spawn(async move { axum::serve(own, router).await });
    (practice, app)
}
