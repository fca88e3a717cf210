//! The order of a domain's changes: which came after which, and whether all are there.
//!
//! Always true: each change says, sealed, how many there were with it and which came next; the
//! events say, apart from the journal, which changes began and how far they came. So a change that
//! was deleted, and old rows that were put back, show; who has both an old copy of the rows and
//! takes the events away too leaves a gap in the events (`claimbridge evidence`).

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::entry::{Change, Entry};
use crate::{
    app::Error,
    base::{clock::Timestamp, ids::ChangeId, random::Random, text::DomainName},
    keys::sealing::{Place, Sealing},
    storage::{Rows, StoredChange, StoredEntry, StoredEvent},
};

/// A change of which the database does not say what we wrote, or an event of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Altered {
    /// Which: what stands where its id should, whatever that is.
    pub id: String,
    noun: &'static str,
    what: &'static str,
}

/// `the change chg_… was altered outside claimbridge`.
impl std::fmt::Display for Altered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = if self.id.is_empty() { "?" } else { &self.id };
        let id = crate::inspect::shown(id, 60);
        write!(f, "the {} {id} {}", self.noun, self.what)
    }
}

impl Altered {
    fn change(id: &str, what: &'static str) -> Self {
        Self {
            id: id.to_owned(),
            noun: "change",
            what,
        }
    }

    pub(super) fn rewritten(id: &ChangeId) -> Self {
        Self::change(id.as_str(), "was altered outside claimbridge")
    }

    pub(super) fn unreadable(id: &str) -> Self {
        let what = "cannot be read: it was altered outside claimbridge, or is damaged";
        Self::change(id, what)
    }

    /// An event is one of a change that nobody knows.
    pub(super) fn unreadable_event(id: String) -> Self {
        Self {
            noun: "event",
            id,
            what: "cannot be read: it was altered outside claimbridge, or is damaged",
        }
    }

    pub(super) fn reopened(id: &str) -> Self {
        let what = "was set aside, and was opened again outside claimbridge";
        Self::change(id, what)
    }

    fn gone(id: &str) -> Self {
        Self::change(id, "is gone: it was deleted outside claimbridge")
    }

    fn put_back(id: &ChangeId) -> Self {
        let what = "is not as it was last: older rows were put back outside claimbridge";
        Self::change(id.as_str(), what)
    }

    fn lacks_others(id: &ChangeId) -> Self {
        let what = "had others before it that are not there: they were altered outside claimbridge";
        Self::change(id.as_str(), what)
    }
}

/// Where a change stands among those of its domain.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Standing {
    /// How many there were with it, from 1; none: an earlier claimbridge wrote it.
    #[serde(default)]
    pub(super) ordinal: Option<i64>,
    /// The one that began after it.
    #[serde(default)]
    pub(super) next: Option<String>,
}

/// What a sealed head says.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Head {
    begun_at: i64,
    entries: i64,
    /// SHA-256 of the last entry as it is stored.
    last: String,
    #[serde(flatten)]
    standing: Standing,
}

impl Head {
    pub(super) fn of(begun_at: Timestamp, entries: i64, last: &str, standing: Standing) -> Self {
        let digest = digest::digest(&digest::SHA256, last.as_bytes());
        Self {
            begun_at: begun_at.as_millis(),
            entries,
            last: data_encoding::HEXLOWER.encode(digest.as_ref()),
            standing,
        }
    }

    fn place<'a>(change: &'a ChangeId, domain: &'a DomainName) -> Place<'a> {
        Place {
            table: "federation_changes",
            column: "head",
            row: change.as_str(),
            owner: domain.as_str(),
        }
    }

    pub(super) fn seal(
        &self,
        sealing: &Sealing,
        change: &ChangeId,
        domain: &DomainName,
        random: &mut dyn Random,
    ) -> Result<String, Error> {
        let plain = serde_json::to_vec(self)
            .map_err(|error| Error::internal(format!("the head of a journal: {error}")))?;
        Ok(sealing.seal(&Self::place(change, domain), &plain, random))
    }

    fn open(sealing: &Sealing, stored: &StoredChange) -> Option<Self> {
        let place = Self::place(&stored.id, &stored.domain);
        serde_json::from_slice(&sealing.open(&place, &stored.head).ok()?).ok()
    }

