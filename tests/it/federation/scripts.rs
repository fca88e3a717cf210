//! The plan as PowerShell: cmdlets and parameters against Microsoft's documentation, syntax and
//! quoting judged by somebody else's grammar.

use claimbridge::federation::{
    Tenant,
    external_mfa::{Target, WantedMethod, powershell::script as method_script},
    plan,
    powershell::{self, ScriptFor},
    precondition::{Facts, Step, preconditions},
};
use claimbridge::relying_party::TenantCloud;
use proptest::prelude::*;
use serde_json::json;
use tree_sitter::{Node, Parser};

use super::{now, ours, tenant, wanted, with};

/// Cmdlets and their parameters, as far as we may use them. Source: the reference of Microsoft Graph
/// PowerShell (MicrosoftDocs/microsoftgraph-docs-powershell, graph-powershell-1.0,
/// Microsoft.Graph.Identity.DirectoryManagement: New-, Update- and Get-MgDomainFederationConfiguration
/// of 2026-01-30; Microsoft.Graph.Authentication: Connect-MgGraph, Invoke-MgGraphRequest).
/// SystemBrowserEnabledOn: Microsoft's page of 2026-08-21 about browser authentication for federated
/// providers, and the cmdlet's generated source.
/// For External MFA: Microsoft.Graph.Applications and Microsoft.Graph.Identity.SignIns of the same
/// reference (Get-, New-, Update-MgApplication, Get-, New-MgServicePrincipal, Get-,
/// New-MgOauth2PermissionGrant), and Microsoft.PowerShell.Utility and Core.
const CMDLETS: [(&str, &[&str]); 19] = [
    ("ForEach-Object", &[]),
    ("Where-Object", &[]),
    ("Select-Object", &["First"]),
    ("Get-MgApplication", &["All", "Filter"]),
    (
        "New-MgApplication",
        &[
            "DisplayName",
            "SignInAudience",
            "Web",
            "RequiredResourceAccess",
        ],
    ),
    ("Update-MgApplication", &["ApplicationId", "Web"]),
    ("Get-MgServicePrincipal", &["Filter"]),
    ("New-MgServicePrincipal", &["AppId"]),
    ("Get-MgOauth2PermissionGrant", &["Filter"]),
    (
        "New-MgOauth2PermissionGrant",
        &["ClientId", "ConsentType", "ResourceId", "Scope"],
    ),
    ("Get-MgContext", &[]),
    ("Get-MgDomain", &["DomainId"]),
    ("Write-Warning", &[]),
    ("Write-Output", &[]),
    ("Connect-MgGraph", &["Scopes", "TenantId", "Environment"]),
    (
        "Get-MgDomainFederationConfiguration",
        &["DomainId", "InternalDomainFederationId"],
    ),
    (
        "New-MgDomainFederationConfiguration",
        &[
            "DomainId",
            "ActiveSignInUri",
            "DisplayName",
            "FederatedIdpMfaBehavior",
            "IsSignedAuthenticationRequestRequired",
            "IssuerUri",
            "MetadataExchangeUri",
            "NextSigningCertificate",
            "PassiveSignInUri",
            "PasswordResetUri",
            "PreferredAuthenticationProtocol",
            "PromptLoginBehavior",
            "SignOutUri",
            "SigningCertificate",
            "SystemBrowserEnabledOn",
        ],
    ),
    (
        "Update-MgDomainFederationConfiguration",
        &[
            "DomainId",
            "InternalDomainFederationId",
            "ActiveSignInUri",
            "DisplayName",
            "FederatedIdpMfaBehavior",
            "IsSignedAuthenticationRequestRequired",
            "IssuerUri",
            "MetadataExchangeUri",
            "NextSigningCertificate",
            "PassiveSignInUri",
            "PasswordResetUri",
            "PreferredAuthenticationProtocol",
            "PromptLoginBehavior",
            "SignOutUri",
            "SigningCertificate",
            "SystemBrowserEnabledOn",
        ],
    ),
    (
        "Invoke-MgGraphRequest",
        &["Method", "Uri", "Body", "ContentType"],
    ),
];

