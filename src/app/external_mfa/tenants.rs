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
    let Some(stored) = tx.tenant(id, client_id).await? else {
        return Err(Error::not_found(format!(
            "there is no tenant {id} with the client id {client_id}; `claimbridge external-mfa list` shows them"
        )));
    };
    let mut configured = settings.tenants.iter();
    if configured.any(|tenant| tenant.is_same_registration(&stored)) {
        return Err(Error::conflict(format!(
            "the tenant {id} stands in the configuration file and would come back; take its [[tenant]] out there first"
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

/// Adds the tenants that the configuration file names and the database lacks, all at once. A
/// difference in anything but the name is an error: Entra knows the stored one.
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
        match present.iter().find(|stored| stored.is_same_pair(tenant)) {
            None => {
                require_new(tenant, &present).map_err(Error::conflict)?;
                insert(&mut tx, tenant, Actor::System, now).await?;
                present.push(tenant.clone());
            }
            Some(stored) if stored == tenant => {}
            Some(stored) if stored.is_same_registration(tenant) => {
                tx.rename_tenant(tenant).await?;
            }
            Some(stored) => {
                return Err(Error::conflict(format!(
                    "[[tenant]] {} (client id {}) has the application {} in the cloud \"{}\", but it was added with {} in \"{}\"; Entra knows the latter, so change the file, or remove it first with `claimbridge external-mfa remove`",
                    tenant.id,
                    tenant.client_id,
                    tenant.application_id,
                    tenant.cloud,
                    stored.application_id,
                    stored.cloud
                )));
            }
        }
    }
    tx.commit().await?;
    Ok(())
}
