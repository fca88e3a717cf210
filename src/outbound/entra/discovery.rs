//! The authority's own document (OpenID Connect Discovery 1.0) and its keys.
//!
//! Always true: every endpoint lies on the authority's origin. The issuer need not:
//! version 1's is `https://sts.windows.net/{tenant}/`.

use openidconnect::{
    AdditionalProviderMetadata, DeviceAuthorizationUrl, EndUserVerificationUrl, ProviderMetadata,
    core::{
        CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType,
        CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
        CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
        CoreSubjectIdentifierType,
    },
    http,
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::outbound::guard::{self, Outbound, OutboundError};

/// What stands in an issuer where the tenant will stand.
pub(super) const TENANT_HOLE: &str = "{tenantid}";

/// Which of Entra's two sets of endpoints.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// `oauth2/authorize` with `resource=`: what the Secure Application Model uses (facts §6.4).
    V1,
    /// `oauth2/v2.0/authorize` with scopes.
    V2,
}

/// The authority or the tenant is no such thing.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Not an address that is asked.
    #[error(
        "{0} is no authority; give an address like https://login.microsoftonline.com (http only to this computer)"
    )]
    Address(String),
    /// Not a tenant.
    #[error("{0} is no tenant; give its id, one of its domains, or organizations")]
    Tenant(String),
}

/// Whom to ask for tokens.
#[derive(Clone, Debug)]
pub struct Authority {
    base: Url,
    tenant: String,
}

impl Authority {
    /// `base` such as `https://login.microsoftonline.com`; `tenant` a GUID, a domain, `organizations` or `common`.
    pub fn new(base: &str, tenant: &str) -> Result<Self, AuthorityError> {
        let url = Url::parse(base)
            .ok()
            .filter(|url| guard::may_be_asked(url) && url.query().is_none() && url.path() == "/")
            .ok_or_else(|| AuthorityError::Address(base.to_owned()))?;
        let sound = !tenant.is_empty()
            && tenant.len() <= 255
            && !tenant.starts_with('.')
            && tenant
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
        if !sound {
            return Err(AuthorityError::Tenant(tenant.to_owned()));
        }
        Ok(Self {
            base: url,
            tenant: tenant.to_owned(),
        })
    }

    /// `https://login.microsoftonline.com`, without a slash at the end.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The tenant, as it was given.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    fn document(&self, version: Version) -> String {
        let version = match version {
            Version::V1 => "",
            Version::V2 => "/v2.0",
        };
        format!(
            "{}/{}{version}/.well-known/openid-configuration",
            self.base(),
            self.tenant
        )
    }
}

/// Why the authority's document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// There is no such tenant.
    #[error("{authority} knows no tenant {tenant}; give its id or one of its verified domains")]
    UnknownTenant {
        /// Whom we asked.
        authority: String,
        /// What for.
        tenant: String,
    },
    /// It answered something else.
    #[error("{address} answered {status}; is it the address of an Entra authority?")]
    Status {
        /// What we asked.
        address: String,
        /// HTTP's status.
        status: u16,
    },
    /// It cannot be read.
    #[error("{0} is no discovery document or key set; is it the address of an Entra authority?")]
    Unreadable(String, #[source] serde_json::Error),
    /// An endpoint is missing.
    #[error("the authority's discovery document has no {0}")]
    Lacks(&'static str),
    /// An endpoint lies elsewhere.
    #[error(
        "the authority's discovery document names {0} at another server, and nothing is sent there; if the tenant is of another cloud, name that with --cloud"
    )]
    Elsewhere(&'static str),
    /// No answer came.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

/// What the standard document lacks.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct DeviceEndpoint {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_authorization_endpoint: Option<DeviceAuthorizationUrl>,
}

impl AdditionalProviderMetadata for DeviceEndpoint {}

pub(super) type Metadata = ProviderMetadata<
    DeviceEndpoint,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The authority's document and keys.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) metadata: Metadata,
    pub(super) jwks: Vec<u8>,
}

impl Provider {
    pub(super) fn device_endpoint(&self) -> Result<DeviceAuthorizationUrl, DiscoveryError> {
        self.metadata
            .additional_metadata()
            .device_authorization_endpoint
            .clone()
            .ok_or(DiscoveryError::Lacks("device_authorization_endpoint"))
    }
}

