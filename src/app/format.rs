//! An answer in the form of its protocol: how it is written, by which rules it is checked,
//! and how it travels. What is the same for all protocols is in [`super::issue`].
//!
//! Always true: whatever the protocol, an answer is encoded from a `ClaimSet`, and its
//! bytes pass the rules of the consumer that will read them.

use super::answer::Destination;
use crate::{
    base::clock::Timestamp,
    claims::ClaimSet,
    inspect::{self, Consumer},
    keys::SigningKey,
    protocol::{
        assertion::EncodeError,
        saml::{self, binding::PostForm},
        wsfed,
    },
    relying_party::{EntraCloud, ResponseSignature},
    session::Stay,
    signin::request::Protocol,
};

/// The protocols in which a token leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    Saml2,
    WsFed,
}

impl Format {
    /// `None`: no token leaves over it.
    pub(super) fn of(protocol: Protocol) -> Option<Self> {
        match protocol {
            Protocol::Saml2 => Some(Self::Saml2),
            Protocol::WsFed => Some(Self::WsFed),
            // Its token has an encoder of its own, which takes no `ClaimSet`.
            Protocol::ExternalMfa | Protocol::Account => None,
        }
    }

    fn consumer(self) -> Consumer {
        match self {
            Self::Saml2 => Consumer::EntraSaml2,
            Self::WsFed => Consumer::EntraWsfed,
        }
    }
}

/// What stands around the claims, whatever the protocol.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    pub(super) format: Format,
    pub(super) response_id: String,
    pub(super) assertion_id: String,
    pub(super) request_id: String,
    /// A registered address.
    pub(super) reply_url: String,
    pub(super) now: Timestamp,
    pub(super) response_signature: ResponseSignature,
    pub(super) stay: Stay,
}

impl Outline {
    /// The signed bytes that leave.
    pub(super) fn encode(
        &self,
        claims: &ClaimSet,
        key: &SigningKey,
    ) -> Result<String, EncodeError> {
        match self.format {
            Format::Saml2 => {
                let envelope = saml::response::Envelope {
                    response_id: self.response_id.clone(),
                    assertion_id: self.assertion_id.clone(),
                    in_response_to: &self.request_id,
                    acs: &self.reply_url,
                    now: self.now,
                    response_signature: self.response_signature,
                };
                saml::response::encode_response(claims, &envelope, key).map(|signed| signed.xml)
            }
            Format::WsFed => {
                let envelope = wsfed::assertion::Envelope {
                    assertion_id: self.assertion_id.clone(),
                    now: self.now,
                    stay: self.stay,
                };
                wsfed::response::encode_response(claims, &envelope, key)
            }
        }
    }

    /// How the bytes travel, with what is given back as it came.
    pub(super) fn destination(&self, xml: String, given_back: Option<&str>) -> Destination {
        match self.format {
            Format::Saml2 => PostForm::new(&self.reply_url, &xml, given_back).into(),
            Format::WsFed => Destination::WsFed {
                action: self.reply_url.clone(),
                wresult: xml,
                wctx: given_back.map(str::to_owned),
            },
        }
    }

    /// The inspector's rules on the bytes that leave; the ids of those that are broken.
    pub(super) fn pre_flight(
        &self,
        xml: &str,
        claims: &ClaimSet,
        key: &SigningKey,
        now: Timestamp,
    ) -> Result<(), Vec<String>> {
        let consumer = self.format.consumer();
        let mut context = inspect::Context::at(now);
        context.expect = Some(consumer);
        context.issuer = Some(claims.issuer().to_owned());
        context.realm = Some(claims.realm().clone());
        context.cloud = Some(EntraCloud {
            name: "relying party".to_owned(),
            entity_id: claims.audience().to_owned(),
            reply_url: self.reply_url.clone(),
            metadata_url: None,
        });
        context.certificates = vec![key.certificate.clone()];
        context.known.extend(key.read_certificate());
        // An answer over WS-Federation names no request.
        context.request = (self.format == Format::Saml2).then(|| inspect::GivenRequest {
            id: self.request_id.clone(),
        });
        inspect::pre_flight(xml.as_bytes(), &context).map_err(|report| {
            let verdict = report.verdict(consumer);
            let because = verdict.map_or(&[][..], |verdict| &verdict.because);
            because.iter().map(|rule| (*rule).to_owned()).collect()
        })
    }
}
