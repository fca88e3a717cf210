//! Keys that are too short, of the wrong kind, or for something else (attacks 13, 27, 34).

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use claimbridge::{
    base::{ids::KeyId, random::SystemRandom, secret::Secret},
    keys::{
        KeyPurpose,
        certificate::{Certificate, CertificateError, RsaHash},
        signing::{self, KeyError, RsaSigner},
    },
    protocol::{
        saml::{
            authn_request::{Arrival, RequestError, RequestWindow, UnverifiedAuthnRequest},
            sp_metadata::{MetadataError, parse_sp_metadata},
        },
        xml::signature::{self, SignatureError},
    },
    relying_party::RelyingParty,
};
use openssl::{
    asn1::Asn1Time,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{X509, X509NameBuilder},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    saml_kit::{NOW, entra, new_key},
    support::{World, entra as messages},
};

/// A key and its self-signed certificate, by a library that makes short ones.
struct Foreign {
    key: PKey<Private>,
    certificate: Vec<u8>,
}

impl Foreign {
    fn new(key: PKey<Private>) -> Self {
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", "sp").unwrap();
        let name = name.build();
        let mut builder = X509::builder().unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder
            .set_not_before(&Asn1Time::days_from_now(0).unwrap())
            .unwrap();
        builder
            .set_not_after(&Asn1Time::days_from_now(30).unwrap())
            .unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        let certificate = builder.build().to_der().unwrap();
        Self { key, certificate }
    }

    fn rsa(bits: u32) -> Self {
        Self::new(PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap())
    }

    fn elliptic() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Self::new(PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap())
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signer = openssl::sign::Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        signer.sign_oneshot_to_vec(message).unwrap()
    }
}

fn party(certificate: Vec<u8>) -> RelyingParty {
    let mut party = entra();
    party.request_certificates = vec![certificate];
    party
}

const SSO: &str = "https://idp.example.com/saml2/sso";

fn arrival() -> Arrival<'static> {
    Arrival {
        sso_url: SSO,
        domain: None,
        now: NOW,
        window: RequestWindow::default(),
    }
}

fn refused_redirect(foreign: &Foreign) -> RequestError {
    let request = messages::request(NOW).with(&format!("Destination=\"{SSO}\""));
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let path = request.redirect();
    let (_, query) = path.split_once('?').unwrap();
    let signed = format!("{query}&SigAlg={}", encode(signature::RSA_SHA256));
    let value = BASE64.encode(foreign.sign(signed.as_bytes()));
    let query = format!("{signed}&Signature={}", encode(&value));
    UnverifiedAuthnRequest::parse_redirect(&query)
        .unwrap()
        .verify(&party(foreign.certificate.clone()), &arrival())
        .unwrap_err()
}

fn refused_post(foreign: &Foreign) -> RequestError {
    // Who signed does not matter: the key that would be trusted is looked at first.
    let own = new_key();
    let mut request = messages::request(NOW).with(&format!("Destination=\"{SSO}\""));
    request.id = "_r1".to_owned();
    let template = signature::template("_r1", &foreign.certificate);
    let xml = request
        .xml()
        .replacen("</Issuer>", &format!("</Issuer>{template}"), 1);
    let signer: std::sync::Arc<dyn claimbridge::keys::Signer> =
        std::sync::Arc::new(RsaSigner::from_pkcs8(&own.pkcs8).unwrap());
    let xml = signature::sign(&xml, &signer).unwrap();
    UnverifiedAuthnRequest::parse_post([("SAMLRequest", BASE64.encode(xml).as_str())])
        .unwrap()
        .verify(&party(foreign.certificate.clone()), &arrival())
        .unwrap_err()
}

fn refused_metadata(foreign: &Foreign) -> MetadataError {
    let xml = format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"https://sp.example.com\">\
<md:SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:KeyDescriptor>\
<ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate>\
</ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:AssertionConsumerService index=\"0\" \
Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://sp.example.com/acs\"/>\
</md:SPSSODescriptor></md:EntityDescriptor>",
        BASE64.encode(&foreign.certificate)
    );
    parse_sp_metadata(xml.as_bytes()).unwrap_err()
}

#[test]
fn attack_27_a_party_s_rsa_key_under_2048_bits_is_refused_at_every_door() {
    for bits in [1024, 2040] {
        let short = Foreign::rsa(bits);
        let wanted = CertificateError::TooShort(usize::try_from(bits).unwrap());
        let certificate = Certificate::read(&short.certificate).unwrap();
        assert_eq!(certificate.require_strong_rsa(), Err(wanted.clone()));
        let signed = short.sign(b"message");
        assert!(
            certificate
                .verify_rsa(RsaHash::Sha256, b"message", &signed)
                .is_err()
        );
        assert!(matches!(
            refused_metadata(&short),
            MetadataError::Certificate(error) if error == wanted
        ));
        assert!(matches!(
            refused_redirect(&short),
            RequestError::Certificate(error) if error == wanted
        ));
        assert!(matches!(
            refused_post(&short),
            RequestError::Signature(SignatureError::Certificate(error)) if error == wanted
        ));
    }
    // The next length is taken.
    let enough = Foreign::rsa(2048);
    let certificate = Certificate::read(&enough.certificate).unwrap();
    let signed = enough.sign(b"message");
    assert_eq!(
        certificate.verify_rsa(RsaHash::Sha256, b"message", &signed),
        Ok(())
    );
}

