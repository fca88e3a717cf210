//! A hardware token's two pages: it is activated, or brought back into step.

use std::time::Duration;

use askama::Template;

use super::{CsrfToken, Frame, sign_in::too_many_tries};

/// What the codes are for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenPurpose {
    /// The first use of a token that an operator handed over.
    Activate,
    /// Its clock has run away.
    Resync,
}

impl TokenPurpose {
    /// The heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Activate => "Activate your token",
            Self::Resync => "Bring your token back into step",
        }
    }

    /// What the button says.
    #[must_use]
    pub fn button(self) -> &'static str {
        match self {
            Self::Activate => "Activate",
            Self::Resync => "Bring back",
        }
    }
}

/// What the page has to say.
#[derive(Clone, Debug)]
pub enum TokenState {
    /// Nothing was typed yet.
    Fresh,
    /// One code fits nowhere near: from now on two are asked for.
    Wrong,
    /// Too many wrong tries: nothing was checked.
    Wait(Duration),
}

impl TokenState {
    /// The sentence above the form, if something went wrong.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Fresh => None,
            Self::Wrong => Some(
                "That did not fit your token. Type the code that it shows now and, when it changes, the next one; codes that were used do not count."
                    .to_owned(),
            ),
            Self::Wait(wait) => Some(too_many_tries(*wait)),
        }
    }
}

/// `/sign-in/{attempt}` where a token waits to be activated, and
/// `/sign-in/{attempt}/resync`.
#[derive(Debug, Template)]
#[template(path = "sign_in/token.html")]
pub struct TokenPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Where the codes go.
    pub action: String,
    /// For the form.
    pub csrf: CsrfToken,
    /// Whose password was proved.
    pub upn: String,
    /// What the codes are for.
    pub purpose: TokenPurpose,
    /// Another way on: to the pass, or back to the code.
    pub instead: Option<String>,
    /// What happened to the last try.
    pub state: TokenState,
}

impl TokenPage<'_> {
    /// Whether two codes are asked for: always to bring a token back, and to activate one
    /// after a single code did not do.
    #[must_use]
    pub fn asks_for_next(&self) -> bool {
        self.purpose == TokenPurpose::Resync || !matches!(self.state, TokenState::Fresh)
    }
}
