//! People here and in a tenant: `user sync`, `user set-immutable-id --to graph`, and files.

use axum::http::Method;
use claimbridge::practice::{Fault, FaultKind, More, Person, PersonKind, Source};
use serde_json::{Value, json};

use super::{Cli, Said};
use crate::tenant_kit::{Tenant, person};

/// A server's folder, a tenant, and the application that asks.
struct World {
    cli: Cli,
    tenant: Tenant,
}

impl World {
    async fn new(more: More) -> Self {
        let tenant = Tenant::managed(more).await;
        let cli = Cli::new();
        let secret = tenant.practice.oauth().clients().writer().secret();
        cli.write("secret", secret.unwrap().expose());
        Self { cli, tenant }
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let writer = self.tenant.practice.oauth().clients().writer();
        let options = self.tenant.options(writer, "secret");
        let all: Vec<&str> = arguments
            .iter()
            .copied()
            .chain(options.iter().map(String::as_str))
            .collect();
        self.cli.run(&all)
    }

    fn sync(&self, more: &[&str]) -> Said {
        self.run(
            &[
                &["user", "sync", "--from", "graph", "--domain", "contoso.com"],
                more,
            ]
            .concat(),
        )
    }

    fn send(&self, more: &[&str]) -> Said {
        self.run(&[&["user", "set-immutable-id", "--to", "graph"], more].concat())
    }

    fn add(&self, upn: &str, id: &str) {
        self.cli.done(&[
            "user",
            "add",
            upn,
            "--name",
            "Somebody",
            "--immutable-id",
            id,
        ]);
    }

    async fn people(&self) -> i64 {
        self.cli.number("SELECT COUNT(*) FROM users").await
    }

    fn id_there(&self, upn: &str) -> Option<String> {
        let upn = upn.parse().unwrap();
        self.tenant
            .practice
            .with_directory(|directory| directory.by_upn(&upn).unwrap().immutable_id)
    }
}

