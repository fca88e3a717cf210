//! The routes: the page, the way there, and the way back.
//!
//! Always true: an answer is judged before anything of it is shown, and used up by that; an
//! accepted one goes on to Partner Center as the other doors' do.

use std::sync::Arc;

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{get, post},
};
use serde::Deserialize;

use super::{
    ExternalMethod, ExternalOutcome, FirstFactor,
    answer::{self, Answer},
    metadata::Provider,
    pages::{ExternalResult, ExternalStart},
    request::{Asked, REPLY_PATH},
};
use crate::{
    base::text::Upn,
    practice::{
        Practice,
        checks::{Check, CheckOutcome},
        directory::Person,
        graph::sign_ins::SignIn,
        judgement::RequestState,
        pages,
        site::{Forms, cookie, page, set_cookie},
        tenant::{VISIT, to_partner_center},
        visit::{AcceptedSignIn, SharedVisit, lock},
    },
};

/// No form is larger.
const LARGEST_FORM: usize = 256 * 1024;
/// No more people are offered; others are typed into the address.
const MOST_PEOPLE: usize = 50;
/// "Authentication failed during strong authentication request": what Entra's sign-in log says
/// of a second factor that did not come.
const NO_SECOND_FACTOR: u32 = 500_121;

type Tenant = State<Arc<Practice>>;

/// The routes.
pub(in crate::practice) fn router(practice: &Arc<Practice>) -> Router {
    Router::new()
        .route("/external-mfa", get(choose))
        .route("/external-mfa/start", get(start))
        .route(REPLY_PATH, post(receive))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(Arc::clone(practice))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StartQuery {
    username: String,
    first: String,
}

async fn choose(
    State(practice): Tenant,
    headers: HeaderMap,
    Query(query): Query<StartQuery>,
) -> Response {
    let (value, visit) = practice.visit(cookie(&headers, VISIT));
    let judged = lock(&visit).external.is_some();
    let shown = shown(&practice, StatusCode::OK, &query.username, None, judged);
    set_cookie(shown, VISIT, &value)
}

fn shown(
    practice: &Practice,
    status: StatusCode,
    chosen: &str,
    problem: Option<&'static str>,
    judged: bool,
) -> Response {
    let people = {
        let directory = lock(&practice.directory);
        (0..directory.people_count())
            .filter_map(|number| directory.person(number))
            .filter(|person| !practice.is_emergency(&person.upn))
            .take(MOST_PEOPLE)
            .map(|person| person.upn.to_string())
            .collect()
    };
    let start = ExternalStart {
        practice,
        method: practice.external_method(),
        people,
        chosen,
        problem,
        judged,
    };
    page(status, &start, Forms::Own)
}

async fn start(
    State(practice): Tenant,
    headers: HeaderMap,
    Query(query): Query<StartQuery>,
) -> Response {
    let (value, visit) = practice.visit(cookie(&headers, VISIT));
    let judged = lock(&visit).external.is_some();
    let problem = |status, words| {
        set_cookie(
            shown(&practice, status, &query.username, Some(words), judged),
            VISIT,
            &value,
        )
    };
    let Some(method) = practice.external_method() else {
        return problem(StatusCode::CONFLICT, "No external method is enabled here.");
    };
    let first = match query.first.as_str() {
        "" => Some(FirstFactor::default()),
        name => FirstFactor::ALL
            .into_iter()
            .find(|factor| factor.as_str() == name),
    };
    let person = query
        .username
        .trim()
        .parse::<Upn>()
        .ok()
        .and_then(|upn| lock(&practice.directory).by_upn(&upn));
    let (Some(person), Some(first)) = (person, first) else {
        return problem(
            StatusCode::NOT_FOUND,
            "There is no such person, or no such first factor.",
        );
    };
    if !person.enabled {
        return problem(
            StatusCode::CONFLICT,
            "The account is disabled: Entra would not even ask for the first factor.",
        );
    }
    let provider = match practice.ready(&method).await {
        Ok(provider) => provider,
        Err(before) => {
            let outcome = practice.not_usable(before);
            return set_cookie(keep(&visit, outcome), VISIT, &value);
        }
    };
    let asked = practice.ask_for_second_factor(method, Person::as_user(&person), first);
    let Some((asked, fields)) = asked else {
        return problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The hint could not be signed.",
        );
    };
    lock(&practice.visits).remember_relay_state(asked.state, value.clone());
    let form = pages::Post {
        target: &provider.authorization_endpoint,
        fields,
        pretty: asked.shown,
    };
    set_cookie(
        page(StatusCode::OK, &form, Forms::Unrestricted),
        VISIT,
        &value,
    )
}

