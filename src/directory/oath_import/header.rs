//! The columns that a first line names.
//!
//! Names are compared without case, spaces and punctuation. A secret's column may name
//! its encoding: `Secret Key (HEX)`, `seed_base32`.

use std::fmt;

use super::FileProblem;
use crate::directory::oath_token::SecretEncoding;

/// What a column says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Column {
    /// Whose token it is.
    Upn,
    /// The serial number.
    Serial,
    /// The secret.
    Secret,
    /// Seconds a code lives.
    Period,
    /// Digits of a code.
    Digits,
    /// The hash.
    Algorithm,
    /// TOTP or HOTP.
    Type,
    /// Who made it.
    Manufacturer,
    /// Which model.
    Model,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upn => "upn",
            Self::Serial => "serial number",
            Self::Secret => "secret key",
            Self::Period => "time interval",
            Self::Digits => "digits",
            Self::Algorithm => "hash function",
            Self::Type => "type",
            Self::Manufacturer => "manufacturer",
            Self::Model => "model",
        })
    }
}

const NAMES: [(Column, &[&str]); 9] = [
    (
        Column::Upn,
        &[
            "upn",
            "userprincipalname",
            "username",
            "user",
            "assignedto",
            "owner",
        ],
    ),
    (
        Column::Serial,
        &[
            "serialnumber",
            "serial",
            "serialno",
            "sn",
            "tokenserial",
            "tokenserialnumber",
        ],
    ),
    (
        Column::Secret,
        &[
            "secretkey",
            "secret",
            "seed",
            "key",
            "otpkey",
            "tokenseed",
            "tokensecret",
        ],
    ),
    (
        Column::Period,
        &[
            "timeinterval",
            "interval",
            "timestep",
            "period",
            "step",
            "timeintervalinseconds",
        ],
    ),
    (
        Column::Digits,
        &["digits", "otplen", "otplength", "codelength", "length"],
    ),
    (
        Column::Algorithm,
        &[
            "algorithm",
            "algo",
            "hash",
            "hashfunction",
            "hashlib",
            "hashalgorithm",
            "crypto",
        ],
    ),
    (Column::Type, &["type", "tokentype"]),
    (Column::Manufacturer, &["manufacturer", "vendor", "make"]),
    (Column::Model, &["model", "product", "tokenmodel"]),
];

const ENTRA: [&str; 6] = [
    "upn",
    "serial number",
    "secret key",
    "time interval",
    "manufacturer",
    "model",
];

/// Where each column is.
#[derive(Clone, Debug)]
pub struct Header {
    columns: &'static [Column],
    found: Vec<(usize, Column)>,
    encoding: Option<SecretEncoding>,
    unused: Vec<String>,
}

/// privacyIDEA's "OATH CSV".
pub(super) static PRIVACY_IDEA: Header = positional(&[
    Column::Serial,
    Column::Secret,
    Column::Type,
    Column::Digits,
    Column::Period,
]);
/// What Duo's import takes for time-based tokens.
pub(super) static DUO: Header = positional(&[Column::Serial, Column::Secret, Column::Period]);
/// Two columns.
pub(super) static SERIAL_AND_SECRET: Header = positional(&[Column::Serial, Column::Secret]);

const fn positional(columns: &'static [Column]) -> Header {
    Header {
        columns,
        found: Vec::new(),
        encoding: None,
        unused: Vec::new(),
    }
}

impl Header {
    /// Reads a first line; `None` if it names no serial and no secret.
    pub(super) fn parse(cells: &[String]) -> Result<Option<Self>, FileProblem> {
        let mut header = positional(&[]);
        for (place, cell) in cells.iter().enumerate() {
            match column(cell) {
                Some((column, encoding)) => {
                    if header.place(column).is_some() {
                        return Err(FileProblem::Twice(column));
                    }
                    header.found.push((place, column));
                    header.encoding = header.encoding.or(encoding);
                }
                None if cell.is_empty() => {}
                None => header.unused.push(cell.clone()),
            }
        }
        let named =
            header.place(Column::Serial).is_some() && header.place(Column::Secret).is_some();
        Ok(named.then_some(header))
    }

    /// Whether it is Entra's, exactly.
    pub(super) fn is_entra(cells: &[String]) -> bool {
        cells
            .iter()
            .map(|cell| cell.to_ascii_lowercase())
            .eq(ENTRA.iter().map(|name| (*name).to_owned()))
    }

    pub(super) fn place(&self, wanted: Column) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| *column == wanted)
            .or_else(|| {
                self.found
                    .iter()
                    .find(|(_, column)| *column == wanted)
                    .map(|(place, _)| *place)
            })
    }

    /// How many columns a row may have.
    pub(super) fn width(&self) -> usize {
        if self.columns.is_empty() {
            usize::MAX
        } else {
            self.columns.len()
        }
    }

    pub(super) fn encoding(&self) -> Option<SecretEncoding> {
        self.encoding
    }

    pub(super) fn unused(&self) -> &[String] {
        &self.unused
    }
}

/// What a cell of a first line names, and the encoding if it is a secret's.
fn column(cell: &str) -> Option<(Column, Option<SecretEncoding>)> {
    let name: String = cell
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect::<String>()
        .to_lowercase();
    let known = |name: &str| {
        NAMES
            .iter()
            .find(|(_, names)| names.contains(&name))
            .map(|(column, _)| *column)
    };
    if let Some(column) = known(&name) {
        return Some((column, None));
    }
    for (word, encoding) in [
        ("hexadecimal", SecretEncoding::Hex),
        ("hex", SecretEncoding::Hex),
        ("base32", SecretEncoding::Base32),
        ("base64", SecretEncoding::Base64),
    ] {
        let rest = name.strip_prefix(word).or_else(|| name.strip_suffix(word));
        if rest.and_then(known) == Some(Column::Secret) {
            return Some((Column::Secret, Some(encoding)));
        }
    }
    None
}
