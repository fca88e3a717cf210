//! From bytes to a report: read, look at the case, run the catalogue, draw the verdicts.

use serde_json::Value;

use super::{
    context::{Consumer, Context, UncheckedSignature},
    decoded,
    discovery::DiscoveryCase,
    effort::Effort,
    federation_case::FederationCase,
    jwks::KeysCase,
    notes,
    reading::{self, ReadContent, Refusal},
    report::{Basis, Finding, Input, Kind, Report, Severity},
    rule::{self, Check, Rule, Ruling},
    rules,
    saml_case::SamlCase,
    scenario, secrets,
    signed::{SignatureCase, SignatureState},
    token_case::{TokenCase, TokenSignature},
    trace::{Trace, story},
    verdict,
    wsfed_case::WsfedCase,
    xml_case::XmlCase,
};

/// How many characters of evidence a finding has at most.
const MAX_EVIDENCE: usize = 1_000;

/// How much of a report is wanted: the pre-flight needs no readable form.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Detail {
    Full,
    VerdictsOnly,
}

/// A message in the form that rules look at.
#[derive(Clone, Copy)]
enum Case<'c> {
    Saml(&'c SamlCase<'c>),
    Wsfed(&'c WsfedCase<'c>),
    Xml(&'c XmlCase<'c>),
    Token(&'c TokenCase<'c>),
    Discovery(&'c DiscoveryCase<'c>),
    Keys(&'c KeysCase),
    Federation(&'c FederationCase<'c>),
    /// Refused before there was anything to look at, or nothing that rules speak about.
    Unread,
}

pub(super) fn judge(bytes: &[u8], context: &Context, detail: Detail) -> Report {
    judge_within(&Effort::of_one_input(), bytes, context, detail)
}

fn judge_within(effort: &Effort, bytes: &[u8], context: &Context, detail: Detail) -> Report {
    let read = reading::read(bytes, context, effort);
    let mut report = Report {
        input: Input {
            kind: Kind::Unknown,
            encoding: read.encoding,
            bytes: bytes.len(),
            because: read.because,
            problem: None,
        },
        decoded: Value::Null,
        verdicts: Vec::new(),
        notes: Vec::new(),
        findings: Vec::new(),
        scenarios: None,
        story: Vec::new(),
    };
    let wanted = detail == Detail::Full;
    match read.content {
        ReadContent::Unknown(why) => {
            report.input.because.clear();
            report.input.problem = Some(rule::shown(&why, MAX_EVIDENCE));
        }
        ReadContent::Refused(kind, refusal) => {
            conclude(&mut report, kind, context, Case::Unread, Some(refusal));
        }
        ReadContent::Token(kind, case) => {
            if wanted {
                report.decoded = decoded::of_token(&case);
                report.notes = notes::of_token(&case);
            }
            conclude(&mut report, kind, context, Case::Token(&case), None);
            report.scenarios = scenario::of(kind, &report.verdicts, case.own_amr());
        }
        ReadContent::Discovery(case) => {
            report.decoded = Value::Object(case.members.clone());
            let kind = Kind::OidcDiscovery;
            conclude(&mut report, kind, context, Case::Discovery(&case), None);
        }
        ReadContent::Keys(case) => {
            report.decoded = decoded::of_keys(&case);
            conclude(&mut report, Kind::Jwks, context, Case::Keys(&case), None);
        }
        ReadContent::Federation(case) => {
            report.decoded = decoded::of_federation(&case);
            let kind = Kind::FederationConfiguration;
            conclude(&mut report, kind, context, Case::Federation(&case), None);
        }
        ReadContent::Request(kind, decoded) => {
            report.decoded = decoded;
            conclude(&mut report, kind, context, Case::Unread, None);
        }
        ReadContent::Trace(trace) => tell(&mut report, &trace, context, effort),
        ReadContent::Xml(xml) => judge_xml(&mut report, &xml, context, effort, detail),
    }
    if wanted {
        secrets::shorten(&mut report.decoded);
    }
    if let Value::Object(decoded) = &mut report.decoded {
        for (name, value) in read.beside {
            if !value.is_empty() {
                decoded.insert(name.to_owned(), secrets::without_tokens(&value).into());
            }
        }
    }
    report
}

/// A trace: each message for itself, and how it ended.
fn tell(report: &mut Report, trace: &Trace, context: &Context, effort: &Effort) {
    report.input.kind = Kind::Har;
    let whole =
        |bytes: &[u8], context: &Context| judge_within(effort, bytes, context, Detail::Full);
    let (story, unread) = story::tell(trace, context, effort, &whole);
    report.story = story;
    report.verdicts = story::end(&report.story);
    if let Some(expected) = context.expect {
        report
            .verdicts
            .retain(|verdict| verdict.consumer == expected);
    }
    report.decoded = serde_json::json!({
        "exchanges": trace.seen,
        "messages": report.story.len(),
        "left_out": trace.left_out + unread,
    });
}

