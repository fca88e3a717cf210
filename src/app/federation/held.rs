//! Which certificates a domain's federation holds: the rollover goes by it.

use crate::{
    federation::{DomainState, Property, Setting},
    keys::certificate::Certificate,
    relying_party::Domain,
};

/// Fingerprints (SHA-256, hexadecimal) of what the federation of `domain` holds as signing and
/// next certificate. A domain that became managed holds none. Nothing where it was not shown,
/// and of a sub-domain, which says nothing about its root's federation.
pub fn held_certificates(domain: &Domain, state: &DomainState) -> Option<Vec<String>> {
    if domain.name != domain.root || state.configuration.is_none() {
        return None;
    }
    let properties = [
        Property::SigningCertificate,
        Property::NextSigningCertificate,
    ];
    let held =
        properties
            .into_iter()
            .filter_map(|property| match state.federation()?.get(property) {
                Some(Setting::Certificate(der)) => Certificate::read(der).ok(),
                _ => None,
            });
    Some(held.map(|certificate| certificate.fingerprint()).collect())
}
