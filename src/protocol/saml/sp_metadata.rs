//! A service provider's metadata → what is registered of it (SAML metadata §2.4.4).
//!
//! Always true: who may be registered is decided here once. A party may not be
//! named like an Entra cloud or a present one, and no party but Entra's presets may
//! have Microsoft's hosts as reply address: it would harvest assertions that Entra
//! accepts (attack 39). Reply addresses are https, or http on loopback.
//!
//! Read by our own reader alone: samael's `EntityDescriptor` takes `cacheDuration`
//! for a number and so refuses most published metadata. A signature in it is not
//! looked at: there is no key to check it with before the metadata itself is trusted.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use url::{Host, Url};

use super::{POST_BINDING, PROTOCOL_NS, REDIRECT_BINDING, metadata::METADATA_NS};
use crate::{
    keys::certificate::{Certificate, CertificateError},
    protocol::xml::{self, ReadError, XmlElement, XmlError, XmlLimits, signature::DSIG},
    relying_party::{
        EntityId, LogoutBinding, RelyingParty, RelyingPartyKind, ReplyUrl, RequestSignature,
        ResponseSignature, Sha1, SingleLogout,
        name_rule::{NameTaken, is_microsofts_host, is_microsofts_name, require_free_name},
    },
};

/// How old the proofs of a session may be to answer a party that is not Entra.
pub const SESSION_MAX_AGE: Duration = Duration::from_hours(8);

/// Why metadata was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// The XML is dangerous, too big or broken.
    #[error("the metadata's XML was refused")]
    Xml(#[from] XmlError),
    /// A value could not be read.
    #[error("a value of the metadata could not be read")]
    Read(#[from] ReadError),
    /// Not the metadata of one entity.
    #[error("this is not an EntityDescriptor of SAML 2.0 metadata")]
    NotAnEntity,
    /// No SPSSODescriptor for SAML 2.0, or several.
    #[error("the metadata does not describe one service provider of SAML 2.0")]
    NotAServiceProvider,
    /// Its name may not be registered.
    #[error("the service provider may not be registered under its name")]
    Name(#[from] NameTaken),
    /// No reply address with the HTTP-POST binding.
    #[error("the metadata has no AssertionConsumerService with the HTTP-POST binding")]
    NoReplyUrl,
    /// A reply address that is not taken.
    #[error("the reply address {0:?} is neither https nor http on loopback")]
    ReplyUrl(String),
    /// A reply address that only Entra may have.
    #[error(
        "the reply address {0:?} is Microsoft's; Entra is registered by `[entra] cloud`, not from metadata"
    )]
    Microsoft(String),
    /// An entity id under Microsoft's hosts: an audience that Entra may take for its own.
    #[error(
        "the entity id {0:?} is Microsoft's; Entra is registered by `[entra] cloud`, not from metadata"
    )]
    MicrosoftName(String),
    /// An index that is no number up to 65535, or stands twice.
    #[error("the AssertionConsumerService indexes are not different numbers")]
    Index,
    /// A certificate could not be read.
    #[error("a certificate of the metadata could not be used")]
    Certificate(#[from] CertificateError),
}

/// What a service provider says of itself, read but not yet judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpMetadata {
    /// Its entity id.
    pub entity_id: String,
    /// Its reply addresses with the HTTP-POST binding, in order.
    pub reply_urls: Vec<ReplyUrl>,
    /// The certificates (DER) that may sign its requests, each once.
    pub request_certificates: Vec<Vec<u8>>,
    /// Whether it says that it signs its requests.
    pub signs_requests: bool,
    /// Whether it wants assertions signed. They always are.
    pub wants_signed_assertions: bool,
    /// The NameID formats it takes.
    pub name_id_formats: Vec<String>,
    /// Where it takes part in single logout, over a binding that we speak.
    pub single_logout: Option<SingleLogout>,
}

/// Reads metadata of one service provider.
pub fn parse_sp_metadata(bytes: &[u8]) -> Result<SpMetadata, MetadataError> {
    let document = xml::read(bytes, &XmlLimits::METADATA)?;
    let root = document.root();
    if !root.is(METADATA_NS, "EntityDescriptor") {
        return Err(MetadataError::NotAnEntity);
    }
    let mut roles = root
        .children_named(METADATA_NS, "SPSSODescriptor")
        .filter(|role| {
            role.attribute("protocolSupportEnumeration")
                .is_some_and(|protocols| protocols.split_whitespace().any(|p| p == PROTOCOL_NS))
        });
    let (Some(role), None) = (roles.next(), roles.next()) else {
        return Err(MetadataError::NotAServiceProvider);
    };
    let name_id_formats = role
        .children_named(METADATA_NS, "NameIDFormat")
        .map(|format| Ok(format.text()?.trim().to_owned()))
        .collect::<Result<_, MetadataError>>()?;
    Ok(SpMetadata {
        entity_id: root.attribute("entityID").unwrap_or("").to_owned(),
        reply_urls: reply_urls(role)?,
        request_certificates: request_certificates(role)?,
        signs_requests: is_true(role.attribute("AuthnRequestsSigned")),
        wants_signed_assertions: is_true(role.attribute("WantAssertionsSigned")),
        name_id_formats,
        single_logout: single_logout(role),
    })
}

