//! The practice tenant's Graph, as a client sees it.

mod client;
mod discovery;
mod federation;
mod kit;
mod permission;
mod policies;
mod users;
