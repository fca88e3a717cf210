//! Security keys against a software authenticator: what is accepted, and vectors that are one
//! field away from it, each refused for its own reason.

/// Signing in.
mod assertion;
/// A person with a key, and the way of a ceremony.
mod kit;
/// Near misses of the origin.
mod origins;
/// New keys.
mod registration;
