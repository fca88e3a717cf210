//! Which keys count, at registration and at sign-in (attack 7: on the server, against what
//! the authenticator signed; nothing of it is left to the browser).
//!
//! Entra's semantics (facts §7): attestation is asked for at registration only (at a clean desk
//! what was found then is asked about at sign-in too); which
//! models are allowed is asked at registration *and* at sign-in, so that taking a model
//! off the list locks its keys out. The model (AAGUID) is the key's own word unless its
//! attestation was verified: who must be sure enforces attestation.
//!
//! A stale metadata file stops registrations, never sign-ins: nobody should be locked out
//! because nobody fetched a file. What it says of compromised models counts for both.
//!
//! Pure: facts in, a refusal in words out. How the facts were verified is `webauthn`'s.

pub use crate::directory::{AttestationState, CoseAlgorithm};

use super::metadata::{Compromise, Freshness, KeyIdentifier, Metadata};
use crate::{
    base::{aaguid::Aaguid, clock::Timestamp},
    directory::SecurityKey,
};

/// Whether the authenticator must have checked its person (PIN, fingerprint, face).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UserVerification {
    /// A key that did not is refused.
    Required,
    /// A key that did not proves possession only; a password is asked too.
    Preferred,
}

/// What attestation is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attestation {
    /// Not asked for.
    NotAsked,
    /// Asked for and kept with the key; none is needed.
    Recorded,
    /// Only a key whose attestation leads to a root in the metadata is registered.
    Enforced,
}

/// Which models are allowed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Models {
    /// All.
    Any,
    /// Only these.
    Only(Vec<Aaguid>),
    /// All but these.
    Except(Vec<Aaguid>),
}

/// Something that some organisations allow and others do not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Permission {
    /// Allowed.
    Allowed,
    /// Refused.
    Refused,
}

/// What a doubt does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reaction {
    /// The key is refused.
    Refuse,
    /// It is written to the log; the key counts.
    Warn,
}

/// What a key must be to count.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebAuthnPolicy {
    /// Whether the authenticator checks its person.
    pub user_verification: UserVerification,
    /// Signature algorithms, the preferred first.
    pub algorithms: Vec<CoseAlgorithm>,
    /// What attestation is for.
    pub attestation: Attestation,
    /// Which models are allowed.
    pub models: Models,
    /// Keys that may be copied to other devices (backup-eligible).
    pub synced: Permission,
    /// Keys that name no model: U2F keys, and browsers that hide it.
    pub without_model: Permission,
    /// At sign-in, keys that were registered without a verified attestation: at a clean desk
    /// they do not count, also those that were there before.
    pub unattested: Permission,
    /// What a bad status report of the model does.
    pub compromised: Reaction,
    /// What a metadata file does that FIDO has replaced since.
    pub stale_metadata: Reaction,
}

impl Default for WebAuthnPolicy {
    fn default() -> Self {
        Self {
            user_verification: UserVerification::Preferred,
            algorithms: vec![CoseAlgorithm::ES256, CoseAlgorithm::RS256],
            attestation: Attestation::Recorded,
            models: Models::Any,
            synced: Permission::Allowed,
            without_model: Permission::Refused,
            unattested: Permission::Allowed,
            compromised: Reaction::Refuse,
            stale_metadata: Reaction::Refuse,
        }
    }
}

/// What is known of a key: at registration from the attested data, at sign-in from the
/// stored row and the assertion's flags.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyFacts {
    /// Its model; none if it is the zero AAGUID.
    pub aaguid: Option<Aaguid>,
    /// The attestation certificate's key, if it brought one: the model of a U2F key.
    pub attestation_key: Option<KeyIdentifier>,
    /// How it signs.
    pub algorithm: CoseAlgorithm,
    /// Whether it checked its person in this ceremony (the UV flag).
    pub user_verified: UserVerified,
    /// Whether it may be copied to other devices (the BE flag).
    pub backup: Backup,
    /// How far its model was proved at registration.
    pub attestation: AttestationState,
}

/// The UV flag of authenticator data (WebAuthn §6.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UserVerified {
    /// The authenticator checked a PIN or a biometric.
    Yes,
    /// Somebody touched it.
    No,
}

/// The BE flag of authenticator data (WebAuthn Level 3 §6.1.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Backup {
    /// The private key may be copied to other devices: a synced passkey.
    Eligible,
    /// It stays in one device.
    DeviceBound,
}

