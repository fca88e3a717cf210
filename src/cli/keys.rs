//! `keys`: signing keys, their certificates, and a new master key.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Failure,
    keys_rollover::{self, ActivateArgs, CreateArgs, RetireArgs, StageArgs},
    open, operator,
};
use crate::{
    app::{
        App,
        evidence::bundle::{pem, with_colons},
        keys::{self, KeyView, rollover::Step},
    },
    base::{
        clock::{Clock as _, SystemClock},
        ids::KeyId,
        random::SystemRandom,
    },
    config::secret_file,
    keys::{
        KeyPurpose,
        certificate::Certificate,
        rollover::Obstacle,
        sealing::{MasterKey, Sealing},
        state::{Held, KeyState},
    },
};

/// Signing keys, their certificates, and a new master key.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    List(ListArgs),
    Create(CreateArgs),
    Stage(StageArgs),
    Activate(ActivateArgs),
    Retire(RetireArgs),
    ExportCertificate(ExportArgs),
    Rewrap(RewrapArgs),
}

/// List the signing keys: how far each is, who was seen to know it, and what comes next.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

/// Print the certificate that signs assertions, for Entra's signingCertificate; that of another
/// key; or that of the key that signs evidence, for an auditor.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// Which key, by its id; without it the active one of the purpose.
    #[arg(long, value_name = "ID", conflicts_with = "purpose")]
    key: Option<KeyId>,
    /// What the key is for.
    #[arg(long, value_name = "PURPOSE", default_value = "assertion", value_parser = ["assertion", "oidc", "audit"])]
    purpose: String,
    /// How it is written: `base64` is what Graph wants, `fingerprint` what is read out to an auditor.
    #[arg(long, value_name = "FORM", default_value = "pem", value_parser = ["pem", "base64", "fingerprint"])]
    form: String,
    /// Write it to this file instead.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Seal everything under a new master key. Stop all servers first.
