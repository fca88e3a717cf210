//! A person's own ways to sign in: seen, named, taken away; and the own password.
//!
//! Always true: each change needs a [`FreshSession`], which is looked at once more in the
//! transaction of the change; what the policy wants a person to
//! keep cannot be taken away, also not by two browsers at once; whatever happened is an
//! event, and a notice at the next sign-in.

use super::{
    App, Error, account::FreshSession, enrol::method_name, error::SupportCode, groups::kind_of,
    guess::in_a_row, metadata::Metadata,
};
use crate::{
    audit::{Actor, Event},
    base::{
        aaguid::Aaguid,
        clock::Timestamp,
        ids::{CredentialId, SessionId, UserId},
        secret::Secret,
    },
    directory::{MethodKind, OathToken, SecurityKey, TotpCredential},
    session::SessionProof,
    storage::{ReadTx, Tx},
};

pub use crate::directory::AttestationState;

/// One of a person's ways to sign in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnMethod {
    /// Its id.
    pub id: CredentialId,
    /// What it is.
    pub kind: MethodKind,
    /// What the person calls it. Text everywhere.
    pub name: String,
    /// What the maker calls it, if that is known.
    pub model: Option<String>,
    /// When it was added.
    pub added: Timestamp,
    /// When it last proved something.
    pub last_used: Option<Timestamp>,
    /// Of a key: its model as it said, and how far that was proved.
    pub attested: Option<(Aaguid, AttestationState)>,
    /// Whether the metadata has a picture of that model.
    pub picture: Picture,
}

/// Whether there is something to look at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Picture {
    /// The model has a picture.
    OfModel,
    /// It has none, or the model is not known.
    None,
}

impl App {
    /// The methods of a person that may be used, oldest first.
    pub(super) async fn own_methods(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
    ) -> Result<Vec<OwnMethod>, Error> {
        let tokens = self.activated_tokens(tx, user).await?;
        let generators = self.usable_totp(tx, user).await?.into_iter();
        let mut methods: Vec<OwnMethod> = generators
            .map(|totp| code_generator(totp, &tokens))
            .collect();
        let policy = self.method_policy_of(tx, user).await?;
        if policy.allows(MethodKind::SecurityKey) {
            let metadata = self.metadata();
            let keys = tx.security_keys_of(user).await?.into_iter();
            methods.extend(keys.map(|key| security_key(key, metadata.as_deref())));
        }
        methods.sort_by_key(|method| method.added);
        Ok(methods)
    }

    /// Gives a method another name.
    pub async fn rename_method(
        &self,
        fresh: &FreshSession,
        id: &CredentialId,
        name: &str,
    ) -> Result<(), Error> {
        let renamed = self.rename_own(fresh, id, name).await;
        self.noting_tampering(renamed).await
    }

    async fn rename_own(
        &self,
        fresh: &FreshSession,
        id: &CredentialId,
        name: &str,
    ) -> Result<(), Error> {
        let name = method_name(name, "")?;
        if name.is_empty() {
            return Err(Error::invalid("a name has at least one character"));
        }
        let mut tx = self.store.begin().await?;
        self.hold_fresh(&mut tx, fresh).await?;
        let methods = self.own_methods(&mut tx, &fresh.user.id).await?;
        let method = methods.into_iter().find(|method| method.id == *id);
        let method = method.ok_or_else(gone)?;
        let renamed = match method.kind {
            MethodKind::Totp | MethodKind::OathToken => tx.rename_totp(id, &name).await?,
            MethodKind::SecurityKey => tx.rename_security_key(&fresh.user.id, id, &name).await?,
        };
        if !renamed {
            return Err(gone());
        }
        let event = Event::MethodRenamed {
            credential: method.id,
            name,
        };
        tx.append(Actor::Person, Some(fresh.user.id.clone()), event);
        tx.commit().await?;
        Ok(())
    }

    /// Takes a method away, unless the policy wants it kept. Sessions that rest on it end
    /// with it.
    pub async fn remove_method(
        &self,
        fresh: &FreshSession,
        id: &CredentialId,
    ) -> Result<(), Error> {
        let removed = self.remove_own(fresh, id).await;
        self.noting_tampering(removed).await
    }

