//! The example lines of interfaces.md, then each command with what it answers.

use serde_json::json;

use super::{Cli, fixture};

const AGENT: &str = "agent1@contoso.com";

fn with_config<'a>(config: &'a str, line: &[&'a str]) -> Vec<&'a str> {
    [&["--config", config], line].concat()
}

#[test]
fn the_example_lines_of_the_interface_work() {
    let cli = Cli::empty();
    let config = cli.path("etc/claimbridge.toml").display().to_string();
    std::fs::create_dir(cli.path("etc")).unwrap();
    let init = with_config(
        &config,
        &["init", "--public-url", "https://idp.contoso.com"],
    );
    cli.done(&init);
    assert!(cli.refused(1, &init).contains("is there already"));
    cli.done(&with_config(&config, &["check"]));
    let unready = cli.refused(1, &with_config(&config, &["user", "list"]));
    assert!(unready.contains("claimbridge migrate"), "{unready}");
    cli.done(&with_config(&config, &["migrate"]));
    let issuer = "https://idp.contoso.com/contoso.com";
    cli.done(&with_config(
        &config,
        &["domain", "add", "contoso.com", "--issuer", issuer],
    ));
    let add = [
        "user",
        "add",
        AGENT,
        "--name",
        "Agent One",
        "--immutable-id",
        "ABCDEG1234567890",
        "--password-stdin",
    ];
    let said = cli.run_with(&with_config(&config, &add), "correct horse battery\n");
    assert_eq!(said.exit, 0, "{said:?}");
    let pass = cli.json(&with_config(&config, &["user", "pass", AGENT]));
    assert_eq!(pass["pass"].as_str().unwrap().len(), 16);
    assert!(pass["expires_at"].as_str().unwrap().ends_with('Z'));
    let show = cli.json(&with_config(&config, &["user", "show", AGENT]));
    assert_eq!(show["immutable_id"], "ABCDEG1234567890");
    assert_eq!(show["password"], "set");
    let domain = cli.json(&with_config(&config, &["domain", "show", "contoso.com"]));
    assert_eq!(domain["issuer"], issuer);
}

#[test]
fn inspect_answers_with_its_exit_code() {
    let cli = Cli::empty();
    let inspect = |message: &str, json: &[&str]| {
        let (message, certificate) = (
            fixture(&format!("inspector/messages/{message}")),
            fixture("inspector/active.pem"),
        );
        let line = [
            "inspect",
            &message,
            "--issuer",
            "https://idp.contoso.com/contoso.com",
            "--cloud",
            "global",
            "--certificate",
            &certificate,
            "--at",
            "2026-11-20T10:00:00Z",
        ];
        cli.run(&[&line, json].concat())
    };
    let said = inspect("good.xml", &["--json"]);
    assert_eq!(said.exit, 0, "{said:?}");
    let value = said.json();
    assert_eq!(value["input"]["kind"], "saml2-response");
    assert_eq!(value["verdicts"][0]["consumer"], "entra-saml2");
    assert_eq!(value["verdicts"][0]["outcome"], "accepted");
    assert_eq!(value["verdicts"][0]["mfa"], true);
    assert!(inspect("good.xml", &[]).out.contains("accepted"));
    let said = inspect("attack-10-reference-outside.xml", &["--json"]);
    assert_eq!(said.exit, 1, "{said:?}");
    assert_eq!(said.json()["verdicts"][0]["outcome"], "rejected");
    cli.refused(2, &["inspect", "nowhere.xml"]);
    assert_eq!(cli.run_with(&["inspect"], "hello").exit, 2);
}

#[test]
fn check_and_wrong_usage() {
    let cli = Cli::empty();
    assert!(cli.refused(1, &["check"]).contains("public_url"));
    let said = cli.run(&["check", "--json"]);
    assert_eq!((said.exit, said.json()["good"].clone()), (1, json!(false)));
    cli.refused(2, &["user", "list"]);
    cli.refused(2, &["frobnicate"]);
    let lost = cli.refused(2, &["--config", "nowhere.toml", "user", "list"]);
    assert_eq!(lost.lines().count(), 1, "{lost}");
    for url in [
        "http://idp.contoso.com",
        "https://idp.contoso.com/here",
        "nowhere",
    ] {
        cli.refused(2, &["init", "--public-url", url]);
        assert!(!cli.path("claimbridge.toml").exists() && !cli.path("master.key").exists());
    }
    assert!(cli.done(&["--help"]).contains("relying-party"));
}

#[test]
fn domains_and_people() {
    let cli = Cli::new();
    assert!(
        cli.refused(1, &["domain", "add", "contoso.com"])
            .contains("already")
    );
    let sub = cli.json(&["domain", "add", "eu.contoso.com"]);
    assert_eq!(sub["root"], "contoso.com");
    assert_eq!(cli.json(&["domain", "list"]).as_array().unwrap().len(), 2);
    assert!(
        cli.refused(1, &["domain", "show", "x.example"])
            .contains("domain add")
    );

    let added = cli.json(&["user", "add", AGENT, "--name", "Agent One"]);
    assert_eq!(added["upn"], AGENT);
    cli.refused(1, &["user", "add", AGENT, "--name", "Again"]);
    cli.refused(1, &["user", "add", "a@elsewhere.example", "--name", "Far"]);
    cli.refused(2, &["user", "add", "nobody", "--name", "No"]);
    cli.refused(2, &["user", "add", "b@contoso.com", "--name", ""]);
    let missing = cli.refused(1, &["user", "show", "nobody@contoso.com"]);
    assert!(missing.contains("user list"), "{missing}");
    let coverage = cli.done(&["user", "list", "--coverage"]);
    assert!(coverage.contains("0 of 1 can sign in"), "{coverage}");
    let coverage = cli.json(&["user", "list", "--coverage"]);
    assert_eq!(coverage[0]["covered"], false);
    assert!(coverage[0]["last_mfa_at"].is_null());

    cli.done(&["user", "disable", AGENT]);
    cli.refused(1, &["user", "pass", AGENT]);
    cli.done(&["user", "enable", AGENT]);
    cli.refused(2, &["user", "pass", AGENT, "--lifetime", "5m"]);
    cli.refused(1, &["user", "set-immutable-id", AGENT, "NEW"]);
    cli.done(&["user", "set-immutable-id", AGENT, "NEW", "--replace"]);
    cli.refused(2, &["user", "set-immutable-id", AGENT, "a_b", "--replace"]);
    let set = ["user", "set-password", AGENT, "--password-stdin"];
    assert_eq!(cli.run_with(&set, "correct horse battery\n").exit, 0);
    assert_eq!(cli.run_with(&set, "short\n").exit, 2);
    cli.refused(2, &["user", "set-password", AGENT]);
    assert_eq!(cli.json(&["user", "sessions", AGENT]), json!([]));
    assert_eq!(
        cli.json(&["user", "sessions", AGENT, "--end"]),
        json!({"ended": 0})
    );
    assert!(cli.done(&["user", "reset", AGENT]).contains("user pass"));
    assert_eq!(cli.json(&["user", "show", AGENT])["password"], "none");
}

#[tokio::test]
async fn unlock_says_what_it_cannot_lift() {
    let cli = Cli::new();
    cli.done(&["user", "add", AGENT, "--name", "Agent One"]);
    let set = ["user", "set-password", AGENT, "--password-stdin"];
    assert_eq!(cli.run_with(&set, "correct horse battery\n").exit, 0);
    assert!(
        cli.done(&["user", "unlock", AGENT])
            .contains("may try again now")
    );
    cli.sql("UPDATE passwords SET dead_at = 1795168800000")
        .await;
    cli.done(&["user", "disable", AGENT]);
    let said = cli.refused(1, &["user", "unlock", AGENT]);
    assert!(said.contains("dead"), "{said}");
    assert!(
        said.contains("claimbridge user set-password agent1@contoso.com"),
        "{said}"
    );
    assert!(
        said.contains("claimbridge user enable agent1@contoso.com"),
        "{said}"
    );
    cli.done(&["user", "enable", AGENT]);
    assert_eq!(cli.run_with(&set, "another password\n").exit, 0);
    assert!(
        cli.done(&["user", "unlock", AGENT])
            .contains("may try again now")
    );
}

#[test]
fn keys_and_the_master_key() {
    let cli = Cli::new();
    let keys = cli.json(&["keys", "list"]);
    assert_eq!(keys[0]["purpose"], "assertion");
    let pem = cli.done(&["keys", "export-certificate"]);
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\nMII"), "{pem}");
    let base64 = cli.done(&["keys", "export-certificate", "--form", "base64"]);
    assert_eq!(keys[0]["certificate"], base64.trim());
    cli.done(&["keys", "export-certificate", "--out", "cert.pem"]);
    assert_eq!(std::fs::read_to_string(cli.path("cert.pem")).unwrap(), pem);

    let rewrap = ["keys", "rewrap", "--new-master-key-file", "new.key"];
    cli.refused(2, &rewrap);
    cli.write("new.key", "5f".repeat(32));
    let mode = |mode| {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(cli.path("new.key"), mode).unwrap();
    };
    mode(0o644);
    assert!(cli.refused(2, &rewrap).contains("chmod 600"));
    mode(0o600);
    assert_eq!(cli.json(&rewrap)["keys"], 1);
    let old = cli.refused(1, &["user", "list"]);
    assert!(old.contains("master_key_file"), "{old}");
    std::fs::rename(cli.path("new.key"), cli.path("master.key")).unwrap();
    cli.done(&["user", "list"]);
}

#[test]
fn relying_parties() {
    let cli = Cli::new();
    let sp = |name: &str| {
        format!(
            r#"<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{name}"><SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://sp.example.com/acs" index="0"/></SPSSODescriptor></EntityDescriptor>"#
        )
    };
    let id = "https://sp.example.com";
    cli.write("sp.xml", sp(id));
    cli.write("entra.xml", sp("URN:federation:MicrosoftOnline/"));
    cli.write("broken.xml", "<EntityDescriptor");
    let add = |file| ["relying-party", "add", "--metadata", file];
    assert_eq!(cli.json(&add("sp.xml"))["entity_id"], id);
    cli.refused(1, &add("sp.xml"));
    assert!(
        cli.refused(1, &add("entra.xml"))
            .contains("Microsoft Entra ID")
    );
    cli.refused(2, &add("broken.xml"));
    cli.refused(2, &add("nowhere.xml"));
    let all = cli.json(&["relying-party", "list"]);
    assert_eq!(all[0]["kind"], "entra");
    assert_eq!(all[1]["entity_id"], id);
    assert_eq!(cli.json(&["relying-party", "show", id]), all[1]);
    cli.refused(1, &["relying-party", "show", "nobody"]);
    cli.done(&["relying-party", "remove", id]);
    cli.refused(1, &["relying-party", "remove", id]);
    let entra = cli.refused(
        1,
        &["relying-party", "remove", "urn:federation:MicrosoftOnline"],
    );
    assert!(entra.contains("[entra]"), "{entra}");
}

#[test]
fn codes_rules_and_attempts_are_explained() {
    let cli = Cli::empty();
    assert!(cli.done(&["explain", "CB-SIGNIN-003"]).contains("cookie"));
    assert!(cli.done(&["explain", "cb-saml-004"]).contains("AADSTS"));
    assert!(
        cli.done(&["explain", "aadsts50076"])
            .contains("federatedIdpMfaBehavior")
    );
    assert!(cli.done(&["explain", "900421"]).contains("inspect live"));
    assert!(
        cli.refused(1, &["explain", "AADSTS1"])
            .contains("no error that is explained here")
    );
    assert!(
        cli.refused(1, &["explain", "CB-SAML-994"])
            .contains("did you mean CB-SAML-")
    );
    let no_id = cli.refused(2, &["explain", "att_0000"]);
    assert!(no_id.contains("attempt"), "{no_id}");
    let cli = Cli::new();
    let unknown = cli.refused(1, &["explain", "att_abcdefghijklmnopqrstuvwxyz"]);
    assert!(unknown.contains("nothing is known"), "{unknown}");
}
