//! What must be so of every report, whatever came in.

use claimbridge::{
    base::clock::Timestamp,
    inspect::{
        Basis, Context, ExternalMfa, GivenAuthorization, Hint, Kind, Outcome, Report,
        UncheckedSignature, inspect, redact::redacted,
    },
    relying_party::EntraCloud,
};

/// A context that lets every rule decide as far as it can without keys.
pub fn context() -> Context {
    Context {
        issuer: Some("https://idp.contoso.com/contoso.com".to_owned()),
        realm: "contoso.com".parse().ok(),
        cloud: Some(EntraCloud::global()),
        external_mfa: ExternalMfa {
            issuer: Some("https://idp.contoso.com/oidc".to_owned()),
            authorization: Some(GivenAuthorization {
                client_id: Some("client".to_owned()),
                nonce: Some("nonce".to_owned()),
                acr: vec!["possessionorinherence".to_owned()],
                amr: vec!["otp".to_owned()],
                hint: Some(Hint::default()),
            }),
            ..ExternalMfa::default()
        },
        ..Context::at(Timestamp::from_millis(1_795_168_800_000))
    }
}

/// Judges the bytes; panics if the report contradicts itself.
pub fn judge(bytes: &[u8]) -> Report {
    let report = inspect(bytes, &context());
    let unknown = report.input.kind == Kind::Unknown;
    assert_eq!(unknown, report.input.problem.is_some());
    assert_eq!(unknown, report.exit_code() == 2);
    let documents = [
        Kind::OidcDiscovery,
        Kind::Jwks,
        Kind::FederationConfiguration,
        Kind::Har,
    ];
    for verdict in &report.verdicts {
        // No key was given: nothing signed can have been verified.
        let excused =
            documents.contains(&report.input.kind) || report.input.kind == Kind::JwtClaims;
        assert!(
            verdict.outcome != Outcome::Accepted || excused,
            "{report:?}"
        );
        assert_ne!(verdict.basis, Basis::VerifiedSignature);
    }
    redacted(&report);
    let assumed = Context {
        unchecked_signature: UncheckedSignature::TakenAsGood,
        ..context()
    };
    inspect(bytes, &assumed);
    report
}
