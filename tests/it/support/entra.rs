//! Messages as Entra sends and reads them, made and read without the code under test.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use claimbridge::base::clock::Timestamp;

pub const ENTRA: &str = "urn:federation:MicrosoftOnline";
pub const LOGIN_SRF: &str = "https://login.microsoftonline.com/login.srf";
pub const MULTIPLE_AUTHN: &str = "http://schemas.microsoft.com/claims/multipleauthn";

/// A request in the documented form (fixture `authn-request-unsigned.xml`).
#[derive(Clone, Debug)]
pub struct AuthnRequest {
    pub id: String,
    pub issuer: String,
    pub at: Timestamp,
    /// Further attributes of the root, such as ` ForceAuthn="true"`.
    pub attributes: String,
    pub relay_state: String,
}

/// A new request with an id of its own.
pub fn request(at: Timestamp) -> AuthnRequest {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::SeqCst);
    AuthnRequest {
        id: format!("_1e089e5c-a976-4881-af74-{number:012x}"),
        issuer: ENTRA.to_owned(),
        at,
        attributes: String::new(),
        relay_state: format!("LoginOptions=3&estsredirect=2&estsrequest={number}"),
    }
}

impl AuthnRequest {
    pub fn with(mut self, attributes: &str) -> Self {
        self.attributes = format!(" {attributes}");
        self
    }

    pub fn xml(&self) -> String {
        format!(
            r#"<samlp:AuthnRequest ID="{}" Version="2.0" IssueInstant="{}"{} xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">{}</Issuer><samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"/></samlp:AuthnRequest>"#,
            self.id, self.at, self.attributes, self.issuer,
        )
    }

    pub fn base64(&self) -> String {
        BASE64.encode(self.xml())
    }

    /// `/saml2/sso?SAMLRequest=…`, by redirect.
    pub fn redirect(&self) -> String {
        use std::io::Write as _;
        let mut deflate =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        deflate.write_all(self.xml().as_bytes()).unwrap();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("SAMLRequest", &BASE64.encode(deflate.finish().unwrap()))
            .append_pair("RelayState", &self.relay_state)
            .finish();
        format!("/saml2/sso?{query}")
    }
}

/// A posted response, read with another XML library than the one under test.
#[derive(Clone, Debug)]
pub struct Answer {
    pub action: String,
    pub xml: String,
    pub relay_state: Option<String>,
}

impl Answer {
    pub fn new(action: String, base64: &str, relay_state: Option<String>) -> Self {
        let xml = String::from_utf8(BASE64.decode(base64).unwrap()).unwrap();
        Self {
            action,
            xml,
            relay_state,
        }
    }

    fn text_of(&self, name: &str) -> Option<String> {
        let document = roxmltree::Document::parse(&self.xml).unwrap();
        let node = document
            .descendants()
            .find(|node| node.tag_name().name() == name)?;
        node.text().map(str::to_owned)
    }

    fn attribute_of(&self, name: &str, attribute: &str) -> Option<String> {
        let document = roxmltree::Document::parse(&self.xml).unwrap();
        let node = document
            .descendants()
            .find(|node| node.tag_name().name() == name)?;
        node.attribute(attribute).map(str::to_owned)
    }

    pub fn class_ref(&self) -> Option<String> {
        self.text_of("AuthnContextClassRef")
    }

    pub fn name_id(&self) -> Option<String> {
        self.text_of("NameID")
    }

    pub fn issuer(&self) -> Option<String> {
        self.text_of("Issuer")
    }

    pub fn authn_instant(&self) -> Option<Timestamp> {
        Timestamp::parse_rfc3339(&self.attribute_of("AuthnStatement", "AuthnInstant")?)
    }

    pub fn session_index(&self) -> Option<String> {
        self.attribute_of("AuthnStatement", "SessionIndex")
    }

    pub fn in_response_to(&self) -> Option<String> {
        self.attribute_of("Response", "InResponseTo")
    }

    /// The second-level status code of an answer without an assertion.
    pub fn status(&self) -> Option<String> {
        let document = roxmltree::Document::parse(&self.xml).unwrap();
        let codes: Vec<&str> = document
            .descendants()
            .filter(|node| node.tag_name().name() == "StatusCode")
            .filter_map(|node| node.attribute("Value"))
            .collect();
        codes
            .last()
            .map(|code| code.rsplit(':').next().unwrap_or_default().to_owned())
    }

    pub fn is_assertion(&self) -> bool {
        self.text_of("NameID").is_some()
    }
}
