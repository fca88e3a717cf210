//! What a program may know of a person at the active door (WS-Trust): that a password was
//! right, and nothing of a second factor.
//!
//! Always true: [`PasswordClaims`] is another type than [`ClaimSet`](super::ClaimSet) and
//! cannot become one; it is made by [`for_password`] alone, from one proof that is consumed;
//! it has no member that could say "multi-factor" (attacks 21, 22).

use super::{NotReleased, require_domain};
use crate::{
    base::{
        clock::Timestamp,
        ids::{CredentialId, UserId},
        text::DomainName,
    },
    directory::{ImmutableId, User},
    factor::{Proof as _, app_password::ApplicationPasswordProof, password::PasswordProof},
    keys::sealing::Sealing,
    relying_party::{Domain, RelyingParty},
};

/// What was right.
pub enum ActiveProof {
    /// The person's own password.
    Own(PasswordProof),
    /// An application password.
    Application(ApplicationPasswordProof),
}

/// Which of them it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PasswordKind {
    /// The person's own password.
    Own,
    /// An application password.
    Application,
}

impl PasswordKind {
    /// As receipts have it: neither is a kind of factor that makes a sign-in.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "password-only",
            Self::Application => "application-password",
        }
    }
}

/// What one relying party may know of somebody whose password was right. Made only by
/// [`for_password`].
pub struct PasswordClaims {
    user: UserId,
    issuer: String,
    realm: DomainName,
    audience: String,
    name_id: ImmutableId,
    upn: String,
    kind: PasswordKind,
    credential: CredentialId,
    at: Timestamp,
}

impl PasswordClaims {
    /// Whom they are about.
    pub fn user(&self) -> &UserId {
        &self.user
    }

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

    /// The person's ImmutableID.
    pub fn name_id(&self) -> &str {
        self.name_id.as_str()
    }

    /// The person's user principal name.
    pub fn upn(&self) -> &str {
        &self.upn
    }

    /// Which password it was.
    pub fn kind(&self) -> PasswordKind {
        self.kind
    }

    /// Its credential.
    pub fn credential(&self) -> &CredentialId {
        &self.credential
    }

    /// When it was right.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// The root of a person's domain, if Entra sends its people's programs here: `ws_federation` are
/// the roots that speak WS-Federation. A door that the operator opened for one domain is none for
/// those of another.
pub fn require_ws_federation<'a>(
    user: &User,
    domains: &'a [Domain],
    ws_federation: &[DomainName],
) -> Result<&'a Domain, NotReleased> {
    let domain = require_domain(&user.upn.domain(), domains, None)?;
    if ws_federation.contains(&domain.root) {
        Ok(domain)
    } else {
        Err(NotReleased::NotWsFederation(domain.root.clone()))
    }
}

/// Computes what `relying_party` may know; `ws_federation` as in [`require_ws_federation`].
pub fn for_password(
    proof: ActiveProof,
    user: &User,
    domains: &[Domain],
    ws_federation: &[DomainName],
    relying_party: &RelyingParty,
    sealing: &Sealing,
) -> Result<PasswordClaims, NotReleased> {
    let (of, kind, credential, at) = match proof {
        ActiveProof::Own(proof) => {
            let facts = proof.facts();
            (
                facts.user.clone(),
                PasswordKind::Own,
                facts.credential.clone(),
                facts.at,
            )
        }
        ActiveProof::Application(proof) => (
            proof.user().clone(),
            PasswordKind::Application,
            proof.credential().clone(),
            proof.at(),
        ),
    };
    if user.id != of {
        return Err(NotReleased::OtherPerson);
    }
    user.require_identity(sealing)
        .map_err(|_| NotReleased::Tampered)?;
    let domain = require_ws_federation(user, domains, ws_federation)?;
    let name_id = user
        .immutable_id
        .clone()
        .ok_or(NotReleased::NoImmutableId)?;
    Ok(PasswordClaims {
        user: of,
        issuer: domain.issuer_uri.clone(),
        realm: domain.root.clone(),
        audience: relying_party.entity_id.0.clone(),
        name_id,
        upn: user.upn.as_str().to_owned(),
        kind,
        credential,
        at,
    })
}
