//! Adding a hardware token that an operator handed over, in an open enrolment: how who has
//! another way to sign in activates it (on the account page), and who got a pass.
//!
//! Always true: the codes that were typed are spent and make no proof.

use super::{Confirmed, require_stage};
use crate::{
    app::{
        App, Error,
        oath_tokens::codes::Typed,
        prove::Guess,
        scene::Scene,
        sign_in::{Browser, NextStep},
    },
    audit::{Actor, Event},
    base::ids::AttemptId,
    directory::MethodKind,
    signin::next_step::Enrolment,
};

const SETTING_UP: Enrolment = Enrolment::SettingUp(MethodKind::OathToken);

impl App {
    /// Whether this attempt is one in which a token is added.
    pub(in crate::app) async fn is_enrolling_token(
        &self,
        id: &AttemptId,
        browser: &Browser,
    ) -> Result<bool, Error> {
        let mut tx = self.store.read().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let scene: Scene = self.scene(&mut tx, attempt, browser).await?;
        Ok(scene.asks() == NextStep::Enrol(MethodKind::OathToken))
    }

    /// Activates a token of the person of this enrolment by its codes.
    pub(in crate::app) async fn enrol_token(
        &self,
        id: &AttemptId,
        browser: &Browser,
        typed: Typed,
    ) -> Result<Guess, Error> {
        // Pay.
        let mut tx = self.store.begin().await?;
        let (scene, user, _) = self.enrolling(&mut tx, id, browser).await?;
        require_stage(&scene, SETTING_UP)?;
        let here = browser.at(&scene.attempt);
        let (buckets, wait) = self.pay_new_method(&mut tx, &user, &here).await?;
        tx.commit().await?;
        if let Some(until) = wait {
            return Ok(Guess::Wait(until));
        }

        // Check and activate.
        let waiting = self.waiting_tokens(&user).await?;
        let found = self.search(typed, waiting).await?;
        let mut tx = self.store.begin().await?;
        let (scene, user, row) = self.hold_enrolling(&mut tx, id, browser).await?;
        require_stage(&scene, SETTING_UP)?;
        let Some((token, matched)) = found else {
            let event = Event::CodeRefused {
                attempt: id.clone(),
                reason: "activating",
            };
            tx.append(Actor::Person, Some(user.id), event);
            tx.commit().await?;
            return Ok(Guess::Wrong);
        };
        self.require_room(&mut tx, &user.id).await?;
        let (credential, name) = self.become_method(&mut tx, token, &user, matched).await?;
        self.give_back(&mut tx, &buckets).await?;
        let confirmed = Confirmed {
            credential,
            kind: MethodKind::OathToken,
            name,
        };
        self.close_enrolment(&mut tx, &scene.attempt, &row, confirmed)
            .await?;
        tx.commit().await?;
        Ok(Guess::Right)
    }
}
