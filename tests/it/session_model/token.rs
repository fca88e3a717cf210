//! Tokens, read by a plain XML reader: what a relying party would see, without a type of the
//! program that wrote them.

use roxmltree::{Document, Node};

use super::rules::Instant;
use crate::support::Page;

pub const MULTIPLE_AUTHN: &str = "http://schemas.microsoft.com/claims/multipleauthn";

/// What is to be seen of an answer.
#[derive(Clone, Debug)]
pub enum Posted {
    Token(Box<Token>),
    /// No assertion, and the innermost status code's last word.
    Status(String),
}

#[derive(Clone)]
pub struct Token {
    /// Where it is posted to.
    pub to: String,
    pub audience: String,
    pub name_id: String,
    /// What carries the words of the MFA claim.
    pub says_mfa: bool,
    pub authenticated: Instant,
    /// When the second factor was proved, where the protocol has a place for it.
    pub second: Option<Instant>,
    /// Where the protocol has one.
    pub index: Option<String>,
    /// Which request it answers.
    pub answers: String,
    pub xml: String,
}

/// The answer that a page would post, if it is one.
pub fn posted(page: &Page) -> Option<Posted> {
    for form in page.forms() {
        let value = |name: &str| {
            let input = form.inputs.iter().find(|input| input.name == name)?;
            Some(input.value.clone())
        };
        if let Some(response) = value("SAMLResponse") {
            let xml = data_encoding::BASE64.decode(response.as_bytes()).unwrap();
            return Some(saml2(form.action, &String::from_utf8(xml).unwrap()));
        }
        if let Some(result) = value("wresult") {
            assert_eq!(value("wa").as_deref(), Some("wsignin1.0"));
            let context = value("wctx").unwrap();
            return Some(saml11(form.action, context, &result));
        }
    }
    None
}

/// The elements of that local name.
fn all<'a, 'i>(document: &'a Document<'i>, name: &str) -> Vec<Node<'a, 'i>> {
    let nodes = document.descendants();
    nodes
        .filter(|node| node.tag_name().name() == name)
        .collect()
}

/// The only one.
fn one<'a, 'i>(document: &'a Document<'i>, name: &str) -> Node<'a, 'i> {
    let nodes = all(document, name);
    assert_eq!(nodes.len(), 1, "{name}: {}", document.input_text());
    nodes[0]
}

fn saml2(to: String, xml: &str) -> Posted {
    let document = Document::parse(xml).unwrap();
    let one = |name| one(&document, name);
    if all(&document, "Assertion").is_empty() {
        let code = *all(&document, "StatusCode").last().unwrap();
        let code = code.attribute("Value").unwrap();
        let code = code.rsplit(':').next().unwrap().to_owned();
        return Posted::Status(code);
    }
    let statement = one("AuthnStatement");
    let class = one("AuthnContextClassRef").text().unwrap();
    let answers = one("Response").attribute("InResponseTo").unwrap();
    let confirmation = one("SubjectConfirmationData");
    assert_eq!(confirmation.attribute("InResponseTo"), Some(answers));
    assert_eq!(confirmation.attribute("Recipient"), Some(&*to));
    Posted::Token(Box::new(Token {
        audience: one("Audience").text().unwrap().to_owned(),
        name_id: one("NameID").text().unwrap().to_owned(),
        says_mfa: class == MULTIPLE_AUTHN,
        authenticated: instant(statement.attribute("AuthnInstant").unwrap()),
        second: None,
        index: Some(statement.attribute("SessionIndex").unwrap().to_owned()),
        answers: answers.to_owned(),
        to,
        xml: xml.to_owned(),
    }))
}

/// The claim stands in three places, and under the documented name; all must agree.
const PLACES: [&str; 3] = [
    "authenticationmethod",
    "authnmethodsreferences",
    "authenticationmethodsreferences",
];

fn saml11(to: String, context: String, xml: &str) -> Posted {
    let document = Document::parse(xml).unwrap();
    let statement = one(&document, "AuthenticationStatement");
    let claim = |name: &str| -> Vec<String> {
        all(&document, "Attribute")
            .into_iter()
            .filter(|node| node.attribute("AttributeName") == Some(name))
            .flat_map(|node| node.children())
            .map(|value| value.text().unwrap().to_owned())
            .collect()
    };
    let says = PLACES.map(|name| claim(name).iter().any(|value| value == MULTIPLE_AUTHN));
    let method = statement.attribute("AuthenticationMethod") == Some(MULTIPLE_AUTHN);
    assert!(says.iter().all(|says| *says == method), "{xml}");
    let authenticated = claim("authenticationinstant");
    let second = claim("multifactorauthenticationinstant");
    assert_eq!((authenticated.len(), second.len()), (1, 1), "{xml}");
    let stated = statement.attribute("AuthenticationInstant").unwrap();
    assert_eq!(instant(stated), instant(&authenticated[0]));
    let names = all(&document, "NameIdentifier");
    let name_id = names[0].text().unwrap().to_owned();
    assert!(names.iter().all(|node| node.text() == Some(&*name_id)));
    assert_eq!(claim("ImmutableID"), std::slice::from_ref(&name_id));
    Posted::Token(Box::new(Token {
        audience: one(&document, "Audience").text().unwrap().to_owned(),
        name_id,
        says_mfa: method,
        authenticated: instant(&authenticated[0]),
        second: Some(instant(&second[0])),
        index: None,
        answers: context,
        to,
        xml: xml.to_owned(),
    }))
}

fn instant(text: &str) -> Instant {
    let rfc3339 = &time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(text, rfc3339).unwrap();
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap()
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("audience", &self.audience)
            .field("name_id", &self.name_id)
            .field("says_mfa", &self.says_mfa)
            .field("authenticated", &self.authenticated)
            .field("second", &self.second)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
