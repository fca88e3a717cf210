//! Who may go where in a rollover, what stands against it, and what would break.
//!
//! Always true: no key becomes the signing one before each party was seen to know it, or
//! had the time to read it; none stops being published while an answer that it signed may
//! be underway. Pure: facts and an instant in, obstacles out. An operator may force a step
//! over what would break for others, never over what cannot be.
//!
//! The order is prepared → staged → active → retiring → retired, and back from retiring to
//! active while the parties know both.

use std::time::Duration;

use super::{
    KeyPurpose,
    state::{Held, KeyState, Party},
};
use crate::base::clock::Timestamp;

/// How long a reader of metadata may keep what it read: what metadata readers do by custom. That
/// it is over informs nobody who does not read: a relying party's knowledge is confirmed by an operator.
pub const METADATA_READ_AGAIN: Duration = Duration::from_hours(24);

/// How long keys are published before the first of them signs id_tokens. Entra keeps a key
/// list for 24 hours and asks for two days (concept-authentication-external-method-provider).
pub const KEY_LIST_READ_AGAIN: Duration = Duration::from_hours(48);

/// How long all of Entra may need to know what a tenant's configuration says.
pub const TENANT_KNOWS: Duration = Duration::from_hours(2);

/// How long a look at a tenant counts: somebody may have changed it since.
pub const LOOK_COUNTS: Duration = Duration::from_hours(24);

/// How long an assertion key that signs no more stays published: a way back for a day, and far
/// longer than any answer that it signed is good.
pub const GRACE: Duration = Duration::from_hours(24);

/// How long a key of id_tokens stays in the list when it signs no more: whoever read the list
/// then goes by it for two days, and the last token that it signed is good for minutes.
pub const KEY_LIST_GRACE: Duration = KEY_LIST_READ_AGAIN.saturating_add(Duration::from_mins(10));

/// How long a key of this purpose stays published when it signs no more.
pub fn grace(purpose: KeyPurpose) -> Duration {
    match purpose {
        KeyPurpose::Oidc => KEY_LIST_GRACE,
        KeyPurpose::Assertion | KeyPurpose::Audit => GRACE,
    }
}

/// A certificate that ends sooner than this is not worth a rollover.
const WORTH_IT: Duration = Duration::from_hours(30 * 24);

/// What is known of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyFacts {
    /// What it may sign.
    pub purpose: KeyPurpose,
    /// How far it is.
    pub state: KeyState,
    /// When it was published first.
    pub staged_at: Option<Timestamp>,
    /// When it came into its state.
    pub since: Timestamp,
    /// The last instant of its certificate.
    pub not_after: Timestamp,
}

/// What is known of the others.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The states of the other keys of the purpose, and since when. A row that was altered
    /// counts as retired.
    pub others: Vec<(KeyState, Timestamp)>,
    /// Everybody who checks what we sign, and what was seen of each and this key.
    pub parties: Vec<(Party, Held)>,
}

impl Surroundings {
    fn has(&self, state: KeyState) -> bool {
        self.others.iter().any(|(other, _)| *other == state)
    }
}

/// What an operator asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Publish it.
    Stage,
    /// Let it sign.
    Activate,
    /// Take it away.
    Retire,
}

impl Step {
    /// Where a key comes by it: the active key goes into grace when another takes its place.
    pub fn leads_to(self) -> KeyState {
        match self {
            Self::Stage => KeyState::Staged,
            Self::Activate => KeyState::Active,
            Self::Retire => KeyState::Retired,
        }
    }
}

/// Whether an operator may go on in spite of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weight {
    /// Others would break; `--force` goes on.
    Breaks,
    /// It cannot be.
    Impossible,
}

/// What stands against a step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Obstacle {
    /// Why not: a sentence.
    pub why: String,
    /// What would happen: a sentence.
    pub breaks: String,
    /// What must be done, or waited for, first: a sentence.
    pub first: String,
    /// From when on it stands in the way no more, if waiting is enough.
    pub until: Option<Timestamp>,
    /// Whether it can be forced.
    pub weight: Weight,
}

impl Obstacle {
    fn impossible(why: impl Into<String>, first: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            breaks: "Nothing was changed.".to_owned(),
            first: first.into(),
            until: None,
            weight: Weight::Impossible,
        }
    }

    fn breaking(
        why: impl Into<String>,
        breaks: impl Into<String>,
        first: impl Into<String>,
    ) -> Self {
        Self {
            why: why.into(),
            breaks: breaks.into(),
            first: first.into(),
            until: None,
            weight: Weight::Breaks,
        }
    }

    fn until(self, at: Timestamp) -> Self {
        Self {
            until: Some(at),
            ..self
        }
    }
}

