//! Tokens, read by a plain XML reader: what a relying party would see, without a type of the
//! program that wrote them.

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
    pub index: String,
    /// Which request it answers.
    pub answers: String,
    pub xml: String,
}

/// The answer that a page would post, if it is one.
pub fn posted(page: &Page) -> Option<Posted> {
    let form = page
        .forms()
        .into_iter()
        .find(|form| form.inputs.iter().any(|input| input.name == "SAMLResponse"))?;
    let response = form
        .inputs
        .iter()
        .find(|input| input.name == "SAMLResponse")?;
    let xml = data_encoding::BASE64
        .decode(response.value.as_bytes())
        .unwrap();
    Some(saml2(form.action, String::from_utf8(xml).unwrap()))
}

fn saml2(to: String, xml: String) -> Posted {
    let document = roxmltree::Document::parse(&xml).unwrap();
    let all = |name: &'static str| {
        document
            .descendants()
            .filter(move |node| node.tag_name().name() == name)
    };
    let one = |name: &'static str| {
        let mut nodes = all(name);
        let node = nodes.next().unwrap_or_else(|| panic!("no {name}: {xml}"));
        assert!(nodes.next().is_none(), "two {name}: {xml}");
        node
    };
    if all("Assertion").next().is_none() {
        let code = all("StatusCode").last().unwrap();
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
        index: statement.attribute("SessionIndex").unwrap().to_owned(),
        answers: answers.to_owned(),
        to,
        xml: xml.clone(),
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
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
