//! `user`: people.
//!
//! What makes someone able to become a person — a pass, a password, an ImmutableID —
//! ends that person's sessions and is an event that names the operator; `app::users`
//! sees to that.

use std::{
    io::{BufRead as _, IsTerminal as _, Write},
    path::Path,
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    Failure, open, operator, user_app_password, user_group, user_import, user_list, user_pass,
    user_sync,
};
use crate::{
    app::{
        App,
        account::{KnownSession, ToldParty},
        users::{NewUser, PasswordState, Replace, UserView},
    },
    base::{clock::Timestamp, secret::Secret, text::Upn},
    directory::{GroupName, ImmutableId},
};

/// People: add, show, list, import, passes, passwords.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    Add(AddArgs),
    /// Show a person with methods and the last MFA.
    Show(OneArgs),
    List(user_list::ListArgs),
    Import(user_import::ImportArgs),
    Export(user_list::ExportArgs),
    Sync(user_sync::SyncArgs),
    /// Nobody signs in as this person any more.
    Disable(NameArgs),
    /// The person may sign in again.
    Enable(NameArgs),
    /// Lift the waiting time after wrong guesses; a password that died of them stays dead.
    Unlock(NameArgs),
    SetImmutableId(ImmutableIdArgs),
    SetPassword(PasswordArgs),
    Pass(user_pass::PassArgs),
    Sessions(SessionsArgs),
    #[command(subcommand)]
    AppPassword(user_app_password::AppPasswordCommand),
    /// Put a person into a group of [[policy.group]], take out of one, or list.
    #[command(subcommand)]
    Group(user_group::GroupCommand),
    /// Take away methods, password, passes and sessions; the person begins anew with a pass.
    Reset(NameArgs),
}

/// Add a person.
#[derive(Args, Debug)]
pub struct AddArgs {
    /// The user principal name, as in Entra.
    upn: Upn,
    /// What pages call the person.
    #[arg(long)]
    name: String,
    /// Entra's ImmutableID of the person; without it a new one is made.
    #[arg(long, value_name = "VALUE")]
    immutable_id: Option<ImmutableId>,
    /// Put the person into this group; may be said several times.
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<GroupName>,
    /// Read a first password from standard input (one line).
    #[arg(long)]
    password_stdin: bool,
    /// Print the person as JSON.
    #[arg(long)]
    json: bool,
}

