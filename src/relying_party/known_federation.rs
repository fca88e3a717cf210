//! Domains of the tenant that other providers federate, and of which the operator says so.
//!
//! Always true: a name alone is known to nobody: domain, issuer and every key are named, so that
//! another key, which is the backdoor (facts §4.4), is not known.

use crate::base::text::DomainName;

/// A federation that is another provider's, rightly.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownFederation {
    /// The domain.
    pub domain: DomainName,
    /// The provider's `issuerUri`, compared byte for byte.
    pub issuer_uri: String,
    /// The certificates that it may have: SHA-1 (40 digits) or SHA-256 (64), upper-case hex.
    pub certificates: Vec<String>,
}

/// A certificate's hash as people write it: any letter case, with colons or spaces, or without.
///
/// # Errors
/// A sentence, where it is none.
pub fn parse_thumbprint(text: &str) -> Result<String, String> {
    let digits: String = text
        .chars()
        .filter(|c| !matches!(c, ':' | ' '))
        .map(|c| c.to_ascii_uppercase())
        .collect();
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && matches!(digits.len(), 40 | 64) {
        Ok(digits)
    } else {
        Err(
            "this is no thumbprint of a certificate; write 40 hexadecimal digits (SHA-1) or 64 (SHA-256)"
                .to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_read_as_people_write_it() {
        let sha1 = "3F".repeat(20);
        for text in [
            sha1.clone(),
            sha1.to_lowercase(),
            "3f:".repeat(20),
            "3F ".repeat(20),
        ] {
            assert_eq!(parse_thumbprint(&text), Ok(sha1.clone()), "{text}");
        }
        assert!(parse_thumbprint(&"ab".repeat(32)).is_ok());
        for text in ["", "3F", &"3G".repeat(20), &"3F".repeat(21)] {
            assert!(parse_thumbprint(text).is_err(), "{text}");
        }
    }
}
