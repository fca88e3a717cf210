//! Passwords: one a person.

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, millis, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{
        clock::Timestamp,
        ids::{CredentialId, UserId},
    },
    directory::PasswordCredential,
};

fn password(row: &AnyRow) -> Result<PasswordCredential, StoreError> {
    let row = Reader::new(row, "passwords", "id");
    Ok(PasswordCredential {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        phc: row.text("phc")?,
        set_at: row.time("set_at")?,
        dead_at: row.optional_time("dead_at")?,
        tag: row.text("tag")?,
    })
}

impl ReadTx<'_> {
    /// A person's password, dead or not.
    pub async fn password_of(
        &mut self,
        user: &UserId,
    ) -> Result<Option<PasswordCredential>, StoreError> {
        self.one(
            sql("SELECT id, user_id, phc, set_at, dead_at, tag FROM passwords WHERE user_id = $1")
                .bind(user.as_str()),
        )
        .await?
        .as_ref()
        .map(password)
        .transpose()
    }

    /// All passwords (`keys rewrap`).
    pub async fn all_passwords(&mut self) -> Result<Vec<PasswordCredential>, StoreError> {
        self.all(sql(
            "SELECT id, user_id, phc, set_at, dead_at, tag FROM passwords ORDER BY id",
        ))
        .await?
        .iter()
        .map(password)
        .collect()
    }
}

impl Tx<'_> {
    /// Sets a person's password; the former one is gone.
    pub async fn put_password(&mut self, password: &PasswordCredential) -> Result<(), StoreError> {
        self.run(
            sql(
                "INSERT INTO passwords (id, user_id, phc, set_at, dead_at, tag)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (user_id) DO UPDATE SET id = excluded.id, phc = excluded.phc,
                   set_at = excluded.set_at, dead_at = excluded.dead_at, tag = excluded.tag",
            )
            .bind(password.id.as_str())
            .bind(password.user.as_str())
            .bind(password.phc.as_str())
            .bind(password.set_at.as_millis())
            .bind(millis(password.dead_at))
            .bind(password.tag.as_str()),
        )
        .await
        .map(drop)
    }

    /// A new hash of the same password, if it still has the old one.
    pub async fn rehash_password(
        &mut self,
        id: &CredentialId,
        old_phc: &str,
        new_phc: &str,
        new_tag: &str,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE passwords SET phc = $3, tag = $4 WHERE id = $1 AND phc = $2")
                .bind(id.as_str())
                .bind(old_phc)
                .bind(new_phc)
                .bind(new_tag),
        )
        .await
    }

    /// From now on the password opens nothing; whether it did before.
    pub async fn kill_password(
        &mut self,
        user: &UserId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE passwords SET dead_at = $2 WHERE user_id = $1 AND dead_at IS NULL")
                .bind(user.as_str())
                .bind(at.as_millis()),
        )
        .await
    }

    /// Takes the password away (`user reset`); whether there was one.
    pub async fn remove_password(&mut self, user: &UserId) -> Result<bool, StoreError> {
        self.run_once(sql("DELETE FROM passwords WHERE user_id = $1").bind(user.as_str()))
            .await
    }

    /// A new tag over the same password (`keys rewrap`).
    pub async fn update_password_tag(
        &mut self,
        id: &CredentialId,
        tag: &str,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE passwords SET tag = $2 WHERE id = $1")
                .bind(id.as_str())
                .bind(tag),
        )
        .await
    }
}
