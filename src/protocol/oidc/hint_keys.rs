//! The keys of a cloud, with which hints are verified: its discovery document and its key set.
//!
//! Always true: both documents come from the cloud's own authority, and a key verifies the hints
//! of that cloud's tenants only; a key for which the cloud names an issuer verifies tokens of
//! that issuer and of no other (one key of Microsoft's signed for whom it should not, Storm-0558),
//! and one of another cloud, which stands in the same set, verifies nothing (attack 34);
//! a set is bounded before it is parsed, and what is no RSA key for signatures is left out.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::JsonWebKey as _;
use openidconnect::core::{CoreJsonWebKey, CoreProviderMetadata};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::{
    base::{clock::Timestamp, guid::Guid},
    relying_party::{ExternalMfaCloud, external_mfa::TENANT_HOLE},
};

/// The largest document, in bytes. Entra's key set has about 20 KB.
pub const MAX_DOCUMENT: usize = 256 * 1024;
/// How many keys a set may have. Entra's has about ten.
pub const MAX_KEYS: usize = 64;

/// Why a cloud's document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HintKeysError {
    /// Over [`MAX_DOCUMENT`].
    #[error("the cloud's document has more than {MAX_DOCUMENT} bytes")]
    TooLarge,
    /// No such document.
    #[error("the cloud's document cannot be read")]
    Form(#[source] serde_json::Error),
    /// It is another issuer's.
    #[error("the cloud's document is of the issuer {0:?}")]
    Issuer(String),
    /// Its keys lie elsewhere.
    #[error(
        "the cloud's document names its keys at another server ({0:?}), and nothing is fetched there"
    )]
    Elsewhere(String),
    /// Over a limit.
    #[error("the cloud's key set has more than {MAX_KEYS} keys")]
    TooMany,
    /// None for signatures.
    #[error("the cloud's key set has no RSA key with a kid")]
    NoKeys,
}

/// What a cloud's discovery document says of its keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CloudMetadata {
    /// Where they are: `jwks_uri`.
    pub keys: String,
    /// `cloud_instance_name`, such as `microsoftonline.com`.
    pub instance: Option<String>,
}

#[derive(Deserialize)]
struct Instance {
    cloud_instance_name: Option<String>,
}

/// Where the keys of a cloud are, and what the cloud is called.
///
/// # Errors
/// See [`HintKeysError`]: the document must be the cloud's, and its keys on the same server.
pub fn parse_metadata(
    cloud: &ExternalMfaCloud,
    document: &[u8],
) -> Result<CloudMetadata, HintKeysError> {
    if document.len() > MAX_DOCUMENT {
        return Err(HintKeysError::TooLarge);
    }
    let metadata: CoreProviderMetadata =
        serde_json::from_slice(document).map_err(HintKeysError::Form)?;
    if metadata.issuer().as_str() != cloud.issuer_template() {
        return Err(HintKeysError::Issuer(metadata.issuer().to_string()));
    }
    let keys = metadata.jwks_uri();
    let own = Url::parse(cloud.authority()).ok();
    if own.is_none_or(|own| own.origin() != keys.url().origin())
        || !keys.url().username().is_empty()
        || keys.url().password().is_some()
    {
        return Err(HintKeysError::Elsewhere(keys.to_string()));
    }
    let named: Instance = serde_json::from_slice(document).map_err(HintKeysError::Form)?;
    Ok(CloudMetadata {
        keys: keys.to_string(),
        instance: named.cloud_instance_name,
    })
}

/// The keys of one cloud, as they were read.
#[derive(Clone, Debug)]
pub struct HintKeys {
    cloud: ExternalMfaCloud,
    keys: Vec<HintKey>,
    read_at: Timestamp,
}

#[derive(Clone, Debug)]
struct HintKey {
    key: CoreJsonWebKey,
    kid: String,
    issuer: Option<String>,
    instance: Option<String>,
}

#[derive(Deserialize)]
struct Written {
    keys: Vec<Value>,
}

impl HintKeys {
    /// Reads a key set (RFC 7517 §5) that came from `cloud` at `read_at`.
    ///
    /// # Errors
    /// See [`HintKeysError`].
    pub fn parse(
        cloud: &ExternalMfaCloud,
        document: &[u8],
        read_at: Timestamp,
    ) -> Result<Self, HintKeysError> {
        if document.len() > MAX_DOCUMENT {
            return Err(HintKeysError::TooLarge);
        }
        let written: Written = serde_json::from_slice(document).map_err(HintKeysError::Form)?;
        if written.keys.len() > MAX_KEYS {
            return Err(HintKeysError::TooMany);
        }
        let keys: Vec<HintKey> = written.keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() {
            return Err(HintKeysError::NoKeys);
        }
        Ok(Self {
            cloud: cloud.clone(),
            keys,
            read_at,
        })
    }

    /// Without the keys of other clouds: the worldwide set has some of the US government's.
    ///
    /// # Errors
    /// None is left: such a set must not replace one that is.
    pub fn of_instance(mut self, name: Option<&str>) -> Result<Self, HintKeysError> {
        let is_of = |key: &HintKey| match (&key.instance, name) {
            (Some(instance), Some(name)) => instance == name,
            _ => true,
        };
        self.keys.retain(is_of);
        if self.keys.is_empty() {
            return Err(HintKeysError::NoKeys);
        }
        Ok(self)
    }

    /// Whose they are.
    pub fn cloud(&self) -> &ExternalMfaCloud {
        &self.cloud
    }

    /// When they were read.
    pub fn read_at(&self) -> Timestamp {
        self.read_at
    }

    /// Whether one goes by this name.
    pub fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid == kid)
    }

    /// The key of that name, if the cloud lets it sign for this tenant.
    pub(super) fn key(&self, kid: &str, tenant: Guid) -> Option<&CoreJsonWebKey> {
        let issuer = self.cloud.issuer_of(tenant);
        let signs_for = |key: &&HintKey| {
            key.issuer
                .as_deref()
                .is_none_or(|named| named.replace(TENANT_HOLE, &tenant.to_string()) == issuer)
        };
        let mut named = self.keys.iter().filter(|key| key.kid == kid);
        // Two keys of one name: nobody knows which is meant.
        match (named.next(), named.next()) {
            (Some(key), None) => Some(key).filter(signs_for).map(|key| &key.key),
            _ => None,
        }
    }
}

/// A key that may verify a signature; what is none is passed over.
fn usable(value: Value) -> Option<HintKey> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let has_number = |name: &str| {
        let number = text(name).and_then(|number| URL_SAFE_NO_PAD.decode(number).ok());
        number.is_some_and(|number| !number.is_empty())
    };
    let is_for_signatures = text("use").is_none_or(|of| of == "sig")
        && text("alg").is_none_or(|alg| alg == "RS256")
        && text("kty").as_deref() == Some("RSA")
        && has_number("n")
        && has_number("e")
        && value.get("d").is_none();
    let kid = text("kid").filter(|kid| !kid.is_empty())?;
    // For whom it signs cannot be told, if that is no text.
    let named = |name: &str| match value.get(name) {
        None => Some(None),
        Some(Value::String(text)) => Some(Some(text.clone())),
        Some(_) => None,
    };
    let (issuer, instance) = (named("issuer")?, named("cloud_instance_name")?);
    let key: CoreJsonWebKey = serde_json::from_value(value).ok()?;
    (is_for_signatures && key.key_id().is_some_and(|id| **id == kid)).then_some(HintKey {
        key,
        kid,
        issuer,
        instance,
    })
}

#[cfg(test)]
mod tests;
