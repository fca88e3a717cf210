//! What the practice tenant remembers of one browser.
//!
//! Always true: one browser's buttons and messages never touch another's. A visit
//! is found by its cookie, or by the RelayState that it sent (the POST from the
//! identity provider comes from another site, and carries no Lax cookie).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::base::{clock::Timestamp, text::Upn};

use super::{
    external_mfa::ExternalOutcome,
    federation::{Break, PracticeUser, Protocol},
    judgement::{Arrival, ExpectedRequest, Freshness, RelayStateEcho},
    oauth::{Onward, account::AskedHere, device::Claimed},
    outcome::Outcome,
    token::Amr,
};

/// More browsers than a loopback demo ever sees; the oldest goes.
const MOST_VISITS: usize = 256;
/// More open requests than a person makes; the oldest goes.
const MOST_REQUESTS: usize = 32;

/// A request that left.
#[derive(Clone, Debug)]
pub struct SentRequest {
    /// Its `ID`, or in WS-Federation its `client-request-id`.
    pub id: String,
    /// How it was asked.
    pub protocol: Protocol,
    /// The RelayState, or `wctx`, that went with it.
    pub relay_state: String,
    /// When it left.
    pub issued_at: Timestamp,
    /// Whether it asked for a fresh sign-in.
    pub freshness: Freshness,
    /// Which registered domain it was for.
    pub domain: usize,
    /// The message: XML, or in WS-Federation the address.
    pub message: String,
    /// Whether a response has been taken.
    pub answered: bool,
    /// What follows an accepted response, where it is not Partner Center's page.
    pub onward: Option<Onward>,
}

/// A sign-in that the tenant took: single sign-on for what follows in this browser.
#[derive(Clone, Debug)]
pub struct AcceptedSignIn {
    /// Who.
    pub person: PracticeUser,
    /// What the tenant made of its MFA then.
    pub amr: Amr,
    /// When the person signed in at the identity provider.
    pub at: Timestamp,
}

/// The last response, as it came.
#[derive(Clone, Debug)]
pub struct LastResponse {
    /// What it is written in.
    pub protocol: Protocol,
    /// The form field `SAMLResponse` or `wresult`.
    pub field: String,
    /// The form field `RelayState` or `wctx`.
    pub relay_state: String,
    /// Whether that is what was sent.
    pub echo: RelayStateEcho,
    /// Whether the assertion was here before.
    pub arrival: Arrival,
    /// The request that it answers, as it stood when the response came.
    pub expected: Option<ExpectedRequest>,
    /// That request's message.
    pub request: Option<String>,
    /// Which registered domain it is judged against.
    pub domain: usize,
    /// When it came, by the tenant's own clock.
    pub arrived_at: Timestamp,
}

/// One browser's state.
#[derive(Debug, Default)]
pub struct Visit {
    /// The button that is pressed.
    pub broken: Option<Break>,
    /// The last response.
    pub last: Option<LastResponse>,
    /// Its judgement.
    pub outcome: Option<Arc<Outcome>>,
    /// What came of External MFA, if that was the last round.
    pub external: Option<Arc<ExternalOutcome>>,
    /// The last sign-in that was taken.
    pub session: Option<AcceptedSignIn>,
    /// The device code that waits for this browser's yes or no.
    pub device: Option<Claimed>,
    /// The tenant's own sign-in page that waits for this browser.
    pub asked_here: Option<AskedHere>,
    requests: VecDeque<SentRequest>,
}

impl Visit {
    /// Remembers a request.
    pub fn sent(&mut self, request: SentRequest) {
        if self.requests.len() == MOST_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    /// The sign-in that answers an application now: with MFA if it brought that, and
    /// the switch that ignores it is off. None if the hint names somebody else.
    pub fn session_of(&self, login_hint: Option<&str>) -> Option<AcceptedSignIn> {
        let session = self.session.as_ref()?;
        let hinted = login_hint.and_then(|hint| hint.parse::<Upn>().ok());
        if hinted.is_some_and(|upn| upn != session.person.upn) {
            return None;
        }
        let mut session = session.clone();
        if self.broken == Some(Break::FederatedMfaIgnored) {
            session.amr = Amr::Password;
        }
        Some(session)
    }

    /// The request that a response of this protocol with this RelayState (or `wctx`), or this
    /// `InResponseTo`, answers.
    pub fn request_mut(
        &mut self,
        protocol: Protocol,
        relay_state: &str,
        in_response_to: Option<&str>,
    ) -> Option<&mut SentRequest> {
        let by_state = self
            .requests
            .iter()
            .position(|request| request.protocol == protocol && request.relay_state == relay_state);
        let at = by_state.or_else(|| {
            self.requests.iter().position(|request| {
                request.protocol == protocol && Some(request.id.as_str()) == in_response_to
            })
        })?;
        self.requests.get_mut(at)
    }
}

/// A visit that several requests may hold.
pub type SharedVisit = Arc<Mutex<Visit>>;

/// Locks, also after a panic elsewhere: a visit is never half-written.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All visits.
#[derive(Debug, Default)]
pub struct Visits {
    by_cookie: HashMap<String, SharedVisit>,
    by_relay_state: HashMap<String, String>,
    order: VecDeque<String>,
}

impl Visits {
    /// The visit of that cookie.
    pub fn by_cookie(&self, cookie: &str) -> Option<SharedVisit> {
        self.by_cookie.get(cookie).cloned()
    }

    /// The cookie and visit that sent this RelayState.
    pub fn by_relay_state(&self, relay_state: &str) -> Option<(String, SharedVisit)> {
        let cookie = self.by_relay_state.get(relay_state)?;
        Some((cookie.clone(), self.by_cookie.get(cookie)?.clone()))
    }

    /// A new visit under `cookie`.
    pub fn begin(&mut self, cookie: String) -> SharedVisit {
        if self.order.len() == MOST_VISITS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_cookie.remove(&oldest);
            self.by_relay_state.retain(|_, owner| *owner != oldest);
        }
        let visit = SharedVisit::default();
        self.order.push_back(cookie.clone());
        self.by_cookie.insert(cookie, visit.clone());
        visit
    }

    /// Remembers whose RelayState this is.
    pub fn remember_relay_state(&mut self, relay_state: String, cookie: String) {
        if self.by_relay_state.len() > MOST_VISITS * MOST_REQUESTS {
            self.by_relay_state.clear();
        }
        self.by_relay_state.insert(relay_state, cookie);
    }
}
