//! WS-Federation through the real router.

mod kit;
mod metadata;
mod refusals;
mod sign_in;
