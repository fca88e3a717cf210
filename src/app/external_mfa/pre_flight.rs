//! The inspector's own rules on an id_token before it leaves (CB-EAM): one that Entra would
//! refuse is not sent, and the rules that it broke say why.

use crate::{
    base::clock::Timestamp,
    claims::second_factor::SecondFactorAnswer,
    inspect::{self, Consumer, Context, ExternalMfa, GivenAuthorization, Hint, Jwks},
    keys::SigningKey,
    protocol::oidc::jwks::{PublicKey, encode_jwks},
    signin::second_factor::SecondFactorRequest,
};

/// Judges `token`, which says `answer` to `asked` and is signed with `key`, as Entra will.
///
/// # Errors
/// The ids of the rules that are broken.
pub fn pre_flight(
    token: &str,
    answer: &SecondFactorAnswer,
    asked: &SecondFactorRequest,
    key: &SigningKey,
    now: Timestamp,
) -> Result<(), Vec<String>> {
    let consumer = Consumer::EntraExternalMfa;
    let mut context = Context::at(now);
    context.expect = Some(consumer);
    // As Entra has it: of what we publish, by the name in the token's header.
    let listed = encode_jwks([PublicKey {
        id: &key.id,
        certificate: &key.certificate,
    }]);
    context.jwks = listed
        .ok()
        .and_then(|list| Jwks::parse(list.as_bytes()).ok());
    context.external_mfa = ExternalMfa {
        issuer: Some(answer.issuer().to_owned()),
        authorization: Some(GivenAuthorization {
            client_id: Some(asked.client_id.clone()),
            nonce: Some(asked.nonce.clone()),
            acr: asked
                .acr
                .iter()
                .map(|acr| acr.as_str().to_owned())
                .collect(),
            amr: asked.amr.clone(),
            hint: Some(Hint {
                sub: Some(asked.subject.clone()),
                issued_at: Some(asked.asked_at()),
            }),
        }),
        ..ExternalMfa::default()
    };
    inspect::pre_flight(token.as_bytes(), &context).map_err(|report| {
        let verdict = report.verdict(consumer);
        let because = verdict.map_or(&[][..], |verdict| &verdict.because);
        because.iter().map(|rule| (*rule).to_owned()).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        base::{ids::KeyId, random::SystemRandom},
        keys::{KeyPurpose, signing},
        protocol::oidc::id_token::encode_id_token,
        signin::{
            attempt::tests::NOW,
            someone::{Someone, sealing, second_factor_request as asked},
        },
    };

    fn key() -> SigningKey {
        let random = &mut SystemRandom;
        let lifetime = Duration::from_hours(24);
        let size = signing::RsaSize::Bits2048;
        let new = signing::generate(size, "x", NOW, lifetime, random).unwrap();
        let (id, purpose) = (KeyId::random(random), KeyPurpose::Oidc);
        signing::load(id, purpose, &new.pkcs8, new.certificate, NOW).unwrap()
    }

    #[test]
    fn what_entra_would_refuse_is_named_by_its_rule() {
        let key = key();
        let someone = Someone::new("agent1@contoso.com", sealing());
        let done = someone.second_factor_done(&asked());
        let answer = SecondFactorAnswer::release(done, "https://idp.contoso.com/oidc").unwrap();
        let token = encode_id_token(&answer, &key, NOW).unwrap();
        let judge = |asked: &SecondFactorRequest, key: &SigningKey, now| {
            pre_flight(&token, &answer, asked, key, now)
        };
        assert_eq!(judge(&asked(), &key, NOW), Ok(()));
        // Each thing that Entra compares.
        for (other, rule) in [
            (
                SecondFactorRequest {
                    nonce: "another".to_owned(),
                    ..asked()
                },
                "CB-EAM-005",
            ),
            (
                SecondFactorRequest {
                    subject: "another".to_owned(),
                    ..asked()
                },
                "CB-EAM-005",
            ),
            (
                SecondFactorRequest {
                    client_id: "another".to_owned(),
                    ..asked()
                },
                "CB-EAM-005",
            ),
            (
                SecondFactorRequest {
                    acr: vec![crate::signin::second_factor::Acr::Possession],
                    ..asked()
                },
                "CB-EAM-006",
            ),
            (
                SecondFactorRequest {
                    amr: vec!["fido".to_owned()],
                    ..asked()
                },
                "CB-EAM-007",
            ),
            (
                SecondFactorRequest {
                    asked_at_millis: NOW.minus(Duration::from_secs(301)).as_millis(),
                    ..asked()
                },
                "CB-EAM-009",
            ),
        ] {
            assert_eq!(judge(&other, &key, NOW), Err(vec![rule.to_owned()]));
        }
        let late = NOW.plus(Duration::from_mins(11));
        assert_eq!(
            judge(&asked(), &key, late),
            Err(vec!["CB-EAM-009".to_owned()])
        );
        let wrong = judge(&asked(), &self::key(), NOW).unwrap_err();
        assert!(wrong.contains(&"CB-EAM-002".to_owned()), "{wrong:?}");
    }
}
