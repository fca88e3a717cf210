//! `/domains/{name}/federationConfiguration` (facts §4.1, §4.5).

use axum::http::Method;
use serde_json::{Value, json};

use super::{Answer, Answered, Call, errors::Refusal, registration::Registration};
use crate::practice::{
    directory::{Directory, Domain},
    visit::lock,
};

const READS: [&str; 6] = [
    "Domain.Read.All",
    "Domain.ReadWrite.All",
    "Domain-InternalFederation.Read.All",
    "Domain-InternalFederation.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const WRITES: [&str; 3] = [
    "Domain-InternalFederation.ReadWrite.All",
    "Domain.ReadWrite.All",
    "Directory.AccessAsUser.All",
];

/// `GET` and `POST` of the collection.
pub(super) fn all(call: &Call<'_>, name: &str) -> Answered {
    let name = name.to_ascii_lowercase();
    match *call.method {
        Method::GET => {
            call.caller.require(&READS)?;
            let directory = lock(&call.practice.directory);
            let domain = known(&directory, &name)?;
            let all: Vec<Value> = domain
                .registration
                .iter()
                .map(Registration::to_graph)
                .collect();
            Ok(Answer::ok(json!({
                "@odata.context": call.context(&format!("domains('{name}')/federationConfiguration")),
                "value": all,
            })))
        }
        Method::POST => {
            call.caller.require(&WRITES)?;
            let body = call.object()?;
            let id = call.practice.guid();
            let mut directory = lock(&call.practice.directory);
            let domain = known(&directory, &name)?;
            require_may_federate(domain)?;
            if domain.registration.is_some() {
                return Err(Refusal::conflict(
                    "Domain already has a federation configuration; only one is allowed.",
                ));
            }
            let registration = Registration::create(id, &body).map_err(Refusal::bad)?;
            require_free_issuer(&directory, domain, &registration)?;
            let shown = entity(call, &name, &registration);
            put(&mut directory, &name, Some(registration));
            Ok(Answer::created(shown))
        }
        _ => Err(Refusal::method()),
    }
}

/// `GET`, `PATCH` and `DELETE` of the object.
pub(super) fn one(call: &Call<'_>, name: &str, id: &str) -> Answered {
    let name = name.to_ascii_lowercase();
    call.caller.require(match *call.method {
        Method::GET => &READS,
        _ => &WRITES,
    })?;
    let mut directory = lock(&call.practice.directory);
    let domain = known(&directory, &name)?;
    let mut registration = domain
        .registration
        .clone()
        .filter(|registration| registration.id.eq_ignore_ascii_case(id))
        .ok_or_else(|| Refusal::not_found(id))?;
    match *call.method {
        Method::GET => Ok(Answer::ok(entity(call, &name, &registration))),
        Method::PATCH => {
            registration.update(&call.object()?).map_err(Refusal::bad)?;
            require_free_issuer(&directory, domain, &registration)?;
            let shown = entity(call, &name, &registration);
            put(&mut directory, &name, Some(registration));
            Ok(Answer::ok(shown))
        }
        Method::DELETE => {
            put(&mut directory, &name, None);
            Ok(Answer::no_content())
        }
        _ => Err(Refusal::method()),
    }
}

fn known<'d>(directory: &'d Directory, name: &str) -> Result<&'d Domain, Refusal> {
    directory
        .domain(name)
        .ok_or_else(|| Refusal::not_found(name))
}

fn put(directory: &mut Directory, name: &str, registration: Option<Registration>) {
    if let Some(domain) = directory.domain_mut(name) {
        domain.registration = registration;
    }
}

fn entity(call: &Call<'_>, name: &str, registration: &Registration) -> Value {
    let mut shown = registration.to_graph();
    shown["@odata.context"] = json!(call.context(&format!(
        "domains('{name}')/federationConfiguration/$entity"
    )));
    shown
}

fn require_may_federate(domain: &Domain) -> Result<(), Refusal> {
    if domain.initial {
        return Err(Refusal::bad(
            "The initial domain of the tenant cannot be federated.",
        ));
    }
    if !domain.verified {
        return Err(Refusal::bad(
            "The domain is not verified; verify it before you federate it.",
        ));
    }
    if domain.default {
        return Err(Refusal::bad(
            "The default domain cannot be federated; make another domain the default first.",
        ));
    }
    Ok(())
}

/// No other root domain has the issuer; a sub-domain has that of the domain above it.
fn require_free_issuer(
    directory: &Directory,
    domain: &Domain,
    registration: &Registration,
) -> Result<(), Refusal> {
    let issuer = registration.text("issuerUri");
    for other in directory
        .domains()
        .iter()
        .filter(|other| other.name != domain.name)
    {
        let theirs = other
            .registration
            .as_ref()
            .and_then(|registration| registration.text("issuerUri"));
        let related = domain.name.is_within(&other.name) || other.name.is_within(&domain.name);
        if related && theirs.is_some() && theirs != issuer {
            return Err(Refusal::bad(format!(
                "The issuerUri must be that of the related domain {}.",
                other.name
            )));
        }
        if !related && theirs == issuer {
            return Err(Refusal::bad(
                "The specified issuerUri is already in use by another domain of this directory.",
            ));
        }
    }
    Ok(())
}
