//! Application passwords: one a device. As with passes, one that was revoked has lost what it
//! is checked by, so that who takes the mark back by hand makes nothing usable (attack 38); and
//! the event of it stays, for who writes back the rest too.

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{
        clock::Timestamp,
        ids::{CredentialId, UserId},
    },
    directory::ApplicationPassword,
};

fn password(row: &AnyRow) -> Result<ApplicationPassword, StoreError> {
    let row = Reader::new(row, "application_passwords", "id");
    Ok(ApplicationPassword {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        label: row.text("label")?,
        verifier: row.text("verifier")?,
        created_at: row.time("created_at")?,
        last_used_at: row.optional_time("last_used_at")?,
        revoked_at: row.optional_time("revoked_at")?,
        tag: row.text("tag")?,
    })
}

impl ReadTx<'_> {
    /// A person's application passwords that are not revoked, oldest first.
    pub async fn app_passwords_of(
        &mut self,
        user: &UserId,
    ) -> Result<Vec<ApplicationPassword>, StoreError> {
        self.all(
            sql(
                "SELECT id, user_id, label, verifier, created_at, last_used_at, revoked_at, tag
                 FROM application_passwords WHERE user_id = $1 AND revoked_at IS NULL
                 ORDER BY created_at, id",
            )
            .bind(user.as_str()),
        )
        .await?
        .iter()
        .map(password)
        .collect()
    }

    /// Those of a person that were revoked, as the events say, whatever their rows say.
    pub async fn revoked_app_passwords_of(
        &mut self,
        user: &UserId,
    ) -> Result<Vec<CredentialId>, StoreError> {
        let rows = self
            .all(
                sql("SELECT id, body FROM events
                 WHERE user_id = $1 AND kind = 'app-password-revoked'")
                .bind(user.as_str()),
            )
            .await?;
        let mut revoked = Vec::new();
        for row in &rows {
            let body: serde_json::Value = Reader::new(row, "events", "id").json("body")?;
            revoked.extend(body["credential"].as_str().and_then(|id| id.parse().ok()));
        }
        Ok(revoked)
    }

    /// All that are not revoked (`keys rewrap`).
    pub async fn all_app_passwords(&mut self) -> Result<Vec<ApplicationPassword>, StoreError> {
        self.all(sql(
            "SELECT id, user_id, label, verifier, created_at, last_used_at, revoked_at, tag
             FROM application_passwords WHERE revoked_at IS NULL ORDER BY id",
        ))
        .await?
        .iter()
        .map(password)
        .collect()
    }
}

impl Tx<'_> {
    /// Stores a new one.
    pub async fn insert_app_password(
        &mut self,
        password: &ApplicationPassword,
    ) -> Result<(), StoreError> {
        self.run(
            sql(
                "INSERT INTO application_passwords (id, user_id, label, verifier, created_at,
                   last_used_at, revoked_at, tag)
                 VALUES ($1, $2, $3, $4, $5, NULL, NULL, $6)",
            )
            .bind(password.id.as_str())
            .bind(password.user.as_str())
            .bind(password.label.as_str())
            .bind(password.verifier.as_str())
            .bind(password.created_at.as_millis())
            .bind(password.tag.as_str()),
        )
        .await
        .map(drop)
    }

    /// Says that it opened the door now; `false` if it was revoked meanwhile: then it did not.
    pub async fn use_app_password(
        &mut self,
        id: &CredentialId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE application_passwords SET last_used_at = $2
                 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id.as_str())
            .bind(at.as_millis()),
        )
        .await
    }

    /// Revokes one of this person's; `false` if there is none such.
    pub async fn revoke_app_password(
        &mut self,
        user: &UserId,
        id: &CredentialId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "UPDATE application_passwords SET revoked_at = $3, verifier = ''
                 WHERE id = $2 AND user_id = $1 AND revoked_at IS NULL",
            )
            .bind(user.as_str())
            .bind(id.as_str())
            .bind(at.as_millis()),
        )
        .await
    }

    /// A new tag over the same row (`keys rewrap`).
    pub async fn update_app_password_tag(
        &mut self,
        id: &CredentialId,
        tag: &str,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE application_passwords SET tag = $2 WHERE id = $1")
                .bind(id.as_str())
                .bind(tag),
        )
        .await
    }
}
