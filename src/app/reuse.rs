//! What a browser's session is good for in an attempt: it answers as a whole, or what of it is
//! fresh enough is carried over and only what has aged is asked again (step-up), or nothing.
//!
//! Always true: what is carried over is the same person's, in the same browser, of a session
//! that lives and whose credentials all do (attack 21); the session that follows replaces it
//! in the same transaction.

use super::{
    App, Error,
    error::{Category, SupportCode},
    scene::Scene,
    sign_in::Browser,
};
use crate::{
    audit::{Actor, Event},
    base::{clock::Timestamp, text::Upn},
    claims,
    directory::User,
    relying_party::RelyingParty,
    session::{SessionProof, SessionRow},
    signin::{
        complete::{self, FormerSession, Holder, SealedSession, SessionTerms, SignedIn},
        request::{Protocol, SignInRequest},
        requirement,
    },
    storage::{ReadTx, Reuse, SessionParty, Tx},
};

/// A session that can answer, with what is needed to do so.
pub(super) struct Resumable {
    pub(super) signed_in: SignedIn,
    pub(super) user: User,
    /// `None`: to the own account pages.
    pub(super) party: Option<RelyingParty>,
    pub(super) told: Option<SessionParty>,
}

/// Proofs of this browser's session that are fresh enough for a request each for itself,
/// while the session as a whole is not.
pub(super) struct Carried {
    pub(super) former: SessionRow,
    pub(super) terms: SessionTerms,
    pub(super) proofs: Vec<SessionProof>,
    /// Whose they are.
    pub(super) user: User,
}

/// A session with what a request demands of it.
pub(super) struct Measured {
    /// `None`: to the own account pages.
    pub(super) party: Option<RelyingParty>,
    pub(super) told: Option<SessionParty>,
    pub(super) terms: SessionTerms,
}

impl App {
    /// What a request demands of that session.
    pub(super) async fn measure(
        &self,
        tx: &mut ReadTx<'_>,
        request: &SignInRequest,
        row: &SessionRow,
    ) -> Result<Measured, Error> {
        let (party, told) = match request.protocol {
            // No session answers a request for one factor.
            Protocol::ExternalMfa | Protocol::Account => (None, None),
            Protocol::Saml2 | Protocol::WsFed => (
                Some(self.party_of(tx, &request.relying_party).await?),
                tx.party_of_session(&row.id, &request.relying_party).await?,
            ),
        };
        // To the own pages a session is good as long as it lives, unless more is asked.
        let lives = self.settings.sessions.absolute;
        let freshness = requirement::freshness(
            request,
            party.as_ref().map_or(lives, |party| party.session_max_age),
            told.as_ref().and_then(|told| told.reused_at),
            row.oldest_proof(),
        );
        let terms = SessionTerms {
            policy: self.settings.sessions,
            freshness,
        };
        Ok(Measured { party, told, terms })
    }

    /// What of this browser's session need not be asked again: nothing, if the session can
    /// answer as a whole or not at all.
    pub(super) async fn carried(
        &self,
        tx: &mut ReadTx<'_>,
        scene: &Scene,
        browser: &Browser,
    ) -> Result<Option<Carried>, Error> {
        let now = self.now();
        let session = self.session_of(tx, browser).await?;
        let Some(former) = session.filter(|row| row.is_alive(self.settings.sessions, now)) else {
            return Ok(None);
        };
        // After an enrolment, finished or not, everything is proved anew in this attempt: what
        // opened it was no proof, and the new method alone is one.
        if scene.is_of_other_than(&former.user) || tx.had_enrolment(&scene.attempt.id).await? {
            return Ok(None);
        }
        let Some(user) = tx.user(&former.user).await? else {
            return Ok(None);
        };
        // What was done to the account is told to who proved both factors here, as where the
        // session is fresh as a whole: a cookie and one factor read nothing away.
        let request = &scene.attempt.request;
        if !self.may_answer(tx, &user, request).await?
            || names_another(tx, request, &user).await?
            || !tx.unseen_notices(&user.id).await?.is_empty()
        {
            return Ok(None);
        }
        let terms = self.measure(tx, request, &former).await?.terms;
        let (live, _, _) = self.credentials_of(tx, &user.id).await?;
        let session = FormerSession {
            row: &former,
            presented: &former.token,
            terms,
        };
        let holder = Holder {
            user: &user,
            live_credentials: &live,
        };
        let proofs = complete::carried(&scene.attempt, session, holder, &self.sealing, now);
        // A session that cannot answer is no error: the person is asked instead.
        Ok(proofs
            .ok()
            .filter(|proofs| !proofs.is_empty() && proofs.len() < former.proofs.len())
            .map(|proofs| Carried {
                former,
                terms,
                proofs,
                user,
            }))
    }

