//! A whole identity provider in one process: the real router, a database of its own,
//! a clock that stands still until it is told to move.

/// A browser: cookies, forms, redirects.
pub mod browser;
/// Messages as Entra sends and reads them.
pub mod entra;

use std::{sync::Arc, time::Duration};

use axum::Router;
use claimbridge::{
    app::{App, Parts, Settings, passes::PassOptions, users::NewUser},
    audit::Actor,
    base::{
        clock::{ManualClock, Timestamp},
        random::SystemRandom,
        secret::Secret,
    },
    directory::{TotpParameters, User},
    factor::{password::HashCost, totp},
    keys::sealing::{MasterKey, Sealing},
    relying_party::EntraCloud,
    session::SessionPolicy,
    signin::lockout::Delays,
    storage::Store,
};

pub use browser::{Browser, Form, Page};

/// When every test begins: the start of a 30-second step.
pub const START: Timestamp = Timestamp::from_millis(1_795_168_800_000);

pub const PUBLIC_URL: &str = "https://idp.example.com";
pub const PASSWORD: &str = "correct horse battery";

/// One node, or several over one database.
pub struct World {
    pub clock: Arc<ManualClock>,
    pub database_url: String,
    pub nodes: Vec<Node>,
    /// Of the nodes that are started from now on.
    pub settings: Settings,
    master: MasterKey,
    _directory: Option<tempfile::TempDir>,
}

/// A database that nobody has used, and how many nodes shall share it.
pub struct FreshDatabase {
    pub url: String,
    /// Kept as long as it is used.
    pub folder: Option<tempfile::TempDir>,
    pub nodes: usize,
}

pub struct Node {
    pub app: Arc<App>,
    pub router: Router,
}

pub fn settings() -> Settings {
    Settings {
        public_url: PUBLIC_URL.to_owned(),
        entra: EntraCloud::global().relying_party(Vec::new()),
        domains: Vec::new(),
        endpoints: None,
        tenants: Vec::new(),
        tenant_domains: claimbridge::relying_party::TenantDomains::default(),
        known_federations: Vec::new(),
        ws_federation: Vec::new(),
        sessions: SessionPolicy::default(),
        attempt_lifetime: Duration::from_mins(15),
        totp_skew: 1,
        person_delays: Delays::PERSON,
        source_delays: Delays::SOURCE,
        open_attempts_per_source: 200,
        desk: claimbridge::session::Desk::Ordinary,
        methods: claimbridge::directory::MethodPolicy::default(),
        webauthn: claimbridge::factor::webauthn::policy::WebAuthnPolicy::default(),
        breached_passwords_file: None,
        hash_cost: HashCost::FLOOR,
        active_door: claimbridge::signin::active::ActiveDoor::Closed,
        token: None,
        service_name: "Contoso sign-in".to_owned(),
        support_contact: Some("help@contoso.com".to_owned()),
    }
}

impl World {
    /// On a fresh database of this binary, with contoso.com and fabrikam.com: one node on
    /// a SQLite file, or two on PostgreSQL.
    pub async fn new() -> Self {
        let fresh = crate::fresh_database().await;
        Self::on(fresh.url, fresh.folder, fresh.nodes).await
    }

    /// `nodes` nodes on the database at `url`.
    pub async fn on(url: String, directory: Option<tempfile::TempDir>, nodes: usize) -> Self {
        let mut world = Self {
            clock: Arc::new(ManualClock::at(START)),
            database_url: url,
            nodes: Vec::new(),
            settings: settings(),
            master: MasterKey::random(&mut SystemRandom),
            _directory: directory,
        };
        for _ in 0..nodes {
            world.start_node().await;
        }
        for domain in ["contoso.com", "fabrikam.com"] {
            let app = world.app();
            claimbridge::app::domains::add(
                app.store(),
                app.settings(),
                domain.parse().unwrap(),
                None,
                Actor::System,
                START,
            )
            .await
            .unwrap();
        }
        world
    }

    /// Starts one more node over the same database: a restart, or a second machine.
    pub async fn start_node(&mut self) {
        let store = Store::connect(&self.database_url)
            .await
            .unwrap()
            .with_clock(self.clock.clone());
        store.migrate().await.unwrap();
        let parts = Parts {
            store,
            clock: self.clock.clone(),
            random: Box::new(SystemRandom),
            sealing: Arc::new(Sealing::new(&self.master)),
            settings: self.settings.clone(),
        };
        let app = Arc::new(App::start(parts).await.unwrap());
        let router = claimbridge::web::router(Arc::new(claimbridge::web::Web::new(
            Arc::clone(&app),
            Vec::new(),
        )));
        self.nodes.push(Node { app, router });
    }

    pub fn app(&self) -> &Arc<App> {
        &self.nodes[0].app
    }

    /// The master key, as its file has it.
    pub fn master_hex(&self) -> String {
        self.master.to_hex().to_string()
    }

    /// Of the nodes that are started from now on.
    pub fn set_master(&mut self, master: MasterKey) {
        self.master = master;
    }

