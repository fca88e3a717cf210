//! `objectGUID` and `mS-DS-ConsistencyGuid` of an Active Directory, and the ImmutableID that
//! Entra has of them: base64 of the sixteen bytes as the directory stores them.
//!
//! Always true: the first three fields of a GUID's text are numbers, and the directory stores
//! numbers with the least byte first ([MS-DTYP] §2.3.4.2); so the text and the bytes begin
//! differently, and whoever encodes the text's digits in their order links nobody.

use std::{fmt, str::FromStr};

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

use super::ImmutableId;

/// How a file spells a source anchor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AnchorForm {
    /// As Entra has it: kept verbatim.
    Verbatim,
    /// `748b2d72-706b-42f8-8b25-82fd8733860f`, with or without braces: `Get-ADUser`'s objectGUID.
    Guid,
    /// The stored bytes: `722d8b746b70f8428b2582fd8733860f`, also with spaces or colons between
    /// them, as the attribute editor shows them.
    Hex,
    /// The stored bytes: `ci2LdGtw+EKLJYL9hzOGDw==`, also as a line of LDIF (`objectGUID:: …`).
    Base64,
}

/// A text is not that form.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AnchorError {
    /// No GUID's text.
    #[error("this is no GUID; it has the form 748b2d72-706b-42f8-8b25-82fd8733860f")]
    Guid,
    /// Not sixteen bytes in hexadecimal digits.
    #[error("this is not 16 bytes in hexadecimal digits, such as 72 2D 8B 74 …")]
    Hex,
    /// Not sixteen bytes in base64.
    #[error("this is not 16 bytes in base64, such as ci2LdGtw+EKLJYL9hzOGDw==")]
    Base64,
    /// No ImmutableID.
    #[error(transparent)]
    Id(#[from] super::immutable_id::ImmutableIdError),
}

impl AnchorForm {
    /// The ImmutableID that `text` in this form is in Entra.
    ///
    /// # Errors
    /// See [`AnchorError`].
    pub fn immutable_id(self, text: &str) -> Result<ImmutableId, AnchorError> {
        let bytes = match self {
            Self::Verbatim => return Ok(text.parse()?),
            Self::Guid => of_guid(text).ok_or(AnchorError::Guid)?,
            Self::Hex => of_hex(text).ok_or(AnchorError::Hex)?,
            Self::Base64 => of_base64(text).ok_or(AnchorError::Base64)?,
        };
        Ok(BASE64.encode(&bytes).parse()?)
    }
}

impl FromStr for AnchorForm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "verbatim" => Ok(Self::Verbatim),
            "guid" => Ok(Self::Guid),
            "hex" => Ok(Self::Hex),
            "base64" => Ok(Self::Base64),
            _ => Err("write verbatim, guid, hex or base64".to_owned()),
        }
    }
}

impl fmt::Display for AnchorForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Verbatim => "verbatim",
            Self::Guid => "guid",
            Self::Hex => "hex",
            Self::Base64 => "base64",
        })
    }
}

/// The sixteen stored bytes of an ImmutableID as a GUID's text, if it has them.
pub fn guid_of(id: &ImmutableId) -> Option<String> {
    let mut bytes: [u8; 16] = BASE64
        .decode(id.as_str().as_bytes())
        .ok()?
        .try_into()
        .ok()?;
    turn_numbers(&mut bytes);
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    Some(format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    ))
}

fn of_guid(text: &str) -> Option<[u8; 16]> {
    let text = text.trim();
    let text = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    if lengths != [8, 4, 4, 4, 12] {
        return None;
    }
    let mut bytes = sixteen(
        HEXLOWER_PERMISSIVE
            .decode(groups.concat().as_bytes())
            .ok()?,
    )?;
    turn_numbers(&mut bytes);
    Some(bytes)
}

fn of_hex(text: &str) -> Option<[u8; 16]> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let digits: String = digits.chars().filter(|c| !matches!(c, ' ' | ':')).collect();
    // A GUID's text must not pass as bytes: its hyphens are not taken here.
    sixteen(HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?)
}

fn of_base64(text: &str) -> Option<[u8; 16]> {
    let value = text.rsplit("::").next().unwrap_or(text).trim();
    sixteen(BASE64.decode(value.as_bytes()).ok()?)
}

fn sixteen(bytes: Vec<u8>) -> Option<[u8; 16]> {
    bytes.try_into().ok()
}

/// Text order to stored order, and back.
fn turn_numbers(bytes: &mut [u8; 16]) {
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "748b2d72-706b-42f8-8b25-82fd8733860f";
    const BASE64: &str = "ci2LdGtw+EKLJYL9hzOGDw==";

    fn id(form: AnchorForm, text: &str) -> String {
        form.immutable_id(text).unwrap().to_string()
    }

    #[test]
    fn every_form_of_one_value_is_one_immutable_id() {
        for text in [
            GUID,
            "{748B2D72-706B-42F8-8B25-82FD8733860F}",
            " 748b2d72-706b-42f8-8b25-82fd8733860f ",
        ] {
            assert_eq!(id(AnchorForm::Guid, text), BASE64, "{text}");
        }
        for text in [
            "722d8b746b70f8428b2582fd8733860f",
            "72 2D 8B 74 6B 70 F8 42 8B 25 82 FD 87 33 86 0F",
            "0x722D8B746B70F8428B2582FD8733860F",
            "72:2d:8b:74:6b:70:f8:42:8b:25:82:fd:87:33:86:0f",
        ] {
            assert_eq!(id(AnchorForm::Hex, text), BASE64, "{text}");
        }
        for text in [
            BASE64,
            "objectGUID:: ci2LdGtw+EKLJYL9hzOGDw==",
            ":: ci2LdGtw+EKLJYL9hzOGDw==",
        ] {
            assert_eq!(id(AnchorForm::Base64, text), BASE64, "{text}");
        }
        assert_eq!(id(AnchorForm::Verbatim, "Ab+/=="), "Ab+/==");
        assert_eq!(guid_of(&BASE64.parse().unwrap()).as_deref(), Some(GUID));
        assert_eq!(guid_of(&"ABCDEG1234567890".parse().unwrap()), None);
    }

    #[test]
    fn the_example_of_the_specification_of_guids() {
        // [MS-DTYP] §2.3.4.3: 00112233-4455-6677-8899-aabbccddeeff is stored like this.
        assert_eq!(
            AnchorForm::Guid.immutable_id("00112233-4455-6677-8899-aabbccddeeff"),
            AnchorForm::Hex.immutable_id("33221100554477668899aabbccddeeff")
        );
    }

    #[test]
    fn what_is_another_form_or_half_of_one_is_refused() {
        for (form, texts) in [
            (
                AnchorForm::Guid,
                [
                    BASE64,
                    "722d8b746b70f8428b2582fd8733860f",
                    "{748b2d72-706b-42f8-8b25-82fd8733860f",
                    "",
                ],
            ),
            (
                AnchorForm::Hex,
                [GUID, BASE64, "722d8b", "xx2d8b746b70f8428b2582fd8733860f"],
            ),
            (
                AnchorForm::Base64,
                [
                    GUID,
                    "ci2LdGtw+EKLJYL9hzOGDw",
                    "ci2L",
                    "ci2LdGtw-EKLJYL9hzOGDw==",
                ],
            ),
            (AnchorForm::Verbatim, ["a_b", "", "a$", "a b"]),
        ] {
            for text in texts {
                assert!(form.immutable_id(text).is_err(), "{form} {text}");
            }
        }
    }
}
