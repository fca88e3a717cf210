//! Proofs, or a live session, become [`SignedIn`]; a `SignedIn` becomes a sealed session.
//!
//! Always true: there are two constructors, [`complete`] and [`resume`]. Both end at
//! the same check: two classes of factor, of one person, whose account and credentials
//! are live *now*. `resume`, and `complete` where only what has aged was asked again
//! (step-up), keep the original instants, so a session never makes a proof look younger.
//! Nothing else in the crate can make these types.

use std::time::Duration;

use super::{attempt::Attempt, request::Protocol, requirement::Freshness};
use crate::{
    base::{
        browser::TokenHash,
        clock::Timestamp,
        ids::{AttemptId, CredentialId, SessionId, UserId},
    },
    directory::User,
    factor::{
        self, FactorKind,
        evidence::{self, EvidenceRecord},
    },
    keys::sealing::{Sealing, TagLabel},
    session::{SessionPolicy, SessionProof, SessionRow},
};

/// A person who proved two factors. Made only by [`complete`] and [`resume`].
pub struct SignedIn {
    user: UserId,
    proofs: Vec<SessionProof>,
    attempt: AttemptId,
    session: Option<SessionId>,
    carried_from: Option<Timestamp>,
}

impl SignedIn {
    /// Who.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// What was proved, oldest first.
    pub fn proofs(&self) -> &[SessionProof] {
        &self.proofs
    }

    /// The attempt that is answered.
    pub fn attempt(&self) -> &AttemptId {
        &self.attempt
    }

    /// The session that was resumed, if it was one.
    pub fn resumed_session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// When the session began of which proofs were carried over, if some were.
    pub fn carried_from(&self) -> Option<Timestamp> {
        self.carried_from
    }

    /// The instant of the oldest proof: what tokens call the authentication instant.
    pub fn oldest_proof(&self) -> Timestamp {
        // `require_two_classes` saw to it that there are proofs.
        self.proofs
            .first()
            .map_or(Timestamp::from_millis(0), |proof| proof.at)
    }
}

/// The person and the person's credentials as they are now.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// The person's row, read in this transaction.
    pub user: &'a User,
    /// Credentials that may be used now: confirmed, not revoked, not dead.
    pub live_credentials: &'a [CredentialId],
}

/// Why proofs or a session do not make a `SignedIn`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotSignedIn {
    /// The attempt asks for one factor, and is answered by `second_factor` or not at all.
    #[error("the attempt is an External MFA request")]
    OtherDoor,
    /// A seal is broken, or a row belongs elsewhere.
    #[error("a sealed row does not belong here")]
    Seal,
    /// The session is over, revoked or too old for this request.
    #[error("the session cannot answer this request")]
    Session,
    /// The account is disabled.
    #[error("the account is disabled")]
    Disabled,
    /// Proofs of different people.
    #[error("the proofs are of different people")]
    DifferentPeople,
    /// A credential that was used is not live any more.
    #[error("a credential that was used has been revoked")]
    Revoked,
    /// Fewer than two classes of factor.
    #[error("two different kinds of factor are needed")]
    OneClass,
}

