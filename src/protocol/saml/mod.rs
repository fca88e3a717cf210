//! SAML 2.0: requests in, responses and metadata out.
//!
//! Always true: what a request wishes is looked up in what is registered, never
//! obeyed; an answer is encoded from a [`crate::claims::ClaimSet`] and from
//! nothing else; samael's types reach no further than this folder.
//!
//! Read in this order: [`binding`], [`authn_request`], [`requested`],
//! [`response`], [`logout`], [`metadata`], [`sp_metadata`].

/// A request's bytes → what a party asks, unverified → verified.
pub mod authn_request;
/// How messages travel: HTTP-Redirect and HTTP-POST.
pub mod binding;
/// Single logout: requests and responses, both ways.
pub mod logout;
/// Our metadata.
pub mod metadata;
/// What a request may demand of the answer, and what we can give.
pub mod requested;
/// A claim set → a signed response.
pub mod response;
/// Who sent a message.
pub mod sender;
/// A service provider's metadata → a party to register.
pub mod sp_metadata;
/// Status codes of answers that bring no assertion.
pub mod status;

/// The namespace of protocol messages.
pub const PROTOCOL_NS: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// The namespace of assertions.
pub const ASSERTION_NS: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// The HTTP-POST binding.
pub const POST_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
/// The HTTP-Redirect binding.
pub const REDIRECT_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
/// The NameID format that Entra matches with `onPremisesImmutableId`.
pub const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
