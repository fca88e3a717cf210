//! The mark over all keys of a purpose.

use super::{
    error::StoreError,
    keys::StoredKey,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::ids::KeyId,
    keys::{KeyPurpose, mark::KeyMark},
};

/// What an event tells of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyTold {
    /// Which key.
    pub key: KeyId,
    /// What became of it.
    pub change: KeyChange,
    /// Whether something that spoke against it was overridden.
    pub is_forced: bool,
    /// The number of the change and its tag, not checked; none in events of before there were
    /// any.
    pub generation: Option<(i64, String)>,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyChange {
    /// It was made.
    Created,
    /// It was published, or signs.
    Moved,
    /// It was taken away.
    Retired,
}

impl ReadTx<'_> {
    /// The mark of a purpose; none in a database of before there were marks.
    pub async fn key_mark(&mut self, purpose: KeyPurpose) -> Result<Option<KeyMark>, StoreError> {
        let row = self
            .one(
                sql("SELECT purpose, generation, digest, tag FROM key_marks WHERE purpose = $1")
                    .bind(purpose.as_str()),
            )
            .await?;
        row.map(|row| {
            let row = Reader::new(&row, "key_marks", "purpose");
            Ok(KeyMark {
                purpose,
                generation: row.integer("generation")?,
                digest: row.text("digest")?,
                tag: row.text("tag")?,
            })
        })
        .transpose()
    }

    /// The keys of a purpose, oldest first, and the mark that stood when they were read:
    /// each statement of a transaction that writes may see what others committed meanwhile.
    pub async fn keys_with_mark(
        &mut self,
        purpose: KeyPurpose,
    ) -> Result<(Vec<StoredKey>, Option<KeyMark>), StoreError> {
        let mut before = self.key_mark(purpose).await?;
        loop {
            let keys = self.keys_of(purpose).await?;
            let after = self.key_mark(purpose).await?;
            if before == after {
                return Ok((keys, after));
            }
            before = after;
        }
    }

    /// What events tell of the keys of a purpose, oldest first.
    pub async fn keys_in_events(
        &mut self,
        purpose: KeyPurpose,
    ) -> Result<Vec<KeyTold>, StoreError> {
        let rows = self
            .all(sql("SELECT id, kind, body FROM events
                 WHERE kind IN ('key-created', 'key-staged', 'key-activated', 'key-retired')
                 ORDER BY written_at, node, sequence"))
            .await?;
        let mut found = Vec::new();
        for row in &rows {
            let row = Reader::new(row, "events", "id");
            let body: serde_json::Value = row.json("body")?;
            let key = body["key"].as_str().and_then(|key| key.parse().ok());
            if let Some(key) = key
                && body["purpose"].as_str() == Some(purpose.as_str())
            {
                let change = match row.text("kind")?.as_str() {
                    "key-created" => KeyChange::Created,
                    "key-retired" => KeyChange::Retired,
                    _ => KeyChange::Moved,
                };
                let tag = body["generation_tag"].as_str();
                found.push(KeyTold {
                    key,
                    change,
                    is_forced: body["forced"]
                        .as_array()
                        .is_some_and(|forced| !forced.is_empty()),
                    generation: body["generation"].as_i64().zip(tag.map(ToOwned::to_owned)),
                });
            }
        }
        Ok(found)
    }
}

impl Tx<'_> {
    /// Stores the mark that follows that of the generation `former`; `false` if somebody else
    /// stored one meanwhile.
    pub async fn put_key_mark(
        &mut self,
        mark: &KeyMark,
        former: Option<i64>,
    ) -> Result<bool, StoreError> {
        let statement = match former {
            None => sql("INSERT INTO key_marks (purpose, generation, digest, tag)
                 VALUES ($1, $2, $3, $4) ON CONFLICT (purpose) DO NOTHING"),
            Some(_) => sql("UPDATE key_marks SET generation = $2, digest = $3, tag = $4
                 WHERE purpose = $1 AND generation = $5"),
        };
        let statement = statement
            .bind(mark.purpose.as_str())
            .bind(mark.generation)
            .bind(mark.digest.as_str())
            .bind(mark.tag.as_str());
        self.run_once(match former {
            None => statement,
            Some(former) => statement.bind(former),
        })
        .await
    }
}
