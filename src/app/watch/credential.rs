//! The application that reads the tenant, and what it may do there.

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use url::Url;

use crate::{
    app::graph_sign_in::{Authority, AuthorityError, ClientIdentity, Graph, GraphError},
    base::secret::Secret,
    outbound::{
        entra::{Entra, EntraError, Permissions, Version, Wanted, WantsRefresh},
        guard::{Outbound, OutboundError},
    },
    relying_party::{EndpointsError, EntraEndpoints},
};

/// An application of a tenant, and where to ask.
#[derive(Clone, Debug)]
pub struct TenantReader {
    authority: Authority,
    graph_url: Url,
    resource: String,
    identity: ClientIdentity,
}

/// Why there is no reader.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// The authority or the tenant.
    #[error("graph.tenant_id or the authority of the cloud cannot be used")]
    Authority(#[from] AuthorityError),
    /// Graph's address.
    #[error("the address of Graph cannot be used")]
    GraphUrl(#[from] url::ParseError),
    /// The token would go where it must not.
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
}

/// Why the tenant could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The network.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// Entra says no.
    #[error(
        "the application got no token ({error}); see whether its id and secret in [graph] are right, and whether the secret has ended: {description}"
    )]
    Refused {
        /// OAuth's word.
        error: String,
        /// Entra's words, shortened.
        description: String,
    },
    /// Something else about the authority.
    #[error("the application got no token")]
    Entra(#[source] EntraError),
    /// Graph's address.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// What an application may do, as its token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Powers {
    /// It reads only: what.
    Reads(Vec<String>),
    /// It could write: by what.
    Writes(Vec<String>),
    /// The token does not say.
    Unknown,
}

impl TenantReader {
    /// The application `client_id` of `tenant`.
    pub fn new(
        endpoints: &EntraEndpoints,
        tenant: &str,
        client_id: &str,
        client_secret: Secret<String>,
    ) -> Result<Self, ReaderError> {
        Ok(Self {
            authority: Authority::new(&endpoints.authority_url, tenant)?,
            graph_url: Url::parse(&endpoints.graph_url)?,
            resource: endpoints.graph_resource()?,
            identity: ClientIdentity {
                id: client_id.to_owned(),
                secret: Some(client_secret),
            },
        })
    }

    /// The tenant, as it was named.
    pub fn tenant(&self) -> &str {
        self.authority.tenant()
    }

    /// Gets a token; a Graph that can be read, and what the token lets do.
    pub async fn open(&self, outbound: &Outbound) -> Result<(Graph, Powers), OpenError> {
        let refused = |error: EntraError| match error {
            EntraError::Refused(refusal) => OpenError::Refused {
                error: crate::inspect::shown(&refusal.error, 100),
                description: crate::inspect::shown(
                    refusal.description.lines().next().unwrap_or_default(),
                    300,
                ),
            },
            EntraError::Outbound(error) => OpenError::Outbound(error),
            other => OpenError::Entra(other),
        };
        let entra = Entra::discover(outbound, &self.authority, Version::V2, &self.identity)
            .await
            .map_err(refused)?;
        // A document for any tenant would leave open which one is watched.
        entra.tenant_id(&self.authority).map_err(refused)?;
        let wanted = Wanted {
            resource: self.resource.clone(),
            permissions: Permissions::Granted,
            refresh: WantsRefresh::No,
        };
        let token = entra.application_token(&wanted).await.map_err(refused)?;
        let powers = powers(token.expose());
        Ok((
            Graph::new(outbound.clone(), self.graph_url.clone(), token)?,
            powers,
        ))
    }
}

/// Directory roles that only read, and the one that everybody has (template ids).
const READING_ROLES: [&str; 6] = [
    "0997a1d0-0d1d-4acb-b408-d5ca73121e90", // default user
    "88d8e3e3-8f55-4a1e-953a-9b9898b8876b", // Directory Readers
    "f2ef992c-3afb-46b9-b7cf-a126ee74c451", // Global Reader
    "5d6b6bb7-de71-4623-b4af-96380a352509", // Security Reader
    "4a5d8f65-41da-4de4-8968-e035b65339cf", // Reports Reader
    "790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b", // Message Center Reader
];

