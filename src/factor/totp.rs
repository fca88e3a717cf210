//! Time-based one-time codes (RFC 6238): which step a code belongs to, and a proof
//! once that step has been consumed.
//!
//! Always true: a proof is made only after the store said "this step had not been
//! used, and now it is" in one conditional UPDATE (attack 3), so one code counts
//! once across all sessions and nodes; steps never go down; the code that confirms
//! a new secret makes no proof and its step is spent.

/// Finding a token's clock.
pub mod search;

use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

use super::{FactorKind, Proof, ProofFacts};
use crate::{
    base::{
        clock::Timestamp,
        ids::{AttemptId, CredentialId, UserId},
    },
    directory::{OathAlgorithm, TotpCredential, TotpParameters},
    keys::sealing::Sealing,
};

/// A code of a person's token was right and had not been used. Made only by [`verify`].
pub struct TotpProof {
    user: UserId,
    credential: CredentialId,
    attempt: AttemptId,
    at: Timestamp,
}

impl Proof for TotpProof {
    fn facts(&self) -> ProofFacts<'_> {
        ProofFacts {
            user: &self.user,
            credential: &self.credential,
            kind: FactorKind::Totp,
            at: self.at,
            attempt: &self.attempt,
        }
    }
}

/// Consumes a step of a token, at most once and never backwards.
pub trait ConsumeStep {
    /// The store's failure.
    type Error;

    /// In one conditional update: if `step` is later than the last accepted one of
    /// `credential` and the credential is live, remember it with the learned drift and
    /// answer [`StepUse::Consumed`].
    fn consume_step(
        &mut self,
        credential: &CredentialId,
        step: i64,
        drift_steps: i64,
    ) -> impl Future<Output = Result<StepUse, Self::Error>> + Send;
}

/// What became of a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StepUse {
    /// It was free and now is used.
    Consumed,
    /// It, or a later one, was used before; or the credential was revoked meanwhile.
    AlreadyUsed,
}

/// Why a code was refused.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum TotpRefused<E> {
    /// It fits no token of the person now.
    #[error("the code is wrong")]
    Wrong,
    /// It was right, but used before.
    #[error("the code was used before")]
    AlreadyUsed,
    /// The store failed; nothing is proved.
    #[error("the step could not be recorded")]
    Store(#[source] E),
}

/// Where the code of a token was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MatchedStep {
    /// Seconds since the epoch divided by the period, of the token's clock.
    pub step: i64,
    /// How far that is from our clock's step.
    pub drift_steps: i64,
}

/// Checks `code` against each live token of the person, within `skew` steps around
/// each token's learned drift, and consumes the step that matched.
pub async fn verify<S: ConsumeStep>(
    code: &str,
    credentials: &[TotpCredential],
    skew: u8,
    attempt: &AttemptId,
    sealing: &Sealing,
    now: Timestamp,
    steps: &mut S,
) -> Result<TotpProof, TotpRefused<S::Error>> {
    let mut used_before = false;
    for credential in credentials.iter().filter(|credential| credential.is_live()) {
        let Some(matched) = matching_step(code, credential, skew, sealing, now) else {
            continue;
        };
        if credential
            .last_step
            .is_some_and(|last| matched.step <= last)
        {
            used_before = true;
            continue;
        }
        let outcome = steps
            .consume_step(&credential.id, matched.step, matched.drift_steps)
            .await
            .map_err(TotpRefused::Store)?;
        match outcome {
            StepUse::Consumed => {
                return Ok(TotpProof {
                    user: credential.user.clone(),
                    credential: credential.id.clone(),
                    attempt: attempt.clone(),
                    at: now,
                });
            }
            StepUse::AlreadyUsed => used_before = true,
        }
    }
    Err(if used_before {
        TotpRefused::AlreadyUsed
    } else {
        TotpRefused::Wrong
    })
}

