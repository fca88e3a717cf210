//! The watch over the federation: whose turn it is, what was found and told, and what is
//! still to be told.

use std::collections::BTreeSet;

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, millis, sql},
    tx::{ReadTx, Tx},
};
use crate::base::clock::Timestamp;

/// Whose turn it is, and how the last looks ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatchState {
    /// Until when a node holds the turn.
    pub lease_until: Timestamp,
    /// When somebody looks next.
    pub next_look_at: Timestamp,
    /// When somebody looked last.
    pub looked_at: Option<Timestamp>,
    /// When the tenant could be read last.
    pub read_at: Option<Timestamp>,
    /// How often in a row it could not be read since.
    pub failures: i64,
}

/// How far ahead the row of the turn may say something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TurnLimits {
    /// A turn that lasts longer is nobody's.
    pub lease: Timestamp,
    /// A next look that is later is none of ours.
    pub next: Timestamp,
}

impl TurnLimits {
    /// Whatever the row says.
    pub const NONE: Self = Self {
        lease: Timestamp::from_millis(i64::MIN),
        next: Timestamp::from_millis(i64::MIN),
    };
}

/// A finding that was told, as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredFinding {
    /// The same for the same finding.
    pub id: String,
    /// What kind.
    pub kind: String,
    /// How bad.
    pub severity: String,
    /// All of it, JSON.
    pub body: String,
    /// When it was seen first.
    pub first_seen_at: Timestamp,
    /// When it was told last.
    pub told_at: Timestamp,
    /// Over all of that.
    pub tag: String,
}

/// A message that is still to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredMessage {
    /// Its id.
    pub id: String,
    /// JSON.
    pub body: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// How often it was tried.
    pub tries: i64,
    /// When it is tried next.
    pub next_try_at: Timestamp,
    /// Over all of that.
    pub tag: String,
}

fn finding(row: &AnyRow) -> Result<StoredFinding, StoreError> {
    let row = Reader::new(row, "watch_findings", "id");
    Ok(StoredFinding {
        id: row.text("id")?,
        kind: row.text("kind")?,
        severity: row.text("severity")?,
        body: row.text("body")?,
        first_seen_at: row.time("first_seen_at")?,
        told_at: row.time("told_at")?,
        tag: row.text("tag")?,
    })
}

fn message(row: &AnyRow) -> Result<StoredMessage, StoreError> {
    let row = Reader::new(row, "watch_messages", "id");
    Ok(StoredMessage {
        id: row.text("id")?,
        body: row.text("body")?,
        made_at: row.time("made_at")?,
        tries: row.integer("tries")?,
        next_try_at: row.time("next_try_at")?,
        tag: row.text("tag")?,
    })
}

impl ReadTx<'_> {
    /// Whose turn it is.
    pub async fn watch_state(&mut self) -> Result<Option<WatchState>, StoreError> {
        let row = self
            .one(sql(
                "SELECT holder, lease_until, next_look_at, looked_at, read_at, failures
                 FROM watch WHERE only_row = 1",
            ))
            .await?;
        let Some(row) = row else { return Ok(None) };
        let row = Reader::new(&row, "watch", "holder");
        Ok(Some(WatchState {
            lease_until: row.time("lease_until")?,
            next_look_at: row.time("next_look_at")?,
            looked_at: row.optional_time("looked_at")?,
            read_at: row.optional_time("read_at")?,
            failures: row.integer("failures")?,
        }))
    }

    /// All findings that are known, oldest first.
    pub async fn watch_findings(&mut self) -> Result<Vec<StoredFinding>, StoreError> {
        self.all(sql(
            "SELECT id, kind, severity, body, first_seen_at, told_at, tag FROM watch_findings
             ORDER BY first_seen_at, id",
        ))
        .await?
        .iter()
        .map(finding)
        .collect()
    }

    /// All messages that wait, oldest first.
    pub async fn messages(&mut self) -> Result<Vec<StoredMessage>, StoreError> {
        self.all(sql(
            "SELECT id, body, made_at, tries, next_try_at, tag FROM watch_messages
             ORDER BY made_at, id",
        ))
        .await?
        .iter()
        .map(message)
        .collect()
    }

    /// The ids of all messages that wait.
    pub async fn message_ids(&mut self) -> Result<BTreeSet<String>, StoreError> {
        self.all(sql("SELECT id FROM watch_messages"))
            .await?
            .iter()
            .map(|row| Reader::new(row, "watch_messages", "id").text("id"))
            .collect()
    }
}

