//! External MFA: Entra did the first factor and sends the person here for one more (facts §5).
//!
//! Always true: this door answers with one factor and says no more than that; it neither reads
//! nor makes a browser session nor knows a browser ([`Browser::at`](super::sign_in::Browser)),
//! so that nothing of it counts anywhere else (attack 40); who the person is follows from a link
//! of the tenant's account to the person, never from a name (attack 23).

/// What Entra is told.
pub mod answer;
/// What Entra asks.
pub mod begin;
/// What Entra reads of us.
mod documents;
/// Why Entra gets no token.
pub mod excuse;
/// The keys of Entra's clouds.
pub(super) mod hint_keys;
/// Whose an account of a tenant is.
pub mod links;
/// Tenants that name nobody.
pub mod naming;
/// The inspector's rules on an id_token before it leaves.
pub mod pre_flight;
/// Fetching what a method publishes.
pub mod published;
/// Tenants that ask here.
pub mod tenants;
/// Whether Entra would take what we publish.
pub mod verify;

use super::{
    App, Error,
    answer::Answer,
    error::SupportCode,
    keys::draft::Draft,
    scene::Scene,
    sign_in::{Browser, SecondFactor},
};
use crate::{
    base::{
        clock::Timestamp,
        ids::{AttemptId, UserId},
    },
    claims::second_factor::answer_for,
    directory::{MethodKind, User},
    factor::FactorKind,
    signin::{
        asked,
        attempt::Attempt,
        next_step::{NextStep, Refusal},
        request::Protocol,
        second_factor::SecondFactorRequest,
    },
    storage::{ReadTx, Tx},
};

use excuse::Excuse;

/// The kinds of proof that a way gives.
fn kinds_of(way: SecondFactor) -> &'static [FactorKind] {
    match way {
        SecondFactor::Key => &[FactorKind::WebAuthn, FactorKind::WebAuthnVerified],
        SecondFactor::Code => &[FactorKind::Totp],
    }
}

/// Whether a proof of that way would answer what Entra asks.
pub(super) fn fits(asked: &SecondFactorRequest, way: SecondFactor) -> bool {
    let mut kinds = kinds_of(way).iter();
    kinds.all(|kind| answer_for(asked, *kind).is_some())
}

impl App {
    /// How many of the person's methods answer what the attempt asks.
    pub(super) async fn fitting_methods(
        &self,
        tx: &mut ReadTx<'_>,
        scene: &Scene,
        user: &UserId,
    ) -> Result<usize, Error> {
        let Some(asked) = &scene.asked else {
            return Ok(scene.live_methods);
        };
        let mut fitting = 0;
        if fits(asked.request(), SecondFactor::Code) {
            fitting += self.usable_totp(tx, user).await?.len();
        }
        if fits(asked.request(), SecondFactor::Key) && self.takes_keys() {
            fitting += self.usable_keys(tx, user).await?.len();
            if fitting == 0 {
                // Nothing else is left to ask for: at the key the person learns why it is refused.
                fitting = self.askable_keys(tx, user).await?.len();
            }
        }
        Ok(fitting)
    }
}

/// Those of the person's ways that answer what is asked: all, at the other doors.
pub(super) fn fitting_ways(scene: &Scene, mut ways: Vec<SecondFactor>) -> Vec<SecondFactor> {
    if let Some(asked) = &scene.asked {
        ways.retain(|way| fits(asked.request(), *way));
    }
    ways
}

/// Those kinds of methods that could answer what is asked: all, at the other doors.
pub(super) fn fitting_kinds(scene: &Scene, mut kinds: Vec<MethodKind>) -> Vec<MethodKind> {
    if let Some(asked) = &scene.asked {
        kinds.retain(|kind| {
            let way = match kind {
                MethodKind::SecurityKey => SecondFactor::Key,
                MethodKind::Totp | MethodKind::OathToken => SecondFactor::Code,
            };
            fits(asked.request(), way)
        });
    }
    kinds
}

/// Until when something is asked; none at the other doors.
pub(super) fn asked_until(scene: &Scene) -> Option<Timestamp> {
    let asked = scene.asked.is_some();
    asked.then(|| asked::asks_until(&scene.attempt))
}

