//! `user app-password`: passwords of single devices, for WS-Trust.
//!
//! Always true: the value leaves in one place only, on standard output, once.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use crate::{
    app::App,
    base::{clock::Timestamp, ids::CredentialId, text::Upn},
};

/// Passwords of single devices that can ask for no second factor (WS-Trust; docs/ws-trust.md).
#[derive(Debug, Subcommand)]
pub enum AppPasswordCommand {
    Add(AddArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// Make one for a device. It is shown once, and the person's sessions end.
#[derive(Args, Debug)]
pub struct AddArgs {
    /// The user principal name.
    upn: Upn,
    /// What it is for: the device's name, shown to the person.
    #[arg(long, value_name = "NAME")]
    label: String,
    /// Print {"id", "label", "password"}.
    #[arg(long)]
    json: bool,
}

/// List a person's, with when each was last used.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// The user principal name.
    upn: Upn,
    /// Print [{"id", "label", "created_at", "last_used_at"}].
    #[arg(long)]
    json: bool,
}

/// Revoke one: it opens nothing from the next request on.
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// The user principal name.
    upn: Upn,
    /// Its id, as `list` shows it.
    #[arg(value_name = "ID", required_unless_present = "all")]
    id: Option<CredentialId>,
    /// Revoke all of the person's.
    #[arg(long, conflicts_with = "id")]
    all: bool,
}

/// Runs the command.
pub async fn run(
    command: AppPasswordCommand,
    app: &App,
    operator: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match command {
        AppPasswordCommand::Add(args) => add(&args, app, operator, out).await,
        AppPasswordCommand::List(args) => list(&args, app, out).await,
        AppPasswordCommand::Revoke(args) => revoke(&args, app, operator, out).await,
    }
}

async fn add(
    args: &AddArgs,
    app: &App,
    operator: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let made = app
        .add_app_password(&args.upn, &args.label, operator)
        .await?;
    if args.json {
        let value = json!({"id": made.id, "label": made.label, "password": made.value.expose()});
        writeln!(out, "{value}")?;
        return Ok(());
    }
    writeln!(
        out,
        "{}\nFor {} of {} only, and for WS-Trust only. It is not shown again. Type it into the device in the place of the password; {} ends it.",
        made.value.expose(),
        made.label,
        args.upn,
        format_args!(
            "`claimbridge user app-password revoke {} {}`",
            args.upn, made.id
        ),
    )?;
    Ok(())
}

async fn list(args: &ListArgs, app: &App, out: &mut dyn Write) -> Result<(), Failure> {
    let passwords = app.app_passwords_of(&args.upn).await?;
    if args.json {
        let rows = passwords.iter().map(|password| {
            json!({
                "id": password.id, "label": password.label,
                "created_at": password.created_at.to_rfc3339(),
                "last_used_at": password.last_used_at.map(Timestamp::to_rfc3339),
            })
        });
        writeln!(out, "{}", Value::Array(rows.collect()))?;
        return Ok(());
    }
    if passwords.is_empty() {
        writeln!(out, "{} has no application password.", args.upn)?;
    }
    for password in &passwords {
        let used = password
            .last_used_at
            .map_or_else(|| "never used".to_owned(), |at| format!("last used {at}"));
        writeln!(
            out,
            "{}\t{}\tsince {}\t{used}",
            password.id, password.label, password.created_at
        )?;
    }
    Ok(())
}

async fn revoke(
    args: &RevokeArgs,
    app: &App,
    operator: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let upn = &args.upn;
    let ids: Vec<CredentialId> = if let Some(id) = &args.id {
        app.revoke_app_password(upn, id, operator).await?;
        vec![id.clone()]
    } else {
        app.revoke_app_passwords(upn, operator).await?
    };
    for id in &ids {
        writeln!(out, "{id} of {upn} opens nothing any more.")?;
    }
    if ids.is_empty() {
        writeln!(out, "{upn} has no application password.")?;
    }
    Ok(())
}
