//! Signing out, here and at the parties of the session.

mod framing;
mod kit;
mod messages;
mod parties;
mod person;
mod strangers;
mod ws_federation;