/// From the proofs of one attempt; with those of this browser's session that are still
/// fresh enough, if `former` is given and the attempt alone is one class short (step-up).
pub fn complete(
    attempt: &Attempt,
    records: &[EvidenceRecord],
    former: Option<FormerSession<'_>>,
    holder: Holder<'_>,
    sealing: &Sealing,
    now: Timestamp,
    max_age: Duration,
) -> Result<SignedIn, NotSignedIn> {
    require_this_door(attempt)?;
    let evidence = evidence::open_all(records, attempt.binding(), sealing, now, max_age)
        .map_err(|_| NotSignedIn::Seal)?;
    if evidence.iter().any(|proof| *proof.user() != holder.user.id)
        || attempt.user.as_ref() != Some(&holder.user.id)
    {
        return Err(NotSignedIn::DifferentPeople);
    }
    let mut proofs: Vec<SessionProof> = evidence
        .into_iter()
        .map(|proof| SessionProof {
            kind: proof.kind(),
            credential: proof.credential().clone(),
            at: proof.at(),
        })
        .collect();
    // Who proved nothing here is answered by `resume` or not at all.
    let proved = factor::classes_of(proofs.iter().map(|proof| proof.kind));
    let mut carried_from = None;
    if let Some(former) = former
        && proved.len() == 1
    {
        let mut kept = carried(attempt, former, holder, sealing, now)?;
        kept.retain(|proof| {
            let mut classes = proof.kind.classes().iter();
            classes.any(|class| !proved.contains(class))
        });
        if !kept.is_empty() {
            carried_from = Some(former.row.created_at);
            proofs.append(&mut kept);
        }
    }
    require_live(proofs, holder, sealing).map(|proofs| SignedIn {
        user: holder.user.id.clone(),
        proofs,
        attempt: attempt.id.clone(),
        session: None,
        carried_from,
    })
}

/// The session that this browser brings to an attempt.
#[derive(Clone, Copy, Debug)]
pub struct FormerSession<'a> {
    /// Its row.
    pub row: &'a SessionRow,
    /// The hash of the cookie that was presented.
    pub presented: &'a TokenHash,
    /// What it must satisfy.
    pub terms: SessionTerms,
}

/// The proofs of a session that need not be asked again in `attempt`: those that are fresh
/// enough each for itself, if the session lives, is the same person's, and nothing that it
/// rests on was taken away. Data for the dispatcher; only [`complete`] makes something of it.
pub fn carried(
    attempt: &Attempt,
    former: FormerSession<'_>,
    holder: Holder<'_>,
    sealing: &Sealing,
    now: Timestamp,
) -> Result<Vec<SessionProof>, NotSignedIn> {
    let FormerSession {
        row,
        presented,
        terms,
    } = former;
    let mut proofs = require_session(attempt, row, presented, terms.policy, holder, sealing, now)?;
    proofs.retain(|proof| terms.freshness.is_met_by_session(proof.at, now));
    Ok(proofs)
}

/// What a session must satisfy to answer.
#[derive(Clone, Copy, Debug)]
pub struct SessionTerms {
    /// How long sessions live.
    pub policy: SessionPolicy,
    /// What the request demands.
    pub freshness: Freshness,
}

/// From a browser session, for a request that takes sessions of that age.
pub fn resume(
    attempt: &Attempt,
    row: &SessionRow,
    presented: &TokenHash,
    terms: SessionTerms,
    holder: Holder<'_>,
    sealing: &Sealing,
    now: Timestamp,
) -> Result<SignedIn, NotSignedIn> {
    let fresh = row
        .oldest_proof()
        .is_some_and(|at| terms.freshness.is_met_by_session(at, now));
    let proofs = require_session(attempt, row, presented, terms.policy, holder, sealing, now)?;
    if !fresh {
        return Err(NotSignedIn::Session);
    }
    Ok(SignedIn {
        user: row.user.clone(),
        proofs,
        attempt: attempt.id.clone(),
        session: Some(row.id.clone()),
        carried_from: None,
    })
}

/// The proofs of a session that lives, in this browser, of this attempt's person, whose
/// account and credentials are live now; oldest first.
fn require_session(
    attempt: &Attempt,
    row: &SessionRow,
    presented: &TokenHash,
    policy: SessionPolicy,
    holder: Holder<'_>,
    sealing: &Sealing,
    now: Timestamp,
) -> Result<Vec<SessionProof>, NotSignedIn> {
    require_this_door(attempt)?;
    if row.token != *presented {
        return Err(NotSignedIn::Seal);
    }
    verify_session(row, sealing)?;
    if !row.is_alive(policy, now) {
        return Err(NotSignedIn::Session);
    }
    if row.user != holder.user.id || attempt.user.as_ref().is_some_and(|user| *user != row.user) {
        return Err(NotSignedIn::DifferentPeople);
    }
    require_live(row.proofs.clone(), holder, sealing)
}

