//! Files, their manifest, its signature, the archive.
//!
//! Always true: every file of a bundle but the manifest and its signature is in the
//! manifest; what is signed is [`signed_bytes`], which no other message of ours begins
//! like; the key is the audit key and no other (attack 34).
//!
//! Read next: `verify`, which believes none of this.

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::zip::{self, PackError, Packing, Parcel};
use crate::{
    base::{clock::Timestamp, ids::KeyId},
    keys::{KeyPurpose, SignError, SigningKey},
};

/// The first member of every manifest: what it is.
pub const FORMAT: &str = "claimbridge evidence v1";
/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";
/// The signature's name.
pub const SIGNATURE: &str = "manifest.sig";
/// The audit key's certificate.
pub const KEY: &str = "audit-key.pem";

/// The bytes that the audit key signs: a line that says what for, and the SHA-256 of the
/// manifest in hexadecimal digits.
pub fn signed_bytes(manifest: &[u8]) -> Vec<u8> {
    format!("claimbridge evidence manifest v1\n{}\n", sha256(manifest)).into_bytes()
}

/// SHA-256 in lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

/// What `manifest.json` says.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// When the bundle was made.
    pub made_at: String,
    /// By which version.
    pub made_by: String,
    /// With which key.
    pub key: ManifestKey,
    /// All files but the manifest and its signature, in the order of the archive.
    pub files: Vec<ManifestFile>,
}

/// The key that signs.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestKey {
    /// Its id in the database.
    pub id: String,
    /// SHA-256 of its certificate, upper-case hexadecimal digits.
    pub fingerprint: String,
}

/// One file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub size: u64,
    /// SHA-256 over it.
    pub sha256: String,
    /// SHA-256 over its bytes as they lie in the archive, so that not one bit there is free.
    pub packed_sha256: String,
}

/// A file that goes in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct File {
    /// Its name: plain (see [`zip::is_plain`]).
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl File {
    /// A file of text.
    pub fn text(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: text.into(),
        }
    }

    /// A file of JSON, for people to read too.
    pub fn json(name: impl Into<String>, value: &serde_json::Value) -> Self {
        Self::text(name, format!("{value:#}\n"))
    }
}

/// A bundle that is ready to be written.
#[derive(Debug)]
pub struct Bundle {
    /// The archive.
    pub archive: Vec<u8>,
    /// SHA-256 of the certificate that signed it, upper-case hexadecimal digits.
    pub fingerprint: String,
    /// How many files there are, manifest and signature included.
    pub files: usize,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file does not fit.
    #[error("a file does not fit into the bundle")]
    Pack(#[source] PackError),
    /// The key.
    #[error("the manifest could not be signed")]
    Sign(#[source] SignError),
    /// The key's certificate cannot be read.
    #[error("the audit key's certificate cannot be read")]
    Certificate,
    /// Never: it is text.
    #[error("the manifest could not be written")]
    Manifest(#[source] serde_json::Error),
}

/// Packs `files`, writes the manifest and signs it.
pub fn seal(mut files: Vec<File>, key: &SigningKey, at: Timestamp) -> Result<Bundle, BundleError> {
    let signer = key
        .signer_for(KeyPurpose::Audit)
        .map_err(BundleError::Sign)?;
    let certificate = key.read_certificate().ok_or(BundleError::Certificate)?;
    files.push(File::text(KEY, pem(&key.certificate)));
    let parcels = files
        .iter()
        .map(|file| zip::pack(&file.name, &file.bytes, Packing::Deflate))
        .collect::<Result<Vec<Parcel>, PackError>>()
        .map_err(BundleError::Pack)?;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        made_at: at.to_rfc3339(),
        made_by: super::versions::MADE_BY.to_owned(),
        key: ManifestKey {
            id: KeyId::as_str(&key.id).to_owned(),
            fingerprint: certificate.fingerprint(),
        },
        files: files
            .iter()
            .zip(&parcels)
            .map(|(file, parcel)| ManifestFile {
                name: file.name.clone(),
                size: file.bytes.len() as u64,
                sha256: sha256(&file.bytes),
                packed_sha256: sha256(&parcel.data),
            })
            .collect(),
    };
    let manifest = in_lines(&manifest).map_err(BundleError::Manifest)?;
    let signature = signer
        .sign(&signed_bytes(&manifest))
        .map_err(BundleError::Sign)?;
    let stored = |name, bytes: &[u8]| zip::pack(name, bytes, Packing::Stored);
    let manifest = stored(MANIFEST, &manifest).map_err(BundleError::Pack)?;
    let signature = stored(SIGNATURE, &signature).map_err(BundleError::Pack)?;
    let mut packed: Vec<_> = files
        .iter()
        .zip(&parcels)
        .map(|(file, parcel)| parcel.named(&file.name))
        .collect();
    packed.push(manifest.named(MANIFEST));
    packed.push(signature.named(SIGNATURE));
    Ok(Bundle {
        archive: zip::write(&packed, at).map_err(BundleError::Pack)?,
        fingerprint: certificate.fingerprint(),
        files: packed.len(),
    })
}

/// One line a file, so that a line-wise program can check the hashes (see README.txt).
fn in_lines(manifest: &Manifest) -> Result<Vec<u8>, serde_json::Error> {
    let files = manifest
        .files
        .iter()
        .map(serde_json::to_string)
        .collect::<Result<Vec<String>, _>>()?;
    let text = serde_json::to_string;
    Ok(format!(
        "{{\n\"format\": {},\n\"made_at\": {},\n\"made_by\": {},\n\"key\": {},\n\"files\": [\n{}\n]\n}}\n",
        text(&manifest.format)?,
        text(&manifest.made_at)?,
        text(&manifest.made_by)?,
        serde_json::to_string(&manifest.key)?,
        files.join(",\n")
    )
    .into_bytes())
}

/// A certificate in PEM (RFC 7468: 64 letters a line).
pub fn pem(certificate: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(certificate);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

/// `AB:CD:…`, as OpenSSL writes fingerprints.
pub fn with_colons(hex: &str) -> String {
    let pairs: Vec<String> = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| String::from_utf8_lossy(pair).into_owned())
        .collect();
    pairs.join(":")
}
