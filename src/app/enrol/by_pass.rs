//! A temporary access pass, or a recovery code, opens enrolment, never a claim.
//!
//! A recovery code does so after the password only: who found the sheet with the codes could
//! otherwise add a key with a PIN, which is two factors by itself, and be that person. A pass
//! needs none, because an operator handed it over and its life is short.

use super::ENROLMENT_LIFETIME;
use crate::{
    app::{
        App, Error,
        error::SupportCode,
        guess::{Counter, Named, TypedName},
        passes::pass_tag,
        prove::{Guess, require_password_proof},
        sign_in::Browser,
    },
    audit::{Actor, Event},
    base::{ids::AttemptId, secret::Secret},
    directory::User,
    factor::recovery_code,
    storage::{EnrolmentRow, OpenedBy, Tx},
};

impl App {
    /// Redeems a pass: opens enrolment in this attempt.
    pub async fn submit_pass(
        &self,
        id: &AttemptId,
        browser: &Browser,
        name: &str,
        pass: &Secret<String>,
    ) -> Result<Guess, Error> {
        let now = self.now();
        // Pay.
        let name = TypedName::read(name);
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let named = self.named(&mut tx, &attempt, name).await?;
        let buckets = self
            .buckets(&mut tx, Counter::Pass, &named, browser)
            .await?;
        if let Some(until) = self.pay(&mut tx, Counter::Pass, &buckets, &named).await? {
            tx.commit().await?;
            return Ok(Guess::Wait(until));
        }
        tx.commit().await?;

        // Check and consume, in one conditional update.
        let Named::Known(user) = named else {
            self.note_unknown_name().await?;
            return Ok(Guess::Wrong);
        };
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let scene = self.scene(&mut tx, attempt).await?;
        let knows_password =
            require_password_proof(&scene).is_ok_and(|proved| proved.id == user.id);
        let taken = if knows_password {
            Taken::PassOrCode
        } else {
            Taken::Pass
        };
        let accepted = match user.disabled_at {
            Some(_) => None,
            None => self.accept(&mut tx, &user, pass, id, taken).await?,
        };
        let Some(accepted) = accepted else {
            tx.append(
                Actor::Person,
                Some(user.id),
                Event::PassRefused {
                    attempt: id.clone(),
                },
            );
            tx.commit().await?;
            return Ok(Guess::Wrong);
        };
        if scene.is_of_other_than(&user.id) || !tx.set_attempt_user(id, &user.id).await? {
            return Err(Error::denied(
                &SupportCode::PERSON_CHANGED,
                "an attempt of another person",
            ));
        }
        if !self
            .may_answer(&mut tx, &user, &scene.attempt.request)
            .await?
        {
            return Err(Error::denied(
                &SupportCode::OTHER_DOMAIN,
                "a pass of another domain's person",
            ));
        }
        let expires_at = now.plus(ENROLMENT_LIFETIME).min(scene.attempt.expires_at);
        let row = EnrolmentRow {
            attempt: id.clone(),
            user: user.id.clone(),
            opened_by: accepted.opened_by,
            method: None,
            credential: None,
            expires_at,
            finished_at: None,
            tag: String::new(),
        };
        let row = self
            .prepared(&mut tx, row, &scene.attempt.browser, &user, None)
            .await?;
        tx.insert_enrolment(&row).await?;
        self.give_back(&mut tx, &buckets).await?;
        tx.append(Actor::Person, Some(user.id.clone()), accepted.event);
        tx.add_notice(&user.id, accepted.notice, &accepted.by, now)
            .await?;
        tx.commit().await?;
        Ok(Guess::Right)
    }

    /// Uses up what was typed: a pass, or a recovery code. Where both are taken, both are
    /// looked for, whichever it is, so that the work is the same.
    async fn accept(
        &self,
        tx: &mut Tx<'_>,
        user: &User,
        typed: &Secret<String>,
        attempt: &AttemptId,
        taken: Taken,
    ) -> Result<Option<Accepted>, Error> {
        let now = self.now();
        let pass = pass_tag(&self.sealing, &user.id, typed.expose());
        let pass = tx.consume_pass(&user.id, &pass, now).await?;
        let code = recovery_code::tag(&self.sealing, &user.id, typed.expose());
        let code = match taken {
            Taken::Pass => None,
            Taken::PassOrCode => tx.consume_recovery_code(&user.id, &code, now).await?,
        };
        Ok(match (pass, code) {
            (Some(pass), _) => Some(Accepted {
                opened_by: OpenedBy::Pass(pass.id.clone()),
                event: Event::PassAccepted {
                    pass: pass.id,
                    attempt: attempt.clone(),
                },
                notice: "pass-accepted",
                by: pass.issued_by,
            }),
            (None, Some(code)) => Some(Accepted {
                opened_by: OpenedBy::RecoveryCode(code.clone()),
                event: Event::RecoveryCodeAccepted {
                    code,
                    attempt: attempt.clone(),
                },
                notice: "recovery-code-accepted",
                by: user.upn.to_string(),
            }),
            (None, None) => None,
        })
    }
}

/// What is taken here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Taken {
    /// Nobody proved the password.
    Pass,
    /// The person did.
    PassOrCode,
}

/// What opened the door, and what is said of it.
struct Accepted {
    opened_by: OpenedBy,
    event: Event,
    notice: &'static str,
    by: String,
}
