//! The practice tenant: what Entra ID and Partner Center would do, on loopback.
//!
//! Always true: it trusts nothing that it judges. It reads messages with a
//! verifier of its own, on the libraries directly, and shares with the identity
//! provider only the inspector's rules (and shows them beside its own checks).
//! None of its routes exists in `serve`; `demo` runs it on ports of its own.
//!
//! Read next: [`verifier`] (the checks), [`outcome`] (what follows from them),
//! [`tenant`] (the pages of the way there and back), [`federation`] (the break buttons).

/// A copy of a response without the class reference, re-signed.
pub mod altered;
/// The list of checks and how each ended.
pub mod checks;
/// What is registered about the domains, and what a button breaks.
pub mod federation;
/// The inspector's opinion on the same bytes.
pub mod inspection;
/// The endpoints that applications sign in through.
pub mod oauth;
/// From a judged response to what happens next.
pub mod outcome;
mod pages;
/// What Partner Center makes of an access token.
pub mod partner_center;
mod partner_center_site;
/// Bytes to a document and its fields.
pub mod reading;
/// The AuthnRequest as Entra sends it.
pub mod request;
/// A bounded place in memory.
pub mod shelf;
/// Whose signature it is.
pub mod signature;
mod site;
/// The tenant's routes.
pub mod tenant;
/// Keys that live as long as this process.
pub mod throw_away;
/// The practice access token.
pub mod token;
/// The demo user's desktop TOTP program.
pub mod totp;
/// The tenant's own judgement of a response.
pub mod verifier;
/// What is remembered of one browser.
pub mod visit;

use std::{
    future::IntoFuture,
    sync::{Arc, Mutex},
};

use axum::Router;
use tokio::net::TcpListener;

use crate::base::{
    clock::{Clock, Timestamp},
    random::{Random, random_bytes, random_token},
};

pub use federation::{Break, FederatedDomain, MfaBehavior, PracticeUser, PreferredProtocol};
pub use totp::{Adds, Brings, DemoPerson, DesktopTotp};

use altered::AlterationError;
use oauth::{OAuth, Onward};
use outcome::{Decision, Origin, Outcome};
use throw_away::{ThrowAwayKey, ThrowAwayKeyError};
use token::{Amr, TokenIssuer};
use verifier::{Expectation, ExpectedRequest, RelayStateEcho, RequestState};
use visit::{AcceptedSignIn, LastResponse, SharedVisit, Visits, lock};

/// Why the practice tenant cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PracticeError {
    /// There is nothing to federate with.
    #[error("the practice tenant needs at least one federated domain")]
    NoDomain,
    /// It has no keys.
    #[error("the practice tenant has no keys")]
    Key(#[from] ThrowAwayKeyError),
}

/// What the practice tenant is told when it starts.
pub struct PracticeConfig {
    /// Its own address, `http://127.0.0.1:PORT+1`, without a slash at the end.
    pub own_url: String,
    /// The identity provider's, `http://localhost:PORT`.
    pub idp_url: String,
    /// The practice Partner Center's, `http://127.0.0.1:PORT+2`.
    pub partner_center_url: String,
    /// The entity id in requests and the audience of responses.
    pub entity_id: String,
    /// The federated domains, at least one; the first is the one that `/start` uses.
    pub domains: Vec<FederatedDomain>,
    /// The directory.
    pub users: Vec<PracticeUser>,
    /// What the walk-through page tells about people; only `demo` gives any.
    pub demo_people: Vec<DemoPerson>,
    /// The tenant's clock.
    pub clock: Arc<dyn Clock>,
    /// Ids, RelayState, cookies.
    pub random: Box<dyn Random>,
}

/// The practice tenant and its Partner Center.
pub struct Practice {
    own_url: String,
    idp_url: String,
    partner_center_url: String,
    entity_id: String,
    domains: Vec<FederatedDomain>,
    users: Vec<PracticeUser>,
    demo_people: Vec<DemoPerson>,
    clock: Arc<dyn Clock>,
    random: Mutex<Box<dyn Random>>,
    throw_away: ThrowAwayKey,
    tokens: TokenIssuer,
    visits: Mutex<Visits>,
    handles: partner_center_site::Handles,
    oauth: OAuth,
}

