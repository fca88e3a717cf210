//! Signing in.

use claimbridge::{
    base::clock::Timestamp,
    directory::{AttestationState, SecurityKey},
    factor::{
        FactorKind,
        webauthn::{
            KeyRefused, Purpose,
            policy::{Models, Permission, PolicyRefusal, UserVerification},
        },
    },
};

use super::kit::{Kit, NOW, ORIGIN, Refused, parsed, person};
use crate::soft_key::{AT, Assertion, BE, BS, ED, SoftKey, UP, UV};

#[test]
fn what_the_key_verified_decides_what_its_proof_is_worth() {
    let kit = Kit::new();
    let mut key = SoftKey::new();
    let row = kit.stored(&mut key);
    for purpose in [Purpose::SecondFactor, Purpose::Passwordless] {
        let verified = kit.assertion(purpose, &mut key, &row, |_| ());
        assert_eq!(verified, Ok(FactorKind::WebAuthnVerified));
        // Though it verified its person at registration: then it is worth less, no more.
        let touched = kit.assertion(purpose, &mut key, &row, |answer| answer.data.flags &= !UV);
        assert_eq!(touched, Ok(FactorKind::WebAuthn));
    }
    // A second factor need not repeat whose it is.
    let silent = kit.assertion(Purpose::SecondFactor, &mut key, &row, |answer| {
        answer.user_handle = None;
    });
    assert_eq!(silent, Ok(FactorKind::WebAuthnVerified));
}

#[test]
fn the_question_names_the_person_s_keys_or_none() {
    let kit = Kit::new();
    let row = kit.stored(&mut SoftKey::new());
    let asked = parsed(
        &kit.asks(Purpose::SecondFactor, std::slice::from_ref(&row))
            .options,
    );
    let asked = &asked["publicKey"];
    assert_eq!(asked["rpId"], "idp.contoso.com");
    assert_eq!(asked["userVerification"], "discouraged");
    assert_eq!(asked["allowCredentials"].as_array().unwrap().len(), 1);
    assert_eq!(asked["allowCredentials"][0]["transports"][0], "usb");
    let asked = parsed(&kit.asks(Purpose::Passwordless, &[]).options);
    let asked = &asked["publicKey"];
    assert_eq!(asked["userVerification"], "preferred");
    assert_eq!(asked["allowCredentials"].as_array().unwrap().len(), 0);
}

type Change = fn(&mut Assertion);

