//! The rollover as an operator types it.

use super::Cli;

#[test]
fn a_rollover_says_what_comes_next_and_refuses_what_would_break() {
    let cli = Cli::new();
    let first = cli.json(&["keys", "list"])[0].clone();
    assert_eq!(
        (&first["state"], &first["custody"]),
        (&"active".into(), &"software".into())
    );
    assert!(first["next"].is_null());

    let staged = cli.done(&["keys", "stage"]);
    for line in [
        "is published in the metadata",
        "claimbridge domain apply contoso.com",
        "claimbridge domain verify contoso.com",
        "claimbridge keys activate",
    ] {
        assert!(staged.contains(line), "{line} in {staged}");
    }
    let refused = cli.refused(1, &["keys", "activate"]);
    for line in [
        "The tenant of contoso.com was not seen to hold the certificate.",
        "What would happen: Everybody who signs in at contoso.com would be rejected",
        "First: Run `claimbridge domain apply contoso.com`",
        "--force goes on in spite of it.",
    ] {
        assert!(refused.contains(line), "{line} in {refused}");
    }
    let refused = cli.run(&["keys", "activate", "--json"]);
    assert_eq!(refused.exit, 1);
    let said: serde_json::Value = serde_json::from_str(&refused.out).unwrap();
    assert_eq!(said["refused"].as_array().unwrap().len(), 1);
    assert!(said["refused"][0]["until"].is_null());
    // A third certificate cannot be forced.
    let other = cli.json(&["keys", "create"]);
    let id = other["id"].as_str().unwrap();
    let refused = cli.refused(1, &["keys", "stage", "--key", id, "--force"]);
    assert!(!refused.contains("--force goes on"), "{}", refused);
    cli.done(&["keys", "retire", "--key", id]);

    let confirm = ["keys", "stage", "--confirm-published", "contoso.com"];
    assert!(cli.done(&confirm).contains("contoso.com knows key_"));
    let list = cli.json(&["keys", "list"]);
    let staged = list
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["state"] == "staged");
    let staged = staged.unwrap();
    assert_eq!(staged["next"]["step"], "activate");
    assert_eq!(staged["next"]["obstacles"], serde_json::json!([]));
    assert_eq!(staged["seen_by"][0]["party"]["name"], "contoso.com");

    let done = cli.done(&["keys", "activate"]);
    assert!(done.contains("signs from the next answer on"), "{done}");
    let exported = cli.done(&["keys", "export-certificate", "--form", "base64"]);
    assert_eq!(exported.trim(), staged["certificate"].as_str().unwrap());
    let former = first["id"].as_str().unwrap();
    let of_former = [
        "keys",
        "export-certificate",
        "--form",
        "base64",
        "--key",
        former,
    ];
    assert_eq!(
        cli.done(&of_former).trim(),
        first["certificate"].as_str().unwrap()
    );

    let refused = cli.refused(1, &["keys", "retire"]);
    assert!(refused.contains("less than a day ago"), "{}", refused);
    let done = cli.done(&["keys", "retire", "--force"]);
    assert!(
        done.contains("Forced: The key signed less than a day ago."),
        "{done}"
    );
    let refused = cli.refused(1, &["keys", "activate", "--key", former, "--force"]);
    assert!(refused.contains("erased"), "{}", refused);
}

/// Each command is a process that saw nothing (review L1): an older copy with its mark, from before
/// a key was staged, or from before it was activated.
#[tokio::test]
async fn attack_20_an_older_copy_of_the_keys_is_altered_for_each_command() {
    for is_staged in [false, true] {
        let cli = Cli::new();
        let copy = "CREATE TABLE older_keys AS SELECT * FROM signing_keys; CREATE TABLE older_marks AS SELECT * FROM key_marks";
        cli.json(&["keys", "list"]);
        if is_staged {
            cli.done(&["keys", "stage"]);
        }
        cli.sql(copy).await;
        if !is_staged {
            cli.done(&["keys", "stage"]);
        }
        cli.done(&["keys", "activate", "--force"]);
        cli.sql("DELETE FROM key_sightings; DELETE FROM signing_keys; DELETE FROM key_marks; INSERT INTO signing_keys SELECT * FROM older_keys; INSERT INTO key_marks SELECT * FROM older_marks").await;
        let list = cli.json(&["keys", "list"]);
        let states = list.as_array().unwrap().iter().map(|key| &key["state"]);
        assert!(states.clone().all(|state| state == "altered"), "{list}");
        assert!(states.count() > 0);
        let refused = cli.run(&["keys", "stage"]);
        assert_eq!(refused.exit, 1);
        assert!(
            refused.err.contains("altered outside claimbridge"),
            "{refused:?}"
        );
        cli.done(&["keys", "activate", "--force"].map(|word| {
            if is_staged || word != "activate" {
                word
            } else {
                "stage"
            }
        }));
        let list = cli.json(&["keys", "list"]);
        let states = list.as_array().unwrap().iter().map(|key| &key["state"]);
        assert!(states.clone().all(|state| state != "altered"), "{list}");
    }
}

