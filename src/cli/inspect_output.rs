//! How `claimbridge inspect` speaks: the verdict first, in words.

use std::io::{self, Write};

use crate::inspect::{Context, Report, Severity, rules::Rule, words};

pub(super) fn report_as_json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

pub(super) fn report_in_words(
    report: &Report,
    context: &Context,
    out: &mut dyn Write,
) -> io::Result<()> {
    for verdict in &report.verdicts {
        writeln!(out, "{}", words::sentence(verdict))?;
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
    if report.findings.is_empty() {
        writeln!(out, "No rule is broken.")?;
    }
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
    let lines = words::lines(&report.decoded);
    if !lines.is_empty() {
        writeln!(out, "\nThe message says:")?;
    }
    for (name, value) in lines {
        writeln!(out, "  {name}: {value}")?;
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
            })
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &all)?;
    writeln!(out)
}