/// The step around now (and the token's drift) whose code this is. The nearest to
/// the expected step wins. Makes no proof; enrolment uses it to confirm a new secret.
pub fn matching_step(
    code: &str,
    credential: &TotpCredential,
    skew: u8,
    sealing: &Sealing,
    now: Timestamp,
) -> Option<MatchedStep> {
    let typed = normalise(code, credential.parameters.digits)?;
    credential.require_tag(sealing).ok()?;
    let secret = sealing
        .open(
            &TotpCredential::secret_place(&credential.id, &credential.user),
            &credential.sealed_secret,
        )
        .ok()?;
    let totp = totp(&secret, credential.parameters)?;
    let period = i64::from(credential.parameters.period);
    let present = now.as_secs().div_euclid(period);
    let mut found = None;
    for distance in 0..=i64::from(skew) {
        for offset in [distance, -distance] {
            let drift_steps = credential.drift_steps.saturating_add(offset);
            let step = present.saturating_add(drift_steps);
            let Ok(seconds) = u64::try_from(step.saturating_mul(period)) else {
                continue;
            };
            let right = Zeroizing::new(totp.generate(seconds).to_string());
            // No early end: the time does not tell which step matched.
            let same: bool = right.as_bytes().ct_eq(typed.as_bytes()).into();
            if same && found.is_none() {
                found = Some(MatchedStep { step, drift_steps });
            }
        }
    }
    found
}

/// The code of `secret` at `at`: for the demo's desktop program and the tests.
pub fn code_at(secret: &[u8], parameters: TotpParameters, at: Timestamp) -> Option<String> {
    let seconds = u64::try_from(at.as_secs()).ok()?;
    Some(totp(secret, parameters)?.generate(seconds).to_string())
}

/// The `otpauth://` link for a program (Key Uri Format).
pub fn otpauth_url(
    secret: &[u8],
    parameters: TotpParameters,
    issuer: &str,
    account: &str,
) -> Option<String> {
    let plain = |text: &str| text.replace(':', " ");
    builder(secret, parameters)
        .with_issuer(Some(plain(issuer)))
        .with_account_name(plain(account))
        .build()
        .ok()?
        .to_url()
        .ok()
}

/// The fewest bytes of a secret that a vendor's file may bring. RFC 4226 §4 wants 128;
/// tokens with 80 are in people's hands (the import says which).
pub const SHORTEST_SECRET: usize = 10;

fn totp(secret: &[u8], parameters: TotpParameters) -> Option<Totp> {
    if (SHORTEST_SECRET..16).contains(&secret.len()) {
        // Whatever else the strict builder refuses is refused here too.
        let mut padded = Zeroizing::new(secret.to_vec());
        padded.resize(16, 0);
        builder(&padded, parameters).build().ok()?;
        return Some(builder(secret, parameters).build_noncompliant());
    }
    builder(secret, parameters).build().ok()
}

fn builder(secret: &[u8], parameters: TotpParameters) -> Builder {
    let algorithm = match parameters.algorithm {
        OathAlgorithm::Sha1 => Algorithm::SHA1,
        OathAlgorithm::Sha256 => Algorithm::SHA256,
        OathAlgorithm::Sha512 => Algorithm::SHA512,
    };
    Builder::new()
        .with_algorithm(algorithm)
        .with_digits(parameters.digits)
        .with_step_duration(u64::from(parameters.period))
        .with_secret(secret)
}

/// Spaces and hyphens that people type between groups are ignored; anything else
/// than the right number of ASCII digits is no code.
fn normalise(code: &str, digits: u8) -> Option<Zeroizing<String>> {
    if code.len() > 64 {
        return None;
    }
    let bare: Zeroizing<String> = Zeroizing::new(
        code.chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .collect(),
    );
    let well_formed = bare.len() == usize::from(digits) && bare.bytes().all(|b| b.is_ascii_digit());
    well_formed.then_some(bare)
}

#[cfg(test)]
mod tests;
