//! The demo's switch: which protocol the domain is federated with, and what becomes of
//! `prompt=login`; what an operator changes with `domain apply`, here with two lists.
//!
//! Always true: it changes the first domain's registration as Graph would, and nothing at the
//! identity provider; a form that comes without a visit's cookie (of another site) changes nothing.

use std::sync::Arc;

use axum::{
    Form,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{FederatedDomain, Practice, PromptLogin, site::cookie, tenant::VISIT, visit::lock};

#[derive(Deserialize)]
pub(super) struct RegistrationForm {
    protocol: String,
    prompt: String,
}

/// `POST /registration`.
pub(super) async fn register(
    State(practice): State<Arc<Practice>>,
    headers: HeaderMap,
    Form(form): Form<RegistrationForm>,
) -> Response {
    let visit = cookie(&headers, VISIT).and_then(|value| lock(&practice.visits).by_cookie(value));
    if visit.is_none() {
        return Redirect::to("/").into_response();
    }
    match practice.federate_again(&form) {
        Ok(()) => Redirect::to("/").into_response(),
        Err(why) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    }
}

impl Practice {
    /// Whether this is the demo, which has people to try it with and an identity provider of
    /// its own.
    pub(super) fn is_demo(&self) -> bool {
        !self.demo_people.is_empty()
    }

    /// The registration of the first federated domain.
    pub(super) fn first_registered(&self) -> Option<FederatedDomain> {
        let directory = lock(&self.directory);
        directory.federated(directory.first())
    }

    fn federate_again(&self, form: &RegistrationForm) -> Result<(), String> {
        let Some(domain) = self.first_registered() else {
            return Err("No domain is federated.".to_owned());
        };
        let (idp, name) = (&self.idp_url, domain.name.as_str());
        let (sign_in, sign_out) = match form.protocol.as_str() {
            "saml" => ("saml2/sso", "saml2/slo"),
            "wsFed" => ("wsfed", "wsfed"),
            _ => return Err("The protocol is saml or wsFed.".to_owned()),
        };
        let prompt = PromptLogin::ALL
            .into_iter()
            .find(|known| known.as_graph().unwrap_or_default() == form.prompt)
            .ok_or("There is no such promptLoginBehavior.")?;
        let mut change = Map::<String, Value>::new();
        for (property, value) in [
            ("preferredAuthenticationProtocol", json!(form.protocol)),
            (
                "passiveSignInUri",
                json!(format!("{idp}/{sign_in}?domain={name}")),
            ),
            ("signOutUri", json!(format!("{idp}/{sign_out}"))),
            ("promptLoginBehavior", json!(prompt.as_graph())),
        ] {
            change.insert(property.to_owned(), value);
        }
        let mut directory = lock(&self.directory);
        let registration = directory
            .domain_mut(name)
            .and_then(|domain| domain.registration.as_mut());
        match registration {
            Some(registration) => registration.update(&change),
            None => Err("No domain is federated.".to_owned()),
        }
    }
}
