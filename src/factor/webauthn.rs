//! Security keys and passkeys (Web Authentication Level 3).
//!
//! Always true: a proof is made only after the library checked the assertion against the
//! *stored* challenge and we checked what it leaves to us: the very bytes of the origin, the
//! shape of all that is signed, the person, the counter, the policy, that the key is live.
//! What a ceremony demanded is read from what we stored, never from the answer. Residency and
//! transports are the client's word: kept to show, never trusted.
//!
//! The way: [`ceremony`] asks and keeps the state sealed; [`response`] reads what the browser
//! sends back; [`registration`] makes a key of it, [`assertion`] a proof.
//!
//! Read next: what a key must be to count is [`policy`]; what the FIDO Alliance says of
//! each model is [`metadata`].

/// A signed challenge becomes a proof.
pub mod assertion;
/// What the authenticator signed, read by us.
mod authenticator_data;
/// Bounded reading of CBOR.
mod cbor;
/// Asking, and what is kept until the answer.
pub mod ceremony;
/// Certificate chains, up to given roots.
pub mod chain;
/// The FIDO metadata file: which models there are, and what became of them.
pub mod metadata;
/// Which keys count: at registration and at sign-in.
pub mod policy;
/// Why an answer is refused.
pub mod refused;
/// A new key.
pub mod registration;
/// What a browser sends back.
pub mod response;
/// Who we are to an authenticator.
pub mod scope;

pub use ceremony::{Ceremony, Demand, OpenCeremony, Purpose};
pub use refused::KeyRefused;
pub use scope::Scope;
