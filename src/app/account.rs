//! What a signed-in person sees of the own account.

use super::{App, Error, sign_in::Browser};
use crate::{
    audit::{Actor, Event, Receipt},
    directory::{TotpCredential, User},
    session::SessionRow,
};

/// The account page.
#[derive(Debug)]
pub struct AccountView {
    /// The person.
    pub user: User,
    /// The session of this browser.
    pub session: SessionRow,
    /// Methods that can be used.
    pub methods: Vec<TotpCredential>,
    /// The last answers.
    pub receipts: Vec<Receipt>,
    /// Live sessions, this one among them.
    pub sessions: Vec<SessionRow>,
}

impl App {
    /// The account of the browser's session; `None` if nobody is signed in here.
    pub async fn account(&self, browser: &Browser) -> Result<Option<AccountView>, Error> {
        let now = self.now();
        let mut tx = self.store.read().await?;
        let session = self.session_of(&mut tx, browser).await?;
        let Some(session) = session.filter(|row| row.is_alive(self.settings.sessions, now)) else {
            return Ok(None);
        };
        let user = tx
            .user(&session.user)
            .await?
            .filter(|user| user.disabled_at.is_none());
        let Some(user) = user else {
            return Ok(None);
        };
        let (live, _, _) = self.credentials_of(&mut tx, &user.id).await?;
        if session
            .proofs
            .iter()
            .any(|proof| !live.contains(&proof.credential))
        {
            return Ok(None);
        }
        let methods = tx
            .totp_of(&user.id)
            .await?
            .into_iter()
            .filter(TotpCredential::is_live)
            .collect();
        let receipts = tx.receipts_of(&user.id, 10).await?;
        let policy = self.settings.sessions;
        let mut sessions = tx.sessions_of(&user.id).await?;
        sessions.retain(|row| row.is_alive(policy, now));
        Ok(Some(AccountView {
            user,
            session,
            methods,
            receipts,
            sessions,
        }))
    }

    /// Ends all sessions of the person whose live session this browser has, and the
    /// attempts that are not answered yet. Without one nothing happens.
    pub async fn sign_out_everywhere(&self, browser: &Browser) -> Result<(), Error> {
        let now = self.now();
        let mut tx = self.store.begin().await?;
        let session = self.session_of(&mut tx, browser).await?;
        let alive = session.filter(|row| row.is_alive(self.settings.sessions, now));
        if let Some(session) = alive {
            tx.revoke_sessions_of(&session.user, now).await?;
            tx.end_attempts_of(&session.user, now).await?;
            let event = Event::SessionsEnded {
                reason: "signed-out",
            };
            tx.append(Actor::Person, Some(session.user), event);
            tx.commit().await?;
        }
        Ok(())
    }

    /// Ends the browser's session. Without one nothing happens.
    pub async fn sign_out(&self, browser: &Browser) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        if let Some(session) = self.session_of(&mut tx, browser).await?
            && tx.revoke_session(&session.id, self.now()).await?
        {
            let event = Event::SessionEnded {
                session: session.id,
                reason: "signed-out",
            };
            // On a shared desk "back" must not send the last answer once more.
            tx.forget_answers_of(&session.user).await?;
            tx.append(Actor::Person, Some(session.user), event);
            tx.commit().await?;
        }
        Ok(())
    }
}
