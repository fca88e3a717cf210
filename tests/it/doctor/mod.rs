//! `doctor`: the built program looks at a server, at a world that is as it should be, and at
//! worlds in which one thing is not.

/// What Entra reads of External MFA.
mod external_mfa;
/// An Entra that says what a test wants.
mod world;

use serde_json::Value;

use crate::cli::Said;
use world::{Entra, Patient, Proxy, TlsFiles};

/// The outcomes of one check.
fn outcomes(said: &Said, id: &str) -> Vec<String> {
    said.json()["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["id"] == id)
        .map(|finding| finding["outcome"].as_str().unwrap().to_owned())
        .collect()
}

/// All ids with that outcome.
fn with_outcome(said: &Said, outcome: &str) -> Vec<String> {
    let value = said.json();
    let mut ids: Vec<String> = value["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["outcome"] == outcome)
        // The disk that tests run on may be nearly full.
        .filter(|finding| finding["id"] != "CB-DOC-024")
        .map(|finding| finding["id"].as_str().unwrap().to_owned())
        .collect();
    ids.dedup();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_everything_is_as_it_should_be_there_is_a_line_a_group() {
    let patient = Patient::new(Entra::good()).await;
    let said = patient.doctor(&["--json"]).await;
    assert_eq!(
        with_outcome(&said, "problem"),
        Vec::<String>::new(),
        "{said:?}"
    );
    assert_eq!(
        with_outcome(&said, "warning"),
        Vec::<String>::new(),
        "{said:?}"
    );
    assert_eq!(
        with_outcome(&said, "unseen"),
        Vec::<String>::new(),
        "{said:?}"
    );
    let good = with_outcome(&said, "good");
    for id in [
        "CB-DOC-001",
        "CB-DOC-010",
        "CB-DOC-020",
        "CB-DOC-021",
        "CB-DOC-022",
        "CB-DOC-023",
        "CB-DOC-027",
        "CB-DOC-030",
        "CB-DOC-040",
        "CB-DOC-060",
        "CB-DOC-061",
        "CB-DOC-062",
        "CB-DOC-063",
        "CB-DOC-070",
        "CB-DOC-071",
    ] {
        assert!(good.contains(&id.to_owned()), "{id} is missing: {said:?}");
    }
    let said = patient.doctor(&[]).await;
    for group in [
        "configuration",
        "files",
        "keys",
        "clock",
        "address",
        "entra",
    ] {
        assert!(
            said.out
                .lines()
                .any(|line| line.starts_with(group) && line.ends_with(" ok")),
            "{group}: {}",
            said.out
        );
    }
    assert_eq!(said.err, "");
    // What is good is said when it is asked for.
    let said = patient.doctor(&["--verbose"]).await;
    assert!(said.out.contains("CB-DOC-060"), "{}", said.out);
    assert!(!said.out.contains(&patient.master_key()), "a secret");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_world_has_its_finding() {
    let with = |change: fn(&mut Entra)| {
        let mut entra = Entra::good();
        change(&mut entra);
        entra
    };
    for (entra, id, outcome, exit) in [
        (with(|entra| entra.clock = 45), "CB-DOC-040", "warning", 1),
        (with(|entra| entra.clock = -120), "CB-DOC-040", "problem", 1),
        (
            with(|entra| entra.entity_id = "urn:other"),
            "CB-DOC-070",
            "problem",
            1,
        ),
        (
            with(|entra| entra.sp_metadata_status = 404),
            "CB-DOC-070",
            "unseen",
            3,
        ),
        (
            with(|entra| entra.realm = "Federated elsewhere"),
            "CB-DOC-071",
            "problem",
            1,
        ),
        (
            with(|entra| entra.realm = "Unknown"),
            "CB-DOC-071",
            "problem",
            1,
        ),
        (
            with(|entra| entra.realm = "Managed"),
            "CB-DOC-071",
            "note",
            0,
        ),
        (
            with(|entra| entra.realm = "nonsense"),
            "CB-DOC-071",
            "unseen",
            3,
        ),
    ] {
        let patient = Patient::new(entra).await;
        let said = patient.doctor(&["--json"]).await;
        assert_eq!(outcomes(&said, id), [outcome], "{id}: {said:?}");
        // A full disk is to be mended whatever the rest is.
        if outcomes(&said, "CB-DOC-024") == ["good"] {
            assert_eq!(said.exit, exit, "{id}: {said:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_at_the_address_is_not_taken_for_ours() {
    let patient = Patient::new(Entra::good()).await;
    // The same answers in every byte, but another master key here: the proof does not fit.
    let other = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    patient.cli.write_secret("master.key", other);
    let said = patient.doctor(&["--json"]).await;
    assert_eq!(said.exit, 1);
    assert_eq!(outcomes(&said, "CB-DOC-060"), ["problem"], "{said:?}");
    assert_eq!(outcomes(&said, "CB-DOC-027"), ["problem"], "{said:?}");
    assert!(!said.out.contains(other));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_listens_that_is_what_is_said() {
    let patient = Patient::new(Entra::good()).await;
    patient.stop().await;
    let said = patient.doctor(&["--json"]).await;
    assert_eq!(outcomes(&said, "CB-DOC-060"), ["problem"], "{said:?}");
    assert_eq!(
        outcomes(&said, "CB-DOC-071"),
        ["good"],
        "the rest is looked at all the same"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_forwarded_address_that_is_believed_is_a_problem() {
    let patient = Patient::behind(Entra::good(), &["127.0.0.1"]).await;
    let said = patient.doctor(&["--json"]).await;
    assert_eq!(outcomes(&said, "CB-DOC-061"), ["problem"], "{said:?}");
    assert!(said.out.contains("passes it on unchanged"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_proxy_does_on_the_way_is_seen() {
    let trusted: &[&str] = &["127.0.0.1"];
    for (proxy, trusted, id, outcome) in [
        (Proxy::Replaces, trusted, "CB-DOC-061", "good"),
        (Proxy::Replaces, trusted, "CB-DOC-062", "good"),
        (Proxy::Replaces, &[], "CB-DOC-061", "problem"),
        (Proxy::PassesOn, trusted, "CB-DOC-061", "problem"),
        (Proxy::Drops, trusted, "CB-DOC-061", "problem"),
        // Asked from the proxy's own machine, which is trusted.
        (Proxy::Adds, trusted, "CB-DOC-061", "note"),
        (Proxy::IsShort, trusted, "CB-DOC-062", "problem"),
        (Proxy::RenamesHost, trusted, "CB-DOC-063", "problem"),
        (Proxy::AnswersItself, trusted, "CB-DOC-060", "problem"),
    ] {
        let patient = Patient::behind_proxy(proxy, trusted).await;
        let said = patient.doctor(&["--json"]).await;
        assert_eq!(outcomes(&said, id), [outcome], "{proxy:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_the_certificate_that_the_world_sees_is_judged() {
    for (days, names, trusted, outcome) in [
        (90, "localhost", true, "good"),
        (20, "localhost", true, "warning"),
        (5, "localhost", true, "problem"),
        (90, "localhost", false, "problem"),
        (90, "elsewhere.example", true, "problem"),
    ] {
        let tls = TlsFiles::new(days, names);
        let patient = Patient::over_tls(Entra::good(), &tls).await;
        let said = if trusted {
            patient.doctor_trusting(&tls, &["--json"]).await
        } else {
            patient.doctor(&["--json"]).await
        };
        let seen = outcomes(&said, "CB-DOC-051");
        assert_eq!(seen, [outcome], "{days} {names} {trusted}: {said:?}");
        let reachable = outcomes(&said, "CB-DOC-060");
        let wanted = if trusted && names == "localhost" {
            "good"
        } else {
            "unseen"
        };
        assert_eq!(reachable, [wanted], "{days} {names} {trusted}: {said:?}");
        // The files say the same, but whether anybody trusts them.
        let file = outcomes(&said, "CB-DOC-050");
        let wanted = if trusted { outcome } else { "good" };
        assert!(
            file.contains(&wanted.to_owned()),
            "{days} {names}: {said:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offline_nobody_is_asked() {
    let patient = Patient::new(Entra::good()).await;
    patient.stop().await;
    let said = patient.doctor(&["--offline", "--json"]).await;
    let asked: Vec<Value> = said.json()["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| {
            matches!(
                finding["group"].as_str(),
                Some("clock" | "address" | "entra" | "tenant")
            )
        })
        .cloned()
        .collect();
    assert_eq!(asked, Vec::<Value>::new());
    assert_eq!(patient.entra_was_asked(), 0);
    let said = patient.doctor(&["--offline"]).await;
    assert!(
        said.out.contains("address        not looked at"),
        "{}",
        said.out
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_and_database_are_looked_at() {
    let patient = Patient::new(Entra::good()).await;
    patient.cli.permit("claimbridge.toml", 0o666);
    patient.cli.permit("claimbridge.db", 0o644);
    let said = patient.doctor(&["--offline", "--json"]).await;
    assert_eq!(said.exit, 1);
    assert_eq!(outcomes(&said, "CB-DOC-011"), ["problem"], "{said:?}");
    assert!(
        outcomes(&said, "CB-DOC-010").contains(&"problem".to_owned()),
        "{said:?}"
    );
    patient.cli.permit("claimbridge.toml", 0o644);
    patient.cli.permit("claimbridge.db", 0o600);
    // A password in the file makes the file a secret.
    let text = std::fs::read_to_string(patient.cli.path("claimbridge.toml")).unwrap();
    patient.cli.write(
        "claimbridge.toml",
        text.replace(
            "database_url = \"sqlite://claimbridge.db\"",
            "database_url = \"postgres://idp:s3cr3t@127.0.0.1:9/idp\"",
        ),
    );
    let said = patient.doctor(&["--offline", "--json"]).await;
    assert_eq!(outcomes(&said, "CB-DOC-020"), ["problem"], "{said:?}");
    assert!(
        outcomes(&said, "CB-DOC-010").contains(&"problem".to_owned()),
        "{said:?}"
    );
    assert!(!said.out.contains("s3cr3t"), "{said:?}");
    // A configuration that is not good is a finding too.
    patient
        .cli
        .write("claimbridge.toml", "public_url = \"ftp://x\"");
    let said = patient.doctor(&["--json"]).await;
    assert_eq!(said.exit, 1);
    assert!(
        outcomes(&said, "CB-DOC-001").contains(&"problem".to_owned()),
        "{said:?}"
    );
    // Keys that are gone, although an event says that they were made.
    patient.cli.write("claimbridge.toml", text);
    let said = patient.doctor(&["--offline", "--json"]).await;
    assert!(outcomes(&said, "CB-DOC-032").is_empty(), "{said:?}");
    patient.cli.sql("DELETE FROM signing_keys").await;
    let said = patient.doctor(&["--offline", "--json"]).await;
    assert_eq!(outcomes(&said, "CB-DOC-032"), ["problem"], "{said:?}");
    assert!(said.out.contains("are missing"), "{said:?}");
    // A schema of before.
    patient
        .cli
        .sql("DELETE FROM migrations WHERE name = '0008_token_secrets'")
        .await;
    let said = patient.doctor(&["--offline", "--json"]).await;
    assert_eq!(outcomes(&said, "CB-DOC-021"), ["problem"], "{said:?}");
    std::fs::remove_file(patient.cli.path("claimbridge.db")).unwrap();
    let said = patient.doctor(&["--offline", "--json"]).await;
    assert_eq!(outcomes(&said, "CB-DOC-020"), ["problem"], "{said:?}");
    assert!(
        !patient.cli.path("claimbridge.db").exists(),
        "doctor makes nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_told_one_word() {
    let patient = Patient::new(Entra::good()).await;
    for question in ["", "1.2.3", "1795168800000.aaaa.00"] {
        let answer = reqwest::Client::new()
            .get(format!("{}/healthz", patient.public))
            .header("claimbridge-doctor", question)
            .send()
            .await
            .unwrap();
        assert!(!answer.headers().contains_key("claimbridge-sees"));
        assert_eq!(answer.text().await.unwrap(), "ok\n");
    }
}

#[test]
fn checks_are_explained() {
    let cli = crate::cli::Cli::empty();
    let said = cli.done(&["explain", "cb-doc-061"]);
    assert!(said.contains("CB-DOC-061"), "{said}");
    assert!(said.contains("Why it matters"), "{said}");
    let said = cli.refused(1, &["explain", "CB-DOC-666"]);
    assert!(said.contains("did you mean CB-DOC-0"), "{said}");
}
