//! Security keys, the credential ids that were ever used, and their counters.

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
    directory::{AttestationState, CoseAlgorithm, SecurityKey},
    factor::webauthn::assertion::{CountUse, KeyUse, UseOutcome},
};

fn key(row: &AnyRow) -> Result<SecurityKey, StoreError> {
    let row = Reader::new(row, "security_keys", "id");
    let flag = |column| match row.integer(column)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(row.impossible(column)),
    };
    Ok(SecurityKey {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        name: row.text("name")?,
        credential_id: row.spelled("credential_id", decode)?,
        passkey: row.text("passkey")?,
        aaguid: row.parsed("aaguid")?,
        algorithm: CoseAlgorithm(row.integer("algorithm")?),
        backup_eligible: flag("backup_eligible")?,
        user_verified: flag("user_verified")?,
        attestation: row.spelled("attestation", AttestationState::parse)?,
        attestation_key: row.optional_text("attestation_key")?,
        transports: row
            .text("transports")?
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        discoverable: row.optional_integer("discoverable")?.map(|flag| flag != 0),
        counter: row.small("counter")?,
        backed_up: flag("backed_up")?,
        created_at: row.time("created_at")?,
        last_used_at: row.optional_time("last_used_at")?,
        revoked_at: row.optional_time("revoked_at")?,
        tag: row.text("tag")?,
    })
}

fn encode(credential_id: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(credential_id)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

impl ReadTx<'_> {
    /// A person's keys that were not taken away, oldest first.
    pub async fn security_keys_of(
        &mut self,
        user: &UserId,
    ) -> Result<Vec<SecurityKey>, StoreError> {
        self.all(
            sql(
                "SELECT id, user_id, name, credential_id, passkey, aaguid, algorithm, backup_eligible,
                   user_verified, attestation, attestation_key, transports, discoverable, counter,
                   backed_up, created_at, last_used_at, revoked_at, tag
                 FROM security_keys WHERE user_id = $1 AND revoked_at IS NULL ORDER BY created_at, id",
            )
            .bind(user.as_str()),
        )
        .await?
        .iter()
        .map(key)
        .collect()
    }

    /// The key of that name, also one that was taken away: it is refused by that reason.
    pub async fn security_key_by_credential_id(
        &mut self,
        credential_id: &[u8],
    ) -> Result<Option<SecurityKey>, StoreError> {
        self.one(
            sql(
                "SELECT id, user_id, name, credential_id, passkey, aaguid, algorithm, backup_eligible,
                   user_verified, attestation, attestation_key, transports, discoverable, counter,
                   backed_up, created_at, last_used_at, revoked_at, tag
                 FROM security_keys WHERE credential_id = $1",
            )
            .bind(encode(credential_id)),
        )
        .await?
        .as_ref()
        .map(key)
        .transpose()
    }

    /// All keys, also those taken away (`keys rewrap`).
    pub async fn all_security_keys(&mut self) -> Result<Vec<SecurityKey>, StoreError> {
        self.all(sql(
            "SELECT id, user_id, name, credential_id, passkey, aaguid, algorithm, backup_eligible,
               user_verified, attestation, attestation_key, transports, discoverable, counter,
               backed_up, created_at, last_used_at, revoked_at, tag
             FROM security_keys ORDER BY id",
        ))
        .await?
        .iter()
        .map(key)
        .collect()
    }
}

impl Tx<'_> {
    /// Adds a key; `false` if its credential id was ever registered before, by anybody.
    pub async fn insert_security_key(&mut self, key: &SecurityKey) -> Result<bool, StoreError> {
        let credential_id = encode(&key.credential_id);
        let new = self
            .run_once(
                sql(
                    "INSERT INTO used_credential_ids (credential_id, user_id, first_used_at)
                     VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                )
                .bind(credential_id.clone())
                .bind(key.user.as_str())
                .bind(key.created_at.as_millis()),
            )
            .await?;
        if !new {
            return Ok(false);
        }
        self.run(
            sql(
                "INSERT INTO security_keys (id, user_id, name, credential_id, passkey, aaguid,
                   algorithm, backup_eligible, user_verified, attestation, attestation_key,
                   transports, discoverable, counter, backed_up, created_at, last_used_at,
                   revoked_at, tag)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                   $17, $18, $19)",
            )
            .bind(key.id.as_str())
            .bind(key.user.as_str())
            .bind(key.name.as_str())
            .bind(credential_id)
            .bind(key.passkey.as_str())
            .bind(key.aaguid.to_string())
            .bind(key.algorithm.0)
            .bind(i64::from(key.backup_eligible))
            .bind(i64::from(key.user_verified))
            .bind(key.attestation.as_str())
            .bind(key.attestation_key.clone())
            .bind(key.transports.join(" "))
            .bind(key.discoverable.map(i64::from))
            .bind(i64::from(key.counter))
            .bind(i64::from(key.backed_up))
            .bind(key.created_at.as_millis())
            .bind(millis(key.last_used_at))
            .bind(millis(key.revoked_at))
            .bind(key.tag.as_str()),
        )
        .await?;
        Ok(true)
    }

    /// Gives a person's key another name; whether there is such a key.
    pub async fn rename_security_key(
        &mut self,
        user: &UserId,
        id: &CredentialId,
        name: &str,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE security_keys SET name = $3
                 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL")
            .bind(id.as_str())
            .bind(user.as_str())
            .bind(name),
        )
        .await
    }

    /// Takes a key away; whether it was there.
    pub async fn revoke_security_key(
        &mut self,
        id: &CredentialId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE security_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
                .bind(id.as_str())
                .bind(at.as_millis()),
        )
        .await
    }

    /// The same key, tagged anew (`keys rewrap`).
    pub async fn update_security_key_tag(
        &mut self,
        id: &CredentialId,
        tag: &str,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE security_keys SET tag = $2 WHERE id = $1")
                .bind(id.as_str())
                .bind(tag),
        )
        .await
    }
}

impl CountUse for Tx<'_> {
    type Error = StoreError;

    /// The condition stands in the UPDATE: of a key and its copy, which come at once, one is
    /// found out, whichever node they come by.
    async fn count_use(
        &mut self,
        key: &CredentialId,
        used: KeyUse,
    ) -> Result<UseOutcome, StoreError> {
        let counted = self
            .run_once(
                sql(
                    "UPDATE security_keys SET counter = $2, backed_up = $3, last_used_at = $4
                     WHERE id = $1 AND revoked_at IS NULL
                       AND (counter < $2 OR (counter = 0 AND $2 = 0))",
                )
                .bind(key.as_str())
                .bind(i64::from(used.counter))
                .bind(i64::from(used.backed_up))
                .bind(used.at.as_millis()),
            )
            .await?;
        if counted {
            return Ok(UseOutcome::Counted);
        }
        let live = self
            .one(
                sql("SELECT id FROM security_keys WHERE id = $1 AND revoked_at IS NULL")
                    .bind(key.as_str()),
            )
            .await?;
        Ok(if live.is_some() {
            UseOutcome::WentBack
        } else {
            UseOutcome::Revoked
        })
    }
}
