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
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;

use super::{
    Break, Practice, PreferredProtocol, graph,
    oauth::{self, Onward},
    outcome::Outcome,
    pages,
    request::{self, Binding, RequestOption},
    site::{self, Forms, cookie, page, set_cookie},
    verifier::Freshness,
    visit::{SentRequest, SharedVisit, lock},
};

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
        .route("/login.srf", post(receive).get(async || Redirect::to("/")))
        .route("/result", get(result))
        .route("/last.json", get(last))
        .route("/onward", get(onward))
        .route("/break", post(set_break))
        .route("/keys", get(keys));
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
        .merge(graph::router(practice));
    site::frame(routes, &practice.own_url)
}

async fn home(State(practice): Tenant, headers: HeaderMap) -> Response {
    let (value, visit) = practice.visit(cookie(&headers, VISIT));
    let (broken, judged) = {
        let state = lock(&visit);
        (state.broken, state.outcome.is_some())
    };
    let home = pages::Home {
        practice: &practice,
        broken,
        judged,
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
    #[serde(default)]
    binding: Binding,
    force_authn: Option<String>,
    is_passive: Option<String>,
    domain: Option<String>,
}

async fn start(
    State(practice): Tenant,
    headers: HeaderMap,
    Query(query): Query<StartQuery>,
) -> Response {
    let at = {
        let directory = lock(&practice.directory);
        match query.domain.as_deref() {
            None => Some(directory.first()),
            Some(name) => directory
                .domains()
                .iter()
                .position(|domain| domain.name.as_str() == name),
        }
    };
    let Some(at) = at else {
        return (
            StatusCode::NOT_FOUND,
            "No such domain is federated here. Leave out “domain”.\n",
        )
            .into_response();
    };
    let option = match (query.force_authn, query.is_passive) {
        (Some(_), _) => RequestOption::ForceAuthn,
        (None, Some(_)) => RequestOption::IsPassive,
        (None, None) => RequestOption::None,
    };
    let (value, visit) = practice.visit(cookie(&headers, VISIT));
    let ask = SamlAsk {
        domain: at,
        option,
        binding: query.binding,
        onward: None,
    };
    ask_identity_provider(&practice, &value, &visit, ask)
}

/// A request to the identity provider, and what follows its answer.
pub(super) struct SamlAsk {
    /// Which registered domain.
    pub(super) domain: usize,
    /// What Entra does not say without `prompt=login`.
    pub(super) option: RequestOption,
    /// How it travels.
    pub(super) binding: Binding,
    /// What follows an accepted answer, where it is not Partner Center's page.
    pub(super) onward: Option<Onward>,
}

/// Sends the browser of `visit`, whose cookie is `value`, to the identity provider.
pub(super) fn ask_identity_provider(
    practice: &Practice,
    value: &str,
    visit: &SharedVisit,
    ask: SamlAsk,
) -> Response {
    let registered = lock(&practice.directory).federated(ask.domain);
    let target = match registered {
        Some(domain) if domain.preferred_protocol == PreferredProtocol::Saml => domain.sign_in_url,
        registered => return not_sent(registered.is_some()),
    };
    let id = format!("_{}", request::guid(&mut **lock(&practice.random)));
    let issued_at = practice.now();
    let relay_state = request::relay_state(&practice.random_bytes::<600>());
    let xml = request::encode(&id, issued_at, &practice.entity_id, ask.option);
    lock(&practice.visits).remember_relay_state(relay_state.clone(), value.to_owned());
    lock(visit).sent(SentRequest {
        id,
        relay_state: relay_state.clone(),
        issued_at,
        freshness: match ask.option {
            RequestOption::ForceAuthn => Freshness::Forced,
            RequestOption::None | RequestOption::IsPassive => Freshness::Any,
        },
        domain: ask.domain,
        xml: xml.clone(),
        answered: false,
        onward: ask.onward,
    });
    let response = match ask.binding {
        Binding::Post => page(
            StatusCode::OK,
            &pages::Post {
                target: &target,
                message: &STANDARD.encode(&xml),
                relay_state: &relay_state,
                pretty: pages::pretty_xml(&xml),
            },
            Forms::Unrestricted,
        ),
        Binding::Redirect => match request::redirect_address(&target, &xml, &relay_state) {
            Ok(address) => Redirect::to(&address).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
    };
    set_cookie(response, VISIT, value)
}

/// A managed domain's people sign in at the tenant itself, and nobody is sent away.
fn not_sent(federated: bool) -> Response {
    let words = if federated {
        "The domain is federated, but its preferredAuthenticationProtocol is not saml, and this practice tenant speaks nothing else. In Entra a missing value breaks sign-in with AADSTS50107."
    } else {
        "The domain is managed now: nobody is sent to the identity provider, and Entra would ask for a password of its own."
    };
    page(StatusCode::CONFLICT, &pages::NotSent { words }, Forms::Own)
}

#[derive(Deserialize)]
struct LoginForm {
    #[serde(rename = "SAMLResponse", default)]
    response: String,
    #[serde(rename = "RelayState", default)]
    relay_state: String,
}

async fn receive(
    State(practice): Tenant,
    headers: HeaderMap,
    Form(form): Form<LoginForm>,
) -> Response {
    let received = practice.receive(cookie(&headers, VISIT), form.response, form.relay_state);
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
fn to_partner_center(practice: &Practice, token: String) -> Response {
    let handle = practice.token();
    practice.handles.keep(handle.clone(), token);
    let address = format!("{}/arrive?handle={handle}", practice.partner_center_url);
    Redirect::to(&address).into_response()
}

fn last_outcome(practice: &Practice, headers: &HeaderMap) -> Option<Arc<Outcome>> {
    let visit = lock(&practice.visits).by_cookie(cookie(headers, VISIT)?)?;
    lock(&visit).outcome.clone()
}

async fn result(State(practice): Tenant, headers: HeaderMap) -> Response {
    match last_outcome(&practice, &headers) {
        Some(outcome) => page(StatusCode::OK, &pages::ResultPage::of(&outcome), Forms::Own),
        None => page(StatusCode::OK, &pages::Nothing {}, Forms::Own),
    }
}

async fn last(State(practice): Tenant, headers: HeaderMap) -> Response {
    match last_outcome(&practice, &headers) {
        Some(outcome) => site::json(StatusCode::OK, &outcome.to_json()),
        None => site::json(
            StatusCode::NOT_FOUND,
            &json!({ "error": "No response has been judged for this browser." }),
        ),
    }
}

async fn onward(State(practice): Tenant, headers: HeaderMap) -> Response {
    match last_outcome(&practice, &headers)
        .as_deref()
        .and_then(accepted_token)
    {
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
