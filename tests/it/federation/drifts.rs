//! What changed behind our back: a table of tenants.

use claimbridge::federation::{Drift, DriftKind, DriftSeverity, Ours, Tenant, drift};
use serde_json::{Value, json};

use super::{certificate, now, ours, tenant};

/// A whole tenant in which everything is as it should be.
fn good() -> Value {
    let mut value = tenant("fed-good").to_json();
    value["isComplete"] = json!(true);
    let contoso = &mut value["domains"][0];
    contoso["authenticationType"] = json!("Federated");
    contoso["isVerified"] = json!(true);
    let federation = contoso["federationConfiguration"].clone();
    value["domains"].as_array_mut().unwrap().extend([
        json!({"id": "eu.contoso.com", "authenticationType": "Federated", "isRoot": false, "federationConfiguration": federation}),
        json!({"id": "contoso.onmicrosoft.com", "authenticationType": "Managed", "isInitial": true, "federationConfiguration": []}),
    ]);
    value["identitySecurityDefaultsEnforcementPolicy"] = json!({"isEnabled": false});
    value["federatedTokenValidationPolicy"] = json!({"validatingDomains": {"rootDomains": "all"}});
    value
}

fn found(ours: &Ours, value: &Value) -> Vec<Drift> {
    let tenant = Tenant::parse(value, &"contoso.com".parse().unwrap()).unwrap();
    drift(ours, &tenant, now())
}

fn kinds(value: &Value) -> Vec<(DriftKind, DriftSeverity)> {
    found(&ours(), value)
        .iter()
        .map(|one| (one.kind, one.severity))
        .collect()
}

fn base64(name: &str) -> Value {
    json!(data_encoding::BASE64.encode(&certificate(name)))
}

/// What somebody does to the tenant.
type Change = Box<dyn Fn(&mut Value)>;

fn set(property: &'static str, to: Value) -> Change {
    Box::new(move |tenant| {
        tenant["domains"][0]["federationConfiguration"][0][property] = to.clone();
    })
}

fn another(domain: Value) -> Change {
    Box::new(move |tenant| {
        tenant["domains"]
            .as_array_mut()
            .unwrap()
            .push(domain.clone());
    })
}

#[test]
fn every_change_behind_our_back_is_seen() {
    use DriftKind::{
        DomainMissing, ForeignFederation, IssuerElsewhere, NotFederated, SecurityDefaults,
        SettingChanged, SubDomainFederation, TokenValidationWeakened, UnknownCertificate,
    };
    use DriftSeverity::{Critical, Info, Warning};
    assert_eq!(kinds(&good()), []);
    let foreign = json!({"id": "evil.com", "authenticationType": "Federated",
        "federationConfiguration": [{"id": "1", "issuerUri": "https://evil.com/idp"}]});
    let theft = json!({"id": "evil.com", "authenticationType": "Federated",
        "federationConfiguration": [{"id": "1", "issuerUri": "https://idp.contoso.com/contoso.com"}]});
    let cases: Vec<(&str, Change, (DriftKind, DriftSeverity))> = vec![
        (
            "next certificate",
            set("nextSigningCertificate", base64("other.pem")),
            (UnknownCertificate, Critical),
        ),
        (
            "certificate",
            set("signingCertificate", base64("other.pem")),
            (UnknownCertificate, Critical),
        ),
        (
            "no certificate at all",
            set("signingCertificate", json!("x")),
            (UnknownCertificate, Critical),
        ),
        (
            "staged too early",
            set("signingCertificate", base64("next.pem")),
            (SettingChanged, Critical),
        ),
        (
            "staged is missing",
            set("nextSigningCertificate", Value::Null),
            (SettingChanged, Warning),
        ),
        (
            "issuer",
            set("issuerUri", json!("https://idp.contoso.com/contoso.com/")),
            (SettingChanged, Critical),
        ),
        (
            "address",
            set("passiveSignInUri", json!("https://evil.com/")),
            (SettingChanged, Critical),
        ),
        (
            "passwords",
            set("activeSignInUri", json!("https://evil.com/")),
            (SettingChanged, Critical),
        ),
        (
            "mfa",
            set(
                "federatedIdpMfaBehavior",
                json!("acceptIfMfaDoneByFederatedIdp"),
            ),
            (SettingChanged, Critical),
        ),
        (
            "name",
            set("displayName", json!("Fabrikam")),
            (SettingChanged, Info),
        ),
        (
            "managed",
            Box::new(|tenant| {
                tenant["domains"][0]["authenticationType"] = json!("Managed");
                tenant["domains"][0]["federationConfiguration"] = json!([]);
            }),
            (NotFederated, Critical),
        ),
        (
            "gone",
            Box::new(|tenant| {
                tenant["domains"].as_array_mut().unwrap().remove(0);
            }),
            (DomainMissing, Critical),
        ),
        (
            "foreign",
            another(foreign.clone()),
            (ForeignFederation, Warning),
        ),
        (
            "our issuer elsewhere",
            another(theft),
            (IssuerElsewhere, Critical),
        ),
        (
            "sub-domain",
            Box::new(|tenant| {
                tenant["domains"][1]["federationConfiguration"][0]["issuerUri"] =
                    json!("https://evil.com/");
            }),
            (SubDomainFederation, Critical),
        ),
        (
            "security defaults",
            Box::new(|tenant| {
                tenant["identitySecurityDefaultsEnforcementPolicy"]["isEnabled"] = json!(true);
            }),
            (SecurityDefaults, Info),
        ),
        (
            "validation off",
            Box::new(|tenant| {
                tenant["federatedTokenValidationPolicy"]["validatingDomains"]["rootDomains"] =
                    json!("none");
            }),
            (TokenValidationWeakened, Critical),
        ),
        (
            "validation for some",
            Box::new(|tenant| {
                tenant["federatedTokenValidationPolicy"]["validatingDomains"]["rootDomains"] =
                    json!("allFederated");
            }),
            (TokenValidationWeakened, Warning),
        ),
    ];
    let mut keys = std::collections::BTreeSet::new();
    for (name, change, wanted) in cases {
        let mut value = good();
        change(&mut value);
        let drift = found(&ours(), &value);
        let kinds: Vec<_> = drift.iter().map(|one| (one.kind, one.severity)).collect();
        assert_eq!(kinds, [wanted], "{name}: {drift:?}");
        assert!(
            drift[0].sentence.ends_with('.') && drift[0].remedy.ends_with(['.', '`', '1', ':']),
            "{name}: {drift:?}"
        );
        // The same is the same when it is seen again, and another is another.
        assert_eq!(found(&ours(), &value)[0].key(), drift[0].key());
        assert!(keys.insert(drift[0].key()), "{name}");
    }
    // Where Entra compares nothing a foreign realm is a way in.
    let mut value = good();
    value["federatedTokenValidationPolicy"]["validatingDomains"]["rootDomains"] = json!("none");
    another(foreign)(&mut value);
    assert_eq!(
        kinds(&value),
        [
            (ForeignFederation, Critical),
            (TokenValidationWeakened, Critical)
        ]
    );
}

