use openidconnect::core::CoreProviderMetadata;
use serde_json::{Value, json};

use super::*;

const URL: &str = "https://idp.contoso.com";

#[test]
fn the_document_says_what_entra_wants_and_no_more() {
    let text = encode_discovery(URL).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        document,
        json!({
            "issuer": "https://idp.contoso.com/oidc",
            "authorization_endpoint": "https://idp.contoso.com/oidc/authorize",
            "jwks_uri": "https://idp.contoso.com/oidc/jwks",
            "scopes_supported": ["openid"],
            "response_types_supported": ["id_token"],
            "response_modes_supported": ["form_post"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claim_types_supported": ["normal"],
            "claims_supported": ["acr", "amr", "aud", "exp", "iat", "iss", "nonce", "sub"],
            "claims_parameter_supported": true,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
        })
    );
    assert!(serde_json::from_str::<CoreProviderMetadata>(&text).is_ok());
}

#[test]
fn the_issuer_is_the_address_without_its_end_character_for_character() {
    for url in [
        URL,
        "https://idp.contoso.com:8443",
        "http://localhost:8080",
        "https://xn--bcher-kva.example",
    ] {
        let document: Value = serde_json::from_str(&encode_discovery(url).unwrap()).unwrap();
        let issuer = document["issuer"].as_str().unwrap();
        assert_eq!(Some(issuer), discovery_url(url).strip_suffix(SUFFIX));
        assert_eq!(issuer, super::issuer(url));
        for name in ["authorization_endpoint", "jwks_uri"] {
            let address = document[name].as_str().unwrap();
            assert!(address.starts_with(url) && !address.contains(['?', '#']));
        }
    }
    assert!(encode_discovery("idp").is_err());
}
