//! `oath import`: files of tokens.
//!
//! Always true: a file with bad rows changes nothing unless `--partial`; each bad row
//! stands in `Failures_<file>.csv` with its line and reason, and no secret does.

use std::{
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::{Value, json};

use super::{Failure, oath_source::Source, private_file};
use crate::{
    app::{
        App,
        oath_tokens::{
            PskcKey,
            import::{Assigning, FailedRow, ImportOptions, Imported, Judged, Mode},
        },
    },
    base::{secret::Secret, text::harmless_cell},
    config::secret_file,
    directory::{
        OathAlgorithm,
        oath_import::{Defaults, TokenFormat},
        oath_token::SecretEncoding,
    },
};

/// Read tokens into the inventory: Entra's CSV, PSKC (RFC 6030), the CSV of Token2, Feitian,
/// Duo and privacyIDEA.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct ImportArgs {
    /// The file; - is standard input.
    file: PathBuf,
    /// Hand each token to the person whom its row names.
    #[arg(long)]
    assign: bool,
    /// Show what would happen, row by row, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Take the good rows although others are bad.
    #[arg(long, conflicts_with = "dry_run")]
    partial: bool,
    /// Print {"imported", "failed": [{"line", "reason"}], …}.
    #[arg(long)]
    json: bool,
    /// Do not recognise the format: entra, columns, privacyidea, duo, serial-and-secret, pskc.
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Option<TokenFormat>,
    /// Do not recognise how secrets are written: hex, base32, base64.
    #[arg(long, value_name = "ENCODING", value_parser = encoding)]
    secret_encoding: Option<SecretEncoding>,
    /// Seconds a code lives, where no row says it: 30 or 60 [default: 30].
    #[arg(long, value_name = "SECONDS", value_parser = period)]
    period: Option<u16>,
    /// Digits of a code, where no row says it: 6 or 8 [default: 6].
    #[arg(long, value_parser = digits)]
    digits: Option<u8>,
    /// Hash of a code, where no row says it: SHA1, SHA256, SHA512 [default: SHA1].
    #[arg(long, value_parser = algorithm)]
    algorithm: Option<OathAlgorithm>,
    /// Who made the tokens, where no row says it.
    #[arg(long, default_value = "", hide_default_value = true)]
    manufacturer: String,
    /// Which model they are, where no row says it.
    #[arg(long, default_value = "", hide_default_value = true)]
    model: String,
    /// A file with the pre-shared key of an encrypted PSKC file, in hex.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    key_file: Option<PathBuf>,
    /// A file with the passphrase of an encrypted PSKC file, one line.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Where bad rows are written [default: Failures_<file>.csv beside the file].
    #[arg(long, value_name = "FILE")]
    failures: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(
    args: &ImportArgs,
    app: &App,
    operator: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mode = if args.dry_run {
        Mode::DryRun
    } else if args.partial {
        Mode::GoodRows
    } else {
        Mode::Whole
    };
    let options = ImportOptions {
        defaults: Defaults {
            format: args.format,
            encoding: args.secret_encoding,
            period: args.period,
            digits: args.digits,
            algorithm: args.algorithm,
            manufacturer: args.manufacturer.clone(),
            model: args.model.clone(),
        },
        key: key(args)?,
        assigning: if args.assign {
            Assigning::AsTheFileSays
        } else {
            Assigning::No
        },
        mode,
        operator,
    };
    let source = Source::find(&args.file)?;
    let bar = source.progress(mode);
    let open = || source.open(&bar);
    let mut written = if args.dry_run && !args.json {
        out.write_all(TABLE_HEAD.as_bytes())
    } else {
        Ok(())
    };
    let imported = app
        .import_oath_tokens(&open, &options, &mut |row| {
            if args.dry_run && !args.json && written.is_ok() {
                written = out.write_all(table_line(row).as_bytes());
            }
        })
        .await?;
    bar.finish_and_clear();
    written?;
    if !args.dry_run && !imported.failed.is_empty() {
        write_failures(args, &imported.failed);
    }
    report(args, imported, out)
}

const TABLE_HEAD: &str = "  line  serial number         model             codes         secret          what would happen\n";

fn table_line(row: &Judged<'_>) -> String {
    let (serial, model, codes, secret) = match row.token {
        None => ("", "", String::new(), String::new()),
        Some(token) => {
            let parameters = token.parameters;
            (
                token.serial.as_str(),
                token.model.as_str(),
                format!(
                    "{} {} {}s",
                    parameters.algorithm.as_str(),
                    parameters.digits,
                    parameters.period
                ),
                format!("{} {} bit", token.seed.encoding, token.seed.bits()),
            )
        }
    };
    let what = match (row.refused, row.to) {
        (Some(reason), _) => format!("not taken: {reason}"),
        (None, Some(upn)) => format!("handed to {upn}"),
        (None, None) => "into stock".to_owned(),
    };
    format!(
        "{:>6}  {serial:<20}  {model:<16}  {codes:<12}  {secret:<14}  {what}\n",
        row.line
    )
}

fn report(args: &ImportArgs, imported: Imported, out: &mut dyn Write) -> Result<(), Failure> {
    if args.json {
        writeln!(out, "{}", imported_json(args, &imported))?;
    } else {
        notes(args, &imported, out)?;
    }
    let Imported {
        good,
        imported: count,
        failed,
        stopped,
        ..
    } = imported;
    if let Some(error) = stopped {
        let why = Failure::from(error);
        return Err(Failure::service(format!(
            "stopped after {count} were imported; when the cause is gone, import the file again with --partial, which leaves out those that are there: {why}"
        )));
    }
    if failed.is_empty() {
        return Ok(());
    }
    let rows = match failed.len() {
        1 => "1 row is bad".to_owned(),
        many => format!("{many} rows are bad"),
    };
    let lines = lines(&failed);
    if args.partial {
        // As it was asked for.
        writeln!(io::stderr(), "claimbridge: {rows}\n{lines}").ok();
        return Ok(());
    }
    let what = if args.dry_run {
        format!("{good} would be imported with --partial; {rows}, so without it nothing would be")
    } else {
        format!("nothing was imported because {rows}; correct the file, or say --partial")
    };
    Err(Failure::no(format!("{what}\n{lines}")))
}

/// The first bad rows, for a person.
fn lines(failed: &[FailedRow]) -> String {
    const SHOWN: usize = 20;
    let mut lines: Vec<String> = failed
        .iter()
        .take(SHOWN)
        .map(|row| format!("line {}: {}", row.line, row.reason))
        .collect();
    if failed.len() > SHOWN {
        lines.push(format!("… and {} more", failed.len() - SHOWN));
    }
    lines.join("\n")
}

fn notes(args: &ImportArgs, imported: &Imported, out: &mut dyn Write) -> Result<(), Failure> {
    let taken: Vec<String> = imported
        .encodings
        .iter()
        .map(|(encoding, count)| format!("{count} as {encoding}"))
        .collect();
    if args.dry_run {
        writeln!(out, "Read as {}.", imported.format)?;
    } else if imported.imported > 0 {
        write!(out, "Imported {}", imported.imported)?;
        if args.assign {
            write!(out, ", {} of them handed to people", imported.assigned)?;
        }
        writeln!(out, ". Read as {}.", imported.format)?;
    }
    if !taken.is_empty() {
        writeln!(out, "Secrets were read {}.", taken.join(", "))?;
    }
    if imported.encodings.len() > 1 {
        writeln!(
            out,
            "A file has one way of writing secrets, as a rule: look whether these are right, or say --secret-encoding."
        )?;
    }
    for (warning, count) in &imported.warnings {
        writeln!(out, "Note for {count}: {warning}.")?;
    }
    if !imported.unused_columns.is_empty() {
        let names: Vec<String> = imported
            .unused_columns
            .iter()
            .map(|name| format!("{name:?}"))
            .collect();
        writeln!(out, "Columns that were not used: {}.", names.join(", "))?;
    }
    Ok(())
}

fn imported_json(args: &ImportArgs, imported: &Imported) -> Value {
    let failed: Vec<Value> = imported
        .failed
        .iter()
        .map(|row| json!({"line": row.line, "reason": row.reason}))
        .collect();
    let encodings: serde_json::Map<String, Value> = imported
        .encodings
        .iter()
        .map(|(encoding, count)| (encoding.to_string(), json!(count)))
        .collect();
    let warnings: Vec<Value> = imported
        .warnings
        .iter()
        .map(|(warning, count)| json!({"warning": warning.to_string(), "tokens": count}))
        .collect();
    let mut value = json!({
        "imported": imported.imported,
        "assigned": imported.assigned,
        "failed": failed,
        "format": imported.format.as_str(),
        "secret_encodings": encodings,
        "warnings": warnings,
        "unused_columns": imported.unused_columns,
    });
    if args.dry_run {
        value["dry_run"] = json!(true);
        value["would_import"] = json!(imported.good);
    }
    value
}

/// The bad rows, as Entra names the file. That it cannot be written fails nothing: the
/// rows are said on standard error too.
fn write_failures(args: &ImportArgs, failed: &[FailedRow]) {
    let Some(path) = failures_path(args) else {
        return;
    };
    let said = match try_write_failures(&path, failed) {
        Ok(()) => format!("the bad rows stand in {}", path.display()),
        Err(error) => format!(
            "{} could not be written ({error}); the bad rows stand in no file: take that one away, or name another with --failures",
            path.display()
        ),
    };
    writeln!(io::stderr(), "claimbridge: {said}").ok();
}

fn try_write_failures(path: &Path, failed: &[FailedRow]) -> Result<(), csv::Error> {
    replace_former(path)?;
    let mut csv = csv::Writer::from_writer(private_file::create_new(path)?);
    csv.write_record(["line", "reason"])?;
    for row in failed {
        csv.write_record([row.line.to_string(), harmless_cell(&row.reason)])?;
    }
    csv.flush()?;
    Ok(())
}

/// Takes away the list of a former import, which may be replaced, and nothing else: the
/// name is easy to guess, and whoever may write into the folder could have put a file or a
/// link there, to whatever this user may write.
fn replace_former(path: &Path) -> io::Result<()> {
    use std::io::BufRead as _;

    let former = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(data) => data,
    };
    let mut head = String::new();
    if former.is_file() {
        io::BufReader::new(std::fs::File::open(path)?)
            .take(64)
            .read_line(&mut head)?;
    }
    if head.trim_end() != "line,reason" {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "it is there and is no list of bad rows",
        ));
    }
    std::fs::remove_file(path)
}

