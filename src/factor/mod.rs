//! Verify one thing, return its proof.
//!
//! Always true: a proof is made only in the file that checked it, after the check;
//! it has private fields and can be neither copied nor made from data. The only way
//! a proof outlives its request is [`evidence`], sealed to one attempt and browser.

/// Random passwords of single devices; they prove nothing to the passive doors.
pub mod app_password;
/// Proofs between requests: sealed rows of one attempt.
pub mod evidence;
/// Argon2id passwords.
pub mod password;
/// Codes that open re-enrolment.
pub mod recovery_code;
/// Time-based one-time codes (RFC 6238).
pub mod totp;
/// Security keys and passkeys (WebAuthn).
pub mod webauthn;

use std::collections::BTreeSet;

use crate::base::{
    clock::Timestamp,
    ids::{AttemptId, CredentialId, UserId},
};

/// How something was proved. Stored; never renumber or rename.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactorKind {
    /// A password.
    Password,
    /// A time-based one-time code.
    Totp,
    /// A WebAuthn assertion in which the authenticator saw a touch, and no more.
    #[serde(rename = "webauthn")]
    WebAuthn,
    /// A WebAuthn assertion for which the authenticator verified its person (PIN or biometric).
    #[serde(rename = "webauthn-verified")]
    WebAuthnVerified,
}

/// What sort of thing was proved. Two different ones make a sign-in multi-factor.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum FactorClass {
    /// Something the person knows.
    Knowledge,
    /// Something the person has.
    Possession,
    /// Something the person is.
    Inherence,
}

impl FactorKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::Password,
        Self::Totp,
        Self::WebAuthn,
        Self::WebAuthnVerified,
    ];

    /// The stored spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Totp => "totp",
            Self::WebAuthn => "webauthn",
            Self::WebAuthnVerified => "webauthn-verified",
        }
    }

    /// From the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What it proves. An authenticator that verified its person proves two things: that
    /// it is there, and that it knows who holds it. Whether by PIN or by finger it does
    /// not say, and nothing here depends on it.
    pub fn classes(self) -> &'static [FactorClass] {
        match self {
            Self::Password => &[FactorClass::Knowledge],
            Self::Totp | Self::WebAuthn => &[FactorClass::Possession],
            Self::WebAuthnVerified => &[FactorClass::Possession, FactorClass::Inherence],
        }
    }
}

/// The different classes that proofs of these kinds are of; multi-factor is two or more.
pub fn classes_of(kinds: impl IntoIterator<Item = FactorKind>) -> BTreeSet<FactorClass> {
    kinds
        .into_iter()
        .flat_map(|kind| kind.classes().iter().copied())
        .collect()
}

/// What a proof says, for reading.
#[derive(Clone, Copy, Debug)]
pub struct ProofFacts<'a> {
    /// Who was verified.
    pub user: &'a UserId,
    /// With what.
    pub credential: &'a CredentialId,
    /// How.
    pub kind: FactorKind,
    /// When.
    pub at: Timestamp,
    /// In which attempt.
    pub attempt: &'a AttemptId,
}

/// A proof of one factor. Sealed: only the verifiers of this room implement it.
pub trait Proof: sealed::Sealed {
    /// What it says.
    fn facts(&self) -> ProofFacts<'_>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::password::PasswordProof {}
    impl Sealed for super::totp::TotpProof {}
    impl Sealed for super::webauthn::assertion::WebAuthnProof {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_names_read_back_and_classes_differ() {
        use FactorKind::{Password, Totp, WebAuthn, WebAuthnVerified};
        for kind in FactorKind::ALL {
            assert_eq!(FactorKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(FactorKind::parse("Password"), None);
        let count = |kinds: &[FactorKind]| classes_of(kinds.iter().copied()).len();
        for one in [
            &[Password, Password][..],
            &[Totp],
            &[WebAuthn],
            &[Totp, WebAuthn],
        ] {
            assert_eq!(count(one), 1, "{one:?}");
        }
        for two in [
            &[Password, Totp][..],
            &[Password, WebAuthn],
            &[WebAuthnVerified],
            &[WebAuthnVerified, Totp],
        ] {
            assert_eq!(count(two), 2, "{two:?}");
        }
    }
}
