//! A WS-Trust answer as MSAL reads it: with regular expressions, whatever the HTTP status
//! (facts §3).
//!
//! Always true: it finds what MSAL finds and misses what MSAL misses; nothing is verified
//! here. The patterns are `<(?:\w+:)?TAG(?:[^>]*)>(.*)</(?:\w+:)?TAG`, greedy, over lines.

/// What a token is handed to Entra as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Grant {
    /// `urn:ietf:params:oauth:grant-type:saml1_1-bearer`.
    Saml11,
    /// `urn:ietf:params:oauth:grant-type:saml2-bearer`.
    Saml2,
}

impl Grant {
    /// The value of `grant_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Saml11 => "urn:ietf:params:oauth:grant-type:saml1_1-bearer",
            Self::Saml2 => "urn:ietf:params:oauth:grant-type:saml2-bearer",
        }
    }

    /// By the answer's TokenType.
    fn of(token_type: &str) -> Option<Self> {
        match token_type {
            "urn:oasis:names:tc:SAML:1.0:assertion"
            | "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1" => {
                Some(Self::Saml11)
            }
            "urn:oasis:names:tc:SAML:2.0:assertion"
            | "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0" => {
                Some(Self::Saml2)
            }
            _ => None,
        }
    }
}

/// A token that was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token<'a> {
    /// How it goes to Entra.
    pub grant: Grant,
    /// Its bytes, as they stand in the answer.
    pub assertion: &'a str,
}

/// Why there is none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MsalError {
    /// The service said no.
    #[error("the service answered with a fault: {reason} ({code})")]
    Fault {
        /// `Fault/Code/Subcode/Value`.
        code: String,
        /// `Fault/Reason/Text`.
        reason: String,
    },
    /// Its TokenType is none that MSAL knows.
    #[error("MSAL does not know the TokenType {0:?}")]
    TokenType(String),
    /// Neither an answer nor a fault.
    #[error(
        "MSAL finds no RequestSecurityTokenResponse with a TokenType and a RequestedSecurityToken, and no fault"
    )]
    Neither,
}

/// Reads the body of a WS-Trust answer.
pub fn read(body: &str) -> Result<Token<'_>, MsalError> {
    if let Some(answer) = content(body, "RequestSecurityTokenResponse")
        && let Some(token_type) = content(answer, "TokenType")
        && let Some(assertion) = content(answer, "RequestedSecurityToken")
    {
        return match Grant::of(token_type) {
            Some(grant) => Ok(Token { grant, assertion }),
            None => Err(MsalError::TokenType(token_type.to_owned())),
        };
    }
    let fault = content(body, "Fault").ok_or(MsalError::Neither)?;
    let text = |outer: &str, inner: &str| {
        let found = content(fault, outer).and_then(|outer| content(outer, inner));
        found.unwrap_or_default().trim().to_owned()
    };
    Err(MsalError::Fault {
        code: text("Subcode", "Value"),
        reason: text("Reason", "Text"),
    })
}

/// The first match of the pattern: from the end of the first opening tag to the last closing one.
fn content<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    let opening = (0..text.len())
        .filter(|at| text.as_bytes()[*at] == b'<')
        .find(|at| after_name(&text[at + 1..], tag).is_some())?;
    let from = opening + text[opening..].find('>')? + 1;
    let rest = &text[from..];
    let until = rest
        .match_indices("</")
        .filter(|(at, _)| after_name(&rest[at + 2..], tag).is_some())
        .last()?
        .0;
    Some(&rest[..until])
}

/// What follows `(?:\w+:)?TAG` at the beginning of `text`.
fn after_name<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix(tag) {
        return Some(rest);
    }
    let (prefix, rest) = text.split_once(':')?;
    let is_word = !prefix.is_empty() && prefix.chars().all(|c| c.is_alphanumeric() || c == '_');
    rest.strip_prefix(tag).filter(|_| is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAML11: &str = "urn:oasis:names:tc:SAML:1.0:assertion";

    fn answer(token_type: &str, token: &str) -> String {
        format!(
            "<s:Body><trust:RequestSecurityTokenResponseCollection a=\"b\">\n<trust:RequestSecurityTokenResponse><trust:TokenType>{token_type}</trust:TokenType><trust:RequestedSecurityToken>{token}</trust:RequestedSecurityToken></trust:RequestSecurityTokenResponse>\n</trust:RequestSecurityTokenResponseCollection></s:Body>"
        )
    }

    #[test]
    fn the_token_is_cut_out_byte_for_byte() {
        let token = "<saml:Assertion a='1'>\n &amp; é</saml:Assertion>";
        let whole = answer(SAML11, token);
        for body in [
            whole.clone(),
            whole.replace("trust:", "t:"),
            whole.replace("trust:", ""),
        ] {
            let read = read(&body).unwrap();
            assert_eq!((read.grant, read.assertion), (Grant::Saml11, token));
        }
        let other = answer("urn:oasis:names:tc:SAML:2.0:assertion", token);
        assert_eq!(read(&other).unwrap().grant, Grant::Saml2);
        assert_ne!(Grant::Saml11.as_str(), Grant::Saml2.as_str());
    }

    #[test]
    fn what_msal_misses_is_missed() {
        let whole = answer(SAML11, "<a/>");
        assert_eq!(
            read(&whole.replace("trust:", "my-trust:")),
            Err(MsalError::Neither),
            "a prefix that is no word"
        );
        assert_eq!(
            read(&answer(" x ", "<a/>")),
            Err(MsalError::TokenType(" x ".to_owned()))
        );
        for missing in ["TokenType", "RequestedSecurityToken"] {
            assert_eq!(read(&whole.replace(missing, "X")), Err(MsalError::Neither));
        }
        for nothing in ["", "<", "<a:", "</x>", "é<é:Fault>"] {
            assert_eq!(read(nothing), Err(MsalError::Neither), "{nothing}");
        }
    }

    #[test]
    fn a_fault_is_read_by_its_reason() {
        let fault = "<s:Envelope><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>a:FailedAuthentication</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang=\"en\">No.</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>";
        assert_eq!(
            read(fault),
            Err(MsalError::Fault {
                code: "a:FailedAuthentication".to_owned(),
                reason: "No.".to_owned()
            })
        );
    }
}
