//! Federated domains: what we want of Entra, and (in the files below) reading, changing,
//! checking and restoring it.
//!
//! Always true: a change is written down before it is sent, and its outcome after; what
//! the tenant has counts, never what we believe to have done.

mod aside;
/// Carrying out the calls of a change.
pub mod change;
mod entry;
/// What is looked at before.
pub mod facts;
mod held;
/// The journal.
pub mod journal;
mod order;
mod ours;
/// What a tenant shows.
pub mod read;
/// What anybody can see of a domain without signing in.
pub mod realm;
mod rewrap;

pub use held::held_certificates;
pub use ours::{ours, ours_of, ours_without_key};
pub(super) use rewrap::rewrap_journal;
