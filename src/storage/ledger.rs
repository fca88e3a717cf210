//! The issuance ledger: a receipt for every answer that leaves.

use std::time::Duration;

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    audit::Receipt,
    base::{
        clock::Timestamp,
        ids::{AttemptId, SessionId, UserId},
    },
    signin::request::SignInRequest,
};

/// Whether an answer says that its person proved two factors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MfaClaim {
    /// It does.
    Made,
    /// It does not: a password was right, and nothing more was asked.
    None,
}

/// A request that an answer went out to: one way there and back of a browser.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RoundTrip {
    /// When the party's request came.
    pub asked_at: Timestamp,
    /// When it was answered.
    pub answered_at: Timestamp,
    /// What was answered.
    pub receipt: Receipt,
}

fn receipt(row: &AnyRow) -> Result<Receipt, StoreError> {
    let row = Reader::new(row, "receipts", "assertion_id");
    Ok(Receipt {
        assertion_id: row.text("assertion_id")?,
        attempt: row.parsed("attempt")?,
        user: row.parsed("user_id")?,
        relying_party: row.text("relying_party")?,
        request_id: row.text("request_id")?,
        issuer: row.text("issuer")?,
        name_id: row.text("name_id")?,
        proofs: row.text("proofs")?,
        session: row.parsed("session")?,
        authn_instant_millis: row.integer("authn_instant")?,
        issued_at_millis: row.integer("issued_at")?,
        key: row.parsed("signing_key")?,
        sha256: row.text("sha256")?,
    })
}

