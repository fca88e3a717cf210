//! What a tenant shows, by Graph.
//!
//! Always true: half an answer is an error and never a smaller tenant; an answer about
//! another domain than was asked for is not used; one domain of which odd things are shown is
//! told as such and hides no other one.

use serde_json::Value;

use crate::{
    base::text::DomainName,
    federation::{
        Authentication, DomainState, Lasts, Tenant, UnreadableState, plan::federation_path,
    },
    outbound::graph::{Graph, GraphError, segment},
};

/// The largest number of domains of a tenant that is read (Entra's own limit is 5,000).
const MOST_DOMAINS: usize = 5_000;

/// Why the tenant could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// What it answered.
    #[error("Microsoft Graph's answer to {call} cannot be used")]
    Unreadable {
        /// What was asked.
        call: String,
        /// What is wrong.
        #[source]
        cause: UnreadableState,
    },
    /// The tenant has no such domain.
    #[error(
        "the tenant has no domain {0}; look whether this is the right tenant (--tenant), and add and verify the domain there first"
    )]
    NoDomain(DomainName),
    /// It contradicts itself.
    #[error(
        "Microsoft Graph says that {0} is federated and shows no federation; wait a minute and run the command again"
    )]
    Contradiction(DomainName),
    /// What is shown of this one cannot be read; the others can.
    #[error(
        "what Microsoft Graph shows of {domain} cannot be used ({why}); wait a minute and run the command again, and if it stays, look at {domain} in the Entra admin center"
    )]
    OfOne {
        /// Which domain.
        domain: DomainName,
        /// What is wrong.
        why: String,
    },
}

impl ReadError {
    /// Whether it is about what one domain shows, and not about the way to Graph.
    pub fn is_of_one_domain(&self) -> bool {
        match self {
            Self::Unreadable { .. } | Self::Contradiction(_) => true,
            Self::Graph(error) => matches!(
                error,
                GraphError::Forbidden { .. } | GraphError::Refused(_) | GraphError::NotFound(_)
            ),
            Self::NoDomain(_) | Self::OfOne { .. } => false,
        }
    }

    /// What is shown and cannot be read stays; a refusal, and a contradiction such as Entra
    /// shows for a minute after each change, may pass.
    fn lasts(&self) -> Lasts {
        match self {
            Self::Unreadable { .. } => Lasts::Stays,
            _ => Lasts::MayPass,
        }
    }
}

/// The state of a domain in a tenant that was read.
///
/// # Errors
/// [`ReadError::OfOne`] where it could not be read, [`ReadError::NoDomain`] where there is none.
pub fn of_tenant<'t>(
    tenant: &'t Tenant,
    domain: &DomainName,
) -> Result<&'t DomainState, Box<ReadError>> {
    if let Some(unreadable) = tenant.unreadable_domain(domain) {
        return Err(Box::new(ReadError::OfOne {
            domain: domain.clone(),
            why: unreadable.why.trim_end_matches('.').to_owned(),
        }));
    }
    tenant
        .domain(domain)
        .ok_or_else(|| Box::new(ReadError::NoDomain(domain.clone())))
}

/// One domain with its federation.
pub async fn read_domain(graph: &Graph, domain: &DomainName) -> Result<DomainState, ReadError> {
    let state = read_kind(graph, domain).await?;
    with_federation(graph, state).await
}

/// A domain whose kind is known, with its federation.
pub async fn with_federation(
    graph: &Graph,
    mut state: DomainState,
) -> Result<DomainState, ReadError> {
    read_federation(graph, &mut state, Above::Nothing).await?;
    Ok(state)
}

/// One domain without its federation: whether it is managed or federated.
pub async fn read_kind(graph: &Graph, domain: &DomainName) -> Result<DomainState, ReadError> {
    let path = format!("/v1.0/domains/{}", segment(domain.as_str()));
    let answer = match graph.get(&path).await {
        Err(GraphError::NotFound(_)) => return Err(ReadError::NoDomain(domain.clone())),
        answer => answer?.body.unwrap_or_default(),
    };
    let state = DomainState::parse(&answer).map_err(|cause| unreadable(&path, cause))?;
    if state.name != *domain {
        let cause = UnreadableState::OtherDomain {
            asked: domain.clone(),
            found: state.name.to_string(),
        };
        return Err(unreadable(&path, cause));
    }
    if state.authentication.is_none() {
        return Err(unreadable(
            &path,
            UnreadableState::Value("authenticationType"),
        ));
    }
    Ok(state)
}

