//! The inventory of hardware tokens.
//!
//! Always true: a serial is in the inventory once, whatever the manufacturer (people type
//! serials, and files spell manufacturers in many ways), so it is in one person's hands;
//! the secret is sealed for its row; the tag covers serial, parameters, sealed secret,
//! state and person, so that a writer of the database can neither hand a token to
//! another person nor bring a lost one back (attack 38).
//!
//! A token signs nobody in. On activation its secret is sealed anew into an ordinary
//! TOTP credential of the person (`super::credential`), which does.

use std::{fmt, str::FromStr};

use super::credential::{OathAlgorithm, TotpParameters};
use crate::{
    base::{
        clock::Timestamp,
        ids::{CredentialId, OathTokenId, UserId},
        secret::Secret,
        text::fold,
    },
    keys::sealing::{Place, SealError, Sealing, TagLabel},
};

/// Why a text is no serial number.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SerialError {
    /// Empty, too long, or with control characters.
    #[error("a serial number has 1 to 64 characters on one line")]
    Form,
    /// `2.60012E+12`.
    #[error(
        "a spreadsheet has shortened the serial number; take the vendor's file as it came, or edit it in a text editor"
    )]
    Shortened,
}

/// A token's serial number as the vendor prints it.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Serial(String);

impl Serial {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One spelling of it: by this it is in the inventory once.
    pub fn key(&self) -> String {
        fold(&self.0)
    }
}

impl FromStr for Serial {
    type Err = SerialError;

    fn from_str(text: &str) -> Result<Self, SerialError> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > 64 || text.chars().any(char::is_control) {
            return Err(SerialError::Form);
        }
        if is_shortened(text) {
            return Err(SerialError::Shortened);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Digits, a point or comma, digits, `E+`, digits.
fn is_shortened(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let Some((mantissa, exponent)) = text.split_once("E+").or_else(|| text.split_once("e+")) else {
        return false;
    };
    digits(exponent)
        && match mantissa.split_once(['.', ',']) {
            Some((whole, fraction)) => digits(whole) && digits(fraction),
            None => digits(mantissa),
        }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a token is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenState {
    /// In the drawer.
    InStock,
    /// Somebody has it and has not activated it.
    Assigned,
    /// Somebody signs in with it.
    Active,
    /// Somebody had it, and nobody knows where it is.
    Lost,
    /// Taken off the account; who had it has it still.
    Removed,
    /// Never again: broken, or the battery is empty.
    Retired,
}

impl TokenState {
    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InStock => "in-stock",
            Self::Assigned => "assigned",
            Self::Active => "active",
            Self::Lost => "lost",
            Self::Removed => "removed",
            Self::Retired => "retired",
        }
    }

    /// From the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::InStock,
            Self::Assigned,
            Self::Active,
            Self::Lost,
            Self::Removed,
            Self::Retired,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

impl fmt::Display for TokenState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a file writes a secret.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SecretEncoding {
    /// `0-9a-f`, two a byte.
    Hex,
    /// `A-Z2-7` (RFC 4648 §6), any case, padding or none.
    Base32,
    /// RFC 4648 §4.
    Base64,
}

impl SecretEncoding {
    /// As said on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base32 => "base32",
            Self::Base64 => "base64",
        }
    }
}

impl fmt::Display for SecretEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A token's secret, out of a file.
#[derive(Clone, Debug)]
pub struct TokenSeed {
    /// The bytes.
    pub secret: Secret<Vec<u8>>,
    /// As what the file's text was read.
    pub encoding: SecretEncoding,
}

impl TokenSeed {
    /// Its length.
    pub fn bits(&self) -> usize {
        self.secret.expose().len() * 8
    }
}

/// What a file says of one token.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The serial number.
    pub serial: Serial,
    /// Who made it; may be empty.
    pub manufacturer: String,
    /// Which model; may be empty.
    pub model: String,
    /// How codes are made.
    pub parameters: TotpParameters,
    /// The secret.
    pub seed: TokenSeed,
    /// For whom, as the file writes it.
    pub owner: Option<String>,
    /// By how many steps its clock is known to run ahead (negative: behind).
    pub drift_steps: i64,
    /// What the operator should know about it.
    pub warnings: Vec<TokenWarning>,
}

/// What an operator should know about a token that can be used.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum TokenWarning {
    /// RFC 4226 §4, R6.
    #[error("the secret has fewer than 128 bits, which RFC 4226 asks for")]
    ShortSecret,
    /// privacyIDEA's file names no hash; its manual says that the length tells it.
    #[error("read as SHA-256 because the seed has 32 bytes, as privacyIDEA does")]
    HashByLength,
    /// Whoever holds one of them has the codes of the other.
    #[error(
        "the secret is that of another serial number too; of tokens that share one only one can be activated"
    )]
    SharedSecret,
    /// RFC 6030 §5: the policy has an `ExpiryDate` that lies ahead.
    #[error(
        "the file says until when it may be used; that is not watched here, so retire it in time"
    )]
    Expires,
}

