//! Evidence: sealed proofs of an attempt, one of each kind.

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::ids::AttemptId,
    factor::{FactorKind, evidence::EvidenceRecord},
};

impl ReadTx<'_> {
    /// What was proved in an attempt, oldest first. Nothing until `factor::evidence` opened it.
    pub async fn evidence_of(
        &mut self,
        attempt: &AttemptId,
    ) -> Result<Vec<EvidenceRecord>, StoreError> {
        self.all(
            sql("SELECT attempt, user_id, kind, credential, proved_at, tag
                 FROM evidence WHERE attempt = $1 ORDER BY proved_at, kind")
            .bind(attempt.as_str()),
        )
        .await?
        .iter()
        .map(|row| {
            let row = Reader::new(row, "evidence", "attempt");
            Ok(EvidenceRecord {
                attempt: row.parsed("attempt")?,
                user: row.parsed("user_id")?,
                kind: row.spelled("kind", FactorKind::parse)?,
                credential: row.parsed("credential")?,
                at: row.time("proved_at")?,
                tag: row.text("tag")?,
            })
        })
        .collect()
    }
}

impl Tx<'_> {
    /// Stores a sealed proof; an earlier one of that kind is replaced.
    pub async fn put_evidence(&mut self, record: &EvidenceRecord) -> Result<(), StoreError> {
        self.run(
            sql("INSERT INTO evidence (attempt, kind, user_id, credential, proved_at, tag)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (attempt, kind) DO UPDATE SET user_id = excluded.user_id,
                   credential = excluded.credential, proved_at = excluded.proved_at, tag = excluded.tag")
            .bind(record.attempt.as_str())
            .bind(record.kind.as_str())
            .bind(record.user.as_str())
            .bind(record.credential.as_str())
            .bind(record.at.as_millis())
            .bind(record.tag.as_str()),
        )
        .await
        .map(drop)
    }

    /// Forgets what was proved in an attempt; how many rows.
    pub async fn clear_evidence(&mut self, attempt: &AttemptId) -> Result<u64, StoreError> {
        self.run(sql("DELETE FROM evidence WHERE attempt = $1").bind(attempt.as_str()))
            .await
    }
}
