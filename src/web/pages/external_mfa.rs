//! External MFA: what stands on its pages beside the step, and the page that has none.

use std::time::Duration;

use askama::Template;

use super::{CsrfToken, Frame, waiting_time};
use crate::app::sign_in::NoAnswer;

/// Entra waits: for how long, and the way back.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// How long it does, when the page is shown.
    pub left: Duration,
    /// The attempt's page, which goes back to Entra when the time is over.
    pub page: String,
    /// Where the button goes that gives up.
    pub cancel: String,
    /// For its form.
    pub csrf: CsrfToken,
    /// What the button says.
    pub way_back: &'static str,
}

impl Waiting {
    /// In whole seconds, for the page's clock: not sooner than the server's.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.left.as_secs() + u64::from(self.left.subsec_nanos() > 0)
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        waiting_time(self.left)
    }
}

/// Nothing can be asked: why, and what can be done.
#[derive(Debug, Template)]
#[template(path = "sign_in/no_answer.html")]
pub struct NoAnswerPage<'a> {
    /// What stands around the page: the way back is in it.
    pub frame: &'a Frame,
    /// Why.
    pub why: NoAnswer,
    /// What Entra calls the person, or we do.
    pub name: Option<String>,
    /// `CB-…`, for `claimbridge explain`.
    pub support_code: String,
    /// The attempt's id, by which an operator finds whom to link.
    pub reference: String,
    /// Heading and title.
    pub heading: &'static str,
}

impl NoAnswerPage<'_> {
    /// The heading.
    #[must_use]
    pub fn heading_of(why: NoAnswer) -> &'static str {
        match why {
            NoAnswer::Stranger => "Your account is not linked here",
            NoAnswer::NoFittingMethod | NoAnswer::NothingToSetUp => {
                "Microsoft asks for another way"
            }
        }
    }
}
