//! One look, from whose turn it is to what was told.
//!
//! Always true: a process notes that it looked when what it saw was told and not before; one
//! that did not for twice its time tells, whatever the database says of the turn.
//!
//! Read next: [`super::look`], what is looked at; [`super::settle`], what is told.

use std::time::Duration;

use super::{
    Watcher,
    changes::{Severity, Telling},
    settle::Turn,
};
use crate::{
    app::{App, Error, saml::chain},
    audit::{Actor, Event},
    base::clock::Timestamp,
    outbound::guard::Outbound,
    storage::{TurnLimits, WatchState},
};

/// How long a node has the turn; no look takes as long.
pub(super) const TURN: Duration = Duration::from_mins(10);

/// What a round did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Round {
    /// It is not time yet, or another node has the turn.
    NotDue,
    /// The look took so long that another node took the turn: nothing was told.
    LostTurn,
    /// This was told.
    Told(Vec<(Telling, String)>),
}

impl App {
    /// Looks, if it is time and no other node does, and tells what changed.
    pub async fn watch_round(
        &self,
        watcher: &Watcher,
        outbound: &Outbound,
    ) -> Result<Round, Error> {
        let now = self.now();
        let until = now.plus(TURN);
        // An instant beyond what a node of ours writes is nobody's, and a process that was kept
        // from looking for long looks: who writes to the database does not decide about it.
        let limits = Limits {
            lease: until,
            next: now.plus(watcher.every + watcher.every / 10 + TURN),
            is_overdue: watcher.own.is_overdue(now, 2 * watcher.every + TURN),
        };
        let before = match self.watch_state().await {
            Err(error) if limits.is_overdue => {
                tracing::warn!("the turn of the watch cannot be read: {}", chain(&error));
                NOTHING_KNOWN
            }
            read => read?,
        };
        if !limits.permit(&before, now) {
            return Ok(Round::NotDue);
        }
        let turn = Turn {
            holder: self.store.node().to_string(),
            until,
            is_overdue: limits.is_overdue,
            before,
        };
        match self.take_turn(&turn, now, &limits).await {
            Ok(false) if !turn.is_overdue => return Ok(Round::NotDue),
            Err(error) if !turn.is_overdue => return Err(error),
            Err(error) => tracing::warn!("the watch gets no turn: {}", chain(&error)),
            Ok(_) => {}
        }
        if turn.is_overdue {
            watcher.own.note_try(now);
        }
        let seen = self.look(watcher, outbound).await;
        let worst: Vec<_> = seen
            .alarms
            .iter()
            .filter(|alarm| turn.is_overdue && alarm.severity == Severity::Critical)
            .cloned()
            .collect();
        let round = self.settle(watcher, &turn, seen).await;
        match &round {
            Ok(Round::Told(_)) => watcher.own.note(now),
            Ok(Round::NotDue | Round::LostTurn) => {}
            // The database took nothing for long: then the log at least has it.
            Err(_) => {
                for alarm in worst {
                    let (kind, domain) = (&alarm.kind, alarm.domain.as_deref());
                    let domain = domain.unwrap_or_default();
                    tracing::error!(
                        kind,
                        domain,
                        remedy = alarm.remedy,
                        "not written down, and told here only: {}",
                        alarm.sentence
                    );
                }
            }
        }
        round
    }

    /// Takes the turn, if the row lets it; whether it did.
    async fn take_turn(&self, turn: &Turn, now: Timestamp, limits: &Limits) -> Result<bool, Error> {
        let mut tx = self.store.begin().await?;
        let is_taken = tx
            .take_watch(&turn.holder, now, turn.until, &limits.of_row())
            .await?;
        tx.commit().await?;
        Ok(is_taken)
    }

    /// Whose turn it is. Without the row nobody could look: it is made anew, and an event.
    async fn watch_state(&self) -> Result<WatchState, Error> {
        let mut tx = self.store.read().await?;
        if let Some(state) = tx.watch_state().await? {
            return Ok(state);
        }
        drop(tx);
        let mut tx = self.store.begin().await?;
        if tx.restore_watch().await? {
            let what = "watch-turn";
            tx.append(Actor::System, None, Event::TamperingFound { what });
        }
        let state = tx.watch_state().await?;
        tx.commit().await?;
        state.ok_or_else(|| Error::internal("the turn of the watch cannot be kept"))
    }
}

/// What is known of former looks where the row cannot be read.
const NOTHING_KNOWN: WatchState = WatchState {
    lease_until: Timestamp::from_millis(0),
    next_look_at: Timestamp::from_millis(0),
    looked_at: None,
    read_at: None,
    failures: 0,
};

/// What may be read of the turn in the database.
struct Limits {
    lease: Timestamp,
    next: Timestamp,
    /// Whether this process was kept from looking for long.
    is_overdue: bool,
}

impl Limits {
    fn of_row(&self) -> TurnLimits {
        if self.is_overdue {
            return TurnLimits::NONE;
        }
        TurnLimits {
            lease: self.lease,
            next: self.next,
        }
    }

    fn permit(&self, state: &WatchState, now: Timestamp) -> bool {
        let is_over = |at: Timestamp, beyond: Timestamp| at <= now || at > beyond;
        self.is_overdue
            || (is_over(state.lease_until, self.lease) && is_over(state.next_look_at, self.next))
    }
}
