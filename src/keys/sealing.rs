//! The master key, its labels, sealing and tags.
//!
//! One secret that all nodes share; HKDF-SHA-256 (RFC 5869) derives from it a key
//! per label, so that a tag made for one thing never passes for another. Sealing
//! is AES-256-GCM under a key derived per value from a random salt, with the place
//! (table, column, row, owner) and the master key's id as associated data: a
//! ciphertext that a writer of the database moves elsewhere does not open.

use std::fmt;

use aws_lc_rs::{aead, digest, hkdf, hmac};
use zeroize::Zeroizing;

use crate::base::{
    random::{Random, random_bytes},
    secret::Secret,
};

/// 256 bits from which everything is derived.
#[derive(Clone, Debug)]
pub struct MasterKey(Secret<[u8; 32]>);

/// A text is not a master key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a master key is 64 hexadecimal digits on one line, as `claimbridge init` writes it")]
pub struct NotAMasterKey;

impl MasterKey {
    /// A new random key.
    pub fn random(random: &mut dyn Random) -> Self {
        Self(Secret::new(random_bytes::<32>(random)))
    }

    /// Reads the form that [`MasterKey::to_hex`] writes; white space around it is ignored.
    pub fn parse(text: &str) -> Result<Self, NotAMasterKey> {
        let bytes = Zeroizing::new(
            data_encoding::HEXLOWER_PERMISSIVE
                .decode(text.trim().as_bytes())
                .map_err(|_| NotAMasterKey)?,
        );
        let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| NotAMasterKey)?;
        Ok(Self(Secret::new(key)))
    }

    /// 64 hexadecimal digits, for the key file.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(data_encoding::HEXLOWER.encode(self.0.expose()))
    }
}

/// What a tag vouches for. Each has a key of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TagLabel {
    /// A proof of one attempt (`factor::evidence`).
    Evidence,
    /// A browser session (`signin::complete`).
    Session,
    /// A credential row: it belongs to that person and was not altered.
    Credential,
    /// A person's UPN and ImmutableID.
    Identity,
    /// Whose an account of a tenant is (External MFA).
    ExternalAccount,
    /// What Entra asked in one attempt and browser (External MFA).
    SecondFactorRequest,
    /// A form of this browser (CSRF).
    Form,
    /// An enrolment that a pass opened, in one attempt and browser.
    Enrolment,
    /// A temporary access pass, as stored.
    Pass,
    /// A recovery code, as stored.
    RecoveryCode,
    /// A hardware token's secret: two tokens with one are known by it.
    TokenSecret,
    /// A name in a counter's key.
    Bucket,
    /// What stands for a person's name in a bundle that names nobody.
    Pseudonym,
    /// How far a signing key is in its rollover.
    KeyState,
    /// All signing keys of a purpose together.
    KeyMark,
    /// How many changes of the keys there were, in the event of one.
    KeyGeneration,
    /// Which party was seen to know a signing key.
    KeySighting,
    /// What the watch over the federation found and is to tell.
    Watch,
    /// The doctor's question to a server of this master key, and its answer.
    Probe,
}

impl TagLabel {
    fn as_str(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Session => "session",
            Self::Credential => "credential",
            Self::Identity => "identity",
            Self::ExternalAccount => "external-account",
            Self::SecondFactorRequest => "second-factor-request",
            Self::Form => "form",
            Self::Enrolment => "enrolment",
            Self::Pass => "pass",
            Self::RecoveryCode => "recovery-code",
            Self::TokenSecret => "token-secret",
            Self::Bucket => "bucket",
            Self::Pseudonym => "pseudonym",
            Self::KeyState => "key-state",
            Self::KeyMark => "key-mark",
            Self::KeyGeneration => "key-generation",
            Self::KeySighting => "key-sighting",
            Self::Watch => "watch",
            Self::Probe => "probe",
        }
    }
}

/// Where a sealed value lives. All of it is authenticated.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The row's id.
    pub row: &'a str,
    /// Whose it is: a person, or `""`.
    pub owner: &'a str,
}

