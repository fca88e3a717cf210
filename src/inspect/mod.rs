//! The token inspector: detect, decode, rules, verdict.
//!
//! Always true: pure (no I/O, no clock), bounded in time and memory for any
//! input, and never `accepted` by default: what could not be decided is
//! `undecided`. The same rules check our own responses before they leave
//! ([`pre_flight`]).
//!
//! Read next: [`report`] (what is said), [`context`] (what is given),
//! [`rules`] (the catalogue).

/// What is given: the instant, and what the operator registered.
pub mod context;
mod decoded;
mod detect;
mod instant;
mod json;
/// Keys that tokens are verified with.
pub mod jwks;
mod partner_center;
mod reading;
/// Reports that name nobody.
pub mod redact;
/// What is said.
pub mod report;
mod rule;
/// The catalogue.
pub mod rules;
mod saml;
mod saml_case;
mod token_case;
mod verdict;
/// Reports in words.
pub mod words;
mod xml_case;

use serde_json::Value;

pub use context::{Consumer, Context, GivenRequest, UncheckedSignature};
pub use jwks::Jwks;
pub use report::{Basis, Encoding, Finding, Input, Kind, Outcome, Report, Severity, Verdict};
pub use rule::shown;

use reading::{ReadContent, Refusal};
use rule::{Check, Rule, Ruling};

use saml_case::{SamlCase, SignatureState};
use token_case::{TokenCase, TokenSignature};
use xml_case::XmlCase;

/// Judges `bytes`, whatever they are.
pub fn inspect(bytes: &[u8], context: &Context) -> Report {
    judge(bytes, context, Detail::Full)
}

/// Whether Entra would take these bytes of ours, and as multi-factor. Run on the
/// bytes that leave: what Entra would refuse is not sent, and the report says why.
/// The context must give issuer, realm, cloud, certificates and request:
/// what is undecided does not pass either.
pub fn pre_flight(bytes: &[u8], context: &Context) -> Result<(), Box<Report>> {
    let report = judge(bytes, context, Detail::VerdictsOnly);
    let accepted = report
        .verdict(Consumer::EntraSaml2)
        .is_some_and(|verdict| verdict.outcome == Outcome::Accepted);
    if accepted {
        Ok(())
    } else {
        Err(Box::new(inspect(bytes, context)))
    }
}

/// The request that a message is, for `--request`: an AuthnRequest in any wrapping.
pub fn given_request(bytes: &[u8]) -> Option<GivenRequest> {
    let context = Context::at(crate::base::clock::Timestamp::from_millis(0));
    let ReadContent::Xml(xml) = reading::read(bytes, &context).content else {
        return None;
    };
    let document = reading::parse_xml(&xml).ok()?;
    if reading::kind_of(&document) != Kind::Saml2AuthnRequest {
        return None;
    }
    let id = document.root().attribute("ID")?.to_owned();
    Some(GivenRequest { id })
}

/// How many characters of evidence a finding has at most.
const MAX_EVIDENCE: usize = 1_000;

/// How much of a report is wanted: the pre-flight needs no readable form.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Detail {
    Full,
    VerdictsOnly,
}

/// A message in the form that rules look at.
#[derive(Clone, Copy)]
enum Case<'c> {
    Saml(&'c SamlCase<'c>),
    Xml(&'c XmlCase<'c>),
    Token(&'c TokenCase<'c>),
    /// Refused before there was anything to look at.
    Unread,
}

fn judge(bytes: &[u8], context: &Context, detail: Detail) -> Report {
    let read = reading::read(bytes, context);
    let mut report = Report {
        input: Input {
            kind: Kind::Unknown,
            encoding: read.encoding,
            bytes: bytes.len(),
            problem: None,
        },
        decoded: Value::Null,
        verdicts: Vec::new(),
        findings: Vec::new(),
    };
    match read.content {
        ReadContent::Unknown(why) => {
            report.input.problem = Some(rule::shown(&why, MAX_EVIDENCE));
        }
        ReadContent::Refused(kind, refusal) => {
            conclude(&mut report, kind, context, Case::Unread, Some(refusal));
        }
        ReadContent::Token(kind, case) => {
            if detail == Detail::Full {
                report.decoded = decoded::of_token(&case);
            }
            conclude(&mut report, kind, context, Case::Token(&case), None);
        }
        ReadContent::Xml(xml) => judge_xml(&mut report, &xml, context, detail),
    }
    if let Value::Object(decoded) = &mut report.decoded {
        for (name, value) in read.beside {
            decoded.insert(name.to_owned(), value.into());
        }
    }
    report
}

