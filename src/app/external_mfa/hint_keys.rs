//! The keys of Entra's clouds, fetched through the guard and kept.
//!
//! Always true: a hint whose key was read within a day waits for nobody; of each cloud one fetch is
//! underway at most, bounded in time, and a stranger who invents names of keys causes one a minute;
//! who goes away while it is underway ends it for nobody; nobody is the first to come, because
//! `serve` reads them at its start and by time ([`App::renew_hint_keys`]), and no cloud is asked
//! that no tenant is in; keys
//! that could not be read again for two days count no more, because one that Entra took back
//! would be among them; an outage is `Unavailable` and never "the hint is wrong".

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use openidconnect::http::{self, StatusCode};
use tokio::{sync::OwnedMutexGuard, task::JoinSet};

use crate::{
    app::{App, Category, Error, SupportCode, external_mfa::tenants, saml::chain},
    base::clock::Timestamp,
    outbound::guard::{Outbound, OutboundError},
    protocol::oidc::hint_keys::{HintKeys, HintKeysError, MAX_DOCUMENT, parse_metadata},
    relying_party::ExternalMfaCloud,
};

/// When keys are read again, although each hint's key is known. Entra gives no schedule (facts §5.2).
const READ_AGAIN: Duration = Duration::from_hours(12);
/// When whoever comes waits for that: a key that Entra took back counts a day at the most, unless
/// the cloud cannot be asked.
const READ_FIRST: Duration = Duration::from_hours(24);
/// How long keys count that could not be read again.
const KEEP: Duration = Duration::from_hours(48);
/// How long the cloud is left in peace after it was asked: for an unknown key, or in an outage.
const PEACE: Duration = Duration::from_mins(1);
/// How long a person may wait for a fetch.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    /// No answer, or none that is read.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// Another answer.
    #[error("{address} answered {status}")]
    Status {
        /// What was asked.
        address: String,
        /// HTTP's status.
        status: u16,
    },
    /// An answer that cannot be used.
    #[error(transparent)]
    Document(#[from] HintKeysError),
    /// It takes too long.
    #[error("the cloud's keys were not read within {} seconds", DEADLINE.as_secs())]
    Deadline,
    /// It failed a moment ago.
    #[error("the cloud's keys could not be read a moment ago")]
    JustFailed,
}

/// What is known of one cloud.
#[derive(Clone, Debug, Default)]
struct Held {
    keys: Option<Arc<HintKeys>>,
    asked_at: Option<Timestamp>,
}

/// What to do about a hint's key.
#[derive(Debug)]
enum Plan {
    /// These do; or they must, because the cloud was asked just now and has no others.
    Use(Arc<HintKeys>),
    /// These do, and it is time to read them again, if nobody does.
    UseAndRefresh(Arc<HintKeys>),
    /// They must be read; if that fails, these do.
    FetchOr(Arc<HintKeys>),
    /// They must be read.
    Fetch,
    /// They would have to be read, and just now they could not be.
    JustFailed,
}

impl Held {
    /// Whether it was asked a moment ago. A clock that was set back does not keep it from being
    /// asked.
    fn in_peace(&self, now: Timestamp) -> bool {
        self.asked_at
            .is_some_and(|at| at <= now && now.since(at) < PEACE)
    }

    /// The keys that count still.
    fn usable(&self, now: Timestamp) -> Option<&Arc<HintKeys>> {
        let keys = self.keys.as_ref();
        keys.filter(|keys| now.since(keys.read_at()) < KEEP)
    }

    /// Whether they are to be read by time, though nobody came.
    fn is_due(&self, now: Timestamp) -> bool {
        let fresh = self.keys.as_ref();
        let fresh = fresh.filter(|keys| now.since(keys.read_at()) < READ_AGAIN);
        fresh.is_none() && !self.in_peace(now)
    }

    fn plan(&self, kid: &str, now: Timestamp) -> Plan {
        match (self.usable(now), self.in_peace(now)) {
            (Some(keys), false) if keys.has(kid) && now.since(keys.read_at()) >= READ_FIRST => {
                Plan::FetchOr(Arc::clone(keys))
            }
            (Some(keys), false) if keys.has(kid) && now.since(keys.read_at()) >= READ_AGAIN => {
                Plan::UseAndRefresh(Arc::clone(keys))
            }
            (Some(keys), _) if keys.has(kid) => Plan::Use(Arc::clone(keys)),
            (_, false) => Plan::Fetch,
            // The last question was answered by these.
            (Some(keys), true) if self.asked_at <= Some(keys.read_at()) => {
                Plan::Use(Arc::clone(keys))
            }
            (_, true) => Plan::JustFailed,
        }
    }
}

