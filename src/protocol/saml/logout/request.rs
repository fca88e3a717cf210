//! A LogoutRequest (core §3.7.1): a party asks to end the session that it was told of.

use serde::{Deserialize, Serialize};

use super::{
    super::{ASSERTION_NS, PERSISTENT, PROTOCOL_NS},
    LogoutArrival, LogoutError, Opened, instant,
};
use crate::{
    base::clock::Timestamp,
    protocol::{saml::binding::Binding, xml::XmlElement},
    relying_party::RelyingParty,
};

/// The NameID format that says nothing.
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";

/// The most sessions that one request may name.
const MOST_SESSIONS: usize = 32;

/// A request that could be read. Nobody has checked who sent it.
#[derive(Clone, Debug)]
pub struct UnverifiedLogoutRequest {
    pub(super) opened: Opened,
}

/// A request of a registered party.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedLogoutRequest {
    /// The asking party's entity id.
    pub relying_party: String,
    /// To be repeated in the answer. By it a request ends a session once.
    pub request_id: String,
    /// Opaque; goes back with the answer.
    pub relay_state: Option<String>,
    /// When its party made it, by that party's clock.
    pub made_at: Timestamp,
    /// Whose session.
    pub subject: LogoutSubject,
}

/// Whose session a request is about, in its sender's words.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogoutSubject {
    /// Named as we name people.
    Named {
        /// The NameID.
        name_id: String,
        /// Who named the person so, if it says so.
        name_qualifier: Option<String>,
        /// The sessions that are meant; none: all that the party was told of this person.
        session_indexes: Vec<String>,
    },
    /// Named in a way that we never name anyone: another format, encrypted, for another party.
    Otherwise,
}

impl UnverifiedLogoutRequest {
    /// Over which binding it came. A form posted by another site brings no `Lax` cookie.
    pub fn binding(&self) -> Binding {
        self.opened.message.binding
    }

    /// Checks the request against its party.
    pub fn verify(
        self,
        party: &RelyingParty,
        arrival: &LogoutArrival<'_>,
    ) -> Result<VerifiedLogoutRequest, LogoutError> {
        let (made_at, subject) = self.opened.verify(party, arrival, |root, made_at| {
            if let Some(until) = instant(root, "NotOnOrAfter")?
                && until.plus(arrival.window.ahead) <= arrival.now
            {
                return Err(LogoutError::Over(until));
            }
            Ok((made_at, subject(root, party)?))
        })?;
        let Opened {
            message,
            issuer,
            id,
            ..
        } = self.opened;
        Ok(VerifiedLogoutRequest {
            relying_party: issuer,
            request_id: id,
            relay_state: message.relay_state,
            made_at,
            subject,
        })
    }
}

fn subject(root: XmlElement<'_>, party: &RelyingParty) -> Result<LogoutSubject, LogoutError> {
    let named = ["BaseID", "NameID", "EncryptedID"]
        .iter()
        .filter_map(|name| root.children_named(ASSERTION_NS, name).next())
        .collect::<Vec<_>>();
    let [named] = named[..] else {
        return Err(LogoutError::Form("it does not name one person"));
    };
    let mut session_indexes = Vec::new();
    for index in root.children_named(PROTOCOL_NS, "SessionIndex") {
        if session_indexes.len() == MOST_SESSIONS {
            return Err(LogoutError::Form("it names too many sessions"));
        }
        session_indexes.push(index.text()?.trim().to_owned());
    }
    let is_our_format = named
        .attribute("Format")
        .is_none_or(|format| [PERSISTENT, UNSPECIFIED].contains(&format));
    let is_for_its_sender = named
        .attribute("SPNameQualifier")
        .is_none_or(|party_named| party_named == party.entity_id.as_str());
    if !named.is(ASSERTION_NS, "NameID") || !is_our_format || !is_for_its_sender {
        return Ok(LogoutSubject::Otherwise);
    }
    Ok(LogoutSubject::Named {
        name_id: named.text()?.trim().to_owned(),
        name_qualifier: named.attribute("NameQualifier").map(str::to_owned),
        session_indexes,
    })
}

impl LogoutSubject {
    /// Whether it says which of the person's sessions are meant.
    pub fn names_a_session(&self) -> bool {
        match self {
            Self::Otherwise => false,
            Self::Named {
                session_indexes, ..
            } => !session_indexes.is_empty(),
        }
    }

    /// Whether this is the session that was told: its NameID, by that issuer, under that index.
    pub fn is(&self, name_id: &str, issuer: &str, session_index: &str) -> bool {
        match self {
            Self::Otherwise => false,
            Self::Named {
                name_id: named,
                name_qualifier,
                session_indexes,
            } => {
                named == name_id
                    && name_qualifier
                        .as_deref()
                        .is_none_or(|qualifier| qualifier == issuer)
                    && (session_indexes.is_empty()
                        || session_indexes.iter().any(|index| index == session_index))
            }
        }
    }
}
