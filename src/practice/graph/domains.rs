//! `/domains` and `/organization`.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Answer, Answered, Call, errors::Refusal};
use crate::practice::{
    directory::{Directory, Domain},
    visit::lock,
};

const READS: [&str; 4] = [
    "Domain.Read.All",
    "Domain.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const WRITES: [&str; 2] = ["Domain.ReadWrite.All", "Directory.AccessAsUser.All"];

/// `GET /domains`.
pub(super) fn list(call: &Call<'_>) -> Answered {
    if call.method != Method::GET {
        return Err(Refusal::method());
    }
    call.caller.require(&READS)?;
    let directory = lock(&call.practice.directory);
    let all: Vec<Value> = directory
        .domains()
        .iter()
        .map(|domain| shown(&directory, domain))
        .collect();
    Ok(Answer::ok(
        json!({ "@odata.context": call.context("domains"), "value": all }),
    ))
}

/// `GET` and `PATCH /domains/{name}`.
pub(super) fn one(call: &Call<'_>, name: &str) -> Answered {
    let name = name.to_ascii_lowercase();
    let mut directory = lock(&call.practice.directory);
    match *call.method {
        Method::GET => {
            call.caller.require(&READS)?;
            let domain = directory
                .domain(&name)
                .ok_or_else(|| Refusal::not_found(&name))?;
            let mut body = shown(&directory, domain);
            body["@odata.context"] = json!(call.context("domains/$entity"));
            Ok(Answer::ok(body))
        }
        Method::PATCH => {
            call.caller.require(&WRITES)?;
            change(call, &mut directory, &name)
        }
        _ => Err(Refusal::method()),
    }
}

fn change(call: &Call<'_>, directory: &mut Directory, name: &str) -> Answered {
    let body = call.object()?;
    let domain = directory
        .domain(name)
        .ok_or_else(|| Refusal::not_found(name))?
        .clone();
    let mut make_managed = false;
    let mut make_default = false;
    for (property, value) in &body {
        match (property.as_str(), value) {
            ("@odata.type", _) => {}
            ("authenticationType", Value::String(text)) if text == "Managed" => make_managed = true,
            ("authenticationType", _) => {
                return Err(Refusal::bad(
                    "Invalid value specified for property 'authenticationType' of resource 'Domain'. Create a federationConfiguration instead.",
                ));
            }
            ("isDefault", Value::Bool(true))
                if domain.verified && domain.registration.is_none() =>
            {
                make_default = true;
            }
            ("isDefault", _) => {
                return Err(Refusal::bad(
                    "Only a verified, managed domain can be made the default domain.",
                ));
            }
            _ => {
                return Err(Refusal::bad(format!(
                    "Property '{property}' of resource 'Domain' cannot be changed here."
                )));
            }
        }
    }
    if make_default {
        let names: Vec<String> = directory
            .domains()
            .iter()
            .map(|domain| domain.name.to_string())
            .collect();
        for other in names {
            if let Some(domain) = directory.domain_mut(&other) {
                domain.default = other == name;
            }
        }
    }
    if let Some(domain) = directory.domain_mut(name).filter(|_| make_managed) {
        domain.registration = None;
    }
    Ok(Answer::no_content())
}

/// `GET /organization`.
pub(super) fn organization(call: &Call<'_>) -> Answered {
    if call.method != Method::GET {
        return Err(Refusal::method());
    }
    call.caller.require(&[
        "Organization.Read.All",
        "User.Read",
        "Directory.Read.All",
        "Domain.Read.All",
    ])?;
    let directory = lock(&call.practice.directory);
    let verified: Vec<Value> = directory
        .domains()
        .iter()
        .filter(|domain| domain.verified)
        .map(|domain| {
            json!({
                "capabilities": "Email, OfficeCommunicationsOnline",
                "isDefault": domain.default,
                "isInitial": domain.initial,
                "name": domain.name.as_str(),
                "type": authentication_type(&directory, domain),
            })
        })
        .collect();
    Ok(Answer::ok(json!({
        "@odata.context": call.context("organization"),
        "value": [{
            "id": call.practice.tokens.tenant_id(),
            "displayName": "Practice tenant",
            "tenantType": "AAD",
            "onPremisesSyncEnabled": Value::Null,
            "verifiedDomains": verified,
        }],
    })))
}

fn is_root(directory: &Directory, domain: &Domain) -> bool {
    !directory
        .domains()
        .iter()
        .any(|other| other.name != domain.name && domain.name.is_within(&other.name))
}

/// `Federated` or `Managed`; a sub-domain is what the domain above it is (facts §4.1).
pub(super) fn authentication_type(directory: &Directory, domain: &Domain) -> &'static str {
    let at = directory
        .domains()
        .iter()
        .position(|known| known.name == domain.name);
    if at.and_then(|at| directory.federated(at)).is_some() {
        "Federated"
    } else {
        "Managed"
    }
}

fn shown(directory: &Directory, domain: &Domain) -> Value {
    json!({
        "id": domain.name.as_str(),
        "authenticationType": authentication_type(directory, domain),
        "availabilityStatus": Value::Null,
        "isAdminManaged": true,
        "isDefault": domain.default,
        "isInitial": domain.initial,
        "isRoot": is_root(directory, domain),
        "isVerified": domain.verified,
        "supportedServices": if domain.verified { json!(["Email", "OfficeCommunicationsOnline"]) } else { json!([]) },
        "passwordValidityPeriodInDays": 2_147_483_647,
        "passwordNotificationWindowInDays": 14,
        "state": Value::Null,
    })
}
