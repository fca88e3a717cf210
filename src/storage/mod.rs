//! SQL, one file per aggregate; SQLite and PostgreSQL with one text.
//!
//! Always true: a use case is one [`Tx`]; what may happen once is one conditional
//! `UPDATE` or `INSERT` whose row count decides, never read-then-write (attacks 2, 3,
//! 28); a look-up answers `Option`; a [`ReadTx`] has no method that writes; nothing
//! here checks a seal — rows are plain data until `factor`, `signin` or `keys` opens them.
//!
//! Ids are TEXT, instants BIGINT milliseconds, flags a nullable `*_at`, because that is
//! what sqlx's `Any` reads on both engines. Statements are checked by one suite that
//! runs on both (`tests/suite`), not by the compiler.
//!
//! Read on in `store` (opening, engines), `tx` (transactions), `migrations`, then any
//! aggregate.

mod app_passwords;
mod attempts;
mod browsers;
mod ceremonies;
mod domains;
mod enrolments;
mod error;
mod events;
mod evidence;
mod external_accounts;
mod federation;
mod groups;
mod health;
mod key_marks;
mod keys;
mod ledger;
mod metadata;
mod migrations;
mod notices;
mod oath_tokens;
mod passes;
mod passwords;
mod recovery_codes;
mod relying_parties;
mod row;
mod security_keys;
mod sessions;
mod sign_outs;
mod store;
mod tenants;
mod throttle;
mod totp;
mod tx;
mod users;
mod watch;

pub use attempts::InsertAttempt;
pub use enrolments::{EnrolmentRow, OpenedBy};
pub use error::StoreError;
pub use events::{RefusedCount, StoredEvent, hour_of};
pub use federation::{Rows, StoredChange, StoredEntry, UnreadableRow};
pub use health::Upkeep;
pub use key_marks::{KeyChange, KeyTold};
pub use keys::{ActiveMark, StoredKey};
pub use ledger::{MfaClaim, RoundTrip};
pub use migrations::{DatabaseVersion, MigrationState};
pub use notices::Notice;
pub use oath_tokens::ListedToken;
pub use recovery_codes::NewRecoveryCode;
pub use sessions::{Reuse, SessionParty, Told};
pub use sign_outs::{InsertSignOut, SignOutRow};
pub use store::Store;
pub use throttle::Reserve;
pub use tx::{ReadTx, Tx};
pub use users::{InsertUser, SetImmutableId};
pub use watch::{StoredFinding, StoredMessage, TurnLimits, WatchState};
