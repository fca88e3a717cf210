//! `external-mfa link|unlink|links`: which accounts of tenants are a person's.
//!
//! A person whose name is the same here and there is linked by the first sign-in; for everybody
//! else an operator says so.

use std::{io::Write, path::Path, process::ExitCode};

use clap::Args;
use serde_json::{Value, json};

use super::{
    Failure,
    external_mfa::{Which, chosen},
    open, operator,
};
use crate::{
    app::{App, external_mfa::tenants},
    base::{guid::Guid, text::Upn},
};

/// Which account, and whose.
#[derive(Args, Debug)]
pub struct Account {
    /// The person's user principal name here.
    upn: Upn,
    /// The tenant: its id, or what you call it.
    #[arg(long, value_name = "TENANT")]
    tenant: String,
    /// The account's object id in that tenant.
    #[arg(long, value_name = "ID")]
    object_id: Guid,
}

/// Link an account of a tenant to a person here.
///
/// Whoever has the account answers for its second factor with the person's methods. The person is
/// told at the next sign-in.
#[derive(Args, Debug)]
pub struct LinkArgs {
    #[command(flatten)]
    account: Account,
    /// Whose the account is now: it is taken away from there in the same step.
    #[arg(long, value_name = "UPN")]
    instead_of: Option<Upn>,
}

/// Take the link of an account to a person away. The person is told at the next sign-in.
#[derive(Args, Debug)]
pub struct UnlinkArgs {
    #[command(flatten)]
    account: Account,
}

/// List the accounts that are linked to a person.
#[derive(Args, Debug)]
pub struct LinksArgs {
    /// The person's user principal name here.
    upn: Upn,
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

/// Links.
pub async fn link(
    args: &LinkArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let (args, instead_of) = (&args.account, args.instead_of.as_ref());
    let (app, tenant) = begin(args, path, Missing::IsAnError).await?;
    let operator = operator::name();
    let account = (tenant, args.object_id);
    app.link_external_account(&args.upn, account, instead_of, &operator)
        .await?;
    writeln!(
        out,
        "Linked: the account {} of the tenant {tenant} is {}'s.",
        args.object_id, args.upn
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Takes a link away.
pub async fn unlink(
    args: &UnlinkArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let args = &args.account;
    let (app, tenant) = begin(args, path, Missing::IsFine).await?;
    let operator = operator::name();
    app.unlink_external_account(&args.upn, tenant, args.object_id, &operator)
        .await?;
    writeln!(
        out,
        "Unlinked: the account {} of the tenant {tenant} is nobody's. Whoever has its name at Entra as user principal name here, and proves a factor, links it again; `external-mfa link --instead-of` gives it to somebody else in one step.",
        args.object_id
    )?;
    Ok(ExitCode::SUCCESS)
}

/// What of a tenant that is not here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Missing {
    IsAnError,
    /// Links of a tenant that was removed can still be taken away.
    IsFine,
}

async fn begin(
    args: &Account,
    path: Option<&Path>,
    missing: Missing,
) -> Result<(App, Guid), Failure> {
    let config = open::config(path)?;
    let app = open::app(&config).await?;
    let all = tenants::list(app.store()).await?;
    let id: Option<Guid> = args.tenant.parse().ok();
    if let Some(id) = id
        && (missing == Missing::IsFine || all.iter().any(|tenant| tenant.id == id))
    {
        return Ok((app, id));
    }
    let which = Which {
        tenant: args.tenant.clone(),
        client_id: None,
    };
    let tenant = chosen(&all, &which)?.id;
    Ok((app, tenant))
}

/// Lists them.
pub async fn list(
    args: &LinksArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let config = open::config(path)?;
    let app = open::app(&config).await?;
    let accounts = app.external_accounts_of(&args.upn).await?;
    if args.json {
        let list: Vec<Value> = accounts
            .iter()
            .map(|account| {
                json!({
                    "tenant_id": account.tenant,
                    "object_id": account.object,
                    "linked_at": account.linked_at.to_rfc3339(),
                    "linked_by": account.linked_by,
                })
            })
            .collect();
        writeln!(out, "{}", Value::Array(list))?;
    } else {
        for account in &accounts {
            writeln!(
                out,
                "{}\t{}\t{}\t{}",
                account.tenant,
                account.object,
                account.linked_at.to_rfc3339(),
                account.linked_by.as_str()
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
