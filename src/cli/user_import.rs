//! `user import`: people from CSV.
//!
//! Always true: the whole file is read and judged before the first person is added; a
//! file with bad rows changes nothing unless `--partial`.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failure, user_list::harmless_cell};
use crate::{
    app::{App, Category, passes::PassOptions, users::NewUser},
    base::{secret::Secret, text::Upn},
    directory::ImmutableId,
    relying_party::domain::domain_of,
};

/// Add people from CSV: columns upn, name, and if wanted immutable_id, password.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The file; - is standard input.
    file: PathBuf,
    /// Issue a temporary access pass to each, printed once: upn, pass, expires_at.
    #[arg(long)]
    passes: bool,
    /// Add the good rows although others are bad.
    #[arg(long)]
    partial: bool,
    /// Print {"imported", "failed": [{"line", "reason"}], "passes": […]}.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    upn: String,
    name: String,
    #[serde(default)]
    immutable_id: Option<String>,
    #[serde(default)]
    password: Option<Secret<String>>,
    /// Columns of `user export` that say nothing here.
    #[serde(default, rename = "disabled_at")]
    _disabled_at: Option<String>,
    #[serde(default, rename = "created_at")]
    _created_at: Option<String>,
}

struct Failed {
    line: u64,
    reason: String,
}

/// Runs the command.
pub async fn run(
    args: &ImportArgs,
    app: &App,
    pass_options: PassOptions,
    operator: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let bytes = read(args)?;
    let (people, mut failed) = judge(&bytes, app).await?;
    let mut imported = 0;
    let mut passes = Vec::new();
    if failed.is_empty() || args.partial {
        let bar = progress(people.len());
        for (line, new) in people {
            let upn = new.upn.clone();
            match app.add_user(new, operator).await {
                Ok(_) => imported += 1,
                Err(error) if error.category() == Category::Conflict => {
                    failed.push(Failed {
                        line,
                        reason: error.to_string(),
                    });
                    if args.partial {
                        continue;
                    }
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            if args.passes {
                passes.push((
                    upn.clone(),
                    app.issue_pass(&upn, pass_options, operator).await?,
                ));
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
    }
    if args.json {
        let failed: Vec<Value> = failed
            .iter()
            .map(|row| json!({"line": row.line, "reason": row.reason}))
            .collect();
        let passes: Vec<Value> = passes
            .iter()
            .map(|(upn, pass)| {
                json!({
                    "upn": upn, "pass": pass.value.expose(),
                    "expires_at": pass.expires_at.to_rfc3339(),
                })
            })
            .collect();
        let value = json!({"imported": imported, "failed": failed, "passes": passes});
        writeln!(out, "{value}")?;
    } else if args.passes {
        writeln!(out, "upn,pass,expires_at")?;
        for (upn, pass) in &passes {
            let upn = harmless_cell(upn.as_str());
            writeln!(out, "{upn},{},{}", pass.value.expose(), pass.expires_at)?;
        }
    } else if failed.is_empty() {
        writeln!(out, "Added {imported}.")?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = failed
        .iter()
        .map(|row| format!("line {}: {}", row.line, row.reason))
        .collect();
    let what = if args.partial {
        format!("{imported} were added, {} rows are bad", failed.len())
    } else if imported > 0 {
        format!("stopped after {imported} were added; correct the row and import the rest")
    } else {
        format!(
            "nobody was added because {} rows are bad; correct them, or say --partial",
            failed.len()
        )
    };
    Err(Failure::no(format!("{what}\n{}", lines.join("\n"))))
}

fn read(args: &ImportArgs) -> Result<Vec<u8>, Failure> {
    let read = if args.file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::stdin().lock(), &mut bytes).map(|_| bytes)
    } else {
        fs::read(&args.file)
    };
    read.map_err(|error| {
        Failure::usage(format!(
            "{} cannot be read ({error}); name another file",
            args.file.display()
        ))
    })
}

/// The good rows and the bad ones, each with its line.
async fn judge(bytes: &[u8], app: &App) -> Result<(Vec<(u64, NewUser)>, Vec<Failed>), Failure> {
    let domains = crate::app::domains::list(app.store()).await?;
    let (mut people, mut failed) = (Vec::new(), Vec::new());
    let mut seen = BTreeMap::new();
    let mut csv = csv::ReaderBuilder::new()
        .trim(csv::Trim::Headers)
        .from_reader(bytes);
    let headers = csv
        .headers()
        .map_err(|error| {
            Failure::usage(format!(
                "the file is no CSV ({error}); save it as UTF-8 CSV"
            ))
        })?
        .clone();
    for record in csv.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                let reason = error.to_string();
                failed.push(Failed { line, reason });
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let row = record
            .deserialize::<Row>(Some(&headers))
            .map_err(|error| error.to_string())
            .and_then(new_user);
        let judged = match row {
            Ok(new) => {
                let first = seen.insert(new.upn.clone(), line);
                let domain = new.upn.domain();
                if let Some(first) = first {
                    Err(format!("{} stands in line {first} too", new.upn))
                } else if domain_of(&domain, &domains).is_none() {
                    Err(format!(
                        "the domain {domain} is not there; add it with `claimbridge domain add {domain}`"
                    ))
                } else if app.find_user(&new.upn).await.is_ok() {
                    Err(format!("{} is there already", new.upn))
                } else {
                    Ok(new)
                }
            }
            Err(reason) => Err(reason),
        };
        match judged {
            Ok(new) => people.push((line, new)),
            Err(reason) => failed.push(Failed { line, reason }),
        }
    }
    Ok((people, failed))
}

fn new_user(row: Row) -> Result<NewUser, String> {
    let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let upn: Upn = row.upn.parse().map_err(|error| format!("upn: {error}"))?;
    let immutable_id = given(row.immutable_id)
        .map(|text| text.parse::<ImmutableId>())
        .transpose()
        .map_err(|error| format!("immutable_id: {error}"))?;
    Ok(NewUser {
        upn,
        // What `user export` put before a name that begins like a formula.
        display_name: row.name.strip_prefix('\'').unwrap_or(&row.name).to_owned(),
        immutable_id,
        password: row.password.filter(|text| !text.expose().is_empty()),
    })
}

/// A bar on a terminal, nothing in a pipe.
fn progress(people: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} people, {eta} left");
    ProgressBar::new(people as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
