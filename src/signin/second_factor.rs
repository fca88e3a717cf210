//! The door at which Entra asks for a second factor (External MFA): what it asks, and how one
//! proof becomes [`SecondFactorDone`].
//!
//! Entra did the first factor and says so by a hint. A hint is no proof: nothing of it counts
//! but who is asked for, and which class of factor is left.
//!
//! Always true: a `SecondFactorDone` is made by [`complete`] alone, from exactly one proof of
//! this attempt and browser, of the person whom a link under a tag names for the (tenant,
//! object id) of the request (attack 1); its class is one that Entra asks for and not that of
//! the first factor; it is another type than [`SignedIn`](super::complete::SignedIn), makes no
//! session and is made from none (attack 40).
//!
//! Read next: `claims::second_factor`, which says what Entra is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{asked::AskedSecondFactor, attempt::Attempt, complete::Holder};
use crate::{
    base::{
        clock::Timestamp,
        guid::Guid,
        ids::{AttemptId, CredentialId, UserId},
    },
    directory::ExternalAccount,
    factor::{
        FactorClass, FactorKind,
        evidence::{self, EvidenceRecord},
    },
    keys::sealing::Sealing,
};

/// Which classes of factor would do: a value of `acr` (facts §5.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Acr {
    /// The first factor was something known.
    PossessionOrInherence,
    /// The first factor was something the person is.
    KnowledgeOrPossession,
    /// The first factor was something the person has.
    KnowledgeOrInherence,
    /// Any.
    KnowledgeOrPossessionOrInherence,
    /// One class only.
    Knowledge,
    /// One class only.
    Possession,
    /// One class only.
    Inherence,
}

impl Acr {
    /// All values.
    pub const ALL: [Self; 7] = [
        Self::PossessionOrInherence,
        Self::KnowledgeOrPossession,
        Self::KnowledgeOrInherence,
        Self::KnowledgeOrPossessionOrInherence,
        Self::Knowledge,
        Self::Possession,
        Self::Inherence,
    ];

    /// As it stands in requests and tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PossessionOrInherence => "possessionorinherence",
            Self::KnowledgeOrPossession => "knowledgeorpossession",
            Self::KnowledgeOrInherence => "knowledgeorinherence",
            Self::KnowledgeOrPossessionOrInherence => "knowledgeorpossessionorinherence",
            Self::Knowledge => "knowledge",
            Self::Possession => "possession",
            Self::Inherence => "inherence",
        }
    }

    /// Byte for byte; none of another spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|acr| acr.as_str() == text)
    }

    /// The classes that satisfy it.
    pub fn classes(self) -> &'static [FactorClass] {
        use FactorClass::{Inherence, Knowledge, Possession};
        match self {
            Self::PossessionOrInherence => &[Possession, Inherence],
            Self::KnowledgeOrPossession => &[Knowledge, Possession],
            Self::KnowledgeOrInherence => &[Knowledge, Inherence],
            Self::KnowledgeOrPossessionOrInherence => &[Knowledge, Possession, Inherence],
            Self::Knowledge => &[Knowledge],
            Self::Possession => &[Possession],
            Self::Inherence => &[Inherence],
        }
    }
}

/// Whether an account is the tenant's own, as far as the hint says so.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Membership {
    /// It is, or nothing else is said.
    #[default]
    Member,
    /// Of another tenant, or of none: what it is called there is not this tenant's to say.
    Guest,
}

/// What Entra asks of this door. Stored with the attempt, under a tag ([`super::asked`]); everything in it was
/// verified, and nothing in it is a proof.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub struct SecondFactorRequest {
    /// The tenant, of the verified hint.
    pub tenant: Guid,
    /// Who is asked for: the person's object id there.
    pub object_id: Guid,
    /// The hint's `sub`, which the answer repeats.
    pub subject: String,
    /// What Entra calls us: the answer's audience.
    pub client_id: String,
    /// As it came.
    pub nonce: String,
    /// As it came, if it came.
    pub state: Option<String>,
    /// Where the answer goes: the one address of the tenant's cloud.
    pub reply_url: String,
    /// The asked values of `acr` that we know, in their order. Never empty.
    pub acr: Vec<Acr>,
    /// The asked values of `amr`; empty: any.
    pub amr: Vec<String>,
    /// How the first factor was done, if the hint says it (its `amr`).
    pub first_amr: Vec<String>,
    /// What Entra calls the person; shown, and never a key to who it is.
    pub shown_name: Option<String>,
    /// Whether that name is the tenant's to give.
    #[serde(default)]
    pub membership: Membership,
    /// When Entra sent the person, milliseconds since 1970: the hint's `iat`.
    pub asked_at_millis: i64,
    /// Entra's name for this sign-in, for the log.
    pub client_request_id: Option<String>,
}

impl SecondFactorRequest {
    /// When Entra sent the person.
    pub fn asked_at(&self) -> Timestamp {
        Timestamp::from_millis(self.asked_at_millis)
    }

