//! Temporary access passes: at most one a person that is not revoked.
//!
//! Always true: what is used up or revoked has lost its tag too, so that a writer of the
//! database who takes back the mark of its use makes nothing usable (attack 38). One that may
//! open the same once more ([`Tx::keep_pass`]) has another tag, which covers the first use.

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, millis, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{
        clock::Timestamp,
        ids::{PassId, UserId},
    },
    directory::{AccessPass, PassReuse},
};

const ONCE: &str = "once";
const UNTIL_EXPIRY: &str = "until-expiry";

fn pass(row: &AnyRow) -> Result<AccessPass, StoreError> {
    let row = Reader::new(row, "access_passes", "id");
    Ok(AccessPass {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        value_tag: row.text("value_tag")?,
        issued_by: row.text("issued_by")?,
        issued_at: row.time("issued_at")?,
        starts_at: row.time("starts_at")?,
        expires_at: row.time("expires_at")?,
        reuse: row.spelled("reuse", |text| match text {
            ONCE => Some(PassReuse::Once),
            UNTIL_EXPIRY => Some(PassReuse::UntilExpiry),
            _ => None,
        })?,
        used_at: row.optional_time("used_at")?,
        revoked_at: row.optional_time("revoked_at")?,
    })
}

impl ReadTx<'_> {
    /// The person's pass that may be used now, or will start later.
    pub async fn live_pass_of(
        &mut self,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Option<AccessPass>, StoreError> {
        self.one(
            sql("SELECT id, user_id, value_tag, issued_by, issued_at, starts_at, expires_at, reuse, used_at, revoked_at
                 FROM access_passes
                 WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
                   AND (used_at IS NULL OR reuse = 'until-expiry')")
            .bind(user.as_str())
            .bind(now.as_millis()),
        )
        .await?
        .as_ref()
        .map(pass)
        .transpose()
    }

    /// The person's pass for one use whose first use was after `since`, and which may open what
    /// it opened once more ([`Tx::keep_pass`]).
    pub async fn kept_pass_of(
        &mut self,
        user: &UserId,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Option<AccessPass>, StoreError> {
        self.one(
            sql("SELECT id, user_id, value_tag, issued_by, issued_at, starts_at, expires_at, reuse, used_at, revoked_at
                 FROM access_passes
                 WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $3 AND used_at > $2
                   AND reuse = 'once' AND value_tag <> ''")
            .bind(user.as_str())
            .bind(since.as_millis())
            .bind(now.as_millis()),
        )
        .await?
        .as_ref()
        .map(pass)
        .transpose()
    }
}

impl Tx<'_> {
    /// Stores a new pass; earlier ones of the person are revoked.
    pub async fn insert_pass(&mut self, pass: &AccessPass) -> Result<(), StoreError> {
        self.lock_user(&pass.user).await?;
        self.run(
            sql("UPDATE access_passes SET revoked_at = $2, value_tag = ''
                 WHERE user_id = $1 AND revoked_at IS NULL")
            .bind(pass.user.as_str())
            .bind(pass.issued_at.as_millis()),
        )
        .await?;
        self.run(
            sql("INSERT INTO access_passes (id, user_id, value_tag, issued_by, issued_at, starts_at,
                   expires_at, reuse, used_at, revoked_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
            .bind(pass.id.as_str())
            .bind(pass.user.as_str())
            .bind(pass.value_tag.as_str())
            .bind(pass.issued_by.as_str())
            .bind(pass.issued_at.as_millis())
            .bind(pass.starts_at.as_millis())
            .bind(pass.expires_at.as_millis())
            .bind(match pass.reuse {
                PassReuse::Once => ONCE,
                PassReuse::UntilExpiry => UNTIL_EXPIRY,
            })
            .bind(millis(pass.used_at))
            .bind(millis(pass.revoked_at)),
        )
        .await
        .map(drop)
    }

    /// Uses a pass, if it has started, has not ended, was not revoked and, for one use,
    /// not used: one conditional update (attack 28). The row as it is afterwards.
    ///
    /// The tag is compared by the database; it is an HMAC under the master key, so its
    /// timing tells nothing that helps to find a pass.
    pub async fn consume_pass(
        &mut self,
        user: &UserId,
        value_tag: &str,
        now: Timestamp,
    ) -> Result<Option<AccessPass>, StoreError> {
        self.one(
            sql("UPDATE access_passes SET used_at = COALESCE(used_at, $3),
                   value_tag = CASE WHEN reuse = 'once' THEN '' ELSE value_tag END
                 WHERE user_id = $1 AND value_tag = $2 AND starts_at <= $3 AND expires_at > $3
                   AND revoked_at IS NULL AND (used_at IS NULL OR reuse = 'until-expiry')
                 RETURNING id, user_id, value_tag, issued_by, issued_at, starts_at, expires_at, reuse,
                   used_at, revoked_at")
            .bind(user.as_str())
            .bind(value_tag)
            .bind(now.as_millis()),
        )
        .await?
        .as_ref()
        .map(pass)
        .transpose()
    }

    /// Lets a pass that was used a moment ago open the same once more, under a tag that is not
    /// that of its first use and covers when that was.
    pub async fn keep_pass(&mut self, pass: &PassId, again_tag: &str) -> Result<(), StoreError> {
        self.run(
            sql("UPDATE access_passes SET value_tag = $2
                 WHERE id = $1 AND used_at IS NOT NULL AND revoked_at IS NULL AND reuse = 'once'")
            .bind(pass.as_str())
            .bind(again_tag),
        )
        .await
        .map(drop)
    }

    /// Takes that back: what it opened was finished, or ended by somebody.
    pub async fn spend_kept_passes_of(&mut self, user: &UserId) -> Result<(), StoreError> {
        self.run(
            sql("UPDATE access_passes SET value_tag = ''
                 WHERE user_id = $1 AND used_at IS NOT NULL AND reuse = 'once'")
            .bind(user.as_str()),
        )
        .await
        .map(drop)
    }

    /// Takes back what the person could still use; how many passes that were.
    pub async fn revoke_passes(&mut self, user: &UserId, at: Timestamp) -> Result<u64, StoreError> {
        self.run(
            sql("UPDATE access_passes SET revoked_at = $2, value_tag = ''
                 WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
                   AND (used_at IS NULL OR reuse = 'until-expiry' OR value_tag <> '')")
            .bind(user.as_str())
            .bind(at.as_millis()),
        )
        .await
    }
}