/// Everything that stands against `step` for this key now; nothing: it may go.
pub fn obstacles(
    step: Step,
    key: &KeyFacts,
    around: &Surroundings,
    now: Timestamp,
) -> Vec<Obstacle> {
    if key.purpose == KeyPurpose::Audit {
        return vec![Obstacle::impossible(
            "An audit key is registered with nobody, so that it does not roll over.",
            "Name an assertion or an oidc key.",
        )];
    }
    match step {
        Step::Stage => stage(key, around, now),
        Step::Activate => activate(key, around, now),
        Step::Retire => retire(key, now),
    }
}

fn stage(key: &KeyFacts, around: &Surroundings, now: Timestamp) -> Vec<Obstacle> {
    match key.state {
        KeyState::Prepared => {}
        KeyState::Retired => return vec![retired(key.purpose)],
        KeyState::Staged | KeyState::Active | KeyState::Retiring => {
            return vec![Obstacle::impossible(
                format!("The key is {} already.", key.state),
                "See `claimbridge keys list` for what comes next.",
            )];
        }
    }
    let mut found = Vec::new();
    if around.has(KeyState::Staged) {
        found.push(Obstacle::impossible(
            match key.purpose {
                KeyPurpose::Oidc => "Another key is staged; one after the other.",
                _ => "Another key is staged: a tenant holds two certificates and no third.",
            },
            format!(
                "Activate that key, or take it away with {}.",
                command("retire", key.purpose)
            ),
        ));
    }
    // A key list has room for all of them, and nobody's place is taken.
    if key.purpose == KeyPurpose::Oidc {
        found.extend(outlived(key, now));
        return found;
    }
    let retiring = around
        .others
        .iter()
        .filter(|(state, _)| *state == KeyState::Retiring);
    for (_, since) in retiring {
        let end = since.plus(GRACE);
        let obstacle = Obstacle::breaking(
            "A former key is retiring still: the new certificate would take its place in the tenant.",
            "The way back to the former key would be closed, and answers that it signed a moment ago would be rejected.",
            format!(
                "Retire the former key with `claimbridge keys retire`, from {} on.",
                end.to_words()
            ),
        );
        found.push(obstacle.until(end));
    }
    found.extend(outlived(key, now));
    found
}

fn activate(key: &KeyFacts, around: &Surroundings, now: Timestamp) -> Vec<Obstacle> {
    // Of a purpose whose active row is gone or altered, parties go by it all the same.
    let is_first = ![KeyState::Active, KeyState::Retiring, KeyState::Retired]
        .iter()
        .any(|state| around.has(*state));
    match key.state {
        KeyState::Staged | KeyState::Retiring => {}
        KeyState::Retired => return vec![retired(key.purpose)],
        KeyState::Active => {
            return vec![Obstacle::impossible(
                "The key is active already.",
                "There is nothing to do.",
            )];
        }
        KeyState::Prepared => {
            return vec![Obstacle::breaking(
                "The key is not published yet.",
                "Nobody knows it: every party would reject every answer.",
                format!("Publish it with {}.", command("stage", key.purpose)),
            )];
        }
    }
    let mut found: Vec<Obstacle> = outlived(key, now).into_iter().collect();
    // Nobody has read a former list that could be out of date.
    if is_first {
        return found;
    }
    found.extend(
        around
            .parties
            .iter()
            .filter_map(|(party, held)| unknown_to(key, party, *held, now)),
    );
    found
}