#[derive(Deserialize)]
struct AnswerForm {
    id_token: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

async fn receive(
    State(practice): Tenant,
    headers: HeaderMap,
    Form(form): Form<AnswerForm>,
) -> Response {
    let answer = Answer {
        id_token: form.id_token,
        state: form.state,
        error: form.error,
        error_description: form.error_description,
    };
    let state = answer.state.clone().unwrap_or_default();
    // The form comes from another site, without the Lax cookie: the state says whose it is.
    let sender = lock(&practice.visits).by_relay_state(&state);
    let (value, visit) = sender.unwrap_or_else(|| practice.visit(cookie(&headers, VISIT)));
    let asked = practice.take_asked(&state);
    let outcome = match asked {
        None => {
            let judgement = answer::judge(&answer, None, practice.now());
            practice.conclude(answer, None, judgement)
        }
        Some(asked) => match practice.published(&asked.method.discovery_url).await {
            Err(before) => practice.not_usable(before),
            Ok(provider) => {
                let party = Some((&asked, &*provider));
                let judgement = answer::judge(&answer, party, practice.now());
                practice.conclude(answer, party, judgement)
            }
        },
    };
    practice.write_down(&outcome);
    if let (Some(asked), Some(amr)) = (&outcome.asked, outcome.amr) {
        lock(&visit).session = Some(AcceptedSignIn {
            person: asked.person.clone(),
            amr,
            at: outcome.judged_at,
        });
    }
    let token = outcome.access_token.clone();
    let result = keep(&visit, outcome);
    let response = match token {
        Some(token) => to_partner_center(&practice, token),
        None => result,
    };
    set_cookie(response, VISIT, &value)
}

/// Remembers what came of it, and shows it.
fn keep(visit: &SharedVisit, outcome: ExternalOutcome) -> Response {
    let outcome = Arc::new(outcome);
    lock(visit).external = Some(Arc::clone(&outcome));
    let status = if outcome.accepted() {
        StatusCode::OK
    } else {
        StatusCode::FORBIDDEN
    };
    page(status, &ExternalResult::of(&outcome), Forms::Own)
}

impl Practice {
    /// The method as it may be used now: what it publishes and what is registered about it.
    async fn ready(&self, method: &ExternalMethod) -> Result<Arc<Provider>, Vec<Check>> {
        let provider = self.published(&method.discovery_url).await?;
        let own = method.checks(&provider);
        if own
            .iter()
            .all(|check| check.outcome == CheckOutcome::Passed)
        {
            return Ok(provider);
        }
        let mut before = provider.checks.clone();
        before.extend(own);
        Err(before)
    }

    /// The request of that state, as it was until now; from now on it is answered.
    fn take_asked(&self, wanted: &str) -> Option<Asked> {
        let mut requests = lock(&self.external_mfa.asked);
        let present = requests.get_mut(wanted)?;
        let before = present.clone();
        present.taken = RequestState::Answered;
        Some(before)
    }

    fn is_emergency(&self, upn: &Upn) -> bool {
        self.emergency_administrators()
            .iter()
            .any(|one| one.upn == *upn)
    }

    /// For the sign-in log that Graph shows.
    fn write_down(&self, outcome: &ExternalOutcome) {
        let Some(asked) = &outcome.asked else {
            return;
        };
        let failed = outcome.refusal().filter(|_| !outcome.accepted());
        lock(&self.sign_ins).add(SignIn {
            id: self.guid(),
            at: outcome.judged_at,
            person: Some(asked.person.clone()),
            amr: outcome.amr,
            error_code: failed.map_or(0, |check| check.aadsts.parse().unwrap_or(NO_SECOND_FACTOR)),
            failure: failed.map(|check| check.title.to_owned()),
        });
    }
}
