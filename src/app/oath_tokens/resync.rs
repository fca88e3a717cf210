//! A token whose clock has run away is brought back by two codes that follow each other:
//! by its holder at the code question, or by an operator.
//!
//! Always true: the last accepted step never goes down, both codes are spent, and nothing
//! here makes a proof: the code question follows.

use zeroize::Zeroizing;

use super::{
    App, Error,
    codes::{Clock, Paid, Purpose, Typed},
};
use crate::{
    app::{guess::in_a_row, prove::Guess, sign_in::Browser},
    audit::{Actor, Event},
    base::ids::AttemptId,
    directory::{OathToken, Serial, TokenState, TotpCredential},
    factor::totp::{ConsumeStep as _, MatchedStep, StepUse},
    storage::{ReadTx, Tx},
};

impl App {
    /// Brings an active token of the person of this attempt back into step.
    pub async fn resync_own_token(
        &self,
        id: &AttemptId,
        browser: &Browser,
        codes: [&str; 2],
    ) -> Result<Guess, Error> {
        let [first, second] = codes.map(|code| Zeroizing::new(code.to_owned()));
        let result = self.resync(id, browser, Typed::Two(first, second)).await;
        self.noting_tampering(result).await
    }

    async fn resync(
        &self,
        id: &AttemptId,
        browser: &Browser,
        typed: Typed,
    ) -> Result<Guess, Error> {
        let (user, buckets) = match self.pay_for_token(id, browser, Purpose::Resync).await? {
            Paid::Check(user, buckets) => (user, buckets),
            Paid::Refused(guess) => return Ok(guess),
        };
        let mut tx = self.store.read().await?;
        let mut active = Vec::new();
        for token in tx.oath_tokens_of(&user.id).await? {
            if let Some(totp) = self.credential_of(&mut tx, &token).await? {
                active.push((self.clock_of_totp(&totp)?, (token, totp.id)));
            }
        }
        drop(tx);
        let Some(((token, credential), matched)) = self.search(typed, active).await? else {
            return self.refuse_codes(id, &user, Purpose::Resync).await;
        };
        let mut tx = self.store.begin().await?;
        self.require_at(&mut tx, id, browser, Purpose::Resync)
            .await?;
        let outcome = tx
            .consume_step(&credential, matched.step, matched.drift_steps)
            .await?;
        if outcome == StepUse::AlreadyUsed {
            drop(tx);
            self.refuse_codes(id, &user, Purpose::Resync).await?;
            return Ok(Guess::UsedBefore);
        }
        note_resynced(&mut tx, &token, matched, Actor::Person);
        self.give_back(&mut tx, &buckets).await?;
        tx.give_back_try(&in_a_row(&user.id)).await?;
        tx.commit().await?;
        Ok(Guess::Right)
    }

    /// Two codes that follow each other bring an active token back into step, for an
    /// operator. How many steps its clock is off.
    pub async fn resync_oath_token(
        &self,
        serial: &Serial,
        codes: [&str; 2],
        operator: &str,
    ) -> Result<i64, Error> {
        let mut tx = self.store.read().await?;
        let token = self.find_token(&mut tx, serial).await?;
        let totp = self.credential_of(&mut tx, &token).await?.ok_or_else(|| {
            Error::conflict(format!(
                "the token {serial} is {}; only a token that somebody activated is brought back into step",
                token.state
            ))
        })?;
        drop(tx);
        let [first, second] = codes.map(|code| Zeroizing::new(code.to_owned()));
        let clocks = vec![(self.clock_of_totp(&totp)?, totp.id)];
        let used_or_wrong = || {
            Error::conflict(
                "these are not two codes of the token that follow each other, or they were used before; type two new ones",
            )
        };
        let (credential, matched) = self
            .search(Typed::Two(first, second), clocks)
            .await?
            .ok_or_else(used_or_wrong)?;
        let mut tx = self.store.begin().await?;
        let outcome = tx
            .consume_step(&credential, matched.step, matched.drift_steps)
            .await?;
        if outcome == StepUse::AlreadyUsed {
            return Err(used_or_wrong());
        }
        let by = Actor::Operator(operator.to_owned());
        note_resynced(&mut tx, &token, matched, by);
        if let Some(user) = &token.user {
            tx.add_notice(user, "token-resynced", operator, self.now())
                .await?;
        }
        tx.commit().await?;
        Ok(matched.drift_steps)
    }

    /// What an active token became, if it still is.
    async fn credential_of(
        &self,
        tx: &mut ReadTx<'_>,
        token: &OathToken,
    ) -> Result<Option<TotpCredential>, Error> {
        let (TokenState::Active, Some(user), Some(credential)) =
            (token.state, &token.user, &token.credential)
        else {
            return Ok(None);
        };
        self.require_untouched(token)?;
        let totp = tx.totp_of(user).await?;
        let found = totp
            .into_iter()
            .find(|totp| totp.id == *credential && totp.is_live());
        if let Some(totp) = &found {
            totp.require_tag(&self.sealing)
                .map_err(|error| Error::tampering("totp", Some(user.clone()), &error))?;
        }
        Ok(found)
    }

    fn clock_of_totp(&self, totp: &TotpCredential) -> Result<Clock, Error> {
        let place = TotpCredential::secret_place(&totp.id, &totp.user);
        let secret = self
            .sealing
            .open(&place, &totp.sealed_secret)
            .map_err(|error| Error::tampering("totp", Some(totp.user.clone()), &error))?;
        Ok(Clock {
            secret,
            parameters: totp.parameters,
            drift_steps: totp.drift_steps,
            after: totp.last_step,
        })
    }
}

fn note_resynced(tx: &mut Tx<'_>, token: &OathToken, matched: MatchedStep, by: Actor) {
    let event = Event::OathTokenResynced {
        token: token.id.clone(),
        serial: token.serial.to_string(),
        drift_steps: matched.drift_steps,
    };
    tx.append(by, token.user.clone(), event);
}
