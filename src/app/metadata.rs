//! The FIDO metadata in use.
//!
//! Always true: what is in use was verified under the operator's roots, and its number is
//! not below that of any file that any node used before (attack 35): the number is
//! remembered in the database, by one conditional statement. An older file, verified like any
//! other, still speaks against models and never for one.

use std::sync::{Arc, PoisonError, RwLock};

use super::{App, Error};
use crate::{
    audit::{Actor, Event},
    factor::webauthn::metadata::{MetadataError, verify_metadata},
};

pub use crate::factor::webauthn::metadata::{Freshness, MAX_BYTES, Metadata, Roots};

/// Where the metadata in use is; requests keep what they took until they end.
#[derive(Debug, Default)]
pub(super) struct Holder(RwLock<Held>);

#[derive(Clone, Debug, Default)]
enum Held {
    /// None was there.
    #[default]
    Nothing,
    /// One is in use.
    Used(Arc<Metadata>),
    /// The only one that was there is older than one that some node used. The models that it
    /// reports are refused as before; nothing else is taken from it, and until there is a newer
    /// one no key is added.
    Withheld(Arc<Metadata>),
}

/// Whether metadata is there as it should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Supply {
    /// In use, or none is configured.
    Regular,
    /// The file is older than one that was used before; only what it reports against models
    /// counts.
    Withheld,
}

impl App {
    /// The metadata in use, if there is any.
    pub fn metadata(&self) -> Option<Arc<Metadata>> {
        match self.held() {
            Held::Used(metadata) => Some(metadata),
            Held::Nothing | Held::Withheld(_) => None,
        }
    }

    /// What is known against models of keys, also by a file that is too old to be used for
    /// anything else: without it, a file that went back would bring revoked models back.
    pub(super) fn reported_models(&self) -> Option<Arc<Metadata>> {
        match self.held() {
            Held::Used(metadata) | Held::Withheld(metadata) => Some(metadata),
            Held::Nothing => None,
        }
    }

    /// Whether metadata is there as it should be.
    pub fn metadata_supply(&self) -> Supply {
        match self.held() {
            Held::Nothing | Held::Used(_) => Supply::Regular,
            Held::Withheld(_) => Supply::Withheld,
        }
    }

    fn held(&self) -> Held {
        let held = self.metadata.0.read();
        held.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a file that is too old leaves: the former one, or, if there is none, what it
    /// reports itself; of two such files the newer.
    fn withhold_metadata(&self, metadata: Arc<Metadata>) {
        let held = self.metadata.0.write();
        let mut held = held.unwrap_or_else(PoisonError::into_inner);
        let replaced = match &*held {
            Held::Nothing => true,
            Held::Used(_) => false,
            Held::Withheld(former) => former.number() < metadata.number(),
        };
        if replaced {
            *held = Held::Withheld(metadata);
        }
    }

    /// Uses this file from now on. After an error the former one stays in use. A conflict:
    /// the file is older than one that was used before; where there is no former one, what it
    /// reports against models counts all the same.
    pub async fn use_metadata(&self, file: Vec<u8>, roots: Roots) -> Result<Arc<Metadata>, Error> {
        let fingerprint = roots.fingerprint();
        let mut tx = self.store.read().await?;
        let last = tx.metadata_number(&fingerprint).await?;
        drop(tx);
        let now = self.now();
        // A large file takes half a second of a core. Whether it is too old is asked below, of
        // one that is genuine.
        let verified =
            tokio::task::spawn_blocking(move || verify_metadata(&file, &roots, None, now))
                .await
                .map_err(|error| Error::internal(format!("reading the file failed: {error}")))?;
        let metadata = verified.map_err(|error| Error::invalid(error.to_sentence()))?;
        let metadata = Arc::new(metadata);
        let number = metadata.number();
        let mut tx = self.store.begin().await?;
        if !tx.use_metadata_number(&fingerprint, number, now).await? {
            let last = tx.metadata_number(&fingerprint).await?.unwrap_or(number);
            self.withhold_metadata(metadata);
            let error = MetadataError::RolledBack { number, last };
            return Err(Error::conflict(error.to_sentence()));
        }
        if last != Some(number) {
            let event = Event::MetadataUsed {
                number,
                entries: u64::try_from(metadata.entries().len()).unwrap_or(u64::MAX),
            };
            tx.append(Actor::System, None, event);
        }
        tx.commit().await?;
        let mut held = self
            .metadata
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *held = Held::Used(Arc::clone(&metadata));
        Ok(metadata)
    }
}
