//! FIDO metadata files (attack 35): one that is good, and each one field away from it.

use std::{error::Error as _, time::Duration};

use claimbridge::{
    app::{Category, enrol::NewKeyOutcome, metadata::Supply, security_keys::KeyProblem},
    base::{aaguid::Aaguid, clock::Timestamp, ids::CredentialId, random::SystemRandom},
    directory::{MethodKind, SecurityKey},
    factor::webauthn::{
        chain::{Anchoring, ChainError, MAX_CHAIN, SignatureError, verify_chain},
        metadata::{
            Compromise, Freshness, MAX_BYTES, Metadata, MetadataError, Roots, verify_metadata,
        },
        policy::{
            Attestation, AttestationState, Backup, CoseAlgorithm, Doubt, KeyFacts, Models,
            Permission, PolicyRefusal, Reaction, UserVerification, UserVerified, WebAuthnPolicy,
        },
    },
};
use openssl::{
    asn1::Asn1Time,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{X509, X509Extension, X509Name, extension::BasicConstraints as OpensslConstraints},
};
use rcgen::{
    BasicConstraints, CustomExtension, IsCa, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, PKCS_RSA_SHA384,
    PKCS_RSA_SHA512, date_time_ymd,
};
use serde_json::{Value, json};

use crate::{
    mds_kit::{
        Authority, NOW, Publisher, TITAN, U2F_KEY, YUBIKEY, ca, entry, header, leaf, payload, png,
        some_entries,
    },
    soft_key::SoftKey,
    support::{PASSWORD, PUBLIC_URL, World},
};

fn aaguid(text: &str) -> Aaguid {
    text.parse().unwrap()
}

fn good_payload() -> Value {
    payload(42, &some_entries(b"a root of Yubico"))
}

fn read(publisher: &Publisher, file: &[u8]) -> Result<Metadata, MetadataError> {
    verify_metadata(file, &publisher.roots(), None, NOW)
}

/// Metadata with these entries.
pub fn metadata(entries: &[Value]) -> Metadata {
    let publisher = Publisher::new();
    read(&publisher, &publisher.publish(&payload(1, entries))).unwrap()
}

#[test]
fn a_good_file_says_what_it_says() {
    for publisher in [Publisher::new(), Publisher::rsa()] {
        let mut file = publisher.publish(&good_payload());
        file.extend_from_slice(b"\r\n");
        let metadata = read(&publisher, &file).unwrap();
        assert_eq!(metadata.number(), 42);
        assert_eq!(
            metadata.next_update(),
            Timestamp::parse_rfc3339("2026-12-01T00:00:00Z").unwrap()
        );
        assert_eq!((metadata.entries().len(), metadata.left_out()), (3, 1));
        let key = metadata.entry(&aaguid(YUBIKEY)).unwrap();
        assert_eq!(key.aaguid(), Some(&aaguid(YUBIKEY)));
        assert_eq!(key.roots()[0].as_ref(), b"a root of Yubico");
        assert_eq!(key.compromise(NOW), None);
        let model = metadata.model(&aaguid(YUBIKEY)).unwrap();
        assert_eq!(model.name, "YubiKey 5 Series with NFC");
        assert_eq!(model.icon.unwrap().bytes().len(), 64);
        assert!(metadata.model(&Aaguid::ZERO).is_none());
        let by_key: Vec<&str> = metadata
            .entries_by_key(&U2F_KEY.parse().unwrap())
            .map(|entry| entry.model().name)
            .collect();
        assert_eq!(by_key, ["A U2F key"]);
    }
}

#[test]
fn a_file_is_fresh_until_the_day_of_the_next_is_over() {
    let metadata = metadata(&[]);
    let over = Timestamp::parse_rfc3339("2026-12-02T00:00:00Z").unwrap();
    let before = over.minus(Duration::from_millis(1));
    assert_eq!(metadata.freshness(NOW), Freshness::Fresh);
    assert_eq!(metadata.freshness(before), Freshness::Fresh);
    assert_eq!(metadata.freshness(over), Freshness::Stale);
}

#[test]
fn attack_35_the_number_never_goes_back() {
    let publisher = Publisher::new();
    let file = publisher.publish(&good_payload());
    let read = |last| verify_metadata(&file, &publisher.roots(), last, NOW).map(|m| m.number());
    assert_eq!(read(None), Ok(42));
    assert_eq!(read(Some(41)), Ok(42));
    assert_eq!(read(Some(42)), Ok(42));
    assert_eq!(
        read(Some(43)),
        Err(MetadataError::RolledBack {
            number: 42,
            last: 43
        })
    );
}

/// A publisher with its parts made by `change`.
fn publisher(change: impl FnOnce(&mut Publisher)) -> Publisher {
    let mut publisher = Publisher::new();
    change(&mut publisher);
    publisher
}

fn refusal(publisher: &Publisher) -> MetadataError {
    read(publisher, &publisher.publish(&good_payload())).unwrap_err()
}

