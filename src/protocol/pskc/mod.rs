//! PSKC: files of hardware tokens in XML (RFC 6030).
//!
//! Always true: a ciphertext is decrypted only after its MAC was right, and one without
//! a MAC is not decrypted at all (RFC 6030 §6.1); where a key was given, nothing is taken
//! that it does not vouch for, because who alters a file on its way could as well leave
//! the encryption out; a key that cannot be taken is one row
//! with its line and a reason; only time-based keys are taken. Not offered: containers
//! encrypted for a certificate (§6.3), and signatures (§8) — who hands over the file is
//! the operator's to know, and so is the pre-shared key.

mod encryption;

use uppsala::NodeId;

use super::xml::{self, ReadError, XmlDocument, XmlElement, XmlError, XmlLimits};
use crate::{
    base::{clock::Timestamp, secret::Secret},
    directory::{
        OathAlgorithm, Serial, TotpParameters,
        oath_import::{Defaults, Row, header::Column, label, secret},
        oath_token::{NewToken, SecretEncoding, TokenSeed, TokenWarning},
    },
};
pub use encryption::PskcKey;
use encryption::{Encryption, EncryptionProblem};

const NS: &str = "urn:ietf:params:xml:ns:keyprov:pskc";

/// About 12,000 tokens. The whole tree is in memory, so it is bounded.
const LIMITS: XmlLimits = XmlLimits {
    bytes: 12 * 1024 * 1024,
    depth: 32,
    elements: 300_000,
    attributes: 32,
    namespaces: 50_000,
};

/// A drift that a file may bring, in steps: a day of 30 seconds each.
const MOST_DRIFT: i64 = 2_880;

