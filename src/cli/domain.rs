//! `domain`: which domains sign in here, under which issuer, and their federation in Entra.

use std::{io::Write, path::Path, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Failure, domain_apply, domain_aside, domain_plan, domain_rollback, domain_verify, open,
    operator,
};
use crate::{
    app::{Settings, domains},
    audit::Actor,
    base::{clock::Clock as _, clock::SystemClock, text::DomainName},
    relying_party::Domain,
};

/// Which domains sign in here, under which issuer, and their federation in Entra.
#[derive(Debug, Subcommand)]
pub enum DomainCommand {
    Add(AddArgs),
    List(ListArgs),
    Show(ShowArgs),
    Plan(Box<domain_plan::PlanArgs>),
    Apply(Box<domain_apply::ApplyArgs>),
    Verify(Box<domain_verify::VerifyArgs>),
    Rollback(Box<domain_rollback::RollbackArgs>),
    SetAside(domain_aside::AsideArgs),
    Drift(Box<domain_verify::DriftArgs>),
}

/// Add a domain.
#[derive(Args, Debug)]
pub struct AddArgs {
    /// The domain, such as contoso.com.
    name: DomainName,
    /// Its issuerUri; without it a root gets PUBLIC_URL/DOMAIN and a sub-domain its root's.
    #[arg(long, value_name = "URI")]
    issuer: Option<String>,
    /// Print the domain as JSON.
    #[arg(long)]
    json: bool,
}

/// List the domains.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

/// Show a domain with what Entra is to be told.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// The domain.
    name: DomainName,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(
    command: DomainCommand,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    match &command {
        DomainCommand::Plan(args) => return domain_plan::run(args, path, out).await,
        DomainCommand::Apply(args) => return domain_apply::apply(args, path, out).await,
        DomainCommand::Verify(args) => return domain_verify::verify(args, path, out).await,
        DomainCommand::Rollback(args) => return domain_rollback::rollback(args, path, out).await,
        DomainCommand::SetAside(args) => return domain_aside::set_aside(args, path, out).await,
        DomainCommand::Drift(args) => return domain_verify::run_drift(args, path, out).await,
        DomainCommand::Add(_) | DomainCommand::List(_) | DomainCommand::Show(_) => {}
    }
    let config = open::config(path)?;
    let settings = open::settings(&config)?;
    let store = open::store(&config).await?;
    match command {
        DomainCommand::Add(args) => {
            let actor = Actor::Operator(operator::name());
            let issuer = args.issuer.as_deref();
            let now = SystemClock.now();
            let domain = domains::add(&store, &settings, args.name, issuer, actor, now).await?;
            if args.json {
                writeln!(out, "{}", as_json(&domain, &settings))?;
            } else {
                writeln!(
                    out,
                    "Added {}; its people's tokens carry the issuer {}.",
                    domain.name, domain.issuer_uri
                )?;
            }
        }
        DomainCommand::List(args) => {
            let all = domains::list(&store).await?;
            if args.json {
                let list: Vec<Value> = all.iter().map(|d| as_json(d, &settings)).collect();
                writeln!(out, "{}", Value::Array(list))?;
            } else {
                for domain in &all {
                    writeln!(out, "{}\t{}", domain.name, domain.issuer_uri)?;
                }
            }
        }
        DomainCommand::Show(args) => {
            let all = domains::list(&store).await?;
            let Some(domain) = all.into_iter().find(|domain| domain.name == args.name) else {
                return Err(Failure::no(format!(
                    "the domain {0} is not there; add it with `claimbridge domain add {0}`",
                    args.name
                )));
            };
            let value = as_json(&domain, &settings);
            if args.json {
                writeln!(out, "{value}")?;
            } else {
                for (name, value) in value.as_object().into_iter().flatten() {
                    writeln!(out, "{name}: {}", value.as_str().unwrap_or_default())?;
                }
            }
        }
        // They open their own.
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(domain: &Domain, settings: &Settings) -> Value {
    json!({
        "domain": domain.name,
        "root": domain.root,
        "issuer": domain.issuer_uri,
        "protocol": settings.protocol_of(domain).as_str(),
        "sign_in_url": settings.sign_in_url(domain),
        "metadata_url": settings.metadata_url(domain),
        "added_at": domain.created_at.to_rfc3339(),
    })
}