/// Why this party would reject what the key signs.
fn unknown_to(key: &KeyFacts, party: &Party, held: Held, now: Timestamp) -> Option<Obstacle> {
    let name = party.name();
    let verify = format!("`claimbridge domain verify {name}`");
    match (held, party) {
        // It signed until a moment ago, and nobody saw that a party gave it up.
        (Held::Unknown | Held::Since { .. }, _) if key.state == KeyState::Retiring => return None,
        (Held::Since { .. }, Party::RelyingParty(_) | Party::KeyList) => return None,
        // What was seen before the key was published was another matter.
        (Held::Since { first, last }, Party::Domain(_))
            if key.staged_at.is_none_or(|staged_at| last >= staged_at) =>
        {
            let known = first.plus(TENANT_KNOWS);
            if now < known {
                let obstacle = Obstacle::breaking(
                    format!(
                        "The tenant of {name} holds the certificate, but not all of Entra may know it yet."
                    ),
                    format!("Some who sign in at {name} would be rejected for up to two hours."),
                    format!("Wait until {}.", known.to_words()),
                );
                return Some(obstacle.until(known));
            }
            if last.plus(LOOK_COUNTS) < now {
                return Some(Obstacle::breaking(
                    format!(
                        "The tenant of {name} was last seen to hold the certificate on {}.",
                        last.to_words()
                    ),
                    format!(
                        "If somebody took it out since, everybody who signs in at {name} would be rejected."
                    ),
                    format!("Look again with {verify}."),
                ));
            }
            return None;
        }
        _ => {}
    }
    let rejects = format!(
        "Everybody who signs in at {} would be rejected by Entra until the tenant holds the certificate.",
        party.name()
    );
    match party {
        Party::Domain(name) => Some(Obstacle::breaking(
            match held {
                Held::MissingAt(at) => format!(
                    "The tenant of {name} did not hold the certificate on {}.",
                    at.to_words()
                ),
                Held::Since { .. } | Held::Unknown => {
                    format!("The tenant of {name} was not seen to hold the certificate.")
                }
            },
            rejects,
            format!(
                "Run `claimbridge domain apply {name}`, then `claimbridge domain verify {name}`; or, if you looked yourself or it is not federated, `claimbridge keys stage --confirm-published {name}`."
            ),
        )),
        Party::RelyingParty(_) | Party::KeyList if key.state == KeyState::Retiring => None,
        // Many took our certificate once, by hand, and read nothing: no time informs them.
        Party::RelyingParty(name) => {
            let end = key.staged_at.unwrap_or(key.since).plus(METADATA_READ_AGAIN);
            let read = if end <= now {
                "It has read our metadata by now if it reads it at all".to_owned()
            } else {
                format!("If it reads our metadata, it has by {}", end.to_words())
            };
            Some(Obstacle::breaking(
                format!("Nobody said that the relying party {name} knows this key."),
                "It would reject every answer until it does.",
                format!(
                    "{read}; if not, give it the certificate (`claimbridge keys export-certificate`). See there that it has it, then say `claimbridge keys stage --confirm-published {name}`."
                ),
            ))
        }
        Party::KeyList => {
            let end = key.staged_at.unwrap_or(key.since).plus(KEY_LIST_READ_AGAIN);
            let obstacle = Obstacle::breaking(
                "Entra's External MFA may go by a copy of the key list without this key.",
                "It would reject every answer until it reads again.",
                format!("Wait until {}.", end.to_words()),
            );
            (now < end).then(|| obstacle.until(end))
        }
    }
}

fn retire(key: &KeyFacts, now: Timestamp) -> Vec<Obstacle> {
    match key.state {
        // Nothing that anybody was sent was signed with it.
        KeyState::Prepared | KeyState::Staged => Vec::new(),
        KeyState::Active => vec![Obstacle::impossible(
            "The key signs: without it nobody could sign in.",
            "Activate another one; this one retires then.",
        )],
        KeyState::Retired => vec![retired(key.purpose)],
        KeyState::Retiring => {
            let end = key.since.plus(grace(key.purpose));
            if end <= now {
                return Vec::new();
            }
            let obstacle = Obstacle::breaking(
                match key.purpose {
                    KeyPurpose::Oidc => "The key signed less than two days ago.",
                    _ => "The key signed less than a day ago.",
                },
                "Answers that are underway may be rejected, and there would be no way back to it if a party turns out not to know the new one.",
                format!("Wait until {}.", end.to_words()),
            );
            vec![obstacle.until(end)]
        }
    }
}

fn retired(purpose: KeyPurpose) -> Obstacle {
    Obstacle::impossible(
        "The key is retired: its private half is erased.",
        format!("Make another one with {}.", command("stage", purpose)),
    )
}

/// The command for a key of this purpose.
fn command(step: &str, purpose: KeyPurpose) -> String {
    match purpose {
        KeyPurpose::Oidc => format!("`claimbridge keys {step} --purpose oidc`"),
        KeyPurpose::Assertion | KeyPurpose::Audit => format!("`claimbridge keys {step}`"),
    }
}

fn outlived(key: &KeyFacts, now: Timestamp) -> Option<Obstacle> {
    (key.not_after <= now.plus(WORTH_IT)).then(|| {
        Obstacle::breaking(
            format!(
                "The key's certificate ends on {}.",
                key.not_after.to_words()
            ),
            "Parties that look at the date reject it from then on, and the next rollover would be due at once.",
            format!("Make another one with {}.", command("stage", key.purpose)),
        )
    })
}

#[cfg(test)]
#[path = "rollover/tests.rs"]
mod tests;
