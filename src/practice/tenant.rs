//! The tenant's routes: there (`/start`), back (`/login.srf`), and what came of it.
//!
//! Always true: a response is judged before anything is shown of it, an accepted
//! one is answered with a redirect to another origin, as Entra does, and the
//! access token never stands in an address.

use std::sync::Arc;

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    Break, Practice, active_site,
    asking::{self, Ask},
    external_mfa::{self, ExternalOutcome, ExternalResult},
    federation::Protocol,
    graph, oauth,
    outcome::Outcome,
    pages,
    receiving::Answer,
    registering,
    request::{Binding, Wish},
    signing_out,
    site::{self, Forms, cookie, page, set_cookie},
    visit::lock,
};
use crate::base::text::Upn;

/// The cookie of a visit to the tenant.
pub(super) const VISIT: &str = "practice_visit";
/// Larger than any response, smaller than a nuisance.
const LARGEST_FORM: usize = 1024 * 1024;

type Tenant = State<Arc<Practice>>;

pub(super) fn router(practice: &Arc<Practice>) -> Router {
    let mut routes = Router::new()
        .route("/", get(home))
        .route("/metadata", get(metadata))
        .route("/start", get(start))
        .route("/login.srf", post(receive).get(signing_out::clean_up))
        .route("/sign-out", get(signing_out::sign_out))
        .route("/active", post(active_site::judge))
        .route("/result", get(result))
        .route("/last.json", get(last))
        .route("/onward", get(onward))
        .route("/break", post(set_break))
        .route("/keys", get(keys));
    if practice.is_demo() {
        routes = routes.route("/registration", post(registering::register));
    }
    if practice
        .demo_people
        .iter()
        .any(|person| person.codes().is_some())
    {
        routes = routes
            .route("/totp", get(desktop_totp))
            .route("/totp.json", get(desktop_totp_json));
    }
    let routes = routes
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(Arc::clone(practice))
        .merge(oauth::router(practice))
        .merge(external_mfa::router(practice))
        .merge(graph::router(practice));
    site::frame(routes, &practice.own_url)
}

async fn home(State(practice): Tenant, headers: HeaderMap) -> Response {
    let (value, visit) = practice.visit(cookie(&headers, VISIT));
    let (broken, judged, signed_in) = {
        let state = lock(&visit);
        let signed_in = state.session.as_ref().map(|one| one.person.upn.to_string());
        (
            state.broken,
            state.outcome.is_some() || state.external.is_some(),
            signed_in,
        )
    };
    let home = pages::Home {
        external: practice.external_method().map(|method| method.name),
        registered: practice.first_registered(),
        practice: &practice,
        broken,
        judged,
        signed_in,
    };
    set_cookie(page(StatusCode::OK, &home, Forms::Own), VISIT, &value)
}

