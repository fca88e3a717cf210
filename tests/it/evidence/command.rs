//! What the command promises: files, options, exit codes.

use std::os::unix::fs::PermissionsExt as _;

use crate::cli::Cli;

fn cli() -> Cli {
    let cli = Cli::new();
    cli.done(&[
        "user",
        "add",
        "maria@contoso.com",
        "--name",
        "Maria Mueller",
    ]);
    cli
}

#[test]
fn a_bundle_is_written_for_its_owner_only_and_verifies() {
    let cli = cli();
    let refused = cli.refused(1, &["keys", "export-certificate", "--purpose", "audit"]);
    assert!(refused.contains("claimbridge evidence"), "{refused}");
    let told = cli.json(&["evidence", "--out", "bundle.zip"]);
    assert_eq!(told["files"], 15);
    let mode = std::fs::metadata(cli.path("bundle.zip"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let left = std::fs::read_dir(cli.path(".")).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains(".part")
    });
    assert_eq!(left.count(), 0);

    let ancient = cli.refused(2, &["evidence", "--out", "x.zip", "--since", "200000d"]);
    assert!(ancient.contains("ten years"), "{ancient}");

    let answer = cli.json(&["evidence", "verify", "bundle.zip"]);
    assert_eq!(answer["good"], true);
    assert_eq!(answer["signer"], "this-server");
    assert_eq!(answer["fingerprint"], told["fingerprint"]);
    let alone = cli.done(&["evidence", "verify", "bundle.zip", "--alone"]);
    assert!(alone.contains("Who signed it is not known"), "{alone}");
    // Whoever alters a bundle signs it anew: without a known key nothing is said of that.
    assert!(!alone.contains("Nothing was altered"), "{alone}");
    let known = cli.done(&["evidence", "verify", "bundle.zip"]);
    assert!(known.contains("Nothing was altered"), "{known}");

    // Signed with another key: here it is none of this server's, and no good bundle.
    let stranger = self::cli();
    stranger.done(&["evidence", "--out", "bundle.zip"]);
    cli.write(
        "foreign.zip",
        std::fs::read(stranger.path("bundle.zip")).unwrap(),
    );
    let said = cli.run(&["evidence", "verify", "foreign.zip", "--json"]);
    assert_eq!(said.exit, 1, "{said:?}");
    let answer: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&answer["good"], &answer["altered"], &answer["signer"]),
        (&false.into(), &false.into(), &"not-this-server".into())
    );

    let right = cli.done(&[
        "keys",
        "export-certificate",
        "--purpose",
        "audit",
        "--form",
        "fingerprint",
    ]);
    let pinned = cli.done(&[
        "evidence",
        "verify",
        "bundle.zip",
        "--fingerprint",
        right.trim(),
    ]);
    assert!(pinned.contains("with the key that you named"), "{pinned}");
    cli.done(&[
        "keys",
        "export-certificate",
        "--purpose",
        "audit",
        "--out",
        "audit.pem",
    ]);
    let by_file = cli.json(&["evidence", "verify", "bundle.zip", "--key", "audit.pem"]);
    assert_eq!(by_file["signer"], "as-given");
    let list = cli.json(&["keys", "list"]);
    let audit = list
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["purpose"] == "audit")
        .unwrap();
    assert_eq!(audit["fingerprint"], told["fingerprint"]);
}

