//! The journal of a change at Entra: what was before, each call before it is sent, and what
//! came of it.
//!
//! Always true: an entry is sealed for its place (change, number, domain), so that a writer
//! of the database can neither write nor move one; the head says, sealed, how many there are,
//! so that a gap or a missing end is tampering and not an earlier end; what became of a call is
//! not decided while it may still take place; no token and no secret is in it.
//!
//! Read next: `order` (whether all changes are there).

use super::{
    aside::from_the_line,
    change::may_still_take_place,
    order::{Head, Standing, behind, behind_events, out_of_order},
};
pub use super::{
    entry::{CallOutcome, Change, ChangeKind, ChangeOutcome, Entry, Hand},
    order::Altered,
};
use crate::{
    app::{App, Error},
    audit::{Actor, Event},
    base::{clock::Timestamp, ids::ChangeId, text::DomainName},
    federation::{Call, DomainState},
    keys::sealing::{Place, Sealing},
    storage::{StoredChange, StoredEntry, Tx},
};

pub(super) fn place_row(change: &ChangeId, number: i64) -> String {
    format!("{change}/{number}")
}

pub(super) fn place<'a>(row: &'a str, domain: &'a str) -> Place<'a> {
    Place {
        table: "federation_journal",
        column: "sealed",
        row,
        owner: domain,
    }
}

/// What is known of the changes of a domain.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The changes whose journal is what we wrote, newest first.
    pub changes: Vec<Change>,
    /// What is not there as we wrote it: it is told, and what was before is not known then. It
    /// never stands in the way of what is right.
    pub altered: Vec<Altered>,
    /// What was set aside and is open again: told as well. It counts for nothing, and would keep a
    /// change from beginning.
    pub reopened: Vec<Altered>,
}

impl History {
    /// The change that is not over.
    pub fn open(&self) -> Option<&Change> {
        self.changes
            .iter()
            .find(|change| change.outcome().is_none())
    }

    /// All that was altered outside claimbridge.
    pub fn tampered(&self) -> impl Iterator<Item = &Altered> {
        self.altered.iter().chain(&self.reopened)
    }

    /// What `domain set-aside` would set aside, in words: all of that, and a line that was begun
    /// for it and not drawn, which keeps every change from beginning.
    pub fn to_set_aside(&self) -> Vec<String> {
        let undrawn = self.open().filter(|change| change.is_undrawn_line());
        let undrawn = undrawn.map(|line| format!("the line {} was not drawn to its end", line.id));
        let tampered = self.tampered().map(ToString::to_string);
        tampered.chain(undrawn).collect()
    }
}

impl App {
    /// The changes of a domain. One that was altered outside claimbridge is an event. A row that
    /// cannot be read is one of those, and hides no other.
    pub async fn federation_changes(&self, domain: &DomainName) -> Result<History, Error> {
        let mut tx = self.store.read().await?;
        let (events, unreadable) = tx.federation_events(domain).await?;
        let mut history = History::default();
        let mut open = Vec::new();
        let rows = tx.federation_changes(domain).await?;
        for stored in rows.read {
            if stored.finished_at.is_none() {
                open.push(stored.id.to_string());
            }
            let entries = tx.federation_entries(&stored.id).await?;
            match entries.and_then(|entries| read_change(&self.sealing, &stored, &entries)) {
                Some(change) => history.changes.push(change),
                None => history.altered.push(Altered::rewritten(&stored.id)),
            }
        }
        for row in rows.unreadable {
            history.altered.push(Altered::unreadable(&row.id));
            open.extend(row.is_open.then_some(row.id));
        }
        let unreadable = unreadable.into_iter().map(Altered::unreadable_event);
        history.altered.extend(unreadable);
        let events = from_the_line(&mut history, &open, events);
        let put_back = behind_events(&history.changes, &history.altered, &events);
        history
            .changes
            .retain(|change| put_back.iter().all(|other| other.id != change.id.as_str()));
        history.altered.extend(put_back);
        for found in out_of_order(&history.changes, &history.altered) {
            if history.altered.iter().all(|other| other.id != found.id) {
                history.altered.push(found);
            }
        }
        drop(tx);
        if history.tampered().next().is_some() {
            let mut tx = self.store.begin().await?;
            let what = "federation journal";
            tx.append(Actor::System, None, Event::TamperingFound { what });
            tx.commit().await?;
        }
        Ok(history)
    }
}

