//! A request's bytes → [`UnverifiedAuthnRequest`] → [`VerifiedAuthnRequest`] (SAML core §3.4.1).
//!
//! Always true: a `VerifiedAuthnRequest` is made by [`UnverifiedAuthnRequest::verify`]
//! alone. Its values come from the canonical form of the very element that the
//! signature covered (of the root, where a party does not sign), never from
//! elsewhere in the message (attack 10); and the address that it names is one that
//! is registered. A signature that is there must hold, even where none is asked.
//!
//! Why two readers: samael's types are filled by quick-xml, which goes by local
//! names. So it is given only canonical text of a tree whose every element and
//! attribute our reader has found to be of its schema, and what both read must agree.

mod schema;

use std::{str::FromStr as _, time::Duration};

use samael::schema::AuthnRequest;

use super::{
    ASSERTION_NS, POST_BINDING,
    binding::{self, BindingError, Message},
    requested::{require_context, require_name_id_policy},
    sender::{Covered, SenderError, require_sender},
    status::Status,
};
use crate::{
    base::{clock::Timestamp, text::DomainName},
    keys::certificate::CertificateError,
    protocol::xml::{
        self, ReadError, XmlError, XmlLimits,
        signature::{SignatureError, is_plain_id},
    },
    relying_party::{RelyingParty, ReplyUrlError},
    signin::request::{Interaction, Protocol, Reauthentication, SignInRequest},
};

/// How far the time of a request may be from ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestWindow {
    /// How far ahead: the other clock is fast.
    pub ahead: Duration,
    /// How far back: the person was slow, or the request is being replayed.
    pub back: Duration,
}

impl Default for RequestWindow {
    fn default() -> Self {
        Self {
            ahead: Duration::from_mins(5),
            back: Duration::from_mins(10),
        }
    }
}

/// Where the request arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Our sign-on address, without a query.
    pub sso_url: &'a str,
    /// The domain of `?domain=`, if the address had one.
    pub domain: Option<&'a DomainName>,
    /// When.
    pub now: Timestamp,
    /// How far its time may be off.
    pub window: RequestWindow,
}