fn failures_path(args: &ImportArgs) -> Option<PathBuf> {
    if let Some(path) = &args.failures {
        return Some(path.clone());
    }
    if args.file.as_os_str() == "-" {
        return None;
    }
    let name = Path::new(args.file.file_name()?).with_extension("csv");
    Some(
        args.file
            .with_file_name(format!("Failures_{}", name.to_string_lossy())),
    )
}

/// What the operator gives for an encrypted PSKC file.
fn key(args: &ImportArgs) -> Result<Option<PskcKey>, Failure> {
    let read = |path: &Path| secret_file(path).map_err(Failure::usage);
    if let Some(path) = &args.passphrase_file {
        let text = read(path)?;
        let line = text.expose().lines().next().unwrap_or_default();
        return Ok(Some(PskcKey::Passphrase(Secret::new(line.to_owned()))));
    }
    let Some(path) = &args.key_file else {
        return Ok(None);
    };
    let text = read(path)?;
    let bytes = data_encoding::HEXLOWER_PERMISSIVE
        .decode(text.expose().as_bytes())
        .ok()
        .filter(|bytes| matches!(bytes.len(), 16 | 24 | 32))
        .ok_or_else(|| {
            Failure::usage(format!(
                "{} holds no key; write 32, 48 or 64 hexadecimal digits on one line",
                path.display()
            ))
        })?;
    Ok(Some(PskcKey::PreShared(Secret::new(bytes))))
}

