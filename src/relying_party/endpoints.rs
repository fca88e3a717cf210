//! Where a cloud's authority and Microsoft Graph are (facts §0; Graph's national clouds).

use url::{Host, Url};

use super::{EntraCloud, name_rule::is_microsofts_host};

/// The worldwide Graph; programs of Microsoft's and the practice tenant know it by this name.
const GRAPH: &str = "https://graph.microsoft.com";

/// The two addresses of a cloud that commands of ours ask. Neither ends in a slash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntraEndpoints {
    /// Entra's authority: where people and applications get tokens.
    pub authority_url: String,
    /// Microsoft Graph, without a version. As a resource it has the same name.
    pub graph_url: String,
}

impl EntraEndpoints {
    /// Those of a preset, by the name of [`super::EntraCloud`]; none for another name.
    pub fn of_cloud(name: &str) -> Option<Self> {
        let (authority, graph) = match name {
            "global" => ("https://login.microsoftonline.com", GRAPH),
            "us-gov" => (
                "https://login.microsoftonline.us",
                "https://graph.microsoft.us",
            ),
            "china" => (
                "https://login.partner.microsoftonline.cn",
                "https://microsoftgraph.chinacloudapi.cn",
            ),
            _ => return None,
        };
        Some(Self {
            authority_url: authority.to_owned(),
            graph_url: graph.to_owned(),
        })
    }
}

/// Why no token is asked for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EndpointsError {
    /// One of them cannot be read.
    #[error("{0} is no absolute address; write https://…")]
    Address(String),
    /// A token of Microsoft's for Graph would go to another server.
    #[error(
        "a token of {authority} is good at Microsoft's own Graph, so it goes to {allowed} and nowhere else, not to {graph}; correct the address of Graph, or that of the authority"
    )]
    Elsewhere {
        /// Who would issue it.
        authority: String,
        /// Where it would go.
        graph: String,
        /// Where it may go.
        allowed: String,
    },
}

impl EntraEndpoints {
    /// What to ask a token for, so that it is worth nothing at another Graph than this one: an
    /// authority of Microsoft's goes with its own cloud's Graph and with no other address,
    /// any other authority issues for the address itself. On this computer alone (the practice
    /// tenant) Graph goes by its usual name.
    ///
    /// # Errors
    /// See [`EndpointsError`].
    pub fn graph_resource(&self) -> Result<String, EndpointsError> {
        let parse =
            |text: &str| Url::parse(text).map_err(|_| EndpointsError::Address(text.to_owned()));
        let (authority, graph) = (parse(&self.authority_url)?, parse(&self.graph_url)?);
        let host = authority.host_str().unwrap_or_default();
        if is_microsofts_host(host) {
            let host = host.trim_end_matches('.');
            let presets: Vec<Self> = EntraCloud::presets()
                .iter()
                .filter_map(|cloud| Self::of_cloud(&cloud.name))
                .collect();
            // By one of its other names it may be of any cloud.
            let is_its_own = |preset: &&Self| {
                Url::parse(&preset.authority_url).is_ok_and(|url| url.host_str() == Some(host))
            };
            let own: Vec<&Self> = presets.iter().filter(is_its_own).collect();
            let allowed = if own.is_empty() {
                presets.iter().collect()
            } else {
                own
            };
            let home = allowed.iter().find(|preset| {
                Url::parse(&preset.graph_url).is_ok_and(|home| home.as_str() == graph.as_str())
            });
            return home.map(|preset| preset.graph_url.clone()).ok_or_else(|| {
                EndpointsError::Elsewhere {
                    authority: self.authority_url.clone(),
                    graph: self.graph_url.clone(),
                    allowed: allowed
                        .iter()
                        .map(|preset| preset.graph_url.as_str())
                        .collect::<Vec<_>>()
                        .join(" or "),
                }
            });
        }
        if is_here(&authority) && is_here(&graph) {
            return Ok(GRAPH.to_owned());
        }
        if !graph.origin().is_tuple() {
            return Err(EndpointsError::Address(self.graph_url.clone()));
        }
        Ok(graph.origin().ascii_serialization())
    }
}

