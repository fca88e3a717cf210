//! Application passwords: made for one device, shown once, taken away.
//!
//! Always true: making one is an event and a notice to its person; an operator who makes one
//! could act as that person at the active door, so the person's sessions end, as with a pass;
//! a new password of the person's own ends them all, because who changes it fears for it; none is
//! made for whom it would open nothing; one that is revoked opens nothing at the next request, on whichever node.

use super::{
    App, Error,
    account::FreshSession,
    enrol::method_name,
    users::{find, require_active},
};
use crate::{
    audit::{Actor, Event},
    base::{
        clock::Timestamp,
        ids::{CredentialId, UserId},
        secret::Secret,
        text::Upn,
    },
    claims::{NotReleased, active::require_ws_federation},
    directory::{ApplicationPassword, User},
    factor::app_password,
    relying_party::Domain,
    storage::{ReadTx, Tx},
};

/// One of a person's application passwords, for showing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AppPasswordView {
    /// Its id.
    pub id: CredentialId,
    /// What the person calls the device. Text everywhere.
    pub label: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When it last opened the door.
    pub last_used_at: Option<Timestamp>,
}

/// Whether application passwords are of use to a person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UseOfAppPasswords {
    /// They open the door.
    Open,
    /// The door is closed.
    Closed,
    /// Entra sends no programs of the person's domain here.
    NotOfThisDomain,
}

/// A new one. The value is shown this once.
#[derive(Debug)]
pub struct NewAppPassword {
    /// Its id.
    pub id: CredentialId,
    /// The device.
    pub label: String,
    /// The value.
    pub value: Secret<String>,
}

