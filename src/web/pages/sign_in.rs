//! The steps of a sign-in: password, one-time code, "set up a second step", notice.
//!
//! Always true: what a page says after a wrong password does not depend on
//! whether the person exists, has another password or is disabled.

use std::{fmt, time::Duration};

use askama::Template;

use super::{CsrfToken, Frame, Moment, keys::KeyState, waiting_time};
use crate::app::sign_in::{Proved, RecoveryCodes};

/// Who is signing in, as far as the attempt knows.
#[derive(Clone, Debug)]
pub enum Username {
    /// The person types it; holds the hint of the request, or what was typed last, or nothing.
    Asked(String),
    /// The attempt is bound to this person and asks for the password again.
    Known(String),
}

impl Username {
    /// Nothing to show yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Asked(hint) if hint.is_empty())
    }
}

/// What the password page has to say.
#[derive(Clone, Debug)]
pub enum PasswordState {
    /// Nothing was typed yet.
    Fresh,
    /// User name or password was wrong; it does not say which.
    Wrong,
    /// The password is right but switched off; only who knows it learns this.
    Dead,
    /// Too many wrong tries: nothing was checked.
    Wait(Duration),
}

impl PasswordState {
    /// The sentence above the form, if something went wrong.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Fresh => None,
            Self::Wrong => Some("The user name or the password is wrong. Try again.".to_owned()),
            Self::Dead => Some(
                "This password was switched off after many wrong codes. Ask for a new one."
                    .to_owned(),
            ),
            Self::Wait(wait) => Some(too_many_tries(*wait)),
        }
    }
}

/// `/sign-in/{attempt}`: user name and password.
#[derive(Debug, Template)]
#[template(path = "sign_in/password.html")]
pub struct PasswordPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Where the form goes.
    pub action: String,
    /// For the form.
    pub csrf: CsrfToken,
    /// The name of the relying party, where people know one.
    pub going_to: Option<String>,
    /// Who is signing in.
    pub username: Username,
    /// Where the answer of a security key goes that needs no name, if one is asked for.
    pub passkey: Option<String>,
    /// What was proved already.
    pub proved: Proved,
    /// What the last such answer led to.
    pub passkey_state: KeyState,
    /// Where a person goes who has a pass.
    pub pass_instead: String,
    /// Where somebody goes who is not the person that the attempt is bound to.
    pub not_me: Option<String>,
    /// What happened to the last try.
    pub state: PasswordState,
}

/// What the code page has to say.
#[derive(Clone, Debug)]
pub enum TotpState {
    /// Nothing was typed yet.
    Fresh,
    /// The code fits none of the person's tokens now.
    Wrong,
    /// The code is right but was used before, here or in another window.
    Used,
    /// Too many wrong tries: nothing was checked.
    Wait(Duration),
}

impl TotpState {
    /// The sentence above the form, if something went wrong.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Fresh => None,
            Self::Wrong => Some(
                "That code is not right. Type the code that is shown now; if it goes on, check the clock of the device that shows it."
                    .to_owned(),
            ),
            Self::Used => Some(
                "That code was used already. Wait for the next code, then type it.".to_owned(),
            ),
            Self::Wait(wait) => Some(too_many_tries(*wait)),
        }
    }
}

/// `/sign-in/{attempt}`: the one-time code. Several tokens need no choice: any
/// of them answers.
#[derive(Debug, Template)]
#[template(path = "sign_in/totp.html")]
pub struct TotpPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Where the code goes.
    pub action: String,
    /// For the form.
    pub csrf: CsrfToken,
    /// Whose password was proved.
    pub upn: String,
    /// Where a person goes whose hardware token's codes are refused.
    pub resync: Option<String>,
    /// Where a person goes who has a security key too.
    pub key_instead: Option<String>,
    /// Where a person goes who has none of the own methods any more, if a pass opens anything.
    pub pass_instead: Option<String>,
    /// Where somebody goes who is not that person.
    pub not_me: String,
    /// What happened to the last try.
    pub state: TotpState,
}

/// What the page that asks for a pass has to say.
#[derive(Clone, Debug)]
pub enum PassState {
    /// Nothing was typed yet.
    Fresh,
    /// Unknown, used, expired, revoked, or another person's; it does not say which.
    Wrong,
    /// A recovery code before the password: nothing was checked.
    PasswordFirst,
    /// Too many wrong tries: nothing was checked.
    Wait(Duration),
}

impl PassState {
    /// The sentence above the form, if something went wrong.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Fresh => None,
            Self::Wrong => Some(
                "That pass is not valid now. Check it, and from when until when it is good, or ask for a new one."
                    .to_owned(),
            ),
            Self::PasswordFirst => Some(
                "That looks like a recovery code. It was not used: sign in again with your password first. If it is a pass, type it without hyphens and spaces; if you did, it is not valid now."
                    .to_owned(),
            ),
            Self::Wait(wait) => Some(too_many_tries(*wait)),
        }
    }
}

