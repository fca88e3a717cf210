//! Hardware tokens: from a vendor's file to a person's hand, and back.
//!
//! Always true: whoever assigns a token makes somebody able to become that person (with
//! the password); so assigning, like issuing a pass, ends the person's sessions, takes
//! back what was proved in open attempts, is an event that names the operator, and is
//! shown to the person. A token signs nobody in until its holder has activated it, and
//! none that is not in that holder's hands.
//!
//! Read on in [`import`] (files), [`export`] (the way out), [`activate`] and [`resync`] (the
//! holder's side).

/// A holder activates a token.
pub mod activate;
/// What somebody typed from a token.
pub(super) mod codes;
/// Tokens as Entra's CSV.
pub mod export;
/// Files of tokens into the inventory.
pub mod import;
/// A token's clock is brought back.
pub mod resync;

use super::{
    App, Error,
    users::{find, require_active},
};
use crate::{
    audit::{Actor, Event},
    base::{
        clock::Timestamp,
        ids::{CredentialId, UserId},
        text::Upn,
    },
    directory::{OathToken, Serial, TokenState, User},
    storage::{ReadTx, Tx},
};

pub use crate::{protocol::pskc::PskcKey, storage::ListedToken};

/// How many tokens one person may have at a time.
const MOST_TOKENS: usize = 10;

/// Why a token leaves its holder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Withdrawal {
    /// Handed back: it goes to the next person.
    Returned,
    /// Nobody knows where it is.
    Lost,
    /// Never used again.
    Retired,
    /// The account was reset; who has it has it still.
    AccountReset,
}

impl Withdrawal {
    fn state(self) -> TokenState {
        match self {
            Self::Returned => TokenState::InStock,
            Self::Lost => TokenState::Lost,
            Self::Retired => TokenState::Retired,
            Self::AccountReset => TokenState::Removed,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Returned => "token-returned",
            Self::Lost => "token-lost",
            Self::Retired => "token-retired",
            Self::AccountReset => "token-removed",
        }
    }
}

/// When a listed token was last used, by our clock; to the step.
pub fn last_used(listed: &ListedToken) -> Option<Timestamp> {
    let (step, drift_steps) = listed.used?;
    let seconds = step
        .saturating_sub(drift_steps)
        .saturating_mul(i64::from(listed.token.parameters.period));
    Some(Timestamp::from_millis(seconds.saturating_mul(1000)))
}

impl App {
    /// Tokens in the order of their serial numbers, `limit` after `after`.
    pub async fn list_oath_tokens(
        &self,
        after: Option<&Serial>,
        limit: u32,
    ) -> Result<Vec<ListedToken>, Error> {
        let mut tx = self.store.read().await?;
        Ok(tx.oath_tokens(after, limit).await?)
    }

    /// Hands a token from stock to a person, who activates it at the next sign-in, or on the
    /// account page.
    pub async fn assign_oath_token(
        &self,
        serial: &Serial,
        upn: &Upn,
        operator: &str,
    ) -> Result<OathToken, Error> {
        let result = self.assign(serial, upn, operator).await;
        self.noting_tampering(result).await
    }