fn judge_xml(report: &mut Report, xml: &[u8], context: &Context, effort: &Effort, detail: Detail) {
    let document = match reading::parse_xml(xml) {
        Ok(document) => document,
        Err((kind, refusal)) => {
            if kind == Kind::Unknown {
                report.input.problem =
                    Some("The XML is refused and its beginning shows no known message.".to_owned());
            } else {
                "Its first element is called so.".clone_into(&mut report.input.because);
            }
            conclude(report, kind, context, Case::Unread, Some(refusal));
            return;
        }
    };
    let kind = reading::kind_of(&document);
    let root = document.root();
    report.input.because = format!(
        "Its root element is {} of {}.",
        root.local_name(),
        root.namespace()
    );
    let wanted = detail == Detail::Full;
    match kind {
        Kind::Saml2Response | Kind::Saml2Assertion => {
            let case = SamlCase::of(&document, context, effort);
            if wanted {
                report.decoded = decoded::of_saml(&case);
                report.notes = notes::of_saml(kind, &case);
            }
            conclude(report, kind, context, Case::Saml(&case), None);
        }
        Kind::Saml11Assertion | Kind::WsfedRstr => {
            let encoding = report.input.encoding.clone();
            let case = WsfedCase::of(&document, xml, &encoding, context, effort);
            if wanted {
                report.decoded = decoded::of_wsfed(&case);
                report.notes = notes::of_wsfed(kind, &case);
            }
            conclude(report, kind, context, Case::Wsfed(&case), None);
        }
        Kind::Saml2AuthnRequest | Kind::Saml2Logout => {
            let case = XmlCase::of(&document, vec![root]);
            if wanted {
                report.decoded = match kind {
                    Kind::Saml2Logout => decoded::of_logout(root),
                    _ => decoded::of_request(&document, context),
                };
            }
            conclude(report, kind, context, Case::Xml(&case), None);
        }
        _ => {
            report.input.because.clear();
            report.input.problem = Some(reading::unknown_root(root));
        }
    }
    if wanted {
        report.scenarios = scenario::of(kind, &report.verdicts, None);
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
    let consumers = match case {
        Case::Token(case) => vec![case.consumer],
        Case::Federation(case) => verdict::doors_of(case),
        // A token that could not be read does not show for whom it is.
        Case::Unread if context.expect == Some(Consumer::EntraExternalMfa) && is_token(kind) => {
            vec![Consumer::EntraExternalMfa]
        }
        _ => verdict::consumers_of(kind).to_vec(),
    };
    let refusals: Vec<Refusal> = refusal
        .into_iter()
        .chain(verdict::unexpected(kind, &consumers, context))
        .collect();
    report.findings = rules::all()
        .filter_map(|rule| finding(rule, ruling(rule, case, &refusals)))
        .collect();
    let basis = basis(case, context, &report.findings);
    report.verdicts = verdict::verdicts(kind, &consumers, context, &report.findings, basis);
}

fn is_token(kind: Kind) -> bool {
    matches!(kind, Kind::Jwt | Kind::JwtClaims)
}

fn ruling(rule: &Rule, case: Case<'_>, refusals: &[Refusal]) -> Ruling {
    // A rule that looks at trees may be broken so badly that there is none.
    if let Some(refusal) = refusals.iter().find(|refusal| refusal.rule == rule.id) {
        return refusal.ruling.clone();
    }
    // An access token owes nothing to External MFA, and the other way round.
    if let Case::Token(case) = case
        && !rule.consumers.contains(&case.consumer)
    {
        return Ruling::Holds;
    }
    check(&rule.check, case)
}

fn check(with: &Check, case: Case<'_>) -> Ruling {
    match (with, case) {
        (Check::AnyOf(checks), case) => checks
            .iter()
            .map(|one| check(one, case))
            .find(|ruling| !matches!(ruling, Ruling::Holds))
            .unwrap_or(Ruling::Holds),
        (Check::Xml(check), Case::Saml(case)) => check(&case.xml),
        (Check::Xml(check), Case::Wsfed(case)) => check(&case.xml),
        (Check::Xml(check), Case::Xml(case)) => check(case),
        (Check::Saml(check), Case::Saml(case)) => check(case),
        (Check::Wsfed(check), Case::Wsfed(case)) => check(case),
        (Check::Token(check), Case::Token(case)) => check(case),
        (Check::Discovery(check), Case::Discovery(case)) => check(case),
        (Check::Keys(check), Case::Keys(case)) => check(case),
        (Check::Federation(check), Case::Federation(case)) => check(case),
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
        evidence: rule::shown(&secrets::shortened(&evidence), MAX_EVIDENCE),
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
        Case::Saml(case) => of_signature(case.assertion_signature(), context, findings),
        Case::Wsfed(case) => of_signature(case.assertion_signature(), context, findings),
        _ => Basis::Unverified,
    }
}

fn of_signature(
    signature: Option<&SignatureCase<'_>>,
    context: &Context,
    findings: &[Finding],
) -> Basis {
    let is_foreign = |finding: &Finding| matches!(finding.rule, "CB-SAML-006" | "CB-WSFED-006");
    let assumed = context.unchecked_signature == UncheckedSignature::TakenAsGood;
    match signature.map(|found| &found.state) {
        Some(SignatureState::Holds(_)) if !context.certificates.is_empty() => {
            if findings.iter().any(is_foreign) {
                Basis::Unverified
            } else {
                Basis::VerifiedSignature
            }
        }
        Some(SignatureState::Holds(_) | SignatureState::NoKey) if assumed => {
            Basis::AssumedSignature
        }
        _ => Basis::Unverified,
    }
}

impl TokenCase<'_> {
    /// The texts of `amr`, whatever else stands there.
    fn own_amr(&self) -> Option<Vec<String>> {
        if self.consumer != Consumer::PartnerCenter {
            return None;
        }
        let values = self.claims.get("amr")?.as_array()?;
        Some(
            values
                .iter()
                .filter_map(Value::as_str)
                .take(32)
                .map(|value| rule::shown(value, 80))
                .collect(),
        )
    }
}