impl App {
    /// The end of an attempt of this door: the answer, or why there is none.
    pub(super) async fn settle_second_factor(
        &self,
        tx: Tx<'_>,
        scene: &Scene,
        step: NextStep,
        draft: &mut Draft,
    ) -> Result<Option<Answer>, Error> {
        let Some(asked) = &scene.asked else {
            return Err(Error::internal("a second factor that nobody asked for"));
        };
        let excuse = match step {
            NextStep::Issue(_) => return self.issue_second_factor(tx, scene, draft).await,
            NextStep::Refuse(Refusal::TooLate) => Excuse::TooLate,
            _ => Excuse::Disabled,
        };
        let answer = self.excuse(tx, &scene.attempt, asked, excuse).await?;
        Ok(Some(answer))
    }
}

/// A factor is asked of the person of the attempt, while it is this factor's turn.
pub(super) fn require_asked(scene: &Scene) -> Result<&User, Error> {
    match &scene.user {
        Some(user) if scene.asks() == NextStep::AskSecondFactor => Ok(user),
        _ => Err(Error::denied(
            &SupportCode::ATTEMPT_OVER,
            "a second factor at another step",
        )),
    }
}

/// At this door only what Entra asks for is taken.
pub(super) fn require_fitting(scene: &Scene, way: SecondFactor) -> Result<(), Error> {
    match &scene.asked {
        Some(asked) if !fits(asked.request(), way) => Err(Error::denied(
            &SupportCode::NOT_OFFERED,
            "a way to prove a factor that Entra did not ask for",
        )),
        _ => Ok(()),
    }
}

/// Nobody gives a password at this door: it would be a second proof of what Entra did.
pub(super) fn require_password_door(attempt: &Attempt) -> Result<(), Error> {
    if attempt.request.protocol != Protocol::ExternalMfa {
        return Ok(());
    }
    Err(Error::denied(
        &SupportCode::ATTEMPT_OVER,
        "a password at the door of External MFA",
    ))
}

/// At this door a pass opens nothing for somebody whom Entra did not name: whoever has one could
/// else tie another's account to himself.
pub(super) fn require_somebody(attempt: &Attempt) -> Result<(), Error> {
    if attempt.request.protocol != Protocol::ExternalMfa || attempt.user.is_some() {
        return Ok(());
    }
    Err(Error::denied(
        &SupportCode::ATTEMPT_OVER,
        "a pass where Entra named nobody who is known here",
    ))
}

/// Once Entra does not wait any longer, nothing can follow on a pass.
pub(super) fn require_time(attempt: &Attempt, now: Timestamp) -> Result<(), Error> {
    if attempt.request.protocol != Protocol::ExternalMfa || now < asked::asks_until(attempt) {
        return Ok(());
    }
    // Whose browser it is goes on to the attempt's page, which tells Entra that it is late.
    Err(Error::denied(
        &SupportCode::ANSWERED,
        "a pass when Entra does not wait any longer",
    ))
}

impl App {
    /// At this door a pass is not used up where nothing that could be set up answers Entra.
    pub(super) async fn require_something_to_add(
        &self,
        tx: &mut ReadTx<'_>,
        attempt: &Attempt,
        browser: &Browser,
    ) -> Result<(), Error> {
        if attempt.request.protocol != Protocol::ExternalMfa {
            return Ok(());
        }
        let scene = self.scene(tx, attempt.clone(), browser).await?;
        if scene.takes_passes() {
            return Ok(());
        }
        Err(Error::denied(
            &SupportCode::NOT_OFFERED,
            "a pass where nothing that may be set up answers Entra",
        ))
    }

    /// Until when Entra waits for an attempt of this browser; none at the other doors, and none
    /// that another browser may know of.
    pub async fn entra_waits_until(&self, id: &AttemptId, browser: &Browser) -> Option<Timestamp> {
        let mut tx = self.store.read().await.ok()?;
        let attempt = self.open_attempt(&mut tx, id, browser).await.ok()?;
        let is_here = attempt.request.protocol == Protocol::ExternalMfa;
        is_here.then(|| asked::asks_until(&attempt))
    }
}
