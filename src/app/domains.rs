//! Domains.

use super::{Error, Settings};
use crate::{
    audit::{Actor, Event},
    base::{clock::Timestamp, text::DomainName},
    relying_party::{Domain, domain::new_domain},
    storage::Store,
};

/// All domains.
pub async fn list(store: &Store) -> Result<Vec<Domain>, Error> {
    let mut tx = store.read().await?;
    Ok(tx.domains().await?)
}

/// Adds a domain. Without `issuer` a sub-domain uses its root's and a root gets
/// `{public_url}/{domain}`.
pub async fn add(
    store: &Store,
    settings: &Settings,
    name: DomainName,
    issuer: Option<&str>,
    actor: Actor,
    now: Timestamp,
) -> Result<Domain, Error> {
    let mut tx = store.begin().await?;
    let present = tx.domains().await?;
    let default_issuer = settings.default_issuer(&name);
    let domain =
        new_domain(name, issuer, &default_issuer, &present, now).map_err(Error::conflict)?;
    if !tx.insert_domain(&domain).await? {
        return Err(Error::conflict(format!(
            "the domain {} is there already",
            domain.name
        )));
    }
    let event = Event::DomainAdded {
        domain: domain.name.to_string(),
        issuer: domain.issuer_uri.clone(),
    };
    tx.append(actor, None, event);
    tx.commit().await?;
    Ok(domain)
}

/// Adds the domains that the configuration file names and the database lacks; an issuer
/// that differs from the stored one is an error, because Entra knows the stored one.
pub(super) async fn ensure_configured(
    store: &Store,
    settings: &Settings,
    now: Timestamp,
) -> Result<(), Error> {
    for (name, issuer) in &settings.domains {
        let present = list(store).await?;
        match present.iter().find(|domain| domain.name == *name) {
            None => {
                add(
                    store,
                    settings,
                    name.clone(),
                    issuer.as_deref(),
                    Actor::System,
                    now,
                )
                .await?;
            }
            Some(stored) => match issuer {
                Some(issuer) if *issuer != stored.issuer_uri => {
                    return Err(Error::conflict(format!(
                        "[[domain]] {name} has the issuer {issuer:?}, but it was added with {:?}; Entra knows the latter, so change the file",
                        stored.issuer_uri
                    )));
                }
                _ => {}
            },
        }
    }
    let present = list(store).await?;
    let below = present
        .iter()
        .find(|domain| domain.name != domain.root && settings.ws_federation.contains(&domain.name));
    match below {
        Some(domain) => Err(Error::conflict(format!(
            "[[domain]] {} has a protocol, but it has the federation of {}; write the protocol there",
            domain.name, domain.root
        ))),
        None => Ok(()),
    }
}
