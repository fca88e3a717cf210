//! The steps of a rollover, each one transaction and one event.
//!
//! Always true: [`rules::obstacles`] decides, on what the transaction sees; a step that is
//! forced says so in its event, with what spoke against it; of a retired key no private half
//! is left here; two operators at once make one step.

use super::{
    KeyView, certified,
    open::{is_ours, key_place, open_sealed, require_standing},
    view,
};
use crate::{
    app::{App, Error},
    audit::{Actor, Event},
    base::{clock::Timestamp, ids::KeyId},
    keys::{
        KeyPurpose,
        rollover::{self as rules, Obstacle, Weight},
        signing::RsaSize,
        state::{Custody, Held, KeyState, Party, Sighting},
    },
    storage::{StoredKey, Tx},
};

pub use rules::Step;

/// Whether an operator goes on over what would break for others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Force {
    /// No.
    Withheld,
    /// Yes.
    Given,
}

/// What became of a step.
#[derive(Debug)]
pub enum Outcome {
    /// Done; with what spoke against it, if it was forced.
    Done {
        /// The key as it stands now.
        key: Box<KeyView>,
        /// What was overridden.
        forced: Vec<Obstacle>,
    },
    /// Not done.
    Refused {
        /// Which key.
        key: KeyId,
        /// Everything that speaks against it.
        obstacles: Vec<Obstacle>,
    },
}

/// Which key a step is for.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Its id; without one it must be clear which.
    pub key: Option<KeyId>,
    /// Of which purpose.
    pub purpose: KeyPurpose,
}

impl App {
    /// Makes a key and tells nobody yet.
    pub async fn create_key(
        &self,
        purpose: KeyPurpose,
        size: RsaSize,
        custody: Option<Custody>,
        actor: Actor,
    ) -> Result<KeyView, Error> {
        let stored = self.make_key(purpose, size, custody).await?;
        let mut tx = self.store.begin().await?;
        let key = self.keep_new(&mut tx, stored, actor).await?;
        tx.commit().await?;
        Ok(key)
    }

    async fn keep_new(
        &self,
        tx: &mut Tx<'_>,
        stored: StoredKey,
        actor: Actor,
    ) -> Result<KeyView, Error> {
        if !tx.insert_key(&stored).await? {
            return Err(Error::conflict("a key of that id is there already"));
        }
        let event = Event::KeyCreated {
            key: stored.id.clone(),
            purpose: stored.purpose.to_string(),
        };
        tx.append(actor, None, event);
        Ok(view(stored, &[], &self.sealing))
    }

    /// Takes a step, if nothing speaks against it or it may be forced. To stage without a
    /// prepared key makes one.
    pub async fn step_key(
        &self,
        step: Step,
        chosen: &Chosen,
        force: Force,
        actor: Actor,
    ) -> Result<Outcome, Error> {
        let now = self.now();
        // First: a token may take its time, and nobody waits for a transaction meanwhile.
        let unready = match step {
            Step::Activate => self.unready_of(chosen).await?,
            Step::Stage | Step::Retire => None,
        };
        let mut tx = self.store.begin().await?;
        let mut keys = tx.keys_of(chosen.purpose).await?;
        let stored = if let Some(stored) = choose(step, chosen, &keys)? {
            stored.clone()
        } else {
            drop(tx);
            let new = self
                .make_key(chosen.purpose, RsaSize::default(), None)
                .await?;
            tx = self.store.begin().await?;
            keys = tx.keys_of(chosen.purpose).await?;
            self.keep_new(&mut tx, new.clone(), actor.clone()).await?;
            new
        };
        require_standing(&stored, &self.sealing).map_err(|_| altered(&stored))?;
        let mut obstacles = self.obstacles(&mut tx, step, &stored, &keys, now).await?;
        obstacles.extend(unready);
        let is_refused = obstacles
            .iter()
            .any(|obstacle| obstacle.weight == Weight::Impossible || force == Force::Withheld);
        if is_refused {
            return Ok(Outcome::Refused {
                key: stored.id,
                obstacles,
            });
        }
        let former = match step {
            Step::Activate => self.relieve(&mut tx, &keys, now).await?,
            Step::Stage | Step::Retire => None,
        };
        let moved = self.move_to(&mut tx, &stored, step.leads_to(), now).await?;
        let forced = obstacles.iter().map(|obstacle| obstacle.why.clone());
        let (key, purpose) = (stored.id.clone(), stored.purpose.to_string());
        let forced_words = forced.collect();
        let event = match step {
            Step::Stage => Event::KeyStaged {
                key,
                purpose,
                forced: forced_words,
            },
            Step::Activate => Event::KeyActivated {
                key,
                former,
                purpose,
                forced: forced_words,
            },
            Step::Retire => Event::KeyRetired {
                key,
                purpose,
                forced: forced_words,
            },
        };
        tx.append(actor, None, event);
        let sightings = tx.key_sightings().await?;
        tx.commit().await?;
        Ok(Outcome::Done {
            key: Box::new(view(moved, &sightings, &self.sealing)),
            forced: obstacles,
        })
    }

