//! `/models/{aaguid}`: the picture of a model of security keys, from the FIDO metadata.
//!
//! Always true: what leaves is PNG or JPEG by its own first bytes, with `nosniff`, and at
//! most 64 KiB (attack 32); a picture is no secret and says nothing of any person.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::Web;
use crate::base::aaguid::Aaguid;

/// Where the picture of a model is.
pub fn picture_path(model: &Aaguid) -> String {
    format!("/models/{model}")
}

/// `GET /models/{aaguid}`.
pub async fn picture(State(web): State<Arc<Web>>, Path(model): Path<String>) -> Response {
    let found = || {
        let metadata = web.app.metadata()?;
        let icon = metadata.model(&model.parse().ok()?)?.icon?;
        let media_type = icon.picture().media_type();
        Some((media_type, Bytes::copy_from_slice(icon.bytes())))
    };
    let Some((media_type, bytes)) = found() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, max-age=86400"),
        ),
    ];
    (headers, bytes).into_response()
}
