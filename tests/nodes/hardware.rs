//! The signing key in a PKCS#11 token that two nodes share (SoftHSM2), judged by OpenSC and
//! xmlsec1.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;
use tokio::time::timeout;

use crate::{
    cloud::{Cloud, told},
    cluster::{Cluster, Engine, now},
    external_mfa::{configured, told_after},
    support::{
        PASSWORD,
        browser::{Browser, Page},
        entra,
    },
};

const PIN: &str = "739142";

mod sqlite {
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_key_in_a_token_signs_on_both_nodes_and_is_nowhere_else() {
        super::a_key_in_a_token_signs_on_both_nodes_and_is_nowhere_else(super::Engine::Sqlite)
            .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_token_that_goes_away_is_an_outage_until_it_is_back() {
        super::a_token_that_goes_away_is_an_outage_until_it_is_back(super::Engine::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_wrong_pin_is_tried_once() {
        super::a_wrong_pin_is_tried_once(super::Engine::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn an_id_token_is_signed_in_the_token_and_without_it_entra_is_told() {
        super::an_id_token_is_signed_in_the_token_and_without_it_entra_is_told(
            super::Engine::Sqlite,
        )
        .await;
    }
}

mod postgres {
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_key_in_a_token_signs_on_both_nodes_and_is_nowhere_else() {
        super::a_key_in_a_token_signs_on_both_nodes_and_is_nowhere_else(super::Engine::Postgres)
            .await;
    }
}

fn module() -> PathBuf {
    let places = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/local/lib/softhsm/libsofthsm2.so",
    ];
    let found = places.iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("libsofthsm2.so is missing: apt-get install softhsm2")
}

fn run(command: &mut Command, package: &str) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{error}: apt-get install {package}"))
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Makes a token in `folder`; what the servers are told of it.
fn new_token(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let tokens = folder.join("tokens");
    fs::create_dir(&tokens).unwrap();
    let conf = folder.join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nlog.level = ERROR\n",
        tokens.display()
    );
    fs::write(&conf, text).unwrap();
    let pin = folder.join("token.pin");
    fs::write(&pin, PIN).unwrap();
    fs::set_permissions(&pin, fs::Permissions::from_mode(0o600)).unwrap();
    let made = run(
        Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", "claimbridge"])
            .args(["--so-pin", "12345678", "--pin", PIN])
            .env("SOFTHSM2_CONF", &conf),
        "softhsm2",
    );
    assert!(made.status.success(), "{}", said(&made));
    vec![
        ("SOFTHSM2_CONF", conf),
        ("CLAIMBRIDGE_PKCS11__MODULE", module()),
        (
            "CLAIMBRIDGE_PKCS11__TOKEN_LABEL",
            PathBuf::from("claimbridge"),
        ),
        ("CLAIMBRIDGE_PKCS11__PIN_FILE", pin),
    ]
}

impl Cluster {
    /// What a command says; it must succeed.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// OpenSC's word on the token.
    fn pkcs11_tool(&self, arguments: &[&str]) -> (bool, String) {
        let output = run(
            Command::new("pkcs11-tool")
                .arg("--module")
                .arg(module())
                .args(["--token-label", "claimbridge"])
                .args(arguments)
                .env("SOFTHSM2_CONF", self.folder().join("softhsm2.conf")),
            "opensc",
        );
        (output.status.success(), said(&output))
    }

    /// A rollover to a key in the token; its id.
    fn roll_over_to_hardware(&self) -> String {
        let made: Value =
            serde_json::from_str(&self.says(&["keys", "create", "--in-hardware", "--json"]))
                .unwrap();
        assert_eq!(made["custody"], "hardware");
        let id = made["id"].as_str().unwrap().to_owned();
        self.says(&["keys", "stage"]);
        self.says(&["keys", "stage", "--confirm-published", "contoso.com"]);
        self.says(&["keys", "activate"]);
        // Of the former one nothing is left.
        self.says(&["keys", "retire", "--force"]);
        id
    }

    async fn signs_in(&self, upn: &str, nodes: [usize; 3]) -> (Browser, Page) {
        let person = self.person(upn).await;
        let mut browser = self.browser(nodes);
        browser.start(&entra::request(now())).await;
        browser.submit_password(upn, PASSWORD).await;
        let page = browser.submit_code(&person.code_at_step(0)).await;
        (browser, page)
    }

    async fn readiness(&self, node: usize) -> u16 {
        let page = self.browser([node]).get("/readyz").await;
        page.status.as_u16()
    }
}

async fn a_key_in_a_token_signs_on_both_nodes_and_is_nowhere_else(engine: Engine) {
    let cluster = Cluster::start_with(engine, new_token).await;
    // The first key was made in the token too: nothing was ever made beside it.
    for (upn, node) in [("a@contoso.com", 0), ("b@contoso.com", 1)] {
        let (_, page) = cluster.signs_in(upn, [node, node, node]).await;
        page.expect_answer();
    }
    let made: Value = serde_json::from_str(&cluster.says(&["keys", "list", "--json"])).unwrap();
    assert_eq!(made[0]["custody"], "hardware", "{made}");
    let id = cluster.roll_over_to_hardware();
    let pem = cluster.says(&["keys", "export-certificate"]);
    let file = cluster.folder().join("certificate.pem");
    fs::write(&file, &pem).unwrap();
    // Neither was restarted.
    for (upn, nodes) in [("c@contoso.com", [0, 1, 1]), ("d@contoso.com", [1, 0, 0])] {
        let (_, page) = cluster.signs_in(upn, nodes).await;
        let answer = page.expect_answer();
        let response = cluster.folder().join("response.xml");
        fs::write(&response, &answer.xml).unwrap();
        let verified = run(
            Command::new("xmlsec1")
                .args(["--verify", "--enabled-key-data", "rsa"])
                .args([
                    "--id-attr:ID",
                    "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
                ])
                .arg("--pubkey-cert-pem")
                .args([&file, &response]),
            "xmlsec1",
        );
        assert!(verified.status.success(), "{}", said(&verified));
    }
    assert_eq!(cluster.check_books().await, 4);

    // The token: it made the key itself, and does not give it away.
    let login = ["--login", "--pin", PIN];
    let (_, listed) =
        cluster.pkcs11_tool(&[&login[..], &["--list-objects", "--type", "privkey"]].concat());
    assert!(listed.contains(&format!("claimbridge {id}")), "{listed}");
    let access = listed.lines().find(|line| line.contains("Access:"));
    let access = access.unwrap_or_else(|| panic!("{listed}"));
    for word in ["always sensitive", "never extractable", "local"] {
        assert!(access.contains(word), "{access}");
    }
    let hex = data_encoding::HEXLOWER.encode(id.as_bytes());
    let read = ["--read-object", "--type", "privkey", "--id", &hex];
    let (_, got) = cluster.pkcs11_tool(&[&login[..], &read].concat());
    assert!(
        got.contains("sorry, reading private keys not (yet) supported") || got.contains("error"),
        "{got}"
    );

    // The database, opened with the master key: where the key is, and no key.
    let mut tx = cluster.store.read().await.unwrap();
    let rows = tx.all_keys().await.unwrap();
    drop(tx);
    assert_eq!(rows.len(), 2);
    for row in rows {
        if row.id.as_str() != id {
            assert_eq!(row.sealed_private_key, "", "the former key is erased");
            continue;
        }
        let place = claimbridge::keys::sealing::Place {
            table: "signing_key",
            column: "token_reference",
            row: &id,
            owner: "assertion in rollover",
        };
        let plain = cluster
            .sealing
            .open(&place, &row.sealed_private_key)
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&plain), "the token “claimbridge”");
    }
}

async fn a_token_that_goes_away_is_an_outage_until_it_is_back(engine: Engine) {
    let cluster = Cluster::start_with(engine, new_token).await;
    cluster.roll_over_to_hardware();
    for (upn, node) in [("a@contoso.com", 0), ("b@contoso.com", 1)] {
        let (_, page) = cluster.signs_in(upn, [node, node, node]).await;
        page.expect_answer();
        assert_eq!(cluster.readiness(node).await, 200);
    }
    let (tokens, away) = (
        cluster.folder().join("tokens"),
        cluster.folder().join("away"),
    );
    fs::rename(&tokens, &away).unwrap();
    fs::create_dir(&tokens).unwrap();
    let mut waiting = Vec::new();
    for (upn, node) in [("c@contoso.com", 0), ("d@contoso.com", 1)] {
        let (browser, page) = cluster.signs_in(upn, [node, node, node]).await;
        assert_eq!(page.status.as_u16(), 503, "{}", page.text());
        assert!(
            page.text().contains("not possible for the moment"),
            "{}",
            page.text()
        );
        assert!(page.text().contains("CB-KEYS-001"), "{}", page.text());
        waiting.push((browser, node));
        until(&cluster, node, 503).await;
    }
    // Nothing else signed.
    assert_eq!(cluster.check_books().await, 2);
    // Nor is a key activated that nobody can use: there is a way back to it, but not this way.
    fs::remove_dir(&tokens).unwrap();
    fs::rename(&away, &tokens).unwrap();
    for (mut browser, node) in waiting {
        until(&cluster, node, 200).await;
        // What was proved counts: the browser only asks again.
        let page = browser.reload_attempt().await;
        page.expect_answer();
    }
    assert_eq!(cluster.check_books().await, 4);
}

/// Asks until the node is as it should be: it believes its last look for two seconds.
async fn until(cluster: &Cluster, node: usize, wanted: u16) {
    let asking = async { while cluster.readiness(node).await != wanted {} };
    timeout(Duration::from_secs(30), asking).await.unwrap();
}

async fn a_wrong_pin_is_tried_once(engine: Engine) {
    let mut cluster = Cluster::start_with(engine, new_token).await;
    cluster.roll_over_to_hardware();
    fs::write(cluster.folder().join("token.pin"), "000000").unwrap();
    cluster.kill(0);
    cluster.restart(0).await;
    assert_eq!(cluster.readiness(0).await, 503);
    let (_, flags) = cluster.pkcs11_tool(&["--list-slots"]);
    assert!(flags.contains("user PIN count low"), "{flags}");
    // Who has the right one resets the count; and the node does not try again.
    let (logged_in, why) = cluster.pkcs11_tool(&["--login", "--pin", PIN, "--list-objects"]);
    assert!(logged_in, "{why}");
    for upn in ["a@contoso.com", "b@contoso.com"] {
        let (_, page) = cluster.signs_in(upn, [0, 0, 0]).await;
        assert_eq!(page.status.as_u16(), 503, "{}", page.text());
    }
    let (_, flags) = cluster.pkcs11_tool(&["--list-slots"]);
    assert!(!flags.contains("user PIN count low"), "{flags}");
    // The other node was not disturbed.
    let (_, page) = cluster.signs_in("c@contoso.com", [1, 1, 1]).await;
    page.expect_answer();
}

/// The door of External MFA has a key of its own; it is in the token too.
async fn an_id_token_is_signed_in_the_token_and_without_it_entra_is_told(engine: Engine) {
    let cloud = Cloud::start().await;
    let cluster = Cluster::start_with(engine, |folder| {
        let (token, cloud) = (new_token(folder), configured(&cloud));
        token.into_iter().chain(cloud).collect()
    })
    .await;
    let made: Value = serde_json::from_str(&cluster.says(&["keys", "list", "--json"])).unwrap();
    let of_this_door = |key: &&Value| key["purpose"] == "oidc" && key["custody"] == "hardware";
    let all = made.as_array().unwrap();
    assert_eq!(all.iter().filter(of_this_door).count(), 1, "{made}");
    let keys = cluster.key_list(0).await;
    let mut people = Vec::new();
    for (number, node) in [0, 1].into_iter().enumerate() {
        let upn = format!("agent{number}@contoso.com");
        let person = cluster.person(&upn).await;
        let object = format!("bbbbcccc-1111-dddd-2222-eeee3333fff{number}");
        let ask = move |cloud: &Cloud| cloud.ask(&upn, now()).hinting("oid", object.clone().into());
        let mut browser = cluster.asked(node, &ask(&cloud)).await;
        let said = told_after(&mut browser, &person.code_at_step(0)).await;
        assert_eq!(said.claims(&keys)["amr"], serde_json::json!(["otp"]));
        people.push((person, ask, node));
    }
    // Somebody has been asked for a code when it goes away.
    let mut waiting = Vec::new();
    for (person, ask, node) in people {
        let ask = ask(&cloud);
        waiting.push((cluster.asked(node, &ask).await, ask, person));
        // A later look than the door's: when this one is believed no longer, neither is that.
        assert_eq!(cluster.readiness(node).await, 200);
    }
    let tokens = cluster.folder().join("tokens");
    fs::rename(&tokens, cluster.folder().join("away")).unwrap();
    fs::create_dir(&tokens).unwrap();
    for (mut browser, ask, person) in waiting {
        let said = told_after(&mut browser, &person.code_at_step(1)).await;
        assert_eq!(said.error(), "temporarily_unavailable");
        assert_eq!(said.action, cloud.reply_url());
        assert_eq!(said.state, ask.field("state"));
        // It is an end.
        assert_eq!(told(&browser.reload_attempt().await), said);
    }
    // Who comes now is not asked in vain.
    for node in [0, 1] {
        until(&cluster, node, 503).await;
        let mut browser = cluster.browser([node]);
        let ask = cloud.ask("agent0@contoso.com", now());
        let body = Some(ask.body());
        let page = browser.send("POST", "/oidc/authorize", body).await;
        assert_eq!(told(&page).error(), "temporarily_unavailable");
    }
    let issued = cluster.texts("SELECT attempt FROM receipts").await;
    assert_eq!(issued.len(), 2, "nothing else signed");
}
