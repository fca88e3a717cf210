//! The journal of changes at Entra: changes, and their sealed entries.

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::base::{clock::Timestamp, ids::ChangeId, text::DomainName};

/// A change of a domain's federation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredChange {
    /// Its id.
    pub id: ChangeId,
    /// Of which domain.
    pub domain: DomainName,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it was over; none while it is open.
    pub finished_at: Option<Timestamp>,
    /// How many entries there are and what the last one is, sealed.
    pub head: String,
}

/// What was read of the journal, and which rows cannot be: one that was damaged or written by hand
/// says nothing, and hides none beside it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rows<T> {
    /// Those that can.
    pub read: Vec<T>,
    /// Those that cannot.
    pub unreadable: Vec<UnreadableRow>,
}

/// A row that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnreadableRow {
    /// What stands where its id should: anything, or nothing.
    pub id: String,
    /// Whether it keeps another change of its domain from beginning.
    pub is_open: bool,
}

impl<T> Rows<T> {
    /// Each row by `read`. A database that does not answer is an error; what cannot be there is
    /// a row that cannot be read.
    pub(super) fn of(
        rows: &[AnyRow],
        read: impl Fn(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<Self, StoreError> {
        let mut found = Self {
            read: Vec::new(),
            unreadable: Vec::new(),
        };
        for row in rows {
            match read(row) {
                Ok(one) => found.read.push(one),
                Err(StoreError::Inconsistent { .. }) => {
                    found.unreadable.push(UnreadableRow::of(row));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

impl UnreadableRow {
    fn of(row: &AnyRow) -> Self {
        let row = Reader::new(row, "federation_changes", "named");
        Self {
            id: row.text("named").unwrap_or_default(),
            is_open: matches!(row.optional_integer("finished_at"), Ok(None)),
        }
    }
}

/// One entry of a change's journal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredEntry {
    /// Of which change.
    pub change: ChangeId,
    /// Counts up by one, from 0.
    pub number: i64,
    /// When it was written.
    pub written_at: Timestamp,
    /// What it says, sealed for its place.
    pub sealed: String,
}

fn change(row: &AnyRow) -> Result<StoredChange, StoreError> {
    let row = Reader::new(row, "federation_changes", "id");
    Ok(StoredChange {
        id: row.parsed("id")?,
        domain: row.parsed("domain")?,
        begun_at: row.time("begun_at")?,
        finished_at: row.optional_time("finished_at")?,
        head: row.text("head")?,
    })
}

fn entry(row: &AnyRow) -> Result<StoredEntry, StoreError> {
    let row = Reader::new(row, "federation_journal", "change_id");
    Ok(StoredEntry {
        change: row.parsed("change_id")?,
        number: row.integer("number")?,
        written_at: row.time("written_at")?,
        sealed: row.text("sealed")?,
    })
}

impl ReadTx<'_> {
    /// The changes of a domain, newest first.
    pub async fn federation_changes(
        &mut self,
        domain: &DomainName,
    ) -> Result<Rows<StoredChange>, StoreError> {
        let rows = self
            .all(
                sql("SELECT id, domain, begun_at, finished_at, head,
                       COALESCE(CAST(id AS TEXT), '') AS named
                     FROM federation_changes WHERE domain = $1 ORDER BY begun_at DESC, id")
                .bind(domain.as_str()),
            )
            .await?;
        Rows::of(&rows, change)
    }

    /// The entries of a change, in order; `None` if one of them cannot be read.
    pub async fn federation_entries(
        &mut self,
        id: &ChangeId,
    ) -> Result<Option<Vec<StoredEntry>>, StoreError> {
        let rows = self
            .all(
                sql(
                    "SELECT change_id, number, written_at, sealed FROM federation_journal
                     WHERE change_id = $1 ORDER BY number",
                )
                .bind(id.as_str()),
            )
            .await?;
        match rows.iter().map(entry).collect() {
            Ok(entries) => Ok(Some(entries)),
            Err(StoreError::Inconsistent { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All changes (`keys rewrap`).
    pub async fn all_federation_changes(&mut self) -> Result<Rows<StoredChange>, StoreError> {
        let rows = self
            .all(sql("SELECT id, domain, begun_at, finished_at, head,
                   COALESCE(CAST(id AS TEXT), '') AS named
                 FROM federation_changes ORDER BY id"))
            .await?;
        Rows::of(&rows, change)
    }
}

impl Tx<'_> {
    /// Begins a change; `false` if another one of the domain is open.
    pub async fn insert_federation_change(
        &mut self,
        change: &StoredChange,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "INSERT INTO federation_changes (id, domain, begun_at, finished_at)
                 VALUES ($1, $2, $3, NULL) ON CONFLICT DO NOTHING",
            )
            .bind(change.id.as_str())
            .bind(change.domain.as_str())
            .bind(change.begun_at.as_millis()),
        )
        .await
    }

    /// Writes an entry; `false` if that number is taken: somebody else goes on with the change.
    pub async fn insert_federation_entry(
        &mut self,
        entry: &StoredEntry,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "INSERT INTO federation_journal (change_id, number, written_at, sealed)
                 VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            )
            .bind(entry.change.as_str())
            .bind(entry.number)
            .bind(entry.written_at.as_millis())
            .bind(entry.sealed.as_str()),
        )
        .await
    }

    /// What the journal of a change is now.
    pub async fn set_federation_head(
        &mut self,
        id: &ChangeId,
        head: &str,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE federation_changes SET head = $2 WHERE id = $1")
                .bind(id.as_str())
                .bind(head),
        )
        .await
    }

    /// Ends a change; `false` if it is over already.
    pub async fn finish_federation_change(
        &mut self,
        id: &ChangeId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE federation_changes SET finished_at = $2
                 WHERE id = $1 AND finished_at IS NULL")
            .bind(id.as_str())
            .bind(now.as_millis()),
        )
        .await
    }

    /// Ends a change of which the row was altered, whatever stands where its id should: it must not
    /// keep the domain from being changed.
    pub async fn finish_altered_federation_change(
        &mut self,
        domain: &DomainName,
        id: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.run(
            sql(
                "UPDATE federation_changes SET finished_at = $3
                 WHERE domain = $1 AND COALESCE(CAST(id AS TEXT), '') = $2 AND finished_at IS NULL",
            )
            .bind(domain.as_str())
            .bind(id.to_owned())
            .bind(now.as_millis()),
        )
        .await
    }

    /// The same entry, sealed anew (`keys rewrap`).
    pub async fn update_federation_seal(
        &mut self,
        id: &ChangeId,
        number: i64,
        sealed: &str,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE federation_journal SET sealed = $3 WHERE change_id = $1 AND number = $2")
                .bind(id.as_str())
                .bind(number)
                .bind(sealed),
        )
        .await
    }
}
