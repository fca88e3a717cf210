//! WS-Federation through the real router.

pub mod kit;
mod metadata;
mod refusals;
mod sign_in;
