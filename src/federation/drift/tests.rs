//! What the review of 2026-11-21 found silent, each changed alone.

use serde_json::{Value, json};

use super::*;
use crate::{
    federation::fixture::{
        OURS, active, base64, federation, found, good, kinds, next, now, other, ours, tenant,
    },
    keys::certificate::Certificate,
    relying_party::KnownFederation,
};
use DriftKind::{
    DomainMissing, DomainUnreadable, ForeignFederation, IssuerElsewhere, NotFederated,
    SettingChanged, SubDomainFederation, UnknownCertificate, UnknownProperty,
};
use DriftSeverity::{Critical, Info, Warning};

/// eu.contoso.com is configured, us.contoso.com is not.
const BELOW: [usize; 2] = [1, 2];

fn with_domain(domain: Value) -> Value {
    let mut value = good();
    value["domains"].as_array_mut().unwrap().push(domain);
    value
}

#[test]
fn a_good_tenant_has_no_drift_also_where_graph_shows_sub_domains_the_roots_values() {
    assert_eq!(found(&good()), []);
    for at in BELOW {
        let mut value = good();
        value["domains"][at]["federationConfiguration"] = json!([federation()]);
        assert_eq!(found(&value), []);
    }
}

#[test]
fn nothing_of_a_sub_domains_federation_may_differ_from_its_roots() {
    let evil = json!("https://evil.example/");
    for at in BELOW {
        for (property, to, wanted) in [
            (
                "nextSigningCertificate",
                base64(&other()),
                (UnknownCertificate, Critical),
            ),
            (
                "signingCertificate",
                base64(&other()),
                (UnknownCertificate, Critical),
            ),
            (
                "signingCertificate",
                json!("x"),
                (UnknownCertificate, Critical),
            ),
            (
                "signingCertificate",
                Value::Null,
                (SettingChanged, Critical),
            ),
            ("issuerUri", evil.clone(), (SubDomainFederation, Critical)),
            ("issuerUri", Value::Null, (SubDomainFederation, Critical)),
            ("passiveSignInUri", evil.clone(), (SettingChanged, Critical)),
            ("activeSignInUri", evil.clone(), (SettingChanged, Critical)),
            (
                "metadataExchangeUri",
                evil.clone(),
                (SettingChanged, Warning),
            ),
            ("signOutUri", evil.clone(), (SettingChanged, Warning)),
            ("passwordResetUri", evil.clone(), (SettingChanged, Warning)),
            (
                "federatedIdpMfaBehavior",
                json!("acceptIfMfaDoneByFederatedIdp"),
                (SettingChanged, Critical),
            ),
            (
                "preferredAuthenticationProtocol",
                json!("wsFed"),
                (SettingChanged, Critical),
            ),
            (
                "promptLoginBehavior",
                json!("disabled"),
                (SettingChanged, Warning),
            ),
        ] {
            let mut value = good();
            let mut own = federation();
            own[property] = to;
            value["domains"][at]["federationConfiguration"] = json!([own]);
            let drift = found(&value);
            assert_eq!(kinds(&drift), [wanted], "{at} {property}: {drift:?}");
            let name = value["domains"][at]["id"].as_str();
            assert_eq!(drift[0].domain.as_deref(), name);
            assert!(!drift[0].remedy.contains("domain apply"), "{drift:?}");
        }
    }
}

#[test]
fn a_sub_domain_that_left_its_root_is_told() {
    let mut value = good();
    value["domains"][1]["authenticationType"] = json!("Managed");
    assert_eq!(kinds(&found(&value)), [(NotFederated, Critical)]);
    for at in BELOW {
        let mut value = good();
        value["domains"][at]["isRoot"] = json!(true);
        assert_eq!(kinds(&found(&value)), [(SubDomainFederation, Critical)]);
    }
    // Promoted, and then managed or given away.
    let mut value = good();
    value["domains"][1]["isRoot"] = json!(true);
    value["domains"][1]["authenticationType"] = json!("Managed");
    assert_eq!(
        kinds(&found(&value)),
        [(NotFederated, Critical), (SubDomainFederation, Critical)]
    );
}

