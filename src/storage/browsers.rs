//! Browsers that completed a sign-in of a person: they have counters of their own, so
//! that a stranger's guesses lock nobody out.

use super::{
    error::StoreError,
    row::sql,
    tx::{ReadTx, Tx},
};
use crate::base::{browser::TokenHash, clock::Timestamp, ids::UserId};

impl ReadTx<'_> {
    /// Whether this browser completed a sign-in of this person.
    pub async fn is_known_browser(
        &mut self,
        token: &TokenHash,
        user: &UserId,
    ) -> Result<bool, StoreError> {
        let row = self
            .one(
                sql("SELECT token FROM known_browsers WHERE token = $1 AND user_id = $2")
                    .bind(token.as_str())
                    .bind(user.as_str()),
            )
            .await?;
        Ok(row.is_some())
    }
}

impl Tx<'_> {
    /// This browser completed a sign-in of this person.
    pub async fn put_known_browser(
        &mut self,
        token: &TokenHash,
        user: &UserId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(
            sql(
                "INSERT INTO known_browsers (token, user_id, seen_at) VALUES ($1, $2, $3)
                 ON CONFLICT (token, user_id) DO UPDATE SET seen_at = excluded.seen_at",
            )
            .bind(token.as_str())
            .bind(user.as_str())
            .bind(at.as_millis()),
        )
        .await
        .map(drop)
    }

    /// No browser is known for this person any more; how many were.
    pub async fn forget_browsers_of(&mut self, user: &UserId) -> Result<u64, StoreError> {
        self.run(sql("DELETE FROM known_browsers WHERE user_id = $1").bind(user.as_str()))
            .await
    }
}
