//! The practice tenant: what Entra ID, Microsoft Graph and Partner Center would do, on loopback.
//!
//! Always true: it trusts nothing that it judges. It reads messages with a
//! verifier of its own, on the libraries directly, and shares with the identity
//! provider only the inspector's rules (and shows them beside its own checks).
//! None of its routes exists in `serve`; `demo` runs it on ports of its own.
//!
//! Read next: [`verifier`] (the checks), [`outcome`] (what follows from them),
//! [`tenant`] (the pages of the way there and back), [`external_mfa`] (the tenant does the first
//! factor and asks for the second one), [`federation`] (the break buttons),
//! [`directory`] and [`graph`] (what is registered, and how it is changed).

mod active_site;
/// A copy of a response without the class reference, re-signed.
pub mod altered;
/// The way there.
mod asking;
/// The list of checks and how each ended.
pub mod checks;
/// Domains, people and policies as they are now.
pub mod directory;
/// The two accounts that no federation can lock out.
mod emergency;
/// The tenant as a client of External MFA.
pub mod external_mfa;
/// What is registered about the domains, and what a button breaks.
pub mod federation;
/// The tenant's Microsoft Graph.
pub mod graph;
/// The inspector's opinion on the same bytes.
pub mod inspection;
/// What a response is judged against, and what comes of it.
pub mod judgement;
/// The endpoints that applications sign in through.
pub mod oauth;
/// From a judged response to what happens next.
pub mod outcome;
mod pages;
/// What Partner Center makes of an access token.
pub mod partner_center;
mod partner_center_site;
/// Bytes to a document and its fields.
pub mod reading;
mod receiving;
mod registering;
/// The AuthnRequest as Entra sends it.
pub mod request;
/// A bounded place in memory.
pub mod shelf;
/// Whose signature it is.
pub mod signature;
mod signing_out;
mod site;
/// The tenant's routes.
pub mod tenant;
/// Keys that live as long as this process.
pub mod throw_away;
/// The practice access token.
pub mod token;
/// The demo user's desktop TOTP program.
pub mod totp;
/// The tenant's own judgement of a SAML 2.0 response.
pub mod verifier;
/// What is remembered of one browser.
pub mod visit;
/// The tenant as a WS-Federation relying party.
pub mod wsfed;

use std::{
    future::IntoFuture,
    sync::{Arc, Mutex},
};

use axum::Router;
use tokio::net::TcpListener;

use crate::base::{
    clock::{Clock, Timestamp},
    random::{Random, random_bytes, random_token},
    text::DomainName,
};

pub use directory::{Directory, More, Person, PersonKind, Role, Source};
pub use emergency::EmergencyAdministrator;
pub use external_mfa::{Consent, ExternalMethod, FirstFactor};
pub use federation::{
    Break, FederatedDomain, MfaBehavior, PracticeUser, PreferredProtocol, PromptLogin,
};
pub use graph::faults::{Fault, FaultKind, Faults, GraphCall};
pub use totp::{Adds, Brings, DemoPerson, DesktopTotp};

use graph::sign_ins::SignIns;
use oauth::OAuth;
use throw_away::{ThrowAwayKey, ThrowAwayKeyError};
use token::TokenIssuer;
use visit::{SharedVisit, Visits, lock};

/// Why the practice tenant cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PracticeError {
    /// There is nothing to federate with.
    #[error("the practice tenant needs at least one federated domain")]
    NoDomain,
    /// It has no keys.
    #[error("the practice tenant has no keys")]
    Key(#[from] ThrowAwayKeyError),
}

/// What the practice tenant is told when it starts.
pub struct PracticeConfig {
    /// Its own address, `http://127.0.0.1:PORT+1`, without a slash at the end.
    pub own_url: String,
    /// The identity provider's, `http://localhost:PORT`.
    pub idp_url: String,
    /// The practice Partner Center's, `http://127.0.0.1:PORT+2`.
    pub partner_center_url: String,
    /// The entity id in requests and the audience of responses.
    pub entity_id: String,
    /// The federated domains; the first is the one that `/start` uses. There is at least one
    /// domain here or in `more`.
    pub domains: Vec<FederatedDomain>,
    /// The people of those domains.
    pub users: Vec<PracticeUser>,
    /// Further domains and people of the directory.
    pub more: More,
    /// What the walk-through page tells about people; only `demo` gives any.
    pub demo_people: Vec<DemoPerson>,
    /// The tenant's clock.
    pub clock: Arc<dyn Clock>,
    /// Ids, RelayState, cookies.
    pub random: Box<dyn Random>,
}

/// The practice tenant and its Partner Center.
pub struct Practice {
    own_url: String,
    idp_url: String,
    partner_center_url: String,
    entity_id: String,
    tenant_name: String,
    initial_domain: DomainName,
    emergency: Vec<EmergencyAdministrator>,
    directory: Mutex<Directory>,
    faults: Faults,
    sign_ins: Mutex<SignIns>,
    demo_people: Vec<DemoPerson>,
    clock: Arc<dyn Clock>,
    random: Mutex<Box<dyn Random>>,
    throw_away: ThrowAwayKey,
    tokens: TokenIssuer,
    visits: Mutex<Visits>,
    /// Ids of assertions that were taken; see [`judgement::Arrival`].
    assertions: Mutex<shelf::Shelf<()>>,
    handles: partner_center_site::Handles,
    oauth: OAuth,
    external_mfa: external_mfa::ExternalMfa,
}