    async fn assign(&self, serial: &Serial, upn: &Upn, operator: &str) -> Result<OathToken, Error> {
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        let mut token = self.find_token(&mut tx, serial).await?;
        self.require_assignable(&mut tx, &user, Some(&token), 0)
            .await?;
        let read_tag = token.tag.clone();
        self.hand_over(&mut token, &user, operator);
        if !tx.update_oath_token(&token, &read_tag).await? {
            return Err(changed_meanwhile(serial));
        }
        self.note_handed_over(&mut tx, &token, &user.id, operator)
            .await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Takes a token from whoever has it: what it became is revoked. One whose row was
    /// altered past claimbridge is retired, whatever the row says.
    pub async fn take_oath_token(
        &self,
        serial: &Serial,
        why: Withdrawal,
        operator: &str,
    ) -> Result<OathToken, Error> {
        let mut tx = self.store.begin().await?;
        let mut token = stored_token(&mut tx, serial).await?;
        if let Some(holder) = &token.user {
            // In the order of whoever activates it: the person first, then the token.
            tx.lock_user(holder).await?;
            token = stored_token(&mut tx, serial).await?;
        }
        if token.require_tag(&self.sealing).is_err() {
            if why == Withdrawal::Returned {
                note_altered(&mut tx, &token);
                tx.commit().await?;
                return Err(Error::conflict(format!(
                    "the token {serial} was altered outside claimbridge, so it goes to nobody else; say `claimbridge oath retire {serial}`"
                )));
            }
            let token = self.retire_altered(&mut tx, token, operator).await?;
            tx.commit().await?;
            return Ok(token);
        }
        if token.state == why.state() {
            return Err(Error::conflict(format!(
                "the token {serial} is {} already",
                token.state
            )));
        }
        if token.state == TokenState::Retired {
            return Err(Error::conflict(format!(
                "the token {serial} is retired, which is for ever"
            )));
        }
        let token = self.take(&mut tx, token, why, operator).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Takes all tokens of a person off the account (`user reset`); who has them has them still.
    pub(super) async fn take_all_oath_tokens(
        &self,
        tx: &mut Tx<'_>,
        user: &UserId,
        operator: &str,
    ) -> Result<(), Error> {
        for token in tx.oath_tokens_of(user).await? {
            if token.require_tag(&self.sealing).is_err() {
                self.retire_altered(tx, token, operator).await?;
            } else {
                self.take(tx, token, Withdrawal::AccountReset, operator)
                    .await?;
            }
        }
        Ok(())
    }

    /// The person took the token's method off the account: it is of no use until an operator
    /// takes it back and hands it over again. Call it before the method is revoked.
    pub(super) async fn release_own_token(
        &self,
        tx: &mut Tx<'_>,
        user: &UserId,
        credential: &CredentialId,
    ) -> Result<(), Error> {
        let held = tx.oath_tokens_of(user).await?;
        let token = held
            .into_iter()
            .find(|token| token.credential.as_ref() == Some(credential));
        let Some(mut token) = token else {
            return Ok(());
        };
        self.require_untouched(&token)?;
        let read_tag = token.tag.clone();
        remember_clock(tx, &mut token, credential).await?;
        token.credential = None;
        into_state(&mut token, Withdrawal::AccountReset, self.now());
        token.tag = token.make_tag(&self.sealing);
        if !tx.update_oath_token(&token, &read_tag).await? {
            return Err(changed_meanwhile(&token.serial));
        }
        note_taken(tx, &token, Some(user.clone()), Actor::Person);
        Ok(())
    }

    async fn take(
        &self,
        tx: &mut Tx<'_>,
        mut token: OathToken,
        why: Withdrawal,
        operator: &str,
    ) -> Result<OathToken, Error> {
        let now = self.now();
        let read_tag = token.tag.clone();
        let holder = token.user.clone();
        let by = Actor::Operator(operator.to_owned());
        let in_hands = matches!(token.state, TokenState::Assigned | TokenState::Active);
        if let (Some(holder), Some(credential)) = (&holder, token.credential.take()) {
            remember_clock(tx, &mut token, &credential).await?;
            if tx.revoke_totp(&credential, now).await? {
                let event = Event::MethodRevoked { credential };
                tx.append(by.clone(), Some(holder.clone()), event);
            }
        }
        into_state(&mut token, why, now);
        token.tag = token.make_tag(&self.sealing);
        if !tx.update_oath_token(&token, &read_tag).await? {
            return Err(changed_meanwhile(&token.serial));
        }
        note_taken(tx, &token, holder.clone(), by);
        if let Some(holder) = holder.filter(|_| in_hands) {
            tx.add_notice(&holder, why.reason(), operator, now).await?;
            self.end_all(tx, &holder, why.reason()).await?;
        }
        Ok(token)
    }

    /// A row that somebody wrote past claimbridge must not keep its token in use: what it
    /// became ends, its secret goes, and it is retired, which is for ever. Whose it was and what
    /// it became is not asked of the row but of the events of its activations: an altered row
    /// would leave its holder's code generator where it is, or take another person's.
    async fn retire_altered(
        &self,
        tx: &mut Tx<'_>,
        mut token: OathToken,
        operator: &str,
    ) -> Result<OathToken, Error> {
        let now = self.now();
        let read_tag = token.tag.clone();
        let by = Actor::Operator(operator.to_owned());
        note_altered(tx, &token);
        let mut holder = None;
        for (user, credential) in tx.activations_of(&token.id).await? {
            // The person before everything else, as everywhere.
            tx.lock_user(&user).await?;
            if tx.revoke_totp(&credential, now).await? {
                let event = Event::MethodRevoked { credential };
                tx.append(by.clone(), Some(user.clone()), event);
                holder = Some(user);
            }
        }
        token.credential = None;
        token.user.clone_from(&holder);
        into_state(&mut token, Withdrawal::Retired, now);
        token.tag = token.make_tag(&self.sealing);
        if !tx.update_oath_token(&token, &read_tag).await? {
            return Err(changed_meanwhile(&token.serial));
        }
        note_taken(tx, &token, holder.clone(), by);
        if let Some(holder) = holder {
            let reason = Withdrawal::Retired.reason();
            tx.add_notice(&holder, reason, operator, now).await?;
            self.end_all(tx, &holder, reason).await?;
        }
        Ok(token)
    }

    /// The token of that serial number, as we wrote it.
    async fn find_token(&self, tx: &mut ReadTx<'_>, serial: &Serial) -> Result<OathToken, Error> {
        let token = stored_token(tx, serial).await?;
        self.require_untouched(&token)?;
        Ok(token)
    }

    pub(super) fn require_untouched(&self, token: &OathToken) -> Result<(), Error> {
        token
            .require_tag(&self.sealing)
            .map_err(|error| Error::tampering("oath-token", token.user.clone(), &error))
    }

    /// Writes into a token that it is in somebody's hands.
    fn hand_over(&self, token: &mut OathToken, user: &User, operator: &str) {
        token.state = TokenState::Assigned;
        token.user = Some(user.id.clone());
        token.assigned_at = Some(self.now());
        token.assigned_by = Some(operator.to_owned());
        token.tag = token.make_tag(&self.sealing);
    }

    /// What assigning does to the person.
    async fn note_handed_over(
        &self,
        tx: &mut Tx<'_>,
        token: &OathToken,
        user: &UserId,
        operator: &str,
    ) -> Result<(), Error> {
        let now = self.now();
        let event = Event::OathTokenAssigned {
            token: token.id.clone(),
            serial: token.serial.to_string(),
        };
        tx.append(
            Actor::Operator(operator.to_owned()),
            Some(user.clone()),
            event,
        );
        tx.add_notice(user, "token-assigned", operator, now).await?;
        // As for a pass: a person who waits for the token goes on where they are.
        tx.revoke_sessions_of(user, now).await?;
        tx.restart_attempts_of(user).await?;
        let event = Event::SessionsEnded {
            reason: "token-assigned",
        };
        tx.append(Actor::System, Some(user.clone()), event);
        Ok(())
    }

    /// Whether `user` may be handed `token`, or a new one, besides `coming` others.
    async fn require_assignable(
        &self,
        tx: &mut ReadTx<'_>,
        user: &User,
        token: Option<&OathToken>,
        coming: usize,
    ) -> Result<(), Error> {
        require_active(user, "handing over a token")?;
        if let Some(token) = token
            && token.state != TokenState::InStock
        {
            let serial = &token.serial;
            return Err(Error::conflict(match (token.state, &token.user) {
                (TokenState::Assigned | TokenState::Active, Some(holder)) if *holder == user.id => {
                    format!("the token {serial} is {}'s already", user.upn)
                }
                (TokenState::Retired, _) => {
                    format!("the token {serial} is retired, which is for ever")
                }
                (state, _) => format!(
                    "the token {serial} is {state}; take it back first with `claimbridge oath return {serial}`"
                ),
            }));
        }
        if !self.allows_tokens(tx, &user.id).await? {
            return Err(Error::conflict(format!(
                "{} may not sign in with a hardware token; `policy.allowed_methods` and the person's groups decide that",
                user.upn
            )));
        }
        if tx.oath_tokens_of(&user.id).await?.len() + coming >= MOST_TOKENS {
            return Err(Error::conflict(format!(
                "{} may have {MOST_TOKENS} tokens, and has or gets as many already; take one back first",
                user.upn
            )));
        }
        Ok(())
    }
}

/// The token of that serial number, whoever wrote its row.
async fn stored_token(tx: &mut ReadTx<'_>, serial: &Serial) -> Result<OathToken, Error> {
    tx.oath_token(serial).await?.ok_or_else(|| {
        Error::not_found(format!(
            "there is no token {serial}; `claimbridge oath list` shows which there are"
        ))
    })
}

/// What was shown to others while a token was in use opens nothing later. The row is held,
/// so that no code of this moment is forgotten.
async fn remember_clock(
    tx: &mut Tx<'_>,
    token: &mut OathToken,
    credential: &CredentialId,
) -> Result<(), Error> {
    if let Some((last_step, drift_steps)) = tx.hold_totp(credential).await? {
        token.last_step = token.last_step.max(last_step);
        token.drift_steps = drift_steps;
    }
    Ok(())
}

fn note_altered(tx: &mut Tx<'_>, token: &OathToken) {
    let event = Event::TamperingFound { what: "oath-token" };
    tx.append(Actor::System, token.user.clone(), event);
}

fn into_state(token: &mut OathToken, why: Withdrawal, now: Timestamp) {
    token.state = why.state();
    token.activated_at = None;
    match why {
        Withdrawal::Returned => {
            token.user = None;
            token.assigned_at = None;
            token.assigned_by = None;
            token.ended_at = None;
        }
        Withdrawal::AccountReset => token.ended_at = None,
        Withdrawal::Lost => token.ended_at = Some(now),
        Withdrawal::Retired => {
            token.ended_at = Some(now);
            token.sealed_secret.clear();
        }
    }
}

fn note_taken(tx: &mut Tx<'_>, token: &OathToken, holder: Option<UserId>, by: Actor) {
    let event = Event::OathTokenTaken {
        token: token.id.clone(),
        serial: token.serial.to_string(),
        state: token.state.as_str(),
    };
    tx.append(by, holder, event);
}

fn changed_meanwhile(serial: &Serial) -> Error {
    Error::conflict(format!(
        "the token {serial} was changed by somebody else at this moment; look at it with `claimbridge oath list` and try again"
    ))
}
