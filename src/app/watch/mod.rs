//! The watch over the federation: `serve` looks at the tenant every hour or so and tells of
//! what changed behind our back (attack 20).
//!
//! Always true: of all nodes one looks at a time; a sign-in never waits for it; what was found
//! is kept with a tag, so that a restart neither repeats nor loses an alarm and whoever writes
//! to the database alters none of them unnoticed; a process that has not looked for twice its
//! time looks and tells, whatever the database says of the turn; a message that is gone before
//! the webhook took it is made again; it is an alarm if the application that
//! reads could write; a tenant that cannot be read is never taken for one in which nothing changed.
//!
//! Read next: [`round`], one look (`look`, what is seen; `settle`, what is told of it); [`changes`], what is told and when; [`webhook`], to whom.

/// What is told, and when.
pub mod changes;
/// The application that reads the tenant, and what it may do.
pub mod credential;
mod kept;
mod look;
/// What is measured.
pub mod measured;
/// One look.
pub mod round;
mod settle;
/// Telling somebody else.
pub mod webhook;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use crate::{base::clock::Timestamp, federation::DriftKind};

pub use crate::outbound::guard::Outbound;
pub use changes::{Alarm, Origin, Part, Severity, Telling};
pub use credential::TenantReader;
pub(super) use kept::rewrap_watch;
pub use round::Round;
pub use webhook::Webhook;

/// How a node watches.
pub struct Watcher {
    /// How often.
    pub every: Duration,
    /// With what the tenant is read; without it only our own certificates are watched.
    pub tenant: Option<TenantReader>,
    /// Who is told besides the log.
    pub webhook: Option<Webhook>,
    /// When the certificate of TLS ends, if this server has one.
    pub tls_end: Option<CertificateEnd>,
    /// What this process did itself, whatever the database says.
    pub own: OwnRounds,
}

/// When this process told last what it saw (before that, when it began), and when it tried
/// without a turn, in milliseconds.
#[derive(Debug, Default)]
pub struct OwnRounds {
    told: AtomicI64,
    tried: AtomicI64,
}

impl OwnRounds {
    /// Whether it has told nothing for that long, and tries again.
    fn is_overdue(&self, now: Timestamp, patience: Duration) -> bool {
        let at = now.as_millis();
        let began = self
            .told
            .compare_exchange(0, at, Ordering::Relaxed, Ordering::Relaxed);
        let Err(told) = began else { return false };
        let since = |last: i64| now.since(Timestamp::from_millis(last));
        // A database that takes nothing is no reason to ask the tenant all the time.
        since(told) > patience && since(self.tried.load(Ordering::Relaxed)) >= round::TURN
    }

    fn note(&self, now: Timestamp) {
        self.told.store(now.as_millis(), Ordering::Relaxed);
    }

    fn note_try(&self, now: Timestamp) {
        self.tried.store(now.as_millis(), Ordering::Relaxed);
    }
}

/// Says when a certificate ends; it looks anew each time.
pub type CertificateEnd = Arc<dyn Fn() -> Option<Timestamp> + Send + Sync>;

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher")
            .field("every", &self.every)
            .field("tenant", &self.tenant)
            .field("webhook", &self.webhook)
            .finish_non_exhaustive()
    }
}

/// A kind of finding that is not one of [`crate::federation::DriftKind`].
pub struct OwnKind {
    /// Its stable name.
    pub name: &'static str,
    /// What it means, for the operator.
    pub means: &'static str,
}

