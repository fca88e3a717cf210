//! One look at the tenant and at our own certificates, and what is told of it.

use std::time::Duration;

use super::{
    CREDENTIAL_CAN_WRITE, CREDENTIAL_UNKNOWN, MORE_FINDINGS, SIGNING_CERTIFICATE_EXPIRED,
    SIGNING_CERTIFICATE_EXPIRING, TENANT_UNREADABLE, TLS_CERTIFICATE_EXPIRING, TenantReader,
    Watcher,
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
    storage::WatchState,
};

/// How long a node has the turn; no look takes as long.
const TURN: Duration = Duration::from_mins(10);
/// How long a look may take.
const LOOK: Duration = Duration::from_mins(8);
/// No node of ours writes an instant that lies further ahead: a day, and what is added to it.
pub(super) const BEYOND: Duration = Duration::from_hours(48);
/// After this many times in a row it is told that the tenant cannot be read.
const UNREADABLE_AFTER: i64 = 2;
/// More findings than this are not told one by one.
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
    /// It was not asked, because who asks could write.
    Refused,
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
        let (until, beyond) = (now.plus(TURN), now.plus(BEYOND));
        let mut tx = self.store.read().await?;
        let state = tx.watch_state().await?;
        drop(tx);
        let is_over = |at: Timestamp| at <= now || at > beyond;
        if !is_over(state.lease_until) || !is_over(state.next_look_at) {
            return Ok(Round::NotDue);
        }
        let holder = self.store.node().to_string();
        let mut tx = self.store.begin().await?;
        if !tx.take_watch(&holder, now, until, beyond).await? {
            return Ok(Round::NotDue);
        }
        tx.commit().await?;
        let mut alarms = self.own_alarms(watcher).await?;
        let look = match &watcher.tenant {
            None => TenantLook::NotConfigured,
            Some(reader) => {
                let looking = self.look_at_tenant(reader, outbound, &mut alarms);
                match tokio::time::timeout(LOOK, looking).await {
                    Ok(look) => look?,
                    Err(_) => TenantLook::Failed("it took too long".to_owned()),
                }
            }
        };
        self.settle(watcher, &holder, until, &state, alarms, look)
            .await
    }

    /// Our own certificates.
    async fn own_alarms(&self, watcher: &Watcher) -> Result<Vec<Alarm>, Error> {
        let now = self.now();
        let mut alarms = Vec::new();
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
        Ok(alarms)
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
                        "The application of [graph] may write ({}), and the tenant is not looked at with it.",
                        by.join(", ")
                    ),
                    "Take these permissions away in Entra; Domain.Read.All and Policy.Read.All are enough.",
                ));
                return Ok(TenantLook::Refused);
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
            TenantLook::NotConfigured | TenantLook::Refused => {}
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
        alarms.sort_by_key(|alarm| std::cmp::Reverse(alarm.severity));
        if alarms.len() > MOST {
            let more = alarms.len() - MOST;
            alarms.truncate(MOST);
            alarms.push(own(
                MORE_FINDINGS,
                Severity::Critical,
                format!("There are more than {more} further findings."),
                "`claimbridge domain drift` shows all.",
            ));
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
        let changes = changes(&known, &alarms, seen, now);
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
