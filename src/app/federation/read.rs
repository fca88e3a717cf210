//! What a tenant shows, by Graph.
//!
//! Always true: half an answer is an error and never a smaller tenant; an answer about
//! another domain than was asked for is not used.

use serde_json::Value;

use crate::{
    base::text::DomainName,
    federation::{Authentication, DomainState, Tenant, UnreadableState, plan::federation_path},
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
}

/// One domain with its federation.
pub async fn read_domain(graph: &Graph, domain: &DomainName) -> Result<DomainState, ReadError> {
    let path = format!("/v1.0/domains/{}", segment(domain.as_str()));
    let answer = match graph.get(&path).await {
        Err(GraphError::NotFound(_)) => return Err(ReadError::NoDomain(domain.clone())),
        answer => answer?.body.unwrap_or_default(),
    };
    let mut state = DomainState::parse(&answer).map_err(|cause| unreadable(&path, cause))?;
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
    read_federation(graph, &mut state, Above::Nothing).await?;
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
    for value in graph.all(DOMAINS, MOST_DOMAINS).await? {
        let mut domain = DomainState::parse(&value).map_err(|cause| unreadable(DOMAINS, cause))?;
        domain.configuration = None;
        tenant.domains.push(domain);
    }
    let names: Vec<DomainName> = tenant.domains.iter().map(|one| one.name.clone()).collect();
    for domain in &mut tenant.domains {
        if domain.authentication == Some(Authentication::Managed) {
            domain.configuration = Some(None);
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
        read_federation(graph, domain, above).await?;
    }
    if tenant.domains.is_empty() {
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
