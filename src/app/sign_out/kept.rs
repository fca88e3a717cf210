//! A party's request that came by a form: kept until the browser comes to the sign-out's page.
//!
//! Always true: a form posted by another site brings no cookie of ours, so what arrives is a
//! stranger's until it was looked at; one source has so many and no more; a request that ended
//! nothing is answered by one signature, however often it is looked at.

use serde::{Deserialize, Serialize};

use super::{SignOutBegun, State, saml::LogoutAsked};
use crate::{
    app::{App, Error, sign_in::Browser},
    audit::Refused,
    base::{clock::Timestamp, ids::SignOutId},
    protocol::saml::{binding::MessageKind, logout::outgoing::Outgoing},
    session::SessionRow,
    storage::{InsertSignOut, SignOutRow},
};

/// The field of an answer in a form.
const RESPONSE: &str = MessageKind::Response.parameter();

/// A kept request that was answered because nobody was signed in.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Answered {
    asked: LogoutAsked,
    at_millis: i64,
    /// The address that the answer goes to: with it inside, or of a form.
    to: String,
    /// The answer in a form.
    message: Option<String>,
}

impl Answered {
    fn new(asked: LogoutAsked, at: Timestamp, outgoing: Outgoing) -> Self {
        let (to, message) = match outgoing {
            Outgoing::Address(address) => (address, None),
            Outgoing::Form { action, fields } => {
                let message = fields.into_iter().find(|(name, _)| *name == RESPONSE);
                (action, message.map(|(_, value)| value))
            }
        };
        Self {
            asked,
            at_millis: at.as_millis(),
            to,
            message,
        }
    }

    fn outgoing(self) -> Outgoing {
        let Some(message) = self.message else {
            return Outgoing::Address(self.to);
        };
        let mut fields = vec![(RESPONSE, message)];
        fields.extend(self.asked.relay_state.map(|state| ("RelayState", state)));
        Outgoing::Form {
            action: self.to,
            fields,
        }
    }
}

impl App {
    /// A form posted by another site brings no cookie; the page that follows does.
    pub(super) async fn keep_asked(
        &self,
        asked: LogoutAsked,
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        let now = self.now();
        let request = (asked.relying_party.as_str(), asked.request_id.as_str());
        let mut tx = self.store.read().await?;
        if let Some(known) = tx.sign_out_of_request(request).await? {
            return Ok(SignOutBegun::Page(known));
        }
        let begun = tx.idle_sign_outs_from(&browser.source, now).await?;
        drop(tx);
        // Who is signed in can sign out all the same: the page for it takes no row.
        if begun >= i64::from(self.settings.open_attempts_per_source) {
            self.count_refused(Refused::SourceLimit);
            return Ok(SignOutBegun::AskPerson);
        }
        let mut row = SignOutRow {
            id: self.with_random(SignOutId::random),
            browser: None,
            asking: None,
            stage: 0,
            sealed_state: String::new(),
            expires_at: now.plus(super::LIFETIME),
        };
        row.sealed_state = self.seal_state(&row, &State::Arrived(asked.clone()))?;
        let mut tx = self.store.begin().await?;
        let inserted = tx
            .insert_sign_out(&row, Some(request), &browser.source, now)
            .await?;
        tx.commit().await?;
        Ok(SignOutBegun::Page(match inserted {
            InsertSignOut::Inserted => row.id,
            InsertSignOut::Known(id) => id,
        }))
    }

    /// Keeps the answer of a kept request: it is signed once, however often it is looked at.
    pub(super) async fn keep_signed(
        &self,
        mut row: SignOutRow,
        asked: LogoutAsked,
        outgoing: Outgoing,
    ) -> Result<SignOutBegun, Error> {
        let answered = Answered::new(asked, self.now(), outgoing);
        row.sealed_state = self.seal_state(&row, &State::Answered(Box::new(answered)))?;
        let mut tx = self.store.begin().await?;
        tx.step_sign_out(&row, self.now()).await?;
        tx.commit().await?;
        // Read again: where two looked at once, both get the answer of the quicker.
        Ok(SignOutBegun::Page(row.id))
    }

    /// A request whose answer is kept is looked at again. It still ends the session that it
    /// means, if that was there before: else whoever repeats somebody's request, and looks
    /// first, would keep it from its effect. A session that began since is not meant.
    pub(super) async fn asked_again(
        &self,
        answered: Answered,
        row: SignOutRow,
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        let mut tx = self.store.read().await?;
        let session = self.session_of(&mut tx, browser).await?;
        drop(tx);
        let at = Timestamp::from_millis(answered.at_millis);
        let was_there =
            |session: &SessionRow| session.revoked_at.is_none() && session.created_at < at;
        if session.as_ref().is_some_and(was_there) {
            return self.end_by_party(answered.asked, Some(row), browser).await;
        }
        Ok(SignOutBegun::Answer(answered.outgoing()))
    }
}