/// Why a key does not count: one sentence for the person, with what to do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PolicyRefusal {
    /// No PIN, no fingerprint.
    #[error(
        "The key did not ask for its PIN or your fingerprint; set a PIN on the key and try again."
    )]
    NotVerified,
    /// An algorithm that is not on the list.
    #[error("The key signs with {0}, which is not allowed here; use another key.")]
    Algorithm(CoseAlgorithm),
    /// A model that is not on the list, or is on the other list.
    #[error(
        "Keys of the model {0} are not allowed here; use a key that your organisation gives out."
    )]
    Model(Aaguid),
    /// No model.
    #[error(
        "The key or the browser does not say which model it is, which is not allowed here; use a FIDO2 key, and if the browser asks whether it may see the make and model, allow it."
    )]
    NoModel,
    /// A synced passkey.
    #[error(
        "This passkey is copied to other devices, which is not allowed here; use a security key."
    )]
    Synced,
    /// Attestation is enforced and there was none.
    #[error(
        "The key does not prove its model; if the browser asks whether it may see the make and model, allow it, or use another key."
    )]
    NotAttested,
    /// Registered without a verified attestation, which is not enough any more.
    #[error(
        "This key was added without proof of its model, which is not enough here any more; use another way to sign in, or ask for a temporary access pass and add a key that proves it."
    )]
    AddedUnattested,
    /// Attestation is enforced and nobody known vouches for it.
    #[error("Nobody known vouches for this key; use a key that your organisation gives out.")]
    Untrusted,
    /// Attestation is enforced and there is no metadata.
    #[error(
        "Keys cannot be added now, because the list of known models is missing; ask your administrator to set mds_file."
    )]
    NoMetadata,
    /// The metadata is stale.
    #[error(
        "Keys cannot be added now, because the list of known models is out of date; ask your administrator to renew the file that mds_file names."
    )]
    StaleMetadata,
    /// The model is known to be bad.
    #[error("The FIDO Alliance reports this model of key as {0}; use another model.")]
    Compromised(Compromise),
}

impl PolicyRefusal {
    /// A short name for events and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotVerified => "user-not-verified",
            Self::Algorithm(_) => "algorithm",
            Self::Model(_) => "model",
            Self::NoModel => "no-model",
            Self::Synced => "synced",
            Self::NotAttested => "not-attested",
            Self::AddedUnattested => "added-unattested",
            Self::Untrusted => "attestation-untrusted",
            Self::NoMetadata => "no-metadata",
            Self::StaleMetadata => "stale-metadata",
            Self::Compromised(_) => "compromised",
        }
    }
}

/// What is held against a key that counts all the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Doubt {
    /// Its model is known to be bad.
    #[error("the FIDO Alliance reports its model as {0}")]
    Compromised(Compromise),
    /// The metadata is stale: what became of the model since is not known.
    #[error("the list of known models is out of date")]
    StaleMetadata,
}

impl Doubt {
    /// A short name for events.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Compromised(_) => "compromised",
            Self::StaleMetadata => "stale-metadata",
        }
    }
}

impl WebAuthnPolicy {
    /// What [`Reaction::Warn`] passes over: for the log.
    pub fn doubts(
        &self,
        key: &KeyFacts,
        metadata: Option<&Metadata>,
        now: Timestamp,
    ) -> Vec<Doubt> {
        let compromise = key.compromise(metadata, now).map(Doubt::Compromised);
        let stale = metadata.filter(|known| known.freshness(now) == Freshness::Stale);
        let stale = stale.map(|_| Doubt::StaleMetadata);
        let passed_over = [
            compromise.filter(|_| self.compromised == Reaction::Warn),
            stale.filter(|_| self.stale_metadata == Reaction::Warn),
        ];
        passed_over.into_iter().flatten().collect()
    }

