//! What Entra is told: that one factor was proved. Why not: [`excuse`](super::excuse).
//!
//! Always true: a token is encoded from a `SecondFactorAnswer` and from nothing else; its bytes
//! pass the inspector's rules before they leave; receipt, events, a first link of the account
//! and the answered attempt are one transaction, and an attempt has one answer (attack 28).
//! There is no session in it, and the receipt says what was told: one factor, and no claim of
//! MFA.

use std::sync::Arc;

use aws_lc_rs::digest;

use crate::{
    app::{
        App, Error,
        answer::{Answer, Destination, sent},
        error::SupportCode,
        keys::draft::{Draft, Named},
        saml::chain,
        scene::Scene,
    },
    audit::{Actor, Event, Receipt},
    base::ids::SessionId,
    claims::second_factor::SecondFactorAnswer,
    directory::{ExternalAccount, LinkedBy, User},
    keys::SigningKey,
    protocol::oidc::{answer::FormAnswer, id_token::encode_id_token},
    relying_party::ClientId,
    signin::{
        asked,
        attempt::Attempt,
        complete::Holder,
        second_factor::{self, NotDone, SecondFactorRequest},
    },
    storage::{ReadTx, Tx},
};

use super::pre_flight::pre_flight;

/// How a form of this protocol travels, and is kept.
pub(super) fn destination_of(form: FormAnswer) -> Destination {
    let (mut id_token, mut error, mut state) = (None, None, None);
    for (name, value) in form.fields {
        match name {
            "id_token" => id_token = Some(value),
            "state" => state = Some(value),
            _ => error = Some(value),
        }
    }
    let action = form.action;
    match id_token {
        Some(id_token) => Destination::ExternalMfa {
            action,
            id_token,
            state,
        },
        None => Destination::ExternalMfaError {
            action,
            error: error.unwrap_or_default(),
            state,
        },
    }
}

impl App {
    /// Answers from the one proof of this attempt. `None`: see [`Draft::with_key`].
    pub(in crate::app) async fn issue_second_factor(
        &self,
        mut tx: Tx<'_>,
        scene: &Scene,
        draft: &mut Draft,
    ) -> Result<Option<Answer>, Error> {
        let attempt = &scene.attempt;
        let (Some(asked), Some(user)) = (&scene.asked, &scene.user) else {
            return Err(Error::internal("a second factor of nobody"));
        };
        let asked = asked.request();
        self.require_tenant(&mut tx, asked).await?;
        // Whoever unlinks the account or disables the person comes before or after.
        tx.lock_user(&user.id).await?;
        let (account, is_new) = self.whose(&mut tx, asked, user).await?;
        let records = tx.evidence_of(&attempt.id).await?;
        let holder = Holder {
            user,
            live_credentials: &scene.live_credentials,
        };
        let done = second_factor::complete(
            attempt,
            &records,
            &account,
            holder,
            &self.sealing,
            self.now(),
            asked::LIFETIME,
        )
        .map_err(|error| not_done(error, user))?;
        let answer = SecondFactorAnswer::release(done, &self.settings.oidc_issuer())
            .map_err(|error| Error::denied(&SupportCode::NOT_SIGNED_IN, error.to_string()))?;

        let key = self.oidc_signing_key(&mut tx).await?;
        let (answer, now) = (Arc::new(answer), draft.at(self.now()));
        let id = self.with_random(|random| draft.id(Named::Assertion, random));
        let told = Arc::clone(&answer);
        let signing = draft.with_key(&key, move |key| encode_id_token(&told, key, now));
        let Some(token) = signing? else {
            return Ok(None);
        };
        // By this server's clock: how far Entra's is off was looked at when it asked.
        let judged = SecondFactorRequest {
            asked_at_millis: attempt.created_at.as_millis(),
            ..asked.clone()
        };
        if let Err(rules) = pre_flight(&token, &answer, &judged, &key, self.now()) {
            drop(tx);
            return Err(self
                .withhold(attempt, user, ("the id_token", rules))
                .await?);
        }
        let receipt = self.receipt_of(attempt, &answer, &id, &token, &key, now.as_millis());
        let to = Destination::ExternalMfa {
            action: asked.reply_url.clone(),
            id_token: token,
            state: asked.state.clone(),
        };
        self.keep_answer(&mut tx, attempt, &to).await?;
        tx.insert_receipt(&receipt).await?;
        if is_new {
            let named = (asked.tenant, asked.object_id);
            let by = (LinkedBy::Proof, Actor::Person, user.upn.as_str());
            if !self.link(&mut tx, user, named, by, &[]).await? {
                return Err(linked_elsewhere());
            }
        }
        let event = Event::ExternalMfaAnswered {
            attempt: attempt.id.clone(),
            tenant: asked.tenant.to_string(),
            acr: answer.acr(),
            amr: answer.amr(),
        };
        tx.append(Actor::System, Some(user.id.clone()), event);
        tx.commit().await?;
        Ok(Some(sent(to)))
    }

