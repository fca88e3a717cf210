//! Which domain of the tenant is judged how: ours, below ours, and strangers.
//!
//! Always true: every entry that the tenant shows is judged, also a second one of the same
//! name; below a domain of ours nothing is excused that its root would not be.

use super::{
    ATTACK, ATTACK_ELSEWHERE, Drift, DriftKind, DriftSeverity,
    settings::{Whose, certificates, foreign, settings},
    shown,
};
use crate::{
    base::{clock::Timestamp, text::DomainName},
    federation::{
        property::{Property, Setting},
        tenant::{Authentication, DomainState, Tenant, TokenValidation},
        wanted::{Ours, Wanted},
    },
    keys::certificate::Certificate,
    relying_party::{Domain, name_rule::comparable},
};

/// What of the tenant's domains is not as it should be.
pub(super) fn of_domains(ours: &Ours, tenant: &Tenant, now: Timestamp) -> Vec<Drift> {
    let mut found = Vec::new();
    for domain in &ours.domains {
        if !is_shown(&domain.name, tenant) {
            found.extend(missing(&domain.name, tenant));
        }
    }
    for state in &tenant.domains {
        match ours.domains.iter().find(|own| own.name == state.name) {
            Some(own) if own.name == own.root => {
                of_root(&ours.wanted(own), state, now, &mut found);
            }
            Some(_) => of_own_below(ours, state, &mut found),
            None => stranger(ours, state, tenant, &mut found),
        }
    }
    found.extend(tenant.unreadable.iter().map(|domain| Drift {
        kind: DriftKind::DomainUnreadable,
        severity: DriftSeverity::Critical,
        domain: Some(shown(&domain.name)),
        property: None,
        sentence: format!(
            "What Entra shows of {} cannot be read, and nobody watches it: {}.",
            shown(&domain.name),
            shown(domain.why.trim_end_matches('.'))
        ),
        remedy: "Look at this domain in Entra by hand; then report it, since a later claimbridge may know what it has.".to_owned(),
    }));
    found
}

/// Whether the tenant shows it, also as what cannot be read.
fn is_shown(name: &DomainName, tenant: &Tenant) -> bool {
    tenant.domain(name).is_some() || tenant.unreadable_domain(name).is_some()
}

fn missing(name: &DomainName, tenant: &Tenant) -> Option<Drift> {
    tenant.is_complete.then(|| Drift {
        kind: DriftKind::DomainMissing,
        severity: DriftSeverity::Critical,
        sentence: format!("{name} is not a domain of the tenant."),
        remedy: "See whether this is the right tenant ([graph] tenant_id), and whether somebody removed the domain.".to_owned(),
        property: None,
        domain: Some(name.to_string()),
    })
}

fn of_root(wanted: &Wanted, state: &DomainState, now: Timestamp, found: &mut Vec<Drift>) {
    let name = &state.name;
    if state.is_managed() {
        found.push(not_federated(
            name,
            format!("{name} is managed: its people do not sign in here."),
        ));
    } else if state.configuration == Some(None) {
        found.push(not_federated(
            name,
            format!(
                "Entra says that {name} is federated and shows no federation of it: where its people sign in is not known."
            ),
        ));
    }
    if let Some(has) = state.federation() {
        settings(wanted, Whose::Root, has, found);
        certificates(wanted, has, now, found);
    }
}

fn not_federated(name: &DomainName, sentence: String) -> Drift {
    Drift {
        kind: DriftKind::NotFederated,
        severity: DriftSeverity::Critical,
        domain: Some(name.to_string()),
        property: None,
        sentence,
        remedy: format!(
            "`claimbridge domain apply {name}` federates it; if it was and nobody of you changed it, look in Entra's audit log."
        ),
    }
}

/// A configured domain below a root of ours.
fn of_own_below(ours: &Ours, state: &DomainState, found: &mut Vec<Drift>) {
    let name = &state.name;
    // Graph may show an empty list of a domain that inherits: only the word counts.
    if state.authentication == Some(Authentication::Managed) {
        found.push(Drift {
            remedy: ATTACK_ELSEWHERE.to_owned(),
            ..not_federated(
                name,
                format!(
                    "{name} is managed, although it lies below a federated domain of ours: its people sign in with passwords at Entra, and not here."
                ),
            )
        });
    }
    below(ours, state, found);
}