async fn metadata(State(practice): Tenant) -> Response {
    let metadata = pages::Metadata {
        entity_id: &practice.entity_id,
        reply_url: practice.reply_url(),
    };
    match askama::Template::render(&metadata) {
        Ok(xml) => (
            [(header::CONTENT_TYPE, "application/samlmetadata+xml")],
            xml,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Deserialize)]
struct StartQuery {
    binding: Option<Binding>,
    force_authn: Option<String>,
    mfa: Option<String>,
    is_passive: Option<String>,
    domain: Option<String>,
    username: Option<String>,
}

async fn start(
    State(practice): Tenant,
    headers: HeaderMap,
    Query(query): Query<StartQuery>,
) -> Response {
    // As Entra's home realm discovery: the name decides whose identity provider is asked.
    let named = query
        .username
        .as_deref()
        .and_then(|name| name.trim().parse::<Upn>().ok());
    let at = {
        let directory = lock(&practice.directory);
        match (query.domain.as_deref(), &named) {
            (None, None) => Some(directory.first()),
            (None, Some(upn)) => directory.place_of(&upn.domain()),
            (Some(name), _) => directory
                .domains()
                .iter()
                .position(|domain| domain.name.as_str() == name),
        }
    };
    let Some(at) = at else {
        return (
            StatusCode::NOT_FOUND,
            "No such domain is federated here. Leave out “domain” and “username”.\n",
        )
            .into_response();
    };
    let wish = match (query.force_authn, query.mfa, query.is_passive) {
        (Some(_), Some(_), _) => Wish::FreshMfa,
        (Some(_), None, _) => Wish::FreshSignIn,
        (None, Some(_), _) => Wish::Mfa,
        (None, None, Some(_)) => Wish::Passive,
        (None, None, None) => Wish::Anything,
    };
    let (value, visit) = practice.visit(cookie(&headers, VISIT));
    let ask = Ask {
        domain: at,
        wish,
        binding: query.binding,
        hint: named.map(|upn| upn.to_string()),
        onward: None,
    };
    asking::ask_identity_provider(&practice, &value, &visit, ask)
}

#[derive(Deserialize)]
struct LoginForm {
    #[serde(rename = "SAMLResponse", default)]
    response: String,
    #[serde(rename = "SAMLRequest")]
    logout: Option<String>,
    #[serde(rename = "RelayState", default)]
    relay_state: String,
    wa: Option<String>,
    #[serde(default)]
    wresult: String,
    #[serde(default)]
    wctx: String,
}

async fn receive(
    State(practice): Tenant,
    headers: HeaderMap,
    Form(form): Form<LoginForm>,
) -> Response {
    if let Some(request) = &form.logout {
        return signing_out::answer_logout(&practice, &headers, request);
    }
    let answer = match form.wa.as_deref() {
        None => Answer {
            protocol: Protocol::Saml2,
            field: form.response,
            relay_state: form.relay_state,
        },
        Some("wsignin1.0") => Answer {
            protocol: Protocol::WsFed,
            field: form.wresult,
            relay_state: form.wctx,
        },
        Some(_) => {
            return (
                StatusCode::BAD_REQUEST,
                "A form with this “wa” is not taken here. An answer has wa=wsignin1.0.\n",
            )
                .into_response();
        }
    };
    let received = practice.receive(cookie(&headers, VISIT), answer);
    if let Some((onward, sign_in)) = received.onward {
        return oauth::go_on(
            &practice,
            &received.cookie,
            &received.visit,
            onward,
            sign_in,
        );
    }
    let response = match accepted_token(&received.outcome) {
        Some(token) => to_partner_center(&practice, token),
        None => page(
            StatusCode::FORBIDDEN,
            &pages::ResultPage::of(&received.outcome),
            Forms::Own,
        ),
    };
    set_cookie(response, VISIT, &received.cookie)
}

fn accepted_token(outcome: &Outcome) -> Option<String> {
    outcome
        .access_token
        .clone()
        .filter(|_| outcome.decision.hands_out_tokens())
}

/// On to another origin, with a handle that is good once: an address ends up in
/// histories and logs, and a token does not belong there.
pub(super) fn to_partner_center(practice: &Practice, token: String) -> Response {
    let handle = practice.token();
    practice.handles.keep(handle.clone(), token);
    let address = format!("{}/arrive?handle={handle}", practice.partner_center_url);
    Redirect::to(&address).into_response()
}

fn last_outcome(practice: &Practice, headers: &HeaderMap) -> Option<Arc<Outcome>> {
    let visit = lock(&practice.visits).by_cookie(cookie(headers, VISIT)?)?;
    lock(&visit).outcome.clone()
}

fn last_external(practice: &Practice, headers: &HeaderMap) -> Option<Arc<ExternalOutcome>> {
    let visit = lock(&practice.visits).by_cookie(cookie(headers, VISIT)?)?;
    lock(&visit).external.clone()
}

async fn result(State(practice): Tenant, headers: HeaderMap) -> Response {
    if let Some(outcome) = last_external(&practice, &headers) {
        let shown = ExternalResult::of(&outcome);
        return page(StatusCode::OK, &shown, Forms::Own);
    }
    match last_outcome(&practice, &headers) {
        Some(outcome) => page(StatusCode::OK, &pages::ResultPage::of(&outcome), Forms::Own),
        None => page(StatusCode::OK, &pages::Nothing {}, Forms::Own),
    }
}

async fn last(State(practice): Tenant, headers: HeaderMap) -> Response {
    if let Some(outcome) = last_external(&practice, &headers) {
        return site::json(StatusCode::OK, &outcome.to_json());
    }
    match last_outcome(&practice, &headers) {
        Some(outcome) => site::json(StatusCode::OK, &outcome.to_json()),
        None => site::json(
            StatusCode::NOT_FOUND,
            &json!({ "error": "No response has been judged for this browser." }),
        ),
    }
}

async fn onward(State(practice): Tenant, headers: HeaderMap) -> Response {
    let token = match last_external(&practice, &headers) {
        Some(outcome) => outcome.access_token.clone(),
        None => last_outcome(&practice, &headers)
            .as_deref()
            .and_then(accepted_token),
    };
    match token {
        Some(token) => to_partner_center(&practice, token),
        None => Redirect::to("/result").into_response(),
    }
}

#[derive(Deserialize)]
struct BreakForm {
    #[serde(rename = "break")]
    name: String,
}

async fn set_break(
    State(practice): Tenant,
    headers: HeaderMap,
    Form(form): Form<BreakForm>,
) -> Response {
    // A Lax cookie does not come with a form of another site, so neither does a
    // visit: such a form changes nothing.
    let (value, visit) = practice.visit(cookie(&headers, VISIT));
    let broken = Break::by_name(&form.name);
    if broken.is_none() && form.name != "none" {
        return (StatusCode::BAD_REQUEST, "There is no such button.\n").into_response();
    }
    let judged = practice.set_break(&visit, broken).is_some();
    let to = if judged { "/result" } else { "/" };
    set_cookie(Redirect::to(to).into_response(), VISIT, &value)
}

async fn keys(State(practice): Tenant) -> Response {
    site::json(StatusCode::OK, &practice.tokens.jwks())
}

async fn desktop_totp(State(practice): Tenant) -> Response {
    let codes = practice.current_codes();
    let refresh_after = codes
        .iter()
        .map(|code| code.seconds_left)
        .min()
        .unwrap_or(30);
    page(
        StatusCode::OK,
        &pages::DesktopTotpPage {
            codes,
            refresh_after,
        },
        Forms::Own,
    )
}

async fn desktop_totp_json(State(practice): Tenant) -> Response {
    let codes: Vec<_> = practice
        .current_codes()
        .into_iter()
        .map(
            |code| json!({ "upn": code.upn, "code": code.code, "seconds_left": code.seconds_left }),
        )
        .collect();
    site::json(StatusCode::OK, &json!(codes))
}
