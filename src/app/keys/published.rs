//! Which keys the world is told of, and who was seen to know them.

use super::{mark::Keys, open::is_ours};
use crate::{
    app::{App, Error},
    audit::{Actor, Event},
    base::{clock::Timestamp, ids::KeyId, text::DomainName},
    keys::{
        KeyPurpose,
        certificate::Certificate,
        sealing::Sealing,
        state::{Held, KeyState, Party, Sighting},
    },
    relying_party::domain::domain_of,
    storage::{ReadTx, Store, StoredKey},
};

/// A key that stands in metadata and in tenants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublishedKey {
    /// Which key.
    pub id: KeyId,
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// SHA-256 of the certificate, upper-case hexadecimal digits.
    pub fingerprint: String,
    /// Since when it is in its state.
    pub since: Timestamp,
}

/// The keys of a purpose that parties should know.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Published {
    /// It signs: Entra's `signingCertificate`.
    pub active: Option<PublishedKey>,
    /// It will sign: Entra's `nextSigningCertificate`.
    pub staged: Option<PublishedKey>,
    /// They signed until a while ago, the last one first: `nextSigningCertificate` while
    /// nothing is staged.
    pub retiring: Vec<PublishedKey>,
    /// Certificates of keys that signed once and are retired, DER: not published, and no
    /// stranger's where a tenant still holds one.
    pub former: Vec<Vec<u8>>,
}

impl Published {
    /// All certificates: the one that signs first.
    pub fn certificates(&self) -> Vec<&[u8]> {
        let all = self.active.iter().chain(&self.staged).chain(&self.retiring);
        all.map(|key| key.certificate.as_slice()).collect()
    }

    /// What a tenant should hold beside the signing certificate.
    pub fn next(&self) -> Option<&PublishedKey> {
        self.staged.as_ref().or_else(|| self.retiring.first())
    }
}

/// The keys of `purpose` that parties should know. A row that was altered outside
/// claimbridge is not among them; nor is any, if they do not fit their mark.
pub async fn published(
    store: &Store,
    sealing: &Sealing,
    purpose: KeyPurpose,
) -> Result<Published, Error> {
    let mut tx = store.read().await?;
    of(&mut tx, sealing, purpose, 0).await
}

async fn of(
    tx: &mut ReadTx<'_>,
    sealing: &Sealing,
    purpose: KeyPurpose,
    seen: i64,
) -> Result<Published, Error> {
    let mut published = Published::default();
    let found = Keys::of(tx, sealing, purpose).await?;
    if found.flaw.is_some() || found.generation.unwrap_or_default() < seen {
        return Ok(published);
    }
    for stored in found.keys {
        let is_former = stored.standing.state == KeyState::Retired;
        let is_told = stored.standing.state.is_published() || is_former;
        if !is_told || !is_ours(&stored, sealing) {
            continue;
        }
        if is_former {
            published.former.push(stored.certificate);
            continue;
        }
        let Some(key) = key(&stored) else { continue };
        match stored.standing.state {
            KeyState::Active => published.active = Some(key),
            KeyState::Staged => published.staged = Some(key),
            _ => published.retiring.push(key),
        }
    }
    published
        .retiring
        .sort_by_key(|key| std::cmp::Reverse(key.since));
    Ok(published)
}

fn key(stored: &StoredKey) -> Option<PublishedKey> {
    let fingerprint = Certificate::read(&stored.certificate).ok()?.fingerprint();
    Some(PublishedKey {
        id: stored.id.clone(),
        certificate: stored.certificate.clone(),
        fingerprint,
        since: stored.since(),
    })
}

impl App {
    /// The keys of `purpose` that parties should know.
    pub async fn published(&self, purpose: KeyPurpose) -> Result<Published, Error> {
        let mut tx = self.store.read().await?;
        self.published_in(&mut tx, purpose).await
    }

    /// The same, by what `tx` sees.
    pub(in crate::app) async fn published_in(
        &self,
        tx: &mut ReadTx<'_>,
        purpose: KeyPurpose,
    ) -> Result<Published, Error> {
        of(tx, &self.sealing, purpose, self.seen_generation(purpose)).await
    }

    /// Writes down which certificates the tenant of `domain` was seen to hold now, as signing
    /// or next certificate: `fingerprints` are all of them (SHA-256, hexadecimal). Each of our
    /// assertion keys is known there or missing there from now on; `keys activate` goes by it.
    pub async fn note_seen(
        &self,
        domain: &DomainName,
        fingerprints: &[String],
        actor: Actor,
    ) -> Result<(), Error> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let domains = tx.domains().await?;
        // A sub-domain has no federation of its own.
        let root = domain_of(domain, &domains)
            .map(|domain| domain.root.to_string())
            .ok_or_else(|| Error::not_found(format!("the domain {domain} is not configured")))?;
        let party = Party::Domain(root);
        let before = tx.key_sightings().await?;
        for stored in tx.keys_of(KeyPurpose::Assertion).await? {
            if stored.standing.state == KeyState::Retired || !is_ours(&stored, &self.sealing) {
                continue;
            }
            let Some(key) = key(&stored) else { continue };
            let is_held = fingerprints
                .iter()
                .any(|seen| seen.eq_ignore_ascii_case(&key.fingerprint));
            let former = before.iter().find_map(|seen| match seen.held {
                Held::Since { first, .. }
                    if seen.key == stored.id
                        && seen.party == party
                        && seen.require_tag(&self.sealing).is_ok() =>
                {
                    Some(first)
                }
                _ => None,
            });
            let was_held = former.is_some();
            let held = if is_held {
                Held::Since {
                    first: former.unwrap_or(now),
                    last: now,
                }
            } else {
                Held::MissingAt(now)
            };
            let seen = Sighting::new(&self.sealing, stored.id.clone(), party.clone(), held);
            tx.put_key_sighting(&seen).await?;
            // What is seen every hour is news once.
            if is_held != was_held {
                let event = Event::KeySeen {
                    key: stored.id,
                    party: party.to_string(),
                    seen: if is_held { "held" } else { "missing" },
                };
                tx.append(actor.clone(), None, event);
            }
        }
        tx.commit().await?;
        Ok(())
    }
}
