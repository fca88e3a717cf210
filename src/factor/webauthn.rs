//! Security keys and passkeys (Web Authentication Level 3).
//!
//! Always true: a proof is made only after the library checked the assertion against
//! the *stored* challenge and we checked what it leaves to us: the origin's very bytes,
//! the person, the counter, the policy.
//!
//! Read next: what a key must be to count is [`policy`]; what the FIDO Alliance says of
//! each model is [`metadata`].

/// Certificate chains, up to given roots.
pub mod chain;
/// The FIDO metadata file: which models there are, and what became of them.
pub mod metadata;
/// Which keys count: at registration and at sign-in.
pub mod policy;
