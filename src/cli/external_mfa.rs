//! `external-mfa`: tenants of Entra that ask here for the second factor, and their set-up there.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Failure, external_mfa_link, external_mfa_plan, external_mfa_verify, open, operator};
use crate::{
    app::{
        Settings,
        external_mfa::{naming::NamingNobody, tenants},
    },
    base::{clock::Clock as _, clock::SystemClock, guid::Guid},
    relying_party::{ClientId, Tenant, TenantCloud, tenant::TenantName},
};

/// Tenants of Entra that ask here for the second factor only (External MFA).
#[derive(Debug, Subcommand)]
pub enum ExternalMfaCommand {
    Add(AddArgs),
    List(ListArgs),
    Show(ShowArgs),
    Remove(RemoveArgs),
    Plan(Box<external_mfa_plan::PlanArgs>),
    Verify(Box<external_mfa_verify::VerifyArgs>),
    Link(external_mfa_link::LinkArgs),
    Unlink(external_mfa_link::UnlinkArgs),
    Links(external_mfa_link::LinksArgs),
}

/// Add a tenant, after its application was registered (`external-mfa plan` says how).
#[derive(Args, Debug)]
pub struct AddArgs {
    /// The tenant's id.
    #[arg(value_name = "TENANT-ID")]
    tenant: Guid,
    /// The application (client) ID of the application registration.
    #[arg(long, value_name = "ID")]
    application_id: Guid,
    /// What Entra is given as client ID of the method [default: claimbridge-TENANT-ID].
    #[arg(long, value_name = "TEXT")]
    client_id: Option<ClientId>,
    /// The tenant's cloud: global, us-gov or china [default: that of the configuration].
    #[arg(long)]
    cloud: Option<TenantCloud>,
    /// What you call it.
    #[arg(long, value_name = "NAME")]
    name: Option<TenantName>,
    /// Print the tenant as JSON.
    #[arg(long)]
    json: bool,
}

/// List the tenants.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

/// Which tenant.
#[derive(Args, Debug)]
pub(super) struct Which {
    /// The tenant: its id, or what you call it.
    #[arg(value_name = "TENANT")]
    pub tenant: String,
    /// Which of its methods, if it has several here.
    #[arg(long, value_name = "TEXT")]
    pub client_id: Option<ClientId>,
}

