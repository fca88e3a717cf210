//! The practice tenant judges what an independent signer makes.

mod breaks;
mod manual;
mod responses;
mod signer;
mod sites;
mod world;
