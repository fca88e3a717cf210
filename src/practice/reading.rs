//! Bytes to a document, and the signed assertion's fields. The tenant's own
//! reading: it shares nothing with the code that wrote the message.
//!
//! Always true: [`AssertionFields`] are read only below the node that a
//! signature covers, from the same document that the signature was checked on
//! (two parsers, or two look-ups by name, are how wrapped assertions get in).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use uppsala::{Document, NodeId, NodeKind};

/// SAML 2.0 protocol namespace.
pub const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// SAML 2.0 assertion namespace.
pub const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// XML signature namespace.
pub const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";

const LARGEST_MESSAGE: usize = 256 * 1024;
const DEEPEST: u32 = 32;

/// Why a message is not read at all.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// The form field is not base64.
    #[error("the SAMLResponse field is not base64")]
    Base64,
    /// Over the limit.
    #[error("the message is larger than 256 KiB")]
    TooLarge,
    /// Not UTF-8.
    #[error("the message is not UTF-8")]
    NotUtf8,
    /// Not well-formed, with a DOCTYPE, or too deep.
    #[error("the message is not plain, well-formed XML: {0}")]
    Xml(String),
    /// Comments and the like split text, and readers disagree about what it then says.
    #[error("the message holds a {0}, which has no place in a SAML message")]
    NotPlain(&'static str),
}

/// Decodes the form field.
pub fn decode_field(field: &str) -> Result<String, ReadingError> {
    if field.len() > LARGEST_MESSAGE * 2 {
        return Err(ReadingError::TooLarge);
    }
    let compact: String = field.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(compact).map_err(|_| ReadingError::Base64)?;
    if bytes.len() > LARGEST_MESSAGE {
        return Err(ReadingError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| ReadingError::NotUtf8)
}

/// Parses without DOCTYPE, entities, comments, CDATA and processing instructions.
pub fn parse_plain(xml: &str) -> Result<Document<'_>, ReadingError> {
    let document = uppsala::Parser::new()
        .with_max_depth(DEEPEST)
        .with_forbid_dtd(true)
        .with_forbid_entities(true)
        .parse(xml)
        .map_err(|error| ReadingError::Xml(error.to_string()))?;
    for node in document.descendants(document.root()) {
        match document.node_kind(node) {
            Some(NodeKind::Comment(_)) => return Err(ReadingError::NotPlain("comment")),
            Some(NodeKind::CData(_)) => return Err(ReadingError::NotPlain("CDATA section")),
            Some(NodeKind::ProcessingInstruction(_)) => {
                return Err(ReadingError::NotPlain("processing instruction"));
            }
            _ => {}
        }
    }
    Ok(document)
}

/// Whether `node` is the element `name` of `namespace`.
pub fn is_element(document: &Document<'_>, node: NodeId, namespace: &str, name: &str) -> bool {
    document
        .element(node)
        .is_some_and(|element| element.matches_name_ns(namespace, name))
}

/// The child elements of that name, in order.
pub fn children(document: &Document<'_>, node: NodeId, namespace: &str, name: &str) -> Vec<NodeId> {
    document
        .children(node)
        .into_iter()
        .filter(|child| is_element(document, *child, namespace, name))
        .collect()
}