struct Command {
    name: String,
    parameters: Vec<String>,
}

/// The commands of a script, by the grammar; a script that is none is a failure.
fn commands(script: &str) -> Vec<Command> {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_powershell::LANGUAGE.into())
        .unwrap();
    let tree = parser.parse(script, None).unwrap();
    assert!(
        !tree.root_node().has_error(),
        "{script}\n{}",
        tree.root_node().to_sexp()
    );
    let mut found = Vec::new();
    collect(tree.root_node(), script, &mut found);
    found
}

fn collect(node: Node<'_>, script: &str, found: &mut Vec<Command>) {
    let text = |node: Node<'_>| script[node.byte_range()].to_owned();
    match node.kind() {
        "command_name" => found.push(Command {
            name: text(node),
            parameters: Vec::new(),
        }),
        "command_parameter" => {
            let name = text(node).trim_matches(['-', ':']).to_owned();
            found.last_mut().unwrap().parameters.push(name);
        }
        _ => {}
    }
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        collect(child, script, found);
    }
}

fn require_documented(script: &str) -> Vec<String> {
    let commands = commands(script);
    for command in &commands {
        let (_, known) = CMDLETS
            .iter()
            .find(|(name, _)| *name == command.name)
            .unwrap_or_else(|| panic!("{} is not documented\n{script}", command.name));
        for parameter in &command.parameters {
            assert!(
                known.contains(&parameter.as_str()),
                "{} -{parameter}",
                command.name
            );
        }
    }
    commands.into_iter().map(|command| command.name).collect()
}

fn of_tenant(tenant: &str) -> ScriptFor {
    ScriptFor {
        tenant: Some(tenant.to_owned()),
        environment: powershell::environment("us-gov"),
        checks: preconditions(&wanted(), None, Step::Converts, &Facts::default()),
    }
}

/// The commands of a conversion, in order.
const CONVERSION: [&str; 8] = [
    "Connect-MgGraph",
    "Get-MgContext",
    "Get-MgDomain",
    "New-MgDomainFederationConfiguration",
    "Get-MgDomainFederationConfiguration",
    "Invoke-MgGraphRequest",
    "Write-Warning",
    "Get-MgDomainFederationConfiguration",
];

#[test]
fn a_managed_domain_is_made_a_federated_one() {
    let script = powershell::script(
        &plan(&wanted(), None, now()),
        &of_tenant("contoso.onmicrosoft.com"),
    );
    assert_eq!(require_documented(&script), CONVERSION);
    assert!(script.contains("Connect-MgGraph -Scopes 'Domain-InternalFederation.ReadWrite.All' -TenantId 'contoso.onmicrosoft.com' -Environment USGov"));
    assert!(
        script.contains("-IsSignedAuthenticationRequestRequired:$false"),
        "{script}"
    );
    assert!(script.contains("-FederatedIdpMfaBehavior 'enforceMfaByFederatedIdp'"));
    // It stops where the account or the domain is not what it must be, and says what to see to.
    for guard in [
        "($account -like '*@contoso.com')",
        "($account -like '*.contoso.com')",
        ".IsVerified",
        ".IsDefault",
    ] {
        assert!(script.contains(guard), "{guard}");
    }
    assert!(
        script.contains("# Not looked at: two emergency accounts"),
        "{script}"
    );
}