impl App {
    /// Makes one for a person, by an operator; the person's sessions end.
    pub async fn add_app_password(
        &self,
        upn: &Upn,
        label: &str,
        operator: &str,
    ) -> Result<NewAppPassword, Error> {
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        require_active(&user, "making an application password")?;
        let actor = Actor::Operator(operator.to_owned());
        let made = self
            .make_app_password(&mut tx, &user, label, actor, operator)
            .await?;
        self.end_all(&mut tx, &user.id, "app-password-added")
            .await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Makes one for oneself.
    pub async fn add_own_app_password(
        &self,
        fresh: &FreshSession,
        label: &str,
    ) -> Result<NewAppPassword, Error> {
        let added = self.add_own(fresh, label).await;
        self.noting_tampering(added).await
    }

    async fn add_own(&self, fresh: &FreshSession, label: &str) -> Result<NewAppPassword, Error> {
        let mut tx = self.store.begin().await?;
        self.hold_fresh(&mut tx, fresh).await?;
        let user = &fresh.user;
        let by = user.upn.as_str();
        let made = self
            .make_app_password(&mut tx, user, label, Actor::Person, by)
            .await?;
        tx.commit().await?;
        Ok(made)
    }

    async fn make_app_password(
        &self,
        tx: &mut Tx<'_>,
        user: &User,
        label: &str,
        actor: Actor,
        by: &str,
    ) -> Result<NewAppPassword, Error> {
        if !self.settings.active_door.is_open() {
            return Err(Error::conflict(
                "nothing here takes an application password, because WS-Trust is off; set `enabled = true` under [trust] first (docs/ws-trust.md)",
            ));
        }
        let domains = tx.domains().await?;
        self.takes_programs_of(user, &domains).map_err(|error| {
            let first = match &error {
                NotReleased::NotWsFederation(_) => {
                    "; set `protocol = \"wsFed\"` under its [[domain]] first"
                }
                _ => "",
            };
            Error::conflict(format!(
                "an application password of {} would open nothing: {error}{first}",
                user.upn
            ))
        })?;
        let label = method_name(label, "")?;
        if label.is_empty() {
            return Err(Error::invalid(
                "say which device the application password is for, in 1 to 64 characters",
            ));
        }
        // Held: two at once must not make more than there may be.
        tx.lock_user(&user.id).await?;
        if tx.app_passwords_of(&user.id).await?.len() >= app_password::MOST {
            return Err(Error::conflict(format!(
                "{} has {} application passwords already; revoke those of devices that are gone",
                user.upn,
                app_password::MOST
            )));
        }
        let (id, value) = self
            .with_random(|random| (CredentialId::random(random), app_password::generate(random)));
        let verifier = app_password::verifier(&user.id, &value);
        let now = self.now();
        tx.insert_app_password(&ApplicationPassword {
            tag: ApplicationPassword::make_tag(&self.sealing, &id, &user.id, &verifier),
            id: id.clone(),
            user: user.id.clone(),
            label: label.clone(),
            verifier,
            created_at: now,
            last_used_at: None,
            revoked_at: None,
        })
        .await?;
        let event = Event::AppPasswordAdded {
            credential: id.clone(),
            label: label.clone(),
        };
        tx.append(actor, Some(user.id.clone()), event);
        tx.add_notice(&user.id, "app-password-added", by, now)
            .await?;
        Ok(NewAppPassword { id, label, value })
    }

    /// That Entra sends the programs of this person here.
    pub(super) fn takes_programs_of(
        &self,
        user: &User,
        domains: &[Domain],
    ) -> Result<(), NotReleased> {
        require_ws_federation(user, domains, &self.settings.ws_federation).map(drop)
    }

    /// Whether an application password of this person would open anything.
    pub(super) async fn use_of_app_passwords(
        &self,
        tx: &mut ReadTx<'_>,
        user: &User,
    ) -> Result<UseOfAppPasswords, Error> {
        if !self.settings.active_door.is_open() {
            return Ok(UseOfAppPasswords::Closed);
        }
        let domains = tx.domains().await?;
        Ok(match self.takes_programs_of(user, &domains) {
            Ok(()) => UseOfAppPasswords::Open,
            Err(_) => UseOfAppPasswords::NotOfThisDomain,
        })
    }

    /// A person's, oldest first.
    pub async fn app_passwords_of(&self, upn: &Upn) -> Result<Vec<AppPasswordView>, Error> {
        let mut tx = self.store.read().await?;
        let user = find(&mut tx, upn).await?;
        app_passwords(&mut tx, &user.id).await
    }

    /// Revokes one, by an operator.
    pub async fn revoke_app_password(
        &self,
        upn: &Upn,
        id: &CredentialId,
        operator: &str,
    ) -> Result<(), Error> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        if !tx.revoke_app_password(&user.id, id, now).await? {
            return Err(Error::not_found(format!(
                "{upn} has no application password {id}; `claimbridge user app-password list {upn}` shows them"
            )));
        }
        let event = Event::AppPasswordRevoked {
            credential: id.clone(),
        };
        let actor = Actor::Operator(operator.to_owned());
        tx.append(actor, Some(user.id.clone()), event);
        tx.add_notice(&user.id, "app-password-revoked", operator, now)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Revokes all of a person, by an operator, at once: a device that was stolen must not stay
    /// in because another one was revoked in between. Which they were.
    pub async fn revoke_app_passwords(
        &self,
        upn: &Upn,
        operator: &str,
    ) -> Result<Vec<CredentialId>, Error> {
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        // Held: one that is made at this moment is revoked too, or made after it.
        tx.lock_user(&user.id).await?;
        let actor = Actor::Operator(operator.to_owned());
        let revoked = self.end_app_passwords(&mut tx, &user.id, &actor).await?;
        if !revoked.is_empty() {
            tx.add_notice(&user.id, "app-password-revoked", operator, self.now())
                .await?;
        }
        tx.commit().await?;
        Ok(revoked)
    }

    /// Revokes one of one's own.
    pub async fn revoke_own_app_password(
        &self,
        fresh: &FreshSession,
        id: &CredentialId,
    ) -> Result<(), Error> {
        let revoked = self.revoke_own_one(fresh, id).await;
        self.noting_tampering(revoked).await
    }

    async fn revoke_own_one(&self, fresh: &FreshSession, id: &CredentialId) -> Result<(), Error> {
        let (user, now) = (&fresh.user, self.now());
        let mut tx = self.store.begin().await?;
        self.hold_fresh(&mut tx, fresh).await?;
        if !tx.revoke_app_password(&user.id, id, now).await? {
            return Err(Error::not_found(
                "there is no such application password any more; reload the page",
            ));
        }
        let event = Event::AppPasswordRevoked {
            credential: id.clone(),
        };
        tx.append(Actor::Person, Some(user.id.clone()), event);
        tx.add_notice(&user.id, "app-password-revoked", user.upn.as_str(), now)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Revokes all of a person: with a reset, and with a new password. Which they were.
    pub(super) async fn end_app_passwords(
        &self,
        tx: &mut Tx<'_>,
        user: &UserId,
        actor: &Actor,
    ) -> Result<Vec<CredentialId>, Error> {
        let mut revoked = Vec::new();
        for password in tx.app_passwords_of(user).await? {
            if tx
                .revoke_app_password(user, &password.id, self.now())
                .await?
            {
                let event = Event::AppPasswordRevoked {
                    credential: password.id.clone(),
                };
                tx.append(actor.clone(), Some(user.clone()), event);
                revoked.push(password.id);
            }
        }
        Ok(revoked)
    }
}

/// A person's application passwords, for showing.
pub(super) async fn app_passwords(
    tx: &mut ReadTx<'_>,
    user: &UserId,
) -> Result<Vec<AppPasswordView>, Error> {
    let rows = tx.app_passwords_of(user).await?.into_iter();
    Ok(rows
        .map(|row| AppPasswordView {
            id: row.id,
            label: row.label,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        })
        .collect())
}