impl SpMetadata {
    /// The party to register beside `present`, if it may be.
    pub fn into_relying_party(
        self,
        display_name: Option<&str>,
        present: &[EntityId],
    ) -> Result<RelyingParty, MetadataError> {
        require_free_name(&self.entity_id, present)?;
        if is_microsofts_name(&self.entity_id) {
            return Err(MetadataError::MicrosoftName(self.entity_id));
        }
        for reply in &self.reply_urls {
            require_reply_url(&reply.url)?;
        }
        // What is sent there names a person, and the browser goes there with it.
        if let Some(logout) = &self.single_logout {
            require_reply_url(&logout.request_url)?;
            require_reply_url(logout.response_url())?;
        }
        Ok(RelyingParty {
            display_name: display_name.unwrap_or(&self.entity_id).to_owned(),
            entity_id: EntityId(self.entity_id),
            kind: RelyingPartyKind::ServiceProvider,
            reply_urls: self.reply_urls,
            request_certificates: self.request_certificates,
            request_signature: if self.signs_requests {
                RequestSignature::Required
            } else {
                RequestSignature::Optional
            },
            sha1: Sha1::Refused,
            response_signature: ResponseSignature::AssertionOnly,
            session_max_age: SESSION_MAX_AGE,
            single_logout: self.single_logout,
        })
    }
}

/// Whether a party other than Entra may have answers sent to `address`.
pub fn require_reply_url(address: &str) -> Result<(), MetadataError> {
    let refused = || MetadataError::ReplyUrl(address.to_owned());
    let url = Url::parse(address).map_err(|_| refused())?;
    if address.chars().any(|c| c.is_whitespace() || c.is_control())
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err(refused());
    }
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err(refused()),
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback => {}
        _ => return Err(refused()),
    }
    if url.host_str().is_some_and(is_microsofts_host) {
        return Err(MetadataError::Microsoft(address.to_owned()));
    }
    Ok(())
}

fn reply_urls(role: XmlElement<'_>) -> Result<Vec<ReplyUrl>, MetadataError> {
    let mut urls: Vec<ReplyUrl> = Vec::new();
    for service in role.children_named(METADATA_NS, "AssertionConsumerService") {
        if service.attribute("Binding") != Some(POST_BINDING) {
            continue;
        }
        let index = service
            .attribute("index")
            .and_then(|index| index.parse().ok())
            .ok_or(MetadataError::Index)?;
        if urls.iter().any(|known| known.index == index) {
            return Err(MetadataError::Index);
        }
        urls.push(ReplyUrl {
            index,
            url: service.attribute("Location").unwrap_or("").to_owned(),
            preferred: is_true(service.attribute("isDefault")),
        });
    }
    if urls.is_empty() {
        return Err(MetadataError::NoReplyUrl);
    }
    Ok(urls)
}

/// HTTP-Redirect before HTTP-POST (see [`LogoutBinding`]); of several the first.
fn single_logout(role: XmlElement<'_>) -> Option<SingleLogout> {
    let bindings = [
        (REDIRECT_BINDING, LogoutBinding::Redirect),
        (POST_BINDING, LogoutBinding::Post),
    ];
    bindings.into_iter().find_map(|(uri, binding)| {
        let service = role
            .children_named(METADATA_NS, "SingleLogoutService")
            .find(|service| service.attribute("Binding") == Some(uri))?;
        Some(SingleLogout {
            binding,
            request_url: service.attribute("Location").unwrap_or("").to_owned(),
            response_url: service.attribute("ResponseLocation").map(str::to_owned),
        })
    })
}

fn request_certificates(role: XmlElement<'_>) -> Result<Vec<Vec<u8>>, MetadataError> {
    let mut certificates: Vec<Vec<u8>> = Vec::new();
    for key in role.children_named(METADATA_NS, "KeyDescriptor") {
        // Without `use` a key is for both (metadata §2.4.1.1).
        if key
            .attribute("use")
            .is_some_and(|purpose| purpose != "signing")
        {
            continue;
        }
        for element in key.descendants() {
            if !element.is(DSIG, "X509Certificate") {
                continue;
            }
            let text: String = element.text()?.split_whitespace().collect();
            let der = BASE64.decode(text).map_err(|_| CertificateError::Form)?;
            Certificate::read(&der)?.require_strong_rsa()?;
            if !certificates.contains(&der) {
                certificates.push(der);
            }
        }
    }
    Ok(certificates)
}

fn is_true(value: Option<&str>) -> bool {
    matches!(value, Some("true" | "1"))
}