#[test]
fn what_changes_is_updated_and_what_must_go_is_unset() {
    let mut ours = ours();
    ours.certificates.staged = None;
    let wanted = ours.wanted(&ours.domains[0]);
    // With an id, as Graph shows it; and without one, where the script looks it up.
    let shown = with(&tenant("fed-003-reject"), "displayName", json!("x"));
    let mut unnamed = shown.to_json();
    unnamed["domains"][0]["federationConfiguration"][0]
        .as_object_mut()
        .unwrap()
        .remove("id");
    let unnamed = Tenant::parse(&unnamed, &"contoso.com".parse().unwrap()).unwrap();
    for (tenant, lookup) in [(shown, false), (unnamed, true)] {
        let script =
            powershell::script(&plan(&wanted, Some(&tenant), now()), &ScriptFor::default());
        let mut names = vec![
            "Connect-MgGraph",
            "Get-MgContext",
            "Get-MgDomain",
            "Update-MgDomainFederationConfiguration",
            "Invoke-MgGraphRequest",
            "Get-MgDomainFederationConfiguration",
        ];
        if lookup {
            names.insert(3, "Get-MgDomainFederationConfiguration");
        }
        assert_eq!(require_documented(&script), names, "{script}");
        // The cmdlet would drop $null.
        assert!(
            script.contains("-Body '{\"nextSigningCertificate\":null}'"),
            "{script}"
        );
        assert!(!script.contains("$null"), "{script}");
    }
}

#[test]
fn a_sub_domain_that_contradicts_its_root_stops_the_script() {
    let ours = ours();
    let mut value = tenant("fed-good").to_json();
    value["domains"][0]["id"] = json!("eu.contoso.com");
    let below = "eu.contoso.com".parse().unwrap();
    let fine = plan(
        &ours.wanted(&ours.domains[1]),
        Some(&Tenant::parse(&value, &below).unwrap()),
        now(),
    );
    assert_eq!(
        require_documented(&powershell::script(&fine, &ScriptFor::default())),
        ["Write-Output"]
    );
    value["domains"][0]["isRoot"] = json!(true);
    let promoted = plan(
        &ours.wanted(&ours.domains[1]),
        Some(&Tenant::parse(&value, &below).unwrap()),
        now(),
    );
    let script = powershell::script(&promoted, &ScriptFor::default());
    assert!(
        require_documented(&script).is_empty() && script.contains("\nthrow '"),
        "{script}"
    );
}

#[test]
fn nothing_to_do_is_a_script_that_says_so() {
    let script = powershell::script(
        &plan(&wanted(), Some(&tenant("fed-good")), now()),
        &ScriptFor::default(),
    );
    assert_eq!(require_documented(&script), ["Write-Output"]);
}

/// What PowerShell makes of a literal of ours: doubled quotes in single ones; and inside
/// `[regex]::Unescape` .NET's escapes, of which we use `\\` and `\uXXXX`.
fn value_of(literal: &str) -> String {
    let escaped = literal
        .strip_prefix("([regex]::Unescape(")
        .and_then(|rest| rest.strip_suffix("))"));
    let quoted = escaped.unwrap_or(literal);
    let inner = &quoted[1..quoted.len() - 1];
    assert!(!inner.replace("''", "").contains('\''), "{literal}");
    let text = inner.replace("''", "'");
    if escaped.is_none() {
        return text;
    }
    let mut units = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
            continue;
        }
        match rest.next().unwrap() {
            '\\' => units.push(u16::from(b'\\')),
            'u' => {
                let digits: String = rest.by_ref().take(4).collect();
                units.push(u16::from_str_radix(&digits, 16).unwrap());
            }
            other => panic!("\\{other}"),
        }
    }
    String::from_utf16(&units).unwrap()
}

#[test]
fn names_that_would_be_code_stay_names() {
    for name in [
        "it's",
        "$(Remove-Item /)",
        "a`nb",
        "\" ; Remove-Item -Recurse / #",
        "line\nbreak\r\n",
        "\u{2018}curly\u{2019} \u{201a}\u{201b}",
        "''",
        "\\u0027; calc",
        "@'\n'@",
        "Café – Ünïcode 🦀",
        "-DomainId evil.com",
        "\0",
    ] {
        let literal = powershell::quoted(name);
        assert!(
            literal.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
            "{literal}"
        );
        assert_eq!(value_of(&literal), name);
        let mut ours = ours();
        ours.display_name = name.to_owned();
        let script = powershell::script(
            &plan(&ours.wanted(&ours.domains[0]), None, now()),
            &of_tenant(name),
        );
        assert_eq!(require_documented(&script), CONVERSION, "{script}");
    }
}

