//! Why Entra gets no token, and that it is told so (facts §5.5).
//!
//! Always true: only the browser of an attempt ends it; what cannot be written down is told all the
//! same, because no error is a claim, and a token still needs its own attempt and its proof; an
//! outage, or what an operator ended meanwhile, is never a page on which somebody is stuck, where it
//! is known whom to tell.

use crate::{
    app::{
        App, Error,
        answer::{Answer, Destination, sent},
        error::{Category, SupportCode},
        saml::chain,
        sign_in::Browser,
    },
    audit::{Actor, Event},
    base::ids::AttemptId,
    protocol::oidc::answer::{ErrorCode, error_answer},
    signin::{
        asked::{self, AskedSecondFactor},
        attempt::{Attempt, Standing},
        request::Protocol,
    },
    storage::Tx,
};

use super::answer::destination_of;

/// Why Entra gets no token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::app) enum Excuse {
    /// The person pressed the button.
    Cancelled,
    /// The account here is disabled.
    Disabled,
    /// Entra does not wait any longer.
    TooLate,
    /// Something that is needed does not answer.
    Outage,
    /// The account, its link or its tenant is not what it was when Entra asked.
    Changed,
}

impl Excuse {
    fn code(self) -> ErrorCode {
        match self {
            Self::Cancelled | Self::Disabled | Self::TooLate | Self::Changed => {
                ErrorCode::AccessDenied
            }
            Self::Outage => ErrorCode::TemporarilyUnavailable,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Disabled => "disabled",
            Self::TooLate => "too-late",
            Self::Outage => "outage",
            Self::Changed => "changed",
        }
    }
}

/// What tells Entra that there is no second factor.
fn refused(asked: &AskedSecondFactor, excuse: Excuse) -> Destination {
    let asked = asked.request();
    let state = asked.state.as_deref();
    destination_of(error_answer(&asked.reply_url, excuse.code(), state))
}

/// Something that is needed does not answer, or is not as we left it: no fault of the person.
fn is_outage(error: &Error) -> bool {
    matches!(error.category(), Category::Unavailable | Category::Internal)
        || error.is_tampering_with("signing keys")
}

/// What the end of an attempt comes to that failed; none: a page says it, as of what was altered.
fn excuse_of(error: &Error) -> Option<Excuse> {
    if is_outage(error) {
        return Some(Excuse::Outage);
    }
    let code = error.code();
    let changed = [
        &SupportCode::PERSON_CHANGED,
        &SupportCode::NOT_SIGNED_IN,
        &SupportCode::UNKNOWN_TENANT,
    ];
    let is_changed = changed.contains(&code);
    (is_changed && !error.is_tampering()).then_some(Excuse::Changed)
}

impl App {
    /// Tells Entra that there is no second factor.
    pub(in crate::app) async fn excuse(
        &self,
        mut tx: Tx<'_>,
        attempt: &Attempt,
        asked: &AskedSecondFactor,
        excuse: Excuse,
    ) -> Result<Answer, Error> {
        let to = refused(asked, excuse);
        self.keep_answer(&mut tx, attempt, &to).await?;
        let event = Event::ExternalMfaRefused {
            attempt: attempt.id.clone(),
            tenant: asked.request().tenant.to_string(),
            reason: excuse.reason(),
        };
        tx.append(Actor::System, attempt.user.clone(), event);
        tx.commit().await?;
        Ok(sent(to))
    }

    /// The person wants no more: Entra is told so.
    ///
    /// # Errors
    /// The attempt is over, is another browser's, or of another door.
    pub async fn cancel_external_mfa(
        &self,
        id: &AttemptId,
        browser: &Browser,
    ) -> Result<(), Error> {
        let cancelled = self.end_asked(id, browser, Excuse::Cancelled).await;
        self.noting_tampering(cancelled).await.map(drop)
    }

