//! A token whose clock has run away is brought back by two codes that follow each other:
//! by its holder at the code question, or by an operator.
//!
//! Always true: the last accepted step never goes down, both codes are spent, the person
//! hears of it, and nothing here makes a proof: the code question follows. A holder reaches
//! as far as a token can have drifted since its last use, and no farther: codes that somebody
//! filmed this morning would else be a second factor until tomorrow (attack 3). Farther is
//! for an operator, who knows whose hands the token is in.

use zeroize::Zeroizing;

use super::{
    App, Error,
    codes::{Clock, Paid, Purpose, Typed},
};
use crate::{
    app::{guess::in_a_row, own_methods::last_used, prove::Guess, sign_in::Browser},
    audit::{Actor, Event},
    base::ids::AttemptId,
    directory::{OathToken, Serial, TokenState, TotpCredential},
    factor::totp::{
        ConsumeStep as _, MatchedStep, StepUse,
        search::{FAR, NEAR},
    },
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
        let usable = self.usable_totp(&mut tx, &user.id).await?;
        let mut active = Vec::new();
        for token in tx.oath_tokens_of(&user.id).await? {
            if let Some(totp) = self.credential_of(&mut tx, &token).await?
                && usable.iter().any(|usable| usable.id == totp.id)
            {
                let far = self.own_reach(&totp);
                active.push((self.clock_of_totp(&totp, far)?, (token, totp.id)));
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
        tx.add_notice(&user.id, "token-resynced", user.upn.as_str(), self.now())
            .await?;
        self.give_back(&mut tx, &buckets).await?;
        tx.give_back_try(&in_a_row(&user.id)).await?;
        tx.commit().await?;
        Ok(Guess::Right)
    }

    /// How far the holder's two codes may be off: as one code at the activation, and a step
    /// more for each week since the last use (a poor clock runs away by eight in a year). In the
    /// week of a use it is hardly farther than a code reaches by itself: each use, also this
    /// one, moves the middle, and who filmed a token could go on moving it.
    fn own_reach(&self, totp: &TotpCredential) -> i64 {
        const WEEK: u64 = 7 * 24 * 60 * 60;
        const IN_THE_WEEK: i64 = 2;
        let unused = last_used(totp).map_or(0, |used| self.now().since(used).as_secs() / WEEK);
        match i64::try_from(unused).unwrap_or(FAR) {
            0 => IN_THE_WEEK,
            weeks => NEAR.saturating_add(weeks).min(FAR),
        }
    }

    /// Two codes that follow each other bring an active token back into step, for an
    /// operator. How many steps its clock is off.
    pub async fn resync_oath_token(
        &self,
        serial: &Serial,
        codes: [&str; 2],
        operator: &str,
    ) -> Result<i64, Error> {
        let result = self.resync_for_operator(serial, codes, operator).await;
        self.noting_tampering(result).await
    }

    async fn resync_for_operator(
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
        let clocks = vec![(self.clock_of_totp(&totp, FAR)?, totp.id)];
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

    fn clock_of_totp(&self, totp: &TotpCredential, far: i64) -> Result<Clock, Error> {
        let place = TotpCredential::secret_place(&totp.id, &totp.user);
        let secret = self
            .sealing
            .open(&place, &totp.sealed_secret)
            .map_err(|error| Error::tampering("totp", Some(totp.user.clone()), &error))?;
        Ok(Clock {
            secret,
            parameters: totp.parameters,
            drift_steps: totp.drift_steps,
            far,
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
