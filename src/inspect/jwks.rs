//! A JSON Web Key Set (RFC 7517): what RS256 verification needs of it, and what
//! Entra's External MFA wants in it (CB-EAM-002 and -003, facts §5.2).

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::Deserialize;
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::keys::certificate::Certificate;

use super::rule::{Ruling, quoted};

/// The bytes are no key set.
#[derive(Debug, thiserror::Error)]
#[error("this is no JSON Web Key Set: a JSON object with an array \"keys\"")]
pub struct JwksError(#[source] serde_json::Error);

/// The public keys that tokens are verified with.
#[derive(Clone, Debug, Deserialize)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

/// One key. Members that are not needed are left unread.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Jwk {
    /// The key type; `RSA` is the only one used.
    #[serde(default)]
    pub(super) kty: String,
    /// The key id.
    #[serde(default)]
    pub(super) kid: Option<String>,
    /// The modulus, base64url.
    #[serde(default)]
    pub(super) n: Option<String>,
    /// The exponent, base64url.
    #[serde(default)]
    pub(super) e: Option<String>,
    /// The certificate chain, base64; whatever stands there.
    #[serde(default)]
    pub(super) x5c: Option<Value>,
    /// The private exponent, which nobody should have published.
    #[serde(default)]
    pub(super) d: Option<Value>,
}

impl Jwks {
    /// Reads a key set (RFC 7517 §5).
    pub fn parse(bytes: &[u8]) -> Result<Self, JwksError> {
        serde_json::from_slice(bytes).map_err(JwksError)
    }

    pub(super) fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    pub(super) fn of_value(value: Value) -> Result<Self, JwksError> {
        serde_json::from_value(value).map_err(JwksError)
    }
}

impl Jwk {
    /// How a finding calls it.
    pub(super) fn name(&self) -> String {
        match &self.kid {
            Some(kid) => format!("The key {}", quoted(kid)),
            None => "A key without kid".to_owned(),
        }
    }

    /// Modulus and exponent.
    pub(super) fn rsa(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let part = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        Some((part(&self.n)?, part(&self.e)?))
    }

    /// The first certificate of its chain, DER.
    fn der(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.x5c.as_ref()?.get(0)?.as_str()?).ok()
    }

    /// The first certificate of its chain.
    pub(super) fn certificate(&self) -> Option<Certificate> {
        Certificate::read(&self.der()?).ok()
    }

    /// What is wrong with its certificate for External MFA, in one sentence.
    pub(super) fn certificate_problem(&self) -> Option<String> {
        let name = self.name();
        match &self.x5c {
            None => return Some(format!("{name} has no x5c.")),
            Some(Value::Array(chain)) if !chain.is_empty() => {}
            Some(_) => return Some(format!("{name}: x5c is no array of certificates.")),
        }
        let Some(der) = self.der() else {
            return Some(format!(
                "{name}: the first member of x5c is not plain base64 (RFC 7517 §4.7)."
            ));
        };
        let Ok((_, certificate)) = X509Certificate::from_der(&der) else {
            return Some(format!(
                "{name}: the first member of x5c is no certificate."
            ));
        };
        let Ok(PublicKey::RSA(key)) = certificate.public_key().parsed() else {
            return Some(format!(
                "{name}: the certificate in x5c is not of an RSA key."
            ));
        };
        let Some((modulus, exponent)) = self.rsa() else {
            return Some(format!("{name} has no n and e of base64url."));
        };
        let bare = |bytes: &[u8]| -> Vec<u8> {
            bytes
                .iter()
                .copied()
                .skip_while(|byte| *byte == 0)
                .collect()
        };
        if bare(key.modulus) != bare(&modulus) || bare(key.exponent) != bare(&exponent) {
            return Some(format!(
                "{name}: x5c is the certificate of another key than n and e."
            ));
        }
        None
    }
}

/// A key set under inspection.
pub(super) struct KeysCase {
    pub(super) keys: Jwks,
}

/// CB-EAM-001: only RS256 is taken, so every key is RSA.
pub(super) fn not_rsa(case: &KeysCase) -> Ruling {
    let evidence: Vec<_> = case
        .keys
        .keys()
        .iter()
        .filter(|key| key.kty != "RSA")
        .map(|key| format!("{} is of type {}.", key.name(), quoted(&key.kty)))
        .collect();
    Ruling::broken_by(&evidence)
}

/// CB-EAM-002: every key has a kid of its own.
pub(super) fn kids(case: &KeysCase) -> Ruling {
    let keys = case.keys.keys();
    if keys.is_empty() {
        return Ruling::broken("The key set has no keys.");
    }
    let mut evidence = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for key in keys {
        match key.kid.as_deref() {
            None | Some("") => evidence.push("A key has no kid.".to_owned()),
            Some(kid) if !seen.insert(kid) => {
                evidence.push(format!("Two keys have the kid {}.", quoted(kid)));
            }
            Some(_) => {}
        }
    }
    Ruling::broken_by(&evidence)
}

/// CB-EAM-003.
pub(super) fn certificates(case: &KeysCase) -> Ruling {
    let evidence: Vec<_> = case
        .keys
        .keys()
        .iter()
        .filter(|key| key.kty == "RSA")
        .filter_map(Jwk::certificate_problem)
        .collect();
    Ruling::broken_by(&evidence)
}

/// CB-EAM-012.
pub(super) fn private_key(case: &KeysCase) -> Ruling {
    let evidence: Vec<_> = case
        .keys
        .keys()
        .iter()
        .filter(|key| key.d.is_some())
        .map(|key| format!("{} has its private part d.", key.name()))
        .collect();
    Ruling::broken_by(&evidence)
}
