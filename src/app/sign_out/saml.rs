//! What parties send to `/saml2/slo`: who asks, whom it is about, and what it is answered.
//!
//! Why these answers. Nobody is signed in here: Success, because what was asked for is so
//! (somebody whose session ran out would otherwise see an error of the application at every
//! sign-out). Somebody is, but this party was told of another person or session, or of none:
//! UnknownPrincipal, and the session stays. Nobody is any more, but the sign-out is under way and not
//! every other party has said that it signed the person out: Success with PartialLogout, as SAML core
//! 3.7.3.2 has a session authority say it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Initiator, Journey, Known, Scope, SignOutBegun, State, note_settled, over, under_way::PATIENCE,
};
use crate::{
    app::{
        App, Error,
        error::{Category, SupportCode},
        saml::{chain, sole_issuer},
        sign_in::Browser,
    },
    audit::Refused,
    base::{clock::Timestamp, ids::SessionId, text::DomainName},
    protocol::assertion::message_id,
    protocol::saml::{
        authn_request::RequestWindow,
        binding::Binding,
        logout::{
            LogoutArrival, LogoutError, UnverifiedLogout,
            outgoing::{LogoutResponse, LogoutStatus, encode_response},
            request::{LogoutSubject, UnverifiedLogoutRequest, VerifiedLogoutRequest},
            response::UnverifiedLogoutResponse,
        },
    },
    relying_party::{RelyingParty, SingleLogout},
    session::SessionRow,
    signin::request::Protocol,
    storage::{ReadTx, SessionParty, SignOutRow},
};

/// How slow a party's clock may be: by so much a request may seem older than the session that
/// it ends.
const SLOW_CLOCK: Duration = Duration::from_mins(1);

/// A party's verified request.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct LogoutAsked {
    pub(super) relying_party: String,
    pub(super) request_id: String,
    pub(super) relay_state: Option<String>,
    /// When its party made it; none in what a former version kept.
    #[serde(default)]
    made_at_millis: Option<i64>,
    subject: LogoutSubject,
    /// Who may speak if the session does not say it.
    issuer: Option<String>,
}

/// Whom a party means by its request, in this browser.
enum Meant {
    /// This browser's session; who may speak of it.
    This(Box<SessionRow>, String),
    /// Somebody is signed in, and it is not meant: which session.
    Another(SessionId, Option<String>),
    /// Nobody is signed in.
    Nobody(Option<String>),
}

impl App {
    /// Takes a message of single logout. `domain`: the one of `?domain=`.
    pub async fn take_logout(
        &self,
        parsed: Result<UnverifiedLogout, LogoutError>,
        domain: Option<&str>,
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        let taken = self.logout_taken(parsed, domain, browser).await;
        self.noting_tampering(taken).await
    }

    async fn logout_taken(
        &self,
        parsed: Result<UnverifiedLogout, LogoutError>,
        domain: Option<&str>,
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        let parsed = parsed.map_err(|error| self.malformed_logout(&error))?;
        let mut tx = self.store.read().await?;
        let Some(party) = self.find_party(&mut tx, parsed.issuer()).await? else {
            self.count_refused(Refused::UnknownParty);
            let detail = format!(
                "a sign-out message of {:?}, which is not registered",
                parsed.issuer()
            );
            return Err(Error::denied(&SupportCode::SIGN_OUT_PARTY, detail));
        };
        let domains = tx.domains().await?;
        drop(tx);
        match parsed {
            UnverifiedLogout::Request(request) => {
                let domain: Option<DomainName> = domain.and_then(|name| name.parse().ok());
                let issuer = sole_issuer(&domains, domain.as_ref());
                self.logout_asked(request, &party, issuer, browser).await
            }
            UnverifiedLogout::Response(response) => self.logout_answered(response, &party).await,
        }
    }

    async fn logout_asked(
        &self,
        request: UnverifiedLogoutRequest,
        party: &RelyingParty,
        issuer: Option<String>,
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        let binding = request.binding();
        let slo_url = self.settings.slo_url();
        let VerifiedLogoutRequest {
            relying_party,
            request_id,
            relay_state,
            made_at,
            subject,
        } = request
            .verify(party, &self.logout_arrival(&slo_url))
            .map_err(|error| self.malformed_logout(&error))?;
        let asked = LogoutAsked {
            relying_party,
            request_id,
            relay_state,
            made_at_millis: Some(made_at.as_millis()),
            subject,
            issuer,
        };
        match binding {
            Binding::Redirect => self.end_by_party(asked, None, browser).await,
            Binding::Post => self.keep_asked(asked, browser).await,
        }
    }