#[test]
fn the_chain_leads_to_a_root_of_the_operator() {
    let good = Publisher::new();
    let file = good.publish(&good_payload());
    let with = |roots: &Roots, now| verify_metadata(&file, roots, None, now).map(|_| ());
    assert_eq!(with(&good.roots(), NOW), Ok(()));

    // Another root of the same name, and the built-in one.
    let not_trusted = || Err(MetadataError::Chain(ChainError::NotTrusted));
    assert_eq!(with(&Publisher::new().roots(), NOW), not_trusted());
    assert_eq!(with(&Roots::fido(), NOW), not_trusted());

    // From the first second of the first day to that of the last; the root's time too.
    let at = |text| Timestamp::parse_rfc3339(text).unwrap();
    let (begin, end) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    let second = Duration::from_secs(1);
    assert_eq!(with(&good.roots(), begin), Ok(()));
    assert_eq!(with(&good.roots(), end), Ok(()));
    assert!(matches!(
        with(&good.roots(), begin.minus(second)),
        Err(MetadataError::Chain(ChainError::NotYetValid(_)))
    ));
    // Afterwards it is stale, also where it says itself that it is not, and no more.
    let fresh_until_3000 = {
        let mut payload = good_payload();
        payload["nextUpdate"] = json!("2999-12-31");
        good.publish(&payload)
    };
    for (now, freshness) in [
        (end, Freshness::Fresh),
        (end.plus(second), Freshness::Stale),
    ] {
        let read = verify_metadata(&fresh_until_3000, &good.roots(), None, now).unwrap();
        assert_eq!(read.freshness(now), freshness, "{now}");
        assert_eq!(read.entries().len(), 3);
    }
    // Its signature and its number are checked all the same.
    let late = end.plus(second);
    let other = Publisher::new().roots();
    assert!(matches!(with(&other, late), Err(MetadataError::Chain(_))));
    let mut altered = fresh_until_3000.clone();
    altered.truncate(altered.len() - 4);
    assert!(verify_metadata(&altered, &good.roots(), None, late).is_err());
    assert!(matches!(
        verify_metadata(&fresh_until_3000, &good.roots(), Some(u64::MAX), late),
        Err(MetadataError::RolledBack { .. })
    ));

    // The root in the chain does no harm, and what follows it is not looked at.
    let header_of = |chain: &[Vec<u8>]| {
        let file = good.sign(
            &header("ES256", chain),
            good_payload().to_string().as_bytes(),
        );
        read(&good, &file).map(|_| ())
    };
    let mut chain = good.chain();
    chain.push(good.root.der.clone());
    assert_eq!(header_of(&chain), Ok(()));
    chain.push(Publisher::new().root.der);
    assert_eq!(header_of(&chain), Ok(()));
    // A chain that brings its own root trusts nobody but ours.
    let own = Publisher::new();
    let mut chain = own.chain();
    chain.push(own.root.der.clone());
    let file = own.sign(
        &header("ES256", &chain),
        good_payload().to_string().as_bytes(),
    );
    assert_eq!(read(&good, &file).map(|_| ()), not_trusted());
}

#[test]
fn each_certificate_of_the_chain_may_do_what_it_does() {
    let chain = |error: MetadataError| match error {
        MetadataError::Chain(error) => error,
        other => panic!("{other:?}"),
    };
    let expired = |params: &mut rcgen::CertificateParams| {
        params.not_after = date_time_ymd(2026, 11, 1);
    };
    // Stale, wherever in the chain it is; a chain for an attestation is refused.
    let stale = |publisher: &Publisher, name: &str| {
        let file = publisher.publish(&good_payload());
        let read = read(publisher, &file).unwrap();
        assert_eq!(read.freshness(NOW), Freshness::Stale, "{name}");
        let roots = std::slice::from_ref(&publisher.root.der);
        let chain = publisher.chain();
        let refused = verify_chain(&chain, roots, Anchoring::IssuersOnly, NOW);
        let refused = refused.err().unwrap();
        assert_eq!(refused, ChainError::Expired(format!("CN={name}")));
    };
    let publishes = |it: &mut Publisher| {
        it.signer = it.between.issue("Test publisher", |params| {
            leaf(params);
            expired(params);
        });
    };
    stale(&publisher(publishes), "Test publisher");
    let between = |it: &mut Publisher| {
        it.between = it.root.issue("Test CA", |params| {
            ca(params);
            expired(params);
        });
        it.signer = it.between.issue("Test publisher", leaf);
    };
    stale(&publisher(between), "Test CA");
    let root = |it: &mut Publisher| {
        it.root = Authority::root("Test root", expired);
        it.between = it.root.issue("Test CA", ca);
        it.signer = it.between.issue("Test publisher", leaf);
    };
    stale(&publisher(root), "Test root");
    // Never valid all at once: that was no chain at any time.
    let refused = refusal(&publisher(|it| {
        it.between = it.root.issue("Test CA", |params| {
            ca(params);
            params.not_after = date_time_ymd(2026, 3, 1);
        });
        it.signer = it.between.issue("Test publisher", |params| {
            leaf(params);
            params.not_before = date_time_ymd(2026, 4, 1);
        });
    }));
    assert_eq!(chain(refused), ChainError::Expired("CN=Test CA".to_owned()));

    // A leaf that issues.
    let refused = refusal(&publisher(|it| {
        it.between = it
            .root
            .issue("Test CA", |params| params.is_ca = IsCa::ExplicitNoCa);
        it.signer = it.between.issue("Test publisher", leaf);
    }));
    assert_eq!(chain(refused), ChainError::NotACa("CN=Test CA".to_owned()));

    // A CA whose key signs no certificates.
    let refused = refusal(&publisher(|it| {
        it.between = it.root.issue("Test CA", |params| {
            ca(params);
            params.key_usages = vec![KeyUsagePurpose::CrlSign];
        });
        it.signer = it.between.issue("Test publisher", leaf);
    }));
    assert_eq!(
        chain(refused),
        ChainError::KeyUsage("CN=Test CA".to_owned())
    );

    // A signer whose key signs nothing.
    let refused = refusal(&publisher(|it| {
        it.signer = it.between.issue("Test publisher", |params| {
            leaf(params);
            params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        });
    }));
    assert_eq!(
        chain(refused),
        ChainError::KeyUsage("CN=Test publisher".to_owned())
    );

    // A root that allows nobody between.
    let path = |most| {
        publisher(|it| {
            it.root = Authority::root("Test root", |params| {
                params.is_ca = IsCa::Ca(BasicConstraints::Constrained(most));
            });
            it.between = it.root.issue("Test CA", ca);
            it.signer = it.between.issue("Test publisher", leaf);
        })
    };
    assert_eq!(
        chain(refusal(&path(0))),
        ChainError::PathLength("CN=Test root".to_owned())
    );
    let one = path(1);
    assert!(read(&one, &one.publish(&good_payload())).is_ok());

    // A critical extension of tomorrow.
    let with_extension = |critical| {
        publisher(|it| {
            it.signer = it.between.issue("Test publisher", |params| {
                leaf(params);
                let mut extension =
                    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
                extension.set_criticality(critical);
                params.custom_extensions = vec![extension];
            });
        })
    };
    assert_eq!(
        chain(refusal(&with_extension(true))),
        ChainError::Extension("CN=Test publisher".to_owned())
    );
    let harmless = with_extension(false);
    assert!(read(&harmless, &harmless.publish(&good_payload())).is_ok());

    // The signer is of another CA of the same name.
    let refused = refusal(&publisher(|it| {
        it.signer = it.root.issue("Test CA", ca).issue("Test publisher", leaf);
    }));
    assert_eq!(
        chain(refused),
        ChainError::Broken("CN=Test publisher".to_owned())
    );
    // The right key under another name.
    let refused = refusal(&publisher(|it| {
        it.between.params.distinguished_name = rcgen::DistinguishedName::new();
        it.signer = it.between.issue("Test publisher", leaf);
    }));
    assert_eq!(
        chain(refused),
        ChainError::Broken("CN=Test publisher".to_owned())
    );
    // The CA between is missing.
    let good = Publisher::new();
    let alone = good.sign(
        &header("ES256", &good.chain()[..1]),
        good_payload().to_string().as_bytes(),
    );
    assert_eq!(
        chain(read(&good, &alone).unwrap_err()),
        ChainError::NotTrusted
    );
    // The root itself signs the file.
    let file = publisher(|it| it.signer = Authority::root("Test root", |_| ()));
    let roots = Roots::read(&file.signer.der).unwrap();
    let bytes = file.sign(
        &header("ES256", std::slice::from_ref(&file.signer.der)),
        good_payload().to_string().as_bytes(),
    );
    let refused = verify_metadata(&bytes, &roots, None, NOW).unwrap_err();
    assert!(
        matches!(
            chain(refused),
            ChainError::KeyUsage(_) | ChainError::NotTrusted
        ),
        "a root signs certificates, not files"
    );
}