#[test]
fn exit_codes_tell_altered_from_unreadable_and_a_wrong_key_is_no() {
    let cli = cli();
    cli.done(&["evidence", "--out", "bundle.zip"]);
    let mut bytes = std::fs::read(cli.path("bundle.zip")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    cli.write("altered.zip", &bytes);
    let said = cli.run(&["evidence", "verify", "altered.zip"]);
    assert_eq!(said.exit, 1, "{said:?}");
    assert!(said.out.contains("is not as it was made"), "{said:?}");
    cli.write("text.zip", "no archive");
    cli.refused(2, &["evidence", "verify", "text.zip"]);
    cli.refused(2, &["evidence", "verify", "missing.zip"]);
    let wrong = "00".repeat(32);
    let said = cli.run(&["evidence", "verify", "bundle.zip", "--fingerprint", &wrong]);
    assert_eq!(said.exit, 1, "{said:?}");
    assert!(
        said.out.contains("another key than the one you named"),
        "{said:?}"
    );
    cli.refused(
        2,
        &["evidence", "verify", "bundle.zip", "--fingerprint", "abc"],
    );
    // The certificate that signs assertions is not the one that signs evidence.
    cli.done(&["keys", "export-certificate", "--out", "assertion.pem"]);
    let said = cli.run(&["evidence", "verify", "bundle.zip", "--key", "assertion.pem"]);
    assert_eq!(said.exit, 1, "{said:?}");

    // Where there is no configuration, nothing is said of who made it.
    let elsewhere = Cli::empty();
    elsewhere.write("bundle.zip", std::fs::read(cli.path("bundle.zip")).unwrap());
    let answer = elsewhere.json(&["evidence", "verify", "bundle.zip"]);
    assert_eq!(
        (&answer["good"], &answer["signer"]),
        (&true.into(), &"unknown".into())
    );
}

#[test]
fn a_file_that_is_there_stays_unless_force_is_said() {
    let cli = cli();
    cli.write("bundle.zip", "mine");
    let refused = cli.refused(2, &["evidence", "--out", "bundle.zip"]);
    assert!(refused.contains("--force"), "{refused}");
    assert_eq!(std::fs::read(cli.path("bundle.zip")).unwrap(), b"mine");
    cli.done(&["evidence", "--out", "bundle.zip", "--force"]);
    assert_eq!(
        cli.json(&["evidence", "verify", "bundle.zip"])["good"],
        true
    );
    let mode = std::fs::metadata(cli.path("bundle.zip"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    cli.refused(2, &["evidence"]);
    cli.refused(2, &["evidence", "--out", "b.zip", "--since", "2999-01-01"]);
    cli.refused(2, &["evidence", "--out", "b.zip", "--since", "soon"]);
    assert!(!cli.path("b.zip").exists());
}

#[test]
fn a_live_check_with_a_token_in_it_is_refused() {
    let cli = cli();
    cli.write(
        "live.json",
        r#"{"live": {"tenant": "contoso.com", "mfa": true}}"#,
    );
    cli.done(&["evidence", "--out", "good.zip", "--live-check", "live.json"]);
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJ1cG4iOiJtYXJpYSJ9.AAAA";
    cli.write(
        "token.json",
        format!(r#"{{"live": {{"tenant": "{jwt}"}}}}"#),
    );
    let refused = cli.refused(
        2,
        &["evidence", "--out", "bad.zip", "--live-check", "token.json"],
    );
    assert!(refused.contains("looks like a token"), "{refused}");
    assert!(!refused.contains("eyJ"), "{refused}");
    assert!(!cli.path("bad.zip").exists());
}

#[test]
fn a_pseudonym_leads_back_to_its_person_here_and_nowhere_else() {
    let cli = cli();
    cli.done(&["evidence", "--out", "bundle.zip", "--pseudonyms"]);
    let archive = std::fs::read(cli.path("bundle.zip")).unwrap();
    let coverage = super::json(&archive, "coverage.json");
    let pseudonym = coverage["people"][0]["person"].as_str().unwrap().to_owned();
    assert!(pseudonym.starts_with("person-"), "{pseudonym}");
    let who = cli.done(&["evidence", "who", &pseudonym]);
    assert_eq!(who, "maria@contoso.com\tMaria Mueller\n");
    self::cli().refused(1, &["evidence", "who", &pseudonym]);
    let configuration = super::json(&archive, "configuration.json");
    assert_eq!(configuration["master_key"], "[left out]");
}
