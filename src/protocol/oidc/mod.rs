//! OpenID Connect, as far as Entra's External MFA speaks it (facts §5): Entra posts a request
//! with a hint of who has done the first factor, and gets an id_token about the second.
//!
//! Always true: nothing of a request is believed before its hint is verified; an answer goes to
//! an address that is written here and never to one that came; [`id_token`] encodes a
//! `SecondFactorAnswer` and nothing else, and no other encoder takes one.
//!
//! Read in this order: [`request`], [`hint`] and the keys it is verified with ([`hint_keys`]),
//! [`id_token`], [`answer`]; and what Entra reads of us: [`discovery`], [`jwks`].

/// What goes back, by a form that posts itself.
pub mod answer;
/// The requested `acr` and `amr`.
pub mod asked;
/// What Entra reads of us first.
pub mod discovery;
/// What is wrong with a request, and who is told.
pub mod fault;
/// The hint of who has done the first factor.
pub mod hint;
/// The keys of a cloud, with which hints are verified.
pub mod hint_keys;
/// What Entra is told of the second factor.
pub mod id_token;
/// The keys with which Entra verifies what we say.
pub mod jwks;
/// What Entra asks.
pub mod request;

#[cfg(test)]
pub(crate) mod a_cloud;