impl ReadTx<'_> {
    /// The last `limit` receipts of a person, newest first.
    pub async fn receipts_of(
        &mut self,
        user: &UserId,
        limit: u32,
    ) -> Result<Vec<Receipt>, StoreError> {
        self.all(
            sql("SELECT assertion_id, attempt, user_id, relying_party, request_id, issuer, name_id, proofs,
                   session, authn_instant, issued_at, signing_key, sha256
                 FROM receipts WHERE user_id = $1 ORDER BY issued_at DESC, assertion_id LIMIT $2")
            .bind(user.as_str())
            .bind(i64::from(limit)),
        )
        .await?
        .iter()
        .map(receipt)
        .collect()
    }

    /// The last receipt of a person for an answer with the MFA claim, or for one without it: a
    /// token of WS-Trust. Which it is, its proofs say.
    pub async fn last_receipt_of(
        &mut self,
        user: &UserId,
        claim: MfaClaim,
    ) -> Result<Option<Receipt>, StoreError> {
        let statement = match claim {
            MfaClaim::Made => {
                "SELECT assertion_id, attempt, user_id, relying_party, request_id, issuer, name_id, proofs,
                   session, authn_instant, issued_at, signing_key, sha256
                 FROM receipts WHERE user_id = $1
                   AND proofs NOT LIKE 'application-password %' AND proofs NOT LIKE 'password-only %'
                   AND proofs NOT LIKE 'second-factor:%'
                 ORDER BY issued_at DESC, assertion_id LIMIT 1"
            }
            MfaClaim::None => {
                "SELECT assertion_id, attempt, user_id, relying_party, request_id, issuer, name_id, proofs,
                   session, authn_instant, issued_at, signing_key, sha256
                 FROM receipts WHERE user_id = $1
                   AND (proofs LIKE 'application-password %' OR proofs LIKE 'password-only %')
                 ORDER BY issued_at DESC, assertion_id LIMIT 1"
            }
        };
        self.one(sql(statement).bind(user.as_str()))
            .await?
            .as_ref()
            .map(receipt)
            .transpose()
    }

    /// The receipt of an attempt's answer.
    pub async fn receipt_of_attempt(
        &mut self,
        attempt: &AttemptId,
    ) -> Result<Option<Receipt>, StoreError> {
        self.one(
            sql("SELECT assertion_id, attempt, user_id, relying_party, request_id, issuer, name_id, proofs,
                   session, authn_instant, issued_at, signing_key, sha256
                 FROM receipts WHERE attempt = $1")
            .bind(attempt.as_str()),
        )
        .await?
        .as_ref()
        .map(receipt)
        .transpose()
    }
}

/// Longer before its answer no receipt is issued: a request may last half of it.
const SIGNING: Duration = Duration::from_mins(1);

impl ReadTx<'_> {
    /// The answers that went to `relying_party` after `after` out of `session` and the
    /// sessions that it replaced in its browser, one upon another, while it was `user`'s;
    /// newest first, as many as a circle could have.
    pub async fn round_trips_of(
        &mut self,
        session: &SessionId,
        user: &UserId,
        relying_party: &str,
        after: Timestamp,
    ) -> Result<Vec<RoundTrip>, StoreError> {
        self.all(
            sql("SELECT r.assertion_id, r.attempt, r.user_id, r.relying_party, r.request_id, r.issuer, r.name_id,
                   r.proofs, r.session, r.authn_instant, r.issued_at, r.signing_key, r.sha256,
                   a.request, a.answered_at
                 FROM receipts r
                 JOIN sessions s ON s.id = r.session
                 JOIN attempts a ON a.id = r.attempt
                 WHERE r.user_id = $1 AND r.relying_party = $2 AND a.answered_at > $3
                   AND r.issued_at > $5
                   AND COALESCE(s.lineage, s.id) =
                     (SELECT COALESCE(f.lineage, f.id) FROM sessions f WHERE f.id = $4)
                 ORDER BY r.issued_at DESC, r.assertion_id LIMIT 50")
            .bind(user.as_str())
            .bind(relying_party.to_owned())
            .bind(after.as_millis())
            .bind(session.as_str())
            // By the index: receipts are kept for good, and programs make many.
            .bind(after.minus(SIGNING).as_millis()),
        )
        .await?
        .iter()
        .map(|row| {
            let attempt = Reader::new(row, "attempts", "attempt");
            let request: SignInRequest = attempt.json("request")?;
            Ok(RoundTrip {
                asked_at: request.received_at(),
                answered_at: attempt.time("answered_at")?,
                receipt: receipt(row)?,
            })
        })
        .collect()
    }

    /// Up to `limit` receipts of a person that were issued at `since` or later, oldest
    /// first, after `after`.
    pub async fn receipts_of_since(
        &mut self,
        user: &UserId,
        since: Timestamp,
        after: Option<&Receipt>,
        limit: u32,
    ) -> Result<Vec<Receipt>, StoreError> {
        let begin = after.map_or(since.as_millis(), |receipt| receipt.issued_at_millis);
        self.all(
            sql("SELECT assertion_id, attempt, user_id, relying_party, request_id, issuer, name_id, proofs,
                   session, authn_instant, issued_at, signing_key, sha256
                 FROM receipts WHERE user_id = $1 AND issued_at >= $2
                   AND (issued_at > $2 OR assertion_id > $3)
                 ORDER BY issued_at, assertion_id LIMIT $4")
            .bind(user.as_str())
            .bind(begin)
            .bind(after.map_or("", |receipt| receipt.assertion_id.as_str()).to_owned())
            .bind(i64::from(limit)),
        )
        .await?
        .iter()
        .map(receipt)
        .collect()
    }

    /// How many receipts there are, of whomever, issued at `since` or later.
    pub async fn count_receipts_since(&mut self, since: Timestamp) -> Result<i64, StoreError> {
        self.count(
            sql("SELECT COUNT(*) AS counted FROM receipts WHERE issued_at >= $1")
                .bind(since.as_millis()),
            "receipts",
        )
        .await
    }
}

impl Tx<'_> {
    /// Writes a receipt. A second one for an attempt, or an assertion id that was used,
    /// is an error: the transaction with its token must not be committed.
    pub async fn insert_receipt(&mut self, receipt: &Receipt) -> Result<(), StoreError> {
        self.run(
            sql("INSERT INTO receipts (assertion_id, attempt, user_id, relying_party, request_id, issuer,
                   name_id, proofs, session, authn_instant, issued_at, signing_key, sha256)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
            .bind(receipt.assertion_id.as_str())
            .bind(receipt.attempt.as_str())
            .bind(receipt.user.as_str())
            .bind(receipt.relying_party.as_str())
            .bind(receipt.request_id.as_str())
            .bind(receipt.issuer.as_str())
            .bind(receipt.name_id.as_str())
            .bind(receipt.proofs.as_str())
            .bind(receipt.session.as_str())
            .bind(receipt.authn_instant_millis)
            .bind(receipt.issued_at_millis)
            .bind(receipt.key.as_str())
            .bind(receipt.sha256.as_str()),
        )
        .await
        .map(drop)
    }
}
