//! The key of each purpose that signs now, kept in memory.
//!
//! Always true: each answer asks its own transaction which key is active, so that every
//! node signs with a new key from the next answer on and with none that is not active;
//! what is kept is the opened key, because opening costs as much as signing.

use std::sync::{Arc, PoisonError, RwLock};

use super::{
    mark::{Flaw, Keys},
    open::open_key,
};
use crate::{
    app::{App, Error},
    base::{clock::Timestamp, ids::KeyId},
    keys::{KeyPurpose, SignError, Signer, SigningKey},
    storage::{ActiveMark, ReadTx, StoredKey},
};

/// The opened key, the row it is of, and how many changes of keys this process has seen.
#[derive(Clone, Debug)]
struct Opened {
    mark: ActiveMark,
    key: Arc<SigningKey>,
    generation: i64,
}

/// The key that signs, as this process knows it.
#[derive(Debug)]
pub(in crate::app) struct Ring(RwLock<Opened>);

impl Ring {
    /// Of a start that found the keys sound, at that number.
    pub(in crate::app) fn new(stored: &StoredKey, key: SigningKey, generation: i64) -> Self {
        Self(RwLock::new(Opened {
            mark: ActiveMark::of(stored),
            key: Arc::new(key),
            generation,
        }))
    }

    /// Of a database whose active row was altered, or of whose keys none is active or there:
    /// commands can mend it, nothing is signed, and each answer says why.
    /// Keys of a generation before `generation` are not taken for mended.
    pub(in crate::app) fn broken(
        id: KeyId,
        certificate: Vec<u8>,
        made: Timestamp,
        generation: i64,
    ) -> Self {
        let purpose = KeyPurpose::Assertion;
        Self::without_key(id, purpose, certificate, made, generation)
    }

    /// Of a purpose whose key was not asked for yet.
    pub(in crate::app) fn not_asked(id: KeyId, purpose: KeyPurpose) -> Self {
        Self::without_key(id, purpose, Vec::new(), Timestamp::from_millis(0), 0)
    }

    /// The empty seal is no row's: the first answer looks at the rows.
    fn without_key(
        id: KeyId,
        purpose: KeyPurpose,
        certificate: Vec<u8>,
        made: Timestamp,
        generation: i64,
    ) -> Self {
        let mark = ActiveMark {
            id: id.clone(),
            seal: String::new(),
            all_keys: String::new(),
        };
        let key = SigningKey::new(id, purpose, certificate, made, Arc::new(NoKey));
        Self(RwLock::new(Opened {
            mark,
            key: Arc::new(key),
            generation,
        }))
    }

    fn held(&self) -> Opened {
        let held = self.0.read();
        held.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(in crate::app) fn hold(&self, mark: ActiveMark, key: &Arc<SigningKey>, generation: i64) {
        let held = self.0.write();
        *held.unwrap_or_else(PoisonError::into_inner) = Opened {
            mark,
            key: Arc::clone(key),
            generation,
        };
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
        self.ring.held().key
    }

    /// What this process keeps of a purpose; audit keys it does not keep.
    fn ring_of(&self, purpose: KeyPurpose) -> Option<&Ring> {
        match purpose {
            KeyPurpose::Assertion => Some(&self.ring),
            KeyPurpose::Oidc => Some(&self.oidc_ring),
            KeyPurpose::Audit => None,
        }
    }

    /// The highest number of changes of keys that this process has seen.
    pub(super) fn seen_generation(&self, purpose: KeyPurpose) -> i64 {
        let ring = self.ring_of(purpose);
        ring.map_or(0, |ring| ring.held().generation)
    }

    /// The key that signs assertions now, by what `tx` sees.
    pub(in crate::app) async fn signing_key(
        &self,
        tx: &mut ReadTx<'_>,
    ) -> Result<Arc<SigningKey>, Error> {
        self.key_that_signs(tx, KeyPurpose::Assertion).await
    }

    /// The key that signs id_tokens now, by what `tx` sees. See [`App::ensure_oidc_key`].
    pub(in crate::app) async fn oidc_signing_key(
        &self,
        tx: &mut ReadTx<'_>,
    ) -> Result<Arc<SigningKey>, Error> {
        self.key_that_signs(tx, KeyPurpose::Oidc).await
    }

    /// The same, for who has no transaction.
    pub async fn oidc_key(&self) -> Result<Arc<SigningKey>, Error> {
        self.oidc_signing_key(&mut self.store.read().await?).await
    }

    /// If anything changed, all keys are looked at together: an older copy that was put back is
    /// refused, and so is one that is behind what this process saw (attack 20).
    async fn key_that_signs(
        &self,
        tx: &mut ReadTx<'_>,
        purpose: KeyPurpose,
    ) -> Result<Arc<SigningKey>, Error> {
        let ring = self
            .ring_of(purpose)
            .ok_or_else(|| Error::internal(format!("no {purpose} key is kept")))?;
        let held = ring.held();
        let active = tx.active_key(purpose).await?;
        // What a start held was not yet looked at together: a mark that is gone by now is no answer.
        if active.as_ref() == Some(&held.mark) && !held.mark.all_keys.is_empty() {
            return Ok(held.key);
        }
        // A process that has seen nothing yet reads what happened: for assertions its start did.
        let found = if purpose == KeyPurpose::Oidc && held.mark.seal.is_empty() {
            Keys::of_all_events(tx, &self.sealing, purpose).await?
        } else {
            Keys::of(tx, &self.sealing, purpose).await?
        };
        if let Some(flaw) = found.flaw {
            return Err(flaw.tampering(purpose));
        }
        let generation = found.generation.unwrap_or_default();
        if generation < held.generation {
            return Err(Flaw::Altered.tampering(purpose));
        }
        let stored = found.active().ok_or_else(|| {
            Error::internal(format!(
                "no {purpose} key is active; say `claimbridge keys list`"
            ))
        })?;
        let mark = ActiveMark {
            all_keys: found.mark_tag.clone(),
            ..ActiveMark::of(stored)
        };
        let key = if mark.id == held.mark.id && mark.seal == held.mark.seal {
            held.key
        } else {
            Arc::new(open_key(stored, &self.sealing, self.token.as_ref())?)
        };
        ring.hold(mark, &key, generation);
        Ok(key)
    }
}
