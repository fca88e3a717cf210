//! `/healthz` and `/readyz`: for load balancers and service managers.
//!
//! They answer under any host name and say nothing but one word to anybody who has not the
//! master key.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Extension,
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse as _, Response},
};

use super::{Web, peer::PeerAddress};
use crate::app::doctor::probe::{self, Seen};

/// The process runs. Whoever asks with the master key (`claimbridge doctor`) is told what was
/// seen of the request; everybody else reads one word.
pub async fn healthz(
    State(web): State<Arc<Web>>,
    PeerAddress(believed): PeerAddress,
    connection: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
) -> Response {
    let mut response = "ok\n".into_response();
    let question = headers
        .get(probe::QUESTION_HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|question| probe::is_question(web.app.sealing(), web.app.now(), question));
    if let (Some(question), Some(Extension(ConnectInfo(connection)))) = (question, connection) {
        let lines: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .into_iter()
            .map(|line| line.to_str().unwrap_or("unreadable"))
            .collect();
        let seen = Seen {
            connection: connection.ip().to_canonical(),
            believed,
            forwarded: (!lines.is_empty()).then(|| lines.join(", ")),
            node: web.app.store().node().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: web.app.now().as_millis(),
        };
        let answer = probe::answer(web.app.sealing(), question, &seen);
        if let Ok(answer) = HeaderValue::try_from(answer) {
            response.headers_mut().insert(probe::ANSWER_HEADER, answer);
        }
    }
    response
}

/// The process can answer sign-ins: its database answers.
pub async fn readyz(State(web): State<Arc<Web>>) -> (StatusCode, &'static str) {
    match web.app.ready().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::warn!("not ready: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
    }
}