const BAD: [(&str, Change, KeyRefused); 26] = [
    (
        "type",
        |a| a.client.kind = "webauthn.create".into(),
        KeyRefused::Type,
    ),
    (
        "challenge",
        |a| a.client.challenge = "AAAA".into(),
        KeyRefused::Challenge,
    ),
    (
        "frame",
        |a| a.client.members.push(("crossOrigin", true.into())),
        KeyRefused::CrossOrigin,
    ),
    (
        "top origin",
        |a| a.client.members.push(("topOrigin", ORIGIN.into())),
        KeyRefused::CrossOrigin,
    ),
    (
        "client data",
        |a| a.client.raw = Some(b"{}".to_vec()),
        KeyRefused::ClientData,
    ),
    (
        "rp id",
        |a| a.data.rp_id = "contoso.com".into(),
        KeyRefused::RpIdHash,
    ),
    (
        "UP stripped",
        |a| a.data.flags &= !UP,
        KeyRefused::NotPresent,
    ),
    (
        "backed up but not eligible",
        |a| a.data.flags |= BS,
        KeyRefused::Backup,
    ),
    (
        "eligible now",
        |a| a.data.flags |= BE,
        KeyRefused::BackupChanged,
    ),
    (
        "a new key",
        |a| {
            a.data.flags |= AT;
            a.data.key = Some(([1; 16], a.raw_id.clone(), SoftKey::new().cose));
        },
        KeyRefused::UnexpectedKey,
    ),
    (
        "extensions: garbage",
        |a| {
            a.data.flags |= ED;
            a.data.extensions = vec![0x5f];
        },
        KeyRefused::AuthenticatorData,
    ),
    (
        "trailing bytes",
        |a| a.data.trailing = vec![1],
        KeyRefused::TrailingBytes,
    ),
    (
        "signature altered",
        |a| {
            a.signature = |signature| {
                let last = signature.len() - 1;
                signature[last] ^= 1;
            }
        },
        KeyRefused::Signature,
    ),
    (
        "signature empty",
        |a| a.signature = Vec::clear,
        KeyRefused::Signature,
    ),
    (
        "signature too long",
        |a| a.signature = |signature| signature.push(0),
        KeyRefused::Signature,
    ),
    (
        "credential id",
        |a| a.raw_id[0] ^= 1,
        KeyRefused::CredentialIdMismatch,
    ),
    (
        "id and raw id differ",
        |a| a.json = |json| json["id"] = "AAAA".into(),
        KeyRefused::IdMismatch,
    ),
    (
        "no public key",
        |a| a.json = |json| json["type"] = "".into(),
        KeyRefused::NotAPublicKey,
    ),
    (
        "no signature",
        |a| a.json = |json| json["response"]["signature"] = serde_json::Value::Null,
        KeyRefused::Unreadable,
    ),
    (
        "oversized",
        |a| a.json = |json| json["x"] = "x".repeat(8 * 1024).into(),
        KeyRefused::TooLarge,
    ),
    (
        "user handle of nobody",
        |a| a.user_handle = Some(b"usr_somebodyelse".to_vec()),
        KeyRefused::OtherPerson,
    ),
    (
        "user handle, one bit",
        |a| a.user_handle.as_mut().unwrap()[7] ^= 1,
        KeyRefused::OtherPerson,
    ),
    (
        "counter: the same",
        |a| a.data.counter -= 1,
        KeyRefused::Counter,
    ),
    ("counter: less", |a| a.data.counter = 1, KeyRefused::Counter),
    (
        "counter: none any more",
        |a| a.data.counter = 0,
        KeyRefused::Counter,
    ),
    (
        "authenticator data cut off",
        |a| {
            a.json = |json| {
                json["response"]["authenticatorData"] = "AAAA".into();
            }
        },
        KeyRefused::AuthenticatorData,
    ),
];

#[test]
fn attack_9_one_field_away_from_a_good_assertion_is_refused_for_its_own_reason() {
    let kit = Kit::new();
    for purpose in [Purpose::SecondFactor, Purpose::Passwordless] {
        for (what, change, reason) in BAD {
            let mut key = SoftKey::new();
            key.counter = 5;
            let row = kit.stored(&mut key);
            let refused = kit.assertion(purpose, &mut key, &row, change);
            assert_eq!(refused, Err(Refused::Key(reason)), "{what}");
            key.counter = 5;
            let good = kit.assertion(purpose, &mut key, &row, |_| ());
            assert_eq!(good, Ok(FactorKind::WebAuthnVerified), "{what}");
        }
    }
}

#[test]
fn a_key_that_does_not_count_never_goes_back() {
    let kit = Kit::new();
    let mut key = SoftKey::new();
    let row = kit.stored(&mut key);
    let signed = kit.assertion(Purpose::SecondFactor, &mut key, &row, |answer| {
        answer.data.counter = 0;
    });
    assert_eq!(signed, Ok(FactorKind::WebAuthnVerified));
}

#[test]
fn attack_1_a_key_signs_for_its_own_person_only() {
    let kit = Kit::new();
    let mut key = SoftKey::new();
    let row = kit.stored(&mut key);
    let stranger = person("b@contoso.com", &kit.sealing).id;
    // Another person's key in this person's ceremony.
    let mut theirs = SecurityKey {
        user: stranger,
        ..row.clone()
    };
    theirs.tag = theirs.make_tag(&kit.sealing);
    let refused = kit.assertion(Purpose::SecondFactor, &mut key, &theirs, |answer| {
        answer.user_handle = None;
    });
    assert_eq!(refused, Err(Refused::Key(KeyRefused::OtherPerson)));
    // Without a name, the key must say whose it is.
    let refused = kit.assertion(Purpose::Passwordless, &mut key, &row, |answer| {
        answer.user_handle = None;
    });
    assert_eq!(refused, Err(Refused::Key(KeyRefused::OtherPerson)));
    let refused = kit.assertion(Purpose::Passwordless, &mut key, &theirs, |_| ());
    assert_eq!(refused, Err(Refused::Key(KeyRefused::OtherPerson)));
    // A stranger's key that takes the person's credential id.
    let mut forger = SoftKey::new();
    forger.credential_id = row.credential_id.clone();
    forger.user_handle = key.user_handle.clone();
    forger.counter = 100;
    let refused = kit.assertion(Purpose::Passwordless, &mut forger, &row, |_| ());
    assert_eq!(refused, Err(Refused::Key(KeyRefused::Signature)));
}

