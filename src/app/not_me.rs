//! "Not you?": a request goes on for whoever says to be somebody else.
//!
//! Always true: nothing that was proved remains, and nothing of the browser's session counts
//! here from then on, as if the party had asked for everything anew; the session itself is left
//! as it is until the other person has signed in. Only this attempt is changed, and who asks
//! learns nothing by it. Read next: [`super::reuse`].

use super::{App, Error, sign_in::Browser};
use crate::{
    base::ids::AttemptId,
    signin::{
        next_step::NextStep,
        request::{Reauthentication, SignInRequest},
    },
};

impl App {
    /// Takes an attempt that names somebody and waits for a proof back to its beginning, nobody's.
    /// At any other step nothing happens.
    pub async fn not_me(&self, id: &AttemptId, browser: &Browser) -> Result<(), Error> {
        let unbound = self.unbind(id, browser).await;
        self.noting_tampering(unbound).await
    }

    async fn unbind(&self, id: &AttemptId, browser: &Browser) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let scene = self.scene(&mut tx, attempt, browser).await?;
        // Wherever the page names somebody, however the attempt came to be that person's: what
        // was carried may have aged since. Where Entra names the person, somebody else cancels,
        // and signs in there.
        let names_somebody = scene.shown_upn().is_some() && scene.asked.is_none();
        let waits = matches!(
            scene.asks(),
            NextStep::AskPassword
                | NextStep::AskSecondFactor
                | NextStep::AskPass
                | NextStep::ActivateToken
        );
        if !names_somebody || !waits {
            return Ok(());
        }
        let request = SignInRequest {
            reauthentication: Reauthentication::Always,
            login_hint: None,
            ..scene.attempt.request
        };
        if tx.restart_attempt(id, &request, self.now()).await? {
            tx.commit().await?;
        }
        Ok(())
    }
}