/// What lies below a root of ours: it may show nothing but what its root should have.
fn below(ours: &Ours, state: &DomainState, found: &mut Vec<Drift>) {
    let Some(wanted) = ours.wanted_of_root(&state.name) else {
        return;
    };
    let (name, root) = (&state.name, &wanted.domain.name);
    if state.is_root == Some(true) {
        found.push(Drift {
            kind: DriftKind::SubDomainFederation,
            severity: DriftSeverity::Critical,
            domain: Some(name.to_string()),
            property: Some("isRoot"),
            sentence: format!(
                "{name} lies below {root} and was promoted to a root of its own: it has no longer {root}'s federation."
            ),
            remedy: ATTACK_ELSEWHERE.to_owned(),
        });
    }
    if let Some(has) = state.federation() {
        // That a certificate of ours ends is told of the root.
        settings(&wanted, Whose::Below(name), has, found);
    }
}

/// A domain that nobody configured here.
fn stranger(ours: &Ours, domain: &DomainState, tenant: &Tenant, found: &mut Vec<Drift>) {
    let name = domain.name.to_string();
    let is_federated =
        domain.federation().is_some() || domain.authentication == Some(Authentication::Federated);
    if !is_federated {
        return;
    }
    if ours.wanted_of_root(&domain.name).is_some() {
        below(ours, domain, found);
        return;
    }
    let issuer = domain
        .federation()
        .and_then(|federation| federation.text(Property::IssuerUri));
    if let Some(issuer) = issuer
        && let Some(own) = ours.domains.iter().find(|own| is_nearly(own, issuer))
    {
        found.push(Drift {
            kind: DriftKind::IssuerElsewhere,
            severity: DriftSeverity::Critical,
            sentence: format!(
                "{name} is federated with the issuer of {}, or nearly so: {}.",
                own.name,
                domain.federation().map_or_else(String::new, foreign)
            ),
            remedy: ATTACK.to_owned(),
            property: Some(Property::IssuerUri.name()),
            domain: Some(name),
        });
        return;
    }
    // Without the policy a foreign realm can name people of any domain.
    let guarded = tenant.token_validation == Some(TokenValidation::All);
    let known = is_known(ours, domain);
    found.push(Drift {
        kind: DriftKind::ForeignFederation,
        severity: match (known, guarded) {
            (true, _) => DriftSeverity::Info,
            (false, true) => DriftSeverity::Warning,
            (false, false) => DriftSeverity::Critical,
        },
        sentence: match domain.federation() {
            Some(has) if known => format!(
                "{name} is federated with the provider that you named for it: {}.",
                foreign(has)
            ),
            Some(has) => format!(
                "{name} is federated with a foreign provider: {}.",
                foreign(has)
            ),
            None => format!("{name} is federated, and not with us."),
        },
        remedy: if known {
            "Nothing, as long as that provider is to have it; if not, take its entry out of the configuration.".to_owned()
        } else {
            format!(
                "If you know that provider and all of this is its own, name it in the configuration ([[entra.known_federation]]) and let {name} be; otherwise treat it as an attack: a second federated domain is a known backdoor."
            )
        },
        property: None,
        domain: Some(name),
    });
}

/// Whether the operator named this domain's provider, and it has no other keys than were named,
/// nor anything that may be one.
fn is_known(ours: &Ours, domain: &DomainState) -> bool {
    let Some(has) = domain.federation() else {
        return false;
    };
    let Some(known) = ours
        .known_federations
        .iter()
        .find(|known| known.domain == domain.name)
    else {
        return false;
    };
    let is_named = |property| match has.get(property) {
        None => property != Property::SigningCertificate,
        Some(Setting::Certificate(der)) => Certificate::read(der).is_ok_and(|read| {
            known.certificates.contains(&read.thumbprint())
                || known.certificates.contains(&read.fingerprint())
        }),
        Some(_) => false,
    };
    has.text(Property::IssuerUri) == Some(known.issuer_uri.as_str())
        && is_named(Property::SigningCertificate)
        && is_named(Property::NextSigningCertificate)
        && has.unknown().next().is_none()
}

/// Nobody needs an issuer that differs from ours by a slash or in its letters' case.
fn is_nearly(own: &Domain, issuer: &str) -> bool {
    comparable(&own.issuer_uri) == comparable(issuer)
}
