//! Two `claimbridge serve` on one PostgreSQL; people; and the books that must balance.

use std::{
    io::{BufRead as _, BufReader},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use claimbridge::{
    base::{
        clock::{Clock as _, SystemClock, Timestamp},
        ids::{AttemptId, CredentialId, NodeId, OathTokenId, UserId},
        random::{SystemRandom, random_token},
        secret::Secret,
    },
    directory::{
        ImmutableId, OathToken, PasswordCredential, TokenState, TotpCredential, TotpParameters,
        User, identity_tag,
    },
    factor::{
        password::{self, HashCost},
        totp::{self, MatchedStep},
    },
    keys::sealing::{MasterKey, Sealing},
    relying_party::domain::new_domain,
    storage::Store,
};
use http_body_util::BodyExt as _;
use sqlx::{AnyPool, AssertSqlSafe, Row as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
};

use crate::support::{
    PASSWORD, PUBLIC_URL,
    browser::{Browser, Page},
    entra::AuthnRequest,
};

const SECRET: &[u8] = b"12345678901234567890";

pub fn now() -> Timestamp {
    SystemClock.now()
}

/// Two processes on one database. They end with this value.
pub struct Cluster {
    url: String,
    key_file: PathBuf,
    sealing: Sealing,
    store: Store,
    sql: AnyPool,
    addresses: [SocketAddr; 2],
    processes: [Option<Child>; 2],
    /// How many requests each was sent.
    sent: [watch::Sender<usize>; 2],
    _folder: tempfile::TempDir,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in 0..2 {
            self.kill(node);
        }
    }
}

impl Cluster {
    pub async fn start() -> Self {
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
        let url = format!("{server}{separator}options=-c%20search_path%3D{schema}");

        let folder = tempfile::tempdir().unwrap();
        let key = MasterKey::random(&mut SystemRandom);
        let key_file = folder.path().join("master.key");
        let mut file = std::fs::OpenOptions::new();
        file.write(true).create_new(true).mode(0o600);
        std::io::Write::write_all(&mut file.open(&key_file).unwrap(), key.to_hex().as_bytes())
            .unwrap();

        let store = Store::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        let issuer = format!("{PUBLIC_URL}/contoso.com");
        let name = "contoso.com".parse().unwrap();
        let domain = new_domain(name, None, &issuer, &[], now()).unwrap();
        let mut tx = store.begin().await.unwrap();
        assert!(tx.insert_domain(&domain).await.unwrap());
        tx.commit().await.unwrap();

        let mut cluster = Self {
            sql: AnyPool::connect(&url).await.unwrap(),
            url,
            key_file,
            sealing: Sealing::new(&key),
            store,
            addresses: [NOWHERE; 2],
            processes: [None, None],
            sent: [watch::Sender::new(0), watch::Sender::new(0)],
            _folder: folder,
        };
        // At once, as after a power cut: one of them makes the key.
        let processes = [cluster.spawn(), cluster.spawn()];
        for (node, process) in processes.into_iter().enumerate() {
            cluster.put(node, ready(process));
        }
        cluster
    }

    fn put(&mut self, node: usize, (process, address): (Child, SocketAddr)) {
        self.processes[node] = Some(process);
        self.addresses[node] = address;
    }

