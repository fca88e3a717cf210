//! What is wrong with a request, and who is told: the person, or Entra.
//!
//! Always true: Entra is told a code and nothing else; what was found stands in the log.

use super::{
    answer::{ErrorCode, FormAnswer},
    asked::AskedError,
    hint::HintError,
    request::{MAX_BODY, MAX_STATE},
};
use crate::{base::guid::Guid, protocol::query::QueryError};

/// Why a request ends on a page: nobody knows where an answer would go.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unanswerable {
    /// Over [`MAX_BODY`].
    #[error("the request has more than {MAX_BODY} bytes")]
    TooLarge,
    /// A parameter that is needed to answer cannot be taken.
    #[error(transparent)]
    Parameter(#[from] QueryError),
    /// It is missing.
    #[error("the request has no {0}")]
    Missing(&'static str),
    /// `redirect_uri` and `redirect_url` differ.
    #[error("redirect_uri and redirect_url name two addresses")]
    TwoAddresses,
    /// Nobody who asks here goes by that name and is answered there.
    #[error(
        "no tenant that is configured calls itself {client_id:?} and takes its answers at {address:?}; look at `claimbridge external-mfa list`"
    )]
    Unlisted {
        /// The `client_id`, shortened.
        client_id: String,
        /// The address, shortened.
        address: String,
    },
    /// `state` is over its limit, or holds what a form does not give back unchanged.
    #[error("state is longer than {MAX_STATE} bytes or has control characters")]
    State,
    /// The tenant of the hint is of another cloud, or goes by another name.
    #[error(
        "the hint is of the tenant {0}, which asks by another client_id or is answered at another address"
    )]
    OtherTenant(Guid),
}

/// What is wrong with a request that can be answered.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A parameter cannot be taken.
    #[error(transparent)]
    Parameter(#[from] QueryError),
    /// It is missing.
    #[error("the request has no {0}")]
    Missing(&'static str),
    /// It is over its limit.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// A request object.
    #[error("the request comes with {0}, and request objects are not supported")]
    RequestObject(&'static str),
    /// Not an id_token.
    #[error("response_type is {0:?}; this service answers with id_token")]
    ResponseType(String),
    /// Not a form.
    #[error("response_mode is {0:?}; this service answers with form_post")]
    ResponseMode(String),
    /// Not OpenID Connect.
    #[error("scope is {0:?}, without openid")]
    Scope(String),
    /// What is asked for cannot be told.
    #[error("the claims of the request cannot be used")]
    Asked(#[from] AskedError),
    /// The hint says nothing.
    #[error("the hint of the request cannot be used")]
    Hint(#[from] HintError),
}

impl Fault {
    /// As Entra is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::RequestObject("request_uri") => ErrorCode::RequestUriNotSupported,
            Self::RequestObject(_) => ErrorCode::RequestNotSupported,
            Self::ResponseType(_) => ErrorCode::UnsupportedResponseType,
            Self::Scope(_) => ErrorCode::InvalidScope,
            Self::Parameter(_)
            | Self::Missing(_)
            | Self::TooLong(_)
            | Self::ResponseMode(_)
            | Self::Asked(_)
            | Self::Hint(_) => ErrorCode::InvalidRequest,
        }
    }
}

/// Why a request goes no further.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// To be shown to the person: there is nobody to answer.
    #[error(transparent)]
    Page(#[from] Unanswerable),
    /// To be posted to Entra.
    #[error("the request is answered with an error")]
    Answer {
        /// The form.
        answer: FormAnswer,
        /// For the log.
        #[source]
        fault: Box<Fault>,
    },
}

impl RequestError {
    /// The hint's key, if nothing is wrong but that the cloud's keys as we know them have it not.
    pub fn unknown_key(&self) -> Option<&str> {
        match self {
            Self::Answer { fault, .. } => match &**fault {
                Fault::Hint(HintError::UnknownKey(kid)) => Some(kid),
                _ => None,
            },
            Self::Page(_) => None,
        }
    }
}
