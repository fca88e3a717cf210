//! What people give beside a message, as text or files.

use std::time::Duration;

use crate::keys::certificate::Certificate;

/// How many certificates are taken of one input: a signature without KeyInfo is tried with
/// all of them. A domain has two.
pub const MAX_CERTIFICATES: usize = 16;

/// Why certificates were not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoCertificate {
    /// The text is none.
    #[error("no certificate; give PEM, DER or base64")]
    Form,
    /// Over a limit.
    #[error("more than {MAX_CERTIFICATES} certificates; give those of the domain")]
    TooMany,
}

/// The text is no age.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("write seconds, or a number with s, m, h or d")]
pub struct NoAge;

/// Certificates (DER) in PEM (several may stand in one file), DER, or bare base64 as Graph
/// shows it.
pub fn certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, NoCertificate> {
    let many = bytes.windows(BEGIN.len()).filter(|part| *part == BEGIN);
    if many.take(MAX_CERTIFICATES + 1).count() > MAX_CERTIFICATES {
        return Err(NoCertificate::TooMany);
    }
    let found = match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN") => text
            .split("-----BEGIN CERTIFICATE-----")
            .skip(1)
            .map(|part| decode(part.split("-----END").next().unwrap_or("")))
            .collect::<Option<Vec<_>>>(),
        Ok(text) => decode(text).map(|der| vec![der]),
        Err(_) => Some(vec![bytes.to_vec()]),
    };
    found
        .filter(|all| !all.is_empty() && all.iter().all(|der| Certificate::read(der).is_ok()))
        .ok_or(NoCertificate::Form)
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

fn decode(text: &str) -> Option<Vec<u8>> {
    data_encoding::BASE64_MIME_PERMISSIVE
        .decode(text.trim().as_bytes())
        .ok()
}

/// An age: seconds, or a number with `s`, `m`, `h` or `d`.
pub fn age(text: &str) -> Result<Duration, NoAge> {
    let (digits, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(digits) => (digits, text.chars().last().unwrap_or('s')),
        None => (text, 's'),
    };
    let factor = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => 1,
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .map(Duration::from_secs)
        .ok_or(NoAge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_17_too_many_certificates_are_refused_in_words() {
        let pem = include_str!("../../tests/fixtures/inspector/active.pem");
        let of = |count: usize| certificates(pem.repeat(count).as_bytes());
        assert_eq!(of(MAX_CERTIFICATES).unwrap().len(), MAX_CERTIFICATES);
        assert_eq!(of(MAX_CERTIFICATES + 1), Err(NoCertificate::TooMany));
        assert_eq!(certificates(b"none"), Err(NoCertificate::Form));
    }

    #[test]
    fn ages() {
        assert_eq!(age("90"), Ok(Duration::from_secs(90)));
        assert_eq!(age("90m"), Ok(Duration::from_mins(90)));
        assert_eq!(age("2d"), Ok(Duration::from_hours(48)));
        for bad in ["", "m", "-1", "1.5h", "18446744073709551615d"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
