//! Signing keys, sealed; and under which master key everything is sealed.

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, millis, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{clock::Timestamp, ids::KeyId},
    keys::{
        KeyPurpose,
        state::{Custody, Held, KeyState, Party, Sighting, Standing, Tagged},
    },
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
    /// The private key, or where it is, sealed for this row. Empty once the key is retired.
    pub sealed_private_key: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where the private key is.
    pub custody: Custody,
    /// How far it is.
    pub standing: Standing,
    /// Vouches for the standing. None: a first key that was never anything but active, or one
    /// of an earlier version.
    pub state_tag: Option<String>,
}

impl StoredKey {
    /// What vouches for the row: its tag, or the beginning of its seal, which is one of a kind.
    pub fn vouching(&self) -> &str {
        let seal = self.sealed_private_key.as_str();
        let end = seal.char_indices().nth(60).map_or(seal.len(), |(at, _)| at);
        self.state_tag.as_deref().unwrap_or(&seal[..end])
    }

    /// What is tagged together with its standing.
    pub fn tagged(&self) -> Tagged<'_> {
        Tagged {
            id: &self.id,
            purpose: self.purpose,
            custody: self.custody,
            certificate: &self.certificate,
        }
    }

    /// When it came into its state.
    pub fn since(&self) -> Timestamp {
        self.standing.since.unwrap_or(self.created_at)
    }
}

/// Which key is active, for asking whether it is still the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActiveMark {
    /// Which key.
    pub id: KeyId,
    /// Its tag; without one the beginning of what is sealed, in which the salt is: a first key
    /// that a rollover moved was sealed anew, so that one that is revived by hand has another.
    pub seal: String,
    /// The tag of the mark over all keys of the purpose; empty: there is none.
    pub all_keys: String,
}

impl ActiveMark {
    /// The mark of this row, before there is one over all keys.
    pub fn of(key: &StoredKey) -> Self {
        Self {
            id: key.id.clone(),
            seal: key.vouching().to_owned(),
            all_keys: String::new(),
        }
    }
}

fn key(row: &AnyRow) -> Result<StoredKey, StoreError> {
    let row = Reader::new(row, "signing_keys", "id");
    Ok(StoredKey {
        id: row.parsed("id")?,
        purpose: row.spelled("purpose", KeyPurpose::parse)?,
        certificate: row.bytes("certificate")?,
        sealed_private_key: row.text("sealed_private_key")?,
        created_at: row.time("created_at")?,
        custody: row.spelled("custody", Custody::parse)?,
        standing: Standing {
            state: row.spelled("state", KeyState::parse)?,
            staged_at: row.optional_time("staged_at")?,
            since: row.optional_time("state_since")?,
        },
        state_tag: row.optional_text("state_tag")?,
    })
}

fn sighting(row: &AnyRow) -> Result<Sighting, StoreError> {
    let row = Reader::new(row, "key_sightings", "party");
    let name = row.text("party")?;
    let held = match (
        row.optional_time("held_at")?
            .zip(row.optional_time("looked_at")?),
        row.optional_time("missing_at")?,
    ) {
        (Some((first, last)), None) => Held::Since { first, last },
        (None, Some(at)) => Held::MissingAt(at),
        // Of before there were two instants: its tag fits no more.
        _ => Held::Unknown,
    };
    Ok(Sighting {
        key: row.parsed("key_id")?,
        party: row.spelled("kind", |kind| Party::parse(kind, name))?,
        held,
        tag: row.text("tag")?,
    })
}

