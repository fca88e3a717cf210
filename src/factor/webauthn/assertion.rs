//! A signed challenge becomes a proof.
//!
//! Always true: the proof is made after the signature, the person and the flags were checked
//! and the store counted this use in one conditional UPDATE, so a copied key is found out and
//! a key that was taken away during the ceremony proves nothing. Whether the key verified its
//! person decides what the proof is worth: two classes, or possession only.

use super::{
    authenticator_data::Flag,
    ceremony::{LibraryState, OpenCeremony, Purpose, user_handle},
    metadata::Metadata,
    policy::{KeyFacts, PolicyRefusal, UserVerified, WebAuthnPolicy},
    refused::KeyRefused,
    registration::read_passkey,
    response::UnverifiedAssertion,
    scope::Scope,
};
use crate::{
    base::{
        clock::Timestamp,
        ids::{AttemptId, CredentialId, UserId},
    },
    directory::SecurityKey,
    factor::{FactorKind, Proof, ProofFacts},
    keys::sealing::Sealing,
};

/// A key of a person signed the challenge of this attempt. Made only by [`verify`].
pub struct WebAuthnProof {
    user: UserId,
    credential: CredentialId,
    attempt: AttemptId,
    kind: FactorKind,
    at: Timestamp,
}

impl Proof for WebAuthnProof {
    fn facts(&self) -> ProofFacts<'_> {
        ProofFacts {
            user: &self.user,
            credential: &self.credential,
            kind: self.kind,
            at: self.at,
            attempt: &self.attempt,
        }
    }
}

/// What a use changes in the store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyUse {
    /// What the key counts now; 0 if it does not count.
    pub counter: u32,
    /// Whether it says that it was copied to other devices.
    pub backed_up: bool,
    /// When.
    pub at: Timestamp,
}

/// What became of a use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UseOutcome {
    /// The counter went on, and the key is live.
    Counted,
    /// The counter did not go on.
    WentBack,
    /// The key was taken away meanwhile.
    Revoked,
}

/// Counts the use of a key.
pub trait CountUse {
    /// The store's failure.
    type Error;

    /// In one conditional update: if the key is live and its stored counter is smaller than the
    /// new one (or both are 0), remember counter, backup state and instant.
    fn count_use(
        &mut self,
        key: &CredentialId,
        used: KeyUse,
    ) -> impl Future<Output = Result<UseOutcome, Self::Error>> + Send;
}

/// Why an assertion makes no proof.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum AssertionRefused<E> {
    /// It is wrong.
    #[error("the key's answer is refused")]
    Refused(#[source] KeyRefused),
    /// It is right, but keys like this do not count (any more).
    #[error("the policy refuses the key")]
    Policy(#[source] PolicyRefusal),
    /// The store failed; nothing is proved.
    #[error("the use could not be recorded")]
    Store(#[source] E),
}

impl<E> From<KeyRefused> for AssertionRefused<E> {
    fn from(refused: KeyRefused) -> Self {
        Self::Refused(refused)
    }
}

/// By what an assertion is judged.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Who we are.
    pub scope: &'a Scope,
    /// Which keys count now, for this person.
    pub policy: &'a WebAuthnPolicy,
    /// What is known of models.
    pub metadata: Option<&'a Metadata>,
}

/// Checks the answer to a sign-in ([WebAuthn §7.2]) against `key`, which the store found by
/// the credential id that the browser named.
///
/// [WebAuthn §7.2]: https://www.w3.org/TR/webauthn-3/#sctn-verifying-assertion
pub async fn verify<S: CountUse>(
    answer: &UnverifiedAssertion,
    ceremony: OpenCeremony,
    key: &SecurityKey,
    rules: Rules<'_>,
    sealing: &Sealing,
    now: Timestamp,
    uses: &mut S,
) -> Result<WebAuthnProof, AssertionRefused<S::Error>> {
    let LibraryState::Authentication(state) = &ceremony.library else {
        return Err(KeyRefused::OtherCeremony.into());
    };
    key.require_tag(sealing).map_err(|_| KeyRefused::Tampered)?;
    if key.credential_id != answer.credential_id() {
        return Err(KeyRefused::CredentialIdMismatch.into());
    }
    require_person(&ceremony, answer.user_handle(), key)?;
    let scope = rules.scope;
    let data = answer.require(scope, &ceremony.demand)?;
    let credential = read_passkey(key)?;
    let checked = scope
        .library
        .authenticate_single_credential(&answer.0, state, &credential)
        .map_err(KeyRefused::from)?;
    // After the signature: that a key which was taken away is still used should be written
    // down, and that anybody knows its name should not.
    if !key.is_live() {
        return Err(KeyRefused::Revoked.into());
    }
    let facts = KeyFacts::of(key, data.user_verified(), data.backup());
    rules
        .policy
        .require_use(&facts, rules.metadata, now)
        .map_err(AssertionRefused::Policy)?;
    let seen = KeyUse {
        counter: checked.counter(),
        backed_up: data.has(Flag::BackedUp),
        at: now,
    };
    match uses
        .count_use(&key.id, seen)
        .await
        .map_err(AssertionRefused::Store)?
    {
        UseOutcome::Counted => Ok(WebAuthnProof {
            user: key.user.clone(),
            credential: key.id.clone(),
            attempt: ceremony.attempt,
            kind: match data.user_verified() {
                UserVerified::Yes => FactorKind::WebAuthnVerified,
                UserVerified::No => FactorKind::WebAuthn,
            },
            at: now,
        }),
        UseOutcome::WentBack => Err(KeyRefused::Counter.into()),
        UseOutcome::Revoked => Err(KeyRefused::Revoked.into()),
    }
}

/// WebAuthn §7.2 step 6: the key is of who was asked, and says so itself if it says anything.
/// Nobody was named in a passwordless ceremony: there the key must say it.
fn require_person(
    ceremony: &OpenCeremony,
    handle: Option<&[u8]>,
    key: &SecurityKey,
) -> Result<(), KeyRefused> {
    let named = match (&ceremony.user, ceremony.purpose) {
        (Some(user), Purpose::SecondFactor) => *user == key.user,
        (None, Purpose::Passwordless) => handle.is_some(),
        _ => return Err(KeyRefused::OtherCeremony),
    };
    if named && handle.is_none_or(|handle| handle == user_handle(&key.user)) {
        Ok(())
    } else {
        Err(KeyRefused::OtherPerson)
    }
}
