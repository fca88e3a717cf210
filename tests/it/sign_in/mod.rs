//! Sign-ins over HTTP, through the real router, on a clock that stands still.
//!
//! The same functions run on SQLite here and on PostgreSQL with two nodes in
//! `tests/postgres`; attacks are named after their rows in the list of attacks.

mod account;
mod binding;
mod circles;
mod counters;
mod enrolment;
mod guesses;
mod journey;
pub mod keys;
mod method_policy;
mod model;
mod nodes;
pub mod oath;
mod outage;
mod pairings;
mod refused_models;
mod requests;
mod rows;
mod sessions;
mod step_up;
mod thief;
mod token_files;
mod tokens_of_people;