fn judge_xml(report: &mut Report, xml: &[u8], context: &Context, detail: Detail) {
    let document = match reading::parse_xml(xml) {
        Ok(document) => document,
        Err((kind, refusal)) => {
            if kind == Kind::Unknown {
                report.input.problem =
                    Some("The XML is refused and its beginning shows no known message.".to_owned());
            }
            conclude(report, kind, context, Case::Unread, Some(refusal));
            return;
        }
    };
    let kind = reading::kind_of(&document);
    match kind {
        Kind::Saml2Response | Kind::Saml2Assertion => {
            let case = SamlCase::of(&document, context);
            if detail == Detail::Full {
                report.decoded = decoded::of_saml(&case);
            }
            conclude(report, kind, context, Case::Saml(&case), None);
        }
        Kind::Saml2AuthnRequest => {
            let case = XmlCase::of(&document, vec![document.root()]);
            if detail == Detail::Full {
                report.decoded = decoded::of_request(document.root());
            }
            conclude(report, kind, context, Case::Xml(&case), None);
        }
        _ => {
            let root = document.root();
            report.input.problem = Some(format!(
                "The XML is a {} of the namespace {}, which the inspector does not know.",
                rule::quoted(root.local_name()),
                rule::quoted(root.namespace())
            ));
        }
    }
}

/// Runs the catalogue over the case and draws the verdicts.
fn conclude(
    report: &mut Report,
    kind: Kind,
    context: &Context,
    case: Case<'_>,
    refusal: Option<Refusal>,
) {
    report.input.kind = kind;
    let refusals: Vec<Refusal> = refusal
        .into_iter()
        .chain(unexpected(kind, context))
        .collect();
    report.findings = rules::all()
        .filter_map(|rule| finding(rule, ruling(rule, case, &refusals)))
        .collect();
    let basis = basis(case, context, &report.findings);
    report.verdicts = verdict::verdicts(kind, context, &report.findings, basis);
}

/// What is wrong with asking `expect` about this kind.
fn unexpected(kind: Kind, context: &Context) -> Option<Refusal> {
    let expected = context.expect?;
    if kind == Kind::Unknown || verdict::consumers_of(kind).contains(&expected) {
        return None;
    }
    let is_token = matches!(kind, Kind::Jwt | Kind::JwtClaims);
    if is_token && expected == Consumer::EntraExternalMfa {
        return Some(Refusal {
            rule: "CB-KIND-002",
            ruling: Ruling::undecided(
                format!("{expected} takes tokens, but this version has no rules for it."),
                &[],
            ),
        });
    }
    Some(Refusal::new(
        "CB-KIND-001",
        format!("{expected} was expected; this is a {}.", kind.as_str()),
    ))
}

fn ruling(rule: &Rule, case: Case<'_>, refusals: &[Refusal]) -> Ruling {
    // A rule that looks at trees may be broken so badly that there is none.
    if let Some(refusal) = refusals.iter().find(|refusal| refusal.rule == rule.id) {
        return refusal.ruling.clone();
    }
    match (&rule.check, case) {
        (Check::Xml(check), Case::Saml(case)) => check(&case.xml),
        (Check::Xml(check), Case::Xml(case)) => check(case),
        (Check::Saml(check), Case::Saml(case)) => check(case),
        (Check::Token(check), Case::Token(case)) => check(case),
        _ => Ruling::Holds,
    }
}

fn finding(rule: &'static Rule, ruling: Ruling) -> Option<Finding> {
    let (severity, evidence, fix, decide_with) = match ruling {
        Ruling::Holds => return None,
        Ruling::Broken(breach) => (
            breach.severity.unwrap_or(rule.severity),
            breach.evidence,
            breach.fix.unwrap_or_else(|| rule.fix.to_owned()),
            Vec::new(),
        ),
        Ruling::Undecided {
            evidence,
            decide_with,
        } => {
            let fix = if decide_with.is_empty() {
                rule.fix.to_owned()
            } else {
                format!("Decide it with {}.", decide_with.join(" or "))
            };
            (Severity::Undecided, evidence, fix, decide_with.to_vec())
        }
    };
    Some(Finding {
        rule: rule.id,
        severity,
        title: rule.title,
        evidence: rule::shown(&evidence, MAX_EVIDENCE),
        fix: rule::shown(&fix, MAX_EVIDENCE),
        aadsts: rule.aadsts.to_vec(),
        reference: rule.reference,
        decide_with,
    })
}

fn basis(case: Case<'_>, context: &Context, findings: &[Finding]) -> Basis {
    let assumed = context.unchecked_signature == UncheckedSignature::TakenAsGood;
    match case {
        Case::Token(case) => match &case.signature {
            TokenSignature::NoneToCheck => Basis::ClaimsAlone,
            TokenSignature::Verified => Basis::VerifiedSignature,
            TokenSignature::Unchecked(_) if assumed => Basis::AssumedSignature,
            _ => Basis::Unverified,
        },
        Case::Saml(case) => match case.assertion_signature().map(|found| &found.state) {
            Some(SignatureState::Holds(_)) if !context.certificates.is_empty() => {
                if findings.iter().any(|finding| finding.rule == "CB-SAML-006") {
                    Basis::Unverified
                } else {
                    Basis::VerifiedSignature
                }
            }
            Some(SignatureState::Holds(_) | SignatureState::NoKey) if assumed => {
                Basis::AssumedSignature
            }
            _ => Basis::Unverified,
        },
        Case::Xml(_) | Case::Unread => Basis::Unverified,
    }
}