/// What is proved at the door of External MFA stays there: one factor, of which Entra made
/// something, and no session answers there.
fn require_this_door(attempt: &Attempt) -> Result<(), NotSignedIn> {
    match attempt.request.protocol {
        Protocol::ExternalMfa => Err(NotSignedIn::OtherDoor),
        Protocol::Saml2 | Protocol::WsFed | Protocol::Account => Ok(()),
    }
}

/// Checks a session's tag: that `complete` made this row.
pub fn verify_session(row: &SessionRow, sealing: &Sealing) -> Result<(), NotSignedIn> {
    let proofs = proof_text(&row.proofs);
    let created = row.created_at.as_millis().to_be_bytes();
    sealing
        .verify_tag(
            TagLabel::Session,
            &session_fields(row, &proofs, &created),
            &row.tag,
        )
        .map_err(|_| NotSignedIn::Seal)
}

/// The part both constructors end at.
fn require_live(
    mut proofs: Vec<SessionProof>,
    holder: Holder<'_>,
    sealing: &Sealing,
) -> Result<Vec<SessionProof>, NotSignedIn> {
    holder
        .user
        .require_identity(sealing)
        .map_err(|_| NotSignedIn::Seal)?;
    if holder.user.disabled_at.is_some() {
        return Err(NotSignedIn::Disabled);
    }
    if proofs
        .iter()
        .any(|proof| !holder.live_credentials.contains(&proof.credential))
    {
        return Err(NotSignedIn::Revoked);
    }
    require_two_classes(proofs.iter().map(|proof| proof.kind))?;
    proofs.sort_by_key(|proof| proof.at);
    Ok(proofs)
}

/// Multi-factor means two classes, not two proofs.
fn require_two_classes(kinds: impl Iterator<Item = FactorKind>) -> Result<(), NotSignedIn> {
    if factor::classes_of(kinds).len() >= 2 {
        Ok(())
    } else {
        Err(NotSignedIn::OneClass)
    }
}

/// A new session with its tag. Made only by [`seal_session`], from a `SignedIn`.
pub struct SealedSession {
    row: SessionRow,
}

impl SealedSession {
    /// The row to store.
    pub fn row(&self) -> &SessionRow {
        &self.row
    }
}

/// A new session that keeps the proofs of `signed_in` with their instants. One that carries
/// proofs of a former session over began when that one did: stepping up makes no session
/// live longer.
pub fn seal_session(
    signed_in: &SignedIn,
    id: SessionId,
    token: TokenHash,
    sealing: &Sealing,
    now: Timestamp,
) -> SealedSession {
    let mut row = SessionRow {
        id,
        token,
        user: signed_in.user.clone(),
        proofs: signed_in.proofs.clone(),
        created_at: signed_in.carried_from.unwrap_or(now),
        last_used_at: now,
        revoked_at: None,
        tag: String::new(),
    };
    let proofs = proof_text(&row.proofs);
    let created = row.created_at.as_millis().to_be_bytes();
    row.tag = sealing.tag(TagLabel::Session, &session_fields(&row, &proofs, &created));
    SealedSession { row }
}

fn proof_text(proofs: &[SessionProof]) -> String {
    proofs.iter().fold(String::new(), |text, proof| {
        format!(
            "{text}{} {} {}\n",
            proof.kind.as_str(),
            proof.credential,
            proof.at.as_millis()
        )
    })
}

fn session_fields<'a>(row: &'a SessionRow, proofs: &'a str, created: &'a [u8]) -> [&'a [u8]; 5] {
    [
        row.id.as_str().as_bytes(),
        row.token.as_str().as_bytes(),
        row.user.as_str().as_bytes(),
        proofs.as_bytes(),
        created,
    ]
}

#[cfg(test)]
mod tests;
