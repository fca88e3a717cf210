//! Paying for guesses: which counters a guess is charged to, and what they say.
//!
//! Always true: a person has one counter whatever the spelling (attack 25) and however
//! many sessions and nodes (attack 2); a browser in which the person completed a sign-in
//! has one of its own, so that a stranger cannot lock anyone out; the second factor's
//! failures in a row are counted over all of them.

use super::{App, Error, sign_in::Browser};
use crate::{
    audit::{Actor, Event, Refused},
    base::{
        clock::Timestamp,
        ids::UserId,
        text::{Upn, fold},
    },
    directory::User,
    keys::sealing::TagLabel,
    signin::{attempt::Attempt, lockout::SECOND_FACTOR_LIMIT},
    storage::{ReadTx, Reserve, Tx},
};

/// Which counter a guess is charged to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counter {
    Password,
    SecondFactor,
    Pass,
}

impl Counter {
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SecondFactor => "second-factor",
            Self::Pass => "pass",
        }
    }
}

/// The counters of one guess.
pub(super) struct Buckets {
    person: String,
    source: String,
}

/// The name as it was typed, and who that is.
pub(super) enum Named {
    /// Somebody.
    Known(Box<User>),
    /// Nobody: goes through the same motions.
    Unknown,
}

impl App {
    /// Who the typed name is. Once an attempt has a person, the name is that person's.
    pub(super) async fn named(
        &self,
        tx: &mut ReadTx<'_>,
        attempt: &Attempt,
        name: &str,
    ) -> Result<Named, Error> {
        let user = match (&attempt.user, name.parse::<Upn>()) {
            (Some(id), _) if fold(name).is_empty() => tx.user(id).await?,
            (_, Ok(upn)) => tx.user_by_upn(&upn).await?,
            (_, Err(_)) => None,
        };
        Ok(user.map_or(Named::Unknown, |user| Named::Known(Box::new(user))))
    }

    /// The counters that a guess is charged to. A browser in which this person has completed
    /// a sign-in before has a counter of its own, so that a stranger cannot lock anyone out.
    pub(super) async fn buckets(
        &self,
        tx: &mut ReadTx<'_>,
        counter: Counter,
        named: &Named,
        name: &str,
        browser: &Browser,
    ) -> Result<Buckets, Error> {
        let kind = counter.as_str();
        let person = match named {
            Named::Known(user) => match &browser.known {
                Some(token) if tx.is_known_browser(&token.hash(), &user.id).await? => {
                    let browser = token.hash();
                    format!(
                        "{kind}:{}:{}",
                        user.id,
                        browser.as_str().get(..16).unwrap_or_default()
                    )
                }
                _ => format!("{kind}:{}", user.id),
            },
            // Names that nobody has share a bounded number of counters: what strangers can
            // cause must not fill the table, and must still answer like a name that exists.
            Named::Unknown => {
                let tag = self.sealing.tag(TagLabel::Bucket, &[fold(name).as_bytes()]);
                format!("{kind}:?{}", tag.get(..4).unwrap_or_default())
            }
        };
        Ok(Buckets {
            person,
            source: format!("source:{}", browser.source),
        })
    }

    /// Charges a guess. `Some(until)` means it may not be checked.
    pub(super) async fn pay(
        &self,
        tx: &mut Tx<'_>,
        counter: Counter,
        buckets: &Buckets,
        named: &Named,
    ) -> Result<Option<Timestamp>, Error> {
        let now = self.now();
        let source = tx
            .reserve_try(&buckets.source, self.settings.source_delays, now)
            .await?;
        if let Reserve::Wait { until } = source {
            self.count_refused(Refused::SourceLimit);
            return Ok(Some(until));
        }
        match tx
            .reserve_try(&buckets.person, self.settings.person_delays, now)
            .await?
        {
            Reserve::Granted { .. } => Ok(None),
            Reserve::Wait { until } => {
                if let Named::Known(user) = named {
                    // Refused tries of a running wait are free for whoever makes them, so
                    // they are counted, not stored; the wait itself was an event's worth.
                    tracing::info!(user = %user.id, counter = counter.as_str(), %until, "a wait is running");
                }
                self.count_refused(Refused::Waiting);
                Ok(Some(until))
            }
        }
    }

    /// A right answer: the person's counter starts anew, the source gets its try back.
    pub(super) async fn give_back(&self, tx: &mut Tx<'_>, buckets: &Buckets) -> Result<(), Error> {
        // In the order of `pay`: two transactions that take two rows in two orders wait
        // for each other until PostgreSQL refuses one.
        tx.refund_try(&buckets.source).await?;
        tx.give_back_try(&buckets.person).await?;
        Ok(())
    }

    /// Counts a second-factor try in a row; at the limit the password dies and everything
    /// that it opened ends.
    pub(super) async fn password_dies(&self, tx: &mut Tx<'_>, user: &User) -> Result<bool, Error> {
        let now = self.now();
        let failures = tx.count_failure(&in_a_row(&user.id), now).await?;
        if failures <= SECOND_FACTOR_LIMIT {
            return Ok(false);
        }
        tx.kill_password(&user.id, now).await?;
        tx.end_attempts_of(&user.id, now).await?;
        tx.revoke_sessions_of(&user.id, now).await?;
        tx.append(
            Actor::System,
            Some(user.id.clone()),
            Event::PasswordDied { failures },
        );
        tx.add_notice(&user.id, "password-died", "claimbridge", now)
            .await?;
        Ok(true)
    }
}

/// The counter of second-factor failures in a row, over all browsers.
pub(super) fn in_a_row(user: &UserId) -> String {
    format!("in-a-row:{user}")
}