    /// Ends this browser's session if it is the one that the party means. `kept`: where the
    /// request is kept, if it came by a form.
    pub(super) async fn end_by_party(
        &self,
        asked: LogoutAsked,
        kept: Option<SignOutRow>,
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        let mut tx = self.store.read().await?;
        let meant = self.meant_by(&mut tx, &asked, browser).await?;
        drop(tx);
        // Strangers take no write lock.
        let (issuer, status) = match meant {
            Meant::This(session, issuer) => {
                return self
                    .end_meant((*session, issuer), asked, kept, browser)
                    .await;
            }
            Meant::Another(session, issuer) => {
                self.count_refused(Refused::RefusedParameters);
                return self.refuse((&asked, issuer), &session, browser).await;
            }
            Meant::Nobody(issuer) => (issuer, self.status_so_far(&asked, browser).await?),
        };
        let begun = self
            .answer_logout((&asked, issuer, status), browser)
            .await?;
        match (begun, status, kept) {
            (
                SignOutBegun::Answer(outgoing),
                LogoutStatus::Ended | LogoutStatus::Partly,
                Some(row),
            ) => self.keep_signed(row, asked, outgoing).await,
            (begun, ..) => Ok(begun),
        }
    }

    /// What a party is told that asks where nobody is signed in any more.
    async fn status_so_far(
        &self,
        asked: &LogoutAsked,
        browser: &Browser,
    ) -> Result<LogoutStatus, Error> {
        let Some(session) = &browser.session else {
            return Ok(LogoutStatus::Ended);
        };
        let mut tx = self.store.read().await?;
        let row = tx.sign_out_of_browser(&session.hash(), self.now()).await?;
        let Some(row) = row else {
            return Ok(LogoutStatus::Ended);
        };
        Ok(match self.open_state(&row)? {
            State::Going(journey) => journey.status_for(Some(&asked.relying_party)),
            State::Arrived(_) | State::Answered(_) => LogoutStatus::Ended,
        })
    }

    async fn meant_by(
        &self,
        tx: &mut ReadTx<'_>,
        asked: &LogoutAsked,
        browser: &Browser,
    ) -> Result<Meant, Error> {
        let session = self.session_of(tx, browser).await?;
        let said = match &session {
            Some(session) => {
                let party = &asked.relying_party;
                tx.party_of_session(&session.id, party).await?
            }
            None => None,
        };
        // Whoever told the party speaks to it.
        let told = said.as_ref().and_then(|said| said.told.as_ref());
        let issuer = told
            .map(|told| told.issuer.clone())
            .or_else(|| asked.issuer.clone());
        let Some(session) = session.filter(|session| session.revoked_at.is_none()) else {
            return Ok(Meant::Nobody(issuer));
        };
        let is_meant = said.is_some_and(|said| is_meant(&said, asked))
            && !began_since(&session, asked)
            && !self.was_refused(tx, asked, &session.id).await?;
        Ok(match issuer {
            Some(issuer) if is_meant => Meant::This(Box::new(session), issuer),
            issuer => Meant::Another(session.id, issuer),
        })
    }

    async fn end_meant(
        &self,
        (session, issuer): (SessionRow, String),
        asked: LogoutAsked,
        kept: Option<SignOutRow>,
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        let mut tx = self.store.begin().await?;
        if !self
            .end_here(&mut tx, &session, "asked-by-relying-party", browser)
            .await?
        {
            drop(tx);
            let status = self.status_so_far(&asked, browser).await?;
            let of = (&asked, Some(issuer), status);
            return self.answer_logout(of, browser).await;
        }
        let began = Some((asked.relying_party.as_str(), Protocol::Saml2));
        let initiator = Initiator::Saml {
            relying_party: asked.relying_party.clone(),
            request_id: asked.request_id.clone(),
            relay_state: asked.relay_state.clone(),
            issuer,
        };
        let mut journey = self.journey(&mut tx, &session, initiator, began).await?;
        let Some(mut row) = kept else {
            let request = (asked.relying_party.as_str(), asked.request_id.as_str());
            return self
                .set_out(tx, &session, journey, Some(request), browser)
                .await;
        };
        journey.advance(self.with_random(message_id));
        note_settled(&mut tx, &session, &journey);
        row.asking = journey.asking().map(str::to_owned);
        row.browser = Some(session.token.clone());
        row.sealed_state = self.seal_state(&row, &State::Going(Box::new(journey)))?;
        if !tx.step_sign_out(&row, self.now()).await? {
            // Another request of the same page was quicker: its list stands.
            return Ok(SignOutBegun::Page(row.id));
        }
        tx.commit().await?;
        Ok(SignOutBegun::Page(row.id))
    }

    /// The answer to a request that ended nothing here. Anybody can have one, so many and no
    /// more: a signature may be dear. Without it the browser stays here, and is told as much.
    async fn answer_logout(
        &self,
        (asked, issuer, status): (&LogoutAsked, Option<String>, LogoutStatus),
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        let over = SignOutBegun::Over(Scope::Here);
        let Some(way) = self.way_of_answer(asked, issuer).await? else {
            return self.under_way_or(over, browser).await;
        };
        let limit = self.settings.open_attempts_per_source;
        let place = self.strangers.place(&browser.source, limit, self.now());
        let Some(_place) = place.await else {
            self.count_refused(Refused::SourceLimit);
            return self.under_way_or(over, browser).await;
        };
        self.signed_answer(asked, way, status).await
    }

