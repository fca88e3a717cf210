//! Answers on their way through the browser: kept for a minute, and refusals.
//!
//! Always true: an attempt has one answer, kept by one conditional update; the browser
//! that got it gets the same bytes for a minute; a refusal says nothing of the person.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    App, Error,
    error::{Category, SupportCode},
    issue::not_released,
    keys::draft::{Draft, Named},
    saml::sole_issuer,
};
use crate::{
    audit::{Actor, Event, Refused},
    base::browser::CookieToken,
    claims,
    keys::{SigningKey, sealing::Place},
    protocol::saml::{
        authn_request::Refusal,
        binding::PostForm,
        response::{self, StatusEnvelope},
        status::Status,
    },
    relying_party::RelyingParty,
    signin::attempt::Attempt,
    storage::{ReadTx, Tx},
};

/// An answer on its way through the browser.
#[derive(Debug)]
pub struct Answer {
    /// Where it goes.
    pub to: Destination,
    /// A new session's cookie, if this sign-in made one.
    pub session: Option<CookieToken>,
    /// A new cookie for a browser in which somebody completed a sign-in.
    pub known: Option<CookieToken>,
}

/// A refusal that goes to the relying party.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StatusKind {
    NoPassive,
    RequestDenied,
}

/// Where an answer goes. Also its stored form: what the same browser gets again for a minute.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Destination {
    /// To a SAML party, by a form that submits itself.
    Saml {
        /// The registered reply address.
        action: String,
        /// The response, base64.
        saml_response: String,
        /// As it came.
        relay_state: Option<String>,
    },
    /// To a WS-Federation party, by a form that submits itself.
    WsFed {
        /// The registered reply address.
        action: String,
        /// The RequestSecurityTokenResponse: XML, not base64.
        wresult: String,
        /// As it came; none if the request had none.
        wctx: Option<String>,
    },
    /// To Entra, which asked for a second factor, by a form that submits itself.
    ExternalMfa {
        /// The tenant's cloud's address.
        action: String,
        /// What was proved.
        id_token: String,
        /// As it came; none if the request had none.
        state: Option<String>,
    },
    /// The same, and there is none.
    ExternalMfaError {
        /// The tenant's cloud's address.
        action: String,
        /// Why, in the words of OAuth 2.0.
        error: String,
        /// As it came; none if the request had none.
        state: Option<String>,
    },
    /// To a page of ours: its path.
    Here(String),
}

impl From<PostForm> for Destination {
    fn from(form: PostForm) -> Self {
        Self::Saml {
            action: form.action,
            saml_response: form.saml_response,
            relay_state: form.relay_state,
        }
    }
}

impl App {
    /// Tells the relying party that it cannot be done.
    pub(super) async fn issue_status(
        &self,
        mut tx: Tx<'_>,
        attempt: &Attempt,
        kind: StatusKind,
        draft: &mut Draft,
    ) -> Result<Option<Answer>, Error> {
        let (status, reason) = match kind {
            StatusKind::NoPassive => (Status::NoPassive, "no-passive"),
            StatusKind::RequestDenied => (Status::RequestDenied, "request-denied"),
        };
        let domains = tx.domains().await?;
        let person = match &attempt.user {
            Some(id) => tx.user(id).await?,
            None => None,
        };
        let issuer = if let Some(user) = &person {
            claims::require_domain(&user.upn.domain(), &domains, None)
                .map(|domain| domain.issuer_uri.clone())
                .map_err(|error| not_released(&error, user))?
        } else {
            let asked = attempt.request.domain_name();
            sole_issuer(&domains, asked.as_ref()).ok_or_else(|| {
                let detail =
                    "a refusal without ?domain= and with several domains: nobody may speak";
                Error::denied(&SupportCode::REFUSED_PARAMETERS, detail)
            })?
        };
        let refusal = Refusal {
            status,
            request_id: attempt.request.request_id.clone(),
            reply_url: attempt.request.reply_url.clone(),
            relay_state: attempt.request.relay_state.clone(),
        };
        let party = self
            .party_of(&mut tx, &attempt.request.relying_party)
            .await?;
        let key = self.signing_key(&mut tx).await?;
        let form = self.status_form(&issuer, &party, &refusal, &key, draft)?;
        let Some(form) = form else {
            return Ok(None);
        };
        let form = form.into();
        self.keep_answer(&mut tx, attempt, &form).await?;
        // An event needs a person: a stranger's browser gets this as often as it asks.
        if person.is_some() {
            let event = Event::AnswerRefused {
                attempt: attempt.id.clone(),
                relying_party: attempt.request.relying_party.clone(),
                reason,
            };
            tx.append(Actor::System, attempt.user.clone(), event);
        }
        tx.commit().await?;
        if person.is_none() {
            self.count_refused(Refused::NoPassive);
        }
        Ok(Some(sent(form)))
    }

