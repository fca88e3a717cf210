//! A security key in software: it answers registrations and sign-ins, and every field of an
//! answer can be changed before it is signed, so that a bad vector is one field away from a
//! good one. CBOR is written by ciborium, keys and signatures are made by aws-lc-rs: neither
//! is what the server verifies with.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, KeyPair as _,
    },
};
use ciborium::value::Value;
use rcgen::PublicKeyData as _;
use serde_json::{Value as Json, json};

/// Somebody touched it.
pub const UP: u8 = 0x01;
/// It checked a PIN.
pub const UV: u8 = 0x04;
/// It can be copied.
pub const BE: u8 = 0x08;
/// It was copied.
pub const BS: u8 = 0x10;
/// A new key follows.
pub const AT: u8 = 0x40;
/// Extensions follow.
pub const ED: u8 = 0x80;

/// The model that software keys say they are.
pub const MODEL: [u8; 16] = *b"claimbridge soft";

/// One credential of a software authenticator.
pub struct SoftKey {
    pair: EcdsaKeyPair,
    pub cose: Value,
    pub credential_id: Vec<u8>,
    pub aaguid: [u8; 16],
    pub user_handle: Vec<u8>,
    pub counter: u32,
    pub flags: u8,
}

/// What the browser adds.
#[derive(Clone, Debug)]
pub struct Client {
    pub kind: String,
    pub challenge: String,
    pub origin: String,
    pub members: Vec<(&'static str, Json)>,
    /// Instead of all that.
    pub raw: Option<Vec<u8>>,
}

impl Client {
    fn bytes(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut object = json!({
            "type": self.kind, "challenge": self.challenge, "origin": self.origin,
            "crossOrigin": false,
        });
        for (name, value) in &self.members {
            object[*name] = value.clone();
        }
        serde_json::to_vec(&object).unwrap()
    }
}

/// What the authenticator signs.
#[derive(Clone, Debug)]
pub struct Data {
    pub rp_id: String,
    pub flags: u8,
    pub counter: u32,
    /// AAGUID, credential id, public key.
    pub key: Option<([u8; 16], Vec<u8>, Value)>,
    pub extensions: Vec<u8>,
    pub trailing: Vec<u8>,
}

impl Data {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        bytes.push(self.flags);
        bytes.extend(self.counter.to_be_bytes());
        if let Some((aaguid, id, key)) = &self.key {
            bytes.extend(aaguid);
            bytes.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
            bytes.extend(id);
            bytes.extend(cbor(key));
        }
        bytes.extend(&self.extensions);
        bytes.extend(&self.trailing);
        bytes
    }
}

/// How the key proves its model.
pub enum Statement {
    /// Not at all.
    None,
    /// Not at all, but it says something.
    NoneWith(Value),
    /// With its own key.
    SelfSigned,
    /// With a key of its maker (`packed`, or `fido-u2f`).
    Maker(Maker),
    /// Of a format that nobody knows.
    Unknown,
}

/// Who makes authenticators: an attestation key and its certificates, leaf first.
pub struct Maker {
    pair: EcdsaKeyPair,
    pub root: Vec<u8>,
    pub chain: Vec<Vec<u8>>,
    pub format: &'static str,
}

impl Maker {
    /// A root and an attestation certificate for `aaguid` under it.
    pub fn new(aaguid: [u8; 16], format: &'static str) -> Self {
        let root_key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut root = rcgen::CertificateParams::default();
        root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        root.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        root.distinguished_name
            .push(rcgen::DnType::CommonName, "Soft Keys Root");
        let root_certificate = root.self_signed(&root_key).unwrap();
        let issuer = rcgen::Issuer::new(root, root_key);

        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut leaf = rcgen::CertificateParams::default();
        leaf.is_ca = rcgen::IsCa::ExplicitNoCa;
        for (kind, value) in [
            (rcgen::DnType::CountryName, "CH"),
            (rcgen::DnType::OrganizationName, "Soft Keys"),
            (
                rcgen::DnType::OrganizationalUnitName,
                "Authenticator Attestation",
            ),
            (rcgen::DnType::CommonName, "Soft Key"),
        ] {
            leaf.distinguished_name.push(kind, value);
        }
        let mut content = vec![0x04, 16];
        content.extend(aaguid);
        leaf.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(
            &[1, 3, 6, 1, 4, 1, 45724, 1, 1, 4],
            content,
        )];
        let certificate = leaf.signed_by(&key, &issuer).unwrap();
        assert!(!key.der_bytes().is_empty());
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key.serialize_der())
            .unwrap();
        let mut chain = vec![certificate.der().to_vec()];
        if format == "packed" {
            chain.push(root_certificate.der().to_vec());
        }
        Self {
            pair,
            root: root_certificate.der().to_vec(),
            chain,
            format,
        }
    }
}

