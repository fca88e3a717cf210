//! External MFA: Entra did the first factor and sends the person here for one more (facts §5).
//!
//! Always true: this door answers with one factor and says no more than that; it neither reads
//! nor makes a browser session nor knows a browser ([`Browser::at`](super::sign_in::Browser)),
//! so that nothing of it counts anywhere else (attack 40); who the person is follows from a link
//! of the tenant's account to the person, never from a name (attack 23).

/// What Entra reads of us.
mod documents;
/// The keys of Entra's clouds.
pub(super) mod hint_keys;
/// Whose an account of a tenant is.
pub mod links;
/// The inspector's rules on an id_token before it leaves.
pub mod pre_flight;
/// Tenants that ask here.
pub mod tenants;

use super::{App, Error, error::SupportCode, scene::Scene, sign_in::SecondFactor};
use crate::{
    base::ids::UserId,
    directory::User,
    factor::FactorKind,
    signin::{
        attempt::Attempt,
        next_step::NextStep,
        request::Protocol,
        second_factor::{SecondFactorRequest, class_at_entra},
    },
    storage::ReadTx,
};

/// The kinds of proof that a way gives.
fn kinds_of(way: SecondFactor) -> &'static [FactorKind] {
    match way {
        SecondFactor::Key => &[FactorKind::WebAuthn, FactorKind::WebAuthnVerified],
        SecondFactor::Code => &[FactorKind::Totp],
    }
}

/// Whether a proof of that way would answer what Entra asks.
pub(super) fn fits(asked: &SecondFactorRequest, way: SecondFactor) -> bool {
    let name = match way {
        SecondFactor::Key => "fido",
        SecondFactor::Code => "otp",
    };
    let is_named = asked.amr.is_empty() || asked.amr.iter().any(|amr| amr == name);
    let mut kinds = kinds_of(way).iter();
    is_named && kinds.all(|kind| asked.acr_for(class_at_entra(*kind)).is_some())
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
        }
        Ok(fitting)
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