impl Practice {
    /// Makes the tenant with keys of its own.
    pub fn new(config: PracticeConfig) -> Result<Arc<Self>, PracticeError> {
        if config.domains.is_empty() {
            return Err(PracticeError::NoDomain);
        }
        let mut random = config.random;
        let throw_away = ThrowAwayKey::generate("practice tenant, altered copies", &mut *random)?;
        let token_key = ThrowAwayKey::generate("practice tenant, access tokens", &mut *random)?;
        let tenant_id = request::guid(&mut *random);
        let oauth = OAuth::new(&mut *random);
        Ok(Arc::new(Self {
            own_url: config.own_url,
            idp_url: config.idp_url,
            partner_center_url: config.partner_center_url,
            entity_id: config.entity_id,
            domains: config.domains,
            users: config.users,
            demo_people: config.demo_people,
            clock: config.clock,
            random: Mutex::new(random),
            throw_away,
            tokens: TokenIssuer::new(token_key, tenant_id),
            visits: Mutex::default(),
            handles: partner_center_site::Handles::default(),
            oauth,
        }))
    }

    /// The tenant's routes.
    pub fn tenant_router(self: &Arc<Self>) -> Router {
        tenant::router(self)
    }

    /// The practice Partner Center's routes.
    pub fn partner_center_router(self: &Arc<Self>) -> Router {
        partner_center_site::router(self)
    }

    /// The tenant's assertion consumer service.
    pub fn reply_url(&self) -> String {
        format!("{}/login.srf", self.own_url)
    }

    /// The applications that may sign people in here.
    pub fn oauth(&self) -> &OAuth {
        &self.oauth
    }

