//! An answer of the identity provider: a RequestSecurityTokenResponse with one SAML 1.1
//! assertion (facts §2.3). The tenant's own reading.
//!
//! Always true: [`TokenFields`] are read only below the node that the signature covers; the
//! shell around it is compared with what is wanted, and never relied on.

use uppsala::{Document, NodeId, NodeKind};

use crate::practice::reading::{
    ReadingError, attribute, below, children, is_element, only_child, parse_plain, text,
};

/// The namespace of SAML 1.1 assertions, and the token's type.
pub const SAML11: &str = "urn:oasis:names:tc:SAML:1.0:assertion";
/// WS-Trust of February 2005, which Entra reads.
pub const TRUST: &str = "http://schemas.xmlsoap.org/ws/2005/02/trust";
/// What an assertion of SAML 2.0 would be of; there is none in an answer.
const SAML2: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const POLICY: &str = "http://schemas.xmlsoap.org/ws/2004/09/policy";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const UTILITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";

/// The UPN claim.
pub const UPN: (&str, &str) = ("http://schemas.xmlsoap.org/claims", "UPN");
/// The ImmutableID claim.
pub const IMMUTABLE_ID: (&str, &str) = (
    "http://schemas.microsoft.com/LiveID/Federation/2008/05",
    "ImmutableID",
);
/// When the person used the first factor.
pub const AUTHENTICATION_INSTANT: (&str, &str) = (
    "http://schemas.microsoft.com/ws/2008/06/identity/claims",
    "authenticationinstant",
);
/// When the person used the second factor.
pub const MFA_INSTANT: (&str, &str) = (
    "http://schemas.microsoft.com/ws/2017/04/identity/claims",
    "multifactorauthenticationinstant",
);
/// The attributes in which Entra takes the MFA value.
pub const MFA_ATTRIBUTES: [(&str, &str); 2] = [
    (
        "http://schemas.microsoft.com/ws/2008/06/identity/claims",
        "authenticationmethod",
    ),
    (
        "http://schemas.microsoft.com/claims",
        "authnmethodsreferences",
    ),
];
/// The values that Entra honours as MFA.
pub const MFA_VALUES: [&str; 2] = [
    "http://schemas.microsoft.com/claims/multipleauthn",
    "http://schemas.microsoft.com/claims/wiaormultiauthn",
];

/// No answer is larger (bytes); Entra's are under 16 KiB.
const LARGEST: usize = 256 * 1024;

/// Parses `wresult`.
pub fn parse(wresult: &str) -> Result<Document<'_>, ReadingError> {
    if wresult.len() > LARGEST {
        return Err(ReadingError::TooLarge);
    }
    parse_plain(wresult)
}

/// What stands around the token. Not signed: compared, never relied on.
#[derive(Clone, Debug, Default)]
pub struct AnswerFields {
    /// `AppliesTo/EndpointReference/Address`.
    pub applies_to: Option<String>,
    /// `Lifetime/Created`.
    pub created: Option<String>,
    /// `Lifetime/Expires`.
    pub expires: Option<String>,
    /// `TokenType`.
    pub token_type: Option<String>,
}

impl AnswerFields {
    /// Reads the document element.
    pub fn read(document: &Document<'_>, answer: NodeId) -> Self {
        let lifetime = |name: &str| {
            let lifetime = only_child(document, answer, TRUST, "Lifetime")?;
            text(document, only_child(document, lifetime, UTILITY, name)?)
        };
        let address = || {
            let applies = only_child(document, answer, POLICY, "AppliesTo")?;
            let reference = only_child(document, applies, ADDRESSING, "EndpointReference")?;
            text(
                document,
                only_child(document, reference, ADDRESSING, "Address")?,
            )
        };
        Self {
            applies_to: address(),
            created: lifetime("Created"),
            expires: lifetime("Expires"),
            token_type: only_child(document, answer, TRUST, "TokenType")
                .and_then(|node| text(document, node)),
        }
    }
}

/// The document element, if it is one RequestSecurityTokenResponse.
pub fn answer(document: &Document<'_>) -> Option<NodeId> {
    document
        .document_element()
        .filter(|node| is_element(document, *node, TRUST, "RequestSecurityTokenResponse"))
}

/// The one token; or how many assertions of any kind there are.
pub fn token(document: &Document<'_>, answer: NodeId) -> Result<NodeId, usize> {
    let plain = below(document, document.root(), SAML11, "Assertion");
    let others = below(document, document.root(), SAML2, "Assertion").len()
        + below(document, document.root(), SAML2, "EncryptedAssertion").len();
    let requested = only_child(document, answer, TRUST, "RequestedSecurityToken");
    match (plain.as_slice(), requested) {
        ([only], Some(requested))
            if others == 0
                && document.parent(*only) == Some(requested)
                && elements(document, requested) == [*only] =>
        {
            Ok(*only)
        }
        _ => Err(plain.len() + others),
    }
}

/// The document element, if it is a SAML 1.1 assertion and there is no other.
pub fn bare_assertion(document: &Document<'_>) -> Option<NodeId> {
    match below(document, document.root(), SAML11, "Assertion").as_slice() {
        [only] if document.document_element() == Some(*only) => Some(*only),
        _ => None,
    }
}

