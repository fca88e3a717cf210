//! Signing keys and the master key.
//!
//! Read next: [`open`] for what makes a row trustworthy, [`ring`] for how nodes learn of a new
//! key, [`rollover`] for how a new one comes and an old one goes.

pub(super) mod draft;
mod facts;
mod mark;
mod open;
pub(super) mod places;
mod published;
mod rewrap;
pub(super) mod ring;
/// The steps of a rollover.
pub mod rollover;

use std::{sync::Arc, time::Duration};

use super::{App, Category, Error, Settings, SupportCode, saml::chain};
use crate::{
    audit::Actor,
    audit::Event,
    base::{
        clock::Timestamp,
        ids::KeyId,
        random::{Random, random_bytes},
        secret::Secret,
    },
    keys::{
        KeyPurpose, SigningKey, ecdsa,
        hardware::self_signed_by,
        sealing::Sealing,
        signing::{self, RsaSize},
        state::{Custody, Held, KeyState, Party, Sighting, Standing},
    },
    outbound::pkcs11::Token,
    storage::{Store, StoredKey},
};
use mark::Keys;
use open::{key_place, open_key};

pub(super) use open::is_ours;

pub use mark::what_is_wrong;
pub use published::{Published, PublishedKey, published};
pub use rewrap::{Rewrapped, rewrap};

/// How long a new certificate is valid. Entra matches certificates, it does not judge
/// their issuer; three years leave time to notice and do not last for ever.
const CERTIFICATE_LIFETIME: Duration = Duration::from_hours(3 * 365 * 24);

/// A key as operators see it.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// Its id.
    pub id: KeyId,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// How far it is; none if the row was altered outside claimbridge.
    pub state: Option<KeyState>,
    /// Since when.
    pub since: Timestamp,
    /// When it was published first.
    pub staged_at: Option<Timestamp>,
    /// Where its private half is.
    pub custody: Custody,
    /// Who was looked at, and what was seen.
    pub seen: Vec<(Party, Held)>,
}

/// Checks that the database is sealed under this master key; an empty one takes it.
pub(super) async fn require_master_key(store: &Store, sealing: &Sealing) -> Result<(), Error> {
    let mut tx = store.begin().await?;
    match tx.master_key_id().await? {
        Some(id) if id == sealing.key_id() => Ok(()),
        Some(id) => Err(Error::conflict(format!(
            "the database is sealed under the master key {id}, but the configured one is {}; point master_key_file at the right key",
            sealing.key_id()
        ))),
        None => {
            tx.set_master_key_id(sealing.key_id()).await?;
            tx.commit().await?;
            Ok(())
        }
    }
}

/// The active key of a purpose, and how many changes of its keys there were; made if there is no key
/// at all, once for all nodes.
pub(super) async fn first_key(
    store: &Store,
    sealing: &Sealing,
    token: Option<&Arc<Token>>,
    purpose: KeyPurpose,
    mut make: impl FnMut() -> Result<StoredKey, Error>,
) -> Result<(StoredKey, SigningKey, i64), Error> {
    // Audit keys do not roll over, and a new one is no loss but of a name.
    let is_marked = purpose != KeyPurpose::Audit;
    for _ in 0..2 {
        let mut tx = store.begin().await?;
        let found = if is_marked {
            Keys::of_all_events(&mut tx, sealing, purpose).await?
        } else {
            Keys::of(&mut tx, sealing, purpose).await?
        };
        if let Some(flaw) = found.flaw {
            return Err(flaw.error(purpose));
        }
        if let Some(stored) = found.active() {
            let key = open_key(stored, sealing, token)?;
            let mut generation = found.generation.unwrap_or_default().max(found.told);
            if is_marked && found.generation.is_none() {
                generation = mark::mark(&mut tx, sealing, purpose, None, 0).await?;
                tx.commit().await?;
            }
            return Ok((stored.clone(), key, generation));
        }
        if let Some(key) = found.keys.first() {
            return Err(Error::conflict(format!(
                "none of the {purpose} keys is active; say `claimbridge keys list`, and activate one ({})",
                key.id
            )));
        }
        drop(tx);
        let key = make()?;
        let mut tx = store.begin().await?;
        if tx.insert_first_key(&key).await? {
            let mut generation = None;
            if is_marked {
                let number = mark::mark(&mut tx, sealing, purpose, None, 0).await?;
                generation = Some(mark::numbered(sealing, purpose, &key.id, number));
            }
            let event = Event::KeyCreated {
                key: key.id.clone(),
                purpose: key.purpose.to_string(),
                generation,
            };
            tx.append(Actor::System, None, event);
            tx.commit().await?;
        }
        // Another node may have been quicker; either way the stored key is the one.
    }
    Err(Error::internal(
        "the first signing key could be neither read nor made",
    ))
}

