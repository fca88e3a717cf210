//! What our reader finds of the schema before samael may read (see the parent's head).

use super::{
    super::{ASSERTION_NS, PROTOCOL_NS},
    RequestError,
};
use crate::protocol::xml::{XmlElement, signature::DSIG};

/// That the tree is an AuthnRequest of the schema as far as samael reads it: names in
/// their namespaces, nothing twice, no attribute that only looks like one of SAML's.
pub(super) fn require_schema(root: XmlElement<'_>) -> Result<(), RequestError> {
    if !root.is(PROTOCOL_NS, "AuthnRequest") {
        return Err(RequestError::Form("its document element is another"));
    }
    for child in root.children() {
        let known = match child.namespace() {
            ASSERTION_NS => ["Issuer", "Subject", "Conditions"].contains(&child.local_name()),
            PROTOCOL_NS => [
                "Extensions",
                "NameIDPolicy",
                "RequestedAuthnContext",
                "Scoping",
            ]
            .contains(&child.local_name()),
            DSIG => child.local_name() == "Signature",
            _ => false,
        };
        if !known {
            return Err(RequestError::Form("it has an element that it may not have"));
        }
        root.optional_child(child.namespace(), child.local_name())?;
    }
    let mut read_by_samael = vec![root];
    if let Some(issuer) = root.optional_child(ASSERTION_NS, "Issuer")? {
        issuer.text()?;
        read_by_samael.push(issuer);
    }
    read_by_samael.extend(root.optional_child(PROTOCOL_NS, "NameIDPolicy")?);
    if let Some(context) = root.optional_child(PROTOCOL_NS, "RequestedAuthnContext")? {
        read_by_samael.push(context);
        for class in context.children() {
            let known = class.namespace() == ASSERTION_NS
                && ["AuthnContextClassRef", "AuthnContextDeclRef"].contains(&class.local_name());
            if !known {
                return Err(RequestError::Form("it has an element that it may not have"));
            }
            class.text()?;
            read_by_samael.push(class);
        }
    }
    if read_by_samael
        .iter()
        .flat_map(|element| element.attributes())
        .any(|(namespace, _, _)| !namespace.is_empty())
    {
        return Err(RequestError::Form(
            "it has an attribute that it may not have",
        ));
    }
    Ok(())
}
