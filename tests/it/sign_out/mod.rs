//! Signing out, here and at the parties of the session.

mod framing;
mod kit;
mod messages;
mod once_more;
mod parties;
mod person;
mod strangers;
mod told_no;
mod ws_federation;