/// The key that signs assertions, for a server that starts.
pub(super) async fn first_ring(
    store: &Store,
    sealing: &Sealing,
    token: Option<&Arc<Token>>,
    make: impl FnMut() -> Result<StoredKey, Error>,
) -> Result<ring::Ring, Error> {
    let purpose = KeyPurpose::Assertion;
    let error = match first_key(store, sealing, token, purpose, make).await {
        // What the start read must not be forgotten before the first signature (attack 20).
        Ok((stored, key, generation)) => return Ok(ring::Ring::new(&stored, key, generation)),
        Err(error) => error,
    };
    // What is wrong with a row must not keep the commands from working that mend it.
    let mut tx = store.read().await?;
    let found = Keys::of_all_events(&mut tx, sealing, purpose).await?;
    // Nothing of this generation signs here: the next one is an operator's step.
    let generation = match found.flaw {
        Some(_) => {
            let next = found.generation.unwrap_or_default().saturating_add(1);
            next.max(found.told)
        }
        None => 0,
    };
    let ring = match found.active().or(found.keys.first()) {
        Some(stored) => ring::Ring::broken(
            stored.id.clone(),
            stored.certificate.clone(),
            stored.created_at,
            generation,
        ),
        // They are missing: nothing is made in their place.
        None if error.category() == Category::Conflict => {
            let id = nobody()?;
            ring::Ring::broken(id, Vec::new(), Timestamp::from_millis(0), generation)
        }
        None => return Err(error),
    };
    tracing::error!("nothing can be signed: {error}");
    Ok(ring)
}

/// The key that signs id_tokens, for a server that starts: nothing is looked at before it is asked.
pub(super) fn no_oidc_key_yet() -> Result<ring::Ring, Error> {
    Ok(ring::Ring::not_asked(nobody()?, KeyPurpose::Oidc))
}

/// Stands for a key where there is none.
fn nobody() -> Result<KeyId, Error> {
    "key_aaaaaaaaaaaaaaaaaaaaaaaaaa"
        .parse()
        .map_err(|error: crate::base::ids::NotAnId| Error::internal(error.to_string()))
}

