//! What the inspector says: the JSON of "Inspector result" (interfaces.md).
//!
//! Always true: `accepted` is said only when every rule of that consumer was
//! decided and none was broken. A rule that lacks what it needs is a finding of
//! severity `undecided` that names the option which would decide it.
//!
//! Read next: [`super::rules`] for the catalogue, `verdict.rs` for how findings
//! become a verdict.

use serde::Serialize;

use crate::base::clock::Timestamp;

use super::{context::Consumer, scenario::Scenarios};

/// What was found out about one input.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What came in and how it was wrapped.
    pub input: Input,
    /// The message in a readable form; secrets and signatures shortened. `null` where nothing could be read.
    pub decoded: serde_json::Value,
    /// One verdict for each consumer the message is for.
    pub verdicts: Vec<Verdict>,
    /// What the verdicts rest on besides the rules, in sentences: that the message is a part
    /// of what is received, that it holds within the skew only, what was taken from a name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What is wrong, undecided or worth knowing, in the order of the table.
    pub findings: Vec<Finding>,
    /// What the token opens; absent where Partner Center has no part in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenarios: Option<Scenarios>,
    /// The messages of a trace in order. Empty for anything else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub story: Vec<Step>,
}

/// One message of a trace.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// From 1.
    pub number: usize,
    /// When it was sent, if the trace says so.
    pub at: Option<Timestamp>,
    /// The method of HTTP.
    pub method: String,
    /// Where it went, without query and fragment.
    pub address: String,
    /// What happens here, in one sentence: who asks, who answers which step, what comes next.
    pub says: String,
    /// Where in the exchange it stood.
    pub place: &'static str,
    /// What the server answered.
    pub status: Option<i64>,
    /// What Partner Center said of the token (`isMfaCompliant`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_mfa_compliant: Option<String>,
    /// The message, judged.
    pub report: Box<Report>,
}

impl Report {
    /// The verdict of `consumer`, if the message concerns it.
    pub fn verdict(&self, consumer: Consumer) -> Option<&Verdict> {
        self.verdicts
            .iter()
            .find(|verdict| verdict.consumer == consumer)
    }

    /// The ids of the rules that were broken (undecided ones left out), in the order of the table.
    pub fn broken(&self) -> Vec<&'static str> {
        self.findings
            .iter()
            .filter(|finding| finding.severity != Severity::Undecided)
            .map(|finding| finding.rule)
            .collect()
    }

    /// The exit code of `claimbridge inspect`: 0 every applicable consumer accepts it with MFA, or none
    /// applies; 1 one does not, or is undecided; 2 no kind could be given to the input.
    pub fn exit_code(&self) -> u8 {
        if self.input.kind == Kind::Unknown {
            return 2;
        }
        let fine = self
            .verdicts
            .iter()
            .all(|verdict| matches!(verdict.outcome, Outcome::Accepted | Outcome::NotApplicable));
        u8::from(!fine)
    }
}

/// What came in.
#[derive(Clone, Debug, Serialize)]
pub struct Input {
    /// What sort of message it is.
    pub kind: Kind,
    /// The wrappings taken off, outermost first. Empty: it was bare.
    pub encoding: Vec<Encoding>,
    /// How many bytes came in.
    pub bytes: usize,
    /// Why it was taken for that, in one sentence. Empty where no kind could be given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub because: String,
    /// Why no kind could be given, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What sort of message was recognised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// A signed token in three dot-separated parts (RFC 7519).
    Jwt,
    /// A JSON object of token claims.
    JwtClaims,
    /// A SAML 2.0 `Response`.
    Saml2Response,
    /// A SAML 2.0 `Assertion` by itself.
    Saml2Assertion,
    /// A SAML 2.0 `AuthnRequest`.
    Saml2AuthnRequest,
    /// A SAML 1.1 `Assertion` by itself.
    Saml11Assertion,
    /// A WS-Trust `RequestSecurityTokenResponse`: `wresult` of WS-Federation.
    WsfedRstr,
    /// The parameters of a sign-in or sign-out address of WS-Federation.
    WsfedRequest,
    /// A SAML 2.0 `LogoutRequest` or `LogoutResponse`.
    Saml2Logout,
    /// What Entra posts to an external authentication method.
    ExternalMfaRequest,
    /// A discovery document (OpenID Connect Discovery 1.0).
    OidcDiscovery,
    /// A JSON Web Key Set (RFC 7517).
    Jwks,
    /// What a browser sent and received: HAR, or an export of SAML-tracer.
    Har,
    /// A domain's federation as Graph shows it, or commands that set it.
    FederationConfiguration,
    /// Nothing that the inspector knows.
    Unknown,
}

