//! The envelope: a compact JWS (RFC 7515 §7.1) with its certificates in the header.
//!
//! Always true: the key comes from the verified chain alone; `jwk`, `jku`, `x5u` and
//! `kid` are never looked at, and `crit` refuses the file (RFC 7515 §4.1.11).

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde::{Deserialize, de::IgnoredAny};

use super::MetadataError;
use crate::factor::webauthn::chain::JwsAlgorithm;

/// The parts, before anything is verified.
pub(super) struct UnverifiedJws<'f> {
    pub(super) algorithm: JwsAlgorithm,
    /// DER.
    pub(super) chain: Vec<Vec<u8>>,
    /// Header, full stop and payload as they stand in the file.
    pub(super) signed: &'f [u8],
    payload: &'f [u8],
    pub(super) signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    x5c: Option<Vec<String>>,
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

impl UnverifiedJws<'_> {
    /// The payload. Only for a JWS whose signature was verified.
    pub(super) fn decode_payload(&self) -> Result<Vec<u8>, MetadataError> {
        BASE64URL_NOPAD
            .decode(self.payload)
            .map_err(|_| MetadataError::Form)
    }
}

pub(super) fn parse_compact(file: &[u8]) -> Result<UnverifiedJws<'_>, MetadataError> {
    let file = file.trim_ascii();
    let mut parts = file.splitn(4, |byte| *byte == b'.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(MetadataError::Form);
    };
    let signed = &file[..header.len() + 1 + payload.len()];
    let header = BASE64URL_NOPAD
        .decode(header)
        .map_err(|_| MetadataError::Form)?;
    let signature = BASE64URL_NOPAD
        .decode(signature)
        .map_err(|_| MetadataError::Form)?;
    let header: Header = serde_json::from_slice(&header)
        .map_err(|error| MetadataError::Header(error.to_string()))?;
    if header.crit.is_some() {
        return Err(MetadataError::Critical);
    }
    let algorithm = JwsAlgorithm::parse(&header.alg)
        .ok_or_else(|| MetadataError::Algorithm(header.alg.chars().take(32).collect()))?;
    let chain = header
        .x5c
        .filter(|chain| !chain.is_empty())
        .ok_or(MetadataError::NoCertificates)?
        .iter()
        .map(|text| BASE64.decode(text.as_bytes()))
        .collect::<Result<_, _>>()
        .map_err(|_| MetadataError::Header("x5c is not base64".to_owned()))?;
    Ok(UnverifiedJws {
        algorithm,
        chain,
        signed,
        payload,
        signature,
    })
}
