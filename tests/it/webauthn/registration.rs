//! New keys.

use std::time::Duration;

use ciborium::value::Value;
use claimbridge::{
    base::{aaguid::Aaguid, browser::CookieToken, ids::AttemptId, random::SystemRandom},
    directory::{AttestationState, CoseAlgorithm},
    factor::{
        evidence::Binding,
        webauthn::{
            Ceremony, KeyRefused, Purpose,
            ceremony::LIFETIME,
            metadata::Metadata,
            policy::{
                Attestation, Backup, Permission, PolicyRefusal, UserVerification, UserVerified,
                WebAuthnPolicy,
            },
            registration::Statement as Proved,
        },
    },
};

use openssl::{bn::BigNumContext, ec::PointConversionForm};
use serde_json::json;

use super::kit::{Kit, MILLI, NOW, ORIGIN, parsed, person};
use crate::{
    mds::metadata,
    mds_kit,
    soft_key::{
        BE, BS, ED, MODEL, Maker, Registration, SoftKey, Statement, UP, UV, cbor, coordinate, cose,
        map,
    },
};

#[test]
fn a_good_answer_becomes_a_key_of_what_was_signed() {
    let kit = Kit::new();
    let mut key = SoftKey::new();
    key.counter = 7;
    key.flags = UP | UV | BE | BS;
    let new = kit.registration(&mut key, |_| ()).unwrap();
    assert_eq!(new.credential_id, key.credential_id);
    assert_eq!(new.counter, 7);
    assert_eq!(new.aaguid, Aaguid::from_bytes(MODEL));
    assert_eq!(new.algorithm, CoseAlgorithm::ES256);
    assert_eq!(
        (new.user_verified, new.backup, new.backed_up),
        (UserVerified::Yes, Backup::Eligible, true)
    );
    assert_eq!(new.transports, ["usb", "nfc"]);
    assert_eq!(new.discoverable, Some(true));
    assert_eq!(new.statement, Proved::SelfSigned);
    assert_eq!(key.user_handle, kit.user.id.as_str().as_bytes());

    key.flags = UP;
    let new = kit.registration(&mut key, |_| ()).unwrap();
    assert_eq!(
        (new.user_verified, new.backup, new.backed_up),
        (UserVerified::No, Backup::DeviceBound, false)
    );
}

