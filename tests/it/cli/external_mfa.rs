//! `external-mfa`, and the inspector on a discovery address.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
};

use serde_json::{Value, json};

use super::{Cli, Said};

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const APPLICATION: &str = "6fa6c2ba-0d5a-4b53-9a0c-7e6a2d3f1b11";
const GROUP: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

fn add(cli: &Cli, more: &[&str]) -> Value {
    let line = [
        "external-mfa",
        "add",
        TENANT,
        "--application-id",
        APPLICATION,
    ];
    cli.json(&[&line, more].concat())
}

#[test]
fn a_tenant_is_added_shown_and_removed() {
    let cli = Cli::new();
    let added = add(&cli, &["--name", "Contoso"]);
    assert_eq!(
        added,
        json!({
            "tenant_id": TENANT, "name": "Contoso", "cloud": "global",
            "client_id": format!("claimbridge-{TENANT}"), "application_id": APPLICATION,
            "domains": [],
            "discovery_url": "https://idp.contoso.com/oidc/.well-known/openid-configuration",
            "redirect_uri": "https://idp.contoso.com/oidc/authorize",
            "answers_go_to": "https://login.microsoftonline.com/common/federation/externalauthprovider",
        })
    );
    for which in [TENANT, "Contoso", &TENANT.to_uppercase()] {
        assert_eq!(cli.json(&["external-mfa", "show", which]), added);
    }
    let again = [
        "external-mfa",
        "add",
        TENANT,
        "--application-id",
        APPLICATION,
    ];
    assert!(cli.refused(1, &again).contains("is there already"));
    // A second method of the same tenant has another client id.
    add(&cli, &["--client-id", "second"]);
    assert_eq!(
        cli.json(&["external-mfa", "list"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let several = cli.refused(2, &["external-mfa", "show", TENANT]);
    assert!(several.contains("--client-id"), "{several}");
    cli.done(&["external-mfa", "remove", TENANT, "--client-id", "second"]);
    let said = cli.done(&["external-mfa", "remove", "Contoso"]);
    assert!(
        said.contains("until the method is disabled there"),
        "{said}"
    );
    assert!(
        cli.refused(1, &["external-mfa", "remove", TENANT])
            .contains("there is no tenant")
    );
    assert_eq!(cli.done(&["external-mfa", "list"]), "");
}

#[test]
fn an_account_is_linked_to_one_person_and_taken_away_again() {
    let cli = Cli::new();
    for name in ["agent1", "agent2"] {
        cli.done(&[
            "user",
            "add",
            &format!("{name}@contoso.com"),
            "--name",
            name,
        ]);
    }
    let line = |verb: &'static str, upn: &'static str, tenant: &'static str| {
        [
            "external-mfa",
            verb,
            upn,
            "--tenant",
            tenant,
            "--object-id",
            GROUP,
        ]
    };
    let unknown = cli.refused(1, &line("link", "agent1@contoso.com", TENANT));
    assert!(unknown.contains("external-mfa add"), "{unknown}");
    add(&cli, &["--name", "Contoso"]);
    cli.done(&line("link", "agent1@contoso.com", "Contoso"));
    let links = cli.json(&["external-mfa", "links", "agent1@contoso.com"]);
    assert_eq!(
        (
            &links[0]["tenant_id"],
            &links[0]["object_id"],
            &links[0]["linked_by"]
        ),
        (&json!(TENANT), &json!(GROUP), &json!("operator"))
    );
    // It is one person's, until it is taken away.
    let taken = cli.refused(1, &line("link", "agent2@contoso.com", TENANT));
    assert!(taken.contains("--instead-of agent1@contoso.com"), "{taken}");
    cli.refused(1, &line("unlink", "agent2@contoso.com", TENANT));
    let (one, two) = ("agent1@contoso.com", "agent2@contoso.com");
    for (from, to) in [(one, two), (two, one)] {
        let mut instead = line("link", to, TENANT).to_vec();
        instead.extend(["--instead-of", from]);
        cli.done(&instead);
        assert_eq!(cli.json(&["external-mfa", "links", from]), json!([]));
    }
    cli.done(&["external-mfa", "remove", "Contoso"]);
    cli.done(&line("unlink", "agent1@contoso.com", TENANT));
    assert_eq!(
        cli.json(&["external-mfa", "links", "agent1@contoso.com"]),
        json!([])
    );
}

#[test]
fn what_is_no_tenant_is_refused_in_words() {
    let cli = Cli::new();
    for (tenant, application, more, says) in [
        ("contoso.com", APPLICATION, vec![], "this is no GUID"),
        (
            "9188040d-6c67-4c5b-b112-36a304b66dad",
            APPLICATION,
            vec![],
            "personal Microsoft accounts",
        ),
        (
            TENANT,
            "00000000-0000-0000-0000-000000000000",
            vec![],
            "an id of zeros",
        ),
        (
            TENANT,
            APPLICATION,
            vec!["--client-id", "a b"],
            "a client id has",
        ),
        (TENANT, APPLICATION, vec!["--cloud", "germany"], "us-gov"),
        (
            TENANT,
            APPLICATION,
            vec!["--cloud", "custom"],
            "[entra.cloud]",
        ),
    ] {
        let line = [
            "external-mfa",
            "add",
            tenant,
            "--application-id",
            application,
        ];
        let said = cli.run(&[&line, &more[..]].concat());
        assert!([1, 2].contains(&said.exit), "{said:?}");
        assert!(said.err.contains(says), "{says}: {said:?}");
    }
}

#[test]
fn what_the_file_says_is_there_and_is_not_contradicted() {
    let cli = Cli::new();
    let file = std::fs::read_to_string(cli.path("claimbridge.toml")).unwrap();
    // Not the usual port: somebody may try the demo on this computer.
    let file = file.replace("# listen = \"127.0.0.1:8080\"", "listen = \"127.0.0.1:0\"");
    let entry = |application: &str| {
        format!(
            "{file}\n[[tenant]]\ntenant_id = \"{TENANT}\"\nclient_id = \"a\"\napplication_id = \"{application}\"\ndomains = [\"Contoso.com\"]\n"
        )
    };
    cli.write_secret("claimbridge.toml", entry(APPLICATION));
    let listed = cli.json(&["external-mfa", "list"]);
    assert_eq!(listed[0]["client_id"], "a", "{listed}");
    assert_eq!(listed[0]["domains"], json!(["contoso.com"]), "{listed}");
    let kept = cli.refused(1, &["external-mfa", "remove", TENANT]);
    assert!(
        kept.contains("take its [[tenant]] out there first"),
        "{kept}"
    );
    // Who only looks stores nothing; a command that opens the whole program does.
    cli.done(&["user", "list"]);
    cli.write_secret("claimbridge.toml", entry(GROUP));
    let serve = cli.run(&["serve"]);
    assert_eq!(serve.exit, 1, "{serve:?}");
    assert!(serve.err.contains("Entra knows the latter"), "{serve:?}");
    // The way out that the sentence names.
    cli.done(&["external-mfa", "remove", TENANT]);
    let listed = cli.json(&["external-mfa", "list"]);
    assert_eq!(listed[0]["application_id"], GROUP, "{listed}");
}

#[test]
fn a_plan_is_made_before_the_tenant_is_added_and_after() {
    let cli = Cli::new();
    let plan =
        |more: &[&str]| -> Said { cli.run(&[&["external-mfa", "plan", TENANT], more].concat()) };
    let without = plan(&[]);
    assert_eq!(without.exit, 2, "{without:?}");
    let whole = plan(&["--group", GROUP, "--json"]).json();
    let calls = whole["calls"].as_array().unwrap();
    assert_eq!(calls[0]["method"], "POST");
    assert_eq!(
        calls[0]["url"],
        "https://graph.microsoft.com/v1.0/applications"
    );
    assert_eq!(
        calls[0]["body"]["web"]["redirectUris"],
        json!(["https://idp.contoso.com/oidc/authorize"])
    );
    let method = calls.last().unwrap();
    assert_eq!(method["role"], "Authentication Policy Administrator");
    assert_eq!(
        method["body"]["openIdConnectSetting"],
        json!({
            "clientId": format!("claimbridge-{TENANT}"),
            "discoveryUrl": "https://idp.contoso.com/oidc/.well-known/openid-configuration",
        })
    );
    assert_eq!(
        method["body"]["includeTargets"],
        json!([{"targetType": "group", "id": GROUP}])
    );
    for (part, text) in [
        ("warnings", "authentication strength"),
        ("warnings", "P1 or P2"),
        ("warnings", "Security info"),
        ("roles", "Privileged Role Administrator"),
        ("cannot_be_undone", "displayName"),
    ] {
        assert!(whole[part].to_string().contains(text), "{text}");
    }
    let words = plan(&["--all-users"]);
    assert!(
        words.out.contains("For                 everybody"),
        "{}",
        words.out
    );
    assert!(words.out.contains("external-mfa add"), "{}", words.out);
    let script = plan(&["--group", GROUP, "--format", "powershell"]);
    assert!(
        script.out.contains("New-MgApplication") && script.err.contains("P1 or P2"),
        "{script:?}"
    );
    // Afterwards the application is known, and is not made again.
    add(&cli, &["--cloud", "us-gov"]);
    let graph: Value = plan(&["--group", GROUP, "--format", "graph"]).json();
    assert_eq!(graph[0]["method"], "GET");
    assert_eq!(
        graph[0]["url"].as_str().unwrap().split('?').next().unwrap(),
        format!("https://graph.microsoft.us/v1.0/applications(appId='{APPLICATION}')")
    );
    assert_eq!(graph[4]["body"]["appId"], APPLICATION);
    let other = plan(&["--group", GROUP, "--application-id", GROUP]);
    assert_eq!(other.exit, 2, "{other:?}");
}

/// Serves these documents, path by path, for as long as the test lasts. With what head is said.
fn serve(documents: impl Fn(u16) -> Vec<(&'static str, String, String)>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let documents = documents(port);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut first = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let _ = reader.read_line(&mut first);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                    break;
                }
            }
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            let answer = documents.iter().find(|(known, ..)| *known == path).map_or_else(
                || "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
                |(_, head, body)| format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}Connection: close\r\n\r\n{body}"),
            );
            let _ = stream.write_all(answer.as_bytes());
            let _ = stream.flush();
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read(&mut [0; 1]);
        }
    });
    port
}

