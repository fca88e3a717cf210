//! Events, numbered by node, and counts of what strangers cause.
//!
//! Always true: events are written by the commit of their transaction; the node's
//! counter is raised there too, in the same transaction, so numbers have no gap however
//! many transactions are rolled back or race.

use serde::Serialize;
use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    audit::{Actor, Event, Refused},
    base::{
        clock::Timestamp,
        ids::{AttemptId, CredentialId, EventId, NodeId, OathTokenId, UserId},
        text::DomainName,
    },
};

/// An event that waits for the commit.
pub(super) struct Pending {
    pub(super) at: Timestamp,
    pub(super) actor: Actor,
    pub(super) user: Option<UserId>,
    pub(super) event: Event,
}

/// An event as it was stored. [`Event`] itself is for writing only: an old row may hold
/// an event that this version does not know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredEvent {
    /// Its id.
    pub id: EventId,
    /// The process that wrote it.
    pub node: NodeId,
    /// Counts up by one for each event of that node.
    pub sequence: i64,
    /// When.
    pub at: Timestamp,
    /// By whom.
    #[serde(flatten)]
    pub actor: Actor,
    /// About whom.
    pub user: Option<UserId>,
    /// What: an object whose `event` names it.
    #[serde(flatten)]
    pub event: serde_json::Value,
}

impl StoredEvent {
    /// Which event: `password-refused`.
    pub fn kind(&self) -> &str {
        self.event["event"].as_str().unwrap_or_default()
    }
}

/// How often something was refused in one hour.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RefusedCount {
    /// The hour's beginning.
    pub hour: Timestamp,
    /// See [`Refused::as_str`].
    pub reason: String,
    /// How often.
    pub count: i64,
}

const HOUR_MILLIS: i64 = 3_600_000;

/// The beginning of the hour in which `at` lies: by which refusals are counted.
pub fn hour_of(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis().div_euclid(HOUR_MILLIS) * HOUR_MILLIS)
}

fn event(row: &AnyRow) -> Result<StoredEvent, StoreError> {
    let row = Reader::new(row, "events", "id");
    let name = row.optional_text("actor_name")?;
    Ok(StoredEvent {
        id: row.parsed("id")?,
        node: row.parsed("node")?,
        sequence: row.integer("sequence")?,
        at: row.time("written_at")?,
        actor: row.spelled("actor", |actor| match (actor, name) {
            ("person", None) => Some(Actor::Person),
            ("operator", Some(name)) => Some(Actor::Operator(name)),
            ("system", None) => Some(Actor::System),
            _ => None,
        })?,
        user: row.optional_parsed("user_id")?,
        event: row.json("body")?,
    })
}

