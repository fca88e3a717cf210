//! WS-Trust, February 2005 and 1.3: a name and a password in, a SAML 1.1 token out.
//!
//! Always true: nothing here can say "multi-factor". The encoder takes `&PasswordClaims`
//! alone, and no file of this folder knows the words (a test looks). What comes in passes the
//! bounded XML reader, is plain SOAP 1.2, and is answered by one token or one fault.
//!
//! Read in this order: [`request`], [`assertion`], [`response`]; [`mex`] is how programs find
//! the door (facts §3). <https://docs.oasis-open.org/ws-sx/ws-trust/200512/ws-trust-1.3-os.html>

/// `PasswordClaims` → a signed assertion of SAML 1.1.
pub mod assertion;
/// What is wrong with a request, as SOAP says it.
pub mod fault;
/// Where the door is, as a description of services (WSDL).
pub mod mex;
/// A SOAP request for a token.
pub mod request;
/// The token, or a fault, in an envelope.
pub mod response;

const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const ADDRESSING_2004: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
const POLICY: &str = "http://schemas.xmlsoap.org/ws/2004/09/policy";
const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const UTILITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";

/// Which WS-Trust.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// Of February 2005.
    February2005,
    /// 1.3, of December 2005.
    V13,
}

impl Version {
    /// Both; clients prefer the last.
    pub const ALL: [Self; 2] = [Self::February2005, Self::V13];

    /// Where it is served. Clients guess the version from these endings (facts §3).
    pub fn path(self) -> &'static str {
        match self {
            Self::February2005 => "/trust/2005/usernamemixed",
            Self::V13 => "/trust/13/usernamemixed",
        }
    }

    /// The namespace of its messages.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::February2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
        }
    }

    /// The action of a request.
    pub fn request_action(self) -> &'static str {
        match self {
            Self::February2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue",
        }
    }

    /// The action of an answer with a token.
    pub fn answer_action(self) -> &'static str {
        match self {
            Self::February2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust/RSTR/Issue",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RSTRC/IssueFinal",
        }
    }

    /// The request type: issue a token.
    pub fn issue(self) -> &'static str {
        match self {
            Self::February2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust/Issue",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue",
        }
    }

    /// The key type of a token that needs no key to be used.
    pub fn bearer(self) -> &'static str {
        match self {
            Self::February2005 => "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey",
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer",
        }
    }
}

/// The names of SAML 1.1 tokens, the first also its namespace; programs ask by either, or by
/// none.
pub const TOKEN_TYPES: [&str; 2] = [
    "urn:oasis:names:tc:SAML:1.0:assertion",
    "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1",
];