pub(super) async fn discover(
    outbound: &Outbound,
    authority: &Authority,
    version: Version,
) -> Result<Provider, DiscoveryError> {
    let address = authority.document(version);
    let body = match get(outbound, &address).await? {
        Ok(body) => body,
        // Entra's own words for a tenant that it does not know; anything else is no Entra.
        Err((_, says)) if contains(&says, b"AADSTS90002") => {
            return Err(DiscoveryError::UnknownTenant {
                authority: authority.base().to_owned(),
                tenant: authority.tenant.clone(),
            });
        }
        Err((status, _)) => return Err(DiscoveryError::Status { address, status }),
    };
    // Its template issuer has braces, which are no URL's: the hole goes through parsing as it is.
    let metadata: Metadata = serde_json::from_slice(&body)
        .map_err(|error| DiscoveryError::Unreadable(address.clone(), error))?;
    let own = authority.base.origin();
    let device = metadata
        .additional_metadata()
        .device_authorization_endpoint
        .as_ref()
        .map(DeviceAuthorizationUrl::url);
    for (name, url) in [
        (
            "authorization_endpoint",
            Some(metadata.authorization_endpoint().url()),
        ),
        (
            "token_endpoint",
            Some(
                metadata
                    .token_endpoint()
                    .ok_or(DiscoveryError::Lacks("token_endpoint"))?
                    .url(),
            ),
        ),
        ("jwks_uri", Some(metadata.jwks_uri().url())),
        ("device_authorization_endpoint", device),
    ] {
        if url.is_some_and(|url| url.origin() != own) {
            return Err(DiscoveryError::Elsewhere(name));
        }
    }
    let keys = metadata.jwks_uri().as_str().to_owned();
    let jwks = get(outbound, &keys)
        .await?
        .map_err(|(status, _)| DiscoveryError::Status {
            address: keys.clone(),
            status,
        })?;
    let set: CoreJsonWebKeySet =
        serde_json::from_slice(&jwks).map_err(|error| DiscoveryError::Unreadable(keys, error))?;
    Ok(Provider {
        metadata: metadata.set_jwks(set),
        jwks,
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The body; or the status and the body of what is no success.
async fn get(
    outbound: &Outbound,
    address: &str,
) -> Result<Result<Vec<u8>, (u16, Vec<u8>)>, DiscoveryError> {
    let request = http::Request::builder()
        .uri(address)
        .header(http::header::ACCEPT, "application/json")
        .body(Vec::new())
        .map_err(OutboundError::Request)?;
    let answer = outbound.call(request).await?;
    let status = answer.status();
    let body = answer.into_body();
    Ok(if status == http::StatusCode::OK {
        Ok(body)
    } else {
        Err((status.as_u16(), body))
    })
}

/// The address that a person is sent to must be one that may be asked.
pub(super) fn require_address(address: &EndUserVerificationUrl) -> Result<(), DiscoveryError> {
    if guard::may_be_asked(address.url()) {
        Ok(())
    } else {
        Err(DiscoveryError::Elsewhere("verification_uri"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_an_origin_and_a_tenant_a_name() {
        let good = Authority::new("https://login.microsoftonline.com/", "contoso.com").unwrap();
        assert_eq!(
            good.document(Version::V2),
            "https://login.microsoftonline.com/contoso.com/v2.0/.well-known/openid-configuration"
        );
        assert_eq!(
            good.document(Version::V1),
            "https://login.microsoftonline.com/contoso.com/.well-known/openid-configuration"
        );
        for bad in [
            "login.microsoftonline.com",
            "http://login.microsoftonline.com",
            "https://login.microsoftonline.com/organizations",
            "https://login.microsoftonline.com/?x=1",
        ] {
            assert!(
                matches!(Authority::new(bad, "x"), Err(AuthorityError::Address(_))),
                "{bad}"
            );
        }
        for bad in ["", "a/b", "..", "a b", "a?b", "%2e"] {
            assert!(
                matches!(
                    Authority::new("https://login.microsoftonline.com", bad),
                    Err(AuthorityError::Tenant(_))
                ),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_hole_for_the_tenant_survives_the_parser() {
        let text = "https://login.microsoftonline.com/{tenantid}/v2.0";
        assert_eq!(
            openidconnect::IssuerUrl::new(text.to_owned())
                .unwrap()
                .as_str(),
            text
        );
    }
}
