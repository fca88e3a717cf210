//! Single logout: a message's bytes → what it says, and our own messages (SAML core §3.7,
//! profiles §4.4).
//!
//! Always true: what is read comes from the canonical form of the very element that the
//! signature covered (of the root, where a party does not sign), as with sign-in requests
//! (attack 10); a request names a person and a session by what a party was told, and whether
//! that is the session of this browser is for the use case to say.
//!
//! Read in this order: [`request`], [`response`], [`outgoing`].

/// Our own messages, signed.
pub mod outgoing;
/// A party asks to end a session.
pub mod request;
/// A party says whether it ended one.
pub mod response;

use super::{
    ASSERTION_NS, PROTOCOL_NS,
    authn_request::RequestWindow,
    binding::{self, BindingError, Message, MessageKind},
    sender::SenderError,
};
use crate::{
    base::clock::Timestamp,
    protocol::xml::{
        self, ReadError, XmlElement, XmlError, XmlLimits,
        signature::{DSIG, is_plain_id},
    },
    relying_party::RelyingParty,
};

/// Where and when a message arrived.
#[derive(Clone, Copy, Debug)]
pub struct LogoutArrival<'a> {
    /// Our single-logout address, without a query.
    pub slo_url: &'a str,
    /// When.
    pub now: Timestamp,
    /// How far its time may be off.
    pub window: RequestWindow,
}

