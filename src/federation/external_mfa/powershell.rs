//! The set-up of External MFA as Microsoft Graph PowerShell (modules Microsoft.Graph.Applications
//! and Microsoft.Graph.Identity.SignIns).
//!
//! Always true: no value of ours or of an operator can become code (see
//! [`super::super::powershell::quoted`]); an application is made or is the one that the operator
//! named, never one that happens to be there; with a named one the script can be run again: what
//! is there is looked up, only what is missing is made, and redirect URIs are added to those that
//! are there.

use std::fmt::Write as _;

use super::{
    CANNOT_BE_UNDONE, CONSENT, GRAPH_APPLICATION, METHODS, OPENID, PROFILE, ROLES, WARNINGS,
    WantedMethod, method_body,
};
use crate::federation::powershell::{comment, environment, quoted};

/// What the administrators consent to for this script, and no more.
pub const SCOPES: [&str; 3] = [
    "Application.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Policy.ReadWrite.AuthenticationMethod",
];

/// Where the application's id comes into a body: it is known only when the script runs.
const APPLICATION: &str = "APPLICATION-ID";

/// The script.
pub fn script(wanted: &WantedMethod) -> String {
    let mut script = String::new();
    comment(
        &mut script,
        &format!("claimbridge external-mfa plan {}", wanted.tenant),
    );
    for line in ROLES.iter().chain(&CANNOT_BE_UNDONE).chain(&WARNINGS) {
        comment(&mut script, line);
    }
    let environment = environment(wanted.cloud.as_str())
        .map_or_else(String::new, |name| format!(" -Environment {name}"));
    let scopes: Vec<String> = SCOPES.into_iter().map(quoted).collect();
    let _ = writeln!(script, "$ErrorActionPreference = 'Stop'");
    let _ = writeln!(
        script,
        "Connect-MgGraph -Scopes {} -TenantId {}{environment}",
        scopes.join(", "),
        quoted(&wanted.tenant.to_string())
    );
    let _ = writeln!(
        script,
        "if ((Get-MgContext).TenantId -ne {}) {{\n    throw 'This is another tenant.'\n}}",
        quoted(&wanted.tenant.to_string())
    );
    application(&mut script, wanted);
    consent(&mut script);
    method(&mut script, wanted);
    told(&mut script, wanted);
    script
}

fn application(script: &mut String, wanted: &WantedMethod) {
    let address = quoted(&wanted.authorize_url);
    if let Some(id) = wanted.application {
        let _ = writeln!(
            script,
            "$application = Get-MgApplication -Filter {}",
            quoted(&format!("appId eq '{id}'"))
        );
        let _ = writeln!(
            script,
            "if (-not $application) {{\n    throw 'The application is not in this tenant.'\n}}"
        );
    } else {
        // Whoever may register applications, which by Entra's default is every member, can
        // register one with our public address. One that is there is never taken for ours.
        let _ = writeln!(
            script,
            "$present = @(Get-MgApplication -Filter {} -All)",
            quoted(&format!(
                "web/redirectUris/any(u:u eq '{}')",
                wanted.authorize_url
            ))
        );
        let _ = writeln!(
            script,
            "if ($present.Count -gt 0) {{\n    throw ({} + (($present | ForEach-Object {{ $_.DisplayName + ' ' + $_.AppId }}) -join ', ') + {})\n}}",
            quoted("This tenant has an application with our redirect URI: "),
            quoted(&format!(
                ". Look in Entra who owns it and who registered it. If it is yours, or that of an earlier run of this script, plan with it: claimbridge external-mfa plan {} --application-id ID. If nobody knows it, delete it: its owner could take the second factor from everybody.",
                wanted.tenant
            ))
        );
        let _ = writeln!(
            script,
            "$application = New-MgApplication -DisplayName {} -SignInAudience 'AzureADMyOrg' `\n    -Web @{{ RedirectUris = @({address}) }} `\n    -RequiredResourceAccess @(@{{ ResourceAppId = {}; ResourceAccess = @(@{{ Id = {}; Type = 'Scope' }}, @{{ Id = {}; Type = 'Scope' }}) }})",
            quoted(&wanted.display_name),
            quoted(GRAPH_APPLICATION),
            quoted(OPENID),
            quoted(PROFILE)
        );
    }
    let _ = writeln!(
        script,
        "if ($application.Web.RedirectUris -cnotcontains {address}) {{\n    Update-MgApplication -ApplicationId $application.Id `\n        -Web @{{ RedirectUris = @($application.Web.RedirectUris) + {address} }}\n}}"
    );
    let _ = writeln!(
        script,
        "$service = Get-MgServicePrincipal -Filter (\"appId eq '\" + $application.AppId + \"'\")"
    );
    let _ = writeln!(
        script,
        "if (-not $service) {{\n    $service = New-MgServicePrincipal -AppId $application.AppId\n}}"
    );
}

fn consent(script: &mut String) {
    let _ = writeln!(
        script,
        "$graph = Get-MgServicePrincipal -Filter {}",
        quoted(&format!("appId eq '{GRAPH_APPLICATION}'"))
    );
    let _ = writeln!(
        script,
        "$grant = Get-MgOauth2PermissionGrant -Filter (\"clientId eq '\" + $service.Id + \"' and consentType eq 'AllPrincipals' and resourceId eq '\" + $graph.Id + \"'\")"
    );
    let _ = writeln!(
        script,
        "if (-not $grant) {{\n    New-MgOauth2PermissionGrant -ClientId $service.Id -ConsentType 'AllPrincipals' -ResourceId $graph.Id -Scope {}\n}}",
        quoted(CONSENT)
    );
}

fn method(script: &mut String, wanted: &WantedMethod) {
    let body = method_body(wanted, APPLICATION).to_string();
    let _ = writeln!(
        script,
        "$body = {}.Replace({}, $application.AppId)",
        quoted(&body),
        quoted(APPLICATION)
    );
    let _ = writeln!(
        script,
        "$methods = Invoke-MgGraphRequest -Method GET -Uri {}",
        quoted("/v1.0/policies/authenticationMethodsPolicy")
    );
    let _ = writeln!(
        script,
        "$method = $methods.authenticationMethodConfigurations | Where-Object {{ $_.openIdConnectSetting.discoveryUrl -ceq {} -and $_.openIdConnectSetting.clientId -ceq {} }} | Select-Object -First 1",
        quoted(&wanted.discovery_url),
        quoted(&wanted.client_id.to_string())
    );
    let _ = writeln!(
        script,
        "if ($method) {{\n    Write-Warning ('There is a method with our discovery URL and client id already, which is left as it is: ' + $method.displayName)\n}} else {{\n    Invoke-MgGraphRequest -Method POST -Uri {} `\n        -ContentType 'application/json' -Body $body\n}}",
        quoted(METHODS)
    );
}

/// What to do here afterwards.
fn told(script: &mut String, wanted: &WantedMethod) {
    if wanted.application.is_some() {
        return;
    }
    let command = format!(
        "claimbridge external-mfa add {} --client-id {} --cloud {} --application-id ",
        wanted.tenant, wanted.client_id, wanted.cloud
    );
    let _ = writeln!(
        script,
        "Write-Output ('Now say here: ' + {} + $application.AppId)",
        quoted(&command)
    );
}