#[test]
fn a_new_master_key_takes_a_rollover_along() {
    let cli = Cli::new();
    for arguments in [
        &["keys", "stage"][..],
        &["keys", "stage", "--confirm-published", "contoso.com"],
        &["keys", "activate"],
        &["keys", "stage", "--force"],
    ] {
        cli.done(arguments);
    }
    let states = |cli: &Cli| {
        let list = cli.json(&["keys", "list"]);
        let list = list.as_array().unwrap();
        list.iter()
            .map(|key| {
                (
                    key["id"].clone(),
                    key["state"].clone(),
                    key["seen_by"].clone(),
                )
            })
            .collect::<Vec<_>>()
    };
    let before = states(&cli);
    cli.write_secret("new.key", "ab".repeat(32));
    let done = cli.json(&["keys", "rewrap", "--new-master-key-file", "new.key"]);
    assert_eq!(done["keys"], 3);
    std::fs::rename(cli.path("new.key"), cli.path("master.key")).unwrap();
    assert_eq!(states(&cli), before);
    cli.done(&["keys", "export-certificate"]);
}

/// The configuration with a token that is not there.
fn name_a_token(cli: &Cli) -> String {
    let before = std::fs::read_to_string(cli.path("claimbridge.toml")).unwrap();
    cli.write("module.so", "no module");
    cli.write_secret("token.pin", "1234");
    let section =
        "[pkcs11]\nmodule = \"module.so\"\ntoken_label = \"x\"\npin_file = \"token.pin\"\n";
    cli.write("claimbridge.toml", before.replace("[pkcs11]\n", section));
    before
}

#[test]
fn a_token_that_is_not_there_is_never_replaced_by_software() {
    let cli = Cli::new();
    cli.done(&["keys", "list"]);
    let before = name_a_token(&cli);
    for arguments in [&["keys", "stage"][..], &["keys", "create"]] {
        let refused = cli.refused(3, arguments);
        assert!(refused.contains("module.so cannot be loaded"), "{refused}");
    }
    let keys = cli.json(&["keys", "list"]);
    assert_eq!(keys.as_array().unwrap().len(), 1, "{keys}");
    // Nor at the first start.
    cli.write("claimbridge.toml", before);
    let cli = Cli::empty();
    cli.done(&["init", "--public-url", "https://idp.contoso.com"]);
    let before = name_a_token(&cli);
    cli.done(&["migrate"]);
    let refused = cli.refused(3, &["keys", "list"]);
    assert!(refused.contains("module.so cannot be loaded"), "{refused}");
    cli.write("claimbridge.toml", before);
    assert_eq!(cli.json(&["keys", "list"])[0]["custody"], "software");
}

#[test]
fn a_key_in_hardware_needs_a_token() {
    let cli = Cli::new();
    let refused = cli.refused(2, &["keys", "create", "--in-hardware"]);
    assert!(refused.contains("[pkcs11]"), "{refused}");
    let refused = cli.refused(1, &["keys", "stage", "--confirm-published", "contoso.com"]);
    assert!(refused.contains("no key is staged"), "{refused}");
    let refused = cli.refused(1, &["keys", "stage", "--purpose", "oidc"]);
    assert!(refused.contains("external-mfa add"), "{refused}");
}

/// What is wrong with a row keeps no command from working that mends it.
#[tokio::test]
async fn attack_20_an_altered_active_row_can_be_rolled_over_from() {
    for statement in [
        "UPDATE signing_keys SET state_tag = '00'",
        "UPDATE signing_keys SET state = 'retiring'",
    ] {
        let cli = Cli::new();
        cli.done(&["keys", "list"]);
        cli.sql(statement).await;
        let list = cli.run(&["keys", "list", "--json"]);
        let keys: serde_json::Value = serde_json::from_str(&list.out).unwrap();
        assert_eq!(keys[0]["state"], "altered");
        // A step takes the keys as they stand from then on: not without a word.
        let refused = cli.refused(1, &["keys", "stage"]);
        assert!(refused.contains("altered outside claimbridge"), "{refused}");
        assert_eq!(cli.run(&["keys", "stage", "--force"]).exit, 0);
        // Parties go by the former key: it is no first one.
        let refused = cli.run(&["keys", "activate"]);
        assert!(refused.err.contains("contoso.com"), "{}", refused.err);
        assert_eq!(cli.run(&["keys", "activate", "--force"]).exit, 0);
        cli.done(&["keys", "export-certificate"]);
    }
}
