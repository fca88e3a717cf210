//! `evidence`: the bundle for an auditor.
//!
//! Always true: the file is made beside its place under another name and moved there when it is
//! whole; nobody but the present user can read it; none is replaced unless `--force` says so.

use std::{
    fs,
    io::{IsTerminal as _, Read as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{
    Failure,
    evidence_verify::{self, VerifyArgs},
    metadata_file::MetadataFile,
    open, private_file,
};
use crate::{
    app::evidence::{
        Bundle, Sample, Wanted,
        bundle::with_colons,
        live_check::{self, LiveCheck},
        names::Naming,
    },
    base::clock::Timestamp,
    config::parse_duration,
    inspect::MAX_TRACE_BYTES,
};

/// Write a signed bundle for an auditor, or verify one.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "The bundle names people unless --pseudonyms is given, and holds no secret. It makes no token and asks nobody."
)]
pub struct EvidenceArgs {
    #[command(subcommand)]
    about: Option<About>,
    /// Where to write the bundle.
    #[arg(long, value_name = "FILE", required = true)]
    out: Option<PathBuf>,
    /// From when on sign-ins and acts are told: a length such as 90d, or a day such as 2026-10-01.
    #[arg(long, value_name = "WHEN", default_value = "90d", value_parser = parse_since)]
    since: Since,
    /// Put pseudonyms in the place of people and operators; `evidence who` resolves them.
    #[arg(long)]
    pseudonyms: bool,
    /// The result of `inspect live --json`, to be told as handed in.
    #[arg(long, value_name = "FILE")]
    live_check: Option<PathBuf>,
    /// A message or token to be judged; its redacted report goes in. Several are allowed.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    sample: Vec<PathBuf>,
    /// The instant at which samples are judged [default: now].
    #[arg(long, value_name = "TIME", value_parser = parse_instant, requires = "sample")]
    sample_at: Option<Timestamp>,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
    /// Print what was made as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum About {
    Verify(VerifyArgs),
    /// Say who stands behind a pseudonym of a bundle of this server.
    Who {
        /// As the bundle has it: person-….
        pseudonym: String,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// From when on.
#[derive(Clone, Copy, Debug)]
enum Since {
    Ago(Duration),
    At(Timestamp),
}

/// The report names each week, so the period has an end.
const LONGEST: Duration = Duration::from_hours(10 * 366 * 24);

fn parse_since(text: &str) -> Result<Since, String> {
    let day = || Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z"));
    if let Some(at) = Timestamp::parse_rfc3339(text).or_else(day) {
        return Ok(Since::At(at));
    }
    parse_duration(text)
        .map(Since::Ago)
        .ok_or_else(|| "write a length such as 90d, or a day such as 2026-10-01".to_owned())
}

fn parse_instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text)
        .ok_or_else(|| "write it like 2026-11-20T10:00:00Z, with its zone".to_owned())
}

/// Runs the command. `is_named`: somebody said which configuration.
pub async fn run(
    args: EvidenceArgs,
    path: Option<&Path>,
    is_named: bool,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    match &args.about {
        Some(About::Verify(verify)) => evidence_verify::run(verify, path, is_named, out).await,
        Some(About::Who { pseudonym, json }) => who(pseudonym, *json, path, out).await,
        None => make(&args, path, out).await,
    }
}