/// The only child element of that name; none if there are several.
pub fn only_child(
    document: &Document<'_>,
    node: NodeId,
    namespace: &str,
    name: &str,
) -> Option<NodeId> {
    match children(document, node, namespace, name).as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

/// All elements of that name below `node`, itself included.
pub fn below(document: &Document<'_>, node: NodeId, namespace: &str, name: &str) -> Vec<NodeId> {
    std::iter::once(node)
        .chain(document.descendants(node))
        .filter(|candidate| is_element(document, *candidate, namespace, name))
        .collect()
}

/// The element's text, if it has nothing but text.
pub fn text(document: &Document<'_>, node: NodeId) -> Option<String> {
    let mut all = String::new();
    for child in document.children(node) {
        match document.node_kind(child) {
            Some(NodeKind::Text(part)) => all.push_str(part),
            _ => return None,
        }
    }
    Some(all)
}

/// The attribute without a namespace.
pub fn attribute(document: &Document<'_>, node: NodeId, name: &str) -> Option<String> {
    document
        .element(node)?
        .attributes
        .iter()
        .find(|attribute| {
            attribute.name.namespace_uri.is_none() && *attribute.name.local_name == *name
        })
        .map(|attribute| attribute.value.to_string())
}

/// What the response says around the assertion. Not signed: compared, never relied on.
#[derive(Clone, Debug, Default)]
pub struct ResponseFields {
    /// `Destination`.
    pub destination: Option<String>,
    /// `InResponseTo`.
    pub in_response_to: Option<String>,
    /// `Issuer`.
    pub issuer: Option<String>,
    /// The status codes, outermost first, and the status message.
    pub status: Vec<String>,
}

impl ResponseFields {
    /// Reads the document element.
    pub fn read(document: &Document<'_>, response: NodeId) -> Self {
        let mut status = Vec::new();
        let mut at = only_child(document, response, PROTOCOL, "Status");
        while let Some(node) = at {
            at = only_child(document, node, PROTOCOL, "StatusCode");
            status.extend(at.and_then(|code| attribute(document, code, "Value")));
        }
        Self {
            destination: attribute(document, response, "Destination"),
            in_response_to: attribute(document, response, "InResponseTo"),
            issuer: only_child(document, response, ASSERTION, "Issuer")
                .and_then(|node| text(document, node)),
            status,
        }
    }
}

/// What a signed assertion says.
#[derive(Clone, Debug, Default)]
pub struct AssertionFields {
    /// `ID`.
    pub id: Option<String>,
    /// `Issuer`.
    pub issuer: Option<String>,
    /// `NameID` and its `Format`.
    pub name_id: Option<(String, Option<String>)>,
    /// Of the only bearer `SubjectConfirmationData`.
    pub confirmation: Option<Confirmation>,
    /// `NotBefore` of `Conditions`.
    pub not_before: Option<String>,
    /// `NotOnOrAfter` of `Conditions`.
    pub not_on_or_after: Option<String>,
    /// The audiences of the only `AudienceRestriction`.
    pub audiences: Vec<String>,
    /// How many `AuthnStatement`s there are.
    pub authn_statements: usize,
    /// `AuthnInstant` of the only one.
    pub authn_instant: Option<String>,
    /// Every `AuthnContextClassRef`.
    pub class_references: Vec<String>,
    /// Attributes with their values.
    pub attributes: Vec<(String, Vec<String>)>,
}

/// A bearer confirmation.
#[derive(Clone, Debug, Default)]
pub struct Confirmation {
    /// `Recipient`.
    pub recipient: Option<String>,
    /// `InResponseTo`.
    pub in_response_to: Option<String>,
    /// `NotOnOrAfter`.
    pub not_on_or_after: Option<String>,
}

impl AssertionFields {
    /// Reads below `assertion`, the node that the signature covers.
    pub fn read(document: &Document<'_>, assertion: NodeId) -> Self {
        let mut fields = Self {
            id: attribute(document, assertion, "ID"),
            issuer: only_child(document, assertion, ASSERTION, "Issuer")
                .and_then(|node| text(document, node)),
            ..Self::default()
        };
        if let Some(subject) = only_child(document, assertion, ASSERTION, "Subject") {
            fields.name_id = only_child(document, subject, ASSERTION, "NameID").and_then(|node| {
                Some((text(document, node)?, attribute(document, node, "Format")))
            });
            fields.confirmation = only_child(document, subject, ASSERTION, "SubjectConfirmation")
                .filter(|node| {
                    attribute(document, *node, "Method").as_deref()
                        == Some("urn:oasis:names:tc:SAML:2.0:cm:bearer")
                })
                .and_then(|node| only_child(document, node, ASSERTION, "SubjectConfirmationData"))
                .map(|data| Confirmation {
                    recipient: attribute(document, data, "Recipient"),
                    in_response_to: attribute(document, data, "InResponseTo"),
                    not_on_or_after: attribute(document, data, "NotOnOrAfter"),
                });
        }
        if let Some(conditions) = only_child(document, assertion, ASSERTION, "Conditions") {
            fields.not_before = attribute(document, conditions, "NotBefore");
            fields.not_on_or_after = attribute(document, conditions, "NotOnOrAfter");
            if let Some(restriction) =
                only_child(document, conditions, ASSERTION, "AudienceRestriction")
            {
                fields.audiences = children(document, restriction, ASSERTION, "Audience")
                    .into_iter()
                    .filter_map(|node| text(document, node))
                    .collect();
            }
        }
        let statements = children(document, assertion, ASSERTION, "AuthnStatement");
        fields.authn_statements = statements.len();
        if let [statement] = statements.as_slice() {
            fields.authn_instant = attribute(document, *statement, "AuthnInstant");
        }
        fields.class_references = statements
            .iter()
            .flat_map(|node| children(document, *node, ASSERTION, "AuthnContext"))
            .flat_map(|node| children(document, node, ASSERTION, "AuthnContextClassRef"))
            .filter_map(|node| text(document, node))
            .collect();
        fields.attributes = children(document, assertion, ASSERTION, "AttributeStatement")
            .into_iter()
            .flat_map(|node| children(document, node, ASSERTION, "Attribute"))
            .filter_map(|node| {
                let values = children(document, node, ASSERTION, "AttributeValue")
                    .into_iter()
                    .filter_map(|value| text(document, value))
                    .collect();
                Some((attribute(document, node, "Name")?, values))
            })
            .collect();
        fields
    }

    /// The only value of the only attribute of that name.
    pub fn only_value(&self, name: &str) -> Option<&str> {
        let mut of_that_name = self.attributes.iter().filter(|(known, _)| known == name);
        match (of_that_name.next(), of_that_name.next()) {
            (Some((_, values)), None) => match values.as_slice() {
                [value] => Some(value),
                _ => None,
            },
            _ => None,
        }
    }
}
