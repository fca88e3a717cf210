//! RSA keys, their self-signed certificates, and the cached signer.
//!
//! Always true: a private key is parsed once and kept (parsing it for each
//! signature costs more than signing); it leaves this file only as PKCS#8 in a
//! [`Secret`], to be sealed at once; every private operation is aws-lc's, whose
//! RSA is constant-time (attack 27).

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, IsCa, KeyIdMethod, KeyUsagePurpose,
    PKCS_RSA_SHA256, PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use time::OffsetDateTime;

use super::{
    KeyPurpose, SignError, Signer, SigningKey,
    certificate::{Certificate, CertificateError, MIN_RSA_BITS, key_identifier_of},
};
use crate::base::{
    clock::Timestamp,
    ids::KeyId,
    random::{Random, random_bytes},
    secret::Secret,
};

/// How long a certificate of a new key is valid.
pub const CERTIFICATE_LIFETIME: Duration = Duration::from_hours(3 * 365 * 24);

/// The length of a new key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RsaSize {
    /// 2048 bits: what Entra's own examples use; signs in half a millisecond.
    #[default]
    Bits2048,
    /// 3072 bits.
    Bits3072,
    /// 4096 bits: signs about six times slower.
    Bits4096,
}

impl RsaSize {
    /// In bits.
    pub fn bits(self) -> u32 {
        match self {
            Self::Bits2048 => 2048,
            Self::Bits3072 => 3072,
            Self::Bits4096 => 4096,
        }
    }
}

/// Why a key could not be made or loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// aws-lc could not generate one.
    #[error("no key could be generated")]
    Generation,
    /// The stored bytes are no RSA private key in PKCS#8.
    #[error("this is not an RSA private key in PKCS#8")]
    Form,
    /// The stored bytes are no P-256 private key in PKCS#8.
    #[error("this is not a private key for ECDSA with P-256 in PKCS#8")]
    NotP256,
    /// Too short.
    #[error("the RSA key has {0} bits; at least {MIN_RSA_BITS} are needed")]
    TooShort(usize),
    /// The certificate does not belong to the key.
    #[error("the certificate is for another key")]
    OtherCertificate,
    /// The certificate could not be read.
    #[error("the key's certificate could not be read")]
    Certificate(#[source] CertificateError),
    /// The certificate could not be made.
    #[error("no certificate could be made: {0}")]
    Issue(String),
}

/// A new key, to be sealed and stored.
#[derive(Debug)]
pub struct NewKey {
    /// The private key, PKCS#8 in DER.
    pub pkcs8: Secret<Vec<u8>>,
    /// Its self-signed certificate, DER.
    pub certificate: Vec<u8>,
}

/// Generates a key (by aws-lc's own generator) and a certificate for the subject
/// `CN=claimbridge {name}`, valid from `now` for `lifetime`.
pub fn generate(
    size: RsaSize,
    name: &str,
    now: Timestamp,
    lifetime: Duration,
    random: &mut dyn Random,
) -> Result<NewKey, KeyError> {
    let size = match size {
        RsaSize::Bits2048 => KeySize::Rsa2048,
        RsaSize::Bits3072 => KeySize::Rsa3072,
        RsaSize::Bits4096 => KeySize::Rsa4096,
    };
    let pair = KeyPair::generate(size).map_err(|_| KeyError::Generation)?;
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Generation)?;
    let pkcs8 = Secret::new(der.as_ref().to_vec());
    let signer = RsaSigner { pair };
    let certificate = self_signed(&signer, name, now, lifetime, random)?;
    Ok(NewKey { pkcs8, certificate })
}

/// A stored key with its certificate, ready to sign.
pub fn load(
    id: KeyId,
    purpose: KeyPurpose,
    pkcs8: &Secret<Vec<u8>>,
    certificate: Vec<u8>,
    created_at: Timestamp,
) -> Result<SigningKey, KeyError> {
    let signer = RsaSigner::from_pkcs8(pkcs8)?;
    require_own_certificate(&signer, &certificate)?;
    Ok(SigningKey::new(
        id,
        purpose,
        certificate,
        created_at,
        Arc::new(signer),
    ))
}

/// The certificate must be for this key.
pub(super) fn require_own_certificate(
    signer: &impl PublicKeyData,
    certificate: &[u8],
) -> Result<(), KeyError> {
    let read = Certificate::read(certificate).map_err(KeyError::Certificate)?;
    if read.public_key == signer.subject_public_key_info() {
        Ok(())
    } else {
        Err(KeyError::OtherCertificate)
    }
}

/// Signs with an RSA key that is held in memory, parsed once.
pub struct RsaSigner {
    pair: KeyPair,
}

impl RsaSigner {
    /// Reads a PKCS#8 private key; under 2048 bits is refused.
    pub fn from_pkcs8(pkcs8: &Secret<Vec<u8>>) -> Result<Self, KeyError> {
        let pair = KeyPair::from_pkcs8(pkcs8.expose()).map_err(|_| KeyError::Form)?;
        let bits = pair.public_modulus_len() * 8;
        if bits < MIN_RSA_BITS {
            return Err(KeyError::TooShort(bits));
        }
        Ok(Self { pair })
    }
}

impl Signer for RsaSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        // PKCS #1 v1.5 is deterministic: the generator is asked only for blinding.
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|_| SignError::Unavailable("aws-lc refused to sign".to_owned()))?;
        Ok(signature)
    }
}

