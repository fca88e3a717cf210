//! What Entra is told of a second factor at the External MFA door (facts §5.5).
//!
//! Always true: [`SecondFactorAnswer`] is another type than [`ClaimSet`](super::ClaimSet) and
//! cannot become one; it is made by [`SecondFactorAnswer::release`] alone, from one proof that
//! is consumed; `acr` is one of those asked and `amr` the one name of what was proved, by the
//! table below, and neither can be set.

use crate::{
    base::{
        clock::Timestamp,
        guid::Guid,
        ids::{AttemptId, CredentialId, UserId},
    },
    factor::FactorKind,
    signin::second_factor::{Acr, SecondFactorDone, SecondFactorRequest, class_at_entra},
};

/// Entra's name for what was proved (RFC 8176, facts §5.5). A code is `otp`, whether a program or
/// a token of hardware shows it; a password has none: Entra asks for it itself.
pub fn amr_of(kind: FactorKind) -> Option<&'static str> {
    match kind {
        FactorKind::Password => None,
        FactorKind::Totp => Some("otp"),
        FactorKind::WebAuthn | FactorKind::WebAuthnVerified => Some("fido"),
    }
}

/// What would be answered for a factor of this kind; `None`: it is not asked for, so that a
/// page does not offer it.
pub fn answer_for(request: &SecondFactorRequest, kind: FactorKind) -> Option<(Acr, &'static str)> {
    let amr = amr_of(kind)?;
    let is_asked = request.amr.is_empty() || request.amr.iter().any(|asked| asked == amr);
    let acr = request.acr_for(class_at_entra(kind))?;
    is_asked.then_some((acr, amr))
}

/// What Entra may know of one second factor. Made only by [`SecondFactorAnswer::release`].
pub struct SecondFactorAnswer {
    issuer: String,
    audience: String,
    subject: String,
    nonce: String,
    tenant: Guid,
    acr: Acr,
    amr: &'static str,
    user: UserId,
    kind: FactorKind,
    credential: CredentialId,
    at: Timestamp,
    attempt: AttemptId,
}

/// Nothing is released.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("Entra did not ask for what was proved")]
pub struct NotAsked;

impl SecondFactorAnswer {
    /// What `done` amounts to, said by `issuer`: the `issuer` of our discovery document.
    ///
    /// # Errors
    /// Entra did not ask for a method of this name.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "releasing consumes what was proved"
    )]
    pub fn release(done: SecondFactorDone, issuer: &str) -> Result<Self, NotAsked> {
        let request = done.request();
        let (acr, amr) = answer_for(request, done.kind()).ok_or(NotAsked)?;
        Ok(Self {
            issuer: issuer.to_owned(),
            audience: request.client_id.clone(),
            subject: request.subject.clone(),
            nonce: request.nonce.clone(),
            tenant: request.tenant,
            acr,
            amr,
            user: done.user().clone(),
            kind: done.kind(),
            credential: done.credential().clone(),
            at: done.at(),
            attempt: done.attempt().clone(),
        })
    }

    /// Who says it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What Entra calls us.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The `sub` of the hint.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The request's nonce, as it came.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Which tenant asked.
    pub fn tenant(&self) -> Guid {
        self.tenant
    }

    /// The asked value that is satisfied.
    pub fn acr(&self) -> &'static str {
        self.acr.as_str()
    }

    /// The name of what was proved.
    pub fn amr(&self) -> &'static str {
        self.amr
    }

    /// Whom it is about, here.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// What was proved.
    pub fn kind(&self) -> FactorKind {
        self.kind
    }

    /// With what.
    pub fn credential(&self) -> &CredentialId {
        &self.credential
    }

    /// When.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The attempt that is answered.
    pub fn attempt(&self) -> &AttemptId {
        &self.attempt
    }
}

#[cfg(test)]
mod tests;
