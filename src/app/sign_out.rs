//! Signing out: here at once, then at the parties of the session.
//!
//! Always true: our session ends before anybody is asked, in the transaction that makes the
//! list of whom to ask; it is ended by its own browser only (the cookie), and by a party's
//! message only if that names what this session told that party; of two sign-outs at once one
//! has the list. No transaction is held while something is signed.
//!
//! Read next: [`journey`] for what is asked of whom, [`saml`] for messages of parties ([`kept`]:
//! those that came by a form; [`strangers`]: what anybody may have signed; [`refused`]: who was told no), [`steps`] for the way through the browser, [`under_way`] for who comes again.

mod journey;
mod kept;
mod refused;
mod saml;
mod steps;
mod strangers;
mod under_way;
mod ws_federation;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use journey::{Initiator, Journey, Stop, StopState, Way, saml_way};
pub use journey::{Known, Scope};
use kept::Answered;
use saml::LogoutAsked;
pub use steps::{Onward, SignOutStep, Turn};
pub(super) use strangers::Strangers;
pub use ws_federation::cleanup_address;

use super::{App, Error, error::SupportCode, sign_in::Browser};
use crate::{
    audit::{Actor, Event},
    base::ids::SignOutId,
    keys::sealing::{Place, SealError},
    protocol::{assertion::message_id, saml::logout::outgoing::Outgoing},
    relying_party::{RelyingParty, RelyingPartyKind},
    session::{Desk, SessionRow},
    signin::request::Protocol,
    storage::{InsertSignOut, ReadTx, SessionParty, SignOutRow, Tx},
};

/// How long a sign-out may take until the last party has answered.
pub const LIFETIME: Duration = Duration::from_mins(15);

/// What became of the wish to sign out.
#[derive(Debug)]
pub enum SignOutBegun {
    /// On to its page.
    Page(SignOutId),
    /// Nobody else is to be asked or answered.
    Over(Scope),
    /// No session of another browser was ended: this one's was over before, so it could not
    /// speak for them, and no sign-out of it is under way.
    NotEnded,
    /// Too much came from that source: whoever sits there is asked whether to sign out.
    AskPerson,
    /// A party's message is answered at once.
    Answer(Outgoing),
}

/// What is kept of a sign-out, under seal.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// A party's request came by a form, which brings no cookie of ours: what it is about is
    /// seen when the browser comes to the page.
    Arrived(LogoutAsked),
    /// The same, looked at where nobody was signed in: the party's answer is signed.
    Answered(Box<Answered>),
    /// The session is over; its parties are asked.
    Going(Box<Journey>),
}

impl App {
    /// Ends this browser's session. Without one nothing happens; a sign-out of this browser that
    /// is under way goes on, here as below.
    pub async fn sign_out(&self, browser: &Browser) -> Result<SignOutBegun, Error> {
        let over = SignOutBegun::Over(Scope::Here);
        let mut tx = self.store.begin().await?;
        if let Some(session) = self.session_of(&mut tx, browser).await?
            && self
                .end_here(&mut tx, &session, "signed-out", browser)
                .await?
        {
            let initiator = Initiator::Person(Scope::Here);
            let journey = self.journey(&mut tx, &session, initiator, None).await?;
            if journey.stops.is_empty() {
                tx.commit().await?;
                return Ok(over);
            }
            return self.set_out(tx, &session, journey, None, browser).await;
        }
        drop(tx);
        self.under_way_or(over, browser).await
    }

    /// Ends all sessions of the person whose live session this browser has, and the attempts
    /// that are not answered yet. Where the session is over no other is ended, and that is said
    /// ([`SignOutBegun::NotEnded`], [`Scope::OthersNot`]): who suspects a thief must not believe
    /// the others ended. Parties of other browsers' sessions can be asked by those browsers only.
    pub async fn sign_out_everywhere(&self, browser: &Browser) -> Result<SignOutBegun, Error> {
        let begun = self.end_everywhere(browser).await;
        self.noting_tampering(begun).await
    }

    async fn end_everywhere(&self, browser: &Browser) -> Result<SignOutBegun, Error> {
        let mut tx = self.store.begin().await?;
        let Some(session) = self.session_of(&mut tx, browser).await? else {
            drop(tx);
            return self.widen(browser).await;
        };
        let Some(scope) = self
            .end_as_far_as_it_may(&mut tx, &session, browser)
            .await?
        else {
            drop(tx);
            return self.widen(browser).await;
        };
        // In the words of former versions, which may go on with it.
        let initiator = Initiator::Person(match scope {
            Scope::Everywhere => scope,
            Scope::Here | Scope::OthersNot | Scope::Earlier => Scope::Here,
        });
        let mut journey = self.journey(&mut tx, &session, initiator, None).await?;
        if scope == Scope::OthersNot {
            if journey.stops.is_empty() {
                tx.commit().await?;
                return Ok(SignOutBegun::NotEnded);
            }
            journey.wider = Some(scope);
        }
        // Kept also where nobody is to be asked: a second press learns from it what was ended.
        self.set_out(tx, &session, journey, None, browser).await
    }

    /// Ends a session by the wish of its browser; `false` if it had ended.
    async fn end_here(
        &self,
        tx: &mut Tx<'_>,
        session: &SessionRow,
        reason: &'static str,
        browser: &Browser,
    ) -> Result<bool, Error> {
        let now = self.now();
        if !tx.revoke_session(&session.id, now).await? {
            return Ok(false);
        }
        // Of this browser only: any site can send a browser here to sign out, and what the
        // person does at another desk is nothing of it.
        for (attempt, binding) in &browser.attempts {
            let of = (attempt, &binding.hash(), &session.user);
            // "Back" must not send the last answer once more.
            tx.forget_answer_here(of).await?;
            // Nor may the next person at a shared desk go on with what was begun here.
            if self.settings.desk == Desk::Clean {
                tx.end_attempt_here(of, now).await?;
            }
        }
        let event = Event::SessionEnded {
            session: session.id.clone(),
            reason,
        };
        tx.append(Actor::Person, Some(session.user.clone()), event);
        Ok(true)
    }

