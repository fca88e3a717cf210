//! Paying for guesses: which counters a guess is charged to, and what they say.
//!
//! Always true: of each kind of guess a person has one counter whatever the spelling (attack 25)
//! and however many sessions and nodes (attack 2); a browser in which the person completed a sign-in
//! has one of its own and none else, so that a stranger cannot lock anyone out, from afar
//! or from the same office; what it only asks is bounded too; the second factor's failures in
//! a row are counted over all of them. At the door of External MFA no browser is known, and Entra
//! asked for the password: wrong codes there have a counter of that door, and keep neither a key nor
//! another door waiting, but for what comes from the same address; whoever knows both passwords has
//! the tries of both. What confirms a new method is counted apart. A name is folded once, before any transaction, and a long one not at all.

mod question;

use std::sync::OnceLock;

pub(super) use question::Paid;

use super::{
    App, Error,
    prove::require_password_here,
    scene::{Scene, is_touched_only},
    sign_in::Browser,
};
use crate::{
    audit::{Actor, Event, Refused},
    base::{
        clock::Timestamp,
        ids::UserId,
        text::{Upn, fold},
    },
    directory::User,
    keys::sealing::TagLabel,
    signin::{attempt::Attempt, lockout::SECOND_FACTOR_LIMIT, request::Protocol},
    storage::{ReadTx, Reserve, Tx},
};

/// Which counter a guess is charged to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counter {
    Password,
    SecondFactor,
    Pass,
    /// Codes at the door of External MFA: whoever knows the password at Entra guesses there, and
    /// shuts no other door by it.
    CodeForEntra,
    /// What confirms a new method. Nobody who only knows a password gets so far, and who guesses at
    /// the doors keeps nobody from adding one.
    NewMethod,
}

impl Counter {
    fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SecondFactor => "second-factor",
            Self::Pass => "pass",
            Self::CodeForEntra => "code-for-entra",
            Self::NewMethod => "new-method",
        }
    }
}

/// The counters of one guess.
pub(super) struct Buckets {
    /// `None` where nobody is named.
    person: Option<String>,
    /// `None` in a browser that is known: it answers for itself alone.
    source: Option<String>,
    /// Until when the source waits because of this guess, if it was paid for and began a wait.
    source_waits: OnceLock<Timestamp>,
    /// The same of the person.
    person_waits: OnceLock<Timestamp>,
}

impl Buckets {
    /// Only that of where it comes from: for what names nobody.
    pub(super) fn of_source(browser: &Browser) -> Self {
        Self {
            person: None,
            source: Some(source_bucket(browser)),
            source_waits: OnceLock::new(),
            person_waits: OnceLock::new(),
        }
    }

    /// Without the person's: nothing was paid there.
    pub(super) fn without_person(self) -> Self {
        Self {
            person: None,
            ..self
        }
    }
}

fn source_bucket(browser: &Browser) -> String {
    format!("source:{}", browser.source)
}

/// No name is longer, in bytes: a UPN has at most 113, and folding takes time.
const LONGEST_NAME: usize = 256;

/// A name as it was typed. Made before the transaction begins, because others wait for
/// its end.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum TypedName {
    /// None: the page showed whose attempt it is.
    Nothing,
    /// Some name.
    Text {
        /// Every spelling of it is this one; empty if it is too long to be anyone's.
        folded: String,
        /// If it can be one.
        upn: Option<Upn>,
    },
}

impl TypedName {
    pub(super) fn read(name: &str) -> Self {
        if name.len() > LONGEST_NAME {
            let folded = String::new();
            return Self::Text { folded, upn: None };
        }
        let folded = fold(name);
        if folded.is_empty() {
            return Self::Nothing;
        }
        let upn = name.parse().ok();
        Self::Text { folded, upn }
    }
}

/// What runs that forbids to look at a guess.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wait {
    /// The source's; nothing was paid.
    Source(Timestamp),
    /// The person's, or that of a name that nobody has; the source has paid.
    Person(Timestamp),
}

impl Wait {
    fn until(self) -> Timestamp {
        match self {
            Self::Source(until) | Self::Person(until) => until,
        }
    }
}

/// Who is meant by what was typed.
pub(super) enum Named {
    /// Somebody.
    Known(Box<User>),
    /// Nobody: the folded name goes through the same motions.
    Unknown(String),
}

