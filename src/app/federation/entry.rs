//! What stands in the journal of a change at Entra.
//!
//! Always true: no token and no secret is in it; the entries say whether a change is over.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::order::Standing;
use crate::{
    app::Error,
    base::{clock::Timestamp, ids::ChangeId, text::DomainName},
    federation::{Call, CallWeight, DomainState},
};

/// What a change is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// To have what should be.
    Apply,
    /// To have again what was.
    Rollback,
    /// Nothing at Entra: what was altered before it is set aside, and the journal begins anew.
    SetAside,
}

impl ChangeKind {
    /// For events and people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Rollback => "rollback",
            Self::SetAside => "set-aside",
        }
    }
}

/// What came of a call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallOutcome {
    /// It took place.
    Done,
    /// It did not.
    Refused,
    /// Nobody knows yet.
    Unknown,
}

impl CallOutcome {
    /// For events and people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// How a change ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeOutcome {
    /// The tenant has what it should have.
    Done,
    /// Nothing took place.
    Refused,
    /// It was undone by a rollback.
    RolledBack,
    /// Another change took over from it.
    Superseded,
}

impl ChangeOutcome {
    /// For events and people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::RolledBack => "rolled-back",
            Self::Superseded => "superseded",
        }
    }
}

/// Who does it, and where.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Hand {
    /// The account of the operating system.
    pub operator: String,
    /// The administrator that signed in.
    pub administrator: String,
    /// The tenant's id, if the token said it.
    pub tenant: Option<String>,
    /// Graph's address.
    pub graph: String,
}

/// One entry.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "entry")]
pub enum Entry {
    /// The change begins; `before` is the domain as it was, whole.
    Begun {
        /// What for.
        kind: ChangeKind,
        /// By whom.
        hand: Hand,
        /// The domain as Graph showed it.
        before: Value,
        /// The change that is undone.
        rolls_back: Option<String>,
        /// What cannot be undone, as it was said before it was confirmed.
        named: Vec<String>,
        /// The changes that count no longer from here on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        covers: Vec<String>,
    },
    /// A later command goes on with it.
    Resumed {
        /// By whom.
        hand: Hand,
        /// The domain as Graph showed it now.
        found: Value,
    },
    /// This is about to be sent.
    Call {
        /// HTTP's method.
        method: String,
        /// Behind Graph's host.
        path: String,
        /// What is sent.
        body: Value,
        /// When it was written, in milliseconds since 1970; none: an earlier claimbridge wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<i64>,
    },
    /// This came of the call before.
    Outcome {
        /// What.
        outcome: CallOutcome,
        /// Graph's words, or ours.
        says: String,
    },
    /// The change is over.
    Finished {
        /// How.
        outcome: ChangeOutcome,
        /// The domain as Graph shows it now, if it was read.
        after: Option<Value>,
    },
}

/// A change with its entries.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its id.
    pub id: ChangeId,
    /// Of which domain.
    pub domain: DomainName,
    /// When it began.
    pub begun_at: Timestamp,
    /// When and what.
    pub entries: Vec<(Timestamp, Entry)>,
    /// Where it stands among those of its domain.
    pub standing: Standing,
}

impl Change {
    /// What it is for.
    pub fn kind(&self) -> ChangeKind {
        match self.entries.first() {
            Some((_, Entry::Begun { kind, .. })) => *kind,
            _ => ChangeKind::Apply,
        }
    }

    /// The domain as it was before.
    pub fn before(&self) -> Result<DomainState, Error> {
        match self.entries.first() {
            Some((_, Entry::Begun { before, .. })) => DomainState::parse(before)
                .map_err(|error| Error::internal(format!("the journal of {}: {error}", self.id))),
            _ => Err(Error::internal(format!(
                "the journal of {} has no beginning",
                self.id
            ))),
        }
    }

