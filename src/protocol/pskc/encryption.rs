//! How a PSKC container is encrypted (RFC 6030 §6.1 and §6.2).
//!
//! Always true: the MAC over a ciphertext is checked before a byte of it is decrypted.
//! Padding is XML Encryption's (§5.2.1 there: the last byte counts, the others are
//! anything), so it is taken off by hand; behind a right MAC it is no oracle.

use std::num::NonZeroU32;

use aws_lc_rs::{
    cipher::{self, DecryptingKey, DecryptionContext, UnboundCipherKey},
    hmac, pbkdf2,
};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::NS;
use crate::{
    base::secret::Secret,
    protocol::xml::{ReadError, XmlElement},
};

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
const PKCS5: &str = "http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#";

/// What a container may ask of us before anything is known of it.
const MOST_ITERATIONS: u32 = 10_000_000;
const BLOCK: usize = 16;

/// In bytes: what AES-128 has, the shortest key that a container can be encrypted with.
const SHORTEST_MAC_KEY: usize = 16;

/// What the operator knows of an encrypted container.
#[derive(Clone, Debug)]
pub enum PskcKey {
    /// The pre-shared key (§6.1).
    PreShared(Secret<Vec<u8>>),
    /// The passphrase (§6.2).
    Passphrase(Secret<String>),
}

/// Why something encrypted is not opened.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum EncryptionProblem {
    /// Nothing was said of the key.
    #[error("it is encrypted; give the vendor's key with {0}")]
    KeyNeeded(&'static str),
    /// Encrypted for a certificate, or derived in another way.
    #[error("it is encrypted in a way that is not offered ({0})")]
    NotOffered(&'static str),
    /// A key was given, and there is nothing that it opens: whoever altered the file may have
    /// left the encryption out.
    #[error(
        "it is not encrypted although a key was given: take the vendor's file as it came, or leave the key out"
    )]
    NotEncrypted,
    /// An algorithm that is not offered.
    #[error("the algorithm {0} is not offered")]
    Algorithm(String),
    /// Salt, count or length.
    #[error("the parameters of the key derivation are wrong or beyond measure")]
    Derivation,
    /// Not base64, or not whole blocks.
    #[error("a ciphertext is damaged")]
    Damaged,
    /// §6.1: AES-CBC has no integrity of its own.
    #[error("it is encrypted without a MAC, so that nobody would notice an alteration")]
    NoMac,
    /// Wrong key or altered file: nobody can tell these apart.
    #[error("the MAC is wrong: the key or passphrase is another one, or the file was altered")]
    WrongMac,
    /// A MAC under a key of a few bytes, or of none, can be made by anyone.
    #[error(
        "the key of its MACs has fewer than {SHORTEST_MAC_KEY} bytes, so that anybody could have made them"
    )]
    MacKey,
    /// The key's length is not the algorithm's.
    #[error("the key is not as long as the algorithm wants")]
    KeyLength,
    /// The structure.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The keys of a container.
pub(super) enum Encryption {
    /// It says nothing of encryption.
    None,
    /// These.
    Keys {
        encryption: Zeroizing<Vec<u8>>,
        mac: Option<Box<hmac::Key>>,
    },
}

impl Encryption {
    /// Reads `EncryptionKey` and `MACMethod`, and derives what they say.
    pub(super) fn parse(
        container: XmlElement<'_>,
        key: Option<&PskcKey>,
    ) -> Result<Self, EncryptionProblem> {
        let Some(element) = container.optional_child(NS, "EncryptionKey")? else {
            if key.is_some() {
                return Err(EncryptionProblem::NotEncrypted);
            }
            if container.optional_child(NS, "MACMethod")?.is_some() {
                return Err(EncryptionProblem::NotOffered("MACs without a key"));
            }
            return Ok(Self::None);
        };
        let derived = element.optional_child(XENC11, "DerivedKey")?;
        let encryption = match (derived, key) {
            (Some(derived), Some(PskcKey::Passphrase(passphrase))) => derive(derived, passphrase)?,
            (Some(_), _) => return Err(EncryptionProblem::KeyNeeded("--passphrase-file")),
            (None, _) if element.children_named(DS, "X509Data").next().is_some() => {
                return Err(EncryptionProblem::NotOffered("for a certificate"));
            }
            (None, Some(PskcKey::PreShared(key))) => Zeroizing::new(key.expose().clone()),
            (None, _) => return Err(EncryptionProblem::KeyNeeded("--key-file")),
        };
        let mac = match container.optional_child(NS, "MACMethod")? {
            None => None,
            Some(method) => Some(Box::new(mac_key(method, &encryption)?)),
        };
        Ok(Self::Keys { encryption, mac })
    }