#[derive(Debug, Default)]
struct Cloud {
    held: RwLock<Held>,
    flight: Arc<tokio::sync::Mutex<()>>,
}

impl Cloud {
    fn held(&self) -> Held {
        let held = self.held.read();
        held.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Held)) {
        change(&mut self.held.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The keys that this process knows, by cloud: three, or four with the practice tenant's.
#[derive(Debug)]
pub(in crate::app) struct Shelf {
    clouds: Mutex<HashMap<ExternalMfaCloud, Arc<Cloud>>>,
    fetcher: Arc<Fetcher>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self::within(DEADLINE)
    }
}

impl Shelf {
    fn within(deadline: Duration) -> Self {
        let fetcher = Fetcher {
            outbound: OnceLock::new(),
            deadline,
        };
        Self {
            clouds: Mutex::default(),
            fetcher: Arc::new(fetcher),
        }
    }

    fn cloud(&self, cloud: &ExternalMfaCloud) -> Arc<Cloud> {
        let mut clouds = self.clouds.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(clouds.entry(cloud.clone()).or_default())
    }

    /// The keys of `cloud`; read again, if they lack `kid` and that may be.
    async fn keys(
        &self,
        cloud: &ExternalMfaCloud,
        kid: &str,
        now: Timestamp,
    ) -> Result<Arc<HintKeys>, FetchError> {
        let slot = self.cloud(cloud);
        match slot.held().plan(kid, now) {
            Plan::Use(keys) => Ok(keys),
            Plan::UseAndRefresh(keys) => {
                self.refresh(cloud, &slot, now);
                Ok(keys)
            }
            Plan::JustFailed => Err(FetchError::JustFailed),
            Plan::Fetch => self.fetched(cloud, &slot, kid, now).await,
            Plan::FetchOr(keys) => {
                let fetched = self.fetched(cloud, &slot, kid, now).await;
                Ok(fetched.unwrap_or(keys))
            }
        }
    }

    /// The keys, read now, by this caller or by the one before.
    async fn fetched(
        &self,
        cloud: &ExternalMfaCloud,
        slot: &Arc<Cloud>,
        kid: &str,
        now: Timestamp,
    ) -> Result<Arc<HintKeys>, FetchError> {
        let waiting = Arc::clone(&slot.flight).lock_owned();
        let waiting = tokio::time::timeout(self.fetcher.deadline, waiting);
        let flight = waiting.await.map_err(|_| FetchError::Deadline)?;
        // Whoever waited finds what the one before brought, or that it failed.
        match slot.held().plan(kid, now) {
            Plan::Use(keys) | Plan::UseAndRefresh(keys) => Ok(keys),
            Plan::JustFailed => Err(FetchError::JustFailed),
            Plan::Fetch | Plan::FetchOr(_) => {
                let (fetcher, cloud) = (Arc::clone(&self.fetcher), cloud.clone());
                let slot = Arc::clone(slot);
                // By itself: whoever asked may hang up, and everybody else needs the keys.
                let fetching = tokio::spawn(async move {
                    let keys = fetcher.fetch(&cloud, &slot, now).await;
                    drop(flight);
                    if let Err(error) = &keys {
                        let (code, why) = (SupportCode::CLOUD_KEYS.code, chain(error));
                        tracing::error!(
                            code,
                            "the keys of the cloud {} were not read: {why}",
                            cloud.name()
                        );
                    }
                    keys
                });
                fetching.await.unwrap_or(Err(FetchError::Deadline))
            }
        }
    }

    /// Reads the keys again while people go on with those that are here.
    fn refresh(&self, cloud: &ExternalMfaCloud, slot: &Arc<Cloud>, now: Timestamp) {
        if let Ok(flight) = Arc::clone(&slot.flight).try_lock_owned() {
            tokio::spawn(self.read_again(cloud, slot, flight, now));
        }
    }

    /// Reads the keys if it is time, though nobody came. Whoever comes meanwhile waits for the same.
    async fn renew(&self, cloud: &ExternalMfaCloud, now: Timestamp) {
        let slot = self.cloud(cloud);
        if !slot.held().is_due(now) {
            return;
        }
        let Ok(flight) = Arc::clone(&slot.flight).try_lock_owned() else {
            return;
        };
        // Whoever had it until just now may have read them.
        if slot.held().is_due(now) {
            self.read_again(cloud, &slot, flight, now).await;
        }
    }

    fn read_again(
        &self,
        cloud: &ExternalMfaCloud,
        slot: &Arc<Cloud>,
        flight: OwnedMutexGuard<()>,
        now: Timestamp,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (fetcher, cloud, slot) = (Arc::clone(&self.fetcher), cloud.clone(), Arc::clone(slot));
        async move {
            let read = fetcher.fetch(&cloud, &slot, now).await;
            drop(flight);
            let Err(error) = read else { return };
            let (code, why, name) = (SupportCode::CLOUD_KEYS.code, chain(&error), cloud.name());
            if slot.held().usable(now).is_some() {
                tracing::warn!("the keys of the cloud {name} grow old: {why}");
            } else {
                tracing::error!(code, "the keys of the cloud {name} were not read: {why}");
            }
        }
    }
}

/// Asks the clouds.
#[derive(Debug)]
struct Fetcher {
    outbound: OnceLock<Outbound>,
    deadline: Duration,
}

impl Fetcher {
    async fn fetch(
        &self,
        cloud: &ExternalMfaCloud,
        slot: &Cloud,
        now: Timestamp,
    ) -> Result<Arc<HintKeys>, FetchError> {
        let asking = tokio::time::timeout(self.deadline, self.ask(cloud, now));
        let asked = asking.await.unwrap_or(Err(FetchError::Deadline));
        let asked = asked.map(Arc::new);
        slot.change(|held| {
            held.asked_at = Some(now);
            if let Ok(keys) = &asked {
                held.keys = Some(Arc::clone(keys));
            }
        });
        asked
    }

    async fn ask(&self, cloud: &ExternalMfaCloud, now: Timestamp) -> Result<HintKeys, FetchError> {
        let outbound = if let Some(outbound) = self.outbound.get() {
            outbound
        } else {
            let new = Outbound::new()?;
            self.outbound.get_or_init(|| new)
        };
        let metadata = get(outbound, &cloud.metadata_url()).await?;
        let metadata = parse_metadata(cloud, &metadata)?;
        let document = get(outbound, &metadata.keys).await?;
        let keys = HintKeys::parse(cloud, &document, now)?;
        Ok(keys.of_instance(metadata.instance.as_deref())?)
    }
}

async fn get(outbound: &Outbound, address: &str) -> Result<Vec<u8>, FetchError> {
    let request = http::Request::builder()
        .uri(address)
        .header(http::header::ACCEPT, "application/json")
        .body(Vec::new())
        .map_err(OutboundError::Request)?;
    let answer = outbound.call_within(request, MAX_DOCUMENT).await?;
    if answer.status() == StatusCode::OK {
        Ok(answer.into_body())
    } else {
        Err(FetchError::Status {
            address: address.to_owned(),
            status: answer.status().as_u16(),
        })
    }
}

impl App {
    /// Reads the keys of each cloud that a tenant is in, where it is time: none are here, or they
    /// are half a day old. `serve` does so at its start and time and again, so that neither the
    /// first person nor one after a quiet night waits for a cloud, or for its outage. What goes
    /// wrong is a line in the log. Without a tenant nothing is asked.
    pub async fn renew_hint_keys(&self) {
        let tenants = match tenants::list(&self.store).await {
            Ok(tenants) => tenants,
            Err(error) => {
                let why = chain(&error);
                tracing::warn!("which clouds' keys are needed could not be read: {why}");
                return;
            }
        };
        let clouds: HashSet<ExternalMfaCloud> = tenants
            .iter()
            .filter_map(|tenant| self.settings.asking_tenant(tenant).ok())
            .map(|asking| asking.cloud)
            .collect();
        let now = self.now();
        let mut reading = JoinSet::new();
        for cloud in clouds {
            let held = Arc::clone(&self.hint_keys);
            reading.spawn(async move { held.renew(&cloud, now).await });
        }
        while reading.join_next().await.is_some() {}
    }

    /// The keys with which hints of this cloud are verified; read again, if they lack `kid` and
    /// that may be. That they lack it all the same is not an error here: the hint's verification
    /// says so.
    ///
    /// # Errors
    /// `Unavailable`: the cloud did not give them. Entra is told `temporarily_unavailable`.
    pub async fn hint_keys(
        &self,
        cloud: &ExternalMfaCloud,
        kid: &str,
    ) -> Result<Arc<HintKeys>, Error> {
        let found = self.hint_keys.keys(cloud, kid, self.now()).await;
        found.map_err(|error| {
            Error::new(
                Category::Unavailable,
                &SupportCode::CLOUD_KEYS,
                format!(
                    "the keys of the cloud {} are not there: {}",
                    cloud.name(),
                    chain(&error)
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests;