    /// Where the change stands, if its head says this of the stored entries.
    pub(super) fn standing_of(
        sealing: &Sealing,
        stored: &StoredChange,
        entries: &[StoredEntry],
    ) -> Option<Standing> {
        let count = i64::try_from(entries.len()).unwrap_or(-1);
        let last = entries.last().map_or("", |entry| entry.sealed.as_str());
        let said = Self::open(sealing, stored)?;
        let found = Self::of(stored.begun_at, count, last, Standing::default());
        let same = (said.begun_at, said.entries, &said.last)
            == (found.begun_at, found.entries, &found.last);
        same.then_some(said.standing)
    }
}

/// Where the next change of a domain stands, and the head that must say so: that of the newest
/// one, if it says of no other that it came next.
pub(super) fn behind(
    sealing: &Sealing,
    rows: &Rows<StoredChange>,
    next: &ChangeId,
) -> (Standing, Option<(ChangeId, Head)>) {
    let heads = rows
        .read
        .iter()
        .filter_map(|row| Some((&row.id, Head::open(sealing, row)?)));
    let newest = heads.max_by_key(|(_, head)| (head.standing.ordinal, head.begun_at));
    let highest = newest.as_ref().and_then(|(_, head)| head.standing.ordinal);
    let count = rows.read.len() + rows.unreadable.len();
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let standing = Standing {
        ordinal: Some(highest.unwrap_or(0).max(count).saturating_add(1)),
        next: None,
    };
    let before = newest
        .filter(|(_, head)| head.standing.next.is_none())
        .map(|(id, mut head)| {
            head.standing.next = Some(next.to_string());
            (id.clone(), head)
        });
    (standing, before)
}

/// The changes that are not there, or not where they were; `altered` are known to be so already.
pub(super) fn out_of_order(changes: &[Change], altered: &[Altered]) -> Vec<Altered> {
    let mut found = Vec::new();
    let ordinal = |change: &Change| change.standing.ordinal.unwrap_or(0);
    let highest = changes.iter().map(ordinal).max().unwrap_or(0);
    let newest_of_old = changes
        .iter()
        .filter(|change| ordinal(change) == 0)
        .map(|change| change.begun_at)
        .max();
    // Where a line was drawn the first is the line.
    let first = changes
        .iter()
        .filter(|change| change.covers().is_some())
        .map(ordinal)
        .max()
        .unwrap_or(1);
    for change in changes {
        let own = ordinal(change);
        match &change.standing.next {
            Some(next) => {
                let known = changes.iter().find(|other| other.id.as_str() == next);
                let is_altered = altered.iter().any(|other| other.id == *next);
                match known {
                    Some(after) if ordinal(after) <= own => {
                        found.push(Altered::put_back(&change.id));
                    }
                    None if !is_altered => found.push(Altered::gone(next)),
                    _ => {}
                }
            }
            // Only the newest has none after it; of those before there was an order, the last.
            None if own < highest && (own > 0 || Some(change.begun_at) == newest_of_old) => {
                found.push(Altered::put_back(&change.id));
            }
            None => {}
        }
        let before = changes.iter().filter(|other| ordinal(other) < own).count();
        if own > 0 && altered.is_empty() && i64::try_from(before) != Ok(own - first) {
            found.push(Altered::lacks_others(&change.id));
        }
    }
    found
}

/// The changes of which the events tell more than the journal: they are gone, or old rows of them
/// were put back. `events` were read before `changes`.
pub(super) fn behind_events(
    changes: &[Change],
    altered: &[Altered],
    events: &[StoredEvent],
) -> Vec<Altered> {
    let of = |event: &StoredEvent| event.event["change"].as_str().map(ToOwned::to_owned);
    let mut found = Vec::new();
    for event in events {
        let Some(id) = of(event) else { continue };
        let known = changes.iter().any(|change| change.id.as_str() == id)
            || altered.iter().any(|other| other.id == id)
            || found.iter().any(|other: &Altered| other.id == id);
        if !known {
            found.push(Altered::gone(&id));
        }
    }
    for change in changes {
        let told = |kind: &str| {
            events
                .iter()
                .filter(|event| {
                    event.kind() == kind && of(event).as_deref() == Some(change.id.as_str())
                })
                .count()
        };
        let outcomes = change
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Outcome { .. }))
            .count();
        let is_over = usize::from(change.outcome().is_some());
        if outcomes < told("federation-called") || is_over < told("federation-change-finished") {
            found.push(Altered::put_back(&change.id));
        }
    }
    found
}
