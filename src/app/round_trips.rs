//! Answers that come back as requests: when to stop bouncing, and what to say then.
//!
//! A party that does not take an answer asks again, and a session answers again: the
//! browser would run in a circle without a word. The fourth round trip to one party in two
//! minutes stops at a page that says what is likely, with what the inspector finds in the
//! last answer.
//!
//! Always true: only what is strictly serial in one browser counts, each request after the
//! answer before it. Four tabs that a browser opens at once, other windows, other devices
//! and programs with an application password come back from nowhere.

use super::{App, Error, answer::Destination};
use crate::{
    audit::Receipt,
    base::{clock::Timestamp, ids::UserId},
    claims::{authn_context::MULTIPLE_AUTHN, require_domain},
    directory::User,
    inspect::{self, Finding, Outcome},
    keys::KeyPurpose,
    relying_party::EntraCloud,
    session::SessionRow,
    signin::{
        request::{Protocol, SignInRequest},
        requirement::{LOOP_WINDOW, ROUND_TRIPS},
    },
    storage::{ReadTx, RoundTrip},
};

/// What is said where a loop was stopped.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// How many answers went to this party within [`LOOP_WINDOW`].
    pub answers: usize,
    /// From when the next one is given.
    pub again_at: Timestamp,
    /// Now, by this server's clock: people see at once whether it is wrong.
    pub now: Timestamp,
    /// The domain to look at, as commands take it.
    pub domain: String,
    /// The authentication class that our answers state.
    pub class_ref: &'static str,
    /// What the inspector says of the last answer; `None` if that is not kept any more.
    pub last: Option<LastAnswer>,
}

/// What the inspector says of an answer that was given.
#[derive(Clone, Debug)]
pub struct LastAnswer {
    /// Whether Entra should take it, and as multi-factor.
    pub is_accepted: bool,
    /// What deserves a look.
    pub findings: Vec<Finding>,
}

impl App {
    /// How many answers this person took to the asking party before this request, one after
    /// the other: those of the browser's session and of the ones that it replaced.
    pub(super) async fn recent_answers(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
        session: Option<&SessionRow>,
        request: &SignInRequest,
    ) -> Result<usize, Error> {
        let trips = self.trips_before(tx, user, session, request).await?;
        Ok(trips.len())
    }

    /// The newest first. A person's own pages, and the inspector, bounce nobody.
    async fn trips_before(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
        session: Option<&SessionRow>,
        request: &SignInRequest,
    ) -> Result<Vec<RoundTrip>, Error> {
        let party = &request.relying_party;
        let own = request.protocol == Protocol::Account || *party == self.inspector_entity_id();
        // Who signed out went out of the circle.
        let session = session.filter(|row| row.revoked_at.is_none() && !own);
        let Some(session) = session else {
            return Ok(Vec::new());
        };
        let since = self.now().minus(LOOP_WINDOW);
        let trips = tx
            .round_trips_of(&session.id, user, party, since)
            .await?
            .into_iter()
            .map(|trip| (trip.asked_at, trip.answered_at, trip));
        Ok(in_a_row(trips.collect(), request.received_at()))
    }

    /// What to say where the loop is stopped.
    pub(super) async fn stopped(
        &self,
        tx: &mut ReadTx<'_>,
        user: &User,
        session: Option<&SessionRow>,
        request: &SignInRequest,
    ) -> Result<Stopped, Error> {
        let trips = self.trips_before(tx, &user.id, session, request).await?;
        let now = self.now();
        let last = match trips.first() {
            Some(trip) => self.last_answer(tx, user, &trip.receipt).await?,
            None => None,
        };
        Ok(Stopped {
            answers: trips.len(),
            // Then there is one less than too many.
            again_at: trips
                .get(ROUND_TRIPS - 1)
                .map_or(now, |trip| trip.answered_at.plus(LOOP_WINDOW)),
            now,
            domain: user.upn.domain().to_string(),
            class_ref: MULTIPLE_AUTHN,
            last,
        })
    }

    /// The answer of `receipt` once more before the inspector, as long as it is kept.
    async fn last_answer(
        &self,
        tx: &mut ReadTx<'_>,
        user: &User,
        receipt: &Receipt,
    ) -> Result<Option<LastAnswer>, Error> {
        let Some(attempt) = tx.attempt(&receipt.attempt).await? else {
            return Ok(None);
        };
        let Some(answer) = self.kept_answer(tx, &attempt).await? else {
            return Ok(None);
        };
        let (bytes, reply_url) = match answer {
            Destination::Saml {
                saml_response,
                action,
                ..
            } => (saml_response, action),
            Destination::WsFed {
                wresult, action, ..
            } => (wresult, action),
            Destination::ExternalMfa { .. }
            | Destination::ExternalMfaError { .. }
            | Destination::Here(_) => return Ok(None),
        };
        let domains = tx.domains().await?;
        let Ok(domain) = require_domain(&user.upn.domain(), &domains, None) else {
            return Ok(None);
        };
        let mut context = inspect::Context::at(self.now());
        context.issuer = Some(domain.issuer_uri.clone());
        context.realm = Some(domain.root.clone());
        context.cloud = Some(EntraCloud {
            name: "relying party".to_owned(),
            entity_id: receipt.relying_party.clone(),
            reply_url,
            metadata_url: None,
        });
        let published = self.published_in(tx, KeyPurpose::Assertion).await?;
        let certificates = published.certificates();
        context.certificates = certificates.iter().map(|der| der.to_vec()).collect();
        context.request = Some(inspect::GivenRequest {
            id: receipt.request_id.clone(),
        });
        let report = inspect::inspect(bytes.as_bytes(), &context);
        let mut verdicts = report.verdicts.iter();
        Ok(Some(LastAnswer {
            is_accepted: verdicts.any(|verdict| verdict.outcome == Outcome::Accepted),
            findings: report.findings,
        }))
    }
}

/// Of things that began and ended at these instants, the longest row in which each began
/// after the one before had ended, the last before `until`; the newest first.
fn in_a_row<T>(mut spans: Vec<(Timestamp, Timestamp, T)>, until: Timestamp) -> Vec<T> {
    // Whatever began last leaves most room for those before it.
    spans.sort_by_key(|(began, ..)| std::cmp::Reverse(*began));
    let (mut row, mut until) = (Vec::new(), until);
    for (began, ended, span) in spans {
        if ended <= until {
            until = began;
            row.push(span);
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs of begin and end.
    fn row(spans: &[(i64, i64)], until: i64) -> Vec<(i64, i64)> {
        let at = Timestamp::from_millis;
        let spans = spans.iter().map(|span| (at(span.0), at(span.1), *span));
        in_a_row(spans.collect(), at(until))
    }

    #[test]
    fn a_circle_is_serial() {
        let circle = [(0, 5), (6, 9), (9, 12)];
        assert_eq!(row(&circle, 12), [(9, 12), (6, 9), (0, 5)]);
        // What was answered after the request came is no reason for it.
        assert_eq!(row(&circle, 11), [(6, 9), (0, 5)]);
        assert_eq!(row(&circle, 4), []);
    }

    #[test]
    fn tabs_opened_at_once_are_one_round() {
        assert_eq!(row(&[(0, 10), (0, 20), (1, 30)], 40), [(1, 30)]);
        assert_eq!(row(&[(0, 10), (0, 20), (0, 30)], 0), []);
        // Nor do they hide a circle in one of them.
        let beside = [(0, 5), (6, 9), (1, 100), (10, 12), (2, 50)];
        assert_eq!(row(&beside, 100).len(), 3);
    }
}
