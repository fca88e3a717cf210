//! A signed-in person's own page: methods, last sign-ins, sessions.

use askama::Template;

use super::{CsrfToken, Frame, Moment, sign_in::NoticeItem};

/// One way to prove who one is.
#[derive(Clone, Debug)]
pub struct Method {
    /// For the addresses of its forms.
    pub id: String,
    /// The person's name for it.
    pub name: String,
    /// What it is: "Code generator".
    pub kind: &'static str,
    /// What its maker calls it.
    pub model: Option<String>,
    /// The address of the model's picture.
    pub picture: Option<String>,
    /// Of a key, in words: whether its model was proved.
    pub attested: Option<&'static str>,
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
    /// For the address of its form.
    pub id: String,
    /// When it began.
    pub since: Moment,
    /// When it was last used.
    pub last_used: Moment,
    /// Whether it is the session of the browser that asks.
    pub this_one: bool,
}

/// Whether a method may be removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Removable {
    /// Yes.
    Yes,
    /// No: so many must stay.
    Last(usize),
}

/// `/account/password`: a new password.
#[derive(Debug, Template)]
#[template(path = "account/password.html")]
pub struct ChangePasswordPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// For the form.
    pub csrf: CsrfToken,
    /// Whose it is.
    pub upn: String,
    /// How many characters it needs at least.
    pub min_length: usize,
    /// What was wrong with the last one.
    pub problem: Option<String>,
}

/// New recovery codes, this once.
#[derive(Debug, Template)]
#[template(path = "account/recovery_codes.html")]
pub struct RecoveryCodesPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Whose they are.
    pub upn: String,
    /// The codes.
    pub codes: Vec<String>,
}

/// The password was changed.
#[derive(Debug, Template)]
#[template(path = "account/password_changed.html")]
pub struct PasswordChangedPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
}

/// `/account`.
#[derive(Debug, Template)]
#[template(path = "account/account.html")]
pub struct AccountPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// For the forms.
    pub csrf: CsrfToken,
    /// The person's name.
    pub display_name: String,
    /// The person's UPN.
    pub upn: String,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
    /// How many methods the policy asks for, if there are fewer.
    pub wanted: Option<usize>,
    /// When the password was set, if there is one.
    pub password: Option<Moment>,
    /// Their methods.
    pub methods: Vec<Method>,
    /// Whether one of them may be removed.
    pub removable: Removable,
    /// What was done to the account lately, newest first.
    pub changes: Vec<NoticeItem>,
    /// Their last sign-ins, newest first.
    pub sign_ins: Vec<SignInLine>,
    /// Their sessions.
    pub sessions: Vec<SessionLine>,
}
