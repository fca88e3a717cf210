//! Files of hardware tokens, as their vendors and other systems give them.
//!
//! Always true: a file is read line by line, so that its length costs no memory; a row
//! that is bad is one problem with its line and a reason, never the end of the file; no
//! reason repeats a secret. PSKC is XML and is read in `protocol::pskc`.
//!
//! | format | columns | secret |
//! |---|---|---|
//! | Entra | `upn,serial number,secret key,time interval,manufacturer,model`, exactly | base32 |
//! | columns | any first line that names a serial and a secret, in any order and with other names ([`header`]) | by the column's name, else [`secret`] |
//! | privacyIDEA | no first line: serial, seed, type, digits, time step | hex |
//! | Duo | no first line: serial, secret, time step | hex |
//! | serial and secret | no first line: two columns (Feitian's and Token2's lists) | [`secret`] |

/// The columns that a first line names.
pub mod header;
mod lines;
/// Hex, base32, base64: as what a secret is read.
pub mod secret;

use std::{fmt, io::BufRead};

use super::{
    credential::{OathAlgorithm, TotpParameters},
    oath_token::{NewToken, SecretEncoding, Serial, TokenWarning},
};
use crate::base::text::plain_cell;
use header::{Column, Header};
use lines::{Line, Lines};

/// Which format a file has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenFormat {
    /// Entra's CSV (facts §7).
    Entra,
    /// CSV whose first line names the columns.
    Columns,
    /// privacyIDEA's "OATH CSV".
    PrivacyIdea,
    /// What Duo's import takes.
    Duo,
    /// Two columns without a first line.
    SerialAndSecret,
    /// RFC 6030.
    Pskc,
}

impl TokenFormat {
    /// All, in the order in which people are told of them.
    pub const ALL: [Self; 6] = [
        Self::Entra,
        Self::Columns,
        Self::PrivacyIdea,
        Self::Duo,
        Self::SerialAndSecret,
        Self::Pskc,
    ];

    /// As said on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entra => "entra",
            Self::Columns => "columns",
            Self::PrivacyIdea => "privacyidea",
            Self::Duo => "duo",
            Self::SerialAndSecret => "serial-and-secret",
            Self::Pskc => "pskc",
        }
    }
}

impl fmt::Display for TokenFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the operator says about all tokens of a file. A column of the file is stronger,
/// but not for the secret's encoding: a column's name may be wrong, and the operator
/// has seen the text.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// `--format`.
    pub format: Option<TokenFormat>,
    /// `--secret-encoding`.
    pub encoding: Option<SecretEncoding>,
    /// `--period`, seconds.
    pub period: Option<u16>,
    /// `--digits`.
    pub digits: Option<u8>,
    /// `--algorithm`.
    pub algorithm: Option<OathAlgorithm>,
    /// `--manufacturer`.
    pub manufacturer: String,
    /// `--model`.
    pub model: String,
}

/// A file as a whole is of no use.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// A ZIP or 7z archive, or OpenPGP.
    #[error("the file is {0}; unpack it first")]
    Packed(&'static str),
    /// UTF-16.
    #[error("the file is UTF-16; save it as UTF-8")]
    Utf16,
    /// Nothing that is known.
    #[error(
        "the file has neither a first line that names a serial and a secret nor rows of serial and secret; if it is of another vendor, put a line such as `serial number,secret key` before the first"
    )]
    Unknown,
    /// Two columns of one meaning.
    #[error("two columns say {0}; take one out")]
    Twice(Column),
    /// The format that was asked for needs columns that are not there.
    #[error("the file has no first line with {0}")]
    NoHeader(&'static str),
    /// Reading failed.
    #[error("the file cannot be read")]
    Read(#[source] std::io::Error),
}

/// One row of a file.
#[derive(Debug)]
pub struct Row {
    /// Its line; the first is 1.
    pub line: u64,
    /// The token, or why there is none.
    pub token: Result<NewToken, String>,
}

/// Whether a file is PSKC, by its first bytes; or that it is nothing to be read.
pub fn is_pskc(start: &[u8]) -> Result<bool, FileProblem> {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    for (magic, what) in [
        (&b"PK\x03\x04"[..], "a ZIP archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"-----BEGIN PGP", "encrypted with OpenPGP"),
    ] {
        if start.starts_with(magic) {
            return Err(FileProblem::Packed(what));
        }
    }
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Err(FileProblem::Utf16);
    }
    match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Err(FileProblem::Empty),
        Some(first) => Ok(*first == b'<'),
    }
}

