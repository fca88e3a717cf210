//! Federated domains as code: the pure functions against tables of the documentation.

mod altered;
mod changes;
mod drifts;
mod glass;
mod odd;
mod plans;
mod scripts;
mod signs_in;
mod stage;
mod unreadable;

use claimbridge::{
    base::clock::Timestamp,
    federation::{
        Certificates, Configuration, Method, Ours, Plan, RequestSigning, Tenant, Wanted,
        wanted::SystemBrowser,
    },
    relying_party::Domain,
};
use serde_json::{Value, json};

const NOW: &str = "2026-11-21T12:00:00Z";

fn now() -> Timestamp {
    Timestamp::parse_rfc3339(NOW).unwrap()
}

fn fixture(name: &str) -> String {
    let path = format!(
        "{}/tests/fixtures/inspector/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read_to_string(path).unwrap()
}

/// A certificate of the inspector's corpus, DER.
fn certificate(name: &str) -> Vec<u8> {
    let text: String = fixture(name)
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    data_encoding::BASE64.decode(text.as_bytes()).unwrap()
}

fn domain(name: &str, root: &str) -> Domain {
    Domain {
        name: name.parse().unwrap(),
        root: root.parse().unwrap(),
        issuer_uri: format!("https://idp.contoso.com/{root}"),
        created_at: now(),
    }
}

/// As the inspector's corpus has us.
fn ours() -> Ours {
    Ours {
        display_name: "Contoso".to_owned(),
        public_url: "https://idp.contoso.com".to_owned(),
        certificates: Certificates {
            active: certificate("active.pem"),
            staged: Some(certificate("next.pem")),
            ..Certificates::default()
        },
        request_signing: RequestSigning::Unverifiable,
        system_browser: SystemBrowser::Offered,
        domains: vec![
            domain("contoso.com", "contoso.com"),
            domain("eu.contoso.com", "contoso.com"),
        ],
        known_federations: Vec::new(),
        ws_federation: Vec::new(),
        active_door: claimbridge::signin::active::ActiveDoor::Closed,
    }
}

fn wanted() -> Wanted {
    let ours = ours();
    ours.wanted(&ours.domains[0])
}

/// A JSON message of the corpus as a tenant.
fn tenant(message: &str) -> Tenant {
    let value: Value = serde_json::from_str(&fixture(&format!("messages/{message}.txt"))).unwrap();
    Tenant::parse(&value, &"contoso.com".parse().unwrap()).unwrap()
}

/// The tenant after the calls of a plan, as Graph would do them.
fn after(tenant: Option<&Tenant>, plan: &Plan) -> Tenant {
    let mut value = tenant.map_or_else(
        || json!({"domains": [{"id": plan.domain, "authenticationType": "Managed", "federationConfiguration": []}]}),
        Tenant::to_json,
    );
    let shown = value["domains"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .find(|domain| domain["id"] == json!(plan.domain))
        .unwrap();
    for call in &plan.calls {
        let body = call.body.as_object().unwrap();
        match call.method {
            Method::Post => {
                let mut made = body.clone();
                made.insert(
                    "id".to_owned(),
                    json!("6601d14b-d113-8f64-fda2-9b5ddda18ecc"),
                );
                shown["federationConfiguration"] = json!([made]);
                shown["authenticationType"] = json!("Federated");
            }
            Method::Patch => {
                let object = shown["federationConfiguration"][0].as_object_mut().unwrap();
                for (name, value) in body {
                    if value.is_null() {
                        object.remove(name);
                    } else {
                        object.insert(name.clone(), value.clone());
                    }
                }
            }
        }
    }
    Tenant::parse(&value, &plan.domain).unwrap()
}

/// The federation of contoso.com with one property changed.
fn with(tenant: &Tenant, property: &str, value: Value) -> Tenant {
    let mut json = tenant.to_json();
    json["domains"][0]["federationConfiguration"][0][property] = value;
    Tenant::parse(&json, &"contoso.com".parse().unwrap()).unwrap()
}

#[test]
fn nothing_that_graph_shows_is_lost_on_the_way_to_the_journal() {
    let mut shown: Value = serde_json::from_str(&fixture("messages/fed-good.txt")).unwrap();
    shown["signingCertificateUpdateStatus"] = json!({"certificateUpdateResult": "success"});
    shown["passwordResetUri"] = json!("https://reset.contoso.com");
    shown["aPropertyOf2030"] = json!([1, {"two": 3}]);
    let read = Configuration::parse(&shown).unwrap();
    let again = Configuration::parse(&read.to_json()).unwrap();
    assert_eq!(read, again);
    for (name, value) in shown.as_object().unwrap() {
        // A set, in another order.
        if !value.is_null() && name != "@odata.context" && name != "systemBrowserEnabledOn" {
            assert_eq!(&read.to_json()[name], value, "{name}");
        }
    }
}

#[test]
fn an_answer_that_no_graph_gives_is_an_error() {
    let contoso = "contoso.com".parse().unwrap();
    for bad in [
        json!({}),
        json!([1]),
        json!("x"),
        json!({"value": [{"@odata.type": "#microsoft.graph.samlOrWsFedExternalDomainFederation", "issuerUri": "x"}]}),
        json!({"value": [{"issuerUri": 1}]}),
        json!({"value": [{"issuerUri": "a"}, {"issuerUri": "b"}]}),
        json!({"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#domains('evil.com')/federationConfiguration", "value": [{"issuerUri": "a"}]}),
        json!({"domains": [{"authenticationType": "Managed"}]}),
        json!({"domains": [{"id": "contoso.com", "authenticationType": "managed?"}]}),
        json!({"id": "contoso.com", "authenticationType": "Managed", "isDefault": "no"}),
    ] {
        assert!(Tenant::parse(&bad, &contoso).is_err(), "{bad}");
    }
    // A managed domain's empty list is an answer.
    let managed = Tenant::parse(&json!({"value": []}), &contoso).unwrap();
    assert!(managed.domain(&contoso).unwrap().is_managed());
}