    /// What speaks against a step of this key.
    pub async fn obstacles_of(&self, step: Step, key: &KeyId) -> Result<Vec<Obstacle>, Error> {
        let mut tx = self.store.read().await?;
        let stored = tx.key(key).await?.ok_or_else(|| unknown(key))?;
        let keys = tx.keys_of(stored.purpose).await?;
        self.obstacles(&mut tx, step, &stored, &keys, self.now())
            .await
    }

    /// The operator's word that a party knows the staged key of a purpose (or this key).
    pub async fn confirm_published(
        &self,
        chosen: &Chosen,
        name: &str,
        actor: Actor,
    ) -> Result<(KeyId, Party), Error> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let keys = tx.keys_of(chosen.purpose).await?;
        let stored = match &chosen.key {
            Some(id) => keys
                .iter()
                .find(|key| key.id == *id)
                .ok_or_else(|| unknown(id))?,
            None => only(&keys, KeyState::Staged).ok_or_else(|| {
                Error::conflict("no key is staged; stage one first with `claimbridge keys stage`")
            })?,
        };
        require_standing(stored, &self.sealing).map_err(|_| altered(stored))?;
        let parties = self.parties(&mut tx, chosen.purpose).await?;
        let party = parties
            .into_iter()
            .find(|party| *party != Party::KeyList && party.name() == name)
            .ok_or_else(|| {
                Error::not_found(format!(
                    "{name} is neither a domain with an issuer of its own nor a relying party; see `claimbridge domain list` and `relying-party list`"
                ))
            })?;
        let seen = Sighting::new(
            &self.sealing,
            stored.id.clone(),
            party.clone(),
            // Who looked vouches for all of Entra too.
            Held::Since {
                first: now.minus(rules::TENANT_KNOWS),
                last: now,
            },
        );
        tx.put_key_sighting(&seen).await?;
        let event = Event::KeySeen {
            key: stored.id.clone(),
            party: party.to_string(),
            seen: "confirmed",
        };
        tx.append(actor, None, event);
        let key = stored.id.clone();
        tx.commit().await?;
        Ok((key, party))
    }

    /// The key that signed goes into grace.
    async fn relieve(
        &self,
        tx: &mut Tx<'_>,
        keys: &[StoredKey],
        now: Timestamp,
    ) -> Result<Option<KeyId>, Error> {
        let Some(active) = only(keys, KeyState::Active) else {
            return Ok(None);
        };
        if is_ours(active, &self.sealing) {
            self.move_to(tx, active, KeyState::Retiring, now).await?;
            return Ok(Some(active.id.clone()));
        }
        // An altered row is not blessed with a tag: it stays nobody's, and nothing of it is kept.
        let gone = StoredKey {
            sealed_private_key: String::new(),
            standing: active.standing.moved(KeyState::Retired, now),
            state_tag: None,
            ..active.clone()
        };
        if !tx.move_key(active, &gone).await? {
            return Err(moved_meanwhile(active));
        }
        Ok(Some(active.id.clone()))
    }

    async fn move_to(
        &self,
        tx: &mut Tx<'_>,
        former: &StoredKey,
        state: KeyState,
        now: Timestamp,
    ) -> Result<StoredKey, Error> {
        let mut key = former.clone();
        key.standing = former.standing.moved(state, now);
        key.state_tag = Some(key.standing.make_tag(&self.sealing, &key.tagged()));
        if state == KeyState::Retired {
            key.sealed_private_key = String::new();
        } else if former.state_tag.is_none() {
            // Without its tag it opens no more (see `open`).
            let plain = open_sealed(former, &self.sealing).map_err(|_| altered(former))?;
            key.sealed_private_key =
                self.with_random(|random| self.sealing.seal(&key_place(&key), &plain, random));
        }
        if tx.move_key(former, &key).await? {
            Ok(key)
        } else {
            Err(moved_meanwhile(former))
        }
    }

    async fn make_key(
        &self,
        purpose: KeyPurpose,
        size: RsaSize,
        custody: Option<Custody>,
    ) -> Result<StoredKey, Error> {
        if purpose == KeyPurpose::Audit {
            return Err(Error::invalid(
                "an audit key is made by the first `claimbridge evidence` and does not roll over; name assertion or oidc",
            ));
        }
        let now = self.now();
        let custody = match custody {
            Some(custody) => custody,
            None => self.usual_custody(purpose).await?,
        };
        let id = self.with_random(KeyId::random);
        let (certificate, private) = certified(self, &id, size, custody).await?;
        let mut key = StoredKey {
            id,
            purpose,
            certificate,
            sealed_private_key: String::new(),
            created_at: now,
            custody,
            standing: crate::keys::state::Standing {
                state: KeyState::Prepared,
                staged_at: None,
                since: Some(now),
            },
            state_tag: None,
        };
        key.state_tag = Some(key.standing.make_tag(&self.sealing, &key.tagged()));
        key.sealed_private_key = self.with_random(|random| {
            self.sealing
                .seal(&key_place(&key), private.expose(), random)
        });
        Ok(key)
    }
}

