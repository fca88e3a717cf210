//! Checking a password or a code.
//!
//! Always in three parts: pay for the guess (one transaction: counters up, "tried"
//! written), check it, and write what came of it (another transaction: evidence and
//! "verified", or "refused"). A crash in between has cost a guess and given nothing.

use super::{
    App, Error,
    error::SupportCode,
    external_mfa::{require_asked, require_fitting, require_password_door},
    guess::{Counter, Named, TypedName, in_a_row},
    scene::Scene,
    sign_in::{Browser, SecondFactor},
};
use crate::{
    audit::{Actor, Event},
    base::{clock::Timestamp, ids::AttemptId, secret::Secret},
    directory::{PasswordCredential, User},
    factor::{
        self, FactorClass, evidence,
        password::{self, PasswordRefused, Rehash},
        totp::{self, TotpRefused},
    },
    signin::attempt::Attempt,
    storage::Tx,
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
    /// Not checked, and not counted: a recovery code where the password was not proved.
    PasswordFirst,
    /// Not checked: too many wrong guesses; wait until then.
    Wait(Timestamp),
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
        let name = TypedName::read(name);
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        require_password_door(&attempt)?;
        let named = self.named(&mut tx, &attempt, name).await?;
        let buckets = self
            .buckets(&mut tx, Counter::Password, &named, browser)
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
            Named::Unknown(_) => None,
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
            self.note_unknown_name().await?;
            return Ok(Guess::Wrong);
        };
        let mut tx = self.store.begin().await?;
        let meanwhile = match (&checked, &credential) {
            (Ok(_), Some(credential)) => no_longer_proves(&mut tx, credential).await?,
            _ => None,
        };
        // A disabled person gets the answer of a wrong password, after the same work.
        let refused = match &checked {
            Ok(_) if user.disabled_at.is_some() => Some("disabled"),
            Ok(_) => meanwhile,
            Err(PasswordRefused::NoCredential) => Some("no-password"),
            Err(PasswordRefused::Wrong) => Some("wrong"),
            Err(PasswordRefused::TooLong) => Some("too-long"),
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
        if let Some((reason, error)) = self.wrong_place(&mut tx, &user, &attempt).await? {
            let event = Event::PasswordRefused {
                attempt: id.clone(),
                reason,
            };
            tx.append(Actor::Person, Some(user.id), event);
            tx.commit().await?;
            return Err(error);
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
        let scene = self.scene(&mut tx, attempt, browser).await?;
        let user = require_password_proof(&scene)?.clone();
        require_fitting(&scene, SecondFactor::Code)?;
        let (attempt, browser) = (&scene.attempt, &*browser.at(&scene.attempt));
        let (buckets, wait) = self.pay_code(&mut tx, attempt, &user, browser).await?;
        if let Some(until) = wait {
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
        // Where nobody gave the password, no guess was that of somebody who knows it.
        let knows_password = scene.asked.is_none();
        if self.password_dies(&mut tx, &scene, &user).await? {
            tx.commit().await?;
            return Ok(Guess::PasswordDead);
        }
        tx.commit().await?;

        // Check, and consume the step in the transaction that keeps the proof.
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let credentials = tx.totp_of(&user.id).await?;
        if let Some(error) = credentials
            .iter()
            .find_map(|totp| totp.require_tag(&self.sealing).err())
        {
            return Err(Error::tampering("totp", Some(user.id), &error));
        }
        let usable = self.usable_totp(&mut tx, &user.id).await?;
        let verified = totp::verify(
            code,
            &usable,
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
                // Begun anew in another tab meanwhile, for somebody else perhaps.
                if !tx.set_attempt_user(id, &user.id).await? {
                    let detail = "a code in an attempt of another person";
                    return Err(Error::denied(&SupportCode::PERSON_CHANGED, detail));
                }
                tx.put_evidence(&record).await?;
                self.give_back(&mut tx, &buckets).await?;
                if knows_password {
                    tx.give_back_try(&in_a_row(&user.id)).await?;
                }
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

    /// Why a right proof of this person counts nothing in this attempt: what the event and
    /// the answer say (attack 1). Otherwise the attempt is the person's from now on.
    pub(super) async fn wrong_place(
        &self,
        tx: &mut Tx<'_>,
        user: &User,
        attempt: &Attempt,
    ) -> Result<Option<(&'static str, Error)>, Error> {
        if !self.may_answer(tx, user, &attempt.request).await? {
            let detail = format!(
                "{} may not answer a request for {:?}",
                user.upn, attempt.request.domain
            );
            let error = Error::denied(&SupportCode::OTHER_DOMAIN, detail);
            return Ok(Some(("other-domain", error)));
        }
        if !tx.set_attempt_user(&attempt.id, &user.id).await? {
            let detail = "an attempt of another person";
            let error = Error::denied(&SupportCode::PERSON_CHANGED, detail);
            return Ok(Some(("attempt-of-another", error)));
        }
        Ok(None)
    }

    pub(super) async fn rehash(
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

/// Why a password that was right when its guess was read proves nothing any more. Hashing takes
/// long: meanwhile an operator, or its person, may have replaced it, and who knows only the
/// former one must open nothing by it. The person is held until the proof is written.
pub(super) async fn no_longer_proves(
    tx: &mut Tx<'_>,
    checked: &PasswordCredential,
) -> Result<Option<&'static str>, Error> {
    tx.lock_user(&checked.user).await?;
    let user = tx.user(&checked.user).await?;
    if user.is_none_or(|user| user.disabled_at.is_some()) {
        return Ok(Some("disabled"));
    }
    let present = tx.password_of(&checked.user).await?;
    Ok(match present {
        Some(present) if present.id != checked.id => Some("replaced"),
        Some(present) if present.dead_at.is_some() => Some("dead"),
        Some(_) => None,
        None => Some("no-password"),
    })
}

/// A code is asked only of someone whose password was right in this attempt, or in this
/// browser's session so lately that it need not be asked again; and is the password still.
pub(super) fn require_password_proof(scene: &Scene) -> Result<&User, Error> {
    if scene.asked.is_some() {
        return require_asked(scene);
    }
    let carried = factor::classes_of(scene.carried_kinds()).contains(&FactorClass::Knowledge);
    match &scene.user {
        Some(user) if carried => Ok(user),
        _ => require_password_here(scene),
    }
}

/// What opens enrolment is taken only from someone whose password was right in this attempt:
/// a session never opens it (attack 37).
pub(super) fn require_password_here(scene: &Scene) -> Result<&User, Error> {
    let here = scene.evidence.iter().any(|proof| {
        proof.kind().classes().contains(&FactorClass::Knowledge)
            && scene.live_credentials.contains(proof.credential())
    });
    match &scene.user {
        Some(user) if here => Ok(user),
        _ => Err(Error::denied(
            &SupportCode::ATTEMPT_OVER,
            "a code before the password",
        )),
    }
}
