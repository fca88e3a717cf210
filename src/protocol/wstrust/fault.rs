//! What is wrong with a request, as SOAP says it.
//!
//! Always true: whoever is unknown, disabled, waiting, not of this house or has a wrong
//! password gets one and the same fault ([`Fault::FailedAuthentication`], attack 22); no text
//! repeats what was sent.

use super::{ADDRESSING, SECURITY, SOAP, Version};
use crate::protocol::xml::{ReadError, XmlError};

/// Why there is no token. The words go to the program that asked, and often to its person.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// Larger than a request is.
    #[error("the request has more than {0} bytes; a request for a token is much smaller")]
    TooLarge(usize),
    /// It was sent as something else.
    #[error("the request is not application/soap+xml in UTF-8; send SOAP 1.2")]
    MediaType,
    /// Not XML that is read here.
    #[error("the request is not read: {0}")]
    Xml(XmlError),
    /// Not SOAP 1.2.
    #[error("the request is not a SOAP 1.2 envelope")]
    NotSoap,
    /// Of SOAP 1.1.
    #[error("the envelope is of SOAP 1.1; send SOAP 1.2")]
    SoapVersion,
    /// A header that must be understood and is not.
    #[error("a header must be understood and is not; send wsa and wsse headers only")]
    NotUnderstood,
    /// Something is missing, there twice, or cut into pieces.
    #[error("the request is not complete: {0}")]
    Element(ReadError),
    /// Another action than this address answers.
    #[error("this address answers requests to issue a token, of the WS-Trust version in its path")]
    Action,
    /// The header cannot be used.
    #[error("the security header is not as it must be: {0}")]
    Security(&'static str),
    /// The time in it has passed.
    #[error("the message has expired; check the clock of the computer that sent it")]
    Expired,
    /// Not a plain password.
    #[error("the password is not sent as plain text; send a UsernameToken with PasswordText")]
    PasswordType,
    /// It asks what is not done here.
    #[error("{0} is not offered; ask for a SAML 1.1 bearer token")]
    NotOffered(&'static str),
    /// For somebody whom we do not answer.
    #[error("no token is issued for this address (AppliesTo)")]
    Audience,
    /// No.
    #[error("the name or the password is not right, or the account cannot be used here")]
    FailedAuthentication,
    /// Not now.
    #[error("tokens cannot be issued for the moment; try again in a minute")]
    Unavailable,
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        Self::Element(error)
    }
}

impl From<XmlError> for Fault {
    fn from(error: XmlError) -> Self {
        match error {
            // Both repeat a piece of what was sent, and a password may stand in it.
            XmlError::Malformed(_) => {
                Self::Xml(XmlError::Malformed("a tag or a name is wrong".to_owned()))
            }
            XmlError::DuplicateId(_) => Self::Xml(XmlError::DuplicateId("of another".to_owned())),
            error => Self::Xml(error),
        }
    }
}

/// Whose fault SOAP calls it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Code {
    /// `s:Sender`.
    Sender,
    /// `s:Receiver`.
    Receiver,
    /// `s:VersionMismatch`.
    VersionMismatch,
    /// `s:MustUnderstand`.
    MustUnderstand,
}

impl Code {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Sender => "s:Sender",
            Self::Receiver => "s:Receiver",
            Self::VersionMismatch => "s:VersionMismatch",
            Self::MustUnderstand => "s:MustUnderstand",
        }
    }
}

impl Fault {
    /// Code, namespace and name of the subcode; SOAP's own codes have none.
    pub(super) fn codes(&self, version: Version) -> (Code, Option<(&'static str, &'static str)>) {
        let trust = |name| (Code::Sender, Some((version.namespace(), name)));
        let security = |name| (Code::Sender, Some((SECURITY, name)));
        match self {
            Self::TooLarge(_)
            | Self::MediaType
            | Self::Xml(_)
            | Self::NotSoap
            | Self::Element(_) => trust("InvalidRequest"),
            Self::SoapVersion => (Code::VersionMismatch, None),
            Self::NotUnderstood => (Code::MustUnderstand, None),
            Self::Action => (Code::Sender, Some((ADDRESSING, "ActionNotSupported"))),
            Self::Security(_) => security("InvalidSecurity"),
            Self::Expired => security("MessageExpired"),
            Self::PasswordType => security("UnsupportedSecurityToken"),
            Self::NotOffered(_) => trust("BadRequest"),
            Self::Audience => trust("InvalidScope"),
            Self::FailedAuthentication => security("FailedAuthentication"),
            Self::Unavailable => (Code::Receiver, Some((version.namespace(), "RequestFailed"))),
        }
    }

    /// The prefix that stands for a subcode's namespace.
    pub(super) fn prefix(namespace: &str) -> &'static str {
        match namespace {
            SECURITY => "wsse",
            ADDRESSING => "a",
            SOAP => "s",
            _ => "wst",
        }
    }
}