    /// Whether a plain secret is one that somebody put there.
    pub(super) fn is_wanted(&self) -> bool {
        matches!(self, Self::Keys { .. })
    }

    /// Opens an `EncryptedValue` whose `ValueMAC` is right.
    pub(super) fn open(
        &self,
        value: XmlElement<'_>,
        value_mac: Option<&str>,
    ) -> Result<Zeroizing<Vec<u8>>, EncryptionProblem> {
        let Self::Keys { encryption, mac } = self else {
            return Err(EncryptionProblem::NotOffered(
                "without saying with which key",
            ));
        };
        let (Some(mac), Some(value_mac)) = (mac, value_mac) else {
            return Err(EncryptionProblem::NoMac);
        };
        let ciphertext = cipher_value(value)?;
        let expected = base64(value_mac)?;
        hmac::verify(mac, &ciphertext, &expected).map_err(|_| EncryptionProblem::WrongMac)?;
        decrypt(value, ciphertext, encryption)
    }
}

/// §6.1.1: the MAC's key, encrypted under the container's; without one it is the same key.
fn mac_key(method: XmlElement<'_>, key: &[u8]) -> Result<hmac::Key, EncryptionProblem> {
    let algorithm = method.attribute("Algorithm").unwrap_or_default();
    let algorithm = match algorithm {
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256" => hmac::HMAC_SHA256,
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha384" => hmac::HMAC_SHA384,
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha512" => hmac::HMAC_SHA512,
        other => return Err(EncryptionProblem::Algorithm(short(other))),
    };
    let strong = |key: &[u8]| {
        if key.len() < SHORTEST_MAC_KEY {
            return Err(EncryptionProblem::MacKey);
        }
        Ok(hmac::Key::new(algorithm, key))
    };
    match method.optional_child(NS, "MACKey")? {
        None => strong(key),
        Some(element) => {
            // With a wrong key this is noise, or a wrong padding: either way the MACs will
            // be wrong, and that is what is said.
            let noise = |problem| match problem {
                EncryptionProblem::Damaged => EncryptionProblem::WrongMac,
                other => other,
            };
            let ciphertext = cipher_value(element)?;
            strong(&decrypt(element, ciphertext, key).map_err(noise)?)
        }
    }
}

