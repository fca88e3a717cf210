//! Recovery codes: ten a person, each good once; new ones replace the old. As with passes,
//! what is used up or revoked has lost its tag too (attack 38).

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::base::{
    clock::Timestamp,
    ids::{RecoveryCodeId, UserId},
};

/// A new code as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewRecoveryCode {
    /// Its id.
    pub id: RecoveryCodeId,
    /// An HMAC of its value (`factor::recovery_code`).
    pub value_tag: String,
}

impl ReadTx<'_> {
    /// How many codes a person could still use.
    pub async fn recovery_codes_left(&mut self, user: &UserId) -> Result<i64, StoreError> {
        self.count(
            sql("SELECT COUNT(*) AS counted FROM recovery_codes
                     WHERE user_id = $1 AND used_at IS NULL AND revoked_at IS NULL")
            .bind(user.as_str()),
            "recovery_codes",
        )
        .await
    }
}

impl Tx<'_> {
    /// Puts these codes in the place of the person's former ones.
    pub async fn replace_recovery_codes(
        &mut self,
        user: &UserId,
        codes: &[NewRecoveryCode],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.lock_user(user).await?;
        self.revoke_recovery_codes(user, at).await?;
        for code in codes {
            self.run(
                sql("INSERT INTO recovery_codes (id, user_id, value_tag, made_at, used_at, revoked_at)
                     VALUES ($1, $2, $3, $4, NULL, NULL)")
                .bind(code.id.as_str())
                .bind(user.as_str())
                .bind(code.value_tag.as_str())
                .bind(at.as_millis()),
            )
            .await?;
        }
        Ok(())
    }

    /// Uses a code, once: one conditional update (attack 28).
    ///
    /// The tag is compared by the database; it is an HMAC under the master key, so its
    /// timing tells nothing that helps to find a code.
    pub async fn consume_recovery_code(
        &mut self,
        user: &UserId,
        value_tag: &str,
        now: Timestamp,
    ) -> Result<Option<RecoveryCodeId>, StoreError> {
        let row = self
            .one(
                sql("UPDATE recovery_codes SET used_at = $3, value_tag = ''
                     WHERE user_id = $1 AND value_tag = $2 AND used_at IS NULL AND revoked_at IS NULL
                     RETURNING id")
                .bind(user.as_str())
                .bind(value_tag)
                .bind(now.as_millis()),
            )
            .await?;
        row.map(|row| Reader::new(&row, "recovery_codes", "id").parsed("id"))
            .transpose()
    }

    /// Takes back what the person could still use; how many codes that were.
    pub async fn revoke_recovery_codes(
        &mut self,
        user: &UserId,
        at: Timestamp,
    ) -> Result<u64, StoreError> {
        self.run(
            sql("UPDATE recovery_codes SET revoked_at = $2, value_tag = ''
                 WHERE user_id = $1 AND used_at IS NULL AND revoked_at IS NULL")
            .bind(user.as_str())
            .bind(at.as_millis()),
        )
        .await
    }
}
