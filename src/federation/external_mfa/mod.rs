//! What there is to do at Entra so that a tenant asks us for the second factor (External MFA,
//! facts §5.6), as calls of Microsoft Graph with our values filled in.
//!
//! Always true: nothing here changes anything; what an administrator cannot take back, who may do
//! which step and what External MFA cannot do stands beside the calls; an application that exists
//! is never written over, because a PATCH of its redirect URIs would take the others away.

/// The same as Microsoft Graph PowerShell.
pub mod powershell;

use serde_json::{Value, json};

use crate::{
    base::guid::Guid,
    relying_party::{ClientId, TenantCloud},
};

/// Microsoft Graph itself, in every cloud.
pub const GRAPH_APPLICATION: &str = "00000003-0000-0000-c000-000000000000";
/// Its delegated permission `openid`, in every cloud.
pub const OPENID: &str = "37f7f235-527c-4136-accd-4a02d197296e";
/// Its delegated permission `profile`.
pub const PROFILE: &str = "14dad69e-099b-42c9-810b-d002981feec1";
/// What the application is consented to, and no more.
pub const CONSENT: &str = "openid profile";
/// What stands where Graph will have said an id before.
pub const APPLICATION_TO_COME: &str = "{appId of the application}";
const SERVICE_TO_COME: &str = "{id of the service principal}";
const GRAPH_TO_COME: &str = "{id of Microsoft Graph's service principal}";

/// Whose second factor is asked here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// A group's: where one begins.
    Group(Guid),
    /// Everybody's.
    AllUsers,
}

impl Target {
    /// As Graph has it.
    pub fn id(self) -> String {
        match self {
            Self::Group(id) => id.to_string(),
            Self::AllUsers => "all_users".to_owned(),
        }
    }
}

/// What Entra shall be told.
#[derive(Clone, Debug)]
pub struct WantedMethod {
    /// The tenant.
    pub tenant: Guid,
    /// What we call its method.
    pub client_id: ClientId,
    /// The application registration, if there is one already.
    pub application: Option<Guid>,
    /// Its cloud.
    pub cloud: TenantCloud,
    /// Microsoft Graph of that cloud, without a version and without a slash at its end.
    pub graph_url: String,
    /// What people choose when they sign in. It can never be changed.
    pub display_name: String,
    /// Our discovery document.
    pub discovery_url: String,
    /// Where Entra sends people: the application's redirect URI.
    pub authorize_url: String,
    /// Whose second factor is asked here.
    pub target: Target,
}

/// One call of Graph.
#[derive(Clone, Debug)]
pub struct MethodCall {
    /// What it is for.
    pub why: &'static str,
    /// The least role that may do it.
    pub role: &'static str,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path after Graph's address, with its version.
    pub path: String,
    /// What is sent; null for a look.
    pub body: Value,
}

/// What an administrator must know before.
pub const WARNINGS: [&str; 5] = [
    "External MFA needs Entra ID P1 or P2 for everybody whom it asks.",
    "A Conditional Access policy that asks for an authentication strength (the built-in \"Multifactor authentication\" too) is not met by External MFA: write \"Require multifactor authentication\" there.",
    "Whoever shall use it must be registered for it: on the page Security info, in the wizard at the next sign-in, or by an administrator (Graph: users/{id}/authentication/externalAuthenticationMethods). At the first time Entra sends the person here once, so have a temporary access pass ready (`claimbridge user pass`).",
    "People who are in the group see this method beside their others; take theirs away, or it stays a way around this one.",
    "Two accounts that sign in without this method (emergency access) stay out of the group and out of the policies that ask for it.",
];

/// What cannot be undone.
pub const CANNOT_BE_UNDONE: [&str; 2] = [
    "The method's name (displayName) can never be changed, and people choose by it.",
    "Deleting the method takes everybody's registration for it away; they register again.",
];

/// Who may do what.
pub const ROLES: [&str; 3] = [
    "Cloud Application Administrator (or Application Administrator) registers the application.",
    "Privileged Role Administrator consents to it for everybody. Without the consent the method cannot be enabled (AADSTS900491).",
    "Authentication Policy Administrator adds the method.",
];

/// What is posted for the application. One of its own for each tenant: nobody else's consent is
/// asked for, and what another tenant does to it changes nothing here.
pub fn application_body(wanted: &WantedMethod) -> Value {
    json!({
        "displayName": wanted.display_name,
        "signInAudience": "AzureADMyOrg",
        "web": {"redirectUris": [wanted.authorize_url]},
        "requiredResourceAccess": [{
            "resourceAppId": GRAPH_APPLICATION,
            "resourceAccess": [
                {"id": OPENID, "type": "Scope"},
                {"id": PROFILE, "type": "Scope"},
            ],
        }],
    })
}

/// What is posted for the method, with the application's id in it.
pub fn method_body(wanted: &WantedMethod, application: &str) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.externalAuthenticationMethodConfiguration",
        "displayName": wanted.display_name,
        "state": "enabled",
        "appId": application,
        "openIdConnectSetting": {
            "clientId": wanted.client_id,
            "discoveryUrl": wanted.discovery_url,
        },
        "includeTargets": [{"targetType": "group", "id": wanted.target.id()}],
        "excludeTargets": [],
    })
}

