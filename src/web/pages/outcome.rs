//! Pages that end a journey: sent on, refused, start again, home.

use askama::Template;

use super::{Frame, Moment};
use crate::app::round_trips::Stopped;

/// The answer on its way to the relying party: a form that a script file sends,
/// with a visible button for browsers without JavaScript.
#[derive(Debug, Template)]
#[template(path = "auto_submit.html")]
pub struct AutoSubmitPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// "You are signed in", or what else the answer says.
    pub heading: &'static str,
    /// Who gets the answer, in words.
    pub going_to: String,
    /// The relying party's address, from the configuration, never from the request.
    pub target: String,
    /// `SAMLResponse`, `RelayState` and the like, byte for byte.
    pub fields: Vec<(&'static str, String)>,
}

/// What kind of refusal it is; decides heading and HTTP status.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// The request is malformed: 400.
    BadRequest,
    /// The request is understood and refused: 403.
    Refused,
    /// No such page: 404.
    NotFound,
    /// The page does not answer this method: 405.
    Method,
    /// What was asked does not fit what is there: 409.
    Conflict,
    /// The request is larger than anything we read: 413.
    TooLarge,
    /// The name in the address is not ours: 421.
    WrongHost,
    /// Too many requests from there: 429.
    TooMany,
    /// Something broke here: 500.
    Internal,
    /// Something we need does not answer: 503.
    Unavailable,
}

impl ErrorKind {
    /// The page's heading.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::BadRequest => "This request cannot be read",
            Self::Refused => "This is not allowed",
            Self::NotFound => "There is no such page",
            Self::Method => "This page cannot be used that way",
            Self::Conflict => "This does not fit any more",
            Self::TooLarge => "This request is too large",
            Self::WrongHost => "This is not the address of this service",
            Self::TooMany => "Too many tries",
            Self::Internal => "Something broke here",
            Self::Unavailable => "The service is not available now",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> axum::http::StatusCode {
        use axum::http::StatusCode;
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Refused => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// One sentence on what happened, what one can do, and what to tell whom.
#[derive(Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Heading and status.
    pub kind: ErrorKind,
    /// What happened and what the person can do; nothing that the sender wrote.
    pub words: String,
    /// `CB-…`, for `claimbridge explain`.
    pub support_code: String,
    /// The request's or attempt's id, which is in the log.
    pub reference: Option<String>,
    /// When.
    pub at: Moment,
}

/// Why a sign-in cannot go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StartAgain {
    /// The attempt is too old, or was answered already.
    Over,
    /// The form was too old or came from elsewhere.
    StaleForm,
}

impl StartAgain {
    /// The page's sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Over => {
                "This sign-in took too long, or it is finished already, here or in another window of this browser."
            }
            Self::StaleForm => {
                "This form is too old, or your browser did not send our cookie with it. Nothing was changed."
            }
        }
    }
}

/// The sign-in cannot go on; a new one can.
#[derive(Debug, Template)]
#[template(path = "start_again.html")]
pub struct StartAgainPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Why.
    pub why: StartAgain,
    /// `CB-…`, for `claimbridge explain`.
    pub support_code: String,
}

/// The browser runs in a circle between a party and us.
#[derive(Debug, Template)]
#[template(path = "sign_in/stopped.html")]
pub struct StoppedPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// The attempt's page, to try once more.
    pub action: String,
    /// The party's name.
    pub going_to: String,
    /// How often, and what is known of the last answer.
    pub stopped: Stopped,
    /// How long to wait.
    pub again_in: String,
    /// By this server's clock.
    pub now: Moment,
    /// `CB-…`, for `claimbridge explain`.
    pub support_code: String,
}

/// The attempt was begun in another browser. Says nothing about how far it is.
#[derive(Debug, Template)]
#[template(path = "other_browser.html")]
pub struct OtherBrowserPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// `CB-…`, for `claimbridge explain`.
    pub support_code: String,
}

/// Whether this browser has a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignedInHere {
    /// It has.
    Yes,
    /// It has none.
    No,
}

/// `/`: for someone who opens the address by hand.
#[derive(Debug, Template)]
#[template(path = "home.html")]
pub struct HomePage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Shows the way to the account.
    pub signed_in: SignedInHere,
}
