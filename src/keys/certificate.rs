//! What an X.509 certificate says, as far as federation needs it.
//!
//! Always true: a certificate is a carrier of a public key that someone
//! registered. Its chain and its own signature are never looked at: neither SAML
//! metadata nor Entra's domain federation builds trust on them (SAML metadata
//! interoperability profile §2.6.1).

use std::{
    fmt::Write as _,
    sync::{Arc, OnceLock},
};

use aws_lc_rs::{
    digest,
    signature::{
        ParsedPublicKey, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
    },
};
use x509_parser::{prelude::*, public_key::PublicKey};

use crate::base::clock::Timestamp;

/// The smallest RSA modulus that is taken, in bits.
pub const MIN_RSA_BITS: usize = 2048;

/// Why a certificate was not read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CertificateError {
    /// Not DER, or bytes follow.
    #[error("this is not an X.509 certificate")]
    Form,
    /// Its key is not RSA.
    #[error("the certificate's key is not RSA")]
    NotRsa,
    /// Its key is too short.
    #[error("the certificate's RSA key has {0} bits; at least {MIN_RSA_BITS} are needed")]
    TooShort(usize),
}

/// The hash of an RSASSA-PKCS1-v1_5 signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RsaHash {
    /// Only for parties whose operator allowed it.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A certificate's content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Certificate {
    /// The certificate itself, DER.
    pub der: Vec<u8>,
    /// The subject as text, such as `CN=claimbridge contoso`.
    pub subject: String,
    /// First instant of validity.
    pub not_before: Timestamp,
    /// Last instant of validity.
    pub not_after: Timestamp,
    /// The key, SubjectPublicKeyInfo in DER.
    pub public_key: Vec<u8>,
    /// The RSA modulus in bits; none if the key is no RSA key.
    pub rsa_bits: Option<usize>,
    /// SubjectKeyIdentifier extension.
    pub key_identifier: Option<Vec<u8>>,
    /// The BIT STRING inside `public_key`: for RSA the PKCS#1 RSAPublicKey.
    key_bits: Vec<u8>,
    parsed_key: ParsedKey,
}

/// The key of a certificate, parsed at its first use: that costs as much as
/// verifying with it. It says nothing that the certificate does not, so two are equal.
#[derive(Clone, Debug, Default)]
struct ParsedKey(OnceLock<Option<RsaKey>>);

impl PartialEq for ParsedKey {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for ParsedKey {}

/// An RSA public key of 2048 to 8192 bits, parsed; cheap to clone.
#[derive(Clone, Debug)]
pub struct RsaKey {
    /// Parsed for SHA-256, which nearly all signatures have.
    parsed: Arc<ParsedPublicKey>,
}

impl RsaKey {
    /// The RSASSA-PKCS1-v1_5 signature `signature` over `message`, or nothing.
    pub fn verify(
        &self,
        hash: RsaHash,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureDoesNotVerify> {
        let of = |parameters| {
            UnparsedPublicKey::new(parameters, &*self.parsed).verify(message, signature)
        };
        match hash {
            RsaHash::Sha256 => self.parsed.verify_sig(message, signature),
            RsaHash::Sha1 => of(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
            RsaHash::Sha384 => of(&RSA_PKCS1_2048_8192_SHA384),
            RsaHash::Sha512 => of(&RSA_PKCS1_2048_8192_SHA512),
        }
        .map_err(|_| SignatureDoesNotVerify)
    }
}

impl Certificate {
    /// Reads a DER certificate; nothing may follow it.
    pub fn read(der: &[u8]) -> Result<Self, CertificateError> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|_| CertificateError::Form)?;
        if !rest.is_empty() {
            return Err(CertificateError::Form);
        }
        let instant = |at: &ASN1Time| Timestamp::from_millis(at.timestamp().saturating_mul(1000));
        let key = parsed.public_key();
        let rsa_bits = match key.parsed() {
            Ok(PublicKey::RSA(rsa)) => Some(rsa.key_size()),
            _ => None,
        };
        let key_identifier =
            parsed
                .iter_extensions()
                .find_map(|extension| match extension.parsed_extension() {
                    ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
                    _ => None,
                });
        Ok(Self {
            der: der.to_vec(),
            subject: parsed.subject().to_string(),
            not_before: instant(&parsed.validity().not_before),
            not_after: instant(&parsed.validity().not_after),
            public_key: key.raw.to_vec(),
            rsa_bits,
            key_identifier,
            key_bits: key.subject_public_key.data.to_vec(),
            parsed_key: ParsedKey::default(),
        })
    }

