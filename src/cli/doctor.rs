//! `doctor`: looks at the world and says what is to be mended.

use std::{
    collections::BTreeSet,
    io::{IsTerminal as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use indicatif::ProgressBar;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::{Value, json};

use super::{Failure, environment, open, tls_files, watch};
use crate::{
    app::doctor::{
        Finding, Group, Outcome, Report, catalogue,
        files::{FileLook, Secrecy},
        look::{Reach, Surroundings, TlsLook, examine, sqlite_file},
    },
    base::{clock::SystemClock, random::SystemRandom},
    config::{Config, NamedFile},
    keys::sealing::Sealing,
};

/// Look at the world: files, database, clock, certificates, the public address through every
/// proxy, Entra and the tenant; say what is to be mended. Changes nothing. Run it as the account
/// that `serve` runs as. Exit 0: nothing is to be mended; 1: something is; 3: nothing is, but
/// something could not be looked at.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Look only at what needs no network: files, certificates, the database.
    #[arg(long)]
    offline: bool,
    /// Print {"good": …, "worst": …, "findings": [{"id", "group", "outcome", "about", "sentence", "remedy"}]}.
    #[arg(long)]
    json: bool,
    /// Say what is good, too.
    #[arg(long, short)]
    verbose: bool,
}

/// Looks, and prints what was found.
pub async fn run(
    args: &DoctorArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let reach = if args.offline {
        Reach::Offline
    } else {
        Reach::World
    };
    let report = match Config::load(path, environment()) {
        Ok(config) => {
            let spinner = spinner(args);
            let report = look(&config, path, reach).await?;
            spinner.finish_and_clear();
            report
        }
        Err(problems) => Report::of(
            problems
                .0
                .iter()
                .map(|problem| {
                    catalogue::CONFIGURATION.problem(
                        problem.key.clone(),
                        problem.text.clone(),
                        "correct it; `claimbridge check` says all of it at once",
                    )
                })
                .collect(),
        ),
    };
    if args.json {
        writeln!(out, "{}", as_json(&report))?;
    } else {
        write_text(&report, args, out)?;
    }
    Ok(ExitCode::from(match report.worst() {
        Outcome::Good | Outcome::Note => 0,
        Outcome::Warning | Outcome::Problem => 1,
        Outcome::Unseen => 3,
    }))
}

/// Somebody waits: Entra may take its time. None in a pipe.
fn spinner(args: &DoctorArgs) -> ProgressBar {
    if args.json || args.offline || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message("looking at the world …");
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

async fn look(config: &Config, path: Option<&Path>, reach: Reach) -> Result<Report, Failure> {
    let settings = match open::settings(config) {
        Ok(settings) => settings,
        Err(failure) => {
            return Ok(Report::of(vec![catalogue::CONFIGURATION.problem(
                "entra.metadata_file",
                failure.to_string(),
                "correct it",
            )]));
        }
    };
    let sealing = Sealing::new(&config.master_key);
    let (tenant, no_reader) = match watch::reader(config) {
        Ok(reader) => (reader, None),
        Err(failure) => (None, Some(failure.to_string())),
    };
    let patient = Surroundings {
        settings: &settings,
        metadata_url: config.entra.cloud.metadata_url.as_deref(),
        endpoints: config.entra.endpoints.as_ref(),
        sealing: &sealing,
        database_url: config.database_url.expose(),
        trusted_proxies: &config.policy.trusted_proxies,
        files: looks(config),
        tls: config.tls.as_ref().map(|tls| {
            let used = tls_files::open(config).map_err(|error| super::chain(&error));
            let chain = used.and_then(|_| chain(&tls.certificate_file));
            TlsLook {
                path: tls.certificate_file.clone(),
                chain,
            }
        }),
        tenant: tenant.as_ref(),
        reach,
        clock: &SystemClock,
    };
    let mut report = examine(&patient, &mut SystemRandom).await;
    let shown = path.map_or_else(
        || "the environment".to_owned(),
        |path| path.display().to_string(),
    );
    report.add(match no_reader {
        None => catalogue::CONFIGURATION.good(shown, "It is good"),
        Some(why) => catalogue::CONFIGURATION.problem("graph", why, "correct it"),
    });
    Ok(report)
}

fn chain(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| super::chain(&error));
    Ok(certificates?
        .iter()
        .map(|certificate: &CertificateDer<'_>| certificate.to_vec())
        .collect())
}

/// The files that the configuration names, and those of the database.
fn looks(config: &Config) -> Vec<FileLook> {
    let mut seen = BTreeSet::new();
    let mut looks = Vec::new();
    let mut look = |key: &str, path: &Path, secrecy| {
        if seen.insert(path.to_owned()) {
            looks.push(FileLook::at(key, path, secrecy));
        }
    };
    for NamedFile { key, path } in &config.files {
        look(key, path, secrecy(key, path));
    }
    if let Some(file) = sqlite_file(config.database_url.expose()) {
        // The log has what the file has not yet.
        for suffix in ["", "-wal", "-shm"] {
            let mut path = file.clone().into_os_string();
            path.push(suffix);
            let path = PathBuf::from(path);
            if path.exists() {
                look("database_url", &path, Secrecy::Secret);
            }
        }
    }
    looks
}

fn secrecy(key: &str, path: &Path) -> Secrecy {
    if key == "tls.private_key_file" {
        return Secrecy::Shared;
    }
    let is_secret = ["secret", "master_key", "pin", "database_url", "private_key"]
        .iter()
        .any(|word| key.contains(word));
    if is_secret || (key == "--config" && holds_a_secret(path)) {
        Secrecy::Secret
    } else {
        Secrecy::Public
    }
}

/// Whether the configuration itself has a secret in it: one of its keys, or a password in the
/// database's address.
fn holds_a_secret(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().any(|line| {
        let Some((key, value)) = line.split_once('=') else {
            return false;
        };
        let key = key.trim().rsplit('.').next().unwrap_or_default();
        match key {
            "master_key" | "client_secret" | "webhook_secret" => true,
            "database_url" => value
                .split_once("://")
                .and_then(|(_, rest)| rest.split_once('@'))
                .is_some_and(|(account, _)| account.contains(':')),
            _ => false,
        }
    })
}

fn as_json(report: &Report) -> Value {
    let findings: Vec<Value> = report
        .findings()
        .iter()
        .map(|finding| {
            json!({
                "id": finding.check.id,
                "group": finding.check.group.as_str(),
                "outcome": finding.outcome.as_str(),
                "about": finding.about,
                "sentence": finding.sentence,
                "remedy": finding.remedy,
            })
        })
        .collect();
    let worst = report.worst();
    json!({
        "good": worst <= Outcome::Note,
        "worst": worst.as_str(),
        "findings": findings,
    })
}

fn write_text(report: &Report, args: &DoctorArgs, out: &mut dyn Write) -> Result<(), Failure> {
    for group in Group::ALL {
        let findings: Vec<&Finding> = report.of_group(group).collect();
        let to_say: Vec<&&Finding> = findings
            .iter()
            .filter(|finding| args.verbose || finding.outcome != Outcome::Good)
            .collect();
        let worst = findings.iter().map(|finding| finding.outcome).max();
        let word = match worst {
            None => "not looked at",
            Some(Outcome::Good | Outcome::Note) => "ok",
            Some(Outcome::Unseen) => "could not be looked at",
            Some(Outcome::Warning) => "to be mended soon",
            Some(Outcome::Problem) => "TO BE MENDED",
        };
        writeln!(out, "{:<14} {word}", group.as_str())?;
        for finding in to_say {
            writeln!(
                out,
                "  {:<8} {}  {}: {}.",
                finding.outcome.as_str(),
                finding.check.id,
                finding.about,
                finding.sentence
            )?;
            if !finding.remedy.is_empty() {
                writeln!(out, "           {}.", finding.remedy)?;
            }
        }
    }
    let count = |outcome| {
        let all = report.findings().iter();
        all.filter(|finding| finding.outcome == outcome).count()
    };
    let (problems, warnings, unseen) = (
        count(Outcome::Problem),
        count(Outcome::Warning),
        count(Outcome::Unseen),
    );
    if problems + warnings + unseen == 0 {
        writeln!(out, "\nNothing is to be mended.")?;
    } else {
        writeln!(
            out,
            "\nTo be mended now: {problems}, soon: {warnings}; could not be looked at: {unseen}. `claimbridge explain CB-DOC-…` says why each matters."
        )?;
    }
    Ok(())
}
