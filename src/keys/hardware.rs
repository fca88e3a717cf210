//! Keys in a PKCS#11 token, as far as that needs no token: what a token is told, and the
//! public half of a key that it made.
//!
//! Read next: `outbound::pkcs11`, which talks to the token.

use std::path::PathBuf;

use rcgen::{PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm};

use super::{
    SignError, Signer,
    signing::{CERTIFICATE_LIFETIME, KeyError, self_signed},
    state::Custody,
};
use crate::base::{clock::Timestamp, random::Random, secret::Secret};

/// Which token, and how it is opened.
#[derive(Clone, Debug)]
pub struct TokenSetting {
    /// The PKCS#11 module of its vendor: a shared library.
    pub module: PathBuf,
    /// Which of the tokens that the module shows.
    pub name: TokenName,
    /// The user's PIN.
    pub pin: Secret<String>,
}

/// How a token is known among those that a module shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TokenName {
    /// By its label.
    Label(String),
    /// By its serial number.
    Serial(String),
}

impl std::fmt::Display for TokenName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Label(label) => write!(f, "the token “{label}”"),
            Self::Serial(serial) => write!(f, "the token with serial number {serial}"),
        }
    }
}

/// An RSAPublicKey (RFC 8017 §A.1.1) in DER, from its numbers (big-endian).
pub fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::with_capacity(modulus.len() + 16);
    for number in [modulus, exponent] {
        let start = number.iter().position(|byte| *byte != 0);
        let mut digits = start.map_or_else(|| vec![0], |start| number[start..].to_vec());
        // A first bit that is set would make it negative.
        if digits[0] & 0x80 != 0 {
            digits.insert(0, 0);
        }
        push_header(&mut numbers, 0x02, digits.len());
        numbers.extend(digits);
    }
    let mut der = Vec::with_capacity(numbers.len() + 4);
    push_header(&mut der, 0x30, numbers.len());
    der.extend(numbers);
    der
}

/// Tag and length (X.690 §8.1.3); no key has 16 MiB.
fn push_header(der: &mut Vec<u8>, tag: u8, length: usize) {
    let [.., high, middle, low] = length.to_be_bytes();
    der.push(tag);
    match (high, middle, low) {
        (0, 0, 0..0x80) => der.push(low),
        (0, 0, _) => der.extend([0x81, low]),
        (0, ..) => der.extend([0x82, middle, low]),
        _ => der.extend([0x83, high, middle, low]),
    }
}

/// A certificate for `CN=claimbridge {name}` that the key in the token signs itself.
pub fn self_signed_by(
    signer: &dyn Signer,
    public_key: &[u8],
    name: &str,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<Vec<u8>, KeyError> {
    let remote = Remote { signer, public_key };
    self_signed(&remote, name, now, CERTIFICATE_LIFETIME, random)
}

struct Remote<'k> {
    signer: &'k dyn Signer,
    public_key: &'k [u8],
}

impl PublicKeyData for Remote<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.public_key
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl rcgen::SigningKey for Remote<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.signer
            .sign(message)
            .map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// Stands for a key whose token is not configured: it signs nothing, and says why.
pub struct NoToken;

impl Signer for NoToken {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
        Err(self.refusal())
    }

    fn ready(&self) -> Result<(), SignError> {
        Err(self.refusal())
    }

    fn custody(&self) -> Custody {
        Custody::Hardware
    }
}

impl NoToken {
    #[expect(clippy::unused_self, reason = "it reads as what the stand-in says")]
    fn refusal(&self) -> SignError {
        SignError::Unavailable(
            "the key is in a token, but no token is configured; fill in [pkcs11]".to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::random::SystemRandom,
        keys::{
            certificate::Certificate,
            signing::{RsaSigner, RsaSize, generate},
        },
    };

    #[test]
    fn numbers_are_written_as_der_asks() {
        assert_eq!(
            rsa_public_key(&[0x80, 1], &[0, 0, 1, 0, 1]),
            [0x30, 10, 0x02, 3, 0, 0x80, 1, 0x02, 3, 1, 0, 1]
        );
        assert_eq!(rsa_public_key(&[0], &[])[..5], [0x30, 6, 0x02, 1, 0]);
        let long = rsa_public_key(&[0x7f; 200], &[3]);
        assert_eq!(long[..6], [0x30, 0x81, 206, 0x02, 0x81, 200]);
        let longer = rsa_public_key(&[0xff; 256], &[3]);
        assert_eq!(longer[..9], [0x30, 0x82, 1, 8, 0x02, 0x82, 1, 1, 0]);
    }

    #[test]
    fn a_signer_that_shows_no_key_makes_its_own_certificate() {
        let now = Timestamp::from_millis(1_795_168_800_000);
        let new = generate(
            RsaSize::Bits2048,
            "x",
            now,
            CERTIFICATE_LIFETIME,
            &mut SystemRandom,
        )
        .unwrap();
        let signer = RsaSigner::from_pkcs8(&new.pkcs8).unwrap();
        let public_key = signer.der_bytes().to_vec();
        let own = self_signed_by(&signer, &public_key, "contoso", now, &mut SystemRandom).unwrap();
        let own = Certificate::read(&own).unwrap();
        assert_eq!(own.subject, "CN=claimbridge contoso");
        let read = Certificate::read(&new.certificate).unwrap();
        assert_eq!(own.public_key, read.public_key);
        assert_eq!(own.rsa_public_key(), Ok(public_key.as_slice()));
        assert!(
            own.verify_rsa(
                crate::keys::certificate::RsaHash::Sha256,
                x509_parser::parse_x509_certificate(&own.der)
                    .unwrap()
                    .1
                    .tbs_certificate
                    .as_ref(),
                &x509_parser::parse_x509_certificate(&own.der)
                    .unwrap()
                    .1
                    .signature_value
                    .data,
            )
            .is_ok()
        );
    }
}
