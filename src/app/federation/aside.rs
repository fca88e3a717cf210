//! A line in the journal: what was altered before it is set aside, and what comes after counts.
//!
//! Always true: the line is sealed as every change is, names each change that counts no longer, and
//! is an event; what comes after it and is altered counts again; nothing of before it is ever restored.

use super::{
    change::may_still_take_place,
    journal::{Beginning, ChangeKind, ChangeOutcome, Hand, History, Journal},
};
use crate::{
    app::{App, Error},
    audit::{Actor, Event},
    base::{ids::ChangeId, text::DomainName},
    federation::DomainState,
};

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
        if history.altered != shown.altered {
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
        covers.extend(history.altered.iter().map(|altered| altered.id.to_string()));
        covers.sort();
        covers.dedup();
        let set_aside: Vec<String> = history
            .altered
            .iter()
            .map(|altered| format!("{} {}", altered.id, altered.what))
            .collect();
        let before = DomainState::unknown(domain.clone());
        let line = Journal::begin(
            self,
            domain,
            Beginning {
                kind: ChangeKind::SetAside,
                hand,
                before: &before,
                rolls_back: None,
                named: set_aside.clone(),
                covers,
                aside: &history.altered,
            },
        )
        .await?;
        let id = line.id.clone();
        line.finish(ChangeOutcome::Done, None).await?;
        let mut tx = self.store.begin().await?;
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
        let events = tx.federation_events(domain).await?;
        let of_events = events
            .iter()
            .filter_map(|event| event.event["change"].as_str());
        Ok(rows
            .iter()
            .map(|row| row.id.as_str())
            .chain(of_events)
            .map(ToOwned::to_owned)
            .collect())
    }
}