#[test]
fn every_kind_of_key_that_is_taken_signs_certificates_and_files() {
    for algorithm in [
        &PKCS_RSA_SHA256,
        &PKCS_RSA_SHA384,
        &PKCS_RSA_SHA512,
        &PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_ECDSA_P521_SHA512,
    ] {
        let publisher = Publisher::with(algorithm);
        let file = publisher.publish(&good_payload());
        let read = read(&publisher, &file).map(|metadata| metadata.number());
        assert_eq!(read, Ok(42), "{algorithm:?}");
    }
    // One that is not: nobody verifies it, so nobody is trusted by it.
    let root = Authority::root_with(&PKCS_ED25519, "Test root", |_| ());
    let leaf = root.issue("Test publisher", leaf);
    assert_eq!(
        verify_chain(&[leaf.der], &[root.der], Anchoring::IssuersOnly, NOW).map(|_| ()),
        Err(ChainError::NotTrusted)
    );
}

/// Who signs or is signed in certificates that OpenSSL makes and rcgen cannot.
struct Party {
    name: &'static str,
    key: PKey<Private>,
}

impl Party {
    fn rsa(name: &'static str, bits: u32) -> Self {
        let key = PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
        Self { name, key }
    }

    fn on(name: &'static str, curve: Nid) -> Self {
        let group = EcGroup::from_curve_name(curve).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        Self { name, key }
    }

    fn subject(&self) -> X509Name {
        let mut builder = X509Name::builder().unwrap();
        builder.append_entry_by_text("CN", self.name).unwrap();
        builder.build()
    }

    /// A certificate for `other`; version 1 is written as 0.
    fn issues(
        &self,
        other: &Self,
        version: i32,
        extensions: Vec<X509Extension>,
        hash: MessageDigest,
    ) -> Vec<u8> {
        let days = |days: i64| Asn1Time::from_unix(NOW.as_secs() + days * 86400).unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(version).unwrap();
        builder.set_subject_name(&other.subject()).unwrap();
        builder.set_issuer_name(&self.subject()).unwrap();
        builder.set_not_before(&days(-1)).unwrap();
        builder.set_not_after(&days(1)).unwrap();
        builder.set_pubkey(&other.key).unwrap();
        for extension in extensions {
            builder.append_extension(extension).unwrap();
        }
        builder.sign(&self.key, hash).unwrap();
        builder.build().to_der().unwrap()
    }
}

fn is_ca() -> Vec<X509Extension> {
    vec![OpensslConstraints::new().critical().ca().build().unwrap()]
}

/// A root and what it signs with `hash`: rcgen knows no weak ones.
fn signed_with(hash: MessageDigest, bits: u32) -> (Vec<u8>, Vec<u8>) {
    let root = Party::rsa("Old root", bits);
    let leaf = Party::rsa("Test publisher", 2048);
    (
        root.issues(&root, 2, is_ca(), MessageDigest::sha256()),
        root.issues(&leaf, 2, Vec::new(), hash),
    )
}

#[test]
fn each_curve_signs_with_the_hashes_that_are_listed_for_it() {
    let leaf = Party::on("Test publisher", Nid::X9_62_PRIME256V1);
    let [sha256, sha384, sha512] = [
        MessageDigest::sha256(),
        MessageDigest::sha384(),
        MessageDigest::sha512(),
    ];
    for (curve, taken, refused) in [
        (
            Nid::X9_62_PRIME256V1,
            vec![sha256, sha384],
            vec![sha512, MessageDigest::sha1()],
        ),
        (
            Nid::SECP384R1,
            vec![sha256, sha384, sha512],
            vec![MessageDigest::sha1()],
        ),
        (Nid::SECP521R1, vec![sha512], vec![sha256, sha384]),
        (Nid::SECP256K1, Vec::new(), vec![sha256]),
    ] {
        let root = Party::on("Old root", curve);
        let roots = [root.issues(&root, 2, is_ca(), sha512)];
        let run = |hash| {
            let chain = [root.issues(&leaf, 2, Vec::new(), hash)];
            verify_chain(&chain, &roots, Anchoring::IssuersOnly, NOW).map(|_| ())
        };
        for hash in taken {
            assert_eq!(run(hash), Ok(()), "{curve:?} {:?}", hash.type_());
        }
        for hash in refused {
            let not_trusted = Err(ChainError::NotTrusted);
            assert_eq!(run(hash), not_trusted, "{curve:?} {:?}", hash.type_());
        }
    }
}

#[test]
fn what_does_not_say_that_it_is_a_ca_issues_only_as_a_root_of_version_1() {
    let curve = Nid::X9_62_PRIME256V1;
    let root = Party::on("Old root", curve);
    let between = Party::on("Test CA", curve);
    let leaf = Party::on("Test publisher", curve);
    let hash = MessageDigest::sha256();
    let run = |chain: &[Vec<u8>], root: Vec<u8>| {
        verify_chain(chain, &[root], Anchoring::IssuersOnly, NOW).map(|_| ())
    };
    let ca = || root.issues(&root, 2, is_ca(), hash);
    let bare = |version| root.issues(&root, version, Vec::new(), hash);
    let direct = [root.issues(&leaf, 2, Vec::new(), hash)];
    assert_eq!(run(&direct, ca()), Ok(()));
    assert_eq!(run(&direct, bare(0)), Ok(()));
    let refused = Err(ChainError::NotACa("CN=Old root".to_owned()));
    assert_eq!(run(&direct, bare(2)), refused);
    // What came with the message was chosen by nobody.
    let by = between.issues(&leaf, 2, Vec::new(), hash);
    let with = |version, extensions| root.issues(&between, version, extensions, hash);
    assert_eq!(run(&[by.clone(), with(2, is_ca())], ca()), Ok(()));
    let refused = Err(ChainError::NotACa("CN=Test CA".to_owned()));
    for version in [0, 2] {
        let chain = [by.clone(), with(version, Vec::new())];
        assert_eq!(run(&chain, ca()), refused, "{version}");
    }
}