    /// Where the party is answered, and who speaks; none: it cannot be answered.
    pub(super) async fn way_of_answer(
        &self,
        asked: &LogoutAsked,
        issuer: Option<String>,
    ) -> Result<Option<(SingleLogout, String)>, Error> {
        let mut tx = self.store.read().await?;
        let party = self.find_party(&mut tx, &asked.relying_party).await?;
        let to = party.and_then(|party| party.single_logout);
        Ok(to.zip(issuer))
    }

    pub(super) async fn signed_answer(
        &self,
        asked: &LogoutAsked,
        (to, issuer): (SingleLogout, String),
        status: LogoutStatus,
    ) -> Result<SignOutBegun, Error> {
        let mut tx = self.store.read().await?;
        let key = self.signing_key(&mut tx).await?;
        drop(tx);
        let (id, now) = (self.with_random(message_id), self.now());
        let asked = asked.clone();
        let signing = self.with_key(&key, move |key| {
            let response = LogoutResponse {
                id,
                in_response_to: &asked.request_id,
                issuer: &issuer,
                status,
                now,
            };
            encode_response(&response, &to, asked.relay_state.as_deref(), key)
        });
        Ok(SignOutBegun::Answer(signing.await?))
    }

    /// A party answers our request: it counts once, for the party that was asked. It needs no
    /// cookie (a form brings none): the id that it answers is known to that party and to the
    /// browser that carried it, and to nobody else.
    async fn logout_answered(
        &self,
        response: UnverifiedLogoutResponse,
        party: &RelyingParty,
    ) -> Result<SignOutBegun, Error> {
        let asked_by = response.in_response_to().to_owned();
        // Anybody can send one: nothing is locked before it is known to be waited for.
        let mut tx = self.store.read().await?;
        self.waiting_for(&mut tx, &asked_by, party).await?;
        drop(tx);
        let slo_url = self.settings.slo_url();
        let known: Known = response
            .verify(party, &self.logout_arrival(&slo_url))
            .map_err(|error| self.malformed_logout(&error))?
            .into();
        for _ in 0..PATIENCE {
            let mut tx = self.store.begin().await?;
            let (row, mut journey) = self.waiting_for(&mut tx, &asked_by, party).await?;
            let id = row.id.clone();
            journey.settle(known);
            let settled = [(party.entity_id.as_str(), known)];
            if self.go_on(tx, row, journey, &settled).await? {
                return Ok(SignOutBegun::Page(id));
            }
        }
        Err(over("a sign-out that many requests go on with at once"))
    }

    /// The sign-out in which this party is asked by the request `asked_by` and has not answered.
    async fn waiting_for(
        &self,
        tx: &mut ReadTx<'_>,
        asked_by: &str,
        party: &RelyingParty,
    ) -> Result<(SignOutRow, Journey), Error> {
        let row = tx.sign_out_asking(asked_by).await?;
        let Some(row) = row.filter(|row| self.now() < row.expires_at) else {
            return Err(over("a LogoutResponse to a request that waits for none"));
        };
        let State::Going(journey) = self.open_state(&row)? else {
            return Err(over("a LogoutResponse to a sign-out that asked nobody"));
        };
        let is_asked = journey.asked().is_some_and(|stop| {
            stop.relying_party == party.entity_id.as_str() && journey.asking() == Some(asked_by)
        });
        if !is_asked {
            return Err(over("a LogoutResponse of another party than was asked"));
        }
        Ok((row, *journey))
    }

    fn logout_arrival<'a>(&self, slo_url: &'a str) -> LogoutArrival<'a> {
        LogoutArrival {
            slo_url,
            now: self.now(),
            window: RequestWindow::default(),
        }
    }

    fn malformed_logout(&self, error: &LogoutError) -> Error {
        self.count_refused(Refused::MalformedRequest);
        let category = match error {
            LogoutError::Sender(_) => Category::Denied,
            _ => Category::Invalid,
        };
        Error::new(category, &SupportCode::SIGN_OUT_MALFORMED, chain(error))
    }
}

/// Whether this is what the party means.
fn is_meant(said: &SessionParty, asked: &LogoutAsked) -> bool {
    said.told.as_ref().is_some_and(|told| {
        told.protocol == Protocol::Saml2
            && asked
                .subject
                .is(&told.name_id, &told.issuer, &said.session_index)
    })
}

/// Whether the session began since the request was made, and is not named by it: a request that
/// ended nothing is not remembered, and must not end what comes later when it is sent once more
/// (attack 15). One that names its session can mean no other.
fn began_since(session: &SessionRow, asked: &LogoutAsked) -> bool {
    !asked.subject.names_a_session()
        && asked.made_at_millis.is_some_and(|at| {
            let at = Timestamp::from_millis(at);
            at.plus(SLOW_CLOCK) < session.created_at
        })
}
