//! # claimbridge — the tour
//!
//! An identity provider with one job: verify a person by two factors and tell
//! Entra ID so, in the words that Entra and Partner Center believe.
//!
//! The one idea: **a claim of MFA is computed from proofs; nothing can set it.**
//! A factor's verifier makes a proof, the proofs of one attempt make a
//! [`signin::complete::SignedIn`], that and a relying party make a
//! [`claims::ClaimSet`], and the protocol encoders accept nothing else.
//!
//! A sign-in travels through these rooms, in this order:
//!
//! 1. [`web`] receives bytes; [`protocol::saml`] or [`protocol::wsfed`] turns them into
//!    a verified request and that into a [`signin::request::SignInRequest`].
//! 2. [`app::sign_in`] stores an [`signin::attempt::Attempt`], bound to the
//!    browser by a cookie, and answers with a redirect to its page.
//! 3. [`signin::next_step`] — the only dispatcher — says what to ask next.
//! 4. [`factor`] verifies one thing and returns its proof;
//!    [`factor::evidence`] seals the proof into a row of that attempt.
//! 5. [`signin::complete`] opens the rows and makes a `SignedIn`.
//! 6. [`claims`] releases what the relying party may know.
//! 7. [`app::issue`] has the protocol's `response` encode it, [`keys`] sign it, the
//!    rules of [`inspect`] check the bytes that leave, and the ledger of [`audit`]
//!    keep a receipt.
//!
//! Below, `mod` lines stand in reading order.

/// What is written down: the closed list of events and the issuance ledger.
pub mod audit;
/// Typed ids, clock, randomness, secrets, text rules. Depends on nothing.
pub mod base;
/// From proofs to claims. The only place that can say `multipleauthn`.
pub mod claims;
/// People and what they hold: users, credentials, import and export formats.
pub mod directory;
/// Verify one thing, return its proof.
pub mod factor;
/// Federated domains as code: plan, restore, drift as functions of two states. Pure.
pub mod federation;
/// The token inspector: detect, decode, rules, verdict. Pure.
pub mod inspect;
/// Signing keys, certificates, and sealing under the master key.
pub mod keys;
/// Bytes to meaning and back. Encoders accept only `&ClaimSet`.
pub mod protocol;
/// Who we answer to: relying parties, Entra clouds, domains and their issuers.
pub mod relying_party;
/// What a browser session is, and when it may be reused.
pub mod session;
/// The story of one sign-in: request, attempt, next step, complete. Pure.
pub mod signin;

/// Use cases: one transaction, one domain call, one audit event.
pub mod app;
/// The command line, one file per command.
pub mod cli;
/// `claimbridge.toml` and the environment.
pub mod config;
/// What talks to the outside, behind one guard.
pub mod outbound;
/// The practice tenant: a simulated Entra and Partner Center, on loopback.
pub mod practice;
/// SQL, one file per aggregate.
pub mod storage;
/// HTTP: the URL map, extractors, layers, handlers, pages.
pub mod web;

#[cfg(forge)]
mod forge;
