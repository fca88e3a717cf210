//! A security key or passkey of a person: the row and its tag.

use std::fmt;

use crate::{
    base::{
        aaguid::Aaguid,
        clock::Timestamp,
        ids::{CredentialId, UserId},
    },
    keys::sealing::{SealError, Sealing, TagLabel},
};

/// A signature algorithm by its COSE number (IANA COSE Algorithms).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CoseAlgorithm(pub i64);

impl CoseAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    pub const ES256: Self = Self(-7);
    /// EdDSA (Ed25519). Not verified yet: the configuration refuses it by name.
    pub const EDDSA: Self = Self(-8);
    /// ECDSA on P-384 with SHA-384.
    pub const ES384: Self = Self(-35);
    /// RSASSA-PKCS1-v1_5 with SHA-256 (Windows Hello on older TPMs).
    pub const RS256: Self = Self(-257);

    const NAMES: [(Self, &'static str); 4] = [
        (Self::ES256, "ES256"),
        (Self::EDDSA, "EdDSA"),
        (Self::ES384, "ES384"),
        (Self::RS256, "RS256"),
    ];
}

impl fmt::Display for CoseAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(known, _)| known == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "COSE {}", self.0),
        }
    }
}

/// A text names no algorithm that can be verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the algorithms are ES256, ES384 and RS256")]
pub struct CoseAlgorithmError;

impl std::str::FromStr for CoseAlgorithm {
    type Err = CoseAlgorithmError;

    fn from_str(text: &str) -> Result<Self, CoseAlgorithmError> {
        Self::NAMES
            .into_iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(text))
            .map(|(algorithm, _)| algorithm)
            .ok_or(CoseAlgorithmError)
    }
}

/// How far the model of a key was proved at registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AttestationState {
    /// The key said nothing.
    None,
    /// It vouched for itself (packed self attestation).
    SelfAttested,
    /// A root of its model in the metadata vouches for it.
    Verified,
    /// Somebody vouches for it whom the metadata does not know.
    Untrusted,
}

impl AttestationState {
    const NAMES: [(Self, &'static str); 4] = [
        (Self::None, "none"),
        (Self::SelfAttested, "self"),
        (Self::Verified, "verified"),
        (Self::Untrusted, "untrusted"),
    ];

    /// The stored spelling.
    pub fn as_str(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(state, _)| *state == self)
            .map_or("none", |(_, name)| name)
    }

    /// From the stored spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::NAMES
            .into_iter()
            .find(|(_, name)| *name == text)
            .map(|(state, _)| state)
    }
}

/// A security key or passkey of a person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecurityKey {
    /// Our id.
    pub id: CredentialId,
    /// Whose it is.
    pub user: UserId,
    /// What the person calls it. Text everywhere.
    pub name: String,
    /// The key's own name (16 to 1023 bytes); unique for ever.
    pub credential_id: Vec<u8>,
    /// The library's record, JSON: public key and what must not change.
    pub passkey: String,
    /// Its model, as it said.
    pub aaguid: Aaguid,
    /// How it signs.
    pub algorithm: CoseAlgorithm,
    /// Whether it can be copied to other devices.
    pub backup_eligible: bool,
    /// Whether it verified its person when it was registered.
    pub user_verified: bool,
    /// What vouches for the model.
    pub attestation: AttestationState,
    /// The attestation certificate's key (SHA-1, hex), if it brought one: the model of a U2F key.
    pub attestation_key: Option<String>,
    /// How it is reached, as the browser said.
    pub transports: Vec<String>,
    /// Whether it works without a user name, as the browser said.
    pub discoverable: Option<bool>,
    /// Its counter at its last use; it never goes down.
    pub counter: u32,
    /// Whether it was copied to other devices, as it said at its last use.
    pub backed_up: bool,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last used to sign in.
    pub last_used_at: Option<Timestamp>,
    /// When it was taken away.
    pub revoked_at: Option<Timestamp>,
    /// See [`SecurityKey::make_tag`].
    pub tag: String,
}

impl SecurityKey {
    /// The tag over what makes the row this key of this person: all that does not change with
    /// use, and neither the name nor what the browser said.
    pub fn make_tag(&self, sealing: &Sealing) -> String {
        self.with_fields(|fields| sealing.tag(TagLabel::Credential, fields))
    }

    /// Checks the tag.
    pub fn require_tag(&self, sealing: &Sealing) -> Result<(), SealError> {
        self.with_fields(|fields| sealing.verify_tag(TagLabel::Credential, fields, &self.tag))
    }

    /// Whether it may be used to sign in.
    pub fn is_live(&self) -> bool {
        self.revoked_at.is_none()
    }

    fn with_fields<T>(&self, run: impl FnOnce(&[&[u8]]) -> T) -> T {
        let flags = [u8::from(self.backup_eligible), u8::from(self.user_verified)];
        run(&[
            b"webauthn",
            self.id.as_str().as_bytes(),
            self.user.as_str().as_bytes(),
            &self.credential_id,
            self.passkey.as_bytes(),
            self.aaguid.as_bytes(),
            &self.algorithm.0.to_be_bytes(),
            &flags,
            self.attestation.as_str().as_bytes(),
            self.attestation_key.as_deref().unwrap_or("").as_bytes(),
            &self.created_at.as_millis().to_be_bytes(),
        ])
    }
}
