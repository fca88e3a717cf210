//! `/metrics`, at the address of `[listen_ops]` only: for Prometheus.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::Web;
use crate::app::watch::measured::CONTENT_TYPE;

/// Where it is.
pub const PATH: &str = "/metrics";

/// What is measured.
pub async fn metrics(State(web): State<Arc<Web>>) -> Response {
    let tls_end = web.tls_end.as_ref().and_then(|end| end());
    match web.app.measured(tls_end).await {
        Ok(text) => (
            [(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))],
            text,
        )
            .into_response(),
        Err(error) => {
            tracing::warn!("nothing can be measured: {error}");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
