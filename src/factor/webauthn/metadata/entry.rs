//! One model: its name and picture, the roots that vouch for it, and what became of it.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{
    base::{aaguid::Aaguid, clock::Timestamp},
    factor::webauthn::chain::{Anchoring, ChainError, TrustedLeaf, verify_chain},
};

/// The most bytes a picture may have.
pub const MAX_ICON_BYTES: usize = 64 << 10;

/// What is known of a model.
#[derive(Debug)]
pub struct Entry {
    pub(super) aaguid: Option<Aaguid>,
    pub(super) name: Box<str>,
    pub(super) icon: Option<Icon>,
    pub(super) roots: Box<[Arc<[u8]>]>,
    pub(super) reports: Box<[StatusReport]>,
}

/// Name and picture of a model.
#[derive(Clone, Copy, Debug)]
pub struct KeyModel<'m> {
    /// What its maker calls it: text, never markup.
    pub name: &'m str,
    /// Its picture, if the metadata has one that is safe to show.
    pub icon: Option<&'m Icon>,
}

/// What the FIDO Alliance reports that makes a model's keys doubtful (MDS3 §3.1.4).
/// In order: the worst first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Compromise {
    /// The model lost its certification.
    Revoked,
    /// The key that attests is in wrong hands: any program can pretend to be this model.
    AttestationKey,
    /// Private keys can be had from afar.
    UserKeyRemote,
    /// Private keys can be had by whoever holds the key.
    UserKeyPhysical,
    /// PIN or fingerprint can be got around.
    UserVerificationBypass,
}

impl fmt::Display for Compromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revoked => "REVOKED",
            Self::AttestationKey => "ATTESTATION_KEY_COMPROMISE",
            Self::UserKeyRemote => "USER_KEY_REMOTE_COMPROMISE",
            Self::UserKeyPhysical => "USER_KEY_PHYSICAL_COMPROMISE",
            Self::UserVerificationBypass => "USER_VERIFICATION_BYPASS",
        })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    Bad(Compromise),
    /// Certified, submitted, updated, or a status of tomorrow.
    Other,
}

impl Status {
    pub(super) fn parse(text: &str) -> Self {
        [
            Compromise::Revoked,
            Compromise::AttestationKey,
            Compromise::UserKeyRemote,
            Compromise::UserKeyPhysical,
            Compromise::UserVerificationBypass,
        ]
        .into_iter()
        .find(|bad| bad.to_string() == text)
        .map_or(Self::Other, Self::Bad)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct StatusReport {
    pub(super) status: Status,
    /// None: in effect.
    pub(super) effective: Option<Timestamp>,
}

impl Entry {
    /// The model; none for keys that are known by their attestation certificate (U2F).
    pub fn aaguid(&self) -> Option<&Aaguid> {
        self.aaguid.as_ref()
    }

    /// Name and picture.
    pub fn model(&self) -> KeyModel<'_> {
        KeyModel {
            name: &self.name,
            icon: self.icon.as_ref(),
        }
    }

    /// The certificates (DER) that vouch for the model's attestations.
    pub fn roots(&self) -> &[Arc<[u8]>] {
        &self.roots
    }

    /// The worst that is reported of the model and in effect at `now`. A report stays in
    /// effect although a later one says "update available": nobody sees from outside
    /// which firmware a key has.
    pub fn compromise(&self, now: Timestamp) -> Option<Compromise> {
        self.reports
            .iter()
            .filter(|report| report.effective.is_none_or(|from| from <= now))
            .filter_map(|report| match report.status {
                Status::Bad(compromise) => Some(compromise),
                Status::Other => None,
            })
            .min()
    }

    /// Verifies that an attestation's certificates (DER, `x5c`) lead to one of the
    /// model's roots. Whether the attestation is signed by the first of them, and is of
    /// this model, is the caller's to verify.
    pub fn verify_attestation_chain<'c>(
        &self,
        chain: &'c [impl AsRef<[u8]>],
        now: Timestamp,
    ) -> Result<TrustedLeaf<'c>, ChainError> {
        verify_chain(chain, &self.roots, Anchoring::LeafToo, now)
    }
}

/// SHA-1 of an attestation certificate's public key (RFC 5280 §4.2.1.2 method 1): by it
/// the metadata knows keys that have no AAGUID. An identifier, no protection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct KeyIdentifier([u8; 20]);

/// A text is not a key identifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an attestation certificate's key identifier has 40 hexadecimal digits")]
pub struct KeyIdentifierError;

impl KeyIdentifier {
    /// That of a certificate (DER).
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        use x509_parser::prelude::FromDer as _;
        let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(der).ok()?;
        let digest = aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
            &certificate.public_key().subject_public_key.data,
        );
        digest.as_ref().try_into().ok().map(Self)
    }
}

impl FromStr for KeyIdentifier {
    type Err = KeyIdentifierError;

    fn from_str(text: &str) -> Result<Self, KeyIdentifierError> {
        data_encoding::HEXLOWER_PERMISSIVE
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or(KeyIdentifierError)
    }
}

impl fmt::Display for KeyIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// What a picture is, by its first bytes: the file's word does not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Picture {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
}