/// Whether a federated domain may have its federation from another one.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Above {
    /// It must have one itself.
    Nothing,
    /// A domain above it is of the tenant.
    Another,
}

/// The federation of a domain whose kind is known.
async fn read_federation(
    graph: &Graph,
    state: &mut DomainState,
    above: Above,
) -> Result<(), ReadError> {
    let path = federation_path(&state.name);
    let answer = match graph.get(&path).await {
        // A managed domain has none.
        Err(GraphError::NotFound(_)) => Value::Array(Vec::new()),
        answer => answer?.body.unwrap_or_default(),
    };
    if !answer.is_array() && !answer.get("value").is_some_and(Value::is_array) {
        return Err(unreadable(&path, UnreadableState::Kind));
    }
    state
        .read_configuration(&answer)
        .map_err(|cause| unreadable(&path, cause))?;
    let federated = state.authentication == Some(Authentication::Federated);
    if federated && state.federation().is_none() && above == Above::Nothing {
        return Err(ReadError::Contradiction(state.name.clone()));
    }
    Ok(())
}

/// All domains, the federation of each federated one, and the two policies.
pub async fn read_tenant(graph: &Graph) -> Result<Tenant, ReadError> {
    const DOMAINS: &str = "/v1.0/domains";
    let mut tenant = Tenant::default();
    let mut shown = Vec::new();
    for value in graph.all(DOMAINS, MOST_DOMAINS).await? {
        match (DomainState::parse(&value), value["id"].as_str()) {
            (Ok(domain), _) => shown.push(DomainState {
                configuration: None,
                ..domain
            }),
            (Err(cause), Some(id)) => tenant.cannot_read(id, &cause, Lasts::Stays),
            (Err(cause), None) => return Err(unreadable(DOMAINS, cause)),
        }
    }
    let unread = tenant.unreadable.iter();
    let names: Vec<DomainName> = unread
        .filter_map(|domain| domain.name.parse().ok())
        .chain(shown.iter().map(|domain| domain.name.clone()))
        .collect();
    let mut refused = None;
    let mut read = 0_usize;
    for mut domain in shown {
        if domain.authentication == Some(Authentication::Managed) {
            domain.configuration = Some(None);
            tenant.domains.push(domain);
            continue;
        }
        let is_below = names
            .iter()
            .any(|name| *name != domain.name && domain.name.is_within(name));
        let above = if is_below && domain.is_root != Some(true) {
            Above::Another
        } else {
            Above::Nothing
        };
        match read_federation(graph, &mut domain, above).await {
            Ok(()) => {
                read += 1;
                tenant.domains.push(domain);
            }
            Err(error) if error.is_of_one_domain() => {
                tenant.cannot_read(domain.name.as_str(), &error, error.lasts());
                let forbids = matches!(error, ReadError::Graph(GraphError::Forbidden { .. }));
                refused = refused.or(forbids.then_some(error));
            }
            Err(error) => return Err(error),
        }
    }
    // Where none at all may be read, it is the permission and no domain's own.
    if let Some(error) = refused.filter(|_| read == 0) {
        return Err(error);
    }
    if names.is_empty() {
        // Every tenant has its initial domain.
        return Err(unreadable(DOMAINS, UnreadableState::Kind));
    }
    tenant.is_complete = true;
    read_policies(graph, &mut tenant).await?;
    Ok(tenant)
}

/// Security defaults and the policy of facts §4.6. An older cloud has none of the latter.
pub async fn read_policies(graph: &Graph, tenant: &mut Tenant) -> Result<(), ReadError> {
    const DEFAULTS: &str = "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy";
    const VALIDATION: &str = "/v1.0/policies/federatedTokenValidationPolicy";
    let answer = graph.get(DEFAULTS).await?.body.unwrap_or_default();
    tenant
        .read_security_defaults(&answer)
        .map_err(|cause| unreadable(DEFAULTS, cause))?;
    match graph.get(VALIDATION).await {
        Err(GraphError::NotFound(_)) => {}
        answer => {
            let answer = answer?.body.unwrap_or_default();
            tenant
                .read_token_validation(&answer)
                .map_err(|cause| unreadable(VALIDATION, cause))?;
        }
    }
    Ok(())
}

fn unreadable(call: &str, cause: UnreadableState) -> ReadError {
    ReadError::Unreadable {
        call: format!("GET {call}"),
        cause,
    }
}
