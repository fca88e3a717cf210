//! The answer of a key that is to become a person's.
//!
//! Makes no proof: after a registration a normal sign-in follows. Whether a key of that model
//! counts is `policy`'s to say, of the [`NewKey`] that comes out here.

use webauthn_rs_core::proto::{
    AttestationMetadata, COSEAlgorithm, COSEKey, COSEKeyType, Credential, ECDSACurve,
    ParsedAttestation, ParsedAttestationData, SerialisableAttestationData, UserVerificationPolicy,
};

use super::{
    authenticator_data::Flag,
    ceremony::{LibraryState, OpenCeremony, Purpose},
    refused::KeyRefused,
    response::UnverifiedRegistration,
    scope::Scope,
};
use super::{
    metadata::{KeyIdentifier, Metadata},
    policy::{Backup, KeyFacts, PolicyRefusal, UserVerified, WebAuthnPolicy},
};
use crate::{
    base::{aaguid::Aaguid, clock::Timestamp},
    directory::{AttestationState, CoseAlgorithm, SecurityKey},
};

/// What is known of how a key proved its model. The statement itself was verified; whether
/// its certificates lead to anybody whom we believe was not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Statement {
    /// It said nothing.
    None,
    /// It signed with its own new key: says nothing of the model.
    SelfSigned,
    /// It signed with a key of its maker, vouched for by these certificates (DER, leaf first).
    Certified(Vec<Vec<u8>>),
}

/// A key that answered rightly. Nobody's until it is stored.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its name for itself.
    pub credential_id: Vec<u8>,
    /// The library's record of it, as JSON: public key and what must not change.
    pub passkey: String,
    /// Its counter.
    pub counter: u32,
    /// Its model, as it says.
    pub aaguid: Aaguid,
    /// Its algorithm.
    pub algorithm: CoseAlgorithm,
    /// Whether it verified its person now.
    pub user_verified: UserVerified,
    /// Whether it can be copied to other devices.
    pub backup: Backup,
    /// Whether it was.
    pub backed_up: bool,
    /// How it is reached, as the browser says.
    pub transports: Vec<String>,
    /// Whether it can be used without a user name, as the browser says.
    pub discoverable: Option<bool>,
    /// How it proved its model.
    pub statement: Statement,
}

impl NewKey {
    /// Whether a key like this may be registered; how far its model is proved.
    pub fn require_policy(
        &self,
        policy: &WebAuthnPolicy,
        metadata: Option<&Metadata>,
        now: Timestamp,
    ) -> Result<AttestationState, PolicyRefusal> {
        let attestation = self.attestation(metadata, now);
        let facts = KeyFacts {
            aaguid: (!self.aaguid.is_zero()).then_some(self.aaguid),
            attestation_key: self.attestation_key(),
            algorithm: self.algorithm,
            user_verified: self.user_verified,
            backup: self.backup,
            attestation,
        };
        policy.require_registration(&facts, metadata, now)?;
        Ok(attestation)
    }

    /// The key of the certificate that vouches for it.
    pub fn attestation_key(&self) -> Option<KeyIdentifier> {
        match &self.statement {
            Statement::Certified(chain) => KeyIdentifier::of_certificate(chain.first()?),
            Statement::None | Statement::SelfSigned => None,
        }
    }

    fn attestation(&self, metadata: Option<&Metadata>, now: Timestamp) -> AttestationState {
        let chain = match &self.statement {
            Statement::None => return AttestationState::None,
            Statement::SelfSigned => return AttestationState::SelfAttested,
            Statement::Certified(chain) => chain,
        };
        let by_model = metadata.and_then(|metadata| metadata.entry(&self.aaguid));
        let by_key = metadata.and_then(|metadata| {
            let key = self.aaguid.is_zero().then(|| self.attestation_key())??;
            metadata
                .entries_by_key(&key)
                .find(|entry| entry.verify_attestation_chain(chain, now).is_ok())
        });
        let verified = by_key.is_some()
            || by_model.is_some_and(|entry| entry.verify_attestation_chain(chain, now).is_ok());
        if verified {
            AttestationState::Verified
        } else {
            AttestationState::Untrusted
        }
    }
}

