//! `serve` with tenants of External MFA: it says which of them name nobody, as the other commands
//! do, and reads their clouds' keys before anybody comes.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::{io::AsyncReadExt as _, net::TcpListener};

use super::Cli;

const ONE: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const TWO: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const APPLICATION: &str = "6fa6c2ba-0d5a-4b53-9a0c-7e6a2d3f1b11";
const NOBODY: &str = "no domains were given to the tenant";

/// `serve`, ended with the test. It is served when this is there.
struct Server(Child);

impl Server {
    fn start(cli: &Cli) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
            .arg("serve")
            .env_clear()
            .env("CLAIMBRIDGE_LISTEN", "127.0.0.1:0")
            .current_dir(cli.path("."))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        assert!(line.contains("is served on"), "{line}");
        Self(child)
    }

    /// What it had to say before it was served.
    fn log(mut self) -> String {
        self.0.kill().unwrap();
        let mut log = String::new();
        let mut err = self.0.stderr.take().unwrap();
        err.read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn add(cli: &Cli, tenant: &str, name: &str) -> String {
    let said = cli.run(&[
        "external-mfa",
        "add",
        tenant,
        "--application-id",
        APPLICATION,
        "--name",
        name,
    ]);
    assert_eq!(said.exit, 0, "{said:?}");
    said.err
}

/// What the doctor says of whom tenants may name: outcome, and all words.
fn doctor(cli: &Cli) -> Vec<(String, String)> {
    let said = cli.run(&["doctor", "--offline", "--json"]);
    let value: Value = said.json();
    let findings = value["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["id"] == "CB-DOC-002")
        .map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap();
            let words = format!("{}; {}", text("sentence"), text("remedy"));
            (text("outcome").to_owned(), words)
        })
        .collect()
}

/// Review P2-9.
#[test]
fn that_a_tenant_names_nobody_is_said_wherever_somebody_looks() {
    let cli = Cli::new();
    assert_eq!(doctor(&cli), []);
    assert_eq!(add(&cli, ONE, "Contoso"), "");
    assert_eq!(doctor(&cli)[0].0, "good");
    // The second one makes the first one nameless too.
    let said = add(&cli, TWO, "Fabrikam");
    let both = format!("Contoso ({ONE}), Fabrikam ({TWO})");
    assert_eq!(said.lines().count(), 1, "{said}");
    for part in [NOBODY, &both, "stand in no [[tenant]] yet", "domains"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let listed = cli.run(&["external-mfa", "list"]);
    assert_eq!((listed.exit, listed.out.lines().count()), (0, 2));
    assert_eq!(listed.err, said);
    let found = doctor(&cli);
    assert_eq!((found.len(), found[0].0.as_str()), (1, "warning"));
    assert_eq!(format!("{}.\n", found[0].1), said);
    let log = Server::start(&cli).log();
    assert!(log.contains(&both) && log.contains(NOBODY), "{log}");

    // One gets its domains.
    let file = std::fs::read_to_string(cli.path("claimbridge.toml")).unwrap();
    let entry = |tenant: &str, domain: &str| {
        format!(
            "\n[[tenant]]\ntenant_id = \"{tenant}\"\nclient_id = \"claimbridge-{tenant}\"\napplication_id = \"{APPLICATION}\"\ndomains = [\"{domain}\"]\n"
        )
    };
    let one = format!("{file}{}", entry(ONE, "contoso.com"));
    cli.write_secret("claimbridge.toml", &one);
    let said = cli.run(&["external-mfa", "list"]).err;
    assert!(said.contains(TWO) && !said.contains(ONE), "{said}");
    assert!(said.contains("stands in no [[tenant]] yet"), "{said}");
    // And the other, which is in the file already.
    let empty = entry(TWO, "x").replace("[\"x\"]", "[]");
    cli.write_secret("claimbridge.toml", format!("{one}{empty}"));
    let said = cli.run(&["external-mfa", "list"]).err;
    assert!(
        said.contains(TWO) && !said.contains("[[tenant]] yet"),
        "{said}"
    );
    cli.write_secret(
        "claimbridge.toml",
        format!("{one}{}", entry(TWO, "fabrikam.com")),
    );
    cli.done(&["external-mfa", "list"]);
    // A domain that is none here names nobody either.
    let found = doctor(&cli);
    assert_eq!(
        (found.len(), found[0].0.as_str()),
        (1, "warning"),
        "{found:?}"
    );
    assert!(found[0].1.contains("fabrikam.com"), "{found:?}");
    for domain in ["contoso.com", "fabrikam.com"] {
        // One may be there already.
        cli.run(&["domain", "add", domain]);
    }
    let found = doctor(&cli);
    assert_eq!((found.len(), found[0].0.as_str()), (1, "good"), "{found:?}");
    let log = Server::start(&cli).log();
    assert!(!log.contains(NOBODY), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_reads_the_keys_of_a_tenants_cloud_before_anybody_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cloud = format!("http://{}", listener.local_addr().unwrap());
    let cli = Cli::new();
    let file = std::fs::read_to_string(cli.path("claimbridge.toml")).unwrap();
    let more = format!(
        "\n[entra.cloud]\nentity_id = \"urn:practice\"\nreply_url = \"{cloud}/login.srf\"\nauthority_url = \"{cloud}\"\ngraph_url = \"{cloud}\"\n\
         [[tenant]]\ntenant_id = \"{ONE}\"\nclient_id = \"c\"\napplication_id = \"{APPLICATION}\"\n"
    );
    cli.write_secret("claimbridge.toml", format!("{file}{more}"));
    // The cloud is silent, and it is served all the same.
    let _server = Server::start(&cli);
    let asking = tokio::time::timeout(Duration::from_secs(30), listener.accept());
    let (mut asking, _) = asking.await.expect("nobody asked the cloud").unwrap();
    let mut request = [0; 512];
    let length = asking.read(&mut request).await.unwrap();
    let request = String::from_utf8_lossy(&request[..length]);
    assert!(
        request.starts_with("GET /common/v2.0/.well-known/openid-configuration "),
        "{request}"
    );
}
