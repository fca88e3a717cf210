//! `domain set-aside`: the journal of a domain begins anew where it was altered.
//!
//! Always true: what is set aside is named before the question; nothing is set aside without the
//! domain's name; nothing is asked of Entra and nothing changed there.

use std::{io::Write, path::Path, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{Failure, domain_desk::said_yes, open, operator};
use crate::base::text::DomainName;

/// Let the journal of a domain begin anew after it was altered outside claimbridge.
///
/// Nothing of before is used any more: `domain rollback` undoes what `domain apply` does from here on. What is altered later
/// counts again. A line that an earlier version began and did not draw to its end is drawn too.
#[derive(Args, Debug)]
#[command(after_help = ASIDE_HELP)]
pub struct AsideArgs {
    /// The domain.
    domain: DomainName,
    /// Do not ask: this is the domain's name. Without a terminal nothing is set aside unless it is given.
    #[arg(long, value_name = "DOMAIN")]
    confirm: Option<DomainName>,
    /// Print what was set aside as JSON.
    #[arg(long)]
    json: bool,
}

const ASIDE_HELP: &str = "\
First find out who wrote to the database; `claimbridge evidence` counts what is missing in the events.

Exit code: 0 it was set aside; 1 nothing was altered, a call may still take place, or it was not confirmed; 2 wrong usage;
3 the database did not answer.";

/// Runs `domain set-aside`.
pub async fn set_aside(
    args: &AsideArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let config = open::config(path)?;
    let app = open::app(&config).await?;
    let domain = &args.domain;
    let history = app.federation_changes(domain).await?;
    let names = history.to_set_aside();
    if names.is_empty() {
        return Err(Failure::no(format!(
            "in the journal of {domain} nothing was altered; there is nothing to set aside"
        )));
    }
    if !args.json {
        writeln!(out, "In the journal of {domain}:")?;
        for name in &names {
            writeln!(out, "  - {name}")?;
        }
        writeln!(
            out,
            "From here on none of its changes so far counts, altered or not: `domain rollback` goes back to what the domain has now, and to nothing earlier."
        )?;
        out.flush()?;
    }
    if !said_yes(domain, args.json, args.confirm.as_ref(), "set this aside")? {
        return Err(Failure::no("nothing was set aside: nobody said yes to it"));
    }
    let line = app
        .set_journal_aside(domain, &history, &operator::name())
        .await?;
    if args.json {
        let report = json!({ "domain": domain, "change": line, "set_aside": names });
        writeln!(out, "{report}")?;
    } else {
        writeln!(
            out,
            "Set aside; the journal of {domain} begins anew with {line}."
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