    /// Whom the session told something, and how each can be asked. Entra comes last: where its
    /// page ends the way, everybody else was asked before. `began`: the party that says to have
    /// begun it, and over which protocol.
    async fn journey(
        &self,
        tx: &mut ReadTx<'_>,
        session: &SessionRow,
        initiator: Initiator,
        began: Option<(&str, Protocol)>,
    ) -> Result<Journey, Error> {
        let (mut stops, mut last) = (Vec::new(), Vec::new());
        for (entity_id, told) in tx.parties_of_session(&session.id).await? {
            let over = began.and_then(|(party, over)| (party == entity_id).then_some(over));
            // Nobody is signed in at the inspector; and a SAML party's answer is its own.
            if over == Some(Protocol::Saml2) || entity_id == self.inspector_entity_id() {
                continue;
            }
            let party = self.find_party(tx, &entity_id).await?;
            let name = party
                .as_ref()
                .map_or_else(|| entity_id.clone(), |party| party.display_name.clone());
            let is_entra = party
                .as_ref()
                .is_some_and(|party| party.kind == RelyingPartyKind::Entra);
            // Its name is in the address, and nobody vouches for it: a party that was told
            // over SAML is asked like any other.
            let has_begun = over == Some(Protocol::WsFed)
                && told.told.as_ref().map(|told| told.protocol) == Some(Protocol::WsFed);
            let stop = if has_begun {
                Stop::that_began(entity_id, name)
            } else {
                let way = party.map_or(Way::None, |party| way_to(&party, &told));
                Stop::new(entity_id, name, way)
            };
            if is_entra { &mut last } else { &mut stops }.push(stop);
        }
        stops.append(&mut last);
        Ok(Journey {
            initiator,
            stops,
            wider: None,
            back: None,
        })
    }

    /// Stores a new sign-out and makes everything of `tx` last. `request`: the party's, by which
    /// it counts once.
    async fn set_out(
        &self,
        mut tx: Tx<'_>,
        session: &SessionRow,
        mut journey: Journey,
        request: Option<(&str, &str)>,
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        let (now, id) = (self.now(), self.with_random(SignOutId::random));
        journey.advance(self.with_random(message_id));
        let asking = journey.asking().map(str::to_owned);
        note_settled(&mut tx, session, &journey);
        let mut row = SignOutRow {
            id: id.clone(),
            browser: Some(session.token.clone()),
            asking,
            stage: 0,
            sealed_state: String::new(),
            expires_at: now.plus(LIFETIME),
        };
        row.sealed_state = self.seal_state(&row, &State::Going(Box::new(journey)))?;
        let inserted = tx
            .insert_sign_out(&row, request, &browser.source, now)
            .await?;
        match inserted {
            InsertSignOut::Inserted => {
                tx.commit().await?;
                Ok(SignOutBegun::Page(id))
            }
            // The same request once more: nothing of this transaction is kept.
            InsertSignOut::Known(id) => Ok(SignOutBegun::Page(id)),
        }
    }

    fn seal_state(&self, row: &SignOutRow, state: &State) -> Result<String, Error> {
        let plain =
            serde_json::to_vec(state).map_err(|error| Error::internal(error.to_string()))?;
        Ok(self.with_random(|random| self.sealing.seal(&place(row), &plain, random)))
    }

    fn open_state(&self, row: &SignOutRow) -> Result<State, Error> {
        let plain = match self.sealing.open(&place(row), &row.sealed_state) {
            Ok(plain) => plain,
            Err(SealError::OtherKey) => return Err(over("sealed under a former master key")),
            Err(error) => return Err(Error::tampering("sign-out", None, &error)),
        };
        serde_json::from_slice(&plain).map_err(|error| Error::internal(error.to_string()))
    }
}

/// Parties that are not asked are written down when the session ends.
fn note_settled(tx: &mut Tx<'_>, session: &SessionRow, journey: &Journey) {
    for stop in &journey.stops {
        if let StopState::Settled(known) = stop.state {
            let event = Event::PartyAskedToSignOut {
                session: session.id.clone(),
                relying_party: stop.relying_party.clone(),
                outcome: known.as_str(),
            };
            tx.append(Actor::System, Some(session.user.clone()), event);
        }
    }
}

/// How a party can be asked to end what it was told of.
fn way_to(party: &RelyingParty, said: &SessionParty) -> Way {
    match &said.told {
        Some(told) => match told.protocol {
            Protocol::Saml2 if party.single_logout.is_some() => saml_way(told, &said.session_index),
            Protocol::WsFed => cleanup_address(party).map_or(Way::None, Way::Frame),
            Protocol::Saml2 | Protocol::ExternalMfa | Protocol::Account => Way::None,
        },
        // A row of a former version.
        None => Way::None,
    }
}

/// A sign-out is kept for its browser: put under another cookie's hash it does not open.
fn place(row: &SignOutRow) -> Place<'_> {
    Place {
        table: "sign_outs",
        column: "sealed_state",
        row: row.id.as_str(),
        owner: row.browser.as_ref().map_or("", |browser| browser.as_str()),
    }
}

fn over(detail: &str) -> Error {
    Error::denied(&SupportCode::SIGN_OUT_OVER, detail)
}