impl Kind {
    /// The spelling of the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::JwtClaims => "jwt-claims",
            Self::Saml2Response => "saml2-response",
            Self::Saml2Assertion => "saml2-assertion",
            Self::Saml2AuthnRequest => "saml2-authn-request",
            Self::Saml11Assertion => "saml11-assertion",
            Self::WsfedRstr => "wsfed-rstr",
            Self::WsfedRequest => "wsfed-request",
            Self::Saml2Logout => "saml2-logout",
            Self::ExternalMfaRequest => "external-mfa-request",
            Self::OidcDiscovery => "oidc-discovery",
            Self::Jwks => "jwks",
            Self::Har => "har",
            Self::FederationConfiguration => "federation-configuration",
            Self::Unknown => "unknown",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One wrapping that was taken off.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// A URL whose query carries the message.
    RedirectUrl,
    /// A form body or query string: `SAMLResponse=…`.
    Form,
    /// The page whose form posts the message: `<input type="hidden" name="wresult" …>`.
    HtmlForm,
    /// `&lt;` for `<`, as in the source of a page.
    HtmlEscaped,
    /// An HTTP answer or request with its head, as `curl -i` prints it.
    HttpMessage,
    /// The answer of a token endpoint: `{"access_token": "…"}`.
    TokenResponse,
    /// `%XX` escapes.
    PercentEncoded,
    /// Base64 (RFC 4648 §4).
    Base64,
    /// Base64 with the URL-safe alphabet (RFC 4648 §5).
    Base64url,
    /// Raw DEFLATE (RFC 1951; SAML bindings §3.4.4.1).
    Deflate,
}

/// What one consumer would do with the message.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Who would receive it.
    pub consumer: Consumer,
    /// What it would do.
    pub outcome: Outcome,
    /// Whether it would count as multi-factor; `null` where that is undecided or does not apply.
    pub mfa: Option<bool>,
    /// The rules that decided, in the order of the table.
    pub because: Vec<&'static str>,
    /// What the verdict rests on.
    pub basis: Basis,
}

/// What a consumer would do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It takes the message, and counts it as multi-factor; of a document or a
    /// configuration, which is no sign-in, that no rule is broken.
    Accepted,
    /// It takes the message, and does not count it as multi-factor.
    AcceptedWithoutMfa,
    /// It refuses the message.
    Rejected,
    /// Something that is needed to decide was not given; a finding says what.
    Undecided,
    /// The rules of this consumer do not speak about such a message.
    NotApplicable,
}

impl Outcome {
    /// The spelling of the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::AcceptedWithoutMfa => "accepted-without-mfa",
            Self::Rejected => "rejected",
            Self::Undecided => "undecided",
            Self::NotApplicable => "not-applicable",
        }
    }
}

/// What a verdict rests on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum Basis {
    /// The signature was verified with a key that was given.
    #[serde(rename = "verified signature")]
    VerifiedSignature,
    /// There is no signature to verify: bare claims.
    #[serde(rename = "by claims alone")]
    ClaimsAlone,
    /// `--trust-unsigned`: the signature was taken to be good.
    #[serde(rename = "if the signature were good")]
    AssumedSignature,
    /// The signature was not verified.
    #[serde(rename = "unverified")]
    Unverified,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The consumer rejects.
    Error,
    /// The consumer accepts, but not as multi-factor.
    Mfa,
    /// It works today and deserves a look.
    Warning,
    /// Worth knowing.
    Info,
    /// The rule lacks what it needs; the finding says which option gives it.
    Undecided,
}

impl Severity {
    /// The spelling of the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Mfa => "mfa",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Undecided => "undecided",
        }
    }
}

/// One rule that was broken or could not be decided.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The rule's stable id: `CB-SAML-004`.
    pub rule: &'static str,
    /// How much it matters here.
    pub severity: Severity,
    /// The rule in one sentence.
    pub title: &'static str,
    /// What was seen in this message.
    pub evidence: String,
    /// What the operator changes.
    pub fix: String,
    /// The errors that Entra answers (digits after `AADSTS`), or the API's.
    pub aadsts: Vec<&'static str>,
    /// Where the rule comes from.
    pub reference: &'static str,
    /// The options that would decide it; empty unless the severity is `undecided`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decide_with: Vec<&'static str>,
}
