//! What is looked at: our own certificates, the application that reads the tenant, the tenant.
//!
//! Always true: what could not be looked at is said ([`Seen::looked`]), and is neither new
//! nor over; where our own key cannot be used, what needs none of it is compared all the same.

use std::{collections::BTreeSet, time::Duration};

use super::{
    CREDENTIAL_CAN_WRITE, CREDENTIAL_UNKNOWN, SIGNING_CERTIFICATE_EXPIRED,
    SIGNING_CERTIFICATE_EXPIRING, TLS_CERTIFICATE_EXPIRING, TenantReader, WATCH_BROKEN, Watcher,
    changes::{Alarm, Looked, Origin, Part, Severity},
    credential::Powers,
};
use crate::{
    app::{
        App, Error,
        federation::{held_certificates, ours, ours_without_key, read::read_tenant},
        saml::chain,
    },
    audit::Actor,
    base::text::DomainName,
    federation::{
        Lasts, Ours, Tenant, drift,
        drift::{CERTIFICATE_SOON, drift_without_key},
    },
    keys::{KeyPurpose, certificate::Certificate, state::KeyState},
    outbound::guard::Outbound,
};

/// How long a look may take.
const LOOK: Duration = Duration::from_mins(8);
/// How long before its end the certificate of TLS is told: a renewal that works was earlier.
const TLS_SOON: Duration = Duration::from_hours(14 * 24);

/// What became of the tenant.
#[derive(Debug)]
pub(super) enum TenantLook {
    /// None is configured.
    NotConfigured,
    /// It was read.
    Read,
    /// It was read, and what it should have could not be told, or not all of it.
    NotCompared,
    /// It could not be read, and why.
    Failed(String),
}

/// What a look saw.
#[derive(Debug)]
pub(super) struct Seen {
    /// What is not as it should be.
    pub alarms: Vec<Alarm>,
    /// What could be looked at: what of it is not among the alarms is over.
    pub looked: Looked,
    /// What became of the tenant.
    pub tenant: TenantLook,
}

impl App {
    /// Looks at everything. What goes wrong with it is among what was seen.
    pub(super) async fn look(&self, watcher: &Watcher, outbound: &Outbound) -> Seen {
        let mut seen = Seen {
            alarms: Vec::new(),
            looked: Looked {
                parts: BTreeSet::from([Part::Own]),
                ..Looked::default()
            },
            tenant: TenantLook::NotConfigured,
        };
        seen.alarms.extend(self.tls_alarm(watcher));
        match self.key_alarms().await {
            Ok(alarms) => {
                seen.alarms.extend(alarms);
                seen.looked.parts.insert(Part::Keys);
            }
            Err(error) => seen.alarms.push(broken(&error)),
        }
        let Some(reader) = &watcher.tenant else {
            // No application, hence none that could write.
            seen.looked.parts.insert(Part::Credential);
            return seen;
        };
        let looking = self.look_at_tenant(reader, outbound, &mut seen);
        let looked = tokio::time::timeout(LOOK, looking).await;
        seen.tenant = match looked {
            Ok(Ok(look)) => look,
            // Ours, not the tenant's: told, and what was known of the tenant stays.
            Ok(Err(error)) => {
                seen.alarms.push(broken(&error));
                TenantLook::NotCompared
            }
            Err(_) => TenantLook::Failed("it took too long".to_owned()),
        };
        if matches!(seen.tenant, TenantLook::Read) {
            seen.looked.parts.insert(Part::Tenant);
        }
        seen
    }

    /// Our signing certificates.
    async fn key_alarms(&self) -> Result<Vec<Alarm>, Error> {
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
        Ok(alarms)
    }

