//! The command line, one file per command.
//!
//! Always true (interfaces.md): exit 0 done, 1 the answer is "no", 2 wrong usage or
//! unreadable input, 3 a service failed; an error is one sentence plus the remedy on
//! standard error; `--json` wherever a program may read the answer.

mod check;
mod demo;
mod doctor;
mod domain;
mod domain_apply;
mod domain_aside;
mod domain_desk;
mod domain_managed;
mod domain_plan;
mod domain_rollback;
mod domain_verify;
mod domain_words;
mod evidence;
mod evidence_verify;
mod explain;
mod external_mfa;
mod external_mfa_link;
mod external_mfa_plan;
mod external_mfa_verify;
mod failure;
mod graph_sign_in;
mod health;
mod init;
/// `inspect`: the token inspector.
pub mod inspect;
mod inspect_fetch;
mod inspect_given;
mod inspect_live;
mod inspect_output;
mod inspect_serve;
mod keys;
mod keys_rollover;
mod metadata_file;
mod migrate;
mod oath;
mod oath_export;
mod oath_import;
mod oath_list;
mod oath_source;
mod open;
mod operator;
mod practice;
mod private_file;
mod relying_party;
mod serve;
mod slip;
mod start;
mod tls_files;
mod user;
mod user_app_password;
mod user_group;
mod user_import;
mod user_list;
mod user_pass;
mod user_sync;
mod watch;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    base::{
        clock::{Clock, SystemClock},
        random::SystemRandom,
    },
    config::CONFIG_VARIABLE,
};
use failure::Failure;

/// An identity provider that a Microsoft partner federates with Entra ID: security keys,
/// hardware tokens and programs at the desk, and an MFA claim that is computed from proofs.
#[derive(Debug, Parser)]
#[command(name = "claimbridge", version, arg_required_else_help = true)]
struct Cli {
    /// The configuration file [default: $CLAIMBRIDGE_CONFIG, ./claimbridge.toml, /etc/claimbridge/claimbridge.toml].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

// In the order in which an operator meets them; `--help` keeps it.
#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Practice(practice::PracticeArgs),
    Init(init::InitArgs),
    Check(check::CheckArgs),
    Doctor(doctor::DoctorArgs),
    Migrate(migrate::MigrateArgs),
    Serve(serve::ServeArgs),
    Health(health::HealthArgs),
    #[command(subcommand)]
    User(Box<user::UserCommand>),
    #[command(subcommand)]
    Oath(oath::OathCommand),
    #[command(subcommand)]
    Domain(domain::DomainCommand),
    #[command(subcommand)]
    ExternalMfa(external_mfa::ExternalMfaCommand),
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    #[command(subcommand)]
    RelyingParty(relying_party::RelyingPartyCommand),
    Explain(explain::ExplainArgs),
    Inspect(Box<inspect::InspectArgs>),
    Evidence(Box<evidence::EvidenceArgs>),
}

/// Parses the arguments, runs the command, returns the exit code of interfaces.md.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = io::stdout().lock();
    match run(cli, &mut out) {
        Ok(code) => code,
        Err(failure) => {
            // A reader that went away gets no more words.
            let _ = out.flush();
            let _ = writeln!(io::stderr(), "claimbridge: {failure}");
            ExitCode::from(failure.exit())
        }
    }
}

