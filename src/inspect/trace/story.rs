//! The messages of a trace in order: request → answer → next, each judged.
//!
//! Always true: an answer is judged against the request that the same trace shows
//! before it, at the time when it was sent, unless the operator said otherwise.

use super::{
    super::{
        context::{Consumer, Context, GivenAuthorization, GivenRequest, TraceTime},
        effort::Effort,
        report::{Kind, Outcome, Report, Step, Verdict},
        requests,
        rule::shown,
    },
    Trace,
    entry::{Exchange, Piece, Place},
};

/// How many messages are judged.
const MAX_MESSAGES: usize = 500;
/// How many requests an answer may be the answer to.
const MAX_REQUESTS: usize = 100;

/// The messages, judged by `judge`, which is the whole inspector, and how many were left
/// unread because the trace has too many or too large ones.
pub(in crate::inspect) fn tell(
    trace: &Trace,
    context: &Context,
    effort: &Effort,
    judge: &dyn Fn(&[u8], &Context) -> Report,
) -> (Vec<Step>, usize) {
    let mut teller = Teller {
        given: context,
        asked: None,
        answered: None,
        requests: Vec::new(),
        authorizations: Vec::new(),
        judge,
        steps: Vec::new(),
    };
    let pieces = trace
        .exchanges
        .iter()
        .flat_map(|exchange| exchange.pieces.iter().map(move |piece| (exchange, piece)));
    let mut left_out = 0;
    for (number, (exchange, piece)) in pieces.enumerate() {
        if number < MAX_MESSAGES && effort.may_read() {
            teller.step(exchange, piece);
        } else {
            left_out += 1;
        }
    }
    (teller.steps, left_out)
}

struct Teller<'t> {
    given: &'t Context,
    /// The step of the last request.
    asked: Option<usize>,
    /// The step of the last answer, and whether it counted as multi-factor.
    answered: Option<(usize, Option<bool>)>,
    /// The requests before, the last one last: of several windows, perhaps.
    requests: Vec<GivenRequest>,
    authorizations: Vec<GivenAuthorization>,
    judge: &'t dyn Fn(&[u8], &Context) -> Report,
    steps: Vec<Step>,
}

impl Teller<'_> {
    fn step(&mut self, exchange: &Exchange, piece: &Piece) {
        let mut context = self.given.clone();
        if let (TraceTime::AsRecorded, Some(at)) = (context.trace_time, exchange.at) {
            context.at = at;
        }
        // In a story every message is judged for whom it is.
        context.expect = None;
        if context.request.is_none() {
            context.request = self.requests.last().cloned();
        }
        let known = &mut context.external_mfa;
        if known.authorization.is_none() {
            known.authorization = self.authorizations.last().cloned();
        }
        if piece.place == Place::Answer && known.discovery_url.is_none() {
            known.discovery_url = Some(exchange.address.clone());
        }
        let with_head;
        let bytes = match (&exchange.content_length, piece.place) {
            (Some(length), Place::Answer) => {
                let line = if length.is_empty() {
                    String::new()
                } else {
                    format!("Content-Length: {}\r\n", length.replace(['\r', '\n'], ""))
                };
                with_head = [
                    format!("HTTP/1.1 200\r\n{line}\r\n").as_bytes(),
                    &piece.bytes,
                ]
                .concat();
                &with_head
            }
            _ => &piece.bytes,
        };
        let mut report = (self.judge)(bytes, &context);
        if self.found_request(&report, &mut context) {
            report = (self.judge)(bytes, &context);
        }
        match report.input.kind {
            Kind::Unknown if piece.place == Place::Answer => return,
            Kind::Saml2AuthnRequest => {
                keep(&mut self.requests, requests::authn_request(&piece.bytes));
            }
            Kind::ExternalMfaRequest => {
                let asked = requests::authorization(&piece.bytes);
                keep(&mut self.authorizations, asked);
            }
            _ => {}
        }
        // The browser posts what the page before it showed; the same again is no news.
        let repeats = self.steps.last().is_some_and(|last| {
            last.report.input.kind == report.input.kind
                && last.report.decoded == report.decoded
                && last.address == exchange.address
        });
        if repeats {
            return;
        }
        let number = self.steps.len() + 1;
        let says = self.says(number, exchange, piece, &report);
        self.steps.push(Step {
            number,
            says,
            at: exchange.at,
            method: exchange.method.clone(),
            address: exchange.address.clone(),
            place: piece.place.as_str(),
            status: exchange.status,
            is_mfa_compliant: exchange.is_mfa_compliant.clone(),
            report: Box::new(report),
        });
    }

    /// Whether the answer names another request of this trace than the last one, which
    /// then is in `context`: a recording has all tabs of a window.
    fn found_request(&self, report: &Report, context: &mut Context) -> bool {
        let decoded = &report.decoded;
        let answered = decoded["response"]["in_response_to"]
            .as_str()
            .or_else(|| decoded["assertion"]["in_response_to"][0].as_str());
        if self.given.request.is_none()
            && let Some(id) = answered
            && let [earlier @ .., _] = self.requests.as_slice()
            && let Some(request) = earlier.iter().rev().find(|request| request.id == id)
            && context.request.as_ref() != Some(request)
        {
            context.request = Some(request.clone());
            return true;
        }
        let nonce = decoded["claims"]["nonce"].as_str();
        if self.given.external_mfa.authorization.is_none()
            && nonce.is_some()
            && let [earlier @ .., last] = self.authorizations.as_slice()
            && last.nonce.as_deref() != nonce
            && let Some(asked) = earlier
                .iter()
                .rev()
                .find(|asked| asked.nonce.as_deref() == nonce)
        {
            context.external_mfa.authorization = Some(asked.clone());
            return true;
        }
        false
    }
}

