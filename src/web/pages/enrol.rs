//! Adding a code generator (TOTP), for people at a desk without a phone.

use std::time::Duration;

use askama::Template;

use super::{CsrfToken, Frame, Moment, qr::Qr, waiting_time};
use crate::app::enrol::MethodKind;

/// What the page has to say about the last code.
#[derive(Clone, Debug)]
pub enum ConfirmState {
    /// Nothing was typed yet.
    Fresh,
    /// The code does not fit the new secret.
    Wrong,
    /// Too many wrong tries: nothing was checked.
    Wait(Duration),
}

impl ConfirmState {
    /// The sentence above the page, if something went wrong.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Fresh => None,
            Self::Wrong => Some(
                "That code does not fit this secret. Check that your program holds exactly the secret above and that the clock is right, then type the code that it shows now."
                    .to_owned(),
            ),
            Self::Wait(wait) => Some(format!(
                "There were too many wrong codes. Wait {} and try again; nothing was checked this time.",
                waiting_time(*wait)
            )),
        }
    }
}

/// A person who got a pass and has no password yet chooses one.
#[derive(Debug, Template)]
#[template(path = "enrol/password.html")]
pub struct ChoosePasswordPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Where the form goes.
    pub action: String,
    /// For the form.
    pub csrf: CsrfToken,
    /// Whose it will be.
    pub upn: String,
    /// How many characters it needs at least.
    pub min_length: usize,
    /// What was wrong with the last one.
    pub problem: Option<String>,
}

/// What the person can set up, one button each.
#[derive(Debug, Template)]
#[template(path = "enrol/choose.html")]
pub struct ChooseMethodPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Where the forms go.
    pub action: String,
    /// For the forms.
    pub csrf: CsrfToken,
    /// What is offered, in this order.
    pub offered: Vec<MethodKind>,
    /// What is allowed, whether or not it can be set up now.
    pub allowed: Vec<MethodKind>,
    /// Until when.
    pub until: Moment,
}

/// The new secret in three forms, and the form that asks for a code before it counts.
#[derive(Debug, Template)]
#[template(path = "enrol/totp.html")]
pub struct TotpEnrolPage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// Where the form goes.
    pub action: String,
    /// For the form.
    pub csrf: CsrfToken,
    /// The secret in base32, in groups of four.
    pub secret_in_fours: String,
    /// The `otpauth://totp/…` address.
    pub otpauth: String,
    /// The same address as a picture; none at a clean desk, where nobody has a camera.
    pub qr: Option<Qr>,
    /// Algorithm, digits and period in words, for programs that ask.
    pub parameters: String,
    /// The proposed name.
    pub name: String,
    /// Until when.
    pub until: Moment,
    /// What happened to the last try.
    pub state: ConfirmState,
}

/// The base32 text of a secret in groups of four, as people copy it.
#[must_use]
pub fn in_fours(base32: &str) -> String {
    let letters: Vec<char> = base32.chars().filter(|c| c.is_alphanumeric()).collect();
    let groups: Vec<String> = letters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ")
}

/// The new method is saved; now sign in with both.
#[derive(Debug, Template)]
#[template(path = "enrol/done.html")]
pub struct EnrolDonePage<'a> {
    /// What stands around the page.
    pub frame: &'a Frame,
    /// The attempt to go on with.
    pub next: String,
}

#[cfg(test)]
mod tests {
    use super::in_fours;

    #[test]
    fn groups_of_four_keep_every_letter() {
        assert_eq!(in_fours("ABCDEFGHIJ"), "ABCD EFGH IJ");
        assert_eq!(in_fours("ABCD"), "ABCD");
        assert_eq!(in_fours(""), "");
    }
}
