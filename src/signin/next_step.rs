//! The only dispatcher: given what is known and proved, what comes next.
//!
//! Steps never call steps; each stores what it learned and returns here.
//!
//! ```text
//!            ┌────────────► Issue(Session)      a live session is fresh enough
//!  begin ────┤
//!            └► AskPassword ─► AskSecondFactor ─► ShowNotices ─► Issue(Proofs)
//!                    │    ├──► ActivateToken ─► AskSecondFactor   (an operator handed one over)
//!                    │    └──► AskPass  (no method yet: a pass opens enrolment)
//!                    └ pass ─► Enrol ─► AskPassword   (the confirming code proves nothing)
//! ```
//!
//! At the door of External MFA, where Entra did the first factor, another way is gone:
//!
//! ```text
//!  begin ─► (person) ─► AskSecondFactor ─► ShowNotices ─► Issue(Proofs)
//!     │         ├─────► AskPass ─► Enrol ─► AskSecondFactor   (no method yet)
//!     │         └─────► CannotAnswer(NoFittingMethod, NothingToSetUp)
//!     └ nobody is known ─► CannotAnswer(Stranger)
//! ```
//!
//! What a session proved so lately that it need not be asked again counts beside the proofs of
//! the attempt (`carried`), and `Issue` is `StopLoop` where answers only come back.

use super::{
    asked,
    attempt::Attempt,
    request::{Interaction, Protocol},
    requirement::ROUND_TRIPS,
};
use crate::{
    base::clock::Timestamp,
    directory::MethodKind,
    factor::{FactorClass, FactorKind, classes_of, evidence::Evidence},
};

/// What is known when the next step is chosen.
pub struct Situation<'a> {
    /// The attempt, open.
    pub attempt: &'a Attempt,
    /// Proofs of this attempt, opened.
    pub evidence: &'a [Evidence],
    /// The person, once the attempt has one.
    pub person: Option<Person>,
    /// Whether a session could answer.
    pub session: SessionAnswer,
    /// An enrolment that a pass opened in this attempt.
    pub enrolment: Enrolment,
    /// Kinds of the proofs that this browser's session of the same person proved so lately
    /// that they need not be asked again: only what has aged is (step-up).
    pub carried: Vec<FactorKind>,
    /// How many answers this browser took to the asking party lately, one after the other.
    pub recent_answers: usize,
    /// Now.
    pub now: Timestamp,
}

/// What matters here about the person.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Person {
    /// Whether the person may sign in at all.
    pub status: PersonStatus,
    /// How many confirmed, unrevoked methods of possession there are.
    pub live_methods: usize,
    /// How many of them answer what is asked: at the door of External MFA perhaps not all.
    pub fitting_methods: usize,
    /// How many kinds of methods that answer what is asked the person could set up: looked at at
    /// the door of External MFA only.
    pub kinds_to_add: usize,
    /// How many hardware tokens an operator handed over that wait to be activated.
    pub assigned_tokens: usize,
    /// How many notices wait to be shown.
    pub unseen_notices: usize,
}

/// Whether the person may sign in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PersonStatus {
    /// Yes.
    Active,
    /// An administrator disabled the account.
    Disabled,
}

/// Whether a browser session could answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SessionAnswer {
    /// Alive, this person's browser, fresh enough.
    FreshEnough,
    /// None, or not for this request.
    None,
}

/// Whether a pass opened enrolment here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Enrolment {
    /// No.
    None,
    /// Yes; first a password must be chosen.
    NeedsPassword,
    /// Yes; the person chooses what to set up.
    NeedsChoice,
    /// Yes; this is being set up.
    SettingUp(MethodKind),
}

/// What comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NextStep {
    /// Ask for name and password.
    AskPassword,
    /// Ask for something that the person has: a one-time code, a security key.
    AskSecondFactor,
    /// The person has no method but was handed a hardware token: ask for its code.
    ActivateToken,
    /// The person has no method: ask for a temporary access pass.
    AskPass,
    /// A pass was accepted: choose a password.
    ChoosePassword,
    /// Enrolment is open: choose what to set up.
    ChooseMethod,
    /// Enrolment is open: set this up.
    Enrol(MethodKind),
    /// Tell the person what others did to the account.
    ShowNotices,
    /// Say why Entra gets no second factor, and what can be done (External MFA).
    CannotAnswer(NoAnswer),
    /// Say that the person's browser runs in a circle between the party and us.
    StopLoop,
    /// Answer the relying party.
    Issue(AnswerFrom),
    /// Answer the relying party that it cannot be done.
    Refuse(Refusal),
}

/// What an answer rests on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AnswerFrom {
    /// Proofs of this attempt.
    Proofs,
    /// A session.
    Session,
}

