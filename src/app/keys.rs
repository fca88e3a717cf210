//! Signing keys and the master key.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{Error, Settings, saml::chain};
use crate::{
    audit::{Actor, Event},
    base::{clock::Timestamp, ids::KeyId, random::Random, secret::Secret},
    directory::{OathToken, PasswordCredential, TokenState, TotpCredential, identity_tag},
    keys::{
        KeyPurpose, SigningKey, ecdsa,
        sealing::{Place, SealError, Sealing},
        signing::{self, RsaSize},
    },
    storage::{ListedToken, Store, StoredKey, Tx},
};

/// How long a new certificate is valid. Entra matches certificates, it does not judge
/// their issuer; three years leave time to notice and do not last for ever.
const CERTIFICATE_LIFETIME: Duration = Duration::from_hours(3 * 365 * 24);

/// A key as operators see it.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// Its id.
    pub id: KeyId,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Where a private key is sealed: for its purpose, so that a writer of the database cannot
/// make a key for tokens out of one for assertions, or the other way round (attack 34).
fn key_place(id: &KeyId, purpose: KeyPurpose) -> Place<'_> {
    Place {
        table: "signing_key",
        column: "sealed_private_key",
        row: id.as_str(),
        owner: purpose.as_str(),
    }
}

/// Opens a private key in its place. Keys of before the purpose was sealed with them were
/// for assertions, all of them; `keys rewrap` seals them anew.
fn open_sealed(stored: &StoredKey, sealing: &Sealing) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let place = key_place(&stored.id, stored.purpose);
    let sealed = &stored.sealed_private_key;
    match sealing.open(&place, sealed) {
        Err(SealError::Broken) if stored.purpose == KeyPurpose::Assertion => {
            sealing.open(&Place { owner: "", ..place }, sealed)
        }
        opened => opened,
    }
}

/// Checks that the database is sealed under this master key; an empty one takes it.
pub(super) async fn require_master_key(store: &Store, sealing: &Sealing) -> Result<(), Error> {
    let mut tx = store.begin().await?;
    match tx.master_key_id().await? {
        Some(id) if id == sealing.key_id() => Ok(()),
        Some(id) => Err(Error::conflict(format!(
            "the database is sealed under the master key {id}, but the configured one is {}; point master_key_file at the right key",
            sealing.key_id()
        ))),
        None => {
            tx.set_master_key_id(sealing.key_id()).await?;
            tx.commit().await?;
            Ok(())
        }
    }
}

/// The key of a purpose; made if there is none, once for all nodes.
pub(super) async fn first_key(
    store: &Store,
    sealing: &Sealing,
    purpose: KeyPurpose,
    mut make: impl FnMut() -> Result<StoredKey, Error>,
) -> Result<SigningKey, Error> {
    for _ in 0..2 {
        let mut tx = store.begin().await?;
        let stored = tx.keys_of(purpose).await?;
        if let Some(key) = stored.into_iter().next() {
            return open_key(&key, sealing);
        }
        drop(tx);
        let key = make()?;
        let mut tx = store.begin().await?;
        if tx.insert_first_key(&key).await? {
            let event = Event::KeyCreated {
                key: key.id.clone(),
                purpose: key.purpose.to_string(),
            };
            tx.append(Actor::System, None, event);
            tx.commit().await?;
        }
        // Another node may have been quicker; either way the stored key is the one.
    }
    Err(Error::internal(
        "the first signing key could be neither read nor made",
    ))
}

