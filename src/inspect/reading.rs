//! From bytes to a case: wrappings off, reader, kind.
//!
//! Always true: what the bounded readers refuse keeps the kind that its
//! beginning shows and becomes a finding, so that a hostile message is
//! `rejected` and never "unknown".

use std::borrow::Cow;

use serde_json::Value;

use crate::protocol::xml::{self, XmlDocument, XmlError, XmlLimits};

use super::{
    context::Context,
    detect::{self, Content},
    json::{self, JsonError},
    report::{Encoding, Kind},
    rule::Ruling,
    saml_case::{ASSERTION, PROTOCOL},
    token_case::{TokenCase, TokenError},
};

/// What came of reading.
pub(super) struct Read<'a> {
    pub(super) encoding: Vec<Encoding>,
    /// What came beside the message: RelayState and SigAlg.
    pub(super) beside: Vec<(&'static str, String)>,
    pub(super) content: ReadContent<'a>,
}

pub(super) enum ReadContent<'a> {
    /// Bytes of XML, still to be parsed (the tree borrows them).
    Xml(Cow<'a, [u8]>),
    /// A token or claims.
    Token(Kind, Box<TokenCase<'a>>),
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
pub(super) fn read<'a>(bytes: &'a [u8], context: &'a Context) -> Read<'a> {
    let detected = detect::detect(bytes);
    let inner = match detected.content {
        Content::Xml(bytes) => ReadContent::Xml(bytes),
        Content::Json(bytes) => read_claims(&bytes, context),
        Content::Jwt(token) => read_token(&token, context),
        Content::Excess { kind, what } => match kind {
            Kind::Unknown => ReadContent::Unknown(what),
            Kind::JwtClaims => ReadContent::Refused(kind, Refusal::new("CB-JWT-001", what)),
            kind => ReadContent::Refused(kind, Refusal::new("CB-XML-002", what)),
        },
        Content::Unknown(why) => ReadContent::Unknown(why.to_owned()),
    };
    Read {
        encoding: detected.encoding,
        beside: detected.beside,
        content: inner,
    }
}

fn read_token<'a>(token: &str, context: &'a Context) -> ReadContent<'a> {
    match TokenCase::parse_token(token, context) {
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

fn read_claims<'a>(bytes: &[u8], context: &'a Context) -> ReadContent<'a> {
    match json::parse_json(bytes) {
        Err(error @ (JsonError::Depth | JsonError::Bytes)) => ReadContent::Refused(
            Kind::JwtClaims,
            Refusal::new("CB-JWT-001", format!("{error}.")),
        ),
        Ok(json) => match json.value {
            Value::Object(claims) if CLAIM_NAMES.iter().any(|name| claims.contains_key(*name)) => {
                ReadContent::Token(
                    Kind::JwtClaims,
                    Box::new(TokenCase::of_claims(claims, json.repeated, context)),
                )
            }
            _ => ReadContent::Unknown("The JSON has no claim of a token.".to_owned()),
        },
        Err(JsonError::Malformed(error)) => {
            ReadContent::Unknown(format!("The input begins like JSON and is none: {error}."))
        }
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
        _ => Kind::Unknown,
    }
}