#[test]
fn a_root_of_which_no_federation_is_shown_is_told_for_what_it_is() {
    let mut value = good();
    value["domains"][0]["federationConfiguration"] = json!([]);
    let drift = found(&value);
    assert_eq!(kinds(&drift), [(NotFederated, Critical)]);
    assert!(drift[0].sentence.contains("shows no federation"));
    assert!(!drift[0].sentence.contains("is managed"));
    // What Graph did not expand was not said.
    value["domains"][0]["federationConfiguration"] = Value::Null;
    assert_eq!(found(&value), []);
}

#[test]
fn a_foreign_federation_that_changes_is_another_alarm() {
    let keys = |change: &dyn Fn(&mut Value)| {
        let mut own = json!({"id": "1", "issuerUri": "https://idp.fabrikam.com", "passiveSignInUri": "https://idp.fabrikam.com/", "signingCertificate": base64(&active()), "displayName": "Fabrikam"});
        change(&mut own);
        let value = with_domain(
            json!({"id": "fabrikam.com", "authenticationType": "Federated", "federationConfiguration": [own]}),
        );
        let drift = found(&value);
        assert_eq!(kinds(&drift), [(ForeignFederation, Warning)], "{drift:?}");
        drift[0].key()
    };
    let known = keys(&|_| {});
    assert_eq!(known, keys(&|_| {}), "the same is the same");
    let long = "A".repeat(4000);
    let (one, two) = (format!("{long}A==="), format!("{long}B==="));
    let mut seen = std::collections::BTreeSet::from([known]);
    for (property, to) in [
        ("nextSigningCertificate", base64(&other())),
        ("signingCertificate", base64(&other())),
        ("passiveSignInUri", json!("https://evil.example/")),
        ("activeSignInUri", json!("https://evil.example/")),
        ("metadataExchangeUri", json!("https://evil.example/")),
        ("federatedIdpMfaBehavior", json!("rejectMfaByFederatedIdp")),
        ("aThirdCertificate", base64(&other())),
        // No base64, alike for longer than a sentence shows.
        ("nextSigningCertificate", json!(one)),
        ("nextSigningCertificate", json!(two)),
        // DER of one length that no parser of ours reads.
        ("nextSigningCertificate", base64(b"abc")),
        ("nextSigningCertificate", base64(b"abd")),
    ] {
        let key = keys(&|own| own[property] = to.clone());
        assert!(seen.insert(key), "{property} {to}");
    }
}

/// Attack 20: what is known is one domain, one issuer and these keys, and nothing near it.
#[test]
fn a_provider_that_was_named_is_no_alarm_and_its_next_key_is() {
    const ISSUER: &str = "http://adfs.fabrikam.com/adfs/services/trust";
    let thumbprint = |der: &[u8]| Certificate::read(der).unwrap().thumbprint();
    let mut mine = ours();
    mine.known_federations = vec![KnownFederation {
        domain: "fabrikam.com".parse().unwrap(),
        issuer_uri: ISSUER.to_owned(),
        certificates: vec![
            thumbprint(&other()),
            Certificate::read(&next()).unwrap().fingerprint(),
        ],
    }];
    let told = |change: &dyn Fn(&mut Value)| {
        let mut domain = json!({"id": "fabrikam.com", "authenticationType": "Federated", "federationConfiguration": [
            {"id": "1", "issuerUri": ISSUER, "passiveSignInUri": "https://adfs.fabrikam.com/adfs/ls/", "signingCertificate": base64(&other())}]});
        change(&mut domain);
        let found = drift(&mine, &tenant(&with_domain(domain)), now());
        (kinds(&found), found[0].key())
    };
    let own = |property: &'static str, to: Value| {
        move |domain: &mut Value| domain["federationConfiguration"][0][property] = to.clone()
    };
    let known = vec![(ForeignFederation, Info)];
    let (as_named, key) = told(&|_| {});
    assert_eq!(as_named, known);
    let (both, _) = told(&own("nextSigningCertificate", base64(&next())));
    assert_eq!(both, known);
    // It goes elsewhere: no other key, and yet another finding.
    let (elsewhere, other_key) = told(&own("passiveSignInUri", json!("https://evil.example/")));
    assert_eq!(elsewhere, known);
    assert_ne!(key, other_key);
    let alarm = vec![(ForeignFederation, Warning)];
    for (property, to) in [
        ("nextSigningCertificate", base64(&active())),
        ("nextSigningCertificate", json!("no base64")),
        ("nextSigningCertificate", base64(b"abc")),
        ("signingCertificate", base64(&active())),
        ("signingCertificate", Value::Null),
        ("aThirdCertificate", base64(&active())),
        ("issuerUri", json!(format!("{ISSUER}/"))),
        ("issuerUri", json!(ISSUER.to_uppercase())),
        ("issuerUri", Value::Null),
    ] {
        let (found, _) = told(&own(property, to.clone()));
        assert_eq!(found, alarm, "{property} {to}");
    }
    for name in ["eu.fabrikam.com", "fabrikam.com.evil.example"] {
        let (found, _) = told(&|domain| domain["id"] = json!(name));
        assert_eq!(found, alarm, "{name}");
    }
    // Without an object nobody knows whose it is.
    let (found, _) = told(&|domain| domain["federationConfiguration"] = json!([]));
    assert_eq!(found, alarm);
}

