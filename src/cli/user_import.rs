//! `user import`: people from CSV.
//!
//! Always true: the whole file is read and judged before the first person is added; a
//! file with bad rows changes nothing unless `--partial`. A pass that was issued is
//! written at once, or, in JSON, on every way out: it cannot be shown a second time.

use std::{
    collections::HashMap,
    fs, hash,
    io::{self, IsTerminal as _, Write},
    path::PathBuf,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Failure;
use crate::{
    app::{
        self, App, Category,
        passes::{IssuedPass, PassOptions},
        users::NewUser,
    },
    base::{
        secret::Secret,
        text::{Upn, harmless_cell, plain_cell},
    },
    directory::{AnchorForm, GroupName},
};

/// Add people from CSV: columns upn, name, and if wanted immutable_id, password, groups (a;b).
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The file; - is standard input.
    file: PathBuf,
    /// Issue a temporary access pass to each, printed once: upn, pass, expires_at.
    #[arg(long)]
    passes: bool,
    /// How the file spells ImmutableIDs: verbatim, as Entra has them; or guid, hex or base64, the
    /// objectGUID or mS-DS-ConsistencyGuid of an Active Directory.
    #[arg(long, value_name = "FORM", default_value_t = AnchorForm::Verbatim)]
    immutable_id_form: AnchorForm,
    /// Add the good rows although others are bad.
    #[arg(long)]
    partial: bool,
    /// Print {"imported", "failed": [{"line", "reason"}], "passes": […]}.
    #[arg(long)]
    json: bool,
}

/// What the first line may name. Who has a `disabled_at` is added disabled; `created_at`
/// is `user export`'s and says nothing here.
const COLUMNS: [&str; 7] = [
    "upn",
    "name",
    "immutable_id",
    "password",
    "disabled_at",
    "created_at",
    "groups",
];

/// What Graph calls them.
const GRAPH_NAMES: [(&str, &str); 3] = [
    ("userPrincipalName", "upn"),
    ("displayName", "name"),
    ("onPremisesImmutableId", "immutable_id"),
];

#[derive(Deserialize)]
struct Row {
    upn: String,
    name: String,
    #[serde(default)]
    immutable_id: Option<String>,
    #[serde(default)]
    password: Option<Secret<String>>,
    #[serde(default)]
    disabled_at: Option<String>,
    #[serde(default)]
    groups: Option<String>,
}

/// A row that is good.
struct Good {
    line: u64,
    new: NewUser,
    account: Account,
}

/// Whether the person may sign in.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Account {
    Active,
    Disabled,
}

struct Failed {
    line: u64,
    reason: String,
}

/// What became of the file, and where passes are written.
struct Import<'a> {
    args: &'a ImportArgs,
    out: &'a mut dyn Write,
    imported: u64,
    failed: Vec<Failed>,
    /// For JSON, which is one value at the end.
    passes: Vec<Value>,
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
    let (people, failed) = judge(&bytes, args.immutable_id_form, app).await?;
    let mut import = Import {
        args,
        out,
        imported: 0,
        failed,
        passes: Vec::new(),
    };
    let stopped = if import.failed.is_empty() || args.partial {
        import.add(people, app, pass_options, operator).await.err()
    } else {
        None
    };
    import.report(stopped)
}

