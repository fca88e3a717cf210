//! What was done to an account, shown to its person before the sign-in goes on.

use super::{App, Error, sign_in::Browser};
use crate::{
    base::{clock::Timestamp, ids::AttemptId},
    signin::next_step::NextStep,
};

impl App {
    /// The person has read what was done to the account.
    ///
    /// `up_to`: the newest notice that the page showed; what came later is shown again.
    pub async fn acknowledge_notices(
        &self,
        id: &AttemptId,
        browser: &Browser,
        up_to: Timestamp,
    ) -> Result<(), Error> {
        let seen = self.see_notices(id, browser, up_to).await;
        self.noting_tampering(seen).await
    }

    async fn see_notices(
        &self,
        id: &AttemptId,
        browser: &Browser,
        up_to: Timestamp,
    ) -> Result<(), Error> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let scene = self.scene(&mut tx, attempt, browser).await?;
        // Only whom the door has signed in has seen them: by both factors, at External MFA by the
        // one that is asked there after Entra's.
        if scene.asks() == NextStep::ShowNotices
            && let Some(user) = &scene.user
        {
            tx.mark_notices_seen(&user.id, up_to.min(now)).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