impl App {
    /// Who the typed name is. Once an attempt has a person, the name is that person's.
    pub(super) async fn named(
        &self,
        tx: &mut ReadTx<'_>,
        attempt: &Attempt,
        name: TypedName,
    ) -> Result<Named, Error> {
        let (user, folded) = match (name, &attempt.user) {
            (TypedName::Nothing, Some(id)) => {
                // Who found a key and touched it was shown no name, and leaves none out: else
                // the waits of its owner would tell whose it is.
                let proved = tx.evidence_of(&attempt.id).await?;
                if is_touched_only(proved.iter().map(|record| record.kind)) {
                    (None, String::new())
                } else {
                    (tx.user(id).await?, String::new())
                }
            }
            (name, _) => return self.typed(tx, name).await,
        };
        Ok(match user {
            Some(user) => Named::Known(Box::new(user)),
            None => Named::Unknown(folded),
        })
    }

    /// Who a name is by itself.
    pub(super) async fn typed(&self, tx: &mut ReadTx<'_>, name: TypedName) -> Result<Named, Error> {
        let (user, folded) = match name {
            TypedName::Nothing => (None, String::new()),
            TypedName::Text { folded, upn: None } => (None, folded),
            TypedName::Text {
                folded,
                upn: Some(upn),
            } => (tx.user_by_upn(&upn).await?, folded),
        };
        Ok(match user {
            Some(user) => Named::Known(Box::new(user)),
            None => Named::Unknown(folded),
        })
    }

