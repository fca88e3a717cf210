//! The tenant's OAuth and OpenID Connect endpoints, as Entra's: what an application
//! such as `claimbridge inspect live` signs in through.
//!
//! Always true: a code, a device code and a refresh token carry the person, the
//! instant and the MFA fact of one accepted sign-in, taken when they were made;
//! codes are good once; everything is in memory, bounded, and gone with the process.
//!
//! Read next: [`clients`] (who may ask), [`authorize`] (the way there and back),
//! [`token`] (the grants), [`device`] (the code that a person types).

/// The tenant's own sign-in, for people of domains that are not federated.
pub mod account;
pub(super) mod assertion_grant;
/// `/{tenant}/oauth2/…/authorize`: the request, and the code that answers it.
pub mod authorize;
/// The applications that the tenant knows.
pub mod clients;
/// Device codes and the pages where a person types them.
pub mod device;
mod discovery;
/// Refusals in Microsoft's words and shapes.
pub mod errors;
/// What is handed out and what stands in it.
pub mod grants;
/// Scopes and the resources.
pub mod scope;
mod token;

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::HeaderMap,
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Practice,
    shelf::Shelf,
    site::set_cookie,
    tenant::VISIT,
    visit::{AcceptedSignIn, SharedVisit, lock},
};
use crate::base::{
    random::Random,
    text::{DomainName, Upn},
};
use authorize::Asked;
use clients::Clients;
use device::Device;
use grants::{Code, Grant};

/// No form of an application is larger.
const LARGEST_FORM: usize = 64 * 1024;

/// Which generation of endpoints.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// `/oauth2/…`, with `resource`; what the Secure Application Model uses.
    V1,
    /// `/oauth2/v2.0/…`, with scopes.
    V2,
}

/// What follows an accepted sign-in that somebody else than `/start` began.
#[derive(Clone, Debug)]
pub enum Onward {
    /// Back to the application with a code.
    Application(Box<Asked>),
    /// To the page that asks about the device code.
    Device,
}

/// What the endpoints remember.
pub struct OAuth {
    clients: Clients,
    codes: Mutex<Shelf<Code>>,
    refresh_tokens: Mutex<Shelf<Grant>>,
    devices: Mutex<Shelf<Device>>,
}

impl OAuth {
    pub(super) fn new(random: &mut dyn Random) -> Self {
        Self {
            clients: Clients::new(random),
            codes: Mutex::default(),
            refresh_tokens: Mutex::default(),
            devices: Mutex::default(),
        }
    }

    /// The applications.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }
}

/// What `{tenant}` in an address names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum TenantName {
    /// This tenant by its id, or by the domain at that place.
    This(Option<usize>),
    /// `organizations` or `common`: whichever the person belongs to.
    Any,
}

impl Practice {
    fn tenant_named(&self, name: &str) -> Result<TenantName, errors::OAuthError> {
        let name = name.to_ascii_lowercase();
        if name == "organizations" || name == "common" {
            return Ok(TenantName::Any);
        }
        if name == self.tokens.tenant_id() {
            return Ok(TenantName::This(None));
        }
        lock(&self.directory)
            .domains()
            .iter()
            .position(|domain| domain.name.as_str() == name)
            .map(|at| TenantName::This(Some(at)))
            .ok_or(errors::OAuthError::UnknownTenant(name))
    }

    /// The domain whose identity provider is asked: hints first, then the address.
    fn domain_for(
        &self,
        login_hint: Option<&str>,
        domain_hint: Option<&str>,
        tenant: TenantName,
    ) -> usize {
        let directory = lock(&self.directory);
        let by_name = |name: &DomainName| directory.place_of(name);
        let hinted = login_hint
            .and_then(|hint| hint.parse::<Upn>().ok())
            .and_then(|upn| by_name(&upn.domain()))
            .or_else(|| by_name(&domain_hint?.parse().ok()?));
        match (hinted, tenant) {
            (Some(at), _) | (None, TenantName::This(Some(at))) => at,
            (None, TenantName::This(None) | TenantName::Any) => directory.first(),
        }
    }

    pub(super) fn secret_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.random_bytes::<32>())
    }

    pub(super) fn guid(&self) -> String {
        super::request::guid(&mut **lock(&self.random))
    }
}

/// The routes. They are the last of the tenant's: each begins with its name.
pub(super) fn router(practice: &Arc<Practice>) -> Router {
    Router::new()
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            get(discovery::of_v2),
        )
        .route(
            "/{tenant}/.well-known/openid-configuration",
            get(discovery::of_v1),
        )
        .route("/{tenant}/discovery/v2.0/keys", get(discovery::keys))
        .route("/{tenant}/discovery/keys", get(discovery::keys))
        .route("/{tenant}/oauth2/v2.0/authorize", get(authorize::of_v2))
        .route("/{tenant}/oauth2/authorize", get(authorize::of_v1))
        .route("/{tenant}/oauth2/v2.0/token", post(token::of_v2))
        .route("/{tenant}/oauth2/token", post(token::of_v1))
        .route("/{tenant}/oauth2/v2.0/devicecode", post(device::begin))
        .route(
            "/devicelogin",
            get(device::ask_for_code).post(device::take_code),
        )
        .route(
            "/devicelogin/confirm",
            get(device::ask_to_confirm).post(device::confirm),
        )
        .route("/account", post(account::sign_in))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(Arc::clone(practice))
}

/// On from `/login.srf`, after an accepted answer.
pub(super) fn go_on(
    practice: &Practice,
    value: &str,
    visit: &SharedVisit,
    onward: Onward,
    sign_in: AcceptedSignIn,
) -> Response {
    match onward {
        Onward::Application(asked) => {
            authorize::after_sign_in(practice, value, visit, *asked, sign_in)
        }
        Onward::Device => set_cookie(
            Redirect::to("/devicelogin/confirm").into_response(),
            VISIT,
            value,
        ),
    }
}

/// The visit of this browser.
fn visit_of(practice: &Practice, headers: &HeaderMap) -> (String, SharedVisit) {
    practice.visit(super::site::cookie(headers, VISIT))
}
