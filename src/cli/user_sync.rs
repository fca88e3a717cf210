//! `user sync` and `user set-immutable-id --to graph`: people here and in the tenant.
//!
//! Always true: without `--add` nothing is changed here, and without the domain's name typed or
//! given as `--confirm` nothing in the tenant; what was done before something failed stays, is
//! said, and a second run goes on.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead as _, IsTerminal as _, Write},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{
    Failure,
    graph_sign_in::{self, GraphArgs},
};
use crate::{
    app::{
        App,
        people_sync::{Finding, FindingKind, Missing, SyncError, Told, send::Sending},
    },
    base::text::{DomainName, Upn, harmless_cell},
    config::Config,
    inspect::shown,
};

/// The other side.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Side {
    /// Microsoft Graph.
    Graph,
}

/// Compare the people of a domain with those of the tenant, and add who is missing here.
///
/// Nothing is ever deleted and no ImmutableID overwritten. People who are added have no method:
/// give each a pass next (claimbridge user pass).
#[derive(Args, Debug)]
#[command(after_help = SYNC_HELP)]
pub struct SyncArgs {
    /// Where the other list comes from.
    #[arg(long, value_enum)]
    from: Side,
    /// The domain whose people are compared: exactly this one, not those below it.
    #[arg(long, value_name = "DOMAIN")]
    domain: DomainName,
    /// Add who is in the tenant and not here, with the tenant's ImmutableID.
    #[arg(long)]
    add: bool,
    /// Change nothing, also with --add.
    #[arg(long)]
    dry_run: bool,
    /// Write every finding to this new CSV file: kind, upn, here, there.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    graph: GraphArgs,
}

const SYNC_HELP: &str = "\
Examples:
  claimbridge user sync --from graph --domain contoso.com
  claimbridge user sync --from graph --domain contoso.com --add --report people.csv
  claimbridge user sync --from graph --domain contoso.com --tenant contoso.onmicrosoft.com --device-code

It reads with the permissions User.Read.All and Domain.Read.All.
Exit code: 0 both sides agree; 1 they do not; 2 wrong usage; 3 Graph or the database failed.";

/// How much of each kind is shown; `--report` has everything.
const SHOWN_IN_WORDS: usize = 20;
const SHOWN_IN_JSON: usize = 1000;

/// `user sync`.
pub async fn sync(
    args: &SyncArgs,
    app: &App,
    config: &Config,
    operator: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Side::Graph = args.from;
    let mut report = Report::begin(args.report.as_deref(), args.json)?;
    let signed_in = graph_sign_in::sign_in(
        &args.graph,
        config,
        args.domain.as_str(),
        &["User.Read.All", "Domain.Read.All"],
        &mut io::stderr(),
    )
    .await?;
    let missing = if args.add && !args.dry_run {
        Missing::Add
    } else {
        Missing::Tell
    };
    let done = app
        .sync_people(
            &signed_in.graph,
            &args.domain,
            missing,
            operator,
            &mut report,
        )
        .await;
    report.end()?;
    let counts = match done {
        Ok(counts) => counts,
        Err(error) => return Err(stopped(&error, &report, "added")),
    };
    if args.json {
        let mut value = report.to_json();
        value["domain"] = json!(args.domain);
        value["counts"] = json!(counts);
        value["complete"] = json!(!counts.is_incomplete());
        writeln!(out, "{value}")?;
    } else {
        writeln!(
            out,
            "{}: {} in the tenant, {} here before; {} the same on both sides.",
            args.domain, counts.in_tenant, counts.here, counts.matched
        )?;
        report.in_words(out)?;
        if args.add && args.dry_run {
            writeln!(out, "Nothing was changed (--dry-run).")?;
        }
    }
    if counts.is_incomplete() {
        return Err(Failure::service(format!(
            "the tenant says it has {} people of {} and listed {}; who is missing there is not known, so run the command again",
            counts.tenant_says.unwrap_or_default(),
            args.domain,
            counts.in_tenant
        )));
    }
    report.verdict(&format!("the people of {} differ", args.domain))
}

