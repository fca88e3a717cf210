//! What a step of a rollover is judged by: who checks what we sign, what was seen of them,
//! and whether a key in a token can be used.

use std::sync::Arc;

use super::open::{is_ours, open_key};
use crate::{
    app::{App, Error},
    base::{clock::Timestamp, ids::KeyId},
    keys::{
        KeyPurpose, SigningKey,
        certificate::Certificate,
        rollover::{self as rules, KeyFacts, Obstacle, Step, Surroundings, Weight},
        state::{Custody, Held, KeyState, Party},
    },
    storage::{ReadTx, StoredKey},
};

impl App {
    /// Why a key in a token cannot sign now.
    pub(super) async fn unready(&self, stored: &StoredKey) -> Result<Option<Obstacle>, Error> {
        let key = Arc::new(open_key(stored, &self.sealing, self.token.as_ref())?);
        let ready = self.with_key(&key, SigningKey::ready).await;
        Ok(ready.err().map(|error| Obstacle {
            why: format!("The token cannot be used here and now: {error}."),
            breaks: "Nobody could sign in until it can.".to_owned(),
            first: "Bring the token back; every server that signs must reach it.".to_owned(),
            until: None,
            weight: Weight::Breaks,
        }))
    }

    /// What speaks against a step of this key, by what `tx` sees.
    pub(super) async fn obstacles(
        &self,
        tx: &mut ReadTx<'_>,
        step: Step,
        stored: &StoredKey,
        keys: &[StoredKey],
        now: Timestamp,
    ) -> Result<Vec<Obstacle>, Error> {
        let certificate = Certificate::read(&stored.certificate)
            .map_err(|error| Error::internal(format!("the key {}: {error}", stored.id)))?;
        let facts = KeyFacts {
            purpose: stored.purpose,
            state: stored.standing.state,
            staged_at: stored.standing.staged_at,
            since: stored.since(),
            not_after: certificate.not_after,
        };
        let key = (Some(&stored.id), stored.custody);
        self.obstacles_by(tx, step, &facts, key, keys, now).await
    }

    /// The same for a key that is not made yet, if it has no id.
    pub(super) async fn obstacles_by(
        &self,
        tx: &mut ReadTx<'_>,
        step: Step,
        facts: &KeyFacts,
        (id, custody): (Option<&KeyId>, Custody),
        keys: &[StoredKey],
        now: Timestamp,
    ) -> Result<Vec<Obstacle>, Error> {
        let sightings = tx.key_sightings().await?;
        let held = |party: &Party| {
            let seen = sightings
                .iter()
                .find(|seen| Some(&seen.key) == id && seen.party == *party)
                .filter(|seen| seen.require_tag(&self.sealing).is_ok());
            seen.map_or(Held::Unknown, |seen| seen.held)
        };
        let parties = self.parties(tx, facts.purpose).await?;
        let around = Surroundings {
            others: keys
                .iter()
                .filter(|other| Some(&other.id) != id)
                .map(|other| {
                    let state = if is_ours(other, &self.sealing) {
                        other.standing.state
                    } else {
                        KeyState::Retired
                    };
                    (state, other.since())
                })
                // An installation is never without an assertion key: parties go by one, even
                // if its row is gone.
                .chain((facts.purpose == KeyPurpose::Assertion).then_some((KeyState::Retired, now)))
                .collect(),
            parties: parties
                .into_iter()
                .map(|party| {
                    let held = held(&party);
                    (party, held)
                })
                .collect(),
        };
        let mut found = rules::obstacles(step, facts, &around, now);
        let leaves_the_token = custody == Custody::Software
            && step != Step::Retire
            && keys.iter().any(|other| {
                other.standing.state == KeyState::Active && other.custody == Custody::Hardware
            });
        if leaves_the_token {
            found.push(Obstacle {
                why: "The key that signs is in a token, and this one is not.".to_owned(),
                breaks:
                    "The private half of what signs would be in the database, and in its backups."
                        .to_owned(),
                first: "Make one in the token with `claimbridge keys create --in-hardware`."
                    .to_owned(),
                until: None,
                weight: Weight::Breaks,
            });
        }
        Ok(found)
    }

    /// Everybody who checks what keys of this purpose sign.
    pub(super) async fn parties(
        &self,
        tx: &mut ReadTx<'_>,
        purpose: KeyPurpose,
    ) -> Result<Vec<Party>, Error> {
        match purpose {
            KeyPurpose::Assertion => {
                // A sub-domain inherits what its root has in the tenant.
                let mut roots: Vec<String> = tx
                    .domains()
                    .await?
                    .into_iter()
                    .map(|domain| domain.root.to_string())
                    .collect();
                roots.sort_unstable();
                roots.dedup();
                let others = tx.relying_parties().await?;
                let others = others
                    .into_iter()
                    .map(|party| Party::RelyingParty(party.entity_id.0));
                Ok(roots.into_iter().map(Party::Domain).chain(others).collect())
            }
            KeyPurpose::Oidc => Ok(vec![Party::KeyList]),
            KeyPurpose::Audit => Ok(Vec::new()),
        }
    }
}
