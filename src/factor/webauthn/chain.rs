//! Certificate chains, up to roots that are handed in, at an instant that is handed in.
//!
//! Always true: only the given roots are trusted, never a certificate because the message
//! brought it; each link is a verified signature whose algorithm fits the issuer's key;
//! every issuer is a CA within its path length; a critical extension that is not
//! understood here refuses the chain. Revocation is *not* looked at: there is no network
//! here, and FIDO publishes what became of a model in the metadata's status reports.
//! RFC 5280 §6.1 without policies and name constraints (critical ones are refused).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA384_ASN1,
    ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_FIXED,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::{
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_NIST_EC_P521,
        OID_PKCS1_RSAENCRYPTION, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA,
        OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384,
        OID_SIG_ECDSA_WITH_SHA512,
    },
    prelude::*,
};

use crate::base::clock::Timestamp;

/// How many certificates a message may bring.
pub const MAX_CHAIN: usize = 8;

/// Why a chain was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ChainError {
    /// No certificate, or too many.
    #[error("a chain has 1 to {MAX_CHAIN} certificates")]
    Length,
    /// One of them is not a certificate.
    #[error("certificate {0} of the chain is not an X.509 certificate")]
    Form(usize),
    /// One is not valid yet.
    #[error("the certificate “{0}” is not valid yet")]
    NotYetValid(String),
    /// One is not valid any more.
    #[error("the certificate “{0}” has expired")]
    Expired(String),
    /// One is not signed by the next.
    #[error("the certificate “{0}” is not signed by the one that follows it")]
    Broken(String),
    /// An issuer may not issue.
    #[error("the certificate “{0}” signs another, but is no CA")]
    NotACa(String),
    /// An issuer stands too far from the end.
    #[error("the certificate “{0}” allows fewer certificates below it")]
    PathLength(String),
    /// A key does what its certificate does not allow.
    #[error("the key usage of the certificate “{0}” does not allow this signature")]
    KeyUsage(String),
    /// A critical extension is not understood.
    #[error("the certificate “{0}” has a critical extension that is not understood here")]
    Extension(String),
    /// It leads to no trusted root.
    #[error("the chain does not lead to a trusted root")]
    NotTrusted,
}

/// Whether the first certificate may itself be one of the roots.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Anchoring {
    /// A root only issues.
    IssuersOnly,
    /// A root may be the very certificate (FIDO metadata lists some attestation certificates so).
    LeafToo,
}

/// Algorithms of a JSON web signature that are taken (RFC 7518 §3.1). No `none`, no HMAC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JwsAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
}

impl JwsAlgorithm {
    /// From the spelling of the `alg` header; case counts.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "ES512" => Self::Es512,
            _ => return None,
        })
    }

    fn parameters(self) -> (KeyKind, &'static dyn VerificationAlgorithm) {
        match self {
            Self::Rs256 => (KeyKind::Rsa, &RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => (KeyKind::Rsa, &RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => (KeyKind::Rsa, &RSA_PKCS1_2048_8192_SHA512),
            Self::Es256 => (KeyKind::P256, &ECDSA_P256_SHA256_FIXED),
            Self::Es384 => (KeyKind::P384, &ECDSA_P384_SHA384_FIXED),
            Self::Es512 => (KeyKind::P521, &ECDSA_P521_SHA512_FIXED),
        }
    }
}

/// Why a signature was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignatureError {
    /// The algorithm is of another kind of key.
    #[error("the signature's algorithm does not fit the certificate's key")]
    OtherKey,
    /// It does not verify.
    #[error("the signature does not verify with the certificate's key")]
    Wrong,
}

/// The first certificate of a chain that leads to a trusted root.
#[derive(Debug)]
pub struct TrustedLeaf<'c> {
    certificate: X509Certificate<'c>,
}

impl TrustedLeaf<'_> {
    /// Whether the certificate is one for `name`: a DNS name in its subject alternative
    /// names, compared without case and without wildcards.
    pub fn is_for(&self, name: &str) -> bool {
        let Ok(Some(names)) = self.certificate.subject_alternative_name() else {
            return false;
        };
        names.value.general_names.iter().any(
            |given| matches!(given, GeneralName::DNSName(dns) if dns.eq_ignore_ascii_case(name)),
        )
    }

    /// Verifies a JWS signature with the certificate's key.
    pub fn verify_jws(
        &self,
        algorithm: JwsAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let key = self.certificate.public_key();
        let (kind, parameters) = algorithm.parameters();
        if KeyKind::of(key) != Some(kind) {
            return Err(SignatureError::OtherKey);
        }
        UnparsedPublicKey::new(parameters, &key.subject_public_key.data)
            .verify(message, signature)
            .map_err(|_| SignatureError::Wrong)
    }
}

