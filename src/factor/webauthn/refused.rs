//! Why an answer of a security key is refused. The words are the operator's; a person reads
//! one sentence and the remedy (`web::pages`).

use webauthn_rs_core::error::WebauthnError;

macro_rules! refusals {
    ($($name:ident, $code:literal, $words:literal;)*) => {
        /// Why an answer of a security key is refused.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
        pub enum KeyRefused {
            $(
                #[doc = $words]
                #[error($words)]
                $name,
            )*
        }

        impl KeyRefused {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// For events: never renumbered or renamed.
            pub fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

refusals! {
    TooLarge, "too-large", "the answer is larger than any key's";
    Unreadable, "unreadable", "the answer is not what browsers send";
    NotAPublicKey, "not-a-public-key", "the answer is no public-key credential";
    IdMismatch, "id-mismatch", "the two ids of the answer differ";
    ClientData, "client-data", "the client data is not what browsers write";
    Type, "type", "the client data is of another ceremony";
    Challenge, "challenge", "the challenge is another one";
    Origin, "origin", "the answer was made on another origin";
    CrossOrigin, "cross-origin", "the answer was made in a frame of another site";
    AuthenticatorData, "authenticator-data", "the authenticator data is malformed";
    TrailingBytes, "trailing-bytes", "there are bytes after the end";
    Cbor, "cbor", "the attestation object is not the CBOR that keys write";
    RpIdHash, "rp-id-hash", "the key answered for another relying party";
    NotPresent, "not-present", "the key saw nobody touch it";
    NotVerified, "not-verified", "the key did not verify its person";
    NoKey, "no-key", "the authenticator data holds no new key";
    UnexpectedKey, "unexpected-key", "the authenticator data holds a new key where none was asked for";
    CredentialIdLength, "credential-id-length", "the credential id is too short or too long";
    CredentialIdMismatch, "credential-id-mismatch", "the signed credential id is another one";
    Backup, "backup", "the key says that it is backed up and that it cannot be";
    BackupChanged, "backup-changed", "whether the key can be backed up has changed";
    Synced, "synced", "the key can be copied to other devices, which was not asked for";
    Algorithm, "algorithm", "the key's algorithm was not asked for";
    PublicKey, "public-key", "the public key is not of its algorithm";
    AttestationFormat, "attestation-format", "the attestation's format is unknown";
    Attestation, "attestation", "the attestation does not verify";
    Signature, "signature", "the signature does not verify";
    AlreadyKnown, "already-known", "the key is or was registered already";
    UnknownKey, "unknown-key", "nobody has this key";
    OtherPerson, "other-person", "the key is of another person";
    Counter, "counter", "the key's counter went back: there may be a copy of it";
    Revoked, "revoked", "the key was taken away";
    Tampered, "tampered", "the key's row was altered";
    NotOpen, "not-open", "nothing was asked here, or it was answered or expired";
    OtherCeremony, "other-ceremony", "the question was put to another person, browser or purpose";
    Other, "other", "the library refused it";
}

impl From<WebauthnError> for KeyRefused {
    fn from(error: WebauthnError) -> Self {
        use WebauthnError as E;
        match error {
            E::InvalidClientDataType => Self::Type,
            E::MismatchedChallenge => Self::Challenge,
            E::InvalidRPOrigin => Self::Origin,
            E::CredentialCrossOrigin => Self::CrossOrigin,
            E::InvalidRPIDHash => Self::RpIdHash,
            E::UserNotPresent => Self::NotPresent,
            E::UserNotVerified => Self::NotVerified,
            E::MissingAttestationCredentialData => Self::NoKey,
            E::AttestationNotSupported => Self::AttestationFormat,
            E::CredentialAlteredAlgFromRequest => Self::Algorithm,
            // What else the library calls so was refused by us before.
            E::CredentialMayNotBeHardwareBound => Self::Synced,
            E::CredentialBackupEligibilityInconsistent => Self::BackupChanged,
            E::CredentialNotFound => Self::CredentialIdMismatch,
            E::CredentialPossibleCompromise => Self::Counter,
            E::AuthenticationFailure | E::SignatureInvalid => Self::Signature,
            E::ParseJSONFailure(_) => Self::ClientData,
            E::ParseCBORFailure(_) => Self::Cbor,
            E::ParseNOMFailure | E::ParseInsufficientBytesAvailable => Self::AuthenticatorData,
            E::COSEKeyInvalidCBORValue
            | E::COSEKeyInvalidType
            | E::COSEKeyEDUnsupported
            | E::COSEKeyECDSAXYInvalid
            | E::COSEKeyRSANEInvalid
            | E::COSEKeyECDSAInvalidCurve
            | E::COSEKeyEDDSAXInvalid
            | E::COSEKeyEDDSAInvalidCurve
            | E::COSEKeyInvalidAlgorithm
            | E::EcdsaPointInvalid
            | E::RsaParametersInvalid
            | E::SshPublicKeyEDUnsupported => Self::PublicKey,
            E::AttestationStatementMapInvalid
            | E::AttestationStatementResponseMissing
            | E::AttestationStatementResponseInvalid
            | E::AttestationStatementSigMissing
            | E::AttestationStatementSigInvalid
            | E::AttestationStatementVerMissing
            | E::AttestationStatementVerInvalid
            | E::AttestationStatementVerUnsupported
            | E::AttestationStatementX5CMissing
            | E::AttestationStatementX5CInvalid
            | E::AttestationStatementAlgMissing
            | E::AttestationStatementCertInfoMissing
            | E::AttestationStatementMissingExtension
            | E::AttestationStatementPubAreaMissing
            | E::AttestationStatementAlgMismatch
            | E::AttestationStatementAlgInvalid
            | E::AttestationCertificateAAGUIDMismatch
            | E::AttestationCertificateNonceMismatch
            | E::AttestationCertificateRequirementsNotMet
            | E::AttestationTpmStInvalid
            | E::AttestationTpmPubAreaMismatch
            | E::AttestationTpmExtraDataInvalid
            | E::AttestationTpmExtraDataMismatch
            | E::AttestationTpmPubAreaHashUnknown
            | E::AttestationTpmPubAreaHashInvalid
            | E::AttestationTpmAttestCertifyInvalid
            | E::X509DerInvalid => Self::Attestation,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::Error as _;
    use webauthn_rs_core::error::WebauthnError as E;

    /// Most of these we find ourselves before the library is asked; its word for them is ours.
    #[test]
    fn what_the_library_refuses_has_the_same_name_as_what_we_refuse() {
        for (error, refused) in [
            (E::InvalidClientDataType, KeyRefused::Type),
            (E::MismatchedChallenge, KeyRefused::Challenge),
            (E::InvalidRPOrigin, KeyRefused::Origin),
            (E::CredentialCrossOrigin, KeyRefused::CrossOrigin),
            (E::InvalidRPIDHash, KeyRefused::RpIdHash),
            (E::UserNotPresent, KeyRefused::NotPresent),
            (E::UserNotVerified, KeyRefused::NotVerified),
            (E::MissingAttestationCredentialData, KeyRefused::NoKey),
            (E::AttestationNotSupported, KeyRefused::AttestationFormat),
            (E::CredentialAlteredAlgFromRequest, KeyRefused::Algorithm),
            (E::CredentialMayNotBeHardwareBound, KeyRefused::Synced),
            (
                E::CredentialBackupEligibilityInconsistent,
                KeyRefused::BackupChanged,
            ),
            (E::CredentialNotFound, KeyRefused::CredentialIdMismatch),
            (E::CredentialPossibleCompromise, KeyRefused::Counter),
            (E::AuthenticationFailure, KeyRefused::Signature),
            (E::SignatureInvalid, KeyRefused::Signature),
            (
                E::ParseJSONFailure(serde_json::Error::custom("x")),
                KeyRefused::ClientData,
            ),
            (
                E::ParseCBORFailure(serde::de::Error::custom("x")),
                KeyRefused::Cbor,
            ),
            (E::ParseNOMFailure, KeyRefused::AuthenticatorData),
            (
                E::ParseInsufficientBytesAvailable,
                KeyRefused::AuthenticatorData,
            ),
            (E::COSEKeyInvalidCBORValue, KeyRefused::PublicKey),
            (E::COSEKeyECDSAInvalidCurve, KeyRefused::PublicKey),
            (E::AttestationStatementSigInvalid, KeyRefused::Attestation),
            (E::X509DerInvalid, KeyRefused::Attestation),
            (E::InvalidUsername, KeyRefused::Other),
        ] {
            let words = error.to_string();
            assert_eq!(KeyRefused::from(error), refused, "{words}");
        }
    }
}
