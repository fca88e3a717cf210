//! What changed behind our back: a changed federation is the best-known backdoor into a
//! tenant (facts §4.4, §4.6).
//!
//! Always true: kinds and severities are stable names (events, metrics, the webhook and
//! people's alarm rules hold on to them); what was not shown yields no drift and no peace:
//! the caller says what could not be read. What belongs to us, and every sub-domain of it,
//! may have nothing but what we want there; its federation may be absent, never different.
//!
//! Read next: [`domains`] (which domain is judged how), [`settings`] (one federation).

mod domains;
mod settings;

use std::{cmp::Reverse, fmt, time::Duration};

use aws_lc_rs::digest;
use serde::Serialize;

use super::{
    property::{Property, digest_of},
    tenant::{Tenant, TokenValidation},
    wanted::Ours,
};
use crate::base::clock::Timestamp;

pub(super) use settings::of_federation;

/// How long before its end a certificate is told (as CB-FED-007).
pub const CERTIFICATE_SOON: Duration = Duration::from_hours(60 * 24);

/// What kind of change.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftKind {
    /// A domain of ours is not in the tenant.
    DomainMissing,
    /// What the tenant shows of a domain cannot be read.
    DomainUnreadable,
    /// A domain of ours is managed.
    NotFederated,
    /// A property is not as it should be.
    SettingChanged,
    /// A federation has a property that this program does not know.
    UnknownProperty,
    /// Entra accepts a certificate that is none of ours.
    UnknownCertificate,
    /// Another domain carries an issuer of ours.
    IssuerElsewhere,
    /// Another domain is federated with a foreign provider.
    ForeignFederation,
    /// A sub-domain of ours has a federation of its own, or was made a root.
    SubDomainFederation,
    /// A certificate ends soon.
    CertificateExpiring,
    /// A certificate has ended.
    CertificateExpired,
    /// Security defaults are on.
    SecurityDefaults,
    /// Entra no longer compares the roots of realm and person for all.
    TokenValidationWeakened,
}

impl DriftKind {
    /// All kinds.
    pub const ALL: [Self; 13] = [
        Self::DomainMissing,
        Self::DomainUnreadable,
        Self::NotFederated,
        Self::SettingChanged,
        Self::UnknownProperty,
        Self::UnknownCertificate,
        Self::IssuerElsewhere,
        Self::ForeignFederation,
        Self::SubDomainFederation,
        Self::CertificateExpiring,
        Self::CertificateExpired,
        Self::SecurityDefaults,
        Self::TokenValidationWeakened,
    ];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DomainMissing => "domain-missing",
            Self::DomainUnreadable => "domain-unreadable",
            Self::NotFederated => "not-federated",
            Self::SettingChanged => "setting-changed",
            Self::UnknownProperty => "unknown-property",
            Self::UnknownCertificate => "unknown-certificate",
            Self::IssuerElsewhere => "issuer-elsewhere",
            Self::ForeignFederation => "foreign-federation",
            Self::SubDomainFederation => "sub-domain-federation",
            Self::CertificateExpiring => "certificate-expiring",
            Self::CertificateExpired => "certificate-expired",
            Self::SecurityDefaults => "security-defaults",
            Self::TokenValidationWeakened => "token-validation-weakened",
        }
    }
}

impl fmt::Display for DriftKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftSeverity {
    /// Worth knowing.
    Info,
    /// To be mended.
    Warning,
    /// People cannot sign in, or strangers can.
    Critical,
}

impl DriftSeverity {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One change.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Drift {
    /// What kind.
    pub kind: DriftKind,
    /// How bad.
    pub severity: DriftSeverity,
    /// At which domain; none: at the tenant.
    pub domain: Option<String>,
    /// At which property.
    pub property: Option<&'static str>,
    /// What is so, in one sentence.
    pub sentence: String,
    /// What to do.
    pub remedy: String,
}

impl Drift {
    /// The same for the same change seen again, another for another: to alarm once.
    pub fn key(&self) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in [
            self.kind.as_str(),
            self.domain.as_deref().unwrap_or(""),
            self.property.unwrap_or(""),
            &self.sentence,
        ] {
            hash.update(&part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = data_encoding::HEXLOWER.encode(hash.finish().as_ref());
        format!("{}:{}", self.kind, &digest[..16])
    }
}

const ATTACK: &str = "If nobody of you did this, treat it as an attack: look in Entra's audit log who did, then `claimbridge domain apply`.";
/// What no `domain apply` mends.
const ATTACK_ELSEWHERE: &str = "If nobody of you did this, treat it as an attack: look in Entra's audit log who did, and undo it in Entra.";

/// Everything that is not as it should be, worst first. `tenant` is all that it shows.
pub fn drift(ours: &Ours, tenant: &Tenant, now: Timestamp) -> Vec<Drift> {
    let mut found = domains::of_domains(ours, tenant, now);
    of_tenant(tenant, &mut found);
    found.sort_by_key(|one| Reverse(one.severity));
    found
}

/// The same where our own keys cannot all be told, as far as no key is needed: a certificate
/// that may be ours is not judged, one that is nobody's is.
pub fn drift_without_key(ours: &Ours, tenant: &Tenant, now: Timestamp) -> Vec<Drift> {
    let rests_on_a_key = |one: &Drift| {
        let of_certificate = [
            Property::SigningCertificate,
            Property::NextSigningCertificate,
        ]
        .iter()
        .any(|property| one.property == Some(property.name()));
        of_certificate && one.kind == DriftKind::SettingChanged
    };
    let mut found = drift(ours, tenant, now);
    found.retain(|one| !rests_on_a_key(one));
    found
}

fn of_tenant(tenant: &Tenant, found: &mut Vec<Drift>) {
    if tenant.security_defaults == Some(true) {
        found.push(Drift {
            kind: DriftKind::SecurityDefaults,
            severity: DriftSeverity::Info,
            domain: None,
            property: None,
            sentence: "Security defaults are on; the claim of a federated provider is reported to be ignored there (unconfirmed).".to_owned(),
            remedy: "Replace them by a Conditional Access policy that requires MFA, and see whether the claim counts (`claimbridge inspect live`).".to_owned(),
        });
    }
    let (severity, how) = match &tenant.token_validation {
        None | Some(TokenValidation::All) => return,
        Some(TokenValidation::Nobody) => (DriftSeverity::Critical, "for nobody".to_owned()),
        Some(TokenValidation::Some(word)) => (
            DriftSeverity::Warning,
            format!("for some domains only ({})", shown(word)),
        ),
    };
    found.push(Drift {
        kind: DriftKind::TokenValidationWeakened,
        severity,
        domain: None,
        property: Some("federatedTokenValidationPolicy"),
        sentence: format!(
            "Entra compares the root domain of realm and person {how}; a foreign realm could name people of other domains."
        ),
        remedy: "Set validatingDomains.rootDomains of the federatedTokenValidationPolicy to all, its default.".to_owned(),
    });
}

/// The longest text of a tenant in a sentence, in characters.
const LONGEST: usize = 200;

/// A tenant's words, without what could steer a terminal. What is cut is told by its hash:
/// two that begin alike are not the same, and [`Drift::key`] must say so.
fn shown(text: &str) -> String {
    let said = crate::inspect::shown(text, LONGEST);
    if text.chars().count() > LONGEST {
        format!("{said} (SHA-256 {})", digest_of(text.as_bytes()))
    } else {
        said
    }
}

#[cfg(test)]
mod tests;