/// Verifies that `chain` (DER, the certificate in question first) leads to one of `roots` (DER).
pub fn verify_chain<'c>(
    chain: &'c [impl AsRef<[u8]>],
    roots: &[impl AsRef<[u8]>],
    anchoring: Anchoring,
    now: Timestamp,
) -> Result<TrustedLeaf<'c>, ChainError> {
    if chain.is_empty() || chain.len() > MAX_CHAIN {
        return Err(ChainError::Length);
    }
    let mut certificates = Vec::with_capacity(chain.len());
    for (index, der) in chain.iter().enumerate() {
        certificates.push(read(der.as_ref()).ok_or(ChainError::Form(index + 1))?);
    }
    // A root that cannot be read trusts nobody.
    let roots: Vec<(&[u8], X509Certificate<'_>)> = roots
        .iter()
        .filter_map(|der| Some((der.as_ref(), read(der.as_ref())?)))
        .collect();
    trusted(chain[0].as_ref(), &certificates, &roots, anchoring, now)?;
    let leaf = certificates.swap_remove(0);
    Ok(TrustedLeaf { certificate: leaf })
}

/// Whether all certificates of a chain are valid still.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// They are.
    Valid,
    /// One has expired; before that they all were, at one instant.
    Expired,
}

/// The same for a file that is read for longer than it is signed for: a chain of which a
/// certificate has expired is judged at the last instant at which all were valid.
pub fn verify_chain_of_file<'c>(
    chain: &'c [impl AsRef<[u8]>],
    roots: &[impl AsRef<[u8]>],
    anchoring: Anchoring,
    now: Timestamp,
) -> Result<(TrustedLeaf<'c>, Standing), ChainError> {
    let expired = match verify_chain(chain, roots, anchoring, now) {
        Ok(leaf) => return Ok((leaf, Standing::Valid)),
        Err(expired @ ChainError::Expired(_)) => expired,
        Err(other) => return Err(other),
    };
    let ders = chain.iter().map(AsRef::as_ref);
    let ders = ders.chain(roots.iter().map(AsRef::as_ref));
    let mut ends: Vec<Timestamp> = ders
        .filter_map(read)
        .map(|certificate| certificate.validity().not_after.timestamp())
        .map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)))
        .filter(|end| *end < now)
        .collect();
    ends.sort_unstable();
    ends.iter()
        .rev()
        .find_map(|end| verify_chain(chain, roots, anchoring, *end).ok())
        .map(|leaf| (leaf, Standing::Expired))
        .ok_or(expired)
}

