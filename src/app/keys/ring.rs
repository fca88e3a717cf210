//! The key that signs now, kept in memory.
//!
//! Always true: each answer asks its own transaction which key is active, so that every
//! node signs with a new key from the next answer on and with none that is not active;
//! what is kept is the opened key, because opening costs as much as signing.

use std::sync::{Arc, PoisonError, RwLock};

use super::open::open_key;
use crate::{
    app::{App, Error},
    keys::{KeyPurpose, SignError, Signer, SigningKey},
    storage::{ActiveMark, ReadTx, StoredKey},
};

/// The opened key, and the row it is of.
#[derive(Debug)]
pub(in crate::app) struct Ring(RwLock<(ActiveMark, Arc<SigningKey>)>);

impl Ring {
    pub(in crate::app) fn new(stored: &StoredKey, key: SigningKey) -> Self {
        Self(RwLock::new((ActiveMark::of(stored), Arc::new(key))))
    }

    /// Of a database whose active row was altered, or of whose keys none is active: commands
    /// can mend it, nothing is signed, and each answer says why.
    pub(in crate::app) fn broken(stored: &StoredKey) -> Self {
        let (id, purpose) = (stored.id.clone(), stored.purpose);
        let (certificate, made) = (stored.certificate.clone(), stored.created_at);
        let key = SigningKey::new(id, purpose, certificate, made, Arc::new(NoKey));
        let nobody = ActiveMark {
            id: stored.id.clone(),
            seal: String::new(),
        };
        Self(RwLock::new((nobody, Arc::new(key))))
    }

    fn held(&self) -> (ActiveMark, Arc<SigningKey>) {
        let held = self.0.read();
        held.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(in crate::app) fn hold(&self, stored: &StoredKey, key: &Arc<SigningKey>) {
        let held = self.0.write();
        *held.unwrap_or_else(PoisonError::into_inner) = (ActiveMark::of(stored), Arc::clone(key));
    }
}

/// Signs nothing.
struct NoKey;

impl Signer for NoKey {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
        Err(SignError::Unavailable("no key is active".to_owned()))
    }
}

impl App {
    /// The key that signed assertions when it was asked for last.
    pub fn assertion_key(&self) -> Arc<SigningKey> {
        self.ring.held().1
    }

    /// The key that signs assertions now, by what `tx` sees.
    pub(in crate::app) async fn signing_key(
        &self,
        tx: &mut ReadTx<'_>,
    ) -> Result<Arc<SigningKey>, Error> {
        let none = || Error::internal("no assertion key is active; say `claimbridge keys list`");
        let (held, key) = self.ring.held();
        let active = tx.active_key(KeyPurpose::Assertion).await?;
        let active = active.ok_or_else(none)?;
        if active == held {
            return Ok(key);
        }
        let stored = tx.key(&active.id).await?.ok_or_else(none)?;
        let key = Arc::new(open_key(&stored, &self.sealing, self.token.as_ref())?);
        self.ring.hold(&stored, &key);
        Ok(key)
    }
}
