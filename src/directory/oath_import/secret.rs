//! As what a secret is read.
//!
//! The rule, where neither the operator nor a column's name nor the format says it: a
//! text of hexadecimal digits of even length is hex; else a text of `A-Z2-7` is base32;
//! else it is base64. A text that is hex and base32 is taken as hex: of twenty random
//! bytes one in 100,000 gives such a text in hex, and in base32 none in a lifetime. The
//! import says how many secrets it took as what.

use std::sync::LazyLock;

use data_encoding::{BASE64, BASE64_NOPAD, Encoding, HEXLOWER_PERMISSIVE, Specification};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    base::secret::Secret,
    directory::oath_token::{SecretEncoding, TokenSeed},
};

/// A secret of fewer bytes can be found by trying. RFC 4226 §4 wants 16, with a warning below.
pub const FEWEST_BYTES: usize = 10;
/// Longer than any hash's block.
pub const MOST_BYTES: usize = 128;

/// Why a text is no secret. Says nothing of the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SecretProblem {
    /// Not of the encoding that was said.
    #[error("the secret is not {0}; if the whole file is written otherwise, say --secret-encoding")]
    NotEncoded(SecretEncoding),
    /// Not of any.
    #[error("the secret is neither hex nor base32 nor base64")]
    Unknown,
    /// Too short.
    #[error("the secret has fewer than 80 bits, so that it could be found by trying")]
    Short,
    /// Too long.
    #[error("the secret has more than 128 bytes")]
    Long,
}

/// RFC 4648 §6 without padding; bits that remain at the end are ignored (§3.5 leaves that
/// open, and vendors draw letters, not bytes).
static BASE32: LazyLock<Option<Encoding>> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    specification.check_trailing_bits = false;
    specification.encoding().ok()
});

/// Reads a secret; `None` lets the text decide.
pub fn decode(text: &str, encoding: Option<SecretEncoding>) -> Result<TokenSeed, SecretProblem> {
    let bare: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect());
    let guesses = [
        SecretEncoding::Hex,
        SecretEncoding::Base32,
        SecretEncoding::Base64,
    ];
    let found = match encoding {
        Some(said) => decode_as(said, &bare).map(|bytes| (said, bytes)),
        None => guesses
            .into_iter()
            .find_map(|guess| Some((guess, decode_as(guess, &bare)?))),
    };
    let Some((encoding, mut bytes)) = found else {
        return Err(encoding.map_or(SecretProblem::Unknown, SecretProblem::NotEncoded));
    };
    if let Err(problem) = require_length(bytes.len()) {
        bytes.zeroize();
        return Err(problem);
    }
    Ok(TokenSeed {
        secret: Secret::new(bytes),
        encoding,
    })
}

/// Whether a secret of so many bytes is taken.
pub fn require_length(bytes: usize) -> Result<(), SecretProblem> {
    match bytes {
        0..FEWEST_BYTES => Err(SecretProblem::Short),
        FEWEST_BYTES..=MOST_BYTES => Ok(()),
        _ => Err(SecretProblem::Long),
    }
}

fn decode_as(encoding: SecretEncoding, bare: &str) -> Option<Vec<u8>> {
    match encoding {
        SecretEncoding::Hex => {
            let bare = bare
                .strip_prefix("0x")
                .or_else(|| bare.strip_prefix("0X"))
                .unwrap_or(bare);
            HEXLOWER_PERMISSIVE.decode(bare.as_bytes()).ok()
        }
        SecretEncoding::Base32 => {
            let bare = Zeroizing::new(
                bare.trim_end_matches('=')
                    .replace('-', "")
                    .to_ascii_uppercase(),
            );
            BASE32.as_ref()?.decode(bare.as_bytes()).ok()
        }
        SecretEncoding::Base64 => BASE64
            .decode(bare.as_bytes())
            .or_else(|_| BASE64_NOPAD.decode(bare.as_bytes()))
            .ok(),
    }
}
