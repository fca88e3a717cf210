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
    /// The applications that were told of it, in words.
    pub told: Vec<String>,
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

/// A new application password, this once.
#[derive(Debug, Template)]
#[template(path = "account/app_password.html")]
pub struct AppPasswordPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Whose it is.
    pub upn: String,
    /// For which device.
    pub label: String,
    /// It.
    pub value: String,
}

/// The application passwords of a person.
#[derive(Clone, Debug)]
pub struct AppPasswords {
    /// Whether another one may be made.
    pub making: Making,
    /// Those that there are.
    pub list: Vec<AppPasswordLine>,
}

/// Whether application passwords are of use here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Making {
    /// Yes.
    Offered,
    /// The door that takes them is closed; those that are left can be revoked.
    Closed,
    /// Programs of this person's domain are sent elsewhere; those that are left can be revoked.
    NotOfThisDomain,
}

/// One application password.
#[derive(Clone, Debug)]
pub struct AppPasswordLine {
    /// For the address of its form.
    pub id: String,
    /// The device.
    pub label: String,
    /// Since when.
    pub since: Moment,
    /// When it was last used.
    pub last_used: Option<Moment>,
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
    /// Application passwords; `None` where there are none and none are taken.
    pub app_passwords: Option<AppPasswords>,
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
