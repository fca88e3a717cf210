//! ImmutableID: the value by which Entra knows a person (facts §1.3, §4.3).
//!
//! Entra maps a token to a person by this value alone, so it is unique for ever
//! (also after its person is gone), set once, and changed only on purpose.

use std::{fmt, str::FromStr};

use crate::base::random::{Random, random_bytes};

/// An ImmutableID: 1 to 64 letters and digits, and of an imported value also
/// `+ / = . -`; never `$` or `_` (Entra refuses them, so base64url cannot be one).
/// Kept verbatim: its letter case means something.
#[derive(Clone, Debug, Eq, Hash, PartialEq, serde::Serialize)]
pub struct ImmutableId(String);

/// A text is not an ImmutableID.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ImmutableIdError {
    /// Empty or over 64 characters.
    #[error("an ImmutableID has 1 to 64 characters")]
    Length,
    /// `$` or `_`.
    #[error(
        "Entra refuses $ and _ in an ImmutableID (base64url cannot be used; use base64 or letters and digits)"
    )]
    EntraRefuses,
    /// Any other character.
    #[error("an ImmutableID has letters and digits, and + / = . - where it was imported")]
    Character,
}

impl ImmutableId {
    /// A new one: 24 letters and digits, over 120 random bits.
    pub fn random(random: &mut dyn Random) -> Self {
        let mut text = data_encoding::BASE32_NOPAD.encode(&random_bytes::<15>(random));
        text.truncate(24);
        Self(text)
    }

    /// The value, verbatim.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImmutableId {
    type Err = ImmutableIdError;

    fn from_str(text: &str) -> Result<Self, ImmutableIdError> {
        if text.is_empty() || text.len() > 64 {
            return Err(ImmutableIdError::Length);
        }
        if text.contains(['$', '_']) {
            return Err(ImmutableIdError::EntraRefuses);
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+/=.-".contains(&b);
        if !text.bytes().all(allowed) {
            return Err(ImmutableIdError::Character);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ImmutableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;

    #[test]
    fn what_entra_refuses_is_refused_here() {
        assert_eq!(
            "a_b".parse::<ImmutableId>(),
            Err(ImmutableIdError::EntraRefuses)
        );
        assert_eq!(
            "a$b".parse::<ImmutableId>(),
            Err(ImmutableIdError::EntraRefuses)
        );
        assert_eq!("".parse::<ImmutableId>(), Err(ImmutableIdError::Length));
        assert_eq!(
            "a".repeat(65).parse::<ImmutableId>(),
            Err(ImmutableIdError::Length)
        );
        assert_eq!(
            "a b".parse::<ImmutableId>(),
            Err(ImmutableIdError::Character)
        );
        assert_eq!(
            "a<!-- -->b".parse::<ImmutableId>(),
            Err(ImmutableIdError::Character)
        );
        assert_eq!(
            "hKd3+/Zk0Eq==".parse::<ImmutableId>().unwrap().as_str(),
            "hKd3+/Zk0Eq=="
        );
    }

    #[test]
    fn a_new_one_is_letters_and_digits() {
        let id = ImmutableId::random(&mut SystemRandom);
        assert_eq!(id.as_str().len(), 24);
        assert!(id.as_str().bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}
