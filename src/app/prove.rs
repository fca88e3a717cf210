//! Checking a password or a code.
//!
//! Always in three parts: pay for the guess (one transaction: counters up, "tried"
//! written), check it, and write what came of it (another transaction: evidence and
//! "verified", or "refused"). A crash in between has cost a guess and given nothing.

use super::{
    App, Error,
    error::SupportCode,
    sign_in::{Browser, Scene},
};
use crate::{
    audit::{Actor, Event, Refused},
    base::{
        clock::Timestamp,
        ids::{AttemptId, UserId},
        secret::Secret,
        text::{Upn, fold},
    },
    directory::{PasswordCredential, User},
    factor::{
        FactorClass, evidence,
        password::{self, PasswordRefused, Rehash},
        totp::{self, TotpRefused},
    },
    keys::sealing::TagLabel,
    signin::lockout::SECOND_FACTOR_LIMIT,
    storage::{ReadTx, Reserve, Tx},
};

/// What became of a guess.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Guess {
    /// Right: go on.
    Right,
    /// Wrong. For a password this says nothing of whether the name exists.
    Wrong,
    /// The code was right but used before: wait for the next one.
    UsedBefore,
    /// The password was right, but is switched off until an administrator sets a new one.
    /// Only who knows the password learns this.
    PasswordDead,
    /// Not checked: too many wrong guesses; wait until then.
    Wait(Timestamp),
}

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
    /// Checks name and password for an attempt.
    pub async fn submit_password(
        &self,
        id: &AttemptId,
        browser: &Browser,
        name: &str,
        password: Secret<String>,
    ) -> Result<Guess, Error> {
        let result = self.check_password(id, browser, name, password).await;
        self.noting_tampering(result).await
    }

    async fn check_password(
        &self,
        id: &AttemptId,
        browser: &Browser,
        name: &str,
        password: Secret<String>,
    ) -> Result<Guess, Error> {
        // Pay.
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let named = self.named(&mut tx, &attempt, name).await?;
        let buckets = self
            .buckets(&mut tx, Counter::Password, &named, name, browser)
            .await?;
        if let Some(until) = self
            .pay(&mut tx, Counter::Password, &buckets, &named)
            .await?
        {
            tx.commit().await?;
            return Ok(Guess::Wait(until));
        }
        let credential = match &named {
            Named::Known(user) => {
                tx.append(
                    Actor::Person,
                    Some(user.id.clone()),
                    Event::PasswordTried {
                        attempt: id.clone(),
                    },
                );
                tx.password_of(&user.id).await?
            }
            Named::Unknown => {
                tx.count_refused(Refused::UnknownName, self.now()).await?;
                None
            }
        };
        tx.commit().await?;

        // Check: the same work whether there is a credential or not.
        let (cost, sealing, now) = (
            self.settings.hash_cost,
            std::sync::Arc::clone(&self.sealing),
            self.now(),
        );
        let attempt_id = id.clone();
        let (checked, password) = self
            .hashing(move || {
                let checked = password::verify(
                    &password,
                    credential.as_ref(),
                    &attempt_id,
                    cost,
                    &sealing,
                    now,
                );
                ((checked, credential), password)
            })
            .await?;
        let (checked, credential) = checked;

        // Write down.
        let Named::Known(user) = named else {
            return Ok(Guess::Wrong);
        };
        let mut tx = self.store.begin().await?;
        // A disabled person gets the answer of a wrong password, after the same work.
        let refused = match &checked {
            Ok(_) if user.disabled_at.is_some() => Some("disabled"),
            Ok(_) => None,
            Err(PasswordRefused::NoCredential) => Some("no-password"),
            Err(PasswordRefused::Wrong) => Some("wrong"),
            Err(PasswordRefused::Dead) => Some("dead"),
            Err(PasswordRefused::Tampered) => Some("tampered"),
        };
        if let Some(reason) = refused {
            let event = Event::PasswordRefused {
                attempt: id.clone(),
                reason,
            };
            tx.append(Actor::Person, Some(user.id.clone()), event);
            tx.commit().await?;
            if reason == "tampered" {
                let alarm = Error::tampering("password", Some(user.id), &"the row's tag is wrong");
                self.noting_tampering::<()>(Err(alarm)).await.ok();
            }
            return Ok(if reason == "dead" {
                Guess::PasswordDead
            } else {
                Guess::Wrong
            });
        }
        let (Ok((proof, rehash)), Some(credential)) = (checked, credential) else {
            return Err(Error::internal("a password was right without a credential"));
        };
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        if !self.may_answer(&mut tx, &user, &attempt.request).await? {
            return Err(Error::denied(
                &SupportCode::OTHER_DOMAIN,
                format!(
                    "{} may not answer a request for {:?}",
                    user.upn, attempt.request.domain
                ),
            ));
        }
        if !tx.set_attempt_user(id, &user.id).await? {
            return Err(Error::denied(
                &SupportCode::PERSON_CHANGED,
                "an attempt of another person",
            ));
        }
        let verified = Event::PasswordVerified {
            attempt: id.clone(),
            credential: credential.id.clone(),
        };
        let binding = evidence::Binding {
            attempt: id,
            browser: &attempt.browser,
        };
        let record = evidence::seal(proof, binding, &self.sealing)
            .map_err(|error| Error::internal(error.to_string()))?;
        tx.put_evidence(&record).await?;
        self.give_back(&mut tx, &buckets).await?;
        tx.append(Actor::Person, Some(user.id.clone()), verified);
        tx.commit().await?;
        if rehash == Rehash::Needed {
            self.rehash(&credential, password).await?;
        }
        Ok(Guess::Right)
    }

    /// Checks a one-time code for an attempt whose person is known.
    pub async fn submit_code(
        &self,
        id: &AttemptId,
        browser: &Browser,
        code: &str,
    ) -> Result<Guess, Error> {
        let result = self.check_code(id, browser, code).await;
        self.noting_tampering(result).await
    }

    async fn check_code(
        &self,
        id: &AttemptId,
        browser: &Browser,
        code: &str,
    ) -> Result<Guess, Error> {
        // Pay.
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let scene = self.scene(&mut tx, attempt).await?;
        let user = require_password_proof(&scene)?.clone();
        let named = Named::Known(Box::new(user.clone()));
        let buckets = self
            .buckets(&mut tx, Counter::SecondFactor, &named, "", browser)
            .await?;
        if let Some(until) = self
            .pay(&mut tx, Counter::SecondFactor, &buckets, &named)
            .await?
        {
            tx.commit().await?;
            return Ok(Guess::Wait(until));
        }
        tx.append(
            Actor::Person,
            Some(user.id.clone()),
            Event::CodeTried {
                attempt: id.clone(),
            },
        );
        if self.password_dies(&mut tx, &user).await? {
            tx.commit().await?;
            return Ok(Guess::PasswordDead);
        }
        tx.commit().await?;

        // Check, and consume the step in the transaction that keeps the proof.
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let credentials = tx.totp_of(&user.id).await?;
        let verified = totp::verify(
            code,
            &credentials,
            self.settings.totp_skew,
            id,
            &self.sealing,
            self.now(),
            &mut tx,
        )
        .await;
        match verified {
            Ok(proof) => {
                let binding = evidence::Binding {
                    attempt: id,
                    browser: &attempt.browser,
                };
                let record = evidence::seal(proof, binding, &self.sealing)
                    .map_err(|error| Error::internal(error.to_string()))?;
                tx.put_evidence(&record).await?;
                self.give_back(&mut tx, &buckets).await?;
                tx.give_back_try(&in_a_row(&user.id)).await?;
                let event = Event::CodeVerified {
                    attempt: id.clone(),
                    credential: record.credential,
                };
                tx.append(Actor::Person, Some(user.id), event);
                tx.commit().await?;
                Ok(Guess::Right)
            }
            Err(TotpRefused::Store(error)) => Err(error.into()),
            Err(refused @ (TotpRefused::Wrong | TotpRefused::AlreadyUsed)) => {
                let (guess, reason) = match refused {
                    TotpRefused::AlreadyUsed => (Guess::UsedBefore, "used-before"),
                    _ => (Guess::Wrong, "wrong"),
                };
                let event = Event::CodeRefused {
                    attempt: id.clone(),
                    reason,
                };
                tx.append(Actor::Person, Some(user.id), event);
                tx.commit().await?;
                Ok(guess)
            }
        }
    }

    /// Who the typed name is. Once an attempt has a person, the name is that person's.
    pub(super) async fn named(
        &self,
        tx: &mut ReadTx<'_>,
        attempt: &crate::signin::attempt::Attempt,
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
            tx.count_refused(Refused::SourceLimit, now).await?;
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
                tx.count_refused(Refused::Waiting, now).await?;
                Ok(Some(until))
            }
        }
    }

    /// A right answer: the person's counter starts anew, the source gets its try back.
    pub(super) async fn give_back(&self, tx: &mut Tx<'_>, buckets: &Buckets) -> Result<(), Error> {
        tx.give_back_try(&buckets.person).await?;
        tx.refund_try(&buckets.source).await?;
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

    async fn rehash(
        &self,
        old: &PasswordCredential,
        password: Secret<String>,
    ) -> Result<(), Error> {
        // A password that is right but too short for today's rule keeps its old hash.
        let Ok(phc) = self.hash_password(password).await else {
            return Ok(());
        };
        let tag = PasswordCredential::make_tag(&self.sealing, &old.id, &old.user, &phc);
        let mut tx = self.store.begin().await?;
        tx.rehash_password(&old.id, &old.phc, &phc, &tag).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// A code is asked only of someone whose password was right in this attempt.
pub(super) fn require_password_proof(scene: &Scene) -> Result<&User, Error> {
    let proved = scene
        .evidence
        .iter()
        .any(|proof| proof.kind().class() == FactorClass::Knowledge);
    match &scene.user {
        Some(user) if proved => Ok(user),
        _ => Err(Error::denied(
            &SupportCode::ATTEMPT_OVER,
            "a code before the password",
        )),
    }
}

/// The counter of second-factor failures in a row, over all browsers.
pub(super) fn in_a_row(user: &UserId) -> String {
    format!("in-a-row:{user}")
}
