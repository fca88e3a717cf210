//! Bytes to meaning and back: parse in, encode out; encoders accept only `&ClaimSet`.

/// Files of hardware tokens in XML (RFC 6030).
pub mod pskc;
/// SAML 2.0.
pub mod saml;
/// The bounded XML reader that every message passes first, and XML signatures.
pub mod xml;
