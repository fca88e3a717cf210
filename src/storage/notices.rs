//! Notices: what others did to an account, shown at the next sign-in, and on the account page
//! for a while: whoever signs in next has not always been its person.

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::base::{clock::Timestamp, ids::UserId, random::random_token};

/// A notice that the person has not seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notice {
    /// Its id.
    pub id: String,
    /// What was done: `pass-issued`, `password-set` …
    pub kind: String,
    /// By whom: the operating system's account of the operator.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

fn notice(row: &AnyRow) -> Result<Notice, StoreError> {
    let row = Reader::new(row, "notices", "id");
    Ok(Notice {
        id: row.text("id")?,
        kind: row.text("kind")?,
        by: row.text("by_whom")?,
        at: row.time("noted_at")?,
    })
}

impl ReadTx<'_> {
    /// What the person has not seen, oldest first.
    pub async fn unseen_notices(&mut self, user: &UserId) -> Result<Vec<Notice>, StoreError> {
        self.all(
            sql("SELECT id, kind, by_whom, noted_at FROM notices
                 WHERE user_id = $1 AND seen_at IS NULL ORDER BY noted_at, id")
            .bind(user.as_str()),
        )
        .await?
        .iter()
        .map(notice)
        .collect()
    }

    /// What was done to the account since `since`, seen or not, newest first.
    pub async fn notices_since(
        &mut self,
        user: &UserId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Notice>, StoreError> {
        self.all(
            sql("SELECT id, kind, by_whom, noted_at FROM notices
                 WHERE user_id = $1 AND noted_at >= $2 ORDER BY noted_at DESC, id LIMIT $3")
            .bind(user.as_str())
            .bind(since.as_millis())
            .bind(i64::from(limit)),
        )
        .await?
        .iter()
        .map(notice)
        .collect()
    }
}

impl Tx<'_> {
    /// Leaves a notice for a person.
    pub async fn add_notice(
        &mut self,
        user: &UserId,
        kind: &str,
        by: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let id = format!("ntc_{}", self.store.draw(random_token));
        self.run(
            sql("INSERT INTO notices (id, user_id, kind, by_whom, noted_at) VALUES ($1, $2, $3, $4, $5)")
                .bind(id)
                .bind(user.as_str())
                .bind(kind)
                .bind(by)
                .bind(at.as_millis()),
        )
        .await
        .map(drop)
    }

    /// The person has seen what was noted until `up_to`; how many.
    pub async fn mark_notices_seen(
        &mut self,
        user: &UserId,
        up_to: Timestamp,
    ) -> Result<u64, StoreError> {
        self.run(
            sql("UPDATE notices SET seen_at = $2 WHERE user_id = $1 AND seen_at IS NULL AND noted_at <= $2")
                .bind(user.as_str())
                .bind(up_to.as_millis()),
        )
        .await
    }
}
