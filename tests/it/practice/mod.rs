//! The practice tenant judges what an independent signer makes.

mod breaks;
mod responses;
mod rules;
mod signer;
mod sites;
mod world;
