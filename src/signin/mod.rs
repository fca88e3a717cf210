//! The story of one sign-in, as pure rules: no I/O, no clock of its own.
//!
//! Read in this order: what is asked ([`request`]), what is stored while a person
//! answers ([`attempt`]), what is demanded ([`requirement`]), what comes next
//! ([`next_step`] — the only dispatcher; steps never call steps), what wrong guesses
//! cost ([`lockout`]), and how proofs become a person who is signed in ([`complete`]),
//! or at the door that asks for one factor only, the answer to it ([`second_factor`]).

/// The door at which nothing more can be asked.
pub mod active;
/// What the door of External MFA asks, sealed.
pub mod asked;
/// One attempt of one browser.
pub mod attempt;
/// Proofs, or a live session, become `SignedIn`.
pub mod complete;
/// What wrong guesses cost.
pub mod lockout;
/// The only dispatcher.
pub mod next_step;
/// What a relying party asks, whatever the protocol.
pub mod request;
/// How fresh the proofs must be.
pub mod requirement;
/// The door at which Entra asks for a second factor.
pub mod second_factor;

#[cfg(test)]
pub(crate) mod someone;
