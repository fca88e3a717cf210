use super::*;
use crate::{
    base::{ids::UserId, random::SystemRandom},
    relying_party::EntraCloud,
    signin::{
        attempt::tests::NOW,
        someone::{Someone, sealing},
    },
};

fn domain(name: &str, root: &str) -> Domain {
    Domain {
        name: name.parse().unwrap(),
        root: root.parse().unwrap(),
        issuer_uri: format!("https://idp.example.com/{root}"),
        created_at: NOW,
    }
}

fn domains() -> Vec<Domain> {
    vec![
        domain("contoso.com", "contoso.com"),
        domain("eu.contoso.com", "contoso.com"),
        domain("fabrikam.com", "fabrikam.com"),
    ]
}

fn release(
    someone: &Someone,
    user: &User,
    domains: &[Domain],
    asked: Option<&str>,
) -> Result<ClaimSet, NotReleased> {
    let (_, signed_in) = someone.signed_in();
    let asked = asked.map(|name| name.parse().unwrap());
    let entra = EntraCloud::global().relying_party(Vec::new());
    for_sign_in(
        &signed_in,
        user,
        domains,
        asked.as_ref(),
        &entra,
        "_index".to_owned(),
        &someone.sealing,
    )
}

#[test]
fn what_entra_gets_to_know() {
    let someone = Someone::new("agent1@contoso.com", sealing());
    let claims = release(&someone, &someone.user, &domains(), None).unwrap();
    assert_eq!(claims.issuer(), "https://idp.example.com/contoso.com");
    assert_eq!(claims.realm().as_str(), "contoso.com");
    assert_eq!(claims.audience(), "urn:federation:MicrosoftOnline");
    assert_eq!(
        claims.name_id(),
        someone.user.immutable_id.as_ref().unwrap().as_str()
    );
    assert_eq!(claims.upn(), "agent1@contoso.com");
    assert_eq!(claims.authn_instant(), NOW);
    // The code came nine seconds after the password.
    let code_at = NOW.plus(std::time::Duration::from_secs(9));
    assert_eq!(claims.multi_factor_instant(), code_at);
    assert_eq!(claims.session_index(), "_index");
    assert_eq!(
        claims.class_ref(),
        "http://schemas.microsoft.com/claims/multipleauthn"
    );
    assert_eq!(
        claims.method_references(),
        [
            "http://schemas.microsoft.com/claims/multipleauthn",
            "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
            "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken",
        ]
    );
}

#[test]
fn attack_19_an_issuer_speaks_for_its_own_people_only() {
    let someone = Someone::new("agent1@eu.contoso.com", sealing());
    let ask = |asked| {
        release(&someone, &someone.user, &domains(), asked).map(|claims| claims.issuer().to_owned())
    };
    assert_eq!(ask(None).unwrap(), "https://idp.example.com/contoso.com");
    assert_eq!(
        ask(Some("contoso.com")).unwrap(),
        "https://idp.example.com/contoso.com"
    );
    assert_eq!(
        ask(Some("eu.contoso.com")).unwrap(),
        "https://idp.example.com/contoso.com"
    );
    assert!(matches!(
        ask(Some("fabrikam.com")),
        Err(NotReleased::OtherDomain { .. })
    ));
    assert!(matches!(
        ask(Some("unknown.com")),
        Err(NotReleased::OtherDomain { .. })
    ));
    // A sub-domain that nobody configured has no people, although its root is there.
    let stray = Someone::new("agent1@us.contoso.com", sealing());
    assert!(matches!(
        release(&stray, &stray.user, &domains(), None),
        Err(NotReleased::UnknownDomain(_))
    ));
    let evil = Someone::new("agent1@evilcontoso.com", sealing());
    assert!(matches!(
        release(&evil, &evil.user, &domains(), None),
        Err(NotReleased::UnknownDomain(_))
    ));
}

#[test]
fn attack_38_a_moved_identity_releases_nothing() {
    let someone = Someone::new("agent1@contoso.com", sealing());
    let error_of = |user: &User| release(&someone, user, &domains(), None).err();
    let admin = User {
        immutable_id: Some("GLOBALADMIN".parse().unwrap()),
        ..someone.user.clone()
    };
    assert_eq!(error_of(&admin), Some(NotReleased::Tampered));
    let renamed = User {
        upn: "admin@contoso.com".parse().unwrap(),
        ..someone.user.clone()
    };
    assert_eq!(error_of(&renamed), Some(NotReleased::Tampered));
    let other = User {
        id: UserId::random(&mut SystemRandom),
        ..someone.user.clone()
    };
    assert_eq!(error_of(&other), Some(NotReleased::OtherPerson));
}

#[test]
fn without_an_immutable_id_nothing_is_released() {
    let mut someone = Someone::new("agent1@contoso.com", sealing());
    someone.user.immutable_id = None;
    someone.user.identity_tag =
        crate::directory::identity_tag(&someone.sealing, &someone.user.id, &someone.user.upn, None);
    assert_eq!(
        release(&someone, &someone.user, &domains(), None).err(),
        Some(NotReleased::NoImmutableId)
    );
}

#[test]
fn attack_21_one_class_has_no_context() {
    let (_, signed_in) = Someone::new("agent1@contoso.com", sealing()).signed_in();
    let proofs = signed_in.proofs();
    assert!(authn_context::of(proofs).is_some());
    assert!(authn_context::of(&proofs[..1]).is_none());
    assert!(authn_context::of(&proofs[1..]).is_none());
    assert!(authn_context::of(&[proofs[0].clone(), proofs[0].clone()]).is_none());
    assert!(authn_context::of(&[]).is_none());
}

#[test]
fn attack_21_the_multi_factor_instant_is_that_of_the_second_class() {
    use crate::{base::ids::CredentialId, factor::FactorKind, session::SessionProof};
    use FactorKind::{Password, Totp, WebAuthn, WebAuthnVerified};
    let instant = |proofs: &[(FactorKind, u64)]| {
        let proofs: Vec<SessionProof> = proofs
            .iter()
            .map(|(kind, seconds)| SessionProof {
                kind: *kind,
                credential: CredentialId::random(&mut SystemRandom),
                at: NOW.plus(std::time::Duration::from_secs(*seconds)),
            })
            .collect();
        authn_context::of(&proofs).map(|context| context.multi_factor_instant.since(NOW).as_secs())
    };
    assert_eq!(instant(&[(Password, 1), (Totp, 9)]), Some(9));
    assert_eq!(instant(&[(WebAuthnVerified, 3)]), Some(3));
    // More of the same class makes nothing; what follows the second class neither.
    assert_eq!(instant(&[(Totp, 1), (WebAuthn, 4), (Password, 7)]), Some(7));
    assert_eq!(instant(&[(Password, 1), (Totp, 2), (WebAuthn, 8)]), Some(2));
    assert_eq!(instant(&[(Totp, 1), (WebAuthn, 4)]), None);
}