#[test]
fn weak_hashes_and_short_keys_sign_nothing() {
    let run = |hash, bits| {
        let (root, leaf) = signed_with(hash, bits);
        verify_chain(&[leaf], &[root], Anchoring::IssuersOnly, NOW).map(|_| ())
    };
    assert_eq!(run(MessageDigest::sha256(), 2048), Ok(()));
    for (hash, bits) in [
        (MessageDigest::sha1(), 2048),
        (MessageDigest::md5(), 2048),
        (MessageDigest::sha256(), 1024),
    ] {
        assert_eq!(run(hash, bits), Err(ChainError::NotTrusted), "{bits}");
    }
}

#[test]
fn a_chain_is_some_certificates() {
    let good = Publisher::new();
    let roots = [good.root.der.clone()];
    let run =
        |chain: &[Vec<u8>]| verify_chain(chain, &roots, Anchoring::IssuersOnly, NOW).map(|_| ());
    assert_eq!(run(&[]), Err(ChainError::Length));
    assert_eq!(
        run(&vec![good.signer.der.clone(); MAX_CHAIN + 1]),
        Err(ChainError::Length)
    );
    let mut longest = good.chain();
    longest.resize(MAX_CHAIN, good.root.der.clone());
    assert_eq!(run(&longest), Ok(()));
    assert_eq!(
        run(&[good.signer.der.clone(), vec![0x30, 0]]),
        Err(ChainError::Form(2))
    );
    let mut longer = good.signer.der.clone();
    longer.push(0);
    assert_eq!(
        run(&[longer, good.between.der.clone()]),
        Err(ChainError::Form(1))
    );
    // An altered bit in what is signed.
    let mut altered = good.signer.der.clone();
    let place = altered
        .windows(14)
        .position(|part| part == b"Test publisher")
        .unwrap();
    altered[place] = b'B';
    assert_eq!(
        run(&[altered, good.between.der.clone()]),
        Err(ChainError::Broken("CN=Best publisher".to_owned()))
    );
}

#[test]
fn a_root_may_be_the_certificate_itself_only_for_attestations() {
    let good = Publisher::new();
    let leaf_as_root = [good.signer.der.clone()];
    let run = |anchoring| {
        verify_chain(&good.chain(), &leaf_as_root, anchoring, NOW).map(|leaf| leaf.is_for("x"))
    };
    assert_eq!(run(Anchoring::LeafToo), Ok(false));
    assert_eq!(run(Anchoring::IssuersOnly), Err(ChainError::NotTrusted));

    let vendor = Authority::root("Vendor root", |_| ());
    let batch = vendor.issue("Vendor attestation", |_| ());
    let other = Authority::root("Vendor root", |_| ()).issue("Vendor attestation", |_| ());
    let known = metadata(&[entry(YUBIKEY, "x", &[&vendor.der], &json!([]))]);
    let key = known.entry(&aaguid(YUBIKEY)).unwrap();
    assert!(key.verify_attestation_chain(&[batch.der], NOW).is_ok());
    assert_eq!(
        key.verify_attestation_chain(&[other.der], NOW)
            .map(|_| ())
            .unwrap_err(),
        ChainError::NotTrusted
    );
}

#[test]
fn a_certificate_is_for_a_name() {
    let good = Publisher::new();
    let roots = [good.root.der.clone()];
    let chain = good.chain();
    let leaf = verify_chain(&chain, &roots, Anchoring::IssuersOnly, NOW).unwrap();
    assert!(leaf.is_for("mds.example.test"));
    assert!(leaf.is_for("MDS.Example.TEST"));
    for other in [
        "example.test",
        "x.mds.example.test",
        "mds.example.test.",
        "",
    ] {
        assert!(!leaf.is_for(other), "{other}");
    }
}

#[test]
fn the_header_says_only_what_is_allowed() {
    let good = Publisher::new();
    let signed_with = |change: &dyn Fn(&mut Value)| {
        let mut header = good.header();
        change(&mut header);
        let file = good.sign(&header, good_payload().to_string().as_bytes());
        read(&good, &file).map(|_| ())
    };
    assert_eq!(signed_with(&|_| ()), Ok(()));
    // What would name another key is never looked at.
    assert_eq!(
        signed_with(&|header| {
            header["kid"] = json!("1");
            header["jku"] = json!("https://example.com/keys");
            header["x5u"] = json!("https://example.com/chain");
            header["jwk"] = json!({"kty": "EC"});
        }),
        Ok(())
    );
    for algorithm in [
        "none", "None", "HS256", "HS512", "PS256", "es256", "ES256K", "",
    ] {
        assert_eq!(
            signed_with(&|header| header["alg"] = json!(algorithm)),
            Err(MetadataError::Algorithm(algorithm.to_owned())),
            "{algorithm}"
        );
    }
    // An algorithm of another kind of key, and of the same key but another curve.
    for algorithm in ["RS256", "RS384", "RS512", "ES384", "ES512"] {
        assert_eq!(
            signed_with(&|header| header["alg"] = json!(algorithm)),
            Err(MetadataError::Signature(SignatureError::OtherKey)),
            "{algorithm}"
        );
    }
    assert_eq!(
        signed_with(&|header| header["crit"] = json!([])),
        Err(MetadataError::Critical)
    );
    assert_eq!(
        signed_with(&|header| {
            header["crit"] = json!(["b64"]);
            header["b64"] = json!(false);
        }),
        Err(MetadataError::Critical)
    );
    assert_eq!(
        signed_with(&|header| header["x5c"] = json!([])),
        Err(MetadataError::NoCertificates)
    );
    assert_eq!(
        signed_with(&|header| drop(header.as_object_mut().unwrap().remove("x5c"))),
        Err(MetadataError::NoCertificates)
    );
    for wrong in [json!("one text"), json!([1]), json!(["!"])] {
        assert!(matches!(
            signed_with(&|header| header["x5c"] = wrong.clone()),
            Err(MetadataError::Header(_))
        ));
    }
    assert!(matches!(
        signed_with(&|header| drop(header.as_object_mut().unwrap().remove("alg"))),
        Err(MetadataError::Header(_))
    ));
    let error = signed_with(&|header| header["x5c"] = json!(["AAAA"])).unwrap_err();
    assert_eq!(error, MetadataError::Chain(ChainError::Form(1)));
    assert!(error.source().is_some() && !error.remedy().is_empty());
}

