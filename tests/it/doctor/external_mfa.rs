//! Our own door of External MFA, served over TLS and behind a proxy, as the doctor (CB-DOC-064),
//! `external-mfa verify` and the inspector see it from outside.

use serde_json::Value;

use super::{
    outcomes,
    world::{Entra, Patient, Proxy, TlsFiles},
};

const CHECK: &str = "CB-DOC-064";
const ADD: [&str; 5] = [
    "external-mfa",
    "add",
    "72f988bf-86f1-41af-91ab-2d7cd011db47",
    "--application-id",
    "6fa6c2ba-0d5a-4b53-9a0c-7e6a2d3f1b11",
];

/// What is not as it should be on our side.
fn unmet(verified: &Value) -> Vec<&str> {
    let checks = verified["provider"].as_array().unwrap().iter();
    checks
        .filter(|check| check["standing"] != "met")
        .map(|check| check["id"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_what_our_own_door_publishes_nothing_is_wrong() {
    let tls = TlsFiles::new(90, "localhost");
    let patient = Patient::over_tls(Entra::good(), &tls).await;
    let said = patient.doctor_trusting(&tls, &["--json"]).await;
    assert_eq!(outcomes(&said, CHECK), Vec::<String>::new(), "{said:?}");

    let added = patient.says_trusting(&tls, &ADD).await;
    assert_eq!(added.exit, 0, "{added:?}");
    // The first reader of the key list has the first key made.
    let reply_url = format!("{}/oidc/authorize", patient.public);
    let address = format!("{}/oidc/.well-known/openid-configuration", patient.public);
    let said = patient
        .says_trusting(
            &tls,
            &["inspect", &address, "--app-reply-url", &reply_url, "--json"],
        )
        .await;
    assert_eq!(said.exit, 0, "{said:?}");
    let report = said.json();
    let steps = report["story"].as_array().unwrap();
    assert_eq!(steps.len(), 2, "{report}");
    for step in steps {
        assert_eq!(step["report"]["findings"], serde_json::json!([]), "{step}");
        let verdicts = step["report"]["verdicts"].as_array().unwrap();
        assert!(
            verdicts
                .iter()
                .any(|verdict| verdict["consumer"] == "entra-external-mfa"
                    && verdict["outcome"] == "accepted"),
            "{step}"
        );
    }

    let said = patient.doctor_trusting(&tls, &["--json"]).await;
    assert_eq!(outcomes(&said, CHECK), ["good"], "{said:?}");

    let verify = ["external-mfa", "verify", "--json"];
    let said = patient.says_trusting(&tls, &verify).await;
    let verified = said.json();
    assert!(
        verified["provider"].as_array().unwrap().len() > 5,
        "{verified}"
    );
    assert_eq!(unmet(&verified), Vec::<&str>::new(), "{verified:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_proxy_changes_on_the_way_is_found() {
    let tls = TlsFiles::new(90, "localhost");
    for (proxy, is_changed) in [(Proxy::Replaces, false), (Proxy::Rewrites, true)] {
        let patient = Patient::behind_proxy(proxy, &["127.0.0.1"]).await;
        patient.says_trusting(&tls, &ADD).await;
        let said = patient.doctor(&["--json"]).await;
        // Entra reads over https only; that is another finding.
        assert_eq!(said.out.contains("has no x5c"), is_changed, "{said:?}");
        assert!(outcomes(&said, CHECK).contains(&"problem".to_owned()));
        let verify = ["external-mfa", "verify", "--json"];
        let verified = patient.says_trusting(&tls, &verify).await.json();
        let mut wanted = vec!["address", "CB-EAM-004", "CB-EAM-010"];
        if is_changed {
            wanted.push("CB-EAM-003");
        }
        assert_eq!(unmet(&verified), wanted, "{verified:#}");
    }
}