/// Whether nothing leaves this computer on the way there.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_an_authority_on_the_host_of_its_reply_address() {
        for cloud in EntraCloud::presets() {
            let endpoints = EntraEndpoints::of_cloud(&cloud.name).unwrap();
            assert_eq!(
                cloud.reply_url,
                format!("{}/login.srf", endpoints.authority_url)
            );
            assert!(endpoints.graph_url.starts_with("https://"));
        }
        assert_eq!(EntraEndpoints::of_cloud("custom"), None);
    }

    fn resource(authority: &str, graph: &str) -> Option<String> {
        let endpoints = EntraEndpoints {
            authority_url: authority.to_owned(),
            graph_url: graph.to_owned(),
        };
        endpoints.graph_resource().ok()
    }

    #[test]
    fn a_token_of_microsofts_goes_to_microsofts_own_graph_only() {
        for cloud in EntraCloud::presets() {
            let own = EntraEndpoints::of_cloud(&cloud.name).unwrap();
            assert_eq!(own.graph_resource().unwrap(), own.graph_url);
            let host = own.authority_url.strip_prefix("https://").unwrap();
            let graph_host = own.graph_url.strip_prefix("https://").unwrap();
            let authorities = [
                own.authority_url.clone(),
                format!("https://{host}/"),
                format!("https://{host}."),
                format!("https://{host}:8443"),
                format!("https://{}", host.to_uppercase()),
                format!("https://user@{host}"),
            ];
            for authority in &authorities {
                assert_eq!(
                    resource(authority, &own.graph_url).as_ref(),
                    Some(&own.graph_url),
                    "{authority}"
                );
                for graph in [
                    format!("https://{graph_host}.evil.example"),
                    format!("https://{graph_host}."),
                    format!("https://{graph_host}:8443"),
                    format!("http://{graph_host}"),
                    format!("https://user@{graph_host}"),
                    format!("https://{graph_host}/x"),
                    format!("https://{graph_host}?x"),
                    format!("https://x.{graph_host}"),
                    "https://graph.evil.example".to_owned(),
                    "http://127.0.0.1:8081/graph".to_owned(),
                    "graph".to_owned(),
                ] {
                    assert_eq!(resource(authority, &graph), None, "{authority} {graph}");
                }
                for other in EntraCloud::presets() {
                    let other = EntraEndpoints::of_cloud(&other.name).unwrap();
                    if other != own {
                        assert_eq!(resource(authority, &other.graph_url), None, "{authority}");
                    }
                }
            }
        }
        // Microsoft's, by a name that is no preset's.
        for authority in ["https://login.windows.net", "https://login.microsoft.com"] {
            assert_eq!(resource(authority, GRAPH).as_deref(), Some(GRAPH));
            assert_eq!(resource(authority, "https://graph.evil.example"), None);
        }
    }

    #[test]
    fn any_other_authority_issues_for_the_address_itself() {
        for (authority, graph, wanted) in [
            (
                "https://login.fabrikam.example",
                "https://graph.fabrikam.example/x",
                "https://graph.fabrikam.example",
            ),
            // Nearly Microsoft's is not Microsoft's, and gets no token for Microsoft's Graph.
            (
                "https://login.microsoftonline.com.evil.example",
                "https://graph.evil.example",
                "https://graph.evil.example",
            ),
            (
                "http://127.0.0.1:8081",
                "https://graph.evil.example:444",
                "https://graph.evil.example:444",
            ),
            (
                "https://login.fabrikam.example",
                "http://127.0.0.1:8081/graph",
                "http://127.0.0.1:8081",
            ),
            (
                "http://127.0.0.1:8081",
                "http://127.0.0.1:8081/graph",
                GRAPH,
            ),
            ("http://localhost:1", "http://[::1]:2/graph", GRAPH),
        ] {
            assert_eq!(
                resource(authority, graph).as_deref(),
                Some(wanted),
                "{authority} {graph}"
            );
        }
        assert_eq!(resource("login", "https://graph.evil.example"), None);
        assert_eq!(resource("https://x.example", "data:x"), None);
    }
}
