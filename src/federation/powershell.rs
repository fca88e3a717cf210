//! The plan as Microsoft Graph PowerShell (module Microsoft.Graph.Identity.DirectoryManagement).
//!
//! Always true: no value of ours or of the tenant can become code: a value is a literal in
//! single quotes with plain ASCII in it, or its characters are escaped one by one. So it
//! also survives an editor that saves the script in another encoding.

use std::fmt::Write as _;

use serde_json::Value;

use super::plan::{Call, Method, Plan};
use crate::base::text::DomainName;

/// What an administrator consents to, and no more (facts §4.1).
pub const SCOPES: &str = "Domain-InternalFederation.ReadWrite.All";

/// A literal that PowerShell reads as exactly this text.
pub fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| matches!(c, ' '..='~'));
    if plain {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut escaped = String::new();
    for unit in text.encode_utf16() {
        match u8::try_from(unit).ok().map(char::from) {
            Some('\'') => escaped.push_str("''"),
            Some('\\') => escaped.push_str("\\\\"),
            Some(c) if matches!(c, ' '..='~') => escaped.push(c),
            _ => {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    format!("([regex]::Unescape('{escaped}'))")
}

/// The script. `graph_scope` is the tenant that is signed in to, if it was named.
pub fn script(plan: &Plan, tenant: Option<&str>) -> String {
    let domain = &plan.domain;
    let mut script = String::new();
    let _ = writeln!(script, "# claimbridge domain plan {domain}");
    if let Some(root) = &plan.inherits {
        let _ = writeln!(
            script,
            "Write-Output {}",
            quoted(&format!(
                "{domain} lies below {root} and has that domain's federation: nothing to do here."
            ))
        );
        return script;
    }
    if plan.is_empty() {
        let _ = writeln!(
            script,
            "Write-Output 'Nothing to do: the tenant has what it should have.'"
        );
        return script;
    }
    if !plan.is_of_state {
        let _ = writeln!(
            script,
            "# Made without the tenant's state, as if the domain were managed."
        );
    }
    let _ = writeln!(
        script,
        "# Sign in as an administrator of another domain (*.onmicrosoft.com): Domain Name Administrator,"
    );
    let _ = writeln!(
        script,
        "# External Identity Provider Administrator, Hybrid Identity Administrator or Security Administrator."
    );
    let _ = writeln!(
        script,
        "# What cannot be undone: federatedIdpMfaBehavior cannot be unset again; going back to managed"
    );
    let _ = writeln!(
        script,
        "# takes up to two hours and new passwords for everybody."
    );
    let _ = writeln!(script, "$ErrorActionPreference = 'Stop'");
    let tenant = tenant.map_or_else(String::new, |tenant| {
        format!(" -TenantId {}", quoted(tenant))
    });
    let _ = writeln!(script, "Connect-MgGraph -Scopes {}{tenant}", quoted(SCOPES));
    for call in &plan.calls {
        command(&mut script, domain, call);
    }
    let _ = writeln!(
        script,
        "Get-MgDomainFederationConfiguration -DomainId {}",
        quoted(domain.as_str())
    );
    script
}

fn command(script: &mut String, domain: &DomainName, call: &Call) {
    let members = call.body.as_object().into_iter().flatten();
    let (mut parameters, mut unset) = (Vec::new(), Vec::new());
    for (name, value) in members.filter(|(name, _)| !name.starts_with('@')) {
        let parameter = parameter(name);
        match value {
            Value::Null => unset.push(name.as_str()),
            // A switch: its value is bound with a colon.
            Value::Bool(flag) => parameters.push(format!("-{parameter}:${flag}")),
            Value::String(text) => parameters.push(format!("-{parameter} {}", quoted(text))),
            other => parameters.push(format!("-{parameter} {}", quoted(&other.to_string()))),
        }
    }
    let domain = quoted(domain.as_str());
    let id = call.path.rsplit('/').next().unwrap_or_default();
    let known_id = id != "{id}";
    if call.method == Method::Patch && !known_id {
        let _ = writeln!(
            script,
            "$federation = Get-MgDomainFederationConfiguration -DomainId {domain}"
        );
    }
    let id_text = if known_id {
        quoted(id)
    } else {
        "$federation.Id".to_owned()
    };
    if !parameters.is_empty() {
        let start = match call.method {
            Method::Post => format!("New-MgDomainFederationConfiguration -DomainId {domain}"),
            Method::Patch => format!(
                "Update-MgDomainFederationConfiguration -DomainId {domain} -InternalDomainFederationId {id_text}"
            ),
        };
        let lines: Vec<String> = std::iter::once(start).chain(parameters).collect();
        let _ = writeln!(script, "{}", lines.join(" `\n    "));
    }
    if !unset.is_empty() {
        // The cmdlet drops $null and would leave the value as it is.
        let body: serde_json::Map<String, Value> = unset
            .into_iter()
            .map(|name| (name.to_owned(), Value::Null))
            .collect();
        let path = call.path.trim_end_matches("{id}");
        let uri = if known_id {
            quoted(path)
        } else {
            format!("({} + $federation.Id)", quoted(path))
        };
        let _ = writeln!(
            script,
            "Invoke-MgGraphRequest -Method PATCH -Uri {uri} `\n    -ContentType 'application/json' -Body {}",
            quoted(&Value::Object(body).to_string())
        );
    }
}

/// The cmdlet's parameter for a property: Graph's name with a capital letter.
fn parameter(property: &str) -> String {
    let mut letters = property.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + letters.as_str()
    })
}
