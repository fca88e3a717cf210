//! Whose an account of a tenant is: linked by an operator here, or by a proof in the ceremony.
//!
//! Always true: an account is a tenant's id with an object id (attack 23); it has one person, and
//! another only after it was unlinked or in one step away from whose it was; each change is an
//! event that names who did it, and the person is told at the next sign-in, because whoever's
//! account it is can go on with that person's method and nothing else.

use std::collections::BTreeSet;

use crate::{
    app::{
        App, Error,
        error::SupportCode,
        users::{find, require_active},
    },
    audit::{Actor, Event},
    base::{clock::Timestamp, guid::Guid, ids::UserId, text::Upn},
    directory::{
        ExternalAccount, LinkedBy, User,
        external_account::{any_stands, ended_with, name_of_next, stands},
    },
    storage::{ReadTx, StoreError, Tx},
};

/// A link that was taken away stands in the database again.
#[derive(Debug, thiserror::Error)]
#[error("the link of the account {0} was taken away, and is there again")]
struct Revived(Guid);

/// A link that nobody took away is not in the database.
#[derive(Debug, thiserror::Error)]
#[error(
    "the link of the account {0} is gone, and no event says that it was taken away; unlink it, or link it anew"
)]
struct Gone(Guid);

impl App {
    /// The link of an account, if there is one: its tag fits, and the events do not say that it
    /// was taken away.
    pub(super) async fn linked(
        &self,
        tx: &mut ReadTx<'_>,
        (tenant, object): (Guid, Guid),
    ) -> Result<Option<ExternalAccount>, Error> {
        let Some(account) = tx.external_account(tenant, object).await? else {
            return Ok(None);
        };
        let whose = || Some(account.user.clone());
        account
            .require_tag(&self.sealing)
            .map_err(|error| Error::tampering("external account", whose(), &error))?;
        let told = tx.links_told(&account.user, (tenant, object)).await?;
        if !stands(&told, account.linked_at) {
            require_same(tx, (tenant, object), Some(&account)).await?;
            let revived = Revived(object);
            return Err(Error::tampering("external account", whose(), &revived));
        }
        Ok(Some(account))
    }

    /// An account that is about to become a person's by its name is nobody's: whose link stands by
    /// the events and is not there would else lose it to whoever has the name.
    pub(super) async fn require_nobodys(
        &self,
        tx: &mut ReadTx<'_>,
        (tenant, object): (Guid, Guid),
    ) -> Result<(), Error> {
        match holders_told(tx, (tenant, object)).await?.pop_first() {
            None => Ok(()),
            holder => {
                require_same(tx, (tenant, object), None).await?;
                Err(Error::tampering("external account", holder, &Gone(object)))
            }
        }
    }

