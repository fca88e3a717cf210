//! `internalDomainFederation`: its properties, which values Graph takes, and what the
//! tenant's verifier reads from them (facts §4.1, §4.2, §1.6).
//!
//! Always true: a property is stored as it was sent; what is refused changes nothing.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use x509_parser::{parse_x509_certificate, public_key::PublicKey};

use crate::{
    base::text::DomainName,
    practice::federation::{FederatedDomain, MfaBehavior, PreferredProtocol, PromptLogin},
};

/// The object's type in Graph.
pub const TYPE: &str = "#microsoft.graph.internalDomainFederation";

/// A federated domain's object.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Its id, a GUID.
    pub id: String,
    /// Its properties, as they were sent.
    pub properties: Map<String, Value>,
}

/// What may stand in a property.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Uri,
    Certificate,
    Flag,
    One(&'static [&'static str]),
    /// Some of these, with commas between them.
    Some(&'static [&'static str]),
    /// Only Graph itself writes it.
    ReadOnly,
}

const MFA_BEHAVIOR: &str = "federatedIdpMfaBehavior";

/// The property table of facts §4.1.
const PROPERTIES: [(&str, Kind); 16] = [
    ("@odata.type", Kind::One(&[TYPE])),
    ("id", Kind::ReadOnly),
    ("displayName", Kind::Text),
    ("issuerUri", Kind::Uri),
    ("metadataExchangeUri", Kind::Uri),
    ("signingCertificate", Kind::Certificate),
    ("passiveSignInUri", Kind::Uri),
    (
        "preferredAuthenticationProtocol",
        Kind::One(&["wsFed", "saml"]),
    ),
    ("activeSignInUri", Kind::Uri),
    ("signOutUri", Kind::Uri),
    (
        "promptLoginBehavior",
        Kind::One(&[
            "translateToFreshPasswordAuthentication",
            "nativeSupport",
            "disabled",
        ]),
    ),
    ("isSignedAuthenticationRequestRequired", Kind::Flag),
    ("nextSigningCertificate", Kind::Certificate),
    (
        MFA_BEHAVIOR,
        Kind::One(&[
            "acceptIfMfaDoneByFederatedIdp",
            "enforceMfaByFederatedIdp",
            "rejectMfaByFederatedIdp",
        ]),
    ),
    ("passwordResetUri", Kind::Uri),
    (
        "systemBrowserEnabledOn",
        Kind::Some(&["none", "ios", "android", "mac"]),
    ),
];

/// Without these an object cannot be made.
const REQUIRED: [&str; 3] = ["issuerUri", "passiveSignInUri", "signingCertificate"];

impl Registration {
    /// The object of a domain that the tenant began with.
    pub fn of(domain: &FederatedDomain, id: String) -> Self {
        let mut properties = match domain.to_graph() {
            Value::Object(properties) => properties,
            _ => Map::new(),
        };
        properties.remove("@odata.type");
        properties.insert("displayName".to_owned(), json!(domain.name.as_str()));
        Self { id, properties }
    }

    /// A new object from a POST's body; or why not.
    pub fn create(id: String, body: &Map<String, Value>) -> Result<Self, String> {
        let mut registration = Self {
            id,
            properties: Map::new(),
        };
        registration.update(body)?;
        match REQUIRED
            .into_iter()
            .find(|name| registration.text(name).is_none())
        {
            Some(missing) => Err(format!("A value is required for property '{missing}'.")),
            None => Ok(registration),
        }
    }

    /// What a PATCH's body changes; or why not, and then nothing has changed.
    pub fn update(&mut self, body: &Map<String, Value>) -> Result<(), String> {
        for (name, value) in body {
            let (_, kind) = PROPERTIES
                .iter()
                .find(|(known, _)| known == name)
                .ok_or_else(|| {
                    format!("Property '{name}' does not exist on type 'microsoft.graph.internalDomainFederation'.")
                })?;
            check(name, *kind, value)?;
            let was = self.properties.get(name).is_some_and(|was| !was.is_null());
            if name == MFA_BEHAVIOR && value.is_null() && was {
                return Err(
                    "federatedIdpMfaBehavior cannot be unset once it has been set.".to_owned(),
                );
            }
            if value.is_null() && REQUIRED.contains(&name.as_str()) {
                return Err(format!("A value is required for property '{name}'."));
            }
        }
        for (name, value) in body {
            if name != "@odata.type" {
                self.properties.insert(name.clone(), value.clone());
            }
        }
        Ok(())
    }