impl Tx<'_> {
    /// Makes the row of the turn anew; whether it was missing.
    pub async fn restore_watch(&mut self) -> Result<bool, StoreError> {
        self.run_once(sql(
            "INSERT INTO watch (only_row, holder, lease_until, next_look_at, failures)
             VALUES (1, '', 0, 0, 0) ON CONFLICT (only_row) DO NOTHING",
        ))
        .await
    }

    /// Takes the turn, if nobody has it and it is time; whether it did. An instant beyond
    /// the limits is none that a node of ours wrote, and holds nobody up.
    pub async fn take_watch(
        &mut self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limits: &TurnLimits,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "UPDATE watch SET holder = $1, lease_until = $3 WHERE only_row = 1
                 AND (lease_until <= $2 OR lease_until > $4)
                 AND (next_look_at <= $2 OR next_look_at > $5)",
            )
            .bind(holder.to_owned())
            .bind(now.as_millis())
            .bind(until.as_millis())
            .bind(limits.lease.as_millis())
            .bind(limits.next.as_millis()),
        )
        .await
    }

    /// Gives the turn back with what came of it; `false`, and nothing is changed, if another
    /// node has it by now.
    pub async fn end_watch(
        &mut self,
        holder: &str,
        taken_until: Timestamp,
        state: &WatchState,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE watch SET lease_until = 0, next_look_at = $3, looked_at = $4, read_at = $5, failures = $6
                 WHERE only_row = 1 AND holder = $1 AND lease_until = $2")
            .bind(holder.to_owned())
            .bind(taken_until.as_millis())
            .bind(state.next_look_at.as_millis())
            .bind(millis(state.looked_at))
            .bind(millis(state.read_at))
            .bind(state.failures),
        )
        .await
    }

    /// The same for who does not care whose turn the row says it is, or whether there is one.
    pub async fn end_watch_anyway(&mut self, state: &WatchState) -> Result<(), StoreError> {
        self.run(
            sql(
                "INSERT INTO watch (only_row, holder, lease_until, next_look_at, looked_at, read_at, failures)
                 VALUES (1, '', 0, $1, $2, $3, $4)
                 ON CONFLICT (only_row) DO UPDATE SET lease_until = 0, next_look_at = $1,
                     looked_at = $2, read_at = $3, failures = $4",
            )
            .bind(state.next_look_at.as_millis())
            .bind(millis(state.looked_at))
            .bind(millis(state.read_at))
            .bind(state.failures),
        )
        .await
        .map(drop)
    }

    /// Writes a finding, new or seen before.
    pub async fn put_finding(&mut self, finding: &StoredFinding) -> Result<(), StoreError> {
        self.run(
            sql(
                "INSERT INTO watch_findings (id, kind, severity, body, first_seen_at, told_at, tag)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (id) DO UPDATE SET kind = $2, severity = $3, body = $4,
                     first_seen_at = $5, told_at = $6, tag = $7",
            )
            .bind(finding.id.clone())
            .bind(finding.kind.clone())
            .bind(finding.severity.clone())
            .bind(finding.body.clone())
            .bind(finding.first_seen_at.as_millis())
            .bind(finding.told_at.as_millis())
            .bind(finding.tag.clone()),
        )
        .await
        .map(drop)
    }

    /// Writes another body of a finding; `false`, and nothing is changed, if it is not as it
    /// was when it had that tag.
    pub async fn replace_finding(
        &mut self,
        tag: &str,
        finding: &StoredFinding,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE watch_findings SET body = $3, tag = $4 WHERE id = $1 AND tag = $2")
                .bind(finding.id.clone())
                .bind(tag.to_owned())
                .bind(finding.body.clone())
                .bind(finding.tag.clone()),
        )
        .await
    }

    /// Forgets a finding that is over.
    pub async fn forget_finding(&mut self, id: &str) -> Result<(), StoreError> {
        self.run(sql("DELETE FROM watch_findings WHERE id = $1").bind(id.to_owned()))
            .await
            .map(drop)
    }

    /// Puts a message among those to be sent; `false` if it is there.
    pub async fn put_message(&mut self, message: &StoredMessage) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "INSERT INTO watch_messages (id, body, made_at, tries, next_try_at, tag)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
            )
            .bind(message.id.clone())
            .bind(message.body.clone())
            .bind(message.made_at.as_millis())
            .bind(message.tries)
            .bind(message.next_try_at.as_millis())
            .bind(message.tag.clone()),
        )
        .await
    }

    /// Takes a message to send it: it comes again as `taken` says, unless it is removed; `false`, and
    /// nothing is changed, if it is not as it was when it had that tag (another node took it).
    pub async fn take_message(
        &mut self,
        tag: &str,
        taken: &StoredMessage,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "UPDATE watch_messages SET tries = $3, next_try_at = $4, tag = $5
                 WHERE id = $1 AND tag = $2",
            )
            .bind(taken.id.clone())
            .bind(tag.to_owned())
            .bind(taken.tries)
            .bind(taken.next_try_at.as_millis())
            .bind(taken.tag.clone()),
        )
        .await
    }

    /// Removes a message that was sent, or will not be.
    pub async fn remove_message(&mut self, id: &str) -> Result<(), StoreError> {
        self.run(sql("DELETE FROM watch_messages WHERE id = $1").bind(id.to_owned()))
            .await
            .map(drop)
    }
}
