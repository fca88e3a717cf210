//! `user import` and `user export`.

use serde_json::json;

use super::{Cli, Said};

fn import(cli: &Cli, csv: &str, options: &[&str]) -> Said {
    cli.run_with(&[&["user", "import", "-"], options].concat(), csv)
}

fn upns(cli: &Cli) -> Vec<String> {
    let list = cli.json(&["user", "list"]);
    let list = list.as_array().unwrap().iter();
    list.map(|user| user["upn"].as_str().unwrap().to_owned())
        .collect()
}

/// Each row is bad in a way of its own; the first and the last are good.
fn bad_rows() -> (String, usize) {
    let long = "x".repeat(257);
    let rows = [
        "good1@contoso.com,Good One,GOOD1,a long password",
        "short@contoso.com,Short,,1234567",
        "noname@contoso.com,,,",
        &format!("long@contoso.com,{long},,"),
        "lines@contoso.com,\"two\nlines\",,",
        "taken-id@contoso.com,Taken,TAKEN,",
        "same-id@contoso.com,Same,GOOD1,",
        "GOOD1@contoso.com,Again,,",
        "there@contoso.com,There,,",
        "far@elsewhere.example,Far,,",
        "noupn,No,,",
        "id@contoso.com,Id,a$b,",
        "few@contoso.com,Few",
        "good2@contoso.com,Good Two,,",
    ];
    let csv = format!("upn,name,immutable_id,password\n{}\n", rows.join("\n"));
    (csv, rows.len() - 2)
}

#[test]
fn nothing_of_a_bad_file_is_added_and_every_bad_row_is_named() {
    let cli = Cli::new();
    cli.done(&["user", "add", "there@contoso.com", "--name", "T"]);
    cli.done(&[
        "user",
        "set-immutable-id",
        "there@contoso.com",
        "TAKEN",
        "--replace",
    ]);
    let (csv, bad) = bad_rows();
    for options in [&[][..], &["--passes"]] {
        let said = import(&cli, &csv, options);
        assert_eq!((said.exit, said.out.as_str()), (1, ""), "{said:?}");
        assert_eq!(said.err.lines().count(), bad + 1, "{}", said.err);
        assert!(
            said.err
                .contains("nobody was added because 12 rows are bad")
        );
        for reason in [
            "line 3: the password has fewer than 12 characters",
            "line 4: a display name",
            "line 5: a display name",
            "line 6: a display name",
            "line 8: this ImmutableID was used",
            "line 9: GOOD1 stands in line 2 too",
            "line 10: good1@contoso.com stands in line 2 too",
            "line 11: there@contoso.com is there already",
            "line 12: the domain elsewhere.example is not configured; add it",
            "line 13: upn: ",
            "line 14: immutable_id: ",
        ] {
            assert!(said.err.contains(reason), "{reason}\n{}", said.err);
        }
        assert_eq!(upns(&cli), ["there@contoso.com"]);
    }

    let said = import(&cli, &csv, &["--partial", "--passes", "--json"]);
    assert_eq!(said.exit, 1, "{said:?}");
    let value = said.json();
    assert_eq!(value["imported"], 2);
    assert_eq!(value["failed"].as_array().unwrap().len(), bad);
    assert_eq!(value["passes"][0]["upn"], "good1@contoso.com");
    assert_eq!(value["passes"][1]["upn"], "good2@contoso.com");
    assert_eq!(
        upns(&cli),
        [
            "good1@contoso.com",
            "good2@contoso.com",
            "there@contoso.com"
        ]
    );
}

#[test]
fn a_file_that_is_no_list_of_people_is_wrong_usage() {
    let cli = Cli::new();
    for (csv, says) in [
        ("", "no column upn"),
        ("upn\na@contoso.com\n", "no column name"),
        ("upn,name,shoe_size\na@contoso.com,A,9\n", "shoe_size"),
    ] {
        let said = import(&cli, csv, &["--partial"]);
        assert_eq!((said.exit, said.out.as_str()), (2, ""), "{said:?}");
        assert!(said.err.contains(says), "{}", said.err);
    }
    cli.refused(2, &["user", "import", "nowhere.csv"]);
    let said = import(&cli, "upn,name\n", &["--json"]);
    assert_eq!(said.exit, 0);
    assert_eq!(
        said.json(),
        json!({"imported": 0, "failed": [], "passes": []})
    );
}