/// The change, if head and entries are what we wrote.
pub(super) fn read_change(
    sealing: &Sealing,
    stored: &StoredChange,
    rows: &[StoredEntry],
) -> Option<Change> {
    let standing = Head::standing_of(sealing, stored, rows)?;
    let mut entries = Vec::new();
    for (expected, entry) in (0_i64..).zip(rows) {
        if entry.number != expected {
            return None;
        }
        entries.push((
            entry.written_at,
            open_entry(sealing, entry, &stored.domain)?,
        ));
    }
    let change = Change {
        id: stored.id.clone(),
        domain: stored.domain.clone(),
        begun_at: stored.begun_at,
        entries,
        standing,
    };
    let begun = matches!(change.entries.first(), Some((_, Entry::Begun { .. })));
    // The sealed entries say what is over, the column only keeps two from being open.
    let agrees = stored.finished_at.is_some() == change.outcome().is_some();
    (begun && agrees).then_some(change)
}

/// An entry, if it is one of ours at its place.
fn open_entry(sealing: &Sealing, entry: &StoredEntry, domain: &DomainName) -> Option<Entry> {
    let row = place_row(&entry.change, entry.number);
    let plain = sealing
        .open(&place(&row, domain.as_str()), &entry.sealed)
        .ok()?;
    serde_json::from_slice(&plain).ok()
}

/// What the first entry of a change holds.
pub struct Beginning<'b> {
    /// What for.
    pub kind: ChangeKind,
    /// By whom.
    pub hand: Hand,
    /// The domain as it is.
    pub before: &'b DomainState,
    /// The change that is undone.
    pub rolls_back: Option<&'b ChangeId>,
    /// What was named before the yes.
    pub named: Vec<String>,
    /// The changes that count no longer (of a line).
    pub covers: Vec<String>,
    /// Those that were altered: none of them keeps the domain from being changed.
    pub aside: &'b History,
}

/// A change that is open: entries are added to it.
pub struct Journal<'a> {
    app: &'a App,
    /// The change.
    pub id: ChangeId,
    domain: DomainName,
    hand: Hand,
    next: i64,
    changed: bool,
    begun_at: Timestamp,
    standing: Standing,
}

