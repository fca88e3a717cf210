//! Federated domains: what we want of Entra, and (in the files below) reading, changing,
//! checking and restoring it.
//!
//! Always true: a change is written down before it is sent, and its outcome after; what
//! the tenant has counts, never what we believe to have done.

mod ours;

pub use ours::ours;
