//! `oath`: hardware tokens.
//!
//! Assigning a token makes its holder able to sign in with it, so it ends sessions and
//! is an event that names the operator; `app::oath_tokens` sees to that.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write},
    path::Path,
};

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::{Failure, oath_export, oath_import, oath_list, open, operator};
use crate::{app::oath_tokens::Withdrawal, base::text::Upn, directory::Serial};

/// Hardware OATH tokens: import, hand out, resync, export.
#[derive(Debug, Subcommand)]
pub enum OathCommand {
    Import(Box<oath_import::ImportArgs>),
    Assign(AssignArgs),
    Resync(ResyncArgs),
    List(oath_list::ListArgs),
    Export(oath_export::ExportArgs),
    /// Take a token back into stock; what it became is revoked, sessions end.
    Return(SerialArgs),
    /// A token is lost: it opens nothing from now on, sessions end.
    Lost(SerialArgs),
    /// A token is never used again.
    Retire(SerialArgs),
}

/// Hand a token from stock to a person, who activates it at the next sign-in, or on the
/// account page.
#[derive(Args, Debug)]
pub struct AssignArgs {
    /// The serial number.
    serial: Serial,
    /// The user principal name.
    upn: Upn,
}

/// Bring back a token whose clock has run away: two codes that follow each other.
#[derive(Args, Debug)]
pub struct ResyncArgs {
    /// The serial number.
    serial: Serial,
    /// Read the two codes from standard input, one a line. Without it they are asked for.
    #[arg(long)]
    codes_stdin: bool,
}

impl ResyncArgs {
    /// Never from the command line: everybody on this machine could read it there.
    fn codes(&self) -> Result<[Zeroizing<String>; 2], Failure> {
        let unread = |error| Failure::usage(format!("the codes could not be read: {error}"));
        if !self.codes_stdin {
            if !io::stdin().is_terminal() {
                return Err(Failure::usage(
                    "there is no terminal to ask for the codes; say --codes-stdin",
                ));
            }
            let ask = |what| {
                rpassword::prompt_password(what)
                    .map(Zeroizing::new)
                    .map_err(unread)
            };
            let first = ask("A code that the token shows: ")?;
            return Ok([first, ask("The code that it shows next: ")?]);
        }
        let mut lines = io::stdin().lock().take(1_000);
        let mut line = || {
            let mut text = Zeroizing::new(String::new());
            lines.read_line(&mut text).map_err(unread)?;
            if text.trim().is_empty() {
                return Err(Failure::usage(
                    "standard input has not two codes; write each as one line",
                ));
            }
            Ok(text)
        };
        Ok([line()?, line()?])
    }
}

/// One token.
#[derive(Args, Debug)]
pub struct SerialArgs {
    /// The serial number.
    serial: Serial,
}

/// Runs the command.
pub async fn run(
    command: OathCommand,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let config = open::config(path)?;
    let app = open::app(&config).await?;
    let operator = operator::name();
    let (serial, why) = match command {
        OathCommand::Import(args) => return oath_import::run(&args, &app, &operator, out).await,
        OathCommand::List(args) => return oath_list::run(&args, &app, out).await,
        OathCommand::Export(args) => return oath_export::run(&args, &app, &operator, out).await,
        OathCommand::Assign(args) => {
            app.assign_oath_token(&args.serial, &args.upn, &operator)
                .await?;
            writeln!(
                out,
                "The token {} is {}'s; sessions ended. Who has no other way to sign in activates it at the next sign-in, after the password; others add it on the account page.",
                args.serial, args.upn
            )?;
            return Ok(());
        }
        OathCommand::Resync(args) => {
            let [code, next] = args.codes()?;
            let drift = app
                .resync_oath_token(&args.serial, [&code, &next], &operator)
                .await?;
            writeln!(
                out,
                "The token {} is in step again; its clock is {drift} steps off.",
                args.serial
            )?;
            return Ok(());
        }
        OathCommand::Return(args) => (args.serial, Withdrawal::Returned),
        OathCommand::Lost(args) => (args.serial, Withdrawal::Lost),
        OathCommand::Retire(args) => (args.serial, Withdrawal::Retired),
    };
    let token = app.take_oath_token(&serial, why, &operator).await?;
    writeln!(out, "The token {} is {} now.", token.serial, token.state)?;
    Ok(())
}
