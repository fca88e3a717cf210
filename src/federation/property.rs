//! The properties of Graph's `internalDomainFederation` (facts §4.1), and their values.
//!
//! Always true: this is the one table of their names; a value is compared by what it means
//! (a certificate by its bytes, platforms as a set), never by its spelling.

use std::{collections::BTreeSet, fmt};

use aws_lc_rs::digest;
use serde_json::Value;

use crate::keys::certificate::Certificate;

/// A property that may be set.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Property {
    /// What people and administrators read.
    DisplayName,
    /// The issuer of our assertions.
    IssuerUri,
    /// Where browsers are sent to sign in.
    PassiveSignInUri,
    /// Where browsers are sent to sign out.
    SignOutUri,
    /// Where programs send passwords.
    ActiveSignInUri,
    /// Where programs look for the endpoint of passwords.
    MetadataExchangeUri,
    /// `saml` or `wsFed`.
    PreferredAuthenticationProtocol,
    /// Whose multi-factor sign-in counts.
    FederatedIdpMfaBehavior,
    /// What becomes of `prompt=login`.
    PromptLoginBehavior,
    /// Whether Entra signs its requests.
    IsSignedAuthenticationRequestRequired,
    /// The certificate of our assertions.
    SigningCertificate,
    /// The next one; it counts already.
    NextSigningCertificate,
    /// Where apps open the system's browser for us.
    SystemBrowserEnabledOn,
    /// Where a forgotten password is set anew.
    PasswordResetUri,
}

impl Property {
    /// All of them, in the order in which people read them.
    pub const ALL: [Self; 14] = [
        Self::DisplayName,
        Self::IssuerUri,
        Self::PassiveSignInUri,
        Self::SignOutUri,
        Self::ActiveSignInUri,
        Self::MetadataExchangeUri,
        Self::PreferredAuthenticationProtocol,
        Self::FederatedIdpMfaBehavior,
        Self::PromptLoginBehavior,
        Self::IsSignedAuthenticationRequestRequired,
        Self::SigningCertificate,
        Self::NextSigningCertificate,
        Self::SystemBrowserEnabledOn,
        Self::PasswordResetUri,
    ];

    /// Graph's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::DisplayName => "displayName",
            Self::IssuerUri => "issuerUri",
            Self::PassiveSignInUri => "passiveSignInUri",
            Self::SignOutUri => "signOutUri",
            Self::ActiveSignInUri => "activeSignInUri",
            Self::MetadataExchangeUri => "metadataExchangeUri",
            Self::PreferredAuthenticationProtocol => "preferredAuthenticationProtocol",
            Self::FederatedIdpMfaBehavior => "federatedIdpMfaBehavior",
            Self::PromptLoginBehavior => "promptLoginBehavior",
            Self::IsSignedAuthenticationRequestRequired => "isSignedAuthenticationRequestRequired",
            Self::SigningCertificate => "signingCertificate",
            Self::NextSigningCertificate => "nextSigningCertificate",
            Self::SystemBrowserEnabledOn => "systemBrowserEnabledOn",
            Self::PasswordResetUri => "passwordResetUri",
        }
    }

    /// The property of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|property| property.name() == name)
    }

    /// Why it matters, in one sentence.
    pub fn matters(self) -> &'static str {
        match self {
            Self::DisplayName => "People and administrators read it; nothing depends on it.",
            Self::IssuerUri => {
                "Entra takes an assertion only if its issuer is this, byte for byte (AADSTS50107)."
            }
            Self::PassiveSignInUri => "Browsers are sent there to sign in.",
            Self::SignOutUri => "Browsers are sent there to sign out.",
            Self::ActiveSignInUri => {
                "Programs send passwords there: to our WS-Trust if [trust] is on and the domain speaks WS-Federation, else to nobody. Another provider's address would collect them."
            }
            Self::MetadataExchangeUri => {
                "Programs look there for the address for passwords: our WS-Trust's if [trust] is on and the domain speaks WS-Federation, else none."
            }
            Self::PreferredAuthenticationProtocol => {
                "Without it the sign-in in browsers fails (AADSTS50107)."
            }
            Self::FederatedIdpMfaBehavior => {
                "With enforceMfaByFederatedIdp our multi-factor sign-in counts, and Entra never asks for its own instead."
            }
            Self::PromptLoginBehavior => {
                "With nativeSupport prompt=login means a whole new sign-in here, and not a password alone."
            }
            Self::IsSignedAuthenticationRequestRequired => {
                "A signed request is worth something only if Microsoft's keys are loaded here."
            }
            Self::SigningCertificate => {
                "Entra takes assertions signed by this key (AADSTS5000811); whoever has the key can sign in as anybody."
            }
            Self::NextSigningCertificate => {
                "Entra takes assertions signed by this key too, already today; an unknown one is a known backdoor."
            }
            Self::SystemBrowserEnabledOn => {
                "Mobile apps then open our pages in the system's browser, where security keys and passkeys work."
            }
            Self::PasswordResetUri => "It is not ours to say and is left alone.",
        }
    }

    /// The setting that a JSON value of Graph is; nothing if it is unset or of another type.
    pub(super) fn read(self, value: &Value) -> Option<Setting> {
        match (self, value) {
            (_, Value::Null) => None,
            (Self::IsSignedAuthenticationRequestRequired, Value::Bool(flag)) => {
                Some(Setting::Flag(*flag))
            }
            (_, Value::String(text)) if text.is_empty() => None,
            (Self::SigningCertificate | Self::NextSigningCertificate, Value::String(text)) => {
                Some(match certificate_in(text) {
                    Some(der) => Setting::Certificate(der),
                    None => Setting::Text(text.clone()),
                })
            }
            (Self::SystemBrowserEnabledOn, Value::String(text)) => {
                Some(Setting::Platforms(platforms_in(text.split([',', ' ']))))
            }
            (Self::SystemBrowserEnabledOn, Value::Array(items)) => Some(Setting::Platforms(
                platforms_in(items.iter().filter_map(Value::as_str)),
            )),
            (_, Value::String(text)) => Some(Setting::Text(text.clone())),
            (_, other) => Some(Setting::Text(other.to_string())),
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// DER of a certificate in base64, perhaps with the lines of PEM.
fn certificate_in(text: &str) -> Option<Vec<u8>> {
    let joined: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("-----"))
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .collect();
    data_encoding::BASE64
        .decode(joined.as_bytes())
        .ok()
        .filter(|der| !der.is_empty())
}

/// A platform whose apps may open the system's browser (facts §1.6).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Platform {
    /// Android.
    Android,
    /// iOS and iPadOS.
    Ios,
    /// macOS. Graph's own schema says `mac`, the page about it `Macos`.
    Mac,
    /// One that came later than this program.
    Other(String),
}