    /// At a start: the key is there before the first person comes, and its number is known, so
    /// that no older copy is taken later (attack 20). What is wrong with it must not keep the
    /// other doors shut.
    pub(in crate::app) async fn open_external_mfa(&self) {
        let looked = self.look_at_oidc_key().await;
        if let Err(error) = self.noting_tampering(looked).await {
            tracing::error!("no id_token can be signed: {}", chain(&error));
        }
    }

    async fn look_at_oidc_key(&self) -> Result<(), Error> {
        if self.serves_external_mfa().await? {
            self.ensure_oidc_key().await?;
            self.oidc_key().await?;
        }
        Ok(())
    }

    /// The tenant may have been taken away meanwhile, or moved.
    async fn require_tenant(
        &self,
        tx: &mut ReadTx<'_>,
        asked: &SecondFactorRequest,
    ) -> Result<(), Error> {
        let stored = match asked.client_id.parse::<ClientId>() {
            Ok(client_id) => tx.tenant(asked.tenant, &client_id).await?,
            Err(_) => None,
        };
        let asking = stored.and_then(|tenant| self.settings.asking_tenant(&tenant).ok());
        if asking.is_some_and(|asking| asking.cloud.reply_url() == asked.reply_url) {
            return Ok(());
        }
        let detail = format!("the tenant {} is not configured any more", asked.tenant);
        Err(Error::denied(&SupportCode::UNKNOWN_TENANT, detail))
    }

    /// Whose the account is: linked, or to be linked now, because this person has the name that
    /// Entra gives the account, and has proved it in this attempt. Whether it is new.
    async fn whose(
        &self,
        tx: &mut ReadTx<'_>,
        asked: &SecondFactorRequest,
        user: &User,
    ) -> Result<(ExternalAccount, bool), Error> {
        let linked = self.linked(tx, (asked.tenant, asked.object_id)).await?;
        if let Some(account) = linked {
            if account.user != user.id {
                return Err(linked_elsewhere());
            }
            return Ok((account, false));
        }
        let candidate = self.candidate(tx, asked).await?;
        if candidate.is_none_or(|candidate| candidate.id != user.id) {
            let detail = format!("{} has another name than Entra's account", user.upn);
            return Err(Error::denied(&SupportCode::PERSON_CHANGED, detail));
        }
        let (named, now) = ((asked.tenant, asked.object_id), self.now());
        let by = LinkedBy::Proof;
        let account = ExternalAccount::new(&self.sealing, named, user.id.clone(), now, by);
        Ok((account, true))
    }

    fn receipt_of(
        &self,
        attempt: &Attempt,
        answer: &SecondFactorAnswer,
        id: &str,
        token: &str,
        key: &SigningKey,
        issued_at_millis: i64,
    ) -> Receipt {
        let sha256 = digest::digest(&digest::SHA256, token.as_bytes());
        let (kind, credential, at) = (answer.kind().as_str(), answer.credential(), answer.at());
        Receipt {
            assertion_id: id.to_owned(),
            attempt: attempt.id.clone(),
            user: answer.user().clone(),
            relying_party: attempt.request.relying_party.clone(),
            request_id: attempt.request.request_id.clone(),
            issuer: answer.issuer().to_owned(),
            name_id: answer.subject().to_owned(),
            proofs: format!("second-factor:{kind} {credential} {at}"),
            // Of none: the id is nobody's.
            session: self.with_random(SessionId::random),
            authn_instant_millis: at.as_millis(),
            issued_at_millis,
            key: key.id.clone(),
            sha256: data_encoding::HEXLOWER.encode(sha256.as_ref()),
        }
    }
}

fn linked_elsewhere() -> Error {
    Error::denied(
        &SupportCode::PERSON_CHANGED,
        "Entra's account is linked to another person",
    )
}

fn not_done(error: NotDone, user: &User) -> Error {
    match error {
        NotDone::Seal | NotDone::OtherLink => {
            Error::tampering("second factor", Some(user.id.clone()), &error)
        }
        _ => Error::denied(
            &SupportCode::NOT_SIGNED_IN,
            format!("{}: {error}", user.upn),
        ),
    }
}
