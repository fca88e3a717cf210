//! From a row to a key that signs.
//!
//! Always true: nothing signs, and nothing is published, whose row is not what we wrote:
//! the standing's tag covers purpose, certificate and state; the private key is sealed in a
//! place of its purpose (attacks 20, 34). A first key that was never anything but active
//! has no tag and is sealed as earlier versions sealed it, so that they can go on with it;
//! whatever has been in a rollover is sealed elsewhere, so that taking its tag away makes
//! nothing of it, and an earlier version stops instead of signing with a key that is not
//! active any more.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::{
    app::{Error, saml::chain},
    base::secret::Secret,
    keys::{
        KeyPurpose, SigningKey,
        certificate::Certificate,
        ecdsa,
        hardware::NoToken,
        sealing::{Place, SealError, Sealing},
        signing,
        state::{Custody, KeyState},
    },
    outbound::pkcs11::Token,
    storage::StoredKey,
};

/// Where a private key is sealed: for its purpose, so that a writer of the database cannot
/// make a key for tokens out of one for assertions, or the other way round (attack 34).
pub(super) fn key_place(stored: &StoredKey) -> Place<'_> {
    place(stored, owner(stored))
}

fn place<'k>(stored: &'k StoredKey, owner: &'k str) -> Place<'k> {
    Place {
        table: "signing_key",
        column: match stored.custody {
            Custody::Software => "sealed_private_key",
            Custody::Hardware => "token_reference",
        },
        row: stored.id.as_str(),
        owner,
    }
}

fn owner(stored: &StoredKey) -> &'static str {
    match (&stored.state_tag, stored.purpose) {
        (None, purpose) => purpose.as_str(),
        (Some(_), KeyPurpose::Assertion) => "assertion in rollover",
        (Some(_), KeyPurpose::Oidc) => "oidc in rollover",
        (Some(_), KeyPurpose::Audit) => "audit in rollover",
    }
}

/// Opens a private key in its place. Keys of before the purpose was sealed with them were
/// for assertions, all of them; `keys rewrap` seals them anew.
pub(super) fn open_sealed(
    stored: &StoredKey,
    sealing: &Sealing,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let sealed = &stored.sealed_private_key;
    let is_oldest_form = stored.state_tag.is_none() && stored.purpose == KeyPurpose::Assertion;
    match sealing.open(&key_place(stored), sealed) {
        Err(SealError::Broken) if is_oldest_form => sealing.open(&place(stored, ""), sealed),
        opened => opened,
    }
}

/// Checks that the row's standing is what we wrote.
pub(super) fn require_standing(stored: &StoredKey, sealing: &Sealing) -> Result<(), SealError> {
    match &stored.state_tag {
        Some(tag) => stored.standing.require_tag(sealing, &stored.tagged(), tag),
        None if stored.standing.state == KeyState::Active => open_sealed(stored, sealing).map(drop),
        None => Err(SealError::Broken),
    }
}

/// The key, ready to sign. One in hardware is looked for at its first use, so that a token
/// that is away is an outage and no reason not to start.
pub(super) fn open_key(
    stored: &StoredKey,
    sealing: &Sealing,
    token: Option<&Arc<Token>>,
) -> Result<SigningKey, Error> {
    let broken = |error: &dyn std::error::Error| {
        Error::internal(format!("the signing key {}: {}", stored.id, chain(error)))
    };
    require_standing(stored, sealing).map_err(|error| broken(&error))?;
    let pkcs8 = open_sealed(stored, sealing).map_err(|error| broken(&error))?;
    let (id, pkcs8) = (stored.id.clone(), Secret::new(pkcs8.to_vec()));
    let certificate = stored.certificate.clone();
    if stored.custody == Custody::Hardware {
        let read = Certificate::read(&certificate).map_err(|error| broken(&error))?;
        let public_key = read.rsa_public_key().map_err(|error| broken(&error))?;
        let signer = match token {
            Some(token) => token.signer(id.clone(), public_key.to_vec()),
            None => Arc::new(NoToken),
        };
        let (purpose, made) = (stored.purpose, stored.created_at);
        return Ok(SigningKey::new(id, purpose, certificate, made, signer));
    }
    match stored.purpose {
        KeyPurpose::Audit => ecdsa::load(id, &pkcs8, certificate, stored.created_at),
        purpose => signing::load(id, purpose, &pkcs8, certificate, stored.created_at),
    }
    .map_err(|error| broken(&error))
}

/// Whether the row is one of ours: its standing, and its certificate. Without a tag nothing
/// but the private key vouches for the certificate.
pub(in crate::app) fn is_ours(stored: &StoredKey, sealing: &Sealing) -> bool {
    match stored.state_tag {
        Some(_) => require_standing(stored, sealing).is_ok(),
        None => open_key(stored, sealing, None).is_ok(),
    }
}
