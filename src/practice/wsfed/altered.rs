//! The one break that needs another message: a copy of the last answer in which nothing says
//! that the person used two factors.
//!
//! Always true: as of [`crate::practice::altered`], the copy is signed with the throw-away
//! key and nothing else. Which parts change is all in this file.

use uppsala::{Document, NodeId};

use super::reading::{self, SAML11};
use crate::practice::{
    altered::{self, AlterationError},
    reading::{DSIG, attribute, below, children, text},
    throw_away::ThrowAwayKey,
};

/// What the copy says instead: a password (facts §2.3).
pub const PASSWORD: &str = "urn:oasis:names:tc:SAML:1.0:am:password";

/// What is different in the copy, for the page.
pub const WHAT_CHANGED: &str = "ALTERED COPY, re-signed by the practice tenant with a throw-away key: AuthenticationMethod says “password”, the attributes that named MFA are left out, and the signature and its certificate are new. The identity provider did not send this.";

/// A copy of `wresult` that does not say MFA, signed with `key`.
pub fn without_mfa(wresult: &str, key: &ThrowAwayKey) -> Result<String, AlterationError> {
    let mut document = reading::parse(wresult)?;
    let root = document.root();
    let assertion = match below(&document, root, SAML11, "Assertion").as_slice() {
        [only] => *only,
        _ => return Err(AlterationError::NoAssertion),
    };
    let id = attribute(&document, assertion, "AssertionID").ok_or(AlterationError::NoAssertion)?;
    for statement in below(&document, assertion, SAML11, "AuthenticationStatement") {
        let Some(element) = document.element_mut(statement) else {
            continue;
        };
        for attribute in &mut element.attributes {
            if *attribute.name.local_name == *"AuthenticationMethod" {
                attribute.value = PASSWORD.into();
            }
        }
    }
    for claim in below(&document, assertion, SAML11, "Attribute") {
        if says_mfa(&document, claim) {
            document.detach(claim);
        }
    }
    for signature in below(&document, root, DSIG, "Signature") {
        document.detach(signature);
    }
    altered::sign_as_last_child(&mut document, assertion, &id, key)?;
    Ok(document.to_xml())
}

fn says_mfa(document: &Document<'_>, claim: NodeId) -> bool {
    children(document, claim, SAML11, "AttributeValue")
        .into_iter()
        .filter_map(|value| text(document, value))
        .any(|value| reading::MFA_VALUES.contains(&value.as_str()))
}
