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
        external_mfa::{require_somebody, require_time},
        guess::{Counter, Named, TypedName},
        passes::{Terms, TypedPass, again_tag, opens_again, pass_tag},
        prove::{Guess, require_password_here},
        scene::Scene,
        sign_in::{Browser, RecoveryCodes},
    },
    audit::{Actor, Event, Refused},
    base::{
        browser::TokenHash,
        clock::Timestamp,
        ids::{AttemptId, UserId},
        secret::Secret,
    },
    directory::{AccessPass, PassReuse, User},
    factor::recovery_code::{self, Looks},
    signin::{attempt::Attempt, request::Protocol},
    storage::{EnrolmentRow, OpenedBy, ReadTx, Tx},
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
        let redeemed = self.check_pass(id, browser, name, pass).await;
        self.noting_tampering(redeemed).await
    }

    async fn check_pass(
        &self,
        id: &AttemptId,
        browser: &Browser,
        name: &str,
        pass: &Secret<String>,
    ) -> Result<Guess, Error> {
        let now = self.now();
        // Pay.
        let (name, typed) = (TypedName::read(name), TypedPass::read(pass.expose()));
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        require_somebody(&attempt)?;
        require_time(&attempt, now)?;
        self.require_something_to_add(&mut tx, &attempt, browser)
            .await?;
        let looks = Looks::of(pass.expose());
        if looks != Looks::Other {
            // Where the password is only carried over, a code is not looked for: nothing is
            // learned here, so nothing is counted.
            let scene = self.scene(&mut tx, attempt.clone(), browser).await?;
            if scene.is_stepped_up()
                && scene.recovery_codes() == RecoveryCodes::AfterPassword
                && (looks == Looks::Code || !has_pass(&mut tx, &scene, now).await?)
            {
                return Ok(Guess::PasswordFirst);
            }
        }
        let named = self.named(&mut tx, &attempt, name).await?;
        let buckets = self
            .buckets(&mut tx, Counter::Pass, &named, &browser.at(&attempt))
            .await?;
        if let Some(until) = self.pay(&mut tx, Counter::Pass, &buckets, &named).await? {
            tx.commit().await?;
            return Ok(Guess::Wait(until));
        }
        tx.commit().await?;

        // Check and consume, in one conditional update.
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        if let Some(bound) = &attempt.user {
            // Whoever finishes what this pass opened elsewhere holds the person too.
            tx.lock_user(bound).await?;
        }
        let scene = self.scene(&mut tx, attempt, browser).await?;
        let user = match named {
            Named::Known(user) => Some(user),
            Named::Unknown(_) => None,
        };
        let proved = require_password_here(&scene).ok();
        let knows_password = proved.is_some_and(|proved| {
            let named = user.as_ref();
            named.is_some_and(|user| user.id == proved.id)
        });
        let taken = if knows_password {
            Taken::PassOrCode
        } else {
            Taken::Pass
        };
        // A name that nobody has, a disabled person, and whoever this attempt is not of: the
        // same statements find nothing (attack 26), and a right pass is not used up.
        let may = user
            .as_deref()
            .filter(|user| user.disabled_at.is_none() && !scene.is_of_other_than(&user.id));
        let Some((user, accepted)) = self
            .accept(&mut tx, may, &typed, (&scene.attempt, browser), taken)
            .await?
        else {
            match &user {
                Some(user) => {
                    let attempt = id.clone();
                    let event = Event::PassRefused { attempt };
                    tx.append(Actor::Person, Some(user.id.clone()), event);
                }
                None => tx.count_refused(Refused::UnknownName, 1, now).await?,
            }
            tx.commit().await?;
            return Ok(Guess::Wrong);
        };
        let refused = if !tx.set_attempt_user(id, &user.id).await? {
            let detail = "an attempt of another person";
            Some(Error::denied(&SupportCode::PERSON_CHANGED, detail))
        } else if !self
            .may_answer(&mut tx, user, &scene.attempt.request)
            .await?
        {
            let detail = "a pass of another domain's person";
            Some(Error::denied(&SupportCode::OTHER_DOMAIN, detail))
        } else {
            None
        };
        if let Some(refused) = refused {
            // The pass stays: it was right, and the place was wrong.
            drop(tx);
            let mut tx = self.store.begin().await?;
            let attempt = id.clone();
            let event = Event::PassRefused { attempt };
            tx.append(Actor::Person, Some(user.id.clone()), event);
            tx.commit().await?;
            return Err(refused);
        }
        // It does not outlive what opened it.
        let expires_at = now
            .plus(ENROLMENT_LIFETIME)
            .min(scene.attempt.expires_at)
            .min(accepted.expires_at.unwrap_or(scene.attempt.expires_at));
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
        let offered = self.offered(&mut tx, &scene, user).await?;
        let row = self
            .prepared(&mut tx, row, &scene.attempt.browser, &offered, None)
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
    /// looked for, whichever it is, so that the work is the same. Nobody (`None`) has neither,
    /// after the same work.
    async fn accept<'u>(
        &self,
        tx: &mut Tx<'_>,
        user: Option<&'u User>,
        typed: &TypedPass,
        (attempt, browser): (&Attempt, &Browser),
        taken: Taken,
    ) -> Result<Option<(&'u User, Accepted)>, Error> {
        let now = self.now();
        let holder = match user {
            Some(user) => user.id.clone(),
            None => self.with_random(UserId::random),
        };
        let held = tx.live_pass_of(&holder, now).await?;
        let terms = Terms::of(held.as_ref());
        let pass = pass_tag(&self.sealing, &holder, terms, typed);
        let pass = tx.consume_pass(&holder, &pass, now).await?;
        let pass = match attempt.request.protocol {
            Protocol::ExternalMfa => {
                let browsers = (&attempt.browser, browser);
                self.kept(tx, &holder, pass, typed, browsers).await?
            }
            _ => pass,
        };
        let code = recovery_code::tag(&self.sealing, &holder, typed.expose());
        let code = match taken {
            Taken::Pass => None,
            Taken::PassOrCode => tx.consume_recovery_code(&holder, &code, now).await?,
        };
        let Some(user) = user else { return Ok(None) };
        let accepted = match (pass, code) {
            (Some(pass), _) => Some(Accepted {
                opened_by: OpenedBy::Pass(pass.id.clone()),
                event: Event::PassAccepted {
                    pass: pass.id.clone(),
                    attempt: attempt.id.clone(),
                },
                notice: "pass-accepted",
                expires_at: Some(ends(&pass)),
                by: pass.issued_by,
            }),
            (None, Some(code)) => Some(Accepted {
                opened_by: OpenedBy::RecoveryCode(code.clone()),
                event: Event::RecoveryCodeAccepted {
                    code,
                    attempt: attempt.id.clone(),
                },
                notice: "recovery-code-accepted",
                expires_at: None,
                by: user.upn.to_string(),
            }),
            (None, None) => None,
        };
        Ok(accepted.map(|accepted| (user, accepted)))
    }

    /// Entra waits five minutes, and whoever has a pass for one use has ten: until a method was
    /// added, the same pass opens the person's next attempt of this door too, in the browser that
    /// used it, for as long as is left of the ten. What it had opened before ends, so that one pass
    /// is one method.
    async fn kept(
        &self,
        tx: &mut Tx<'_>,
        holder: &UserId,
        used: Option<AccessPass>,
        typed: &TypedPass,
        (here, browser): (&TokenHash, &Browser),
    ) -> Result<Option<AccessPass>, Error> {
        if let Some(pass) = used {
            if pass.reuse == PassReuse::Once {
                let tag = again_tag(&self.sealing, &pass, typed, here);
                tx.keep_pass(&pass.id, &tag).await?;
            }
            return Ok(Some(pass));
        }
        let now = self.now();
        let since = now.minus(ENROLMENT_LIFETIME);
        let kept = tx.kept_pass_of(holder, since, now).await?;
        let kept = kept.filter(|pass| {
            let mut attempts = browser.attempts.iter();
            attempts.any(|(_, cookie)| opens_again(&self.sealing, pass, typed, &cookie.hash()))
        });
        if let Some(pass) = &kept {
            tx.end_enrolments_by(&pass.id).await?;
        }
        Ok(kept)
    }
}

/// Until when a pass opens anything.
fn ends(pass: &AccessPass) -> Timestamp {
    match (pass.reuse, pass.used_at) {
        (PassReuse::Once, Some(used_at)) => pass.expires_at.min(used_at.plus(ENROLMENT_LIFETIME)),
        _ => pass.expires_at,
    }
}

/// Whether the attempt's person holds a pass: only then can something be meant as one.
async fn has_pass(tx: &mut ReadTx<'_>, scene: &Scene, now: Timestamp) -> Result<bool, Error> {
    Ok(match &scene.user {
        Some(user) => tx.live_pass_of(&user.id, now).await?.is_some(),
        None => false,
    })
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
    /// When it ends, if it does.
    expires_at: Option<Timestamp>,
    by: String,
}
