//! `/`: for someone who opens the address by hand.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{
    Web,
    cookies::Cookie,
    pages::outcome::{HomePage, SignedInHere},
};

/// Says what this is. Whether a session is alive is not looked up: the account page does that.
pub async fn home(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    let signed_in = match Cookie::Session.read(&headers, web.site.scheme) {
        Some(_) => SignedInHere::Yes,
        None => SignedInHere::No,
    };
    let frame = &web.frame;
    web.page(StatusCode::OK, &HomePage { frame, signed_in })
}
