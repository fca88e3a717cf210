//! One look at the tenant and at our own certificates, and what is told of it.

use std::time::Duration;

use super::{
    CREDENTIAL_CAN_WRITE, CREDENTIAL_UNKNOWN, SIGNING_CERTIFICATE_EXPIRED,
    SIGNING_CERTIFICATE_EXPIRING, TENANT_UNREADABLE, TLS_CERTIFICATE_EXPIRING, TenantReader,
    WATCH_BROKEN, Watcher,
    changes::{Alarm, Change, Origin, Severity, Telling, TenantSeen, changes},
    credential::Powers,
    kept::{read, stored},
    webhook,
};
use crate::{
    app::{
        App, Error,
        federation::{ours, read::read_tenant},
        saml::chain,
    },
    audit::{Actor, Event},
    base::clock::Timestamp,
    federation::{DomainState, Ours, Property, Setting, Tenant, drift, drift::CERTIFICATE_SOON},
    keys::{KeyPurpose, certificate::Certificate, state::KeyState},
    outbound::guard::Outbound,
    storage::{TurnLimits, WatchState},
};

/// How long a node has the turn; no look takes as long.
const TURN: Duration = Duration::from_mins(10);
/// How long a look may take.
const LOOK: Duration = Duration::from_mins(8);
/// Any message comes again before that.
pub(super) const BEYOND: Duration = Duration::from_hours(48);
/// After this many times in a row it is told that the tenant cannot be read.
const UNREADABLE_AFTER: i64 = 2;
/// More than this is not told at once; the worst first.
const MOST: usize = 200;
/// How long before its end the certificate of TLS is told: a renewal that works was earlier.
const TLS_SOON: Duration = Duration::from_hours(14 * 24);

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

/// What became of the tenant.
enum TenantLook {
    /// None is configured.
    NotConfigured,
    /// It was read.
    Read,
    /// It was read, and what it should have could not be told.
    NotCompared,
    /// It could not be read, and why.
    Failed(String),
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
        let state = self.watch_state().await?;
        if !limits.permit(&state, now) {
            return Ok(Round::NotDue);
        }
        let holder = self.store.node().to_string();
        let mut tx = self.store.begin().await?;
        if !tx.take_watch(&holder, now, until, &limits.of_row()).await? {
            return Ok(Round::NotDue);
        }
        tx.commit().await?;
        watcher.own.note(now);
        let mut alarms = Vec::new();
        if let Err(error) = self.own_alarms(watcher, &mut alarms).await {
            alarms.push(broken(&error));
        }
        let look = match &watcher.tenant {
            None => TenantLook::NotConfigured,
            Some(reader) => {
                let looking = self.look_at_tenant(reader, outbound, &mut alarms);
                let looked = tokio::time::timeout(LOOK, looking).await;
                match looked {
                    Ok(Ok(look)) => look,
                    // Ours, not the tenant's: told, and what was known of the tenant stays.
                    Ok(Err(error)) => {
                        alarms.push(broken(&error));
                        TenantLook::NotCompared
                    }
                    Err(_) => TenantLook::Failed("it took too long".to_owned()),
                }
            }
        };
        self.settle(watcher, &holder, until, &state, alarms, look)
            .await
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

    /// Our own certificates.
    async fn own_alarms(&self, watcher: &Watcher, alarms: &mut Vec<Alarm>) -> Result<(), Error> {
        let now = self.now();
        for key in self.keys().await? {
            let in_use = matches!(key.state, Some(KeyState::Active | KeyState::Staged));
            if key.purpose == KeyPurpose::Audit || !in_use {
                continue;
            }
            let Ok(certificate) = Certificate::read(&key.certificate) else {
                continue;
            };
            let ends = certificate.not_after;
            let (kind, severity, word) = if ends < now {
                (SIGNING_CERTIFICATE_EXPIRED, Severity::Critical, "ended")
            } else if ends < now.plus(CERTIFICATE_SOON) {
                (SIGNING_CERTIFICATE_EXPIRING, Severity::Warning, "ends")
            } else {
                continue;
            };
            let mut alarm = own(
                kind,
                severity,
                format!(
                    "The signing certificate {} {word} at {ends}.",
                    certificate.thumbprint()
                ),
                "Begin the exchange with `claimbridge keys stage`.",
            );
            alarm.id = format!("{kind}:{}", key.id);
            alarms.push(alarm);
        }
        if let Some(ends) = watcher.tls_end.as_ref().and_then(|end| end())
            && ends < now.plus(TLS_SOON)
        {
            let mut alarm = own(
                TLS_CERTIFICATE_EXPIRING,
                if ends < now {
                    Severity::Critical
                } else {
                    Severity::Warning
                },
                format!("The TLS certificate ends at {ends}."),
                "Renew it, and see why the renewal did not run; `serve` takes a new file up by itself.",
            );
            alarm.id = format!("{TLS_CERTIFICATE_EXPIRING}:{}", ends.as_millis());
            alarms.push(alarm);
        }
        Ok(())
    }

