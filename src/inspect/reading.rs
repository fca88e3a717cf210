//! From bytes to a case: wrappings off, reader, kind.
//!
//! Always true: what the bounded readers refuse keeps the kind that its
//! beginning shows and becomes a finding, so that a hostile message is
//! `rejected` and never "unknown".

use std::borrow::Cow;

use serde_json::Value;

use crate::protocol::{
    saml::metadata::METADATA_NS,
    xml::{self, XmlDocument, XmlElement, XmlError, XmlLimits},
};

use super::{
    context::Context,
    detect::{self, Content, form::Beside},
    discovery::DiscoveryCase,
    effort::Effort,
    federation,
    federation_case::{self, Extent, FederationCase, FederationConfig},
    json::{self, JsonError},
    jwks::{Jwks, KeysCase},
    report::{Encoding, Kind},
    requests,
    rule::{Ruling, quoted},
    saml_case::{ASSERTION, PROTOCOL},
    token_case::{TokenCase, TokenError},
    trace::{self, Recorder, Trace},
    wsfed_case::{SAML11, SOAP, TRUST, is_trust},
};

/// What came of reading.
pub(super) struct Read<'a> {
    pub(super) encoding: Vec<Encoding>,
    /// What came beside the message in a form, an address or an HTTP answer.
    pub(super) beside: Beside,
    /// Why it was taken for that; of XML its root says it.
    pub(super) because: String,
    pub(super) content: ReadContent<'a>,
}

pub(super) enum ReadContent<'a> {
    /// Bytes of XML, still to be parsed (the tree borrows them).
    Xml(Cow<'a, [u8]>),
    /// A token or claims.
    Token(Kind, Box<TokenCase<'a>>),
    /// A discovery document.
    Discovery(Box<DiscoveryCase<'a>>),
    /// A key set.
    Keys(KeysCase),
    /// A domain's federation.
    Federation(FederationCase<'a>),
    /// A request without a message of its own, in readable form.
    Request(Kind, Value),
    /// A browser's trace.
    Trace(Box<Trace>),
    /// Refused by a rule of reading.
    Refused(Kind, Refusal),
    /// Nothing known; in one sentence.
    Unknown(String),
}

/// A rule that the input broke before there was anything to judge.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) rule: &'static str,
    pub(super) ruling: Ruling,
}

impl Refusal {
    pub(super) fn new(rule: &'static str, evidence: impl Into<String>) -> Self {
        Self {
            rule,
            ruling: Ruling::broken(evidence),
        }
    }
}

/// Takes the wrappings off and reads what is no XML.
pub(super) fn read<'a>(bytes: &'a [u8], context: &'a Context, effort: &Effort) -> Read<'a> {
    let detected = detect::detect(bytes);
    let (mut encoding, beside) = (detected.encoding, detected.beside);
    let (because, inner) = match detected.content {
        Content::Xml(bytes) => {
            effort.unwraps(bytes.len());
            (String::new(), ReadContent::Xml(bytes))
        }
        Content::Json(bytes) => read_json(&bytes, context, effort, &beside, &mut encoding),
        Content::Jwt(token) => {
            effort.unwraps(token.len());
            (
                "Three parts of base64url with two dots, the first a JSON object.".to_owned(),
                read_token(&token, context, effort),
            )
        }
        Content::Request(parameters) => {
            let kind = requests::kind_of(&parameters);
            let because = match kind {
                Kind::ExternalMfaRequest => "Its parameters have an id_token_hint.",
                _ => "Its parameters have wa, and no wresult.",
            };
            (
                because.to_owned(),
                ReadContent::Request(kind, requests::decoded(&parameters)),
            )
        }
        Content::Commands(text) => read_commands(&text, context),
        Content::Excess { kind, what } => (
            "Its beginning looks like that.".to_owned(),
            match kind {
                Kind::Unknown => ReadContent::Unknown(what),
                Kind::JwtClaims => ReadContent::Refused(kind, Refusal::new("CB-JWT-001", what)),
                kind => ReadContent::Refused(kind, Refusal::new("CB-XML-002", what)),
            },
        ),
        Content::Unknown(why) => (String::new(), ReadContent::Unknown(why.to_owned())),
    };
    Read {
        encoding,
        beside,
        because,
        content: inner,
    }
}

fn read_commands<'a>(text: &str, context: &'a Context) -> (String, ReadContent<'a>) {
    let configs = federation::commands::read(text);
    if configs.is_empty() {
        return (
            String::new(),
            ReadContent::Unknown(
                "The text names commands or calls about a domain's federation and sets no property."
                    .to_owned(),
            ),
        );
    }
    let because = configs
        .iter()
        .find_map(|config| config.command.clone())
        .map_or_else(
            || "It names or lists properties of a domain's federation.".to_owned(),
            |command| format!("It has the command {command}."),
        );
    (
        because,
        ReadContent::Federation(FederationCase { context, configs }),
    )
}

fn read_token<'a>(token: &str, context: &'a Context, effort: &Effort) -> ReadContent<'a> {
    match TokenCase::parse_token(token, context, effort) {
        Ok(case) => ReadContent::Token(Kind::Jwt, Box::new(case)),
        Err(error @ TokenError::Json(JsonError::Depth | JsonError::Bytes)) => {
            ReadContent::Refused(Kind::Jwt, Refusal::new("CB-JWT-001", format!("{error}.")))
        }
        Err(error) => {
            ReadContent::Refused(Kind::Jwt, Refusal::new("CB-JWT-004", format!("{error}.")))
        }
    }
}