/// Kinds that the watch itself has.
pub const OWN_KINDS: [OwnKind; 7] = [
    OwnKind {
        name: TENANT_UNREADABLE,
        means: "The tenant could not be read twice in a row. While that lasts nobody sees whether the federation is changed. The sentence says why: the network, the application's secret, or its permissions.",
    },
    OwnKind {
        name: WATCH_BROKEN,
        means: "What the tenant should have could not be told from our own database: a signing key or a domain was altered, or the database does not answer. While that lasts the federation is compared in part only (foreign domains and keys that are none of ours), or with nothing. `claimbridge keys list` and `claimbridge doctor` say more.",
    },
    OwnKind {
        name: CREDENTIAL_CAN_WRITE,
        means: "The application of [graph] may write to the tenant. Its secret lies on this server: a stolen server would be a stolen tenant. Give it Domain.Read.All and Policy.Read.All, and nothing else.",
    },
    OwnKind {
        name: CREDENTIAL_UNKNOWN,
        means: "The application's token does not say what it may do, so that it cannot be seen whether it could write.",
    },
    OwnKind {
        name: SIGNING_CERTIFICATE_EXPIRING,
        means: "The certificate of a signing key ends within sixty days. The exchange takes days: begin it with `claimbridge keys stage`.",
    },
    OwnKind {
        name: SIGNING_CERTIFICATE_EXPIRED,
        means: "The certificate of a signing key has ended. Begin the exchange with `claimbridge keys stage`.",
    },
    OwnKind {
        name: TLS_CERTIFICATE_EXPIRING,
        means: "The certificate in the files of [tls] ends within two weeks, or has ended. Renew it; `serve` takes the new one up by itself.",
    },
];

const WATCH_BROKEN: &str = "watch-broken";
const TENANT_UNREADABLE: &str = "tenant-unreadable";
const CREDENTIAL_CAN_WRITE: &str = "credential-can-write";
const CREDENTIAL_UNKNOWN: &str = "credential-unknown";
const SIGNING_CERTIFICATE_EXPIRING: &str = "signing-certificate-expiring";
const SIGNING_CERTIFICATE_EXPIRED: &str = "signing-certificate-expired";
const TLS_CERTIFICATE_EXPIRING: &str = "tls-certificate-expiring";

/// What a kind of finding means, for the operator.
pub fn words_of_kind(name: &str) -> Option<(&'static str, &'static str)> {
    let own = OWN_KINDS.iter().find(|kind| kind.name == name);
    own.map(|kind| (kind.name, kind.means)).or_else(|| {
        let kind = DriftKind::ALL.iter().find(|kind| kind.as_str() == name)?;
        Some((kind.as_str(), words_of_drift(*kind)))
    })
}

fn words_of_drift(kind: DriftKind) -> &'static str {
    match kind {
        DriftKind::DomainMissing => {
            "A domain that signs in here is not in the tenant: somebody removed it, or [graph] names another tenant."
        }
        DriftKind::DomainUnreadable => {
            "What Entra shows of a domain cannot be read, so nobody watches that one; look at it in Entra by hand. What was found there before stays as it was told. A refusal, or a contradiction as Entra shows it for a minute after a change, is a warning at the first look and critical at the second."
        }
        DriftKind::NotFederated => {
            "A domain that signs in here is managed: Entra asks its people for a password of its own."
        }
        DriftKind::SettingChanged => {
            "A property of a domain's federation is not as `claimbridge domain plan` wants it; `claimbridge domain apply` mends it. If nobody of you changed it, look in Entra's audit log who did."
        }
        DriftKind::UnknownCertificate => {
            "Entra accepts tokens of a key that is none of ours. That is the best-known backdoor into a tenant: whoever has that key signs in as anybody, past every factor. If nobody of you did this, treat it as an attack."
        }
        DriftKind::IssuerElsewhere => {
            "Another domain carries an issuer of ours. Whoever owns its federation could name our people."
        }
        DriftKind::ForeignFederation => {
            "Another domain of the tenant is federated with somebody else. If you know that provider, let it be; otherwise treat it as an attack."
        }
        DriftKind::SubDomainFederation => {
            "A sub-domain has a federation of its own and no longer that of its root."
        }
        DriftKind::CertificateExpiring => {
            "A certificate that Entra holds of ours ends within sixty days. Begin the exchange with `claimbridge keys stage`."
        }
        DriftKind::CertificateExpired => "A certificate that Entra holds of ours has ended.",
        DriftKind::SecurityDefaults => {
            "Security defaults are on in the tenant; the claim of a federated provider is reported to be ignored there."
        }
        DriftKind::UnknownProperty => {
            "Entra shows of a federation of ours what this program does not know; a later version may."
        }
        DriftKind::TokenValidationWeakened => {
            "Entra no longer compares the root domain of realm and person for all domains: a foreign realm could name people of others."
        }
    }
}