#[test]
fn a_sub_domain_of_ours_that_nobody_configured_is_no_stranger() {
    let mut value = good();
    let below = value["domains"][0]["federationConfiguration"].clone();
    another(
        json!({"id": "us.contoso.com", "authenticationType": "Federated", "federationConfiguration": below}),
    )(&mut value);
    another(
        json!({"id": "asia.contoso.com", "authenticationType": "Federated", "isRoot": false, "federationConfiguration": []}),
    )(&mut value);
    assert_eq!(kinds(&value), []);
}

#[test]
fn certificates_are_told_before_they_end() {
    let mut ours = ours();
    ours.certificates.staged = None;
    let mut value = good();
    value["domains"][0]["federationConfiguration"][0]["nextSigningCertificate"] = Value::Null;
    value["domains"].as_array_mut().unwrap().remove(1);
    ours.domains.truncate(1);
    let tenant = Tenant::parse(&value, &"contoso.com".parse().unwrap()).unwrap();
    let end = claimbridge::keys::certificate::Certificate::read(&ours.certificates.active)
        .unwrap()
        .not_after;
    let day = std::time::Duration::from_hours(24);
    let at = |now| {
        drift(&ours, &tenant, now)
            .iter()
            .map(|one| one.kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(at(end.minus(day * 61)), []);
    assert_eq!(at(end.minus(day * 59)), [DriftKind::CertificateExpiring]);
    assert_eq!(at(end.plus(day)), [DriftKind::CertificateExpired]);
}

#[test]
fn kinds_have_stable_names_and_are_written_by_them() {
    let names: Vec<_> = DriftKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(
        names,
        [
            "domain-missing",
            "domain-unreadable",
            "not-federated",
            "setting-changed",
            "unknown-property",
            "unknown-certificate",
            "issuer-elsewhere",
            "foreign-federation",
            "sub-domain-federation",
            "certificate-expiring",
            "certificate-expired",
            "security-defaults",
            "token-validation-weakened",
        ]
    );
    for kind in DriftKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.as_str()));
    }
}

#[test]
fn what_was_not_shown_yields_no_drift() {
    // One domain's answer is not the tenant.
    let one = tenant("fed-good");
    assert!(drift(&ours(), &one, now()).is_empty());
}