/// Why a request was refused. All but [`RequestError::Answerable`] end on a page: who
/// sent it is not sure enough to send anything there.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It is not in its binding as it should be.
    #[error("the request could not be taken out of its binding")]
    Binding(#[from] BindingError),
    /// The XML is dangerous, too big or broken.
    #[error("the request's XML was refused")]
    Xml(#[from] XmlError),
    /// A value could not be read.
    #[error("a value of the request could not be read")]
    Read(#[from] ReadError),
    /// Another document than an AuthnRequest, or an element or attribute that has no place in one.
    #[error("the request is not an AuthnRequest of SAML 2.0: {0}")]
    Form(&'static str),
    /// Its values are not of their types.
    #[error("the request's values are not of their types: {0}")]
    Values(String),
    /// No Issuer, so nobody to answer.
    #[error("the request names no issuer")]
    NoIssuer,
    /// Looked up under another name than it has.
    #[error("the request is of {asked}, not of {is}")]
    OtherParty {
        /// Its issuer.
        asked: String,
        /// The party given.
        is: String,
    },
    /// The party must sign and did not.
    #[error("the request is not signed, and its sender must sign")]
    Unsigned,
    /// Its signature does not hold.
    #[error("the request's signature was refused")]
    Signature(#[from] SignatureError),
    /// No registered certificate has the key identifier that the signature names.
    #[error(
        "the request is signed with a key that is not registered for its sender; load the sender's current metadata"
    )]
    UnknownKey,
    /// A registered certificate cannot be read.
    #[error("a registered certificate of the sender cannot be read")]
    Certificate(#[from] CertificateError),
    /// It was made for another address.
    #[error("the request was made for {0}, which is not this address")]
    Destination(String),
    /// Too old, or of the future.
    #[error("the request was made at {0}, too far from now")]
    Time(Timestamp),
    /// It names an address that is not registered.
    #[error("the request's reply address was refused")]
    ReplyUrl(#[from] ReplyUrlError),
    /// The sender is known and the request is its own: it gets an answer with a status.
    #[error("the request asks what cannot be given: {}", .0.status.second_level())]
    Answerable(Box<Refusal>),
}

impl From<SenderError> for RequestError {
    fn from(error: SenderError) -> Self {
        match error {
            SenderError::Inside => {
                Self::Form("it carries a signature inside, which a redirect does not")
            }
            SenderError::Unsigned => Self::Unsigned,
            SenderError::Signature(error) => Self::Signature(error),
            SenderError::UnknownKey => Self::UnknownKey,
            SenderError::Certificate(error) => Self::Certificate(error),
        }
    }
}

/// What is needed to answer with a status instead of an assertion.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Why.
    pub status: Status,
    /// To which request.
    pub request_id: String,
    /// Where: a registered address.
    pub reply_url: String,
    /// Echoed.
    pub relay_state: Option<String>,
}

/// A request that could be read. Nobody has checked who sent it.
#[derive(Clone, Debug)]
pub struct UnverifiedAuthnRequest {
    message: Message,
    issuer: String,
    id: String,
}

/// A request of a registered party, checked against what is registered.
#[derive(Debug, Eq, PartialEq)]
pub struct VerifiedAuthnRequest {
    relying_party: String,
    request_id: String,
    reply_url: String,
    relay_state: Option<String>,
    reauthentication: Reauthentication,
    interaction: Interaction,
    received_at: Timestamp,
    domain: Option<DomainName>,
}

impl UnverifiedAuthnRequest {
    /// From the raw query string of a redirect.
    pub fn parse_redirect(raw_query: &str) -> Result<Self, RequestError> {
        Self::parse(binding::parse_redirect(raw_query)?)
    }

    /// From the fields of a posted form.
    pub fn parse_post<'a>(
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, RequestError> {
        Self::parse(binding::parse_post(fields)?)
    }

    fn parse(message: Message) -> Result<Self, RequestError> {
        let document = xml::read(&message.xml, &XmlLimits::MESSAGE)?;
        let root = document.root();
        schema::require_schema(root)?;
        let issuer = root
            .optional_child(ASSERTION_NS, "Issuer")?
            .ok_or(RequestError::NoIssuer)?
            .text()?
            .to_owned();
        if issuer.is_empty() {
            return Err(RequestError::NoIssuer);
        }
        let id = root
            .attribute("ID")
            .filter(|id| is_plain_id(id))
            .ok_or(RequestError::Form("its ID is missing or not an XML name"))?
            .to_owned();
        Ok(Self {
            message,
            issuer,
            id,
        })
    }

    /// Who says to have sent it: for looking up the party, for nothing else.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its ID, unverified: for the log.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Checks the request against its party.
    pub fn verify(
        self,
        party: &RelyingParty,
        arrival: &Arrival<'_>,
    ) -> Result<VerifiedAuthnRequest, RequestError> {
        if party.entity_id.as_str() != self.issuer {
            return Err(RequestError::OtherParty {
                asked: self.issuer,
                is: party.entity_id.to_string(),
            });
        }
        let document = xml::read(&self.message.xml, &XmlLimits::MESSAGE)?;
        let Covered {
            canonical,
            is_signed,
        } = require_sender(&self.message, &document, party)?;
        let request = self.read_values(&canonical)?;
        if request.version != "2.0" {
            return Err(RequestError::Form("its version is not 2.0"));
        }
        require_destination(&request, is_signed, arrival)?;
        require_time(&request, arrival)?;
        let reply_url = reply_url(&request, party)?.to_owned();

        let answerable = |status| {
            RequestError::Answerable(Box::new(Refusal {
                status,
                request_id: self.id.clone(),
                reply_url: reply_url.clone(),
                relay_state: self.message.relay_state.clone(),
            }))
        };
        if request
            .protocol_binding
            .as_deref()
            .is_some_and(|binding| binding != POST_BINDING)
        {
            return Err(answerable(Status::UnsupportedBinding));
        }
        // Core §3.4.1: the answer must be about this Subject or be an error. Who it names
        // cannot be told before the person has signed in. Conditions are a wish that we
        // may change (same place): ours are shorter than any.
        if request.subject.is_some() {
            return Err(answerable(Status::RequestUnsupported));
        }
        require_name_id_policy(request.name_id_policy.as_ref(), &self.issuer)
            .map_err(answerable)?;
        require_context(request.requested_authn_context.as_ref()).map_err(answerable)?;

        Ok(VerifiedAuthnRequest {
            relying_party: self.issuer,
            request_id: self.id,
            reply_url,
            relay_state: self.message.relay_state,
            reauthentication: if request.force_authn == Some(true) {
                Reauthentication::Always
            } else {
                Reauthentication::AsNeeded
            },
            interaction: if request.is_passive == Some(true) {
                Interaction::Forbidden
            } else {
                Interaction::Allowed
            },
            received_at: arrival.now,
            domain: arrival.domain.cloned(),
        })
    }

    /// The values, out of the canonical form only.
    fn read_values(&self, canonical: &[u8]) -> Result<AuthnRequest, RequestError> {
        // The canonical form passes the same reader: it is what quick-xml gets to see.
        let document = xml::read(canonical, &XmlLimits::MESSAGE)?;
        schema::require_schema(document.root())?;
        let text = std::str::from_utf8(canonical).map_err(|_| XmlError::NotUtf8)?;
        let request = AuthnRequest::from_str(text)
            .map_err(|error| RequestError::Values(error.to_string()))?;
        let same = request.id == self.id
            && request
                .issuer
                .as_ref()
                .and_then(|issuer| issuer.value.as_deref())
                == Some(self.issuer.as_str());
        if same {
            Ok(request)
        } else {
            Err(RequestError::Form("two readers of it disagree"))
        }
    }
}

impl VerifiedAuthnRequest {
    /// The asking party's entity id.
    pub fn relying_party(&self) -> &str {
        &self.relying_party
    }

    /// The request's id, to be repeated in the answer and answered once.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The registered address that the answer goes to.
    pub fn reply_url(&self) -> &str {
        &self.reply_url
    }

    /// The same in the terms of the story. `login_hint` fills in a field and proves nothing.
    pub fn into_sign_in_request(self, login_hint: Option<String>) -> SignInRequest {
        SignInRequest {
            protocol: Protocol::Saml2,
            relying_party: self.relying_party,
            request_id: self.request_id,
            reply_url: self.reply_url,
            relay_state: self.relay_state,
            domain: self.domain.map(|domain| domain.to_string()),
            reauthentication: self.reauthentication,
            interaction: self.interaction,
            max_age_seconds: None,
            login_hint,
            second_factor: None,
            received_at_millis: self.received_at.as_millis(),
        }
    }
}

/// A signed message must name the address it is for (bindings §3.4.5.2, §3.5.5.2):
/// else one made for another identity provider could be passed on to us.
fn require_destination(
    request: &AuthnRequest,
    is_signed: bool,
    arrival: &Arrival<'_>,
) -> Result<(), RequestError> {
    match request.destination.as_deref() {
        None | Some("") if is_signed => {
            Err(RequestError::Form("it is signed but has no Destination"))
        }
        None | Some("") => Ok(()),
        Some(destination) => {
            let with_domain = arrival
                .domain
                .map(|domain| format!("{}?domain={domain}", arrival.sso_url));
            let ours =
                destination == arrival.sso_url || Some(destination) == with_domain.as_deref();
            if ours {
                Ok(())
            } else {
                Err(RequestError::Destination(destination.to_owned()))
            }
        }
    }
}

fn require_time(request: &AuthnRequest, arrival: &Arrival<'_>) -> Result<(), RequestError> {
    let at = Timestamp::from_millis(request.issue_instant.timestamp_millis());
    let earliest = arrival.now.minus(arrival.window.back);
    let latest = arrival.now.plus(arrival.window.ahead);
    if (earliest..=latest).contains(&at) {
        Ok(())
    } else {
        Err(RequestError::Time(at))
    }
}

fn reply_url<'a>(request: &AuthnRequest, party: &'a RelyingParty) -> Result<&'a str, RequestError> {
    let url = request.assertion_consumer_service_url.as_deref();
    let index = match request.assertion_consumer_service_index {
        None => None,
        // Core §3.4.1: one or the other.
        Some(_) if url.is_some() => {
            return Err(RequestError::Form("it names its reply address twice"));
        }
        Some(index) => Some(u16::try_from(index).map_err(|_| ReplyUrlError::UnknownIndex)?),
    };
    Ok(&party.reply_url(url, index)?.url)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{PROTOCOL_NS, binding::Binding},
        *,
    };

    /// What passes must be what was read before: otherwise the log and the lookup
    /// speak of one request and the answer of another.
    #[test]
    fn attack_11_what_the_two_readers_read_must_agree() {
        let canonical = |id: &str, issuer: &str| {
            format!(
                "<p:AuthnRequest xmlns:p=\"{PROTOCOL_NS}\" ID=\"{id}\" \
IssueInstant=\"2026-11-20T10:00:00Z\" Version=\"2.0\">\
<a:Issuer xmlns:a=\"{ASSERTION_NS}\">{issuer}</a:Issuer></p:AuthnRequest>"
            )
        };
        let request = UnverifiedAuthnRequest {
            message: Message {
                xml: Vec::new(),
                relay_state: None,
                binding: Binding::Post,
                signature: None,
            },
            issuer: "urn:sp".to_owned(),
            id: "_r1".to_owned(),
        };
        let read = |id, issuer| request.read_values(canonical(id, issuer).as_bytes());
        assert_eq!(read("_r1", "urn:sp").unwrap().id, "_r1");
        for (id, issuer) in [("_r2", "urn:sp"), ("_r1", "urn:other")] {
            assert!(
                matches!(read(id, issuer), Err(RequestError::Form(_))),
                "{id} {issuer}"
            );
        }
    }
}