#[tokio::test]
async fn a_database_that_fails_midway_loses_no_pass_and_says_how_many_there_are() {
    const PEOPLE: &str = "upn,name\na@contoso.com,A\nb@contoso.com,B\nc@contoso.com,C\n";
    for (options, table) in [
        (&["--passes"][..], "users"),
        (&["--passes", "--partial"], "users"),
        (&["--passes", "--json"], "users"),
        (&["--passes", "--json", "--partial"], "access_passes"),
    ] {
        let cli = Cli::new();
        let condition = if table == "users" {
            "NEW.upn = 'c@contoso.com'"
        } else {
            "(SELECT COUNT(*) FROM users) = 3"
        };
        cli.sql(&format!(
            "CREATE TRIGGER broken BEFORE INSERT ON {table} WHEN {condition}
             BEGIN SELECT RAISE(ABORT, 'broken'); END"
        ))
        .await;
        let said = import(&cli, PEOPLE, options);
        assert_eq!(said.exit, 3, "{said:?}");
        let passes: Vec<String> = if options.contains(&"--json") {
            let value = said.json();
            let passes = value["passes"].as_array().unwrap().iter();
            passes
                .map(|pass| pass["upn"].as_str().unwrap().to_owned())
                .collect()
        } else {
            let lines = said.out.lines().skip(1);
            lines
                .map(|line| line.split(',').next().unwrap().to_owned())
                .collect()
        };
        assert_eq!(passes, ["a@contoso.com", "b@contoso.com"], "{said:?}");
        let added = upns(&cli).len();
        assert!(
            said.err
                .contains(&format!("stopped after {added} were added")),
            "{}",
            said.err
        );
        if table == "access_passes" {
            assert_eq!(added, 3);
            assert!(said.err.contains("claimbridge user pass c@contoso.com"));
        }
    }
}

#[test]
fn what_is_exported_can_be_imported_and_is_the_same() {
    let names = [
        "'t Hooft",
        "=1+1",
        "+x",
        "-x",
        "@x",
        "'=x",
        "''",
        "a\"b,c",
        "O'Neil",
        "Ünï ©ode",
    ];
    let here = Cli::new();
    for (number, name) in names.iter().enumerate() {
        let upn = format!("agent{number}@contoso.com");
        let name = format!("--name={name}");
        here.done(&["user", "add", &upn, &name]);
    }
    here.done(&[
        "user",
        "add",
        "--name=Plus",
        "--immutable-id=+abc/w==",
        "--",
        "-dash@contoso.com",
    ]);
    let exported = here.done(&["user", "export"]);
    for line in exported.lines() {
        for cell in line.split(',') {
            let cell = cell.trim_start_matches('"');
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{line}");
        }
    }
    let windows = format!("\u{feff}{}", exported.replace('\n', "\r\n"));
    for csv in [exported, windows] {
        let there = Cli::new();
        there.write("people.csv", csv);
        assert_eq!(there.done(&["user", "import", "people.csv"]), "Added 11.\n");
        let people = |cli: &Cli| {
            let mut list = cli.json(&["user", "list"]);
            for user in list.as_array_mut().unwrap() {
                user["created_at"].take();
            }
            list
        };
        assert_eq!(people(&there), people(&here));
    }
    // Written by hand, as a person writes it.
    let said = import(&here, "upn,name\nhand@contoso.com,'t Hooft\n", &[]);
    assert_eq!(said.exit, 0, "{said:?}");
    assert_eq!(
        here.json(&["user", "show", "hand@contoso.com"])["name"],
        "'t Hooft"
    );
}

#[test]
fn who_was_disabled_is_disabled_after_an_export_and_an_import() {
    let from = Cli::new();
    from.done(&["user", "add", "in@contoso.com", "--name", "In"]);
    from.done(&["user", "add", "out@contoso.com", "--name", "Out"]);
    from.done(&["user", "disable", "out@contoso.com"]);
    let exported = from.run(&["user", "export"]);
    let to = Cli::new();
    let said = import(&to, &exported.out, &["--passes"]);
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(said.out.contains("in@contoso.com,") && !said.out.contains("out@contoso.com,"));
    let states = to.json(&["user", "list"]);
    let disabled = |upn: &str| {
        let mut people = states.as_array().unwrap().iter();
        let person = people.find(|user| user["upn"] == upn).unwrap();
        !person["disabled_at"].is_null()
    };
    assert!(disabled("out@contoso.com") && !disabled("in@contoso.com"));
}