#[test]
fn what_is_signed_is_what_is_read() {
    let good = Publisher::new();
    let file = String::from_utf8(good.publish(&good_payload())).unwrap();
    let parts: Vec<&str> = file.split('.').collect();
    let other = String::from_utf8(good.publish(&payload(43, &[]))).unwrap();
    let other: Vec<&str> = other.split('.').collect();
    let read = |text: &str| read(&good, text.as_bytes()).map(|_| ());
    let wrong = Err(MetadataError::Signature(SignatureError::Wrong));
    assert_eq!(read(&file), Ok(()));
    // The payload of another file, its signature, one character of each.
    assert_eq!(read(&[parts[0], other[1], parts[2]].join(".")), wrong);
    assert_eq!(read(&[parts[0], parts[1], other[2]].join(".")), wrong);
    let flip = |part: &str| {
        let other = if part.starts_with('A') { "B" } else { "A" };
        format!("{other}{}", &part[1..])
    };
    assert_eq!(
        read(&[parts[0], parts[1], &flip(parts[2])].join(".")),
        wrong
    );
    assert_eq!(
        read(&[parts[0], &flip(parts[1]), parts[2]].join(".")),
        wrong
    );
    assert_eq!(read(&[parts[0], parts[1], ""].join(".")), wrong);
    // The payload is not JSON at all, and still nobody read it before the signature.
    assert_eq!(read(&[parts[0], "!!!!", parts[2]].join(".")), wrong);
    // A signature by the right key that is not a signature of this kind.
    let der = good.sign(&good.header(), b"x");
    let der = String::from_utf8(der).unwrap();
    assert_eq!(
        read(&[parts[0], parts[1], der.rsplit('.').next().unwrap()].join(".")),
        wrong
    );
    // Cut anywhere, or one part too many.
    for text in [
        String::new(),
        "{}".to_owned(),
        parts[0].to_owned(),
        [parts[0], parts[1]].join("."),
        format!("{file}.{}", parts[2]),
        format!("{file}="),
    ] {
        assert_eq!(read(&text), Err(MetadataError::Form), "{text:.20}");
    }
    assert!(read(&file[..file.len() / 2]).is_err());
    assert!(matches!(
        read(&file[1..]),
        Err(MetadataError::Form | MetadataError::Header(_))
    ));
}

#[test]
fn a_file_that_is_too_large_is_not_even_split() {
    let good = Publisher::new();
    for size in [MAX_BYTES + 1, 100_000_000] {
        assert_eq!(
            read(&good, &vec![b'a'; size]).unwrap_err(),
            MetadataError::TooLarge(size)
        );
    }
    assert_eq!(
        read(&good, &vec![b'a'; MAX_BYTES]).unwrap_err(),
        MetadataError::Form
    );
}

#[test]
fn the_content_has_what_it_must_have() {
    let good = Publisher::new();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut payload = good_payload();
        change(&mut payload);
        read(&good, &good.publish(&payload)).map(|_| ())
    };
    assert_eq!(with(&|_| ()), Ok(()));
    let content = |result: Result<(), MetadataError>| match result {
        Err(MetadataError::Content(why)) => why,
        other => panic!("{other:?}"),
    };
    for field in ["no", "nextUpdate", "entries"] {
        let why = content(with(&|payload| {
            payload.as_object_mut().unwrap().remove(field);
        }));
        assert!(why.contains(field), "{why}");
    }
    for (field, wrong) in [
        ("no", json!("42")),
        ("no", json!(-1)),
        ("no", json!(1.5)),
        ("nextUpdate", json!("soon")),
        ("nextUpdate", json!("2026-13-01")),
        ("entries", json!({})),
    ] {
        content(with(&|payload| payload[field] = wrong.clone()));
    }
    // An entry without its reports could hide a revocation.
    let why = content(with(&|payload| {
        payload["entries"][0]
            .as_object_mut()
            .unwrap()
            .remove("statusReports");
    }));
    assert!(why.contains("statusReports"), "{why}");
    content(with(&|payload| {
        payload["entries"][0]["statusReports"] = json!([{"effectiveDate": "2026-01-01"}]);
    }));
    let why = content(with(&|payload| {
        payload["entries"][0]["aaguid"] = json!("yubikey");
    }));
    assert!(why.contains("“yubikey”"), "{why}");
    content(with(&|payload| {
        payload["entries"][2]["attestationCertificateKeyIdentifiers"] = json!(["12"]);
    }));
    // Two that speak for one model.
    assert_eq!(
        with(&|payload| payload["entries"][1]["aaguid"] = json!(YUBIKEY.to_uppercase())),
        Err(MetadataError::Twice(YUBIKEY.to_owned()))
    );
    // No JSON, JSON that goes on, a number given twice.
    let text = good_payload().to_string();
    let twice = text.replacen('{', "{\"no\": 1,", 1);
    for text in [&text[..text.len() - 1], &format!("{text} x"), &twice, ""] {
        let file = good.sign(&good.header(), text.as_bytes());
        content(read(&good, &file).map(|_| ()));
    }
    // Deeply nested where nobody looks: skipped, without a crash.
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = text.replacen("\"ofTomorrow\":true", &format!("\"ofTomorrow\":{deep}"), 1);
    assert!(text.len() > 200_000);
    let file = good.sign(&good.header(), text.as_bytes());
    assert_eq!(read(&good, &file).map(|metadata| metadata.number()), Ok(42));
}

