//! Where signatures are made.
//!
//! Always true: a key in memory signs at once; one in a token signs off the async threads,
//! few at a time and not for ever, so that a device that hangs is an outage and stops
//! nothing else; whatever is wrong with a token is said as one code, and nothing else signs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::timeout};

use super::KeyPurpose;
use crate::{
    app::{App, Category, Error, SupportCode, saml::chain},
    base::{clock::Timestamp, ids::KeyId},
    keys::{SigningKey, state::Custody},
};

/// How many signatures a token is asked for at once.
const AT_ONCE: usize = 8;

/// How long a token may take for one answer, and how long anybody waits for a place.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long nobody waits for a token that hung: a person waits for the answer.
const HUNG: Duration = Duration::from_secs(10);

/// How long it is believed that the key can be used, or not: who asks is a stranger.
const BELIEVED: Duration = Duration::from_secs(2);

/// What was seen of a key: whether it could sign, or why not.
struct Look {
    at: Timestamp,
    found: Result<(), String>,
}

impl Look {
    fn is_believed(&self, now: Timestamp) -> bool {
        now.since(self.at) < BELIEVED
    }
}

/// The places at which a token is asked.
pub(in crate::app) struct Places {
    places: Arc<Semaphore>,
    /// Of each key for itself: one may be gone while the other is there.
    last_looks: Mutex<HashMap<KeyId, Look>>,
    hung_at: Mutex<Option<Timestamp>>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
            last_looks: Mutex::default(),
            hung_at: Mutex::default(),
        }
    }
}

#[cfg(test)]
impl Places {
    /// All of them, taken.
    pub(in crate::app) async fn all(&self) -> tokio::sync::OwnedSemaphorePermit {
        let places = Arc::clone(&self.places);
        let all = u32::try_from(AT_ONCE).unwrap();
        places.acquire_many_owned(all).await.unwrap()
    }
}

impl App {
    /// Does `work` with the key where it may take its time. The error is a sentence.
    pub(in crate::app) async fn with_key<T, E>(
        &self,
        key: &Arc<SigningKey>,
        work: impl FnOnce(&SigningKey) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        E: std::error::Error + Send + 'static,
    {
        if key.custody() == Custody::Software {
            return work(key).map_err(|error| {
                Error::internal(format!("it could not be signed: {}", chain(&error)))
            });
        }
        if self.hung_at().is_some_and(|at| self.now().since(at) < HUNG) {
            return Err(unavailable(
                "the token did not answer a moment ago".to_owned(),
            ));
        }
        let key = Arc::clone(key);
        let places = Arc::clone(&self.places.places);
        // Others who are before us say nothing of the token: only its own silence counts as that.
        let Ok(place) = timeout(PATIENCE, places.acquire_owned()).await else {
            return Err(unavailable(
                "too many signatures wait for the token".to_owned(),
            ));
        };
        let signed = timeout(
            PATIENCE,
            tokio::task::spawn_blocking(move || {
                let signed = work(&key);
                // A device that hangs keeps its place, and no more than there are.
                drop(place);
                signed
            }),
        );
        match signed.await {
            Ok(Ok(Ok(signed))) => Ok(signed),
            Ok(Ok(Err(error))) => Err(unavailable(chain(&error))),
            Ok(Err(error)) => Err(Error::internal(format!("signing failed: {error}"))),
            Err(_) => {
                let slot = self.places.hung_at.lock();
                *slot.unwrap_or_else(PoisonError::into_inner) = Some(self.now());
                Err(unavailable(format!(
                    "the token did not answer within {} seconds",
                    PATIENCE.as_secs()
                )))
            }
        }
    }

    /// Whether the key could sign now.
    pub(in crate::app) async fn require_ready(&self, key: &Arc<SigningKey>) -> Result<(), Error> {
        if key.custody() == Custody::Software {
            return Ok(());
        }
        let now = self.now();
        if let Some(found) = self.believed(&key.id, now) {
            return found.map_err(unavailable);
        }
        let found = self.with_key(key, SigningKey::ready).await;
        let look = Look {
            at: now,
            found: found.as_ref().copied().map_err(ToString::to_string),
        };
        let looks = self.places.last_looks.lock();
        let mut looks = looks.unwrap_or_else(PoisonError::into_inner);
        looks.retain(|_, look| look.is_believed(now));
        looks.insert(key.id.clone(), look);
        found
    }

    fn hung_at(&self) -> Option<Timestamp> {
        let slot = self.places.hung_at.lock();
        *slot.unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen of that key a moment ago.
    fn believed(&self, key: &KeyId, now: Timestamp) -> Option<Result<(), String>> {
        let looks = self.places.last_looks.lock();
        let looks = looks.unwrap_or_else(PoisonError::into_inner);
        let look = looks.get(key).filter(|look| look.is_believed(now))?;
        Some(look.found.clone())
    }

    /// Whether the active key of assertions could sign now; for commands.
    pub async fn require_signing(&self) -> Result<(), Error> {
        let mut tx = self.store.read().await?;
        let key = self.signing_key(&mut tx).await?;
        debug_assert_eq!(key.purpose, KeyPurpose::Assertion);
        drop(tx);
        self.with_key(&key, SigningKey::ready).await
    }
}

fn unavailable(detail: String) -> Error {
    Error::new(Category::Unavailable, &SupportCode::KEY_UNAVAILABLE, detail)
}
