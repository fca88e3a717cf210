//! Our LogoutRequest and LogoutResponse, signed, on their way (core §3.7.1, §3.7.2;
//! bindings §3.4, §3.5).
//!
//! Always true: both are signed always, whatever the party asks: profiles §4.4.4 wants it on
//! messages that go through a browser, and nobody loses by it. A redirect is signed over the
//! bytes of its query as they are sent; a form carries the signature inside.

use std::{io::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use flate2::{Compression, write::DeflateEncoder};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::{ASSERTION_NS, PERSISTENT, PROTOCOL_NS, binding::MessageKind};
use crate::{
    base::clock::Timestamp,
    keys::{KeyPurpose, SignError, SigningKey},
    protocol::xml::{
        signature::{self, RSA_SHA256, SignatureError},
        writing::Escaped,
    },
    relying_party::{LogoutBinding, SingleLogout},
};

/// How long a party may take until it reads our request.
pub const REQUEST_LIFETIME: Duration = Duration::from_mins(5);

const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const REQUESTER: &str = "urn:oasis:names:tc:SAML:2.0:status:Requester";

/// RFC 3986's unreserved characters stay as they are.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Our request to a party.
#[derive(Clone, Debug)]
pub struct LogoutRequest<'a> {
    /// Its id: new and unguessable.
    pub id: &'a str,
    /// The issuer that told the party of the session.
    pub issuer: &'a str,
    /// The NameID that it told.
    pub name_id: &'a str,
    /// The SessionIndex that it told.
    pub session_index: &'a str,
    /// Now.
    pub now: Timestamp,
}

/// What a party is told that asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogoutStatus {
    /// All of the session is over; or nobody was signed in in this browser.
    Ended,
    /// Ours is over; of some other party that is not known (`PartialLogout`).
    Partly,
    /// The request is about somebody else than this browser's session (`UnknownPrincipal`).
    NotThisSession,
}

/// Our answer to a party.
#[derive(Clone, Debug)]
pub struct LogoutResponse<'a> {
    /// Its id: new and unguessable.
    pub id: String,
    /// The request that is answered.
    pub in_response_to: &'a str,
    /// The issuer that speaks.
    pub issuer: &'a str,
    /// What became of it.
    pub status: LogoutStatus,
    /// Now.
    pub now: Timestamp,
}

/// A message as it leaves: the browser takes it there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outgoing {
    /// By a form.
    Form {
        /// The party's address.
        action: String,
        /// The names of its fields and their values.
        fields: Vec<(&'static str, String)>,
    },
    /// By the address itself.
    Address(String),
}