    /// The key, to verify with, if it is RSA and long enough.
    pub fn rsa_key(&self) -> Result<RsaKey, CertificateError> {
        self.require_strong_rsa()?;
        self.parsed_key
            .0
            .get_or_init(|| {
                ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key)
                    .ok()
                    .map(|parsed| RsaKey {
                        parsed: Arc::new(parsed),
                    })
            })
            .clone()
            .ok_or(CertificateError::Form)
    }

    /// The key as RSAPublicKey (RFC 8017 §A.1.1, DER), if it is RSA and long enough.
    pub fn rsa_public_key(&self) -> Result<&[u8], CertificateError> {
        self.require_strong_rsa()?;
        Ok(&self.key_bits)
    }

    /// Modulus and exponent, big-endian without leading zeros (RFC 7518 §6.3.1), if the key is
    /// RSA and long enough.
    pub fn rsa_numbers(&self) -> Result<(Vec<u8>, Vec<u8>), CertificateError> {
        self.require_strong_rsa()?;
        let (_, key) =
            SubjectPublicKeyInfo::from_der(&self.public_key).map_err(|_| CertificateError::Form)?;
        let Ok(PublicKey::RSA(rsa)) = key.parsed() else {
            return Err(CertificateError::NotRsa);
        };
        let bare = |bytes: &[u8]| -> Vec<u8> {
            let leading = bytes.iter().take_while(|byte| **byte == 0).count();
            bytes[leading..].to_vec()
        };
        Ok((bare(rsa.modulus), bare(rsa.exponent)))
    }

    /// Whether the key is RSA and long enough.
    pub fn require_strong_rsa(&self) -> Result<(), CertificateError> {
        match self.rsa_bits {
            None => Err(CertificateError::NotRsa),
            Some(bits) if bits < MIN_RSA_BITS => Err(CertificateError::TooShort(bits)),
            Some(_) => Ok(()),
        }
    }

    /// Whether an `X509SKI` value means this certificate: its extension, or
    /// without one the SHA-1 of the key (RFC 5280 §4.2.1.2 method 1).
    pub fn has_key_identifier(&self, wanted: &[u8]) -> bool {
        match &self.key_identifier {
            Some(id) => id == wanted,
            None => key_identifier_of(&self.key_bits) == wanted,
        }
    }

    /// The RSASSA-PKCS1-v1_5 signature `signature` over `message`, or nothing.
    pub fn verify_rsa(
        &self,
        hash: RsaHash,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureDoesNotVerify> {
        self.rsa_key()
            .map_err(|_| SignatureDoesNotVerify)?
            .verify(hash, message, signature)
    }

    /// SHA-1 of the certificate in upper-case hex: the thumbprint that Windows and Entra show.
    pub fn thumbprint(&self) -> String {
        hex(&self.sha1())
    }

    /// SHA-1 of the certificate: what `x5t` of a key list holds (RFC 7517 §4.8).
    pub fn sha1(&self) -> Vec<u8> {
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.der);
        digest.as_ref().to_vec()
    }

    /// SHA-256 of the certificate in upper-case hex.
    pub fn fingerprint(&self) -> String {
        hex(digest::digest(&digest::SHA256, &self.der).as_ref())
    }
}

/// The signature is not one over this message by this key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the signature does not verify with this key")]
pub struct SignatureDoesNotVerify;

/// SHA-1 of the key's BIT STRING (RFC 5280 §4.2.1.2 method 1). An identifier, no protection.
pub(super) fn key_identifier_of(key_bits: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key_bits)
        .as_ref()
        .to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}
