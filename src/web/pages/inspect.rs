//! The token inspector: a form, and what was found.

use askama::Template;

use super::{CsrfToken, Frame};
use crate::{
    app::test_sign_in::Substitution,
    inspect::{Finding, Kind, Outcome, Report, Scenarios, Severity, Step, redact, shown, words},
};

/// What people give, shown again with the result.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// What was pasted.
    pub message: String,
    /// `issuerUri`.
    pub issuer: String,
    /// The root domain.
    pub domain: String,
    /// `own`, or a cloud's name.
    pub cloud: String,
    /// Registered certificates.
    pub certificate: String,
    /// The request that was answered.
    pub request: String,
    /// Keys of tokens.
    pub jwks: String,
    /// The instant asked about.
    pub at: String,
    /// How old the sign-in may be.
    pub max_age: String,
    /// "And if the signature were good?"
    pub trust_unsigned: bool,
}

/// A verdict on the page: never told by colour alone.
#[derive(Clone, Debug)]
pub struct VerdictLine {
    /// The class of its colour.
    pub tone: &'static str,
    /// A sign, read by nobody.
    pub sign: &'static str,
    /// The sentence.
    pub sentence: String,
}

/// A place of the decoded message.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its path.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The findings that speak of it.
    pub marks: Vec<&'static str>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Judged {
    /// One word for the title.
    pub in_short: &'static str,
    /// What it was taken for.
    pub read: String,
    /// Why it was taken for that.
    pub because: String,
    /// Why nothing could be read.
    pub unknown: Option<String>,
    /// The verdicts.
    pub verdicts: Vec<VerdictLine>,
    /// In which points a token of a test sign-in is not one for Entra.
    pub substitutions: Vec<Substitution>,
    /// What is wrong, undecided or worth knowing.
    pub findings: Vec<Finding>,
    /// What it opens at Partner Center.
    pub opens: Option<Scenarios>,
    /// The messages of a trace.
    pub story: Vec<StoryStep>,
    /// The message, place by place.
    pub places: Vec<Place>,
    /// The report that names nobody.
    pub redacted: String,
}

/// One message of a trace.
#[derive(Clone, Debug)]
pub struct StoryStep {
    /// From 1.
    pub number: usize,
    /// What it was.
    pub heading: String,
    /// Where it went and what came back.
    pub line: String,
    /// What was found.
    pub judged: Judged,
}

impl StoryStep {
    fn of(step: Step) -> Self {
        let kind = words::kind(step.report.input.kind);
        let at = step.at.map_or_else(String::new, |at| format!("{at} "));
        let status = step.status.map(|status| format!(" → {status}"));
        let compliant = step.is_mfa_compliant.map(|said| {
            let said = shown(&said, 20);
            format!(". Partner Center answered isMfaCompliant: {said}")
        });
        Self {
            number: step.number,
            heading: format!("{kind}, {}", step.place),
            line: format!(
                "{at}{} {}{}{}",
                shown(&step.method, 16),
                shown(&step.address, 200),
                status.unwrap_or_default(),
                compliant.unwrap_or_default(),
            ),
            judged: Judged::of(*step.report, Vec::new()),
        }
    }

    /// Tells the ids of its findings from those of other steps.
    fn prefix(&self) -> String {
        format!("{}-", self.number)
    }
}

impl Judged {
    /// The page's view of a report.
    #[must_use]
    pub fn of(report: Report, substitutions: Vec<Substitution>) -> Self {
        let redacted = serde_json::to_string_pretty(&redact::redacted(&report));
        let places = words::lines(&report.decoded)
            .into_iter()
            .map(|(name, value)| Place {
                marks: marks(&value, &report.findings),
                name,
                value,
            })
            .collect();
        Self {
            in_short: in_short(&report),
            read: format!(
                "{}{}, {} bytes",
                words::kind(report.input.kind),
                words::wrapped(&report.input.encoding),
                report.input.bytes
            ),
            verdicts: report.verdicts.iter().map(verdict).collect(),
            substitutions,
            places,
            redacted: redacted.unwrap_or_default(),
            because: report.input.because,
            unknown: report.input.problem,
            opens: report.scenarios,
            story: report.story.into_iter().map(StoryStep::of).collect(),
            findings: report.findings,
        }
    }
}

/// The worst of the verdicts, in one word; of a trace, its own.
fn in_short(report: &Report) -> &'static str {
    if report.input.kind == Kind::Har {
        return "A trace";
    }
    let has = |outcome| {
        report
            .verdicts
            .iter()
            .any(|verdict| verdict.outcome == outcome)
    };
    if report.input.problem.is_some() {
        "Not read"
    } else if has(Outcome::Rejected) {
        "Rejected"
    } else if has(Outcome::AcceptedWithoutMfa) {
        "Accepted without MFA"
    } else if has(Outcome::Undecided) {
        "Undecided"
    } else if has(Outcome::Accepted) {
        "Accepted"
    } else {
        "Nothing to decide"
    }
}

fn verdict(verdict: &crate::inspect::Verdict) -> VerdictLine {
    let (tone, sign) = match verdict.outcome {
        Outcome::Accepted => ("good", "✓"),
        Outcome::AcceptedWithoutMfa => ("poor", "!"),
        Outcome::Rejected => ("bad", "✕"),
        Outcome::Undecided => ("open", "?"),
        Outcome::NotApplicable => ("open", "–"),
    };
    VerdictLine {
        tone,
        sign,
        sentence: words::sentence(verdict),
    }
}

/// The findings that quote this value.
fn marks(value: &str, findings: &[Finding]) -> Vec<&'static str> {
    // Shorter ones stand in too many sentences.
    const SHORTEST: usize = 6;
    if value.len() < SHORTEST {
        return Vec::new();
    }
    findings
        .iter()
        .filter(|finding| finding.severity != Severity::Undecided)
        .filter(|finding| finding.evidence.contains(value))
        .map(|finding| finding.rule)
        .collect()
}

/// Whether the page can offer a test sign-in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TestSignIn {
    /// Over SAML 2.0.
    Offered,
    /// Nobody is signed in, or nobody can be.
    NotHere,
}

/// `/inspect`.
#[derive(Template)]
#[template(path = "inspect/inspect.html")]
pub struct InspectPage<'a> {
    /// Around the page.
    pub frame: &'a Frame,
    /// For its forms.
    pub csrf: CsrfToken,
    /// What was given.
    pub given: Given,
    /// Which field could not be read, and why.
    pub problem: Option<(&'static str, String)>,
    /// What was found.
    pub judged: Option<Judged>,
    /// Whether this server has a registration of its own to judge against.
    pub own: bool,
    /// Whether a test sign-in is offered.
    pub test: TestSignIn,
}

impl InspectPage<'_> {
    fn wrong(&self, field: &str) -> bool {
        self.problem
            .as_ref()
            .is_some_and(|(name, _)| *name == field)
    }

    /// Open while something in it matters.
    fn options_open(&self) -> bool {
        self.problem
            .as_ref()
            .is_some_and(|(name, _)| *name != "message")
    }
}