#[test]
fn an_unknown_key_that_is_exchanged_for_another_is_another_alarm() {
    let mut seen = std::collections::BTreeSet::new();
    let long = "x".repeat(300);
    for value in [
        base64(b"abc"),
        base64(b"abd"),
        json!(format!("{long}1")),
        json!(format!("{long}2")),
    ] {
        let mut tenant = good();
        tenant["domains"][0]["federationConfiguration"][0]["nextSigningCertificate"] = value;
        let drift = found(&tenant);
        assert_eq!(kinds(&drift), [(UnknownCertificate, Critical)]);
        assert!(seen.insert(drift[0].key()), "{drift:?}");
    }
}

#[test]
fn nearly_our_issuer_elsewhere_is_ours_elsewhere() {
    for issuer in [
        OURS.to_owned(),
        format!("{OURS}/"),
        OURS.to_uppercase(),
        format!(" {OURS}"),
    ] {
        let value = with_domain(
            json!({"id": "evil.com", "authenticationType": "Federated", "federationConfiguration": [{"id": "1", "issuerUri": issuer}]}),
        );
        assert_eq!(
            kinds(&found(&value)),
            [(IssuerElsewhere, Critical)],
            "{issuer}"
        );
    }
    // Our own domain's must be ours byte for byte.
    let mut value = good();
    value["domains"][0]["federationConfiguration"][0]["issuerUri"] = json!(format!("{OURS}/"));
    assert_eq!(kinds(&found(&value)), [(SettingChanged, Critical)]);
}

#[test]
fn a_former_key_of_ours_is_no_strangers() {
    let mut ours = ours();
    ours.certificates.former = vec![other()];
    for property in ["signingCertificate", "nextSigningCertificate"] {
        let mut value = good();
        value["domains"][0]["federationConfiguration"][0][property] = base64(&other());
        let drift = drift(&ours, &tenant(&value), now());
        assert_eq!(kinds(&drift), [(SettingChanged, Critical)], "{drift:?}");
        assert!(drift[0].sentence.contains("former key of ours"));
        assert!(drift[0].remedy.contains("domain apply"));
        assert_eq!(kinds(&found(&value)), [(UnknownCertificate, Critical)]);
    }
}