impl ReadTx<'_> {
    /// The keys of a purpose, oldest first.
    pub async fn keys_of(&mut self, purpose: KeyPurpose) -> Result<Vec<StoredKey>, StoreError> {
        self.all(
            sql(
                "SELECT id, purpose, certificate, sealed_private_key, created_at, custody, state,
                   staged_at, state_since, state_tag FROM signing_keys
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
            "SELECT id, purpose, certificate, sealed_private_key, created_at, custody, state,
                   staged_at, state_since, state_tag FROM signing_keys
                 ORDER BY created_at, id",
        ))
        .await?
        .iter()
        .map(key)
        .collect()
    }

    /// One key.
    pub async fn key(&mut self, id: &KeyId) -> Result<Option<StoredKey>, StoreError> {
        self.one(
            sql(
                "SELECT id, purpose, certificate, sealed_private_key, created_at, custody, state,
                   staged_at, state_since, state_tag FROM signing_keys WHERE id = $1",
            )
            .bind(id.as_str()),
        )
        .await?
        .as_ref()
        .map(key)
        .transpose()
    }

    /// Which key of a purpose is active: asked at each answer, so that a node signs with the
    /// new key from the next answer on.
    pub async fn active_key(
        &mut self,
        purpose: KeyPurpose,
    ) -> Result<Option<ActiveMark>, StoreError> {
        let row = self
            .one(
                sql(
                    "SELECT id, COALESCE(state_tag, SUBSTR(sealed_private_key, 1, 60)) AS seal,
                       COALESCE((SELECT tag FROM key_marks WHERE purpose = $1), '') AS all_keys
                     FROM signing_keys WHERE purpose = $1 AND state = 'active'",
                )
                .bind(purpose.as_str()),
            )
            .await?;
        row.map(|row| {
            let row = Reader::new(&row, "signing_keys", "id");
            Ok(ActiveMark {
                id: row.parsed("id")?,
                seal: row.text("seal")?,
                all_keys: row.text("all_keys")?,
            })
        })
        .transpose()
    }

    /// Who was looked at for each key.
    pub async fn key_sightings(&mut self) -> Result<Vec<Sighting>, StoreError> {
        self.all(sql(
            "SELECT key_id, kind, party, held_at, looked_at, missing_at, tag FROM key_sightings
                 ORDER BY key_id, kind, party",
        ))
        .await?
        .iter()
        .map(sighting)
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
            sql("INSERT INTO signing_keys (id, purpose, first_of, certificate, sealed_private_key, created_at, custody)
                 SELECT $1, $2, $2, $3, $4, $5, $6
                 WHERE NOT EXISTS (SELECT 1 FROM signing_keys WHERE purpose = $2)
                 ON CONFLICT (first_of) DO NOTHING")
            .bind(key.id.as_str())
            .bind(key.purpose.as_str())
            .bind(key.certificate.clone())
            .bind(key.sealed_private_key.as_str())
            .bind(key.created_at.as_millis())
            .bind(key.custody.as_str()),
        )
        .await
    }

    /// Stores one more key; `false` if there is a staged or an active one and this would be
    /// another.
    pub async fn insert_key(&mut self, key: &StoredKey) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "INSERT INTO signing_keys (id, purpose, certificate, sealed_private_key, created_at,
                   custody, state, staged_at, state_since, state_tag)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
            )
            .bind(key.id.as_str())
            .bind(key.purpose.as_str())
            .bind(key.certificate.clone())
            .bind(key.sealed_private_key.as_str())
            .bind(key.created_at.as_millis())
            .bind(key.custody.as_str())
            .bind(key.standing.state.as_str())
            .bind(millis(key.standing.staged_at))
            .bind(millis(key.standing.since))
            .bind(key.state_tag.clone()),
        )
        .await
    }

    /// Moves a key that stands as it did when it was read; `false` if somebody was quicker.
    /// Of two that would be active (or staged) the second fails.
    pub async fn move_key(
        &mut self,
        former: &StoredKey,
        key: &StoredKey,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "UPDATE signing_keys SET state = $2, staged_at = $3, state_since = $4, state_tag = $5,
                   sealed_private_key = $6
                 WHERE id = $1 AND state = $7 AND COALESCE(state_tag, '') = $8",
            )
            .bind(key.id.as_str())
            .bind(key.standing.state.as_str())
            .bind(millis(key.standing.staged_at))
            .bind(millis(key.standing.since))
            .bind(key.state_tag.clone())
            .bind(key.sealed_private_key.as_str())
            .bind(former.standing.state.as_str())
            .bind(former.state_tag.clone().unwrap_or_default()),
        )
        .await
    }

    /// Writes down what was seen of a party and a key; it replaces what was seen before.
    pub async fn put_key_sighting(&mut self, seen: &Sighting) -> Result<(), StoreError> {
        let (held_at, looked_at, missing_at) = match seen.held {
            Held::Unknown => return Ok(()),
            Held::Since { first, last } => (Some(first), Some(last), None),
            Held::MissingAt(at) => (None, None, Some(at)),
        };
        self.run(
            sql(
                "INSERT INTO key_sightings (key_id, kind, party, held_at, missing_at, tag, looked_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (key_id, kind, party) DO UPDATE SET held_at = excluded.held_at,
                   missing_at = excluded.missing_at, tag = excluded.tag,
                   looked_at = excluded.looked_at",
            )
            .bind(seen.key.as_str())
            .bind(seen.party.kind())
            .bind(seen.party.name().to_owned())
            .bind(millis(held_at))
            .bind(millis(missing_at))
            .bind(seen.tag.as_str())
            .bind(millis(looked_at)),
        )
        .await
        .map(drop)
    }

    /// The same key, sealed anew (`keys rewrap`).
    pub async fn update_key_seal(
        &mut self,
        id: &KeyId,
        sealed_private_key: &str,
        state_tag: Option<&str>,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE signing_keys SET sealed_private_key = $2, state_tag = $3 WHERE id = $1")
                .bind(id.as_str())
                .bind(sealed_private_key)
                .bind(state_tag.map(str::to_owned)),
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
            "DELETE FROM sign_outs",
        ] {
            rows += self.run(sql(statement)).await?;
        }
        Ok(rows)
    }
}
