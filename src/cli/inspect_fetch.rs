//! `inspect https://…/.well-known/openid-configuration`: what an external method publishes, fetched
//! for the inspector.
//!
//! Always true: on the command line only, because whoever could make a server fetch an address
//! could reach what the server reaches (attack 29); through the one way out; a discovery address
//! and the address of keys that its document names, and no other.

use super::{Failure, inspect::InspectArgs};
use crate::{
    app::external_mfa::published::{FetchError, fetch, way_out},
    base::clock::Timestamp,
};

/// Fetches both documents into `args`, as a trace of the two requests. What is given back is to be
/// said after the judgement: the keys could not be had.
pub(super) async fn run(
    args: &mut InspectArgs,
    address: String,
    now: Timestamp,
) -> Result<Option<Failure>, Failure> {
    let service = |error: &dyn std::error::Error| Failure::service(super::chain(error));
    let outbound = way_out().map_err(|error| service(&error))?;
    let documents = fetch(&outbound, &address)
        .await
        .map_err(|error| match error {
            FetchError::Address => Failure::usage(error),
            other => service(&other),
        })?;
    let discovery = &documents.discovery;
    if discovery.status != 200 || discovery.object().is_none() {
        return Err(Failure::no(format!(
            "{address} answers {} and no JSON object; Entra would say AADSTS50166",
            discovery.status
        )));
    }
    args.fetched = Some(documents.to_har(now));
    args.discovery_url.get_or_insert(address);
    Ok(match &documents.keys {
        None => Some(Failure::no(
            "the document names no address of keys that can be asked; Entra would say AADSTS50166",
        )),
        Some(Err(why)) => Some(Failure::service(format!(
            "the keys could not be read: {why}"
        ))),
        Some(Ok(keys)) if keys.status != 200 || keys.object().is_none() => {
            Some(Failure::no(format!(
                "{} answers {} and no JSON object; Entra would say AADSTS50166",
                keys.url, keys.status
            )))
        }
        Some(Ok(_)) => None,
    })
}
