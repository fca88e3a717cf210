//! The holder of a token activates it: it becomes a credential of that person.
//!
//! Always true: only a token that an operator handed over to this very person is activated
//! (attack 37): by who has no other method in an attempt in which the password was right,
//! by anybody in an open enrolment ([`crate::app::enrol`]). The codes that were typed are
//! spent and make no proof. Of tokens that share a secret one may be active, so that a
//! code counts once (attack 3).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{
    App, Error, changed_meanwhile,
    codes::{Clock, Paid, Purpose, Typed},
};
use crate::{
    app::{error::SupportCode, guess::in_a_row, prove::Guess, sign_in::Browser},
    audit::{Actor, Event},
    base::ids::{AttemptId, CredentialId},
    directory::{MethodKind, OathToken, TokenState, TotpCredential, User},
    factor::totp::{MatchedStep, search::FAR},
    storage::Tx,
};

impl App {
    /// Activates a token that was handed to the person of this attempt: by one code near
    /// its clock, or by two that follow each other within a day or two. `next` is empty
    /// for one.
    pub async fn activate_own_token(
        &self,
        id: &AttemptId,
        browser: &Browser,
        code: &str,
        next: &str,
    ) -> Result<Guess, Error> {
        let typed = Typed::read(code, next);
        let result = match self.is_enrolling_token(id, browser).await {
            Ok(true) => self.enrol_token(id, browser, typed).await,
            Ok(false) => self.activate(id, browser, typed).await,
            Err(error) => Err(error),
        };
        self.noting_tampering(result).await
    }

    async fn activate(
        &self,
        id: &AttemptId,
        browser: &Browser,
        typed: Typed,
    ) -> Result<Guess, Error> {
        let (user, buckets) = match self.pay_for_token(id, browser, Purpose::Activate).await? {
            Paid::Check(user, buckets) => (user, buckets),
            Paid::Refused(guess) => return Ok(guess),
        };
        let waiting = self.waiting_tokens(&user).await?;
        let Some((token, matched)) = self.search(typed, waiting).await? else {
            return self.refuse_codes(id, &user, Purpose::Activate).await;
        };
        let mut tx = self.store.begin().await?;
        // What takes tokens away came before and is seen here, or takes this one away.
        tx.lock_user(&user.id).await?;
        self.require_at(&mut tx, id, browser, Purpose::Activate)
            .await?;
        let (credential, name) = self.become_method(&mut tx, token, &user, matched).await?;
        let event = Event::MethodAdded {
            credential,
            kind: MethodKind::OathToken.as_str(),
            name,
        };
        tx.append(Actor::Person, Some(user.id.clone()), event);
        tx.add_notice(&user.id, "method-added", user.upn.as_str(), self.now())
            .await?;
        self.give_back(&mut tx, &buckets).await?;
        tx.give_back_try(&in_a_row(&user.id)).await?;
        tx.commit().await?;
        Ok(Guess::Right)
    }

    /// The tokens that wait to be activated by this person, with their clocks.
    pub(in crate::app) async fn waiting_tokens(
        &self,
        user: &User,
    ) -> Result<Vec<(Clock, OathToken)>, Error> {
        let mut tx = self.store.read().await?;
        let mut waiting = Vec::new();
        for token in tx.oath_tokens_of(&user.id).await? {
            if token.state == TokenState::Assigned {
                self.require_untouched(&token)?;
                waiting.push((self.clock_of(&token)?, token));
            }
        }
        Ok(waiting)
    }

    /// The token's secret, sealed anew into a credential of its holder, which is confirmed
    /// at once: the code that was typed is its last accepted one. The credential and its name.
    pub(in crate::app) async fn become_method(
        &self,
        tx: &mut Tx<'_>,
        mut token: OathToken,
        user: &User,
        matched: MatchedStep,
    ) -> Result<(CredentialId, String), Error> {
        let now = self.now();
        let secret = self.open_secret(&token)?;
        let secret_tag = OathToken::make_secret_tag(&self.sealing, &secret);
        if tx.is_secret_active(&secret_tag).await? {
            return Err(Error::denied(
                &SupportCode::TOKEN_SHARED,
                format!(
                    "the token {} has the secret of another one that is in use",
                    token.serial
                ),
            ));
        }
        token.secret_tag = Some(secret_tag);
        let sealing = Arc::clone(&self.sealing);
        let (credential, sealed_secret) = self.with_random(|random| {
            let id = CredentialId::random(random);
            let place = TotpCredential::secret_place(&id, &user.id);
            let sealed = sealing.seal(&place, &secret, random);
            (id, sealed)
        });
        let parameters = token.parameters;
        let name = name_of(&token);
        tx.insert_totp(&TotpCredential {
            tag: TotpCredential::make_tag(
                &self.sealing,
                &credential,
                &user.id,
                parameters,
                &sealed_secret,
            ),
            id: credential.clone(),
            user: user.id.clone(),
            name: name.clone(),
            parameters,
            sealed_secret,
            drift_steps: matched.drift_steps,
            last_step: Some(matched.step),
            confirmed_at: Some(now),
            revoked_at: None,
            created_at: now,
        })
        .await?;
        let read_tag = token.tag.clone();
        token.state = TokenState::Active;
        token.credential = Some(credential.clone());
        token.activated_at = Some(now);
        token.tag = token.make_tag(&self.sealing);
        if !tx.update_oath_token(&token, &read_tag).await? {
            return Err(changed_meanwhile(&token.serial));
        }
        let event = Event::OathTokenActivated {
            token: token.id,
            serial: token.serial.to_string(),
            credential: credential.clone(),
        };
        tx.append(Actor::Person, Some(user.id.clone()), event);
        Ok((credential, name))
    }

    fn open_secret(&self, token: &OathToken) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.sealing
            .open(&OathToken::secret_place(&token.id), &token.sealed_secret)
            .map_err(|error| Error::tampering("oath-token", token.user.clone(), &error))
    }

    fn clock_of(&self, token: &OathToken) -> Result<Clock, Error> {
        Ok(Clock {
            secret: self.open_secret(token)?,
            parameters: token.parameters,
            drift_steps: token.drift_steps,
            far: FAR,
            after: token.last_step,
        })
    }
}

/// What the person sees it called: model and serial number, at most 64 characters.
fn name_of(token: &OathToken) -> String {
    let model = if token.model.is_empty() {
        "Token"
    } else {
        &token.model
    };
    let name = format!("{model} {}", token.serial);
    name.chars().take(64).collect()
}