/// The newest last; of too many the oldest goes.
fn keep<T>(all: &mut Vec<T>, one: Option<T>) {
    if all.len() == MAX_REQUESTS {
        all.remove(0);
    }
    all.extend(one);
}

impl Teller<'_> {
    /// What happens in this step.
    fn says(
        &mut self,
        number: usize,
        exchange: &Exchange,
        piece: &Piece,
        report: &Report,
    ) -> String {
        let host = exchange
            .address
            .split_once("://")
            .map_or("", |(_, rest)| rest.split('/').next().unwrap_or(""));
        let host = shown(host, 100);
        match report.input.kind {
            Kind::WsfedRequest if !is_sign_in(report) => "The person is signed out.".to_owned(),
            Kind::Saml2Logout => "The person is signed out.".to_owned(),
            Kind::Saml2AuthnRequest | Kind::WsfedRequest | Kind::ExternalMfaRequest => {
                self.asked = Some(number);
                match self.answered.take() {
                    None => format!("{host} is asked to sign a person in."),
                    Some((step, Some(true))) => format!(
                        "{host} is asked again, although the answer in step {step} counts as multi-factor: something else is missing (a fresh sign-in, another domain)."
                    ),
                    Some((step, _)) => format!(
                        "{host} is asked again: the answer in step {step} did not do. If this repeats it is the redirect loop of enforceMfaByFederatedIdp."
                    ),
                }
            }
            Kind::Saml2Response
            | Kind::Saml2Assertion
            | Kind::WsfedRstr
            | Kind::Saml11Assertion => self.says_of_answer(number, report),
            Kind::Jwt if is_external_answer(report) => self.says_of_answer(number, report),
            Kind::Jwt => match piece.place {
                Place::Authorization => {
                    let status = exchange
                        .status
                        .map_or_else(String::new, |status| format!("; it answers {status}"));
                    format!("The token is used at {host}{status}.")
                }
                _ => format!("{host} hands out a token."),
            },
            _ => format!("{host} shows a document."),
        }
    }

    fn says_of_answer(&mut self, number: usize, report: &Report) -> String {
        let counts = report.verdicts.first().and_then(|verdict| verdict.mfa);
        self.answered = Some((number, counts));
        match self.asked.take() {
            Some(step) => format!("The answer to step {step}."),
            None => "An answer to no request of this trace.".to_owned(),
        }
    }
}

fn is_sign_in(report: &Report) -> bool {
    report.decoded["would_answer"]
        .as_str()
        .is_some_and(|answer| answer.starts_with("a RequestSecurityTokenResponse"))
}

fn is_external_answer(report: &Report) -> bool {
    report.verdict(Consumer::EntraExternalMfa).is_some()
}

/// How it ended: for each consumer the verdict on the last message that it received.
pub(in crate::inspect) fn end(steps: &[Step]) -> Vec<Verdict> {
    Consumer::ALL
        .into_iter()
        .filter_map(|consumer| {
            steps
                .iter()
                .rev()
                .filter_map(|step| step.report.verdict(consumer))
                .find(|verdict| verdict.outcome != Outcome::NotApplicable)
                .cloned()
        })
        .collect()
}
