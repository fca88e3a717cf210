//! A SOAP request for a token: bytes → [`UnverifiedTokenRequest`] → [`TokenRequest`].
//!
//! Always true: it passed the bounded reader first (no DOCTYPE, 64 KiB, attacks 17 and 18);
//! each value is one whole text, there once (attack 12); it is fresh, asks for a bearer token
//! of SAML 1.1 for one audience, byte for byte, and brings one name with one plain password.
//! Who that is, and whether it is right, is not known here.

use std::time::Duration;

use super::{
    ADDRESSING, ADDRESSING_2004, POLICY, SECURITY, SOAP, SOAP_11, TOKEN_TYPES, UTILITY, Version,
    fault::Fault,
};
use crate::{
    base::{clock::Timestamp, secret::Secret},
    protocol::xml::{XmlDocument, XmlElement, XmlLimits, read},
};

/// What a request may cost. A real one has about 25 elements in 3 KiB.
pub const LIMITS: XmlLimits = XmlLimits {
    bytes: 64 * 1024,
    depth: 32,
    elements: 500,
    attributes: 32,
    namespaces: 128,
};

/// How far the sender's clock may be off.
const SKEW: Duration = Duration::from_mins(5);

/// How long a message without an end is good.
const LIFETIME: Duration = Duration::from_mins(5);

/// Longer names of messages are not repeated.
const LONGEST_MESSAGE_ID: usize = 256;

const PASSWORD_TEXT: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText";

/// What would be a token for somebody else, or one with a key.
const NOT_OFFERED: [(&str, &str); 5] = [
    ("OnBehalfOf", "a token on behalf of somebody"),
    ("ActAs", "a token to act as somebody"),
    ("DelegateTo", "delegation"),
    ("Participants", "a token for several participants"),
    ("UseKey", "a token with a key"),
];

/// A request that nobody checked.
pub struct UnverifiedTokenRequest {
    message_id: Option<String>,
    asked: Result<Asked, Fault>,
}

struct Asked {
    audience: String,
    token_type: &'static str,
    created: Timestamp,
    expires: Timestamp,
    username: String,
    password: Secret<String>,
}

/// A request that may be answered, if the password is right.
#[derive(Debug)]
pub struct TokenRequest {
    /// The name, as it was sent.
    pub username: String,
    /// The password.
    pub password: Secret<String>,
    /// By which of its two names the token is asked for.
    pub token_type: &'static str,
}

impl UnverifiedTokenRequest {
    /// Reads a request. What is wrong with it is said by [`UnverifiedTokenRequest::verify`], so
    /// that the fault can say to which message it belongs.
    pub fn parse(bytes: &[u8], version: Version) -> Self {
        match read(bytes, &LIMITS) {
            Err(error) => Self::refused(error.into()),
            Ok(document) => Self {
                message_id: message_id(&document),
                asked: asked(&document, version),
            },
        }
    }

    /// One that is not even read.
    pub fn refused(fault: Fault) -> Self {
        Self {
            message_id: None,
            asked: Err(fault),
        }
    }

    /// The name of the message, to be repeated in the answer. Anything.
    pub fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }

    /// Checks what can be checked without knowing the person.
    pub fn verify(self, audience: &str, now: Timestamp) -> Result<TokenRequest, Fault> {
        let asked = self.asked?;
        if asked.created > now.plus(SKEW) || asked.expires < asked.created {
            return Err(Fault::Security(
                "the Timestamp lies in the future or ends before it begins",
            ));
        }
        if asked.expires.plus(SKEW) <= now {
            return Err(Fault::Expired);
        }
        if asked.audience != audience {
            return Err(Fault::Audience);
        }
        Ok(TokenRequest {
            username: asked.username,
            password: asked.password,
            token_type: asked.token_type,
        })
    }
}

/// The value of the header `SOAPAction` (or of the media type's `action`), perhaps in quotes.
pub fn require_action(action: &str, version: Version) -> Result<(), Fault> {
    match action.trim().trim_matches('"') {
        "" => Ok(()),
        action if action == version.request_action() => Ok(()),
        _ => Err(Fault::Action),
    }
}

fn is_addressing(element: XmlElement<'_>) -> bool {
    [ADDRESSING, ADDRESSING_2004].contains(&element.namespace())
}

fn message_id(document: &XmlDocument<'_>) -> Option<String> {
    let header = document.root().children_named(SOAP, "Header").next()?;
    let mut ids = header
        .children()
        .filter(|child| is_addressing(*child) && child.local_name() == "MessageID");
    match (ids.next(), ids.next()) {
        (Some(id), None) => {
            let text = id.text().ok()?.trim();
            (!text.is_empty() && text.len() <= LONGEST_MESSAGE_ID).then(|| text.to_owned())
        }
        _ => None,
    }
}