/// The tokens of a CSV file, one row after the other.
pub struct CsvTokens<R> {
    lines: Lines<R>,
    format: TokenFormat,
    header: Option<Header>,
    /// The first row, which told the format.
    first: Option<Line>,
    defaults: Defaults,
}

impl<R: BufRead> CsvTokens<R> {
    /// Recognises the format by the first line.
    pub fn read(from: R, defaults: Defaults) -> Result<Self, FileProblem> {
        let mut lines = Lines::new(from);
        let first = lines.next().map_err(FileProblem::Read)?;
        let Some(first) = first else {
            return Err(FileProblem::Empty);
        };
        let cells: &[String] = first.1.as_ref().map_or(&[], |cells| cells.as_slice());
        let header = Header::parse(cells)?;
        let found = match &header {
            Some(_) if Header::is_entra(cells) => TokenFormat::Entra,
            Some(_) => TokenFormat::Columns,
            None => shape(cells).ok_or(FileProblem::Unknown)?,
        };
        let format = match (defaults.format, &header) {
            (None, _) => found,
            (Some(TokenFormat::Entra), Some(_)) if Header::is_entra(cells) => TokenFormat::Entra,
            (Some(TokenFormat::Entra), _) => {
                return Err(FileProblem::NoHeader(
                    "upn,serial number,secret key,time interval,manufacturer,model",
                ));
            }
            (Some(TokenFormat::Columns), None) => {
                return Err(FileProblem::NoHeader("a serial and a secret"));
            }
            (Some(said), _) => said,
        };
        Ok(Self {
            lines,
            format,
            first: header.is_none().then_some(first),
            header,
            defaults,
        })
    }

    /// The format.
    pub fn format(&self) -> TokenFormat {
        self.format
    }

    /// Columns that mean nothing here.
    pub fn unused_columns(&self) -> &[String] {
        self.header.as_ref().map_or(&[], Header::unused)
    }

    /// The next row, if there is one. An error ends the file.
    pub fn next_row(&mut self) -> Result<Option<Row>, FileProblem> {
        let read = match self.first.take() {
            Some(first) => Some(first),
            None => self.lines.next().map_err(FileProblem::Read)?,
        };
        Ok(read.map(|(line, cells)| Row {
            line,
            token: cells.and_then(|cells| self.token(&cells)),
        }))
    }

    fn token(&self, cells: &[String]) -> Result<NewToken, String> {
        let header = match (&self.header, self.format) {
            (Some(header), _) => header,
            (None, TokenFormat::PrivacyIdea) => &header::PRIVACY_IDEA,
            (None, TokenFormat::Duo) => &header::DUO,
            (None, _) => match shape(cells) {
                // A list of two columns in which some rows say more.
                Some(TokenFormat::PrivacyIdea) => &header::PRIVACY_IDEA,
                Some(TokenFormat::Duo) => &header::DUO,
                _ => &header::SERIAL_AND_SECRET,
            },
        };
        let widest = header.width();
        if cells.len() > widest && cells[widest..].iter().any(|cell| !cell.is_empty()) {
            return Err(format!("{} columns where {widest} are known", cells.len()));
        }
        let cell = |column: Column| {
            let text = header.place(column).and_then(|place| cells.get(place));
            text.map(|text| plain_cell(text).trim())
                .filter(|text| !text.is_empty())
        };
        let need = |column: Column| cell(column).ok_or_else(|| format!("no {column}"));

        self.require_time_based(cell(Column::Type))?;
        let serial: Serial = need(Column::Serial)?
            .parse()
            .map_err(|error| format!("{}: {error}", Column::Serial))?;
        let encoding = match (self.defaults.encoding, header.encoding(), self.format) {
            (Some(said), _, _) => Some(said),
            (None, Some(named), _) => Some(named),
            (None, None, TokenFormat::Entra) => Some(SecretEncoding::Base32),
            (None, None, TokenFormat::PrivacyIdea | TokenFormat::Duo) => Some(SecretEncoding::Hex),
            (None, None, _) => None,
        };
        let seed =
            secret::decode(need(Column::Secret)?, encoding).map_err(|error| error.to_string())?;
        let mut warnings = Vec::new();
        if seed.bits() < 128 {
            warnings.push(TokenWarning::ShortSecret);
        }
        let algorithm = match cell(Column::Algorithm) {
            Some(text) => algorithm(text)
                .ok_or_else(|| "the hash function is none of SHA1, SHA256 and SHA512".to_owned())?,
            None => self.defaults.algorithm.unwrap_or_else(|| {
                if self.format == TokenFormat::PrivacyIdea && seed.bits() == 256 {
                    warnings.push(TokenWarning::HashByLength);
                    OathAlgorithm::Sha256
                } else {
                    OathAlgorithm::Sha1
                }
            }),
        };
        Ok(NewToken {
            serial,
            manufacturer: label(
                Column::Manufacturer,
                cell(Column::Manufacturer).unwrap_or(&self.defaults.manufacturer),
            )?,
            model: label(
                Column::Model,
                cell(Column::Model).unwrap_or(&self.defaults.model),
            )?,
            parameters: TotpParameters {
                algorithm,
                digits: digits(cell(Column::Digits), self.defaults.digits)?,
                period: period(cell(Column::Period), self.defaults.period)?,
            },
            seed,
            owner: cell(Column::Upn).map(str::to_owned),
            drift_steps: 0,
            warnings,
        })
    }

