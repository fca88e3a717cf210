//! The value that ties a sign-in to one browser.
//!
//! Always true: the cookie's value is never stored, only its SHA-256; and the hash
//! stands in the attempt and in every tag, so a link or a row that travels to
//! another browser proves nothing there (attack 36).

use std::fmt;

use super::{
    random::{Random, random_bytes},
    secret::Secret,
};

/// The secret of a cookie: 256 random bits, base32.
#[derive(Clone, Debug)]
pub struct CookieToken(Secret<String>);

impl CookieToken {
    /// A new random token.
    pub fn random(random: &mut dyn Random) -> Self {
        let text = data_encoding::BASE32_NOPAD.encode(&random_bytes::<32>(random));
        Self(Secret::new(text.to_ascii_lowercase()))
    }

    /// What a browser sent back; `None` if it has not the form of a token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed =
            text.len() == 52 && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        well_formed.then(|| Self(Secret::new(text.to_owned())))
    }

    /// The cookie's value.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What may be stored.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        let digest =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.expose().as_bytes());
        TokenHash(data_encoding::HEXLOWER.encode(digest.as_ref()))
    }
}

/// SHA-256 of a cookie token, hex. Finding a row by it is safe against timing:
/// whoever can steer the comparison would need a preimage.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct TokenHash(String);

impl TokenHash {
    /// From the stored text.
    #[must_use]
    pub fn from_stored(hex: String) -> Self {
        Self(hex)
    }

    /// The stored text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
