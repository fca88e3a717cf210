//! A cloud of Entra's for tests: tenants, keys, hints. Every test begins with what is right.

use std::{sync::LazyLock, time::Duration};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::hint_keys::HintKeys;
use crate::{
    base::{clock::Timestamp, ids::KeyId, random::SystemRandom},
    keys::{KeyPurpose, SigningKey, certificate::Certificate, signing},
    relying_party::{ExternalMfaCloud, ExternalMfaTenant},
};

/// Long ago: a hint of then has run out by the clock of any machine, and is taken (facts §5.4).
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(crate) const SUBJECT: &str = "mBfcvuhSHkDWVgV72x2ruIYdSsPSvcj2R0qfc6mGEAA";
pub(crate) const KID: &str = "-KI3Q9nNR7bRofxmeZoXqbHZGew";
pub(crate) const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
pub(crate) const FABRIKAM: &str = "ccccdddd-2222-eeee-3333-ffff4444aaaa";
pub(crate) const AUTHORITY: &str = "https://login.microsoftonline.com";
pub(crate) const OTHER_AUTHORITY: &str = "https://login.partner.microsoftonline.cn";
pub(crate) const CLIENT: &str = "claimbridge-of-contoso";

fn tenant(id: &str, client_id: &str, cloud: &str) -> ExternalMfaTenant {
    ExternalMfaTenant {
        tenant: id.parse().unwrap(),
        client_id: client_id.to_owned(),
        application: "6fa6c2ba-0d5a-4b53-9a0c-7e6a2d3f1b11".parse().unwrap(),
        cloud: ExternalMfaCloud::by_name(cloud).unwrap(),
    }
}

/// In the worldwide cloud.
pub(crate) fn contoso() -> ExternalMfaTenant {
    tenant(TENANT, CLIENT, "global")
}

/// In China, under another name.
pub(crate) fn fabrikam() -> ExternalMfaTenant {
    tenant(FABRIKAM, "claimbridge-of-fabrikam", "china")
}

pub(crate) fn keys_of(cloud: &ExternalMfaCloud, keys: &[Value]) -> HintKeys {
    let document = json!({ "keys": keys }).to_string();
    HintKeys::parse(cloud, document.as_bytes(), NOW).unwrap()
}

/// An RSA key with which a cloud signs.
pub(crate) struct CloudKey {
    key: SigningKey,
    pub(crate) kid: String,
}

impl CloudKey {
    pub(crate) fn new(kid: &str) -> Self {
        let random = &mut SystemRandom;
        let lifetime = Duration::from_hours(24);
        let size = signing::RsaSize::Bits2048;
        let new = signing::generate(size, "cloud", NOW, lifetime, random).unwrap();
        let id = KeyId::random(random);
        let purpose = KeyPurpose::Oidc;
        let key = signing::load(id, purpose, &new.pkcs8, new.certificate, NOW).unwrap();
        Self {
            key,
            kid: kid.to_owned(),
        }
    }

    /// As it stands in the cloud's set.
    pub(crate) fn jwk(&self) -> Value {
        let certificate = Certificate::read(&self.key.certificate).unwrap();
        let (modulus, exponent) = certificate.rsa_numbers().unwrap();
        json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid,
            "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent),
            "x5c": [STANDARD.encode(&self.key.certificate)],
            "issuer": format!("{AUTHORITY}/{{tenantid}}/v2.0"),
        })
    }

    pub(crate) fn sign(&self, text: &str) -> Vec<u8> {
        let signer = self.key.signer_for(KeyPurpose::Oidc).unwrap();
        signer.sign(text.as_bytes()).unwrap()
    }

    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = signed_part(header, claims);
        let signature = URL_SAFE_NO_PAD.encode(self.sign(&signed));
        format!("{signed}.{signature}")
    }

    /// A hint as Entra makes them.
    pub(crate) fn hint(&self, claims: &Value) -> String {
        self.token(
            &json!({"typ": "JWT", "alg": "RS256", "kid": self.kid}),
            claims,
        )
    }
}

pub(crate) static CLOUD: LazyLock<CloudKey> = LazyLock::new(|| CloudKey::new(KID));

pub(crate) fn signed_part(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// The claims of a right hint. `exp` is before `iat`, as Entra has it (facts §5.4).
pub(crate) fn claims() -> Value {
    let iat = NOW.as_secs();
    json!({
        "ver": "2.0",
        "iss": format!("{AUTHORITY}/{TENANT}/v2.0"),
        "aud": contoso().application.to_string(),
        "sub": SUBJECT,
        "tid": TENANT,
        "oid": "bbbbcccc-1111-dddd-2222-eeee3333ffff",
        "preferred_username": "agent1@contoso.com",
        "name": "Agent One",
        "iat": iat, "nbf": iat, "exp": iat - 1,
        "uti": "x1",
    })
}

/// `of` with another value of `name`; without it, if the value is null.
pub(crate) fn with(mut of: Value, name: &str, value: Value) -> Value {
    match (&mut of, value) {
        (Value::Object(map), Value::Null) => drop(map.remove(name)),
        (Value::Object(map), value) => drop(map.insert(name.to_owned(), value)),
        _ => unreachable!(),
    }
    of
}