impl Practice {
    /// Makes the tenant with keys of its own.
    pub fn new(config: PracticeConfig) -> Result<Arc<Self>, PracticeError> {
        let mut random = config.random;
        let more = config.more;
        let tenant_name = config
            .domains
            .first()
            .map(|domain| &domain.name)
            .or(more.managed_domains.first())
            .ok_or(PracticeError::NoDomain)?
            .to_string();
        let label = tenant_name.split('.').next().unwrap_or_default();
        let initial_domain: DomainName = format!("{label}.onmicrosoft.com")
            .parse()
            .map_err(|_| PracticeError::NoDomain)?;
        let mut directory = Directory::new(
            initial_domain.clone(),
            &config.domains,
            config.users,
            more,
            || request::guid(&mut *random),
        );
        let emergency = emergency::add(&mut directory, &initial_domain, &mut *random);
        let throw_away = ThrowAwayKey::generate("practice tenant, altered copies", &mut *random)?;
        let token_key = ThrowAwayKey::generate("practice tenant, access tokens", &mut *random)?;
        let tenant_id = request::guid(&mut *random);
        let oauth = OAuth::new(&mut *random);
        Ok(Arc::new(Self {
            own_url: config.own_url,
            idp_url: config.idp_url,
            partner_center_url: config.partner_center_url,
            entity_id: config.entity_id,
            tenant_name,
            initial_domain,
            emergency,
            directory: Mutex::new(directory),
            faults: Faults::default(),
            sign_ins: Mutex::default(),
            demo_people: config.demo_people,
            clock: config.clock,
            random: Mutex::new(random),
            throw_away,
            tokens: TokenIssuer::new(token_key, tenant_id),
            visits: Mutex::default(),
            assertions: Mutex::default(),
            handles: partner_center_site::Handles::default(),
            oauth,
            external_mfa: external_mfa::ExternalMfa::default(),
        }))
    }

    /// The tenant's routes.
    pub fn tenant_router(self: &Arc<Self>) -> Router {
        tenant::router(self)
    }

    /// The practice Partner Center's routes.
    pub fn partner_center_router(self: &Arc<Self>) -> Router {
        partner_center_site::router(self)
    }

    /// The tenant's assertion consumer service.
    pub fn reply_url(&self) -> String {
        format!("{}/login.srf", self.own_url)
    }

    /// The applications that may sign people in here.
    pub fn oauth(&self) -> &OAuth {
        &self.oauth
    }

    /// A name of the tenant for an application's addresses: its first domain.
    pub fn tenant_name(&self) -> &str {
        &self.tenant_name
    }

    /// The tenant's id, a GUID.
    pub fn tenant_id(&self) -> &str {
        self.tokens.tenant_id()
    }

    /// The address of the tenant's Microsoft Graph.
    pub fn graph_url(&self) -> String {
        format!("{}/graph", self.own_url)
    }

    /// Cloud-only administrators of the `*.onmicrosoft.com` domain: they sign in on a page of
    /// the tenant's own, whatever becomes of a federation.
    pub fn emergency_administrators(&self) -> &[EmergencyAdministrator] {
        &self.emergency
    }

    /// What a test lets go wrong with Graph, and what was called.
    pub fn graph_faults(&self) -> &Faults {
        &self.faults
    }

    /// Looks at the directory, or changes it behind everybody's back.
    pub fn with_directory<T>(&self, look: impl FnOnce(&mut Directory) -> T) -> T {
        look(&mut lock(&self.directory))
    }

    /// Every domain with what is registered about it now, for the home page.
    fn registrations(&self) -> Vec<(String, String)> {
        lock(&self.directory)
            .domains()
            .iter()
            .map(|domain| {
                let registered = domain.registration.as_ref().map_or_else(
                    || "managed: people sign in at the tenant itself".to_owned(),
                    |registration| pages::pretty_json(&registration.to_graph()),
                );
                (domain.name.to_string(), registered)
            })
            .collect()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn current_codes(&self) -> Vec<totp::CurrentCode> {
        self.demo_people
            .iter()
            .filter_map(DemoPerson::codes)
            .map(|program| program.code_at(self.now()))
            .collect()
    }

    fn token(&self) -> String {
        random_token(&mut **lock(&self.random))
    }

    fn random_bytes<const N: usize>(&self) -> [u8; N] {
        random_bytes(&mut **lock(&self.random))
    }

    /// The visit of that cookie, or a new one with a new cookie.
    fn visit(&self, cookie: Option<&str>) -> (String, SharedVisit) {
        let mut visits = lock(&self.visits);
        if let Some(cookie) = cookie
            && let Some(visit) = visits.by_cookie(cookie)
        {
            return (cookie.to_owned(), visit);
        }
        let cookie = self.token();
        let visit = visits.begin(cookie.clone());
        (cookie, visit)
    }
}

/// Serves both sites until one of them fails or `stop` ends.
pub async fn serve(
    practice: &Arc<Practice>,
    tenant: TcpListener,
    partner_center: TcpListener,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let tenant = axum::serve(tenant, practice.tenant_router()).into_future();
    let partner_center =
        axum::serve(partner_center, practice.partner_center_router()).into_future();
    tokio::select! {
        ended = tenant => ended,
        ended = partner_center => ended,
        () = stop => Ok(()),
    }
}