    /// A name of the tenant for an application's addresses: its first domain.
    pub fn tenant_name(&self) -> &str {
        self.domains
            .first()
            .map_or("organizations", |domain| domain.name.as_str())
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn current_codes(&self) -> Vec<totp::CurrentCode> {
        self.demo_people
            .iter()
            .filter_map(DemoPerson::codes)
            .map(|program| program.code_at(self.now()))
            .collect()
    }

    fn token(&self) -> String {
        random_token(&mut **lock(&self.random))
    }

    fn random_bytes<const N: usize>(&self) -> [u8; N] {
        random_bytes(&mut **lock(&self.random))
    }

    /// The visit of that cookie, or a new one with a new cookie.
    fn visit(&self, cookie: Option<&str>) -> (String, SharedVisit) {
        let mut visits = lock(&self.visits);
        if let Some(cookie) = cookie
            && let Some(visit) = visits.by_cookie(cookie)
        {
            return (cookie.to_owned(), visit);
        }
        let cookie = self.token();
        let visit = visits.begin(cookie.clone());
        (cookie, visit)
    }

    /// Takes a response: finds its request, uses it up, judges.
    fn receive(&self, cookie: Option<&str>, field: String, relay_state: String) -> Received {
        let sender = lock(&self.visits).by_relay_state(&relay_state);
        let (cookie, visit) = sender.unwrap_or_else(|| self.visit(cookie));
        let now = self.now();
        let in_response_to = in_response_to(&field);
        let mut state = lock(&visit);
        let request = state.request_mut(&relay_state, in_response_to.as_deref());
        let mut onward = None;
        let last = match request {
            Some(request) => {
                let expected = ExpectedRequest {
                    id: request.id.clone(),
                    issued_at: request.issued_at,
                    freshness: request.freshness,
                    state: if request.answered {
                        RequestState::Answered
                    } else {
                        RequestState::Open
                    },
                };
                request.answered = true;
                onward = request.onward.take();
                LastResponse {
                    echo: if request.relay_state == relay_state {
                        RelayStateEcho::Exact
                    } else {
                        RelayStateEcho::Changed
                    },
                    expected: Some(expected),
                    request: Some(request.xml.clone()),
                    domain: request.domain,
                    arrived_at: now,
                    field,
                    relay_state,
                }
            }
            None => LastResponse {
                echo: RelayStateEcho::Changed,
                expected: None,
                request: None,
                domain: 0,
                arrived_at: now,
                field,
                relay_state,
            },
        };
        let outcome = Arc::new(self.judge(&last, state.broken));
        state.last = Some(last);
        state.outcome = Some(Arc::clone(&outcome));
        let sign_in = accepted_sign_in(&outcome);
        if sign_in.is_some() {
            state.session.clone_from(&sign_in);
        }
        drop(state);
        Received {
            cookie,
            visit,
            outcome,
            onward: onward.zip(sign_in),
        }
    }

    /// Presses or releases a button, and judges the last response again as of the
    /// instant when it came: a break shows its one rule however long a person reads.
    fn set_break(&self, visit: &SharedVisit, broken: Option<Break>) -> Option<Arc<Outcome>> {
        let mut state = lock(visit);
        state.broken = broken;
        let outcome = state
            .last
            .as_ref()
            .map(|last| Arc::new(self.judge(last, broken)));
        state.outcome.clone_from(&outcome);
        outcome
    }

    fn judge(&self, last: &LastResponse, broken: Option<Break>) -> Outcome {
        let (field, origin) = match self.judged_field(last, broken) {
            Ok(judged) => judged,
            Err(error) => {
                tracing::debug!(%error, "no altered copy; the response is judged as it came");
                (last.field.clone(), Origin::IdentityProvider)
            }
        };
        let broken_here = match origin {
            Origin::IdentityProvider if broken == Some(Break::ClassReferenceDropped) => None,
            _ => broken,
        };
        let domain =
            self.domains[last.domain].as_broken_by(broken_here, self.throw_away.certificate());
        let now = match broken {
            Some(Break::Expired) => last.arrived_at.plus(federation::CLOCK_MOVED_ON),
            _ => last.arrived_at,
        };
        let reply_url = self.reply_url();
        let expectation = Expectation {
            now,
            entity_id: &self.entity_id,
            reply_url: &reply_url,
            domain: &domain,
            users: &self.users,
            request: last.expected.as_ref(),
            relay_state: last.echo,
        };
        let judgement = verifier::judge(&field, &expectation);
        let response_report = inspection::of_response(&field, &expectation);
        let decision = match (
            &judgement.person,
            judgement.multiple_authn,
            domain.mfa_behavior,
        ) {
            (Some(_), _, MfaBehavior::RejectMfaByFederatedIdp) => Decision::MfaIgnored,
            (Some(_), true, MfaBehavior::EnforceMfaByFederatedIdp) => Decision::Accepted,
            (Some(_), false, MfaBehavior::EnforceMfaByFederatedIdp) => Decision::WithoutMfa,
            (None, ..) => Decision::Refused,
        };
        let amr = match decision {
            Decision::Accepted => Some(Amr::PasswordAndMfa),
            Decision::WithoutMfa | Decision::MfaIgnored => Some(Amr::Password),
            Decision::Refused => None,
        };
        let access_token = judgement
            .person
            .as_ref()
            .zip(amr)
            .and_then(|(person, amr)| self.tokens.mint(person, amr, now, token::WEB_SITE));
        let jwks = self.tokens.jwks();
        let partner_center =
            partner_center::judge(access_token.as_deref(), &jwks, &self.tokens.issuer(), now);
        Outcome {
            decision,
            amr,
            response_report,
            token_report: access_token
                .as_deref()
                .filter(|_| decision.hands_out_tokens())
                .map(|token| inspection::of_token(token, &jwks, now)),
            access_token_claims: access_token
                .as_deref()
                .and_then(|token| token::verify(token, &jwks).ok()),
            access_token,
            partner_center,
            person: judgement.person,
            authn_instant: judgement.authn_instant,
            checks: judgement.checks,
            registered: domain.clone(),
            broken,
            origin,
            judged_at: now,
            message: reading::decode_field(&field).unwrap_or_default(),
            request: last.request.clone(),
            relay_state: last.relay_state.clone(),
        }
    }

    fn judged_field(
        &self,
        last: &LastResponse,
        broken: Option<Break>,
    ) -> Result<(String, Origin), AlterationError> {
        if broken == Some(Break::ClassReferenceDropped) {
            let copy = altered::without_class_reference(&last.field, &self.throw_away)?;
            Ok((copy, Origin::AlteredCopy))
        } else {
            Ok((last.field.clone(), Origin::IdentityProvider))
        }
    }
}

/// Serves both sites until one of them fails or `stop` ends.
pub async fn serve(
    practice: &Arc<Practice>,
    tenant: TcpListener,
    partner_center: TcpListener,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let tenant = axum::serve(tenant, practice.tenant_router()).into_future();
    let partner_center =
        axum::serve(partner_center, practice.partner_center_router()).into_future();
    tokio::select! {
        ended = tenant => ended,
        ended = partner_center => ended,
        () = stop => Ok(()),
    }
}

struct Received {
    cookie: String,
    visit: SharedVisit,
    outcome: Arc<Outcome>,
    onward: Option<(Onward, AcceptedSignIn)>,
}

fn accepted_sign_in(outcome: &Outcome) -> Option<AcceptedSignIn> {
    if !outcome.decision.hands_out_tokens() {
        return None;
    }
    Some(AcceptedSignIn {
        person: outcome.person.clone()?,
        amr: outcome.amr?,
        at: outcome.authn_instant?,
    })
}

/// What the response says it answers. Unverified: it only finds the request that
/// the verifier then compares with the signed value.
fn in_response_to(field: &str) -> Option<String> {
    let xml = reading::decode_field(field).ok()?;
    let document = reading::parse_plain(&xml).ok()?;
    reading::attribute(&document, document.document_element()?, "InResponseTo")
}