/// Why a message of single logout was refused.
#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    /// It is not in its binding as it should be.
    #[error("the message could not be taken out of its binding")]
    Binding(#[from] BindingError),
    /// The XML is dangerous, too big or broken.
    #[error("the message's XML was refused")]
    Xml(#[from] XmlError),
    /// A value could not be read.
    #[error("a value of the message could not be read")]
    Read(#[from] ReadError),
    /// Another document, or an element that has no place in it.
    #[error("the message is not of single logout as SAML 2.0 has it: {0}")]
    Form(&'static str),
    /// No Issuer.
    #[error("the message names no issuer")]
    NoIssuer,
    /// Looked up under another name than it has.
    #[error("the message is of {asked}, not of {is}")]
    OtherParty {
        /// Its issuer.
        asked: String,
        /// The party given.
        is: String,
    },
    /// It is not shown who sent it.
    #[error("the message's sender is not sure")]
    Sender(#[from] SenderError),
    /// It was made for another address.
    #[error("the message was made for {0}, which is not this address")]
    Destination(String),
    /// Too old, or of the future.
    #[error("the message was made at {0}, too far from now")]
    Time(Timestamp),
    /// Its own `NotOnOrAfter` is over.
    #[error("the message was to be used before {0}")]
    Over(Timestamp),
}

/// A message that could be read. Nobody has checked who sent it.
#[derive(Clone, Debug)]
pub enum UnverifiedLogout {
    /// A party asks.
    Request(request::UnverifiedLogoutRequest),
    /// A party answers.
    Response(response::UnverifiedLogoutResponse),
}

impl UnverifiedLogout {
    /// From the raw query string of a redirect.
    pub fn parse_redirect(raw_query: &str) -> Result<Self, LogoutError> {
        Self::parse(binding::parse_redirect_of_either(raw_query)?)
    }

    /// From the fields of a posted form.
    pub fn parse_post<'a>(
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, LogoutError> {
        Self::parse(binding::parse_post_of_either(fields)?)
    }

    fn parse((kind, message): (MessageKind, Message)) -> Result<Self, LogoutError> {
        let opened = Opened::open(message, kind)?;
        Ok(match kind {
            MessageKind::Request => Self::Request(request::UnverifiedLogoutRequest { opened }),
            MessageKind::Response => {
                Self::Response(response::UnverifiedLogoutResponse::read(opened)?)
            }
        })
    }

    /// Who says to have sent it: for looking up the party, for nothing else.
    pub fn issuer(&self) -> &str {
        match self {
            Self::Request(request) => &request.opened.issuer,
            Self::Response(response) => &response.opened.issuer,
        }
    }
}

/// What both kinds have, unverified.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    message: Message,
    kind: MessageKind,
    issuer: String,
    id: String,
}

impl Opened {
    fn open(message: Message, kind: MessageKind) -> Result<Self, LogoutError> {
        let document = xml::read(&message.xml, &XmlLimits::MESSAGE)?;
        let root = document.root();
        require_form(root, kind)?;
        let issuer = issuer(root)?;
        let id = plain_id(root.attribute("ID"), "its ID is missing or not an XML name")?;
        Ok(Self {
            message,
            kind,
            issuer,
            id,
        })
    }

    /// Checks sender, form, address and time; hands the values that the signature covered to
    /// `read`, with the instant that it was made at.
    fn verify<T>(
        &self,
        party: &RelyingParty,
        arrival: &LogoutArrival<'_>,
        read: impl FnOnce(XmlElement<'_>, Timestamp) -> Result<T, LogoutError>,
    ) -> Result<T, LogoutError> {
        if party.entity_id.as_str() != self.issuer {
            return Err(LogoutError::OtherParty {
                asked: self.issuer.clone(),
                is: party.entity_id.to_string(),
            });
        }
        let document = xml::read(&self.message.xml, &XmlLimits::MESSAGE)?;
        let covered = super::sender::require_sender(&self.message, &document, party)?;
        let document = xml::read(&covered.canonical, &XmlLimits::MESSAGE)?;
        let root = document.root();
        require_form(root, self.kind)?;
        if root.attribute("ID") != Some(self.id.as_str()) || issuer(root)? != self.issuer {
            return Err(LogoutError::Form("two readings of it disagree"));
        }
        if root.attribute("Version") != Some("2.0") {
            return Err(LogoutError::Form("its version is not 2.0"));
        }
        require_destination(root, covered.is_signed, arrival)?;
        let at =
            instant(root, "IssueInstant")?.ok_or(LogoutError::Form("it has no IssueInstant"))?;
        let earliest = arrival.now.minus(arrival.window.back);
        let latest = arrival.now.plus(arrival.window.ahead);
        if !(earliest..=latest).contains(&at) {
            return Err(LogoutError::Time(at));
        }
        read(root, at)
    }
}

/// The document element, and which elements it may have, each in its namespace.
fn require_form(root: XmlElement<'_>, kind: MessageKind) -> Result<(), LogoutError> {
    let (name, own): (_, &[(&str, &str)]) = match kind {
        MessageKind::Request => (
            "LogoutRequest",
            &[
                (ASSERTION_NS, "BaseID"),
                (ASSERTION_NS, "NameID"),
                (ASSERTION_NS, "EncryptedID"),
                (PROTOCOL_NS, "SessionIndex"),
            ],
        ),
        MessageKind::Response => ("LogoutResponse", &[(PROTOCOL_NS, "Status")]),
    };
    if !root.is(PROTOCOL_NS, name) {
        return Err(LogoutError::Form("its document element is another"));
    }
    let common = [
        (ASSERTION_NS, "Issuer"),
        (DSIG, "Signature"),
        (PROTOCOL_NS, "Extensions"),
    ];
    for child in root.children() {
        let known = common
            .iter()
            .chain(own)
            .any(|&(namespace, name)| child.is(namespace, name));
        if !known {
            return Err(LogoutError::Form("it has an element that it may not have"));
        }
        // All but SessionIndex stand once.
        if !child.is(PROTOCOL_NS, "SessionIndex") {
            root.optional_child(child.namespace(), child.local_name())?;
        }
    }
    Ok(())
}

fn issuer(root: XmlElement<'_>) -> Result<String, LogoutError> {
    let issuer = root
        .optional_child(ASSERTION_NS, "Issuer")?
        .ok_or(LogoutError::NoIssuer)?
        .text()?;
    if issuer.is_empty() {
        return Err(LogoutError::NoIssuer);
    }
    Ok(issuer.to_owned())
}

fn plain_id(value: Option<&str>, otherwise: &'static str) -> Result<String, LogoutError> {
    value
        .filter(|id| is_plain_id(id))
        .map(str::to_owned)
        .ok_or(LogoutError::Form(otherwise))
}

fn instant(element: XmlElement<'_>, name: &'static str) -> Result<Option<Timestamp>, LogoutError> {
    element
        .attribute(name)
        .map(|text| {
            Timestamp::parse_rfc3339(text).ok_or(LogoutError::Form("an instant of it is none"))
        })
        .transpose()
}

/// A signed message must name the address it is for (bindings §3.4.5.2, §3.5.5.2): else one
/// made for another identity provider could be passed on to us.
fn require_destination(
    root: XmlElement<'_>,
    is_signed: bool,
    arrival: &LogoutArrival<'_>,
) -> Result<(), LogoutError> {
    match root.attribute("Destination") {
        None | Some("") if is_signed => {
            Err(LogoutError::Form("it is signed but has no Destination"))
        }
        None | Some("") => Ok(()),
        Some(destination) => {
            let ours = destination
                .split_once("?domain=")
                .map_or(destination, |(address, _)| address);
            if ours == arrival.slo_url {
                Ok(())
            } else {
                Err(LogoutError::Destination(destination.to_owned()))
            }
        }
    }
}
