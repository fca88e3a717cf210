//! What everything else stands on: typed ids, clock, randomness, secrets, text rules.
//!
//! Depends on nothing in this crate. Time and randomness are values that are
//! handed in, so that a test can hold both still.

/// The model of an authenticator.
pub mod aaguid;
/// Ranges of IP addresses.
pub mod address_range;
/// The value that ties a sign-in to one browser.
pub mod browser;
/// Instants in milliseconds and the clock that gives them.
pub mod clock;
/// GUIDs.
pub mod guid;
/// Typed identifiers; mixing two is a compile error.
pub mod ids;
/// Randomness that is handed in.
pub mod random;
/// Values that must never be printed.
pub mod secret;
/// UPN and domain name rules: one spelling per person.
pub mod text;