#[test]
fn attack_35_the_zero_aaguid_speaks_for_nobody() {
    let zero = Aaguid::ZERO.to_string();
    let revoked = json!([{"status": "REVOKED", "effectiveDate": "2020-01-01"}]);
    let known = metadata(&[entry(&zero, "everything", &[], &revoked)]);
    assert_eq!((known.entries().len(), known.left_out()), (0, 1));
    assert!(known.entry(&Aaguid::ZERO).is_none());
    let policy = WebAuthnPolicy {
        without_model: Permission::Allowed,
        ..WebAuthnPolicy::default()
    };
    for aaguid in [None, Some(Aaguid::ZERO)] {
        let key = KeyFacts { aaguid, ..key() };
        assert_eq!(policy.require_use(&key, Some(&known), NOW), Ok(()));
    }
}

#[test]
fn what_cannot_be_shown_or_read_is_left_out() {
    let mut odd = entry(YUBIKEY, "A\u{7}B\n<b>", &[b"good"], &json!([]));
    odd["metadataStatement"]["icon"] = json!("data:image/svg+xml;base64,PHN2Zz4=");
    odd["metadataStatement"]["attestationRootCertificates"] = json!(["!", "Z29v\n ZA=="]);
    let mut large = entry(TITAN, &"x".repeat(500), &[], &json!([]));
    large["metadataStatement"]["icon"] = json!(png(65 * 1024));
    let known = metadata(&[odd, large]);
    let key = known.entry(&aaguid(YUBIKEY)).unwrap();
    assert_eq!(key.model().name, "AB<b>");
    assert!(key.model().icon.is_none());
    assert_eq!(key.roots().len(), 1);
    assert_eq!(key.roots()[0].as_ref(), b"good");
    let model = known.model(&aaguid(TITAN)).unwrap();
    assert_eq!(model.name.chars().count(), 200);
    assert!(model.icon.is_none());
    // These are parts of models, and no model is left out for them.
    assert_eq!((known.entries().len(), known.left_out()), (2, 0));
}

/// A key that the strictest policy takes.
fn key() -> KeyFacts {
    KeyFacts {
        aaguid: Some(aaguid(YUBIKEY)),
        attestation_key: None,
        algorithm: CoseAlgorithm::ES256,
        user_verified: UserVerified::Yes,
        backup: Backup::DeviceBound,
        attestation: AttestationState::Verified,
    }
}

fn strictest() -> WebAuthnPolicy {
    WebAuthnPolicy {
        user_verification: UserVerification::Required,
        algorithms: vec![CoseAlgorithm::ES256],
        attestation: Attestation::Enforced,
        models: Models::Only(vec![aaguid(YUBIKEY)]),
        synced: Permission::Refused,
        without_model: Permission::Refused,
        unattested: Permission::Allowed,
        compromised: Reaction::Refuse,
        stale_metadata: Reaction::Refuse,
    }
}

type Change<T> = fn(&mut T);

/// Two steps: a list of models that are allowed lets nobody in who names none.
fn names_nobody(policy: &mut WebAuthnPolicy) {
    let known = metadata(&some_entries(b"root"));
    let key = KeyFacts {
        aaguid: None,
        ..key()
    };
    policy.without_model = Permission::Allowed;
    let refused = Err(PolicyRefusal::NoModel);
    assert_eq!(policy.require_use(&key, Some(&known), NOW), refused);
    policy.models = Models::Except(vec![aaguid(YUBIKEY)]);
}

#[test]
fn attack_7_each_item_of_the_policy_is_enforced_one_step_outside() {
    let known = metadata(&some_entries(b"root"));
    let both = |policy: &WebAuthnPolicy, key: &KeyFacts| {
        (
            policy.require_registration(key, Some(&known), NOW),
            policy.require_use(key, Some(&known), NOW),
        )
    };
    assert_eq!(both(&strictest(), &key()), (Ok(()), Ok(())));
    let titan = aaguid(TITAN);
    // The key, one step outside; what refuses it; the policy, one step wider.
    let rows: [(Change<KeyFacts>, PolicyRefusal, Change<WebAuthnPolicy>); 6] = [
        (
            |key| key.user_verified = UserVerified::No,
            PolicyRefusal::NotVerified,
            |policy| policy.user_verification = UserVerification::Preferred,
        ),
        (
            |key| key.algorithm = CoseAlgorithm::RS256,
            PolicyRefusal::Algorithm(CoseAlgorithm::RS256),
            |policy| policy.algorithms.push(CoseAlgorithm::RS256),
        ),
        (
            |key| key.aaguid = Some(aaguid(TITAN)),
            PolicyRefusal::Model(titan),
            |policy| policy.models = Models::Any,
        ),
        (
            |key| key.aaguid = None,
            PolicyRefusal::NoModel,
            names_nobody,
        ),
        (
            |key| key.aaguid = Some(Aaguid::ZERO),
            PolicyRefusal::NoModel,
            names_nobody,
        ),
        (
            |key| key.backup = Backup::Eligible,
            PolicyRefusal::Synced,
            |policy| policy.synced = Permission::Allowed,
        ),
    ];
    for (outside, refusal, wider) in rows {
        let mut key = key();
        outside(&mut key);
        let refused = (Err(refusal.clone()), Err(refusal.clone()));
        assert_eq!(both(&strictest(), &key), refused, "{refusal}");
        let mut policy = strictest();
        wider(&mut policy);
        assert_eq!(both(&policy, &key), (Ok(()), Ok(())), "{refusal}");
        assert!(refusal.to_string().contains("; "), "a remedy: {refusal}");
    }
}

#[test]
fn a_list_of_models_says_who_comes_in_or_who_does_not() {
    let with = |models| WebAuthnPolicy {
        models,
        ..WebAuthnPolicy::default()
    };
    let refused = Err(PolicyRefusal::Model(aaguid(YUBIKEY)));
    for (models, wanted) in [
        (Models::Any, Ok(())),
        (Models::Only(vec![aaguid(TITAN), aaguid(YUBIKEY)]), Ok(())),
        (Models::Only(vec![aaguid(TITAN)]), refused.clone()),
        (Models::Only(Vec::new()), refused.clone()),
        (Models::Except(vec![aaguid(TITAN)]), Ok(())),
        (Models::Except(vec![aaguid(YUBIKEY)]), refused),
        (Models::Except(Vec::new()), Ok(())),
    ] {
        let policy = with(models);
        // Taking a model off the list locks its keys out: the same at sign-in.
        assert_eq!(policy.require_use(&key(), None, NOW), wanted, "{policy:?}");
        assert_eq!(
            policy.require_registration(&key(), None, NOW),
            wanted,
            "{policy:?}"
        );
    }
}