/// Why Entra gets no second factor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoAnswer {
    /// The account that Entra names is nobody's here.
    Stranger,
    /// The person has methods, and Entra asked for none of them.
    NoFittingMethod,
    /// The person has none, and nothing that may be set up is what Entra asked for.
    NothingToSetUp,
}

/// Why the relying party gets a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Pages were forbidden and would be needed (SAML `NoPassive`).
    InteractionForbidden,
    /// The account is disabled (SAML `RequestDenied`).
    Disabled,
    /// Entra does not wait any longer (External MFA).
    TooLate,
}

/// Decides.
pub fn next_step(situation: &Situation<'_>) -> NextStep {
    if let Some(person) = situation.person
        && person.status == PersonStatus::Disabled
    {
        return NextStep::Refuse(Refusal::Disabled);
    }
    if situation.attempt.request.protocol == Protocol::ExternalMfa {
        return second_factor(situation);
    }
    // Proofs of this attempt come first: a person who has begun is not answered
    // from somebody's older session.
    if situation.evidence.is_empty()
        && situation.enrolment == Enrolment::None
        && situation.session == SessionAnswer::FreshEnough
    {
        return issue(situation, AnswerFrom::Session);
    }
    if situation.attempt.request.interaction == Interaction::Forbidden {
        return NextStep::Refuse(Refusal::InteractionForbidden);
    }
    match situation.enrolment {
        Enrolment::NeedsPassword => return NextStep::ChoosePassword,
        Enrolment::NeedsChoice => return NextStep::ChooseMethod,
        Enrolment::SettingUp(kind) => return NextStep::Enrol(kind),
        Enrolment::None => {}
    }
    let Some(person) = situation.person else {
        return NextStep::AskPassword;
    };
    let kinds = situation.evidence.iter().map(Evidence::kind);
    let proved = classes_of(kinds.chain(situation.carried.iter().copied()));
    // Where nothing was proved here, a session answers as a whole or not at all.
    if situation.evidence.is_empty() || proved.len() < 2 {
        // A key that was only touched, or nothing: the password is what is missing.
        return if !proved.contains(&FactorClass::Knowledge) {
            NextStep::AskPassword
        } else if person.live_methods > 0 {
            NextStep::AskSecondFactor
        } else if person.assigned_tokens > 0 {
            NextStep::ActivateToken
        } else {
            NextStep::AskPass
        };
    }
    if person.unseen_notices > 0 {
        return NextStep::ShowNotices;
    }
    issue(situation, AnswerFrom::Proofs)
}

/// Entra did the first factor: one more, and no session or circle has to do with it. Once it is
/// late nothing more is asked, and what was proved is answered still.
fn second_factor(situation: &Situation<'_>) -> NextStep {
    match left_to_ask(situation) {
        issue @ NextStep::Issue(_) => issue,
        _ if situation.now >= asked::asks_until(situation.attempt) => {
            NextStep::Refuse(Refusal::TooLate)
        }
        step => step,
    }
}

fn left_to_ask(situation: &Situation<'_>) -> NextStep {
    let Some(person) = situation.person else {
        return NextStep::CannotAnswer(NoAnswer::Stranger);
    };
    match situation.enrolment {
        // No password is asked for at this door, so none is missing.
        Enrolment::NeedsPassword | Enrolment::NeedsChoice => return NextStep::ChooseMethod,
        Enrolment::SettingUp(kind) => return NextStep::Enrol(kind),
        Enrolment::None => {}
    }
    if situation.evidence.is_empty() {
        return match (person.fitting_methods, person.live_methods) {
            (0, 0) if person.kinds_to_add > 0 => NextStep::AskPass,
            (0, 0) => NextStep::CannotAnswer(NoAnswer::NothingToSetUp),
            (0, _) => NextStep::CannotAnswer(NoAnswer::NoFittingMethod),
            _ => NextStep::AskSecondFactor,
        };
    }
    if person.unseen_notices > 0 {
        return NextStep::ShowNotices;
    }
    NextStep::Issue(AnswerFrom::Proofs)
}

/// Answers, unless answers only come back as requests.
fn issue(situation: &Situation<'_>, from: AnswerFrom) -> NextStep {
    let is_loop = situation.recent_answers >= ROUND_TRIPS;
    match (is_loop, situation.attempt.request.interaction) {
        (false, _) => NextStep::Issue(from),
        (true, Interaction::Allowed) => NextStep::StopLoop,
        // Nobody would see the page; the party is told that it cannot be done without one.
        (true, Interaction::Forbidden) => NextStep::Refuse(Refusal::InteractionForbidden),
    }
}

#[cfg(test)]
mod tests;
