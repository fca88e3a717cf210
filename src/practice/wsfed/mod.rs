//! The tenant as a WS-Federation relying party (facts §2): how it asks, and how it judges
//! the SAML 1.1 token that comes back.
//!
//! Always true: it shares nothing with the code that wrote the message; all values are read
//! from the tree that the signature was verified on.

/// A copy of an answer that does not say MFA, re-signed.
pub mod altered;
/// The checks of an assertion that came over WS-Trust.
pub mod bearer;
/// A WS-Trust answer as MSAL reads it.
pub mod msal;
/// Bytes to an answer and the fields of its assertion.
pub mod reading;
/// The addresses that a browser is sent to.
pub mod request;
/// The tenant's own judgement of an answer.
pub mod verifier;
