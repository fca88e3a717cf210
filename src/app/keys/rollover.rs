//! The steps of a rollover, each one transaction and one event.
//!
//! Always true: [`rules::obstacles`] decides, on what the transaction sees; a step that is
//! forced says so in its event, with what spoke against it; of a retired key no private half
//! is left here; two operators at once make one step.

mod choice;

use choice::{altered, choose, moved_meanwhile, only, unknown};

use super::{
    CERTIFICATE_LIFETIME, KeyView, certified,
    mark::{Keys, mark, numbered},
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
        /// Which key; none: it was not made.
        key: Option<KeyId>,
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
        self.sound(purpose).await?;
        let stored = self.make_key(purpose, size, custody).await?;
        let mut tx = self.store.begin().await?;
        let found = Keys::of_all_events(&mut tx, &self.sealing, purpose).await?;
        if let Some(flaw) = found.flaw {
            return Err(flaw.error(purpose));
        }
        keep_new(&mut tx, &stored).await?;
        let number = self.mark(&mut tx, purpose, &found).await?;
        tx.append(actor, None, self.created(&stored, number));
        tx.commit().await?;
        Ok(view(stored, &[], &self.sealing))
    }

    fn created(&self, key: &StoredKey, number: i64) -> Event {
        Event::KeyCreated {
            key: key.id.clone(),
            purpose: key.purpose.to_string(),
            generation: Some(numbered(&self.sealing, key.purpose, &key.id, number)),
        }
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
        let mut found = Keys::of_all_events(&mut tx, &self.sealing, chosen.purpose).await?;
        let mut made = None;
        let stored = if let Some(stored) = choose(step, chosen, &found.keys)? {
            stored.clone()
        } else {
            // Judged before it is made: one that is not staged would stay in the token.
            let obstacles = self
                .against_a_new_one(&mut tx, chosen.purpose, &found, now)
                .await?;
            if is_refused(&obstacles, force) {
                return Ok(Outcome::Refused {
                    key: None,
                    obstacles,
                });
            }
            drop(tx);
            let new = self
                .make_key(chosen.purpose, RsaSize::default(), None)
                .await?;
            tx = self.store.begin().await?;
            found = Keys::of_all_events(&mut tx, &self.sealing, chosen.purpose).await?;
            keep_new(&mut tx, &new).await?;
            made = Some(new.clone());
            new
        };
        let keys = &found.keys;
        require_standing(&stored, &self.sealing).map_err(|_| altered(&stored))?;
        let mut obstacles = self.obstacles(&mut tx, step, &stored, keys, now).await?;
        obstacles.extend(found.flaw.map(|flaw| flaw.obstacle(chosen.purpose)));
        obstacles.extend(unready);
        if is_refused(&obstacles, force) {
            return Ok(Outcome::Refused {
                key: Some(stored.id),
                obstacles,
            });
        }
        let former = match step {
            Step::Activate => self.relieve(&mut tx, keys, now).await?,
            Step::Stage | Step::Retire => None,
        };
        let moved = self.move_to(&mut tx, &stored, step.leads_to(), now).await?;
        let number = self.mark(&mut tx, chosen.purpose, &found).await?;
        if let Some(made) = &made {
            tx.append(actor.clone(), None, self.created(made, number));
        }
        let generation = numbered(&self.sealing, chosen.purpose, &stored.id, number);
        let forced = obstacles.iter().map(|obstacle| obstacle.why.clone());
        let (key, purpose) = (stored.id.clone(), stored.purpose.to_string());
        let forced_words = forced.collect();
        let event = match step {
            Step::Stage => Event::KeyStaged {
                key,
                purpose,
                forced: forced_words,
                generation,
            },
            Step::Activate => Event::KeyActivated {
                key,
                former,
                purpose,
                forced: forced_words,
                generation,
            },
            Step::Retire => Event::KeyRetired {
                key,
                purpose,
                forced: forced_words,
                generation,
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

    /// Whether some tenant asks here for second factors, so that keys for id_tokens are
    /// published and used.
    pub async fn serves_external_mfa(&self) -> Result<bool, Error> {
        Ok(self.store.read().await?.has_tenants().await?)
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
        // A domain and a relying party may have one name: then both are meant, one after the other.
        let before = tx.key_sightings().await?;
        let is_confirmed = |party: &Party| {
            before.iter().any(|seen| {
                seen.key == stored.id
                    && seen.party == *party
                    && matches!(seen.held, Held::Since { .. })
                    && seen.require_tag(&self.sealing).is_ok()
            })
        };
        let mut named: Vec<Party> = parties
            .into_iter()
            .filter(|party| *party != Party::KeyList && party.name() == name)
            .collect();
        named.sort_by_key(is_confirmed);
        let party = named.into_iter().next().ok_or_else(|| {
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
        let custody = if let Some(custody) = custody {
            custody
        } else {
            let mut tx = self.store.read().await?;
            self.usual_custody(&tx.keys_of(purpose).await?)
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
    /// What speaks against staging a key that is made for it.
    async fn against_a_new_one(
        &self,
        tx: &mut Tx<'_>,
        purpose: KeyPurpose,
        found: &Keys,
        now: Timestamp,
    ) -> Result<Vec<Obstacle>, Error> {
        let facts = rules::KeyFacts {
            purpose,
            state: KeyState::Prepared,
            staged_at: None,
            since: now,
            not_after: now.plus(CERTIFICATE_LIFETIME),
        };
        let key = (None, self.usual_custody(&found.keys));
        let step = Step::Stage;
        let mut obstacles = self
            .obstacles_by(tx, step, &facts, key, &found.keys, now)
            .await?;
        obstacles.extend(found.flaw.map(|flaw| flaw.obstacle(purpose)));
        Ok(obstacles)
    }

    async fn mark(
        &self,
        tx: &mut Tx<'_>,
        purpose: KeyPurpose,
        former: &Keys,
    ) -> Result<i64, Error> {
        let seen = self.seen_generation(purpose).max(former.told);
        mark(tx, &self.sealing, purpose, former.generation, seen).await
    }

    /// Fails if the keys of a purpose are missing or do not fit together.
    async fn sound(&self, purpose: KeyPurpose) -> Result<(), Error> {
        let mut tx = self.store.read().await?;
        let found = Keys::of_all_events(&mut tx, &self.sealing, purpose).await?;
        found.flaw.map_or(Ok(()), |flaw| Err(flaw.error(purpose)))
    }

    /// Where a new key is made if nobody says it: in the token that is configured, or because
    /// the active one is in one. Never in software because a token is away.
    fn usual_custody(&self, keys: &[StoredKey]) -> Custody {
        let active = only(keys, KeyState::Active).map(|key| key.custody);
        match (&self.token, active) {
            (None, None | Some(Custody::Software)) => Custody::Software,
            (Some(_), _) | (None, Some(Custody::Hardware)) => Custody::Hardware,
        }
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

async fn keep_new(tx: &mut Tx<'_>, key: &StoredKey) -> Result<(), Error> {
    if tx.insert_key(key).await? {
        return Ok(());
    }
    Err(Error::conflict("a key of that id is there already"))
}

fn is_refused(obstacles: &[Obstacle], force: Force) -> bool {
    obstacles
        .iter()
        .any(|obstacle| obstacle.weight == Weight::Impossible || force == Force::Withheld)
}
