//! One attempt of one browser to answer one request.
//!
//! Always true: without the browser's cookie a request for the attempt sees only
//! "start again", whatever was already proved (attack 36); an attempt is answered
//! at most once, and lives for minutes.

use std::time::Duration;

use super::request::SignInRequest;
use crate::{
    base::{
        browser::TokenHash,
        clock::Timestamp,
        ids::{AttemptId, UserId},
    },
    factor::evidence::Binding,
};

/// How long a person may take.
pub const LIFETIME: Duration = Duration::from_mins(15);

/// How long the browser of an answered attempt gets the same bytes again.
pub const REPEAT_ANSWER: Duration = Duration::from_mins(1);

/// An attempt as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// Its id, which stands in the address.
    pub id: AttemptId,
    /// The hash of the browser-binding cookie.
    pub browser: TokenHash,
    /// What was asked.
    pub request: SignInRequest,
    /// Who it is, once the first factor, a pass or the browser's session said so. It changes
    /// after that only to nobody, with everything that was proved: who was named says "not me".
    pub user: Option<UserId>,
    /// When it began.
    pub created_at: Timestamp,
    /// From when it is over.
    pub expires_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
}

/// How a browser stands to an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It may go on.
    Open,
    /// It was answered just now; the same bytes again.
    JustAnswered,
    /// Over, or answered a while ago: start again.
    Over,
    /// Another browser's attempt, or none: start again, and say nothing of it.
    NotYours,
}

impl Attempt {
    /// What ties evidence to this attempt and its browser.
    pub fn binding(&self) -> Binding<'_> {
        Binding {
            attempt: &self.id,
            browser: &self.browser,
        }
    }

    /// How the browser with this cookie (hashed) stands to the attempt now.
    pub fn standing(&self, browser: Option<&TokenHash>, now: Timestamp) -> Standing {
        if browser != Some(&self.browser) {
            return Standing::NotYours;
        }
        match self.answered_at {
            Some(at) if now.since(at) < REPEAT_ANSWER => Standing::JustAnswered,
            Some(_) => Standing::Over,
            None if now >= self.expires_at => Standing::Over,
            None => Standing::Open,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        base::{browser::CookieToken, random::SystemRandom},
        signin::request::{Interaction, Protocol, Reauthentication},
    };

    pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    pub(crate) fn request() -> SignInRequest {
        SignInRequest {
            protocol: Protocol::Saml2,
            relying_party: "urn:federation:MicrosoftOnline".to_owned(),
            request_id: "_1".to_owned(),
            reply_url: "https://login.microsoftonline.com/login.srf".to_owned(),
            relay_state: None,
            domain: None,
            reauthentication: Reauthentication::AsNeeded,
            interaction: Interaction::Allowed,
            max_age_seconds: None,
            login_hint: None,
            second_factor: None,
            received_at_millis: NOW.as_millis(),
        }
    }

    pub(crate) fn attempt() -> Attempt {
        Attempt {
            id: AttemptId::random(&mut SystemRandom),
            browser: CookieToken::random(&mut SystemRandom).hash(),
            request: request(),
            user: None,
            created_at: NOW,
            expires_at: NOW.plus(LIFETIME),
            answered_at: None,
        }
    }

    #[test]
    fn attack_36_only_the_browser_that_began_may_go_on() {
        let attempt = attempt();
        let other = CookieToken::random(&mut SystemRandom).hash();
        assert_eq!(
            attempt.standing(Some(&attempt.browser), NOW),
            Standing::Open
        );
        assert_eq!(attempt.standing(Some(&other), NOW), Standing::NotYours);
        assert_eq!(attempt.standing(None, NOW), Standing::NotYours);
        let answered = Attempt {
            answered_at: Some(NOW),
            ..attempt.clone()
        };
        assert_eq!(answered.standing(Some(&other), NOW), Standing::NotYours);
        assert_eq!(answered.standing(None, NOW), Standing::NotYours);
    }

    #[test]
    fn attack_5_an_attempt_ends_and_its_answer_is_repeated_for_a_minute() {
        let attempt = attempt();
        let standing_at =
            |attempt: &Attempt, at: Timestamp| attempt.standing(Some(&attempt.browser), at);
        let end = attempt.expires_at;
        let milli = Duration::from_millis(1);
        assert_eq!(standing_at(&attempt, end.minus(milli)), Standing::Open);
        assert_eq!(standing_at(&attempt, end), Standing::Over);
        let answered = Attempt {
            answered_at: Some(NOW),
            ..attempt.clone()
        };
        let limit = NOW.plus(REPEAT_ANSWER);
        assert_eq!(
            standing_at(&answered, limit.minus(milli)),
            Standing::JustAnswered
        );
        assert_eq!(standing_at(&answered, limit), Standing::Over);
    }
}