/// A key for `purpose`, sealed, not stored yet.
pub(super) fn new_key(
    purpose: KeyPurpose,
    sealing: &Sealing,
    settings: &Settings,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<StoredKey, Error> {
    let name = &settings.service_name;
    let new = match purpose {
        KeyPurpose::Audit => {
            ecdsa::generate(&format!("{name} audit"), now, CERTIFICATE_LIFETIME, random)
        }
        KeyPurpose::Assertion | KeyPurpose::Oidc => {
            signing::generate(RsaSize::Bits2048, name, now, CERTIFICATE_LIFETIME, random)
        }
    }
    .map_err(|error| Error::internal(chain(&error)))?;
    let id = KeyId::random(random);
    let sealed_private_key = sealing.seal(&key_place(&id, purpose), new.pkcs8.expose(), random);
    Ok(StoredKey {
        id,
        purpose,
        certificate: new.certificate,
        sealed_private_key,
        created_at: now,
    })
}

fn open_key(stored: &StoredKey, sealing: &Sealing) -> Result<SigningKey, Error> {
    let pkcs8 = open_sealed(stored, sealing)
        .map_err(|error| Error::internal(format!("the signing key {}: {error}", stored.id)))?;
    let (id, pkcs8) = (stored.id.clone(), Secret::new(pkcs8.to_vec()));
    let certificate = stored.certificate.clone();
    match stored.purpose {
        KeyPurpose::Audit => ecdsa::load(id, &pkcs8, certificate, stored.created_at),
        purpose => signing::load(id, purpose, &pkcs8, certificate, stored.created_at),
    }
    .map_err(|error| Error::internal(format!("the signing key {}: {}", stored.id, chain(&error))))
}

/// The keys there are.
pub async fn list(store: &Store) -> Result<Vec<KeyView>, Error> {
    let mut tx = store.read().await?;
    let mut keys = Vec::new();
    for purpose in [KeyPurpose::Assertion, KeyPurpose::Oidc, KeyPurpose::Audit] {
        for key in tx.keys_of(purpose).await? {
            keys.push(KeyView {
                id: key.id,
                purpose: key.purpose,
                certificate: key.certificate,
                created_at: key.created_at,
            });
        }
    }
    Ok(keys)
}

/// SHA-256 of the audit keys' certificates. A row whose seal does not open, or whose certificate is
/// not that of its private key, is none of this server's keys, whoever wrote it.
pub async fn audit_fingerprints(store: &Store, sealing: &Sealing) -> Result<Vec<String>, Error> {
    let mut tx = store.read().await?;
    let rows = tx.keys_of(KeyPurpose::Audit).await?;
    Ok(rows
        .iter()
        .filter_map(|row| open_key(row, sealing).ok())
        .filter_map(|key| crate::keys::certificate::Certificate::read(&key.certificate).ok())
        .map(|certificate| certificate.fingerprint())
        .collect())
}

/// What `keys rewrap` did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rewrapped {
    /// People whose identity was tagged anew.
    pub users: usize,
    /// Passwords tagged anew.
    pub passwords: usize,
    /// TOTP secrets sealed anew.
    pub totp: usize,
    /// Security keys tagged anew.
    pub security_keys: usize,
    /// Hardware tokens sealed anew.
    pub tokens: usize,
    /// Signing keys sealed anew.
    pub keys: usize,
}

/// Seals everything under a new master key, in one transaction: all or nothing.
///
/// What only a tag of the old key vouches for — sessions, open attempts, passes — ends.
/// A row whose old tag or seal is wrong stops the whole with its name: it must not be
/// blessed with a new one. Of what was taken away nothing is left to seal, and an altered
/// row of a key that was taken away stays what it is.
pub async fn rewrap(
    store: &Store,
    old: &Sealing,
    new: &Sealing,
    operator: &str,
    now: Timestamp,
    random: &mut (dyn Random + Send),
) -> Result<Rewrapped, Error> {
    require_master_key(store, old).await?;
    let mut done = Rewrapped::default();
    let mut tx = store.begin().await?;
    for user in tx.all_users().await? {
        user.require_identity(old)
            .map_err(|_| tampered("user", user.upn.as_str()))?;
        let tag = identity_tag(new, &user.id, &user.upn, user.immutable_id.as_ref());
        tx.update_identity_tag(&user.id, &tag).await?;
        done.users += 1;
    }
    for password in tx.all_passwords().await? {
        password
            .require_tag(old)
            .map_err(|_| tampered("password", password.id.as_str()))?;
        let tag = PasswordCredential::make_tag(new, &password.id, &password.user, &password.phc);
        tx.update_password_tag(&password.id, &tag).await?;
        done.passwords += 1;
    }
    for totp in tx.all_totp().await? {
        totp.require_tag(old)
            .map_err(|_| tampered("totp", totp.id.as_str()))?;
        let place = TotpCredential::secret_place(&totp.id, &totp.user);
        let plain = old
            .open(&place, &totp.sealed_secret)
            .map_err(|_| tampered("totp", totp.id.as_str()))?;
        let sealed = new.seal(&place, &plain, random);
        let tag = TotpCredential::make_tag(new, &totp.id, &totp.user, totp.parameters, &sealed);
        tx.update_totp_seal(&totp.id, &sealed, &tag).await?;
        done.totp += 1;
    }
    for key in tx.all_security_keys().await? {
        if key.require_tag(old).is_err() {
            if key.revoked_at.is_some() {
                continue;
            }
            return Err(tampered("security key", key.id.as_str()));
        }
        tx.update_security_key_tag(&key.id, &key.make_tag(new))
            .await?;
        done.security_keys += 1;
    }
    done.tokens = rewrap_tokens(&mut tx, old, new, random).await?;
    for key in tx.all_keys().await? {
        let place = key_place(&key.id, key.purpose);
        let plain = open_sealed(&key, old).map_err(|_| tampered("signing key", key.id.as_str()))?;
        let sealed = new.seal(&place, &plain, random);
        tx.update_key_seal(&key.id, &sealed).await?;
        done.keys += 1;
    }
    tx.end_everything(now).await?;
    tx.set_master_key_id(new.key_id()).await?;
    let event = Event::KeysRewrapped {
        from: old.key_id().to_owned(),
        to: new.key_id().to_owned(),
    };
    tx.append(Actor::Operator(operator.to_owned()), None, event);
    tx.commit().await?;
    Ok(done)
}