#[test]
fn the_question_says_what_the_policy_wants() {
    let mut kit = Kit::new();
    let options = parsed(&kit.asks_registration().options);
    let asked = &options["publicKey"];
    assert_eq!(asked["attestation"], "direct");
    assert_eq!(asked["rp"]["id"], "idp.contoso.com");
    assert_eq!(asked["user"]["name"], "agent1@contoso.com");
    let selection = &asked["authenticatorSelection"];
    assert_eq!(selection["userVerification"], "preferred");
    assert_eq!(selection["residentKey"], "preferred");
    let algorithms = |asked: &serde_json::Value| -> Vec<i64> {
        let list = asked["pubKeyCredParams"].as_array().unwrap();
        list.iter()
            .map(|one| one["alg"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(algorithms(asked), [-7, -257]);
    // The library cannot verify EdDSA: it is not promised, also if a policy had it.
    kit.policy.algorithms.push(CoseAlgorithm::EDDSA);
    let options = parsed(&kit.asks_registration().options);
    assert_eq!(algorithms(&options["publicKey"]), [-7, -257]);

    kit.policy = WebAuthnPolicy {
        user_verification: UserVerification::Required,
        attestation: Attestation::NotAsked,
        algorithms: vec![CoseAlgorithm::ES384, CoseAlgorithm::ES256],
        ..WebAuthnPolicy::default()
    };
    let options = parsed(&kit.asks_registration().options);
    let asked = &options["publicKey"];
    assert_eq!(asked["attestation"], "none");
    assert_eq!(algorithms(asked), [-35, -7]);
    let selection = &asked["authenticatorSelection"];
    assert_eq!(selection["userVerification"], "required");
}

type Change = fn(&mut Registration);

/// One field each away from the good answer above.
const BAD: [(&str, Change, KeyRefused); 45] = [
    (
        "type of a sign-in",
        |a| a.client.kind = "webauthn.get".into(),
        KeyRefused::Type,
    ),
    (
        "type of a payment",
        |a| a.client.kind = "payment.get".into(),
        KeyRefused::Type,
    ),
    (
        "challenge",
        |a| a.client.challenge = "AAAA".into(),
        KeyRefused::Challenge,
    ),
    (
        "challenge, one letter",
        |a| {
            let first = if a.client.challenge.remove(0) == 'A' {
                'B'
            } else {
                'A'
            };
            a.client.challenge.insert(0, first);
        },
        KeyRefused::Challenge,
    ),
    (
        "frame",
        |a| a.client.members.push(("crossOrigin", true.into())),
        KeyRefused::CrossOrigin,
    ),
    (
        "top origin",
        |a| {
            a.client
                .members
                .push(("topOrigin", "https://evil.example".into()));
        },
        KeyRefused::CrossOrigin,
    ),
    (
        "client data: no JSON",
        |a| a.client.raw = Some(b"webauthn".to_vec()),
        KeyRefused::ClientData,
    ),
    (
        "client data: empty",
        |a| a.client.raw = Some(Vec::new()),
        KeyRefused::ClientData,
    ),
    (
        "client data: two origins",
        |a| {
            a.client.raw = Some(
        format!(r#"{{"type":"webauthn.create","challenge":"{}","origin":"https://evil.example","origin":"{ORIGIN}"}}"#, a.client.challenge).into_bytes(),
    );
        },
        KeyRefused::ClientData,
    ),
    (
        "client data: no origin",
        |a| {
            a.client.raw = Some(
                format!(
                    r#"{{"type":"webauthn.create","challenge":"{}"}}"#,
                    a.client.challenge
                )
                .into_bytes(),
            );
        },
        KeyRefused::ClientData,
    ),
    (
        "client data: deep",
        |a| a.client.raw = Some([vec![b'['; 9_000], vec![b']'; 9_000]].concat()),
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
        "AT flag stripped",
        |a| a.data.flags &= !crate::soft_key::AT,
        KeyRefused::TrailingBytes,
    ),
    (
        "no key",
        |a| {
            a.data.flags &= !crate::soft_key::AT;
            a.data.key = None;
        },
        KeyRefused::NoKey,
    ),
    (
        "backed up but not eligible",
        |a| a.data.flags |= BS,
        KeyRefused::Backup,
    ),
    (
        "extensions: none there",
        |a| a.data.flags |= ED,
        KeyRefused::AuthenticatorData,
    ),
    (
        "extensions: garbage",
        |a| {
            a.data.flags |= ED;
            a.data.extensions = vec![0xff, 0x13];
        },
        KeyRefused::AuthenticatorData,
    ),
    (
        "extensions: no map",
        |a| {
            a.data.flags |= ED;
            a.data.extensions = vec![0x01];
        },
        KeyRefused::AuthenticatorData,
    ),
    (
        "extensions: of another type",
        |a| {
            a.data.flags |= ED;
            a.data.extensions = cbor(&map(vec![("credProtect", Value::Text("no".into()))]));
        },
        KeyRefused::AuthenticatorData,
    ),
    (
        "extensions: without the flag",
        |a| a.data.extensions = cbor(&map(vec![])),
        KeyRefused::TrailingBytes,
    ),
    (
        "bytes after the authenticator data",
        |a| a.data.trailing = vec![0],
        KeyRefused::TrailingBytes,
    ),
    (
        "bytes after the object",
        |a| {
            a.object = |mut object| {
                object.push(0);
                object
            }
        },
        KeyRefused::TrailingBytes,
    ),
    (
        "object cut off",
        |a| {
            a.object = |mut object| {
                object.pop();
                object
            }
        },
        KeyRefused::Cbor,
    ),
    (
        "object: no CBOR",
        |a| a.object = |_| vec![0xff],
        KeyRefused::Cbor,
    ),
    (
        "object: an array",
        |a| a.object = |_| vec![0x80],
        KeyRefused::Cbor,
    ),
    (
        "object: nothing in it",
        |a| a.object = |_| vec![0xa0],
        KeyRefused::Cbor,
    ),
    (
        "object: a name twice",
        |a| {
            a.object = |mut object| {
                object[0] += 1;
                object.extend(cbor(&Value::Text("fmt".into())));
                object.extend(cbor(&Value::Text("none".into())));
                object
            }
        },
        KeyRefused::Cbor,
    ),
    (
        "object: deep",
        |a| {
            a.object = |mut object| {
                object[0] += 1;
                object.extend(cbor(&Value::Text("x".into())));
                object.extend(vec![0x81; 2_000]);
                object.push(0);
                object
            }
        },
        KeyRefused::Cbor,
    ),
    (
        "object: of indefinite length",
        |a| {
            a.object = |mut object| {
                object[0] = 0xbf;
                object.push(0xff);
                object
            }
        },
        KeyRefused::Cbor,
    ),
    (
        "attestation: signature altered",
        |a| {
            a.signature = |signature| {
                let last = signature.len() - 1;
                signature[last] ^= 1;
            }
        },
        KeyRefused::Attestation,
    ),
    (
        "attestation: another algorithm",
        |a| a.statement_alg = -257,
        KeyRefused::Attestation,
    ),
    (
        "attestation: none, with a statement",
        |a| a.statement = Statement::NoneWith(map(vec![("x", Value::from(1))])),
        KeyRefused::Attestation,
    ),
    (
        "attestation: unknown format",
        |a| a.statement = Statement::Unknown,
        KeyRefused::AttestationFormat,
    ),
    (
        "attestation: certificate of another model",
        |a| {
            a.statement = Statement::Maker(Maker::new([9; 16], "packed"));
        },
        KeyRefused::Attestation,
    ),
    (
        "attestation: U2F that names a model",
        |a| {
            a.statement = Statement::Maker(Maker::new(MODEL, "fido-u2f"));
        },
        KeyRefused::Attestation,
    ),
    (
        "credential id: another one signed",
        |a| a.data.key.as_mut().unwrap().1[0] ^= 1,
        KeyRefused::CredentialIdMismatch,
    ),
    (
        "credential id: too long",
        |a| {
            a.raw_id = vec![7; 1024];
            a.data.key.as_mut().unwrap().1 = a.raw_id.clone();
        },
        KeyRefused::CredentialIdLength,
    ),
    (
        "credential id: too short",
        |a| {
            a.raw_id = vec![7; 15];
            a.data.key.as_mut().unwrap().1 = a.raw_id.clone();
        },
        KeyRefused::CredentialIdLength,
    ),
    (
        "id and raw id differ",
        |a| a.json = |json| json["id"] = "AAAAAAAAAAAAAAAAAAAAAA".into(),
        KeyRefused::IdMismatch,
    ),
    (
        "no public key",
        |a| a.json = |json| json["type"] = "password".into(),
        KeyRefused::NotAPublicKey,
    ),
    (
        "no response",
        |a| a.json = |json| json["response"] = serde_json::Value::Null,
        KeyRefused::Unreadable,
    ),
    (
        "oversized",
        |a| a.json = |json| json["x"] = "x".repeat(32 * 1024).into(),
        KeyRefused::TooLarge,
    ),
    (
        "public key: not on the curve",
        |a| {
            let key = &mut a.data.key.as_mut().unwrap().2;
            let x = coordinate(key, -2).to_vec();
            *key = cose(2, -7, 1, x, vec![1; 32]);
            a.statement = Statement::None;
        },
        KeyRefused::PublicKey,
    ),
    (
        "public key: Ed25519, which was not asked for",
        |a| {
            a.data.key.as_mut().unwrap().2 = cose(1, -8, 6, vec![1; 32], vec![]);
            a.statement = Statement::None;
        },
        KeyRefused::PublicKey,
    ),
];

#[test]
fn attack_7_one_field_away_from_a_good_registration_is_refused_for_its_own_reason() {
    let kit = Kit::new();
    kit.registration(&mut SoftKey::new(), |_| ()).unwrap();
    let others: Vec<_> = BAD
        .into_iter()
        .map(|(what, change, reason)| {
            let refused = kit.registration(&mut SoftKey::new(), change).map(|_| ());
            (what, refused, Err(reason))
        })
        .filter(|(_, refused, wanted)| refused != wanted)
        .collect();
    assert_eq!(others, []);
}

#[test]
fn a_key_is_of_the_algorithm_that_it_names() {
    let kit = Kit::new();
    // ES256 on P-384: the library would take it.
    let refused = kit.registration(&mut SoftKey::p384(), |answer| {
        let key = &mut answer.data.key.as_mut().unwrap().2;
        let (x, y) = (coordinate(key, -2).to_vec(), coordinate(key, -3).to_vec());
        *key = cose(2, -7, 2, x, y);
        answer.statement = Statement::None;
    });
    assert_eq!(refused.unwrap_err(), KeyRefused::PublicKey);
    // An EC key that calls itself RSA.
    let refused = kit.registration(&mut SoftKey::new(), |answer| {
        let key = &mut answer.data.key.as_mut().unwrap().2;
        let (x, y) = (coordinate(key, -2).to_vec(), coordinate(key, -3).to_vec());
        *key = cose(3, -257, 1, x, y);
        answer.statement = Statement::None;
    });
    assert_eq!(refused.unwrap_err(), KeyRefused::PublicKey);
    // A good key of an algorithm that was not asked for.
    let foreign = |kit: &Kit| {
        kit.registration(&mut SoftKey::p384(), |answer| {
            answer.statement = Statement::None;
        })
        .map(|new| new.algorithm)
    };
    assert_eq!(foreign(&kit), Err(KeyRefused::Algorithm));
    let mut wider = Kit::new();
    wider.policy.algorithms.push(CoseAlgorithm::ES384);
    assert_eq!(foreign(&wider), Ok(CoseAlgorithm::ES384));
}

#[test]
fn attack_9_what_was_demanded_is_read_from_the_stored_challenge() {
    let mut kit = Kit::new();
    kit.policy.user_verification = UserVerification::Required;
    let strip = |kit: &Kit| {
        kit.registration(&mut SoftKey::new(), |answer| answer.data.flags &= !UV)
            .map(|_| ())
    };
    assert_eq!(strip(&kit), Err(KeyRefused::NotVerified));
    // Not even a policy that was relaxed in between changes what this ceremony demanded.
    let asked = kit.asks_registration();
    kit.policy.user_verification = UserVerification::Preferred;
    let mut key = SoftKey::new();
    let mut answer = key.registration(&parsed(&asked.options), ORIGIN);
    answer.data.flags &= !UV;
    let json = key.finish_registration(&answer);
    assert_eq!(
        kit.registers(asked.ceremony, &json).map(|_| ()),
        Err(KeyRefused::NotVerified)
    );
    assert_eq!(strip(&kit), Ok(()));

    kit.policy.synced = Permission::Refused;
    let synced = kit.registration(&mut SoftKey::new(), |answer| answer.data.flags |= BE);
    assert_eq!(synced.unwrap_err(), KeyRefused::Synced);
}

#[test]
fn a_model_is_as_proved_as_its_statement() {
    let mut kit = Kit::new();
    let judged = |kit: &Kit, statement: Statement, aaguid: [u8; 16]| {
        let mut key = SoftKey::new();
        key.aaguid = aaguid;
        let new = kit
            .registration(&mut key, |answer| answer.statement = statement)
            .unwrap();
        new.require_policy(&kit.policy, None, NOW)
    };
    let maker = |format| Statement::Maker(Maker::new(MODEL, format));
    assert_eq!(
        judged(&kit, Statement::None, MODEL),
        Ok(AttestationState::None)
    );
    assert_eq!(
        judged(&kit, Statement::SelfSigned, MODEL),
        Ok(AttestationState::SelfAttested)
    );
    assert_eq!(
        judged(&kit, maker("packed"), MODEL),
        Ok(AttestationState::Untrusted)
    );
    let u2f = || Statement::Maker(Maker::new([0; 16], "fido-u2f"));
    assert_eq!(judged(&kit, u2f(), [0; 16]), Err(PolicyRefusal::NoModel));
    kit.policy.without_model = Permission::Allowed;
    assert_eq!(
        judged(&kit, u2f(), [0; 16]),
        Ok(AttestationState::Untrusted)
    );
    kit.policy.attestation = Attestation::Enforced;
    assert_eq!(
        judged(&kit, maker("packed"), MODEL),
        Err(PolicyRefusal::NoMetadata)
    );
}

/// Packed keys are known by their model, U2F keys by the key of their maker's certificate.
#[test]
fn a_model_is_proved_when_a_root_of_its_entry_vouches_for_it() {
    let mut kit = Kit::new();
    kit.policy.without_model = Permission::Allowed;
    kit.policy.attestation = Attestation::Enforced;
    let judged = |statement, aaguid, known: &Metadata| {
        let mut key = SoftKey::new();
        key.aaguid = aaguid;
        let new = kit
            .registration(&mut key, |answer| answer.statement = statement)
            .unwrap();
        let judged = new.require_policy(&kit.policy, Some(known), mds_kit::NOW);
        (new.attestation_key().map(|key| key.to_string()), judged)
    };
    // What OpenSSL says of the certificate's key.
    let identifier = |maker: &Maker| {
        let certificate = openssl::x509::X509::from_der(&maker.chain[0]).unwrap();
        let key = certificate.public_key().unwrap().ec_key().unwrap();
        let (form, mut context) = (
            PointConversionForm::UNCOMPRESSED,
            BigNumContext::new().unwrap(),
        );
        let point = key.public_key().to_bytes(key.group(), form, &mut context);
        data_encoding::HEXLOWER.encode(&openssl::sha::sha1(&point.unwrap()))
    };
    let (verified, untrusted) = (
        Ok(AttestationState::Verified),
        Err(PolicyRefusal::Untrusted),
    );
    let other = Maker::new(MODEL, "packed");

    let of_model = |root: &[u8]| {
        let model = Aaguid::from_bytes(MODEL).to_string();
        metadata(&[mds_kit::entry(&model, "Soft", &[root], &json!([]))])
    };
    for (own, wanted) in [(true, verified.clone()), (false, untrusted.clone())] {
        let maker = Maker::new(MODEL, "packed");
        let known = of_model(if own { &maker.root } else { &other.root });
        let key = identifier(&maker);
        let judged = judged(Statement::Maker(maker), MODEL, &known);
        assert_eq!(judged, (Some(key), wanted));
    }
    let own = SoftKey::new().aaguid;
    assert_eq!(
        judged(Statement::SelfSigned, own, &of_model(&other.root)),
        (None, untrusted.clone())
    );

    let of_key = |identifier: &str, root: &[u8]| {
        metadata(&[json!({
            "attestationCertificateKeyIdentifiers": [identifier],
            "metadataStatement": {
                "description": "A U2F key",
                "attestationRootCertificates": [data_encoding::BASE64.encode(root)],
            },
            "statusReports": [],
        })])
    };
    let u2f = || Maker::new([0; 16], "fido-u2f");
    for (own_key, own_root, wanted) in [
        (true, true, verified),
        (true, false, untrusted.clone()),
        (false, true, untrusted),
    ] {
        let maker = u2f();
        let key = identifier(&maker);
        let listed = if own_key { &key } else { mds_kit::U2F_KEY };
        let known = of_key(listed, if own_root { &maker.root } else { &other.root });
        let judged = judged(Statement::Maker(maker), [0; 16], &known);
        assert_eq!(judged, (Some(key), wanted), "{own_key} {own_root}");
    }
}

#[test]
fn attack_1_a_question_is_of_its_attempt_browser_person_and_purpose() {
    let kit = Kit::new();
    let mut key = SoftKey::new();
    let row = kit.stored(&mut key);
    let asked = kit.asks_registration().ceremony;
    let opened = |ceremony: &Ceremony, binding: Binding<'_>, purpose, user| {
        ceremony
            .clone()
            .open(binding, purpose, user, &kit.sealing, NOW)
            .map(|_| ())
    };
    let me = Some(&kit.user.id);
    assert_eq!(opened(&asked, kit.binding(), Purpose::Register, me), Ok(()));

    let other = Err(KeyRefused::OtherCeremony);
    let browser = CookieToken::random(&mut SystemRandom).hash();
    let attempt = AttemptId::random(&mut SystemRandom);
    let stranger = person("b@contoso.com", &kit.sealing).id;
    let elsewhere = Binding {
        browser: &browser,
        ..kit.binding()
    };
    assert_eq!(opened(&asked, elsewhere, Purpose::Register, me), other);
    let elsewhere = Binding {
        attempt: &attempt,
        ..kit.binding()
    };
    assert_eq!(opened(&asked, elsewhere, Purpose::Register, me), other);
    assert_eq!(
        opened(&asked, kit.binding(), Purpose::Register, Some(&stranger)),
        other
    );
    assert_eq!(
        opened(&asked, kit.binding(), Purpose::Register, None),
        other
    );
    assert_eq!(
        opened(&asked, kit.binding(), Purpose::SecondFactor, me),
        other
    );

    // A writer of the database moves or alters the row.
    let tampered = Err(KeyRefused::Tampered);
    let moved = Ceremony {
        purpose: Purpose::SecondFactor,
        ..asked.clone()
    };
    assert_eq!(
        opened(&moved, kit.binding(), Purpose::SecondFactor, me),
        tampered
    );
    let moved = Ceremony {
        attempt: attempt.clone(),
        ..asked.clone()
    };
    let there = Binding {
        attempt: &attempt,
        ..kit.binding()
    };
    assert_eq!(opened(&moved, there, Purpose::Register, me), tampered);
    let altered = Ceremony {
        sealed_state: asked.sealed_state.replace('.', "A"),
        ..asked.clone()
    };
    assert_eq!(
        opened(&altered, kit.binding(), Purpose::Register, me),
        tampered
    );

    // A registration's question is not answered by a sign-in, nor the other way round.
    let second = kit.asks(Purpose::SecondFactor, std::slice::from_ref(&row));
    let answer = key.signs(&second.options, ORIGIN);
    assert_eq!(
        kit.registers(second.ceremony, &answer).unwrap_err(),
        KeyRefused::Unreadable
    );
}

#[test]
fn attack_5_a_question_expires() {
    let kit = Kit::new();
    let asked = kit.asks_registration().ceremony;
    let opened = |ceremony: &Ceremony, at| {
        ceremony
            .clone()
            .open(
                kit.binding(),
                Purpose::Register,
                Some(&kit.user.id),
                &kit.sealing,
                at,
            )
            .map(|_| ())
    };
    let end = NOW.plus(LIFETIME);
    assert_eq!(asked.expires_at, end);
    assert_eq!(opened(&asked, end.minus(MILLI)), Ok(()));
    assert_eq!(opened(&asked, end), Err(KeyRefused::NotOpen));
    // The column only helps to find it: what counts is inside the seal.
    let longer = Ceremony {
        expires_at: end.plus(Duration::from_hours(1)),
        ..asked
    };
    assert_eq!(opened(&longer, end), Err(KeyRefused::NotOpen));
}

#[test]
fn every_refusal_has_a_code_of_its_own() {
    let codes: std::collections::BTreeSet<_> =
        KeyRefused::ALL.iter().map(|one| one.code()).collect();
    assert_eq!(codes.len(), KeyRefused::ALL.len());
}

/// Where keys that are copied between devices are refused, a browser need not offer a phone.
#[test]
fn who_refuses_synced_keys_asks_for_those_at_the_desk() {
    let mut kit = Kit::new();
    let hints = |options: &str| parsed(options)["publicKey"]["hints"].clone();
    assert!(hints(&kit.asks_registration().options).is_null());
    kit.policy.synced = Permission::Refused;
    let wanted = serde_json::json!(["security-key", "client-device"]);
    assert_eq!(hints(&kit.asks_registration().options), wanted);
    assert_eq!(hints(&kit.asks(Purpose::Passwordless, &[]).options), wanted);
}
