//! What changed behind our back: a changed federation is the best-known backdoor into a
//! tenant (facts §4.4, §4.6).
//!
//! Always true: kinds and severities are stable names (events, metrics, the webhook and
//! people's alarm rules hold on to them); what was not shown yields no drift and no peace:
//! the caller says what could not be read.

use std::{fmt, time::Duration};

use aws_lc_rs::digest;
use serde::Serialize;

use super::{
    configuration::Configuration,
    plan::differences,
    property::{Property, Setting},
    tenant::{Authentication, DomainState, Tenant, TokenValidation},
    wanted::{Ours, Wanted},
};
use crate::{base::clock::Timestamp, keys::certificate::Certificate, relying_party::Domain};

/// How long before its end a certificate is told (as CB-FED-007).
pub const CERTIFICATE_SOON: Duration = Duration::from_hours(60 * 24);

/// What kind of change.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftKind {
    /// A domain of ours is not in the tenant.
    DomainMissing,
    /// A domain of ours is managed.
    NotFederated,
    /// A property is not as it should be.
    SettingChanged,
    /// Entra accepts a certificate that is none of ours.
    UnknownCertificate,
    /// Another domain carries an issuer of ours.
    IssuerElsewhere,
    /// Another domain is federated with a foreign provider.
    ForeignFederation,
    /// A sub-domain of ours has a federation of its own.
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
    pub const ALL: [Self; 11] = [
        Self::DomainMissing,
        Self::NotFederated,
        Self::SettingChanged,
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
            Self::NotFederated => "not-federated",
            Self::SettingChanged => "setting-changed",
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

/// Everything that is not as it should be, worst first. `tenant` is all that it shows.
pub fn drift(ours: &Ours, tenant: &Tenant, now: Timestamp) -> Vec<Drift> {
    let mut found = Vec::new();
    for domain in &ours.domains {
        of_domain(&ours.wanted(domain), tenant, now, &mut found);
    }
    for domain in &tenant.domains {
        if !ours.domains.iter().any(|own| own.name == domain.name) {
            stranger(ours, domain, tenant, &mut found);
        }
    }
    of_tenant(tenant, &mut found);
    found.sort_by(|a, b| b.severity.cmp(&a.severity));
    found
}

fn of_domain(wanted: &Wanted, tenant: &Tenant, now: Timestamp, found: &mut Vec<Drift>) {
    let name = wanted.domain.name.to_string();
    let Some(state) = tenant.domain(&wanted.domain.name) else {
        if tenant.is_complete {
            found.push(Drift {
                kind: DriftKind::DomainMissing,
                severity: DriftSeverity::Critical,
                sentence: format!("{name} is not a domain of the tenant."),
                remedy: "See whether this is the right tenant ([graph] tenant_id), and whether somebody removed the domain.".to_owned(),
                property: None,
                domain: Some(name),
            });
        }
        return;
    };
    if wanted.is_inherited() {
        if let Some(own) = state.federation() {
            sub_domain(wanted, own, found);
        }
        return;
    }
    match (&state.configuration, state.authentication) {
        (Some(Some(has)), authentication) => {
            if authentication == Some(Authentication::Managed) {
                found.push(not_federated(&name));
            }
            settings(wanted, has, found);
            certificates(wanted, has, now, found);
        }
        (Some(None), _) | (None, Some(Authentication::Managed)) => {
            found.push(not_federated(&name));
        }
        // Nobody asked for its configuration.
        (None, _) => {}
    }
}

fn not_federated(name: &str) -> Drift {
    Drift {
        kind: DriftKind::NotFederated,
        severity: DriftSeverity::Critical,
        domain: Some(name.to_owned()),
        property: None,
        sentence: format!("{name} is managed: its people do not sign in here."),
        remedy: format!(
            "`claimbridge domain apply {name}` federates it; if it was and nobody of you changed it, look in Entra's audit log."
        ),
    }
}

fn settings(wanted: &Wanted, has: &Configuration, found: &mut Vec<Drift>) {
    let name = wanted.domain.name.to_string();
    let ours = wanted.ours.certificates.all();
    for difference in differences(wanted, Some(has)) {
        let property = difference.property;
        let is_certificate = matches!(
            property,
            Property::SigningCertificate | Property::NextSigningCertificate
        );
        let words = |setting: &Option<Setting>| {
            setting.as_ref().map_or_else(
                || "not set".to_owned(),
                |setting| shown(&setting.to_words()),
            )
        };
        let unknown = is_certificate
            && match &difference.was {
                Some(Setting::Certificate(der)) => !ours.contains(der),
                Some(_) => true,
                None => false,
            };
        if unknown {
            found.push(Drift {
                kind: DriftKind::UnknownCertificate,
                severity: DriftSeverity::Critical,
                domain: Some(name.clone()),
                property: Some(property.name()),
                sentence: format!(
                    "Entra accepts, as {property} of {name}, a key that is none of ours: {}. Whoever has it can sign in as anybody.",
                    words(&difference.was)
                ),
                remedy: ATTACK.to_owned(),
            });
            continue;
        }
        found.push(Drift {
            kind: DriftKind::SettingChanged,
            severity: severity_of(property),
            domain: Some(name.clone()),
            property: Some(property.name()),
            sentence: format!(
                "{property} of {name} is {}, and should be {}.",
                words(&difference.was),
                words(&difference.will)
            ),
            remedy: format!(
                "{} `claimbridge domain apply {name}` mends it.",
                property.matters()
            ),
        });
    }
}

fn severity_of(property: Property) -> DriftSeverity {
    match property {
        Property::IssuerUri
        | Property::PassiveSignInUri
        | Property::SigningCertificate
        | Property::PreferredAuthenticationProtocol
        | Property::FederatedIdpMfaBehavior
        | Property::ActiveSignInUri => DriftSeverity::Critical,
        Property::DisplayName | Property::PasswordResetUri => DriftSeverity::Info,
        _ => DriftSeverity::Warning,
    }
}

fn certificates(wanted: &Wanted, has: &Configuration, now: Timestamp, found: &mut Vec<Drift>) {
    for property in [
        Property::SigningCertificate,
        Property::NextSigningCertificate,
    ] {
        let Some(Setting::Certificate(der)) = has.get(property) else {
            continue;
        };
        let Ok(read) = Certificate::read(der) else {
            continue;
        };
        let (kind, severity, end) = if read.not_after < now {
            (
                DriftKind::CertificateExpired,
                DriftSeverity::Critical,
                "ended",
            )
        } else if read.not_after < now.plus(CERTIFICATE_SOON) {
            (
                DriftKind::CertificateExpiring,
                DriftSeverity::Warning,
                "ends",
            )
        } else {
            continue;
        };
        let name = wanted.domain.name.to_string();
        found.push(Drift {
            kind,
            severity,
            sentence: format!(
                "The certificate {} in {property} of {name} {end} at {}.",
                read.thumbprint(),
                read.not_after
            ),
            remedy: "Roll over: `claimbridge keys stage`, `domain apply` for each domain, `domain verify`, `keys activate`.".to_owned(),
            property: Some(property.name()),
            domain: Some(name),
        });
    }
}

fn sub_domain(wanted: &Wanted, own: &Configuration, found: &mut Vec<Drift>) {
    let (name, root) = (&wanted.domain.name, &wanted.domain.root);
    // Graph may show a sub-domain with its root's values.
    let same = own.text(Property::IssuerUri) == Some(&wanted.domain.issuer_uri)
        && own.get(Property::SigningCertificate).is_none_or(|setting| {
            matches!(setting, Setting::Certificate(der) if wanted.ours.certificates.all().contains(der))
        });
    if same {
        return;
    }
    found.push(Drift {
        kind: DriftKind::SubDomainFederation,
        severity: DriftSeverity::Critical,
        domain: Some(name.to_string()),
        property: Some(Property::IssuerUri.name()),
        sentence: format!(
            "{name} lies below {root} and has a federation of its own, with the issuer {}.",
            shown(own.text(Property::IssuerUri).unwrap_or("not set"))
        ),
        remedy: ATTACK.to_owned(),
    });
}

/// A domain that is none of ours.
fn stranger(ours: &Ours, domain: &DomainState, tenant: &Tenant, found: &mut Vec<Drift>) {
    let name = domain.name.to_string();
    let issuer = domain
        .federation()
        .and_then(|federation| federation.text(Property::IssuerUri));
    let is_ours = |own: &Domain| Some(own.issuer_uri.as_str()) == issuer;
    // Below a root of ours: it inherits, whether or not anybody of it is here.
    let inherits = ours
        .domains
        .iter()
        .any(|own| domain.name.is_within(&own.name) && is_ours(own));
    if let Some(own) = ours.domains.iter().find(|own| is_ours(own))
        && !inherits
    {
        found.push(Drift {
            kind: DriftKind::IssuerElsewhere,
            severity: DriftSeverity::Critical,
            sentence: format!(
                "{name} is federated with the issuer of {}, {}.",
                own.name, own.issuer_uri
            ),
            remedy: ATTACK.to_owned(),
            property: Some(Property::IssuerUri.name()),
            domain: Some(name),
        });
        return;
    }
    let federated =
        domain.federation().is_some() || domain.authentication == Some(Authentication::Federated);
    let below_ours = issuer.is_none()
        && ours
            .domains
            .iter()
            .any(|own| domain.name.is_within(&own.name));
    if !federated || inherits || below_ours {
        return;
    }
    // Without the policy a foreign realm can name people of any domain.
    let guarded = tenant.token_validation == Some(TokenValidation::All);
    found.push(Drift {
        kind: DriftKind::ForeignFederation,
        severity: if guarded {
            DriftSeverity::Warning
        } else {
            DriftSeverity::Critical
        },
        sentence: match issuer {
            Some(issuer) => format!(
                "{name} is federated with a foreign provider, {}.",
                shown(issuer)
            ),
            None => format!("{name} is federated, and not with us."),
        },
        remedy: format!(
            "If you know that provider, add nothing and let {name} be; otherwise treat it as an attack: a second federated domain is a known backdoor."
        ),
        property: None,
        domain: Some(name),
    });
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

/// A tenant's words, short and without what could steer a terminal.
fn shown(text: &str) -> String {
    crate::inspect::shown(text, 200)
}