/// Page by page: an inventory may be long.
async fn rewrap_tokens(
    tx: &mut Tx<'_>,
    old: &Sealing,
    new: &Sealing,
    random: &mut (dyn Random + Send),
) -> Result<usize, Error> {
    let mut done = 0;
    let mut after = None;
    loop {
        let page = tx.oath_tokens(after.as_ref(), 500).await?;
        for ListedToken { mut token, .. } in page.iter().cloned() {
            let altered = |_| tampered("hardware token", token.serial.as_str());
            token.require_tag(old).map_err(altered)?;
            // A retired one has no secret any more.
            if !token.sealed_secret.is_empty() {
                let place = OathToken::secret_place(&token.id);
                let plain = old.open(&place, &token.sealed_secret).map_err(altered)?;
                token.sealed_secret = new.seal(&place, &plain, random);
                // Two that share one may be active from before there were tags.
                let secret_tag = OathToken::make_secret_tag(new, &plain);
                let taken =
                    token.state == TokenState::Active && tx.is_secret_active(&secret_tag).await?;
                token.secret_tag = Some(secret_tag).filter(|_| !taken);
            }
            let read_tag = token.tag.clone();
            token.tag = token.make_tag(new);
            if !tx.update_oath_token(&token, &read_tag).await? {
                return Err(Error::conflict(format!(
                    "the hardware token {} was changed by somebody else at this moment; nothing was changed. Run `keys rewrap` again when nobody works with claimbridge",
                    token.serial
                )));
            }
            done += 1;
        }
        match page.into_iter().last() {
            Some(last) => after = Some(last.token.serial),
            None => return Ok(done),
        }
    }
}

fn tampered(what: &str, which: &str) -> Error {
    Error::conflict(format!(
        "the {what} {which} was altered outside claimbridge; nothing was changed. Take it away (`user reset`; `oath retire` for a hardware token), then run `keys rewrap` again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::random::SystemRandom, keys::sealing::MasterKey};

    #[test]
    fn attack_34_a_stored_key_opens_for_the_purpose_that_it_was_made_for_only() {
        let random = &mut SystemRandom;
        let sealing = Sealing::new(&MasterKey::random(random));
        let at = Timestamp::from_millis(0);
        let rsa = signing::generate(
            RsaSize::Bits2048,
            "contoso",
            at,
            CERTIFICATE_LIFETIME,
            random,
        )
        .unwrap();
        let audit = ecdsa::generate("contoso audit", at, CERTIFICATE_LIFETIME, random).unwrap();
        let all = [KeyPurpose::Assertion, KeyPurpose::Oidc, KeyPurpose::Audit];
        let id = KeyId::random(random);
        // Of the kind that its row says, so that nothing but the seal can refuse it.
        let mut stored = |owner: &str, purpose| {
            let new = if purpose == KeyPurpose::Audit {
                &audit
            } else {
                &rsa
            };
            let place = Place {
                owner,
                ..key_place(&id, purpose)
            };
            StoredKey {
                id: id.clone(),
                purpose,
                certificate: new.certificate.clone(),
                sealed_private_key: sealing.seal(&place, new.pkcs8.expose(), random),
                created_at: at,
            }
        };
        for made_for in all {
            for written in all {
                let key = stored(made_for.as_str(), written);
                let opened = open_key(&key, &sealing);
                assert_eq!(opened.is_ok(), made_for == written, "{made_for} {written}");
            }
        }
        // As they were sealed before: for assertions, and as nothing else.
        for written in all {
            let opened = open_key(&stored("", written), &sealing);
            assert_eq!(opened.is_ok(), written == KeyPurpose::Assertion);
        }
    }
}
