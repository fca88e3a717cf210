//! Credential rows and the tags that hold them to their person.

use crate::{
    base::{
        clock::Timestamp,
        ids::{CredentialId, PassId, UserId},
    },
    keys::sealing::{Place, SealError, Sealing, TagLabel},
};

/// A password, hashed (PHC string, Argon2id).
#[derive(Clone, Debug)]
pub struct PasswordCredential {
    /// Its id; a new password is a new credential.
    pub id: CredentialId,
    /// Whose it is.
    pub user: UserId,
    /// `$argon2id$…`.
    pub phc: String,
    /// When it was set.
    pub set_at: Timestamp,
    /// Since when it opens nothing until it is reset (too many second-factor failures).
    pub dead_at: Option<Timestamp>,
    /// See [`PasswordCredential::make_tag`].
    pub tag: String,
}

impl PasswordCredential {
    /// The tag over (kind, id, person, hash).
    pub fn make_tag(sealing: &Sealing, id: &CredentialId, user: &UserId, phc: &str) -> String {
        sealing.tag(
            TagLabel::Credential,
            &[
                b"password",
                id.as_str().as_bytes(),
                user.as_str().as_bytes(),
                phc.as_bytes(),
            ],
        )
    }

    /// Checks the tag.
    pub fn require_tag(&self, sealing: &Sealing) -> Result<(), SealError> {
        sealing.verify_tag(
            TagLabel::Credential,
            &[
                b"password",
                self.id.as_str().as_bytes(),
                self.user.as_str().as_bytes(),
                self.phc.as_bytes(),
            ],
            &self.tag,
        )
    }
}

/// The hash inside a TOTP (RFC 6238 §1.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
pub enum OathAlgorithm {
    /// HMAC-SHA-1, what nearly every program and token uses.
    #[serde(rename = "SHA1")]
    Sha1,
    /// HMAC-SHA-256.
    #[serde(rename = "SHA256")]
    Sha256,
    /// HMAC-SHA-512.
    #[serde(rename = "SHA512")]
    Sha512,
}

impl OathAlgorithm {
    /// As in `otpauth://` links and as stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    /// From the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256, Self::Sha512]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
    }
}

/// How codes are made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TotpParameters {
    /// The hash.
    pub algorithm: OathAlgorithm,
    /// 6 or 8.
    pub digits: u8,
    /// Seconds a code lives: 30 or 60.
    pub period: u16,
}

impl Default for TotpParameters {
    /// What every program understands: SHA-1, 6 digits, 30 seconds.
    fn default() -> Self {
        Self {
            algorithm: OathAlgorithm::Sha1,
            digits: 6,
            period: 30,
        }
    }
}

/// A TOTP secret of a person: a program on a desktop now, a hardware token later.
#[derive(Clone, Debug)]
pub struct TotpCredential {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub user: UserId,
    /// What the person calls it. Text everywhere.
    pub name: String,
    /// How codes are made.
    pub parameters: TotpParameters,
    /// The shared secret, sealed for [`TotpCredential::secret_place`].
    pub sealed_secret: String,
    /// How many steps its clock runs ahead of ours (negative: behind), learned at each use.
    pub drift_steps: i64,
    /// The last step whose code was accepted; it never goes down.
    pub last_step: Option<i64>,
    /// When a code confirmed it; before that it proves nothing.
    pub confirmed_at: Option<Timestamp>,
    /// When it was taken away.
    pub revoked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// See [`TotpCredential::make_tag`].
    pub tag: String,
}

impl TotpCredential {
    /// Where the secret is sealed.
    pub fn secret_place<'a>(id: &'a CredentialId, user: &'a UserId) -> Place<'a> {
        Place {
            table: "totp",
            column: "sealed_secret",
            row: id.as_str(),
            owner: user.as_str(),
        }
    }

    /// The tag over (kind, id, person, parameters, sealed secret).
    pub fn make_tag(
        sealing: &Sealing,
        id: &CredentialId,
        user: &UserId,
        parameters: TotpParameters,
        sealed_secret: &str,
    ) -> String {
        sealing.tag(
            TagLabel::Credential,
            &totp_fields(id, user, &parameter_text(parameters), sealed_secret),
        )
    }

    /// Checks the tag.
    pub fn require_tag(&self, sealing: &Sealing) -> Result<(), SealError> {
        let parameters = parameter_text(self.parameters);
        sealing.verify_tag(
            TagLabel::Credential,
            &totp_fields(&self.id, &self.user, &parameters, &self.sealed_secret),
            &self.tag,
        )
    }

    /// Whether it may be used to sign in: confirmed and not taken away.
    pub fn is_live(&self) -> bool {
        self.confirmed_at.is_some() && self.revoked_at.is_none()
    }
}

fn parameter_text(parameters: TotpParameters) -> String {
    format!(
        "{} {} {}",
        parameters.algorithm.as_str(),
        parameters.digits,
        parameters.period
    )
}

fn totp_fields<'a>(
    id: &'a CredentialId,
    user: &'a UserId,
    parameters: &'a str,
    sealed_secret: &'a str,
) -> [&'a [u8]; 5] {
    [
        b"totp",
        id.as_str().as_bytes(),
        user.as_str().as_bytes(),
        parameters.as_bytes(),
        sealed_secret.as_bytes(),
    ]
}

/// Whether a pass opens enrolment once or until it ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PassReuse {
    /// The first use consumes it.
    Once,
    /// It may be used until it ends.
    UntilExpiry,
}

/// A temporary access pass: opens enrolment, never a claim (facts §7).
#[derive(Clone, Debug)]
pub struct AccessPass {
    /// Its id.
    pub id: PassId,
    /// For whom.
    pub user: UserId,
    /// An HMAC of its value; the value is shown once and not kept.
    pub value_tag: String,
    /// Who issued it: the operating system's account on the command line.
    pub issued_by: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when it may be used.
    pub starts_at: Timestamp,
    /// From when it may not.
    pub expires_at: Timestamp,
    /// Once, or several times.
    pub reuse: PassReuse,
    /// When it was used (first).
    pub used_at: Option<Timestamp>,
    /// When it was taken back, or replaced by a newer one.
    pub revoked_at: Option<Timestamp>,
}
