//! The practice tenant judges what an independent signer makes.

mod breaks;
mod external_mfa;
mod graph;
pub mod oauth;
mod responses;
mod rules;
mod signer;
mod sites;
mod world;
mod wsfed;
mod wsfed_kit;