/// To the tenant: options of `user set-immutable-id --to graph`.
#[derive(Args, Debug)]
pub struct SendArgs {
    /// Give people of the tenant the ImmutableID that they have here: all of --domain, or UPN.
    #[arg(long, value_enum, conflicts_with_all = ["value", "replace"])]
    pub(super) to: Option<Side>,
    /// With --to: everybody of this domain who has none in the tenant.
    #[arg(long, value_name = "DOMAIN", requires = "to", conflicts_with = "upn")]
    pub(super) domain: Option<DomainName>,
    /// With --to: really do it, without being asked; without a terminal nothing is changed otherwise.
    #[arg(long, value_name = "DOMAIN", requires = "to")]
    pub(super) confirm: Option<DomainName>,
    /// With --to: only say what would be done.
    #[arg(long, requires = "to", conflicts_with = "confirm")]
    pub(super) dry_run: bool,
    /// With --to: print the result as JSON.
    #[arg(long, requires = "to")]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) graph: GraphArgs,
}

/// `user set-immutable-id --to graph`.
pub async fn send(
    args: &SendArgs,
    upn: Option<&Upn>,
    app: &App,
    config: &Config,
    operator: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let domain = match (&args.domain, upn) {
        (Some(domain), _) => domain.clone(),
        (None, Some(upn)) => upn.domain(),
        (None, None) => {
            return Err(Failure::usage(
                "say whose ImmutableID: --domain DOMAIN, or a user principal name",
            ));
        }
    };
    let sending = sending(args, &domain)?;
    let mut report = Report::begin(None, args.json)?;
    let signed_in = graph_sign_in::sign_in(
        &args.graph,
        config,
        domain.as_str(),
        &["User.ReadWrite.All", "Domain.Read.All"],
        &mut io::stderr(),
    )
    .await?;
    let done = app
        .send_immutable_ids(
            &signed_in.graph,
            &domain,
            upn,
            sending,
            operator,
            &mut report,
        )
        .await;
    report.end()?;
    let counts = match done {
        Ok(counts) => counts,
        Err(error) => return Err(stopped(&error, &report, "sent")),
    };
    if let Some(upn) = upn
        && counts.in_tenant == 0
    {
        return Err(Failure::no(format!(
            "the tenant has nobody of the name {upn}; look at the name, and whether this is the right tenant"
        )));
    }
    if args.json {
        let mut value = report.to_json();
        value["domain"] = json!(domain);
        value["counts"] = json!(counts);
        value["dry_run"] = json!(sending == Sending::DryRun);
        writeln!(out, "{value}")?;
    } else {
        let did = match sending {
            Sending::Do => "got it now",
            Sending::DryRun => {
                "would get it; nothing was changed (say --confirm with the domain's name)"
            }
        };
        writeln!(
            out,
            "{domain}: {} had the ImmutableID from here, {} {did}.",
            counts.had, counts.sent
        )?;
        report.without(FindingKind::Sent).in_words(out)?;
    }
    report.verdict("not everybody has the ImmutableID from here in the tenant")
}

/// On a terminal the domain's name is asked for; without one it has to be given.
fn sending(args: &SendArgs, domain: &DomainName) -> Result<Sending, Failure> {
    if let Some(confirmed) = &args.confirm {
        return if confirmed == domain {
            Ok(Sending::Do)
        } else {
            Err(Failure::usage(format!(
                "--confirm says {confirmed}, and this is about {domain}; nothing was changed"
            )))
        };
    }
    if args.dry_run || !io::stdin().is_terminal() {
        return Ok(Sending::DryRun);
    }
    eprint!(
        "People of {domain} who have no ImmutableID in the tenant get theirs from here; once the domain is federated it can hardly be changed.\nType the domain's name to go on: "
    );
    let mut line = String::new();
    io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Failure::usage(format!("the answer could not be read: {error}")))?;
    if line.trim().eq_ignore_ascii_case(domain.as_str()) {
        Ok(Sending::Do)
    } else {
        Err(Failure::no(
            "that is not the domain's name; nothing was changed",
        ))
    }
}

