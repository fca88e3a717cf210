//! The FIDO metadata file (MDS3 BLOB): which models of authenticators there are, which
//! roots vouch for them, and what became of them.
//! <https://fidoalliance.org/specs/mds/fido-metadata-service-v3.0-ps-20210518.html>
//!
//! Always true: a [`Metadata`] was signed by a certificate that leads to a root that the
//! operator trusts; nothing of its content is read before that; its number is not below
//! the one seen last (attack 35: an older file would bring revoked models back). It comes
//! from a file that the operator provides: nothing here fetches anything.
//!
//! A file whose signer's certificate has expired since is stale and no more: nobody should be
//! locked out because nobody fetched a file. Its signature and number are checked all the same.
//!
//! Whether it is stale and what a bad status does is [`policy`](super::policy)'s decision.
//! Certificates of the chain are not checked for revocation (see [`chain`](super::chain)).
//!
//! Read next: `jws` (the envelope), `payload` (what is kept), `entry` (one model).

mod entry;
mod jws;
mod payload;

use std::{collections::HashMap, time::Duration};

pub use entry::{
    Compromise, Entry, Icon, KeyIdentifier, KeyIdentifierError, KeyModel, MAX_ICON_BYTES, Picture,
};

use super::chain::{Anchoring, ChainError, SignatureError, Standing, verify_chain_of_file};
use crate::base::{aaguid::Aaguid, clock::Timestamp};

/// The most bytes a metadata file may have: FIDO's had 10 MB in 2026.
pub const MAX_BYTES: usize = 32 << 20;

/// GlobalSign Root CA - R3, under which FIDO signs; its SHA-256 fingerprint is
/// `CBB522D7B7F127AD6A0113865BDF1CD4102E7D0759AF635A7CF4720DC963C53B`.
const FIDO_ROOT: &str = include_str!("roots/globalsign-root-ca-r3.pem");

/// Whom the certificate that signs FIDO's file is for (MDS3 §3.1.8).
const FIDO_NAME: &str = "mds.fidoalliance.org";

/// Why a metadata file was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MetadataError {
    /// Over [`MAX_BYTES`].
    #[error("the file has {0} bytes; at most {MAX_BYTES} are read")]
    TooLarge(usize),
    /// Not a compact JWS.
    #[error("this is no FIDO metadata file: it should be one signed JWT of three parts")]
    Form,
    /// The header cannot be read.
    #[error("the file's header cannot be read: {0}")]
    Header(String),
    /// `crit`: something must be understood that is not.
    #[error("the file's header demands something that is not understood here (crit)")]
    Critical,
    /// `none`, an HMAC, or something unknown.
    #[error("the file is signed with “{0}”, which is not accepted")]
    Algorithm(String),
    /// The header brings no certificates.
    #[error("the file's header brings no certificates (x5c)")]
    NoCertificates,
    /// The certificates lead nowhere.
    #[error("the file's certificates are refused")]
    Chain(#[source] ChainError),
    /// The certificate is somebody else's.
    #[error("the file is signed by a certificate that is not for {FIDO_NAME}")]
    OtherSigner,
    /// The signature does not fit.
    #[error("the file's signature is refused")]
    Signature(#[source] SignatureError),
    /// The content cannot be read.
    #[error("the file's content cannot be read: {0}")]
    Content(String),
    /// Two entries speak for one model.
    #[error("the file has two entries for the model {0}")]
    Twice(String),
    /// An older file than one that was used before.
    #[error("the file has the number {number}, but number {last} was used before")]
    RolledBack {
        /// This file's number.
        number: u64,
        /// The last number seen.
        last: u64,
    },
}

impl MetadataError {
    /// One sentence: what is wrong, why, and what to do.
    pub fn to_sentence(&self) -> String {
        let cause = std::error::Error::source(self)
            .map(|cause| format!(" ({cause})"))
            .unwrap_or_default();
        format!("{self}{cause}; {}", self.remedy())
    }

    /// What the operator does about it: half a sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::RolledBack { .. } => {
                "download the present file from https://mds3.fidoalliance.org again"
            }
            Self::Chain(ChainError::NotTrusted) => {
                "download it from https://mds3.fidoalliance.org, or name its root with mds_root_file"
            }
            Self::TooLarge(_) => "check that mds_file names a FIDO metadata file",
            _ => "download it from https://mds3.fidoalliance.org again",
        }
    }
}

/// Why a file of roots was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this is no X.509 certificate, neither PEM nor DER")]
pub struct RootsError;