/// Who was found, by kind.
fn found(said: &Said) -> Value {
    let value = said.json();
    let findings = value["findings"].as_object().unwrap();
    findings
        .iter()
        .map(|(kind, finding)| {
            let people = finding["people"].as_array().unwrap();
            assert_eq!(finding["count"], people.len());
            let names: Vec<_> = people
                .iter()
                .map(|one| {
                    one["upn"]
                        .as_str()
                        .unwrap()
                        .trim_end_matches("@contoso.com")
                })
                .collect();
            (kind.clone(), json!(names))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_is_told_and_who_is_missing_is_added() {
    let long = "x".repeat(65);
    let world = World::new(More {
        managed_domains: vec!["eu.contoso.com".parse().unwrap()],
        people: vec![
            person("same@contoso.com", "Same"),
            person("new@contoso.com", "New"),
            Person {
                enabled: false,
                ..person("off@contoso.com", "Off")
            },
            person("differs@contoso.com", "There"),
            person("none@contoso.com", ""),
            Person {
                kind: PersonKind::Guest,
                ..person("guest@contoso.com", "Guest")
            },
            person("taken@contoso.com", "Held"),
            person("bad@contoso.com", &long),
            person("twin1@contoso.com", "Twice"),
            person("twin2@contoso.com", "Twice"),
            person("elsewhere@eu.contoso.com", "Elsewhere"),
        ],
        ..More::default()
    })
    .await;
    world.add("same@contoso.com", "Same");
    world.add("differs@contoso.com", "Here");
    world.add("holder@contoso.com", "Held");
    let differs = json!({
        "missing-here": ["new", "off", "twin1"],
        "missing-there": ["holder"],
        "mismatch": ["differs"],
        "duplicate": ["twin2"],
        "taken-here": ["taken"],
        "no-immutable-id": ["none"],
        "unusable": ["bad"],
        "guest": ["guest"],
    });
    for look in [&["--json"][..], &["--add", "--dry-run", "--json"]] {
        let said = world.sync(look);
        assert_eq!(said.exit, 1, "{said:?}");
        assert!(said.err.contains("9 to look at"), "{said:?}");
        assert_eq!(found(&said), differs);
        assert_eq!(
            said.json()["counts"],
            json!({ "in_tenant": 10, "here": 3, "matched": 1, "tenant_says": 10 })
        );
        assert_eq!(world.people().await, 3);
    }
    let said = world.sync(&["--add", "--json", "--report", "all.csv"]);
    assert_eq!(found(&said)["added"], json!(["new", "off", "twin1"]));
    assert_eq!(world.people().await, 6);
    let csv = std::fs::read_to_string(world.cli.path("all.csv")).unwrap();
    assert_eq!(csv.lines().count(), 11, "{csv}");
    assert!(
        csv.contains("mismatch,differs@contoso.com,Here,There"),
        "{csv}"
    );
    let new = world.cli.json(&["user", "show", "new@contoso.com"]);
    assert_eq!(new["immutable_id"], "New");
    assert_eq!(new["disabled_at"], Value::Null);
    assert_eq!(new["methods"], json!([]));
    assert!(world.cli.json(&["user", "show", "off@contoso.com"])["disabled_at"].is_string());
    let differs = world.cli.json(&["user", "show", "differs@contoso.com"]);
    assert_eq!(differs["immutable_id"], "Here", "it was overwritten");
    let added = "SELECT COUNT(*) FROM events WHERE kind = 'user-added'";
    assert_eq!(world.cli.number(added).await, 6);
    // A second run finds the same and adds nobody.
    let again = world.sync(&["--add", "--json"]);
    assert_eq!(found(&again).get("added"), None);
    assert_eq!(again.json()["counts"]["matched"], 4);
    let words = world.sync(&[]);
    assert!(
        words.out.contains("1 are here and not in the tenant"),
        "{words:?}"
    );
    assert!(
        words
            .out
            .contains("  differs@contoso.com  here: Here  there: There"),
        "{words:?}"
    );
    // A report is never written over.
    assert_eq!(world.sync(&["--report", "all.csv"]).exit, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_the_same_is_exit_0() {
    let world = World::new(More {
        people: vec![person("same@contoso.com", "Same")],
        ..More::default()
    })
    .await;
    let said = world.sync(&["--add"]);
    assert_eq!((said.exit, said.err.as_str()), (0, ""), "{said:?}");
    let said = world.sync(&[]);
    assert_eq!((said.exit, said.err.as_str()), (0, ""), "{said:?}");
    assert_eq!(
        said.out,
        "contoso.com: 1 in the tenant, 1 here before; 1 the same on both sides.\n"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_midway_keeps_what_was_done_and_a_second_run_goes_on() {
    let world = World::new(More {
        generated_people: 2500,
        ..More::default()
    })
    .await;
    let faults = world.tenant.practice.graph_faults();
    let lie = |value| FaultKind::Lie(json!({ "value": [value] }));
    for (kind, after, exit, wanted, people) in [
        (FaultKind::Forbidden, 0, 1, "User.Read.All", 0),
        (
            lie(json!({ "id": "1", "userPrincipalName": "x@fabrikam.com" })),
            0,
            3,
            "another domain",
            0,
        ),
        (lie(json!({ "id": "1" })), 0, 3, "without a name", 0),
        (
            FaultKind::Lie(json!({ "value": [], "@odata.nextLink": "http://127.0.0.2/x" })),
            0,
            3,
            "somewhere else",
            0,
        ),
        (FaultKind::Throttled(Some(400)), 0, 3, "wait 400 s", 0),
        // The second page: the first is in, whole.
        (
            FaultKind::Forbidden,
            1,
            1,
            "999 people were added before",
            999,
        ),
        (
            FaultKind::Lie(json!({ "value": {} })),
            2,
            3,
            "999 people were added before",
            1998,
        ),
    ] {
        faults.add(Fault {
            after,
            ..Fault::next(1, "/v1.0/users", kind)
        });
        let said = world.sync(&["--add"]);
        assert_eq!(said.exit, exit, "{said:?}");
        assert!(said.err.contains(wanted), "{said:?}");
        assert_eq!(world.people().await, people, "{said:?}");
        faults.clear();
    }
    // Asked to wait, and an end in the middle: it waits, asks again, and gets through.
    faults.add(Fault::next(2, "/v1.0/users", FaultKind::Throttled(Some(0))));
    faults.add(Fault {
        after: 1,
        ..Fault::next(1, "/v1.0/users", FaultKind::HalfAnswer)
    });
    let said = world.sync(&["--add"]);
    assert_eq!(said.exit, 0, "{said:?}");
    assert!(said.err.contains("Graph asks us to wait"), "{said:?}");
    // The two emergency administrators are of another domain.
    assert_eq!(world.people().await, 2500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_tenant_or_half_a_list_says_so() {
    let world = World::new(More {
        unverified_domains: vec!["unverified.example".parse().unwrap()],
        ..More::default()
    })
    .await;
    world.add("agent1@contoso.com", "A1");
    for domain in ["fabrikam.com", "unverified.example"] {
        world.cli.done(&["domain", "add", domain]);
    }
    let of = |domain: &str| {
        world.run(&[
            "user",
            "sync",
            "--from",
            "graph",
            "--tenant",
            "contoso.com",
            "--domain",
            domain,
        ])
    };
    let said = of("fabrikam.com");
    assert_eq!(said.exit, 1, "{said:?}");
    assert!(
        said.err.contains("this tenant has no domain fabrikam.com"),
        "{said:?}"
    );
    assert!(of("unverified.example").err.contains("not verified"));
    // Not one of ours: nothing is asked.
    assert!(of("nowhere.example").err.contains("nowhere.example"));
    let faults = world.tenant.practice.graph_faults();
    faults.add(Fault::next(
        1,
        "/domains",
        FaultKind::Lie(json!({ "id": "fabrikam.com" })),
    ));
    assert!(world.sync(&[]).err.contains("about another domain"));
    // Fewer people than it says: nobody is called missing there.
    let half = json!({ "@odata.count": 7, "value": [] });
    faults.add(Fault::next(1, "/v1.0/users", FaultKind::Lie(half)));
    let said = world.sync(&["--json"]);
    assert_eq!((said.exit, said.out.as_str()), (3, ""), "{said:?}");
    assert!(said.err.contains("it ends after 0 of 7"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn immutable_ids_go_to_a_managed_domain_and_only_where_there_is_none() {
    let world = World::new(More {
        people: vec![
            person("none1@contoso.com", ""),
            person("none2@contoso.com", ""),
            person("had@contoso.com", "Had"),
            person("differs@contoso.com", "There"),
            Person {
                source: Source::OnPremises,
                ..person("synced@contoso.com", "")
            },
            person("strange@contoso.com", ""),
        ],
        ..More::default()
    })
    .await;
    for (name, id) in [
        ("none1", "One"),
        ("none2", "Two"),
        ("had", "Had"),
        ("differs", "Here"),
        ("synced", "Synced"),
    ] {
        world.add(&format!("{name}@contoso.com"), id);
    }
    let all = ["--domain", "contoso.com"];
    let confirmed = [&all[..], &["--confirm", "contoso.com", "--json"]].concat();
    for dry in [&all[..], &["--domain", "contoso.com", "--dry-run"]] {
        let said = world.send(dry);
        assert!(
            said.out
                .contains("1 had the ImmutableID from here, 2 would get it; nothing was changed"),
            "{said:?}"
        );
        assert_eq!(world.id_there("none1@contoso.com"), None);
    }
    assert_eq!(
        world
            .send(&["--domain", "contoso.com", "--confirm", "fabrikam.com"])
            .exit,
        2
    );
    // One that took place unseen is read back; one that did not is said to be unknown.
    let faults = world.tenant.practice.graph_faults();
    let patch = |kind| Fault {
        method: Some(Method::PATCH),
        ..Fault::next(1, "/v1.0/users/", kind)
    };
    faults.add(patch(FaultKind::CutBeforeDone));
    let said = world.send(&confirmed);
    assert_eq!(said.exit, 3, "{said:?}");
    assert!(said.err.contains("not known whether"), "{said:?}");
    assert_eq!(world.id_there("none1@contoso.com"), None);
    // The intention was written down, the end was not seen.
    let of = |kind: &str| format!("SELECT COUNT(*) FROM events WHERE kind = '{kind}'");
    assert_eq!(world.cli.number(&of("immutable-id-sending")).await, 1);
    assert_eq!(world.cli.number(&of("immutable-id-sent")).await, 0);
    // An account that Entra guards does not stop those behind it.
    faults.add(patch(FaultKind::Forbidden));
    let said = world.send(&["none1@contoso.com", "--confirm", "contoso.com", "--json"]);
    assert_eq!(said.exit, 1, "{said:?}");
    assert_eq!(found(&said), json!({ "not-settable": ["none1"] }));
    faults.add(patch(FaultKind::DoneButCut));
    let said = world.send(&confirmed);
    assert_eq!(said.exit, 1, "{said:?}");
    assert_eq!(
        found(&said),
        json!({
            "missing-here": ["strange"],
            "mismatch": ["differs"],
            "sent": ["none1", "none2"],
            "not-settable": ["synced"],
        })
    );
    for (name, id) in [
        ("none1", Some("One")),
        ("none2", Some("Two")),
        ("differs", Some("There")),
        ("synced", None),
        ("strange", None),
    ] {
        assert_eq!(
            world.id_there(&format!("{name}@contoso.com")).as_deref(),
            id,
            "{name}"
        );
    }
    let sent = "SELECT COUNT(*) FROM events WHERE kind = 'immutable-id-sent'";
    assert_eq!(world.cli.number(sent).await, 2);
    let one = world.send(&["none1@contoso.com", "--confirm", "contoso.com"]);
    assert_eq!((one.exit, one.err.as_str()), (0, ""), "{one:?}");
    let nobody = world.send(&["nobody@contoso.com", "--confirm", "contoso.com"]);
    assert!(nobody.err.contains("nobody of the name"), "{nobody:?}");
    // Once it is federated, Entra lets nobody be given one.
    let registration = claimbridge::practice::FederatedDomain::none("contoso.com".parse().unwrap());
    world.tenant.practice.with_directory(|directory| {
        let registration = claimbridge::practice::graph::registration::Registration::of(
            &registration,
            "1".to_owned(),
        );
        directory.domain_mut("contoso.com").unwrap().registration = Some(registration);
    });
    let said = world.send(&confirmed);
    assert_eq!(said.exit, 1);
    assert!(said.err.contains("onmicrosoft.com"), "{said:?}");
}

#[test]
fn files_go_both_ways_in_graphs_words_and_anchors_in_every_form() {
    let cli = Cli::new();
    for (form, value) in [
        ("guid", "748b2d72-706b-42f8-8b25-82fd8733860f"),
        ("hex", "12 2D 8B 74 6B 70 F8 42 8B 25 82 FD 87 33 86 0F"),
        ("base64", "objectGUID:: Ii2LdGtw+EKLJYL9hzOGDw=="),
        // One anchor in 64 begins so; an apostrophe before it would be another ImmutableID.
        (
            "hex-plus",
            "FA 2D 8B 74 6B 70 F8 42 8B 25 82 FD 87 33 86 0F",
        ),
        ("verbatim", "ABCDEG1234567890"),
    ] {
        let (name, form) = (form, form.trim_end_matches("-plus"));
        cli.write("people.csv", format!("userPrincipalName,displayName,onPremisesImmutableId\n{name}@contoso.com,One,{value}\n"));
        cli.done(&["user", "import", "people.csv", "--immutable-id-form", form]);
    }
    let list = cli.done(&["user", "export", "--for", "graph"]);
    assert_eq!(
        list,
        "userPrincipalName,displayName,onPremisesImmutableId\n\
         base64@contoso.com,One,Ii2LdGtw+EKLJYL9hzOGDw==\n\
         guid@contoso.com,One,ci2LdGtw+EKLJYL9hzOGDw==\n\
         hex-plus@contoso.com,One,+i2LdGtw+EKLJYL9hzOGDw==\n\
         hex@contoso.com,One,Ei2LdGtw+EKLJYL9hzOGDw==\n\
         verbatim@contoso.com,One,ABCDEG1234567890\n"
    );
    let other = Cli::new();
    other.write("people.csv", &list);
    other.done(&["user", "import", "people.csv"]);
    assert_eq!(other.done(&["user", "export", "--for", "graph"]), list);
    cli.write(
        "people.csv",
        "upn,name,immutable_id\nx@contoso.com,X,748b2d72\n",
    );
    let said = cli.run(&[
        "user",
        "import",
        "people.csv",
        "--immutable-id-form",
        "guid",
    ]);
    assert_eq!(said.exit, 1);
    assert!(
        said.err.contains("line 2: immutable_id: this is no GUID"),
        "{said:?}"
    );
    assert_eq!(
        cli.run(&[
            "user",
            "import",
            "people.csv",
            "--immutable-id-form",
            "ldap"
        ])
        .exit,
        2
    );
}
