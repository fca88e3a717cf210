//! CB-SAML-005…009 and CB-WSFED-005…009: what signatures are worth.
//!
//! Each rule speaks of the response's own signature too, if there is one: a
//! consumer that finds a bad signature does not ask whether it needed it.

use super::{
    context::UncheckedSignature,
    effort::{FEWER, TOO_MANY},
    rule::Ruling,
    signed::{SignatureCase, SignatureState, Signatures},
};
use crate::{
    keys::certificate::{Certificate, CertificateError},
    protocol::xml::signature::{ENVELOPED, EXC_C14N, SignatureError, digest_hash, rsa_hash},
};

/// The options that give a certificate.
const CERTIFICATE: &[&str] = &["--certificate", "--trust-unsigned"];

fn carrier(signature: &SignatureCase<'_>) -> &'static str {
    if signature.carrier.local_name() == "Assertion" {
        "Assertion"
    } else {
        "Response"
    }
}

/// CB-SAML-005, CB-WSFED-005. What is unfit to be verified at all is CB-SAML-008's and -009's.
pub(super) fn does_not_verify(case: &Signatures<'_>) -> Ruling {
    let mut evidence = Vec::new();
    let (mut without_key, mut unchecked) = (false, false);
    for signature in &case.list {
        let carrier = carrier(signature);
        match &signature.state {
            SignatureState::Holds(_) => {}
            SignatureState::NoKey => without_key = true,
            SignatureState::Unchecked => unchecked = true,
            SignatureState::Fails(error) => match error {
                SignatureError::DoesNotVerify => {
                    let with = if signature.parts.certificates.is_empty() {
                        "any of the given certificates"
                    } else {
                        "the certificate in its KeyInfo"
                    };
                    evidence.push(format!(
                        "The signature of the {carrier} does not hold with {with}: the content was changed after signing, or another key signed."
                    ));
                }
                SignatureError::Certificate(CertificateError::Form) => evidence.push(format!(
                    "The certificate for the signature of the {carrier} cannot be read."
                )),
                SignatureError::Shape(_) | SignatureError::Read(_) | SignatureError::TooMany => {
                    evidence.push(format!("The signature of the {carrier}: {error}."));
                }
                _ => {}
            },
        }
    }
    if evidence.is_empty() && unchecked {
        return Ruling::undecided(TOO_MANY, FEWER);
    }
    if evidence.is_empty() && without_key {
        return want_certificate(
            case,
            "KeyInfo has no certificate and none was given, so the signature was not checked.",
        );
    }
    Ruling::broken_by(&evidence)
}

fn want_certificate(case: &Signatures<'_>, why: &str) -> Ruling {
    match case.context.unchecked_signature {
        UncheckedSignature::TakenAsGood => Ruling::Holds,
        UncheckedSignature::Undecided => Ruling::undecided(why, CERTIFICATE),
    }
}

/// CB-SAML-006, CB-WSFED-006.
pub(super) fn unknown_certificate(case: &Signatures<'_>) -> Ruling {
    let registered = &case.context.certificates;
    let mut evidence = Vec::new();
    let mut undecided = false;
    for signature in &case.list {
        let certificate = match &signature.state {
            SignatureState::Holds(certificate) => certificate,
            SignatureState::NoKey => {
                undecided = true;
                continue;
            }
            SignatureState::Fails(_) | SignatureState::Unchecked => continue,
        };
        if registered.is_empty() {
            undecided = true;
        } else if !registered.contains(&certificate.der) {
            let known: Vec<_> = registered
                .iter()
                .filter_map(|der| Certificate::read(der).ok())
                .map(|certificate| certificate.thumbprint())
                .collect();
            evidence.push(format!(
                "The {} is signed with {} ({}), registered: {}.",
                carrier(signature),
                certificate.thumbprint(),
                certificate.subject,
                known.join(", ")
            ));
        }
    }
    if evidence.is_empty() && undecided {
        return want_certificate(
            case,
            "No certificate of the domain was given, so it is unknown whether Entra knows this one.",
        );
    }
    Ruling::broken_by(&evidence)
}

/// CB-SAML-007, CB-WSFED-007.
pub(super) fn sha1(case: &Signatures<'_>) -> Ruling {
    let is_sha1 = |uri: &str| uri.ends_with("sha1");
    let mut evidence = Vec::new();
    for signature in &case.list {
        let parts = &signature.parts;
        let digests = parts
            .references
            .iter()
            .filter_map(|reference| reference.digest_method);
        for uri in parts.method.into_iter().chain(digests) {
            if is_sha1(uri) {
                evidence.push(format!(
                    "The signature of the {} uses {uri}.",
                    carrier(signature)
                ));
            }
        }
    }
    Ruling::broken_by(&evidence)
}

/// CB-SAML-008, CB-WSFED-008.
pub(super) fn weak(case: &Signatures<'_>) -> Ruling {
    let mut evidence = Vec::new();
    for signature in &case.list {
        let (carrier, parts) = (carrier(signature), &signature.parts);
        let method = parts.method.unwrap_or("");
        if rsa_hash(method).is_none() && !parts.references.is_empty() {
            evidence.push(format!(
                "SignatureMethod of the {carrier} is {method:?}{}.",
                nature(method)
            ));
        }
        for digest in parts
            .references
            .iter()
            .map(|reference| reference.digest_method.unwrap_or(""))
        {
            if digest_hash(digest).is_none() {
                evidence.push(format!("DigestMethod of the {carrier} is {digest:?}."));
            }
        }
        if let SignatureState::Fails(SignatureError::Certificate(
            error @ (CertificateError::NotRsa | CertificateError::TooShort(_)),
        )) = &signature.state
        {
            evidence.push(format!("The {carrier}: {error}."));
        }
    }
    Ruling::broken_by(&evidence)
}

fn nature(method: &str) -> &'static str {
    if method.contains("MGF1") || method.contains("rsa-pss") {
        ", which is RSA-PSS"
    } else if method.contains("ecdsa") {
        ", which is no RSA"
    } else if method.contains("hmac") {
        ", which any holder of a shared text can make, the public certificate for instance"
    } else {
        ""
    }
}

