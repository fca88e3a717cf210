//! `keys rewrap`: everything sealed goes under a new master key.

use super::{
    mark::{Keys, mark},
    open::{key_place, open_sealed, require_standing},
    require_master_key,
};
use crate::{
    app::{Error, federation::rewrap_journal, watch::rewrap_watch},
    audit::{Actor, Event},
    base::{clock::Timestamp, random::Random},
    directory::{
        ApplicationPassword, OathToken, PasswordCredential, TokenState, TotpCredential,
        identity_tag,
    },
    keys::{
        KeyPurpose,
        sealing::Sealing,
        state::{KeyState, Sighting},
    },
    storage::{ListedToken, Store, Tx},
};

/// What `keys rewrap` did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rewrapped {
    /// People whose identity was tagged anew.
    pub users: usize,
    /// Passwords tagged anew.
    pub passwords: usize,
    /// Application passwords tagged anew.
    pub app_passwords: usize,
    /// Accounts of tenants tagged anew.
    pub external_accounts: usize,
    /// TOTP secrets sealed anew.
    pub totp: usize,
    /// Security keys tagged anew.
    pub security_keys: usize,
    /// Hardware tokens sealed anew.
    pub tokens: usize,
    /// Signing keys sealed anew.
    pub keys: usize,
    /// Looks at parties' keys that had no valid tag (such as those of before schema 0013): they
    /// count as not made, so look again.
    pub looks_left: usize,
    /// Entries of the federation's journal sealed anew.
    pub journal: usize,
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
    for password in tx.all_app_passwords().await? {
        let ApplicationPassword {
            id, user, verifier, ..
        } = &password;
        password
            .require_tag(old)
            .map_err(|_| tampered("application password", id.as_str()))?;
        let tag = ApplicationPassword::make_tag(new, id, user, verifier);
        tx.update_app_password_tag(id, &tag).await?;
        done.app_passwords += 1;
    }
    for account in tx.all_external_accounts().await? {
        account
            .require_tag(old)
            .map_err(|_| {
                Error::conflict(format!(
                    "the account {} of the tenant {} was altered outside claimbridge; nothing was changed. Take it away (`external-mfa unlink`), then run `keys rewrap` again",
                    account.object, account.tenant
                ))
            })?;
        let tag = account.make_tag(new);
        tx.update_external_account_tag(&account, &tag).await?;
        done.external_accounts += 1;
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
    (done.keys, done.looks_left) = rewrap_keys(&mut tx, old, new, random).await?;
    done.journal = rewrap_journal(&mut tx, old, new, random).await?;
    rewrap_watch(&mut tx, old, new, now).await?;
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

/// Signing keys with their standing, and who was seen to know them.
async fn rewrap_keys(
    tx: &mut Tx<'_>,
    old: &Sealing,
    new: &Sealing,
    random: &mut (dyn Random + Send),
) -> Result<(usize, usize), Error> {
    let purposes = [KeyPurpose::Assertion, KeyPurpose::Oidc];
    let mut generations = Vec::new();
    for purpose in purposes {
        let found = Keys::of_all_events(tx, old, purpose).await?;
        if let Some(flaw) = found.flaw {
            return Err(flaw.error(purpose));
        }
        generations.push((purpose, found.generation, found.keys.is_empty()));
    }
    let (mut done, mut left) = (0, 0);
    for mut key in tx.all_keys().await? {
        let id = key.id.clone();
        let altered = |_| tampered("signing key", id.as_str());
        // An altered one that a rollover took away stays what it is: nothing of it is left.
        let is_gone = key.standing.state == KeyState::Retired && key.sealed_private_key.is_empty();
        // Of before keys had states: one of several first keys, which never signed.
        if key.standing.state == KeyState::Retired && key.state_tag.is_none() && !is_gone {
            tx.update_key_seal(&key.id, "", None).await?;
            continue;
        }
        match require_standing(&key, old) {
            Err(_) if is_gone => continue,
            standing => standing.map_err(altered)?,
        }
        // Of a retired one nothing is left to seal.
        if key.standing.state != KeyState::Retired {
            let plain = open_sealed(&key, old).map_err(altered)?;
            key.sealed_private_key = new.seal(&key_place(&key), &plain, random);
        }
        if key.state_tag.is_some() {
            key.state_tag = Some(key.standing.make_tag(new, &key.tagged()));
        }
        tx.update_key_seal(&key.id, &key.sealed_private_key, key.state_tag.as_deref())
            .await?;
        done += 1;
    }
    for seen in tx.key_sightings().await? {
        if seen.require_tag(old).is_err() {
            left += 1;
            continue;
        }
        let anew = Sighting::new(new, seen.key, seen.party, seen.held);
        tx.put_key_sighting(&anew).await?;
    }
    for (purpose, generation, is_empty) in generations {
        if generation.is_some() || !is_empty {
            mark(tx, new, purpose, generation, 0).await?;
        }
    }
    Ok((done, left))
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