    /// An answer with a status to a request that never became an attempt.
    pub(super) async fn status_answer(
        &self,
        issuer: &str,
        party: &RelyingParty,
        refusal: &Refusal,
    ) -> Result<Answer, Error> {
        let mut draft = Draft::default();
        loop {
            let mut tx = self.store.read().await?;
            let key = self.signing_key(&mut tx).await?;
            drop(tx);
            let form = self.status_form(issuer, party, refusal, &key, &mut draft)?;
            if let Some(form) = form {
                return Ok(sent(form.into()));
            }
            self.sign_draft(&mut draft).await?;
        }
    }

    fn status_form(
        &self,
        issuer: &str,
        party: &RelyingParty,
        refusal: &Refusal,
        key: &Arc<SigningKey>,
        draft: &mut Draft,
    ) -> Result<Option<PostForm>, Error> {
        let response_id = self.with_random(|random| draft.id(Named::Response, random));
        let now = draft.at(self.now());
        let (status, response_signature) = (refusal.status, party.response_signature);
        let (request_id, reply_url) = (refusal.request_id.clone(), refusal.reply_url.clone());
        let issuer = issuer.to_owned();
        let signing = draft.with_key(key, move |key| {
            let envelope = StatusEnvelope {
                response_id: response_id.clone(),
                in_response_to: &request_id,
                acs: &reply_url,
                issuer: &issuer,
                now,
                response_signature,
            };
            response::encode_status(status, &envelope, key)
        });
        let relay_state = refusal.relay_state.as_deref();
        Ok(signing?.map(|xml| PostForm::new(&refusal.reply_url, &xml, relay_state)))
    }

    pub(super) async fn keep_answer(
        &self,
        tx: &mut Tx<'_>,
        attempt: &Attempt,
        to: &Destination,
    ) -> Result<(), Error> {
        let plain = serde_json::to_vec(to).map_err(|error| Error::internal(error.to_string()))?;
        let sealed =
            self.with_random(|random| self.sealing.seal(&answer_place(attempt), &plain, random));
        if tx.answer_attempt(&attempt.id, &sealed, self.now()).await? {
            Ok(())
        } else {
            // Another request of the same browser was quicker: its answer stands.
            Err(Error::new(
                Category::Conflict,
                &SupportCode::ATTEMPT_OVER,
                "the attempt was answered meanwhile",
            ))
        }
    }

    /// The same bytes again, for the browser that got them a moment ago.
    pub(super) async fn repeat_answer(
        &self,
        tx: &mut ReadTx<'_>,
        attempt: &Attempt,
    ) -> Result<Answer, Error> {
        let over = || {
            Error::denied(
                &SupportCode::ATTEMPT_OVER,
                "an answer that is not kept any more",
            )
        };
        self.kept_answer(tx, attempt)
            .await?
            .map(sent)
            .ok_or_else(over)
    }

    /// The answer of an attempt, as long as it is kept.
    pub(super) async fn kept_answer(
        &self,
        tx: &mut ReadTx<'_>,
        attempt: &Attempt,
    ) -> Result<Option<Destination>, Error> {
        let Some(sealed) = tx.answer_of(&attempt.id).await? else {
            return Ok(None);
        };
        let plain = self
            .sealing
            .open(&answer_place(attempt), &sealed)
            .map_err(|error| Error::tampering("answer", attempt.user.clone(), &error))?;
        serde_json::from_slice(&plain)
            .map(Some)
            .map_err(|error| Error::internal(error.to_string()))
    }
}

pub(super) fn sent(to: Destination) -> Answer {
    Answer {
        to,
        session: None,
        known: None,
    }
}

/// An answer is kept for its attempt and its browser: put under another cookie it does not open.
fn answer_place(attempt: &Attempt) -> Place<'_> {
    Place {
        table: "attempts",
        column: "sealed_answer",
        row: attempt.id.as_str(),
        owner: attempt.browser.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_and_read_back_as_what_it_was() {
        let action = || "https://login.example/".to_owned();
        let text = |text: &str| Some(text.to_owned());
        for destination in [
            Destination::Saml {
                action: action(),
                saml_response: "PHg+".to_owned(),
                relay_state: None,
            },
            Destination::WsFed {
                action: action(),
                wresult: "<x/>".to_owned(),
                wctx: text(" a&b=\"<c> "),
            },
            Destination::WsFed {
                action: action(),
                wresult: "<x/>".to_owned(),
                wctx: None,
            },
            Destination::ExternalMfa {
                action: action(),
                id_token: "a.b.c".to_owned(),
                state: text("s"),
            },
            Destination::ExternalMfaError {
                action: action(),
                error: "access_denied".to_owned(),
                state: None,
            },
            Destination::Here("/account".to_owned()),
        ] {
            let kept = serde_json::to_vec(&destination).unwrap();
            let again: Destination = serde_json::from_slice(&kept).unwrap();
            assert_eq!(again, destination);
        }
    }
}