proptest! {
    #[test]
    fn any_display_name_survives_quoting(name in any::<String>()) {
        prop_assert_eq!(value_of(&powershell::quoted(&name)), name.clone());
        let mut ours = ours();
        ours.display_name = format!("x{name}");
        let literal = powershell::quoted(&ours.display_name);
        let script = powershell::script(&plan(&ours.wanted(&ours.domains[0]), None, now()), &ScriptFor::default());
        prop_assert_eq!(require_documented(&script), CONVERSION);
        prop_assert!(script.contains(&literal));
    }
}

fn wanted_method(display_name: &str, application: Option<&str>) -> WantedMethod {
    WantedMethod {
        tenant: "72f988bf-86f1-41af-91ab-2d7cd011db47".parse().unwrap(),
        client_id: "claimbridge-a".parse().unwrap(),
        application: application.map(|id| id.parse().unwrap()),
        cloud: TenantCloud::China,
        graph_url: "https://microsoftgraph.chinacloudapi.cn".to_owned(),
        display_name: display_name.to_owned(),
        discovery_url: "https://idp.contoso.com/oidc/.well-known/openid-configuration".to_owned(),
        authorize_url: "https://idp.contoso.com/oidc/authorize".to_owned(),
        target: Target::AllUsers,
    }
}

#[test]
fn external_mfa_is_set_up_with_documented_cmdlets() {
    let script = method_script(&wanted_method("Contoso MFA", None));
    assert_eq!(
        require_documented(&script),
        [
            "Connect-MgGraph",
            "Get-MgContext",
            "Get-MgApplication",
            "ForEach-Object",
            "New-MgApplication",
            "Update-MgApplication",
            "Get-MgServicePrincipal",
            "New-MgServicePrincipal",
            "Get-MgServicePrincipal",
            "Get-MgOauth2PermissionGrant",
            "New-MgOauth2PermissionGrant",
            "Invoke-MgGraphRequest",
            "Where-Object",
            "Select-Object",
            "Write-Warning",
            "Invoke-MgGraphRequest",
            "Write-Output",
        ],
        "{script}"
    );
    assert!(script.contains("-Environment China"), "{script}");
    // Whoever registered an application with our address does not become the second factor: the
    // script ends before anything is made or consented to.
    let stops = script
        .find("throw ('This tenant has an application")
        .unwrap();
    assert!(
        stops < script.find("New-MgApplication").unwrap(),
        "{script}"
    );
    assert!(
        script.contains("external-mfa plan 72f988bf-86f1-41af-91ab-2d7cd011db47 --application-id"),
        "{script}"
    );
    // A second method of one tenant is another one.
    assert!(script.contains("clientId -ceq 'claimbridge-a'"), "{script}");
    // Of the redirect URIs that are there none is lost.
    assert!(
        script.contains(
            "@($application.Web.RedirectUris) + 'https://idp.contoso.com/oidc/authorize'"
        ),
        "{script}"
    );
    let known = method_script(&wanted_method(
        "x",
        Some("6fa6c2ba-0d5a-4b53-9a0c-7e6a2d3f1b11"),
    ));
    let names = require_documented(&known);
    assert!(
        !names.iter().any(|name| name == "New-MgApplication"),
        "{known}"
    );
    assert!(
        known.contains("appId eq ''6fa6c2ba-0d5a-4b53-9a0c-7e6a2d3f1b11''"),
        "{known}"
    );
}

#[test]
fn a_name_of_a_method_is_never_code() {
    for name in [
        "'; Remove-MgUser -UserId x; '",
        "$(Remove-MgUser)",
        "`$x",
        "\u{2019}); Remove-MgUser (\u{2018}",
    ] {
        let script = method_script(&wanted_method(name, None));
        let names = require_documented(&script);
        assert_eq!(names.len(), 17, "{script}");
    }
}
