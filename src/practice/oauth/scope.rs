//! Scopes: those of OpenID Connect, and the permissions of the resource that an application
//! is for: Partner Center's API or Graph.

use super::errors::OAuthError;
use crate::practice::token::{Access, GRAPH, PARTNER_CENTER};

const OPENID: &str = "openid";
const OFFLINE_ACCESS: &str = "offline_access";

/// What the tenant's Graph knows of permissions.
const PERMISSIONS: [&str; 17] = [
    "User.Read",
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
    "Directory.AccessAsUser.All",
    "Domain.Read.All",
    "Domain.ReadWrite.All",
    "Domain-InternalFederation.Read.All",
    "Domain-InternalFederation.ReadWrite.All",
    "Organization.Read.All",
    "Policy.Read.All",
    "Policy.ReadWrite.AuthenticationMethod",
    "Policy.ReadWrite.FedTokenValidation",
    "AuditLog.Read.All",
    "AuthenticationMethod.Read.All",
    "RoleManagement.Read.Directory",
];

/// Which API an application is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resource {
    /// Partner Center's.
    PartnerCenter,
    /// Microsoft Graph.
    Graph,
}

/// What was asked for, each word once, in the order of the request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scope {
    /// OpenID Connect's words.
    words: Vec<String>,
    resource: Resource,
    /// What of the resource; empty where nothing of it was asked for.
    permissions: Vec<String>,
}

impl Scope {
    /// Reads `scope` of the v2 endpoints. Every word must be known. `graph_url` is the
    /// tenant's own Graph, which is Graph's name here as well.
    pub(super) fn parse(
        text: &str,
        resource: Resource,
        graph_url: &str,
    ) -> Result<Self, OAuthError> {
        let mut scope = Self {
            words: Vec::new(),
            resource,
            permissions: Vec::new(),
        };
        for word in text.split_ascii_whitespace() {
            let (list, word) = if matches!(word, OPENID | OFFLINE_ACCESS | "profile" | "email") {
                (&mut scope.words, word)
            } else {
                let permission = match resource {
                    Resource::PartnerCenter => of_partner_center(word),
                    Resource::Graph => of_graph(word, graph_url),
                };
                let permission = permission.ok_or_else(|| OAuthError::Scope(word.to_owned()))?;
                (&mut scope.permissions, permission)
            };
            if !list.iter().any(|had| had == word) {
                list.push(word.to_owned());
            }
        }
        Ok(scope)
    }

    /// The same, with a permission of the resource in it.
    pub(super) fn parse_with_resource(
        text: &str,
        resource: Resource,
        graph_url: &str,
    ) -> Result<Self, OAuthError> {
        let scope = Self::parse(text, resource, graph_url)?;
        if scope.permissions.is_empty() {
            Err(OAuthError::Scope(text.to_owned()))
        } else {
            Ok(scope)
        }
    }

    /// What the v1 endpoints always give: they know no scopes but `resource`.
    pub(super) fn of_v1() -> Self {
        Self {
            words: [OPENID, OFFLINE_ACCESS, "profile"]
                .map(str::to_owned)
                .to_vec(),
            resource: Resource::PartnerCenter,
            permissions: vec!["user_impersonation".to_owned()],
        }
    }

    /// With the permissions of `kept` where a refresh asks for none.
    pub(super) fn or_as(mut self, kept: &Self) -> Self {
        if self.permissions.is_empty() {
            self.permissions.clone_from(&kept.permissions);
        }
        // A refresh yields no more than was granted (RFC 6749 §6).
        self.permissions
            .retain(|permission| kept.permissions.contains(permission));
        self
    }

    /// Which API it is for.
    pub(super) fn resource(&self) -> Resource {
        self.resource
    }

    /// For the token.
    pub(super) fn access(&self) -> Access<'_> {
        match self.resource {
            Resource::PartnerCenter => Access::PartnerCenter,
            Resource::Graph => Access::Graph(&self.permissions),
        }
    }

    /// Whether an id_token is wanted.
    pub(super) fn openid(&self) -> bool {
        self.words.iter().any(|word| word == OPENID)
    }

    /// Whether a refresh token is wanted.
    pub(super) fn offline_access(&self) -> bool {
        self.words.iter().any(|word| word == OFFLINE_ACCESS)
    }

    /// As the answer says it: without `offline_access`, with the permissions by name.
    pub(super) fn granted(&self) -> String {
        let mut words: Vec<String> = self
            .words
            .iter()
            .filter(|word| *word != OFFLINE_ACCESS)
            .cloned()
            .collect();
        match self.resource {
            Resource::PartnerCenter => words.push(format!("{PARTNER_CENTER}/user_impersonation")),
            Resource::Graph => words.extend(
                self.permissions
                    .iter()
                    .map(|permission| format!("{GRAPH}/{permission}")),
            ),
        }
        words.join(" ")
    }
}

fn of_partner_center(word: &str) -> Option<&'static str> {
    let rest = word.strip_prefix(PARTNER_CENTER)?;
    (rest == "/user_impersonation" || rest == "/.default").then_some("user_impersonation")
}

/// `https://graph.microsoft.com/User.Read.All`, or `User.Read.All` alone: Graph is the usual
/// resource of the v2 endpoints. `.default` gives what every application has.
fn of_graph(word: &str, graph_url: &str) -> Option<&'static str> {
    let name = [GRAPH, graph_url]
        .iter()
        .find_map(|prefix| word.strip_prefix(prefix)?.strip_prefix('/'))
        .unwrap_or(word);
    if name == ".default" && name != word {
        return Some("User.Read");
    }
    PERMISSIONS.into_iter().find(|known| *known == name)
}

/// Whether an application on its own asks for what it has at Graph.
pub(super) fn is_graph_default(scope: &str, graph_url: &str) -> bool {
    [GRAPH, graph_url]
        .iter()
        .any(|prefix| scope.strip_prefix(prefix) == Some("/.default"))
}

/// Checks `resource` of the v1 endpoints, which are for Partner Center's API only.
pub(super) fn require_v1(client: Resource, resource: Option<&str>) -> Result<(), OAuthError> {
    let asked = resource.unwrap_or(PARTNER_CENTER);
    let right = asked.strip_suffix('/').unwrap_or(asked) == PARTNER_CENTER;
    if right && client == Resource::PartnerCenter {
        Ok(())
    } else {
        Err(OAuthError::Resource(asked.to_owned()))
    }
}