/// Names of which a token has at least one; other JSON is no token.
const CLAIM_NAMES: [&str; 12] = [
    "iss", "aud", "exp", "nbf", "iat", "amr", "scp", "tid", "oid", "upn", "acr", "appid",
];

/// How much of the beginning shows that JSON is a trace.
const TRACE_BEGINNING: usize = 64 * 1024;

fn read_json<'a>(
    bytes: &[u8],
    context: &'a Context,
    effort: &Effort,
    beside: &Beside,
    encoding: &mut Vec<Encoding>,
) -> (String, ReadContent<'a>) {
    let front = String::from_utf8_lossy(&bytes[..bytes.len().min(TRACE_BEGINNING)]);
    if ["\"log\"", "\"requests\""]
        .iter()
        .any(|name| front.contains(name))
    {
        match trace::parse_trace(bytes) {
            Ok(Some(found)) => {
                let because = match found.recorder {
                    Recorder::Browser => "A JSON object with log.entries: a HAR.",
                    Recorder::SamlTracer => {
                        "A JSON object with requests: an export of SAML-tracer."
                    }
                };
                return (because.to_owned(), ReadContent::Trace(Box::new(found)));
            }
            Err(error) if bytes.len() > json::MAX_BYTES => {
                return (
                    String::new(),
                    ReadContent::Unknown(format!(
                        "The input looks like a browser's trace and cannot be read: {error}."
                    )),
                );
            }
            Ok(None) | Err(_) => {}
        }
    }
    effort.unwraps(bytes.len());
    let json = match json::parse_json(bytes) {
        Ok(json) => json,
        Err(error @ (JsonError::Depth | JsonError::Bytes)) => {
            return (
                "It begins like a JSON object.".to_owned(),
                ReadContent::Refused(
                    Kind::JwtClaims,
                    Refusal::new("CB-JWT-001", format!("{error}.")),
                ),
            );
        }
        Err(JsonError::Malformed(error)) => {
            return (
                String::new(),
                ReadContent::Unknown(format!("The input begins like JSON and is none: {error}.")),
            );
        }
    };
    let configs = federation_case::of_json(&json.value, Extent::Whole);
    let Value::Object(members) = json.value else {
        return of_configs(configs, context);
    };
    let has = |name: &str| members.contains_key(name);
    if has("keys") && !has("iss") {
        return match Jwks::of_value(Value::Object(members)) {
            Ok(keys) => (
                "A JSON object with keys.".to_owned(),
                ReadContent::Keys(KeysCase { keys }),
            ),
            Err(error) => (String::new(), ReadContent::Unknown(format!("{error}."))),
        };
    }
    let is_discovery = has("issuer")
        && [
            "authorization_endpoint",
            "jwks_uri",
            "response_types_supported",
        ]
        .iter()
        .any(|name| has(name));
    if is_discovery {
        let content_length = beside
            .iter()
            .find(|(name, _)| *name == "Content-Length")
            .map(|(_, value)| value.clone());
        return (
            "A JSON object with issuer and endpoints.".to_owned(),
            ReadContent::Discovery(Box::new(DiscoveryCase {
                context,
                members,
                content_length,
            })),
        );
    }
    if !configs.is_empty() {
        return of_configs(configs, context);
    }
    // As endpoints write it (RFC 6749 §5.1), and the command line of Azure.
    let token = ["access_token", "accessToken", "id_token", "idToken"]
        .iter()
        .filter_map(|name| members.get(*name)?.as_str())
        .find(|token| detect::is_jwt(token));
    if let Some(token) = token {
        encoding.push(Encoding::TokenResponse);
        return (
            "A JSON object with a token in it: the answer of a token endpoint.".to_owned(),
            read_token(token, context, effort),
        );
    }
    match CLAIM_NAMES.iter().find(|name| has(name)) {
        Some(name) => (
            format!("A JSON object with the claim {name}."),
            ReadContent::Token(
                Kind::JwtClaims,
                Box::new(TokenCase::of_claims(members, json.repeated, context)),
            ),
        ),
        None => (
            String::new(),
            ReadContent::Unknown("The JSON has no claim of a token.".to_owned()),
        ),
    }
}

