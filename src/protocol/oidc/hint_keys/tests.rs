use serde_json::json;

use super::*;
use crate::protocol::oidc::a_cloud::{
    AUTHORITY, CLOUD, KID, NOW, OTHER_AUTHORITY, TENANT, contoso, with,
};

fn metadata() -> Value {
    json!({
        "issuer": format!("{AUTHORITY}/{{tenantid}}/v2.0"),
        "authorization_endpoint": format!("{AUTHORITY}/common/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{AUTHORITY}/common/oauth2/v2.0/token"),
        "jwks_uri": format!("{AUTHORITY}/common/discovery/v2.0/keys"),
        "response_types_supported": ["code", "id_token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "tenant_region_scope": null,
    })
}

fn read(metadata: &Value) -> Result<CloudMetadata, HintKeysError> {
    parse_metadata(&contoso().cloud, metadata.to_string().as_bytes())
}

#[test]
fn the_keys_of_a_cloud_are_where_its_own_document_says() {
    assert_eq!(
        read(&metadata()).unwrap().keys,
        format!("{AUTHORITY}/common/discovery/v2.0/keys")
    );
    assert_eq!(
        contoso().cloud.metadata_url(),
        "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration"
    );
}

#[test]
fn attack_29_a_document_of_another_issuer_or_that_leads_elsewhere_is_refused() {
    for (name, value) in [
        (
            "issuer",
            json!(format!("{OTHER_AUTHORITY}/{{tenantid}}/v2.0")),
        ),
        ("issuer", json!(format!("{AUTHORITY}/{TENANT}/v2.0"))),
        ("issuer", json!(format!("{AUTHORITY}/{{tenantid}}/v2.0/"))),
        ("issuer", Value::Null),
        ("jwks_uri", json!("http://login.microsoftonline.com/keys")),
        (
            "jwks_uri",
            json!("https://login.microsoftonline.com.evil.example/keys"),
        ),
        (
            "jwks_uri",
            json!("https://login.microsoftonline.com:8443/keys"),
        ),
        (
            "jwks_uri",
            json!("https://x@login.microsoftonline.com/keys"),
        ),
        (
            "jwks_uri",
            json!("https://:x@login.microsoftonline.com/keys"),
        ),
        ("jwks_uri", json!("http://169.254.169.254/latest")),
        ("jwks_uri", json!("file:///etc/passwd")),
        ("jwks_uri", json!("/keys")),
        ("jwks_uri", Value::Null),
    ] {
        let document = with(metadata(), name, value.clone());
        assert!(read(&document).is_err(), "{name} {value}");
    }
    assert!(parse_metadata(&contoso().cloud, b"<html>").is_err());
    let large = format!("{}{}", metadata(), " ".repeat(MAX_DOCUMENT));
    assert!(matches!(
        parse_metadata(&contoso().cloud, large.as_bytes()),
        Err(HintKeysError::TooLarge)
    ));
}

fn keys(keys: &[Value]) -> Result<HintKeys, HintKeysError> {
    HintKeys::parse(
        &contoso().cloud,
        json!({ "keys": keys }).to_string().as_bytes(),
        NOW,
    )
}

#[test]
fn only_rsa_keys_for_signatures_are_kept() {
    let tenant = TENANT.parse().unwrap();
    let right = CLOUD.jwk();
    let of = keys(std::slice::from_ref(&right)).unwrap();
    assert!(of.has(KID) && !of.has("another"));
    assert!(of.key(KID, tenant).is_some());
    assert_eq!(of.read_at(), NOW);
    for (name, value) in [
        ("use", json!("enc")),
        ("alg", json!("RS512")),
        ("kty", json!("EC")),
        ("kty", json!("oct")),
        ("kid", Value::Null),
        ("kid", json!("")),
        ("n", Value::Null),
        ("n", json!("%%")),
        ("d", json!("AQAB")),
        ("issuer", json!(["x"])),
    ] {
        let other = with(right.clone(), name, value.clone());
        assert!(
            matches!(
                keys(std::slice::from_ref(&other)),
                Err(HintKeysError::NoKeys)
            ),
            "{name} {value}"
        );
        // One that is of no use does not spoil the others.
        let beside = keys(&[with(other, "kid", json!("beside")), right.clone()]);
        assert!(beside.unwrap().has(KID), "{name} {value}");
    }
    for (name, value) in [("use", Value::Null), ("alg", json!("RS256"))] {
        let other = with(right.clone(), name, value);
        assert!(keys(&[other]).unwrap().key(KID, tenant).is_some());
    }
    // Which of two is meant nobody knows.
    let twice = keys(&[right.clone(), right]).unwrap();
    assert!(twice.key(KID, tenant).is_none());
}

#[test]
fn attack_17_a_set_is_bounded() {
    let many = vec![CLOUD.jwk(); MAX_KEYS + 1];
    assert!(matches!(keys(&many), Err(HintKeysError::TooMany)));
    assert!(matches!(keys(&[]), Err(HintKeysError::NoKeys)));
    let large = vec![b' '; MAX_DOCUMENT + 1];
    assert!(matches!(
        HintKeys::parse(&contoso().cloud, &large, NOW),
        Err(HintKeysError::TooLarge)
    ));
    for shapeless in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[1]}"] {
        let found = HintKeys::parse(&contoso().cloud, shapeless.as_bytes(), NOW);
        assert!(found.is_err(), "{shapeless}");
    }
}

/// As Microsoft's worldwide set of September 2025 has it: the US government's keys stand in it
/// with the worldwide issuer (review N1-3).
#[test]
fn attack_34_a_key_of_another_cloud_in_the_set_verifies_nothing() {
    let named = with(
        metadata(),
        "cloud_instance_name",
        json!("microsoftonline.com"),
    );
    let instance = read(&named).unwrap().instance;
    assert_eq!(instance.as_deref(), Some("microsoftonline.com"));
    assert_eq!(read(&metadata()).unwrap().instance, None);
    assert!(read(&with(metadata(), "cloud_instance_name", json!(1))).is_err());
    let key = |kid: &str, instance: Value| {
        let key = with(CLOUD.jwk(), "kid", json!(kid));
        with(key, "cloud_instance_name", instance)
    };
    let keys = [
        key("ours", json!("microsoftonline.com")),
        key("theirs", json!("microsoftonline.us")),
        key("silent", Value::Null),
        key("shapeless", json!(["microsoftonline.com"])),
    ];
    let document = json!({ "keys": keys }).to_string();
    let all = HintKeys::parse(&contoso().cloud, document.as_bytes(), NOW).unwrap();
    let verifies = |keys: &HintKeys| {
        let tenant = contoso().tenant;
        ["ours", "theirs", "silent", "shapeless"].map(|kid| keys.key(kid, tenant).is_some())
    };
    let ours = all.clone().of_instance(instance.as_deref()).unwrap();
    assert_eq!(verifies(&ours), [true, false, true, false]);
    // A cloud that does not say what it is called.
    assert_eq!(
        verifies(&all.of_instance(None).unwrap()),
        [true, true, true, false]
    );
}
