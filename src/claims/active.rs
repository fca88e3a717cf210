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

/// Computes what `relying_party` may know.
pub fn for_password(
    proof: ActiveProof,
    user: &User,
    domains: &[Domain],
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
    let domain = require_domain(&user.upn.domain(), domains, None)?;
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