/// A container as a whole is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PskcProblem {
    /// Not XML, dangerous, or too long.
    #[error("the file is no XML that is read; if it is too long, ask the vendor for several files")]
    Xml(#[from] XmlError),
    /// Another document, or a draft of PSKC.
    #[error("the file is no PSKC container of RFC 6030")]
    NotPskc,
    /// A part of the container that every key needs.
    #[error("the container cannot be read")]
    Read(#[from] ReadError),
    /// How it is encrypted.
    #[error("the container cannot be decrypted")]
    Encryption(#[from] EncryptionProblem),
}

/// Reads a container. Keys are drawn from `key` where it is encrypted; `now` judges from
/// when and until when a key may be used.
pub fn parse_pskc(
    bytes: &[u8],
    key: Option<&PskcKey>,
    defaults: &Defaults,
    now: Timestamp,
) -> Result<Vec<Row>, PskcProblem> {
    let document = xml::read(bytes, &LIMITS)?;
    let container = document.root();
    if !container.is(NS, "KeyContainer") {
        return Err(PskcProblem::NotPskc);
    }
    let encryption = Encryption::parse(container, key)?;
    let mut lines = LineCounter::new(bytes, &document);
    let mut rows = Vec::new();
    for package in container.children_named(NS, "KeyPackage") {
        for key in package.children_named(NS, "Key") {
            rows.push(Row {
                line: lines.of(key.id()),
                token: token(package, key, &encryption, defaults, now),
            });
        }
    }
    Ok(rows)
}

/// One key, whatever its algorithm: what the samples of the RFC are tested with.
fn token(
    package: XmlElement<'_>,
    key: XmlElement<'_>,
    encryption: &Encryption,
    defaults: &Defaults,
    now: Timestamp,
) -> Result<NewToken, String> {
    let say = |error: ReadError| error.to_string();
    require_time_based(key.attribute("Algorithm").unwrap_or_default())?;
    let mut warnings = require_usable(key, now)?;
    let device = package.optional_child(NS, "DeviceInfo").map_err(say)?;
    let of_device = |name: &str| match device {
        Some(device) => text_of(device, name),
        None => Ok(None),
    };
    let serial: Serial = match of_device("SerialNo")? {
        Some(serial) => serial,
        None => key.attribute("Id").unwrap_or_default(),
    }
    .parse()
    .map_err(|error| format!("{}: {error}", Column::Serial))?;
    let data = key.only_child(NS, "Data").map_err(say)?;
    if number(data, "Time")?.unwrap_or(0) != 0 {
        return Err("it does not count its steps from 1970".to_owned());
    }
    let drift_steps = number(data, "TimeDrift")?.unwrap_or(0);
    if !(-MOST_DRIFT..=MOST_DRIFT).contains(&drift_steps) {
        return Err("its clock is said to be more than a day wrong".to_owned());
    }
    let period = match number(data, "TimeInterval")? {
        None => defaults.period.unwrap_or(30),
        Some(30) => 30,
        Some(60) => 60,
        Some(_) => return Err("the time interval is neither 30 nor 60 seconds".to_owned()),
    };
    let (digits, algorithm) = algorithm_parameters(key, defaults)?;
    let seed = seed(data, encryption)?;
    if seed.bits() < 128 {
        warnings.push(TokenWarning::ShortSecret);
    }
    let owner = match of_device("UserId")? {
        Some(user) => Some(user),
        None => text_of(key, "UserId")?,
    };
    Ok(NewToken {
        serial,
        manufacturer: label(
            Column::Manufacturer,
            of_device("Manufacturer")?.unwrap_or(&defaults.manufacturer),
        )?,
        model: label(
            Column::Model,
            of_device("Model")?.unwrap_or(&defaults.model),
        )?,
        parameters: TotpParameters {
            algorithm,
            digits,
            period,
        },
        seed,
        // RFC 6030 §4.1 writes a distinguished name; a UPN is of use here.
        owner: owner
            .filter(|user| user.contains('@') && !user.contains('='))
            .map(str::to_owned),
        drift_steps,
        warnings,
    })
}

/// RFC 6030 §10 registers `…:hotp`; TOTP's profile came later, in two spellings.
fn require_time_based(algorithm: &str) -> Result<(), String> {
    match algorithm.strip_prefix(NS) {
        Some(":totp" | "#totp") => Ok(()),
        Some(":hotp" | "#hotp") => Err(
            "it is an event-based token (HOTP); only time-based ones (TOTP) are taken".to_owned(),
        ),
        _ => Err("its algorithm is not TOTP".to_owned()),
    }
}

/// RFC 6030 §5: a policy that is not understood forbids the key. What to tell the operator.
fn require_usable(key: XmlElement<'_>, now: Timestamp) -> Result<Vec<TokenWarning>, String> {
    let say = |error: ReadError| error.to_string();
    let Some(policy) = key.optional_child(NS, "Policy").map_err(say)? else {
        return Ok(Vec::new());
    };
    let known = ["StartDate", "ExpiryDate", "PINPolicy", "KeyUsage"];
    if policy
        .children()
        .any(|child| !known.iter().any(|name| child.is(NS, name)))
    {
        return Err("its policy asks for something that is not offered".to_owned());
    }
    let date = |name: &str| -> Result<Option<Timestamp>, String> {
        text_of(policy, name)?
            .map(|text| Timestamp::parse_rfc3339(text).ok_or(format!("{name} is no instant")))
            .transpose()
    };
    if date("StartDate")?.is_some_and(|start| start > now) {
        return Err("its policy does not allow it to be used yet".to_owned());
    }
    let expires = date("ExpiryDate")?;
    if expires.is_some_and(|end| end <= now) {
        return Err("its policy does not allow it to be used any more".to_owned());
    }
    let mut usages = policy.children_named(NS, "KeyUsage").peekable();
    if usages.peek().is_some() {
        let mut otp = false;
        for usage in usages {
            otp |= usage.text().map_err(say)?.trim() == "OTP";
        }
        if !otp {
            return Err("its policy does not allow one-time passwords".to_owned());
        }
    }
    let pin = policy.optional_child(NS, "PINPolicy").map_err(say)?;
    match pin.and_then(|pin| pin.attribute("PINUsageMode")) {
        None | Some("Local") => {}
        Some(_) => {
            return Err("its codes are typed together with a PIN, which is not offered".to_owned());
        }
    }
    Ok(expires.map(|_| TokenWarning::Expires).into_iter().collect())
}

fn algorithm_parameters(
    key: XmlElement<'_>,
    defaults: &Defaults,
) -> Result<(u8, OathAlgorithm), String> {
    let say = |error: ReadError| error.to_string();
    let mut digits = defaults.digits.unwrap_or(6);
    let mut algorithm = defaults.algorithm.unwrap_or(OathAlgorithm::Sha1);
    let Some(parameters) = key.optional_child(NS, "AlgorithmParameters").map_err(say)? else {
        return Ok((digits, algorithm));
    };
    if let Some(suite) = text_of(parameters, "Suite")? {
        let bare = suite.to_ascii_uppercase().replace('-', "");
        algorithm = OathAlgorithm::parse(bare.strip_prefix("HMAC").unwrap_or(&bare))
            .ok_or_else(|| "its hash function is none of SHA1, SHA256 and SHA512".to_owned())?;
    }
    let format = parameters
        .optional_child(NS, "ResponseFormat")
        .map_err(say)?;
    if let Some(format) = format {
        if format.attribute("Encoding") != Some("DECIMAL")
            || matches!(format.attribute("CheckDigits"), Some("true" | "1"))
        {
            return Err("its codes are not plain decimal digits".to_owned());
        }
        digits = match format.attribute("Length") {
            Some("6") => 6,
            Some("8") => 8,
            _ => return Err("a code has 6 or 8 digits".to_owned()),
        };
    }
    Ok((digits, algorithm))
}

fn seed(data: XmlElement<'_>, encryption: &Encryption) -> Result<TokenSeed, String> {
    let say = |error: ReadError| error.to_string();
    let element = data.only_child(NS, "Secret").map_err(say)?;
    let plain = element.optional_child(NS, "PlainValue").map_err(say)?;
    let encrypted = element.optional_child(NS, "EncryptedValue").map_err(say)?;
    match (plain, encrypted) {
        (Some(_), None) if encryption.is_wanted() => Err(
            "its secret is not encrypted although the container has a key: take the vendor's file as it came"
                .to_owned(),
        ),
        (Some(plain), None) => {
            let text = plain.text().map_err(say)?;
            secret::decode(text, Some(SecretEncoding::Base64)).map_err(|error| error.to_string())
        }
        (None, Some(encrypted)) => {
            let mac = text_of(element, "ValueMAC")?;
            let secret = encryption
                .open(encrypted, mac)
                .map_err(|error| error.to_string())?;
            secret::require_length(secret.len()).map_err(|error| error.to_string())?;
            Ok(TokenSeed {
                secret: Secret::new(secret.to_vec()),
                encoding: SecretEncoding::Base64,
            })
        }
        _ => Err("it has not one secret".to_owned()),
    }
}

/// The text of an optional child; an empty one is none.
fn text_of<'d>(parent: XmlElement<'d>, name: &str) -> Result<Option<&'d str>, String> {
    let child = parent
        .optional_child(NS, name)
        .map_err(|error| error.to_string())?;
    match child {
        None => Ok(None),
        Some(child) => {
            let text = child.text().map_err(|error| error.to_string())?.trim();
            Ok(Some(text).filter(|text| !text.is_empty()))
        }
    }
}