#[test]
fn attack_38_a_row_that_was_altered_or_taken_away_proves_nothing() {
    let kit = Kit::new();
    let mut key = SoftKey::new();
    let row = kit.stored(&mut key);
    let stranger = person("b@contoso.com", &kit.sealing).id;
    let other = kit.stored(&mut SoftKey::new());
    let altered: [SecurityKey; 8] = [
        SecurityKey {
            user: stranger,
            ..row.clone()
        },
        SecurityKey {
            id: other.id.clone(),
            ..row.clone()
        },
        SecurityKey {
            passkey: other.passkey.clone(),
            ..row.clone()
        },
        SecurityKey {
            aaguid: claimbridge::base::aaguid::Aaguid::ZERO,
            ..row.clone()
        },
        SecurityKey {
            backup_eligible: true,
            ..row.clone()
        },
        SecurityKey {
            attestation: claimbridge::directory::AttestationState::Verified,
            ..row.clone()
        },
        SecurityKey {
            attestation_key: Some("00".repeat(20)),
            ..row.clone()
        },
        SecurityKey {
            created_at: Timestamp::from_millis(1),
            ..row.clone()
        },
    ];
    for row in altered {
        let refused = kit.assertion(Purpose::SecondFactor, &mut key, &row, |_| ());
        assert_eq!(refused, Err(Refused::Key(KeyRefused::Tampered)));
    }
    let revoked = SecurityKey {
        revoked_at: Some(NOW),
        ..row.clone()
    };
    let refused = kit.assertion(Purpose::SecondFactor, &mut key, &revoked, |_| ());
    assert_eq!(refused, Err(Refused::Key(KeyRefused::Revoked)));
    assert!(
        kit.assertion(Purpose::SecondFactor, &mut key, &row, |_| ())
            .is_ok()
    );
}

#[test]
fn attack_35_the_policy_is_asked_at_every_sign_in() {
    let mut kit = Kit::new();
    let mut key = SoftKey::new();
    let row = kit.stored(&mut key);
    kit.policy.models = Models::Except(vec![row.aaguid]);
    let refused = kit.assertion(Purpose::Passwordless, &mut key, &row, |_| ());
    assert_eq!(
        refused,
        Err(Refused::Policy(PolicyRefusal::Model(row.aaguid)))
    );
}

/// At a clean desk also a key that was there before it became one.
#[test]
fn a_key_that_was_added_unattested_does_not_count_at_a_clean_desk() {
    let mut kit = Kit::new();
    let mut key = SoftKey::new();
    let row = kit.stored(&mut key);
    assert_ne!(row.attestation, AttestationState::Verified);
    let signs = |kit: &Kit, key: &mut SoftKey| {
        let answer = kit.assertion(Purpose::SecondFactor, key, &row, |_| ());
        answer.map(drop)
    };
    assert_eq!(signs(&kit, &mut key), Ok(()));
    kit.policy.unattested = Permission::Refused;
    assert_eq!(
        signs(&kit, &mut key),
        Err(Refused::Policy(PolicyRefusal::AddedUnattested))
    );
}

#[test]
fn attack_9_a_required_verification_is_read_from_the_stored_challenge() {
    let mut kit = Kit::new();
    let mut key = SoftKey::new();
    let row = kit.stored(&mut key);
    kit.policy.user_verification = UserVerification::Required;
    for purpose in [Purpose::SecondFactor, Purpose::Passwordless] {
        let asked = kit.asks(purpose, std::slice::from_ref(&row));
        assert_eq!(
            parsed(&asked.options)["publicKey"]["userVerification"],
            "required"
        );
        let mut answer = key.assertion(&parsed(&asked.options), ORIGIN);
        answer.data.flags &= !UV;
        let json = key.finish_assertion(&answer);
        kit.policy.user_verification = UserVerification::Preferred;
        let refused = kit.signs(asked.ceremony, purpose, &json, &row);
        assert_eq!(refused, Err(Refused::Key(KeyRefused::NotVerified)));
        kit.policy.user_verification = UserVerification::Required;
    }
}
