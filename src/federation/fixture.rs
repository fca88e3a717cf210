//! Us, and a tenant in which everything is as it should be, from the inspector's corpus.

use serde_json::{Value, json};

use super::{
    Certificates, Drift, DriftKind, DriftSeverity, Ours, RequestSigning, Tenant, drift,
    wanted::SystemBrowser,
};
use crate::{base::clock::Timestamp, relying_party::Domain};

pub(super) const OURS: &str = "https://idp.contoso.com/contoso.com";

pub(super) fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-21T12:00:00Z").unwrap()
}

pub(super) fn active() -> Vec<u8> {
    der(include_str!("../../tests/fixtures/inspector/active.pem"))
}

pub(super) fn next() -> Vec<u8> {
    der(include_str!("../../tests/fixtures/inspector/next.pem"))
}

/// A certificate of nobody's.
pub(super) fn other() -> Vec<u8> {
    der(include_str!("../../tests/fixtures/inspector/other.pem"))
}

fn der(pem: &str) -> Vec<u8> {
    let text: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    data_encoding::BASE64.decode(text.as_bytes()).unwrap()
}

pub(super) fn base64(der: &[u8]) -> Value {
    json!(data_encoding::BASE64.encode(der))
}

fn domain(name: &str, root: &str) -> Domain {
    Domain {
        name: name.parse().unwrap(),
        root: root.parse().unwrap(),
        issuer_uri: format!("https://idp.contoso.com/{root}"),
        created_at: now(),
    }
}

pub(super) fn ours() -> Ours {
    Ours {
        display_name: "Contoso".to_owned(),
        public_url: "https://idp.contoso.com".to_owned(),
        certificates: Certificates {
            active: active(),
            staged: Some(next()),
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
        active_door: crate::signin::active::ActiveDoor::Closed,
    }
}

/// Our federation of contoso.com, as Graph shows it.
pub(super) fn federation() -> Value {
    serde_json::from_str(include_str!(
        "../../tests/fixtures/inspector/messages/fed-good.txt"
    ))
    .unwrap()
}

/// The whole tenant: ours, a sub-domain that nobody configured, and one that came with it.
pub(super) fn good() -> Value {
    let shown = federation();
    json!({
        "domains": [
            {"id": "contoso.com", "authenticationType": "Federated", "isRoot": true, "federationConfiguration": [shown]},
            {"id": "eu.contoso.com", "authenticationType": "Federated", "isRoot": false, "federationConfiguration": []},
            {"id": "us.contoso.com", "authenticationType": "Federated", "isRoot": false, "federationConfiguration": []},
            {"id": "contoso.onmicrosoft.com", "authenticationType": "Managed", "isInitial": true, "isRoot": true},
        ],
        "isComplete": true,
        "identitySecurityDefaultsEnforcementPolicy": {"isEnabled": false},
        "federatedTokenValidationPolicy": {"validatingDomains": {"rootDomains": "all"}},
    })
}

pub(super) fn tenant(value: &Value) -> Tenant {
    Tenant::parse(value, &"contoso.com".parse().unwrap()).unwrap()
}

pub(super) fn found(value: &Value) -> Vec<Drift> {
    drift(&ours(), &tenant(value), now())
}

pub(super) fn kinds(drift: &[Drift]) -> Vec<(DriftKind, DriftSeverity)> {
    drift.iter().map(|one| (one.kind, one.severity)).collect()
}