impl<'a> Journal<'a> {
    /// Begins a change. Another one of the domain that is open is a conflict.
    pub async fn begin(
        app: &'a App,
        domain: &DomainName,
        beginning: Beginning<'_>,
    ) -> Result<Journal<'a>, Error> {
        let mut tx = app.store().begin().await?;
        let journal = Self::begin_in(app, &mut tx, domain, beginning).await?;
        tx.commit().await?;
        Ok(journal)
    }

    /// The same, with what else `tx` writes.
    pub(super) async fn begin_in(
        app: &'a App,
        tx: &mut Tx<'_>,
        domain: &DomainName,
        beginning: Beginning<'_>,
    ) -> Result<Journal<'a>, Error> {
        let Beginning {
            kind, hand, aside, ..
        } = beginning;
        let id = app.with_random(|random| ChangeId::random(random));
        let rows = tx.federation_changes(domain).await?;
        let (standing, before_it) = behind(app.sealing(), &rows, &id);
        let mut journal = Self {
            app,
            id: id.clone(),
            domain: domain.clone(),
            hand: hand.clone(),
            next: 0,
            changed: false,
            begun_at: app.now(),
            standing,
        };
        let stored = StoredChange {
            id: id.clone(),
            domain: domain.clone(),
            begun_at: journal.begun_at,
            finished_at: None,
            head: String::new(),
        };
        // An altered change must not keep the domain from being mended.
        for other in aside.tampered() {
            tx.finish_altered_federation_change(domain, &other.id, journal.begun_at)
                .await?;
        }
        if !tx.insert_federation_change(&stored).await? {
            return Err(Error::conflict(format!(
                "another change of {domain} began at this moment; run the command again to see what became of it"
            )));
        }
        if let Some((other, head)) = before_it {
            let sealed =
                app.with_random(|random| head.seal(app.sealing(), &other, domain, random))?;
            tx.set_federation_head(&other, &sealed).await?;
        }
        let event = Event::FederationChangeBegun {
            change: id,
            kind: kind.as_str(),
            domain: domain.to_string(),
            administrator: hand.administrator.clone(),
            tenant: hand.tenant.clone(),
        };
        let entry = Entry::Begun {
            kind,
            hand,
            before: beginning.before.to_json(),
            rolls_back: beginning.rolls_back.map(ToString::to_string),
            named: beginning.named,
            covers: beginning.covers,
        };
        journal.add(tx, &entry).await?;
        tx.append(journal.actor(), None, event);
        Ok(journal)
    }

    /// Goes on with an open change. What came of a call that nobody knew of is what `found` shows;
    /// a conflict while it may still take place.
    pub async fn resume(
        app: &'a App,
        change: &Change,
        hand: Hand,
        found: &DomainState,
    ) -> Result<Journal<'a>, Error> {
        let mut journal = Self::of_open(app, change, hand.clone());
        if let Some((call, at)) = change.unsettled()
            && !call.is_in_force(found)
            && may_still_take_place(at, app.now()).is_some()
        {
            return Err(Error::conflict(format!(
                "the last call of the change {} may still take place; run the command again in some minutes",
                change.id
            )));
        }
        let entry = Entry::Resumed {
            hand,
            found: found.to_json(),
        };
        let mut tx = app.store().begin().await?;
        journal.add(&mut tx, &entry).await?;
        tx.commit().await?;
        if let Some((call, _)) = change.unsettled() {
            let (outcome, says) = if call.is_in_force(found) {
                (CallOutcome::Done, "read back later: it took place")
            } else {
                (
                    CallOutcome::Refused,
                    "read back later: it did not take place",
                )
            };
            journal.called(&call, outcome, says).await?;
            if outcome == CallOutcome::Refused {
                journal.changed = change.has_other_calls();
            }
        }
        Ok(journal)
    }

    /// Ends an open change without a look at what came of it: it is of another tenant, or nobody can
    /// read what this one has.
    pub async fn give_up(app: &'a App, change: &Change, hand: Hand) -> Result<(), Error> {
        let journal = Self::of_open(app, change, hand);
        journal.finish(ChangeOutcome::Superseded, None).await
    }

    fn of_open(app: &'a App, change: &Change, hand: Hand) -> Self {
        Self {
            app,
            id: change.id.clone(),
            domain: change.domain.clone(),
            hand,
            next: i64::try_from(change.entries.len()).unwrap_or(i64::MAX),
            changed: change.may_have_changed(),
            begun_at: change.begun_at,
            standing: change.standing.clone(),
        }
    }

    /// Whether a call of an earlier command took place, or may have.
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// A call is about to be sent.
    pub async fn calling(&mut self, call: &Call) -> Result<(), Error> {
        let entry = Entry::Call {
            method: call.method.as_str().to_owned(),
            path: call.path.clone(),
            body: call.body.clone(),
            at: Some(self.app.now().as_millis()),
        };
        let mut tx = self.app.store().begin().await?;
        self.add(&mut tx, &entry).await?;
        Ok(tx.commit().await?)
    }

    /// This came of it.
    pub async fn called(
        &mut self,
        call: &Call,
        outcome: CallOutcome,
        says: &str,
    ) -> Result<(), Error> {
        let entry = Entry::Outcome {
            outcome,
            says: crate::inspect::shown(says, 1000),
        };
        let event = Event::FederationCalled {
            change: self.id.clone(),
            domain: self.domain.to_string(),
            call: format!("{} {}", call.method.as_str(), call.path),
            outcome: outcome.as_str(),
        };
        let mut tx = self.app.store().begin().await?;
        self.add(&mut tx, &entry).await?;
        tx.append(self.actor(), None, event);
        Ok(tx.commit().await?)
    }

    /// It is over.
    pub async fn finish(
        self,
        outcome: ChangeOutcome,
        after: Option<&DomainState>,
    ) -> Result<(), Error> {
        let mut tx = self.app.store().begin().await?;
        self.finish_in(&mut tx, outcome, after).await?;
        Ok(tx.commit().await?)
    }

    /// The same, with what else `tx` writes.
    pub(super) async fn finish_in(
        mut self,
        tx: &mut Tx<'_>,
        outcome: ChangeOutcome,
        after: Option<&DomainState>,
    ) -> Result<(), Error> {
        let entry = Entry::Finished {
            outcome,
            after: after.map(DomainState::to_json),
        };
        let event = Event::FederationChangeFinished {
            change: self.id.clone(),
            domain: self.domain.to_string(),
            outcome: outcome.as_str(),
        };
        self.add(tx, &entry).await?;
        tx.finish_federation_change(&self.id, self.app.now())
            .await?;
        tx.append(self.actor(), None, event);
        Ok(())
    }

    fn actor(&self) -> Actor {
        Actor::Operator(self.hand.operator.clone())
    }

    async fn add(&mut self, tx: &mut Tx<'_>, entry: &Entry) -> Result<(), Error> {
        let plain = serde_json::to_vec(entry)
            .map_err(|error| Error::internal(format!("a journal entry: {error}")))?;
        let row = place_row(&self.id, self.next);
        let place = place(&row, self.domain.as_str());
        let sealed = self
            .app
            .with_random(|random| self.app.sealing().seal(&place, &plain, random));
        let stored = StoredEntry {
            change: self.id.clone(),
            number: self.next,
            written_at: self.app.now(),
            sealed,
        };
        if !tx.insert_federation_entry(&stored).await? {
            return Err(Error::conflict(format!(
                "another command goes on with the change {} at this moment; this one stops here. Run `claimbridge domain verify {}` when it is done",
                self.id, self.domain
            )));
        }
        self.next += 1;
        let standing = self.standing.clone();
        let head = Head::of(self.begun_at, self.next, &stored.sealed, standing);
        let sealed = self
            .app
            .with_random(|random| head.seal(self.app.sealing(), &self.id, &self.domain, random))?;
        tx.set_federation_head(&self.id, &sealed).await?;
        Ok(())
    }
}
