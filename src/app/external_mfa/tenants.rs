//! Tenants that ask here for the second factor.

use crate::{
    app::{Error, Settings},
    audit::{Actor, Event},
    base::{clock::Timestamp, guid::Guid},
    relying_party::{ClientId, Tenant, tenant::require_new},
    storage::{Store, Tx},
};

/// All tenants, by tenant id and client id.
pub async fn list(store: &Store) -> Result<Vec<Tenant>, Error> {
    let mut tx = store.read().await?;
    Ok(tx.tenants().await?)
}

/// Adds a tenant.
pub async fn add(
    store: &Store,
    settings: &Settings,
    tenant: Tenant,
    operator: &str,
    now: Timestamp,
) -> Result<Tenant, Error> {
    settings.asking_tenant(&tenant).map_err(Error::conflict)?;
    let mut tx = store.begin().await?;
    let present = tx.tenants().await?;
    require_new(&tenant, &present).map_err(Error::conflict)?;
    let actor = Actor::Operator(operator.to_owned());
    insert(&mut tx, &tenant, actor, now).await?;
    tx.commit().await?;
    Ok(tenant)
}

/// Removes a tenant: its people are refused from now on. Links of its people stay: they are
/// good for nothing without the tenant, and good again with it.
pub async fn remove(
    store: &Store,
    settings: &Settings,
    id: Guid,
    client_id: &ClientId,
    operator: &str,
) -> Result<(), Error> {
    let mut tx = store.begin().await?;
    let stored = tx.tenant(id, client_id).await?;
    let mut configured = settings.tenants.iter();
    let in_the_file = configured.any(|tenant| match &stored {
        Some(stored) => tenant.is_same_registration(stored),
        None => tenant.id == id && tenant.client_id == *client_id,
    });
    if in_the_file {
        return Err(Error::conflict(format!(
            "the tenant {id} stands in the configuration file and would come back; take its [[tenant]] out there first"
        )));
    }
    if stored.is_none() {
        return Err(Error::not_found(format!(
            "there is no tenant {id} with the client id {client_id}; `claimbridge external-mfa list` shows them"
        )));
    }
    tx.remove_tenant(id, client_id).await?;
    let event = Event::TenantRemoved {
        tenant: id.to_string(),
        client_id: client_id.to_string(),
    };
    tx.append(Actor::Operator(operator.to_owned()), None, event);
    tx.commit().await?;
    Ok(())
}

async fn insert(
    tx: &mut Tx<'_>,
    tenant: &Tenant,
    actor: Actor,
    now: Timestamp,
) -> Result<(), Error> {
    // Another node may have added it meanwhile; then it is there, and told.
    if tx.insert_tenant(tenant, now).await? {
        let event = Event::TenantAdded {
            tenant: tenant.id.to_string(),
            client_id: tenant.client_id.to_string(),
            application: tenant.application_id.to_string(),
            cloud: tenant.cloud.as_str(),
        };
        tx.append(actor, None, event);
    }
    Ok(())
}

/// The tenants that are stored, and those of the configuration file that the next start of
/// `serve` will store. Nothing is written.
pub async fn known(store: &Store, settings: &Settings) -> Result<Vec<Tenant>, Error> {
    let mut known = list(store).await?;
    for tenant in &settings.tenants {
        match standing(tenant, &known)? {
            Standing::Missing => known.push(tenant.clone()),
            Standing::Same => {}
            Standing::Renamed(place) => {
                if let Some(stored) = known.get_mut(place) {
                    *stored = tenant.clone();
                }
            }
        }
    }
    Ok(known)
}

/// How a tenant of the configuration file stands to those that are there.
enum Standing {
    Missing,
    Same,
    /// The one at this place has another name.
    Renamed(usize),
}

/// A difference in anything but the name is an error: Entra knows the stored one.
fn standing(tenant: &Tenant, present: &[Tenant]) -> Result<Standing, Error> {
    let place = present.iter().position(|one| one.is_same_pair(tenant));
    let Some((place, stored)) = place.and_then(|place| Some((place, present.get(place)?))) else {
        require_new(tenant, present).map_err(Error::conflict)?;
        return Ok(Standing::Missing);
    };
    if stored == tenant {
        Ok(Standing::Same)
    } else if stored.is_same_registration(tenant) {
        Ok(Standing::Renamed(place))
    } else {
        Err(Error::conflict(format!(
            "[[tenant]] {} (client id {}) has the application {} in the cloud \"{}\", but it was added with {} in \"{}\"; Entra knows the latter, so change the file, or remove it first with `claimbridge external-mfa remove`",
            tenant.id,
            tenant.client_id,
            tenant.application_id,
            tenant.cloud,
            stored.application_id,
            stored.cloud
        )))
    }
}

/// Adds the tenants that the configuration file names and the database lacks, all at once.
pub async fn ensure_configured(
    store: &Store,
    settings: &Settings,
    now: Timestamp,
) -> Result<(), Error> {
    if settings.tenants.is_empty() {
        return Ok(());
    }
    // Looked at first without the right to write: a start that adds nothing waits for nobody.
    let present = list(store).await?;
    let is_there = |tenant: &Tenant| present.contains(tenant);
    if settings.tenants.iter().all(is_there) {
        return Ok(());
    }
    let mut tx = store.begin().await?;
    let mut present = tx.tenants().await?;
    for tenant in &settings.tenants {
        match standing(tenant, &present)? {
            Standing::Missing => {
                insert(&mut tx, tenant, Actor::System, now).await?;
                present.push(tenant.clone());
            }
            Standing::Same => {}
            Standing::Renamed(_) => {
                tx.rename_tenant(tenant).await?;
            }
        }
    }
    tx.commit().await?;
    Ok(())
}