    pub fn sealing(&self) -> Sealing {
        Sealing::new(&self.master)
    }

    /// A browser that talks to another node with every request, if there are several.
    pub fn browser(&self) -> Browser {
        self.wandering_browser()
    }

    pub fn browser_on(&self, node: usize) -> Browser {
        Browser::over(vec![self.nodes[node].router.clone()])
    }

    /// A browser that talks to another node with every request.
    pub fn wandering_browser(&self) -> Browser {
        Browser::over(self.nodes.iter().map(|node| node.router.clone()).collect())
    }

    pub async fn add_user(&self, upn: &str) -> User {
        let new = NewUser {
            upn: upn.parse().unwrap(),
            display_name: "Agent One".to_owned(),
            immutable_id: None,
            groups: Vec::new(),
            password: Some(Secret::new(PASSWORD.to_owned())),
        };
        self.app().add_user(new, "tester").await.unwrap()
    }

    pub async fn issue_pass(&self, upn: &str) -> String {
        let pass = self
            .app()
            .issue_pass(&upn.parse().unwrap(), PassOptions::default(), "tester")
            .await
            .unwrap();
        pass.value.expose().clone()
    }

    /// A person with a password and a confirmed desktop program, enrolled the way people do.
    pub async fn enrolled(&self, upn: &str) -> Person {
        let user = self.add_user(upn).await;
        let secret = self.enrol(upn).await;
        Person { user, secret }
    }

    /// Enrols by a pass; gives the secret. Afterwards the clock is one step on.
    pub async fn enrol(&self, upn: &str) -> Vec<u8> {
        let pass = self.issue_pass(upn).await;
        let mut browser = self.browser();
        browser.start(&entra::request(self.now())).await;
        let page = browser.submit_password(upn, PASSWORD).await;
        assert!(page.asks_for_pass(), "{}", page.text());
        let page = browser.submit_pass(&pass).await;
        let secret = page.totp_secret();
        let code = totp::code_at(&secret, TotpParameters::default(), self.now()).unwrap();
        let page = browser.confirm(&code).await;
        assert!(page.status.is_success(), "{}", page.text());
        self.clock.advance(Duration::from_secs(30));
        secret
    }

    /// Someone enrolled who has signed in once, so that no notice waits. Two steps later.
    pub async fn ready(&self, upn: &str) -> Person {
        let person = self.enrolled(upn).await;
        let mut browser = self.browser();
        let page = browser
            .sign_in(&entra::request(self.now()), upn, &person.code(self.now()))
            .await;
        assert!(page.answer().is_none(), "enrolment leaves notices");
        browser.submit(&[]).await.expect_answer();
        self.advance(30);
        person
    }

    /// The database, for a writer who has not the master key.
    pub async fn sql(&self) -> Sql {
        sqlx::any::install_default_drivers();
        Sql(sqlx::AnyPool::connect(&self.database_url).await.unwrap())
    }

    pub fn now(&self) -> Timestamp {
        claimbridge::base::clock::Clock::now(self.clock.as_ref())
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// Statements past the application.
pub struct Sql(sqlx::AnyPool);

impl Sql {
    pub async fn run(&self, statement: &str) {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
            .execute(&self.0)
            .await
            .unwrap();
        assert!(done.rows_affected() > 0, "{statement}");
    }

    /// The same without a look at references, as a database's own tools do it.
    pub async fn run_unchecked(&self, statement: &str) {
        let unchecked = match self.0.connect_options().database_url.scheme() {
            "sqlite" => "PRAGMA foreign_keys = OFF",
            _ => "SET session_replication_role = replica",
        };
        let mut connection = self.0.acquire().await.unwrap().detach();
        for statement in [unchecked, statement] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
                .execute(&mut connection)
                .await
                .unwrap();
        }
    }

    /// While this lives nobody else writes; whoever only reads does.
    pub async fn hold(&self) -> sqlx::Transaction<'static, sqlx::Any> {
        let pool = &self.0;
        if pool.connect_options().database_url.scheme() == "sqlite" {
            return pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        }
        let mut holding = pool.begin().await.unwrap();
        sqlx::raw_sql(
            "DO $$ DECLARE name text; BEGIN
                 FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema()
                 LOOP EXECUTE format('LOCK TABLE %I IN EXCLUSIVE MODE', name); END LOOP;
             END $$",
        )
        .execute(&mut *holding)
        .await
        .unwrap();
        holding
    }

    /// A change of the schema: an index, a trigger, a name.
    pub async fn define(&self, statement: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
            .execute(&self.0)
            .await
            .unwrap();
    }
}

/// Someone who can sign in.
pub struct Person {
    pub user: User,
    pub secret: Vec<u8>,
}

impl Person {
    pub fn upn(&self) -> &str {
        self.user.upn.as_str()
    }

    pub fn code(&self, at: Timestamp) -> String {
        totp::code_at(&self.secret, TotpParameters::default(), at).unwrap()
    }
}