async fn who(
    pseudonym: &str,
    as_json: bool,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let app = open::app(&open::config(path)?).await?;
    let Some(user) = app.person_of_pseudonym(pseudonym).await? else {
        return Err(Failure::no(format!(
            "nobody here is {pseudonym}; pseudonyms change with the master key and with a new user principal name"
        )));
    };
    if as_json {
        writeln!(
            out,
            "{}",
            json!({"upn": user.upn, "name": user.display_name})
        )?;
    } else {
        writeln!(out, "{}\t{}", user.upn, user.display_name)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn make(
    args: &EvidenceArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let Some(file) = &args.out else {
        return Err(Failure::usage("say where to write the bundle: --out FILE"));
    };
    // Before any work; the end looks again.
    if !args.force && fs::symlink_metadata(file).is_ok() {
        return Err(is_there(file));
    }
    let live_check = args
        .live_check
        .as_deref()
        .map(read_live_check)
        .transpose()?;
    let samples = args
        .sample
        .iter()
        .map(|path| {
            Ok(Sample {
                name: path.display().to_string(),
                bytes: read(path, MAX_TRACE_BYTES)?,
                at: args.sample_at,
            })
        })
        .collect::<Result<Vec<Sample>, Failure>>()?;
    let config = open::config(path)?;
    let app = open::app(&config).await?;
    // What a model is told to be decides whose keys count.
    if let Some(mut metadata) = MetadataFile::of(&config.policy.webauthn) {
        metadata.load_first(&app).await?;
    }
    let since = match args.since {
        Since::Ago(length) => app.now().minus(length),
        Since::At(at) => at,
    };
    if since > app.now() {
        return Err(Failure::usage(
            "--since lies in the future; name an earlier day",
        ));
    }
    if since < app.now().minus(LONGEST) {
        return Err(Failure::usage(
            "--since goes back more than ten years; name a later day",
        ));
    }
    let wanted = Wanted {
        since,
        naming: if args.pseudonyms {
            Naming::Pseudonyms
        } else {
            Naming::Names
        },
        configuration: config.redacted(),
        live_check,
        samples,
    };
    let bar = progress();
    let made = app
        .make_evidence(wanted, &|people| {
            bar.set_position(u64::try_from(people).unwrap_or(u64::MAX));
        })
        .await;
    bar.finish_and_clear();
    let bundle = made?;
    write_file(file, &bundle.archive, args.force)?;
    tell(args, file, &bundle, since, out)?;
    Ok(ExitCode::SUCCESS)
}

fn tell(
    args: &EvidenceArgs,
    file: &Path,
    bundle: &Bundle,
    since: Timestamp,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if args.json {
        let told = json!({
            "file": file.display().to_string(), "files": bundle.files,
            "bytes": bundle.archive.len(), "since": since,
            "pseudonyms": args.pseudonyms, "fingerprint": bundle.fingerprint,
        });
        writeln!(out, "{told}")?;
        return Ok(());
    }
    writeln!(
        out,
        "{}: {} files, {} bytes. report.html in it is for people.",
        file.display(),
        bundle.files,
        bundle.archive.len()
    )?;
    writeln!(
        out,
        "Signed with the audit key. Tell the auditor its fingerprint by another way than this file:\n{}",
        with_colons(&bundle.fingerprint)
    )?;
    if !args.pseudonyms {
        writeln!(out, "It names people: keep it as you keep a list of staff.")?;
    }
    Ok(())
}

fn is_there(file: &Path) -> Failure {
    Failure::usage(format!(
        "{} is there already; name another file, or say --force",
        file.display()
    ))
}

fn read_live_check(path: &Path) -> Result<LiveCheck, Failure> {
    LiveCheck::parse(&read(path, live_check::MAX_BYTES)?)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// At most `limit` bytes of a file; one more tells that it is too long.
pub(super) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))?;
    if bytes.len() > limit {
        return Err(Failure::usage(format!(
            "{} is longer than {limit} bytes, which is the most that is read; give another file",
            path.display()
        )));
    }
    Ok(bytes)
}

/// Whole or not at all: a crash leaves the former file, or none.
fn write_file(file: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
    let mut name = std::ffi::OsString::from(".");
    name.push(
        file.file_name()
            .ok_or_else(|| Failure::usage(format!("{} names no file; name one", file.display())))?,
    );
    name.push(format!(".{}.part", std::process::id()));
    let part = file.with_file_name(name);
    let mut opened = private_file::create(&part)?;
    let written = opened.write_all(bytes).and_then(|()| opened.sync_all());
    let moved = written.and_then(|()| {
        if force {
            fs::rename(&part, file)
        } else {
            // A link never replaces what is there, whoever put it there meanwhile.
            match fs::hard_link(&part, file) {
                Ok(()) => fs::remove_file(&part),
                // Some file systems have no links.
                Err(_) if fs::symlink_metadata(file).is_err() => fs::rename(&part, file),
                Err(error) => Err(error),
            }
        }
    });
    if let Err(error) = moved {
        let _ = fs::remove_file(&part);
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return Err(is_there(file));
        }
        return Err(Failure::service(format!(
            "{} could not be written ({error}); choose another folder",
            file.display()
        )));
    }
    Ok(())
}

/// On a terminal, how many people were looked at.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} people, {per_sec}");
    ProgressBar::new_spinner()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
