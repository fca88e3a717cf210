//! Groups of people, the FIDO metadata file, the clean desk.

use std::{
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStderr, Command, Stdio},
};

use serde_json::json;

use super::Cli;
use crate::mds_kit::{Authority, Publisher, ca, leaf, payload, some_entries};

const AGENT: &str = "agent1@contoso.com";

/// The file that `init` wrote, and more in its sections.
fn configure(cli: &Cli, more: &str) {
    let text = std::fs::read_to_string(cli.path("claimbridge.toml")).unwrap();
    let text = text
        .replace("[policy.webauthn]\n", "")
        .replace("# listen = \"127.0.0.1:8080\"", "listen = \"127.0.0.1:0\"")
        .replace("[policy]\n", more);
    cli.write("claimbridge.toml", text);
}

#[test]
fn people_are_in_groups_with_rules() {
    let cli = Cli::new();
    configure(
        &cli,
        "[policy]\nminimum_methods = 1\n[[policy.group]]\nname = \"Desk\"\nallowed_methods = [\"security-key\"]\nminimum_methods = 2\n",
    );
    assert_eq!(cli.done(&["check"]), "The configuration is good.\n");

    cli.done(&["user", "add", AGENT, "--name", "A", "--group", "desk"]);
    let group = |what: &str, name: &str| cli.done(&["user", "group", what, AGENT, name]);
    let listed = |upn: &str| cli.json(&["user", "group", "list", upn]);
    assert_eq!(
        listed(AGENT),
        json!({"groups": ["desk"], "allowed_methods": ["security-key"], "minimum_methods": 2})
    );
    assert!(group("add", "DESK").contains("was already"));
    // A typing error is said, and does no harm.
    assert!(group("add", "desc").contains("No [[policy.group]] is named desc"));
    assert!(group("remove", "desc").contains("any more"));
    let none = cli.refused(1, &["user", "group", "remove", AGENT, "desc"]);
    assert!(none.contains("user group list"), "{none}");
    cli.refused(2, &["user", "group", "add", AGENT, "a;b"]);
    cli.refused(1, &["user", "group", "list", "nobody@contoso.com"]);
    let shown = cli.done(&["user", "list"]);
    assert!(shown.contains("groups desk"), "{shown}");

    // There and back by CSV.
    let csv = "upn,name,groups\nb@contoso.com,B,Desk; night shift\nc@contoso.com,C,\n";
    assert_eq!(cli.run_with(&["user", "import", "-"], csv).exit, 0);
    assert_eq!(
        listed("b@contoso.com")["groups"],
        json!(["desk", "night shift"])
    );
    let everyone = json!(["totp", "oath-token", "security-key"]);
    assert_eq!(listed("c@contoso.com")["allowed_methods"], everyone);
    let exported = cli.done(&["user", "export"]);
    let line = exported
        .lines()
        .find(|line| line.starts_with("b@"))
        .unwrap();
    assert!(line.ends_with(",desk;night shift"), "{line}");
    let bad = "upn,name,groups\nd@contoso.com,D,\"a,b\"\n";
    let said = cli.run_with(&["user", "import", "-"], bad);
    assert!(said.exit == 1 && said.err.contains("groups:"), "{said:?}");

    let coverage = cli.json(&["user", "list", "--coverage"]);
    assert_eq!(
        coverage[0]["methods_by_kind"],
        json!({"totp": 0, "oath-token": 0, "security-key": 0})
    );
    assert!(coverage[0]["last_refusal"].is_null());
    assert_eq!(coverage[0]["recovery_codes"], 0);
    assert_eq!(coverage[0]["below_minimum"], true);
    let coverage = cli.done(&["user", "list", "--coverage"]);
    assert!(
        coverage.contains("methods none\tlast MFA never\tlast refusal never"),
        "{coverage}"
    );
}

/// A publisher whose certificates are good for as long as anybody runs this.
fn lasting() -> Publisher {
    let long = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2999, 1, 1);
    };
    let root = Authority::root("Test root", long);
    let between = root.issue("Test CA", |params| {
        ca(params);
        long(params);
    });
    let signer = between.issue("Test publisher", |params| {
        leaf(params);
        long(params);
    });
    Publisher {
        root,
        between,
        signer,
    }
}

