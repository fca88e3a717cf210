//! Signing keys, sealed; and under which master key everything is sealed.

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{clock::Timestamp, ids::KeyId},
    keys::KeyPurpose,
};

/// A signing key as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredKey {
    /// Its id.
    pub id: KeyId,
    /// What it may sign.
    pub purpose: KeyPurpose,
    /// The self-signed certificate, DER.
    pub certificate: Vec<u8>,
    /// The private key, sealed for this row.
    pub sealed_private_key: String,
    /// When it was made.
    pub created_at: Timestamp,
}

fn key(row: &AnyRow) -> Result<StoredKey, StoreError> {
    let row = Reader::new(row, "signing_keys", "id");
    Ok(StoredKey {
        id: row.parsed("id")?,
        purpose: row.spelled("purpose", KeyPurpose::parse)?,
        certificate: row.bytes("certificate")?,
        sealed_private_key: row.text("sealed_private_key")?,
        created_at: row.time("created_at")?,
    })
}

impl ReadTx<'_> {
    /// The keys of a purpose, oldest first.
    pub async fn keys_of(&mut self, purpose: KeyPurpose) -> Result<Vec<StoredKey>, StoreError> {
        self.all(
            sql(
                "SELECT id, purpose, certificate, sealed_private_key, created_at FROM signing_keys
                 WHERE purpose = $1 ORDER BY created_at, id",
            )
            .bind(purpose.as_str()),
        )
        .await?
        .iter()
        .map(key)
        .collect()
    }

    /// All keys (`keys list`, `keys rewrap`).
    pub async fn all_keys(&mut self) -> Result<Vec<StoredKey>, StoreError> {
        self.all(sql(
            "SELECT id, purpose, certificate, sealed_private_key, created_at FROM signing_keys
                 ORDER BY created_at, id",
        ))
        .await?
        .iter()
        .map(key)
        .collect()
    }

    /// The id of the master key that the database is sealed under; `None` before the first start.
    pub async fn master_key_id(&mut self) -> Result<Option<String>, StoreError> {
        let row = self
            .one(sql(
                "SELECT master_key_id FROM sealed_under WHERE only_row = 1",
            ))
            .await?;
        match &row {
            None => Ok(None),
            Some(row) => Reader::new(row, "sealed_under", "master_key_id")
                .text("master_key_id")
                .map(Some),
        }
    }
}

impl Tx<'_> {
    /// Stores the first key of a purpose: one conditional insert. Of two nodes that start
    /// at once one gets `true`; the other reads what that one wrote.
    pub async fn insert_first_key(&mut self, key: &StoredKey) -> Result<bool, StoreError> {
        self.run_once(
            sql("INSERT INTO signing_keys (id, purpose, first_of, certificate, sealed_private_key, created_at)
                 SELECT $1, $2, $2, $3, $4, $5
                 WHERE NOT EXISTS (SELECT 1 FROM signing_keys WHERE purpose = $2)
                 ON CONFLICT (first_of) DO NOTHING")
            .bind(key.id.as_str())
            .bind(key.purpose.as_str())
            .bind(key.certificate.clone())
            .bind(key.sealed_private_key.as_str())
            .bind(key.created_at.as_millis()),
        )
        .await
    }

    /// The same key, sealed anew (`keys rewrap`).
    pub async fn update_key_seal(
        &mut self,
        id: &KeyId,
        sealed_private_key: &str,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE signing_keys SET sealed_private_key = $2 WHERE id = $1")
                .bind(id.as_str())
                .bind(sealed_private_key),
        )
        .await
    }

    /// Says under which master key everything is sealed.
    pub async fn set_master_key_id(&mut self, id: &str) -> Result<(), StoreError> {
        self.run(
            sql(
                "INSERT INTO sealed_under (only_row, master_key_id) VALUES (1, $1)
                 ON CONFLICT (only_row) DO UPDATE SET master_key_id = excluded.master_key_id",
            )
            .bind(id),
        )
        .await
        .map(drop)
    }

    /// Ends every pass, recovery code, session, attempt and enrolment: their tags cannot be made anew
    /// under another master key (`keys rewrap`). How many rows.
    pub async fn end_everything(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let at = now.as_millis();
        let mut rows = 0;
        for statement in [
            "UPDATE access_passes SET revoked_at = $1, value_tag = '' WHERE revoked_at IS NULL",
            "UPDATE recovery_codes SET revoked_at = $1, value_tag = ''
             WHERE used_at IS NULL AND revoked_at IS NULL",
            "UPDATE sessions SET revoked_at = $1 WHERE revoked_at IS NULL",
            "UPDATE enrolments SET finished_at = $1 WHERE finished_at IS NULL",
        ] {
            rows += self.run(sql(statement).bind(at)).await?;
        }
        for statement in [
            "UPDATE attempts SET sealed_answer = NULL, expires_at = 0",
            "DELETE FROM evidence",
        ] {
            rows += self.run(sql(statement)).await?;
        }
        Ok(rows)
    }
}
