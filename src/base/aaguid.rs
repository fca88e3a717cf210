//! AAGUID: the model of an authenticator, as the authenticator says (WebAuthn §6.5.1).
//!
//! It is the key's own word unless its attestation was verified. All zeros mean "none":
//! U2F keys, and clients that hide the model.

use std::{fmt, str::FromStr};

/// The 16 bytes that name an authenticator's model.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Aaguid([u8; 16]);

/// A text is not an AAGUID.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an AAGUID has the form 01234567-89ab-cdef-0123-456789abcdef")]
pub struct AaguidError;

impl Aaguid {
    /// All zeros: names no model.
    pub const ZERO: Self = Self([0; 16]);

    /// From the bytes in authenticator data.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Whether it names no model.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl FromStr for Aaguid {
    type Err = AaguidError;

    fn from_str(text: &str) -> Result<Self, AaguidError> {
        let groups: Vec<&str> = text.split('-').collect();
        if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) {
            return Err(AaguidError);
        }
        data_encoding::HEXLOWER_PERMISSIVE
            .decode(groups.concat().as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or(AaguidError)
    }
}

impl fmt::Display for Aaguid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = data_encoding::HEXLOWER.encode(&self.0);
        let mut rest = hex.as_str();
        for (index, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
            let (group, after) = rest.split_at(length);
            if index > 0 {
                f.write_str("-")?;
            }
            f.write_str(group)?;
            rest = after;
        }
        Ok(())
    }
}

impl serde::Serialize for Aaguid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_model_has_one_spelling() {
        let text = "cb69481e-8ff7-4039-93ec-0a2729a154a8";
        let aaguid: Aaguid = text.to_uppercase().parse().unwrap();
        assert_eq!(aaguid.to_string(), text);
        assert_eq!(Aaguid::from_bytes(*aaguid.as_bytes()), aaguid);
        assert!(!aaguid.is_zero());
        assert_eq!(
            Aaguid::ZERO.to_string(),
            "00000000-0000-0000-0000-000000000000"
        );
        assert!(Aaguid::ZERO.is_zero());
        for bad in [
            "",
            "cb69481e8ff7403993ec0a2729a154a8",
            "cb69481e-8ff7-4039-93ec-0a2729a154a",
            "cb69481e-8ff7-4039-93ec-0a2729a154ag",
            "cb69481e-8ff7-4039-93ec0a27-29a154a8",
            " cb69481e-8ff7-4039-93ec-0a2729a154a8",
            "{cb69481e-8ff7-4039-93ec-0a2729a154a8}",
        ] {
            assert_eq!(bad.parse::<Aaguid>(), Err(AaguidError), "{bad}");
        }
    }
}
