//! Instants as messages write them.
//!
//! Always true: what is not an exact instant in UTC is not an instant. A
//! lenient reader opens a window by hours (no zone), for ever (year 9999 by
//! overflow) or not at all; the rules report instead of guessing (attack 16).

use serde_json::Value;

use crate::base::clock::Timestamp;

use super::{context::Context, rule::quoted};

/// The last second of the year 9999, beyond which .NET has no dates.
const LAST_SECOND: i64 = 253_402_300_799;

/// Parses SAML's instants (SAML core §1.3.3): `2026-11-20T10:00:00Z`, fractions
/// allowed, nothing else. No leap second: XML Schema 1.0 has none (§D.2).
pub(super) fn parse_saml_instant(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let punctuation = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if bytes.len() < 20 || punctuation.iter().any(|(at, byte)| bytes[*at] != *byte) {
        return None;
    }
    let digits = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18];
    if digits.iter().any(|at| !bytes[*at].is_ascii_digit()) {
        return None;
    }
    let fraction = text.get(19..)?.strip_suffix('Z')?;
    let fraction_ok = fraction.is_empty()
        || fraction.strip_prefix('.').is_some_and(|digits| {
            (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
    if !fraction_ok || &bytes[17..19] == b"60" || bytes.starts_with(b"0000") {
        return None;
    }
    Timestamp::parse_rfc3339(text)
}

/// Parses a NumericDate (RFC 7519 §2): seconds since the epoch, not negative,
/// not after the year 9999.
pub(super) fn parse_numeric_date(value: &Value) -> Option<Timestamp> {
    let seconds = match value.as_i64() {
        Some(seconds) => seconds,
        None => whole_seconds(value.as_f64()?)?,
    };
    (0..=LAST_SECOND)
        .contains(&seconds)
        .then(|| Timestamp::from_millis(seconds.saturating_mul(1000)))
}

/// Fractions are cut; what does not fit is no date.
fn whole_seconds(seconds: f64) -> Option<i64> {
    if !(0.0..=253_402_300_799.0).contains(&seconds) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range was checked and a fraction of a second does not matter"
    )]
    Some(seconds.trunc() as i64)
}

/// What is wrong with a bound (`NotBefore` or `NotOnOrAfter`) of `place` at the time asked about.
pub(super) fn check_window(
    context: &Context,
    bound: &str,
    place: &str,
    text: &str,
) -> Option<String> {
    let (at, skew) = (context.at, context.skew);
    let Some(instant) = parse_saml_instant(text) else {
        return Some(format!(
            "{bound} of {place} is {}, which is no instant in UTC.",
            quoted(text)
        ));
    };
    let outside = if bound == "NotBefore" {
        at.plus(skew) < instant
    } else {
        at.minus(skew) >= instant
    };
    outside.then(|| {
        format!(
            "{bound} of {place} is {instant}; asked about {at} ({} s of skew allowed).",
            skew.as_secs()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_16_only_exact_instants_in_utc_are_instants() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:01.5Z", 1_500),
            ("1970-01-01T00:00:01.123456789Z", 1_123),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ] {
            assert_eq!(
                parse_saml_instant(text),
                Some(Timestamp::from_millis(millis)),
                "{text}"
            );
        }
        for text in [
            "",
            "Z",
            "2026-11-20T10:00:00",
            "2026-11-20T10:00:00.5",
            "2026-11-20T10:00:00+00:00",
            "2026-11-20T10:00:00+01:00",
            "2026-11-20t10:00:00z",
            "2026-11-20 10:00:00Z",
            "2026-11-20T10:00Z",
            "2026-11-20T10:00:60Z",
            "2016-12-31T23:59:60Z",
            "2026-11-20T24:00:00Z",
            "2026-02-29T10:00:00Z",
            "2026-13-01T10:00:00Z",
            "-2026-11-20T10:00:00Z",
            "0000-11-20T10:00:00Z",
            "10000-11-20T10:00:00Z",
            "2026-11-20T10:00:00.Z",
            "2026-11-20T10:00:00.1234567890Z",
            " 2026-11-20T10:00:00Z",
            "2026-11-20T10:00:00Z ",
            "٢٠٢٦-11-20T10:00:00Z",
            "2026-11-20T10:00:0€Z",
        ] {
            assert_eq!(parse_saml_instant(text), None, "{text}");
        }
    }

    #[test]
    fn attack_16_numeric_dates() {
        use serde_json::json;
        assert_eq!(
            parse_numeric_date(&json!(1_549_088_552)),
            Some(Timestamp::from_millis(1_549_088_552_000))
        );
        assert_eq!(
            parse_numeric_date(&json!(1.9)),
            Some(Timestamp::from_millis(1_000))
        );
        for bad in [
            json!(-1),
            json!("1549088552"),
            json!(null),
            json!(1e300),
            json!(u64::MAX),
            json!(253_402_300_800_i64),
            json!([1]),
        ] {
            assert_eq!(parse_numeric_date(&bad), None, "{bad}");
        }
    }
}
