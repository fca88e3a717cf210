//! A domain's federation under inspection: what Graph shows, or what commands set.
//!
//! Always true: a value that cannot be known (a variable of a script) is
//! [`Setting::Variable`] and leaves its rules undecided; a command that changes one
//! property says nothing about the others.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::context::Context;

/// The properties of Graph's `internalDomainFederation` (facts §4.1), each with
/// what the retired MSOnline module called it.
pub(super) const PROPERTIES: [(&str, &str); 16] = [
    ("displayName", "FederationBrandName"),
    ("issuerUri", "IssuerUri"),
    ("passiveSignInUri", "PassiveLogOnUri"),
    ("activeSignInUri", "ActiveLogOnUri"),
    ("signOutUri", "LogOffUri"),
    ("metadataExchangeUri", "MetadataExchangeUri"),
    ("signingCertificate", "SigningCertificate"),
    ("nextSigningCertificate", "NextSigningCertificate"),
    (
        "signingCertificateUpdateStatus",
        "SigningCertificateUpdateStatus",
    ),
    (
        "preferredAuthenticationProtocol",
        "PreferredAuthenticationProtocol",
    ),
    ("federatedIdpMfaBehavior", "FederatedIdpMfaBehavior"),
    ("promptLoginBehavior", "PromptLoginBehavior"),
    (
        "isSignedAuthenticationRequestRequired",
        "SigningCertificateRequired",
    ),
    ("passwordResetUri", "PasswordResetUri"),
    ("systemBrowserEnabledOn", "SystemBrowserEnabledOn"),
    ("supportsMfa", "SupportsMfa"),
];

/// Graph's name of a property, from any of its names in any letter case.
pub(super) fn property(name: &str) -> Option<&'static str> {
    PROPERTIES
        .iter()
        .find(|(graph, old)| graph.eq_ignore_ascii_case(name) || old.eq_ignore_ascii_case(name))
        .map(|(graph, _)| *graph)
}

/// The value of a property.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Setting {
    /// A text, a number or a truth value, as text.
    Text(String),
    /// Several texts.
    List(Vec<String>),
    /// Explicitly nothing.
    Null,
    /// A variable of a script: `$certificate`.
    Variable(String),
}

/// How much of a configuration is seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Extent {
    /// All of it: what is absent is unset.
    Whole,
    /// A change: what is absent stays as it is.
    Change,
}

/// Which module a command is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dialect {
    /// Graph, or its PowerShell modules.
    Graph,
    /// MSOnline, which is retired.
    MsOnline,
}

/// The federation of one domain, as far as it is seen.
#[derive(Clone, Debug)]
pub(super) struct FederationConfig {
    /// The domain, if the input names it.
    pub(super) domain: Option<String>,
    pub(super) extent: Extent,
    pub(super) dialect: Dialect,
    /// The command, if it is one.
    pub(super) command: Option<String>,
    /// By Graph's names.
    pub(super) settings: BTreeMap<&'static str, Setting>,
    /// Parameters of a command that no property has.
    pub(super) unknown: Vec<String>,
    /// `isDefault` of the domain, where it is seen.
    pub(super) is_default: Option<bool>,
}

impl FederationConfig {
    pub(super) fn new(extent: Extent) -> Self {
        Self {
            domain: None,
            extent,
            dialect: Dialect::Graph,
            command: None,
            settings: BTreeMap::new(),
            unknown: Vec::new(),
            is_default: None,
        }
    }

    /// The text of a property. An empty one is unset.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.settings.get(name) {
            Some(Setting::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// Whether the input says nothing that decides about the property: a change
    /// that leaves it alone, or a variable.
    pub(super) fn is_unseen(&self, name: &str) -> bool {
        match self.settings.get(name) {
            None => self.extent == Extent::Change,
            Some(Setting::Variable(_)) => true,
            Some(_) => false,
        }
    }

    /// How evidence calls it.
    pub(super) fn name(&self) -> String {
        match (&self.domain, &self.command) {
            (Some(domain), _) => format!("{domain}: "),
            (None, Some(command)) => format!("{command}: "),
            (None, None) => String::new(),
        }
    }
}

/// One or several configurations.
pub(super) struct FederationCase<'c> {
    pub(super) context: &'c Context,
    pub(super) configs: Vec<FederationConfig>,
}

