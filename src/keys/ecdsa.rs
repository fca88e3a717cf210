//! The audit key: ECDSA with P-256 and SHA-256 (FIPS 186-5), signatures in DER.
//!
//! It signs what is handed to an auditor, who checks it by hand with `openssl dgst -verify`,
//! whatever OpenSSL or LibreSSL there is. Always true: it is another kind of key than
//! those that sign assertions, so that nothing it signs could be taken for one of theirs,
//! whatever the bytes are (attack 34); private-key operations are aws-lc's.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
        ParsedPublicKey,
    },
};
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};

use super::{
    KeyPurpose, SignError, Signer, SigningKey,
    certificate::{Certificate, SignatureDoesNotVerify},
    signing::{KeyError, NewKey, require_own_certificate, self_signed},
};
use crate::base::{clock::Timestamp, ids::KeyId, random::Random, secret::Secret};

/// Generates a key (by aws-lc's own generator) and a certificate for the subject
/// `CN=claimbridge {name}`, valid from `now` for `lifetime`.
pub fn generate(
    name: &str,
    now: Timestamp,
    lifetime: Duration,
    random: &mut dyn Random,
) -> Result<NewKey, KeyError> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
        .map_err(|_| KeyError::Generation)?;
    let document = pair.to_pkcs8v1().map_err(|_| KeyError::Generation)?;
    let pkcs8 = Secret::new(document.as_ref().to_vec());
    let certificate = self_signed(&EcdsaSigner { pair }, name, now, lifetime, random)?;
    Ok(NewKey { pkcs8, certificate })
}

/// A stored audit key with its certificate, ready to sign.
pub fn load(
    id: KeyId,
    pkcs8: &Secret<Vec<u8>>,
    certificate: Vec<u8>,
    created_at: Timestamp,
) -> Result<SigningKey, KeyError> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.expose())
        .map_err(|_| KeyError::NotP256)?;
    let signer = EcdsaSigner { pair };
    require_own_certificate(&signer, &certificate)?;
    Ok(SigningKey::new(
        id,
        KeyPurpose::Audit,
        certificate,
        created_at,
        Arc::new(signer),
    ))
}

/// The signature `signature` (DER) over `message` by the certificate's key, or nothing.
pub fn verify(
    certificate: &Certificate,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureDoesNotVerify> {
    ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &certificate.public_key)
        .map_err(|_| SignatureDoesNotVerify)?
        .verify_sig(message, signature)
        .map_err(|_| SignatureDoesNotVerify)
}

struct EcdsaSigner {
    pair: EcdsaKeyPair,
}

impl Signer for EcdsaSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        // The nonce is aws-lc's own, whatever generator is handed over.
        self.pair
            .sign(&SystemRandom::new(), message)
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| SignError::Unavailable("aws-lc refused to sign".to_owned()))
    }
}

impl PublicKeyData for EcdsaSigner {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for EcdsaSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Signer::sign(self, message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::random::SystemRandom as OurRandom,
        keys::signing::{self, CERTIFICATE_LIFETIME, RsaSize},
    };

    const NOW: Timestamp = Timestamp::from_millis(1_795_168_800_000);

    fn new_key() -> NewKey {
        generate("contoso audit", NOW, CERTIFICATE_LIFETIME, &mut OurRandom).unwrap()
    }

    fn loaded(new: &NewKey) -> Result<SigningKey, KeyError> {
        let id = KeyId::random(&mut OurRandom);
        load(id, &new.pkcs8, new.certificate.clone(), NOW)
    }

    #[test]
    fn it_signs_what_its_certificate_verifies() {
        let new = new_key();
        let certificate = Certificate::read(&new.certificate).unwrap();
        assert_eq!(certificate.subject, "CN=claimbridge contoso audit");
        assert_eq!(certificate.rsa_bits, None);
        let key = loaded(&new).unwrap();
        let signer = key.signer_for(KeyPurpose::Audit).unwrap();
        let signature = signer.sign(b"message").unwrap();
        assert_eq!(verify(&certificate, b"message", &signature), Ok(()));
        assert!(verify(&certificate, b"messagf", &signature).is_err());
        assert!(verify(&certificate, b"message", &signature[1..]).is_err());
        let other = Certificate::read(&new_key().certificate).unwrap();
        assert!(verify(&other, b"message", &signature).is_err());
    }

    #[test]
    fn attack_34_it_signs_nothing_but_evidence_and_no_assertion_key_passes_for_it() {
        let key = loaded(&new_key()).unwrap();
        for asked in [KeyPurpose::Assertion, KeyPurpose::Oidc] {
            assert!(key.signer_for(asked).is_err(), "{asked}");
        }
        let rsa = signing::generate(
            RsaSize::Bits2048,
            "contoso",
            NOW,
            CERTIFICATE_LIFETIME,
            &mut OurRandom,
        )
        .unwrap();
        assert!(matches!(loaded(&rsa), Err(KeyError::NotP256)));
        let id = KeyId::random(&mut OurRandom);
        let key = signing::load(
            id,
            KeyPurpose::Assertion,
            &rsa.pkcs8,
            rsa.certificate.clone(),
            NOW,
        )
        .unwrap();
        let signer = key.signer_for(KeyPurpose::Assertion).unwrap();
        let signature = signer.sign(b"message").unwrap();
        let certificate = Certificate::read(&rsa.certificate).unwrap();
        assert!(verify(&certificate, b"message", &signature).is_err());
    }

    #[test]
    fn a_certificate_of_another_key_is_refused() {
        let mixed = NewKey {
            pkcs8: new_key().pkcs8,
            certificate: new_key().certificate,
        };
        assert!(matches!(loaded(&mixed), Err(KeyError::OtherCertificate)));
    }
}