impl PublicKeyData for RsaSigner {
    fn der_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl rcgen::SigningKey for RsaSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Signer::sign(self, message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

pub(super) fn self_signed(
    signer: &impl rcgen::SigningKey,
    name: &str,
    now: Timestamp,
    lifetime: Duration,
    random: &mut dyn Random,
) -> Result<Vec<u8>, KeyError> {
    let date = |at: Timestamp| {
        OffsetDateTime::from_unix_timestamp(at.as_secs())
            .map_err(|error| KeyError::Issue(error.to_string()))
    };
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, format!("claimbridge {name}"));
    // Positive and not zero, as RFC 5280 §4.1.2.2 asks.
    let mut serial = random_bytes::<16>(random);
    serial[0] = (serial[0] & 0x3f) | 0x40;

    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = date(now)?;
    params.not_after = date(now.plus(lifetime))?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier_of(signer.der_bytes()));
    params
        .self_signed(signer)
        .map(|certificate| certificate.der().to_vec())
        .map_err(|error| KeyError::Issue(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::random::SystemRandom as OurRandom, keys::certificate::RsaHash};

    fn new_key() -> NewKey {
        generate(
            RsaSize::Bits2048,
            "contoso",
            Timestamp::parse_rfc3339("2026-11-20T10:00:00Z").unwrap(),
            CERTIFICATE_LIFETIME,
            &mut OurRandom,
        )
        .unwrap()
    }

    fn load_for(purpose: KeyPurpose, new: &NewKey) -> Result<SigningKey, KeyError> {
        load(
            KeyId::random(&mut OurRandom),
            purpose,
            &new.pkcs8,
            new.certificate.clone(),
            Timestamp::from_millis(0),
        )
    }

    #[test]
    fn a_new_key_signs_what_its_certificate_verifies() {
        let new = new_key();
        let certificate = Certificate::read(&new.certificate).unwrap();
        assert_eq!(certificate.subject, "CN=claimbridge contoso");
        assert_eq!(certificate.rsa_bits, Some(2048));
        assert_eq!(certificate.require_strong_rsa(), Ok(()));
        assert_eq!(
            certificate.not_before.to_rfc3339(),
            "2026-11-20T10:00:00.000Z"
        );
        assert_eq!(
            certificate.not_after.to_rfc3339(),
            "2029-11-19T10:00:00.000Z"
        );
        let ski = certificate.key_identifier.clone().unwrap();
        assert!(certificate.has_key_identifier(&ski));
        assert!(!certificate.has_key_identifier(b"other"));
        assert_eq!(certificate.thumbprint().len(), 40);
        assert_eq!(certificate.fingerprint().len(), 64);

        let key = load_for(KeyPurpose::Assertion, &new).unwrap();
        let signer = key.signer_for(KeyPurpose::Assertion).unwrap();
        let signature = signer.sign(b"message").unwrap();
        assert_eq!(
            certificate.verify_rsa(RsaHash::Sha256, b"message", &signature),
            Ok(())
        );
        assert!(
            certificate
                .verify_rsa(RsaHash::Sha256, b"messagf", &signature)
                .is_err()
        );
        assert!(
            certificate
                .verify_rsa(RsaHash::Sha512, b"message", &signature)
                .is_err()
        );
    }

    #[test]
    fn attack_34_a_key_signs_only_for_its_purpose() {
        let new = new_key();
        let all = [KeyPurpose::Assertion, KeyPurpose::Oidc, KeyPurpose::Audit];
        for is in all {
            let key = load_for(is, &new).unwrap();
            for asked in all {
                assert_eq!(key.signer_for(asked).is_ok(), is == asked, "{is} {asked}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let new = new_key();
        assert!(matches!(
            RsaSigner::from_pkcs8(&Secret::new(b"no key".to_vec())),
            Err(KeyError::Form)
        ));
        let other = NewKey {
            pkcs8: new.pkcs8.clone(),
            certificate: new_key().certificate,
        };
        assert!(matches!(
            load_for(KeyPurpose::Assertion, &other),
            Err(KeyError::OtherCertificate)
        ));
        let cut = NewKey {
            pkcs8: new.pkcs8,
            certificate: new.certificate[..new.certificate.len() - 1].to_vec(),
        };
        assert!(matches!(
            load_for(KeyPurpose::Assertion, &cut),
            Err(KeyError::Certificate(CertificateError::Form))
        ));
    }

    #[test]
    fn a_serial_is_positive_and_from_the_generator_given() {
        struct Fixed(u8);
        impl Random for Fixed {
            fn fill(&mut self, bytes: &mut [u8]) {
                bytes.fill(self.0);
            }
        }
        let serial = |byte| {
            let new = generate(
                RsaSize::Bits2048,
                "x",
                Timestamp::from_millis(0),
                CERTIFICATE_LIFETIME,
                &mut Fixed(byte),
            )
            .unwrap();
            let (_, parsed) = x509_parser::parse_x509_certificate(&new.certificate).unwrap();
            parsed.raw_serial().to_vec()
        };
        assert_eq!(serial(0xff)[0], 0x7f);
        assert_eq!(serial(0x00)[0], 0x40);
        assert_eq!(serial(0x00)[1..], [0; 15]);
    }
}