#[test]
fn check_and_serve_read_the_metadata_file() {
    let cli = Cli::new();
    let publisher = lasting();
    let publish = |number, next_update: &str| {
        let mut payload = payload(number, &some_entries(b"root"));
        payload["nextUpdate"] = json!(next_update);
        cli.write("mds.jwt", publisher.publish(&payload));
    };
    cli.write("root.der", &publisher.root.der);
    publish(42, "2999-01-01");
    configure(
        &cli,
        "[policy]\n[policy.webauthn]\nattestation = \"enforced\"\nmds_file = \"mds.jwt\"\nmds_root_file = \"root.der\"\n",
    );
    assert_eq!(
        cli.done(&["check"]),
        "FIDO metadata: number 42, 3 models, next update 2999-01-01.\nThe configuration is good.\n"
    );
    assert_eq!(
        cli.json(&["check"])["metadata"],
        json!({"number": 42, "models": 3, "next_update": "2999-01-01", "stale": false})
    );
    // Out of date: no key could be added.
    publish(43, "2020-01-01");
    let stale = cli.refused(1, &["check"]);
    assert!(
        stale.contains("policy.webauthn.mds_file") && stale.contains("2020-01-01"),
        "{stale}"
    );
    // A file that is none; one of somebody else; roots that are none.
    for (file, bytes) in [
        ("mds.jwt", b"<html>".to_vec()),
        ("mds.jwt", Publisher::new().publish(&payload(44, &[]))),
        ("root.der", b"no certificate".to_vec()),
    ] {
        publish(43, "2999-01-01");
        cli.write("root.der", &publisher.root.der);
        cli.write(file, bytes);
        let check = cli.refused(1, &["check"]);
        assert!(check.contains("policy.webauthn.mds_"), "{check}");
        let serve = cli.run(&["serve"]);
        assert_eq!(serve.exit, 2, "{serve:?}");
        assert!(serve.err.contains("policy.webauthn.mds_"), "{serve:?}");
    }
}

#[test]
fn check_names_what_is_messy_on_a_clean_desk() {
    let cli = Cli::new();
    let text = std::fs::read_to_string(cli.path("claimbridge.toml")).unwrap();
    let text = text.replace(
        "# support_contact = \"the service desk, extension …\"",
        "support_contact = \"help@contoso.com\"",
    );
    cli.write("claimbridge.toml", text);
    configure(
        &cli,
        "[policy]\nclean_desk = true\nsession_idle = \"1h\"\nsession_lifetime = \"8h\"\nstay_signed_in = true\n\
         [policy.webauthn]\nattestation = \"recorded\"\nsynced_passkeys = \"allowed\"\n\
         keys_without_model = \"allowed\"\n",
    );
    // One line each, with what to write instead.
    let said = cli.refused(1, &["check"]);
    let lines: Vec<&str> = said.lines().collect();
    let wanted = [
        ("policy.session_idle", "make it 5m or shorter"),
        ("policy.session_lifetime", "make it 1h or shorter"),
        ("policy.stay_signed_in", "make it false"),
        ("policy.webauthn.attestation", "make it \"enforced\""),
        ("policy.webauthn.mds_file", "name it"),
        ("policy.webauthn.synced_passkeys", "make it \"refused\""),
        ("policy.webauthn.keys_without_model", "make it \"refused\""),
        ("branding.support_contact", "name a desk"),
    ];
    assert_eq!(lines.len(), wanted.len(), "{said}");
    for (line, (key, remedy)) in lines.iter().zip(wanted) {
        assert!(line.contains(key), "{key}: {line}");
        assert!(
            line.contains("this contradicts policy.clean_desk"),
            "{line}"
        );
        assert!(line.contains(remedy), "{remedy}: {line}");
    }
    let json = cli.run(&["check", "--json"]).json();
    assert_eq!(json["problems"].as_array().unwrap().len(), wanted.len());
    assert_eq!(cli.run(&["serve"]).exit, 2, "it does not start like that");
}

/// `serve` in a process of its own, ended with the test; its log as it is written.
struct Serving {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Serving {
    fn start(cli: &Cli) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
            .arg("serve")
            .env_clear()
            .current_dir(cli.path("."))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, log }
    }

    /// Waits for a line of the log with this text.
    fn wait_for(&mut self, text: &str) {
        let found = self.log.by_ref().any(|line| line.unwrap().contains(text));
        assert!(found, "it ended without {text}");
    }

    fn hang_up(&self) {
        let done = Command::new("kill")
            .args(["-HUP", &self.child.id().to_string()])
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn serve_reads_the_metadata_file_again_when_it_is_asked() {
    let cli = Cli::new();
    let publisher = lasting();
    let publish = |number| {
        let mut payload = payload(number, &some_entries(b"root"));
        payload["nextUpdate"] = json!("2999-01-01");
        // As a person would: never half of it under the name that is read.
        cli.write("mds.new", publisher.publish(&payload));
        std::fs::rename(cli.path("mds.new"), cli.path("mds.jwt")).unwrap();
    };
    cli.write("root.der", &publisher.root.der);
    publish(42);
    configure(
        &cli,
        "[policy]\n[policy.webauthn]\nmds_file = \"mds.jwt\"\nmds_root_file = \"root.der\"\n",
    );
    let mut serving = Serving::start(&cli);
    serving.wait_for("\"number\":42");
    publish(43);
    serving.hang_up();
    serving.wait_for("\"number\":43");
    // An older one is refused, and it goes on with what it has.
    publish(42);
    serving.hang_up();
    serving.wait_for("number 43 was used before");
    publish(44);
    serving.hang_up();
    serving.wait_for("\"number\":44");
    drop(serving);
    // A restart with the older file does not use it either, and locks nobody out.
    publish(43);
    let mut restarted = Serving::start(&cli);
    restarted.wait_for("number 44 was used before");
    publish(45);
    restarted.hang_up();
    restarted.wait_for("\"number\":45");
}