#[test]
fn attack_13_a_party_s_key_that_is_no_rsa_is_refused_at_every_door() {
    let elliptic = Foreign::elliptic();
    assert!(matches!(
        refused_metadata(&elliptic),
        MetadataError::Certificate(CertificateError::NotRsa)
    ));
    assert!(matches!(
        refused_redirect(&elliptic),
        RequestError::Certificate(CertificateError::NotRsa)
    ));
    assert!(matches!(
        refused_post(&elliptic),
        RequestError::Signature(SignatureError::Certificate(CertificateError::NotRsa))
    ));
}

#[test]
fn attack_27_an_own_key_under_2048_bits_is_not_loaded() {
    let load = |foreign: &Foreign| {
        let pkcs8 = Secret::new(foreign.key.private_key_to_pkcs8().unwrap());
        let id = KeyId::random(&mut SystemRandom);
        let certificate = foreign.certificate.clone();
        signing::load(id, KeyPurpose::Assertion, &pkcs8, certificate, NOW).map(|_| ())
    };
    for bits in [1024, 2040] {
        // aws-lc takes none so short as PKCS#8; if a later one does, our own check says it.
        let error = load(&Foreign::rsa(bits)).unwrap_err();
        assert!(
            matches!(error, KeyError::Form | KeyError::TooShort(_)),
            "{bits}: {error}"
        );
    }
    assert!(load(&Foreign::rsa(2048)).is_ok());
    assert!(matches!(load(&Foreign::elliptic()), Err(KeyError::Form)));
}

#[test]
fn attack_27_nothing_but_aws_lc_uses_a_private_rsa_key() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap();
    let wanting = |name: &str| -> Vec<String> {
        lock.split("[[package]]")
            .filter(|package| {
                let (_, needs) = package.split_once("dependencies = [").unwrap_or_default();
                needs.lines().any(|line| {
                    let need = line.trim().trim_matches(['"', ',']);
                    need == name || need.starts_with(&format!("{name} "))
                })
            })
            .filter_map(|package| {
                let line = package.lines().find(|line| line.starts_with("name"))?;
                Some(line.split('"').nth(1)?.to_owned())
            })
            .collect()
    };
    assert!(wanting("aws-lc-rs").contains(&"claimbridge".to_owned()));
    let users: Vec<String> = wanting("rsa");
    assert!(
        users
            .iter()
            .all(|user| user == "crypto-glue" || user == "openidconnect"),
        "RUSTSEC-2023-0071: {users:?}"
    );
    // And who adds another is told by `cargo deny`.
    let deny = std::fs::read_to_string(root.join("deny.toml")).unwrap();
    let deny: toml::Table = deny.parse().unwrap();
    let banned = deny["bans"]["deny"].as_array().unwrap();
    let rsa = banned
        .iter()
        .find(|ban| ban["crate"].as_str() == Some("rsa"))
        .unwrap();
    let wrappers: Vec<&str> = rsa["wrappers"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    assert_eq!(wrappers, ["crypto-glue", "openidconnect"]);
    // openidconnect could also sign with it. Nothing of ours asks it to.
    let mut looked_at = 0;
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(!text.contains("PrivateSigningKey"), "{}", path.display());
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 300, "{looked_at}");
}

/// A key for tokens beside the assertion key, and older than it. (That a purpose written
/// over by hand does not open the key is shown in `app::keys`.)
#[tokio::test]
async fn attack_34_a_key_of_another_purpose_is_not_taken_for_assertions() {
    let mut world = World::new().await;
    let own = world.app().assertion_key().id.clone();
    let sql = world.sql().await;
    let keys = async |world: &World, purpose: KeyPurpose| {
        let mut tx = world.app().store().read().await.unwrap();
        let keys = tx.keys_of(purpose).await.unwrap();
        keys.into_iter().map(|key| key.id).collect::<Vec<_>>()
    };
    sql.run(
        "INSERT INTO signing_keys (id, purpose, first_of, certificate, sealed_private_key, created_at)
         SELECT 'key_aaaaaaaaaaaaaaaaaaaaaaaaaa', 'oidc', 'oidc', certificate, sealed_private_key, created_at - 1
         FROM signing_keys",
    )
    .await;
    assert_eq!(
        keys(&world, KeyPurpose::Assertion).await,
        std::slice::from_ref(&own)
    );
    world.start_node().await;
    let node = world.nodes.last().unwrap();
    assert_eq!(node.app.assertion_key().id, own);
    assert_eq!(node.app.assertion_key().purpose, KeyPurpose::Assertion);
}
