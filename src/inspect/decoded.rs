//! A message in a readable form: the `decoded` of the report.
//!
//! Signatures and keys are shortened to what identifies them.

use serde_json::{Map, Value, json};

use crate::{
    keys::certificate::Certificate,
    protocol::xml::{
        XmlDocument, XmlElement,
        signature::{self, Sha1, SignatureParts},
    },
};

use super::{
    context::Context,
    federation_case::{FederationCase, Setting},
    jwks::KeysCase,
    saml_case::{ASSERTION, PROTOCOL, SamlCase},
    token_case::{TokenCase, TokenSignature},
    wsfed_case::WsfedCase,
};

pub(super) fn of_token(case: &TokenCase<'_>) -> Value {
    let mut decoded = Map::new();
    if let Some(header) = &case.header {
        decoded.insert("header".to_owned(), Value::Object(header.clone()));
    }
    decoded.insert("claims".to_owned(), Value::Object(case.claims.clone()));
    let signature = match &case.signature {
        TokenSignature::NoneToCheck => "none: bare claims",
        TokenSignature::Verified => "verified",
        TokenSignature::Bad(_) => "bad",
        TokenSignature::Unchecked(_) => "not checked",
    };
    decoded.insert("signature".to_owned(), signature.into());
    Value::Object(decoded)
}

fn texts<'d>(elements: impl IntoIterator<Item = XmlElement<'d>>) -> Vec<String> {
    elements.into_iter().map(XmlElement::joined_text).collect()
}

