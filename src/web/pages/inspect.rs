//! The token inspector: a form, and what was found.

/// What the page calls what the command calls options.
mod fields;

use askama::Template;
use fields::{on_page, on_this_page};

use super::{CsrfToken, Frame};
use crate::{
    app::test_sign_in::Substitution,
    inspect::{
        Consumer, Context, Finding, Kind, Outcome, Report, Scenarios, Severity, Step, TraceTime,
        redact, rules, shown, words,
    },
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
    /// External MFA: the discovery URL that Entra was given.
    pub discovery_url: String,
    /// External MFA: the client id that Entra was given.
    pub client_id: String,
    /// External MFA: the hint of the request.
    pub hint: String,
    /// External MFA: the reply URLs of the app registration.
    pub app_reply_urls: String,
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
    /// What the verdicts rest on besides.
    pub notes: Vec<String>,
    /// In which points a token of a test sign-in is not one for Entra.
    pub substitutions: Vec<Substitution>,
    /// What is wrong, undecided or worth knowing.
    pub findings: Vec<Finding>,
    /// What it opens at Partner Center.
    pub opens: Option<Scenarios>,
    /// The messages of a trace.
    pub story: Vec<StoryStep>,
    /// How many messages of the trace are not on the page.
    pub more_steps: usize,
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
    /// What happens here.
    pub says: String,
    /// Where it went and what came back.
    pub line: String,
    /// Why nothing could be read.
    pub unknown: Option<String>,
    /// The verdicts.
    pub verdicts: Vec<VerdictLine>,
    /// What they rest on besides.
    pub notes: Vec<String>,
    /// What is wrong, undecided or worth knowing.
    pub findings: Vec<Finding>,
    /// The message, place by place.
    pub places: Vec<Place>,
}

impl StoryStep {
    fn of(step: Step, rows: &mut usize) -> Self {
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
            says: step.says,
            line: format!(
                "{at}{} {}{}{}",
                shown(&step.method, 16),
                shown(&step.address, 200),
                status.unwrap_or_default(),
                compliant.unwrap_or_default(),
            ),
            verdicts: step.report.verdicts.iter().map(verdict).collect(),
            places: places(&step.report, rows),
            unknown: step.report.input.problem.as_deref().map(on_page),
            notes: step.report.notes,
            findings: on_this_page(step.report.findings),
        }
    }

    /// Tells the ids of its findings from those of other steps.
    fn prefix(&self) -> String {
        format!("{}-", self.number)
    }

    /// The heading that names its region.
    fn heading_id(&self) -> String {
        format!("step-{}", self.number)
    }
}

/// How much of a report a page shows: more than a person reads, and no more than a server
/// renders at a glance.
const MAX_STEPS: usize = 100;
const MAX_ROWS: usize = 2_000;
const MAX_VALUE: usize = 2_000;
const MAX_REPORT: usize = 1024 * 1024;

impl Judged {
    /// The page's view of a report that was drawn from `context`. It takes as long as the
    /// judging itself: not for a thread that answers requests.
    #[must_use]
    pub fn of(report: Report, context: &Context, substitutions: Vec<Substitution>) -> Self {
        let redacted = redact::redacted_beside(&report, &beside(context));
        let mut redacted = serde_json::to_string_pretty(&redacted).unwrap_or_default();
        if redacted.len() > MAX_REPORT {
            "The report is too large for this page: inspect its messages one by one."
                .clone_into(&mut redacted);
        }
        let mut rows = MAX_ROWS;
        Self {
            in_short: in_short(&report),
            read: format!(
                "{}{}, {} bytes; judged {}, with {} s of skew allowed",
                words::kind(report.input.kind),
                words::wrapped(&report.input.encoding),
                report.input.bytes,
                match (report.input.kind, context.trace_time) {
                    (Kind::Har, TraceTime::AsRecorded) => "as of when each was sent".to_owned(),
                    _ => format!("as of {}", context.at),
                },
                context.skew.as_secs(),
            ),
            verdicts: report
                .verdicts
                .iter()
                .map(|one| registered(verdict(one), one.outcome, &substitutions))
                .collect(),
            substitutions,
            places: places(&report, &mut rows),
            redacted,
            because: report.input.because,
            unknown: report.input.problem.as_deref().map(on_page),
            notes: report.notes,
            opens: report.scenarios,
            more_steps: report.story.len().saturating_sub(MAX_STEPS),
            story: report
                .story
                .into_iter()
                .take(MAX_STEPS)
                .map(|step| StoryStep::of(step, &mut rows))
                .collect(),
            findings: on_this_page(report.findings),
        }
    }
}

/// What names people and came beside the message.
fn beside(context: &Context) -> Vec<String> {
    let external = &context.external_mfa;
    let asked = external.authorization.as_ref();
    let hints = [
        external.hint.as_ref(),
        asked.and_then(|asked| asked.hint.as_ref()),
    ];
    context
        .request
        .iter()
        .map(|request| &request.id)
        .chain(asked.and_then(|asked| asked.nonce.as_ref()))
        .chain(
            hints
                .into_iter()
                .flatten()
                .filter_map(|hint| hint.sub.as_ref()),
        )
        .cloned()
        .collect()
}

/// The message, at most `rows` places of it, which are used up.
fn places(report: &Report, rows: &mut usize) -> Vec<Place> {
    let places: Vec<_> = words::lines(&report.decoded)
        .into_iter()
        .take(*rows)
        .map(|(name, value)| Place {
            marks: marks(&name, &value, &report.findings),
            name,
            value: shown(&value, MAX_VALUE),
        })
        .collect();
    *rows -= places.len();
    places
}

/// The verdict in one word: of a message for Entra that of its door, which Partner Center's
/// follows from; otherwise the worst; of a trace, its own.
fn in_short(report: &Report) -> &'static str {
    if report.input.kind == Kind::Har {
        return "A trace";
    }
    if report.input.problem.is_some() {
        return "Not read";
    }
    let counted = match report.verdicts.as_slice() {
        [door, after] if after.consumer == Consumer::PartnerCenter => std::slice::from_ref(door),
        all => all,
    };
    let has = |outcome| counted.iter().any(|verdict| verdict.outcome == outcome);
    if has(Outcome::Rejected) {
        "Rejected"
    } else if has(Outcome::AcceptedWithoutMfa) {
        "Accepted without MFA"
    } else if has(Outcome::Undecided) {
        "Undecided"
    } else if counted
        .iter()
        .any(|verdict| verdict.outcome == Outcome::Accepted && verdict.mfa.is_none())
    {
        "No rule is broken"
    } else if has(Outcome::Accepted) {
        "Accepted"
    } else {
        "Nothing to decide"
    }
}

/// A test sign-in is judged by what this server says of itself, which is an assumption.
fn registered(mut line: VerdictLine, outcome: Outcome, of_test: &[Substitution]) -> VerdictLine {
    let is_taken = matches!(outcome, Outcome::Accepted | Outcome::AcceptedWithoutMfa);
    if is_taken && !of_test.is_empty() {
        let sentence = line.sentence.trim_end_matches('.');
        line.sentence = format!("{sentence}, if the domain is registered so.");
    }
    line
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

/// The findings that speak of this place.
fn marks(path: &str, value: &str, findings: &[Finding]) -> Vec<&'static str> {
    findings
        .iter()
        .filter(|finding| finding.severity != Severity::Undecided)
        .filter(|finding| rules::speaks_of(finding, path, value))
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
