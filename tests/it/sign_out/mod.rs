//! Signing out, here and at the parties of the session.

mod kit;
mod messages;
mod parties;
