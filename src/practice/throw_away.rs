//! Keys that live as long as this process: one signs the practice access tokens,
//! one re-signs the altered copies of the break buttons.
//!
//! Always true: no key of this file is ever registered with the identity
//! provider or known outside the practice tenant, so nothing signed with it
//! is worth anything anywhere else.

use std::sync::Arc;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, PublicKeyComponents},
    signature::{self, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bergshamra::DsigContext;
use kryptering::{HashAlgorithm, SignatureAlgorithm};

use crate::base::random::{Random, random_bytes};

/// Why a throw-away key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ThrowAwayKeyError {
    /// The certificate could not be made.
    #[error("the practice tenant could not make a throw-away key and certificate")]
    Certificate(#[from] rcgen::Error),
    /// The new key was not readable.
    #[error("the practice tenant could not read its own throw-away key")]
    Key(#[from] aws_lc_rs::error::KeyRejected),
}

/// An RSA-2048 key with a self-signed certificate.
#[derive(Clone)]
pub struct ThrowAwayKey {
    pair: Arc<KeyPair>,
    certificate: Vec<u8>,
}

impl ThrowAwayKey {
    /// Makes a key; `name` is the certificate's common name.
    pub fn generate(name: &str, random: &mut dyn Random) -> Result<Self, ThrowAwayKeyError> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256)?;
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let mut serial = random_bytes::<16>(random);
        serial[0] &= 0x7f; // a serial number is positive (RFC 5280 §4.1.2.2)
        parameters.serial_number = Some(rcgen::SerialNumber::from(serial.to_vec()));
        let certificate = parameters.self_signed(&key)?.der().to_vec();
        let pair = Arc::new(KeyPair::from_pkcs8(&key.serialize_der())?);
        Ok(Self { pair, certificate })
    }

    /// The certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 over `data`.
    pub fn sign(&self, data: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        let mut signed = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(
            &signature::RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            data,
            &mut signed,
        )?;
        Ok(signed)
    }

    /// The public key as a JWK with `kid` (RFC 7517).
    pub fn jwk(&self, kid: &str) -> serde_json::Value {
        let public = PublicKeyComponents::<Vec<u8>>::from(self.pair.public_key());
        serde_json::json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
            "n": URL_SAFE_NO_PAD.encode(&public.n),
            "e": URL_SAFE_NO_PAD.encode(&public.e),
        })
    }

    /// A context that signs XML with this key.
    pub fn signing_context(&self) -> DsigContext {
        DsigContext::new(bergshamra::KeysManager::new())
            .with_hsm_signer(Box::new(XmlSigner(self.clone())))
    }
}

struct XmlSigner(ThrowAwayKey);

impl kryptering::Signer for XmlSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RsaPkcs1v15(HashAlgorithm::Sha256)
    }

    fn sign(&self, data: &[u8]) -> kryptering::Result<Vec<u8>> {
        self.0
            .sign(data)
            .map_err(|_| kryptering::Error::Crypto("RSA signature failed".to_owned()))
    }
}