/// Checks the answer to a registration ([WebAuthn §7.1]).
///
/// [WebAuthn §7.1]: https://www.w3.org/TR/webauthn-3/#sctn-registering-a-new-credential
pub fn verify(
    answer: &UnverifiedRegistration,
    ceremony: OpenCeremony,
    scope: &Scope,
) -> Result<NewKey, KeyRefused> {
    let LibraryState::Registration(state) = ceremony.library else {
        return Err(KeyRefused::OtherCeremony);
    };
    if ceremony.purpose != Purpose::Register {
        return Err(KeyRefused::OtherCeremony);
    }
    let object = answer.require(scope, &ceremony.demand)?;
    let mut credential = scope.library.register_credential(&answer.0, &state, None)?;
    let algorithm = require_key(&credential.cred)?;
    let key = object.data.new_key.as_ref().ok_or(KeyRefused::NoKey)?;
    if credential.cred_id != key.credential_id {
        return Err(KeyRefused::CredentialIdMismatch);
    }
    let statement = statement(std::mem::take(&mut credential.attestation))?;
    let transports: Vec<String> = answer
        .0
        .response
        .transports
        .iter()
        .flatten()
        .map(ToString::to_string)
        .take(MOST_TRANSPORTS)
        .collect();
    let discoverable = answer
        .0
        .extensions
        .cred_props
        .as_ref()
        .and_then(|props| props.rk);
    // What changes with use is kept beside it; what a use demands is decided when it is asked.
    credential.counter = 0;
    credential.transports = None;
    credential.backup_state = false;
    credential.registration_policy = UserVerificationPolicy::Discouraged_DO_NOT_USE;
    Ok(NewKey {
        passkey: serde_json::to_string(&credential).map_err(|_| KeyRefused::Other)?,
        credential_id: credential.cred_id,
        counter: object.data.counter,
        aaguid: key.aaguid,
        algorithm,
        user_verified: object.data.user_verified(),
        backup: object.data.backup(),
        backed_up: object.data.has(Flag::BackedUp),
        transports,
        discoverable,
        statement,
    })
}

/// How many transports are remembered: there are six.
const MOST_TRANSPORTS: usize = 8;

/// The library takes an ES256 key on another curve, and then verifies with that curve's hash
/// (RFC 9053 §2.1 ties them for WebAuthn: §5.8.5).
fn require_key(key: &COSEKey) -> Result<CoseAlgorithm, KeyRefused> {
    match (&key.type_, &key.key) {
        (COSEAlgorithm::ES256, COSEKeyType::EC_EC2(ec)) if ec.curve == ECDSACurve::SECP256R1 => {
            Ok(CoseAlgorithm::ES256)
        }
        (COSEAlgorithm::ES384, COSEKeyType::EC_EC2(ec)) if ec.curve == ECDSACurve::SECP384R1 => {
            Ok(CoseAlgorithm::ES384)
        }
        (COSEAlgorithm::RS256, COSEKeyType::RSA(_)) => Ok(CoseAlgorithm::RS256),
        _ => Err(KeyRefused::PublicKey),
    }
}

fn statement(attestation: ParsedAttestation) -> Result<Statement, KeyRefused> {
    let ParsedAttestation { data, metadata } = attestation;
    // Android's statement is judged by fields that we do not read.
    if matches!(metadata, AttestationMetadata::AndroidSafetyNet { .. }) {
        return Err(KeyRefused::AttestationFormat);
    }
    match data {
        ParsedAttestationData::None => Ok(Statement::None),
        ParsedAttestationData::Self_ => Ok(Statement::SelfSigned),
        data @ (ParsedAttestationData::Basic(_)
        | ParsedAttestationData::AttCa(_)
        | ParsedAttestationData::AnonCa(_)) => match data.into() {
            SerialisableAttestationData::Basic(chain)
            | SerialisableAttestationData::AttCa(chain)
            | SerialisableAttestationData::AnonCa(chain) => Ok(Statement::Certified(chain)),
            _ => Err(KeyRefused::Attestation),
        },
        ParsedAttestationData::ECDAA | ParsedAttestationData::Uncertain => {
            Err(KeyRefused::AttestationFormat)
        }
    }
}

/// The library's record of a stored key, with the counter of now.
pub(super) fn read_passkey(key: &SecurityKey) -> Result<Credential, KeyRefused> {
    let mut credential: Credential =
        serde_json::from_str(&key.passkey).map_err(|_| KeyRefused::Tampered)?;
    credential.counter = key.counter;
    credential.backup_state = key.backed_up;
    Ok(credential)
}

#[cfg(test)]
mod tests {
    use super::*;
    use webauthn_rs_core::proto::{COSEEC2Key, COSERSAKey};

    #[test]
    fn a_public_key_is_of_the_kind_and_curve_of_its_algorithm() {
        let curve = |curve| {
            COSEKeyType::EC_EC2(COSEEC2Key {
                curve,
                x: vec![1; 32],
                y: vec![2; 32],
            })
        };
        let rsa = || {
            COSEKeyType::RSA(COSERSAKey {
                n: vec![3; 256],
                e: [1, 0, 1],
            })
        };
        let judged = |type_, key| require_key(&COSEKey { type_, key });
        let (p256, p384) = (ECDSACurve::SECP256R1, ECDSACurve::SECP384R1);
        let (es256, es384) = (COSEAlgorithm::ES256, COSEAlgorithm::ES384);
        let rs256 = COSEAlgorithm::RS256;
        let taken = [
            (es256, curve(p256.clone()), CoseAlgorithm::ES256),
            (es384, curve(p384.clone()), CoseAlgorithm::ES384),
            (rs256, rsa(), CoseAlgorithm::RS256),
        ];
        for (algorithm, key, known) in taken {
            assert_eq!(judged(algorithm, key), Ok(known));
        }
        for (algorithm, key) in [
            (es256, curve(p384)),
            (es384, curve(p256.clone())),
            (es256, rsa()),
            (es384, rsa()),
            (rs256, curve(p256)),
            (COSEAlgorithm::PS256, rsa()),
        ] {
            assert_eq!(judged(algorithm, key), Err(KeyRefused::PublicKey));
        }
    }
}
