//! Entra's clouds. The constants come from entra-federation-facts §0 (endpoint table).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    EntityId, LogoutBinding, RelyingParty, RelyingPartyKind, ReplyUrl, RequestSignature,
    ResponseSignature, Sha1, SingleLogout,
};

/// How old the proofs of a session may be to answer Entra without asking again.
/// Entra keeps a session of its own, so a short life here costs people nothing.
pub const ENTRA_SESSION_MAX_AGE: Duration = Duration::from_mins(15);

/// One Entra cloud: who asks, and where the answer goes.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EntraCloud {
    /// `global`, `us-gov`, `china` or `custom`.
    #[serde(default = "custom")]
    pub name: String,
    /// The service provider's entity id; audience of assertions.
    pub entity_id: String,
    /// The assertion consumer service: `login.srf` of the cloud.
    pub reply_url: String,
    /// Where Microsoft publishes the service provider's metadata.
    #[serde(default)]
    pub metadata_url: Option<String>,
}

fn custom() -> String {
    "custom".to_owned()
}

impl EntraCloud {
    /// The worldwide cloud.
    pub fn global() -> Self {
        Self {
            name: "global".to_owned(),
            entity_id: "urn:federation:MicrosoftOnline".to_owned(),
            reply_url: "https://login.microsoftonline.com/login.srf".to_owned(),
            metadata_url: Some(
                "https://nexus.microsoftonline-p.com/federationmetadata/saml20/federationmetadata.xml".to_owned(),
            ),
        }
    }

    /// The US government cloud. Its metadata address is not documented.
    pub fn us_gov() -> Self {
        Self {
            name: "us-gov".to_owned(),
            entity_id: "urn:federation:microsoftonline.us".to_owned(),
            reply_url: "https://login.microsoftonline.us/login.srf".to_owned(),
            metadata_url: None,
        }
    }

    /// The cloud operated by 21Vianet in China.
    pub fn china() -> Self {
        Self {
            name: "china".to_owned(),
            entity_id: "urn:federation:partner.microsoftonline.cn".to_owned(),
            reply_url: "https://login.partner.microsoftonline.cn/login.srf".to_owned(),
            metadata_url: Some(
                "https://nexus.partner.microsoftonline-p.cn/federationmetadata/saml20/federationmetadata.xml".to_owned(),
            ),
        }
    }

    /// All presets.
    pub fn presets() -> [Self; 3] {
        [Self::global(), Self::us_gov(), Self::china()]
    }

    /// The preset of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::presets().into_iter().find(|cloud| cloud.name == name)
    }

    /// This cloud as a relying party. `request_certificates` (DER) are those of
    /// Microsoft's metadata, if the operator loaded it.
    pub fn relying_party(&self, request_certificates: Vec<Vec<u8>>) -> RelyingParty {
        RelyingParty {
            entity_id: EntityId(self.entity_id.clone()),
            display_name: "Microsoft Entra ID".to_owned(),
            kind: RelyingPartyKind::Entra,
            reply_urls: vec![ReplyUrl {
                index: 0,
                url: self.reply_url.clone(),
                preferred: true,
            }],
            request_certificates,
            request_signature: RequestSignature::Optional,
            sha1: Sha1::Refused,
            response_signature: ResponseSignature::AssertionOnly,
            session_max_age: ENTRA_SESSION_MAX_AGE,
            // Entra's metadata offers it by HTTP-POST at login.srf only (facts §1.4).
            single_logout: Some(SingleLogout {
                binding: LogoutBinding::Post,
                request_url: self.reply_url.clone(),
                response_url: None,
            }),
        }
    }
}
