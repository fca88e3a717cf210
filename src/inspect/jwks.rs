//! A JSON Web Key Set (RFC 7517): what RS256 verification needs of it, and what
//! Entra's External MFA wants in it (CB-EAM-002 and -003, facts §5.2).

use std::sync::Arc;

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

/// How many keys a set may have: a token without `kid` is tried with all of them. Entra's
/// sets have about ten.
pub const MAX_KEYS: usize = 64;
/// How many bytes a set may have.
const MAX_BYTES: usize = 1024 * 1024;

/// The bytes are no key set that is read.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// Something else.
    #[error("this is no JSON Web Key Set: a JSON object with an array \"keys\"")]
    Form(#[source] serde_json::Error),
    /// Over a limit.
    #[error(
        "this key set has {0} keys; give at most {MAX_KEYS}, the one that the token names among them"
    )]
    TooMany(usize),
    /// Over a limit.
    #[error("this key set has more than {MAX_BYTES} bytes; give the key that the token names")]
    TooLarge,
}

/// The public keys that tokens are verified with. Copies share them.
#[derive(Clone, Debug)]
pub struct Jwks {
    keys: Arc<[Jwk]>,
}

/// As it is written.
#[derive(Deserialize)]
struct Written {
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
    /// Reads a key set (RFC 7517 §5), of at most [`MAX_KEYS`] keys.
    pub fn parse(bytes: &[u8]) -> Result<Self, JwksError> {
        if bytes.len() > MAX_BYTES {
            return Err(JwksError::TooLarge);
        }
        serde_json::from_slice(bytes)
            .map_err(JwksError::Form)
            .and_then(Self::of)
    }

    fn of(Written { keys }: Written) -> Result<Self, JwksError> {
        if keys.len() > MAX_KEYS {
            return Err(JwksError::TooMany(keys.len()));
        }
        Ok(Self { keys: keys.into() })
    }

    pub(super) fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    pub(super) fn of_value(value: Value) -> Result<Self, JwksError> {
        serde_json::from_value(value)
            .map_err(JwksError::Form)
            .and_then(Self::of)
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

    /// What is wrong with its type, in one sentence: another spelling is another type
    /// (RFC 7517 §4.1), and no signature is verified with it.
    pub(super) fn type_problem(&self) -> Option<String> {
        (self.kty != "RSA").then(|| format!("{} is of type {}.", self.name(), quoted(&self.kty)))
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
        .filter_map(Jwk::type_problem)
        .collect();
    Ruling::broken_by(&evidence)
}

/// Whether a text is base64 or base64url of something (facts §5.2), with or without padding. What
/// its last bits say is left open: nobody decodes it.
fn may_be_base64(kid: &str) -> bool {
    let digits = kid.trim_end_matches('=');
    let padding = kid.len() - digits.len();
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric();
    let plain = digits
        .bytes()
        .all(|byte| is_digit(byte) || b"+/".contains(&byte));
    let for_addresses = digits
        .bytes()
        .all(|byte| is_digit(byte) || b"-_".contains(&byte));
    let fits = match digits.len() % 4 {
        0 => padding == 0,
        2 => matches!(padding, 0 | 2),
        3 => matches!(padding, 0 | 1),
        _ => false,
    };
    (plain || for_addresses) && fits
}

/// CB-EAM-002: every key has a kid of its own, in base64.
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
            Some(kid) if !may_be_base64(kid) => {
                evidence.push(format!(
                    "The kid {} is no base64, which Entra wants.",
                    quoted(kid)
                ));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kid_that_is_no_base64_is_one_that_entra_refuses() {
        for (kid, good) in [
            ("a2V5XzE", true),
            ("a2V5XzEyMw==", true),
            ("9FXDpbfMFT2SvQuXh846YTwEIBw", true),
            ("a-_b", true),
            ("a+/b", true),
            ("a+_b", false),
            ("key.1", false),
            ("key 1234", false),
            ("abcde", false),
            ("abc==", false),
            ("{74}", false),
        ] {
            let set = serde_json::json!({"keys": [{"kty": "RSA", "kid": kid}]});
            let keys = Jwks::parse(set.to_string().as_bytes()).unwrap();
            let ruling = kids(&KeysCase { keys });
            assert_eq!(matches!(ruling, Ruling::Holds), good, "{kid}");
        }
    }

    #[test]
    fn attack_17_a_set_of_too_many_keys_is_refused_in_words() {
        let of = |count: usize| {
            let keys = vec![serde_json::json!({"kty": "RSA", "n": "AQ", "e": "AQAB"}); count];
            serde_json::json!({ "keys": keys }).to_string()
        };
        assert_eq!(
            Jwks::parse(of(MAX_KEYS).as_bytes()).unwrap().keys().len(),
            MAX_KEYS
        );
        let error = Jwks::parse(of(MAX_KEYS + 1).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("has 65 keys"), "{error}");
        let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(MAX_BYTES));
        assert!(matches!(
            Jwks::parse(large.as_bytes()),
            Err(JwksError::TooLarge)
        ));
    }
}
