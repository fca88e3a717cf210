//! A token's clock: resync by an operator.
//!
//! Always true: the last accepted step never goes down, and no code found here counts as
//! a proof; what was typed is spent.

use super::{App, Error};
use crate::{
    audit::{Actor, Event},
    directory::{OathToken, Serial, TokenState, TotpCredential},
    factor::totp::{
        ConsumeStep as _, MatchedStep, StepUse,
        search::{FAR, Window, find_pair},
    },
    storage::Tx,
};

impl App {
    /// Two codes that follow each other bring an active token back into step. How many
    /// steps its clock is off.
    pub async fn resync_oath_token(
        &self,
        serial: &Serial,
        codes: [&str; 2],
        operator: &str,
    ) -> Result<i64, Error> {
        let mut tx = self.store.begin().await?;
        let token = self.find_token(&mut tx, serial).await?;
        let totp = self.credential_of(&mut tx, &token).await?.ok_or_else(|| {
            Error::conflict(format!(
                "the token {serial} is {}; only a token that somebody activated is brought back into step",
                token.state
            ))
        })?;
        let matched = self.find_far(&totp, codes)?.ok_or_else(|| {
            Error::conflict(
                "these are not two codes of the token that follow each other, or they were used before; type two new ones",
            )
        })?;
        let used = tx
            .consume_step(&totp.id, matched.step, matched.drift_steps)
            .await?;
        if used == StepUse::AlreadyUsed {
            return Err(Error::conflict(
                "these codes were used before; type two new ones",
            ));
        }
        let by = Actor::Operator(operator.to_owned());
        Self::note_resynced(&mut tx, &token, matched, by);
        if let Some(user) = &token.user {
            tx.add_notice(user, "token-resynced", operator, self.now())
                .await?;
        }
        tx.commit().await?;
        Ok(matched.drift_steps)
    }

    /// What an active token became, if it still is.
    pub(super) async fn credential_of(
        &self,
        tx: &mut Tx<'_>,
        token: &OathToken,
    ) -> Result<Option<TotpCredential>, Error> {
        let (TokenState::Active, Some(user), Some(credential)) =
            (token.state, &token.user, &token.credential)
        else {
            return Ok(None);
        };
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

    /// Two codes within a day or two around what is known of the clock.
    pub(super) fn find_far(
        &self,
        totp: &TotpCredential,
        codes: [&str; 2],
    ) -> Result<Option<MatchedStep>, Error> {
        let secret = self
            .sealing
            .open(
                &TotpCredential::secret_place(&totp.id, &totp.user),
                &totp.sealed_secret,
            )
            .map_err(|error| Error::tampering("totp", Some(totp.user.clone()), &error))?;
        let window = Window {
            drift_steps: totp.drift_steps,
            reach: FAR,
            after: totp.last_step,
        };
        Ok(find_pair(
            codes,
            &secret,
            totp.parameters,
            window,
            self.now(),
        ))
    }

    pub(super) fn note_resynced(
        tx: &mut Tx<'_>,
        token: &OathToken,
        matched: MatchedStep,
        by: Actor,
    ) {
        let event = Event::OathTokenResynced {
            token: token.id.clone(),
            serial: token.serial.to_string(),
            drift_steps: matched.drift_steps,
        };
        tx.append(by, token.user.clone(), event);
    }
}
