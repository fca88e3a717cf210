//! Which key a step is for, and what is said where that is not clear.

use super::{Chosen, Step};
use crate::{app::Error, base::ids::KeyId, keys::state::KeyState, storage::StoredKey};

/// The key of that state, if there is one and no more.
pub(super) fn only(keys: &[StoredKey], state: KeyState) -> Option<&StoredKey> {
    let mut found = keys.iter().filter(|key| key.standing.state == state);
    found.next().filter(|_| found.next().is_none())
}

/// The key that is meant; none: one is to be made.
pub(super) fn choose<'k>(
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

pub(super) fn unknown(id: &KeyId) -> Error {
    Error::not_found(format!(
        "there is no key {id} of that purpose; see `claimbridge keys list`"
    ))
}

pub(super) fn moved_meanwhile(stored: &StoredKey) -> Error {
    Error::conflict(format!(
        "the key {} was moved by somebody else at this moment; see `claimbridge keys list`",
        stored.id
    ))
}

pub(super) fn altered(stored: &StoredKey) -> Error {
    Error::conflict(format!(
        "the row of the key {} was altered outside claimbridge; it is not used. Restore it from a backup, or roll over to another key",
        stored.id
    ))
}