    /// HOTP counts presses, and a count that two parties keep drifts apart: not offered.
    fn require_time_based(&self, kind: Option<&str>) -> Result<(), String> {
        match kind.map(str::to_ascii_lowercase).as_deref() {
            Some("totp" | "time" | "time-based" | "oath-totp") => Ok(()),
            None if self.format != TokenFormat::PrivacyIdea => Ok(()),
            // privacyIDEA: a row without a type is HOTP.
            None | Some("hotp" | "event" | "event-based" | "oath-hotp") => Err(
                "it is an event-based token (HOTP); only time-based ones (TOTP) are taken"
                    .to_owned(),
            ),
            Some(_) => Err("its type is not TOTP".to_owned()),
        }
    }
}

/// What a row without a header looks like.
fn shape(cells: &[String]) -> Option<TokenFormat> {
    let [serial, secret, rest @ ..] = cells else {
        return None;
    };
    serial.parse::<Serial>().ok()?;
    secret::decode(secret, None).ok()?;
    Some(match rest.first().map(|third| third.to_ascii_lowercase()) {
        None => TokenFormat::SerialAndSecret,
        Some(third) if third.is_empty() => TokenFormat::SerialAndSecret,
        Some(third) if ["hotp", "totp", "ocra"].contains(&third.as_str()) => {
            TokenFormat::PrivacyIdea
        }
        Some(_) => TokenFormat::Duo,
    })
}

/// `HmacSHA256`, `sha-256`, `SHA256`.
fn algorithm(text: &str) -> Option<OathAlgorithm> {
    let bare: String = text
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_uppercase();
    OathAlgorithm::parse(bare.strip_prefix("HMAC").unwrap_or(&bare))
}

fn digits(cell: Option<&str>, said: Option<u8>) -> Result<u8, String> {
    match cell {
        None => Ok(said.unwrap_or(6)),
        Some("6") => Ok(6),
        Some("8") => Ok(8),
        Some(_) => Err("a code has 6 or 8 digits".to_owned()),
    }
}

fn period(cell: Option<&str>, said: Option<u16>) -> Result<u16, String> {
    match cell {
        None => Ok(said.unwrap_or(30)),
        Some("30") => Ok(30),
        Some("60") => Ok(60),
        Some(_) => Err(
            "the time interval is neither 30 nor 60 seconds (a counter there would mean HOTP, which is not taken)"
                .to_owned(),
        ),
    }
}

/// Text of a vendor: at most 64 characters on one line.
pub fn label(column: Column, text: &str) -> Result<String, String> {
    if text.chars().count() > 64 || text.chars().any(char::is_control) {
        return Err(format!("{column}: at most 64 characters on one line"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
