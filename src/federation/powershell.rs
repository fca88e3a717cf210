//! The plan as Microsoft Graph PowerShell (module Microsoft.Graph.Identity.DirectoryManagement).
//!
//! Always true: no value of ours or of the tenant can become code: a value is a literal in
//! single quotes with plain ASCII in it, or its characters are escaped one by one. So it
//! also survives an editor that saves the script in another encoding.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{
    plan::{Call, CallWeight, ID_TO_COME, Method, Plan},
    precondition::{Precondition, Standing},
};
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

/// What a script needs to know beside the plan.
#[derive(Clone, Debug, Default)]
pub struct ScriptFor {
    /// The tenant that is signed in to; otherwise the domain's.
    pub tenant: Option<String>,
    /// The cloud as `Connect-MgGraph -Environment` names it; nothing: the worldwide one.
    pub environment: Option<&'static str>,
    /// What must be so first.
    pub checks: Vec<Precondition>,
}

/// The name that Microsoft Graph PowerShell has for a cloud of ours.
pub fn environment(cloud: &str) -> Option<&'static str> {
    match cloud {
        "us-gov" => Some("USGov"),
        "china" => Some("China"),
        _ => None,
    }
}

/// A line that is nothing but a comment, whatever stands in it.
pub(super) fn comment(script: &mut String, text: &str) {
    let harmless: String = text
        .chars()
        .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
        .collect();
    let _ = writeln!(script, "# {harmless}");
}

/// The script.
pub fn script(plan: &Plan, about: &ScriptFor) -> String {
    let domain = &plan.domain;
    let mut script = String::new();
    comment(&mut script, &format!("claimbridge domain plan {domain}"));
    for warning in &plan.warnings {
        let text = format!(
            "WARNING {} {} {} {}",
            warning.rule, warning.title, warning.evidence, warning.fix
        );
        comment(&mut script, &text);
    }
    if let Some(why) = &plan.contradicts {
        let text = format!("{why}. If nobody of you did this, treat it as an attack.");
        let _ = writeln!(script, "throw {}", quoted(&text));
        return script;
    }
    if let Some(root) = &plan.inherits {
        let text = format!(
            "{domain} lies below {root} and has that domain's federation: nothing to do here."
        );
        let _ = writeln!(script, "Write-Output {}", quoted(&text));
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
        comment(
            &mut script,
            "Made without the tenant's state, as if the domain were managed.",
        );
    }
    for check in &about.checks {
        if check.standing != Standing::Met {
            comment(&mut script, &format!("{} {}", check.says, check.remedy));
        }
    }
    for line in [
        "Sign in as an administrator of another domain (*.onmicrosoft.com): Domain Name Administrator,",
        "External Identity Provider Administrator, Hybrid Identity Administrator or Security Administrator.",
        "What cannot be undone: federatedIdpMfaBehavior cannot be unset again; going back to managed",
        "takes up to two hours and new passwords for everybody.",
    ] {
        comment(&mut script, line);
    }
    begin(&mut script, plan, about);
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

/// Signs in, and stops where the account or the domain is not what it must be.
fn begin(script: &mut String, plan: &Plan, about: &ScriptFor) {
    let domain = plan.domain.as_str();
    let tenant = about.tenant.as_deref().unwrap_or(domain);
    let environment = about
        .environment
        .map_or_else(String::new, |name| format!(" -Environment {name}"));
    let _ = writeln!(script, "$ErrorActionPreference = 'Stop'");
    let _ = writeln!(
        script,
        "Connect-MgGraph -Scopes {} -TenantId {}{environment}",
        quoted(SCOPES),
        quoted(tenant)
    );
    let mut patterns = vec![format!("*@{domain}"), format!("*.{domain}")];
    let mut above = domain;
    while let Some((_, rest)) = above.split_once('.') {
        if !rest.contains('.') {
            break;
        }
        patterns.push(format!("*@{rest}"));
        above = rest;
    }
    let inside: Vec<String> = patterns
        .iter()
        .map(|pattern| format!("($account -like {})", quoted(pattern)))
        .collect();
    let _ = writeln!(script, "$account = (Get-MgContext).Account");
    let _ = writeln!(
        script,
        "if ((-not $account) -or {}) {{\n    throw 'Sign in with an administrator of another domain: this account could not undo what it breaks.'\n}}",
        inside.join(" -or ")
    );
    let _ = writeln!(
        script,
        "$domain = Get-MgDomain -DomainId {}",
        quoted(domain)
    );
    let _ = writeln!(
        script,
        "if (-not $domain.IsVerified) {{\n    throw 'The domain is not verified in this tenant.'\n}}"
    );
    if plan.converts {
        let _ = writeln!(
            script,
            "if ($domain.IsDefault) {{\n    throw 'The domain is the tenant''s default; make another one the default first.'\n}}"
        );
    }
}

fn command(script: &mut String, domain: &DomainName, call: &Call) {
    let members = call.body.as_object().into_iter().flatten();
    let (mut parameters, mut raw) = (Vec::new(), Map::new());
    for (name, value) in members.filter(|(name, _)| !name.starts_with('@')) {
        let parameter = parameter(name);
        // The cmdlet drops $null and would leave the value as it is; and not every version of it
        // knows what may fail.
        if value.is_null() || call.weight == CallWeight::MayFail {
            raw.insert(name.clone(), value.clone());
            continue;
        }
        parameters.push(match value {
            // A switch: its value is bound with a colon.
            Value::Bool(flag) => format!("-{parameter}:${flag}"),
            Value::String(text) => format!("-{parameter} {}", quoted(text)),
            other => format!("-{parameter} {}", quoted(&other.to_string())),
        });
    }
    let domain = quoted(domain.as_str());
    let id = call.path.rsplit('/').next().unwrap_or_default();
    let known_id = id != ID_TO_COME;
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
    if raw.is_empty() {
        return;
    }
    let path = call.path.trim_end_matches(ID_TO_COME);
    let uri = if known_id {
        quoted(path)
    } else {
        format!("({} + $federation.Id)", quoted(path))
    };
    let request = format!(
        "Invoke-MgGraphRequest -Method PATCH -Uri {uri} `\n    -ContentType 'application/json' -Body {}",
        quoted(&Value::Object(raw).to_string())
    );
    let _ = match call.weight {
        CallWeight::Must => writeln!(script, "{request}"),
        CallWeight::MayFail => writeln!(
            script,
            "try {{\n    {request}\n}} catch {{\n    Write-Warning 'Refused, and left out: security keys may not work in the embedded views of mobile apps.'\n}}"
        ),
    };
}

/// The cmdlet's parameter for a property: Graph's name with a capital letter.
fn parameter(property: &str) -> String {
    let mut letters = property.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + letters.as_str()
    })
}
