//! What talks to the outside, behind one guard.
//!
//! Always true: no request leaves but through [`guard::Outbound`] (https, or http to this
//! computer; no redirects followed; bounded in size and time); no token, code or secret
//! stands in an error. Commands call it, and of `serve` only the watch over the federation, beside
//! the answering of requests.
//!
//! A token that holds keys ([`pkcs11`]) is a module of this machine's and no address.
//!
//! Read next: [`entra`] (the live check as a client of Entra), [`redirect`] (where the
//! browser comes back to), [`graph`] (the tenant's directory), [`partner_center`] (what the API says of a token).

/// Entra ID's authorization server, as a client sees it.
pub mod entra;
/// Microsoft Graph.
pub mod graph;
/// The one way out.
pub mod guard;
/// Partner Center's API.
pub mod partner_center;
/// Keys in a PKCS#11 token.
pub mod pkcs11;
/// Addresses that a stranger's document names.
pub mod public;
/// Where the browser comes back to: a listener on loopback.
pub mod redirect;