    async fn end_asked(
        &self,
        id: &AttemptId,
        browser: &Browser,
        excuse: Excuse,
    ) -> Result<Answer, Error> {
        let mut tx = self.store.begin().await?;
        let attempt = self.open_attempt(&mut tx, id, browser).await?;
        let asked = AskedSecondFactor::open(&attempt, &self.sealing)
            .map_err(|error| Error::tampering("second factor", attempt.user.clone(), &error))?;
        let asked = asked.ok_or_else(|| {
            let detail = "an attempt of another door is not cancelled";
            Error::denied(&SupportCode::ATTEMPT_OVER, detail)
        })?;
        self.excuse(tx, &attempt, &asked, excuse).await
    }

    /// The same for whatever the end of an attempt failed by.
    pub(in crate::app) async fn excuse_failure(
        &self,
        id: &AttemptId,
        browser: &Browser,
        error: &Error,
    ) -> Option<Answer> {
        match excuse_of(error) {
            Some(excuse) => self.tell_of(id, browser, error, excuse).await,
            None => self.tell_of_ended(id, browser, error).await,
        }
    }

    /// Something that is needed does not answer, or the attempt was ended before its time: where
    /// it is known whom to tell, Entra is told so, instead of a page on which the person would be
    /// stuck. `None`: nobody can be told.
    pub async fn excuse_step(
        &self,
        id: &AttemptId,
        browser: &Browser,
        error: &Error,
    ) -> Option<Answer> {
        if is_outage(error) {
            self.tell_of(id, browser, error, Excuse::Outage).await
        } else {
            self.tell_of_ended(id, browser, error).await
        }
    }

    /// An attempt that was ended while Entra waits: the account, its link or the person's sessions
    /// were changed. What ended it is an event already, and of an attempt that is over nothing is
    /// kept.
    async fn tell_of_ended(
        &self,
        id: &AttemptId,
        browser: &Browser,
        error: &Error,
    ) -> Option<Answer> {
        if *error.code() != SupportCode::ATTEMPT_OVER {
            return None;
        }
        let mut tx = self.store.read().await.ok()?;
        let attempt = tx.attempt(id).await.ok()??;
        drop(tx);
        let now = self.now();
        let is_over = attempt.standing(browser.binding_hash().as_ref(), now) == Standing::Over;
        let still_waited_for = now < attempt.created_at.plus(asked::LIFETIME);
        if !is_over || attempt.answered_at.is_some() || !still_waited_for {
            return None;
        }
        // Of another door nobody asks.
        let asked = AskedSecondFactor::open(&attempt, &self.sealing).ok()??;
        let code = error.code().code;
        let person = attempt.user.as_ref().map(ToString::to_string);
        tracing::info!(
            code,
            attempt = %attempt.id,
            person,
            "Entra is told that an attempt was ended before its time"
        );
        Some(sent(refused(&asked, Excuse::Changed)))
    }

    async fn tell_of(
        &self,
        id: &AttemptId,
        browser: &Browser,
        error: &Error,
        excuse: Excuse,
    ) -> Option<Answer> {
        let mut tx = self.store.read().await.ok()?;
        let attempt = tx.attempt(id).await.ok()??;
        if attempt.request.protocol != Protocol::ExternalMfa {
            return None;
        }
        let attempt = self.open_attempt(&mut tx, id, browser).await.ok()?;
        let asked = AskedSecondFactor::open(&attempt, &self.sealing).ok()??;
        drop(tx);
        let (code, why) = (error.code().code, chain(error));
        if excuse == Excuse::Outage {
            tracing::error!(
                code,
                "Entra is told that no second factor is had now: {why}"
            );
        } else {
            tracing::info!(code, "Entra is told that there is no second factor: {why}");
        }
        let unwritten = || Some(sent(refused(&asked, excuse)));
        // A database that takes nothing is not waited for once more: Entra's minutes are few.
        if *error.code() == SupportCode::UNAVAILABLE {
            return unwritten();
        }
        let ended = self.end_asked(id, browser, excuse).await;
        match self.noting_tampering(ended).await {
            Ok(answer) => Some(answer),
            Err(error) if error.category() == Category::Unavailable => unwritten(),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