/// One person, perhaps as JSON.
#[derive(Args, Debug)]
pub struct OneArgs {
    /// The user principal name.
    upn: Upn,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// One person.
#[derive(Args, Debug)]
pub struct NameArgs {
    /// The user principal name.
    upn: Upn,
}

/// Set the value by which Entra knows the person: here, or with --to graph in the tenant.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  claimbridge user set-immutable-id agent1@contoso.com ABCDEG1234567890
  claimbridge user set-immutable-id --to graph --domain contoso.com --dry-run
  claimbridge user set-immutable-id --to graph --domain contoso.com --confirm contoso.com")]
pub struct ImmutableIdArgs {
    /// The user principal name.
    #[arg(required_unless_present = "to")]
    upn: Option<Upn>,
    /// The value, verbatim as Entra has it.
    #[arg(required_unless_present = "to")]
    value: Option<ImmutableId>,
    /// Replace one that is set. Entra knows the person by it: change it there too.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    send: user_sync::SendArgs,
}

/// Set a password.
#[derive(Args, Debug)]
pub struct PasswordArgs {
    /// The user principal name.
    upn: Upn,
    /// Read it from standard input (one line) instead of asking.
    #[arg(long)]
    password_stdin: bool,
}

/// Show a person's browser sessions, or end them.
#[derive(Args, Debug)]
pub struct SessionsArgs {
    /// The user principal name.
    upn: Upn,
    /// End them all.
    #[arg(long)]
    end: bool,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(
    command: UserCommand,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let config = open::config(path)?;
    let app = open::app(&config).await?;
    let operator = operator::name();
    match command {
        UserCommand::Add(args) => add(args, &app, &operator, out).await,
        UserCommand::Show(args) => {
            let view = app.view_user(&args.upn).await?;
            if args.json {
                user_list::show_json(&view, out)
            } else {
                user_list::show(&view, out)
            }
        }
        UserCommand::List(args) => user_list::list(&args, &app, out).await,
        UserCommand::Import(args) => {
            let usual = user_pass::usual(&config);
            user_import::run(&args, &app, usual, &operator, out).await
        }
        UserCommand::Export(args) => user_list::export(&args, &app, out).await,
        UserCommand::Sync(args) => user_sync::sync(&args, &app, &config, &operator, out).await,
        UserCommand::Disable(args) => {
            app.disable_user(&args.upn, &operator).await?;
            said(out, &format!("{} is disabled; sessions ended.", args.upn))
        }
        UserCommand::Enable(args) => {
            app.enable_user(&args.upn, &operator).await?;
            said(out, &format!("{} may sign in again.", args.upn))
        }
        UserCommand::Unlock(args) => unlocked(&app.unlock_user(&args.upn, &operator).await?, out),
        UserCommand::SetImmutableId(args) => {
            let (Some(upn), Some(value)) = (&args.upn, &args.value) else {
                let upn = args.upn.as_ref();
                return user_sync::send(&args.send, upn, &app, &config, &operator, out).await;
            };
            let replace = if args.replace {
                Replace::Yes
            } else {
                Replace::No
            };
            app.set_immutable_id(upn, value, replace, &operator).await?;
            said(out, &format!("{upn} has the ImmutableID {value}."))
        }
        UserCommand::SetPassword(args) => {
            let password = if args.password_stdin {
                password_line()?
            } else {
                ask_password()?
            };
            app.set_password(&args.upn, password, &operator).await?;
            said(
                out,
                &format!("The password of {} is set; sessions ended.", args.upn),
            )
        }
        UserCommand::Pass(args) => user_pass::run(&args, &app, &config, &operator, out).await,
        UserCommand::Sessions(args) => sessions(&args, &app, &operator, out).await,
        UserCommand::AppPassword(command) => {
            user_app_password::run(command, &app, &operator, out).await
        }
        UserCommand::Group(command) => user_group::run(command, &app, &operator, out).await,
        UserCommand::Reset(args) => {
            app.reset_user(&args.upn, &operator).await?;
            said(
                out,
                &format!(
                    "{0} has no method and no password any more; issue a pass with `claimbridge user pass {0}`.",
                    args.upn
                ),
            )
        }
    }
}

/// What `unlock` cannot lift is said, with the command that can.
fn unlocked(view: &UserView, out: &mut dyn Write) -> Result<(), Failure> {
    let upn = &view.user.upn;
    let mut remains = Vec::new();
    if view.user.disabled_at.is_some() {
        remains.push(format!(
            "the account is disabled: enable it with `claimbridge user enable {upn}`"
        ));
    }
    if matches!(view.password, PasswordState::Dead) {
        remains.push(format!(
            "the password is dead, because after it too many wrong codes came in a row and whoever sent them knows it: set a new one with `claimbridge user set-password {upn}`"
        ));
    }
    if remains.is_empty() {
        return said(out, &format!("{upn} may try again now."));
    }
    Err(Failure::no(format!(
        "the waiting time of {upn} is lifted, but nobody can sign in as {upn} yet: {}",
        remains.join("; ")
    )))
}

fn said(out: &mut dyn Write, text: &str) -> Result<(), Failure> {
    writeln!(out, "{text}")?;
    Ok(())
}

async fn add(args: AddArgs, app: &App, operator: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let password = if args.password_stdin {
        Some(password_line()?)
    } else {
        None
    };
    let new = NewUser {
        upn: args.upn,
        display_name: args.name,
        immutable_id: args.immutable_id,
        password,
        groups: args.groups,
    };
    let unruled = user_group::without_rules(app, &new.groups);
    let user = app.add_user(new, operator).await?;
    if args.json {
        return said(out, &user_list::user_json(&user).to_string());
    }
    let immutable_id = user.immutable_id.as_ref().map_or("", ImmutableId::as_str);
    said(
        out,
        &format!(
            "Added {} with the ImmutableID {immutable_id}.{unruled}",
            user.upn
        ),
    )
}

async fn sessions(
    args: &SessionsArgs,
    app: &App,
    operator: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if args.end {
        let ended = app.end_sessions(&args.upn, operator).await?;
        return said(
            out,
            &if args.json {
                json!({"ended": ended}).to_string()
            } else {
                format!("Ended {ended}.")
            },
        );
    }
    let rows = app.sessions_of(&args.upn).await?;
    if args.json {
        let list: Vec<Value> = rows
            .iter()
            .map(|KnownSession { row, told }| {
                json!({
                    "id": row.id, "created_at": row.created_at.to_rfc3339(),
                    "last_used_at": row.last_used_at.to_rfc3339(),
                    "ended_at": row.revoked_at.map(Timestamp::to_rfc3339),
                    "told": told.iter().map(told_as_json).collect::<Vec<_>>(),
                })
            })
            .collect();
        return said(out, &Value::Array(list).to_string());
    }
    for KnownSession { row, told } in &rows {
        let state = row
            .revoked_at
            .map_or_else(|| "live".to_owned(), |at| format!("ended {at}"));
        writeln!(
            out,
            "{}\tsince {}\tlast used {}\t{state}",
            row.id, row.created_at, row.last_used_at
        )?;
        for party in told {
            writeln!(
                out,
                "\ttold {} ({})\tat {}",
                party.name, party.entity_id, party.said.answered_at
            )?;
        }
    }
    Ok(())
}

/// What a party knows of a session: what stands in its own log, too.
fn told_as_json(party: &ToldParty) -> Value {
    let told = party.said.told.as_ref();
    json!({
        "relying_party": party.entity_id,
        "at": party.said.answered_at.to_rfc3339(),
        "session_index": party.said.session_index,
        "protocol": told.map(|told| told.protocol.as_str()),
        "issuer": told.map(|told| told.issuer.as_str()),
        "name_id": told.map(|told| told.name_id.as_str()),
        "authn_instant": told.map(|told| told.authn_instant.to_rfc3339()),
    })
}

/// One line of standard input.
fn password_line() -> Result<Secret<String>, Failure> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(unread)?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err(Failure::usage(
            "standard input has no password; write it as one line",
        ));
    }
    Ok(Secret::new(password))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unread(error: std::io::Error) -> Failure {
    Failure::usage(format!("the password could not be read: {error}"))
}

/// Asked for on the terminal, twice.
fn ask_password() -> Result<Secret<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "there is no terminal to ask for the password; say --password-stdin",
        ));
    }
    let first = Secret::new(rpassword::prompt_password("New password: ").map_err(unread)?);
    let again = Secret::new(rpassword::prompt_password("Again: ").map_err(unread)?);
    if subtle::ConstantTimeEq::ct_eq(first.expose().as_bytes(), again.expose().as_bytes()).into() {
        Ok(first)
    } else {
        Err(Failure::usage("the two are not the same; try again"))
    }
}
