//! `domain`: which domains sign in here, under which issuer, and their federation in Entra.

use std::{io::Write, path::Path, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Failure, domain_plan, open, operator};
use crate::{
    app::{Settings, domains},
    audit::Actor,
    base::{clock::Clock as _, clock::SystemClock, text::DomainName},
    config::Config,
    relying_party::Domain,
};

/// Which domains sign in here, under which issuer, and their federation in Entra.
#[derive(Debug, Subcommand)]
pub enum DomainCommand {
    Add(AddArgs),
    List(ListArgs),
    Show(ShowArgs),
    Plan(domain_plan::PlanArgs),
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
    if let DomainCommand::Plan(args) = &command {
        return domain_plan::run(args, path, out).await;
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
        // It opened its own.
        DomainCommand::Plan(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Where Graph is, without a slash at the end.
pub(super) fn graph_url(config: &Config) -> String {
    match config.entra.cloud.name.as_str() {
        "us-gov" => "https://graph.microsoft.us",
        "china" => "https://microsoftgraph.chinacloudapi.cn",
        _ => "https://graph.microsoft.com",
    }
    .to_owned()
}

fn as_json(domain: &Domain, settings: &Settings) -> Value {
    json!({
        "domain": domain.name,
        "root": domain.root,
        "issuer": domain.issuer_uri,
        "sign_in_url": settings.sso_url(Some(&domain.name)),
        "metadata_url": format!("{}/saml2/metadata?domain={}", settings.public_url, domain.name),
        "added_at": domain.created_at.to_rfc3339(),
    })
}