fn format(text: &str) -> Result<TokenFormat, String> {
    TokenFormat::ALL
        .into_iter()
        .find(|format| format.as_str() == text)
        .ok_or_else(|| {
            let all = TokenFormat::ALL.map(TokenFormat::as_str);
            format!("it is one of {}", all.join(", "))
        })
}

fn encoding(text: &str) -> Result<SecretEncoding, String> {
    [
        SecretEncoding::Hex,
        SecretEncoding::Base32,
        SecretEncoding::Base64,
    ]
    .into_iter()
    .find(|encoding| encoding.as_str() == text)
    .ok_or_else(|| "it is hex, base32 or base64".to_owned())
}

fn period(text: &str) -> Result<u16, String> {
    match text {
        "30" => Ok(30),
        "60" => Ok(60),
        _ => Err("a code lives 30 or 60 seconds".to_owned()),
    }
}

fn digits(text: &str) -> Result<u8, String> {
    match text {
        "6" => Ok(6),
        "8" => Ok(8),
        _ => Err("a code has 6 or 8 digits".to_owned()),
    }
}

fn algorithm(text: &str) -> Result<OathAlgorithm, String> {
    OathAlgorithm::parse(&text.to_ascii_uppercase().replace('-', ""))
        .ok_or_else(|| "it is SHA1, SHA256 or SHA512".to_owned())
}
