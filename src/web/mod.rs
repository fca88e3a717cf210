//! HTTP: what people's browsers and Entra talk to.
//!
//! A handler extracts, makes one call to [`crate::app`], matches the outcome and
//! answers with a page or a redirect; it holds no rules of its own.
//!
//! Read next: [`access`], the map; [`edge`], what every request passes; [`forms`],
//! why a form of ours cannot be sent from elsewhere; [`pages`], what people see.

/// The map of all addresses, and who may use them.
pub mod access;
mod account;
mod answer;
/// Files that pages load, under names that change with their content.
pub mod assets;
/// The cookies, by name.
pub mod cookies;
/// Host check, request id, time limit, security headers.
pub mod edge;
mod enrol;
/// Forms that only our own pages can send.
pub mod forms;
mod health;
mod home;
mod inspect;
mod keys;
mod metrics;
mod models;
mod navigation;
mod not_me;
mod oidc;
mod own_methods;
/// One struct per page; a missing field is a compile error.
pub mod pages;
mod pass;
/// The address that throttling counts.
pub mod peer;
mod saml;
/// Sockets, TLS, and stopping without cutting anyone off.
pub mod serve;
mod sign_in;
mod sign_out;
/// Scheme, host and port of `public_url`.
pub mod site;
/// The certificate that browsers are shown, and how it is replaced.
pub mod tls;
mod token;
mod trust;
mod visit;
mod wsfed;

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

use crate::{
    app::{self, App, Category, error::SupportCode, refused::Refused, watch::CertificateEnd},
    base::address_range::AddressRange,
};
use forms::FormKey;
pub use inspect::{InspectorAccess, alone::alone as inspector_alone};
use pages::{
    Frame, Moment,
    outcome::{ErrorKind, ErrorPage, OtherBrowserPage, StartAgain, StartAgainPage},
};
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
    /// The use cases.
    pub app: Arc<App>,
    /// Who may use the inspector when.
    pub(crate) inspector: inspect::Turns,
    /// Who may use it at all.
    pub inspector_access: InspectorAccess,
    /// When the certificate of TLS ends, if this server has one.
    pub tls_end: Option<CertificateEnd>,
}

/// All routes, with what every request passes around them.
pub fn router(web: Arc<Web>) -> Router {
    without(&[], web)
}

/// The same where the health endpoints have an address of their own: what a proxy or Ingress
/// passes on is everybody's, and whether the database answers is not. `/healthz` stays, by
/// which `claimbridge doctor` sees what proxies do.
pub fn public_router(web: Arc<Web>) -> Router {
    without(&[access::READY], web)
}

fn without(paths: &[&str], web: Arc<Web>) -> Router {
    let mut router = Router::new();
    for route in access::routes() {
        if !paths.contains(&route.path) {
            router = router.route(route.path, route.handler);
        }
    }
    wrap(router, web)
}

/// The health endpoints and the measures, for an address of their own (`[listen_ops]`).
pub fn health_router(web: Arc<Web>) -> Router {
    let mut router = Router::new();
    for route in access::routes() {
        if access::is_health(route.path) {
            router = router.route(route.path, route.handler);
        }
    }
    // Not in the table: it must not exist at the public address.
    router = router.route(metrics::PATH, axum::routing::get(metrics::metrics));
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
    web.refuse(ErrorKind::NotFound, &SupportCode::NOT_FOUND)
}

async fn wrong_method(State(web): State<Arc<Web>>) -> Response {
    web.refuse(ErrorKind::Method, &SupportCode::WRONG_METHOD)
}

/// The log gets the reason, the person only a reference to it.
fn after_panic(web: &Web, panic: &(dyn Any + Send)) -> Response {
    let reason = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown");
    tracing::error!(reason, "a request ended in a panic");
    web.refuse(ErrorKind::Internal, &SupportCode::INTERNAL)
}

impl Web {
    /// The web layer of `app`.
    pub fn new(app: Arc<App>, trusted_proxies: Vec<AddressRange>) -> Self {
        let settings = app.settings();
        Self {
            site: Site::new(&settings.public_url),
            frame: Frame::new(&settings.service_name, settings.support_contact.as_deref()),
            forms: FormKey::new(app.form_key().as_bytes()),
            trusted_proxies,
            app,
            inspector: inspect::Turns::default(),
            inspector_access: InspectorAccess::SignedIn,
            tls_end: None,
        }
    }

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

    /// The page for a refusal: the person's words of `code`, and nothing that was sent.
    pub fn refuse(&self, kind: ErrorKind, code: &SupportCode) -> Response {
        let page = ErrorPage {
            frame: &self.frame,
            kind,
            words: code.person.to_owned(),
            support_code: code.code.to_owned(),
            reference: edge::request_id(),
            at: Moment(self.app.now()),
        };
        let mut response = self.page(kind.status(), &page);
        if kind == ErrorKind::Unavailable {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        }
        response
    }

    /// The page for a use case that failed. The log gets what the operator should know.
    pub fn fail(&self, error: &app::Error) -> Response {
        let code = error.code();
        let chain = app::saml::chain(error);
        let frame = &self.frame;
        match error.category() {
            Category::Internal => tracing::error!(code = code.code, "{chain}"),
            Category::Unavailable => tracing::warn!(code = code.code, "{chain}"),
            _ => tracing::info!(code = code.code, "{chain}"),
        }
        let kind = match error.category() {
            Category::Denied if *code == SupportCode::OTHER_BROWSER => {
                let support_code = code.code.to_owned();
                let page = OtherBrowserPage {
                    frame,
                    support_code,
                };
                return self.page(StatusCode::FORBIDDEN, &page);
            }
            Category::Denied if *code == SupportCode::ATTEMPT_OVER => {
                return self.start_again(StartAgain::Over);
            }
            Category::Denied => ErrorKind::Refused,
            Category::Invalid => ErrorKind::BadRequest,
            Category::NotFound => ErrorKind::NotFound,
            Category::Conflict => ErrorKind::Conflict,
            Category::Unavailable => ErrorKind::Unavailable,
            Category::Internal => ErrorKind::Internal,
        };
        self.refuse(kind, code)
    }

    /// The page for a form whose token does not fit this browser.
    pub fn stale_form(&self) -> Response {
        self.app.count_refused(Refused::ForgedForm);
        self.start_again(StartAgain::StaleForm)
    }

    fn start_again(&self, why: StartAgain) -> Response {
        let frame = &self.frame;
        let support_code = match why {
            StartAgain::Over => &SupportCode::ATTEMPT_OVER,
            StartAgain::StaleForm => &SupportCode::FORGED_FORM,
        }
        .code
        .to_owned();
        let page = StartAgainPage {
            frame,
            why,
            support_code,
        };
        self.page(StatusCode::FORBIDDEN, &page)
    }
}

#[cfg(test)]
mod tests;