    async fn remove_own(&self, fresh: &FreshSession, id: &CredentialId) -> Result<(), Error> {
        let now = self.now();
        let user = &fresh.user;
        let mut tx = self.store.begin().await?;
        // Held: two browsers that take two away at once must not leave none.
        self.hold_fresh(&mut tx, fresh).await?;
        let methods = self.own_methods(&mut tx, &user.id).await?;
        if !methods.iter().any(|method| method.id == *id) {
            return Err(gone());
        }
        // What no sign-in would take is nothing to keep, and may go at any time.
        let refused = self.refused_keys(&mut tx, &user.id).await?;
        let counts = |id: &CredentialId| !refused.contains(id);
        let counting = methods.iter().filter(|method| counts(&method.id)).count();
        if counts(id) && counting <= self.methods_kept(&mut tx, &user.id).await? {
            return Err(Error::denied(
                &SupportCode::MINIMUM,
                format!("{} has {counting} methods that count", user.upn),
            ));
        }
        self.release_own_token(&mut tx, &user.id, id).await?;
        self.revoke_own(&mut tx, id, now).await?;
        self.end_sessions_by(&mut tx, &user.id, id).await?;
        // Who has it in the hand may be just adding another one.
        tx.end_enrolments_of(&user.id).await?;
        let event = Event::MethodRevoked {
            credential: id.clone(),
        };
        tx.append(Actor::Person, Some(user.id.clone()), event);
        tx.add_notice(&user.id, "method-removed", user.upn.as_str(), now)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends the sessions that rest on a method which was just taken away. They could answer
    /// nobody any more; ended, they also stand on no list of live ones.
    async fn end_sessions_by(
        &self,
        tx: &mut Tx<'_>,
        user: &UserId,
        method: &CredentialId,
    ) -> Result<(), Error> {
        let (policy, now) = (self.settings.sessions, self.now());
        for session in tx.sessions_of(user).await? {
            let rests = |proof: &SessionProof| proof.credential == *method;
            if session.is_alive(policy, now)
                && session.proofs.iter().any(rests)
                && tx.revoke_session(&session.id, now).await?
            {
                let event = Event::SessionEnded {
                    session: session.id,
                    reason: "method-removed",
                };
                tx.append(Actor::Person, Some(user.clone()), event);
            }
        }
        Ok(())
    }

    /// How many methods a person must keep: one at least, whatever is configured.
    pub(super) async fn methods_kept(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
    ) -> Result<usize, Error> {
        let minimum = self.method_policy_of(tx, user).await?.minimum();
        Ok(usize::try_from(minimum).unwrap_or(usize::MAX).max(1))
    }

    async fn revoke_own(
        &self,
        tx: &mut Tx<'_>,
        id: &CredentialId,
        now: Timestamp,
    ) -> Result<(), Error> {
        if tx.revoke_totp(id, now).await? || tx.revoke_security_key(id, now).await? {
            return Ok(());
        }
        Err(gone())
    }

    /// Changes the own password. Sessions of other browsers end; this one was proved with
    /// the former password, so it ends too, and the person signs in with the new one.
    pub async fn change_password(
        &self,
        fresh: &FreshSession,
        password: Secret<String>,
    ) -> Result<(), Error> {
        let changed = self.change_own_password(fresh, password).await;
        self.noting_tampering(changed).await
    }

    async fn change_own_password(
        &self,
        fresh: &FreshSession,
        password: Secret<String>,
    ) -> Result<(), Error> {
        let user = &fresh.user;
        let phc = self
            .hash_new_password(password, &user.upn, &user.display_name)
            .await?;
        let now = self.now();
        let mut tx = self.store.begin().await?;
        self.hold_fresh(&mut tx, fresh).await?;
        self.store_password(&mut tx, &user.id, phc, Actor::Person)
            .await?;
        // Only a right answer or a new password ends a row of failures: those with the former
        // one say nothing of who has this one.
        tx.give_back_try(&in_a_row(&user.id)).await?;
        tx.add_notice(&user.id, "password-set", user.upn.as_str(), now)
            .await?;
        self.end_all(&mut tx, &user.id, "password-set").await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends one of the own sessions; nothing happens if it is over or another's.
    pub async fn end_own_session(&self, fresh: &FreshSession, id: &SessionId) -> Result<(), Error> {
        let ended = self.end_session_of(fresh, id).await;
        self.noting_tampering(ended).await
    }

    async fn end_session_of(&self, fresh: &FreshSession, id: &SessionId) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        self.hold_fresh(&mut tx, fresh).await?;
        let owned = tx.session(id).await?;
        if owned.is_some_and(|session| session.user == fresh.user.id)
            && tx.revoke_session(id, self.now()).await?
        {
            let event = Event::SessionEnded {
                session: id.clone(),
                reason: "signed-out",
            };
            tx.append(Actor::Person, Some(fresh.user.id.clone()), event);
            tx.commit().await?;
        }
        Ok(())
    }
}

fn code_generator(totp: TotpCredential, tokens: &[OathToken]) -> OwnMethod {
    let token = tokens
        .iter()
        .find(|token| token.credential.as_ref() == Some(&totp.id));
    let model = token
        .map(|token| token.model.clone())
        .filter(|model| !model.is_empty());
    OwnMethod {
        last_used: last_used(&totp),
        kind: kind_of(&totp, tokens),
        id: totp.id,
        name: totp.name,
        model,
        added: totp.created_at,
        attested: None,
        picture: Picture::None,
    }
}

fn security_key(key: SecurityKey, metadata: Option<&Metadata>) -> OwnMethod {
    let model = metadata.and_then(|metadata| metadata.model(&key.aaguid));
    OwnMethod {
        id: key.id,
        kind: MethodKind::SecurityKey,
        name: key.name,
        model: model.map(|model| model.name.to_owned()),
        added: key.created_at,
        last_used: key.last_used_at,
        attested: Some((key.aaguid, key.attestation)),
        picture: match model.and_then(|model| model.icon) {
            Some(_) => Picture::OfModel,
            None => Picture::None,
        },
    }
}

/// The instant of the step that was accepted last, as the token's own clock had it.
pub(super) fn last_used(totp: &TotpCredential) -> Option<Timestamp> {
    let step = totp.last_step?.checked_sub(totp.drift_steps)?;
    let seconds = step.checked_mul(i64::from(totp.parameters.period))?;
    seconds.checked_mul(1000).map(Timestamp::from_millis)
}

fn gone() -> Error {
    Error::not_found("there is no such method any more; reload the page")
}
