//! What an administrator registered: the method among the authentication methods, and the
//! application that stands for the provider in the tenant (facts §5.6).
//!
//! Always true: the method is the one that the tenant's Graph shows; the application's reply
//! addresses and its consent count at the moment when somebody is sent.

use serde_json::{Value, json};

use super::{super::checks::Row, metadata::Provider};
use crate::practice::{
    Practice,
    checks::{Check, Checks},
    visit::lock,
};

const CONFIGURATION: &str = "#microsoft.graph.externalAuthenticationMethodConfiguration";

/// Before anybody is sent.
const ROWS: [Row; 2] = [
    (
        "consent",
        "The application is registered here, and an administrator consented to it",
        "900491",
    ),
    (
        "reply-url",
        "authorization_endpoint is a reply URL of the application, byte for byte",
        "50161",
    ),
];

/// Whether an administrator consented to openid and profile for the application.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Consent {
    /// Yes.
    Granted,
    /// Not yet.
    Missing,
}

/// An external method with its application.
#[derive(Clone, Debug)]
pub struct ExternalMethod {
    /// `displayName`.
    pub name: String,
    /// `appId`: the audience of hints, a GUID.
    pub application_id: String,
    /// `clientId`: what the provider gave to the tenant.
    pub client_id: String,
    /// `discoveryUrl`.
    pub discovery_url: String,
    /// The reply URLs of the application.
    pub reply_urls: Vec<String>,
    /// Its consent.
    pub consent: Consent,
}

/// An application of the tenant.
#[derive(Clone, Debug)]
pub(super) struct Application {
    id: String,
    reply_urls: Vec<String>,
    consent: Consent,
}

impl ExternalMethod {
    fn of(configuration: &Value, applications: &[Application]) -> Option<Self> {
        let text = |pointer: &str| configuration.pointer(pointer)?.as_str().map(str::to_owned);
        let enabled =
            configuration["@odata.type"] == CONFIGURATION && configuration["state"] == "enabled";
        let application_id = text("/appId")?;
        let application = applications.iter().find(|one| one.id == application_id);
        enabled.then_some(Self {
            name: text("/displayName")?,
            client_id: text("/openIdConnectSetting/clientId")?,
            discovery_url: text("/openIdConnectSetting/discoveryUrl")?,
            reply_urls: application.map_or_else(Vec::new, |one| one.reply_urls.clone()),
            consent: application.map_or(Consent::Missing, |one| one.consent),
            application_id,
        })
    }

    /// What must be so before anybody is sent.
    pub(super) fn checks(&self, provider: &Provider) -> Vec<Check> {
        let mut checks = Checks::of(&ROWS);
        checks.record(
            "consent",
            match self.consent {
                Consent::Granted => Ok(format!("Application {}.", self.application_id)),
                Consent::Missing => Err(format!(
                    "Application {} has no service principal with consent to openid and profile here. A Privileged Role Administrator gives it.",
                    self.application_id
                )),
            },
        );
        let endpoint = &provider.authorization_endpoint;
        checks.record(
            "reply-url",
            if self.reply_urls.contains(endpoint) {
                Ok(format!("{endpoint}."))
            } else {
                Err(format!(
                    "The discovery document says {endpoint}; the application has {}.",
                    if self.reply_urls.is_empty() {
                        "none".to_owned()
                    } else {
                        self.reply_urls.join(", ")
                    }
                ))
            },
        );
        checks.finish()
    }
}

impl Practice {
    /// Registers a method and its application, as an administrator does with Graph.
    pub fn register_external_method(&self, method: ExternalMethod) {
        let id = self.guid();
        lock(&self.external_mfa.applications).push(Application {
            id: method.application_id.clone(),
            reply_urls: method.reply_urls,
            consent: method.consent,
        });
        lock(&self.directory)
            .policies
            .method_configurations
            .push(json!({
                "@odata.type": CONFIGURATION,
                "id": id,
                "displayName": method.name,
                "state": "enabled",
                "appId": method.application_id,
                "openIdConnectSetting": {
                    "clientId": method.client_id,
                    "discoveryUrl": method.discovery_url,
                },
                "includeTargets": [{ "targetType": "group", "id": "all_users" }],
                "excludeTargets": [],
            }));
    }

    /// The first external method that is enabled.
    pub fn external_method(&self) -> Option<ExternalMethod> {
        let applications = lock(&self.external_mfa.applications).clone();
        let directory = lock(&self.directory);
        directory
            .policies
            .method_configurations
            .iter()
            .find_map(|one| ExternalMethod::of(one, &applications))
    }
}