#[test]
fn attestation_is_asked_for_at_registration_only() {
    let known = metadata(&some_entries(b"root"));
    for (attestation, state, wanted) in [
        (Attestation::Enforced, AttestationState::Verified, Ok(())),
        (
            Attestation::Enforced,
            AttestationState::None,
            Err(PolicyRefusal::NotAttested),
        ),
        (
            Attestation::Enforced,
            AttestationState::SelfAttested,
            Err(PolicyRefusal::Untrusted),
        ),
        (
            Attestation::Enforced,
            AttestationState::Untrusted,
            Err(PolicyRefusal::Untrusted),
        ),
        (Attestation::Recorded, AttestationState::None, Ok(())),
        (Attestation::Recorded, AttestationState::Untrusted, Ok(())),
        (Attestation::NotAsked, AttestationState::None, Ok(())),
    ] {
        let policy = WebAuthnPolicy {
            attestation,
            ..strictest()
        };
        let key = KeyFacts {
            attestation: state,
            ..key()
        };
        assert_eq!(
            policy.require_registration(&key, Some(&known), NOW),
            wanted,
            "{attestation:?} {state:?}"
        );
        assert_eq!(policy.require_use(&key, Some(&known), NOW), Ok(()));
    }
    // Without a metadata file nobody can vouch.
    assert_eq!(
        strictest().require_registration(&key(), None, NOW),
        Err(PolicyRefusal::NoMetadata)
    );
    assert_eq!(strictest().require_use(&key(), None, NOW), Ok(()));
}

#[test]
fn attack_35_a_bad_status_blocks_registration_and_sign_in() {
    for (status, compromise) in [
        ("REVOKED", Compromise::Revoked),
        ("ATTESTATION_KEY_COMPROMISE", Compromise::AttestationKey),
        ("USER_KEY_REMOTE_COMPROMISE", Compromise::UserKeyRemote),
        ("USER_KEY_PHYSICAL_COMPROMISE", Compromise::UserKeyPhysical),
        (
            "USER_VERIFICATION_BYPASS",
            Compromise::UserVerificationBypass,
        ),
    ] {
        let from = |date: &str| {
            let reports = json!([
                {"status": "FIDO_CERTIFIED_L1", "effectiveDate": "2020-01-01"},
                {"status": status, "effectiveDate": date},
            ]);
            let mut u2f = some_entries(b"root").swap_remove(2);
            u2f["statusReports"] = reports.clone();
            metadata(&[entry(YUBIKEY, "x", &[], &reports), u2f])
        };
        let (today, tomorrow) = (from("2026-11-20"), from("2026-11-21"));
        let refused = Err(PolicyRefusal::Compromised(compromise));
        let by_model = key();
        let by_key = KeyFacts {
            aaguid: None,
            attestation_key: Some(U2F_KEY.parse().unwrap()),
            ..key()
        };
        let policy = WebAuthnPolicy {
            without_model: Permission::Allowed,
            models: Models::Any,
            ..strictest()
        };
        for key in [by_model, by_key] {
            assert_eq!(
                policy.require_registration(&key, Some(&today), NOW),
                refused
            );
            assert_eq!(policy.require_use(&key, Some(&today), NOW), refused);
            assert_eq!(policy.require_use(&key, Some(&tomorrow), NOW), Ok(()));
            let lenient = WebAuthnPolicy {
                compromised: Reaction::Warn,
                ..policy.clone()
            };
            assert_eq!(lenient.require_use(&key, Some(&today), NOW), Ok(()));
            // Then it is said; and who refuses has no doubts.
            let doubts = |policy: &WebAuthnPolicy, known| policy.doubts(&key, Some(known), NOW);
            let said = [Doubt::Compromised(compromise)];
            assert_eq!(doubts(&lenient, &today), said);
            assert_eq!(said.map(Doubt::reason), ["compromised"]);
            assert!(doubts(&lenient, &tomorrow).is_empty());
            assert!(doubts(&policy, &today).is_empty());
            assert_eq!(key.compromise(Some(&today), NOW), Some(compromise));
        }
    }
}

#[test]
fn attack_35_a_stale_file_stops_registrations_and_never_sign_ins() {
    let known = metadata(&some_entries(b"root"));
    let later = Timestamp::parse_rfc3339("2026-12-02T00:00:00Z").unwrap();
    let register = |stale_metadata, attestation, now| {
        let policy = WebAuthnPolicy {
            stale_metadata,
            attestation,
            ..strictest()
        };
        assert_eq!(policy.require_use(&key(), Some(&known), now), Ok(()));
        let doubts = policy.doubts(&key(), Some(&known), now);
        let warns = stale_metadata == Reaction::Warn && now > NOW;
        assert_eq!(doubts == [Doubt::StaleMetadata], warns);
        assert!(
            doubts
                .iter()
                .all(|doubt| doubt.reason() == "stale-metadata")
        );
        policy.require_registration(&key(), Some(&known), now)
    };
    let refused = Err(PolicyRefusal::StaleMetadata);
    let (enforced, recorded) = (Attestation::Enforced, Attestation::Recorded);
    assert_eq!(register(Reaction::Refuse, enforced, NOW), Ok(()));
    assert_eq!(register(Reaction::Refuse, enforced, later), refused);
    assert_eq!(register(Reaction::Refuse, recorded, later), refused);
    assert_eq!(register(Reaction::Warn, enforced, later), Ok(()));
    let not_asked = register(Reaction::Refuse, Attestation::NotAsked, later);
    assert_eq!(not_asked, Ok(()));
}

#[tokio::test]
async fn attack_35_no_node_goes_back_to_an_older_file() {
    let mut world = World::new().await;
    let publisher = Publisher::new();
    let file = |number| publisher.publish(&payload(number, &some_entries(b"root")));
    let app = world.app().clone();
    assert!(app.metadata().is_none());
    app.use_metadata(file(42), publisher.roots()).await.unwrap();
    assert_eq!(app.metadata().unwrap().number(), 42);

    // A restart, or a second machine, with a file of last month.
    world.start_node().await;
    let other = world.nodes.last().unwrap().app.clone();
    let error = other
        .use_metadata(file(41), publisher.roots())
        .await
        .unwrap_err();
    assert!(
        error.detail().contains("number 41") && error.detail().contains("number 42"),
        "{error}"
    );
    assert!(other.metadata().is_none());
    // Until it has a newer one it adds no keys; who has one signs in.
    assert_eq!(error.category(), Category::Conflict);
    assert_eq!(other.metadata_supply(), Supply::Withheld);
    for number in [42, 43] {
        let file = file(number);
        other.use_metadata(file, publisher.roots()).await.unwrap();
        assert_eq!(other.metadata_supply(), Supply::Regular);
    }
    // The first node keeps what it has, whatever is wrong with the next.
    for bad in [file(42), b"x".to_vec()] {
        assert!(app.use_metadata(bad, publisher.roots()).await.is_err());
        assert_eq!(app.metadata().unwrap().number(), 42);
        assert_eq!(app.metadata_supply(), Supply::Regular);
    }
    // A file under other roots has numbers of its own.
    let another = Publisher::new();
    let file = another.publish(&payload(1, &[]));
    app.use_metadata(file, another.roots()).await.unwrap();
    assert_eq!(app.metadata().unwrap().number(), 1);
}