    /// Whether a new key may be registered.
    pub fn require_registration(
        &self,
        key: &KeyFacts,
        metadata: Option<&Metadata>,
        now: Timestamp,
    ) -> Result<(), PolicyRefusal> {
        self.require_kind(key, metadata, now)?;
        let stale = metadata.is_some_and(|known| known.freshness(now) == Freshness::Stale);
        if stale
            && self.stale_metadata == Reaction::Refuse
            && self.attestation != Attestation::NotAsked
        {
            return Err(PolicyRefusal::StaleMetadata);
        }
        if self.attestation != Attestation::Enforced {
            return Ok(());
        }
        if metadata.is_none() {
            return Err(PolicyRefusal::NoMetadata);
        }
        match key.attestation {
            AttestationState::Verified => Ok(()),
            AttestationState::None => Err(PolicyRefusal::NotAttested),
            AttestationState::SelfAttested | AttestationState::Untrusted => {
                Err(PolicyRefusal::Untrusted)
            }
        }
    }

    /// Whether a registered key may be used to sign in now.
    pub fn require_use(
        &self,
        key: &KeyFacts,
        metadata: Option<&Metadata>,
        now: Timestamp,
    ) -> Result<(), PolicyRefusal> {
        self.require_kind(key, metadata, now)?;
        if self.unattested == Permission::Refused && key.attestation != AttestationState::Verified {
            return Err(PolicyRefusal::AddedUnattested);
        }
        Ok(())
    }

    /// What is asked of a key whenever it is seen.
    fn require_kind(
        &self,
        key: &KeyFacts,
        metadata: Option<&Metadata>,
        now: Timestamp,
    ) -> Result<(), PolicyRefusal> {
        if self.user_verification == UserVerification::Required
            && key.user_verified == UserVerified::No
        {
            return Err(PolicyRefusal::NotVerified);
        }
        if !self.algorithms.contains(&key.algorithm) {
            return Err(PolicyRefusal::Algorithm(key.algorithm));
        }
        self.require_model(key.model())?;
        if self.synced == Permission::Refused && key.backup == Backup::Eligible {
            return Err(PolicyRefusal::Synced);
        }
        match key.compromise(metadata, now) {
            Some(compromise) if self.compromised == Reaction::Refuse => {
                Err(PolicyRefusal::Compromised(compromise))
            }
            _ => Ok(()),
        }
    }

    fn require_model(&self, model: Option<Aaguid>) -> Result<(), PolicyRefusal> {
        let Some(model) = model else {
            // A list of those who may come in has no place for who says no name.
            return match (self.without_model, &self.models) {
                (Permission::Allowed, Models::Any | Models::Except(_)) => Ok(()),
                (Permission::Refused, _) | (_, Models::Only(_)) => Err(PolicyRefusal::NoModel),
            };
        };
        let allowed = match &self.models {
            Models::Any => true,
            Models::Only(list) => list.contains(&model),
            Models::Except(list) => !list.contains(&model),
        };
        if allowed {
            Ok(())
        } else {
            Err(PolicyRefusal::Model(model))
        }
    }
}

impl KeyFacts {
    /// What is known of a registered key, with the flags of an answer.
    pub fn of(key: &SecurityKey, user_verified: UserVerified, backup: Backup) -> Self {
        Self {
            aaguid: (!key.aaguid.is_zero()).then_some(key.aaguid),
            attestation_key: key
                .attestation_key
                .as_deref()
                .and_then(|hex| hex.parse().ok()),
            algorithm: key.algorithm,
            user_verified,
            backup,
            attestation: key.attestation,
        }
    }

    /// The same, with the flags of its registration: what an answer may be expected to be.
    pub fn expected_of(key: &SecurityKey) -> Self {
        let user_verified = if key.user_verified {
            UserVerified::Yes
        } else {
            UserVerified::No
        };
        let backup = if key.backup_eligible {
            Backup::Eligible
        } else {
            Backup::DeviceBound
        };
        Self::of(key, user_verified, backup)
    }

    /// Its model. The zero AAGUID names none, however it came here.
    fn model(&self) -> Option<Aaguid> {
        self.aaguid.filter(|aaguid| !aaguid.is_zero())
    }

    /// The worst that the metadata reports of the key's model, by AAGUID or by the key of
    /// its attestation certificate. For the log where the policy only warns.
    pub fn compromise(&self, metadata: Option<&Metadata>, now: Timestamp) -> Option<Compromise> {
        let metadata = metadata?;
        let by_model = self.model().and_then(|model| metadata.entry(&model));
        let by_key = self
            .attestation_key
            .iter()
            .flat_map(|identifier| metadata.entries_by_key(identifier));
        by_model
            .into_iter()
            .chain(by_key)
            .filter_map(|entry| entry.compromise(now))
            .min()
    }
}
