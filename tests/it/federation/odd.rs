//! A tenant that shows odd things of one domain: the others are judged and changed all the same.

use claimbridge::practice::{Fault, FaultKind};
use serde_json::{Value, json};

use super::stage::{Said, Stage};

/// What is told of which domain.
fn told(said: &Said) -> Vec<(String, String)> {
    let mut told: Vec<(String, String)> = said
        .json()
        .as_array()
        .unwrap_or_else(|| panic!("{said:?}"))
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            (text("kind"), text("domain"))
        })
        .filter(|(_, domain)| !["northwind.com", "tailspin.com"].contains(&domain.as_str()))
        .collect();
    told.sort();
    told
}

fn of(kind: &str, domain: &str) -> (String, String) {
    (kind.to_owned(), domain.to_owned())
}

fn oddities() -> Vec<FaultKind> {
    let answers: [Value; 5] = [
        json!({"value": []}),
        json!({"value": [{"id": "1"}, {"id": "2"}]}),
        json!({"value": [{"id": "x".repeat(65), "issuerUri": "a"}]}),
        json!({"value": [{"id": "1", "issuerUri": 1}]}),
        json!({"value": [], "@odata.nextLink": "x"}),
    ];
    let lies = answers.map(FaultKind::Lie);
    lies.into_iter().chain([FaultKind::Forbidden]).collect()
}

#[test]
fn one_domain_that_shows_odd_things_hides_no_other() {
    let stage = Stage::new();
    assert_eq!(stage.apply(&[]).exit, 0);
    stage.federated_elsewhere("fabrikam.com");
    stage.federated_elsewhere("wingtip.com");
    let faults = stage.practice.graph_faults();
    let at = |name: &str, kind: FaultKind| {
        faults.clear();
        let path = format!("/{name}/federationConfiguration");
        faults.add(Fault::next(1000, &path, kind));
    };
    for kind in oddities() {
        at("fabrikam.com", kind.clone());
        let drift = stage.run(&["domain", "drift", "--json"]);
        assert_eq!(drift.exit, 1, "{kind:?}: {drift:?}");
        assert_eq!(
            told(&drift),
            [
                of("domain-unreadable", "fabrikam.com"),
                of("foreign-federation", "wingtip.com")
            ],
            "{kind:?}"
        );
    }
    // Ours is mended meanwhile.
    stage.behind_our_back("promptLoginBehavior", json!("disabled"));
    let mended = stage.apply(&[]);
    assert_eq!(mended.exit, 0, "{mended:?}");
    assert_eq!(
        stage.federation().unwrap()["promptLoginBehavior"],
        "nativeSupport"
    );

    // Ours is the odd one: it is told, and not touched.
    let before = stage.federation();
    for kind in oddities() {
        let is_forbidden = matches!(kind, FaultKind::Forbidden);
        at("contoso.com", kind.clone());
        let drift = stage.run(&["domain", "drift", "--json"]);
        assert_eq!(
            told(&drift),
            [
                of("domain-unreadable", "contoso.com"),
                of("foreign-federation", "fabrikam.com"),
                of("foreign-federation", "wingtip.com")
            ],
            "{kind:?}"
        );
        for line in [
            &["domain", "verify", "contoso.com"][..],
            &["domain", "apply", "contoso.com", "--confirm", "contoso.com"],
        ] {
            let said = stage.run(line);
            assert_eq!(said.exit, 3, "{kind:?} {line:?}: {said:?}");
            assert!(
                said.err.contains("shows of contoso.com cannot be used"),
                "{kind:?} {line:?}: {}",
                said.err
            );
        }
        let back = stage.rollback(None);
        assert_eq!(
            back.exit,
            if is_forbidden { 1 } else { 3 },
            "{kind:?}: {back:?}"
        );
        assert_eq!(stage.federation(), before, "{kind:?}");
    }

    // Where none may be read it is the permission.
    faults.clear();
    faults.add(Fault::next(
        1000,
        "/federationConfiguration",
        FaultKind::Forbidden,
    ));
    let drift = stage.run(&["domain", "drift", "--json"]);
    assert_eq!(drift.exit, 1, "{drift:?}");
    assert!(
        drift.err.contains("Domain-InternalFederation.Read.All"),
        "{}",
        drift.err
    );
}
