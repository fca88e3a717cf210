//! A sign-out's page: who is asked next, and what is known at the end.

use super::{
    Initiator, Journey, Known, Scope, SignOutBegun, State,
    journey::{StopState, Way},
    over,
    under_way::PATIENCE,
};
use crate::{
    app::{App, Error, sign_in::Browser},
    audit::{Actor, Event},
    base::{browser::CookieToken, ids::SignOutId},
    protocol::assertion::message_id,
    protocol::saml::logout::outgoing::{
        LogoutRequest, LogoutResponse, Outgoing, encode_request, encode_response,
    },
    relying_party::SingleLogout,
    storage::{SignOutRow, Tx},
};

/// What the page shows.
#[derive(Debug)]
pub enum SignOutStep {
    /// A party is asked: the browser goes there with our request.
    Ask {
        /// What people call it.
        name: String,
        /// The request.
        outgoing: Outgoing,
        /// Whether the browser was there before and came back without an answer.
        turn: Turn,
        /// What was ended.
        scope: Scope,
    },
    /// Everybody was asked who can be.
    Done {
        /// What was ended.
        scope: Scope,
        /// Each party by name.
        known: Vec<(String, Known)>,
        /// WS-Federation parties are asked by these addresses in frames.
        frames: Vec<String>,
        /// Where the person goes from here, if a party began it or came meanwhile.
        onward: Option<Onward>,
        /// Whether the browser goes there by itself.
        goes_on: bool,
    },
    /// A party is answered, and no session was ended by it.
    Answer(Outgoing),
    /// Nothing is to be shown: the session is over, the browser goes on.
    Leave(Onward),
    /// Another sign-out of this browser is under way: on to its page.
    Page(SignOutId),
    /// There is nothing to go on with in this browser: it is signed out.
    Over,
}

/// How often the browser was sent to a party.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// It goes there now.
    First,
    /// It was there: the person decides.
    Again,
}

/// Where the browser goes at the end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Onward {
    /// To a SAML party, with our answer.
    Saml(Outgoing),
    /// To a listed address of a WS-Federation party.
    WsFed(String),
}

/// What the kept request `id` came to; `None`: something was written, and is to be read again.
fn step(begun: SignOutBegun, id: &SignOutId) -> Option<SignOutStep> {
    match begun {
        SignOutBegun::Page(to) => (to != *id).then_some(SignOutStep::Page(to)),
        SignOutBegun::Over(_) | SignOutBegun::NotEnded | SignOutBegun::AskPerson => {
            Some(SignOutStep::Over)
        }
        SignOutBegun::Answer(outgoing) => Some(SignOutStep::Answer(outgoing)),
    }
}

impl App {
    /// The next step of a sign-out in this browser.
    pub async fn sign_out_step(
        &self,
        id: &SignOutId,
        browser: &Browser,
    ) -> Result<SignOutStep, Error> {
        let step = self.next_step_of(id, browser).await;
        self.noting_tampering(step).await
    }

    async fn next_step_of(&self, id: &SignOutId, browser: &Browser) -> Result<SignOutStep, Error> {
        for _ in 0..PATIENCE {
            let mut tx = self.store.read().await?;
            let row = tx.sign_out(id).await?;
            drop(tx);
            let Some(row) = row.filter(|row| self.now() < row.expires_at) else {
                return Err(over("a sign-out that is not kept any more"));
            };
            let step = match self.open_state(&row)? {
                State::Arrived(asked) => {
                    step(self.end_by_party(asked, Some(row), browser).await?, id)
                }
                State::Answered(answered) => {
                    step(self.asked_again(*answered, row, browser).await?, id)
                }
                State::Going(journey) => {
                    let Some(session) = &browser.session else {
                        return Ok(SignOutStep::Over);
                    };
                    if row.browser.as_ref() != Some(&session.hash()) {
                        return Err(over("a sign-out of another browser"));
                    }
                    self.step_of(row, *journey).await?
                }
            };
            if let Some(step) = step {
                return Ok(step);
            }
        }
        Err(over("a sign-out that many requests go on with at once"))
    }

    /// The person goes on without the party that is asked.
    pub async fn sign_out_without(&self, id: &SignOutId, browser: &Browser) -> Result<(), Error> {
        let gone_on = self.without(id, browser).await;
        self.noting_tampering(gone_on).await
    }

