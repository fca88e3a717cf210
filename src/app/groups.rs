//! Groups of people: which rules of the configuration apply to whom.
//!
//! A group changes what a person must bring, so each change is an event that names the
//! operator. It is no way to become somebody, and sessions go on: their proofs stay what
//! they were, and the next sign-in follows the new rules.

use super::{App, Error, users::find};
use crate::{
    audit::{Actor, Event},
    base::{ids::UserId, text::Upn},
    directory::{EffectivePolicy, GroupName, MethodKind, OathToken, TokenState, TotpCredential},
    storage::{ReadTx, Tx},
};

impl App {
    /// The groups a person is in.
    pub async fn groups_of(&self, upn: &Upn) -> Result<Vec<GroupName>, Error> {
        let mut tx = self.store.read().await?;
        let user = find(&mut tx, upn).await?;
        Ok(tx.groups_of(&user.id).await?)
    }

    /// Puts a person into a group; whether the person was not in it.
    pub async fn add_to_group(
        &self,
        upn: &Upn,
        group: &GroupName,
        operator: &str,
    ) -> Result<bool, Error> {
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        let joined = join(&mut tx, &user.id, group, operator).await?;
        tx.commit().await?;
        Ok(joined)
    }

    /// Takes a person out of a group; whether the person was in it.
    pub async fn remove_from_group(
        &self,
        upn: &Upn,
        group: &GroupName,
        operator: &str,
    ) -> Result<bool, Error> {
        let mut tx = self.store.begin().await?;
        let user = find(&mut tx, upn).await?;
        let left = tx.remove_from_group(&user.id, group).await?;
        if left {
            let event = Event::GroupLeft {
                group: group.to_string(),
            };
            tx.append(Actor::Operator(operator.to_owned()), Some(user.id), event);
        }
        tx.commit().await?;
        Ok(left)
    }

    /// Whether any rules are written for this group: a typing error would put people into
    /// a group that nothing is said of.
    pub fn has_rules_for(&self, group: &GroupName) -> bool {
        self.settings
            .methods
            .groups
            .iter()
            .any(|(name, _)| name == group)
    }

    /// The code generators that a person may sign in with: live, and of a kind that is allowed.
    pub(super) async fn usable_totp(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
    ) -> Result<Vec<TotpCredential>, Error> {
        let policy = self.method_policy_of(tx, user).await?;
        let tokens = self.activated_tokens(tx, user).await?;
        let credentials = tx.totp_of(user).await?.into_iter();
        Ok(credentials
            .filter(TotpCredential::is_live)
            .filter(|totp| policy.allows(kind_of(totp, &tokens)))
            .collect())
    }

    /// The hardware tokens that became code generators of this person. A row that somebody
    /// wrote past claimbridge is an alarm: passed over, its code generator would count as
    /// another kind (attack 38).
    pub(super) async fn activated_tokens(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
    ) -> Result<Vec<OathToken>, Error> {
        let mut active = tx.oath_tokens_of(user).await?;
        active.retain(|token| token.state == TokenState::Active);
        for token in &active {
            self.require_untouched(token)?;
        }
        Ok(active)
    }

    /// Whether a person may sign in with a hardware token.
    pub(super) async fn allows_tokens(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
    ) -> Result<bool, Error> {
        let policy = self.method_policy_of(tx, user).await?;
        Ok(policy.allows(MethodKind::OathToken))
    }

    /// What holds for a person: kinds of methods, and how many at least.
    pub async fn method_policy_of(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
    ) -> Result<EffectivePolicy, Error> {
        Ok(self.settings.methods.for_groups(&tx.groups_of(user).await?))
    }
}

/// Puts a person into a group; whether the person was not in it.
pub(super) async fn join(
    tx: &mut Tx<'_>,
    user: &UserId,
    group: &GroupName,
    operator: &str,
) -> Result<bool, Error> {
    let joined = tx.add_to_group(user, group).await?;
    if joined {
        let event = Event::GroupJoined {
            group: group.to_string(),
        };
        tx.append(
            Actor::Operator(operator.to_owned()),
            Some(user.clone()),
            event,
        );
    }
    Ok(joined)
}

/// Whether a code generator is one of the hardware tokens, or a program.
pub(super) fn kind_of(totp: &TotpCredential, tokens: &[OathToken]) -> MethodKind {
    let is_it = |token: &OathToken| token.credential.as_ref() == Some(&totp.id);
    if tokens.iter().any(is_it) {
        MethodKind::OathToken
    } else {
        MethodKind::Totp
    }
}
