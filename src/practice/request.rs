//! The AuthnRequest, exactly as Entra sends it: no Destination, no reply address,
//! no class reference (facts §1.1; the fixture `authn-request-unsigned.xml`).
//!
//! Always true: without a wish the bytes are those of the fixture but for ID and
//! IssueInstant. What Entra is not known to say exists for tests, and its button says so.

use std::{fmt::Write as _, io::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::DeflateEncoder};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::base::{
    clock::Timestamp,
    random::{Random, random_bytes},
};

use super::judgement::Freshness;

/// How the request travels (SAML bindings §3.4, §3.5).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Binding {
    /// A form; what Entra's documentation names for SAML 2.0.
    #[default]
    Post,
    /// In the address; what Entra does in WS-Federation.
    Redirect,
}

/// What the tenant wants of a sign-in. How it says so is each protocol's: in SAML 2.0 Entra is
/// not known to say any of it (facts §1.1), in WS-Federation it is (facts §2.2).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Wish {
    /// Any sign-in will do, an earlier one too.
    #[default]
    Anything,
    /// `prompt=login`: `ForceAuthn="true"`, or what the domain's `promptLoginBehavior` makes of it.
    FreshSignIn,
    /// Two factors: `wauth` for MFA; nothing in SAML 2.0.
    Mfa,
    /// Both.
    FreshMfa,
    /// `IsPassive="true"`; WS-Federation has nothing like it.
    Passive,
}

impl Wish {
    /// The wish for MFA, with or without a fresh sign-in.
    pub fn with_mfa(self) -> Self {
        match self {
            Self::Anything | Self::Mfa | Self::Passive => Self::Mfa,
            Self::FreshSignIn | Self::FreshMfa => Self::FreshMfa,
        }
    }

    /// What it says about an earlier sign-in.
    pub fn freshness(self) -> Freshness {
        match self {
            Self::FreshSignIn | Self::FreshMfa => Freshness::Forced,
            Self::Anything | Self::Mfa | Self::Passive => Freshness::Any,
        }
    }
}

/// A random GUID in lower case, as Entra's ids are.
pub fn guid(random: &mut dyn Random) -> String {
    let mut bytes = random_bytes::<16>(random);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
        .iter()
        .enumerate()
        .fold(String::with_capacity(36), |mut text, (at, byte)| {
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
            text
        })
}

/// The message.
pub fn encode(id: &str, issued_at: Timestamp, issuer: &str, wish: Wish) -> String {
    let option = match wish {
        Wish::Anything | Wish::Mfa => "",
        Wish::FreshSignIn | Wish::FreshMfa => " ForceAuthn=\"true\"",
        Wish::Passive => " IsPassive=\"true\"",
    };
    let issuer = issuer.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<samlp:AuthnRequest ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{issued_at}\"{option} xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\"><Issuer xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\">{issuer}</Issuer><samlp:NameIDPolicy Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\"/></samlp:AuthnRequest>"
    )
}

/// RelayState as long and as opaque as Entra's (facts §2.1, `wctx`), with the
/// characters that careless echoing spoils: `+ / = & %`.
pub fn relay_state(opaque: &[u8]) -> String {
    format!(
        "LoginOptions=3&estsredirect=2&estsrequest={}&practice=%2B+%26",
        STANDARD.encode(opaque)
    )
}

/// The address that carries the request by redirect (SAML bindings §3.4.4.1).
pub fn redirect_address(
    sign_in_url: &str,
    xml: &str,
    relay_state: &str,
) -> std::io::Result<String> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(xml.as_bytes())?;
    let message = STANDARD.encode(encoder.finish()?);
    let joint = if sign_in_url.contains('?') { '&' } else { '?' };
    Ok(format!(
        "{sign_in_url}{joint}SAMLRequest={}&RelayState={}",
        utf8_percent_encode(&message, NON_ALPHANUMERIC),
        utf8_percent_encode(relay_state, NON_ALPHANUMERIC)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_the_documented_one() {
        let at = Timestamp::parse_rfc3339("2024-03-12T14:00:18.450Z").unwrap();
        let fixture = r#"<samlp:AuthnRequest ID="_1e089e5c-a976-4881-af74-3b92c89e7e2c" Version="2.0" IssueInstant="2024-03-12T14:00:18.450Z" xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"><Issuer xmlns="urn:oasis:names:tc:SAML:2.0:assertion">urn:federation:MicrosoftOnline</Issuer><samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"/></samlp:AuthnRequest>"#;
        assert_eq!(
            encode(
                "_1e089e5c-a976-4881-af74-3b92c89e7e2c",
                at,
                "urn:federation:MicrosoftOnline",
                Wish::Anything
            ),
            fixture
        );
    }
}