    /// The tenant. What is an error is one of ours (the database).
    async fn look_at_tenant(
        &self,
        reader: &TenantReader,
        outbound: &Outbound,
        alarms: &mut Vec<Alarm>,
    ) -> Result<TenantLook, Error> {
        let (graph, powers) = match reader.open(outbound).await {
            Ok(opened) => opened,
            Err(error) => return Ok(TenantLook::Failed(chain(&error))),
        };
        match powers {
            Powers::Reads(_) => {}
            Powers::Unknown => alarms.push(own(
                CREDENTIAL_UNKNOWN,
                Severity::Warning,
                "The token of the application in [graph] does not say what it may do.".to_owned(),
                "See in Entra that it has Domain.Read.All and Policy.Read.All and nothing else.",
            )),
            Powers::Writes(by) => {
                alarms.push(own(
                    CREDENTIAL_CAN_WRITE,
                    Severity::Critical,
                    format!(
                        "The application of [graph] may write ({}); its secret lies on this server.",
                        by.join(", ")
                    ),
                    "Take these permissions away in Entra; Domain.Read.All and Policy.Read.All are enough.",
                ));
            }
        }
        let tenant = match read_tenant(&graph).await {
            Ok(tenant) => tenant,
            Err(error) => return Ok(TenantLook::Failed(chain(&error))),
        };
        let ours = ours(self).await?;
        self.note_certificates(&ours, &tenant).await?;
        alarms.extend(drift(&ours, &tenant, self.now()).iter().map(Alarm::from));
        Ok(TenantLook::Read)
    }

    /// Which of our certificates each domain's federation holds: `keys activate` goes by it.
    async fn note_certificates(&self, ours: &Ours, tenant: &Tenant) -> Result<(), Error> {
        for domain in &ours.domains {
            let state = tenant.domain(&domain.name);
            let Some(federation) = state.and_then(DomainState::federation) else {
                continue;
            };
            if domain.name != domain.root {
                continue;
            }
            let held: Vec<String> = [
                Property::SigningCertificate,
                Property::NextSigningCertificate,
            ]
            .into_iter()
            .filter_map(|property| match federation.get(property) {
                Some(Setting::Certificate(der)) => Certificate::read(der).ok(),
                _ => None,
            })
            .map(|certificate| certificate.fingerprint())
            .collect();
            self.note_seen(&domain.name, &held, Actor::System).await?;
        }
        Ok(())
    }

    /// Compares with what was told, writes it down and tells it.
    async fn settle(
        &self,
        watcher: &Watcher,
        holder: &str,
        until: Timestamp,
        before: &WatchState,
        mut alarms: Vec<Alarm>,
        look: TenantLook,
    ) -> Result<Round, Error> {
        let now = self.now();
        let mut state = WatchState {
            lease_until: until,
            next_look_at: now.plus(self.jittered(watcher.every)),
            looked_at: Some(now),
            read_at: before.read_at,
            failures: 0,
        };
        match &look {
            TenantLook::NotConfigured | TenantLook::NotCompared => {}
            TenantLook::Read => state.read_at = Some(now),
            TenantLook::Failed(why) => {
                state.failures = before.failures.saturating_add(1);
                if state.failures >= UNREADABLE_AFTER {
                    alarms.push(own(
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
        let seen = match look {
            TenantLook::Read => TenantSeen::Yes,
            _ => TenantSeen::No,
        };
        let mut tx = self.store.begin().await?;
        if !tx.end_watch(holder, until, &state).await? {
            return Ok(Round::LostTurn);
        }
        let mut known = Vec::new();
        for stored in tx.watch_findings().await? {
            match read(self.sealing(), &stored) {
                Some(finding)
                    if finding.alarm.origin == Origin::Tenant
                        && matches!(look, TenantLook::NotConfigured) =>
                {
                    tx.forget_finding(&finding.alarm.id).await?;
                }
                Some(finding) => known.push(finding),
                None => {
                    // Told again, if it is so.
                    tx.forget_finding(&stored.id).await?;
                    let what = "watch-finding";
                    tx.append(Actor::System, None, Event::TamperingFound { what });
                }
            }
        }
        let mut changes = changes(&known, &alarms, seen, now);
        if changes.len() > MOST {
            // The rest is new again the next time: nothing is lost, and nothing is over.
            tracing::error!(
                more = changes.len() - MOST,
                "there is more to tell than is told at once; `claimbridge domain drift` shows all"
            );
            changes.truncate(MOST);
        }
        for change in &changes {
            if let Some(former) = &change.replaces {
                tx.forget_finding(former).await?;
            }
            if change.telling == Telling::Over {
                tx.forget_finding(&change.alarm.id).await?;
            } else {
                tx.put_finding(&stored(self.sealing(), change, now)).await?;
            }
            if let Some(event) = event(change) {
                tx.append(Actor::System, None, event);
            }
            if watcher.webhook.is_some() {
                tx.put_message(&webhook::message(self, change, now)).await?;
            }
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

    /// Up to a tenth more or less, so that many servers do not all ask at once.
    fn jittered(&self, every: Duration) -> Duration {
        let [drawn] = self.with_random(crate::base::random::random_bytes::<1>);
        every * (90 + u32::from(drawn) % 21) / 100
    }
}

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

/// Something of ours could not be read; the reason is for the log.
fn broken(error: &Error) -> Alarm {
    tracing::error!("the watch cannot compare: {}", chain(error));
    own(
        WATCH_BROKEN,
        Severity::Critical,
        "Our own keys or domains cannot be read, so that the tenant's federation is compared with nothing.".to_owned(),
        "`claimbridge keys list` and `claimbridge doctor` say more; restore what was altered.",
    )
}

fn own(kind: &str, severity: Severity, sentence: String, remedy: &str) -> Alarm {
    Alarm {
        id: kind.to_owned(),
        origin: Origin::Own,
        kind: kind.to_owned(),
        severity,
        domain: None,
        property: None,
        sentence,
        remedy: remedy.to_owned(),
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
