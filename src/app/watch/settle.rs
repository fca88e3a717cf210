//! What was seen is compared with what was told, written down and told.
//!
//! Always true: turn, findings, events and messages are of one transaction; of what is told
//! the log has a line.

use std::time::Duration;

use super::{
    TENANT_UNREADABLE, Watcher,
    changes::{Alarm, Change, Known, Origin, Severity, Telling, changes, ease_first},
    kept::{Owed, read, stored},
    look::{Seen, TenantLook, own},
    round::Round,
    webhook,
};
use crate::{
    app::{App, Error},
    audit::{Actor, Event},
    base::clock::Timestamp,
    storage::{Tx, WatchState},
};

/// After this many times in a row it is told that the tenant cannot be read.
const UNREADABLE_AFTER: i64 = 2;
/// More than this is not told at once; the worst first.
const MOST: usize = 200;

/// The turn that a look has.
#[derive(Debug)]
pub(super) struct Turn {
    /// Who has it.
    pub holder: String,
    /// Until when.
    pub until: Timestamp,
    /// This process was kept from telling for long: it tells, whatever the row says.
    pub is_overdue: bool,
    /// What the row said before.
    pub before: WatchState,
}

impl App {
    /// Compares with what was told, writes it down and tells it.
    pub(super) async fn settle(
        &self,
        watcher: &Watcher,
        turn: &Turn,
        mut seen: Seen,
    ) -> Result<Round, Error> {
        let now = self.now();
        let state = self.state_after(watcher, turn, &mut seen);
        let mut tx = self.store.begin().await?;
        if !tx.end_watch(&turn.holder, turn.until, &state).await? {
            if !turn.is_overdue {
                return Ok(Round::LostTurn);
            }
            tx.end_watch_anyway(&state).await?;
        }
        let known = self.known(&mut tx, watcher, &seen.tenant).await?;
        ease_first(&known, &mut seen.alarms, &seen.looked);
        let mut changes = changes(&known, &seen.alarms, &seen.looked, now);
        if changes.len() > MOST {
            // The rest is new again the next time: nothing is lost, and nothing is over.
            tracing::error!(
                more = changes.len() - MOST,
                "there is more to tell than is told at once; `claimbridge domain drift` shows all"
            );
            changes.truncate(MOST);
        }
        for change in &changes {
            self.tell(&mut tx, watcher, change, now).await?;
        }
        tx.commit().await?;
        changes.iter().for_each(log);
        Ok(Round::Told(
            changes
                .into_iter()
                .map(|change| (change.telling, change.alarm.kind))
                .collect(),
        ))
    }

    /// What the row of the turn says from now on; a tenant that cannot be read is an alarm.
    fn state_after(&self, watcher: &Watcher, turn: &Turn, seen: &mut Seen) -> WatchState {
        let now = self.now();
        let mut state = WatchState {
            lease_until: turn.until,
            next_look_at: now.plus(self.jittered(watcher.every)),
            looked_at: Some(now),
            read_at: turn.before.read_at,
            failures: 0,
        };
        match &seen.tenant {
            TenantLook::NotConfigured | TenantLook::NotCompared => {}
            TenantLook::Read => state.read_at = Some(now),
            TenantLook::Failed(why) => {
                state.failures = turn.before.failures.saturating_add(1);
                if state.failures >= UNREADABLE_AFTER {
                    seen.alarms.push(own(
                        TENANT_UNREADABLE,
                        Severity::Warning,
                        format!("The tenant cannot be read, so that nobody sees whether its federation is changed: {why}."),
                        "`claimbridge doctor` says more; see the network and the application's secret.",
                    ));
                } else {
                    tracing::warn!(why, "the tenant could not be read; trying again");
                }
            }
        }
        state
    }

    /// What was told and is not over.
    async fn known(
        &self,
        tx: &mut Tx<'_>,
        watcher: &Watcher,
        tenant: &TenantLook,
    ) -> Result<Vec<Known>, Error> {
        let mut known = Vec::new();
        for stored in tx.watch_findings().await? {
            let Some(kept) = read(self.sealing(), &stored) else {
                // Told again, if it is so.
                tx.forget_finding(&stored.id).await?;
                let what = "watch-finding";
                tx.append(Actor::System, None, Event::TamperingFound { what });
                continue;
            };
            let is_nobodys = kept.known.alarm.origin == Origin::Tenant
                && matches!(tenant, TenantLook::NotConfigured);
            if kept.is_over() {
                // It waits for the webhook only.
                if watcher.webhook.is_none() {
                    tx.forget_finding(&stored.id).await?;
                }
            } else if is_nobodys {
                tx.forget_finding(&stored.id).await?;
            } else {
                known.push(kept.known);
            }
        }
        Ok(known)
    }

    async fn tell(
        &self,
        tx: &mut Tx<'_>,
        watcher: &Watcher,
        change: &Change,
        now: Timestamp,
    ) -> Result<(), Error> {
        if let Some(former) = &change.replaces {
            tx.forget_finding(former).await?;
        }
        let mut owed = None;
        if watcher.webhook.is_some() {
            let message = webhook::message(self, change, now);
            tx.put_message(&message).await?;
            owed = Some(Owed {
                message: message.id,
                event: change.telling,
            });
        }
        // What is over is kept until the webhook has taken that.
        if change.telling == Telling::Over && owed.is_none() {
            tx.forget_finding(&change.alarm.id).await?;
        } else {
            tx.put_finding(&stored(self.sealing(), change, owed, now))
                .await?;
        }
        if let Some(event) = event(change) {
            tx.append(Actor::System, None, event);
        }
        Ok(())
    }

    /// Up to a tenth more or less, so that many servers do not all ask at once.
    fn jittered(&self, every: Duration) -> Duration {
        let [drawn] = self.with_random(crate::base::random::random_bytes::<1>);
        every * (90 + u32::from(drawn) % 21) / 100
    }
}

fn event(change: &Change) -> Option<Event> {
    let alarm = &change.alarm;
    let (kind, domain) = (alarm.kind.clone(), alarm.domain.clone());
    let severity = alarm.severity.as_str();
    let sentence = alarm.sentence.clone();
    Some(match change.telling {
        Telling::New => Event::AlarmRaised {
            kind,
            severity,
            domain,
            sentence,
        },
        Telling::Changed => Event::AlarmChanged {
            kind,
            severity,
            domain,
            sentence,
        },
        Telling::Over => Event::AlarmOver { kind, domain },
        // The log and the message remind; nothing happened.
        Telling::Still => return None,
    })
}

fn log(change: &Change) {
    let Alarm {
        kind,
        severity,
        domain,
        sentence,
        remedy,
        ..
    } = &change.alarm;
    let telling = change.telling.as_str();
    let (severity, domain) = (severity.as_str(), domain.as_deref().unwrap_or_default());
    match (change.telling, change.alarm.severity) {
        (Telling::Over, _) => {
            tracing::info!(telling, kind, severity, domain, "over: {sentence}");
        }
        (_, Severity::Critical) => {
            tracing::error!(telling, kind, severity, domain, remedy, "{sentence}");
        }
        _ => tracing::warn!(telling, kind, severity, domain, remedy, "{sentence}"),
    }
}