fn values(elements: &[XmlElement<'_>], attribute: &str) -> Vec<String> {
    elements
        .iter()
        .filter_map(|element| element.attribute(attribute))
        .map(ToOwned::to_owned)
        .collect()
}

fn of_signature(carrier: &str, parts: &SignatureParts<'_>) -> Value {
    let certificates: Vec<_> = parts
        .certificates
        .iter()
        .map(|der| match Certificate::read(der) {
            Ok(certificate) => json!({
                "subject": certificate.subject,
                "thumbprint": certificate.thumbprint(),
                "not_after": certificate.not_after.to_rfc3339(),
            }),
            Err(error) => json!({"unreadable": error.to_string()}),
        })
        .collect();
    let key_identifiers: Vec<_> = parts
        .key_identifiers
        .iter()
        .map(|id| data_encoding::HEXUPPER.encode(id))
        .collect();
    json!({
        "on": carrier,
        "method": parts.method,
        "references": parts.references.iter().map(|reference| json!({
            "uri": reference.uri,
            "digest": reference.digest_method,
        })).collect::<Vec<_>>(),
        "certificates": certificates,
        "key_identifiers": key_identifiers,
        "key_names": parts.key_names,
    })
}

pub(super) fn of_saml(case: &SamlCase<'_>) -> Value {
    let mut decoded = Map::new();
    let mut put = |name: &str, value: Value| {
        decoded.insert(name.to_owned(), value);
    };
    if let Some(response) = case.response {
        put(
            "response",
            json!({
                "id": response.attribute("ID"),
                "version": response.attribute("Version"),
                "issuer": texts(response.children_named(ASSERTION, "Issuer")),
                "issue_instant": response.attribute("IssueInstant"),
                "destination": response.attribute("Destination"),
                "in_response_to": response.attribute("InResponseTo"),
                "status": response.descendants()
                    .filter(|element| element.is(PROTOCOL, "StatusCode"))
                    .filter_map(|code| code.attribute("Value"))
                    .collect::<Vec<_>>(),
            }),
        );
    }
    if let Some(assertion) = case.assertion() {
        let conditions = case.all(&["Conditions"]);
        let statements = case.all(&["AuthnStatement"]);
        let name_ids = case.all(&["Subject", "NameID"]);
        let data: Vec<_> = case.confirmation_data().into_iter().flatten().collect();
        let attributes: Vec<_> = case
            .attributes()
            .into_iter()
            .map(|(name, values)| json!({"name": name, "values": values}))
            .collect();
        put(
            "assertion",
            json!({
                "id": assertion.attribute("ID"),
                "version": assertion.attribute("Version"),
                "issuer": texts(assertion.children_named(ASSERTION, "Issuer")),
                "issue_instant": assertion.attribute("IssueInstant"),
                "name_id": texts(name_ids.iter().copied()),
                "name_id_format": values(&name_ids, "Format"),
                "recipient": values(&data, "Recipient"),
                "in_response_to": values(&data, "InResponseTo"),
                "confirmation_not_on_or_after": values(&data, "NotOnOrAfter"),
                "not_before": values(&conditions, "NotBefore"),
                "not_on_or_after": values(&conditions, "NotOnOrAfter"),
                "audience": texts(case.all(&["Conditions", "AudienceRestriction", "Audience"])),
                "authn_instant": values(&statements, "AuthnInstant"),
                "session_index": values(&statements, "SessionIndex"),
                "class_reference": case.class_references(),
                "attributes": attributes,
            }),
        );
    }
    let signatures: Vec<_> = case
        .signatures
        .list
        .iter()
        .map(|signature| of_signature(signature.carrier.local_name(), &signature.parts))
        .collect();
    put("signatures", Value::Array(signatures));
    Value::Object(decoded)
}

pub(super) fn of_wsfed(case: &WsfedCase<'_>) -> Value {
    let mut decoded = Map::new();
    if !case.responses.is_empty() {
        decoded.insert(
            "response".to_owned(),
            json!({
                "applies_to": case.applies_to(),
                "lifetime": case.lifetime().into_iter()
                    .map(|(name, text)| (name.to_owned(), Value::from(text)))
                    .collect::<Map<_, _>>(),
                "token_type": case.token_types(),
            }),
        );
    }
    if let Some(assertion) = case.assertion() {
        let conditions = case.all(&["Conditions"]);
        let statements = case.all(&["AuthenticationStatement"]);
        let names = case.name_identifiers();
        let claims: Vec<_> = case
            .claims()
            .into_iter()
            .map(|(namespace, name, values)| {
                json!({"name": format!("{namespace}/{name}"), "values": values})
            })
            .collect();
        decoded.insert(
            "assertion".to_owned(),
            json!({
                "id": assertion.attribute("AssertionID"),
                "issuer": assertion.attribute("Issuer"),
                "issue_instant": assertion.attribute("IssueInstant"),
                "name_identifier": texts(names.iter().copied()),
                "not_before": values(&conditions, "NotBefore"),
                "not_on_or_after": values(&conditions, "NotOnOrAfter"),
                "audience": texts(case.all(&["Conditions", "AudienceRestrictionCondition", "Audience"])),
                "authentication_instant": values(&statements, "AuthenticationInstant"),
                "authentication_method": values(&statements, "AuthenticationMethod"),
                "attributes": claims,
            }),
        );
    }
    let signatures: Vec<_> = case
        .signatures
        .list
        .iter()
        .map(|signature| of_signature("Assertion", &signature.parts))
        .collect();
    decoded.insert("signatures".to_owned(), Value::Array(signatures));
    Value::Object(decoded)
}

pub(super) fn of_request(document: &XmlDocument<'_>, context: &Context) -> Value {
    let request = document.root();
    let policies: Vec<_> = request.children_named(PROTOCOL, "NameIDPolicy").collect();
    let contexts: Vec<_> = request
        .children_named(PROTOCOL, "RequestedAuthnContext")
        .collect();
    let signatures: Vec<_> = signature::signature_of(request)
        .ok()
        .flatten()
        .map(|found| of_signature("AuthnRequest", &signature::describe(found)))
        .into_iter()
        .collect();
    json!({
        "id": request.attribute("ID"),
        "issuer": texts(request.children_named(ASSERTION, "Issuer")),
        "issue_instant": request.attribute("IssueInstant"),
        "destination": request.attribute("Destination"),
        "assertion_consumer_service_url": request.attribute("AssertionConsumerServiceURL"),
        "protocol_binding": request.attribute("ProtocolBinding"),
        "force_authn": request.attribute("ForceAuthn"),
        "is_passive": request.attribute("IsPassive"),
        "name_id_format": values(&policies, "Format"),
        "class_references": contexts.iter()
            .flat_map(|context| texts(context.children_named(ASSERTION, "AuthnContextClassRef")))
            .collect::<Vec<_>>(),
        "comparison": values(&contexts, "Comparison"),
        "signatures": signatures,
        "signature": signature_of_request(document, context),
        "would_answer": would_answer(request),
    })
}

/// What the signature of a request is worth. Entra names its key by X509SKI alone
/// (facts §1.1), so only certificates of its metadata can tell.
fn signature_of_request(document: &XmlDocument<'_>, context: &Context) -> Option<String> {
    let request = document.root();
    let found = signature::signature_of(request).ok().flatten()?;
    if context.request_certificates.is_empty() {
        return Some("not checked: no metadata of the asking party was given".to_owned());
    }
    let named = signature::describe(found).key_identifiers;
    let candidates: Vec<Certificate> = context
        .request_certificates
        .iter()
        .filter_map(|der| Certificate::read(der).ok())
        .filter(|one| named.is_empty() || named.iter().any(|id| one.has_key_identifier(id)))
        .collect();
    if candidates.is_empty() {
        return Some(
            "not checked: no given certificate has the key identifier that it names".to_owned(),
        );
    }
    Some(
        match signature::verify(document, request, &candidates, Sha1::Allowed) {
            Ok(_) => "verified with a given certificate".to_owned(),
            Err(error) => format!("bad: {error}"),
        },
    )
}

/// What this identity provider answers: it has no sign-in with less than two factors.
fn would_answer(request: XmlElement<'_>) -> &'static str {
    let asks = |name: &str| matches!(request.attribute(name), Some("true" | "1"));
    if asks("IsPassive") && asks("ForceAuthn") {
        "NoPassive: it may not ask, and must ask."
    } else if asks("IsPassive") {
        "multipleauthn from a session that is fresh enough, otherwise NoPassive."
    } else if asks("ForceAuthn") {
        "multipleauthn, after both factors were proved again."
    } else {
        "multipleauthn, after two factors or from a session that is fresh enough."
    }
}

/// A sign-out message (facts §1.4).
pub(super) fn of_logout(message: XmlElement<'_>) -> Value {
    let names: Vec<_> = message.children_named(ASSERTION, "NameID").collect();
    json!({
        "message": message.local_name(),
        "id": message.attribute("ID"),
        "issuer": texts(message.children_named(ASSERTION, "Issuer")),
        "destination": message.attribute("Destination"),
        "in_response_to": message.attribute("InResponseTo"),
        "name_id": texts(names.iter().copied()),
        "session_index": texts(message.children_named(PROTOCOL, "SessionIndex")),
        "status": message.descendants()
            .filter(|element| element.is(PROTOCOL, "StatusCode"))
            .filter_map(|code| code.attribute("Value"))
            .collect::<Vec<_>>(),
    })
}

pub(super) fn of_keys(case: &KeysCase) -> Value {
    let keys: Vec<_> = case
        .keys
        .keys()
        .iter()
        .map(|key| {
            json!({
                "kid": key.kid,
                "kty": key.kty,
                "rsa_bits": key.rsa().map(|(modulus, _)| modulus.len() * 8),
                "x5c": key.certificate().map(|certificate| json!({
                    "subject": certificate.subject,
                    "thumbprint": certificate.thumbprint(),
                    "not_after": certificate.not_after,
                })),
            })
        })
        .collect();
    json!({ "keys": keys })
}

pub(super) fn of_federation(case: &FederationCase<'_>) -> Value {
    let configs: Vec<_> = case
        .configs
        .iter()
        .map(|config| {
            let settings: Map<String, Value> = config
                .settings
                .iter()
                .map(|(name, setting)| {
                    let value = match setting {
                        Setting::Text(text) if name.ends_with("Certificate") => {
                            certificate_in_short(text)
                        }
                        Setting::Text(text) | Setting::Variable(text) => text.clone().into(),
                        Setting::List(items) => items.clone().into(),
                        Setting::Null => Value::Null,
                    };
                    ((*name).to_owned(), value)
                })
                .collect();
            json!({
                "domain": config.domain,
                "command": config.command,
                "settings": settings,
            })
        })
        .collect();
    json!({ "federation": configs })
}

fn certificate_in_short(text: &str) -> Value {
    let read = data_encoding::BASE64
        .decode(text.as_bytes())
        .ok()
        .and_then(|der| Certificate::read(&der).ok());
    match read {
        Some(certificate) => json!({
            "subject": certificate.subject,
            "thumbprint": certificate.thumbprint(),
            "not_after": certificate.not_after,
        }),
        None => "unreadable".into(),
    }
}