/// CB-SAML-009, CB-WSFED-009. A reference to something else than its carrier is CB-XML-004's.
pub(super) fn shape(case: &Signatures<'_>) -> Ruling {
    let mut evidence = Vec::new();
    for signature in &case.list {
        if matches!(
            signature.state,
            SignatureState::Fails(SignatureError::TooMany)
        ) && signature.parts.method.is_none()
        {
            continue; // CB-SAML-005 says that there are several.
        }
        let (carrier, parts) = (carrier(signature), &signature.parts);
        if parts.references.len() != 1 {
            evidence.push(format!(
                "The signature of the {carrier} has {} references instead of one.",
                parts.references.len()
            ));
        }
        for reference in &parts.references {
            if reference.transforms != [ENVELOPED, EXC_C14N] {
                evidence.push(format!(
                    "Transforms of the {carrier}: {}.",
                    reference.transforms.join(", ")
                ));
            }
            let of_itself = signature.carrier == case.root;
            if of_itself && reference.uri.unwrap_or("").is_empty() {
                evidence.push(format!(
                    "The reference of the {carrier} has no URI; it must name the element's ID."
                ));
            }
        }
        if !parts.references.is_empty() && parts.canonicalization != Some(EXC_C14N) {
            evidence.push(format!(
                "CanonicalizationMethod of the {carrier} is {:?}.",
                parts.canonicalization.unwrap_or("")
            ));
        }
        if evidence.is_empty()
            && matches!(
                signature.state,
                SignatureState::Fails(SignatureError::Transforms)
            )
        {
            evidence.push(format!(
                "The transforms of the {carrier} have content that is not known."
            ));
        }
    }
    Ruling::broken_by(&evidence)
}
