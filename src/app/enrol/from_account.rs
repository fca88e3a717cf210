//! Adding a further method from the account page, on the strength of fresh proofs.

use crate::{
    app::{
        App, Error,
        account::{FRESH, FRESH_TO_ADD, FreshSession, not_fresh},
        error::SupportCode,
        sign_in::{Begun, Browser},
    },
    base::{browser::CookieToken, ids::AttemptId},
    signin::attempt::Attempt,
    storage::{EnrolmentRow, InsertAttempt, OpenedBy},
};

impl App {
    /// Opens enrolment for the person of a fresh session, in an attempt of its own. It ends
    /// when the proofs are not fresh any more: [`FRESH`] is counted to the end of the change.
    pub async fn add_method(&self, fresh: FreshSession, browser: &Browser) -> Result<Begun, Error> {
        let begun = self.begin_adding(fresh, browser).await;
        self.noting_tampering(begun).await
    }

    async fn begin_adding(&self, fresh: FreshSession, browser: &Browser) -> Result<Begun, Error> {
        let now = self.now();
        let proved = fresh.session.oldest_proof();
        let proved = proved
            .filter(|at| now.since(*at) <= FRESH_TO_ADD)
            .ok_or_else(not_fresh)?;
        let (id, binding) =
            self.with_random(|random| (AttemptId::random(random), CookieToken::random(random)));
        let FreshSession { user, session } = &fresh;
        let attempt = Attempt {
            id: id.clone(),
            browser: binding.hash(),
            request: self.account_request("/account", None),
            user: Some(user.id.clone()),
            created_at: now,
            expires_at: now.plus(self.settings.attempt_lifetime),
            answered_at: None,
        };
        let row = EnrolmentRow {
            attempt: id.clone(),
            user: user.id.clone(),
            opened_by: OpenedBy::Session(session.id.clone()),
            method: None,
            credential: None,
            expires_at: proved.plus(FRESH).min(attempt.expires_at),
            finished_at: None,
            tag: String::new(),
        };
        let mut tx = self.store.begin().await?;
        self.hold_fresh(&mut tx, &fresh).await?;
        let offered = self.enrolable(&mut tx, user).await?;
        if offered.is_empty() {
            let detail = format!("{} may set up nothing that can be set up here", user.upn);
            return Err(Error::denied(&SupportCode::NOTHING_TO_ADD, detail));
        }
        self.require_few_attempts(&mut tx, &browser.source).await?;
        if tx.insert_attempt(&attempt, &browser.source).await? != InsertAttempt::Inserted {
            return Err(Error::internal("a random request id was drawn twice"));
        }
        let row = self
            .prepared(&mut tx, row, &attempt.browser, &offered, None)
            .await?;
        tx.insert_enrolment(&row).await?;
        tx.commit().await?;
        Ok(Begun {
            attempt: id,
            binding: Some(binding),
        })
    }
}
