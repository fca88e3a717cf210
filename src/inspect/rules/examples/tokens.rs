//! Examples of rules about tokens, documents and configurations.

/// Id, bad, good.
pub(super) const EXAMPLES: &[(&str, &str, &str)] = &[
    (
        "CB-EAM-001",
        r#"{"alg": "none"}"#,
        r#"{"alg": "RS256", "kid": "…"}"#,
    ),
    (
        "CB-EAM-002",
        r#"header "kid": "abc", key set "kid": "abc=""#,
        "the same kid in both",
    ),
    (
        "CB-EAM-003",
        r#"{"kty": "RSA", "kid": "k", "n": "…", "e": "AQAB"}"#,
        r#"{"kty": "RSA", "kid": "k", "n": "…", "e": "AQAB", "x5c": ["MIIC…"]}"#,
    ),
    (
        "CB-EAM-004",
        r#""iss": "https://idp.contoso.com/oidc/""#,
        r#""iss": "https://idp.contoso.com/oidc" for https://idp.contoso.com/oidc/.well-known/openid-configuration"#,
    ),
    (
        "CB-EAM-005",
        r#""sub" of our own user"#,
        r#""sub" of the id_token_hint, "aud" = client_id, "nonce" of the request"#,
    ),
    (
        "CB-EAM-006",
        r#""acr": "mfa""#,
        r#""acr": "possessionorinherence", as asked"#,
    ),
    (
        "CB-EAM-007",
        r#""amr": ["pwd", "mfa"]"#,
        r#""amr": ["otp"]"#,
    ),
    (
        "CB-EAM-008",
        r#""amr": ["fpt"] after a fingerprint"#,
        r#""amr": ["otp"] after a fingerprint"#,
    ),
    (
        "CB-EAM-009",
        "iat six minutes after the hint's iat",
        "iat a minute after the hint's iat, exp in five minutes",
    ),
    (
        "CB-EAM-010",
        r#""response_types_supported": ["code"], Transfer-Encoding: chunked"#,
        r#""response_types_supported": ["id_token"], Content-Length: 700"#,
    ),
    (
        "CB-EAM-011",
        "authorization_endpoint …/authorize, redirect URI …/callback",
        "authorization_endpoint …/authorize, redirect URI …/authorize",
    ),
    (
        "CB-EAM-012",
        r#"{"kty": "RSA", "n": "…", "e": "AQAB", "d": "…"}"#,
        r#"{"kty": "RSA", "n": "…", "e": "AQAB", "x5c": ["MIIC…"]}"#,
    ),
    (
        "CB-JWT-001",
        "claims with 40 levels of arrays",
        "claims with two levels",
    ),
    (
        "CB-JWT-002",
        r#"{"amr": ["pwd"], "amr": ["mfa"]}"#,
        r#"{"amr": ["pwd", "mfa"]}"#,
    ),
    (
        "CB-JWT-003",
        "a token whose payload was edited",
        "the token as the endpoint answered it",
    ),
    (
        "CB-JWT-004",
        "eyJhbGciOiJSUzI1NiJ9.eyJhdWQi (cut)",
        "header.payload.signature, whole",
    ),
    (
        "CB-PC-001",
        r#""amr": ["pwd", "ngcmfa"]"#,
        r#""amr": ["pwd", "mfa"]"#,
    ),
    (
        "CB-PC-002",
        r#""idtyp": "app", no upn"#,
        r#""scp": "user_impersonation", "upn": "agent1@contoso.com""#,
    ),
    (
        "CB-PC-003",
        r#""aud": "https://graph.microsoft.com""#,
        r#""aud": "https://api.partnercenter.microsoft.com""#,
    ),
    (
        "CB-PC-004",
        r#""iss": "https://sts.windows.net/common/""#,
        r#""iss": "https://sts.windows.net/{tid}/" with that tid"#,
    ),
    ("CB-PC-005", r#""exp" an hour ago"#, r#""exp" in an hour"#),
    (
        "CB-PC-006",
        r#""scp": "User.Read""#,
        r#""scp": "user_impersonation""#,
    ),
    ("CB-PC-007", r#""amr": "mfa""#, r#""amr": ["pwd", "mfa"]"#),
    ("CB-PC-008", "bare claims", "a token with --jwks"),
    (
        "CB-PC-009",
        "auth_time two days ago with --max-age 1d",
        "auth_time an hour ago with --max-age 1d",
    ),
    (
        "CB-FED-001",
        r#""passiveSignInUri": "https://old-idp.contoso.com/sso""#,
        r#""passiveSignInUri": "https://idp.contoso.com/saml2/sso?domain=contoso.com""#,
    ),
    (
        "CB-FED-002",
        r#""nextSigningCertificate" that nobody here made"#,
        r#""nextSigningCertificate" of our staged key, or null"#,
    ),
    (
        "CB-FED-003",
        "-FederatedIdpMfaBehavior rejectMfaByFederatedIdp",
        "-FederatedIdpMfaBehavior enforceMfaByFederatedIdp",
    ),
    (
        "CB-FED-004",
        r#""federatedIdpMfaBehavior": null"#,
        r#""federatedIdpMfaBehavior": "enforceMfaByFederatedIdp""#,
    ),
    (
        "CB-FED-005",
        r#""promptLoginBehavior": null"#,
        r#""promptLoginBehavior": "nativeSupport""#,
    ),
    (
        "CB-FED-006",
        r#""preferredAuthenticationProtocol": null"#,
        r#""preferredAuthenticationProtocol": "saml""#,
    ),
    (
        "CB-FED-007",
        "a certificate that ends in 20 days, and no next one",
        "a certificate that ends in a year",
    ),
    (
        "CB-FED-008",
        r#""systemBrowserEnabledOn": "none""#,
        r#""systemBrowserEnabledOn": "ios,android,mac""#,
    ),
    (
        "CB-FED-009",
        "contoso.com and fabrikam.com with one issuerUri",
        "https://idp.contoso.com/contoso.com and https://idp.contoso.com/fabrikam.com",
    ),
    (
        "CB-FED-010",
        r#""isSignedAuthenticationRequestRequired": true without [entra] metadata_file"#,
        r#""isSignedAuthenticationRequestRequired": false"#,
    ),
    (
        "CB-FED-011",
        "the default domain, or contoso.onmicrosoft.com",
        "contoso.com, not the default, and two emergency accounts on contoso.onmicrosoft.com",
    ),
    (
        "CB-FED-012",
        "security defaults on",
        "a Conditional Access policy that requires MFA",
    ),
    (
        "CB-FED-013",
        "-PreferredAuthenticationProtocol Samlp",
        "-PreferredAuthenticationProtocol saml",
    ),
    (
        "CB-FED-014",
        "Set-MsolDomainAuthentication -DomainName contoso.com …",
        "New-MgDomainFederationConfiguration -DomainId contoso.com …",
    ),
];
