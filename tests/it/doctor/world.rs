use std::{
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use claimbridge::{
    app::{App, Parts},
    base::{
        clock::{Clock as _, SystemClock},
        random::SystemRandom,
    },
    keys::sealing::{MasterKey, Sealing},
    storage::Store,
    web,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::watch,
};

use crate::cli::{Cli, Said};

const MASTER: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

/// What Entra says.
#[derive(Clone)]
pub struct Entra {
    /// How far ahead its clock is, in seconds.
    pub clock: i64,
    pub entity_id: &'static str,
    pub sp_metadata_status: u16,
    /// `Federated`: to us.
    pub realm: &'static str,
}

impl Entra {
    pub fn good() -> Self {
        Self {
            clock: 0,
            entity_id: "urn:practice",
            sp_metadata_status: 200,
            realm: "Federated",
        }
    }
}

#[derive(Clone)]
struct Site {
    entra: Entra,
    base: String,
    public: String,
    asked: Arc<AtomicUsize>,
}

async fn answer(State(site): State<Site>, request: Request) -> Response {
    site.asked.fetch_add(1, Ordering::SeqCst);
    let sso = format!("{}/saml2/sso?domain=contoso.com", site.public);
    let (status, body) = match request.uri().path() {
        "/metadata" => (
            site.entra.sp_metadata_status,
            format!(
                "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{}\"><SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><AssertionConsumerService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"{}/login.srf\" index=\"0\"/></SPSSODescriptor></EntityDescriptor>",
                site.entra.entity_id, site.base
            ),
        ),
        "/getuserrealm.srf" => (
            200,
            match site.entra.realm {
                "Federated" => {
                    format!("{{\"NameSpaceType\":\"Federated\",\"AuthURL\":\"{sso}&username=x\"}}")
                }
                "Federated elsewhere" => {
                    "{\"NameSpaceType\":\"Federated\",\"AuthURL\":\"https://sts.evil.example/\"}"
                        .to_owned()
                }
                "nonsense" => "<html/>".to_owned(),
                kind => format!("{{\"NameSpaceType\":\"{kind}\"}}"),
            },
        ),
        _ => (401, String::new()),
    };
    let status = StatusCode::from_u16(status).unwrap();
    // What is no metadata is none, whatever its status.
    let body = if status == StatusCode::NOT_FOUND {
        String::new()
    } else {
        body
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::DATE, date(site.entra.clock));
    (status, headers, body).into_response()
}

fn now() -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(SystemClock.now().as_secs()).unwrap()
}

fn date(ahead: i64) -> HeaderValue {
    let now = now() + time::Duration::seconds(ahead);
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    HeaderValue::try_from(now.format(format).unwrap()).unwrap()
}

/// An authority, and a certificate of it for `localhost`, as files.
pub struct TlsFiles {
    pub folder: tempfile::TempDir,
}

