//! Whether the keys of a purpose are all there, and as they were left.
//!
//! Always true: nothing signs and nothing is published of keys that do not fit their mark;
//! no key is made in the place of missing ones before an operator says so. Keys of before
//! there were marks get one at the first start, if no event speaks against them. A change is an
//! event with its number, so a mark that is put back with its keys is behind the events.

use crate::{
    app::{Error, error::Category},
    audit::Generation,
    base::ids::KeyId,
    keys::{
        KeyPurpose,
        mark::{KeyMark, Marked, require_generation, tag_generation},
        rollover::{Obstacle, Weight},
        sealing::Sealing,
        state::KeyState,
    },
    storage::{KeyChange, KeyTold, ReadTx, Store, StoredKey, Tx},
};

/// The keys of a purpose, and what is wrong with them together.
pub(super) struct Keys {
    pub(super) keys: Vec<StoredKey>,
    /// None: there is no mark yet.
    pub(super) generation: Option<i64>,
    /// Its tag; empty: there is none.
    pub(super) mark_tag: String,
    pub(super) flaw: Option<Flaw>,
    /// The highest number of a change that is known otherwise than by the mark: by events, if
    /// they were asked.
    pub(super) told: i64,
}

/// What is wrong with all keys of a purpose together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flaw {
    /// There were keys, and there are none.
    Missing,
    /// Rows were taken away, or put back as they once were.
    Altered,
}

impl Flaw {
    fn why(self, purpose: KeyPurpose) -> String {
        match self {
            Self::Missing => format!("The {purpose} keys are missing: there were some."),
            Self::Altered => format!(
                "The {purpose} keys were altered outside claimbridge: one was taken away, or rows were put back from an older copy."
            ),
        }
    }

    pub(super) fn error(self, purpose: KeyPurpose) -> Error {
        Error::conflict(format!(
            "{} Restore the newest backup; see “Missing or altered keys” in docs/keys.md",
            self.why(purpose)
        ))
    }

    pub(super) fn tampering(self, purpose: KeyPurpose) -> Error {
        Error::tampering("signing keys", None, &self.why(purpose))
    }

    /// What speaks against each step, and can be forced: the way on without a backup.
    pub(super) fn obstacle(self, purpose: KeyPurpose) -> Obstacle {
        Obstacle {
            why: self.why(purpose),
            breaks: match self {
                Self::Missing => {
                    "With another key everybody is rejected until every tenant and relying party has its certificate."
                }
                Self::Altered => {
                    "A key that was taken away for good reason may stand among them again; from then on they are taken as they stand."
                }
            }
            .to_owned(),
            first: "Restore the newest backup, or compare `claimbridge keys list` with the events.".to_owned(),
            until: None,
            weight: Weight::Breaks,
        }
    }
}

/// What is wrong with all keys of a purpose together, in a sentence; the events are asked too.
pub async fn what_is_wrong(
    store: &Store,
    sealing: &Sealing,
    purpose: KeyPurpose,
) -> Result<Option<String>, Error> {
    let mut tx = store.read().await?;
    let found = Keys::of_all_events(&mut tx, sealing, purpose).await?;
    Ok(found.flaw.map(|flaw| flaw.why(purpose)))
}

impl Keys {
    /// By what `tx` sees; events are not asked.
    pub(super) async fn of(
        tx: &mut ReadTx<'_>,
        sealing: &Sealing,
        purpose: KeyPurpose,
    ) -> Result<Self, Error> {
        let (keys, mark) = tx.keys_with_mark(purpose).await?;
        let flaw = match &mark {
            Some(_) if keys.is_empty() => Some(Flaw::Missing),
            Some(mark) => {
                let fits = mark.require(sealing, &marked(&keys));
                fits.err().map(|_| Flaw::Altered)
            }
            None => None,
        };
        Ok(Self {
            keys,
            generation: mark.as_ref().map(|mark| mark.generation),
            mark_tag: mark.map(|mark| mark.tag).unwrap_or_default(),
            flaw,
            told: 0,
        })
    }

