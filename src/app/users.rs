//! People, for operators.
//!
//! Always true: whoever can issue a pass, set a password or an ImmutableID could become
//! that person; so each of these ends the person's sessions and attempts, is an event
//! that names the operator, and is shown to the person at the next sign-in.

use super::{
    App, Error, account::KnownSession, groups::join, guess::in_a_row, security_keys::revoke_keys_of,
};
use crate::{
    audit::{Actor, Event},
    base::{
        ids::{CredentialId, UserId},
        secret::Secret,
        text::Upn,
    },
    claims::require_domain,
    directory::{GroupName, ImmutableId, PasswordCredential, User, identity_tag},
    storage::{InsertUser, ReadTx, SetImmutableId, Tx},
};

pub use super::user_view::{PasswordState, UserView};

/// The longest display name, in characters.
pub(super) const LONGEST_NAME: usize = 256;

/// Someone to add.
#[derive(Debug)]
pub struct NewUser {
    /// The user principal name.
    pub upn: Upn,
    /// What pages call the person.
    pub display_name: String,
    /// Entra's ImmutableID; a new one is made if there is none.
    pub immutable_id: Option<ImmutableId>,
    /// A first password, if one is given.
    pub password: Option<Secret<String>>,
    /// The groups the person is in.
    pub groups: Vec<GroupName>,
}

/// Whether an ImmutableID may be replaced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Replace {
    /// Only a first one may be set.
    No,
    /// The operator said `--replace`.
    Yes,
}

impl App {
    /// Adds a person. The domain must be configured.
    pub async fn add_user(&self, new: NewUser, operator: &str) -> Result<User, Error> {
        let password = match new.password {
            Some(password) => Some(
                self.hash_new_password(password, &new.upn, &new.display_name)
                    .await?,
            ),
            None => None,
        };
        let now = self.now();
        let name = display_name(&new.display_name)?;
        let (id, immutable_id) = self.with_random(|random| {
            (
                UserId::random(random),
                new.immutable_id
                    .unwrap_or_else(|| ImmutableId::random(random)),
            )
        });
        let user = User {
            identity_tag: identity_tag(&self.sealing, &id, &new.upn, Some(&immutable_id)),
            id,
            upn: new.upn,
            display_name: name,
            immutable_id: Some(immutable_id),
            disabled_at: None,
            created_at: now,
        };
        let mut tx = self.store.begin().await?;
        let domains = tx.domains().await?;
        require_domain(&user.upn.domain(), &domains, None).map_err(Error::conflict)?;
        match tx.insert_user(&user).await? {
            InsertUser::Inserted => {}
            InsertUser::UpnTaken => return Err(upn_taken(&user.upn)),
            InsertUser::ImmutableIdTaken => return Err(immutable_id_taken()),
        }
        tx.append(
            Actor::Operator(operator.to_owned()),
            Some(user.id.clone()),
            Event::UserAdded {
                upn: user.upn.to_string(),
            },
        );
        for group in &new.groups {
            join(&mut tx, &user.id, group, operator).await?;
        }
        if let Some(phc) = password {
            self.store_password(&mut tx, &user.id, phc, Actor::Operator(operator.to_owned()))
                .await?;
        }
        tx.commit().await?;
        Ok(user)
    }

    /// Whether `add_user` would add this person now; nothing is written, nothing hashed.
    /// The error is the one that `add_user` would give.
    pub async fn require_addable(&self, new: &NewUser) -> Result<(), Error> {
        if let Some(password) = &new.password {
            self.require_fit_password(password.clone(), &new.upn, &new.display_name)
                .await?;
        }
        display_name(&new.display_name)?;
        let mut tx = self.store.read().await?;
        let domains = tx.domains().await?;
        require_domain(&new.upn.domain(), &domains, None).map_err(Error::conflict)?;
        if tx.user_by_upn(&new.upn).await?.is_some() {
            return Err(upn_taken(&new.upn));
        }
        if let Some(value) = &new.immutable_id
            && tx.is_immutable_id_used(value).await?
        {
            return Err(immutable_id_taken());
        }
        Ok(())
    }

    /// One person.
    pub async fn find_user(&self, upn: &Upn) -> Result<User, Error> {
        let mut tx = self.store.read().await?;
        find(&mut tx, upn).await
    }