fn run(cli: Cli, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let named = cli.config;
    match cli.command {
        Command::Demo(args) => {
            in_runtime(demo::run(args, named.as_deref(), out))?;
        }
        Command::Practice(args) => {
            in_runtime(practice::run(args, out))?;
        }
        Command::Init(args) => {
            let path = named.unwrap_or_else(|| PathBuf::from("claimbridge.toml"));
            init::run(&args, &path, &mut SystemRandom, out)?;
        }
        Command::Check(args) => {
            check::run(&args, config_path(named).as_deref(), environment(), out)?;
        }
        Command::Doctor(args) => {
            return in_runtime(doctor::run(&args, config_path(named).as_deref(), out));
        }
        Command::Migrate(args) => {
            wait_for(migrate::run(&args, config_path(named).as_deref(), out))?;
        }
        Command::Serve(args) => {
            let path = config_path(named);
            in_runtime(serve::run(&args, path.as_deref(), out))?;
        }
        Command::Health(args) => {
            health::run(&args, config_path(named).as_deref(), out)?;
        }
        Command::User(command) => {
            wait_for(user::run(*command, config_path(named).as_deref(), out))?;
        }
        Command::Oath(command) => {
            wait_for(oath::run(command, config_path(named).as_deref(), out))?;
        }
        Command::Domain(command) => {
            let path = config_path(named);
            return in_runtime(domain::run(command, path.as_deref(), out));
        }
        Command::ExternalMfa(command) => {
            let path = config_path(named);
            return in_runtime(external_mfa::run(command, path.as_deref(), out));
        }
        Command::Keys(command) => {
            wait_for(keys::run(command, config_path(named).as_deref(), out))?;
        }
        Command::RelyingParty(command) => {
            let path = config_path(named);
            wait_for(relying_party::run(command, path.as_deref(), out))?;
        }
        Command::Explain(args) => {
            wait_for(explain::run(&args, config_path(named).as_deref(), out))?;
        }
        Command::Evidence(args) => {
            let is_named = named.is_some() || std::env::var_os(CONFIG_VARIABLE).is_some();
            let path = config_path(named);
            return in_runtime(evidence::run(*args, path.as_deref(), is_named, out));
        }
        Command::Inspect(args) => {
            let now = SystemClock.now();
            if let Some(live) = args.live() {
                return in_runtime(inspect_live::run(live, out, &mut io::stderr()));
            }
            if let Some(address) = args.serve {
                in_runtime(inspect_serve::run(address, out))?;
                return Ok(ExitCode::SUCCESS);
            }
            let mut args = args;
            let unread = match args.address() {
                None => None,
                Some(address) => in_runtime(inspect_fetch::run(&mut args, address, now))?,
            };
            let local = local_for(&args, named)?;
            let code = inspect::run(&args, local.as_ref(), now, out, &mut io::stderr());
            return match unread {
                None => Ok(code),
                Some(failure) => Err(failure),
            };
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The local configuration for the inspector. A named one must be readable; of one that
/// merely lies there a sentence says why it was not.
fn local_for(
    args: &inspect::InspectArgs,
    named: Option<PathBuf>,
) -> Result<Option<inspect_given::Local>, Failure> {
    if !args.wants_local() {
        return Ok(None);
    }
    let is_named = named.is_some() || std::env::var_os(CONFIG_VARIABLE).is_some();
    let Some(path) = config_path(named) else {
        return Ok(None);
    };
    let read = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::service(format!("the async runtime did not start: {error}")))?
        .block_on(inspect_given::local(&path));
    match read {
        Ok(local) => Ok(Some(local)),
        Err(failure) if is_named => Err(failure),
        Err(failure) => {
            let _ = writeln!(
                io::stderr(),
                "claimbridge inspect: nothing is taken from {}: {failure}",
                path.display()
            );
            Ok(None)
        }
    }
}

/// Runs what waits for sockets or the database.
fn in_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::service(format!("no threads could be started: {error}")))?
        .block_on(work)
}

/// Runs a command that talks to the database; it needs no second thread.
fn wait_for(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::service(format!("the async runtime did not start: {error}")))?
        .block_on(command)
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The named file, else the first of the usual places that has one; none is fine
/// where the environment says everything.
fn config_path(named: Option<PathBuf>) -> Option<PathBuf> {
    let usual = ["claimbridge.toml", "/etc/claimbridge/claimbridge.toml"];
    named
        .or_else(|| std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from))
        .or_else(|| {
            usual
                .into_iter()
                .map(PathBuf::from)
                .find(|path| Path::exists(path))
        })
}

/// The environment; what is no text is no value of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