/// What a token lets do. It came from the authority itself; nothing of it is believed to
/// anybody's advantage but that it may be too powerful.
pub fn powers(token: &str) -> Powers {
    let payload = token
        .split('.')
        .nth(1)
        .and_then(|part| BASE64URL_NOPAD.decode(part.as_bytes()).ok())
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let Some(Value::Object(claims)) = payload else {
        return Powers::Unknown;
    };
    let list = |name: &str| -> Vec<String> {
        match claims.get(name) {
            Some(Value::Array(values)) => values
                .iter()
                .map(|value| value.as_str().unwrap_or("unreadable").to_owned())
                .collect(),
            Some(Value::String(text)) => text.split_whitespace().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    let granted: BTreeSet<String> = list("roles").into_iter().chain(list("scp")).collect();
    let mut writes: Vec<String> = granted
        .iter()
        .filter(|permission| !only_reads(permission))
        .cloned()
        .collect();
    writes.extend(
        list("wids")
            .into_iter()
            .filter(|role| !READING_ROLES.contains(&role.to_ascii_lowercase().as_str()))
            .map(|role| format!("directory role {role}")),
    );
    if writes.is_empty() {
        Powers::Reads(granted.into_iter().collect())
    } else {
        let writes = writes.iter().take(20);
        Powers::Writes(
            writes
                .map(|name| crate::inspect::shown(name, 100))
                .collect(),
        )
    }
}

/// Whether a permission of Graph only reads: `Domain.Read.All`, `User.ReadBasic.All`. What is
/// not known to read is taken to write: `Directory.AccessAsUser.All`, `full_access_as_app`.
fn only_reads(permission: &str) -> bool {
    if matches!(
        permission,
        "openid" | "profile" | "email" | "offline_access"
    ) {
        return true;
    }
    permission
        .split('.')
        .skip(1)
        .any(|part| part == "Read" || part.starts_with("ReadBasic"))
        && !permission.contains("Write")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.x", BASE64URL_NOPAD.encode(claims.as_bytes()))
    }

    #[test]
    fn what_is_not_known_to_read_writes() {
        for reads in [
            r#"{"roles":["Domain.Read.All","Policy.Read.All"]}"#,
            r#"{"roles":["Domain-InternalFederation.Read.All"],"wids":["0997a1d0-0d1d-4acb-b408-d5ca73121e90"]}"#,
            r#"{"scp":"User.Read openid profile User.ReadBasic.All"}"#,
            r#"{"roles":[]}"#,
            "{}",
        ] {
            assert!(matches!(powers(&token(reads)), Powers::Reads(_)), "{reads}");
        }
        for writes in [
            r#"{"roles":["Domain.Read.All","Domain.ReadWrite.All"]}"#,
            r#"{"roles":["Domain-InternalFederation.ReadWrite.All"]}"#,
            r#"{"scp":"Directory.AccessAsUser.All"}"#,
            r#"{"roles":["full_access_as_app"]}"#,
            r#"{"roles":["Mail.Send"]}"#,
            r#"{"roles":["Sites.FullControl.All"]}"#,
            r#"{"roles":["User.Read.All.Write"]}"#,
            r#"{"roles":["Read.Domain.Write"]}"#,
            r#"{"roles":[7]}"#,
            r#"{"roles":["Domain.Read.All"],"wids":["62e90394-69f5-4237-9190-012177145e10"]}"#,
        ] {
            assert!(
                matches!(powers(&token(writes)), Powers::Writes(_)),
                "{writes}"
            );
        }
        for unknown in ["", "opaque", "a.b.c", "e30.W10.x"] {
            assert_eq!(powers(unknown), Powers::Unknown, "{unknown}");
        }
    }
}