/// Show a tenant with what Entra is to be told.
#[derive(Args, Debug)]
pub struct ShowArgs {
    #[command(flatten)]
    which: Which,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Remove a tenant: its people are refused from now on. Links of its people stay.
#[derive(Args, Debug)]
pub struct RemoveArgs {
    #[command(flatten)]
    which: Which,
}

/// Runs the command.
pub async fn run(
    command: ExternalMfaCommand,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    match &command {
        ExternalMfaCommand::Plan(args) => return external_mfa_plan::run(args, path, out).await,
        ExternalMfaCommand::Verify(args) => return external_mfa_verify::run(args, path, out).await,
        ExternalMfaCommand::Link(args) => return external_mfa_link::link(args, path, out).await,
        ExternalMfaCommand::Unlink(args) => {
            return external_mfa_link::unlink(args, path, out).await;
        }
        ExternalMfaCommand::Links(args) => return external_mfa_link::list(args, path, out).await,
        _ => {}
    }
    let config = open::config(path)?;
    let settings = open::settings(&config)?;
    let store = open::store(&config).await?;
    match command {
        ExternalMfaCommand::Add(args) => {
            let usual = config.entra.cloud.name.parse();
            let tenant = Tenant {
                id: args.tenant,
                client_id: args
                    .client_id
                    .unwrap_or_else(|| ClientId::of_tenant(args.tenant)),
                application_id: args.application_id,
                cloud: args.cloud.or(usual.ok()).unwrap_or(TenantCloud::Custom),
                name: args.name,
            };
            let now = SystemClock.now();
            tenants::ensure_configured(&store, &settings, now).await?;
            let tenant = tenants::add(&store, &settings, tenant, &operator::name(), now).await?;
            if args.json {
                writeln!(out, "{}", as_json(&tenant, &settings))?;
            } else {
                writeln!(
                    out,
                    "Added {}; give Entra the client ID {} and the discovery endpoint {}.",
                    tenant.title(),
                    tenant.client_id,
                    settings.oidc_discovery_url()
                )?;
            }
            say_who_names_nobody(&tenants::known(&store, &settings).await?, &settings);
        }
        ExternalMfaCommand::List(args) => {
            let all = tenants::known(&store, &settings).await?;
            if args.json {
                let list: Vec<Value> = all.iter().map(|one| as_json(one, &settings)).collect();
                writeln!(out, "{}", Value::Array(list))?;
            } else {
                for tenant in &all {
                    let name = tenant
                        .name
                        .as_ref()
                        .map_or_else(String::new, |name| format!("\t{name}"));
                    writeln!(
                        out,
                        "{}\t{}\t{}{name}",
                        tenant.id, tenant.cloud, tenant.client_id
                    )?;
                }
            }
            say_who_names_nobody(&all, &settings);
        }
        ExternalMfaCommand::Show(args) => {
            let tenant = chosen(&tenants::known(&store, &settings).await?, &args.which)?;
            let value = as_json(&tenant, &settings);
            if args.json {
                writeln!(out, "{value}")?;
            } else {
                for (name, value) in value.as_object().into_iter().flatten() {
                    writeln!(out, "{name}: {}", in_words(value))?;
                }
            }
        }
        ExternalMfaCommand::Remove(args) => {
            // Where the file contradicts what is stored, that can be removed.
            let known = match tenants::known(&store, &settings).await {
                Ok(known) => known,
                Err(_) => tenants::list(&store).await?,
            };
            let tenant = chosen(&known, &args.which)?;
            let operator = operator::name();
            let (id, client_id) = (tenant.id, &tenant.client_id);
            tenants::remove(&store, &settings, id, client_id, &operator).await?;
            writeln!(
                out,
                "Removed {}. Entra goes on to send its people here until the method is disabled there.",
                tenant.title()
            )?;
        }
        // They open their own.
        _ => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Beside what was asked for, so that programs read that alone.
fn say_who_names_nobody(all: &[Tenant], settings: &Settings) {
    if let Some(found) = NamingNobody::among(all, settings) {
        let (sentence, remedy) = (found.sentence(), found.remedy());
        let _ = writeln!(io::stderr(), "{sentence}; {remedy}.");
    }
}

/// The one tenant that is meant.
pub(super) fn chosen(all: &[Tenant], which: &Which) -> Result<Tenant, Failure> {
    let id: Option<Guid> = which.tenant.parse().ok();
    let is_named = |tenant: &&Tenant| {
        let by_name = tenant.name.as_ref().map(ToString::to_string);
        Some(tenant.id) == id || by_name.as_deref() == Some(which.tenant.as_str())
    };
    let is_method = |tenant: &&Tenant| {
        let wanted = which.client_id.as_ref();
        wanted.is_none_or(|wanted| *wanted == tenant.client_id)
    };
    let mut found = all.iter().filter(is_named).filter(is_method);
    match (found.next(), found.next()) {
        (Some(tenant), None) => Ok(tenant.clone()),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "{} is several: say --client-id, or the id instead of the name; `claimbridge external-mfa list` shows them",
            which.tenant
        ))),
        (None, _) => Err(Failure::no(format!(
            "there is no tenant {}; `claimbridge external-mfa list` shows them, `claimbridge external-mfa add` adds one",
            which.tenant
        ))),
    }
}

fn in_words(value: &Value) -> String {
    match value {
        Value::Array(list) => list.iter().map(in_words).collect::<Vec<_>>().join(", "),
        value => value.as_str().unwrap_or_default().to_owned(),
    }
}

fn as_json(tenant: &Tenant, settings: &Settings) -> Value {
    let asking = settings.asking_tenant(tenant).ok();
    json!({
        "tenant_id": tenant.id,
        "name": tenant.name,
        "cloud": tenant.cloud,
        "client_id": tenant.client_id,
        "application_id": tenant.application_id,
        "domains": settings.tenant_domains.of(tenant.id).collect::<Vec<_>>(),
        "discovery_url": settings.oidc_discovery_url(),
        "redirect_uri": settings.oidc_authorize_url(),
        "answers_go_to": asking.as_ref().map(|asking| asking.cloud.reply_url()),
    })
}