impl App {
    /// Where a new key is made if nobody says it: in the token that is configured, or because
    /// the active one is in one. Never in software because a token is away.
    async fn usual_custody(&self, purpose: KeyPurpose) -> Result<Custody, Error> {
        let mut tx = self.store.read().await?;
        let keys = tx.keys_of(purpose).await?;
        let active = only(&keys, KeyState::Active).map(|key| key.custody);
        Ok(match (&self.token, active) {
            (None, None | Some(Custody::Software)) => Custody::Software,
            (Some(_), _) | (None, Some(Custody::Hardware)) => Custody::Hardware,
        })
    }

    /// Why the key that is to be activated cannot sign, if it is in a token.
    async fn unready_of(&self, chosen: &Chosen) -> Result<Option<Obstacle>, Error> {
        let mut tx = self.store.read().await?;
        let keys = tx.keys_of(chosen.purpose).await?;
        drop(tx);
        match choose(Step::Activate, chosen, &keys)? {
            Some(key) if key.custody == Custody::Hardware && is_ours(key, &self.sealing) => {
                self.unready(key).await
            }
            _ => Ok(None),
        }
    }
}

/// The key of that state, if there is one and no more.
fn only(keys: &[StoredKey], state: KeyState) -> Option<&StoredKey> {
    let mut found = keys.iter().filter(|key| key.standing.state == state);
    found.next().filter(|_| found.next().is_none())
}

/// The key that is meant; none: one is to be made.
fn choose<'k>(
    step: Step,
    chosen: &Chosen,
    keys: &'k [StoredKey],
) -> Result<Option<&'k StoredKey>, Error> {
    if let Some(id) = &chosen.key {
        let found = keys.iter().find(|key| key.id == *id);
        return found.map(Some).ok_or_else(|| unknown(id));
    }
    let purpose = chosen.purpose;
    let (from, none) = match step {
        Step::Stage => {
            let mut prepared = keys
                .iter()
                .filter(|key| key.standing.state == KeyState::Prepared);
            return match (prepared.next(), prepared.next()) {
                // Refused with the reasons if another one is staged.
                (None, _) => Ok(only(keys, KeyState::Staged)),
                (one, None) => Ok(one),
                _ => Err(Error::conflict(format!(
                    "several {purpose} keys are prepared; name one with --key"
                ))),
            };
        }
        Step::Activate => (
            KeyState::Staged,
            "no key is staged; stage one first with `claimbridge keys stage`, or name a retiring one with --key to go back to it",
        ),
        Step::Retire => (
            KeyState::Retiring,
            "no key is retiring; name with --key the one that is to be taken away",
        ),
    };
    let mut found = keys.iter().filter(|key| key.standing.state == from);
    match (found.next(), found.next()) {
        (None, _) => Err(Error::conflict(none)),
        (one, None) => Ok(one),
        _ => Err(Error::conflict(format!(
            "several {purpose} keys are {from}; name one with --key"
        ))),
    }
}

fn unknown(id: &KeyId) -> Error {
    Error::not_found(format!(
        "there is no key {id} of that purpose; see `claimbridge keys list`"
    ))
}

fn moved_meanwhile(stored: &StoredKey) -> Error {
    Error::conflict(format!(
        "the key {} was moved by somebody else at this moment; see `claimbridge keys list`",
        stored.id
    ))
}

fn altered(stored: &StoredKey) -> Error {
    Error::conflict(format!(
        "the row of the key {} was altered outside claimbridge; it is not used. Restore it from a backup, or roll over to another key",
        stored.id
    ))
}
