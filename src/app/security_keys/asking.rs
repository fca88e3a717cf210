//! What is asked of a security key at a sign-in: stored before the browser gets it, and paid
//! for by where the browser is, because who only asks writes too.

use crate::{
    app::{
        App, Error,
        error::SupportCode,
        external_mfa::require_fitting,
        guess::{Buckets, Paid},
        prove::require_password_proof,
        scene::Scene,
        sign_in::{Browser, NextStep, SecondFactor},
    },
    base::ids::AttemptId,
    factor::webauthn::{Demand, Purpose, ceremony::Asking},
    signin::attempt::Attempt,
};

impl App {
    /// What a question of this purpose needs.
    pub(in crate::app) fn asking<'a>(
        &'a self,
        attempt: &'a Attempt,
        purpose: Purpose,
    ) -> Result<Asking<'a>, Error> {
        Ok(Asking {
            scope: self.scope()?,
            binding: attempt.binding(),
            demand: Demand::of(&self.settings.webauthn, purpose),
            sealing: &self.sealing,
            now: self.now(),
        })
    }

    /// Asks a key of the person whose password was right; what the browser is given, as JSON.
    pub async fn ask_key(&self, id: &AttemptId, browser: &Browser) -> Result<String, Error> {
        let asked = self.question_after_password(id, browser).await;
        self.noting_tampering(asked).await
    }

    async fn question_after_password(
        &self,
        id: &AttemptId,
        browser: &Browser,
    ) -> Result<String, Error> {
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let scene = self.scene(&mut tx, attempt, browser).await?;
        let user = require_password_proof(&scene)?;
        require_fitting(&scene, SecondFactor::Key)?;
        let here = browser.at(&scene.attempt);
        if let Paid::Refused(wait) = self.pay_question_of(&mut tx, user, &here).await? {
            tx.commit().await?;
            return Err(wait);
        }
        let keys = self.askable_keys(&mut tx, &user.id).await?;
        if keys.is_empty() {
            let detail = format!("{} has no security key", user.upn);
            return Err(Error::denied(&SupportCode::NOT_OFFERED, detail));
        }
        let asking = self.asking(&scene.attempt, Purpose::SecondFactor)?;
        let asked = self
            .with_random(|random| asking.second_factor(&user.id, &keys, random))
            .map_err(|refused| Error::internal(refused.to_string()))?;
        tx.put_ceremony(&asked.ceremony).await?;
        tx.commit().await?;
        Ok(asked.options)
    }

    /// Asks whatever key knows of us, before anybody is named; what the browser is given, as
    /// JSON. One question an attempt, so what strangers can store is bounded with attempts.
    pub async fn ask_passkey(&self, id: &AttemptId, browser: &Browser) -> Result<String, Error> {
        let asked = self.question_to_whoever(id, browser).await;
        self.noting_tampering(asked).await
    }

    async fn question_to_whoever(
        &self,
        id: &AttemptId,
        browser: &Browser,
    ) -> Result<String, Error> {
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let scene = self.scene(&mut tx, attempt, browser).await?;
        require_nothing_proved(&scene)?;
        let buckets = Buckets::of_source(browser);
        if let Paid::Refused(wait) = self.pay_question(&mut tx, buckets).await? {
            tx.commit().await?;
            return Err(wait);
        }
        let asking = self.asking(&scene.attempt, Purpose::Passwordless)?;
        let asked = self
            .with_random(|random| asking.passwordless(random))
            .map_err(|refused| Error::internal(refused.to_string()))?;
        tx.put_ceremony(&asked.ceremony).await?;
        tx.commit().await?;
        Ok(asked.options)
    }
}

/// A key that names its person is for the first page only.
pub(super) fn require_nothing_proved(scene: &Scene) -> Result<(), Error> {
    if scene.evidence.is_empty() && scene.asks() == NextStep::AskPassword {
        return Ok(());
    }
    Err(Error::denied(
        &SupportCode::ATTEMPT_OVER,
        "a passwordless key after another proof",
    ))
}