/// What a bare assertion says is its issuer. Unverified: it only finds the domain whose
/// registration it is then judged by.
pub fn claimed_issuer(xml: &str) -> Option<String> {
    let document = parse(xml).ok()?;
    attribute(&document, bare_assertion(&document)?, "Issuer")
}

/// What the answer says is its token's id. Unverified: it only finds out whether an assertion
/// of that id was taken before.
pub fn claimed_id(wresult: &str) -> Option<String> {
    let document = parse(wresult).ok()?;
    let assertion = token(&document, answer(&document)?).ok()?;
    attribute(&document, assertion, "AssertionID")
}

/// The child elements.
pub fn elements(document: &Document<'_>, node: NodeId) -> Vec<NodeId> {
    document
        .children(node)
        .into_iter()
        .filter(|child| matches!(document.node_kind(*child), Some(NodeKind::Element(_))))
        .collect()
}

/// What a signed assertion says.
#[derive(Clone, Debug, Default)]
pub struct TokenFields {
    /// `AssertionID`.
    pub id: Option<String>,
    /// `MajorVersion` and `MinorVersion`.
    pub version: (Option<String>, Option<String>),
    /// `Issuer`.
    pub issuer: Option<String>,
    /// `NotBefore` of `Conditions`.
    pub not_before: Option<String>,
    /// `NotOnOrAfter` of `Conditions`.
    pub not_on_or_after: Option<String>,
    /// The audiences of the only `AudienceRestrictionCondition`.
    pub audiences: Vec<String>,
    /// Of every statement's subject: its confirmation methods.
    pub confirmations: Vec<Vec<String>>,
    /// Of every statement's subject that has one.
    pub name_identifiers: Vec<String>,
    /// `AuthenticationMethod` of the only AuthenticationStatement.
    pub method: Option<String>,
    /// Its `AuthenticationInstant`.
    pub authentication_instant: Option<String>,
    /// Namespace, name, values.
    pub attributes: Vec<(String, String, Vec<String>)>,
}

impl TokenFields {
    /// Reads below `assertion`, the node that the signature covers.
    pub fn read(document: &Document<'_>, assertion: NodeId) -> Self {
        let own = |name: &str| attribute(document, assertion, name);
        let mut fields = Self {
            id: own("AssertionID"),
            version: (own("MajorVersion"), own("MinorVersion")),
            issuer: own("Issuer"),
            ..Self::default()
        };
        let texts = |nodes: Vec<NodeId>| -> Vec<String> {
            nodes
                .into_iter()
                .filter_map(|node| text(document, node))
                .collect()
        };
        if let Some(conditions) = only_child(document, assertion, SAML11, "Conditions") {
            fields.not_before = attribute(document, conditions, "NotBefore");
            fields.not_on_or_after = attribute(document, conditions, "NotOnOrAfter");
            if let Some(restriction) =
                only_child(document, conditions, SAML11, "AudienceRestrictionCondition")
            {
                fields.audiences = texts(children(document, restriction, SAML11, "Audience"));
            }
        }
        for statement in ["AttributeStatement", "AuthenticationStatement"] {
            for node in children(document, assertion, SAML11, statement) {
                let subject = only_child(document, node, SAML11, "Subject");
                let methods = subject
                    .and_then(|node| only_child(document, node, SAML11, "SubjectConfirmation"))
                    .map(|node| texts(children(document, node, SAML11, "ConfirmationMethod")));
                fields.confirmations.push(methods.unwrap_or_default());
                fields.name_identifiers.extend(
                    subject
                        .and_then(|node| only_child(document, node, SAML11, "NameIdentifier"))
                        .and_then(|node| text(document, node)),
                );
                for claim in children(document, node, SAML11, "Attribute") {
                    let part = |name: &str| attribute(document, claim, name).unwrap_or_default();
                    fields.attributes.push((
                        part("AttributeNamespace"),
                        part("AttributeName"),
                        texts(children(document, claim, SAML11, "AttributeValue")),
                    ));
                }
            }
        }
        let statement = only_child(document, assertion, SAML11, "AuthenticationStatement");
        let stated = |name: &str| attribute(document, statement?, name);
        fields.method = stated("AuthenticationMethod");
        fields.authentication_instant = stated("AuthenticationInstant");
        fields
    }

    /// All values of the claim.
    pub fn values(&self, claim: (&str, &str)) -> Vec<&str> {
        self.attributes
            .iter()
            .filter(|(namespace, name, _)| (namespace.as_str(), name.as_str()) == claim)
            .flat_map(|(.., values)| values)
            .map(String::as_str)
            .collect()
    }

    /// Its only value.
    pub fn only_value(&self, claim: (&str, &str)) -> Option<&str> {
        match self.values(claim).as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Where it says that the person used two factors, of the places that Entra reads.
    pub fn mfa_places(&self) -> Vec<&'static str> {
        let says_mfa = |value: &str| MFA_VALUES.contains(&value);
        let mut places = Vec::new();
        if self.method.as_deref().is_some_and(says_mfa) {
            places.push("AuthenticationStatement/@AuthenticationMethod");
        }
        for claim in MFA_ATTRIBUTES {
            if self.values(claim).into_iter().any(says_mfa) {
                places.push(claim.1);
            }
        }
        places
    }
}
