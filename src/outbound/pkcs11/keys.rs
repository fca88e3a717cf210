//! Keys in the token: making one, looking at it, signing with it.
//!
//! Always true: a key signs only after it was found that it is its certificate's and that
//! nothing can take it out of the token.

use std::sync::Arc;

use aws_lc_rs::digest;
use cryptoki::{
    mechanism::Mechanism,
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::Session,
    types::Ulong,
};

use super::{Hashing, Token, TokenError, Up, locked};
use crate::{
    base::ids::KeyId,
    keys::{SignError, Signer, hardware::rsa_public_key, signing::RsaSize, state::Custody},
};

/// How many sessions are kept open for the next signatures.
const KEPT_SESSIONS: usize = 8;

/// Before a SHA-256 digest that a token signs without hashing (RFC 8017 §9.2, note 1).
const SHA256_DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

impl Token {
    /// What signs with the key `id`, whose public half (RSAPublicKey, DER) the certificate has.
    pub fn signer(self: &Arc<Self>, id: KeyId, public_key: Vec<u8>) -> Arc<dyn Signer> {
        Arc::new(HardwareSigner {
            token: Arc::clone(self),
            id,
            public_key,
        })
    }

    /// Makes a key in the token; its public half (RSAPublicKey, DER).
    pub fn generate(&self, id: &KeyId, size: RsaSize) -> Result<Vec<u8>, TokenError> {
        self.with(|up| {
            let session = up
                .context
                .open_rw_session(up.slot)
                .map_err(|error| self.failed("opening a session", &error))?;
            // Done again after a failure: a pair that was made is there already.
            if let Ok((_, public_key)) = self.look(&session, id) {
                return Ok(public_key);
            }
            let public = [
                Attribute::Token(true),
                Attribute::Private(false),
                Attribute::Verify(true),
                Attribute::ModulusBits(Ulong::new(size.bits().into())),
                Attribute::PublicExponent(vec![1, 0, 1]),
                Attribute::Id(id.as_str().into()),
                Attribute::Label(format!("claimbridge {id}").into_bytes()),
            ];
            let private = [
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::Sign(true),
                Attribute::Decrypt(false),
                Attribute::Unwrap(false),
                Attribute::Id(id.as_str().into()),
                Attribute::Label(format!("claimbridge {id}").into_bytes()),
            ];
            session
                .generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private)
                .map_err(|error| self.failed("making a key", &error))?;
            self.look(&session, id).map(|(_, public_key)| public_key)
        })
    }

    fn sign(&self, id: &KeyId, public_key: &[u8], message: &[u8]) -> Result<Vec<u8>, TokenError> {
        self.with(|up| {
            let session = self.session(up)?;
            let key = self.key(up, &session, id, public_key)?;
            let signature = match up.hashing {
                Hashing::InTheToken => session.sign(&Mechanism::Sha256RsaPkcs, key, message),
                Hashing::Here => {
                    let mut info = SHA256_DIGEST_INFO.to_vec();
                    info.extend(digest::digest(&digest::SHA256, message).as_ref());
                    session.sign(&Mechanism::RsaPkcs, key, &info)
                }
            };
            let signature = signature.map_err(|error| self.failed("signing", &error))?;
            let mut idle = locked(&up.idle);
            if idle.len() < KEPT_SESSIONS {
                idle.push(session);
            }
            Ok(signature)
        })
    }

    /// Whether the key is there and fit, without a signature.
    fn ready(&self, id: &KeyId, public_key: &[u8]) -> Result<(), TokenError> {
        self.with(|up| {
            let session = self.session(up)?;
            let found = self.require_fit(&session, id, public_key).map(drop);
            locked(&up.idle).push(session);
            found
        })
    }

    /// A session that nobody uses.
    fn session(&self, up: &Up) -> Result<Session, TokenError> {
        if let Some(session) = locked(&up.idle).pop() {
            return Ok(session);
        }
        up.context
            .open_ro_session(up.slot)
            .map_err(|error| self.failed("opening a session", &error))
    }

    fn key(
        &self,
        up: &Up,
        session: &Session,
        id: &KeyId,
        public_key: &[u8],
    ) -> Result<ObjectHandle, TokenError> {
        if let Some(found) = locked(&up.keys).get(id) {
            return Ok(*found);
        }
        let found = self.require_fit(session, id, public_key)?;
        locked(&up.keys).insert(id.clone(), found);
        Ok(found)
    }

    /// The private key, if it is the certificate's and cannot be taken out.
    fn require_fit(
        &self,
        session: &Session,
        id: &KeyId,
        public_key: &[u8],
    ) -> Result<ObjectHandle, TokenError> {
        let (found, public_there) = self.look(session, id)?;
        if public_there == public_key {
            Ok(found)
        } else {
            Err(self.unfit(id, "it is not the key of its certificate"))
        }
    }

    /// The private key of that id, which cannot be taken out, and its public half.
    fn look(&self, session: &Session, id: &KeyId) -> Result<(ObjectHandle, Vec<u8>), TokenError> {
        let found = session
            .find_objects(&[
                Attribute::Class(ObjectClass::PRIVATE_KEY),
                Attribute::KeyType(KeyType::RSA),
                Attribute::Id(id.as_str().into()),
            ])
            .map_err(|error| self.failed("looking for the key", &error))?;
        let found = match found.as_slice() {
            [only] => *only,
            [] => {
                return Err(TokenError::NoKey {
                    token: self.name().clone(),
                    key: id.clone(),
                });
            }
            _ => return Err(self.unfit(id, "there are several of its CKA_ID")),
        };
        let attributes = session
            .get_attributes(
                found,
                &[
                    AttributeType::Sensitive,
                    AttributeType::Extractable,
                    AttributeType::NeverExtractable,
                    AttributeType::AlwaysSensitive,
                    AttributeType::Local,
                    AttributeType::Modulus,
                    AttributeType::PublicExponent,
                ],
            )
            .map_err(|error| self.failed("reading the key's attributes", &error))?;
        let (mut modulus, mut exponent) = (None, None);
        let (mut is_sensitive, mut is_extractable) = (false, true);
        // What the token does not say is not so: each key here was made there, by us.
        let (mut never_extractable, mut always_sensitive, mut is_local) = (false, false, false);
        for attribute in attributes {
            match attribute {
                Attribute::Sensitive(value) => is_sensitive = value,
                Attribute::Extractable(value) => is_extractable = value,
                Attribute::NeverExtractable(value) => never_extractable = value,
                Attribute::AlwaysSensitive(value) => always_sensitive = value,
                Attribute::Local(value) => is_local = value,
                Attribute::Modulus(value) => modulus = Some(value),
                Attribute::PublicExponent(value) => exponent = Some(value),
                _ => {}
            }
        }
        if !is_local {
            return Err(self.unfit(id, "the token does not say that it was made there"));
        }
        if is_extractable || !never_extractable || !is_sensitive || !always_sensitive {
            return Err(self.unfit(id, "it can be, or could once be, taken out of the token"));
        }
        match (modulus, exponent) {
            (Some(modulus), Some(exponent)) => Ok((found, rsa_public_key(&modulus, &exponent))),
            _ => Err(self.unfit(id, "the token does not show its public half")),
        }
    }
}

struct HardwareSigner {
    token: Arc<Token>,
    id: KeyId,
    /// RSAPublicKey, DER: what the certificate says.
    public_key: Vec<u8>,
}

impl Signer for HardwareSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.token
            .sign(&self.id, &self.public_key, message)
            .map_err(|error| SignError::Unavailable(error.to_string()))
    }

    fn ready(&self) -> Result<(), SignError> {
        self.token
            .ready(&self.id, &self.public_key)
            .map_err(|error| SignError::Unavailable(error.to_string()))
    }

    fn custody(&self) -> Custody {
        Custody::Hardware
    }
}
