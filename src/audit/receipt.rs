//! Receipts: every answer that leaves has one.

use serde::Serialize;

use crate::base::ids::{AttemptId, KeyId, SessionId, UserId};

/// The receipt of one answer: a row of the issuance ledger.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Receipt {
    /// The assertion's id; unique.
    pub assertion_id: String,
    /// The attempt it answered; unique: one answer per attempt.
    pub attempt: AttemptId,
    /// For whom.
    pub user: UserId,
    /// To whom.
    pub relying_party: String,
    /// Which request.
    pub request_id: String,
    /// The issuer that stands in it.
    pub issuer: String,
    /// The NameID that stands in it.
    pub name_id: String,
    /// What it rests on: one line a proof, `kind credential instant`.
    pub proofs: String,
    /// The session that holds these proofs.
    pub session: SessionId,
    /// The authentication instant that stands in it, milliseconds.
    pub authn_instant_millis: i64,
    /// When it was issued, milliseconds.
    pub issued_at_millis: i64,
    /// The key that signed it.
    pub key: KeyId,
    /// SHA-256 over the bytes that left, hex.
    pub sha256: String,
}