/// Why a sealed value or a tag was refused.
#[derive(Debug, Clone, Copy, Eq, PartialEq, thiserror::Error)]
pub enum SealError {
    /// Sealed under another master key.
    #[error(
        "the value was sealed under another master key; check master_key_file, or finish `keys rewrap`"
    )]
    OtherKey,
    /// Altered, moved, or not a sealed value.
    #[error("a sealed value was altered or moved")]
    Broken,
}

/// Seals and tags under one master key.
pub struct Sealing {
    id: String,
    root: hkdf::Prk,
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealing({})", self.id)
    }
}

struct KeyLength(usize);

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        self.0
    }
}

const FORM: &str = "cb1";

impl Sealing {
    /// Derives from `master`.
    pub fn new(master: &MasterKey) -> Self {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"claimbridge master key v1")
            .extract(master.0.expose());
        let mut sealing = Self {
            id: String::new(),
            root,
        };
        let id = sealing.derive("key id", b"");
        sealing.id =
            data_encoding::HEXLOWER.encode(&digest::digest(&digest::SHA256, &id[..]).as_ref()[..8]);
        sealing
    }

    /// The master key's id: 16 hexadecimal digits that tell keys apart and nothing of them.
    pub fn key_id(&self) -> &str {
        &self.id
    }

    /// Seals `plain` for `place`.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8], random: &mut dyn Random) -> String {
        let salt = random_bytes::<16>(random);
        let mut sealed = plain.to_vec();
        let key = self.column_key(&salt);
        // The key is used once (its salt is random), so the nonce may be fixed.
        let nonce = aead::Nonce::assume_unique_for_key([0; 12]);
        let aad = aead::Aad::from(self.associated_data(place));
        #[expect(
            clippy::expect_used,
            reason = "AES-GCM fails only on inputs over 64 GiB"
        )]
        key.seal_in_place_append_tag(nonce, aad, &mut sealed)
            .expect("sealing a small value");
        let base64 = &data_encoding::BASE64URL_NOPAD;
        format!(
            "{FORM}.{}.{}.{}",
            self.id,
            base64.encode(&salt),
            base64.encode(&sealed)
        )
    }

    /// Opens what [`Sealing::seal`] made for the same place.
    pub fn open(&self, place: &Place<'_>, sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut parts = sealed.split('.');
        let (Some(FORM), Some(id), Some(salt), Some(body), None) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return Err(SealError::Broken);
        };
        if id != self.id {
            return Err(SealError::OtherKey);
        }
        let base64 = &data_encoding::BASE64URL_NOPAD;
        let salt = base64
            .decode(salt.as_bytes())
            .map_err(|_| SealError::Broken)?;
        let mut bytes = Zeroizing::new(
            base64
                .decode(body.as_bytes())
                .map_err(|_| SealError::Broken)?,
        );
        let nonce = aead::Nonce::assume_unique_for_key([0; 12]);
        let aad = aead::Aad::from(self.associated_data(place));
        let length = self
            .column_key(&salt)
            .open_in_place(nonce, aad, &mut bytes)
            .map_err(|_| SealError::Broken)?
            .len();
        bytes.truncate(length);
        Ok(bytes)
    }

    /// An HMAC-SHA-256 over `fields`, each with its length before it, hex.
    pub fn tag(&self, label: TagLabel, fields: &[&[u8]]) -> String {
        data_encoding::HEXLOWER.encode(hmac::sign(&self.tag_key(label), &framed(fields)).as_ref())
    }

    /// Checks a tag in constant time.
    pub fn verify_tag(
        &self,
        label: TagLabel,
        fields: &[&[u8]],
        tag: &str,
    ) -> Result<(), SealError> {
        let tag = data_encoding::HEXLOWER
            .decode(tag.as_bytes())
            .map_err(|_| SealError::Broken)?;
        hmac::verify(&self.tag_key(label), &framed(fields), &tag).map_err(|_| SealError::Broken)
    }

    fn associated_data(&self, place: &Place<'_>) -> Vec<u8> {
        framed(&[
            self.id.as_bytes(),
            place.table.as_bytes(),
            place.column.as_bytes(),
            place.row.as_bytes(),
            place.owner.as_bytes(),
        ])
    }

    fn tag_key(&self, label: TagLabel) -> hmac::Key {
        hmac::Key::new(
            hmac::HMAC_SHA256,
            &self.derive("tag", label.as_str().as_bytes())[..],
        )
    }

    fn column_key(&self, salt: &[u8]) -> aead::LessSafeKey {
        let bytes = self.derive("column", salt);
        #[expect(clippy::expect_used, reason = "the length is a constant that fits")]
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, &bytes[..]).expect("a 256-bit key");
        aead::LessSafeKey::new(key)
    }

    fn derive(&self, label: &str, detail: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let info = framed(&[label.as_bytes(), detail]);
        #[expect(clippy::expect_used, reason = "32 bytes are within HKDF's limit")]
        self.root
            .expand(&[&info], KeyLength(32))
            .and_then(|okm| okm.fill(&mut key[..]))
            .expect("HKDF of 32 bytes");
        key
    }
}

