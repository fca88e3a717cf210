//! The way back: from what a tenant has to what it had.
//!
//! Always true: what Graph lets nobody restore is named, not passed over; what is not known
//! (nobody asked, or the answer contradicts itself) is restored as nothing, least of all as
//! managed, which would cost everybody a new password; a certificate that is none of ours, or of
//! a key of ours that signs no more, does not come back unless somebody asked for that: it may be
//! why the domain was changed.

use serde_json::{Map, Value};

use super::{
    configuration::{Configuration, ODATA_TYPE},
    drift::{Drift, DriftSeverity, of_federation},
    plan::{Call, CallWeight, Difference, Method, federation_path},
    property::{Property, Setting},
    tenant::{Authentication, DomainState},
    wanted::{KeyOrigin, Ours},
};
use crate::{base::clock::Timestamp, relying_party::name_rule::comparable};

/// What becomes of certificates that are none of ours, or whose key of ours signs no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UnknownKeys {
    /// They are left out and named.
    LeftOut,
    /// They come back: somebody asked for it, such as who goes back to an earlier provider.
    Restored,
}

/// What leads back, and what does not.
#[derive(Clone, Debug, Default)]
pub struct Restoration {
    /// Why nothing is done, although it may not be as it was; then there is no call.
    pub refused: Option<String>,
    /// What is not as it was.
    pub differences: Vec<Difference>,
    /// What restores it.
    pub calls: Vec<Call>,
    /// What is not restored, in sentences.
    pub cannot: Vec<String>,
    /// What of the restored federation is not as it should be of us.
    pub warnings: Vec<Drift>,
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

/// What leads from `now` back to `before`; both are states of one domain.
pub fn restore(
    before: &DomainState,
    now: &DomainState,
    ours: &Ours,
    unknown_keys: UnknownKeys,
    at: Timestamp,
) -> Restoration {
    if (before.authentication, &before.configuration) == (now.authentication, &now.configuration) {
        return Restoration::default();
    }
    match (before.authentication, &before.configuration) {
        (Some(Authentication::Managed), None | Some(None)) => managed_again(before, now),
        (Some(Authentication::Managed), Some(Some(_))) => Restoration::refused(
            "what was written down of the time before says managed and shows a federation; nothing is restored from that",
        ),
        (_, Some(Some(was))) => federated_again(was, before, now, ours, unknown_keys, at),
        (_, None | Some(None)) => Restoration::refused(
            "what federation it had before is not known; nothing is restored from that",
        ),
    }
}

impl Restoration {
    fn refused(why: &str) -> Self {
        Self {
            refused: Some(why.to_owned()),
            ..Self::default()
        }
    }
}

fn managed_again(before: &DomainState, now: &DomainState) -> Restoration {
    match (now.authentication, now.federation()) {
        (Some(Authentication::Managed), None) => Restoration::default(),
        (None, None) => Restoration::refused(
            "what the tenant has now is not known; read it again before anything is restored",
        ),
        (Some(Authentication::Federated), _) | (_, Some(_)) => to_managed(before),
    }
}

fn federated_again(
    was: &Configuration,
    before: &DomainState,
    now: &DomainState,
    ours: &Ours,
    unknown_keys: UnknownKeys,
    at: Timestamp,
) -> Restoration {
    let has = match (now.authentication, &now.configuration) {
        (Some(Authentication::Managed), Some(None)) => None,
        (Some(Authentication::Federated) | None, Some(Some(has))) => Some(has),
        (_, None) => {
            return Restoration::refused(
                "the federation that it has now was not read; read it again before anything is restored",
            );
        }
        _ => {
            return Restoration::refused(
                "the tenant contradicts itself: its word for the domain and the federation that it shows do not fit; wait some minutes and read it again",
            );
        }
    };
    let mut way = Restoration::default();
    let mut result = has.cloned().unwrap_or_default();
    let mut body = Map::new();
    body.insert("@odata.type".to_owned(), ODATA_TYPE.into());
    for property in Property::ALL {
        let (was, found) = (was.get(property), has.and_then(|has| has.get(property)));
        if was == found {
            continue;
        }
        let back = match was {
            Some(key)
                if unknown_keys == UnknownKeys::LeftOut
                    && let Some(whose) = left_out(property, key, ours) =>
            {
                way.cannot.push(format!(
                    "{property} was {whose}, and does not come back: {}. Whoever has it could sign in as anybody.",
                    crate::inspect::shown(&key.to_words(), 200)
                ));
                if property == Property::SigningCertificate
                    && (has.is_none() || !is_of_us(before, ours))
                {
                    way.refused = Some(format!(
                        "before, it was federated with {}, by {whose}; without that key nobody could sign in, and with it whoever has the key can sign in as anybody. If that provider is yours, say so (--with-unknown-certificates)",
                        crate::inspect::shown(
                            was_issuer(before).unwrap_or("an unnamed issuer"),
                            200
                        )
                    ));
                    return Restoration {
                        refused: way.refused,
                        cannot: way.cannot,
                        ..Restoration::default()
                    };
                }
                continue;
            }
            None if property == Property::FederatedIdpMfaBehavior => {
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
        result.set(property, back.clone());
        way.differences.push(Difference {
            property,
            was: found.cloned(),
            will: back,
        });
    }
    if way.differences.is_empty() {
        return way;
    }
    let path = federation_path(&before.name);
    let (method, path) = match has.map(|has| &has.id) {
        Some(Some(id)) => (Method::Patch, format!("{path}/{id}")),
        Some(None) => {
            return Restoration::refused(
                "the tenant shows its federation without an id, so it cannot be named in a change; read it again",
            );
        }
        None => {
            way.cannot.push(
                "The federation object is gone and is made anew: Graph gives it another id."
                    .to_owned(),
            );
            (Method::Post, path)
        }
    };
    way.calls.push(Call {
        method,
        path,
        body: Value::Object(body),
        weight: CallWeight::Must,
    });
    if let Some(domain) = ours.domains.iter().find(|own| own.name == before.name) {
        way.warnings = of_federation(&ours.wanted(domain), &result, at);
        way.warnings
            .retain(|one| one.severity != DriftSeverity::Info);
    }
    way
}

/// Whose key a certificate is of that does not come back by itself.
fn left_out(property: Property, setting: &Setting, ours: &Ours) -> Option<&'static str> {
    if !matches!(
        property,
        Property::SigningCertificate | Property::NextSigningCertificate
    ) {
        return None;
    }
    match ours.certificates.origin(setting) {
        KeyOrigin::Ours => None,
        // It may have been replaced because it was stolen.
        KeyOrigin::Former => Some("a former key of ours, which signs no more"),
        KeyOrigin::Unknown => Some("a key that is none of ours"),
    }
}

fn was_issuer(before: &DomainState) -> Option<&str> {
    before.federation()?.text(Property::IssuerUri)
}

/// Whether it was federated with us, perhaps by another key.
fn is_of_us(before: &DomainState, ours: &Ours) -> bool {
    was_issuer(before).is_some_and(|issuer| {
        ours.domains
            .iter()
            .any(|own| comparable(&own.issuer_uri) == comparable(issuer))
    })
}

fn to_managed(before: &DomainState) -> Restoration {
    Restoration {
        to_managed: true,
        calls: vec![Call {
            method: Method::Patch,
            path: format!("/v1.0/domains/{}", before.name),
            body: serde_json::json!({ "authenticationType": "Managed" }),
            weight: CallWeight::Must,
        }],
        cannot: vec![
            "Passwords: Entra kept none while the domain was federated; everybody of it needs a new one from an administrator.".to_owned(),
            "Time: it may take up to two hours until all of Entra knows that the domain is managed again.".to_owned(),
        ],
        ..Restoration::default()
    }
}

#[cfg(test)]
mod tests;
