//! HTTP: what people's browsers and Entra talk to.
//!
//! A handler extracts, makes one call to [`crate::app`], matches the outcome and
//! answers with a page or a redirect; it holds no rules of its own.
//!
//! Read next: [`access`], the map; [`edge`], what every request passes; [`forms`],
//! why a form of ours cannot be sent from elsewhere; [`pages`], what people see.

/// The map of all addresses, and who may use them.
pub mod access;
/// Files that pages load, under names that change with their content.
pub mod assets;
/// The cookies, by name.
pub mod cookies;
/// Host check, request id, time limit, security headers.
pub mod edge;
/// Forms that only our own pages can send.
pub mod forms;
mod health;
mod home;
/// One struct per page; a missing field is a compile error.
pub mod pages;
/// The address that throttling counts.
pub mod peer;
/// What the frame refuses.
pub mod refusal;
/// Sockets, TLS, and stopping without cutting anyone off.
pub mod serve;
/// Scheme, host and port of `public_url`.
pub mod site;

use std::{any::Any, sync::Arc};

use askama::Template;
use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
};
use tower_http::catch_panic::CatchPanicLayer;

use crate::base::{address_range::AddressRange, clock::Clock};
use forms::FormKey;
use pages::{
    Frame, Moment,
    outcome::{ErrorKind, ErrorPage},
};
use refusal::Refusal;
use site::Site;

/// No message of ours or of a relying party comes near it.
const BODY_LIMIT: usize = 256 * 1024;

/// What every handler works with.
pub struct Web {
    /// Scheme and host.
    pub site: Site,
    /// Name and support contact, around every page.
    pub frame: Arc<Frame>,
    /// For forms.
    pub forms: FormKey,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<AddressRange>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// All routes, with what every request passes around them.
pub fn router(web: Arc<Web>) -> Router {
    let mut router = Router::new();
    for route in access::routes() {
        router = router.route(route.path, route.handler);
    }
    wrap(router, web)
}

fn wrap(router: Router<Arc<Web>>, web: Arc<Web>) -> Router {
    let for_panics = Arc::clone(&web);
    let panics = CatchPanicLayer::custom(move |panic: Box<dyn Any + Send>| {
        after_panic(&for_panics, panic.as_ref())
    });
    router
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(panics)
        .layer(middleware::from_fn_with_state(Arc::clone(&web), edge::edge))
        .with_state(web)
}

async fn not_found(State(web): State<Arc<Web>>) -> Response {
    web.refuse(&refusal::NOT_FOUND)
}

async fn wrong_method(State(web): State<Arc<Web>>) -> Response {
    web.refuse(&refusal::WRONG_METHOD)
}

/// The log gets the reason, the person only a reference to it.
fn after_panic(web: &Web, panic: &(dyn Any + Send)) -> Response {
    let reason = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown");
    tracing::error!(reason, "a request ended in a panic");
    web.refuse(&refusal::INTERNAL)
}

impl Web {
    /// A page.
    pub fn page(&self, status: StatusCode, page: &impl Template) -> Response {
        match page.render() {
            Ok(html) => (
                status,
                [(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("text/html; charset=utf-8"),
                )],
                html,
            )
                .into_response(),
            Err(error) => {
                tracing::error!(%error, "a page could not be rendered");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    /// The page for a refusal of the frame.
    pub fn refuse(&self, refusal: &Refusal) -> Response {
        let page = ErrorPage {
            frame: &self.frame,
            kind: refusal.kind,
            words: format!("{} {}", refusal.happened, refusal.remedy),
            support_code: refusal.code.to_owned(),
            reference: edge::request_id(),
            at: Moment(self.clock.now()),
        };
        let mut response = self.page(refusal.kind.status(), &page);
        if refusal.kind == ErrorKind::Unavailable {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        }
        response
    }
}

#[cfg(test)]
mod tests;