/// Why nothing was encoded.
#[derive(Debug, thiserror::Error)]
pub enum LogoutEncodeError {
    /// The key is not for assertions, or could not be used.
    #[error("the assertion key could not be used")]
    Key(#[from] SignError),
    /// The document could not be signed.
    #[error("the message could not be signed")]
    Signature(#[from] SignatureError),
    /// It could not be deflated.
    #[error("the message could not be deflated")]
    Deflate(#[from] std::io::Error),
}

/// The request on its way to `to`.
pub fn encode_request(
    request: &LogoutRequest<'_>,
    to: &SingleLogout,
    key: &SigningKey,
) -> Result<Outgoing, LogoutEncodeError> {
    let opening = format!(
        "<samlp:LogoutRequest xmlns:samlp=\"{PROTOCOL_NS}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{}\" NotOnOrAfter=\"{}\"><saml:Issuer xmlns:saml=\"{ASSERTION_NS}\">{}</saml:Issuer>",
        Escaped(request.id),
        request.now,
        Escaped(&to.request_url),
        request.now.plus(REQUEST_LIFETIME),
        Escaped(request.issuer),
    );
    let rest = format!(
        "<saml:NameID xmlns:saml=\"{ASSERTION_NS}\" Format=\"{PERSISTENT}\">{}</saml:NameID><samlp:SessionIndex>{}</samlp:SessionIndex></samlp:LogoutRequest>",
        Escaped(request.name_id),
        Escaped(request.session_index),
    );
    let parts = Parts {
        kind: MessageKind::Request,
        id: request.id,
        opening: &opening,
        rest: &rest,
        relay_state: None,
    };
    parts.send(to.binding, &to.request_url, key)
}

/// The answer on its way to `to`; `relay_state` as it came.
pub fn encode_response(
    response: &LogoutResponse<'_>,
    to: &SingleLogout,
    relay_state: Option<&str>,
    key: &SigningKey,
) -> Result<Outgoing, LogoutEncodeError> {
    let (first, second) = match response.status {
        LogoutStatus::Ended => (SUCCESS, None),
        // The session of ours is over: that is a success, and not the whole of one.
        LogoutStatus::Partly => (
            SUCCESS,
            Some("urn:oasis:names:tc:SAML:2.0:status:PartialLogout"),
        ),
        LogoutStatus::NotThisSession => (
            REQUESTER,
            Some("urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal"),
        ),
    };
    let second = second.map_or_else(String::new, |second| {
        format!("<samlp:StatusCode Value=\"{second}\"/>")
    });
    let opening = format!(
        "<samlp:LogoutResponse xmlns:samlp=\"{PROTOCOL_NS}\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{}\" InResponseTo=\"{}\"><saml:Issuer xmlns:saml=\"{ASSERTION_NS}\">{}</saml:Issuer>",
        Escaped(&response.id),
        response.now,
        Escaped(to.response_url()),
        Escaped(response.in_response_to),
        Escaped(response.issuer),
    );
    let rest = format!(
        "<samlp:Status><samlp:StatusCode Value=\"{first}\">{second}</samlp:StatusCode></samlp:Status></samlp:LogoutResponse>"
    );
    let parts = Parts {
        kind: MessageKind::Response,
        id: &response.id,
        opening: &opening,
        rest: &rest,
        relay_state,
    };
    parts.send(to.binding, to.response_url(), key)
}

/// A message with room for a signature behind its Issuer, as the schema wants it.
struct Parts<'a> {
    kind: MessageKind,
    id: &'a str,
    opening: &'a str,
    rest: &'a str,
    relay_state: Option<&'a str>,
}

impl Parts<'_> {
    fn send(
        &self,
        binding: LogoutBinding,
        to: &str,
        key: &SigningKey,
    ) -> Result<Outgoing, LogoutEncodeError> {
        match binding {
            LogoutBinding::Post => self.form(to, key),
            LogoutBinding::Redirect => self.address(to, key),
        }
    }

    fn form(&self, to: &str, key: &SigningKey) -> Result<Outgoing, LogoutEncodeError> {
        let template = signature::template(self.id, &key.certificate);
        let xml = format!("{}{template}{}", self.opening, self.rest);
        let signed = signature::sign(&xml, key.signer_for(KeyPurpose::Assertion)?)?;
        let mut fields = vec![(self.kind.parameter(), BASE64.encode(signed))];
        fields.extend(
            self.relay_state
                .map(|state| ("RelayState", state.to_owned())),
        );
        Ok(Outgoing::Form {
            action: to.to_owned(),
            fields,
        })
    }

    fn address(&self, to: &str, key: &SigningKey) -> Result<Outgoing, LogoutEncodeError> {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(self.opening.as_bytes())?;
        deflate.write_all(self.rest.as_bytes())?;
        let message = BASE64.encode(deflate.finish()?);
        let encoded = |value: &str| utf8_percent_encode(value, RESERVED).to_string();
        let mut query = format!("{}={}", self.kind.parameter(), encoded(&message));
        if let Some(state) = self.relay_state {
            query = format!("{query}&RelayState={}", encoded(state));
        }
        query = format!("{query}&SigAlg={}", encoded(RSA_SHA256));
        let signer = key.signer_for(KeyPurpose::Assertion)?;
        let signature = BASE64.encode(signer.sign(query.as_bytes())?);
        let joint = if to.contains('?') { '&' } else { '?' };
        Ok(Outgoing::Address(format!(
            "{to}{joint}{query}&Signature={}",
            encoded(&signature)
        )))
    }
}
