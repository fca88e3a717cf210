//! Where a cloud's authority and Microsoft Graph are (facts §0; Graph's national clouds).

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
            "global" => (
                "https://login.microsoftonline.com",
                "https://graph.microsoft.com",
            ),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relying_party::EntraCloud;

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
}