/// The policy's collection of methods.
pub const METHODS: &str =
    "/v1.0/policies/authenticationMethodsPolicy/authenticationMethodConfigurations";

/// The calls in their order.
pub fn calls(wanted: &WantedMethod) -> Vec<MethodCall> {
    let application = wanted
        .application
        .map_or_else(|| APPLICATION_TO_COME.to_owned(), |id| id.to_string());
    let register = match wanted.application {
        None => MethodCall {
            why: "Register the application: Entra's hints are for it, and people are sent to its redirect URI only.",
            role: "Cloud Application Administrator",
            method: "POST",
            path: "/v1.0/applications".to_owned(),
            body: application_body(wanted),
        },
        Some(id) => MethodCall {
            why: "Look at the application: redirectUris must have our address, letter by letter. Add it beside the others if it is missing (AADSTS50161).",
            role: "Cloud Application Administrator",
            method: "GET",
            path: format!("/v1.0/applications(appId='{id}')?$select=appId,displayName,web"),
            body: Value::Null,
        },
    };
    let service = match wanted.application {
        None => MethodCall {
            why: "Give it a service principal in the tenant.",
            role: "Cloud Application Administrator",
            method: "POST",
            path: "/v1.0/servicePrincipals".to_owned(),
            body: json!({"appId": application}),
        },
        Some(id) => MethodCall {
            why: "Look up its service principal in the tenant; POST /v1.0/servicePrincipals with the appId if there is none.",
            role: "Cloud Application Administrator",
            method: "GET",
            path: format!("/v1.0/servicePrincipals(appId='{id}')?$select=id"),
            body: Value::Null,
        },
    };
    vec![
        register,
        service,
        MethodCall {
            why: "Look up Microsoft Graph in the tenant, for its id.",
            role: "Cloud Application Administrator",
            method: "GET",
            path: format!("/v1.0/servicePrincipals(appId='{GRAPH_APPLICATION}')?$select=id"),
            body: Value::Null,
        },
        MethodCall {
            why: "Consent for everybody to openid and profile, so that nobody is asked.",
            role: "Privileged Role Administrator",
            method: "POST",
            path: "/v1.0/oauth2PermissionGrants".to_owned(),
            body: json!({
                "clientId": SERVICE_TO_COME,
                "consentType": "AllPrincipals",
                "resourceId": GRAPH_TO_COME,
                "scope": CONSENT,
            }),
        },
        MethodCall {
            why: "Add the method and switch it on for the group.",
            role: "Authentication Policy Administrator",
            method: "POST",
            path: METHODS.to_owned(),
            body: method_body(wanted, &application),
        },
    ]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::federation) fn wanted(application: Option<Guid>) -> WantedMethod {
        WantedMethod {
            tenant: "72f988bf-86f1-41af-91ab-2d7cd011db47".parse().unwrap(),
            client_id: "claimbridge-72f9".parse().unwrap(),
            application,
            cloud: TenantCloud::Global,
            graph_url: "https://graph.microsoft.com".to_owned(),
            display_name: "Contoso’s $(calc) 'MFA'".to_owned(),
            discovery_url: "https://idp.contoso.com/oidc/.well-known/openid-configuration"
                .to_owned(),
            authorize_url: "https://idp.contoso.com/oidc/authorize".to_owned(),
            target: Target::Group("aaaabbbb-0000-cccc-1111-dddd2222eeee".parse().unwrap()),
        }
    }

    #[test]
    fn an_application_that_exists_is_never_written() {
        let known = "6fa6c2ba-0d5a-4b53-9a0c-7e6a2d3f1b11".parse().unwrap();
        for call in calls(&wanted(Some(known))) {
            let touches_application =
                call.path.contains("applications") || call.path.contains("servicePrincipals");
            assert!(!touches_application || call.method == "GET", "{call:?}");
        }
        let written = calls(&wanted(None));
        assert_eq!(written[0].method, "POST");
        assert_eq!(
            written[0].body["web"]["redirectUris"][0],
            "https://idp.contoso.com/oidc/authorize"
        );
        // The consent comes before the method is switched on.
        let place = |path: &str| {
            let found = written.iter().position(|call| call.path.starts_with(path));
            found.unwrap()
        };
        assert!(place("/v1.0/oauth2PermissionGrants") < place(METHODS));
    }

    #[test]
    fn the_method_has_the_documented_properties() {
        let all = WantedMethod {
            target: Target::AllUsers,
            ..wanted(None)
        };
        let body = method_body(&all, "6fa6c2ba-0d5a-4b53-9a0c-7e6a2d3f1b11");
        let mut names: Vec<&str> = body
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "@odata.type",
                "appId",
                "displayName",
                "excludeTargets",
                "includeTargets",
                "openIdConnectSetting",
                "state"
            ]
        );
        assert_eq!(body["includeTargets"][0]["id"], "all_users");
        let setting = &body["openIdConnectSetting"];
        assert_eq!(setting["clientId"], "claimbridge-72f9");
        assert!(
            setting["discoveryUrl"]
                .as_str()
                .unwrap()
                .ends_with("/.well-known/openid-configuration")
        );
    }
}
