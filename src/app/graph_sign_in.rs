//! Signing in to Microsoft Graph: an administrator in a browser or on another screen, or an
//! application with its own secret.
//!
//! Always true: the token lives in memory and in no error; a person is who the verified
//! id_token says; a tenant is named, and a token of another one is refused.

use std::{io, time::Duration};

use url::Url;

use super::live_check::{Ended, LiveCheckError, Notice, in_browser, in_words, on_other_screen};
pub use crate::outbound::{
    entra::{Authority, AuthorityError, ClientIdentity, GRAPH_TOOLS_CLIENT, SignedInPerson},
    graph::{Graph, GraphError, Pause, PauseReason, segment},
};
use crate::{
    base::{clock::Clock, random::Random, secret::Secret, text::DomainName},
    outbound::{
        entra::{Asking, Entra, EntraError, Permissions, Refusal, Version, Wanted, WantsRefresh},
        guard::{Outbound, OutboundError},
        redirect::RedirectListener,
    },
    relying_party::{EndpointsError, EntraEndpoints},
};

/// Graph's identifier as a resource, where a cloud does not say another.
pub const GRAPH_RESOURCE: &str = "https://graph.microsoft.com";

/// What is to be done.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Whom to ask for the token; its tenant is one tenant, by id or domain.
    pub authority: Authority,
    /// Where Graph is; what the token is asked for follows from it.
    pub graph_url: Url,
    /// As which application.
    pub identity: ClientIdentity,
    /// In which way.
    pub way: Way,
    /// What the token shall permit; for an application what was granted counts.
    pub permissions: Vec<String>,
    /// Whose name is filled in.
    pub login_hint: Option<String>,
    /// How long the person may take.
    pub patience: Duration,
}

/// How the token is got.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// In a browser of this computer, on this port or the first free one.
    Browser {
        /// The port of the redirect address.
        port: Option<u16>,
    },
    /// On another screen, with a code.
    DeviceCode,
    /// As the application itself.
    Application,
}

/// Who holds the token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Holder {
    /// A person.
    Person(SignedInPerson),
    /// The application of that id.
    Application(String),
}

/// A Graph that can be asked.
#[derive(Debug)]
pub struct SignedInGraph {
    /// The client.
    pub graph: Graph,
    /// Who asks.
    pub holder: Holder,
    /// The tenant that issued the token, a GUID.
    tenant_id: String,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Entra says no.
    #[error("the sign-in was refused ({}): {}", first_line(&.0.error), first_line(&.0.description))]
    Refused(Refusal),
    /// The network, or another server than was expected.
    #[error("nobody could sign in to the tenant")]
    Entra(#[source] EntraError),
    /// The network.
    #[error("nobody could sign in to the tenant")]
    Outbound(#[from] OutboundError),
    /// No port is free.
    #[error(
        "no port for the browser's answer could be had; free one of 8400 to 8999, or name one with --redirect-port, or use --device-code"
    )]
    Listener(#[source] io::Error),
    /// Nobody came back.
    #[error("nobody signed in within {}; begin again, or allow more with --wait", in_words(*.0))]
    NobodyCame(Duration),
    /// Another tenant.
    #[error(
        "the sign-in was at the tenant {found}, and {asked} was asked for; nothing was done. Sign in with an account of that tenant"
    )]
    OtherTenant {
        /// Asked for.
        asked: String,
        /// The token's.
        found: String,
    },
    /// No tenant.
    #[error("{0} is no single tenant; name yours by its id or one of its domains (--tenant)")]
    NoTenant(String),
    /// The token would go where it must not.
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
    /// Graph's address.
    #[error(transparent)]
    Graph(Box<GraphError>),
    /// Anything else.
    #[error(transparent)]
    Other(LiveCheckError),
}

fn first_line(text: &str) -> String {
    crate::inspect::shown(text.lines().next().unwrap_or_default(), 400)
}

/// The account lies in the domain that is changed.
#[derive(Debug, thiserror::Error)]
pub enum InsiderError {
    /// It does.
    #[error(
        "{upn} is an account of {domain} or a domain related to it, which is about to change: if that goes wrong nobody could sign in to undo it. Sign in with an administrator of another domain, best on *.onmicrosoft.com"
    )]
    Inside {
        /// Who signed in.
        upn: String,
        /// What is changed.
        domain: DomainName,
    },
    /// Nobody knows.
    #[error(
        "the directory does not say whose account it is, so it cannot be told apart from one of {0}; sign in with an administrator on *.onmicrosoft.com"
    )]
    Unknown(DomainName),
    /// The account could not be looked up.
    #[error("your account could not be looked up, so it cannot be told apart from one of {0}")]
    Unread(DomainName, #[source] GraphError),
}

impl From<GraphError> for SignInError {
    fn from(error: GraphError) -> Self {
        Self::Graph(Box::new(error))
    }
}

