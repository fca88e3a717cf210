//! A line in the journal: what was altered before it is set aside, and what comes after counts.
//!
//! Always true: the line is sealed as every change is, names each change that counts no longer, and
//! is there with its event and whole, or not at all; what comes after it and is altered counts again; nothing of before it is ever restored,
//! nor keeps a change from beginning.

use super::{
    change::may_still_take_place,
    journal::{Altered, Beginning, Change, ChangeKind, ChangeOutcome, Hand, History, Journal},
};
use crate::{
    app::{App, Error},
    audit::{Actor, Event},
    base::{ids::ChangeId, text::DomainName},
    federation::DomainState,
    storage::StoredEvent,
};

/// Leaves out what the newest line that was drawn covers; the events of the rest. `open` are those
/// that are open by their column: of what is covered none can be, unless somebody opened it again.
pub(super) fn from_the_line(
    history: &mut History,
    open: &[String],
    events: Vec<StoredEvent>,
) -> Vec<StoredEvent> {
    let lines = history.changes.iter().filter(|one| one.covers().is_some());
    let newest = lines.max_by_key(|one| one.standing.ordinal);
    let Some(covered) = newest.and_then(Change::covers).map(<[String]>::to_vec) else {
        return events;
    };
    let counts = |id: &str| !covered.iter().any(|other| other == id);
    history.changes.retain(|one| counts(one.id.as_str()));
    history.altered.retain(|one| counts(&one.id));
    let reopened = open.iter().filter(|id| !counts(id));
    history.reopened = reopened.map(|id| Altered::reopened(id)).collect();
    let of_rest = |event: &StoredEvent| event.event["change"].as_str().is_none_or(counts);
    events.into_iter().filter(of_rest).collect()
}

impl App {
    /// Sets aside what is altered in `history`, as it was shown; which change is the line.
    ///
    /// # Errors
    /// A conflict where a call may still take place, or where the journal is another by now.
    pub async fn set_journal_aside(
        &self,
        domain: &DomainName,
        shown: &History,
        operator: &str,
    ) -> Result<ChangeId, Error> {
        let history = self.federation_changes(domain).await?;
        let set_aside = history.to_set_aside();
        if set_aside != shown.to_set_aside() {
            return Err(Error::conflict(format!(
                "the journal of {domain} was changed while you read; nothing was set aside. Run the command again and look at what it says now"
            )));
        }
        let hand = Hand {
            operator: operator.to_owned(),
            administrator: String::new(),
            tenant: None,
            graph: String::new(),
        };
        if let Some(open) = history.open() {
            let unsettled = open.unsettled();
            if unsettled.is_some_and(|(_, at)| may_still_take_place(at, self.now()).is_some()) {
                return Err(Error::conflict(format!(
                    "the last call of the change {} may still take place; run the command again in some minutes",
                    open.id
                )));
            }
            Journal::give_up(self, open, hand.clone()).await?;
        }
        let mut covers = self.ids_of_changes(domain).await?;
        covers.extend(history.tampered().map(|altered| altered.id.clone()));
        covers.sort();
        covers.dedup();
        let before = DomainState::unknown(domain.clone());
        // Together: a line that is only begun would stand in the way, and be of no tenant that
        // anybody can sign in to.
        let mut tx = self.store.begin().await?;
        let beginning = Beginning {
            kind: ChangeKind::SetAside,
            hand,
            before: &before,
            rolls_back: None,
            named: set_aside.clone(),
            covers,
            aside: &history,
        };
        let line = Journal::begin_in(self, &mut tx, domain, beginning).await?;
        let id = line.id.clone();
        line.finish_in(&mut tx, ChangeOutcome::Done, None).await?;
        let event = Event::FederationJournalSetAside {
            change: id.clone(),
            domain: domain.to_string(),
            set_aside,
        };
        tx.append(Actor::Operator(operator.to_owned()), None, event);
        tx.commit().await?;
        Ok(id)
    }

    /// Every change of the domain that rows or events name, whatever they say of it.
    async fn ids_of_changes(&self, domain: &DomainName) -> Result<Vec<String>, Error> {
        let mut tx = self.store.read().await?;
        let rows = tx.federation_changes(domain).await?;
        let (events, unreadable) = tx.federation_events(domain).await?;
        let of_events = events
            .iter()
            .filter_map(|event| event.event["change"].as_str());
        Ok(rows
            .read
            .iter()
            .map(|row| row.id.as_str())
            .chain(rows.unreadable.iter().map(|row| row.id.as_str()))
            .chain(of_events)
            .chain(unreadable.iter().map(String::as_str))
            .map(ToOwned::to_owned)
            .collect())
    }
}