#[derive(Args, Debug)]
pub struct RewrapArgs {
    /// The file with the new master key (64 hexadecimal digits, readable by you only).
    #[arg(long, value_name = "FILE")]
    new_master_key_file: PathBuf,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(
    command: KeysCommand,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let config = open::config(path)?;
    match command {
        KeysCommand::List(args) => {
            let app = open::app(&config).await?;
            list(&args, &app, out).await
        }
        KeysCommand::Create(args) => keys_rollover::create(&args, path, out).await,
        KeysCommand::Stage(args) => keys_rollover::stage(&args, path, out).await,
        KeysCommand::Activate(args) => keys_rollover::activate(&args, path, out).await,
        KeysCommand::Retire(args) => keys_rollover::retire(&args, path, out).await,
        KeysCommand::ExportCertificate(args) => {
            let app = open::app(&config).await?;
            export(&args, &app.keys().await?, out)
        }
        KeysCommand::Rewrap(args) => {
            let new = new_master_key(&args.new_master_key_file)?;
            let store = open::store(&config).await?;
            let done = keys::rewrap(
                &store,
                &Sealing::new(&config.master_key),
                &Sealing::new(&new),
                &operator::name(),
                SystemClock.now(),
                &mut SystemRandom,
            )
            .await?;
            if args.json {
                let done = json!({
                    "users": done.users, "passwords": done.passwords,
                    "totp": done.totp, "tokens": done.tokens, "keys": done.keys,
                });
                writeln!(out, "{done}")?;
            } else {
                writeln!(
                    out,
                    "Sealed anew: {} people, {} passwords, {} TOTP secrets, {} hardware tokens, {} signing keys. Sessions, open sign-ins and passes ended.",
                    done.users, done.passwords, done.totp, done.tokens, done.keys
                )?;
                writeln!(
                    out,
                    "Now let master_key_file name {} on every server, back it up, and start them.",
                    args.new_master_key_file.display()
                )?;
            }
            Ok(())
        }
    }
}

fn new_master_key(path: &Path) -> Result<MasterKey, Failure> {
    let text = secret_file(path).map_err(Failure::usage)?;
    MasterKey::parse(text.expose())
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

async fn list(args: &ListArgs, app: &App, out: &mut dyn Write) -> Result<(), Failure> {
    let all = app.keys().await?;
    let mut entries = Vec::new();
    for key in &all {
        let next = match key.state {
            Some(KeyState::Prepared) => Some((Step::Stage, "stage")),
            Some(KeyState::Staged) => Some((Step::Activate, "activate")),
            Some(KeyState::Retiring) => Some((Step::Retire, "retire")),
            Some(KeyState::Active | KeyState::Retired) | None => None,
        };
        let next = match next {
            None => None,
            Some((step, verb)) => Some((verb, app.obstacles_of(step, &key.id).await?)),
        };
        entries.push((key, next));
    }
    if args.json {
        let list: Vec<Value> = entries
            .iter()
            .map(|(key, next)| entry(key, next.as_ref()))
            .collect();
        writeln!(out, "{}", Value::Array(list))?;
        return Ok(());
    }
    if !all.iter().any(|key| key.purpose == KeyPurpose::Assertion) {
        writeln!(
            out,
            "The assertion keys are missing: there were some. Nothing is signed. Restore the newest backup; without one, `claimbridge keys stage --force` and `keys activate --force` begin anew, and every tenant and relying party needs the new certificate."
        )?;
    }
    for (key, next) in entries {
        let state = key.state.map_or("ALTERED", KeyState::as_str);
        writeln!(
            out,
            "{}\t{}\t{state}\tsince {}\t{}",
            key.id,
            key.purpose,
            key.since.to_words(),
            key.custody
        )?;
        if key.state.is_none() {
            writeln!(
                out,
                "\tAltered outside claimbridge, put back from an older copy, or one beside it taken away; it is not used. Restore the newest backup."
            )?;
        }
        if !matches!(key.state, Some(KeyState::Active | KeyState::Retired)) {
            for (party, held) in &key.seen {
                let line = match held {
                    Held::Since { first, last } => format!(
                        "known to {party} since {}, looked {}",
                        first.to_words(),
                        last.to_words()
                    ),
                    Held::MissingAt(at) => {
                        format!("not known to {party}, looked {}", at.to_words())
                    }
                    Held::Unknown => continue,
                };
                writeln!(out, "\t{line}")?;
            }
        }
        match next {
            Some((verb, obstacles)) if obstacles.is_empty() => {
                writeln!(out, "\tnext: claimbridge keys {verb} --key {}", key.id)?;
            }
            Some((verb, obstacles)) => {
                for obstacle in obstacles {
                    writeln!(
                        out,
                        "\tbefore `keys {verb}`: {} {}",
                        obstacle.why, obstacle.first
                    )?;
                }
            }
            None => {}
        }
    }
    Ok(())
}

fn entry(key: &KeyView, next: Option<&(&str, Vec<Obstacle>)>) -> Value {
    let seen: Vec<Value> = key
        .seen
        .iter()
        .map(|(party, held)| {
            let (seen, at) = match held {
                Held::Since { last, .. } => ("held", Some(last)),
                Held::MissingAt(at) => ("missing", Some(at)),
                Held::Unknown => ("unknown", None),
            };
            json!({
                "party": party, "seen": seen,
                "at": at.map(|at| at.to_rfc3339()),
            })
        })
        .collect();
    json!({
        "id": key.id, "purpose": key.purpose,
        "state": key.state.map_or("altered", KeyState::as_str),
        "since": key.since.to_rfc3339(),
        "custody": key.custody,
        "created_at": key.created_at.to_rfc3339(),
        "fingerprint": fingerprint(key),
        "certificate": data_encoding::BASE64.encode(&key.certificate),
        "seen_by": seen,
        "next": next.map(|(verb, obstacles)| json!({
            "step": verb,
            "obstacles": obstacles.iter().map(keys_rollover::obstacle_in_json).collect::<Vec<_>>(),
        })),
    })
}

fn export(args: &ExportArgs, all: &[KeyView], out: &mut dyn Write) -> Result<(), Failure> {
    let purpose = KeyPurpose::parse(&args.purpose);
    let key = all
        .iter()
        // A row that was altered is nobody's certificate.
        .filter(|key| key.state.is_some())
        .find(|key| match &args.key {
            Some(id) => key.id == *id,
            None => Some(key.purpose) == purpose && key.state == Some(KeyState::Active),
        })
        .ok_or_else(|| {
            if let Some(id) = &args.key {
                return Failure::no(format!(
                    "there is no key {id}, or its row was altered; see `claimbridge keys list`"
                ));
            }
            Failure::no(match purpose {
                Some(KeyPurpose::Audit) => {
                    "there is no audit key yet; it is made by the first `claimbridge evidence --out FILE`"
                }
                Some(KeyPurpose::Oidc) => {
                    "no oidc key is active; make one with `claimbridge keys stage --purpose oidc`"
                }
                _ => "there is no assertion key; start `claimbridge serve` once",
            })
        })?;
    let text = match args.form.as_str() {
        "base64" => format!("{}\n", data_encoding::BASE64.encode(&key.certificate)),
        "fingerprint" => format!("{}\n", with_colons(&fingerprint(key).unwrap_or_default())),
        _ => pem(&key.certificate),
    };
    match &args.out {
        None => out.write_all(text.as_bytes())?,
        Some(path) => fs::write(path, text).map_err(|error| {
            Failure::usage(format!(
                "{} cannot be written ({error}); choose another file",
                path.display()
            ))
        })?,
    }
    Ok(())
}

/// SHA-256 of the certificate, upper-case hexadecimal digits.
pub(super) fn fingerprint(key: &KeyView) -> Option<String> {
    Certificate::read(&key.certificate)
        .ok()
        .map(|read| read.fingerprint())
}