    /// The certificate that browsers are shown.
    fn tls_alarm(&self, watcher: &Watcher) -> Option<Alarm> {
        let now = self.now();
        let ends = watcher.tls_end.as_ref()?()?;
        if ends >= now.plus(TLS_SOON) {
            return None;
        }
        let severity = if ends < now {
            Severity::Critical
        } else {
            Severity::Warning
        };
        let mut alarm = own(
            TLS_CERTIFICATE_EXPIRING,
            severity,
            format!("The TLS certificate ends at {ends}."),
            "Renew it, and see why the renewal did not run; `serve` takes a new file up by itself.",
        );
        alarm.id = format!("{TLS_CERTIFICATE_EXPIRING}:{}", ends.as_millis());
        Some(alarm)
    }

    /// The tenant. What is an error is one of ours (the database).
    async fn look_at_tenant(
        &self,
        reader: &TenantReader,
        outbound: &Outbound,
        seen: &mut Seen,
    ) -> Result<TenantLook, Error> {
        // Before the network, so that it is known whatever becomes of that.
        let whole = ours(self).await;
        if let Err(error) = &whole {
            seen.alarms.push(broken(error));
        }
        let (graph, powers) = match reader.open(outbound).await {
            Ok(opened) => opened,
            Err(error) => return Ok(TenantLook::Failed(chain(&error))),
        };
        seen.looked.parts.insert(Part::Credential);
        seen.alarms.extend(of_powers(&powers));
        let tenant = match read_tenant(&graph).await {
            Ok(tenant) => tenant,
            Err(error) => return Ok(TenantLook::Failed(chain(&error))),
        };
        let now = self.now();
        let (ours, drifts, look) = if let Ok(ours) = whole {
            let drifts = drift(&ours, &tenant, now);
            (ours, drifts, TenantLook::Read)
        } else {
            let ours = ours_without_key(self).await?;
            let drifts = drift_without_key(&ours, &tenant, now);
            (ours, drifts, TenantLook::NotCompared)
        };
        seen.alarms.extend(drifts.iter().map(Alarm::from));
        for domain in &tenant.unreadable {
            let name = domain
                .name
                .parse()
                .map_or_else(|_| domain.name.clone(), |name: DomainName| name.to_string());
            for name in [name, domain.name.clone()] {
                if domain.lasts == Lasts::MayPass {
                    seen.looked.may_pass.insert(name.clone());
                }
                seen.looked.unread.insert(name);
            }
        }
        self.note_certificates(&ours, &tenant).await?;
        Ok(look)
    }

    /// Which of our certificates each domain's federation holds: `keys activate` goes by it.
    async fn note_certificates(&self, ours: &Ours, tenant: &Tenant) -> Result<(), Error> {
        for domain in &ours.domains {
            let state = tenant.domain(&domain.name);
            if let Some(held) = state.and_then(|state| held_certificates(domain, state)) {
                self.note_seen(&domain.name, &held, Actor::System).await?;
            }
        }
        Ok(())
    }
}

/// What the application may do beyond reading.
fn of_powers(powers: &Powers) -> Option<Alarm> {
    match powers {
        Powers::Reads(_) => None,
        Powers::Unknown => Some(own(
            CREDENTIAL_UNKNOWN,
            Severity::Warning,
            "The token of the application in [graph] does not say what it may do.".to_owned(),
            "See in Entra that it has Domain.Read.All and Policy.Read.All and nothing else.",
        )),
        Powers::Writes(by) => Some(own(
            CREDENTIAL_CAN_WRITE,
            Severity::Critical,
            format!(
                "The application of [graph] may write ({}); its secret lies on this server.",
                by.join(", ")
            ),
            "Take these permissions away in Entra; Domain.Read.All and Policy.Read.All are enough.",
        )),
    }
}

/// Something of ours could not be read; the reason is for the log.
fn broken(error: &Error) -> Alarm {
    tracing::error!("the watch cannot compare: {}", chain(error));
    own(
        WATCH_BROKEN,
        Severity::Critical,
        "Our own keys or domains cannot be read, so that the tenant's federation is compared in part, or with nothing.".to_owned(),
        "`claimbridge keys list` and `claimbridge doctor` say more; restore what was altered.",
    )
}

/// A finding that is not the tenant's.
pub(super) fn own(kind: &str, severity: Severity, sentence: String, remedy: &str) -> Alarm {
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