    fn spawn(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_claimbridge"))
            .arg("serve")
            .env_clear()
            .env("CLAIMBRIDGE_PUBLIC_URL", PUBLIC_URL)
            .env("CLAIMBRIDGE_LISTEN", NOWHERE.to_string())
            .env("CLAIMBRIDGE_DATABASE_URL", &self.url)
            .env("CLAIMBRIDGE_MASTER_KEY_FILE", &self.key_file)
            .env("RUST_LOG", "warn")
            .current_dir(self.key_file.parent().unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Ends a node without a word (`kill -9`).
    pub fn kill(&mut self, node: usize) {
        if let Some(mut process) = self.processes[node].take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub async fn restart(&mut self, node: usize) {
        assert!(self.processes[node].is_none());
        let process = self.spawn();
        let ready = tokio::task::spawn_blocking(|| ready(process));
        self.put(node, ready.await.unwrap());
    }

    /// Ends when a node was sent so many requests more than now.
    pub fn requests(&self, node: usize, more: usize) -> impl Future<Output = ()> + use<> {
        let mut sent = self.sent[node].subscribe();
        let wanted = *sent.borrow() + more;
        async move {
            sent.wait_for(|sent| *sent >= wanted).await.unwrap();
        }
    }

    /// A browser whose requests reach these nodes, in turn.
    pub fn browser<const N: usize>(&self, nodes: [usize; N]) -> Browser {
        Browser::over(
            nodes
                .map(|node| passing_on(self.addresses[node], self.sent[node].clone()))
                .to_vec(),
        )
    }

    /// A person with a password and a hardware token that waits to be activated.
    pub async fn person_with_token(&self, upn: &str, serial: &str) -> Person {
        let person = self.person(upn).await;
        let id = OathTokenId::random(&mut SystemRandom);
        let place = OathToken::secret_place(&id);
        let mut token = OathToken {
            sealed_secret: self.sealing.seal(&place, SECRET, &mut SystemRandom),
            id,
            serial: serial.parse().unwrap(),
            manufacturer: String::new(),
            model: String::new(),
            parameters: person.parameters,
            state: TokenState::Assigned,
            user: Some(person.user.id.clone()),
            credential: None,
            drift_steps: 0,
            last_step: None,
            imported_at: now(),
            assigned_at: Some(now()),
            assigned_by: Some("os:root".to_owned()),
            activated_at: None,
            ended_at: None,
            tag: String::new(),
        };
        token.tag = token.make_tag(&self.sealing);
        let mut tx = self.store.begin().await.unwrap();
        for program in tx.totp_of(&person.user.id).await.unwrap() {
            tx.revoke_totp(&program.id, now()).await.unwrap();
        }
        assert!(tx.insert_oath_token(&token).await.unwrap());
        tx.commit().await.unwrap();
        person
    }

    /// How many live code generators a person has.
    pub async fn methods_of(&self, person: &Person) -> usize {
        let mut tx = self.store.read().await.unwrap();
        tx.totp_of(&person.user.id).await.unwrap().len()
    }

    /// A person with a password and a desktop program, who has nothing to be told.
    pub async fn person(&self, upn: &str) -> Person {
        let id = UserId::random(&mut SystemRandom);
        let upn = upn.parse().unwrap();
        let immutable_id = Some(ImmutableId::random(&mut SystemRandom));
        let user = User {
            identity_tag: identity_tag(&self.sealing, &id, &upn, immutable_id.as_ref()),
            id: id.clone(),
            upn,
            display_name: "Agent One".to_owned(),
            immutable_id,
            disabled_at: None,
            created_at: now(),
        };
        let credential = CredentialId::random(&mut SystemRandom);
        let secret = Secret::new(PASSWORD.to_owned());
        let phc = password::hash(&secret, HashCost::FLOOR, &mut SystemRandom).unwrap();
        let password = PasswordCredential {
            tag: PasswordCredential::make_tag(&self.sealing, &credential, &id, &phc),
            id: credential,
            user: id.clone(),
            phc,
            set_at: now(),
            dead_at: None,
        };
        let credential = CredentialId::random(&mut SystemRandom);
        let place = TotpCredential::secret_place(&credential, &id);
        let sealed_secret = self.sealing.seal(&place, SECRET, &mut SystemRandom);
        let parameters = TotpParameters::default();
        let totp = TotpCredential {
            tag: TotpCredential::make_tag(
                &self.sealing,
                &credential,
                &id,
                parameters,
                &sealed_secret,
            ),
            id: credential,
            user: id,
            name: String::new(),
            parameters,
            sealed_secret,
            drift_steps: 0,
            last_step: None,
            confirmed_at: None,
            revoked_at: None,
            created_at: now(),
        };
        let mut tx = self.store.begin().await.unwrap();
        tx.insert_user(&user).await.unwrap();
        tx.put_password(&password).await.unwrap();
        tx.insert_totp(&totp).await.unwrap();
        let long_ago = MatchedStep {
            step: 1,
            drift_steps: 0,
        };
        tx.confirm_totp(&totp.id, "desktop", long_ago, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        Person { user, parameters }
    }

    /// The receipt of these bytes, and every event of the attempt that they answered.
    pub async fn require_receipt(&self, xml: &str) {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, xml.as_bytes());
        let sha256 = data_encoding::HEXLOWER.encode(digest.as_ref());
        let attempt = self
            .texts(&format!(
                "SELECT attempt FROM receipts WHERE sha256 = '{sha256}'"
            ))
            .await;
        assert_eq!(attempt.len(), 1, "an answer without a receipt:\n{xml}");
        let attempt: AttemptId = attempt[0].parse().unwrap();
        let mut tx = self.store.read().await.unwrap();
        let events = tx.events_of_attempt(&attempt).await.unwrap();
        for kind in [
            "password-tried",
            "password-verified",
            "code-tried",
            "code-verified",
            "answer-issued",
        ] {
            let found = events.iter().filter(|event| event.kind() == kind).count();
            assert!(found >= 1, "{kind} is missing in {events:#?}");
            assert!(
                found == 1 || kind.ends_with("tried"),
                "{kind} twice in {events:#?}"
            );
        }
        let receipt = tx.receipt_of_attempt(&attempt).await.unwrap().unwrap();
        let issued = events
            .iter()
            .find(|event| event.kind() == "answer-issued")
            .unwrap();
        assert_eq!(issued.event["assertion"], receipt.assertion_id.as_str());
        assert!(xml.contains(&receipt.assertion_id));
    }

    /// That ledger, events and attempts tell the same, and that no node's events have a
    /// gap. How many answers there are.
    pub async fn check_books(&self) -> usize {
        let receipts = self
            .texts("SELECT attempt FROM receipts ORDER BY attempt")
            .await;
        let issued = self
            .texts("SELECT attempt FROM events WHERE kind = 'answer-issued' ORDER BY attempt")
            .await;
        let answered = self
            .texts("SELECT id FROM attempts WHERE answered_at IS NOT NULL ORDER BY id")
            .await;
        assert_eq!(receipts, issued);
        assert_eq!(receipts, answered);
        for node in self.texts("SELECT id FROM nodes").await {
            let node: NodeId = node.parse().unwrap();
            let events = self
                .store
                .read()
                .await
                .unwrap()
                .events_of_node(&node)
                .await
                .unwrap();
            let numbers: Vec<i64> = events.iter().map(|event| event.sequence).collect();
            let all: Vec<i64> = (1..).take(numbers.len()).collect();
            assert_eq!(numbers, all);
            let last = self
                .texts(&format!(
                    "SELECT CAST(sequence AS TEXT) FROM nodes WHERE id = '{node}'"
                ))
                .await;
            assert_eq!(last, [numbers.len().to_string()]);
        }
        receipts.len()
    }

    async fn texts(&self, statement: &str) -> Vec<String> {
        sqlx::query(AssertSqlSafe(statement.to_owned()))
            .fetch_all(&self.sql)
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect()
    }
}

/// Someone who can sign in.
pub struct Person {
    user: User,
    parameters: TotpParameters,
}

impl Person {
    pub fn upn(&self) -> &str {
        self.user.upn.as_str()
    }

    /// The code of the present step (0) or of the next one (1), which the skew allows.
    pub fn code_at_step(&self, later: i64) -> String {
        let at = now().plus(Duration::from_secs(30 * u64::try_from(later).unwrap()));
        totp::code_at(SECRET, self.parameters, at).unwrap()
    }
}

impl Browser {
    /// The whole way, as far as the node lives: `None` where it did not answer any more.
    pub async fn sign_in_as_far(
        &mut self,
        request: &AuthnRequest,
        upn: &str,
        code: &str,
    ) -> Option<Page> {
        let alive = |page: Page| (page.status != StatusCode::BAD_GATEWAY).then_some(page);
        let page = alive(self.start(request).await)?;
        let page = if page.asks_for_password() {
            alive(self.submit_password(upn, PASSWORD).await)?
        } else {
            page
        };
        let page = if page.asks_for_code() {
            alive(self.submit_code(code).await)?
        } else {
            page
        };
        Some(page)
    }
}

/// Any free port: an address that was free a moment ago may be another test's by now.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Waits for the line that says where the process listens.
fn ready(mut process: Child) -> (Child, SocketAddr) {
    let mut line = String::new();
    let mut out = BufReader::new(process.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    let (_, rest) = line
        .split_once("is served on ")
        .unwrap_or_else(|| panic!("the node did not start: {line:?}"));
    (process, rest.trim().trim_end_matches('.').parse().unwrap())
}

/// Hands every request to a process, as a reverse proxy would; 502 where it does not answer.
fn passing_on(to: SocketAddr, sent: watch::Sender<usize>) -> Router {
    Router::new().fallback(async move |request: Request<Body>| {
        match exchange(to, request, &sent).await {
            Some(response) => response,
            None => Response::builder()
                .status(StatusCode::BAD_GATEWAY)
                .body(Body::empty())
                .unwrap(),
        }
    })
}

async fn exchange(
    to: SocketAddr,
    request: Request<Body>,
    sent: &watch::Sender<usize>,
) -> Option<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut head = format!(
        "{} {} HTTP/1.1\r\nconnection: close\r\n",
        parts.method, parts.uri
    );
    for (name, value) in &parts.headers {
        head.extend([name.as_str(), ": ", value.to_str().unwrap(), "\r\n"]);
    }
    head.extend(["content-length: ", &body.len().to_string(), "\r\n\r\n"]);
    let mut stream = TcpStream::connect(to).await.ok()?;
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    sent.send_modify(|sent| *sent += 1);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut response = Response::builder().status(status);
    let mut length = 0;
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        if name.eq_ignore_ascii_case(header::CONTENT_LENGTH.as_str()) {
            length = value.trim().parse().unwrap();
        }
        response = response.header(name, value.trim());
    }
    let body = &answer[end + 4..];
    // Cut off in the middle: nobody got this page.
    (body.len() == length).then(|| response.body(Body::from(body.to_vec())).unwrap())
}
