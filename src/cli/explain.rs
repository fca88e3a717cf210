//! `explain`: what a support code or a rule means, for the operator; with an attempt's
//! id, what happened in it.

use std::{io::Write, path::Path};

use clap::Args;

use super::{Failure, open};
use crate::{
    app::{
        SupportCode,
        doctor::catalogue,
        history::{self, AttemptHistory},
        watch::words_of_kind,
    },
    base::{clock::Timestamp, ids::AttemptId},
    inspect::{aadsts, rules, words},
};

/// Say what a support code (CB-SIGNIN-003), a rule (CB-SAML-003), a check of the doctor
/// (CB-DOC-040), an error of Entra
/// (AADSTS50076), Partner Center's 900421 or an attempt (att_…) is about.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The code, the rule, the error, or the attempt's id.
    subject: String,
}

/// Explains it.
pub async fn run(
    args: &ExplainArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if let Ok(attempt) = args.subject.parse::<AttemptId>() {
        return tell_attempt(&attempt, path, out).await;
    }
    if args.subject.starts_with("att_") {
        return Err(Failure::usage(format!(
            "{} is no attempt's id; copy it whole from the address of the page or from the log",
            args.subject
        )));
    }
    let wanted = args.subject.trim().to_uppercase();
    if let Some(code) = SupportCode::ALL.iter().find(|entry| entry.code == wanted) {
        writeln!(out, "{}\n", code.code)?;
        writeln!(out, "The person reads: {}", code.person)?;
        writeln!(out, "For you: {}", code.operator)?;
        return Ok(());
    }
    if let Some(rule) = rules::by_id(&wanted) {
        writeln!(out, "{} — {}\n", rule.id, rule.title)?;
        writeln!(out, "What to do: {}", rule.fix)?;
        if !rule.aadsts.is_empty() {
            writeln!(out, "The answer would be: {}", words::errors(rule.aadsts))?;
        }
        if let Some(example) = rules::examples::of(rule.id) {
            writeln!(out, "Bad:  {}", example.bad)?;
            writeln!(out, "Good: {}", example.good)?;
        }
        writeln!(out, "From: {}", rule.reference)?;
        return Ok(());
    }
    if let Some(check) = catalogue::by_id(&wanted) {
        writeln!(
            out,
            "{} — {} (a check of `claimbridge doctor`)\n",
            check.id, check.title
        )?;
        writeln!(out, "Why it matters: {}", check.why)?;
        return Ok(());
    }
    if let Some((kind, means)) = words_of_kind(&args.subject.trim().to_lowercase()) {
        writeln!(out, "{kind} — found by the watch over the federation\n")?;
        writeln!(out, "{means}")?;
        return Ok(());
    }
    if wanted == "900421" {
        writeln!(out, "900421, an error of Partner Center's API (HTTP 401)\n")?;
        writeln!(
            out,
            "What happened: the access token belongs to a person and its amr does not contain mfa."
        )?;
        writeln!(
            out,
            "What to do: see where the claim is lost with `claimbridge inspect live --partner-center`; most often federatedIdpMfaBehavior of the domain does not take it, or the refresh token is older than the MFA."
        )?;
        return Ok(());
    }
    if let Some(digits) = wanted.strip_prefix("AADSTS") {
        let known = digits.parse().ok().and_then(aadsts::of);
        let error = known.ok_or_else(|| {
            Failure::no(format!(
                "{wanted} is no error that is explained here; Microsoft's list has it, and the sign-in log in Entra says more"
            ))
        })?;
        writeln!(out, "AADSTS{}, an error of Entra\n", error.code)?;
        writeln!(out, "What happened: {}", error.means)?;
        writeln!(out, "What to do: {}", error.fix)?;
        return Ok(());
    }
    let all = SupportCode::ALL.iter().map(|entry| entry.code);
    let nearest = all
        .chain(rules::all().map(|rule| rule.id))
        .chain(catalogue::ALL.iter().map(|check| check.id))
        .max_by(|a, b| strsim::jaro(a, &wanted).total_cmp(&strsim::jaro(b, &wanted)))
        .unwrap_or_default();
    Err(Failure::no(format!(
        "there is no code {}; did you mean {nearest}?",
        args.subject
    )))
}

async fn tell_attempt(
    id: &AttemptId,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let config = open::config(path)?;
    let store = open::store(&config).await?;
    let AttemptHistory { events, receipt } = history::of_attempt(&store, id).await?;
    for event in &events {
        writeln!(out, "{}\t{}\t{}", event.at, event.kind(), event.event)?;
    }
    if let Some(receipt) = receipt {
        writeln!(
            out,
            "{}\tanswered {} under {} with assertion {}",
            Timestamp::from_millis(receipt.issued_at_millis),
            receipt.relying_party,
            receipt.issuer,
            receipt.assertion_id
        )?;
    }
    Ok(())
}