fn of_configs(configs: Vec<FederationConfig>, context: &Context) -> (String, ReadContent<'_>) {
    if configs.is_empty() {
        return (
            String::new(),
            ReadContent::Unknown("The JSON is no message that the inspector knows.".to_owned()),
        );
    }
    (
        "JSON with the properties of a domain's federation.".to_owned(),
        ReadContent::Federation(FederationCase { context, configs }),
    )
}

/// What a document of another kind is, in one sentence.
pub(super) fn unknown_root(root: XmlElement<'_>) -> String {
    match (root.namespace(), root.local_name()) {
        (METADATA_NS, "EntityDescriptor" | "EntitiesDescriptor") => {
            "This is no message but metadata of SAML; give a service provider's with --sp-metadata."
                .to_owned()
        }
        (soap, "Envelope") if SOAP.contains(&soap) => {
            "This is a SOAP envelope without a token in it.".to_owned()
        }
        (namespace, name) => format!(
            "The XML is a {} of the namespace {}, which the inspector does not know.",
            quoted(name),
            quoted(namespace)
        ),
    }
}

/// Parses XML, or says which rule it broke and what it would have been.
pub(super) fn parse_xml(bytes: &[u8]) -> Result<XmlDocument<'_>, (Kind, Refusal)> {
    xml::read(bytes, &XmlLimits::MESSAGE).map_err(|error| {
        let rule = match error {
            XmlError::Forbidden(_) => "CB-XML-001",
            XmlError::TooLarge(_) => "CB-XML-002",
            XmlError::DuplicateId(_) => "CB-XML-004",
            XmlError::NotUtf8 | XmlError::Malformed(_) => "CB-XML-006",
        };
        (
            detect::kind_of_beginning(bytes),
            Refusal::new(rule, format!("{error}.")),
        )
    })
}

/// The kind of a document, by its root element.
pub(super) fn kind_of(document: &XmlDocument<'_>) -> Kind {
    let root = document.root();
    match (root.namespace(), root.local_name()) {
        (PROTOCOL, "Response") => Kind::Saml2Response,
        (ASSERTION, "Assertion") => Kind::Saml2Assertion,
        (PROTOCOL, "AuthnRequest") => Kind::Saml2AuthnRequest,
        (PROTOCOL, "LogoutRequest" | "LogoutResponse") => Kind::Saml2Logout,
        (SAML11, "Assertion") => Kind::Saml11Assertion,
        (trust, "RequestSecurityTokenResponse" | "RequestSecurityTokenResponseCollection")
            if TRUST.contains(&trust) =>
        {
            Kind::WsfedRstr
        }
        (soap, "Envelope")
            if SOAP.contains(&soap)
                && document
                    .elements()
                    .any(|element| is_trust(element, "RequestSecurityTokenResponse")) =>
        {
            Kind::WsfedRstr
        }
        _ => Kind::Unknown,
    }
}