/// A whole number in `<name><PlainValue>`.
fn number(data: XmlElement<'_>, name: &str) -> Result<Option<i64>, String> {
    let child = data
        .optional_child(NS, name)
        .map_err(|error| error.to_string())?;
    let Some(child) = child else { return Ok(None) };
    text_of(child, "PlainValue")?
        .and_then(|text| text.parse().ok())
        .map(Some)
        .ok_or_else(|| format!("{name} is no plain number"))
}

/// Line numbers of nodes that come in document order, in one pass.
struct LineCounter<'a> {
    bytes: &'a [u8],
    document: &'a XmlDocument<'a>,
    at: usize,
    line: u64,
}

impl<'a> LineCounter<'a> {
    fn new(bytes: &'a [u8], document: &'a XmlDocument<'a>) -> Self {
        Self {
            bytes,
            document,
            at: 0,
            line: 1,
        }
    }

    fn of(&mut self, node: NodeId) -> u64 {
        let range = self.document.tree().node_range(node);
        let start = range.map_or(self.at, |range| range.start.min(self.bytes.len()));
        if let Some(passed) = self.bytes.get(self.at..start) {
            self.line += passed.split(|byte| *byte == b'\n').skip(1).count() as u64;
            self.at = start;
        }
        self.line
    }
}

#[cfg(test)]
mod tests;