    /// The same, and no event speaks against them: a key that was made is there, one that was
    /// retired stays so. For commands and starts: events are many.
    pub(super) async fn of_all_events(
        tx: &mut ReadTx<'_>,
        sealing: &Sealing,
        purpose: KeyPurpose,
    ) -> Result<Self, Error> {
        // The events first: on PostgreSQL each query sees what was committed before it, and a step
        // of another server between them may put the keys ahead of the events, never behind.
        let told = tx.keys_in_events(purpose).await?;
        let mut found = Self::of(tx, sealing, purpose).await?;
        let numbers = told
            .iter()
            .filter_map(|told| number_of(told, sealing, purpose));
        found.told = numbers.max().unwrap_or_default();
        if found.flaw.is_none() && found.is_behind(&told, sealing, purpose) {
            found.flaw = Some(if found.keys.is_empty() {
                Flaw::Missing
            } else {
                Flaw::Altered
            });
        }
        Ok(found)
    }

    fn is_behind(&self, told: &[KeyTold], sealing: &Sealing, purpose: KeyPurpose) -> bool {
        if self.generation.unwrap_or_default() < self.told {
            return true;
        }
        told.iter().enumerate().any(|(at, event)| {
            let key = self.keys.iter().find(|key| key.id == event.key);
            match key {
                // An operator may have begun anew after a loss: then a later step says so, by
                // its number, which the mark has too, or by what it overrode.
                None => {
                    let number = number_of(event, sealing, purpose).unwrap_or_default();
                    // Clocks of servers differ, numbers do not: those of before there were any
                    // go by their order.
                    let mut events = told.iter().enumerate();
                    self.generation.is_none()
                        || !events.any(|(other, later)| match number_of(later, sealing, purpose) {
                            Some(later) => later > number,
                            None => number == 0 && later.is_forced && other > at,
                        })
                }
                Some(key) => {
                    event.change == KeyChange::Retired && key.standing.state != KeyState::Retired
                }
            }
        })
    }

    /// The one that signs.
    pub(super) fn active(&self) -> Option<&StoredKey> {
        let mut keys = self.keys.iter();
        keys.find(|key| key.standing.state == KeyState::Active)
    }
}

/// The number of a change, if it is ours. One that was sealed under an earlier master key is not
/// needed: no mark of that time fits any more.
fn number_of(told: &KeyTold, sealing: &Sealing, purpose: KeyPurpose) -> Option<i64> {
    let (number, tag) = told.generation.as_ref()?;
    let is_ours = require_generation(sealing, purpose, &told.key, *number, tag).is_ok();
    is_ours.then_some(*number)
}

/// As the event of a change has it.
pub(super) fn numbered(
    sealing: &Sealing,
    purpose: KeyPurpose,
    key: &KeyId,
    generation: i64,
) -> Generation {
    Generation {
        generation,
        generation_tag: tag_generation(sealing, purpose, key, generation),
    }
}

/// Marks the keys of a purpose as they stand in `tx`, after those of the generation `former`;
/// `seen` is the highest that this process saw, or that events tell of. The new one's number.
pub(super) async fn mark(
    tx: &mut Tx<'_>,
    sealing: &Sealing,
    purpose: KeyPurpose,
    former: Option<i64>,
    seen: i64,
) -> Result<i64, Error> {
    let keys = tx.keys_of(purpose).await?;
    let generation = former.unwrap_or_default().max(seen).saturating_add(1);
    let mark = KeyMark::new(sealing, purpose, generation, &marked(&keys));
    if tx.put_key_mark(&mark, former).await? {
        return Ok(generation);
    }
    Err(Error::new(
        Category::Conflict,
        &crate::app::SupportCode::INTERNAL,
        "the keys were moved by somebody else at this moment; see `claimbridge keys list`",
    ))
}

fn marked(keys: &[StoredKey]) -> Vec<Marked<'_>> {
    keys.iter()
        .map(|key| Marked {
            id: &key.id,
            state: key.standing.state,
            seal: key.vouching(),
        })
        .collect()
}
