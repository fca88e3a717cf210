//! A signed-in person's own page: methods, last sign-ins, sessions.

use askama::Template;

use super::{CsrfToken, Frame, Moment};

/// One way to prove who one is.
#[derive(Clone, Debug)]
pub struct Method {
    /// The person's name for it.
    pub name: String,
    /// What it is: "Password", "Code generator".
    pub kind: &'static str,
    /// Since when.
    pub added: Moment,
    /// When it last proved something.
    pub last_used: Option<Moment>,
}

/// One finished sign-in.
#[derive(Clone, Debug)]
pub struct SignInLine {
    /// When it was answered.
    pub at: Moment,
    /// To which relying party, in words.
    pub to: String,
    /// With what, in words: "password and code".
    pub with: String,
}

/// One browser session.
#[derive(Clone, Debug)]
pub struct SessionLine {
    /// When it began.
    pub since: Moment,
    /// Whether it is the session of the browser that asks.
    pub this_one: bool,
}

/// `/account`.
#[derive(Debug, Template)]
#[template(path = "account.html")]
pub struct AccountPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// For the forms.
    pub csrf: CsrfToken,
    /// The person's name.
    pub display_name: String,
    /// The person's UPN.
    pub upn: String,
    /// Their methods.
    pub methods: Vec<Method>,
    /// Their last sign-ins, newest first.
    pub sign_ins: Vec<SignInLine>,
    /// Their sessions.
    pub sessions: Vec<SessionLine>,
}