/// §6.2: PBKDF2, in the spelling of RFC 6030's sample or of XML Encryption 1.1.
fn derive(
    derived: XmlElement<'_>,
    passphrase: &Secret<String>,
) -> Result<Zeroizing<Vec<u8>>, EncryptionProblem> {
    let method = derived.only_child(XENC11, "KeyDerivationMethod")?;
    let algorithm = method.attribute("Algorithm").unwrap_or_default();
    let namespace = [PKCS5, XENC11]
        .into_iter()
        .find(|namespace| algorithm.strip_prefix(namespace) == Some("pbkdf2"))
        .ok_or_else(|| EncryptionProblem::Algorithm(short(algorithm)))?;
    let parameters = method.only_child(namespace, "PBKDF2-params")?;
    // The sample's elements have no namespace; others give them one.
    let child = |parent: XmlElement<'_>, name: &str| -> Result<Option<String>, EncryptionProblem> {
        for namespace in ["", namespace] {
            if let Some(found) = parent.optional_child(namespace, name)? {
                return Ok(Some(found.text()?.trim().to_owned()));
            }
        }
        Ok(None)
    };
    let salt = parameters
        .optional_child("", "Salt")?
        .or(parameters.optional_child(namespace, "Salt")?)
        .ok_or(EncryptionProblem::Derivation)?;
    let salt = base64(&child(salt, "Specified")?.ok_or(EncryptionProblem::Derivation)?)?;
    let number = |name| -> Result<Option<u32>, EncryptionProblem> {
        child(parameters, name)?
            .map(|text| text.parse().map_err(|_| EncryptionProblem::Derivation))
            .transpose()
    };
    let iterations = number("IterationCount")?
        .filter(|count| *count <= MOST_ITERATIONS)
        .and_then(NonZeroU32::new)
        .ok_or(EncryptionProblem::Derivation)?;
    let length = match number("KeyLength")? {
        Some(24) => 24,
        Some(32) => 32,
        Some(16) | None => 16,
        Some(_) => return Err(EncryptionProblem::Derivation),
    };
    let prf = parameters
        .optional_child("", "PRF")?
        .or(parameters.optional_child(namespace, "PRF")?)
        .and_then(|prf| prf.attribute("Algorithm"));
    let prf = match prf {
        None | Some("http://www.w3.org/2000/09/xmldsig#hmac-sha1") => pbkdf2::PBKDF2_HMAC_SHA1,
        Some("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256") => pbkdf2::PBKDF2_HMAC_SHA256,
        Some("http://www.w3.org/2001/04/xmldsig-more#hmac-sha512") => pbkdf2::PBKDF2_HMAC_SHA512,
        Some(other) => return Err(EncryptionProblem::Algorithm(short(other))),
    };
    let mut key = Zeroizing::new(vec![0; length]);
    pbkdf2::derive(
        prf,
        iterations,
        &salt,
        passphrase.expose().as_bytes(),
        &mut key,
    );
    Ok(key)
}

/// Initialisation vector and ciphertext of an `EncryptedDataType`.
fn cipher_value(element: XmlElement<'_>) -> Result<Vec<u8>, EncryptionProblem> {
    let data = element.only_child(XENC, "CipherData")?;
    base64(data.only_child(XENC, "CipherValue")?.text()?)
}

fn decrypt(
    element: XmlElement<'_>,
    mut ciphertext: Vec<u8>,
    key: &[u8],
) -> Result<Zeroizing<Vec<u8>>, EncryptionProblem> {
    let method = element.only_child(XENC, "EncryptionMethod")?;
    let name = method.attribute("Algorithm").unwrap_or_default();
    let (algorithm, length) = match name.strip_prefix(XENC) {
        Some("aes128-cbc") => (&cipher::AES_128, 16),
        Some("aes192-cbc") => (&cipher::AES_192, 24),
        Some("aes256-cbc") => (&cipher::AES_256, 32),
        _ => return Err(EncryptionProblem::Algorithm(short(name))),
    };
    if key.len() != length {
        return Err(EncryptionProblem::KeyLength);
    }
    if ciphertext.len() < 2 * BLOCK || !ciphertext.len().is_multiple_of(BLOCK) {
        return Err(EncryptionProblem::Damaged);
    }
    let mut body = Zeroizing::new(ciphertext.split_off(BLOCK));
    let vector: [u8; BLOCK] = ciphertext
        .try_into()
        .map_err(|_| EncryptionProblem::Damaged)?;
    UnboundCipherKey::new(algorithm, key)
        .and_then(DecryptingKey::cbc)
        .and_then(|key| {
            key.decrypt(&mut body, DecryptionContext::Iv128(vector.into()))
                .map(drop)
        })
        .map_err(|_| EncryptionProblem::Damaged)?;
    let padding = body.last().map_or(0, |last| usize::from(*last));
    if !(1..=BLOCK).contains(&padding) {
        return Err(EncryptionProblem::Damaged);
    }
    let length = body.len() - padding;
    body.truncate(length);
    Ok(body)
}

fn base64(text: &str) -> Result<Vec<u8>, EncryptionProblem> {
    let bare: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64
        .decode(bare.as_bytes())
        .map_err(|_| EncryptionProblem::Damaged)
}

/// The end of an algorithm's name, for a sentence.
fn short(name: &str) -> String {
    let end = name.rsplit(['#', '/', ':']).next().unwrap_or_default();
    end.chars().filter(|c| !c.is_control()).take(40).collect()
}
