//! A sign-out of this browser that is under way: whichever door is knocked at next, it goes on.
//!
//! Always true: the cookie of an ended session is the only thing that says whose list of parties
//! it is, so it is not cleared as long as there is one; nothing says "nothing was ended" while
//! there is one.

use super::{Scope, SignOutBegun, State, over};
use crate::{
    app::{App, Error, sign_in::Browser},
    audit::{Actor, Event},
    base::ids::UserId,
    session::SessionRow,
    storage::Tx,
};

/// Steps that another request of the same browser took first are read again so often.
pub(super) const PATIENCE: usize = 8;

impl App {
    /// On to the sign-out that this browser's cookie began, if there is one; else `otherwise`.
    /// Takes no write lock: strangers come here.
    pub(super) async fn under_way_or(
        &self,
        otherwise: SignOutBegun,
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        let Some(session) = &browser.session else {
            return Ok(otherwise);
        };
        let mut tx = self.store.read().await?;
        let found = tx
            .sign_out_of_browser(&session.hash(), self.now())
            .await?
            .map(|row| SignOutBegun::Page(row.id));
        Ok(found.unwrap_or(otherwise))
    }

    /// "Everywhere" where this browser's session is over: its own sign-out, if that is under
    /// way, becomes one of all the person's sessions.
    ///
    /// An old cookie ends no browser that the person began with since. This one's session was alive when
    /// its own browser ended it, within the lifetime of a sign-out: it ends, once, what began
    /// before that end or followed on that in the same browser, and nothing else. A session that was over before it was
    /// ended cannot speak for the others.
    pub(super) async fn widen(&self, browser: &Browser) -> Result<SignOutBegun, Error> {
        let Some(cookie) = &browser.session else {
            return Ok(SignOutBegun::NotEnded);
        };
        for _ in 0..PATIENCE {
            let mut tx = self.store.begin().await?;
            let now = self.now();
            let Some(mut row) = tx.sign_out_of_browser(&cookie.hash(), now).await? else {
                return Ok(SignOutBegun::NotEnded);
            };
            let State::Going(mut journey) = self.open_state(&row)? else {
                return Ok(SignOutBegun::NotEnded);
            };
            if journey.scope() != Scope::Here {
                return Ok(SignOutBegun::Page(row.id));
            }
            let session = self.session_of(&mut tx, browser).await?;
            let policy = self.settings.sessions;
            let scope = match session {
                Some(session) if session.was_alive_when_ended(policy) => {
                    self.end_all_before(&mut tx, &session).await?
                }
                _ => Scope::OthersNot,
            };
            journey.wider = Some(scope);
            row.sealed_state = self.seal_state(&row, &State::Going(journey))?;
            if tx.step_sign_out(&row, now).await? {
                tx.commit().await?;
                return Ok(SignOutBegun::Page(row.id));
            }
        }
        Err(over("a sign-out that many requests go on with at once"))
    }

    /// Ends what the person had begun when this session ended: sessions, and attempts that are
    /// not answered yet. Whether that was everything.
    async fn end_all_before(&self, tx: &mut Tx<'_>, session: &SessionRow) -> Result<Scope, Error> {
        let (user, now) = (&session.user, self.now());
        let until = session.revoked_at.unwrap_or(now);
        tx.revoke_sessions_begun_by(user, until, now).await?;
        tx.end_attempts_begun_by(user, until, now).await?;
        let event = Event::SessionsEnded {
            reason: "signed-out",
        };
        tx.append(Actor::Person, Some(user.clone()), event);
        let policy = self.settings.sessions;
        let left = tx.sessions_of(user).await?;
        Ok(if left.iter().any(|other| other.is_alive(policy, now)) {
            Scope::Earlier
        } else {
            Scope::Everywhere
        })
    }

    /// Ends all sessions of a person, and the attempts that are not answered yet.
    pub(super) async fn end_all_of(&self, tx: &mut Tx<'_>, user: &UserId) -> Result<(), Error> {
        let now = self.now();
        tx.revoke_sessions_of(user, now).await?;
        tx.end_attempts_of(user, now).await?;
        let event = Event::SessionsEnded {
            reason: "signed-out",
        };
        tx.append(Actor::Person, Some(user.clone()), event);
        Ok(())
    }

    /// "Everywhere" from a live session ends it with all the others. From one that is over
    /// without having been ended, it ends that one only: whoever holds an old cookie does not
    /// end what the person began since. What was ended; `None`: it had been ended before.
    pub(super) async fn end_as_far_as_it_may(
        &self,
        tx: &mut Tx<'_>,
        session: &SessionRow,
        browser: &Browser,
    ) -> Result<Option<Scope>, Error> {
        let now = self.now();
        if !session.is_alive(self.settings.sessions, now) {
            let ended = self.end_here(tx, session, "signed-out", browser).await?;
            return Ok(ended.then_some(Scope::OthersNot));
        }
        // This one first: of two presses at once, one has ended it and has the list.
        if !tx.revoke_session(&session.id, now).await? {
            return Ok(None);
        }
        self.end_all_of(tx, &session.user).await?;
        Ok(Some(Scope::Everywhere))
    }
}
