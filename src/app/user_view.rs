//! What operators see of people.
//!
//! Whoever adds a kind of method adds it to [`UserView`]: coverage counts what stands there.

use super::{App, Error, users::find};
use crate::{
    audit::Receipt,
    base::text::Upn,
    directory::{AccessPass, GroupName, TotpCredential, User},
    storage::{ReadTx, StoredEvent},
};

/// A person with everything an operator wants to see.
#[derive(Debug)]
pub struct UserView {
    /// The row.
    pub user: User,
    /// Whether there is a password, and whether it is dead.
    pub password: PasswordState,
    /// TOTP credentials that are not revoked.
    pub methods: Vec<TotpCredential>,
    /// The last answer that carried the MFA claim — every answer does.
    pub last_mfa: Option<Receipt>,
    /// A pass that could be used.
    pub live_pass: Option<AccessPass>,
    /// The groups the person is in.
    pub groups: Vec<GroupName>,
    /// The last time that something of this person was refused.
    pub last_refusal: Option<StoredEvent>,
}

/// What there is of a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordState {
    /// None.
    None,
    /// Usable.
    Set,
    /// Switched off after too many wrong codes.
    Dead,
}

impl App {
    /// One person, with credentials and the last answer.
    pub async fn view_user(&self, upn: &Upn) -> Result<UserView, Error> {
        let mut tx = self.store.read().await?;
        let user = find(&mut tx, upn).await?;
        self.view(&mut tx, user).await
    }

    /// People in the order of their names, `limit` after `after`.
    pub async fn list_users(
        &self,
        after: Option<&Upn>,
        limit: u32,
    ) -> Result<Vec<UserView>, Error> {
        let mut tx = self.store.read().await?;
        let mut views = Vec::new();
        for user in tx.users(after, limit).await? {
            views.push(self.view(&mut tx, user).await?);
        }
        Ok(views)
    }

    pub(super) async fn view(&self, tx: &mut ReadTx<'_>, user: User) -> Result<UserView, Error> {
        let password = match tx.password_of(&user.id).await? {
            None => PasswordState::None,
            Some(password) if password.dead_at.is_some() => PasswordState::Dead,
            Some(_) => PasswordState::Set,
        };
        let methods = tx.totp_of(&user.id).await?;
        let last_mfa = tx.receipts_of(&user.id, 1).await?.into_iter().next();
        let live_pass = tx.live_pass_of(&user.id, self.now()).await?;
        let groups = tx.groups_of(&user.id).await?;
        let last_refusal = tx.last_refusal_of(&user.id).await?;
        Ok(UserView {
            user,
            password,
            methods,
            last_mfa,
            live_pass,
            groups,
            last_refusal,
        })
    }
}