/// A row of the inventory.
#[derive(Clone, Debug)]
pub struct OathToken {
    /// Its id.
    pub id: OathTokenId,
    /// The serial number; in the inventory once.
    pub serial: Serial,
    /// Who made it; may be empty.
    pub manufacturer: String,
    /// Which model; may be empty.
    pub model: String,
    /// How codes are made.
    pub parameters: TotpParameters,
    /// The shared secret, sealed for [`OathToken::secret_place`]; empty once it is of no
    /// use any more.
    pub sealed_secret: String,
    /// The secret's [`OathToken::make_secret_tag`]; none in rows of before there was one.
    pub secret_tag: Option<String>,
    /// Where it is.
    pub state: TokenState,
    /// Who has it; kept when it is lost, or was taken off the account.
    pub user: Option<UserId>,
    /// What it became by activation.
    pub credential: Option<CredentialId>,
    /// The drift that was known when it came back into stock.
    pub drift_steps: i64,
    /// The last accepted step of whoever had it before: no code up to it activates it again.
    pub last_step: Option<i64>,
    /// When it came into the inventory.
    pub imported_at: Timestamp,
    /// When it was handed over.
    pub assigned_at: Option<Timestamp>,
    /// Which operator handed it over.
    pub assigned_by: Option<String>,
    /// When a code activated it.
    pub activated_at: Option<Timestamp>,
    /// Since when it is lost or retired.
    pub ended_at: Option<Timestamp>,
    /// See [`OathToken::make_tag`].
    pub tag: String,
}

impl OathToken {
    /// Where the secret is sealed: for this row of the inventory, for no person.
    pub fn secret_place(id: &OathTokenId) -> Place<'_> {
        Place {
            table: "oath_tokens",
            column: "sealed_secret",
            row: id.as_str(),
            owner: "",
        }
    }

    /// By this tokens with one secret are known without opening any.
    pub fn make_secret_tag(sealing: &Sealing, secret: &[u8]) -> String {
        sealing.tag(TagLabel::TokenSecret, &[secret])
    }

    /// The tag over what the row says of itself now. Make it anew after each change of
    /// state, person, credential or sealed secret.
    pub fn make_tag(&self, sealing: &Sealing) -> String {
        self.with_fields(|fields| sealing.tag(TagLabel::Credential, fields))
    }

    /// Checks the tag.
    pub fn require_tag(&self, sealing: &Sealing) -> Result<(), SealError> {
        self.with_fields(|fields| sealing.verify_tag(TagLabel::Credential, fields, &self.tag))
    }

    fn with_fields<T>(&self, run: impl FnOnce(&[&[u8]]) -> T) -> T {
        let parameters = parameter_text(self.parameters);
        run(&[
            b"oath-token",
            self.id.as_str().as_bytes(),
            self.serial.as_str().as_bytes(),
            parameters.as_bytes(),
            self.sealed_secret.as_bytes(),
            self.state.as_str().as_bytes(),
            self.user.as_ref().map_or("", UserId::as_str).as_bytes(),
            self.credential
                .as_ref()
                .map_or("", CredentialId::as_str)
                .as_bytes(),
        ])
    }
}

fn parameter_text(parameters: TotpParameters) -> String {
    let TotpParameters {
        algorithm,
        digits,
        period,
    } = parameters;
    format!("{} {digits} {period}", OathAlgorithm::as_str(algorithm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::random::SystemRandom, keys::sealing::MasterKey};

    #[test]
    fn what_is_a_serial() {
        for (text, serial) in [(" 2600124809778 ", "2600124809778"), ("AB-1 x", "AB-1 x")] {
            assert_eq!(text.parse::<Serial>().unwrap().as_str(), serial);
        }
        let long = "1".repeat(65);
        for text in ["", "  ", "1\u{7}2", long.as_str()] {
            assert_eq!(text.parse::<Serial>(), Err(SerialError::Form), "{text:?}");
        }
        for text in ["2.60012E+12", "2,6e+12", "3E+11"] {
            assert_eq!(
                text.parse::<Serial>(),
                Err(SerialError::Shortened),
                "{text}"
            );
        }
        for text in ["E+12", "1E12", "a.1E+2", "1.E+2"] {
            assert!(text.parse::<Serial>().is_ok(), "{text}");
        }
    }

    #[test]
    fn spellings_of_a_serial_are_one() {
        let one: Serial = "AB-1".parse().unwrap();
        let other: Serial = "ａｂ-1".parse().unwrap();
        assert_eq!(one.key(), other.key());
    }

    #[test]
    fn attack_38_no_field_of_a_token_can_be_altered() {
        let sealing = Sealing::new(&MasterKey::random(&mut SystemRandom));
        let user = UserId::random(&mut SystemRandom);
        let mut token = OathToken {
            id: OathTokenId::random(&mut SystemRandom),
            serial: "1".parse().unwrap(),
            manufacturer: "Acme".to_owned(),
            model: "c200".to_owned(),
            parameters: TotpParameters::default(),
            sealed_secret: "sealed".to_owned(),
            secret_tag: None,
            state: TokenState::Lost,
            user: Some(user),
            credential: None,
            drift_steps: 0,
            last_step: None,
            imported_at: Timestamp::from_millis(0),
            assigned_at: None,
            assigned_by: None,
            activated_at: None,
            ended_at: None,
            tag: String::new(),
        };
        token.tag = token.make_tag(&sealing);
        assert!(token.require_tag(&sealing).is_ok());
        let alterations: [fn(&mut OathToken); 7] = [
            |token| token.id = OathTokenId::random(&mut SystemRandom),
            |token| token.serial = Serial("2".to_owned()),
            |token| token.parameters.digits = 8,
            |token| token.sealed_secret.push('x'),
            |token| token.state = TokenState::Assigned,
            |token| token.user = Some(UserId::random(&mut SystemRandom)),
            |token| token.credential = Some(CredentialId::random(&mut SystemRandom)),
        ];
        for (number, alter) in alterations.into_iter().enumerate() {
            let mut altered = token.clone();
            alter(&mut altered);
            assert!(altered.require_tag(&sealing).is_err(), "{number}");
        }
    }
}