fn trusted(
    leaf: &[u8],
    certificates: &[X509Certificate<'_>],
    roots: &[(&[u8], X509Certificate<'_>)],
    anchoring: Anchoring,
    now: Timestamp,
) -> Result<(), ChainError> {
    for (below, certificate) in certificates.iter().enumerate() {
        if below == 0 {
            require_time(certificate, now)?;
            require_understood(certificate)?;
            require_usage(certificate, KeyUsage::digital_signature)?;
            if roots.iter().any(|(der, _)| *der == leaf) {
                return match anchoring {
                    Anchoring::LeafToo => Ok(()),
                    Anchoring::IssuersOnly => Err(ChainError::NotTrusted),
                };
            }
        }
        let root = roots.iter().find(|(_, root)| signs(root, certificate));
        if let Some((_, root)) = root {
            return require_issuer(root, Place::Root, below, now);
        }
        let Some(next) = certificates.get(below + 1) else {
            return Err(ChainError::NotTrusted);
        };
        if !signs(next, certificate) {
            return Err(ChainError::Broken(name(certificate)));
        }
        require_issuer(next, Place::Between, below, now)?;
    }
    Err(ChainError::NotTrusted)
}

/// Whether an issuer was handed in or came with the message.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    Root,
    Between,
}

/// An issuer with `below` other issuers between it and the first certificate.
fn require_issuer(
    issuer: &X509Certificate<'_>,
    place: Place,
    below: usize,
    now: Timestamp,
) -> Result<(), ChainError> {
    require_time(issuer, now)?;
    require_understood(issuer)?;
    match issuer.basic_constraints() {
        Ok(Some(constraints)) if constraints.value.ca => {
            let allowed = constraints.value.path_len_constraint;
            if allowed.is_some_and(|most| usize::try_from(most).is_ok_and(|most| below > most)) {
                return Err(ChainError::PathLength(name(issuer)));
            }
        }
        // Version 1 knows no extensions; as a root it was chosen by hand.
        Ok(None) if place == Place::Root && issuer.version() == X509Version::V1 => {}
        _ => return Err(ChainError::NotACa(name(issuer))),
    }
    require_usage(issuer, KeyUsage::key_cert_sign)
}

fn require_time(certificate: &X509Certificate<'_>, now: Timestamp) -> Result<(), ChainError> {
    let validity = certificate.validity();
    if now.as_secs() < validity.not_before.timestamp() {
        return Err(ChainError::NotYetValid(name(certificate)));
    }
    if now.as_secs() > validity.not_after.timestamp() {
        return Err(ChainError::Expired(name(certificate)));
    }
    Ok(())
}

fn require_understood(certificate: &X509Certificate<'_>) -> Result<(), ChainError> {
    let understood = |extension: &X509Extension<'_>| {
        matches!(
            extension.parsed_extension(),
            ParsedExtension::BasicConstraints(_)
                | ParsedExtension::KeyUsage(_)
                | ParsedExtension::ExtendedKeyUsage(_)
                | ParsedExtension::SubjectAlternativeName(_)
        )
    };
    if certificate
        .iter_extensions()
        .all(|extension| !extension.critical || understood(extension))
    {
        Ok(())
    } else {
        Err(ChainError::Extension(name(certificate)))
    }
}

/// Without the extension a key may do everything (RFC 5280 §4.2.1.3).
fn require_usage(
    certificate: &X509Certificate<'_>,
    allows: impl Fn(&KeyUsage) -> bool,
) -> Result<(), ChainError> {
    match certificate.key_usage() {
        Ok(None) => Ok(()),
        Ok(Some(usage)) if allows(usage.value) => Ok(()),
        _ => Err(ChainError::KeyUsage(name(certificate))),
    }
}

/// Whether `issuer` has signed `certificate`, by name and by key.
fn signs(issuer: &X509Certificate<'_>, certificate: &X509Certificate<'_>) -> bool {
    if issuer.subject().as_raw() != certificate.issuer().as_raw()
        || certificate.tbs_certificate.signature != certificate.signature_algorithm
    {
        return false;
    }
    let key = issuer.public_key();
    let Some(parameters) = certificate_parameters(certificate, key) else {
        return false;
    };
    UnparsedPublicKey::new(parameters, &key.subject_public_key.data)
        .verify(
            certificate.tbs_certificate.as_ref(),
            &certificate.signature_value.data,
        )
        .is_ok()
}

/// SHA-1 and MD5 sign nothing here.
fn certificate_parameters(
    certificate: &X509Certificate<'_>,
    key: &SubjectPublicKeyInfo<'_>,
) -> Option<&'static dyn VerificationAlgorithm> {
    let algorithm = &certificate.signature_algorithm.algorithm;
    let hash = [
        (&OID_PKCS1_SHA256WITHRSA, &OID_SIG_ECDSA_WITH_SHA256, 256),
        (&OID_PKCS1_SHA384WITHRSA, &OID_SIG_ECDSA_WITH_SHA384, 384),
        (&OID_PKCS1_SHA512WITHRSA, &OID_SIG_ECDSA_WITH_SHA512, 512),
    ];
    let kind = KeyKind::of(key)?;
    let bits = hash
        .iter()
        .find(|(rsa, ecdsa, _)| *algorithm == **(if kind == KeyKind::Rsa { rsa } else { ecdsa }))?
        .2;
    Some(match (kind, bits) {
        (KeyKind::Rsa, 256) => &RSA_PKCS1_2048_8192_SHA256,
        (KeyKind::Rsa, 384) => &RSA_PKCS1_2048_8192_SHA384,
        (KeyKind::Rsa, _) => &RSA_PKCS1_2048_8192_SHA512,
        (KeyKind::P256, 256) => &ECDSA_P256_SHA256_ASN1,
        (KeyKind::P256, 384) => &ECDSA_P256_SHA384_ASN1,
        (KeyKind::P384, 256) => &ECDSA_P384_SHA256_ASN1,
        (KeyKind::P384, 384) => &ECDSA_P384_SHA384_ASN1,
        (KeyKind::P384, 512) => &ECDSA_P384_SHA512_ASN1,
        (KeyKind::P521, 512) => &ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}

/// The kinds of keys whose signatures are verified here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum KeyKind {
    Rsa,
    P256,
    P384,
    P521,
}

impl KeyKind {
    fn of(key: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        if key.algorithm.algorithm == OID_PKCS1_RSAENCRYPTION {
            return Some(Self::Rsa);
        }
        if key.algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY {
            return None;
        }
        let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
        [
            (OID_EC_P256, Self::P256),
            (OID_NIST_EC_P384, Self::P384),
            (OID_NIST_EC_P521, Self::P521),
        ]
        .into_iter()
        .find(|(oid, _)| *oid == curve)
        .map(|(_, kind)| kind)
    }
}

fn read(der: &[u8]) -> Option<X509Certificate<'_>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

fn name(certificate: &X509Certificate<'_>) -> String {
    certificate.subject().to_string()
}