    /// That it was made at the tenant that `hand` is signed in to: what one tenant had is
    /// nothing for another.
    ///
    /// # Errors
    /// A conflict, with the remedy; also of a line in the journal that was not drawn to its end,
    /// which is of no tenant.
    pub fn require_tenant(&self, hand: &Hand) -> Result<(), Error> {
        if self.is_undrawn_line() {
            return Err(Error::conflict(format!(
                "a line in the journal of {} was not drawn to its end ({}); nothing was changed. `claimbridge domain set-aside {}` draws it",
                self.domain, self.id, self.domain
            )));
        }
        let Some((_, Entry::Begun { hand: of, .. })) = self.entries.first() else {
            return Err(Error::internal("a journal without a beginning"));
        };
        let same_tenant = match (&of.tenant, &hand.tenant) {
            (Some(of), Some(now)) => of.eq_ignore_ascii_case(now),
            _ => false,
        };
        if of.graph == hand.graph && same_tenant {
            return Ok(());
        }
        Err(Error::conflict(format!(
            "the change {} was made at the tenant {} ({}), and you are signed in to {} ({}); nothing was changed. Sign in to that tenant",
            self.id,
            of.tenant.as_deref().unwrap_or("unknown"),
            of.graph,
            hand.tenant.as_deref().unwrap_or("unknown"),
            hand.graph
        )))
    }

    /// Whether it is a line that was begun and not drawn: an earlier claimbridge wrote the two
    /// apart from each other, and can have been interrupted between them.
    pub fn is_undrawn_line(&self) -> bool {
        self.kind() == ChangeKind::SetAside && self.outcome().is_none()
    }

    /// The changes that count no longer, if it is a line that was drawn.
    pub(super) fn covers(&self) -> Option<&[String]> {
        match self.entries.first() {
            Some((
                _,
                Entry::Begun {
                    kind: ChangeKind::SetAside,
                    covers,
                    ..
                },
            )) if self.outcome() == Some(ChangeOutcome::Done) => Some(covers),
            _ => None,
        }
    }

    /// The change that it undoes.
    pub fn rolls_back(&self) -> Option<&str> {
        match self.entries.first() {
            Some((_, Entry::Begun { rolls_back, .. })) => rolls_back.as_deref(),
            _ => None,
        }
    }

    /// How it ended; none while it is open.
    pub fn outcome(&self) -> Option<ChangeOutcome> {
        self.entries.iter().find_map(|(_, entry)| match entry {
            Entry::Finished { outcome, .. } => Some(*outcome),
            _ => None,
        })
    }

    /// The last call and what came of it; none yet: it was interrupted.
    pub fn last_call(&self) -> Option<(Call, Option<CallOutcome>)> {
        let at = self
            .entries
            .iter()
            .rposition(|(_, entry)| matches!(entry, Entry::Call { .. }))?;
        let Entry::Call {
            method, path, body, ..
        } = &self.entries[at].1
        else {
            return None;
        };
        let call = Call {
            method: crate::federation::Method::parse(method)?,
            path: path.clone(),
            body: body.clone(),
            weight: CallWeight::Must,
        };
        // The last word counts: what was unknown may have been read back later.
        let outcome = self.entries[at..]
            .iter()
            .rev()
            .find_map(|(_, entry)| match entry {
                Entry::Outcome { outcome, .. } => Some(*outcome),
                _ => None,
            });
        Some((call, outcome))
    }

    /// The last call if nobody knows what came of it, and when it was about to be sent.
    pub fn unsettled(&self) -> Option<(Call, Timestamp)> {
        // The column beside the entry is not sealed: only for what has no instant of its own.
        let at = self
            .entries
            .iter()
            .rev()
            .find_map(|(column, entry)| match entry {
                Entry::Call { at, .. } => Some(at.map_or(*column, Timestamp::from_millis)),
                _ => None,
            })?;
        match self.last_call()? {
            (call, None | Some(CallOutcome::Unknown)) => Some((call, at)),
            _ => None,
        }
    }

    /// Whether a call beside the last one took place or may have.
    pub(super) fn has_other_calls(&self) -> bool {
        let calls = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Call { .. }));
        let refused = self.entries.iter().filter(|(_, entry)| {
            matches!(
                entry,
                Entry::Outcome {
                    outcome: CallOutcome::Refused,
                    ..
                }
            )
        });
        calls.count() > refused.count() + 1
    }

    /// Whether a call of it took place or may have.
    pub fn may_have_changed(&self) -> bool {
        let calls = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Call { .. }));
        let refused = self.entries.iter().filter(|(_, entry)| {
            matches!(
                entry,
                Entry::Outcome {
                    outcome: CallOutcome::Refused,
                    ..
                }
            )
        });
        calls.count() > refused.count()
    }
}