    /// The value of `acr` to answer for a factor of this class: the first of those asked that it
    /// satisfies. `None`: such a factor is not asked for, or was the first one.
    pub fn acr_for(&self, class: FactorClass) -> Option<Acr> {
        if self.first_class() == Some(class) {
            return None;
        }
        let mut asked = self.acr.iter().copied();
        asked.find(|acr| acr.classes().contains(&class))
    }

    /// The class of the first factor, if the hint says one and no other. The asked `acr` leaves
    /// it out as well; this is for the day on which it does not.
    fn first_class(&self) -> Option<FactorClass> {
        let mut classes = self.first_amr.iter().filter_map(|amr| class_of(amr));
        let first = classes.next()?;
        classes.all(|class| class == first).then_some(first)
    }
}

/// The class of a method by Entra's name for it (facts §5.5).
pub fn class_of(amr: &str) -> Option<FactorClass> {
    match amr {
        "pwd" | "pin" | "kba" => Some(FactorClass::Knowledge),
        "fido" | "hwk" | "otp" | "pop" | "sc" | "sms" | "swk" | "tel" => {
            Some(FactorClass::Possession)
        }
        "face" | "fpt" | "iris" | "retina" | "vbm" => Some(FactorClass::Inherence),
        _ => None,
    }
}

/// What a proof of this kind is to Entra. A key that verified its person is something the
/// person has: its one name is `fido`.
pub fn class_at_entra(kind: FactorKind) -> FactorClass {
    match kind {
        FactorKind::Password => FactorClass::Knowledge,
        FactorKind::Totp | FactorKind::WebAuthn | FactorKind::WebAuthnVerified => {
            FactorClass::Possession
        }
    }
}

/// A person who proved the one factor that Entra asked for. Made only by [`complete`].
pub struct SecondFactorDone {
    user: UserId,
    kind: FactorKind,
    credential: CredentialId,
    at: Timestamp,
    attempt: AttemptId,
    request: SecondFactorRequest,
}

impl SecondFactorDone {
    /// Who.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// How.
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

    /// What was asked in it.
    pub fn request(&self) -> &SecondFactorRequest {
        &self.request
    }
}

/// Why proofs do not make a `SecondFactorDone`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotDone {
    /// The attempt is of another door.
    #[error("the attempt is no External MFA request")]
    OtherDoor,
    /// A seal is broken, or a row belongs elsewhere.
    #[error("a sealed row does not belong here")]
    Seal,
    /// The link is of somebody else than the request names.
    #[error("the link is not of the person whom the request names")]
    OtherLink,
    /// Proofs of different people.
    #[error("the proofs are of different people")]
    DifferentPeople,
    /// The account is disabled.
    #[error("the account is disabled")]
    Disabled,
    /// The credential that was used is not live any more.
    #[error("a credential that was used has been revoked")]
    Revoked,
    /// No proof of a class that is asked for; the first factor's is not.
    #[error("no factor of the kind that Entra asks for was proved")]
    NotAsked,
}

/// From the proofs of one attempt: the latest of those that Entra asks for, and nothing else.
///
/// # Errors
/// See [`NotDone`].
pub fn complete(
    attempt: &Attempt,
    records: &[EvidenceRecord],
    link: &ExternalAccount,
    holder: Holder<'_>,
    sealing: &Sealing,
    now: Timestamp,
    max_age: Duration,
) -> Result<SecondFactorDone, NotDone> {
    let asked = AskedSecondFactor::open(attempt, sealing)
        .map_err(|_| NotDone::Seal)?
        .ok_or(NotDone::OtherDoor)?;
    let request = asked.request();
    link.require_tag(sealing).map_err(|_| NotDone::Seal)?;
    if (link.tenant, link.object) != (request.tenant, request.object_id) {
        return Err(NotDone::OtherLink);
    }
    let evidence = evidence::open_all(records, attempt.binding(), sealing, now, max_age)
        .map_err(|_| NotDone::Seal)?;
    let user = &holder.user.id;
    if link.user != *user
        || attempt.user.as_ref() != Some(user)
        || evidence.iter().any(|proof| proof.user() != user)
    {
        return Err(NotDone::DifferentPeople);
    }
    holder
        .user
        .require_identity(sealing)
        .map_err(|_| NotDone::Seal)?;
    if holder.user.disabled_at.is_some() {
        return Err(NotDone::Disabled);
    }
    let proof = evidence
        .iter()
        .filter(|proof| request.acr_for(class_at_entra(proof.kind())).is_some())
        .max_by_key(|proof| proof.at())
        .ok_or(NotDone::NotAsked)?;
    if !holder.live_credentials.contains(proof.credential()) {
        return Err(NotDone::Revoked);
    }
    Ok(SecondFactorDone {
        user: user.clone(),
        kind: proof.kind(),
        credential: proof.credential().clone(),
        at: proof.at(),
        attempt: attempt.id.clone(),
        request: request.clone(),
    })
}

#[cfg(test)]
mod tests;