    async fn without(&self, id: &SignOutId, browser: &Browser) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let row = tx.sign_out(id).await?;
        let hash = browser.session.as_ref().map(CookieToken::hash);
        let Some(row) = row.filter(|row| hash.is_some() && row.browser == hash) else {
            return Err(over("a sign-out of another browser"));
        };
        let State::Going(mut journey) = self.open_state(&row)? else {
            return Ok(());
        };
        // A second press of the button, or the answer came meanwhile.
        let Some(without) = journey.settle(Known::NoAnswer) else {
            return Ok(());
        };
        // Whoever was quicker: the page shows where it is now.
        self.go_on(tx, row, *journey, &[(&without, Known::NoAnswer)])
            .await?;
        Ok(())
    }

    /// `None`: something was written, and is to be read again.
    async fn step_of(
        &self,
        row: SignOutRow,
        mut journey: Journey,
    ) -> Result<Option<SignOutStep>, Error> {
        if journey.asked().is_some() {
            let turn = if journey.show() {
                Turn::First
            } else {
                Turn::Again
            };
            if turn == Turn::First && !self.keep(row.clone(), &journey).await? {
                return Ok(None);
            }
            return self.ask_party(row, journey, turn).await;
        }
        let framed = journey.settle_frames();
        if !framed.is_empty() {
            let asked: Vec<(&str, Known)> = framed
                .iter()
                .map(|party| (party.as_str(), Known::Asked))
                .collect();
            let tx = self.store.begin().await?;
            if !self.go_on(tx, row, journey.clone(), &asked).await? {
                return Ok(None);
            }
        }
        self.finish(journey).await.map(Some)
    }

    async fn ask_party(
        &self,
        row: SignOutRow,
        journey: Journey,
        turn: Turn,
    ) -> Result<Option<SignOutStep>, Error> {
        let Some(stop) = journey.asked().cloned() else {
            return Ok(None);
        };
        let scope = journey.scope();
        let mut tx = self.store.read().await?;
        let party = self.find_party(&mut tx, &stop.relying_party).await?;
        let to: Option<SingleLogout> = party.and_then(|party| party.single_logout);
        let (
            Some(to),
            Way::Saml {
                issuer,
                name_id,
                session_index,
            },
            StopState::Asked { request_id, .. },
        ) = (to, stop.way, stop.state)
        else {
            // It was removed during the sign-out.
            drop(tx);
            return self.cannot_be_asked(&row.id, &stop.relying_party).await;
        };
        let key = self.signing_key(&mut tx).await?;
        drop(tx);
        let now = self.now();
        let signing = self.with_key(&key, move |key| {
            let request = LogoutRequest {
                id: &request_id,
                issuer: &issuer,
                name_id: &name_id,
                session_index: &session_index,
                now,
            };
            encode_request(&request, &to, key)
        });
        Ok(Some(SignOutStep::Ask {
            name: stop.name,
            outgoing: signing.await?,
            turn,
            scope,
        }))
    }

    /// Nobody can ask the party any more. The journey is read again: what came to it meanwhile
    /// must not be overwritten by what it was before.
    async fn cannot_be_asked(
        &self,
        id: &SignOutId,
        party: &str,
    ) -> Result<Option<SignOutStep>, Error> {
        let mut tx = self.store.begin().await?;
        let Some(row) = tx.sign_out(id).await? else {
            return Ok(None);
        };
        if let State::Going(mut journey) = self.open_state(&row)?
            && journey
                .asked()
                .is_some_and(|stop| stop.relying_party == party)
        {
            journey.settle(Known::CannotBeAsked);
            let known = [(party, Known::CannotBeAsked)];
            self.go_on(tx, row, *journey, &known).await?;
        }
        Ok(None)
    }

    async fn finish(&self, journey: Journey) -> Result<SignOutStep, Error> {
        let (known, frames, status) = (journey.known(), journey.frames(), journey.status());
        let scope = journey.scope();
        // Whoever signed out here reads what came of it first, and so does whoever pressed
        // "everywhere" on the way.
        let began_here = matches!(journey.initiator, Initiator::Person(_));
        let goes_on = scope == Scope::Here && !began_here;
        let onward = match journey.initiator {
            Initiator::Person(_) => journey.back.map(Onward::WsFed),
            Initiator::WsFed { reply } => reply.or(journey.back).map(Onward::WsFed),
            Initiator::Saml {
                relying_party,
                request_id,
                relay_state,
                issuer,
            } => {
                let mut tx = self.store.read().await?;
                let party = self.find_party(&mut tx, &relying_party).await?;
                let to = party.and_then(|party| party.single_logout);
                match to {
                    None => None,
                    Some(to) => {
                        let key = self.signing_key(&mut tx).await?;
                        drop(tx);
                        let (id, now) = (self.with_random(message_id), self.now());
                        let signing = self.with_key(&key, move |key| {
                            let response = LogoutResponse {
                                id,
                                in_response_to: &request_id,
                                issuer: &issuer,
                                status,
                                now,
                            };
                            encode_response(&response, &to, relay_state.as_deref(), key)
                        });
                        Some(Onward::Saml(signing.await?))
                    }
                }
            }
        };
        Ok(match onward {
            Some(onward) if frames.is_empty() && goes_on => SignOutStep::Leave(onward),
            onward => SignOutStep::Done {
                scope,
                known,
                frames,
                goes_on: goes_on && onward.is_some(),
                onward,
            },
        })
    }

    /// Writes down what is known now and asks the next party; `false`: another request that was
    /// quicker has taken the step, and nothing is written.
    pub(super) async fn go_on(
        &self,
        mut tx: Tx<'_>,
        mut row: SignOutRow,
        mut journey: Journey,
        known: &[(&str, Known)],
    ) -> Result<bool, Error> {
        journey.advance(self.with_random(message_id));
        row.asking = journey.asking().map(str::to_owned);
        row.sealed_state = self.seal_state(&row, &State::Going(Box::new(journey)))?;
        if !tx.step_sign_out(&row, self.now()).await? {
            return Ok(false);
        }
        let session = match &row.browser {
            Some(token) => tx.session_by_token(token).await?,
            None => None,
        };
        if let Some(session) = session {
            for (party, known) in known {
                let event = Event::PartyAskedToSignOut {
                    session: session.id.clone(),
                    relying_party: (*party).to_owned(),
                    outcome: known.as_str(),
                };
                tx.append(Actor::System, Some(session.user.clone()), event);
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Keeps a journey as it is now; `false` if another request was quicker.
    async fn keep(&self, mut row: SignOutRow, journey: &Journey) -> Result<bool, Error> {
        row.sealed_state = self.seal_state(&row, &State::Going(Box::new(journey.clone())))?;
        let mut tx = self.store.begin().await?;
        let kept = tx.step_sign_out(&row, self.now()).await?;
        tx.commit().await?;
        Ok(kept)
    }
}
