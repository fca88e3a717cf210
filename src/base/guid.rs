//! GUIDs, by which Entra names tenants, applications and people.
//!
//! Always true: two spellings of one GUID are one value, and a text that is no GUID is none.

use std::{fmt, str::FromStr};

/// A GUID: 128 bits, written `748b2d72-706b-42f8-8b25-82fd8733860f`.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Guid([u8; 16]);

impl Guid {
    /// All zeros: what stands in examples, and names nobody.
    pub const NIL: Self = Self([0; 16]);
}

/// The text is no GUID.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this is no GUID; it has the form 748b2d72-706b-42f8-8b25-82fd8733860f")]
pub struct NotAGuid;

/// Where the hyphens stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl FromStr for Guid {
    type Err = NotAGuid;

    fn from_str(text: &str) -> Result<Self, NotAGuid> {
        let text = text.as_bytes();
        if text.len() != 36 || HYPHENS.iter().any(|at| text[*at] != b'-') {
            return Err(NotAGuid);
        }
        let mut digits = [0; 32];
        let written = text
            .iter()
            .enumerate()
            .filter(|(at, _)| !HYPHENS.contains(at));
        for (to, (_, from)) in digits.iter_mut().zip(written) {
            *to = from.to_ascii_lowercase();
        }
        let mut bytes = [0; 16];
        match data_encoding::HEXLOWER.decode_mut(&digits, &mut bytes) {
            Ok(16) => Ok(Self(bytes)),
            _ => Err(NotAGuid),
        }
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Guid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Guid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_guid_has_one_value_and_another_text_has_none() {
        let text = "748b2d72-706b-42f8-8b25-82fd8733860f";
        let guid: Guid = text.parse().unwrap();
        assert_eq!(guid.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(guid));
        let stored = serde_json::to_string(&guid).unwrap();
        assert_eq!(serde_json::from_str::<Guid>(&stored).unwrap(), guid);
        for bad in [
            "",
            "748b2d72706b42f88b2582fd8733860f",
            "{748b2d72-706b-42f8-8b25-82fd8733860f}",
            "748b2d72-706b-42f8-8b25-82fd8733860",
            "748b2d72-706b-42f8-8b25-82fd8733860f0",
            "748b2d72-706b-42f8-8b25-82fd8733860g",
            "748b2d7-2706b-42f8-8b25-82fd8733860f",
            "748b2d72-706b-42f8-8b25-82fd8733860\u{e9}",
            " 748b2d72-706b-42f8-8b25-82fd8733860",
        ] {
            assert_eq!(bad.parse::<Guid>(), Err(NotAGuid), "{bad}");
        }
    }
}
