//! Security keys: asking one to sign, and adding one.
//!
//! The one place where a page needs a script: browsers reach keys no other way. Without it,
//! or where the window cannot do it, the page says so and offers what else there is.

use std::time::Duration;

use askama::Template;

use super::{CsrfToken, Frame, Moment, sign_in::too_many_tries};
use crate::app::{enrol::MethodKind, security_keys::KeyProblem};

/// What a page about a key has to say of the last answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyState {
    /// Nothing was asked yet.
    Fresh,
    /// The answer was refused.
    Refused(KeyProblem),
    /// Too many wrong answers: wait so long.
    Wait(Duration),
}

impl KeyState {
    /// The sentence above the form, if something went wrong.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let problem = match self {
            Self::Fresh => return None,
            Self::Wait(wait) => return Some(too_many_tries(*wait)),
            Self::Refused(problem) => problem,
        };
        Some(match problem {
            KeyProblem::Over => {
                "That took too long, or was begun again in another tab. Try again.".to_owned()
            }
            KeyProblem::NotYours => {
                "That key cannot be used here: it is not registered, or was removed. Use another key or another way."
                    .to_owned()
            }
            KeyProblem::Copied => {
                "That key was refused because there may be a copy of it. Use another key or another way, and tell your administrator."
                    .to_owned()
            }
            KeyProblem::AlreadyKnown => {
                "That key is or was registered already. Use another key.".to_owned()
            }
            KeyProblem::NotAllowed(words) => words.clone(),
            KeyProblem::Wrong => {
                "The answer of the key could not be accepted. Try again; if it goes on, use another key or another browser."
                    .to_owned()
            }
        })
    }
}

/// `/sign-in/{attempt}`: a key as the second step.
#[derive(Debug, Template)]
#[template(path = "sign_in/key.html")]
pub struct KeyPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Where the answer goes; `…/ask` gives the question.
    pub action: String,
    /// For the form.
    pub csrf: CsrfToken,
    /// Whose password was proved.
    pub upn: String,
    /// Where a person goes who has a code generator too.
    pub code_instead: Option<String>,
    /// Where a person goes who has none of the own methods any more, if a pass opens anything.
    pub pass_instead: Option<String>,
    /// Where somebody goes who is not that person.
    pub not_me: String,
    /// What happened to the last try.
    pub state: KeyState,
}

/// Adds a key in an enrolment.
#[derive(Debug, Template)]
#[template(path = "enrol/key.html")]
pub struct KeyEnrolPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Where the answer goes; `…/ask` gives the question.
    pub action: String,
    /// Where another choice goes.
    pub choose: String,
    /// For the forms.
    pub csrf: CsrfToken,
    /// The name as it was typed.
    pub name: String,
    /// What else can be set up.
    pub others: Vec<MethodKind>,
    /// Until when.
    pub until: Moment,
    /// What happened to the last try.
    pub state: KeyState,
}

/// The new key is saved; now sign in with it.
#[derive(Debug, Template)]
#[template(path = "enrol/key_done.html")]
pub struct KeyAddedPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// The attempt to go on with.
    pub next: String,
}