#[tokio::test]
async fn attack_32_the_picture_of_a_model_is_served_as_what_it_is() {
    let world = World::new().await;
    let mut browser = world.browser();
    let path = format!("/models/{YUBIKEY}");
    assert_eq!(browser.request("GET", &path, None).await.status, 404);
    let mut entries = some_entries(b"root");
    entries[1]["metadataStatement"]["icon"] = json!("data:image/png;base64,PHN2Zz4=");
    let publisher = Publisher::new();
    let file = publisher.publish(&payload(1, &entries));
    for node in &world.nodes {
        let used = node.app.use_metadata(file.clone(), publisher.roots()).await;
        used.unwrap();
    }
    let page = browser.request("GET", &path, None).await;
    let header = |name: &str| page.headers[name].to_str().unwrap().to_owned();
    assert_eq!(page.status, 200);
    assert_eq!(header("content-type"), "image/png");
    assert_eq!(header("x-content-type-options"), "nosniff");
    // No picture, no such model, no model at all.
    for other in [TITAN, "00000000-0000-0000-0000-000000000000", "x"] {
        let path = format!("/models/{other}");
        assert_eq!(browser.request("GET", &path, None).await.status, 404);
    }
}

#[tokio::test]
async fn the_account_shows_which_key_is_which() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let publisher = Publisher::new();
    let file = publisher.publish(&payload(1, &some_entries(b"root")));
    for node in &world.nodes {
        let used = node.app.use_metadata(file.clone(), publisher.roots()).await;
        used.unwrap();
    }
    let mut key = SecurityKey {
        id: CredentialId::random(&mut SystemRandom),
        user: person.user.id.clone(),
        name: "The blue one".to_owned(),
        credential_id: vec![7; 32],
        passkey: "{}".to_owned(),
        aaguid: aaguid(YUBIKEY),
        algorithm: CoseAlgorithm::ES256,
        backup_eligible: false,
        user_verified: true,
        attestation: AttestationState::Verified,
        attestation_key: None,
        transports: Vec::new(),
        discoverable: None,
        counter: 0,
        backed_up: false,
        created_at: world.now(),
        last_used_at: None,
        revoked_at: None,
        tag: String::new(),
    };
    key.tag = key.make_tag(&world.sealing());
    let mut tx = world.app().store().begin().await.unwrap();
    assert!(tx.insert_security_key(&key).await.unwrap());
    tx.commit().await.unwrap();

    let mut browser = world.browser();
    browser.get("/account").await;
    browser.submit_password(person.upn(), PASSWORD).await;
    let page = browser.submit_code(&person.code(world.now())).await;
    let text = page.text();
    assert!(text.contains("The blue one"), "{text}");
    assert!(
        text.contains("YubiKey 5 Series with NFC") && text.contains("model verified"),
        "{text}"
    );
    let picture = format!("src=\"/models/{YUBIKEY}\"");
    assert_eq!(page.body.matches(&picture).count(), 1, "{}", page.body);

    let form = |page: &crate::support::Page, what: &str| {
        let action = format!("/account/methods/{}/{what}", key.id);
        let form = page.forms().into_iter().find(|form| form.action == action);
        form.unwrap_or_else(|| panic!("{what}: {}", page.body))
    };
    let page = browser
        .send_form(&form(&page, "rename"), &[("name", "The safe's")])
        .await;
    assert!(page.text().contains("The safe"), "{}", page.text());
    let page = browser.send_form(&form(&page, "remove"), &[]).await;
    assert!(!page.body.contains(&picture), "{}", page.body);
    let mut tx = world.app().store().read().await.unwrap();
    assert!(
        tx.security_keys_of(&person.user.id)
            .await
            .unwrap()
            .is_empty()
    );
}

/// Where the only file there is is too old, no key is added, whatever attestation is for.
#[tokio::test]
async fn attack_35_without_the_file_that_should_be_there_no_key_is_added() {
    let mut world = World::new().await;
    let publisher = Publisher::new();
    let file = |number| publisher.publish(&payload(number, &some_entries(b"root")));
    let used = world.app().use_metadata(file(42), publisher.roots()).await;
    used.unwrap();
    world.start_node().await;
    let app = world.nodes.last().unwrap().app.clone();
    app.use_metadata(file(41), publisher.roots())
        .await
        .unwrap_err();
    world.add_user("agent1@contoso.com").await;
    for (number, added) in [(41, false), (42, true)] {
        let pass = world.issue_pass("agent1@contoso.com").await;
        let mut browser = world.browser_on(world.nodes.len() - 1);
        browser.get("/account").await;
        let by_pass = format!("{}/pass", browser.at);
        browser.get(&by_pass).await;
        browser
            .submit(&[("username", "agent1@contoso.com"), ("pass", &pass)])
            .await;
        let attempt = browser.at.split('/').nth(2).unwrap().parse().unwrap();
        let cookies = browser.app_cookies();
        app.choose_method(&attempt, &cookies, MethodKind::SecurityKey)
            .await
            .unwrap();
        let question = app.ask_new_key(&attempt, &cookies).await.unwrap();
        let answer = SoftKey::new().registers(&question, PUBLIC_URL);
        let outcome = app.confirm_key(&attempt, &cookies, "", &answer).await;
        match outcome.unwrap() {
            NewKeyOutcome::Added(_) => assert!(added, "{number}"),
            NewKeyOutcome::Refused(KeyProblem::NotAllowed(words)) => {
                assert!(!added && words.contains("out of date"), "{number}: {words}");
            }
            other => panic!("{number}: {other:?}"),
        }
        let used = app.use_metadata(file(42), publisher.roots()).await;
        used.unwrap();
    }
}
