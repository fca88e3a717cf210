//! The token inspector: detect, decode, rules, verdict.
//!
//! Always true: pure (no I/O, no clock), bounded in time and memory for any
//! input, and never `accepted` by default: what could not be decided is
//! `undecided`. The same rules check our own responses before they leave
//! ([`pre_flight`]).
//!
//! Read next: [`report`] (what is said), [`context`] (what is given),
//! `rules` (the table).

/// What is given: the instant, and what the operator registered.
pub mod context;
/// Keys that tokens are verified with.
pub mod jwks;
/// What is said.
pub mod report;

pub use context::{Consumer, Context, GivenRequest, UncheckedSignature};
pub use jwks::Jwks;
pub use report::{Basis, Encoding, Finding, Input, Kind, Outcome, Report, Severity, Verdict};

/// Judges `bytes`, whatever they are.
pub fn inspect(bytes: &[u8], context: &Context) -> Report {
    let _ = context;
    Report {
        input: Input {
            kind: Kind::Unknown,
            encoding: Vec::new(),
            bytes: bytes.len(),
        },
        decoded: serde_json::Value::Null,
        verdicts: Vec::new(),
        findings: Vec::new(),
    }
}

/// Whether Entra would take these bytes of ours, and as multi-factor. Run on the
/// bytes that leave: what Entra would refuse is not sent, and the report says why.
pub fn pre_flight(bytes: &[u8], context: &Context) -> Result<(), Box<Report>> {
    let report = inspect(bytes, context);
    let accepted = report
        .verdict(Consumer::EntraSaml2)
        .is_some_and(|verdict| verdict.outcome == Outcome::Accepted);
    if accepted {
        Ok(())
    } else {
        Err(Box::new(report))
    }
}
