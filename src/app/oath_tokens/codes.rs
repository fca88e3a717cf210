//! What somebody typed from a token: paid for, and looked for in the windows.
//!
//! Always true: only who has typed the right password in this attempt gets here; each try
//! is paid for before it is checked and counts in a row, like a code; every step of a
//! window is computed whatever matches, off the async threads.

use zeroize::Zeroizing;

use super::{App, Error};
use crate::{
    app::{
        error::SupportCode,
        guess::Buckets,
        prove::{Guess, require_password_proof},
        scene::Scene,
        sign_in::{Browser, NextStep},
    },
    audit::{Actor, Event},
    base::ids::AttemptId,
    directory::{TotpParameters, User},
    factor::totp::{
        MatchedStep,
        search::{NEAR, Window, find_code, find_pair},
    },
    storage::ReadTx,
};

/// What somebody typed.
pub(in crate::app) enum Typed {
    One(Zeroizing<String>),
    Two(Zeroizing<String>, Zeroizing<String>),
}

impl Typed {
    pub(super) fn read(code: &str, next: &str) -> Self {
        let own = |text: &str| Zeroizing::new(text.to_owned());
        if next.trim().is_empty() {
            Self::One(own(code))
        } else {
            Self::Two(own(code), own(next))
        }
    }
}

/// A clock to look for.
pub(in crate::app) struct Clock {
    pub(super) secret: Zeroizing<Vec<u8>>,
    pub(super) parameters: TotpParameters,
    pub(super) drift_steps: i64,
    /// How far two codes that follow each other may be off, in steps.
    pub(super) far: i64,
    pub(super) after: Option<i64>,
}

/// The page that a try belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    Activate,
    Resync,
}

impl Purpose {
    fn step(self) -> NextStep {
        match self {
            Self::Activate => NextStep::ActivateToken,
            Self::Resync => NextStep::AskSecondFactor,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Activate => "activating",
            Self::Resync => "resyncing",
        }
    }
}

/// A try that was paid for, or not.
pub(super) enum Paid {
    Check(Box<User>, Buckets),
    Refused(Guess),
}

impl App {
    /// Charges a try like a code's: it may have been anybody's who knows the password.
    pub(super) async fn pay_for_token(
        &self,
        id: &AttemptId,
        browser: &Browser,
        purpose: Purpose,
    ) -> Result<Paid, Error> {
        let mut tx = self.store.begin().await?;
        let scene = self.require_at(&mut tx, id, browser, purpose).await?;
        let user = require_password_proof(&scene)?.clone();
        let (buckets, wait) = self.pay_second_factor(&mut tx, &user, browser).await?;
        if let Some(until) = wait {
            tx.commit().await?;
            return Ok(Paid::Refused(Guess::Wait(until)));
        }
        let event = Event::CodeTried {
            attempt: id.clone(),
        };
        tx.append(Actor::Person, Some(user.id.clone()), event);
        let died = self.password_dies(&mut tx, &scene, &user).await?;
        tx.commit().await?;
        Ok(if died {
            Paid::Refused(Guess::PasswordDead)
        } else {
            Paid::Check(Box::new(user), buckets)
        })
    }

    /// The attempt, if it is at the step where this page stands.
    pub(super) async fn require_at(
        &self,
        tx: &mut ReadTx<'_>,
        id: &AttemptId,
        browser: &Browser,
        purpose: Purpose,
    ) -> Result<Scene, Error> {
        let attempt = self.open_attempt(tx, id, browser).await?;
        let scene = self.scene(tx, attempt, browser).await?;
        // Where the password is not asked, nobody moves a token's clock.
        if scene.asks() != purpose.step() || scene.asked.is_some() {
            return Err(Error::denied(
                &SupportCode::ATTEMPT_OVER,
                "a token's code at another step",
            ));
        }
        Ok(scene)
    }

    pub(super) async fn refuse_codes(
        &self,
        id: &AttemptId,
        user: &User,
        purpose: Purpose,
    ) -> Result<Guess, Error> {
        let mut tx = self.store.begin().await?;
        let event = Event::CodeRefused {
            attempt: id.clone(),
            reason: purpose.reason(),
        };
        tx.append(Actor::Person, Some(user.id.clone()), event);
        tx.commit().await?;
        Ok(Guess::Wrong)
    }

    /// The first of the clocks that shows what was typed. All are searched whatever matches.
    pub(in crate::app) async fn search<T: Send + 'static>(
        &self,
        typed: Typed,
        clocks: Vec<(Clock, T)>,
    ) -> Result<Option<(T, MatchedStep)>, Error> {
        let now = self.now();
        self.hashing(move || {
            let mut found = None;
            for (clock, what) in clocks {
                let window = |reach| Window {
                    drift_steps: clock.drift_steps,
                    reach,
                    after: clock.after,
                };
                let (secret, parameters) = (&clock.secret, clock.parameters);
                let matched = match &typed {
                    Typed::One(code) => find_code(code, secret, parameters, window(NEAR), now),
                    Typed::Two(first, second) => {
                        find_pair([first, second], secret, parameters, window(clock.far), now)
                    }
                };
                if let (None, Some(matched)) = (&found, matched) {
                    found = Some((what, matched));
                }
            }
            found
        })
        .await
    }
}