impl SignedInGraph {
    /// That the account will still be able to sign in when `domain` is broken. The name comes
    /// from the directory: what a token calls a person is for reading, and changeable.
    pub async fn require_outsider(&self, domain: &DomainName) -> Result<(), InsiderError> {
        let Holder::Person(person) = &self.holder else {
            // An application signs in nowhere.
            return Ok(());
        };
        let unknown = || InsiderError::Unknown(domain.clone());
        let id = person.object_id.as_deref().ok_or_else(unknown)?;
        let path = format!("/v1.0/users/{}?$select=id,userPrincipalName", segment(id));
        let answer = self
            .graph
            .get(&path)
            .await
            .map_err(|cause| InsiderError::Unread(domain.clone(), cause))?
            .body
            .unwrap_or_default();
        let is_asked = answer["id"]
            .as_str()
            .is_some_and(|found| found.eq_ignore_ascii_case(id));
        let upn = answer["userPrincipalName"]
            .as_str()
            .filter(|_| is_asked)
            .ok_or_else(unknown)?;
        let (_, own) = upn.rsplit_once('@').ok_or_else(unknown)?;
        let own: DomainName = own.parse().map_err(|_| unknown())?;
        if own.is_within(domain) || domain.is_within(&own) {
            return Err(InsiderError::Inside {
                upn: crate::inspect::shown(upn, 200),
                domain: domain.clone(),
            });
        }
        Ok(())
    }

    /// Who asks, for events: `admin@contoso.onmicrosoft.com` or an application's id.
    pub fn holder_name(&self) -> String {
        match &self.holder {
            Holder::Person(person) => {
                let name = person.upn.as_deref().or(person.object_id.as_deref());
                crate::inspect::shown(name.unwrap_or("unknown"), 200)
            }
            Holder::Application(id) => format!("application {id}"),
        }
    }

    /// The tenant that the token is of, a GUID: an application's as well.
    pub fn tenant_id(&self) -> Option<&str> {
        Some(&self.tenant_id)
    }
}

/// Signs in. `notify` is told what the person has to do, `pause` when Graph lets us wait.
pub async fn sign_in(
    plan: SignIn,
    clock: &dyn Clock,
    random: &mut dyn Random,
    notify: &mut (dyn FnMut(Notice<'_>) + Send),
    pause: impl Fn(Pause) + Send + Sync + 'static,
) -> Result<SignedInGraph, SignInError> {
    let tenant = plan.authority.tenant().to_owned();
    if ["common", "organizations", "consumers"].contains(&tenant.to_ascii_lowercase().as_str()) {
        return Err(SignInError::NoTenant(tenant));
    }
    let endpoints = EntraEndpoints {
        authority_url: plan.authority.base().to_owned(),
        graph_url: plan.graph_url.to_string(),
    };
    let resource = endpoints.graph_resource()?;
    let outbound = Outbound::new()?;
    let entra = Entra::discover(&outbound, &plan.authority, Version::V2, &plan.identity)
        .await
        .map_err(refused)?;
    let is_application = plan.way == Way::Application;
    // The tenant of the authority's own document: what it issues is of that one.
    let tenant_id = entra.tenant_id(&plan.authority).map_err(refused)?;
    let wanted = Wanted {
        resource,
        permissions: if is_application {
            Permissions::Granted
        } else {
            Permissions::Named(plan.permissions)
        },
        refresh: WantsRefresh::No,
    };
    let asking = Asking {
        // A session of the browser may be of the wrong person; the person chooses.
        anew: true,
        mfa: false,
        login_hint: plan.login_hint,
    };
    let signed_in = match plan.way {
        Way::Application => {
            let token = entra.application_token(&wanted).await.map_err(refused)?;
            let holder = Holder::Application(plan.identity.id);
            return graph(&outbound, plan.graph_url, token, holder, tenant_id, pause);
        }
        Way::Browser { port } => {
            let listener = RedirectListener::bind(port)
                .await
                .map_err(SignInError::Listener)?;
            in_browser(
                &entra,
                listener,
                &wanted,
                &asking,
                plan.patience,
                clock,
                random,
                notify,
            )
            .await
        }
        Way::DeviceCode => on_other_screen(&entra, &wanted, plan.patience, clock, notify).await,
    };
    let tokens = signed_in.map_err(|ended| match ended {
        Ended::Entra(error) => refused(error),
        Ended::Failed(LiveCheckError::NobodyCame(patience)) => SignInError::NobodyCame(patience),
        Ended::Failed(other) => SignInError::Other(other),
    })?;
    let person = tokens
        .person
        .ok_or_else(|| SignInError::Entra(EntraError::IdToken("there is none".to_owned())))?;
    // The id_token was verified against that issuer; what it says of itself must agree.
    if !person.tenant_id.eq_ignore_ascii_case(&tenant_id) {
        return Err(SignInError::OtherTenant {
            asked: tenant,
            found: person.tenant_id,
        });
    }
    let holder = Holder::Person(person);
    graph(
        &outbound,
        plan.graph_url,
        tokens.access_token,
        holder,
        tenant_id,
        pause,
    )
}

fn graph(
    outbound: &Outbound,
    url: Url,
    token: Secret<String>,
    holder: Holder,
    tenant_id: String,
    pause: impl Fn(Pause) + Send + Sync + 'static,
) -> Result<SignedInGraph, SignInError> {
    let graph = Graph::new(outbound.clone(), url, token)?.with_patience(pause);
    Ok(SignedInGraph {
        graph,
        holder,
        tenant_id,
    })
}

fn refused(error: EntraError) -> SignInError {
    match error {
        EntraError::Refused(refusal) => SignInError::Refused(refusal),
        other => SignInError::Entra(other),
    }
}

#[cfg(test)]
mod tests;
