//! Whether a tenant was told what it should know of us (facts §5.6), and whether its cloud answers.

use serde_json::Value;

use super::{
    super::published::{Compression, get},
    Check, Standing,
};
use crate::{
    app::Settings, outbound::guard::Outbound, protocol::oidc::discovery, relying_party::Tenant,
};

/// What Graph shows of the application: `GET /applications(appId='…')`.
pub fn application(settings: &Settings, tenant: &Tenant, shown: Option<&Value>) -> Vec<Check> {
    let wanted = discovery::authorization_endpoint(&settings.public_url);
    let Some(shown) = shown else {
        return vec![Check::new(
            "reply-url",
            Standing::Unknown,
            format!(
                "Not looked at: whether {wanted} is a redirect URI of the application {}.",
                tenant.application_id
            ),
            "Look in Entra (App registrations, Authentication, Web), or give --application what Graph answers for it.",
        )];
    };
    let mut checks = Vec::new();
    let named = shown["appId"].as_str().unwrap_or_default();
    if named.parse() != Ok(tenant.application_id) {
        checks.push(Check::unmet(
            "application",
            format!("This is the application {named:?}, and the tenant was added with {}.", tenant.application_id),
            "Give the application's own answer, or remove the tenant and add it with this application.",
        ));
    }
    let listed = |place: &str| -> Vec<&str> {
        let list = shown[place]["redirectUris"].as_array();
        list.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    };
    if listed("web").contains(&wanted.as_str()) {
        checks.push(Check::met(
            "reply-url",
            format!("{wanted} is a redirect URI of the application."),
        ));
    } else {
        let elsewhere = ["spa", "publicClient"]
            .into_iter()
            .find(|place| listed(place).contains(&wanted.as_str()));
        let says = match elsewhere {
            Some(place) => {
                format!("{wanted} is a redirect URI of the type {place}, not of the type web.")
            }
            None => format!(
                "{wanted} is none of the redirect URIs: {:?}.",
                listed("web")
            ),
        };
        checks.push(
            Check::unmet(
                "reply-url",
                says,
                format!("Add {wanted} as a redirect URI of the type Web, letter by letter."),
            )
            .entra_says(&["50161"]),
        );
    }
    checks
}

/// What Graph shows of the method: an `externalAuthenticationMethodConfiguration`.
pub fn method(settings: &Settings, tenant: &Tenant, shown: Option<&Value>) -> Vec<Check> {
    let Some(shown) = shown else {
        return vec![Check::new(
            "method",
            Standing::Unknown,
            "Not looked at: what the tenant was told of us.",
            "Give --method what Graph answers for /policies/authenticationMethodsPolicy/authenticationMethodConfigurations/{id}.",
        )];
    };
    let application = tenant.application_id.to_string();
    let wanted = [
        (
            "appId",
            shown["appId"].as_str().map(str::to_lowercase),
            application,
        ),
        (
            "clientId",
            shown["openIdConnectSetting"]["clientId"]
                .as_str()
                .map(str::to_owned),
            tenant.client_id.to_string(),
        ),
        (
            "discoveryUrl",
            shown["openIdConnectSetting"]["discoveryUrl"]
                .as_str()
                .map(str::to_owned),
            discovery::discovery_url(&settings.public_url),
        ),
    ];
    let mut checks = Vec::new();
    for (name, found, wanted) in wanted {
        if found.as_ref() != Some(&wanted) {
            checks.push(Check::unmet(
                "method",
                format!(
                    "{name} of the method is {:?}, wanted is {wanted}.",
                    found.unwrap_or_default()
                ),
                "Correct it in the method (PATCH of its configuration), letter by letter.",
            ));
        }
    }
    if shown["state"] != "enabled" {
        checks.push(
            Check::unmet(
                "method",
                "The method is not enabled.",
                "Let a Privileged Role Administrator consent to the application, then enable it.",
            )
            .entra_says(&["900491"]),
        );
    }
    let targets = shown["includeTargets"].as_array();
    if targets.is_none_or(Vec::is_empty) {
        checks.push(Check::unmet(
            "method",
            "The method is for nobody: includeTargets is empty.",
            "Include the group of people who shall use it.",
        ));
    }
    if checks.is_empty() {
        checks.push(Check::met("method", "The tenant knows us as it should."));
    }
    checks
}

/// Whether the tenant's cloud can be asked for its keys, without which no hint is believed.
pub async fn cloud(outbound: &Outbound, settings: &Settings, tenant: &Tenant) -> Check {
    let asking = match settings.asking_tenant(tenant) {
        Ok(asking) => asking,
        Err(error) => {
            return Check::unmet(
                "cloud",
                format!("{error}."),
                "Correct [entra.cloud], or remove the tenant and add it in the right cloud.",
            );
        }
    };
    let address = asking.cloud.metadata_url();
    let remedy = "Let this server reach the cloud over https (firewall, HTTPS_PROXY): it verifies every hint with the cloud's keys.";
    match get(outbound, &address, Compression::NotAsked).await {
        Ok(answer) => {
            let document = answer.object().unwrap_or_default();
            let wanted = asking.cloud.issuer_template();
            if document["issuer"].as_str() == Some(&wanted) {
                Check::met("cloud", format!("{address} answers."))
            } else {
                Check::unmet(
                    "cloud",
                    format!(
                        "{address} names the issuer {}, wanted is {wanted}.",
                        document["issuer"]
                    ),
                    "Something between this server and Microsoft answers in its place; look at the proxy.",
                )
            }
        }
        Err(error) => Check::unmet("cloud", format!("{address}: {error}."), remedy),
    }
}
