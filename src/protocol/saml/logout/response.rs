//! A LogoutResponse (core §3.7.2): a party says whether it ended its session.

use super::{super::PROTOCOL_NS, LogoutArrival, LogoutError, Opened, plain_id};
use crate::{
    protocol::xml::{self, XmlElement, XmlLimits},
    relying_party::RelyingParty,
};

const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const PARTIAL: &str = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout";

/// A response that could be read. Nobody has checked who sent it.
#[derive(Clone, Debug)]
pub struct UnverifiedLogoutResponse {
    pub(super) opened: Opened,
    in_response_to: String,
}

/// What a party says of its session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogoutOutcome {
    /// It is signed out there.
    Ended,
    /// There, but not at all that it speaks for.
    Partly,
    /// It is not, or it knows of no session.
    Refused,
}

impl UnverifiedLogoutResponse {
    pub(super) fn read(opened: Opened) -> Result<Self, LogoutError> {
        let document = xml::read(&opened.message.xml, &XmlLimits::MESSAGE)?;
        let in_response_to = plain_id(
            document.root().attribute("InResponseTo"),
            "it answers no request",
        )?;
        Ok(Self {
            opened,
            in_response_to,
        })
    }

    /// Which request it says to answer: for looking that up, for nothing else.
    pub fn in_response_to(&self) -> &str {
        &self.in_response_to
    }

    /// Checks the response against the party that was asked.
    pub fn verify(
        self,
        party: &RelyingParty,
        arrival: &LogoutArrival<'_>,
    ) -> Result<LogoutOutcome, LogoutError> {
        self.opened.verify(party, arrival, |root, _| {
            if root.attribute("InResponseTo") != Some(self.in_response_to.as_str()) {
                return Err(LogoutError::Form("two readings of it disagree"));
            }
            outcome(root)
        })
    }
}

fn outcome(root: XmlElement<'_>) -> Result<LogoutOutcome, LogoutError> {
    let status = root.only_child(PROTOCOL_NS, "Status")?;
    let code = status.only_child(PROTOCOL_NS, "StatusCode")?;
    let second = code
        .optional_child(PROTOCOL_NS, "StatusCode")?
        .and_then(|second| second.attribute("Value"));
    Ok(match (code.attribute("Value"), second) {
        (_, Some(PARTIAL)) => LogoutOutcome::Partly,
        (Some(SUCCESS), _) => LogoutOutcome::Ended,
        _ => LogoutOutcome::Refused,
    })
}
