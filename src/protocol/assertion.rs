//! What assertions of SAML 1.1 and 2.0 have in common: ids, lifetimes, errors.

use std::time::Duration;

use crate::{
    base::{
        clock::Timestamp,
        random::{Random, random_token},
    },
    keys::SignError,
    protocol::xml::signature::SignatureError,
};

/// How long an assertion is valid in all, skew included.
pub const LIFETIME: Duration = Duration::from_hours(1);
/// How far an assertion's validity begins before now: the other clock is slow.
pub const SKEW: Duration = Duration::from_mins(5);

/// From when until when an assertion is valid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// The first instant.
    pub not_before: Timestamp,
    /// The first instant after it.
    pub not_on_or_after: Timestamp,
}

impl Validity {
    /// That of an assertion made `now`.
    pub fn of(now: Timestamp) -> Self {
        let not_before = now.minus(SKEW);
        Self {
            not_before,
            not_on_or_after: not_before.plus(LIFETIME),
        }
    }
}

/// Why nothing was encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The key is not for assertions, or could not be used.
    #[error("the assertion key could not be used")]
    Key(#[from] SignError),
    /// The document could not be signed.
    #[error("the answer could not be signed")]
    Signature(#[from] SignatureError),
}

/// A new message id: 128 random bits, an XML name.
pub fn message_id(random: &mut dyn Random) -> String {
    format!("_{}", random_token(random))
}
