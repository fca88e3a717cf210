use std::time::Duration;

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE};
use serde_json::Value;

use super::*;
use crate::{
    base::{clock::Timestamp, random::SystemRandom},
    inspect::{context::Context, inspect},
    keys::{ecdsa, signing},
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn certificate() -> Vec<u8> {
    let lifetime = Duration::from_hours(24);
    let size = signing::RsaSize::Bits2048;
    signing::generate(size, "x", NOW, lifetime, &mut SystemRandom)
        .unwrap()
        .certificate
}

#[test]
fn each_key_has_its_certificate_and_stands_in_the_order_given() {
    let ids = [(); 2].map(|()| KeyId::random(&mut SystemRandom));
    let certificates = [certificate(), certificate()];
    let keys = ids
        .iter()
        .zip(&certificates)
        .map(|(id, certificate)| PublicKey { id, certificate });
    let text = encode_jwks(keys).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let listed = document["keys"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    for ((jwk, id), der) in listed.iter().zip(&ids).zip(&certificates) {
        assert_eq!(
            (&jwk["kty"], &jwk["use"], &jwk["alg"]),
            (&"RSA".into(), &"sig".into(), &"RS256".into())
        );
        assert_eq!(jwk["kid"], kid_of(id));
        assert_eq!(
            STANDARD.decode(jwk["x5c"][0].as_str().unwrap()).unwrap(),
            *der
        );
        let x5t = URL_SAFE_NO_PAD
            .decode(jwk["x5t"].as_str().unwrap())
            .unwrap();
        assert_eq!(
            data_encoding::HEXUPPER.encode(&x5t),
            Certificate::read(der).unwrap().thumbprint()
        );
        let n = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
        assert_eq!(
            (n.len(), n[0] >> 7),
            (256, 1),
            "2048 bits without a leading zero"
        );
        assert_eq!(jwk["e"], "AQAB");
        let names: Vec<_> = jwk.as_object().unwrap().keys().collect();
        assert_eq!(names.len(), 8, "and nothing else: {names:?}");
    }
    // The rules that judge what others publish find nothing here.
    let report = inspect(text.as_bytes(), &Context::at(NOW));
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

#[test]
fn a_kid_is_one_text_in_every_base64() {
    for _ in 0..64 {
        let id = KeyId::random(&mut SystemRandom);
        let kid = kid_of(&id);
        for read in [
            STANDARD.decode(&kid),
            URL_SAFE.decode(&kid),
            STANDARD_NO_PAD.decode(&kid),
            URL_SAFE_NO_PAD.decode(&kid),
        ] {
            assert_eq!(read.unwrap(), id.as_str().as_bytes());
        }
    }
}

#[test]
fn a_key_that_entra_would_not_take_is_not_published() {
    let id = KeyId::random(&mut SystemRandom);
    let lifetime = Duration::from_hours(24);
    let audit = ecdsa::generate("x", NOW, lifetime, &mut SystemRandom).unwrap();
    for certificate in [&audit.certificate[..], b"none"] {
        let key = PublicKey {
            id: &id,
            certificate,
        };
        assert!(matches!(
            encode_jwks([key]),
            Err(JwksError::Certificate(..))
        ));
    }
}
