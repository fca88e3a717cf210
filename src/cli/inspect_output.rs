//! How `claimbridge inspect` speaks: the verdict first, in words.

use std::io::{self, Write};

use serde_json::Value;

use crate::inspect::{
    Basis, Consumer, Context, Kind, Outcome, Report, Severity, Verdict, rules::Rule, shown,
};

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
        writeln!(out, "{}", sentence(verdict))?;
    }
    let encoding: Vec<_> = report
        .input
        .encoding
        .iter()
        .filter_map(|encoding| serde_json::to_value(encoding).ok())
        .filter_map(|value| value.as_str().map(ToOwned::to_owned))
        .collect();
    let wrapped = if encoding.is_empty() {
        String::new()
    } else {
        format!(", as {}", encoding.join(" of "))
    };
    writeln!(
        out,
        "Read: {}{wrapped}, {} bytes; at {}, {} s of skew allowed.",
        kind_in_words(report.input.kind),
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
            writeln!(out, "  error: {}", errors(&finding.aadsts))?;
        }
        writeln!(out, "  from: {}", finding.reference)?;
    }
    let mut lines = Vec::new();
    leaves("", &report.decoded, &mut lines);
    if !lines.is_empty() {
        writeln!(out, "\nThe message says:")?;
    }
    for (name, value) in lines {
        writeln!(out, "  {name}: {value}")?;
    }
    Ok(())
}

/// The values of a decoded message with their paths; what is absent is left out.
fn leaves(path: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, member) in members {
                leaves(&below(&shown(name, 80)), member, lines);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (at, item) in items.iter().enumerate() {
                leaves(&below(&(at + 1).to_string()), item, lines);
            }
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(plain).collect();
            if !items.is_empty() {
                lines.push((path.to_owned(), items.join(", ")));
            }
        }
        leaf => lines.push((path.to_owned(), plain(leaf))),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text, 200),
        other => shown(&other.to_string(), 200),
    }
}

fn sentence(verdict: &Verdict) -> String {
    let who = consumer_in_words(verdict.consumer);
    let because = verdict.because.join(", ");
    let basis = match verdict.basis {
        Basis::VerifiedSignature => "",
        Basis::ClaimsAlone => " (by claims alone)",
        Basis::AssumedSignature => " (if the signature were good)",
        Basis::Unverified => " (signature not verified)",
    };
    match verdict.outcome {
        Outcome::Accepted => format!("{who}: accepted, and counted as MFA{basis}."),
        Outcome::AcceptedWithoutMfa => {
            format!("{who}: accepted, but not counted as MFA{basis}, because of {because}.")
        }
        Outcome::Rejected => format!("{who}: rejected, because of {because}."),
        Outcome::Undecided => {
            format!("{who}: undecided, because of {because}; the options below would decide.")
        }
        Outcome::NotApplicable if because.is_empty() => {
            format!("{who}: not applicable; it does not receive such a message.")
        }
        Outcome::NotApplicable => format!("{who}: not applicable, because of {because}."),
    }
}

fn consumer_in_words(consumer: Consumer) -> &'static str {
    match consumer {
        Consumer::EntraSaml2 => "Entra ID (SAML 2.0)",
        Consumer::EntraWsfed => "Entra ID (WS-Federation)",
        Consumer::EntraExternalMfa => "Entra ID (External MFA)",
        Consumer::PartnerCenter => "Partner Center",
    }
}

fn kind_in_words(kind: Kind) -> &'static str {
    match kind {
        Kind::Jwt => "a token (JWT)",
        Kind::JwtClaims => "claims of a token",
        Kind::Saml2Response => "a SAML 2.0 response",
        Kind::Saml2Assertion => "a SAML 2.0 assertion",
        Kind::Saml2AuthnRequest => "a SAML 2.0 authentication request",
        _ => "nothing known",
    }
}

/// `AADSTS50008`; 401 and 900421 are the answers of the Partner Center API.
fn errors(codes: &[&str]) -> String {
    codes
        .iter()
        .map(|code| match *code {
            "401" => "HTTP 401".to_owned(),
            "900421" => "error 900421".to_owned(),
            code => format!("AADSTS{code}"),
        })
        .collect::<Vec<_>>()
        .join(", ")
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
            writeln!(out, "  error: {}", errors(rule.aadsts))?;
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
