//! The inspector over a corpus of an independent signer.
//!
//! `tests/tools/make-inspector-corpus.py` makes the messages with xmlsec1 and
//! openssl; what must be said of each stands beside them, written by hand.

mod any_input;
mod attacks;
mod catalogue;
mod corpus;
mod door;
mod known_bad;
mod traces;
mod verdicts;