/// A key for `purpose`, sealed, not stored yet; in the token, if there is one.
pub(super) fn new_key(
    purpose: KeyPurpose,
    token: Option<&Arc<Token>>,
    sealing: &Sealing,
    settings: &Settings,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<StoredKey, Error> {
    let name = &settings.service_name;
    let id = KeyId::random(random);
    let internal = |error: &dyn std::error::Error| Error::internal(chain(error));
    let (certificate, private, custody) = match (purpose, token) {
        (KeyPurpose::Audit, _) => {
            let name = format!("{name} audit");
            let new = ecdsa::generate(&name, now, CERTIFICATE_LIFETIME, random)
                .map_err(|error| internal(&error))?;
            (new.certificate, new.pkcs8, Custody::Software)
        }
        // Where a token is configured, nothing is made beside it.
        (KeyPurpose::Assertion | KeyPurpose::Oidc, Some(token)) => {
            let size = RsaSize::default();
            let (certificate, place) = in_token(token, &id, size, name, now, random)?;
            (certificate, place, Custody::Hardware)
        }
        (KeyPurpose::Assertion | KeyPurpose::Oidc, None) => {
            let size = RsaSize::default();
            let new = signing::generate(size, name, now, CERTIFICATE_LIFETIME, random)
                .map_err(|error| internal(&error))?;
            (new.certificate, new.pkcs8, Custody::Software)
        }
    };
    let mut key = StoredKey {
        id,
        purpose,
        certificate,
        sealed_private_key: String::new(),
        created_at: now,
        custody,
        standing: Standing::FIRST,
        state_tag: None,
    };
    key.sealed_private_key = sealing.seal(&key_place(&key), private.expose(), random);
    Ok(key)
}

/// The keys there are, by purpose, the oldest first.
pub async fn list(store: &Store, sealing: &Sealing) -> Result<Vec<KeyView>, Error> {
    let mut tx = store.read().await?;
    let sightings = tx.key_sightings().await?;
    let mut keys = Vec::new();
    for purpose in [KeyPurpose::Assertion, KeyPurpose::Oidc] {
        let found = Keys::of_all_events(&mut tx, sealing, purpose).await?;
        keys.extend(found.keys.into_iter().map(|key| {
            let mut view = view(key, &sightings, sealing);
            // Of keys that do not fit together none is known to stand as it did.
            view.state = view.state.filter(|_| found.flaw.is_none());
            view
        }));
    }
    let audit = tx.keys_of(KeyPurpose::Audit).await?;
    keys.extend(audit.into_iter().map(|key| view(key, &sightings, sealing)));
    Ok(keys)
}

fn view(key: StoredKey, sightings: &[Sighting], sealing: &Sealing) -> KeyView {
    let seen = sightings
        .iter()
        .filter(|seen| seen.key == key.id && seen.require_tag(sealing).is_ok())
        .map(|seen| (seen.party.clone(), seen.held))
        .collect();
    KeyView {
        state: is_ours(&key, sealing).then_some(key.standing.state),
        since: key.since(),
        staged_at: key.standing.staged_at,
        id: key.id,
        purpose: key.purpose,
        certificate: key.certificate,
        created_at: key.created_at,
        custody: key.custody,
        seen,
    }
}

/// The certificate of a new key, and its private half, or where that is.
async fn certified(
    app: &App,
    id: &KeyId,
    size: RsaSize,
    custody: Custody,
) -> Result<(Vec<u8>, Secret<Vec<u8>>), Error> {
    let now = app.now();
    let name = app.settings.service_name.clone();
    let serial = app.with_random(random_bytes::<16>);
    let token = match custody {
        Custody::Software => None,
        Custody::Hardware => Some(app.token.clone().ok_or_else(|| {
            Error::invalid("no token is configured; fill in [pkcs11], then say it again")
        })?),
    };
    let id = id.clone();
    // Looking for primes takes a while: not on the async threads.
    let made = tokio::task::spawn_blocking(move || {
        let random = &mut Drawn(serial);
        match token {
            None => {
                let new = signing::generate(size, &name, now, CERTIFICATE_LIFETIME, random)
                    .map_err(|error| Error::internal(chain(&error)))?;
                Ok((new.certificate, new.pkcs8))
            }
            Some(token) => in_token(&token, &id, size, &name, now, random),
        }
    });
    made.await
        .map_err(|error| Error::internal(format!("making a key failed: {error}")))?
}

/// Makes a key in the token; its certificate, and where it is.
fn in_token(
    token: &Arc<Token>,
    id: &KeyId,
    size: RsaSize,
    name: &str,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<(Vec<u8>, Secret<Vec<u8>>), Error> {
    let failed = |error: &dyn std::error::Error| {
        Error::new(
            Category::Unavailable,
            &SupportCode::KEY_UNAVAILABLE,
            chain(error),
        )
    };
    let public_key = token.generate(id, size).map_err(|error| failed(&error))?;
    let signer = token.signer(id.clone(), public_key.clone());
    let certificate =
        self_signed_by(&*signer, &public_key, name, now, random).map_err(|error| failed(&error))?;
    Ok((
        certificate,
        Secret::new(token.name().to_string().into_bytes()),
    ))
}

/// Hands out bytes that were drawn before: the serial number of one certificate.
struct Drawn([u8; 16]);

impl Random for Drawn {
    fn fill(&mut self, bytes: &mut [u8]) {
        for (to, from) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *to = *from;
        }
    }
}

impl App {
    /// Makes the first key for id_tokens, once for all nodes, if a tenant asks here for second
    /// factors and there never was one. Whoever reads the key list first finds it there, so it
    /// signs at once.
    pub async fn ensure_oidc_key(&self) -> Result<(), Error> {
        let purpose = KeyPurpose::Oidc;
        let mut tx = self.store.read().await?;
        let is_there = tx.active_key(purpose).await?.is_some();
        let is_needed = tx.has_tenants().await?;
        drop(tx);
        if is_there || !is_needed {
            return Ok(());
        }
        let token = self.token.as_ref();
        first_key(&self.store, &self.sealing, token, purpose, || {
            self.with_random(|random| {
                let (settings, now) = (&self.settings, self.now());
                new_key(purpose, token, &self.sealing, settings, now, random)
            })
        })
        .await?;
        Ok(())
    }

    /// The keys there are, by purpose, the oldest first.
    pub async fn keys(&self) -> Result<Vec<KeyView>, Error> {
        list(&self.store, &self.sealing).await
    }
}

/// SHA-256 of the audit keys' certificates. A row whose seal does not open, or whose certificate is
/// not that of its private key, is none of this server's keys, whoever wrote it.
pub async fn audit_fingerprints(store: &Store, sealing: &Sealing) -> Result<Vec<String>, Error> {
    let mut tx = store.read().await?;
    let rows = tx.keys_of(KeyPurpose::Audit).await?;
    Ok(rows
        .iter()
        .filter_map(|row| open_key(row, sealing, None).ok())
        .filter_map(|key| crate::keys::certificate::Certificate::read(&key.certificate).ok())
        .map(|certificate| certificate.fingerprint())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::random::SystemRandom,
        keys::sealing::{MasterKey, Place},
    };

    #[test]
    fn attack_34_a_stored_key_opens_for_the_purpose_that_it_was_made_for_only() {
        let random = &mut SystemRandom;
        let sealing = Sealing::new(&MasterKey::random(random));
        let at = Timestamp::from_millis(0);
        let rsa = signing::generate(
            RsaSize::Bits2048,
            "contoso",
            at,
            CERTIFICATE_LIFETIME,
            random,
        )
        .unwrap();
        let audit = ecdsa::generate("contoso audit", at, CERTIFICATE_LIFETIME, random).unwrap();
        let all = [KeyPurpose::Assertion, KeyPurpose::Oidc, KeyPurpose::Audit];
        let id = KeyId::random(random);
        // Of the kind that its row says, so that nothing but the seal can refuse it.
        let mut stored = |owner: &str, purpose| {
            let new = if purpose == KeyPurpose::Audit {
                &audit
            } else {
                &rsa
            };
            let mut key = StoredKey {
                id: id.clone(),
                purpose,
                certificate: new.certificate.clone(),
                sealed_private_key: String::new(),
                created_at: at,
                custody: Custody::Software,
                standing: Standing::FIRST,
                state_tag: None,
            };
            let place = Place {
                owner,
                ..key_place(&key)
            };
            key.sealed_private_key = sealing.seal(&place, new.pkcs8.expose(), random);
            key
        };
        for made_for in all {
            for written in all {
                let key = stored(made_for.as_str(), written);
                let opened = open_key(&key, &sealing, None);
                assert_eq!(opened.is_ok(), made_for == written, "{made_for} {written}");
            }
        }
        // As they were sealed before: for assertions, and as nothing else.
        for written in all {
            let opened = open_key(&stored("", written), &sealing, None);
            assert_eq!(opened.is_ok(), written == KeyPurpose::Assertion);
        }
    }
}