/// An answer to a registration that is not signed yet.
pub struct Registration {
    pub client: Client,
    pub data: Data,
    pub statement: Statement,
    /// The algorithm that the statement names.
    pub statement_alg: i64,
    /// Done to the statement's signature.
    pub signature: fn(&mut Vec<u8>),
    /// Done to the attestation object's bytes.
    pub object: fn(Vec<u8>) -> Vec<u8>,
    /// Done to the JSON that the browser sends.
    pub json: fn(&mut Json),
    pub raw_id: Vec<u8>,
}

/// An answer to a sign-in that is not signed yet.
pub struct Assertion {
    pub client: Client,
    pub data: Data,
    pub raw_id: Vec<u8>,
    pub user_handle: Option<Vec<u8>>,
    /// Done to the signature.
    pub signature: fn(&mut Vec<u8>),
    /// Done to the JSON that the browser sends.
    pub json: fn(&mut Json),
}

impl SoftKey {
    /// A new key with a PIN, on P-256, that counts.
    pub fn new() -> Self {
        Self::on(&ECDSA_P256_SHA256_ASN1_SIGNING, -7, 1)
    }

    /// A new key on P-384.
    pub fn p384() -> Self {
        Self::on(&ECDSA_P384_SHA384_ASN1_SIGNING, -35, 2)
    }

