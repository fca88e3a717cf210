//! Bytes to meaning and back: parse in, encode out; encoders accept only what `claims` released.

/// What assertions of SAML 1.1 and 2.0 have in common.
pub mod assertion;
/// OpenID Connect, as Entra's External MFA speaks it.
pub mod oidc;
/// Files of hardware tokens in XML (RFC 6030).
pub mod pskc;
/// Parameters of addresses and forms.
pub mod query;
/// SAML 2.0.
pub mod saml;
/// WS-Federation passive, with SAML 1.1 assertions.
pub mod wsfed;
/// WS-Trust, with SAML 1.1 assertions that say a password and no more.
pub mod wstrust;
/// The bounded XML reader that every message passes first, and XML signatures.
pub mod xml;