impl FederationCase<'_> {
    /// A sentence about each configuration that has one to say.
    pub(super) fn each(&self, judge: impl Fn(&FederationConfig) -> Option<String>) -> Vec<String> {
        self.configs
            .iter()
            .filter_map(|config| Some(format!("{}{}", config.name(), judge(config)?)))
            .collect()
    }

    /// Where a property is unseen, in words; nothing if it is seen everywhere.
    pub(super) fn unseen(&self, name: &str) -> Option<String> {
        self.each(|config| {
            config
                .is_unseen(name)
                .then(|| match config.settings.get(name) {
                    Some(Setting::Variable(variable)) => {
                        format!("{name} is the variable {variable}.")
                    }
                    _ => format!("the command leaves {name} as it is."),
                })
        })
        .into_iter()
        .next()
    }
}

/// How many configurations are taken of one input.
const MAX_CONFIGS: usize = 100;

/// The configurations in a JSON value: one, a list, or a domain that holds its own.
pub(super) fn of_json(value: &Value, extent: Extent) -> Vec<FederationConfig> {
    let mut found = Vec::new();
    let domain = value
        .get("@odata.context")
        .and_then(Value::as_str)
        .and_then(domain_of_context);
    collect(value, domain.as_deref(), None, extent, &mut found);
    found
}

fn collect(
    value: &Value,
    domain: Option<&str>,
    is_default: Option<bool>,
    extent: Extent,
    found: &mut Vec<FederationConfig>,
) {
    if found.len() >= MAX_CONFIGS {
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                collect(item, domain, is_default, extent, found);
            }
        }
        Value::Object(members) => {
            let inner = ["value", "federationConfiguration", "body"]
                .iter()
                .find_map(|name| member(members, name))
                .filter(|inner| inner.is_array() || inner.is_object());
            let of_domain = member(members, "isDefault").and_then(Value::as_bool);
            let named = ["domain", "domainId", "domainName"]
                .iter()
                .find_map(|name| member(members, name))
                .and_then(Value::as_str)
                .or_else(|| {
                    let id = member(members, "id")?.as_str()?;
                    (of_domain.is_some() && id.contains('.')).then_some(id)
                })
                .or(domain);
            if let Some(inner) = inner {
                collect(inner, named, of_domain.or(is_default), extent, found);
                return;
            }
            if let Some(mut config) = of_members(members, extent) {
                config.domain = named.map(ToOwned::to_owned);
                config.is_default = of_domain.or(is_default);
                found.push(config);
            }
        }
        _ => {}
    }
}

fn member<'v>(members: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    members
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// A configuration, if the object looks like one: its type says so, or it has two of the properties.
fn of_members(members: &Map<String, Value>, extent: Extent) -> Option<FederationConfig> {
    let mut config = FederationConfig::new(extent);
    for (name, value) in members {
        if let Some(graph) = property(name) {
            config.settings.insert(graph, setting(value));
        }
    }
    let says_so = member(members, "@odata.type")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.contains("internalDomainFederation"));
    let enough = match extent {
        Extent::Whole => 2,
        Extent::Change => 1,
    };
    let telling = config
        .settings
        .keys()
        .filter(|name| **name != "displayName")
        .count();
    (says_so || telling >= enough).then_some(config)
}

fn setting(value: &Value) -> Setting {
    match value {
        Value::Null => Setting::Null,
        Value::String(text) => Setting::Text(text.clone()),
        Value::Array(items) => Setting::List(
            items
                .iter()
                .map(|item| {
                    item.as_str()
                        .map_or_else(|| item.to_string(), str::to_owned)
                })
                .collect(),
        ),
        other => Setting::Text(other.to_string()),
    }
}

/// `…/$metadata#domains('contoso.com')/federationConfiguration` names its domain.
fn domain_of_context(context: &str) -> Option<String> {
    let (_, rest) = context.split_once("domains('")?;
    let (domain, _) = rest.split_once('\'')?;
    (!domain.is_empty()).then(|| domain.to_owned())
}