    /// A text property, if it is set.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.properties.get(name)?.as_str()
    }

    /// As Graph shows it: every property, null where there is none.
    pub fn to_graph(&self) -> Value {
        let mut shown = Map::new();
        shown.insert("@odata.type".to_owned(), json!(TYPE));
        shown.insert("id".to_owned(), json!(self.id));
        for (name, kind) in PROPERTIES.iter().skip(2) {
            let value = self.properties.get(*name).cloned().unwrap_or(match kind {
                Kind::Flag => Value::Bool(false),
                _ => Value::Null,
            });
            shown.insert((*name).to_owned(), value);
        }
        shown.insert("signingCertificateUpdateStatus".to_owned(), Value::Null);
        Value::Object(shown)
    }

    /// What the tenant's verifier reads from it.
    pub fn as_registered(&self, name: DomainName) -> FederatedDomain {
        let text = |name: &str| self.text(name).unwrap_or_default().to_owned();
        let certificates = ["signingCertificate", "nextSigningCertificate"]
            .into_iter()
            .filter_map(|name| STANDARD.decode(self.text(name)?).ok())
            .collect();
        FederatedDomain {
            name,
            issuer_uri: text("issuerUri"),
            sign_in_url: text("passiveSignInUri"),
            certificates,
            preferred_protocol: match self.text("preferredAuthenticationProtocol") {
                Some("saml") => PreferredProtocol::Saml,
                Some("wsFed") => PreferredProtocol::WsFed,
                _ => PreferredProtocol::Missing,
            },
            mfa_behavior: match self.text(MFA_BEHAVIOR) {
                Some("enforceMfaByFederatedIdp") => MfaBehavior::EnforceMfaByFederatedIdp,
                Some("rejectMfaByFederatedIdp") => MfaBehavior::RejectMfaByFederatedIdp,
                // What Entra does where nobody ever set it (facts §4.2).
                _ => MfaBehavior::AcceptIfMfaDoneByFederatedIdp,
            },
            prompt_login: PromptLogin::from_graph(self.text("promptLoginBehavior")),
            sign_out_url: self.text("signOutUri").map(str::to_owned),
        }
    }
}

fn check(name: &str, kind: Kind, value: &Value) -> Result<(), String> {
    let wrong = || {
        format!(
            "Invalid value specified for property '{name}' of resource 'internalDomainFederation'."
        )
    };
    let text = match (kind, value) {
        (Kind::ReadOnly, _) => return Err(format!("Property '{name}' is read-only.")),
        (_, Value::Null) | (Kind::Flag, Value::Bool(_)) => return Ok(()),
        (Kind::Flag, _) => return Err(wrong()),
        (_, Value::String(text)) => text,
        _ => return Err(wrong()),
    };
    let good = match kind {
        Kind::Text => text.chars().count() <= 256,
        Kind::Uri => is_uri(text),
        Kind::Certificate => is_certificate(text),
        Kind::One(values) => values.contains(&text.as_str()),
        Kind::Some(values) => text.split(',').all(|one| values.contains(&one)),
        Kind::Flag | Kind::ReadOnly => false,
    };
    if good { Ok(()) } else { Err(wrong()) }
}

/// Absolute, one line. An issuer may be a URN and need not resolve; the practice identity
/// provider is on loopback, so that http is taken here.
fn is_uri(text: &str) -> bool {
    text.len() <= 2048
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && text.split_once(':').is_some_and(|(scheme, rest)| {
            !rest.is_empty()
                && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        })
}

/// Base64 of one DER certificate with an RSA key of 2048 bits or more, and nothing around it.
fn is_certificate(text: &str) -> bool {
    let Ok(der) = STANDARD.decode(text) else {
        return false;
    };
    let Ok((rest, certificate)) = parse_x509_certificate(&der) else {
        return false;
    };
    let rsa = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size() >= 2048,
        _ => false,
    };
    rest.is_empty() && rsa
}