fn asked(document: &XmlDocument<'_>, version: Version) -> Result<Asked, Fault> {
    let root = document.root();
    if root.is(SOAP_11, "Envelope") {
        return Err(Fault::SoapVersion);
    }
    if !root.is(SOAP, "Envelope") {
        return Err(Fault::NotSoap);
    }
    let header = root.only_child(SOAP, "Header")?;
    let body = root.only_child(SOAP, "Body")?;
    require_understood(header, version)?;
    let security = header.only_child(SECURITY, "Security")?;
    let (created, expires) = times(security)?;
    let (username, password) = name_and_password(security)?;
    let request = body.only_child(version.namespace(), "RequestSecurityToken")?;
    let (audience, token_type) = token(request, version)?;
    Ok(Asked {
        audience,
        token_type,
        created,
        expires,
        username,
        password,
    })
}

/// SOAP 1.2 §2.4: a header that must be understood and is not stops the message.
fn require_understood(header: XmlElement<'_>, version: Version) -> Result<(), Fault> {
    for block in header.children() {
        let known = is_addressing(block) || block.is(SECURITY, "Security");
        let must = block.attributes().any(|(namespace, name, value)| {
            namespace == SOAP && name == "mustUnderstand" && matches!(value, "1" | "true")
        });
        if must && !known {
            return Err(Fault::NotUnderstood);
        }
        if is_addressing(block) && block.local_name() == "Action" {
            require_action(block.text()?, version)?;
        }
    }
    Ok(())
}

fn times(security: XmlElement<'_>) -> Result<(Timestamp, Timestamp), Fault> {
    let unreadable = Fault::Security("a time of the Timestamp is not read; write it with a zone");
    let stamp = security.only_child(UTILITY, "Timestamp")?;
    let read = |element: XmlElement<'_>| -> Result<Timestamp, Fault> {
        Timestamp::parse_rfc3339(element.text()?.trim()).ok_or_else(|| unreadable.clone())
    };
    let created = read(stamp.only_child(UTILITY, "Created")?)?;
    let expires = match stamp.optional_child(UTILITY, "Expires")? {
        Some(expires) => read(expires)?,
        None => created.plus(LIFETIME),
    };
    Ok((created, expires))
}

fn name_and_password(security: XmlElement<'_>) -> Result<(String, Secret<String>), Fault> {
    let token = security.only_child(SECURITY, "UsernameToken")?;
    let name = token.only_child(SECURITY, "Username")?.text()?;
    let password = token.only_child(SECURITY, "Password")?;
    if password
        .attribute("Type")
        .is_some_and(|kind| kind != PASSWORD_TEXT)
    {
        return Err(Fault::PasswordType);
    }
    Ok((name.to_owned(), Secret::new(password.text()?.to_owned())))
}

/// For whom, and by which name of a SAML 1.1 token.
fn token(request: XmlElement<'_>, version: Version) -> Result<(String, &'static str), Fault> {
    let ours = version.namespace();
    let text = |name| -> Result<Option<&str>, Fault> {
        match request.optional_child(ours, name)? {
            None => Ok(None),
            Some(element) => Ok(Some(element.text()?.trim())),
        }
    };
    for (name, what) in NOT_OFFERED {
        if request.children().any(|child| child.local_name() == name) {
            return Err(Fault::NotOffered(what));
        }
    }
    if request.only_child(ours, "RequestType")?.text()?.trim() != version.issue() {
        return Err(Fault::NotOffered("this request type"));
    }
    let is_bearer = |kind: &str| Version::ALL.iter().any(|version| kind == version.bearer());
    if text("KeyType")?.is_some_and(|kind| !is_bearer(kind)) {
        return Err(Fault::NotOffered("this key type"));
    }
    let token_type = match text("TokenType")? {
        None => TOKEN_TYPES[0],
        Some(asked) => TOKEN_TYPES
            .into_iter()
            .find(|known| *known == asked)
            .ok_or(Fault::NotOffered("this token type"))?,
    };
    let endpoint = request
        .only_child(POLICY, "AppliesTo")?
        .children()
        .find(|child| is_addressing(*child) && child.local_name() == "EndpointReference")
        .ok_or(Fault::Audience)?;
    let address = endpoint.only_child(endpoint.namespace(), "Address")?;
    // As it stands: a near miss is another audience.
    Ok((address.text()?.to_owned(), token_type))
}

#[cfg(test)]
mod tests;
