//! FIDO metadata files under a root of our own: a chain, a payload, a signature, each
//! of which a test can spoil. Shared with `benches/mds.rs`.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
        RSA_PKCS1_SHA512, RsaKeyPair,
    },
};
use claimbridge::{base::clock::Timestamp, factor::webauthn::metadata::Roots};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_RSA_SHA256,
    PKCS_RSA_SHA384, PKCS_RSA_SHA512, SanType, SignatureAlgorithm, date_time_ymd,
};
use serde_json::{Value, json};

/// 2026-11-20T10:00:00Z.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_168_800_000);

pub const YUBIKEY: &str = "cb69481e-8ff7-4039-93ec-0a2729a154a8";
pub const TITAN: &str = "42b4fb4a-2866-43b2-9bf7-6c6669c2e5d3";
pub const U2F_KEY: &str = "7c0903708b87115b0b422def3138c3c864e44573";

/// A certificate and its key.
pub struct Authority {
    pub key: KeyPair,
    pub params: CertificateParams,
    pub der: Vec<u8>,
}

/// A certificate for `name`, valid from 2026 to 2027; `change` spoils it.
pub fn params(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2027, 1, 1);
    change(&mut params);
    params
}

/// What makes a certificate a CA.
pub fn ca(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
}

/// What makes a certificate one that signs metadata.
pub fn leaf(params: &mut CertificateParams) {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.subject_alt_names = vec![SanType::DnsName("mds.example.test".try_into().unwrap())];
}

impl Authority {
    pub fn root(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::root_with(&PKCS_ECDSA_P256_SHA256, name, change)
    }

    pub fn root_with(
        algorithm: &'static SignatureAlgorithm,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = params(name, |params| {
            ca(params);
            change(params);
        });
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { key, params, der }
    }

    pub fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        self.issue_with(&PKCS_ECDSA_P256_SHA256, name, change)
    }

    pub fn issue_with(
        &self,
        algorithm: &'static SignatureAlgorithm,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = params(name, change);
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Self { key, params, der }
    }
}

/// A root, a CA between, and who signs.
pub struct Publisher {
    pub root: Authority,
    pub between: Authority,
    pub signer: Authority,
}

impl Publisher {
    pub fn new() -> Self {
        let root = Authority::root("Test root", |_| ());
        let between = root.issue("Test CA", ca);
        let signer = between.issue("Test publisher", leaf);
        Self {
            root,
            between,
            signer,
        }
    }

    /// With RSA keys throughout, as FIDO's own files are signed.
    pub fn rsa() -> Self {
        Self::with(&PKCS_RSA_SHA256)
    }

    /// With keys of this kind, and this hash, throughout.
    pub fn with(algorithm: &'static SignatureAlgorithm) -> Self {
        let root = Authority::root_with(algorithm, "Test root", |_| ());
        let between = root.issue_with(algorithm, "Test CA", ca);
        let signer = between.issue_with(algorithm, "Test publisher", leaf);
        Self {
            root,
            between,
            signer,
        }
    }

    pub fn roots(&self) -> Roots {
        Roots::read(&self.root.der).unwrap()
    }

    pub fn chain(&self) -> Vec<Vec<u8>> {
        vec![self.signer.der.clone(), self.between.der.clone()]
    }

    /// The header that goes with the signer's key.
    pub fn header(&self) -> Value {
        header(self.algorithm(), &self.chain())
    }

