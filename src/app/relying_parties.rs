//! Relying parties besides Entra: test service providers, other applications.

use super::{Error, Settings};
use crate::{
    audit::{Actor, Event},
    relying_party::{EntityId, RelyingParty, name_rule::require_free_name},
    storage::Store,
};

/// Entra's cloud first, then the registered ones.
pub async fn list(store: &Store, settings: &Settings) -> Result<Vec<RelyingParty>, Error> {
    let mut tx = store.read().await?;
    let mut parties = vec![settings.entra.clone()];
    parties.extend(tx.relying_parties().await?);
    Ok(parties)
}

/// Registers a party. Refused if it names itself (nearly) like an Entra cloud or a
/// present party (attack 39).
pub async fn add(
    store: &Store,
    settings: &Settings,
    party: RelyingParty,
    operator: &str,
) -> Result<RelyingParty, Error> {
    let present: Vec<EntityId> = list(store, settings)
        .await?
        .into_iter()
        .map(|party| party.entity_id)
        .collect();
    require_free_name(party.entity_id.as_str(), &present).map_err(Error::conflict)?;
    let mut tx = store.begin().await?;
    if !tx.insert_relying_party(&party).await? {
        return Err(Error::conflict(format!(
            "{} is registered already",
            party.entity_id
        )));
    }
    let event = Event::RelyingPartyAdded {
        entity_id: party.entity_id.to_string(),
    };
    tx.append(Actor::Operator(operator.to_owned()), None, event);
    tx.commit().await?;
    Ok(party)
}

/// Removes a party. Entra's is configured, not registered, and cannot be removed here.
pub async fn remove(store: &Store, entity_id: &EntityId, operator: &str) -> Result<(), Error> {
    let mut tx = store.begin().await?;
    if !tx.remove_relying_party(entity_id).await? {
        return Err(Error::not_found(format!(
            "no relying party {entity_id} is registered; `claimbridge relying-party list` shows them"
        )));
    }
    let event = Event::RelyingPartyRemoved {
        entity_id: entity_id.to_string(),
    };
    tx.append(Actor::Operator(operator.to_owned()), None, event);
    tx.commit().await?;
    Ok(())
}
