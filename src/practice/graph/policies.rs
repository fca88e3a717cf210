//! `/policies/…`: security defaults, the policy about federated tokens (facts §4.6), and
//! authentication methods as far as External MFA needs them (facts §5.6).

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::{Answer, Answered, Call, errors::Refusal};
use crate::practice::visit::lock;

const READS: [&str; 1] = ["Policy.Read.All"];
const METHODS_READ: [&str; 2] = ["Policy.Read.All", "Policy.ReadWrite.AuthenticationMethod"];
const METHODS_WRITE: [&str; 1] = ["Policy.ReadWrite.AuthenticationMethod"];
const EXTERNAL: &str = "#microsoft.graph.externalAuthenticationMethodConfiguration";
const ROOT_DOMAINS: [&str; 6] = [
    "none",
    "all",
    "allFederated",
    "allManaged",
    "enumerated",
    "allManagedAndEnumeratedFederated",
];

pub(super) fn answer(call: &Call<'_>, rest: &[&str]) -> Answered {
    let mut directory = lock(&call.practice.directory);
    let policies = &mut directory.policies;
    match (call.method, rest) {
        (&Method::GET, ["identitySecurityDefaultsEnforcementPolicy"]) => {
            call.caller.require(&READS)?;
            Ok(Answer::ok(json!({
                "@odata.context": call.context("policies/identitySecurityDefaultsEnforcementPolicy/$entity"),
                "id": "00000000-0000-0000-0000-000000000005",
                "displayName": "Security Defaults",
                "description": "Security defaults is a set of basic identity security mechanisms recommended by Microsoft.",
                "isEnabled": policies.security_defaults,
            })))
        }
        (&Method::GET, ["federatedTokenValidationPolicy"]) => {
            call.caller.require(&READS)?;
            Ok(Answer::ok(json!({
                "@odata.context": call.context("policies/federatedTokenValidationPolicy/$entity"),
                "id": "f0a1b2c3-0000-4000-8000-000000000001",
                "deletedDateTime": Value::Null,
                "validatingDomains": {
                    "@odata.type": "#microsoft.graph.allDomains",
                    "rootDomains": policies.validating_root_domains,
                },
            })))
        }
        (&Method::PUT | &Method::PATCH, ["federatedTokenValidationPolicy"]) => {
            call.caller
                .require(&["Policy.ReadWrite.FedTokenValidation"])?;
            let body = call.object()?;
            let root = body
                .get("validatingDomains")
                .and_then(|domains| domains["rootDomains"].as_str())
                .filter(|root| ROOT_DOMAINS.contains(root))
                .ok_or_else(|| {
                    Refusal::bad("Invalid value specified for property 'validatingDomains'.")
                })?;
            root.clone_into(&mut policies.validating_root_domains);
            Ok(Answer::no_content())
        }
        (&Method::GET, ["authenticationMethodsPolicy"]) => {
            call.caller.require(&METHODS_READ)?;
            Ok(Answer::ok(json!({
                "@odata.context": call.context("authenticationMethodsPolicy"),
                "id": "authenticationMethodsPolicy",
                "displayName": "Authentication Methods Policy",
                "policyVersion": "1.5",
                "policyMigrationState": "migrationComplete",
                "authenticationMethodConfigurations": policies.method_configurations,
            })))
        }
        (
            &Method::GET,
            [
                "authenticationMethodsPolicy",
                "authenticationMethodConfigurations",
            ],
        ) => {
            call.caller.require(&METHODS_READ)?;
            Ok(Answer::ok(json!({
                "@odata.context": call.context("authenticationMethodConfigurations"),
                "value": policies.method_configurations,
            })))
        }
        (
            &Method::POST,
            [
                "authenticationMethodsPolicy",
                "authenticationMethodConfigurations",
            ],
        ) => {
            call.caller.require(&METHODS_WRITE)?;
            let mut body = call.object()?;
            require_external(&policies.method_configurations, &body)?;
            body.insert("id".to_owned(), json!(call.practice.guid()));
            let made = Value::Object(body);
            policies.method_configurations.push(made.clone());
            Ok(Answer::created(made))
        }
        (
            &Method::GET,
            [
                "authenticationMethodsPolicy",
                "authenticationMethodConfigurations",
                id,
            ],
        ) => {
            call.caller.require(&METHODS_READ)?;
            policies
                .method_configurations
                .iter()
                .find(|one| one["id"] == *id)
                .map(|one| Answer::ok(one.clone()))
                .ok_or_else(|| Refusal::not_found(id))
        }
        (_, []) => Err(Refusal::segment("policies")),
        (&Method::GET, [.., last]) => Err(Refusal::segment(last)),
        _ => Err(Refusal::method()),
    }
}

/// The body of facts §5.6.
fn require_external(present: &[Value], body: &Map<String, Value>) -> Result<(), Refusal> {
    const KNOWN: [&str; 7] = [
        "@odata.type",
        "displayName",
        "state",
        "appId",
        "openIdConnectSetting",
        "includeTargets",
        "excludeTargets",
    ];
    let wrong = |name: &str| {
        Refusal::bad(format!(
            "Invalid value specified for property '{name}' of resource 'externalAuthenticationMethodConfiguration'."
        ))
    };
    if let Some(other) = body.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(wrong(other));
    }
    let text = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| wrong(name))
    };
    if text("@odata.type")? != EXTERNAL {
        return Err(wrong("@odata.type"));
    }
    let name = text("displayName")?;
    text("appId")?;
    if !matches!(text("state")?, "enabled" | "disabled") {
        return Err(wrong("state"));
    }
    let setting = body.get("openIdConnectSetting").unwrap_or(&Value::Null);
    let discovery = setting["discoveryUrl"].as_str().unwrap_or_default();
    if setting["clientId"].as_str().is_none_or(str::is_empty)
        || !discovery.ends_with("/.well-known/openid-configuration")
    {
        return Err(wrong("openIdConnectSetting"));
    }
    if present.iter().any(|one| one["displayName"] == name) {
        return Err(Refusal::conflict(
            "An external authentication method with this displayName exists.",
        ));
    }
    Ok(())
}
