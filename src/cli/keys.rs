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
    app::keys::{self, KeyView},
    base::{
        clock::{Clock as _, SystemClock},
        random::SystemRandom,
    },
    config::secret_file,
    keys::{
        KeyPurpose,
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

/// Print the certificate that signs assertions, for Entra's signingCertificate.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// How it is written: `base64` is what Graph wants.
    #[arg(long, value_name = "FORM", default_value = "pem", value_parser = ["pem", "base64"])]
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
    let key = all
        .iter()
        .find(|key| key.purpose == KeyPurpose::Assertion)
        .ok_or_else(|| Failure::no("there is no assertion key; start `claimbridge serve` once"))?;
    let base64 = data_encoding::BASE64.encode(&key.certificate);
    let text = match args.form.as_str() {
        "base64" => format!("{base64}\n"),
        _ => pem(&base64),
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

/// RFC 7468: 64 letters a line.
fn pem(base64: &str) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = base64;
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