#[test]
fn a_reset_page_elsewhere_and_properties_of_a_later_graph_are_told() {
    for (address, wanted) in [
        ("https://idp.contoso.com/reset", &[][..]),
        (
            "https://idp.contoso.com.evil.example/",
            &[(SettingChanged, Warning)],
        ),
        (
            "https://idp.contoso.com:8443/",
            &[(SettingChanged, Warning)],
        ),
        ("http://idp.contoso.com/", &[(SettingChanged, Warning)]),
        ("data:text/html,x", &[(SettingChanged, Warning)]),
        ("\u{1b}[2J", &[(SettingChanged, Warning)]),
    ] {
        let mut value = good();
        value["domains"][0]["federationConfiguration"][0]["passwordResetUri"] = json!(address);
        let drift = found(&value);
        assert_eq!(kinds(&drift), wanted, "{address}");
        assert!(drift.iter().all(|one| !one.sentence.contains('\u{1b}')));
    }
    let later = |name: &str, to: Value| {
        let mut value = good();
        value["domains"][0]["federationConfiguration"][0][name] = to;
        found(&value)
    };
    let drift = later("thirdSigningCertificate", base64(&other()));
    assert_eq!(kinds(&drift), [(UnknownProperty, Info)]);
    assert!(drift[0].sentence.contains("thirdSigningCertificate"));
    let exchanged = later("thirdSigningCertificate", base64(&active()));
    assert_ne!(drift[0].key(), exchanged[0].key());
    assert_eq!(
        later(
            "signingCertificateUpdateStatus",
            json!({"certificateUpdateResult": "Success", "lastRunDateTime": "2026-11-21T00:00:00Z"})
        ),
        []
    );
    assert_eq!(later("later", Value::Null), []);
}

#[test]
fn one_domain_that_cannot_be_read_is_told_and_hides_no_other() {
    for (domain, name) in [
        (
            json!({"id": "not a domain\u{1b}[2J", "authenticationType": "Federated"}),
            "not a domain",
        ),
        (
            json!({"id": "fabrikam.com", "authenticationType": "Both"}),
            "fabrikam.com",
        ),
        (
            json!({"id": "fabrikam.com", "authenticationType": "Federated", "federationConfiguration": [{"id": "../../contoso.com", "issuerUri": "x"}]}),
            "fabrikam.com",
        ),
        (
            json!({"id": "fabrikam.com", "authenticationType": "Federated", "federationConfiguration": [{"id": "1"}, {"id": "2"}]}),
            "fabrikam.com",
        ),
        (
            json!({"id": "eu.contoso.com", "isRoot": "perhaps"}),
            "eu.contoso.com",
        ),
    ] {
        let mut value = with_domain(domain);
        if name == "eu.contoso.com" {
            value["domains"].as_array_mut().unwrap().remove(1);
        }
        value["domains"][0]["federationConfiguration"][0]["nextSigningCertificate"] =
            base64(&other());
        let shown = tenant(&value);
        let drift = drift(&ours(), &shown, now());
        let mut kinds = kinds(&drift);
        kinds.sort_unstable();
        assert_eq!(
            kinds,
            [(DomainUnreadable, Critical), (UnknownCertificate, Critical)],
            "{drift:?}"
        );
        let unreadable = drift
            .iter()
            .find(|one| one.kind == DomainUnreadable)
            .unwrap();
        assert!(unreadable.domain.as_deref().unwrap().starts_with(name));
        assert!(!unreadable.sentence.contains('\u{1b}'), "{unreadable:?}");
        // It stays so on the way through a file.
        assert_eq!(tenant(&shown.to_json()), shown);
    }
}

#[test]
fn a_second_entry_of_one_name_is_judged_too() {
    let mut own = federation();
    own["nextSigningCertificate"] = base64(&other());
    for name in ["contoso.com", "CONTOSO.com", "eu.contoso.com"] {
        let value = with_domain(
            json!({"id": name, "authenticationType": "Federated", "federationConfiguration": [own]}),
        );
        assert_eq!(
            kinds(&found(&value)),
            [(UnknownCertificate, Critical)],
            "{name}"
        );
    }
}

#[test]
fn a_part_of_a_tenant_stays_a_part() {
    let mut value = good();
    value["domains"].as_array_mut().unwrap().remove(0);
    assert_eq!(kinds(&found(&value)), [(DomainMissing, Critical)]);
    value["isComplete"] = json!(false);
    assert_eq!(found(&value), []);
    assert_eq!(found(&tenant(&value).to_json()), []);
    value.as_object_mut().unwrap().remove("isComplete");
    assert_eq!(found(&value), []);
}
