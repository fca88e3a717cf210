//! The keys of a method (facts §5.2): RSA, public, each with a base64 `kid` of its own and with
//! its certificate.
//!
//! Always true: a key counts by the certificate in its `x5c`, and only where that is the
//! certificate of `n` and `e`.

use std::collections::HashSet;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use serde_json::{Map, Value};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

/// A key that counts.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its id.
    pub kid: String,
    /// The modulus of the certificate in `x5c`, without leading zeros.
    pub modulus: Vec<u8>,
    /// Its exponent.
    pub exponent: Vec<u8>,
}

/// The members of each key, if every one is an RSA key for signing, and public.
pub(super) fn public_keys(set: &Map<String, Value>) -> Result<Vec<Map<String, Value>>, String> {
    let keys = set
        .get("keys")
        .and_then(Value::as_array)
        .filter(|keys| !keys.is_empty())
        .ok_or("There is no list “keys” with a key in it.")?;
    let mut members = Vec::new();
    for key in keys {
        let key = key.as_object().ok_or("A key is no JSON object.")?;
        let kind = key.get("kty").and_then(Value::as_str).unwrap_or_default();
        if kind != "RSA" {
            return Err(format!("A key is of type “{kind}”."));
        }
        if ["d", "p", "q", "dp", "dq", "qi", "k"]
            .iter()
            .any(|name| key.contains_key(*name))
        {
            return Err("A key has its private part in it.".to_owned());
        }
        let other_use = key.get("use").is_some_and(|value| value != "sig");
        let other_algorithm = key.get("alg").is_some_and(|value| value != "RS256");
        if other_use || other_algorithm {
            return Err("A key is not for signing with RS256.".to_owned());
        }
        members.push(key.clone());
    }
    Ok(members)
}

/// Their ids, if each has one of its own in base64.
pub(super) fn key_ids(keys: &[Map<String, Value>]) -> Result<Vec<String>, String> {
    let mut seen = HashSet::new();
    for key in keys {
        let kid = key.get("kid").and_then(Value::as_str).unwrap_or_default();
        let is_base64 = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .iter()
            .any(|form| form.decode(kid).is_ok());
        if kid.is_empty() || !is_base64 {
            return Err(format!("A kid is “{kid}”, which is no base64."));
        }
        if !seen.insert(kid.to_owned()) {
            return Err(format!("Two keys are called {kid}."));
        }
    }
    let mut ids: Vec<String> = seen.into_iter().collect();
    ids.sort();
    Ok(ids)
}

/// The key of the certificate, if that is the certificate of `n` and `e`.
pub(super) fn certified(key: &Map<String, Value>) -> Result<Key, String> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let kid = text("kid").unwrap_or_default().to_owned();
    let leaf = key
        .get("x5c")
        .and_then(Value::as_array)
        .and_then(|chain| chain.first()?.as_str())
        .ok_or_else(|| format!("The key {kid} has no x5c."))?;
    let der = STANDARD
        .decode(leaf)
        .map_err(|_| format!("x5c of the key {kid} is no plain base64."))?;
    let (_, certificate) = X509Certificate::from_der(&der)
        .map_err(|_| format!("x5c of the key {kid} is no certificate."))?;
    let Ok(PublicKey::RSA(public)) = certificate.public_key().parsed() else {
        return Err(format!("x5c of the key {kid} is of no RSA key."));
    };
    let part = |name: &str| {
        text(name)
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
            .map(|bytes| bare(&bytes))
            .ok_or_else(|| format!("The key {kid} has no {name} in base64url."))
    };
    let (modulus, exponent) = (bare(public.modulus), bare(public.exponent));
    if part("n")? != modulus || part("e")? != exponent {
        return Err(format!(
            "x5c of the key {kid} is the certificate of another key."
        ));
    }
    if let Some(thumbprint) = key.get("x5t") {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
        if *thumbprint != Value::String(URL_SAFE_NO_PAD.encode(digest)) {
            return Err(format!(
                "x5t of the key {kid} is not of the certificate in x5c."
            ));
        }
    }
    Ok(Key {
        kid,
        modulus,
        exponent,
    })
}

fn bare(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect()
}