impl TlsFiles {
    pub fn new(days: i64, name: &str) -> Self {
        let now = now();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters
            .distinguished_name
            .push(rcgen::DnType::CommonName, "tests of the doctor");
        let key = rcgen::KeyPair::generate().unwrap();
        let root = parameters.self_signed(&key).unwrap();
        let issuer = rcgen::Issuer::new(parameters, key);
        let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_before = now - time::Duration::days(1);
        parameters.not_after = now + time::Duration::days(days) + time::Duration::hours(1);
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = parameters.signed_by(&key, &issuer).unwrap();
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (name, text) in [
            ("root.pem", root.pem()),
            ("tls.pem", leaf.pem()),
            ("tls.key", key.serialize_pem()),
        ] {
            let path = files.path(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A server, and the world that it is in.
pub struct Patient {
    pub cli: Arc<Cli>,
    pub public: String,
    asked: Arc<AtomicUsize>,
    stop: watch::Sender<()>,
    server: tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Patient {
    pub async fn new(entra: Entra) -> Self {
        Self::start(entra, &[], None).await
    }

    /// Behind proxies that are trusted.
    pub async fn behind(entra: Entra, proxies: &[&str]) -> Self {
        Self::start(entra, proxies, None).await
    }

    /// Behind such a proxy, which is trusted.
    pub async fn behind_proxy(proxy: Proxy, trusted: &[&str]) -> Self {
        Self::start_at(Entra::good(), trusted, None, Some(proxy)).await
    }

    pub async fn over_tls(entra: Entra, tls: &TlsFiles) -> Self {
        Self::start(entra, &[], Some(tls)).await
    }

    async fn start(entra: Entra, proxies: &[&str], tls: Option<&TlsFiles>) -> Self {
        Self::start_at(entra, proxies, tls, None).await
    }

    async fn start_at(
        entra: Entra,
        proxies: &[&str],
        tls: Option<&TlsFiles>,
        proxy: Option<Proxy>,
    ) -> Self {
        let bind = || async { TcpListener::bind("127.0.0.1:0").await.unwrap() };
        let (listener, theirs) = (bind().await, bind().await);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut port = listener.local_addr().unwrap().port();
        if let Some(proxy) = proxy {
            let before = bind().await;
            port = before.local_addr().unwrap().port();
            tokio::spawn(proxy.serve(before, listener.local_addr().unwrap()));
        }
        let public = format!("{scheme}://localhost:{port}");
        let base = format!("http://{}", theirs.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let site = Site {
            entra,
            base: base.clone(),
            public: public.clone(),
            asked: Arc::clone(&asked),
        };
        let (stop, stopped) = watch::channel(());
        let router = Router::new().fallback(answer).with_state(site);
        tokio::spawn(async move { axum_serve(theirs, router).await });

        let cli = Arc::new(Cli::empty());
        let files = tls.map_or_else(String::new, |tls| {
            format!(
                "[tls]\ncertificate_file = \"{}\"\nprivate_key_file = \"{}\"\n",
                tls.path("tls.pem").display(),
                tls.path("tls.key").display()
            )
        });
        cli.write(
            "claimbridge.toml",
            format!(
                "public_url = \"{public}\"\ndatabase_url = \"sqlite://claimbridge.db\"\nmaster_key_file = \"master.key\"\n{files}\
                 [entra.cloud]\nentity_id = \"urn:practice\"\nreply_url = \"{base}/login.srf\"\nmetadata_url = \"{base}/metadata\"\nauthority_url = \"{base}\"\ngraph_url = \"{base}/graph\"\n\
                 [policy]\ntrusted_proxies = {proxies:?}\n"
            ),
        );
        cli.permit("claimbridge.toml", 0o644);
        cli.write_secret("master.key", MASTER);
        let in_thread = Arc::clone(&cli);
        tokio::task::spawn_blocking(move || {
            in_thread.done(&["migrate"]);
            in_thread.done(&["domain", "add", "contoso.com"]);
        })
        .await
        .unwrap();

        let url = format!("sqlite://{}", cli.path("claimbridge.db").display());
        let mut settings = crate::support::settings();
        settings.public_url.clone_from(&public);
        let app = App::start(Parts {
            store: Store::connect(&url).await.unwrap(),
            clock: Arc::new(SystemClock),
            random: Box::new(SystemRandom),
            sealing: Arc::new(Sealing::new(&MasterKey::parse(MASTER).unwrap())),
            settings,
        })
        .await
        .unwrap();
        let proxies = proxies.iter().map(|range| range.parse().unwrap()).collect();
        let router = web::router(Arc::new(web::Web::new(Arc::new(app), proxies)));
        let pair = tls.map(|tls| {
            web::tls::ReloadingPair::open(web::tls::TlsFiles {
                certificates: tls.path("tls.pem"),
                key: tls.path("tls.key"),
                host: "localhost".to_owned(),
            })
            .unwrap()
        });
        let acceptor = pair.as_ref().map(|pair| pair.acceptor().unwrap());
        let mut told = stopped;
        let server = tokio::spawn(web::serve::serve(listener, acceptor, router, async move {
            let _ = told.changed().await;
        }));
        Self {
            cli,
            public,
            asked,
            stop,
            server: tokio::sync::Mutex::new(Some(server)),
        }
    }

    /// Nobody listens any more.
    pub async fn stop(&self) {
        self.stop.send(()).unwrap();
        if let Some(server) = self.server.lock().await.take() {
            server.await.unwrap();
        }
    }

    pub fn entra_was_asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn master_key(&self) -> String {
        std::fs::read_to_string(self.cli.path("master.key")).unwrap()
    }

    pub async fn doctor(&self, arguments: &[&str]) -> Said {
        self.run(Vec::new(), arguments).await
    }

    /// Where that authority is one that the system trusts.
    pub async fn doctor_trusting(&self, tls: &TlsFiles, arguments: &[&str]) -> Said {
        let root = tls.path("root.pem").display().to_string();
        self.run(vec![("SSL_CERT_FILE", root)], arguments).await
    }

    async fn run(&self, variables: Vec<(&'static str, String)>, arguments: &[&str]) -> Said {
        self.says(variables, &[&["doctor"], arguments].concat())
            .await
    }

    /// Any command, where that authority is one that the system trusts.
    pub async fn says_trusting(&self, tls: &TlsFiles, arguments: &[&str]) -> Said {
        let root = tls.path("root.pem").display().to_string();
        self.says(vec![("SSL_CERT_FILE", root)], arguments).await
    }

    async fn says(&self, variables: Vec<(&'static str, String)>, arguments: &[&str]) -> Said {
        let cli = Arc::clone(&self.cli);
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        tokio::task::spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            cli.run_where(&variables, &arguments)
        })
        .await
        .unwrap()
    }
}

async fn axum_serve(listener: TcpListener, router: Router) {
    web::serve::serve(listener, None, router, std::future::pending()).await;
}

/// What a reverse proxy does with `X-Forwarded-For`, and how long an address may be.
#[derive(Clone, Copy, Debug)]
pub enum Proxy {
    /// Writes another browser's address in its place.
    Replaces,
    /// Adds the address that it was asked from, which is this machine's.
    Adds,
    /// Passes on what was said.
    PassesOn,
    /// Says nothing.
    Drops,
    /// As [`Self::Replaces`], with room for 4 KiB of head.
    IsShort,
    /// As [`Self::Replaces`], with a name of its own in `Host`.
    RenamesHost,
    /// Answers /healthz itself.
    AnswersItself,
    /// Calls what is sent `x5d` where it was `x5c`.
    Rewrites,
}

impl Proxy {
    /// Hands each request on, one a connection.
    pub async fn serve(self, listener: TcpListener, to: std::net::SocketAddr) {
        loop {
            let (mut from, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let head = head_of(&mut from).await;
                let answer = match self {
                    Self::IsShort if head.len() > 4096 => {
                        b"HTTP/1.1 414 URI Too Long\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
                    }
                    Self::AnswersItself => {
                        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n".to_vec()
                    }
                    _ => {
                        let mut server = tokio::net::TcpStream::connect(to).await.unwrap();
                        server.write_all(self.altered(&head).as_bytes()).await.unwrap();
                        let mut answer = Vec::new();
                        server.read_to_end(&mut answer).await.unwrap();
                        if matches!(self, Self::Rewrites) {
                            let text = String::from_utf8(answer).unwrap();
                            answer = text.replace("\"x5c\"", "\"x5d\"").into_bytes();
                        }
                        answer
                    }
                };
                let _ = from.write_all(&answer).await;
                let _ = from.shutdown().await;
            });
        }
    }

    fn altered(self, head: &str) -> String {
        let mut lines: Vec<String> = Vec::new();
        for line in head.trim_end().split("\r\n") {
            let name = line
                .split(':')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            match (name.as_str(), self) {
                ("host", Self::RenamesHost) => lines.push("host: backend:8080".to_owned()),
                ("x-forwarded-for", Self::PassesOn) => lines.push(line.to_owned()),
                ("connection", _) | ("x-forwarded-for", Self::Drops) => {}
                ("x-forwarded-for", Self::Adds) => lines.push(format!("{line}, 127.0.0.1")),
                ("x-forwarded-for", _) => lines.push("x-forwarded-for: 198.51.100.7".to_owned()),
                _ => lines.push(line.to_owned()),
            }
        }
        lines.push("connection: close".to_owned());
        format!("{}\r\n\r\n", lines.join("\r\n"))
    }
}

async fn head_of(stream: &mut tokio::net::TcpStream) -> String {
    let mut head = Vec::new();
    let mut block = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = stream.read(&mut block).await.unwrap();
        if length == 0 {
            break;
        }
        head.extend_from_slice(&block[..length]);
    }
    String::from_utf8(head).unwrap()
}
