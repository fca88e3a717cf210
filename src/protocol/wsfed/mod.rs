//! WS-Federation passive requestor profile (1.2 §13): sign-in requests in, answers and
//! metadata out.
//!
//! Always true: what a request wishes is looked up in what is registered, never obeyed; an
//! answer is encoded from a [`crate::claims::ClaimSet`] and from nothing else; nothing that
//! a request points at is fetched.
//!
//! Read in this order: [`parameters`], [`request`], [`demand`], [`assertion`], [`response`],
//! [`metadata`].

/// A claim set → a signed assertion of SAML 1.1.
pub mod assertion;
/// What a request may demand of the authentication, and what we can give.
pub mod demand;
/// Our metadata.
pub mod metadata;
/// What came: the parameters, and what they ask for.
pub mod parameters;
/// A sign-in request → unverified → verified.
pub mod request;
/// The answer around the assertion.
pub mod response;

/// The namespace of assertions of SAML 1.0 and 1.1; also the type of token.
pub const ASSERTION_NS: &str = "urn:oasis:names:tc:SAML:1.0:assertion";
/// The namespace of WS-Trust of February 2005, which Entra and AD FS speak.
pub const TRUST_NS: &str = "http://schemas.xmlsoap.org/ws/2005/02/trust";
/// The namespace of WS-Federation; also how metadata names the protocol.
pub const FEDERATION_NS: &str = "http://docs.oasis-open.org/wsfed/federation/200706";
/// The namespace of WS-Addressing.
pub const ADDRESSING_NS: &str = "http://www.w3.org/2005/08/addressing";
