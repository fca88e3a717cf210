//! `keys`: signing keys, their certificates, and a new master key.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Failure, open, operator};
use crate::{
    app::{
        evidence::bundle::{pem, with_colons},
        keys::{self, KeyView},
    },
    base::{
        clock::{Clock as _, SystemClock},
        random::SystemRandom,
    },
    config::secret_file,
    keys::{
        KeyPurpose,
        certificate::Certificate,
        sealing::{MasterKey, Sealing},
    },
};

/// Signing keys, their certificates, and a new master key.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    List(ListArgs),
    ExportCertificate(ExportArgs),
    Rewrap(RewrapArgs),
}

/// List the signing keys.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

/// Print the certificate that signs assertions, for Entra's signingCertificate; or that of the
/// key that signs evidence, for an auditor.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// Which key.
    #[arg(long, value_name = "PURPOSE", default_value = "assertion", value_parser = ["assertion", "audit"])]
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
            list(&args, &keys::list(app.store()).await?, out)
        }
        KeysCommand::ExportCertificate(args) => {
            let app = open::app(&config).await?;
            export(&args, &keys::list(app.store()).await?, out)
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

fn list(args: &ListArgs, all: &[KeyView], out: &mut dyn Write) -> Result<(), Failure> {
    if args.json {
        let list: Vec<Value> = all
            .iter()
            .map(|key| {
                json!({
                    "id": key.id, "purpose": key.purpose,
                    "created_at": key.created_at.to_rfc3339(),
                    "fingerprint": fingerprint(key),
                    "certificate": data_encoding::BASE64.encode(&key.certificate),
                })
            })
            .collect();
        writeln!(out, "{}", Value::Array(list))?;
    } else {
        for key in all {
            writeln!(out, "{}\t{}\t{}", key.id, key.purpose, key.created_at)?;
        }
    }
    Ok(())
}

fn export(args: &ExportArgs, all: &[KeyView], out: &mut dyn Write) -> Result<(), Failure> {
    let purpose = KeyPurpose::parse(&args.purpose);
    let key = all
        .iter()
        .find(|key| Some(key.purpose) == purpose)
        .ok_or_else(|| {
            Failure::no(match purpose {
                Some(KeyPurpose::Audit) => {
                    "there is no audit key yet; it is made by the first `claimbridge evidence --out FILE`"
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
fn fingerprint(key: &KeyView) -> Option<String> {
    Certificate::read(&key.certificate)
        .ok()
        .map(|read| read.fingerprint())
}
