//! What can go wrong with Graph: one sentence and the remedy.

use std::time::Duration;

use super::{PauseReason, answer::Called};
use crate::outbound::guard::OutboundError;

/// A "no" of Graph's, in its own words (shortened, made harmless for a terminal).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// HTTP's status.
    pub status: u16,
    /// `error.code`, such as `Request_BadRequest`; empty if there is none.
    pub code: String,
    /// `error.message`; empty if there is none: bare refusals are normal (facts §4.3).
    pub message: String,
    /// The header `request-id`, which Microsoft's support asks for.
    pub request_id: Option<String>,
    /// What was asked: `PATCH /v1.0/domains/contoso.com`, without a query.
    pub call: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} answered HTTP {}", self.call, self.status)?;
        if !self.code.is_empty() {
            write!(f, ", {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request-id {id})")?;
        }
        Ok(())
    }
}

/// Why a call to Graph did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    /// The address does not lie below the base, or may not be asked.
    #[error("{0} is no address of this Microsoft Graph; nothing was sent there. Look at graph_url")]
    Address(String),
    /// 403.
    #[error(
        "Microsoft Graph does not permit it: {refused}. It needs {needs}; consent to that, and sign in with an account that has the role"
    )]
    Forbidden {
        /// What Graph said.
        refused: Refused,
        /// Permission and roles.
        needs: &'static str,
    },
    /// 401.
    #[error("Microsoft Graph does not take the token: {0}. Sign in again")]
    Unauthorized(Refused),
    /// 404.
    #[error(
        "Microsoft Graph does not know it: {0}. Look at the name, and whether this is the right tenant"
    )]
    NotFound(Refused),
    /// Another 4xx.
    #[error("Microsoft Graph refused: {0}")]
    Refused(Refused),
    /// 429 (or 503 with `Retry-After`) for longer than we wait.
    #[error(
        "Microsoft Graph asks us to wait{}: {refused}. Nothing of this call took place; run the command again later",
        how_long(.asked.as_ref())
    )]
    Throttled {
        /// What Graph said.
        refused: Refused,
        /// How long it asks us to wait.
        asked: Option<Duration>,
    },
    /// A read that Graph answered with 5xx, more than once.
    #[error("Microsoft Graph is out of order: {0}. Run the command again later")]
    OutOfOrder(Refused),
    /// The answer is half a page, no JSON, or not what Graph answers here.
    #[error(
        "Microsoft Graph's answer to {call} cannot be used ({what}). Run the command again; if it stays, something between here and Graph changes answers"
    )]
    Unreadable {
        /// What was asked.
        call: String,
        /// What is wrong with the answer.
        what: String,
    },
    /// A change was sent, and nobody knows whether it took place.
    #[error(
        "it is not known whether {call} took place ({what}). Read it back before you go on: run the command again"
    )]
    OutcomeUnknown {
        /// What was asked.
        call: String,
        /// What came instead of an answer.
        what: String,
        /// What the network said, if it was the network.
        #[source]
        cause: Option<OutboundError>,
    },
    /// No answer to a read, or a request that was never sent: nothing took place.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
}

impl GraphError {
    /// An answer that is not what Graph answers there: for callers that see one lying.
    pub fn unreadable(call: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Unreadable {
            call: call.into(),
            what: what.into(),
        }
    }

    /// What Graph said, where it said something.
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Forbidden { refused, .. }
            | Self::Throttled { refused, .. }
            | Self::Unauthorized(refused)
            | Self::NotFound(refused)
            | Self::Refused(refused)
            | Self::OutOfOrder(refused) => Some(refused),
            Self::Address(_)
            | Self::Unreadable { .. }
            | Self::OutcomeUnknown { .. }
            | Self::Outbound(_) => None,
        }
    }

    /// Whether nobody knows if the change took place.
    pub fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
    }

    pub(super) fn pause_reason(&self) -> PauseReason {
        match self {
            Self::Throttled { .. } => PauseReason::Asked,
            _ => PauseReason::OutOfOrder,
        }
    }
}

fn how_long(asked: Option<&Duration>) -> String {
    asked.map_or_else(String::new, |asked| format!(" {} s", asked.as_secs()))
}

/// What a call needs (facts §4.1, §4.3, §4.6, §5.6; Graph's permission tables).
pub(super) fn needs(called: &Called<'_>) -> &'static str {
    let path = called.path();
    let reads = called.is_read();
    if path.contains("/domains") && !path.contains("/federationConfiguration") && !reads {
        "the permission Domain.ReadWrite.All, and the role Domain Name Administrator, Hybrid Identity Administrator or Security Administrator"
    } else if path.contains("/federationConfiguration") {
        if reads {
            "the permission Domain-InternalFederation.Read.All or Domain.Read.All, and a role that may read domains"
        } else {
            "the permission Domain-InternalFederation.ReadWrite.All (or Domain.ReadWrite.All), and the role Domain Name Administrator, External Identity Provider Administrator, Hybrid Identity Administrator or Security Administrator"
        }
    } else if path.contains("/domains") {
        "the permission Domain.Read.All"
    } else if path.contains("/users") {
        if reads {
            "the permission User.Read.All"
        } else {
            "the permission User.ReadWrite.All, and the role User Administrator (for administrators' accounts: Privileged Authentication Administrator)"
        }
    } else if path.contains("authenticationMethodConfigurations") && !reads {
        "the permission Policy.ReadWrite.AuthenticationMethod, and the role Authentication Policy Administrator"
    } else if path.contains("/policies") {
        if reads {
            "the permission Policy.Read.All"
        } else {
            "the permission to write that policy, and the role Security Administrator"
        }
    } else if path.contains("/auditLogs") {
        "the permission AuditLog.Read.All, the role Reports Reader, and Entra ID P1 in the tenant"
    } else {
        "a permission that the token lacks"
    }
}
