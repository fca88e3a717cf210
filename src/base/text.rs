//! One spelling per person: how user principal names and domain names are compared;
//! and cells that no spreadsheet runs.
//!
//! Always true: two spellings that a person or an attacker might use for one
//! account (letter case, full-width letters, surrounding spaces) have one
//! canonical form, and that form is the key of every counter and look-up.

use std::{fmt, str::FromStr};

use unicode_normalization::UnicodeNormalization;

/// Why a text is not a user principal name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UpnError {
    /// No `@`, or more than one.
    #[error("a user principal name has the form name@domain")]
    Form,
    /// Over 113 characters (Entra's limit: 64 before the `@`, 48 after).
    #[error("a user principal name has at most 64 characters before the @ and 48 after it")]
    Length,
    /// A character that Entra does not allow in a user principal name.
    #[error("a user principal name has only letters, digits and ' . - _ ! # ^ ~ before the @")]
    Character,
    /// The part behind the `@` is not a domain name.
    #[error("the part after the @ is not a domain name")]
    Domain,
}

/// NFKC, surrounding white space off, lower case (to a fixed point, because
/// lower-casing can un-normalise): the one bucket for every spelling.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded: String = text.nfkc().collect::<String>().trim().to_lowercase();
    for _ in 0..3 {
        let again: String = folded.nfkc().collect::<String>().trim().to_lowercase();
        if again == folded {
            break;
        }
        folded = again;
    }
    folded
}

/// A user principal name in canonical form (folded; see [`fold`]).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
pub struct Upn(String);

impl Upn {
    /// The canonical text, `name@domain`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain of this name.
    #[must_use]
    pub fn domain(&self) -> DomainName {
        let (_, domain) = self.0.split_once('@').unwrap_or(("", &self.0));
        DomainName(domain.to_owned())
    }
}

impl FromStr for Upn {
    type Err = UpnError;

    fn from_str(text: &str) -> Result<Self, UpnError> {
        let folded = fold(text);
        let (name, domain) = folded.split_once('@').ok_or(UpnError::Form)?;
        if name.is_empty() || domain.contains('@') {
            return Err(UpnError::Form);
        }
        if name.len() > 64 || domain.len() > 48 {
            return Err(UpnError::Length);
        }
        // Entra's own list (facts §4.3 and its user resource): ASCII only, so that no
        // look-alike letter of another script makes a second person of one name.
        let allowed = |c: char| c.is_ascii_alphanumeric() || "'.-_!#^~".contains(c);
        if !name.chars().all(allowed) {
            return Err(UpnError::Character);
        }
        let domain: DomainName = domain.parse().map_err(|_| UpnError::Domain)?;
        Ok(Self(format!("{name}@{domain}")))
    }
}

impl fmt::Display for Upn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is not a domain name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a domain name has labels of letters, digits and hyphens, with at least one dot (write an internationalised name as xn--…)"
)]
pub struct DomainNameError;

/// A DNS domain name in lower case, at least two labels, no trailing dot.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
pub struct DomainName(String);

impl DomainName {
    /// The name, lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `self` is `root` or lies below it (`eu.contoso.com` below `contoso.com`).
    #[must_use]
    pub fn is_within(&self, root: &Self) -> bool {
        self.0 == root.0
            || self
                .0
                .strip_suffix(&root.0)
                .is_some_and(|front| front.ends_with('.'))
    }
}

impl FromStr for DomainName {
    type Err = DomainNameError;

    fn from_str(text: &str) -> Result<Self, DomainNameError> {
        let folded = fold(text);
        let label_ok = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if folded.len() <= 253 && folded.contains('.') && folded.split('.').all(label_ok) {
            Ok(Self(folded))
        } else {
            Err(DomainNameError)
        }
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a cell begins that a spreadsheet would run; and the sign that keeps it from that.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

/// Attack 32: a spreadsheet would run a cell that begins like a formula.
#[must_use]
pub fn harmless_cell(text: &str) -> String {
    if text.starts_with(FORMULA) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// Takes back what [`harmless_cell`] added, and nothing else: ’t Hooft keeps the apostrophe.
#[must_use]
pub fn plain_cell(text: &str) -> &str {
    text.strip_prefix('\'')
        .filter(|rest| rest.starts_with(FORMULA))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_32_no_cell_begins_like_a_formula() {
        for text in ["=1+1", "+1", "-1", "@x", "\t=1", "'x"] {
            assert!(harmless_cell(text).starts_with('\''), "{text}");
        }
        assert_eq!(harmless_cell("Agent One"), "Agent One");
    }

    #[test]
    fn import_takes_back_what_export_added_and_nothing_else() {
        for text in [
            "'t Hooft", "''x", "'=1", "=1+1", "+x", "-x", "@x", "O'Neil", "'",
        ] {
            assert_eq!(plain_cell(&harmless_cell(text)), text);
        }
        assert_eq!(plain_cell("'t Hooft"), "'t Hooft", "written by hand");
        assert_eq!(plain_cell("'=1"), "=1");
    }

    #[test]
    fn every_spelling_is_one_person() {
        let canonical: Upn = "agent1@contoso.com".parse().unwrap();
        for spelling in [
            "Agent1@Contoso.COM",
            " agent1@contoso.com ",
            "ａｇｅｎｔ１@contoso.com",
            "AGENT1＠contoso.com",
        ] {
            assert_eq!(
                spelling.parse::<Upn>().as_ref(),
                Ok(&canonical),
                "{spelling}"
            );
        }
    }

    #[test]
    fn what_is_no_upn() {
        for (text, error) in [
            ("agent1", UpnError::Form),
            ("@contoso.com", UpnError::Form),
            ("a@b@contoso.com", UpnError::Form),
            ("contoso\\agent1@contoso.com", UpnError::Character),
            ("аgent1@contoso.com", UpnError::Character), // a Cyrillic а
            ("agent1@contoso.com.", UpnError::Domain),
            ("agent1@contoso", UpnError::Domain),
            ("agent1@contoso.com<!-- -->.evil.com", UpnError::Domain),
        ] {
            assert_eq!(text.parse::<Upn>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_sub_domain_is_within_its_root_and_a_look_alike_is_not() {
        let root: DomainName = "contoso.com".parse().unwrap();
        assert!(
            "eu.contoso.com"
                .parse::<DomainName>()
                .unwrap()
                .is_within(&root)
        );
        assert!(
            !"evilcontoso.com"
                .parse::<DomainName>()
                .unwrap()
                .is_within(&root)
        );
        assert!(
            !"com.contoso"
                .parse::<DomainName>()
                .unwrap()
                .is_within(&root)
        );
    }
}
