//! From proofs to claims. The only place that can say `multipleauthn`.
//!
//! Always true: a [`ClaimSet`] is made by [`for_sign_in`] alone, from a `SignedIn`
//! and what is registered; the issuer is the one of the person's own root domain
//! (attack 19); the method follows from the proofs ([`authn_context`]), it cannot be set.

/// What a program may know of somebody whose password was right.
pub mod active;
/// Proofs → class reference and method references.
pub mod authn_context;
/// What Entra is told of a second factor.
pub mod second_factor;

use crate::{
    base::{clock::Timestamp, text::DomainName},
    directory::{ImmutableId, User},
    keys::sealing::Sealing,
    relying_party::{Domain, RelyingParty, domain::domain_of},
    signin::complete::SignedIn,
};

/// What one relying party may know about one sign-in. Made only by [`for_sign_in`].
pub struct ClaimSet {
    issuer: String,
    realm: DomainName,
    audience: String,
    name_id: ImmutableId,
    upn: String,
    authn_instant: Timestamp,
    multi_factor_instant: Timestamp,
    session_index: String,
    class_ref: &'static str,
    method_references: Vec<&'static str>,
}

impl ClaimSet {
    /// The `issuerUri` of the person's root domain, byte for byte.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The root domain that the issuer speaks for.
    pub fn realm(&self) -> &DomainName {
        &self.realm
    }

    /// The relying party's entity id.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The person's ImmutableID: the persistent NameID.
    pub fn name_id(&self) -> &str {
        self.name_id.as_str()
    }

    /// The person's user principal name.
    pub fn upn(&self) -> &str {
        &self.upn
    }

    /// The instant of the oldest proof used.
    pub fn authn_instant(&self) -> Timestamp {
        self.authn_instant
    }

    /// The instant of the proof that made it multi-factor: of the second class.
    pub fn multi_factor_instant(&self) -> Timestamp {
        self.multi_factor_instant
    }

    /// What the relying party must repeat to sign this session out.
    pub fn session_index(&self) -> &str {
        &self.session_index
    }

    /// The authentication context class.
    pub fn class_ref(&self) -> &'static str {
        self.class_ref
    }

    /// The values of the methods-references attributes: the class first, then one per method.
    pub fn method_references(&self) -> &[&'static str] {
        &self.method_references
    }
}

/// Why nothing is released.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotReleased {
    /// The row is not of the person who signed in.
    #[error("the person's row is not of the person who signed in")]
    OtherPerson,
    /// UPN and ImmutableID were moved between people.
    #[error("the person's identity row was altered outside claimbridge")]
    Tampered,
    /// Nobody speaks for the person's domain.
    #[error("the domain {0} is not configured; add it with `claimbridge domain add {0}`")]
    UnknownDomain(DomainName),
    /// Programs bring passwords for domains that speak WS-Federation only.
    #[error(
        "the domain {0} does not speak WS-Federation; programs get no token for its people (docs/ws-trust.md)"
    )]
    NotWsFederation(DomainName),
    /// The request was for another domain's people.
    #[error("the request was for people of {asked}, not of {is}")]
    OtherDomain {
        /// Of the person.
        is: DomainName,
        /// Of the request.
        asked: DomainName,
    },
    /// Without an ImmutableID Entra cannot know the person.
    #[error("the person has no ImmutableID; set it with `claimbridge user set-immutable-id`")]
    NoImmutableId,
    /// The proofs are not multi-factor (cannot happen: `SignedIn` has two classes).
    #[error("the proofs are not multi-factor")]
    NotMultiFactor,
}

/// Computes what `relying_party` may know of this sign-in.
///
/// `asked`: the domain that the request's address named; only its people (and those
/// of domains with the same root) are let in.
pub fn for_sign_in(
    signed_in: &SignedIn,
    user: &User,
    domains: &[Domain],
    asked: Option<&DomainName>,
    relying_party: &RelyingParty,
    session_index: String,
    sealing: &Sealing,
) -> Result<ClaimSet, NotReleased> {
    if user.id != *signed_in.user() {
        return Err(NotReleased::OtherPerson);
    }
    user.require_identity(sealing)
        .map_err(|_| NotReleased::Tampered)?;
    let domain = require_domain(&user.upn.domain(), domains, asked)?;
    let name_id = user
        .immutable_id
        .clone()
        .ok_or(NotReleased::NoImmutableId)?;
    let context = authn_context::of(signed_in.proofs()).ok_or(NotReleased::NotMultiFactor)?;
    Ok(ClaimSet {
        issuer: domain.issuer_uri.clone(),
        realm: domain.root.clone(),
        audience: relying_party.entity_id.0.clone(),
        name_id,
        upn: user.upn.as_str().to_owned(),
        authn_instant: signed_in.oldest_proof(),
        multi_factor_instant: context.multi_factor_instant,
        session_index,
        class_ref: context.class_ref,
        method_references: context.method_references,
    })
}

/// The domain that speaks for people of `of`, if it may answer a request bound to `asked`.
pub fn require_domain<'a>(
    of: &DomainName,
    domains: &'a [Domain],
    asked: Option<&DomainName>,
) -> Result<&'a Domain, NotReleased> {
    let domain = domain_of(of, domains).ok_or_else(|| NotReleased::UnknownDomain(of.clone()))?;
    if let Some(asked) = asked {
        let root = domain_of(asked, domains).map(|domain| &domain.root);
        if root != Some(&domain.root) {
            return Err(NotReleased::OtherDomain {
                is: of.clone(),
                asked: asked.clone(),
            });
        }
    }
    Ok(domain)
}

#[cfg(test)]
mod tests;
