//! `/healthz` and `/readyz`: for load balancers and service managers.
//!
//! They answer under any host name and say nothing but one word.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use super::Web;

/// The process runs.
pub async fn healthz() -> &'static str {
    "ok\n"
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
