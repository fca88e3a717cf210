//! The tenant's Microsoft Graph, under `/graph/v1.0/…` and `/graph/beta/…` (facts §4).
//!
//! Always true: a call without a token of this tenant for Graph, with the permission for what
//! it asks, sees and changes nothing; a refused call changes nothing; what is changed, the
//! tenant's verifier believes from the next response on.
//!
//! Read next: [`registration`] (what may stand in a federation), [`permission`] (who may),
//! [`faults`] (what a test lets go wrong), `domains`, `federation`, `users` (the calls).

mod domains;
/// Refusals in Graph's words and form.
pub mod errors;
/// What a test lets go wrong.
pub mod faults;
mod federation;
mod filter;
/// Who calls, and what they may.
pub mod permission;
mod policies;
pub(super) mod realm;
/// `internalDomainFederation`.
pub mod registration;
/// What the tenant saw of sign-ins.
pub mod sign_ins;
mod users;

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, RawQuery, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
    routing::any,
};
use serde_json::{Map, Value};

use super::{Practice, site};
use errors::Refusal;
use faults::FaultKind;
use permission::Caller;

/// No body of a call is larger.
const LARGEST_BODY: usize = 256 * 1024;

/// One call.
struct Call<'a> {
    practice: &'a Practice,
    caller: Caller,
    method: &'a Method,
    /// `v1.0` or `beta`.
    version: &'a str,
    query: HashMap<String, String>,
    headers: &'a HeaderMap,
    body: &'a Bytes,
}

/// What a call answers.
struct Answer {
    status: StatusCode,
    body: Option<Value>,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body: Some(body),
        }
    }

    fn created(body: Value) -> Self {
        Self {
            status: StatusCode::CREATED,
            body: Some(body),
        }
    }

    fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
        }
    }
}

type Answered = Result<Answer, Refusal>;

impl Call<'_> {
    /// The body as an object.
    fn object(&self) -> Result<Map<String, Value>, Refusal> {
        match serde_json::from_slice(self.body) {
            Ok(Value::Object(members)) => Ok(members),
            _ => Err(Refusal::bad("Unable to read JSON request payload.")),
        }
    }

    /// `@odata.context` for what is at `fragment`.
    fn context(&self, fragment: &str) -> String {
        format!(
            "{}/graph/{}/$metadata#{fragment}",
            self.practice.own_url, self.version
        )
    }

    fn is_eventual(&self) -> bool {
        self.headers
            .get("consistencylevel")
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.eq_ignore_ascii_case("eventual"))
    }

    fn answer(&self, segments: &[&str]) -> Answered {
        match segments {
            ["domains"] => domains::list(self),
            ["domains", name] => domains::one(self, name),
            ["domains", name, "federationConfiguration"] => federation::all(self, name),
            ["domains", name, "federationConfiguration", id] => federation::one(self, name, id),
            ["users"] => users::list(self),
            ["users", who] => users::one(self, who),
            ["me"] => users::me(self),
            ["organization"] => domains::organization(self),
            ["policies", rest @ ..] => policies::answer(self, rest),
            ["auditLogs", "signIns"] => sign_ins::list(self),
            _ => Err(Refusal::segment(segments.last().unwrap_or(&""))),
        }
    }
}

/// The routes.
pub(super) fn router(practice: &Arc<Practice>) -> Router {
    Router::new()
        .route("/graph/{*path}", any(answer))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Arc::clone(practice))
        .merge(realm::router(practice))
}

async fn answer(
    State(practice): State<Arc<Practice>>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    for late in practice.faults.late() {
        let query = late.query.as_deref();
        // Nobody waits for its answer any more.
        let _ = handle(
            &practice,
            &late.method,
            &late.path,
            query,
            &late.headers,
            &late.body,
        );
    }
    let fault = practice.faults.due(&method, &path);
    if let Some(FaultKind::DoneLater(calls)) = fault {
        let (call, query) = ((&method, path.as_str()), query.as_deref());
        let late = faults::Late::new(calls, call, query, &headers, &body);
        practice.faults.put_off(late);
    }
    let request_id = practice.guid();
    let client = headers
        .get("client-request-id")
        .and_then(|value| value.to_str().ok())
        .unwrap_or(&request_id)
        .to_owned();
    let took_place = match &fault {
        Some(FaultKind::Throttled(_)) => Err(Refusal::throttled()),
        Some(FaultKind::ServerError | FaultKind::CutBeforeDone | FaultKind::DoneLater(_)) => {
            Err(Refusal::internal())
        }
        Some(FaultKind::Unavailable(_)) => Err(Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "ServiceNotAvailable",
            message: "The service is not available.".to_owned(),
        }),
        Some(FaultKind::Forbidden) => Err(Refusal::denied()),
        Some(FaultKind::HalfAnswer | FaultKind::Lie(_) | FaultKind::DoneButCut) | None => {
            handle(&practice, &method, &path, query.as_deref(), &headers, &body)
        }
    };
    let answer = took_place.unwrap_or_else(|refusal| Answer {
        status: refusal.status,
        body: Some(refusal.to_json(&practice, &request_id, &client)),
    });
    practice.faults.answered(&method, &path, answer.status);
    let mut response = spoilt(answer, fault);
    for (name, value) in [("request-id", &request_id), ("client-request-id", &client)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn spoilt(answer: Answer, fault: Option<FaultKind>) -> Response {
    let Answer { status, body } = answer;
    let wait = match fault {
        Some(FaultKind::Throttled(wait)) => wait,
        Some(FaultKind::Unavailable(wait)) => Some(wait),
        Some(FaultKind::DoneButCut | FaultKind::CutBeforeDone | FaultKind::DoneLater(_)) => {
            return (status, faults::cut()).into_response();
        }
        Some(FaultKind::HalfAnswer) => {
            let whole = body.unwrap_or_default().to_string();
            let half: String = whole.chars().take(whole.chars().count() / 2).collect();
            return (status, [(header::CONTENT_TYPE, "application/json")], half).into_response();
        }
        Some(FaultKind::Lie(lie)) => return site::json(status, &lie),
        Some(FaultKind::ServerError | FaultKind::Forbidden) | None => None,
    };
    let mut response = match body {
        Some(body) => site::json(status, &body),
        None => (status, Body::empty()).into_response(),
    };
    if let Some(wait) = wait {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

fn handle(
    practice: &Practice,
    method: &Method,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &Bytes,
) -> Answered {
    let caller = Caller::of(practice, headers)?;
    let decoded: Vec<String> = path
        .trim_end_matches('/')
        .split('/')
        .skip(2) // "" and "graph"
        .map(|segment| {
            percent_encoding::percent_decode_str(segment)
                .decode_utf8_lossy()
                .into_owned()
        })
        .collect();
    let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let [version @ ("v1.0" | "beta"), rest @ ..] = segments.as_slice() else {
        return Err(Refusal::bad("Invalid version."));
    };
    let call = Call {
        practice,
        caller,
        method,
        version,
        query: url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .into_owned()
            .collect(),
        headers,
        body,
    };
    call.answer(rest)
}