    /// Links an account of a tenant to a person; in one step away from `instead_of`, whose it
    /// was, and then from whoever else it is by a row or by the events: where a writer of the
    /// database was, these are not the same, and what stood before must not stand again.
    ///
    /// # Errors
    /// There is no such person, or the account is somebody else's.
    pub async fn link_external_account(
        &self,
        upn: &Upn,
        (tenant, object): (Guid, Guid),
        instead_of: Option<&Upn>,
        operator: &str,
    ) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        require_active(&user, "linking an account")?;
        let named = (tenant, object);
        let mut ended = Vec::new();
        let former = match instead_of {
            Some(former) => Some(find(&mut tx, former).await?),
            None => None,
        };
        let mut holders = holders(&mut tx, named).await?;
        if let Some(former) = former {
            ended.extend(self.unlink(&mut tx, &former, named, operator).await?);
            holders.remove(&former.id);
        }
        for holder in holders {
            match tx.user(&holder).await? {
                Some(other) if instead_of.is_some() => {
                    ended.extend(self.unlink(&mut tx, &other, named, operator).await?);
                }
                Some(other) if other.id != user.id => {
                    return Err(is_linked(named, Some(other), upn));
                }
                Some(_) => {}
                // Nobody: no act of ours writes that, and it is in everybody's way.
                None => {
                    self.end_links(&mut tx, &holder, named, operator).await?;
                    let what = "external account";
                    tx.append(Actor::System, Some(holder), Event::TamperingFound { what });
                }
            }
        }
        let actor = Actor::Operator(operator.to_owned());
        let by = (LinkedBy::Operator, actor, operator);
        if !self
            .link(&mut tx, &user, (tenant, object), by, &ended)
            .await?
        {
            let holder = match tx.external_account(tenant, object).await? {
                Some(account) => tx.user(&account.user).await?,
                None => None,
            };
            return Err(is_linked((tenant, object), holder, upn));
        }
        tx.commit().await?;
        Ok(())
    }

    /// Writes the link; `false` if the account is somebody's already. `ended`: the links that end
    /// in the same transaction.
    pub(super) async fn link(
        &self,
        tx: &mut Tx<'_>,
        user: &User,
        (tenant, object): (Guid, Guid),
        (linked_by, actor, by): (LinkedBy, Actor, &str),
        ended: &[Timestamp],
    ) -> Result<bool, Error> {
        let now = self.now();
        let named = (tenant, object);
        let told = tx.links_told(&user.id, named).await?;
        let linked_at = name_of_next(&told, ended, now);
        let whose = user.id.clone();
        let account = ExternalAccount::new(&self.sealing, named, whose, linked_at, linked_by);
        if !tx.insert_external_account(&account).await? {
            return Ok(false);
        }
        let event = Event::ExternalAccountLinked {
            tenant: tenant.to_string(),
            object: object.to_string(),
            by: linked_by.as_str(),
            linked_at,
        };
        tx.append(actor, Some(user.id.clone()), event);
        tx.add_notice(&user.id, "external-account-linked", by, now)
            .await?;
        Ok(true)
    }

    /// Takes the link of an account away. Open attempts of the person end.
    ///
    /// # Errors
    /// There is no such person, or the account is not the person's.
    pub async fn unlink_external_account(
        &self,
        upn: &Upn,
        tenant: Guid,
        object: Guid,
        operator: &str,
    ) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        self.unlink(&mut tx, &user, (tenant, object), operator)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The links that ended by it.
    async fn unlink(
        &self,
        tx: &mut Tx<'_>,
        user: &User,
        (tenant, object): (Guid, Guid),
        operator: &str,
    ) -> Result<Vec<Timestamp>, Error> {
        let links = self.end_links(tx, &user.id, (tenant, object), operator);
        let Some(links) = links.await? else {
            return Err(Error::not_found(format!(
                "the account {object} of the tenant {tenant} is not linked to {}",
                user.upn
            )));
        };
        let now = self.now();
        // An attempt that began under the link must not end after it.
        tx.end_attempts_of(&user.id, now).await?;
        tx.add_notice(&user.id, "external-account-unlinked", operator, now)
            .await?;
        Ok(links)
    }

    /// Ends what makes the account somebody's, who need not exist: the row, and the links that
    /// stand by the events. `None`: it is not his.
    async fn end_links(
        &self,
        tx: &mut Tx<'_>,
        holder: &UserId,
        (tenant, object): (Guid, Guid),
        operator: &str,
    ) -> Result<Option<Vec<Timestamp>>, Error> {
        let deleted = tx.delete_external_account(holder, tenant, object).await?;
        // After the row is held: nobody links the account again before this is over.
        let told = tx.links_told(holder, (tenant, object)).await?;
        if deleted.is_none() && !any_stands(&told) {
            return Ok(None);
        }
        let links = ended_with(&told, deleted);
        let event = Event::ExternalAccountUnlinked {
            tenant: tenant.to_string(),
            object: object.to_string(),
            links: links.clone(),
        };
        let by = Actor::Operator(operator.to_owned());
        tx.append(by, Some(holder.clone()), event);
        Ok(Some(links))
    }

    /// The accounts that are linked to a person, the first linked first.
    ///
    /// # Errors
    /// There is no such person.
    pub async fn external_accounts_of(&self, upn: &Upn) -> Result<Vec<ExternalAccount>, Error> {
        let mut tx = self.store.read().await?;
        let user = find(&mut tx, upn).await?;
        Ok(tx.external_accounts_of(&user.id).await?)
    }
}

/// Whose an account is, by its row and by the events.
async fn holders(tx: &mut ReadTx<'_>, named: (Guid, Guid)) -> Result<BTreeSet<UserId>, StoreError> {
    let mut holders = holders_told(tx, named).await?;
    let row = tx.external_account(named.0, named.1).await?;
    holders.extend(row.map(|account| account.user));
    Ok(holders)
}

/// Whose an account is by the events, whatever rows there are: one person's, where nobody wrote
/// past claimbridge.
async fn holders_told(
    tx: &mut ReadTx<'_>,
    named: (Guid, Guid),
) -> Result<BTreeSet<UserId>, StoreError> {
    let all = tx.links_told_of_all(named).await?.into_iter();
    let stand = all.filter(|(_, told)| any_stands(told));
    Ok(stand.map(|(user, _)| user).collect())
}

/// Before rows and events are said to disagree: a transaction that sees what others commit may have
/// read the one before and the other after an ordinary link or unlink, and then the row has come,
/// gone or changed.
async fn require_same(
    tx: &mut ReadTx<'_>,
    named: (Guid, Guid),
    read: Option<&ExternalAccount>,
) -> Result<(), Error> {
    if tx.external_account(named.0, named.1).await?.as_ref() == read {
        return Ok(());
    }
    Err(Error::denied(
        &SupportCode::PERSON_CHANGED,
        "the link of Entra's account changed meanwhile",
    ))
}

fn is_linked((tenant, object): (Guid, Guid), holder: Option<User>, upn: &Upn) -> Error {
    let holder = holder.map_or("somebody".to_owned(), |user| user.upn.to_string());
    Error::conflict(format!(
        "the account {object} of the tenant {tenant} is linked to {holder}; to give it to {upn}, add `--instead-of {holder}`"
    ))
}
