//! A request that was answered "not this session": it has no later effect.
//!
//! Always true: whoever was told no is told no again, of the same browser's session and of what
//! follows it there, whatever that told the party since; it is written down before it is said, also
//! where nothing is signed. Of one session and one party that holds for so many requests; one beyond
//! them is told no, and is judged anew if it comes again. Another browser's session may still be
//! the one that is meant: who repeats somebody's request does not keep it from its effect.

use super::{LIFETIME, SignOutBegun, saml::LogoutAsked};
use crate::{
    app::{App, Error, error::SupportCode, sign_in::Browser},
    audit::Refused,
    base::ids::{SessionId, SignOutId},
    protocol::saml::logout::outgoing::LogoutStatus,
    storage::{ReadTx, SignOutRow},
};

/// How many requests of a party are remembered as refused of one session. It sends one, if it is honest.
const MOST: i64 = 200;

impl App {
    /// Tells a party that this browser's session is not the one that it means.
    pub(super) async fn refuse(
        &self,
        (asked, issuer): (&LogoutAsked, Option<String>),
        session: &SessionId,
        browser: &Browser,
    ) -> Result<SignOutBegun, Error> {
        if !self.note_refused(asked, session, browser).await? {
            self.count_refused(Refused::SourceLimit);
            return Err(not_here(asked));
        }
        let limit = self.settings.open_attempts_per_source;
        let place = self.strangers.place(&browser.source, limit, self.now());
        let Some(_place) = place.await else {
            self.count_refused(Refused::SourceLimit);
            return Err(not_here(asked));
        };
        let Some(way) = self.way_of_answer(asked, issuer).await? else {
            return Err(not_here(asked));
        };
        self.signed_answer(asked, way, LogoutStatus::NotThisSession)
            .await
    }

    /// Whether this request was answered so before, of this browser's session.
    pub(super) async fn was_refused(
        &self,
        tx: &mut ReadTx<'_>,
        asked: &LogoutAsked,
        session: &SessionId,
    ) -> Result<bool, Error> {
        let key = key(&tx.lineage_of(session).await?, asked);
        let request = (asked.relying_party.as_str(), key.as_str());
        Ok(tx.sign_out_of_request(request).await?.is_some())
    }

    /// Whether it is written down: of one session not more than [`MOST`].
    async fn note_refused(
        &self,
        asked: &LogoutAsked,
        session: &SessionId,
        browser: &Browser,
    ) -> Result<bool, Error> {
        let mut tx = self.store.read().await?;
        let lineage = tx.lineage_of(session).await?;
        let key = key(&lineage, asked);
        let request = (asked.relying_party.as_str(), key.as_str());
        if tx.sign_out_of_request(request).await?.is_some() {
            return Ok(true);
        }
        let now = self.now();
        let begin = key_of(&lineage, "");
        let noted = tx.sign_outs_of_requests((request.0, &begin), now).await?;
        drop(tx);
        if noted >= MOST {
            return Ok(false);
        }
        // Nobody goes on with it: it is no sign-out of the browser, and past its first stage.
        let row = SignOutRow {
            id: self.with_random(SignOutId::random),
            browser: None,
            asking: None,
            stage: 1,
            // Only that it came is asked for.
            sealed_state: String::new(),
            // Longer than the request is taken.
            expires_at: now.plus(2 * LIFETIME),
        };
        let mut tx = self.store.begin().await?;
        tx.insert_sign_out(&row, Some(request), &browser.source, now)
            .await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn key(lineage: &SessionId, asked: &LogoutAsked) -> String {
    key_of(lineage, &asked.request_id)
}

/// An id of XML has no space in it: no request of a party is found under this.
fn key_of(lineage: &SessionId, request: &str) -> String {
    format!("{lineage} {request}")
}

fn not_here(asked: &LogoutAsked) -> Error {
    Error::denied(
        &SupportCode::SIGN_OUT_OTHER,
        format!(
            "{} asked to end a session that is not here",
            asked.relying_party
        ),
    )
}