impl Picture {
    /// For the `Content-Type` header.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }
}

/// A picture of a model. Never SVG, which can hold a program (attack 32).
#[derive(Clone, Debug)]
pub struct Icon {
    picture: Picture,
    bytes: Box<[u8]>,
}

impl Icon {
    /// What it is.
    pub fn picture(&self) -> Picture {
        self.picture
    }

    /// Its bytes, at most [`MAX_ICON_BYTES`].
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// From a `data:` address; nothing if it is no picture that is safe to show.
    pub(super) fn read(uri: &str) -> Option<Self> {
        let (head, data) = uri.split_once(',')?;
        if !head.starts_with("data:image/") || !head.ends_with(";base64") {
            return None;
        }
        if data.len() > MAX_ICON_BYTES * 4 / 3 + 4 {
            return None;
        }
        let bytes = data_encoding::BASE64
            .decode(data.trim().as_bytes())
            .ok()?
            .into_boxed_slice();
        let picture = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Picture::Png
        } else if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Picture::Jpeg
        } else {
            return None;
        };
        (bytes.len() <= MAX_ICON_BYTES).then_some(Self { picture, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(head: &str, bytes: &[u8]) -> String {
        format!("{head},{}", data_encoding::BASE64.encode(bytes))
    }

    #[test]
    fn attack_32_a_picture_is_what_its_bytes_are() {
        let png = b"\x89PNG\r\n\x1a\nrest".as_slice();
        let read = |head: &str, bytes: &[u8]| Icon::read(&uri(head, bytes)).map(|i| i.picture());
        assert_eq!(read("data:image/png;base64", png), Some(Picture::Png));
        // The file says SVG; what would be served is PNG.
        assert_eq!(read("data:image/svg+xml;base64", png), Some(Picture::Png));
        assert_eq!(
            read("data:image/png;base64", b"\xff\xd8\xff\xe0"),
            Some(Picture::Jpeg)
        );
        assert_eq!(read("data:image/png;base64", b"<svg onload=x>"), None);
        assert_eq!(read("data:text/html;base64", png), None);
        assert_eq!(read("data:image/png", png), None);
        assert!(Icon::read("https://example.com/key.png").is_none());
        assert!(Icon::read("data:image/png;base64,!").is_none());
        let mut large = png.to_vec();
        large.resize(MAX_ICON_BYTES, 0);
        assert_eq!(read("data:image/png;base64", &large), Some(Picture::Png));
        // The line's end that some files have does not make it longer.
        let ended = format!("{}\n", uri("data:image/png;base64", &large));
        assert!(Icon::read(&ended).is_some());
        large.push(0);
        assert_eq!(read("data:image/png;base64", &large), None);
        large.resize(MAX_ICON_BYTES * 2, 0);
        assert_eq!(read("data:image/png;base64", &large), None);
    }

    #[test]
    fn the_worst_report_in_effect_counts() {
        let at = |millis| Some(Timestamp::from_millis(millis));
        let entry = |reports: &[(&str, Option<Timestamp>)]| Entry {
            aaguid: None,
            name: "".into(),
            icon: None,
            roots: Box::default(),
            reports: reports
                .iter()
                .map(|(status, effective)| StatusReport {
                    status: Status::parse(status),
                    effective: *effective,
                })
                .collect(),
        };
        let now = Timestamp::from_millis(1000);
        for (reports, wanted) in [
            (&[][..], None),
            (&[("FIDO_CERTIFIED_L2", at(0)), ("OF_TOMORROW", None)], None),
            (&[("REVOKED", at(1000))], Some(Compromise::Revoked)),
            (&[("REVOKED", at(1001))], None),
            (&[("REVOKED", None)], Some(Compromise::Revoked)),
            (&[("revoked", None)], None),
            (
                &[
                    ("USER_VERIFICATION_BYPASS", at(0)),
                    ("UPDATE_AVAILABLE", at(1)),
                ],
                Some(Compromise::UserVerificationBypass),
            ),
            (
                &[
                    ("USER_KEY_PHYSICAL_COMPROMISE", at(0)),
                    ("REVOKED", at(9000)),
                ],
                Some(Compromise::UserKeyPhysical),
            ),
            (
                &[
                    ("USER_KEY_REMOTE_COMPROMISE", at(0)),
                    ("ATTESTATION_KEY_COMPROMISE", at(0)),
                ],
                Some(Compromise::AttestationKey),
            ),
        ] {
            assert_eq!(entry(reports).compromise(now), wanted, "{reports:?}");
        }
    }

    #[test]
    fn a_key_identifier_is_forty_digits() {
        let text = "7c0903708b87115b0b422def3138c3c864e44573";
        assert_eq!(text.parse::<KeyIdentifier>().unwrap().to_string(), text);
        for bad in ["", &text[1..], "zz0903708b87115b0b422def3138c3c864e44573"] {
            assert_eq!(bad.parse::<KeyIdentifier>(), Err(KeyIdentifierError));
        }
        assert_eq!(KeyIdentifier::of_certificate(b"x"), None);
    }
}