impl ReadTx<'_> {
    /// The last `limit` events about a person, newest first.
    pub async fn events_of(
        &mut self,
        user: &UserId,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.all(
            sql("SELECT id, node, sequence, written_at, actor, actor_name, user_id, body FROM events
                 WHERE user_id = $1 ORDER BY written_at DESC, node, sequence DESC LIMIT $2")
            .bind(user.as_str())
            .bind(i64::from(limit)),
        )
        .await?
        .iter()
        .map(event)
        .collect()
    }

    /// The last event that says that something of this person was refused.
    pub async fn last_refusal_of(
        &mut self,
        user: &UserId,
    ) -> Result<Option<StoredEvent>, StoreError> {
        self.one(
            sql("SELECT id, node, sequence, written_at, actor, actor_name, user_id, body FROM events
                 WHERE user_id = $1 AND kind LIKE '%-refused'
                 ORDER BY written_at DESC, node, sequence DESC LIMIT 1")
            .bind(user.as_str()),
        )
        .await?
        .as_ref()
        .map(event)
        .transpose()
    }

    /// The last `limit` sign-ins of a person to the own pages, newest first.
    pub async fn account_sign_ins_of(
        &mut self,
        user: &UserId,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.all(
            sql("SELECT id, node, sequence, written_at, actor, actor_name, user_id, body FROM events
                 WHERE user_id = $1 AND kind = 'account-opened'
                 ORDER BY written_at DESC, node, sequence DESC LIMIT $2")
            .bind(user.as_str())
            .bind(i64::from(limit)),
        )
        .await?
        .iter()
        .map(event)
        .collect()
    }

    /// All events of an attempt, oldest first.
    pub async fn events_of_attempt(
        &mut self,
        attempt: &AttemptId,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.all(
            sql("SELECT id, node, sequence, written_at, actor, actor_name, user_id, body FROM events
                 WHERE attempt = $1 ORDER BY written_at, node, sequence")
            .bind(attempt.as_str()),
        )
        .await?
        .iter()
        .map(event)
        .collect()
    }

    /// All events of a node in their order (`audit verify`, tests).
    pub async fn events_of_node(&mut self, node: &NodeId) -> Result<Vec<StoredEvent>, StoreError> {
        self.all(
            sql("SELECT id, node, sequence, written_at, actor, actor_name, user_id, body FROM events
                 WHERE node = $1 ORDER BY sequence")
            .bind(node.as_str()),
        )
        .await?
        .iter()
        .map(event)
        .collect()
    }

    /// How many events of each kind were written at `since` or later.
    pub async fn event_counts(
        &mut self,
        since: Timestamp,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        self.all(
            sql(
                "SELECT kind, COUNT(*) AS written FROM events WHERE written_at >= $1
                 GROUP BY kind ORDER BY kind",
            )
            .bind(since.as_millis()),
        )
        .await?
        .iter()
        .map(|row| {
            let row = Reader::new(row, "events", "kind");
            Ok((row.text("kind")?, row.integer("written")?))
        })
        .collect()
    }

    /// The last `limit` acts of operators at `since` or later, newest first; with what
    /// claimbridge itself did to keys, domains and metadata, and what it found altered.
    pub async fn acts_since(
        &mut self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.all(
            sql("SELECT id, node, sequence, written_at, actor, actor_name, user_id, body FROM events
                 WHERE written_at >= $1 AND (actor = 'operator' OR kind IN
                   ('key-created', 'keys-rewrapped', 'domain-added', 'tenant-added', 'metadata-used', 'tampering-found', 'pre-flight-failed'))
                 ORDER BY written_at DESC, node, sequence DESC LIMIT $2")
            .bind(since.as_millis())
            .bind(i64::from(limit)),
        )
        .await?
        .iter()
        .map(event)
        .collect()
    }

    /// How many events are missing, or have a number that their node never gave: each node counts
    /// its own up by one, so a row that was deleted leaves a gap, and one that was added fills none.
    pub async fn missing_events(&mut self) -> Result<i64, StoreError> {
        let rows = self
            .all(sql(
                "SELECT nodes.id, nodes.sequence, COUNT(events.id) AS written,
                        COUNT(CASE WHEN events.sequence BETWEEN 1 AND nodes.sequence THEN 1 END) AS counted
                 FROM nodes
                 LEFT JOIN events ON events.node = nodes.id GROUP BY nodes.id, nodes.sequence",
            ))
            .await?;
        let mut missing = 0;
        for row in &rows {
            let row = Reader::new(row, "nodes", "id");
            let counted = row.integer("counted")?;
            missing += row.integer("sequence")? - counted + (row.integer("written")? - counted);
        }
        Ok(missing)
    }

    /// By whom a hardware token was activated, and what it became then, oldest first: as the
    /// events say, whatever its row says.
    pub async fn activations_of(
        &mut self,
        token: &OathTokenId,
    ) -> Result<Vec<(UserId, CredentialId)>, StoreError> {
        let rows = self
            .all(sql(
                "SELECT id, node, sequence, written_at, actor, actor_name, user_id, body FROM events
                 WHERE kind = 'oath-token-activated' ORDER BY written_at, node, sequence",
            ))
            .await?;
        let mut activations = Vec::new();
        for row in &rows {
            let event = event(row)?;
            let credential = event.event["credential"].as_str().unwrap_or_default();
            if event.event["token"].as_str() == Some(token.as_str())
                && let (Some(user), Ok(credential)) = (event.user, credential.parse())
            {
                activations.push((user, credential));
            }
        }
        Ok(activations)
    }

    /// What was written of the changes of a domain's federation, oldest first: which began, what
    /// was called, which are over. Beside them the ids of those that cannot be read and may be of
    /// this domain: their text names it, or names none.
    pub async fn federation_events(
        &mut self,
        domain: &DomainName,
    ) -> Result<(Vec<StoredEvent>, Vec<String>), StoreError> {
        let rows = self
            .all(sql(
                "SELECT id, node, sequence, written_at, actor, actor_name, user_id, body FROM events
                 WHERE kind IN ('federation-change-begun', 'federation-called', 'federation-change-finished')
                 ORDER BY written_at, node, sequence",
            ))
            .await?;
        let (mut events, mut unreadable) = (Vec::new(), Vec::new());
        for row in &rows {
            match event(row) {
                Ok(event) => match domain_of(&event.event) {
                    Some(named) if named == *domain => events.push(event),
                    Some(_) => {}
                    None => unreadable.push(event.id.to_string()),
                },
                Err(StoreError::Inconsistent { .. }) => {
                    let row = Reader::new(row, "events", "id");
                    if may_be_of(&row.text("body").unwrap_or_default(), domain) {
                        unreadable.push(row.text("id").unwrap_or_default());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok((events, unreadable))
    }

    /// What was refused, newest hour first.
    pub async fn refused_counts(&mut self) -> Result<Vec<RefusedCount>, StoreError> {
        self.all(sql(
            "SELECT hour, reason, count FROM refused ORDER BY hour DESC, reason",
        ))
        .await?
        .iter()
        .map(|row| {
            let row = Reader::new(row, "refused", "reason");
            Ok(RefusedCount {
                hour: row.time("hour")?,
                reason: row.text("reason")?,
                count: row.integer("count")?,
            })
        })
        .collect()
    }
}

fn domain_of(body: &serde_json::Value) -> Option<DomainName> {
    body["domain"].as_str()?.parse().ok()
}

/// Whether the text of an event that cannot be read may be about a domain.
fn may_be_of(body: &str, domain: &DomainName) -> bool {
    let named = match serde_json::from_str(body) {
        Ok(body) => domain_of(&body),
        Err(_) => body
            .split_once("\"domain\":\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .and_then(|(name, _)| name.parse().ok()),
    };
    named.is_none_or(|named| named == *domain)
}

impl Tx<'_> {
    /// Counts what a stranger caused `times` times, by hour and reason: never a row each.
    pub async fn count_refused(
        &mut self,
        reason: Refused,
        times: u64,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(
            sql(
                "INSERT INTO refused (hour, reason, count) VALUES ($1, $2, $3)
                 ON CONFLICT (hour, reason) DO UPDATE SET count = refused.count + $3",
            )
            .bind(hour_of(at).as_millis())
            .bind(reason.as_str())
            .bind(i64::try_from(times).unwrap_or(i64::MAX)),
        )
        .await
        .map(drop)
    }

    /// Numbers and stores the events of this transaction. The node's row is locked from
    /// here to the commit, so the commits of one node follow one another in this order.
    pub(super) async fn write_events(&mut self) -> Result<(), StoreError> {
        let events = std::mem::take(&mut self.events);
        if events.is_empty() {
            return Ok(());
        }
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        let node = self.store.node().clone();
        let raised = self
            .one(
                sql("INSERT INTO nodes (id, sequence) VALUES ($1, $2)
                     ON CONFLICT (id) DO UPDATE SET sequence = nodes.sequence + $2
                     RETURNING id, sequence")
                .bind(node.as_str())
                .bind(count),
            )
            .await?
            .ok_or(StoreError::Refused(sqlx::Error::RowNotFound))?;
        let mut sequence = Reader::new(&raised, "nodes", "id").integer("sequence")? - count;
        for pending in events {
            sequence += 1;
            self.write_event(&node, sequence, pending).await?;
        }
        Ok(())
    }

    async fn write_event(
        &mut self,
        node: &NodeId,
        sequence: i64,
        pending: Pending,
    ) -> Result<(), StoreError> {
        let body = serde_json::to_value(&pending.event)
            .map_err(|error| StoreError::Refused(sqlx::Error::Encode(Box::new(error))))?;
        let text = |field: &str| {
            body.get(field)
                .and_then(|value| value.as_str())
                .map(str::to_owned)
        };
        let (actor, name) = match pending.actor {
            Actor::Person => ("person", None),
            Actor::Operator(name) => ("operator", Some(name)),
            Actor::System => ("system", None),
        };
        let id = self.store.draw(EventId::random);
        self.run(
            sql("INSERT INTO events (id, node, sequence, written_at, actor, actor_name, user_id, attempt, kind, body)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
            .bind(id.as_str())
            .bind(node.as_str())
            .bind(sequence)
            .bind(pending.at.as_millis())
            .bind(actor)
            .bind(name)
            .bind(pending.user.as_ref().map(UserId::as_str))
            .bind(text("attempt"))
            .bind(text("event").unwrap_or_default())
            .bind(body.to_string()),
        )
        .await
        .map(drop)
    }
}
