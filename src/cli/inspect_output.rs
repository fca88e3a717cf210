//! How `claimbridge inspect` speaks: the verdict first, in words.

use std::io::{self, Write};

use crate::inspect::{
    Context, Kind, Report, Scenarios, Severity,
    rules::{Rule, examples},
    shown, words,
};

pub(super) fn report_as_json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

pub(super) fn report_in_words(
    report: &Report,
    context: &Context,
    taken: Option<&str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    for verdict in &report.verdicts {
        writeln!(out, "{}", words::sentence(verdict))?;
    }
    for note in &report.notes {
        writeln!(out, "Note: {note}")?;
    }
    let wrapped = words::wrapped(&report.input.encoding);
    writeln!(
        out,
        "Read: {}{wrapped}, {} bytes; at {}, {} s of skew allowed.",
        words::kind(report.input.kind),
        report.input.bytes,
        context.at,
        context.skew.as_secs()
    )?;
    writeln!(out, "Why: {}", report.input.because)?;
    if let Some(taken) = taken {
        writeln!(out, "{taken}")?;
    }
    if report.input.kind == Kind::Har {
        return story(report, out);
    }
    if report.findings.is_empty() {
        writeln!(out, "No rule is broken.")?;
    }
    findings(report, out)?;
    if let Some(scenarios) = &report.scenarios {
        opens(scenarios, out)?;
    }
    let lines = words::lines(&report.decoded);
    if !lines.is_empty() {
        writeln!(out, "\nThe message says:")?;
    }
    for (name, value) in lines {
        writeln!(out, "  {name}: {value}")?;
    }
    Ok(())
}

/// The verdict on a token that was just issued, and what it opens.
pub(super) fn live_report_in_words(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for verdict in &report.verdicts {
        writeln!(out, "{}", words::sentence(verdict))?;
    }
    findings(report, out)?;
    if let Some(scenarios) = &report.scenarios {
        opens(scenarios, out)?;
    }
    Ok(())
}

/// The messages of a trace in order.
fn story(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let lines = words::lines(&report.decoded);
    for (name, value) in lines {
        writeln!(out, "  {name}: {value}")?;
    }
    if report.story.is_empty() {
        writeln!(out, "No exchange carries a message.")?;
    }
    for step in &report.story {
        let at = step.at.map_or_else(String::new, |at| format!("{at} "));
        let status = step
            .status
            .map_or_else(String::new, |status| format!(" → {status}"));
        writeln!(
            out,
            "\n── {}. {at}{} {}{status}: {}, {}",
            step.number,
            shown(&step.method, 16),
            shown(&step.address, 200),
            words::kind(step.report.input.kind),
            step.place,
        )?;
        writeln!(out, "{}", step.says)?;
        if let Some(compliant) = &step.is_mfa_compliant {
            writeln!(
                out,
                "Partner Center answered isMfaCompliant: {}",
                shown(compliant, 20)
            )?;
        }
        if let Some(problem) = &step.report.input.problem {
            writeln!(out, "{problem}")?;
        }
        for verdict in &step.report.verdicts {
            writeln!(out, "{}", words::sentence(verdict))?;
        }
        for note in &step.report.notes {
            writeln!(out, "Note: {note}")?;
        }
        findings(&step.report, out)?;
    }
    Ok(())
}

/// What the token opens.
fn opens(scenarios: &Scenarios, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nWhat it opens:")?;
    if let Some(amr) = &scenarios.amr {
        writeln!(out, "  amr of the access token: {}", amr.join(", "))?;
    }
    for page in &scenarios.portal {
        writeln!(
            out,
            "  portal, {}: {} ({})",
            page.page,
            page.opens.as_str(),
            page.roles.join(", ")
        )?;
    }
    for one in &scenarios.api {
        let own = one.entra_mfa.map_or_else(String::new, |own| {
            format!("; with Entra's own MFA {}", own.as_str())
        });
        writeln!(
            out,
            "  {}: by the rules of 2023 {}, of 2026 {}{own}",
            one.scenario,
            one.rules_2023.as_str(),
            one.rules_2026.as_str()
        )?;
    }
    Ok(())
}

fn findings(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for finding in &report.findings {
        writeln!(out)?;
        writeln!(
            out,
            "{} [{}] {}",
            finding.rule,
            finding.severity.as_str(),
            finding.title
        )?;
        writeln!(out, "  seen: {}", finding.evidence)?;
        writeln!(out, "  fix:  {}", finding.fix)?;
        if !finding.aadsts.is_empty() && finding.severity != Severity::Undecided {
            writeln!(out, "  error: {}", words::errors(&finding.aadsts))?;
        }
        writeln!(out, "  from: {}", finding.reference)?;
    }
    Ok(())
}

pub(super) fn list_rules(rules: &[&Rule], out: &mut dyn Write) -> io::Result<()> {
    for rule in rules {
        writeln!(
            out,
            "{:<12} {:<8} {}",
            rule.id,
            rule.severity.as_str(),
            rule.title
        )?;
    }
    Ok(())
}

pub(super) fn explain_rules(rules: &[&Rule], out: &mut dyn Write) -> io::Result<()> {
    for rule in rules {
        let consumers: Vec<_> = rule
            .consumers
            .iter()
            .map(|consumer| consumer.as_str())
            .collect();
        writeln!(
            out,
            "{} [{}] {}",
            rule.id,
            rule.severity.as_str(),
            rule.title
        )?;
        writeln!(out, "  for:  {}", consumers.join(", "))?;
        writeln!(out, "  fix:  {}", rule.fix)?;
        if !rule.aadsts.is_empty() {
            writeln!(out, "  error: {}", words::errors(rule.aadsts))?;
        }
        if let Some(example) = examples::of(rule.id) {
            writeln!(out, "  bad:  {}", example.bad)?;
            writeln!(out, "  good: {}", example.good)?;
        }
        writeln!(out, "  from: {}", rule.reference)?;
    }
    Ok(())
}

pub(super) fn rules_as_json(rules: &[&Rule], out: &mut dyn Write) -> io::Result<()> {
    let all: Vec<_> = rules
        .iter()
        .map(|rule| {
            serde_json::json!({
                "rule": rule.id,
                "severity": rule.severity,
                "title": rule.title,
                "consumers": rule.consumers,
                "fix": rule.fix,
                "aadsts": rule.aadsts,
                "reference": rule.reference,
                "bad": examples::of(rule.id).map(|example| example.bad),
                "good": examples::of(rule.id).map(|example| example.good),
            })
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &all)?;
    writeln!(out)
}