/// Fields with their lengths before them, so that no two lists have one encoding.
fn framed(fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(fields.iter().map(|f| f.len() + 8).sum());
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;

    const PLACE: Place<'static> = Place {
        table: "totp",
        column: "secret",
        row: "crd_1",
        owner: "usr_1",
    };

    fn sealing() -> Sealing {
        Sealing::new(&MasterKey::random(&mut SystemRandom))
    }

    #[test]
    fn attack_38_what_is_sealed_opens_in_its_place_and_nowhere_else() {
        let sealing = sealing();
        let sealed = sealing.seal(&PLACE, b"hello", &mut SystemRandom);
        assert_eq!(sealing.open(&PLACE, &sealed).unwrap().as_slice(), b"hello");
        for other in [
            Place {
                table: "password",
                ..PLACE
            },
            Place {
                column: "phc",
                ..PLACE
            },
            Place {
                row: "crd_2",
                ..PLACE
            },
            Place {
                owner: "usr_2",
                ..PLACE
            },
        ] {
            assert_eq!(sealing.open(&other, &sealed), Err(SealError::Broken));
        }
        for position in 0..sealed.len() {
            let mut altered = sealed.clone().into_bytes();
            altered[position] = if altered[position] == b'A' {
                b'B'
            } else {
                b'A'
            };
            let altered = String::from_utf8(altered).unwrap();
            if altered != sealed {
                assert!(sealing.open(&PLACE, &altered).is_err(), "{position}");
            }
        }
    }

    #[test]
    fn another_master_key_is_named() {
        let sealed = sealing().seal(&PLACE, b"hello", &mut SystemRandom);
        assert_eq!(sealing().open(&PLACE, &sealed), Err(SealError::OtherKey));
    }

    #[test]
    fn attack_34_a_tag_is_of_its_label_and_of_these_fields() {
        let sealing = sealing();
        let tag = sealing.tag(TagLabel::Evidence, &[b"ab", b"c"]);
        assert_eq!(
            sealing.verify_tag(TagLabel::Evidence, &[b"ab", b"c"], &tag),
            Ok(())
        );
        assert!(
            sealing
                .verify_tag(TagLabel::Session, &[b"ab", b"c"], &tag)
                .is_err()
        );
        assert!(
            sealing
                .verify_tag(TagLabel::Evidence, &[b"a", b"bc"], &tag)
                .is_err()
        );
        assert!(
            sealing
                .verify_tag(TagLabel::Evidence, &[b"ab", b"c"], "")
                .is_err()
        );
        assert!(
            sealing
                .verify_tag(TagLabel::Evidence, &[b"ab", b"c"], &tag[..32])
                .is_err()
        );
    }

    #[test]
    fn a_master_key_reads_back() {
        let key = MasterKey::random(&mut SystemRandom);
        let again = MasterKey::parse(&format!("{}\n", key.to_hex().as_str())).unwrap();
        assert_eq!(Sealing::new(&key).key_id(), Sealing::new(&again).key_id());
        assert!(MasterKey::parse("abc").is_err());
        assert_eq!(format!("{key:?}"), "MasterKey([secret])");
    }
}
