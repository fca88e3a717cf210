//! `oath export`: Entra's CSV, with the secrets.
//!
//! Always true: a file that it writes can be read by its owner only and replaces none.

use std::{io::Write, path::PathBuf};

use clap::Args;

use super::{Failure, private_file};
use crate::{
    app::{self, App, oath_tokens::export::EntraRow},
    base::text::{Upn, harmless_cell},
};

/// Write tokens with their secrets as Entra's CSV. Who has this file can be everyone in it.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// Where to; it must not exist yet. Without it, standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub async fn run(
    args: &ExportArgs,
    app: &App,
    operator: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut file = args.out.as_deref().map(private_file::create).transpose()?;
    let to: &mut dyn Write = match &mut file {
        Some(file) => file,
        None => out,
    };
    let mut csv = csv::Writer::from_writer(to);
    csv.write_record([
        "upn",
        "serial number",
        "secret key",
        "time interval",
        "manufacturer",
        "model",
    ])
    .map_err(Unwritten)?;
    let left_out = app
        .export_oath_tokens(operator, |row: &EntraRow<'_>| {
            csv.write_record([
                harmless_cell(row.upn.map_or("", Upn::as_str)).as_str(),
                &harmless_cell(row.serial.as_str()),
                &row.secret,
                &row.period.to_string(),
                &harmless_cell(row.manufacturer),
                &harmless_cell(row.model),
            ])
            .map_err(Unwritten)
            .map_err(Stopped::from)
        })
        .await?;
    csv.flush()?;
    drop(csv);
    if left_out.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = left_out
        .iter()
        .map(|left| format!("{}: {}", left.serial, left.reason))
        .collect();
    let tokens = match left_out.len() {
        1 => "1 token is".to_owned(),
        many => format!("{many} tokens are"),
    };
    Err(Failure::no(format!(
        "{tokens} not in the CSV; everything else is\n{}",
        lines.join("\n")
    )))
}

/// Either side of the export.
struct Stopped(Failure);

struct Unwritten(csv::Error);

impl From<Unwritten> for Failure {
    fn from(Unwritten(error): Unwritten) -> Self {
        Self::service(format!("the list could not be written: {error}"))
    }
}

impl From<Unwritten> for Stopped {
    fn from(error: Unwritten) -> Self {
        Self(error.into())
    }
}

impl From<app::Error> for Stopped {
    fn from(error: app::Error) -> Self {
        Self(error.into())
    }
}

impl From<Stopped> for Failure {
    fn from(Stopped(failure): Stopped) -> Self {
        failure
    }
}
