//! Questions that wait for a security key's answer.

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::Tx,
};
use crate::{
    base::{
        clock::Timestamp,
        ids::{AttemptId, UserId},
    },
    factor::webauthn::{Ceremony, Purpose},
};

impl Tx<'_> {
    /// Stores a question; an earlier one of that purpose in the attempt is replaced.
    pub async fn put_ceremony(&mut self, ceremony: &Ceremony) -> Result<(), StoreError> {
        self.run(
            sql(
                "INSERT INTO ceremonies (attempt, purpose, user_id, expires_at, sealed_state)
                 VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (attempt, purpose) DO UPDATE SET user_id = excluded.user_id,
                   expires_at = excluded.expires_at, sealed_state = excluded.sealed_state",
            )
            .bind(ceremony.attempt.as_str())
            .bind(ceremony.purpose.as_str())
            .bind(ceremony.user.as_ref().map(UserId::as_str))
            .bind(ceremony.expires_at.as_millis())
            .bind(ceremony.sealed_state.as_str()),
        )
        .await
        .map(drop)
    }

    /// Hands a question out for its answer, once: of many who bring an answer to it the
    /// database lets one through. One that expired is not handed out.
    pub async fn take_ceremony(
        &mut self,
        attempt: &AttemptId,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Option<Ceremony>, StoreError> {
        let row = self
            .one(
                sql(
                    "DELETE FROM ceremonies WHERE attempt = $1 AND purpose = $2 AND expires_at > $3
                     RETURNING attempt, purpose, user_id, expires_at, sealed_state",
                )
                .bind(attempt.as_str())
                .bind(purpose.as_str())
                .bind(now.as_millis()),
            )
            .await?;
        let Some(row) = &row else { return Ok(None) };
        let row = Reader::new(row, "ceremonies", "attempt");
        Ok(Some(Ceremony {
            attempt: row.parsed("attempt")?,
            purpose: row.spelled("purpose", Purpose::parse)?,
            user: row.optional_parsed("user_id")?,
            expires_at: row.time("expires_at")?,
            sealed_state: row.text("sealed_state")?,
        }))
    }
}