    /// Whether that session can answer this attempt, and everything needed to do so.
    pub(super) async fn resumable(
        &self,
        tx: &mut ReadTx<'_>,
        scene: &Scene,
        session: Option<&SessionRow>,
    ) -> Result<Option<Resumable>, Error> {
        let Some(row) = session.filter(|row| row.is_alive(self.settings.sessions, self.now()))
        else {
            return Ok(None);
        };
        if !scene.evidence.is_empty() || scene.enrolment.is_some() {
            return Ok(None);
        }
        let request = &scene.attempt.request;
        let Measured { party, told, terms } = self.measure(tx, request, row).await?;
        let Some(user) = tx.user(&row.user).await? else {
            return Ok(None);
        };
        let (live, _, _) = self.credentials_of(tx, &user.id).await?;
        let holder = Holder {
            user: &user,
            live_credentials: &live,
        };
        let signed_in = complete::resume(
            &scene.attempt,
            row,
            &row.token,
            terms,
            holder,
            &self.sealing,
            self.now(),
        );
        // A session that cannot answer is no error: the person is asked instead.
        let Ok(signed_in) = signed_in else {
            return Ok(None);
        };
        if !tx.unseen_notices(&user.id).await?.is_empty()
            || !self.may_answer(tx, &user, request).await?
            || names_another(tx, request, &user).await?
        {
            return Ok(None);
        }
        Ok(Some(Resumable {
            signed_in,
            user,
            party,
            told,
        }))
    }

    /// A rise of privilege is a new session with a new cookie, and the former one ends. Gives
    /// the session that ended here, if one did: one that had ended before has no successor.
    pub(super) async fn end_former<'s>(
        &self,
        tx: &mut Tx<'_>,
        former: Option<&'s SessionRow>,
        signed_in: &SignedIn,
        now: Timestamp,
    ) -> Result<Option<&'s SessionRow>, Error> {
        let ended = match former {
            Some(former) => tx.revoke_session(&former.id, now).await?,
            None => false,
        };
        if let Some(former) = former.filter(|_| ended) {
            let event = Event::SessionEnded {
                session: former.id.clone(),
                reason: "replaced",
            };
            tx.append(Actor::System, Some(former.user.clone()), event);
        } else if signed_in.carried_from().is_some() {
            // What it proved counts no more: somebody ended it, or another tab stepped it up.
            return Err(Error::new(
                Category::Conflict,
                &SupportCode::NOT_SIGNED_IN,
                "the session was ended meanwhile",
            ));
        }
        Ok(former.filter(|_| ended))
    }
}

/// Whether the request's hint names somebody else, by a name of one of our domains: then
/// this browser's session answers nothing, and its person is not bound to the attempt. Whether
/// such a person exists is not looked at: nobody learns it by hinting.
async fn names_another(
    tx: &mut ReadTx<'_>,
    request: &SignInRequest,
    user: &User,
) -> Result<bool, Error> {
    let hint = request.login_hint.as_deref().map(str::parse::<Upn>);
    let Some(Ok(hint)) = hint else {
        return Ok(false);
    };
    if hint == user.upn {
        return Ok(false);
    }
    let domains = tx.domains().await?;
    Ok(claims::require_domain(&hint.domain(), &domains, None).is_ok())
}

/// Who was told of the former session of the same person is told when this one ends. Who
/// asked again because of old proofs is asked anew only by new ones: while some are carried
/// over, it is remembered who took an answer out of a session, and when.
pub(super) async fn succeed(
    tx: &mut Tx<'_>,
    former: Option<&SessionRow>,
    session: &SealedSession,
    signed_in: &SignedIn,
) -> Result<(), Error> {
    let row = session.row();
    if let Some(former) = former.filter(|former| former.user == row.user) {
        let reuse = match signed_in.carried_from() {
            Some(_) => Reuse::Remembered,
            None => Reuse::Forgotten,
        };
        tx.move_parties(&former.id, &row.id, reuse).await?;
    }
    Ok(())
}
