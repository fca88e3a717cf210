//! Where the browser comes back to after a sign-in: a listener on loopback
//! (RFC 8252 §7.3), on a port of the range that Microsoft's script uses (facts §6.1).
//!
//! Always true: it listens on this computer only and answers only to its own name (a page
//! elsewhere that resolves a name of its own to loopback gets nothing); the answer counts
//! only with the `state` of our request; the first that counts is the only one; the code
//! does not stay in the address bar.

use std::{io, ops::RangeInclusive, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
    task::JoinSet,
};

use crate::base::secret::Secret;

/// Ports that are tried in turn: those of Test-PartnerSecurityRequirement (facts §6.1).
const PORTS: RangeInclusive<u16> = 8400..=8999;
/// How long the browser gets to fetch the page that says what happened.
const LAST_PAGE: Duration = Duration::from_secs(3);

/// What the browser brought.
#[derive(Debug)]
pub enum Arrival {
    /// The authorization code (RFC 6749 §4.1.2).
    Code(Secret<String>),
    /// The sign-in was refused (RFC 6749 §4.1.2.1).
    Refused {
        /// `error`.
        error: String,
        /// `error_description`.
        description: String,
    },
}

/// Listens for one answer.
#[derive(Debug)]
pub struct RedirectListener {
    port: u16,
    listeners: Vec<TcpListener>,
}

struct Desk {
    state: String,
    arrivals: mpsc::Sender<Arrival>,
    told: Notify,
}

impl RedirectListener {
    /// Takes `port`, or the first free one of the range. A named port that is taken is an error.
    pub async fn bind(port: Option<u16>) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for port in port.map_or(PORTS, |port| port..=port) {
            match TcpListener::bind(("127.0.0.1", port)).await {
                Ok(listener) => {
                    let port = listener.local_addr()?.port();
                    // Some browsers take localhost for ::1 first. A computer without it needs none;
                    // where another program has it, that program would get the answer.
                    match TcpListener::bind(("::1", port)).await {
                        Ok(other) => {
                            let listeners = vec![listener, other];
                            return Ok(Self { port, listeners });
                        }
                        Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                        Err(_) => {
                            let listeners = vec![listener];
                            return Ok(Self { port, listeners });
                        }
                    }
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// `http://localhost:PORT/`.
    pub fn redirect_uri(&self) -> String {
        format!("http://localhost:{}/", self.port)
    }

    /// Waits for the answer that carries `state`, at most `patience`. None: nobody came.
    pub async fn answer(self, state: String, patience: Duration) -> Option<Arrival> {
        let (arrivals, mut arrived) = mpsc::channel(1);
        let desk = Arc::new(Desk {
            state,
            arrivals,
            told: Notify::new(),
        });
        let names = ["localhost", "127.0.0.1", "[::1]"];
        let mut hosts: Vec<String> = names
            .iter()
            .map(|name| format!("{name}:{}", self.port))
            .collect();
        if self.port == 80 {
            // Browsers leave the usual port out.
            hosts.extend(names.map(ToOwned::to_owned));
        }
        let router = Router::new()
            .route("/", get(arrive))
            .route("/signed-in", get(signed_in))
            .route("/refused", get(refused))
            .with_state(Arc::clone(&desk))
            .layer(middleware::from_fn(move |request: Request, next: Next| {
                let own = named(request.headers())
                    .is_some_and(|host| hosts.iter().any(|own| own == host));
                async move {
                    if own {
                        next.run(request).await
                    } else {
                        StatusCode::MISDIRECTED_REQUEST.into_response()
                    }
                }
            }));
        let mut servers = JoinSet::new();
        for listener in self.listeners {
            let router = router.clone();
            servers.spawn(async move { axum::serve(listener, router).await });
        }
        let arrival = tokio::time::timeout(patience, arrived.recv())
            .await
            .ok()
            .flatten();
        if arrival.is_some() {
            // A browser that does not fetch the last page has nothing to lose.
            let _ = tokio::time::timeout(LAST_PAGE, desk.told.notified()).await;
        }
        servers.shutdown().await;
        arrival
    }
}

fn named(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
    #[serde(default)]
    error_description: String,
}

async fn arrive(
    State(desk): State<Arc<Desk>>,
    answer: Result<Query<Answer>, QueryRejection>,
) -> Response {
    let Ok(Query(answer)) = answer else {
        return not_ours();
    };
    if !bool::from(answer.state.as_bytes().ct_eq(desk.state.as_bytes())) {
        return not_ours();
    }
    let (arrival, page) = match (answer.code, answer.error) {
        (Some(code), None) => (Arrival::Code(Secret::new(code)), "/signed-in"),
        (None, Some(error)) => (
            Arrival::Refused {
                error,
                description: answer.error_description,
            },
            "/refused",
        ),
        _ => return not_ours(),
    };
    // Full: an answer has come before, and this one changes nothing.
    let _ = desk.arrivals.try_send(arrival);
    (quiet(), Redirect::to(page)).into_response()
}

fn not_ours() -> Response {
    page(
        StatusCode::BAD_REQUEST,
        "Not an answer to this check",
        "This is not the answer to the sign-in that claimbridge waits for. Use the address that it printed.",
    )
}

async fn signed_in(State(desk): State<Arc<Desk>>) -> Response {
    desk.told.notify_one();
    page(
        StatusCode::OK,
        "You have signed in",
        "claimbridge goes on in the terminal. You can close this window.",
    )
}

async fn refused(State(desk): State<Arc<Desk>>) -> Response {
    desk.told.notify_one();
    page(
        StatusCode::OK,
        "The sign-in was refused",
        "claimbridge says in the terminal why. You can close this window.",
    )
}

fn quiet() -> [(header::HeaderName, &'static str); 4] {
    [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ]
}

fn page(status: StatusCode, title: &str, text: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\"><title>{title} — claimbridge</title></head>\n<body><main><h1>{title}</h1><p>{text}</p></main></body></html>\n"
    );
    (
        status,
        quiet(),
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        html,
    )
        .into_response()
}
