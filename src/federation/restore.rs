//! The way back: from what a tenant has to what it had.
//!
//! Always true: what Graph lets nobody restore is named, not passed over.

use serde_json::{Map, Value};

use super::{
    configuration::ODATA_TYPE,
    plan::{Call, Difference, Method, federation_path},
    property::{Property, Setting},
    tenant::{Authentication, DomainState},
};

/// What leads back, and what does not.
#[derive(Clone, Debug, Default)]
pub struct Restoration {
    /// What is not as it was.
    pub differences: Vec<Difference>,
    /// What restores it.
    pub calls: Vec<Call>,
    /// What cannot be restored, in sentences.
    pub cannot: Vec<String>,
    /// Whether the domain becomes managed again by this.
    pub to_managed: bool,
}

/// What `apply` names before it asks, for a domain that becomes federated or changes.
pub fn cannot_be_undone(converts: bool) -> Vec<&'static str> {
    let mut sentences = vec![
        "federatedIdpMfaBehavior can be changed to another value later, but never be unset again.",
        "A change of the federation may take up to two hours until all of Entra knows it.",
    ];
    if converts {
        sentences.push(
            "Going back to managed takes up to two hours, and everybody needs a new password then: Entra kept none.",
        );
        sentences.push(
            "Single sign-on of present sessions may take up to 24 hours to follow; signed-in people stay signed in until their session ends.",
        );
    }
    sentences
}

/// What leads from `now` back to `before`.
pub fn restore(before: &DomainState, now: &DomainState) -> Restoration {
    let mut way = Restoration::default();
    let domain = &before.name;
    match (before.federation(), now.federation()) {
        (None, None) => {
            if before.is_managed() && now.authentication == Some(Authentication::Federated) {
                to_managed(before, &mut way);
            }
        }
        (None, Some(_)) => to_managed(before, &mut way),
        (Some(was), has) => {
            let mut body = Map::new();
            body.insert("@odata.type".to_owned(), ODATA_TYPE.into());
            for property in Property::ALL {
                let (was, found) = (was.get(property), has.and_then(|has| has.get(property)));
                if was == found {
                    continue;
                }
                let back = match (property, was) {
                    (Property::FederatedIdpMfaBehavior, None) => {
                        way.cannot.push(
                            "federatedIdpMfaBehavior was not set, and Entra lets nobody unset it: it becomes acceptIfMfaDoneByFederatedIdp, which is what unset means.".to_owned(),
                        );
                        let accept = Setting::Text("acceptIfMfaDoneByFederatedIdp".to_owned());
                        if found == Some(&accept) {
                            continue;
                        }
                        Some(accept)
                    }
                    _ => was.cloned(),
                };
                let value = back.as_ref().map_or(Value::Null, Setting::to_json);
                body.insert(property.name().to_owned(), value);
                way.differences.push(Difference {
                    property,
                    was: found.cloned(),
                    will: back,
                });
            }
            if !way.differences.is_empty() {
                let path = federation_path(domain);
                way.calls.push(match has {
                    Some(has) => Call {
                        method: Method::Patch,
                        path: format!("{path}/{}", has.id.as_deref().unwrap_or("{id}")),
                        body: Value::Object(body),
                    },
                    None => {
                        way.cannot.push(
                            "The federation object is gone and is made anew: Graph gives it another id.".to_owned(),
                        );
                        Call {
                            method: Method::Post,
                            path,
                            body: Value::Object(body),
                        }
                    }
                });
            }
        }
    }
    way
}

fn to_managed(before: &DomainState, way: &mut Restoration) {
    way.to_managed = true;
    way.calls.push(Call {
        method: Method::Patch,
        path: format!("/v1.0/domains/{}", before.name),
        body: serde_json::json!({ "authenticationType": "Managed" }),
    });
    way.cannot.push(
        "Passwords: Entra kept none while the domain was federated; everybody of it needs a new one from an administrator.".to_owned(),
    );
    way.cannot.push(
        "Time: it may take up to two hours until all of Entra knows that the domain is managed again.".to_owned(),
    );
}
