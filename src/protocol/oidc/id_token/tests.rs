use openidconnect::{
    ClientId, EmptyAdditionalClaims, IdToken, IdTokenVerifier, IssuerUrl, Nonce,
    core::{
        CoreGenderClaim, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    },
};
use serde_json::{Value, json};

use super::*;
use crate::{
    base::{ids::KeyId, random::SystemRandom},
    inspect::{self, Consumer, Context, ExternalMfa, GivenAuthorization, Hint, Jwks, Outcome},
    keys::signing,
    protocol::oidc::jwks::{PublicKey, encode_jwks},
    signin::{
        attempt::tests::NOW,
        someone::{Someone, sealing, second_factor_request as asked},
    },
};

const ISSUER: &str = "https://idp.contoso.com/oidc";

fn key(purpose: KeyPurpose) -> SigningKey {
    let random = &mut SystemRandom;
    let lifetime = Duration::from_hours(24);
    let size = signing::RsaSize::Bits2048;
    let new = signing::generate(size, "x", NOW, lifetime, random).unwrap();
    let id = KeyId::random(random);
    signing::load(id, purpose, &new.pkcs8, new.certificate, NOW).unwrap()
}

fn answer() -> SecondFactorAnswer {
    let someone = Someone::new("agent1@contoso.com", sealing());
    SecondFactorAnswer::release(someone.second_factor_done(&asked()), ISSUER).unwrap()
}

fn parts(token: &str) -> [Value; 2] {
    let mut parts = token.split('.').map(|part| {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice(&bytes).unwrap_or_default()
    });
    [parts.next().unwrap(), parts.next().unwrap()]
}

#[test]
fn a_token_says_what_was_asked_and_proved_and_nothing_else() {
    let key = key(KeyPurpose::Oidc);
    let token = encode_id_token(&answer(), &key, NOW).unwrap();
    let [header, claims] = parts(&token);
    let kid = kid_of(&key.id);
    assert_eq!(header, json!({"typ": "JWT", "alg": "RS256", "kid": kid}));
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER,
            // A plain string, and an array of one.
            "aud": asked().client_id,
            "amr": ["otp"],
            "acr": "possessionorinherence",
            "sub": asked().subject,
            "nonce": asked().nonce,
            "iat": NOW.as_secs(),
            "exp": NOW.as_secs() + 300,
        })
    );
    // Another node, or another try, says the same.
    assert_eq!(token.split('.').count(), 3);
}

#[test]
fn openidconnect_and_our_key_list_verify_it() {
    let key = key(KeyPurpose::Oidc);
    let token = encode_id_token(&answer(), &key, NOW).unwrap();
    let list = |key: &SigningKey| {
        let listed = PublicKey {
            id: &key.id,
            certificate: &key.certificate,
        };
        let text = encode_jwks([listed]).unwrap();
        serde_json::from_str::<CoreJsonWebKeySet>(&text).unwrap()
    };
    let verify = |keys| {
        let token: IdToken<
            EmptyAdditionalClaims,
            CoreGenderClaim,
            CoreJweContentEncryptionAlgorithm,
            CoreJwsSigningAlgorithm,
        > = token.parse().unwrap();
        let client = ClientId::new(asked().client_id);
        let issuer = IssuerUrl::new(ISSUER.to_owned()).unwrap();
        let verifier =
            IdTokenVerifier::new_public_client(client, issuer, keys).set_time_fn(Default::default);
        let nonce = Nonce::new(asked().nonce);
        let claims = token.claims(&verifier, &nonce);
        claims.map(|claims| claims.subject().to_string())
    };
    assert_eq!(verify(list(&key)).unwrap(), asked().subject);
    assert!(verify(list(&self::key(KeyPurpose::Oidc))).is_err());
}

#[test]
fn attack_34_no_key_of_another_purpose_signs_it() {
    for purpose in [KeyPurpose::Assertion, KeyPurpose::Audit] {
        let error = encode_id_token(&answer(), &key(purpose), NOW).unwrap_err();
        assert!(
            matches!(error, IdTokenError::Key(SignError::WrongPurpose { .. })),
            "{purpose}: {error:?}"
        );
    }
}

fn judged(token: &str, key: &SigningKey) -> inspect::Report {
    let list = encode_jwks([PublicKey {
        id: &key.id,
        certificate: &key.certificate,
    }]);
    let mut context = Context::at(NOW);
    context.expect = Some(Consumer::EntraExternalMfa);
    context.jwks = Some(Jwks::parse(list.unwrap().as_bytes()).unwrap());
    context.external_mfa = ExternalMfa {
        issuer: Some(ISSUER.to_owned()),
        authorization: Some(GivenAuthorization {
            client_id: Some(asked().client_id),
            nonce: Some(asked().nonce),
            acr: asked()
                .acr
                .iter()
                .map(|acr| acr.as_str().to_owned())
                .collect(),
            amr: asked().amr,
            hint: Some(Hint {
                sub: Some(asked().subject),
                issued_at: Some(NOW),
            }),
        }),
        ..ExternalMfa::default()
    };
    inspect::inspect(token.as_bytes(), &context)
}

#[test]
fn the_rules_that_judge_others_accept_it() {
    let key = key(KeyPurpose::Oidc);
    let token = encode_id_token(&answer(), &key, NOW).unwrap();
    let report = judged(&token, &key);
    let verdict = report.verdict(Consumer::EntraExternalMfa).unwrap();
    assert_eq!(verdict.outcome, Outcome::Accepted, "{:?}", report.findings);
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    // They see another key, and a changed byte.
    for (token, key) in [
        (token.clone(), &self::key(KeyPurpose::Oidc)),
        (token.replacen('.', ".e", 1), &key),
    ] {
        let report = judged(&token, key);
        let verdict = report.verdict(Consumer::EntraExternalMfa);
        assert!(verdict.is_none_or(|verdict| verdict.outcome != Outcome::Accepted));
    }
}