const DISCOVERY: &str = "/oidc/.well-known/openid-configuration";

fn discovery(port: u16, change: impl FnOnce(&mut Value)) -> String {
    let base = format!("http://localhost:{port}/oidc");
    let mut document = json!({
        "issuer": base, "authorization_endpoint": format!("{base}/authorize"),
        "jwks_uri": format!("{base}/jwks"), "response_types_supported": ["id_token"],
        "scopes_supported": ["openid"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    change(&mut document);
    document.to_string()
}

fn length(body: &str) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

/// What jwt.io calls valid: `n` and `e`, and no `x5c`; a `kid` that is no base64.
fn bare_keys() -> String {
    let n = "sXchTDXvdc9yZ6rRNWM0Zrv1CvbZ9bkjNxH3pHkFQ1Uo7cT0f4kTnP8jB1o5dHW0";
    json!({"keys": [{"kty": "RSA", "use": "sig", "kid": "key.1", "n": n, "e": "AQAB"}]}).to_string()
}

#[test]
fn the_inspector_fetches_a_discovery_address_and_finds_what_others_call_valid() {
    let port = serve(|port| {
        let (document, keys) = (discovery(port, |_| ()), bare_keys());
        vec![
            (DISCOVERY, String::new(), document),
            ("/oidc/jwks", length(&keys), keys),
        ]
    });
    let cli = Cli::empty();
    let address = format!("http://localhost:{port}{DISCOVERY}");
    let said = cli.run(&["inspect", &address, "--json"]);
    assert_eq!(said.exit, 1, "{said:?}");
    let report = said.json();
    let steps = report["story"].as_array().unwrap();
    assert_eq!(steps.len(), 2, "{report}");
    let broken = |step: usize| -> Vec<&str> {
        let findings = steps[step]["report"]["findings"].as_array().unwrap();
        let found = findings
            .iter()
            .filter(|finding| finding["severity"] == "error");
        found
            .map(|finding| finding["rule"].as_str().unwrap())
            .collect()
    };
    // http is this computer's own; and there is no Content-Length.
    assert_eq!(broken(0), ["CB-EAM-004", "CB-EAM-010"], "{report}");
    assert_eq!(broken(1), ["CB-EAM-002", "CB-EAM-003"], "{report}");
    let in_words = cli.run(&["inspect", &address]);
    assert!(in_words.out.contains("has no x5c"), "{in_words:?}");
    assert!(in_words.out.contains("is no base64"), "{in_words:?}");
}

#[test]
fn attack_29_nothing_but_a_discovery_address_is_fetched() {
    let port = serve(|port| {
        let base = format!("http://localhost:{port}");
        let elsewhere = discovery(port, |document| {
            document["jwks_uri"] = json!("http://192.0.2.1/latest/meta-data");
        });
        vec![
            (DISCOVERY, length(&elsewhere), elsewhere),
            ("/other", length(&base), base.clone()),
            (
                "/text/.well-known/openid-configuration",
                length("hello"),
                "hello".to_owned(),
            ),
        ]
    });
    let cli = Cli::empty();
    let ask = |path: &str| cli.run(&["inspect", &format!("http://localhost:{port}{path}")]);
    for path in [
        "/other",
        &format!("{DISCOVERY}?x=1"),
        &format!("{DISCOVERY}#x"),
        &format!("{DISCOVERY}/"),
    ] {
        let said = ask(path);
        assert_eq!((said.exit, said.out.as_str()), (2, ""), "{said:?}");
        assert!(
            said.err.contains("only a discovery address is fetched"),
            "{said:?}"
        );
    }
    for address in ["http://192.0.2.1", "https://user:word@idp.contoso.com"] {
        let said = cli.run(&["inspect", &format!("{address}{DISCOVERY}")]);
        assert_eq!(said.exit, 2, "{said:?}");
        assert!(!said.err.contains("word@"), "{said:?}");
    }
    // Keys over http of another computer are not asked for.
    let said = ask(DISCOVERY);
    assert!(
        said.err
            .contains("names no address of keys that can be asked"),
        "{said:?}"
    );
    assert_eq!(said.exit, 1, "{said:?}");
    let said = ask("/text/.well-known/openid-configuration");
    assert!(
        said.exit == 1 && said.err.contains("no JSON object"),
        "{said:?}"
    );
    let said = ask("/none/.well-known/openid-configuration");
    assert!(
        said.exit == 1 && said.err.contains("answers 404"),
        "{said:?}"
    );
}

/// A configuration whose public address is that port.
fn at(port: u16) -> Cli {
    let cli = Cli::empty();
    let url = format!("http://localhost:{port}");
    cli.done(&["init", "--public-url", &url]);
    cli.done(&["migrate"]);
    cli
}

fn rules(checks: &Value) -> Vec<String> {
    let checks = checks.as_array().unwrap();
    let unmet = checks.iter().filter(|check| check["standing"] == "unmet");
    let ids = unmet.map(|check| {
        assert_ne!(check["remedy"], "", "{check}");
        check["id"].as_str().unwrap().to_owned()
    });
    ids.collect()
}

#[test]
fn verify_judges_what_is_served_and_what_the_tenant_was_told() {
    let port = serve(|port| {
        let other = discovery(port, |document| {
            document["authorization_endpoint"] = json!("https://evil.example/authorize");
        });
        vec![
            (DISCOVERY, length(&other), other),
            ("/oidc/jwks", length(&bare_keys()), bare_keys()),
        ]
    });
    let cli = at(port);
    let none = cli.refused(1, &["external-mfa", "verify"]);
    assert!(none.contains("external-mfa plan"), "{none}");
    let custom = format!("http://127.0.0.1:{port}");
    let file = std::fs::read_to_string(cli.path("claimbridge.toml")).unwrap();
    let cloud = format!(
        "{file}\n[entra.cloud]\nentity_id = \"urn:x\"\nreply_url = \"{custom}/login.srf\"\nauthority_url = \"{custom}\"\ngraph_url = \"{custom}/graph\"\n"
    );
    cli.write_secret("claimbridge.toml", cloud.replacen("[entra]\n", "", 1));
    add(&cli, &[]);
    let redirect = format!("http://localhost:{port}/oidc/authorize");
    cli.write("application.json", json!({"appId": APPLICATION, "web": {"redirectUris": ["https://x"]}, "spa": {"redirectUris": [redirect]}}).to_string());
    cli.write("method.json", json!({"value": [{
        "appId": APPLICATION, "state": "disabled",
        "openIdConnectSetting": {"clientId": "other", "discoveryUrl": format!("http://localhost:{port}{DISCOVERY}/")},
        "includeTargets": [],
    }]}).to_string());
    let line = [
        "external-mfa",
        "verify",
        TENANT,
        "--application",
        "application.json",
        "--method",
        "method.json",
    ];
    let said = cli.run(&[&line[..], &["--json"]].concat());
    assert_eq!(said.exit, 1, "{said:?}");
    let found = said.json();
    assert_eq!(found["good"], false);
    assert_eq!(
        rules(&found["provider"]),
        [
            "address",
            "CB-EAM-004",
            "CB-EAM-010",
            "CB-EAM-011",
            "ours",
            "CB-EAM-002",
            "CB-EAM-003",
            "our-keys"
        ],
        "{found:#}"
    );
    assert_eq!(
        rules(&found["tenants"][0]["checks"]),
        ["cloud", "reply-url", "method", "method", "method", "method"],
        "{found:#}"
    );
    let words = cli.run(&line);
    assert!(
        words.out.contains("of the type spa, not of the type web"),
        "{words:?}"
    );
    assert!(words.out.contains("Entra says AADSTS50161."), "{words:?}");
    // What was not given is not looked at, and said.
    let bare = cli.run(&["external-mfa", "verify"]);
    assert!(bare.out.contains("?    Not looked at: whether"), "{bare:?}");
}

#[test]
fn verify_says_when_nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let cli = at(port);
    add(&cli, &[]);
    let said = cli.run(&["external-mfa", "verify", "--json"]);
    assert_eq!(said.exit, 3, "{said:?}");
    let found = said.json();
    assert_eq!(rules(&found["provider"]), ["address", "discovery"]);
}

/// `serve`, ended with the test.
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
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        assert!(line.contains("is served on"), "{line}");
        Self(child)
    }

    /// Memory that is its own, in KiB.
    fn anonymous_kib(&self) -> i64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("RssAnon:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_thousand_tenants_cost_less_than_five_mebibytes() {
    use std::fmt::Write as _;
    let cli = Cli::new();
    let without = Server::start(&cli).anonymous_kib();
    let mut file = std::fs::read_to_string(cli.path("claimbridge.toml")).unwrap();
    for number in 0..1000 {
        let tenant = format!("72f988bf-86f1-41af-91ab-{number:012}");
        write!(
            file,
            "\n[[tenant]]\ntenant_id = \"{tenant}\"\nclient_id = \"claimbridge-{tenant}\"\napplication_id = \"{APPLICATION}\"\nname = \"Tenant {number}\"\n"
        )
        .unwrap();
    }
    cli.write_secret("claimbridge.toml", file);
    // The first start writes them; what it costs to have them shows in the second.
    drop(Server::start(&cli));
    let with = Server::start(&cli).anonymous_kib();
    assert_eq!(
        cli.json(&["external-mfa", "list"])
            .as_array()
            .unwrap()
            .len(),
        1000
    );
    assert!(
        with - without < 5 * 1024,
        "{without} KiB without, {with} KiB with 1000 tenants"
    );
}
