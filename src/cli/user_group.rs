//! `user group`: which rules of the configuration apply to whom.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Failure;
use crate::{app::App, base::text::Upn, directory::GroupName};

/// Groups of a person.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Put the person into a group.
    Add(MemberArgs),
    /// Take the person out of a group.
    Remove(MemberArgs),
    List(ListArgs),
}

/// A person and a group.
#[derive(Args, Debug)]
pub struct MemberArgs {
    /// The user principal name.
    upn: Upn,
    /// The group, as [[policy.group]] names it.
    group: GroupName,
}

/// List the groups of a person and what they allow.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// The user principal name.
    upn: Upn,
    /// Print {"groups", "allowed_methods", "minimum_methods"}.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(
    command: GroupCommand,
    app: &App,
    operator: &str,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match command {
        GroupCommand::Add(MemberArgs { upn, group }) => {
            let joined = app.add_to_group(&upn, &group, operator).await?;
            let words = if joined { "is now" } else { "was already" };
            let unruled = without_rules(app, std::slice::from_ref(&group));
            writeln!(out, "{upn} {words} in the group {group}.{unruled}")?;
        }
        GroupCommand::Remove(MemberArgs { upn, group }) => {
            if !app.remove_from_group(&upn, &group, operator).await? {
                return Err(Failure::no(format!(
                    "{upn} is not in the group {group}; `claimbridge user group list {upn}` shows the groups"
                )));
            }
            writeln!(out, "{upn} is not in the group {group} any more.")?;
        }
        GroupCommand::List(args) => list(&args, app, out).await?,
    }
    Ok(())
}

async fn list(args: &ListArgs, app: &App, out: &mut dyn Write) -> Result<(), Failure> {
    let groups = app.groups_of(&args.upn).await?;
    let policy = app.settings().methods.for_groups(&groups);
    if args.json {
        let value = json!({
            "groups": groups,
            "allowed_methods": policy.allowed(),
            "minimum_methods": policy.minimum(),
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    for group in &groups {
        writeln!(
            out,
            "{group}{}",
            without_rules(app, std::slice::from_ref(group))
        )?;
    }
    let kinds: Vec<&str> = policy.allowed().iter().map(|kind| kind.as_str()).collect();
    writeln!(
        out,
        "{} may use {}, and must keep at least {}.",
        args.upn,
        kinds.join(", "),
        policy.minimum()
    )?;
    Ok(())
}

/// A warning about groups that the configuration says nothing of; empty if there are none.
pub fn without_rules(app: &App, groups: &[GroupName]) -> String {
    let unruled: Vec<&str> = groups
        .iter()
        .filter(|group| !app.has_rules_for(group))
        .map(GroupName::as_str)
        .collect();
    if unruled.is_empty() {
        return String::new();
    }
    format!(
        " No [[policy.group]] is named {}; the rules for everyone hold.",
        unruled.join(", ")
    )
}