    fn algorithm(&self) -> &'static str {
        [
            (&PKCS_RSA_SHA256, "RS256"),
            (&PKCS_RSA_SHA384, "RS384"),
            (&PKCS_RSA_SHA512, "RS512"),
            (&PKCS_ECDSA_P384_SHA384, "ES384"),
            (&PKCS_ECDSA_P521_SHA512, "ES512"),
        ]
        .into_iter()
        .find(|(algorithm, _)| self.signer.key.is_compatible(algorithm))
        .map_or("ES256", |(_, name)| name)
    }

    /// A file with this payload.
    pub fn publish(&self, payload: &Value) -> Vec<u8> {
        self.sign(&self.header(), payload.to_string().as_bytes())
    }

    /// Whatever stands in the header, the signature is one by the signer's key.
    pub fn sign(&self, header: &Value, payload: &[u8]) -> Vec<u8> {
        let mut file = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
        file.push('.');
        BASE64URL_NOPAD.encode_append(payload, &mut file);
        let signature = self.signature(file.as_bytes());
        file.push('.');
        BASE64URL_NOPAD.encode_append(&signature, &mut file);
        file.into_bytes()
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let der = self.signer.key.serialize_der();
        let rsa = match self.algorithm() {
            "RS256" => &RSA_PKCS1_SHA256,
            "RS384" => &RSA_PKCS1_SHA384,
            "RS512" => &RSA_PKCS1_SHA512,
            curve => {
                let parameters = match curve {
                    "ES384" => &ECDSA_P384_SHA384_FIXED_SIGNING,
                    "ES512" => &ECDSA_P521_SHA512_FIXED_SIGNING,
                    _ => &ECDSA_P256_SHA256_FIXED_SIGNING,
                };
                let key = EcdsaKeyPair::from_pkcs8(parameters, &der).unwrap();
                let signature = key.sign(&SystemRandom::new(), message).unwrap();
                return signature.as_ref().to_vec();
            }
        };
        let key = RsaKeyPair::from_pkcs8(&der).unwrap();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(rsa, &SystemRandom::new(), message, &mut signature)
            .unwrap();
        signature
    }
}

pub fn header(algorithm: &str, chain: &[Vec<u8>]) -> Value {
    let chain: Vec<String> = chain.iter().map(|der| BASE64.encode(der)).collect();
    json!({"alg": algorithm, "typ": "JWT", "x5c": chain})
}

/// The smallest picture that is one.
pub fn png(size: usize) -> String {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.resize(size.max(8), 7);
    format!("data:image/png;base64,{}", BASE64.encode(&bytes))
}

/// An entry as FIDO writes it, with much that nobody here reads.
pub fn entry(aaguid: &str, name: &str, roots: &[&[u8]], reports: &Value) -> Value {
    let roots: Vec<String> = roots.iter().map(|der| BASE64.encode(der)).collect();
    json!({
        "aaguid": aaguid,
        "metadataStatement": {
            "legalHeader": "…",
            "aaguid": aaguid,
            "description": name,
            "authenticatorVersion": 5,
            "protocolFamily": "fido2",
            "schema": 3,
            "upv": [{"major": 1, "minor": 1}],
            "userVerificationDetails": [[{"userVerificationMethod": "passcode_external",
                "caDesc": {"base": 64, "minLength": 4, "maxRetries": 8}}]],
            "attestationTypes": ["basic_full"],
            "attestationRootCertificates": roots,
            "icon": png(64),
            "authenticatorGetInfo": {"versions": ["FIDO_2_0"], "aaguid": aaguid.replace('-', "")},
        },
        "statusReports": reports,
        "timeOfLastStatusChange": "2026-03-01",
        "ofTomorrow": {"nested": [1, 2, {"deep": null}]},
    })
}

/// A payload that is good at [`NOW`].
pub fn payload(number: u64, entries: &[Value]) -> Value {
    json!({
        "legalHeader": "…",
        "no": number,
        "nextUpdate": "2026-12-01",
        "ofTomorrow": true,
        "entries": entries,
    })
}

/// Two FIDO2 models, one U2F key and one UAF entry.
pub fn some_entries(vendor_root: &[u8]) -> Vec<Value> {
    let certified = json!([{"status": "FIDO_CERTIFIED_L1", "effectiveDate": "2024-01-01"}]);
    vec![
        entry(
            YUBIKEY,
            "YubiKey 5 Series with NFC",
            &[vendor_root],
            &certified,
        ),
        entry(TITAN, "Titan Security Key v2", &[vendor_root], &certified),
        json!({
            "attestationCertificateKeyIdentifiers": [U2F_KEY],
            "metadataStatement": {"description": "A U2F key"},
            "statusReports": certified,
        }),
        json!({"aaid": "4e4e#4005", "statusReports": certified}),
    ]
}