impl Platform {
    /// All that people use security keys on.
    pub fn known() -> BTreeSet<Self> {
        BTreeSet::from([Self::Android, Self::Ios, Self::Mac])
    }

    /// The spelling of Graph's schema.
    pub fn name(&self) -> &str {
        match self {
            Self::Android => "android",
            Self::Ios => "ios",
            Self::Mac => "mac",
            Self::Other(name) => name,
        }
    }
}

fn platforms_in<'t>(names: impl Iterator<Item = &'t str>) -> BTreeSet<Platform> {
    names
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "none")
        .map(|name| match name.as_str() {
            "android" => Platform::Android,
            "ios" => Platform::Ios,
            "mac" | "macos" => Platform::Mac,
            _ => Platform::Other(name),
        })
        .collect()
}

/// The value of a property.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Setting {
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A certificate, DER.
    Certificate(Vec<u8>),
    /// Platforms; none of them is what Graph writes `none`.
    Platforms(BTreeSet<Platform>),
}

impl Setting {
    /// As Graph wants it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Flag(flag) => Value::Bool(*flag),
            other => Value::String(other.to_text()),
        }
    }

    /// As Graph writes it, as a text: a certificate whole.
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Flag(flag) => flag.to_string(),
            Self::Certificate(der) => data_encoding::BASE64.encode(der),
            Self::Platforms(platforms) if platforms.is_empty() => "none".to_owned(),
            Self::Platforms(platforms) => {
                let names: Vec<_> = platforms.iter().map(Platform::name).collect();
                names.join(",")
            }
        }
    }

    /// For people: a certificate by thumbprint, subject and last day.
    pub fn to_words(&self) -> String {
        match self {
            Self::Certificate(der) => match Certificate::read(der) {
                Ok(read) => format!(
                    "certificate {} ({}, until {})",
                    read.thumbprint(),
                    read.subject,
                    day(&read)
                ),
                // By their hash: two of one length are not the same.
                Err(_) => format!(
                    "{} bytes that are no certificate, SHA-256 {}",
                    der.len(),
                    digest_of(der)
                ),
            },
            other => other.to_text(),
        }
    }
}

/// The first digits of SHA-256, to tell things apart.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    data_encoding::HEXLOWER.encode(&hash.as_ref()[..8])
}

fn day(certificate: &Certificate) -> String {
    certificate
        .not_after
        .to_rfc3339()
        .chars()
        .take(10)
        .collect()
}