    fn on(algorithm: &'static EcdsaSigningAlgorithm, alg: i64, curve: i64) -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).unwrap();
        let (x, y) = {
            let point = &pair.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            (x.to_vec(), y.to_vec())
        };
        let mut credential_id = vec![0; 32];
        claimbridge::base::random::Random::fill(
            &mut claimbridge::base::random::SystemRandom,
            &mut credential_id,
        );
        Self {
            pair,
            cose: cose(2, alg, curve, x, y),
            credential_id,
            aaguid: MODEL,
            user_handle: Vec::new(),
            counter: 0,
            flags: UP | UV,
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), message).unwrap();
        signature.as_ref().to_vec()
    }

    /// The good answer to `options` (`navigator.credentials.create`).
    pub fn registration(&mut self, options: &Json, origin: &str) -> Registration {
        let options = &options["publicKey"];
        self.user_handle = decode(&options["user"]["id"]);
        Registration {
            client: client("webauthn.create", options, origin),
            data: Data {
                rp_id: options["rp"]["id"].as_str().unwrap().to_owned(),
                flags: self.flags | AT,
                counter: self.counter,
                key: Some((self.aaguid, self.credential_id.clone(), self.cose.clone())),
                extensions: Vec::new(),
                trailing: Vec::new(),
            },
            statement: Statement::SelfSigned,
            statement_alg: -7,
            signature: |_| (),
            object: |bytes| bytes,
            json: |_| (),
            raw_id: self.credential_id.clone(),
        }
    }

    /// The good answer to `options` (`navigator.credentials.get`); it counts.
    pub fn assertion(&mut self, options: &Json, origin: &str) -> Assertion {
        let options = &options["publicKey"];
        self.counter += 1;
        Assertion {
            client: client("webauthn.get", options, origin),
            data: Data {
                rp_id: options["rpId"].as_str().unwrap().to_owned(),
                flags: self.flags,
                counter: self.counter,
                key: None,
                extensions: Vec::new(),
                trailing: Vec::new(),
            },
            raw_id: self.credential_id.clone(),
            user_handle: Some(self.user_handle.clone()),
            signature: |_| (),
            json: |_| (),
        }
    }

    /// Signs a registration; what the browser sends.
    pub fn finish_registration(&self, answer: &Registration) -> String {
        let client = answer.client.bytes();
        let data = answer.data.bytes();
        let hash = digest(&SHA256, &client);
        let signed = [&data[..], hash.as_ref()].concat();
        let altered = |mut signature: Vec<u8>| {
            (answer.signature)(&mut signature);
            Value::Bytes(signature)
        };
        let (format, statement) = match &answer.statement {
            Statement::None => ("none", Value::Map(vec![])),
            Statement::NoneWith(value) => ("none", value.clone()),
            Statement::Unknown => ("claimbridge", Value::Map(vec![])),
            Statement::SelfSigned => (
                "packed",
                map(vec![
                    ("alg", Value::from(answer.statement_alg)),
                    ("sig", altered(self.sign(&signed))),
                ]),
            ),
            Statement::Maker(maker) => {
                let message = match (&answer.data.key, maker.format) {
                    (Some((_, id, cose)), "fido-u2f") => [
                        &[0][..],
                        &data[..32],
                        hash.as_ref(),
                        id,
                        &[4],
                        coordinate(cose, -2),
                        coordinate(cose, -3),
                    ]
                    .concat(),
                    _ => signed,
                };
                let signature = maker.pair.sign(&SystemRandom::new(), &message).unwrap();
                let chain = maker.chain.iter().cloned().map(Value::Bytes).collect();
                let mut members = vec![
                    ("sig", altered(signature.as_ref().to_vec())),
                    ("x5c", Value::Array(chain)),
                ];
                if maker.format == "packed" {
                    members.insert(0, ("alg", Value::from(answer.statement_alg)));
                }
                (maker.format, map(members))
            }
        };
        let object = cbor(&map(vec![
            ("fmt", Value::Text(format.to_owned())),
            ("attStmt", statement),
            ("authData", Value::Bytes(data)),
        ]));
        let mut json = json!({
            "id": encode(&answer.raw_id),
            "rawId": encode(&answer.raw_id),
            "type": "public-key",
            "response": {
                "clientDataJSON": encode(&client),
                "attestationObject": encode(&(answer.object)(object)),
                "transports": ["usb", "nfc"],
            },
            "clientExtensionResults": {"credProps": {"rk": true}},
        });
        (answer.json)(&mut json);
        json.to_string()
    }

    /// Signs an assertion; what the browser sends.
    pub fn finish_assertion(&self, answer: &Assertion) -> String {
        let client = answer.client.bytes();
        let data = answer.data.bytes();
        let mut signature = self.sign(&[&data[..], digest(&SHA256, &client).as_ref()].concat());
        (answer.signature)(&mut signature);
        let mut json = json!({
            "id": encode(&answer.raw_id),
            "rawId": encode(&answer.raw_id),
            "type": "public-key",
            "response": {
                "clientDataJSON": encode(&client),
                "authenticatorData": encode(&data),
                "signature": encode(&signature),
                "userHandle": answer.user_handle.as_deref().map(encode),
            },
            "clientExtensionResults": {},
        });
        (answer.json)(&mut json);
        json.to_string()
    }

    /// Registers as a browser with this key would.
    pub fn registers(&mut self, options: &str, origin: &str) -> String {
        let answer = self.registration(&serde_json::from_str(options).unwrap(), origin);
        self.finish_registration(&answer)
    }

    /// Signs in as a browser with this key would.
    pub fn signs(&mut self, options: &str, origin: &str) -> String {
        let answer = self.assertion(&serde_json::from_str(options).unwrap(), origin);
        self.finish_assertion(&answer)
    }
}

fn client(kind: &str, options: &Json, origin: &str) -> Client {
    Client {
        kind: kind.to_owned(),
        challenge: options["challenge"].as_str().unwrap().to_owned(),
        origin: origin.to_owned(),
        members: Vec::new(),
        raw: None,
    }
}

/// A COSE key of two coordinates.
pub fn cose(kty: i64, alg: i64, curve: i64, x: Vec<u8>, y: Vec<u8>) -> Value {
    Value::Map(vec![
        (Value::from(1), Value::from(kty)),
        (Value::from(3), Value::from(alg)),
        (Value::from(-1), Value::from(curve)),
        (Value::from(-2), Value::Bytes(x)),
        (Value::from(-3), Value::Bytes(y)),
    ])
}

/// A member of a COSE key.
pub fn coordinate(cose: &Value, label: i64) -> &[u8] {
    let (_, value) = cose
        .as_map()
        .unwrap()
        .iter()
        .find(|(name, _)| *name == Value::from(label))
        .unwrap();
    value.as_bytes().unwrap()
}

/// A map with text names.
pub fn map(members: Vec<(&str, Value)>) -> Value {
    let members = members
        .into_iter()
        .map(|(name, value)| (Value::Text(name.to_owned()), value));
    Value::Map(members.collect())
}

/// The bytes of a CBOR value.
pub fn cbor(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

pub fn encode(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}

fn decode(text: &Json) -> Vec<u8> {
    data_encoding::BASE64URL_NOPAD
        .decode(text.as_str().unwrap().as_bytes())
        .unwrap()
}
