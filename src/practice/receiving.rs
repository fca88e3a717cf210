//! A response arrives: its request is found and used up, and it is judged by what is
//! registered at that moment.
//!
//! Always true: a response is judged as of the instant when it came; what is written down as
//! a sign-in is what came of that judgement, not of a button that was pressed later.

use std::sync::Arc;

use super::{
    Practice,
    altered::{self, AlterationError},
    checks::CheckOutcome,
    federation::{self, Break, FederatedDomain, MfaBehavior, Protocol},
    graph::sign_ins::SignIn,
    inspection,
    judgement::{Arrival, Expectation, ExpectedRequest, RelayStateEcho, RequestState},
    oauth::Onward,
    outcome::{Decision, Origin, Outcome},
    partner_center, reading,
    token::{self, Amr},
    verifier,
    visit::{AcceptedSignIn, LastResponse, SharedVisit, lock},
    wsfed,
};

/// An answer as it comes to `login.srf`.
pub(super) struct Answer {
    /// What it is written in.
    pub(super) protocol: Protocol,
    /// `SAMLResponse` or `wresult`.
    pub(super) field: String,
    /// `RelayState` or `wctx`.
    pub(super) relay_state: String,
}

impl Practice {
    /// Takes a response: finds its request, uses it up, judges.
    pub(super) fn receive(&self, cookie: Option<&str>, answer: Answer) -> Received {
        let Answer {
            protocol,
            field,
            relay_state,
        } = answer;
        let sender = lock(&self.visits).by_relay_state(&relay_state);
        let (cookie, visit) = sender.unwrap_or_else(|| self.visit(cookie));
        let now = self.now();
        let in_response_to = match protocol {
            Protocol::Saml2 => in_response_to(&field),
            Protocol::WsFed => None,
        };
        let arrival = self.arrival(protocol, &field);
        let mut state = lock(&visit);
        let request = state.request_mut(protocol, &relay_state, in_response_to.as_deref());
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
                    protocol,
                    arrival,
                    echo: if request.relay_state == relay_state {
                        RelayStateEcho::Exact
                    } else {
                        RelayStateEcho::Changed
                    },
                    expected: Some(expected),
                    request: Some(request.message.clone()),
                    domain: request.domain,
                    arrived_at: now,
                    field,
                    relay_state,
                }
            }
            None => LastResponse {
                protocol,
                arrival,
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
        state.external = None;
        let sign_in = accepted_sign_in(&outcome);
        self.remember(&outcome);
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
    pub(super) fn set_break(
        &self,
        visit: &SharedVisit,
        broken: Option<Break>,
    ) -> Option<Arc<Outcome>> {
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
        let directory = lock(&self.directory);
        let domain = directory
            .federated(last.domain)
            .or_else(|| {
                let domain = directory.domains().get(last.domain)?;
                Some(FederatedDomain::none(domain.name.clone()))
            })
            .unwrap_or_else(|| FederatedDomain::none(self.initial_domain.clone()))
            .as_broken_by(broken_here, self.throw_away.certificate());
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
            users: &directory,
            request: last.expected.as_ref(),
            relay_state: last.echo,
            arrival: last.arrival,
        };
        let judgement = match last.protocol {
            Protocol::Saml2 => verifier::judge(&field, &expectation),
            Protocol::WsFed => wsfed::verifier::judge(&field, &expectation),
        };
        let response_report = inspection::of_response(last.protocol, &field, &expectation);
        drop(directory);
        let decision = match (
            &judgement.person,
            !judgement.mfa_places.is_empty(),
            domain.mfa_behavior,
        ) {
            (Some(_), _, MfaBehavior::RejectMfaByFederatedIdp) => Decision::MfaIgnored,
            (Some(_), true, _) => Decision::Accepted,
            // With “accept” Entra would ask for its own second factor; there is none here.
            (Some(_), false, _) => Decision::WithoutMfa,
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
            mfa_places: judgement.mfa_places,
            assertion_id: judgement.assertion_id,
            protocol: last.protocol,
            registered: domain.clone(),
            broken,
            origin,
            judged_at: now,
            message: match last.protocol {
                Protocol::Saml2 => reading::decode_field(&field).unwrap_or_default(),
                Protocol::WsFed => field,
            },
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
            let copy = match last.protocol {
                Protocol::Saml2 => altered::without_class_reference(&last.field, &self.throw_away),
                Protocol::WsFed => wsfed::altered::without_mfa(&last.field, &self.throw_away),
            }?;
            Ok((copy, Origin::AlteredCopy))
        } else {
            Ok((last.field.clone(), Origin::IdentityProvider))
        }
    }

    /// Whether an assertion of this id, signed with a registered key, was here before.
    fn arrival(&self, protocol: Protocol, field: &str) -> Arrival {
        let id = match protocol {
            Protocol::Saml2 => None, // its InResponseTo says it
            Protocol::WsFed => wsfed::reading::claimed_id(field),
        };
        match id.and_then(|id| lock(&self.assertions).get(&id).copied()) {
            Some(()) => Arrival::Repeated,
            None => Arrival::First,
        }
    }

    /// For the sign-in log that Graph shows, and so that no assertion counts twice.
    fn remember(&self, outcome: &Outcome) {
        let failed = outcome
            .checks
            .iter()
            .find(|check| check.outcome == CheckOutcome::Failed);
        let refused = !outcome.decision.hands_out_tokens();
        if let (Protocol::WsFed, Some(id)) = (outcome.protocol, &outcome.assertion_id) {
            lock(&self.assertions).put(id.clone(), ());
        }
        lock(&self.sign_ins).add(SignIn {
            id: self.guid(),
            at: outcome.judged_at,
            person: outcome.person.clone(),
            amr: outcome.amr.filter(|_| !refused),
            error_code: failed
                .filter(|_| refused)
                .and_then(|check| check.aadsts.parse().ok())
                .unwrap_or_default(),
            failure: failed
                .filter(|_| refused)
                .map(|check| check.title.to_owned()),
        });
    }
}

pub(super) struct Received {
    pub(super) cookie: String,
    pub(super) visit: SharedVisit,
    pub(super) outcome: Arc<Outcome>,
    pub(super) onward: Option<(Onward, AcceptedSignIn)>,
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
