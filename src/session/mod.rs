//! What a browser session is, and when it may be reused.
//!
//! A session is proofs kept for a while, with their original instants: it never
//! makes anything fresher. Its row carries a tag that only `signin::complete` makes;
//! here are the row as stored and the rules of its life.

use std::time::Duration;

use crate::{
    base::{
        browser::TokenHash,
        clock::Timestamp,
        ids::{CredentialId, SessionId, UserId},
    },
    factor::FactorKind,
};

/// A proof as a session keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionProof {
    /// How.
    pub kind: FactorKind,
    /// With what.
    pub credential: CredentialId,
    /// When it was proved; never renewed.
    pub at: Timestamp,
}

/// A session as stored. Plain data: without a right tag it is nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionRow {
    /// Its public name.
    pub id: SessionId,
    /// SHA-256 of its cookie.
    pub token: TokenHash,
    /// Whose it is.
    pub user: UserId,
    /// What was proved.
    pub proofs: Vec<SessionProof>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Timestamp,
    /// When it was ended.
    pub revoked_at: Option<Timestamp>,
    /// The tag over token, person and proofs.
    pub tag: String,
}

/// What kind of desks people sit at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Desk {
    /// People have PCs of their own, and phones.
    #[default]
    Ordinary,
    /// Shared PCs, no phones (the clean-desk profile): no QR codes, kiosk sessions,
    /// attested keys only.
    Clean,
}

impl Desk {
    /// The longest that a session may live at such a desk. At a clean one the next person
    /// sits down at the same PC: five minutes unused, an hour in all, and never past the
    /// browser (the cookie has no age).
    pub fn longest_session(self) -> Option<SessionPolicy> {
        match self {
            Self::Ordinary => None,
            Self::Clean => Some(SessionPolicy {
                idle: Duration::from_mins(5),
                absolute: Duration::from_hours(1),
                stay: Stay::UntilClosed,
            }),
        }
    }
}

/// How long a session lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionPolicy {
    /// Without use.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
    /// Whether it outlives the browser's window.
    pub stay: Stay,
}

/// Whether a person stays signed in when the browser is closed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stay {
    /// Closing the browser ends it there: the cookie has no age.
    #[default]
    UntilClosed,
    /// The cookie lives as long as the session may, and Entra is told that it may keep its
    /// own as well (facts §2.3, `psso`). Proofs age all the same.
    ForLifetime,
}

impl Default for SessionPolicy {
    /// One hour without use, ten hours in all: a working day.
    fn default() -> Self {
        Self {
            idle: Duration::from_hours(1),
            absolute: Duration::from_hours(10),
            stay: Stay::UntilClosed,
        }
    }
}

impl SessionRow {
    /// Whether it is neither ended nor over.
    pub fn is_alive(&self, policy: SessionPolicy, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.lasts(policy, now)
    }

    /// Whether it was ended before it was over.
    pub fn was_alive_when_ended(&self, policy: SessionPolicy) -> bool {
        self.revoked_at.is_some_and(|at| self.lasts(policy, at))
    }

    fn lasts(&self, policy: SessionPolicy, now: Timestamp) -> bool {
        now < self.created_at.plus(policy.absolute) && now < self.last_used_at.plus(policy.idle)
    }

    /// The instant of the oldest proof: how old the whole is.
    pub fn oldest_proof(&self) -> Option<Timestamp> {
        self.proofs.iter().map(|proof| proof.at).min()
    }
}