/// `/sign-in/{attempt}` after the password of a person without a second method, and
/// `/sign-in/{attempt}/pass` for a person who got a pass instead of a password.
/// The password alone opens nothing here; a pass does, and after the password a recovery code.
#[derive(Debug, Template)]
#[template(path = "sign_in/enrol.html")]
pub struct PassPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Where the pass goes.
    pub action: String,
    /// For the form.
    pub csrf: CsrfToken,
    /// Who it is: known once the password was proved.
    pub username: Username,
    /// Whether a recovery code will do too, for whom the attempt knows.
    pub codes: RecoveryCodes,
    /// Where a person begins anew, so that one will do.
    pub begin_anew: String,
    /// What happened to the last try.
    pub state: PassState,
}

/// Something that another did to the account.
#[derive(Clone, Debug)]
pub enum Happened {
    /// A temporary access pass was issued.
    PassIssued,
    /// The password was set.
    PasswordSet,
    /// The password was switched off after too many wrong codes.
    PasswordDied,
    /// All methods were removed.
    MethodsReset,
    /// A method was added.
    MethodAdded,
    /// A method was removed.
    MethodRemoved,
    /// The ImmutableID was set or replaced.
    ImmutableIdSet,
    /// Something that this page has no words for; its name.
    Other(String),
    /// A pass was used to add a method.
    PassUsed,
    /// A hardware token was assigned.
    TokenAssigned,
    /// A hardware token was taken back, taken off the account, lost or retired.
    TokenTaken,
    /// Two codes told us how far a token's clock is off.
    TokenResynced,
    /// A security key was refused because its counter went back.
    KeyCounter,
    /// An application password was made.
    AppPasswordAdded,
    /// An application password was revoked.
    AppPasswordRevoked,
    /// New recovery codes were made.
    RecoveryCodesMade,
    /// A recovery code was used to add a method.
    RecoveryCodeUsed,
    /// A Microsoft account was linked (External MFA).
    AccountLinked,
    /// It was unlinked.
    AccountUnlinked,
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PassIssued => f.write_str("A temporary access pass was issued"),
            Self::PasswordSet => f.write_str("The password was set"),
            Self::PasswordDied => f.write_str(
                "Somebody who knew your password typed too many wrong codes, so it was switched off",
            ),
            Self::MethodsReset => f.write_str("All your ways to sign in were removed"),
            Self::MethodAdded => f.write_str("A way to sign in was added"),
            Self::MethodRemoved => f.write_str("A way to sign in was removed"),
            Self::ImmutableIdSet => f.write_str("The link to the Microsoft account was changed"),
            Self::Other(kind) => write!(f, "Something else was changed ({kind})"),
            Self::PassUsed => f.write_str("A temporary access pass was used"),
            Self::TokenAssigned => f.write_str("A hardware token was handed to you"),
            Self::TokenTaken => f.write_str("A hardware token was taken away or reported lost"),
            Self::TokenResynced => f.write_str("A hardware token was brought back into step"),
            Self::KeyCounter => f.write_str(
                "A security key was refused because there may be a copy of it; remove it and use another",
            ),
            Self::AppPasswordAdded => {
                f.write_str("An application password was made: a device that has it signs in as you without a second step")
            }
            Self::AppPasswordRevoked => f.write_str("An application password was revoked"),
            Self::RecoveryCodesMade => f.write_str("New recovery codes were made"),
            Self::RecoveryCodeUsed => f.write_str("A recovery code was used"),
            Self::AccountLinked => f.write_str(
                "A Microsoft account was linked to you: whoever signs in to it is asked for your second step",
            ),
            Self::AccountUnlinked => f.write_str("A Microsoft account was unlinked from you"),
        }
    }
}

/// One line of the notice.
#[derive(Clone, Debug)]
pub struct NoticeItem {
    /// What happened.
    pub what: Happened,
    /// When.
    pub at: Moment,
    /// Which operator did it.
    pub by: Option<String>,
}

/// `/sign-in/{attempt}`: what the person must know before going on.
#[derive(Debug, Template)]
#[template(path = "sign_in/notice.html")]
pub struct NoticePage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Where the button goes.
    pub action: String,
    /// For the form.
    pub csrf: CsrfToken,
    /// Who is signed in.
    pub upn: String,
    /// The instant of the newest, milliseconds: what the button acknowledges.
    pub up_to: i64,
    /// What happened, oldest first.
    pub items: Vec<NoticeItem>,
}

pub(super) fn too_many_tries(wait: Duration) -> String {
    format!(
        "There were too many wrong tries. Wait {} and try again; nothing was checked this time.",
        waiting_time(wait)
    )
}
