//! TLS of the running server: new files are used without a restart and without a
//! handshake that fails; bad ones are not used at all.

use std::{
    io::{BufRead as _, BufReader, Lines, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStderr, Command, Stdio},
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned,
    pki_types::CertificateDer,
};

use super::Cli;

struct Pair {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

fn pair() -> Pair {
    let made = rcgen::generate_simple_self_signed(vec!["idp.contoso.com".to_owned()]).unwrap();
    Pair {
        certificate: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
        der: made.cert.der().clone(),
    }
}

/// `serve` with TLS of its own, ended with the test.
struct Server {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    address: SocketAddr,
}

impl Server {
    fn start(cli: &Cli) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
            .arg("serve")
            .env_clear()
            .env("CLAIMBRIDGE_LISTEN", "127.0.0.1:0")
            .env("CLAIMBRIDGE_TLS__CERTIFICATE_FILE", cli.path("tls.pem"))
            .env("CLAIMBRIDGE_TLS__PRIVATE_KEY_FILE", cli.path("tls.key"))
            .current_dir(cli.path("."))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let (_, rest) = line.split_once("is served on ").unwrap();
        let address = rest.trim().trim_end_matches('.').parse().unwrap();
        Self {
            child,
            log,
            address,
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("kill").args([name, &id]).status();
        assert!(done.unwrap().success());
    }

    /// The log up to a line with this text.
    fn log_until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        for line in self.log.by_ref() {
            let line = line.unwrap();
            seen.extend([line.as_str(), "\n"]);
            if line.contains(text) {
                return seen;
            }
        }
        panic!("it ended without {text}:\n{seen}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection and request; the certificate that was shown and the answer.
fn visit(
    server: &Server,
    believed: &[&Pair],
    version: &'static rustls::SupportedProtocolVersion,
) -> (CertificateDer<'static>, String) {
    let mut roots = RootCertStore::empty();
    for pair in believed {
        roots.add(pair.der.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "idp.contoso.com".try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(server.address).unwrap());
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let shown = stream.conn.peer_certificates().unwrap()[0].clone();
    (shown.into_owned(), answer)
}

const BOTH: [&rustls::SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];

/// By renaming, as the documentation asks of whoever renews.
fn put(cli: &Cli, name: &str, text: &str) {
    cli.write("new", text);
    std::fs::rename(cli.path("new"), cli.path(name)).unwrap();
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart_and_no_handshake_fails() {
    let cli = Cli::new();
    let (old, new) = (pair(), pair());
    put(&cli, "tls.pem", &old.certificate);
    put(&cli, "tls.key", &old.key);
    let mut server = Server::start(&cli);
    for version in BOTH {
        let (shown, answer) = visit(&server, &[&old], version);
        assert_eq!(shown, old.der);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(ProtocolVersion::TLSv1_2, BOTH[0].version);

    // Half of the new pair: it is said, and everybody is served as before.
    put(&cli, "tls.pem", &new.certificate);
    server.signal("-HUP");
    let said = server.log_until("the former certificate stays");
    assert!(said.contains("and the key that belongs to it"), "{said}");
    assert_eq!(visit(&server, &[&old, &new], BOTH[1]).0, old.der);

    // The other half, and handshakes meanwhile: each succeeds with one of the two.
    put(&cli, "tls.key", &new.key);
    server.signal("-HUP");
    let mut handshakes = 0;
    loop {
        let (shown, answer) = visit(&server, &[&old, &new], BOTH[handshakes % 2]);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        handshakes += 1;
        if shown == new.der {
            break;
        }
        assert!(handshakes < 2000, "the new certificate was never shown");
    }
    server.log_until("the TLS certificate was read");
    assert_eq!(visit(&server, &[&new], BOTH[0]).0, new.der);
    // Asked to stop, it does.
    server.signal("-TERM");
    assert!(server.child.wait().unwrap().success());
}

/// Asked to stop in the moment in which it says that it runs, it stops: nothing in it begins to
/// listen for the signal later than that.
#[test]
fn a_server_that_is_stopped_at_once_stops() {
    let cli = Cli::new();
    let pair = pair();
    put(&cli, "tls.pem", &pair.certificate);
    put(&cli, "tls.key", &pair.key);
    for _ in 0..5 {
        let mut server = Server::start(&cli);
        server.signal("-TERM");
        let (tell, told) = std::sync::mpsc::channel();
        let id = server.child.id().to_string();
        std::thread::spawn(move || {
            if told
                .recv_timeout(std::time::Duration::from_secs(30))
                .is_err()
            {
                let _ = Command::new("kill").args(["-KILL", &id]).status();
            }
        });
        let status = server.child.wait().unwrap();
        let _ = tell.send(());
        assert!(status.success(), "it had to be killed: {status}");
    }
}

#[test]
fn check_and_serve_name_what_is_wrong_with_the_files() {
    let cli = Cli::new();
    let (one, other) = (pair(), pair());
    put(&cli, "tls.pem", &one.certificate);
    put(&cli, "tls.key", &other.key);
    let toml = std::fs::read_to_string(cli.path("claimbridge.toml")).unwrap();
    let toml = toml
        .replace("# certificate_file", "certificate_file")
        .replace("# private_key_file", "private_key_file");
    cli.write("claimbridge.toml", &toml);
    for (arguments, exit) in [(&["check"][..], 1), (&["serve"], 2)] {
        let said = cli.run(arguments);
        assert_eq!(said.exit, exit, "{said:?}");
        assert!(said.err.contains("cannot be used together"), "{said:?}");
        assert!(said.err.contains("the key that belongs to it"), "{said:?}");
    }
    put(&cli, "tls.key", &one.key);
    assert_eq!(cli.run(&["check"]).exit, 0);
    // There is nowhere to ask without TLS, and then nobody who answers.
    let said = cli.refused(2, &["health"]);
    assert!(said.contains("listen_ops"), "{said}");
    let nobody = toml.replace(
        "# address = \"127.0.0.1:9090\"",
        "address = \"127.0.0.1:1\"",
    );
    cli.write("claimbridge.toml", nobody);
    let said = cli.refused(1, &["health"]);
    assert!(said.contains("127.0.0.1:1 does not answer"), "{said}");
    let toml = toml.replace("idp.contoso.com", "idp.fabrikam.com");
    cli.write("claimbridge.toml", toml);
    let said = cli.run(&["check"]);
    assert_eq!(said.exit, 1, "{said:?}");
    assert!(
        said.err.contains("not for the name in public_url"),
        "{said:?}"
    );
}
