//! The pages of a sign-out: asked, on the way, done.

use askama::Template;

use super::{CsrfToken, Frame};
pub use crate::app::sign_out::Turn;
use crate::app::sign_out::{Known, Scope};

/// Asks before signing out, because GET changes nothing.
#[derive(Debug, Template)]
#[template(path = "sign_out.html")]
pub struct SignOutPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// For the form.
    pub csrf: CsrfToken,
}

/// How the browser leaves for a party.
#[derive(Clone, Debug)]
pub enum WayOut {
    /// By a form.
    Form {
        /// The party's address, from what is registered.
        action: String,
        /// Byte for byte.
        fields: Vec<(&'static str, String)>,
    },
    /// By a link.
    Address(String),
}

/// A party of the ended session is asked to end its own.
#[derive(Debug, Template)]
#[template(path = "sign_out_ask.html")]
pub struct SignOutAskPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// For the form that goes on without the party.
    pub csrf: CsrfToken,
    /// The address of this page.
    pub here: String,
    /// What people call the party.
    pub name: String,
    /// Whether the browser was there before.
    pub turn: Turn,
    /// What was ended.
    pub scope: Scope,
    /// The way to it.
    pub way: WayOut,
}

/// Signed out, and what is known of the parties.
#[derive(Debug, Template)]
#[template(path = "signed_out.html")]
pub struct SignedOutPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// What was ended.
    pub scope: Scope,
    /// Each party by name, and what is known of it.
    pub parties: Vec<(String, &'static str)>,
    /// Whether each of them said that the person is signed out there.
    pub all_ended: bool,
    /// Addresses that are asked in frames.
    pub frames: Vec<String>,
    /// Where the person goes from here.
    pub onward: Option<WayOut>,
    /// Whether the browser goes there by itself.
    pub goes_on: bool,
}

/// "Sign out everywhere" was pressed where nobody was signed in any more.
#[derive(Debug, Template)]
#[template(path = "not_ended.html")]
pub struct NotEndedPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
}

impl Scope {
    /// The page's sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Here => "This browser is signed out of this service.",
            Self::Everywhere => "All your browsers are signed out of this service.",
            Self::OthersNot => {
                "Nobody was signed in here any more, so your other browsers were not signed out from here. They may still be signed in."
            }
            Self::Earlier => {
                "All your browsers are signed out that were signed in when this one signed out. Another one signed in since, and may still be signed in."
            }
        }
    }

    /// Whether others may still be signed in, and how to end them is said.
    #[must_use]
    pub fn leaves_others(self) -> bool {
        matches!(self, Self::OthersNot | Self::Earlier)
    }

    /// The page's heading.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::Here | Self::Everywhere | Self::Earlier => "You are signed out",
            Self::OthersNot => "Only this browser is signed out",
        }
    }
}

/// What is known of a party.
#[must_use]
pub fn in_words(known: Known) -> &'static str {
    match known {
        Known::Ended => "You are signed out there.",
        Known::Partly => "It says that you are signed out there, but not everywhere behind it.",
        Known::Refused => "It says that it could not sign you out.",
        Known::NoAnswer => "It did not answer.",
        Known::Asked => "It was asked to sign you out; whether it did cannot be confirmed.",
        Known::CannotBeAsked => "It cannot be asked from here.",
        Known::Began => "It began this; whether it signed you out is not known.",
    }
}