/// Whose signature is believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Roots {
    certificates: Vec<Vec<u8>>,
    signer: Signer,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Signer {
    Named(&'static str),
    Anyone,
}

impl Roots {
    /// FIDO's own: the built-in root, and the name of FIDO's service.
    pub fn fido() -> Self {
        Self {
            certificates: read_certificates(FIDO_ROOT.as_bytes()).unwrap_or_default(),
            signer: Signer::Named(FIDO_NAME),
        }
    }

    /// Certificates that the operator chose (PEM, one or several, or one DER): then
    /// whoever they vouch for may sign.
    pub fn read(bytes: &[u8]) -> Result<Self, RootsError> {
        Ok(Self {
            certificates: read_certificates(bytes)?,
            signer: Signer::Anyone,
        })
    }

    /// SHA-256 over the certificates, in hex: under it the last number is remembered.
    pub fn fingerprint(&self) -> String {
        let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for certificate in &self.certificates {
            digest.update(certificate);
        }
        data_encoding::HEXUPPER.encode(digest.finish().as_ref())
    }
}

fn read_certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, RootsError> {
    let is_certificate = |der: &[u8]| crate::keys::certificate::Certificate::read(der).is_ok();
    if is_certificate(bytes) {
        return Ok(vec![bytes.to_vec()]);
    }
    let mut certificates = Vec::new();
    for block in x509_parser::pem::Pem::iter_from_buffer(bytes) {
        let block = block.map_err(|_| RootsError)?;
        if block.label != "CERTIFICATE" || !is_certificate(&block.contents) {
            return Err(RootsError);
        }
        certificates.push(block.contents);
    }
    if certificates.is_empty() {
        return Err(RootsError);
    }
    Ok(certificates)
}

/// Whether the file is still the newest there should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// The day of its next update is not over.
    Fresh,
    /// FIDO has published a newer one since.
    Stale,
}

/// What the FIDO Alliance says of models of authenticators.
#[derive(Debug)]
pub struct Metadata {
    number: u64,
    next_update: Timestamp,
    signer: Standing,
    entries: Vec<Entry>,
    by_aaguid: HashMap<Aaguid, usize>,
    by_key_identifier: HashMap<KeyIdentifier, Vec<usize>>,
    left_out: usize,
}

impl Metadata {
    /// The file's number; it only grows.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The beginning (UTC) of the day on which FIDO publishes the next one at the latest.
    pub fn next_update(&self) -> Timestamp {
        self.next_update
    }

    /// Whether a newer one is out for sure. A file whose signer's certificate has expired is
    /// not fresh, whatever it says itself.
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        if self.signer == Standing::Valid && now < self.next_update.plus(Duration::from_hours(24)) {
            Freshness::Fresh
        } else {
            Freshness::Stale
        }
    }

    /// All models.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many entries were left out because they name no model that WebAuthn knows
    /// (UAF, or the zero AAGUID).
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// What is known of a model. The zero AAGUID is none.
    pub fn entry(&self, aaguid: &Aaguid) -> Option<&Entry> {
        self.entries.get(*self.by_aaguid.get(aaguid)?)
    }

    /// What is known of a key without a model (U2F), by its attestation certificate's
    /// key; several models may share one.
    pub fn entries_by_key(&self, identifier: &KeyIdentifier) -> impl Iterator<Item = &Entry> {
        self.by_key_identifier
            .get(identifier)
            .into_iter()
            .flatten()
            .filter_map(|index| self.entries.get(*index))
    }

    /// Name and picture of a model, for pages.
    pub fn model(&self, aaguid: &Aaguid) -> Option<KeyModel<'_>> {
        self.entry(aaguid).map(Entry::model)
    }
}

