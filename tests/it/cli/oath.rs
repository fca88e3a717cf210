//! `oath`: the promised lines, what an import takes and leaves, and the way out.

use serde_json::{Value, json};

use super::{Cli, Said, fixture};

const BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const HEADER: &str = "upn,serial number,secret key,time interval,manufacturer,model";

fn with_people(count: usize) -> Cli {
    let cli = Cli::new();
    for number in 1..=count {
        let upn = format!("agent{number}@contoso.com");
        cli.done(&["user", "add", &upn, "--name", "Agent"]);
    }
    cli
}

/// Rows for Entra, one a person.
fn entra(count: usize) -> String {
    use std::fmt::Write as _;
    (1..=count).fold(format!("{HEADER}\n"), |mut text, number| {
        writeln!(
            text,
            "agent{number}@contoso.com,100{number},{BASE32},30,Contoso,HardwareKey"
        )
        .unwrap();
        text
    })
}

fn tokens(cli: &Cli) -> Vec<Value> {
    cli.json(&["oath", "list"]).as_array().unwrap().clone()
}

fn serials(cli: &Cli) -> Vec<String> {
    tokens(cli)
        .iter()
        .map(|token| token["serial"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_example_lines_of_the_interface_work() {
    let cli = with_people(3);
    cli.write("tokens.csv", entra(3));
    let imported = cli.json(&["oath", "import", "tokens.csv", "--assign"]);
    assert_eq!(imported["imported"], 3);
    assert_eq!(imported["failed"], json!([]));
    assert_eq!(imported["assigned"], 3);
    assert_eq!(imported["format"], "entra");
    assert_eq!(imported["secret_encodings"], json!({"base32": 3}));
    assert!(!cli.path("Failures_tokens.csv").exists());
    let list = cli.json(&["oath", "list"]);
    assert_eq!(list.as_array().unwrap().len(), 3);
    for (key, value) in [
        ("serial", "1001"),
        ("upn", "agent1@contoso.com"),
        ("state", "assigned"),
        ("model", "HardwareKey"),
        ("manufacturer", "Contoso"),
    ] {
        assert_eq!(list[0][key], value, "{key}");
    }
    assert!(list[0]["assigned_by"].as_str().unwrap().starts_with("os:"));
    assert!(list[0]["activated_at"].is_null() && list[0]["last_used_at"].is_null());
    let text = cli.done(&["oath", "list"]);
    assert!(text.contains("1001\tHardwareKey\tassigned\tagent1@contoso.com"));
}

#[test]
fn a_file_with_bad_rows_changes_nothing_unless_partial() {
    let cli = with_people(1);
    let mut csv = entra(1);
    csv.push_str("agent1@contoso.com,1001,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,30,Contoso,x\n");
    csv.push_str("nobody@contoso.com,1002,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,30,Contoso,x\n");
    csv.push_str("agent1@contoso.com,1003,geht nicht!,30,Contoso,x\n");
    csv.push_str(",1004,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,30,Contoso,x\n");
    cli.write("tokens.csv", &csv);
    let import = ["oath", "import", "tokens.csv", "--assign"];

    // What would happen.
    let said = cli.run(&[&import[..], &["--dry-run"]].concat());
    assert_eq!(said.exit, 1, "{said:?}");
    assert_eq!(
        said.out.lines().filter(|line| line.contains("100")).count(),
        4
    );
    assert!(said.out.contains("handed to agent1@contoso.com"));
    assert!(said.out.contains("into stock") && said.out.contains("not taken: "));
    assert!(!cli.path("Failures_tokens.csv").exists());
    let dry = cli.run(&[&import[..], &["--dry-run", "--json"]].concat());
    assert_eq!(dry.json()["would_import"], 2);
    assert_eq!(dry.json()["imported"], 0);

    let said = cli.run(&import);
    assert_eq!(
        (said.exit, said.out.lines().next()),
        (1, Some("Secrets were read 2 as base32."))
    );
    assert!(
        said.out
            .contains("Note for 1: the secret is that of another serial number too")
    );
    assert!(
        said.err
            .contains("nothing was imported because 3 rows are bad")
    );
    assert_eq!(tokens(&cli).len(), 0);
    let failures = std::fs::read_to_string(cli.path("Failures_tokens.csv")).unwrap();
    let lines: Vec<&str> = failures.lines().collect();
    assert_eq!(lines[0], "line,reason");
    assert!(lines[1].starts_with("3,") && lines[1].contains("stands in line 2 too"));
    assert!(lines[2].starts_with("4,") && lines[2].contains("no user nobody@contoso.com"));
    assert!(lines[3].starts_with("5,") && lines[3].contains("not base32"));
    assert!(!failures.contains(BASE32) && !failures.contains("geht"));

    let said = cli.run(&[&import[..], &["--partial", "--json"]].concat());
    assert_eq!(said.exit, 0, "{said:?}");
    let value = said.json();
    assert_eq!(
        (value["imported"].clone(), value["assigned"].clone()),
        (json!(2), json!(1))
    );
    assert_eq!(value["failed"][0]["line"], 3);
    assert_eq!(serials(&cli), ["1001", "1004"]);
    // Again: everything is there, and that is a reason for each.
    let said = cli.run(&[&import[..], &["--partial", "--json"]].concat());
    assert_eq!(said.json()["imported"], 0);
    assert!(
        said.json()["failed"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("already")
    );
}

/// The name is easy to guess: a link or a file that somebody put there is left alone.
#[test]
fn the_list_of_bad_rows_replaces_nothing_but_a_former_list() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let cli = Cli::new();
    cli.write("tokens.csv", format!("{HEADER}\n,1,not a secret!,30,x,x\n"));
    let import = ["oath", "import", "tokens.csv"];
    let list = cli.path("Failures_tokens.csv");
    cli.write("precious", "precious\n");
    symlink(cli.path("precious"), &list).unwrap();
    let said = cli.run(&import).err;
    assert!(said.contains("could not be written"), "{said}");
    assert!(said.contains("line 2: "), "said all the same: {said}");
    assert_eq!(std::fs::read(cli.path("precious")).unwrap(), b"precious\n");
    std::fs::remove_file(&list).unwrap();
    cli.write("Failures_tokens.csv", "precious\n");
    assert!(cli.run(&import).err.contains("could not be written"));
    assert_eq!(std::fs::read(&list).unwrap(), b"precious\n");
    std::fs::remove_file(&list).unwrap();
    for _ in 0..2 {
        assert!(cli.run(&import).err.contains("the bad rows stand in"));
        let mode = std::fs::metadata(&list).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn every_format_comes_in_and_says_as_what_it_was_read() {
    const HEX: &str = "3132333435363738393031323334353637383930";
    let cli = Cli::new();
    let import = |input: &str, options: &[&str]| -> Said {
        cli.run_with(
            &[&["oath", "import", "-", "--json"], options].concat(),
            input,
        )
    };
    for (input, format, encoding) in [
        (format!("p1, {HEX}, totp, 8, 60\n"), "privacyidea", "hex"),
        (format!("d1,{HEX},60\n"), "duo", "hex"),
        (format!("f1,{HEX}\n"), "serial-and-secret", "hex"),
        (
            "f2,MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=\n".to_owned(),
            "serial-and-secret",
            "base64",
        ),
        (format!("Serial;Seed\nt1;{BASE32}\n"), "columns", "base32"),
    ] {
        let said = import(&input, &["--manufacturer", "Acme"]);
        assert_eq!(said.exit, 0, "{said:?}");
        assert_eq!(said.json()["format"], format);
        assert_eq!(said.json()["secret_encodings"], json!({encoding: 1}));
    }
    let pskc = fixture("pskc/totp-profile.xml");
    assert_eq!(cli.json(&["oath", "import", &pskc])["format"], "pskc");
    assert_eq!(serials(&cli), ["987654323", "d1", "f1", "f2", "p1", "t1"]);
    let token = &tokens(&cli)[4];
    assert_eq!(
        (token["digits"].clone(), token["period"].clone()),
        (json!(8), json!(60))
    );
    assert_eq!(token["manufacturer"], "Acme");

    // Encrypted ones ask for their key.
    let text = std::fs::read_to_string(fixture("pskc/rfc6030-figure-7.xml")).unwrap();
    cli.write("seven.xml", text.replace("pskc:hotp", "pskc:totp"));
    let said = cli.refused(2, &["oath", "import", "seven.xml"]);
    assert!(said.contains("--passphrase-file"), "{said}");
    cli.write_secret("passphrase", "qwerty\n");
    let seven = [
        "oath",
        "import",
        "seven.xml",
        "--passphrase-file",
        "passphrase",
    ];
    assert_eq!(cli.json(&seven)["imported"], 1);
    let text = std::fs::read_to_string(fixture("pskc/rfc6030-figure-6.xml")).unwrap();
    let text = text
        .replace("pskc:hotp", "pskc:totp")
        .replace("987654321", "6");
    cli.write("six.xml", text);
    cli.write_secret("key", "12345678901234567890123456789012\n");
    assert_eq!(
        cli.json(&["oath", "import", "six.xml", "--key-file", "key"])["imported"],
        1
    );
    // Others must not be able to read what opens the file.
    for (option, name) in [("--key-file", "key"), ("--passphrase-file", "passphrase")] {
        cli.permit(name, 0o640);
        let said = cli.refused(2, &["oath", "import", "six.xml", option, name]);
        assert!(said.contains("chmod 600"), "{said}");
        cli.permit(name, 0o600);
    }
    // Where a key is given, a file that needs none was made by somebody else.
    cli.write("plain.csv", entra(1));
    let said = cli.refused(2, &["oath", "import", "plain.csv", "--key-file", "key"]);
    assert!(said.contains("not encrypted"), "{said}");
    let totp = fixture("pskc/totp-profile.xml");
    let said = cli.refused(2, &["oath", "import", &totp, "--key-file", "key"]);
    assert!(said.contains("decrypted"), "{said}");
    cli.write_secret("wrong", "ffffffffffffffffffffffffffffffff\n");
    let said = cli.run(&["oath", "import", "six.xml", "--key-file", "wrong"]);
    assert!(said.exit == 1 || said.exit == 2, "{said:?}");
    assert!(said.err.contains("MAC is wrong"), "{said:?}");
    cli.refused(
        2,
        &["oath", "import", "six.xml", "--key-file", "passphrase"],
    );
    let hotp = fixture("pskc/rfc6030-figure-2.xml");
    assert!(
        cli.run(&["oath", "import", &hotp, "--failures", "f.csv"])
            .err
            .contains("HOTP")
    );
    cli.refused(2, &["oath", "import", "nowhere.csv"]);
    let said = cli.run_with(&["oath", "import", "-"], "just a sentence\n");
    assert_eq!(said.exit, 2);
    assert!(
        said.err.contains("serial number,secret key"),
        "{}",
        said.err
    );
}

#[test]
fn a_token_goes_from_hand_to_hand() {
    let cli = with_people(2);
    let import = ["oath", "import", "-"];
    assert_eq!(
        cli.run_with(&import, &entra(2).replace("agent", "")).exit,
        0
    );
    let state = |serial: &str| -> String {
        let all = tokens(&cli);
        let token = all.iter().find(|token| token["serial"] == serial);
        token.unwrap()["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state("1001"), "in-stock");
    let said = cli.done(&["oath", "assign", "1001", "agent1@contoso.com"]);
    assert!(said.contains("sessions ended"), "{said}");
    assert_eq!(state("1001"), "assigned");
    // In one person's hands.
    let said = cli.refused(1, &["oath", "assign", "1001", "agent2@contoso.com"]);
    assert!(said.contains("oath return 1001"), "{said}");
    cli.refused(1, &["oath", "assign", "1001", "agent1@contoso.com"]);
    cli.refused(1, &["oath", "assign", "9999", "agent1@contoso.com"]);
    cli.refused(1, &["oath", "assign", "1002", "nobody@contoso.com"]);
    cli.done(&["user", "disable", "agent2@contoso.com"]);
    assert!(
        cli.refused(1, &["oath", "assign", "1002", "agent2@contoso.com"])
            .contains("enable the account")
    );
    cli.done(&["user", "enable", "agent2@contoso.com"]);
    // Codes do not stand where everybody on the machine can read them.
    cli.refused(2, &["oath", "resync", "1001", "123456", "654321"]);
    assert!(
        cli.refused(2, &["oath", "resync", "1001"])
            .contains("--codes-stdin")
    );
    let resync = ["oath", "resync", "1001", "--codes-stdin"];
    let said = cli.run_with(&resync, "123456\n");
    assert_eq!(said.exit, 2, "{said:?}");
    let said = cli.run_with(&resync, "123456\n654321\n");
    assert!(said.exit == 1 && said.err.contains("assigned"), "{said:?}");

    cli.done(&["oath", "return", "1001"]);
    assert_eq!(state("1001"), "in-stock");
    cli.refused(1, &["oath", "return", "1001"]);
    cli.done(&["oath", "assign", "1001", "agent2@contoso.com"]);
    cli.done(&["oath", "lost", "1001"]);
    assert_eq!(state("1001"), "lost");
    assert_eq!(tokens(&cli)[0]["upn"], "agent2@contoso.com", "who lost it");
    cli.refused(1, &["oath", "assign", "1001", "agent2@contoso.com"]);
    cli.done(&["oath", "return", "1001"]);
    cli.done(&["oath", "retire", "1001"]);
    assert_eq!(state("1001"), "retired");
    for line in [
        &["oath", "return", "1001"][..],
        &["oath", "lost", "1001"],
        &["oath", "retire", "1001"],
        &["oath", "assign", "1001", "agent1@contoso.com"],
    ] {
        cli.refused(1, line);
    }
    // What is reset has no token, but the person has it in hand until it is handed back.
    cli.done(&["oath", "assign", "1002", "agent1@contoso.com"]);
    cli.done(&["user", "reset", "agent1@contoso.com"]);
    assert_eq!(state("1002"), "removed");
    let said = cli.refused(1, &["oath", "assign", "1002", "agent2@contoso.com"]);
    assert!(said.contains("oath return 1002"), "{said}");
    let with_whom = cli.json(&["oath", "list", "--state", "removed"]);
    assert_eq!(with_whom[0]["upn"], "agent1@contoso.com");
    cli.done(&["oath", "return", "1002"]);
    assert_eq!(state("1002"), "in-stock");
    assert_eq!(
        cli.json(&["oath", "list", "--state", "retired"])
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        cli.json(&["oath", "list", "--upn", "agent1@contoso.com"]),
        json!([])
    );
    cli.refused(2, &["oath", "list", "--state", "gone"]);
}

#[test]
fn what_was_exported_comes_in_elsewhere() {
    let cli = with_people(1);
    let csv = format!(
        "upn,serial number,secret key,time interval,manufacturer,model,digits,hash function\n\
         agent1@contoso.com,1001,{BASE32},60,=Acme,@model,6,SHA1\n\
         ,1002,{BASE32},30,Acme,x,8,SHA1\n\
         ,1003,{BASE32},30,Acme,x,6,SHA256\n\
         ,1004,{BASE32},30,Acme,x,6,SHA1\n"
    );
    assert_eq!(
        cli.run_with(&["oath", "import", "-", "--assign"], &csv)
            .exit,
        0
    );
    cli.done(&["oath", "retire", "1004"]);
    let said = cli.run(&["oath", "export", "--out", "out.csv"]);
    assert_eq!((said.exit, said.out.as_str()), (1, ""), "{said:?}");
    assert!(said.err.contains("1002: ") && said.err.contains("six digits"));
    assert!(said.err.contains("1003: ") && said.err.contains("SHA-1"));
    let out = std::fs::read_to_string(cli.path("out.csv")).unwrap();
    assert_eq!(
        out,
        format!("{HEADER}\nagent1@contoso.com,1001,{BASE32},60,'=Acme,'@model\n")
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(cli.path("out.csv"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    cli.refused(2, &["oath", "export", "--out", "out.csv"]);
    let other = with_people(1);
    other.write("out.csv", &out);
    assert_eq!(
        other.json(&["oath", "import", "out.csv", "--assign"])["imported"],
        1
    );
    assert_eq!(tokens(&other)[0]["manufacturer"], "=Acme");
    assert_eq!(other.run(&["oath", "export"]).out, out);
}

#[tokio::test]
async fn a_new_master_key_opens_the_tokens_and_an_altered_one_stops_it() {
    let cli = with_people(1);
    assert_eq!(cli.run_with(&["oath", "import", "-"], &entra(1)).exit, 0);
    let before = cli.done(&["oath", "export"]);
    let new_key = |name: &str| {
        let path = cli.path(name);
        cli.write(
            name,
            format!("{}\n", "0123456789abcdef".repeat(4)).replace('0', &name[..1]),
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    };
    new_key("a.key");
    let rewrapped = cli.json(&["keys", "rewrap", "--new-master-key-file", "a.key"]);
    assert_eq!(rewrapped["tokens"], 1);
    std::fs::copy(cli.path("a.key"), cli.path("master.key")).unwrap();
    assert_eq!(cli.done(&["oath", "export"]), before);
    cli.sql("UPDATE oath_tokens SET state = 'lost'").await;
    new_key("b.key");
    let said = cli.refused(1, &["keys", "rewrap", "--new-master-key-file", "b.key"]);
    assert!(said.contains("hardware token 1001"), "{said}");
    cli.sql("UPDATE oath_tokens SET state = 'in-stock', digits = 8")
        .await;
    let said = cli.run(&["oath", "assign", "1001", "agent1@contoso.com"]);
    assert_eq!(said.exit, 1, "{said:?}");
}

/// One altered row must not keep operators from taking the token away, nor from a new key.
#[tokio::test]
async fn attack_38_what_was_altered_is_taken_away_and_stops_nothing() {
    let cli = with_people(2);
    let import = ["oath", "import", "-", "--assign"];
    assert_eq!(cli.run_with(&import, &entra(2)).exit, 0);
    cli.sql("UPDATE oath_tokens SET digits = 8").await;
    let said = cli.refused(1, &["oath", "return", "1001"]);
    assert!(said.contains("oath retire 1001"), "{said}");
    cli.write_secret("b.key", format!("{}\n", "123456789abcdefb".repeat(4)));
    let rewrap = ["keys", "rewrap", "--new-master-key-file", "b.key"];
    assert!(cli.refused(1, &rewrap).contains("1001"));
    let said = cli.done(&["oath", "lost", "1001"]);
    assert!(said.contains("retired"), "{said}");
    cli.done(&["user", "reset", "agent2@contoso.com"]);
    for token in tokens(&cli) {
        assert_eq!(token["state"], "retired", "{token}");
    }
    // Nothing is left of the secrets.
    let left = "SELECT COUNT(*) FROM oath_tokens WHERE sealed_secret != ''";
    assert_eq!(cli.number(left).await, 0);
    cli.done(&rewrap);
    std::fs::copy(cli.path("b.key"), cli.path("master.key")).unwrap();
    assert_eq!(tokens(&cli).len(), 2);
    cli.refused(1, &["oath", "return", "1001"]);
}
