//! The token inspector: detect, decode, rules, verdict.
//!
//! Always true: pure (no I/O, no clock), bounded in time and memory for any
//! input, and never `accepted` by default: what could not be decided is
//! `undecided`. The same rules check our own responses before they leave
//! ([`pre_flight`]).
//!
//! Read next: [`report`] (what is said), [`context`] (what is given),
//! [`rules`] (the catalogue), `judging.rs` (from bytes to a report).

/// Entra's own error codes.
pub mod aadsts;
/// What is given: the instant, and what the operator registered.
pub mod context;
mod decoded;
mod detect;
mod discovery;
mod effort;
mod external_mfa;
mod federation;
mod federation_case;
/// What people give beside a message.
pub mod given;
mod identity;
mod instant;
mod json;
mod judging;
/// Keys that tokens are verified with.
pub mod jwks;
mod notes;
mod partner_center;
mod reading;
/// Reports that name nobody.
pub mod redact;
/// What is said.
pub mod report;
mod requests;
mod rule;
/// The catalogue.
pub mod rules;
mod saml;
mod saml_case;
/// What a token opens.
pub mod scenario;
mod secrets;
mod signature_rules;
mod signed;
mod token_case;
mod trace;
mod verdict;
/// Reports in words.
pub mod words;
mod wsfed;
mod wsfed_case;
mod xml_case;

pub use context::{
    Consumer, Context, ExternalMfa, Federation, GivenAuthorization, GivenRequest, Hint, Known,
    TraceTime, UncheckedSignature,
};
pub use detect::MAX_TRACE_BYTES;
pub use jwks::Jwks;
pub use report::{Basis, Encoding, Finding, Input, Kind, Outcome, Report, Severity, Step, Verdict};
pub use rule::shown;
pub use scenario::{Opens, Scenarios};

use judging::Detail;

/// Judges `bytes`, whatever they are.
pub fn inspect(bytes: &[u8], context: &Context) -> Report {
    judging::judge(bytes, context, Detail::Full)
}

/// Whether Entra would take these bytes of ours, and as multi-factor. Run on the
/// bytes that leave: what Entra would refuse is not sent, and the report says why.
/// The context must give issuer, realm, cloud, certificates and request:
/// what is undecided does not pass either. `expect` names the door; without it SAML 2.0's.
pub fn pre_flight(bytes: &[u8], context: &Context) -> Result<(), Box<Report>> {
    let report = judging::judge(bytes, context, Detail::VerdictsOnly);
    let accepted = report
        .verdict(context.expect.unwrap_or(Consumer::EntraSaml2))
        .is_some_and(|verdict| verdict.outcome == Outcome::Accepted);
    if accepted {
        Ok(())
    } else {
        Err(Box::new(inspect(bytes, context)))
    }
}

/// The request that a message is, for `--request`: an AuthnRequest in any wrapping.
pub fn given_request(bytes: &[u8]) -> Option<GivenRequest> {
    requests::authn_request(bytes)
}

/// The request to an external authentication method, for `--request`: a form body or an address.
pub fn given_authorization(bytes: &[u8]) -> Option<GivenAuthorization> {
    requests::authorization(bytes)
}

/// An `id_token_hint` or its claims, for `--hint`. It is not verified.
pub fn given_hint(bytes: &[u8]) -> Option<Hint> {
    requests::hint(bytes)
}
