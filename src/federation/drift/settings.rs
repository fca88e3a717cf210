//! One federation that Entra shows, against what we want there.
//!
//! Always true: a certificate that is none of ours is critical, wherever it stands; what a
//! sub-domain shows is compared with what its root should have.

use url::Url;

use super::{ATTACK, ATTACK_ELSEWHERE, CERTIFICATE_SOON, Drift, DriftKind, DriftSeverity, shown};
use crate::{
    base::{clock::Timestamp, text::DomainName},
    federation::{
        configuration::Configuration,
        plan::{Difference, differences},
        property::{Property, Setting},
        wanted::{KeyOrigin, Wanted},
    },
    keys::certificate::Certificate,
};

/// Whose federation it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose<'d> {
    /// That of the domain that is wanted.
    Root,
    /// That of this domain below it.
    Below(&'d DomainName),
}

/// What of the federation `has` is not as `wanted` says, and which certificates of it end.
pub(in crate::federation) fn of_federation(
    wanted: &Wanted,
    has: &Configuration,
    now: Timestamp,
) -> Vec<Drift> {
    let mut found = Vec::new();
    settings(wanted, Whose::Root, has, &mut found);
    certificates(wanted, has, now, &mut found);
    found
}

/// What of `has` is not as `wanted` says.
pub(super) fn settings(
    wanted: &Wanted,
    whose: Whose<'_>,
    has: &Configuration,
    found: &mut Vec<Drift>,
) {
    for difference in differences(wanted, Some(has)) {
        found.push(of_difference(wanted, whose, &difference));
    }
    let name = whose.name(wanted).to_string();
    let differs = |kind, severity, property, sentence| Drift {
        kind,
        severity,
        domain: Some(name.clone()),
        property,
        sentence,
        remedy: ATTACK_ELSEWHERE.to_owned(),
    };
    if let Some(setting) = has.get(Property::PasswordResetUri)
        && !is_ours(&setting.to_text(), &wanted.ours.public_url)
    {
        found.push(differs(
            DriftKind::SettingChanged,
            DriftSeverity::Warning,
            Some(Property::PasswordResetUri.name()),
            format!(
                "People of {name} who forgot their password are sent to {}, which is not here.",
                shown(&setting.to_text())
            ),
        ));
    }
    for (member, value) in has.unknown() {
        // Instants change by themselves; everything else is told again when it changes.
        let is_instant = member.ends_with("DateTime") || value.is_object();
        let value = match value.as_str() {
            _ if is_instant => String::new(),
            Some(text) => format!(", {}", shown(text)),
            None => format!(", {}", shown(&value.to_string())),
        };
        found.push(differs(
            DriftKind::UnknownProperty,
            DriftSeverity::Info,
            None,
            format!(
                "Entra shows of the federation of {name} what this program does not know: {}{value}.",
                shown(member)
            ),
        ));
    }
}

impl Whose<'_> {
    fn name<'n>(&'n self, wanted: &'n Wanted) -> &'n DomainName {
        match self {
            Self::Root => &wanted.domain.name,
            Self::Below(name) => name,
        }
    }
}

fn of_difference(wanted: &Wanted, whose: Whose<'_>, difference: &Difference) -> Drift {
    let name = whose.name(wanted);
    let property = difference.property;
    let is_certificate = matches!(
        property,
        Property::SigningCertificate | Property::NextSigningCertificate
    );
    let origin = difference
        .was
        .as_ref()
        .filter(|_| is_certificate)
        .map_or(KeyOrigin::Ours, |was| wanted.ours.certificates.origin(was));
    let was = in_words(difference.was.as_ref());
    let (kind, severity, sentence) = match (origin, whose) {
        (KeyOrigin::Unknown, _) => (
            DriftKind::UnknownCertificate,
            DriftSeverity::Critical,
            format!(
                "Entra accepts, as {property} of {name}, a key that is none of ours: {was}. Whoever has it can sign in as anybody."
            ),
        ),
        (KeyOrigin::Former, _) => (
            DriftKind::SettingChanged,
            DriftSeverity::Critical,
            format!(
                "{property} of {name} is that of a former key of ours, which signs no more: {was}. If it was exchanged because others had it, they can sign in as anybody."
            ),
        ),
        (KeyOrigin::Ours, Whose::Below(_)) if property == Property::IssuerUri => (
            DriftKind::SubDomainFederation,
            DriftSeverity::Critical,
            format!(
                "{name} lies below {} and has a federation of its own, with the issuer {was}.",
                wanted.domain.name
            ),
        ),
        (KeyOrigin::Ours, _) => (
            DriftKind::SettingChanged,
            severity_of(property),
            format!(
                "{property} of {name} is {was}, and should be {}.",
                in_words(difference.will.as_ref())
            ),
        ),
    };
    let remedy = match (whose, origin) {
        (Whose::Below(_), _) => format!(
            "A sub-domain has the federation of {} and none of its own. {ATTACK_ELSEWHERE}",
            wanted.domain.name
        ),
        (Whose::Root, KeyOrigin::Unknown) => ATTACK.to_owned(),
        (Whose::Root, _) => format!(
            "{} `claimbridge domain apply {name}` mends it.",
            property.matters()
        ),
    };
    Drift {
        kind,
        severity,
        domain: Some(name.to_string()),
        property: Some(property.name()),
        sentence,
        remedy,
    }
}

fn in_words(setting: Option<&Setting>) -> String {
    setting.map_or_else(
        || "not set".to_owned(),
        |setting| shown(&setting.to_words()),
    )
}

fn is_ours(address: &str, public_url: &str) -> bool {
    match (Url::parse(address), Url::parse(public_url)) {
        (Ok(address), Ok(own)) => address.origin() == own.origin() && own.origin().is_tuple(),
        _ => false,
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
        // Not every cloud takes it; sign-in does not rest on it.
        Property::DisplayName | Property::SystemBrowserEnabledOn => DriftSeverity::Info,
        _ => DriftSeverity::Warning,
    }
}

/// Which certificates of it end.
pub(super) fn certificates(
    wanted: &Wanted,
    has: &Configuration,
    now: Timestamp,
    found: &mut Vec<Drift>,
) {
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

/// A foreign federation in a few words: its issuer, where it sends people, its keys, and a
/// hash of all of it, so that whatever of it changes is another finding.
pub(super) fn foreign(has: &Configuration) -> String {
    let of = |property| in_words(has.get(property));
    format!(
        "issuer {}; people are sent to {}; signingCertificate {}; nextSigningCertificate {}; all settings {}",
        of(Property::IssuerUri),
        of(Property::PassiveSignInUri),
        of(Property::SigningCertificate),
        of(Property::NextSigningCertificate),
        has.fingerprint(),
    )
}