    /// The counters that a guess is charged to. A browser in which this person has completed
    /// a sign-in before has a counter of its own, so that a stranger cannot lock anyone out,
    /// and is not charged to its address: who sits in the same office is a stranger too.
    pub(super) async fn buckets(
        &self,
        tx: &mut ReadTx<'_>,
        counter: Counter,
        named: &Named,
        browser: &Browser,
    ) -> Result<Buckets, Error> {
        let kind = counter.as_str();
        let mut source = Some(source_bucket(browser));
        let person = match named {
            Named::Known(user) => match &browser.known {
                Some(token) if tx.is_known_browser(&token.hash(), &user.id).await? => {
                    let browser = token.hash();
                    source = None;
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
            Named::Unknown(folded) => {
                let tag = self.sealing.tag(TagLabel::Bucket, &[folded.as_bytes()]);
                format!("{kind}:?{}", tag.get(..4).unwrap_or_default())
            }
        };
        Ok(Buckets {
            person: Some(person),
            source,
            source_waits: OnceLock::new(),
            person_waits: OnceLock::new(),
        })
    }

    /// Charges a guess. `Some(until)` means it may not be checked. A guess that makes the
    /// next ones wait is an event of that person; those that are refused are only counted.
    pub(super) async fn pay(
        &self,
        tx: &mut Tx<'_>,
        counter: Counter,
        buckets: &Buckets,
        named: &Named,
    ) -> Result<Option<Timestamp>, Error> {
        let wait = self.pay_or_wait(tx, counter, buckets, named).await?;
        Ok(wait.map(Wait::until))
    }

    /// The same, and which wait it is.
    pub(super) async fn pay_or_wait(
        &self,
        tx: &mut Tx<'_>,
        counter: Counter,
        buckets: &Buckets,
        named: &Named,
    ) -> Result<Option<Wait>, Error> {
        let now = self.now();
        if let Some(source) = &buckets.source {
            let delays = self.settings.source_delays;
            match tx.reserve_try(source, delays, now).await? {
                Reserve::Wait { until } => {
                    self.count_refused(Refused::SourceLimit);
                    return Ok(Some(Wait::Source(until)));
                }
                Reserve::Granted { failures } => {
                    let wait = delays.wait_after(failures);
                    if !wait.is_zero() {
                        buckets.source_waits.get_or_init(|| now.plus(wait));
                    }
                }
            }
        }
        let Some(person) = &buckets.person else {
            return Ok(None);
        };
        let delays = self.settings.person_delays;
        match tx.reserve_try(person, delays, now).await? {
            Reserve::Granted { failures } => {
                let wait = delays.wait_after(failures);
                if !wait.is_zero() {
                    buckets.person_waits.get_or_init(|| now.plus(wait));
                }
                if let (Named::Known(user), false) = (named, wait.is_zero()) {
                    let begun = Event::Waiting {
                        counter: counter.as_str(),
                        until: now.plus(wait).to_string(),
                    };
                    tx.append(Actor::System, Some(user.id.clone()), begun);
                }
                Ok(None)
            }
            Reserve::Wait { until } => {
                self.count_refused(Refused::Waiting);
                Ok(Some(Wait::Person(until)))
            }
        }
    }

    /// Charges a try of a second factor of this person in this browser; what it was charged to.
    pub(super) async fn pay_second_factor(
        &self,
        tx: &mut Tx<'_>,
        user: &User,
        browser: &Browser,
    ) -> Result<(Buckets, Option<Timestamp>), Error> {
        self.pay_as(tx, Counter::SecondFactor, user, browser).await
    }

    /// The same of a code, by the counter of the attempt's door.
    pub(super) async fn pay_code(
        &self,
        tx: &mut Tx<'_>,
        attempt: &Attempt,
        user: &User,
        browser: &Browser,
    ) -> Result<(Buckets, Option<Timestamp>), Error> {
        let counter = match attempt.request.protocol {
            Protocol::ExternalMfa => Counter::CodeForEntra,
            _ => Counter::SecondFactor,
        };
        self.pay_as(tx, counter, user, browser).await
    }

    /// The same of what confirms a new method, once its enrolment is open.
    pub(super) async fn pay_new_method(
        &self,
        tx: &mut Tx<'_>,
        user: &User,
        browser: &Browser,
    ) -> Result<(Buckets, Option<Timestamp>), Error> {
        self.pay_as(tx, Counter::NewMethod, user, browser).await
    }

    async fn pay_as(
        &self,
        tx: &mut Tx<'_>,
        counter: Counter,
        user: &User,
        browser: &Browser,
    ) -> Result<(Buckets, Option<Timestamp>), Error> {
        let named = Named::Known(Box::new(user.clone()));
        let buckets = self.buckets(tx, counter, &named, browser).await?;
        let wait = self.pay(tx, counter, &buckets, &named).await?;
        Ok((buckets, wait))
    }

    /// A right answer: the person's counter starts anew, the source gets its try back.
    pub(super) async fn give_back(&self, tx: &mut Tx<'_>, buckets: &Buckets) -> Result<(), Error> {
        // In the order of `pay`: two transactions that take two rows in two orders wait
        // for each other until PostgreSQL refuses one.
        if let Some(source) = &buckets.source {
            let begun = buckets.source_waits.get().copied();
            tx.refund_try(source, begun).await?;
        }
        if let Some(person) = &buckets.person {
            tx.give_back_try(person).await?;
        }
        Ok(())
    }

    /// What was right was no guess at what these counters guard: one try comes back, and what
    /// others tried stays counted.
    pub(super) async fn refund(&self, tx: &mut Tx<'_>, buckets: &Buckets) -> Result<(), Error> {
        for (bucket, waits) in [
            (&buckets.source, &buckets.source_waits),
            (&buckets.person, &buckets.person_waits),
        ] {
            if let Some(bucket) = bucket {
                tx.refund_try(bucket, waits.get().copied()).await?;
            }
        }
        Ok(())
    }

    /// Writes what a wrong guess of nobody's name comes to, in a transaction of its own, as
    /// that of a name that exists has one: the same work, and the same time (attack 26).
    pub(super) async fn note_unknown_name(&self) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        tx.count_refused(Refused::UnknownName, 1, self.now())
            .await?;
        Ok(tx.commit().await?)
    }

    /// Counts a second-factor try in a row; at the limit the password dies and everything
    /// that it opened ends. Only where the password was right in this attempt: who found it
    /// carried over from the browser's session need not know it (another person at that desk).
    pub(super) async fn password_dies(
        &self,
        tx: &mut Tx<'_>,
        scene: &Scene,
        user: &User,
    ) -> Result<bool, Error> {
        if require_password_here(scene).is_err() {
            return Ok(false);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_not_even_folded() {
        let read = |name: &str| match TypedName::read(name) {
            TypedName::Nothing => panic!("{name:?} is something"),
            TypedName::Text { folded, upn } => (folded, upn.map(|upn| upn.to_string())),
        };
        let padded = |spaces| format!("Agent1@contoso.com{}", " ".repeat(spaces));
        let agent = "agent1@contoso.com".to_owned();
        assert_eq!(read(&padded(256 - 18)), (agent.clone(), Some(agent)));
        assert_eq!(read(&padded(257 - 18)), (String::new(), None));
        // One character that folds to eighteen.
        assert_eq!(read(&"\u{fdfa}".repeat(86)), (String::new(), None));
        assert_eq!(read(&" ".repeat(257)), (String::new(), None));
        for nothing in ["", " ", "\u{a0}\t"] {
            assert_eq!(TypedName::read(nothing), TypedName::Nothing);
        }
    }
}