impl Import<'_> {
    /// Adds the people. An error is one of the database or of the output: those who were
    /// added stay, and it says where it stopped.
    async fn add(
        &mut self,
        people: Vec<Good>,
        app: &App,
        pass_options: PassOptions,
        operator: &str,
    ) -> Result<(), Failure> {
        let bar = progress(people.len());
        if self.args.passes && !self.args.json {
            writeln!(self.out, "upn,pass,expires_at")?;
        }
        for Good { line, new, account } in people {
            let upn = new.upn.clone();
            match app.add_user(new, operator).await {
                Ok(_) => self.imported += 1,
                // Somebody else was quicker, since the file was judged.
                Err(error) if is_the_rows(&error) => {
                    let reason = error.to_string();
                    self.failed.push(Failed { line, reason });
                    if self.args.partial {
                        continue;
                    }
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            if account == Account::Disabled {
                app.disable_user(&upn, operator).await?;
            } else if self.args.passes {
                let without = |error: Failure| {
                    Failure::service(format!(
                        "{upn} was added, but has no pass that anybody saw; issue one with `claimbridge user pass {upn}`: {error}"
                    ))
                };
                let pass = app.issue_pass(&upn, pass_options, operator).await;
                let pass = pass.map_err(|error| without(error.into()))?;
                self.hand_out(&upn, &pass)
                    .map_err(|error| without(error.into()))?;
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn hand_out(&mut self, upn: &Upn, pass: &IssuedPass) -> io::Result<()> {
        if self.args.json {
            self.passes.push(json!({
                "upn": upn, "pass": pass.value.expose(),
                "expires_at": pass.expires_at.to_rfc3339(),
            }));
            return Ok(());
        }
        let cell = harmless_cell(upn.as_str());
        writeln!(
            self.out,
            "{cell},{},{}",
            pass.value.expose(),
            pass.expires_at
        )?;
        self.out.flush()
    }

    /// Says what became of it, also where it `stopped` midway.
    fn report(self, stopped: Option<Failure>) -> Result<(), Failure> {
        let Self {
            args,
            out,
            imported,
            failed,
            passes,
        } = self;
        if args.json {
            let failed: Vec<Value> = failed
                .iter()
                .map(|row| json!({"line": row.line, "reason": row.reason}))
                .collect();
            let value = json!({"imported": imported, "failed": failed, "passes": passes});
            writeln!(out, "{value}")?;
        } else if !args.passes && failed.is_empty() && stopped.is_none() {
            writeln!(out, "Added {imported}.")?;
        }
        if let Some(why) = stopped {
            return Err(Failure::service(format!(
                "stopped after {imported} were added; when the cause is gone, import the file again with --partial, which leaves out those who are there: {why}"
            )));
        }
        if failed.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = failed
            .iter()
            .map(|row| format!("line {}: {}", row.line, row.reason))
            .collect();
        let rows = match failed.len() {
            1 => "1 row is bad".to_owned(),
            many => format!("{many} rows are bad"),
        };
        let what = if args.partial {
            format!("{imported} were added, {rows}")
        } else if imported > 0 {
            format!("stopped after {imported} were added; correct the row and import the rest")
        } else {
            format!("nobody was added because {rows}; correct the file, or say --partial")
        };
        Err(Failure::no(format!("{what}\n{}", lines.join("\n"))))
    }
}

/// Whether it is the row that is wrong, not the service.
fn is_the_rows(error: &app::Error) -> bool {
    !matches!(error.category(), Category::Unavailable | Category::Internal)
}

/// First passwords may stand in it.
fn read(args: &ImportArgs) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let read = if args.file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::stdin().lock(), &mut bytes).map(|_| bytes)
    } else {
        fs::read(&args.file)
    };
    read.map(Zeroizing::new).map_err(|error| {
        Failure::usage(format!(
            "{} cannot be read ({error}); name another file",
            args.file.display()
        ))
    })
}

/// The good rows and the bad ones, each with its line.
async fn judge(
    bytes: &[u8],
    form: AnchorForm,
    app: &App,
) -> Result<(Vec<Good>, Vec<Failed>), Failure> {
    let (mut people, mut failed) = (Vec::new(), Vec::new());
    let (mut upns, mut immutable_ids) = (HashMap::new(), HashMap::new());
    let mut csv = csv::ReaderBuilder::new()
        .trim(csv::Trim::Headers)
        .from_reader(bytes);
    let headers = headers(&mut csv)?;
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
            .and_then(|row| new_user(row, form));
        let (new, account) = match row {
            Ok(good) => good,
            Err(reason) => {
                failed.push(Failed { line, reason });
                continue;
            }
        };
        let twice = require_first(&mut upns, Some(&new.upn), line).and(require_first(
            &mut immutable_ids,
            new.immutable_id.as_ref(),
            line,
        ));
        let reason = match (twice, app.require_addable(&new).await) {
            (Err(reason), _) => reason,
            (_, Err(error)) if is_the_rows(&error) => error.to_string(),
            (_, Err(error)) => return Err(error.into()),
            (Ok(()), Ok(())) => {
                people.push(Good { line, new, account });
                continue;
            }
        };
        failed.push(Failed { line, reason });
    }
    Ok((people, failed))
}

/// The first line of the file. A column that nobody knows is not one bad row each time.
fn headers(csv: &mut csv::Reader<&[u8]>) -> Result<csv::StringRecord, Failure> {
    let headers = csv
        .headers()
        .map_err(|error| {
            Failure::usage(format!(
                "the file is no CSV ({error}); save it as UTF-8 CSV"
            ))
        })?
        .iter()
        .map(|name| {
            // Graph's own names: its tools' exports are read as they are.
            let known = GRAPH_NAMES.iter().find(|(graphs, _)| *graphs == name);
            known.map_or(name, |(_, ours)| ours)
        })
        .collect::<csv::StringRecord>();
    let unknown = headers.iter().find(|name| !COLUMNS.contains(name));
    let missing = ["upn", "name"]
        .into_iter()
        .find(|name| !headers.iter().any(|header| header == *name));
    match (missing, unknown) {
        (Some(name), _) => Err(Failure::usage(format!(
            "the file has no column {name}; its first line names the columns: upn, name, and if wanted immutable_id, password, groups"
        ))),
        (None, Some(name)) => Err(Failure::usage(format!(
            "there is no column {name:?}; take it out, or call it one of {}",
            COLUMNS.join(", ")
        ))),
        (None, None) => Ok(headers),
    }
}

/// What must be only once in the file is there for the first time.
fn require_first<T: Clone + Eq + hash::Hash + ToString>(
    seen: &mut HashMap<T, u64>,
    value: Option<&T>,
    line: u64,
) -> Result<(), String> {
    let Some(value) = value else { return Ok(()) };
    if let Some(first) = seen.get(value) {
        return Err(format!("{} stands in line {first} too", value.to_string()));
    }
    seen.insert(value.clone(), line);
    Ok(())
}

fn new_user(row: Row, form: AnchorForm) -> Result<(NewUser, Account), String> {
    let upn: Upn = plain_cell(&row.upn)
        .parse()
        .map_err(|error| format!("upn: {error}"))?;
    let immutable_id = row
        .immutable_id
        .as_deref()
        .map(|text| plain_cell(text.trim()))
        .filter(|text| !text.is_empty())
        .map(|text| form.immutable_id(text))
        .transpose()
        .map_err(|error| format!("immutable_id: {error}"))?;
    let account = match row.disabled_at.as_deref().map(str::trim) {
        None | Some("") => Account::Active,
        Some(_) => Account::Disabled,
    };
    let groups = plain_cell(row.groups.as_deref().unwrap_or_default())
        .split(';')
        .filter(|name| !name.trim().is_empty())
        .map(str::parse::<GroupName>)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("groups: {error}"))?;
    let new = NewUser {
        upn,
        display_name: plain_cell(&row.name).to_owned(),
        immutable_id,
        password: row.password.filter(|text| !text.expose().is_empty()),
        groups,
    };
    Ok((new, account))
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