/// Verifies a metadata file. `last` is the number of the last one that was used under
/// these roots.
pub fn verify_metadata(
    file: &[u8],
    roots: &Roots,
    last: Option<u64>,
    now: Timestamp,
) -> Result<Metadata, MetadataError> {
    if file.len() > MAX_BYTES {
        return Err(MetadataError::TooLarge(file.len()));
    }
    let unverified = jws::parse_compact(file)?;
    let (leaf, signer) = verify_chain_of_file(
        &unverified.chain,
        &roots.certificates,
        Anchoring::IssuersOnly,
        now,
    )
    .map_err(MetadataError::Chain)?;
    if let Signer::Named(name) = roots.signer
        && !leaf.is_for(name)
    {
        return Err(MetadataError::OtherSigner);
    }
    leaf.verify_jws(
        unverified.algorithm,
        unverified.signed,
        &unverified.signature,
    )
    .map_err(MetadataError::Signature)?;
    let metadata = payload::read(&unverified.decode_payload()?, signer)?;
    match last {
        Some(last) if metadata.number < last => Err(MetadataError::RolledBack {
            number: metadata.number,
            last,
        }),
        _ => Ok(metadata),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::certificate::Certificate;

    #[test]
    fn the_built_in_root_is_the_published_one() {
        let roots = Roots::fido();
        let [der] = roots.certificates.as_slice() else {
            panic!("one root");
        };
        let certificate = Certificate::read(der).unwrap();
        assert_eq!(
            certificate.fingerprint(),
            "CBB522D7B7F127AD6A0113865BDF1CD4102E7D0759AF635A7CF4720DC963C53B"
        );
        assert!(certificate.subject.contains("GlobalSign Root CA - R3"));
        assert_eq!(roots.signer, Signer::Named("mds.fidoalliance.org"));
    }

    #[test]
    fn roots_are_certificates_and_nothing_else() {
        let fido = Roots::fido();
        let der = &fido.certificates[0];
        assert_eq!(
            Roots::read(der).unwrap().certificates.as_slice(),
            std::slice::from_ref(der)
        );
        let two = format!("{FIDO_ROOT}{FIDO_ROOT}");
        assert_eq!(
            Roots::read(two.as_bytes()).unwrap().certificates,
            [der.clone(), der.clone()]
        );
        let key = FIDO_ROOT.replace("CERTIFICATE", "PRIVATE KEY");
        for bad in ["", "x", &FIDO_ROOT[..400], &key] {
            assert_eq!(Roots::read(bad.as_bytes()), Err(RootsError), "{bad}");
        }
        assert_eq!(fido.fingerprint().len(), 64);
        assert_ne!(
            fido.fingerprint(),
            Roots::read(two.as_bytes()).unwrap().fingerprint()
        );
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let chain = |error| MetadataError::Chain(error);
        let rolled_back = MetadataError::RolledBack { number: 1, last: 2 };
        for (error, remedy) in [
            (rolled_back, "download the present file"),
            (chain(ChainError::NotTrusted), "mds_root_file"),
            (chain(ChainError::Length), "download it from"),
            (MetadataError::TooLarge(1), "mds_file names"),
            (MetadataError::Form, "download it from"),
        ] {
            let sentence = error.to_sentence();
            assert!(error.remedy().contains(remedy), "{sentence}");
            assert!(sentence.ends_with(error.remedy()), "{sentence}");
        }
        let untrusted = chain(ChainError::NotTrusted).to_sentence();
        assert!(untrusted.contains("(the chain does not lead to a trusted root); "));
        let other = [MetadataError::Form, chain(ChainError::Length)];
        assert!(other.iter().all(|it| it.remedy().ends_with(" again")));
    }

    /// A file under a root of our own in the place of FIDO's, by a certificate for `name`.
    fn signed_for(name: &str) -> Result<u64, MetadataError> {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
        use data_encoding::{BASE64, BASE64URL_NOPAD};
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};

        let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut root = CertificateParams::default();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let mut leaf = CertificateParams::new([name.to_owned()]).unwrap();
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let issuer = Issuer::from_params(&root, &root_key);
        let leaf = leaf.signed_by(&key, &issuer).unwrap();

        let header = serde_json::json!({"alg": "ES256", "x5c": [BASE64.encode(leaf.der())]});
        let payload = serde_json::json!({"no": 7, "nextUpdate": "2026-12-01", "entries": []});
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let signed = [header, payload].map(|part| encode(part.to_string().as_bytes()));
        let signed = signed.join(".");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.serialized_der());
        let random = aws_lc_rs::rand::SystemRandom::new();
        let signature = pair.unwrap().sign(&random, signed.as_bytes()).unwrap();
        let file = format!("{signed}.{}", encode(signature.as_ref()));

        let roots = Roots {
            certificates: vec![root.self_signed(&root_key).unwrap().der().to_vec()],
            ..Roots::fido()
        };
        let now = Timestamp::parse_rfc3339("2026-11-20T10:00:00Z").unwrap();
        verify_metadata(file.as_bytes(), &roots, None, now).map(|metadata| metadata.number())
    }

    /// The root signs for many: only FIDO's name makes it FIDO's word.
    #[test]
    fn attack_35_under_fidos_root_only_fidos_name_signs() {
        assert_eq!(signed_for("mds.fidoalliance.org"), Ok(7));
        for other in ["fidoalliance.org", "mds.example.com"] {
            assert_eq!(
                signed_for(other),
                Err(MetadataError::OtherSigner),
                "{other}"
            );
        }
    }
}