    /// Nobody signs in as this person any more; sessions end.
    pub async fn disable_user(&self, upn: &Upn, operator: &str) -> Result<(), Error> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        tx.set_user_disabled(&user.id, Some(now)).await?;
        tx.append(
            Actor::Operator(operator.to_owned()),
            Some(user.id.clone()),
            Event::UserDisabled,
        );
        self.end_all(&mut tx, &user.id, "disabled").await?;
        tx.commit().await?;
        Ok(())
    }

    /// The person may sign in again.
    pub async fn enable_user(&self, upn: &Upn, operator: &str) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        tx.set_user_disabled(&user.id, None).await?;
        tx.append(
            Actor::Operator(operator.to_owned()),
            Some(user.id.clone()),
            Event::UserEnabled,
        );
        tx.commit().await?;
        Ok(())
    }

    /// Lifts waits; what still keeps the person out can be read from the view. A dead
    /// password stays dead: somebody knows it, so it must be replaced.
    pub async fn unlock_user(&self, upn: &Upn, operator: &str) -> Result<UserView, Error> {
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        tx.lift_waits_of(&user.id).await?;
        tx.append(
            Actor::Operator(operator.to_owned()),
            Some(user.id.clone()),
            Event::UserUnlocked,
        );
        let view = self.view(&mut tx, user).await?;
        tx.commit().await?;
        Ok(view)
    }

    /// Takes away every method, password, pass, application password, session and known browser. The person
    /// begins anew with a pass.
    pub async fn reset_user(&self, upn: &Upn, operator: &str) -> Result<(), Error> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        // First: what the person adds at this moment is added before, and taken away too, or
        // finds its attempt over.
        tx.lock_user(&user.id).await?;
        self.take_all_oath_tokens(&mut tx, &user.id, operator)
            .await?;
        for method in tx.totp_of(&user.id).await? {
            tx.revoke_totp(&method.id, now).await?;
            let event = Event::MethodRevoked {
                credential: method.id,
            };
            tx.append(
                Actor::Operator(operator.to_owned()),
                Some(user.id.clone()),
                event,
            );
        }
        revoke_keys_of(&mut tx, &user.id, operator, now).await?;
        tx.remove_password(&user.id).await?;
        tx.revoke_passes(&user.id, now).await?;
        tx.revoke_recovery_codes(&user.id, now).await?;
        self.end_app_passwords(&mut tx, &user.id, &Actor::Operator(operator.to_owned()))
            .await?;
        tx.forget_browsers_of(&user.id).await?;
        tx.append(
            Actor::Operator(operator.to_owned()),
            Some(user.id.clone()),
            Event::UserReset,
        );
        tx.add_notice(&user.id, "reset", operator, now).await?;
        self.end_all(&mut tx, &user.id, "reset").await?;
        tx.commit().await?;
        Ok(())
    }

    /// Sets a password.
    pub async fn set_password(
        &self,
        upn: &Upn,
        password: Secret<String>,
        operator: &str,
    ) -> Result<(), Error> {
        // Before the work of hashing; a person who is not there has no name to be judged by.
        let name = find(&mut self.store.read().await?, upn).await?.display_name;
        let phc = self.hash_new_password(password, upn, &name).await?;
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        tx.lock_user(&user.id).await?;
        self.store_password(&mut tx, &user.id, phc, Actor::Operator(operator.to_owned()))
            .await?;
        tx.lift_waits_of(&user.id).await?;
        tx.give_back_try(&in_a_row(&user.id)).await?;
        tx.add_notice(&user.id, "password-set", operator, now)
            .await?;
        self.end_all(&mut tx, &user.id, "password-set").await?;
        tx.commit().await?;
        Ok(())
    }

    pub(super) async fn store_password(
        &self,
        tx: &mut Tx<'_>,
        user: &UserId,
        phc: String,
        actor: Actor,
    ) -> Result<(), Error> {
        let id = self.with_random(CredentialId::random);
        let tag = PasswordCredential::make_tag(&self.sealing, &id, user, &phc);
        let event = Event::PasswordSet {
            credential: id.clone(),
        };
        tx.put_password(&PasswordCredential {
            id,
            user: user.clone(),
            phc,
            set_at: self.now(),
            dead_at: None,
            tag,
        })
        .await?;
        // Whoever changes it fears for it, and one of these may be its finder's.
        self.end_app_passwords(tx, user, &actor).await?;
        tx.append(actor, Some(user.clone()), event);
        Ok(())
    }

    /// Sets the value by which Entra knows the person.
    pub async fn set_immutable_id(
        &self,
        upn: &Upn,
        value: &ImmutableId,
        replace: Replace,
        operator: &str,
    ) -> Result<(), Error> {
        let set = self.link_identity(upn, value, replace, operator).await;
        self.noting_tampering(set).await
    }

    async fn link_identity(
        &self,
        upn: &Upn,
        value: &ImmutableId,
        replace: Replace,
        operator: &str,
    ) -> Result<(), Error> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        if user.require_identity(&self.sealing).is_err() {
            return Err(Error::tampering(
                "identity",
                Some(user.id),
                &"the row's tag is wrong",
            ));
        }
        let former = user.immutable_id.clone();
        if former.as_ref() == Some(value) {
            return Ok(());
        }
        if former.is_some() && replace == Replace::No {
            return Err(Error::conflict(format!(
                "{} has an ImmutableID already, and Entra knows the person by it; if it must change, say --replace",
                user.upn
            )));
        }
        let tag = identity_tag(&self.sealing, &user.id, &user.upn, Some(value));
        if tx.set_immutable_id(&user.id, value, &tag, now).await? == SetImmutableId::TakenByOther {
            return Err(Error::conflict(
                "this ImmutableID is or was another person's; an ImmutableID is never given twice",
            ));
        }
        let event = match former {
            None => Event::ImmutableIdSet {
                value: value.to_string(),
            },
            Some(former) => Event::ImmutableIdReplaced {
                from: Some(former.to_string()),
                to: value.to_string(),
            },
        };
        tx.append(
            Actor::Operator(operator.to_owned()),
            Some(user.id.clone()),
            event,
        );
        tx.add_notice(&user.id, "immutable-id-set", operator, now)
            .await?;
        self.end_all(&mut tx, &user.id, "immutable-id-set").await?;
        tx.commit().await?;
        Ok(())
    }

    /// The person's sessions, newest first, and who was told of each.
    pub async fn sessions_of(&self, upn: &Upn) -> Result<Vec<KnownSession>, Error> {
        let mut tx = self.store.read().await?;
        let user = find(&mut tx, upn).await?;
        let mut sessions = Vec::new();
        for row in tx.sessions_of(&user.id).await? {
            let told = self.told_by(&mut tx, &row).await?;
            sessions.push(KnownSession { row, told });
        }
        Ok(sessions)
    }

    /// Ends the person's sessions; how many there were.
    pub async fn end_sessions(&self, upn: &Upn, operator: &str) -> Result<u64, Error> {
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        let ended = tx.revoke_sessions_of(&user.id, self.now()).await?;
        tx.end_attempts_of(&user.id, self.now()).await?;
        let event = Event::SessionsEnded { reason: "operator" };
        tx.append(Actor::Operator(operator.to_owned()), Some(user.id), event);
        tx.commit().await?;
        Ok(ended)
    }

    pub(super) async fn end_all(
        &self,
        tx: &mut Tx<'_>,
        user: &UserId,
        reason: &'static str,
    ) -> Result<(), Error> {
        let now = self.now();
        tx.revoke_sessions_of(user, now).await?;
        tx.end_attempts_of(user, now).await?;
        tx.append(
            Actor::System,
            Some(user.clone()),
            Event::SessionsEnded { reason },
        );
        Ok(())
    }
}

/// A person who may sign in; `what` is what would be of no use otherwise.
pub(super) fn require_active(user: &User, what: &str) -> Result<(), Error> {
    if user.disabled_at.is_none() {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "{} is disabled; enable the account before {what}",
        user.upn
    )))
}

pub(super) async fn find(tx: &mut ReadTx<'_>, upn: &Upn) -> Result<User, Error> {
    tx.user_by_upn(upn).await?.ok_or_else(|| {
        Error::not_found(format!(
            "there is no user {upn}; `claimbridge user list` shows who there is"
        ))
    })
}

/// The name as it is kept.
fn display_name(text: &str) -> Result<String, Error> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control)
    {
        return Err(Error::invalid(
            "a display name has 1 to 256 characters on one line",
        ));
    }
    Ok(name.to_owned())
}

fn upn_taken(upn: &Upn) -> Error {
    Error::conflict(format!("{upn} is there already"))
}

fn immutable_id_taken() -> Error {
    Error::conflict(
        "this ImmutableID was used for another person; an ImmutableID is never given twice",
    )
}
