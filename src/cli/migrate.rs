//! `migrate`: brings the database's schema up to this version.

use std::{io::Write, path::Path};

use clap::Args;
use serde_json::json;

use super::{Failure, open};
use crate::app::opening;

/// Bring the database up to this version.
#[derive(Args, Debug)]
pub struct MigrateArgs {
    /// Change nothing; say what is pending and exit 1 if anything is.
    #[arg(long)]
    dry_run: bool,
    /// Print {"applied": […]} or {"pending": […]}.
    #[arg(long)]
    json: bool,
}

/// Applies what is pending.
pub async fn run(
    args: &MigrateArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let config = open::config(path)?;
    let url = config.database_url.expose();
    if args.dry_run {
        let pending = opening::pending_migrations(url).await?;
        if args.json {
            writeln!(out, "{}", json!({"pending": pending}))?;
        }
        return if pending.is_empty() {
            Ok(())
        } else {
            Err(Failure::no(format!(
                "pending: {}; run `claimbridge migrate`",
                pending.join(", ")
            )))
        };
    }
    let applied = opening::migrate(url).await?;
    if args.json {
        writeln!(out, "{}", json!({"applied": applied}))?;
    } else if applied.is_empty() {
        writeln!(out, "Nothing to do: the database is up to date.")?;
    } else {
        writeln!(out, "Applied {}.", applied.join(", "))?;
    }
    Ok(())
}