fn stopped(error: &SyncError, report: &Report, what: &str) -> Failure {
    let kind = match what {
        "added" => FindingKind::Added,
        _ => FindingKind::Sent,
    };
    let done = report.count(kind);
    let text = super::chain(error);
    let text = if done == 0 {
        text
    } else {
        format!("{text}; {done} people were {what} before, and a second run goes on from there")
    };
    match error {
        SyncError::App(error) => Failure::of_category(error, text),
        SyncError::NoSuchDomain(_) | SyncError::Unverified(_) | SyncError::Federated(_) => {
            Failure::no(text)
        }
        SyncError::Graph(error) if error.refused().is_some_and(|said| said.status == 403) => {
            Failure::no(text)
        }
        SyncError::Graph(_) | SyncError::Report(_) => Failure::service(text),
    }
}

/// What was found, as much of it as is shown.
struct Report {
    kinds: BTreeMap<FindingKind, (u64, Vec<Finding>)>,
    keep: usize,
    file: Option<csv::Writer<File>>,
    bar: ProgressBar,
}

impl Report {
    fn begin(path: Option<&std::path::Path>, json: bool) -> Result<Self, Failure> {
        let file = path
            .map(|path| {
                let unwritten = |error: &dyn std::fmt::Display| {
                    Failure::usage(format!(
                        "the report {} cannot be made ({error}); name a new file in a folder of yours",
                        path.display()
                    ))
                };
                let file = File::create_new(path).map_err(|error| unwritten(&error))?;
                let mut csv = csv::Writer::from_writer(file);
                csv.write_record(["kind", "upn", "here", "there"])
                    .map_err(|error| unwritten(&error))?;
                Ok::<_, Failure>(csv)
            })
            .transpose()?;
        Ok(Self {
            kinds: BTreeMap::new(),
            keep: if json { SHOWN_IN_JSON } else { SHOWN_IN_WORDS },
            file,
            bar: progress(),
        })
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        if let Some(file) = &mut self.file {
            file.flush()?;
        }
        Ok(())
    }

    fn count(&self, kind: FindingKind) -> u64 {
        self.kinds.get(&kind).map_or(0, |(count, _)| *count)
    }

    fn without(&mut self, kind: FindingKind) -> &Self {
        self.kinds.remove(&kind);
        self
    }

    fn to_json(&self) -> Value {
        let findings: serde_json::Map<String, Value> = self
            .kinds
            .iter()
            .map(|(kind, (count, people))| {
                let value = json!({ "count": count, "people": people });
                (kind.as_str().to_owned(), value)
            })
            .collect();
        json!({ "findings": findings })
    }

    fn in_words(&self, out: &mut dyn Write) -> io::Result<()> {
        for (kind, (count, people)) in &self.kinds {
            writeln!(out, "\n{count} {}:", kind.in_words())?;
            for one in people {
                let side = |name: &str, value: &Option<String>| {
                    value.as_ref().map_or(String::new(), |value| {
                        format!("  {name}: {}", shown(value, 200))
                    })
                };
                writeln!(
                    out,
                    "  {}{}{}",
                    shown(&one.upn, 200),
                    side("here", &one.here),
                    side("there", &one.there)
                )?;
            }
            let more = count.saturating_sub(people.len() as u64);
            if more > 0 {
                writeln!(out, "  … and {more} more")?;
            }
        }
        Ok(())
    }

    fn verdict(&self, differ: &str) -> Result<(), Failure> {
        let differences: u64 = self
            .kinds
            .iter()
            .filter(|(kind, _)| kind.is_difference())
            .map(|(_, (count, _))| count)
            .sum();
        if differences == 0 {
            return Ok(());
        }
        Err(Failure::no(format!(
            "{differ}: {differences} to look at; what to do stands beside each kind above, and each kind is explained in docs/people-sync.md"
        )))
    }
}

impl Told for Report {
    fn finding(&mut self, finding: Finding) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            let cell = |value: &Option<String>| harmless_cell(value.as_deref().unwrap_or_default());
            file.write_record([
                finding.kind.as_str(),
                &harmless_cell(&finding.upn),
                &cell(&finding.here),
                &cell(&finding.there),
            ])?;
        }
        let (count, people) = self.kinds.entry(finding.kind).or_default();
        *count += 1;
        if people.len() < self.keep {
            people.push(finding);
        }
        Ok(())
    }

    fn progress(&mut self, read: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.bar.set_length(total.max(read));
        }
        self.bar.set_position(read);
    }
}

/// A bar on a terminal, nothing in a pipe.
fn progress() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} people, {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
