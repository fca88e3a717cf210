//! `external-mfa plan`: what there is to do at Entra, with our values filled in.
//!
//! Always true: nothing is changed and nothing is asked of anybody; a tenant that is not added yet
//! can be planned, because its application comes first.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{
    Failure,
    external_mfa::{Which, chosen},
    open,
};
use crate::{
    app::external_mfa::tenants,
    base::guid::Guid,
    federation::external_mfa::{
        CANNOT_BE_UNDONE, MethodCall, ROLES, Target, WARNINGS, WantedMethod, calls, powershell,
    },
    inspect::shown,
    relying_party::{ClientId, Tenant, TenantCloud},
};

/// What there is to do at Entra so that a tenant asks here for the second factor.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct PlanArgs {
    #[command(flatten)]
    which: Which,
    /// Ask the people of this group only (its object id): begin with a pilot.
    #[arg(
        long,
        value_name = "ID",
        required_unless_present = "all_users",
        conflicts_with = "all_users"
    )]
    group: Option<Guid>,
    /// Ask everybody, emergency accounts too.
    #[arg(long)]
    all_users: bool,
    /// The application registration, if there is one already and the tenant is not added yet.
    #[arg(long, value_name = "ID")]
    application_id: Option<Guid>,
    /// The cloud of a tenant that is not added yet [default: that of the configuration].
    #[arg(long)]
    cloud: Option<TenantCloud>,
    /// What people choose when they sign in; it can never be changed [default: branding.name].
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// How it is written: for people, as calls of Graph, or as Microsoft Graph PowerShell.
    #[arg(long, value_enum, default_value_t = Format::Diff)]
    format: Format,
    /// Print everything as JSON: the calls, roles, warnings and what cannot be undone.
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Ids that Graph gives on the way stand in braces, such as {id of the service principal}.

Exit code: 0 the plan was printed; 1 there is no such tenant; 2 wrong usage.";

/// How a plan is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// For people.
    Diff,
    /// A JSON array of calls: method, url, body.
    Graph,
    /// Microsoft Graph PowerShell.
    Powershell,
}

/// Runs the command.
pub async fn run(
    args: &PlanArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let config = open::config(path)?;
    let settings = open::settings(&config)?;
    let store = open::store(&config).await?;
    let present = tenants::known(&store, &settings).await?;
    let to_come = args.which.tenant.parse::<Guid>().ok().filter(|id| {
        // One that is there under another client id is a second method.
        let client_id = args.which.client_id.as_ref();
        !present.iter().any(|known| {
            known.id == *id && client_id.is_none_or(|wanted| *wanted == known.client_id)
        })
    });
    let (tenant, application) = if let Some(id) = to_come {
        let usual = config.entra.cloud.name.parse().ok();
        let client_id = args.which.client_id.clone();
        let tenant = Tenant {
            id,
            client_id: client_id.unwrap_or_else(|| ClientId::of_tenant(id)),
            application_id: args.application_id.unwrap_or(Guid::NIL),
            cloud: args.cloud.or(usual).unwrap_or(TenantCloud::Custom),
            name: None,
        };
        (tenant, args.application_id)
    } else {
        let tenant = chosen(&present, &args.which)?;
        let application = tenant.application_id;
        if args.application_id.is_some_and(|id| id != application)
            || args.cloud.is_some_and(|cloud| cloud != tenant.cloud)
        {
            return Err(Failure::usage(format!(
                "the tenant was added with the application {application} in the cloud \"{}\"; leave --application-id and --cloud out, or remove it first",
                tenant.cloud
            )));
        }
        (tenant, Some(application))
    };
    let display_name = args
        .display_name
        .clone()
        .unwrap_or_else(|| settings.service_name.clone());
    if display_name.trim().is_empty() || display_name.chars().any(char::is_control) {
        return Err(Failure::usage(
            "people choose the method by its name; write one with --display-name",
        ));
    }
    let wanted = WantedMethod {
        tenant: tenant.id,
        client_id: tenant.client_id.clone(),
        application,
        cloud: tenant.cloud,
        graph_url: tenant
            .cloud
            .endpoints(settings.endpoints.as_ref())
            .map_err(Failure::usage)?
            .graph_url,
        display_name,
        discovery_url: settings.oidc_discovery_url(),
        authorize_url: settings.oidc_authorize_url(),
        target: args.group.map_or(Target::AllUsers, Target::Group),
    };
    if !wanted.discovery_url.starts_with("https://") {
        tell(&format!(
            "Entra takes no discovery address but https, and public_url is {}.",
            settings.public_url
        ));
    }
    let calls = calls(&wanted);
    if args.json {
        writeln!(out, "{}", as_json(&wanted, &calls))?;
        return Ok(ExitCode::SUCCESS);
    }
    match args.format {
        Format::Graph => {
            let list: Vec<Value> = calls.iter().map(|call| call_json(&wanted, call)).collect();
            serde_json::to_writer_pretty(&mut *out, &list).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        Format::Powershell => write!(out, "{}", powershell::script(&wanted))?,
        Format::Diff => return for_people(&wanted, &calls, out),
    }
    // Whoever runs what stands in the file has read this.
    for line in ROLES.iter().chain(&CANNOT_BE_UNDONE).chain(&WARNINGS) {
        tell(line);
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(text: &str) {
    // Nobody reads it if this fails.
    let _ = writeln!(io::stderr(), "{}", shown(text, 800));
}

fn call_json(wanted: &WantedMethod, call: &MethodCall) -> Value {
    json!({
        "method": call.method,
        "url": format!("{}{}", wanted.graph_url, call.path),
        "body": call.body,
        "why": call.why,
        "role": call.role,
    })
}

fn as_json(wanted: &WantedMethod, calls: &[MethodCall]) -> Value {
    json!({
        "tenant_id": wanted.tenant,
        "client_id": wanted.client_id,
        "application_id": wanted.application,
        "discovery_url": wanted.discovery_url,
        "redirect_uri": wanted.authorize_url,
        "calls": calls.iter().map(|call| call_json(wanted, call)).collect::<Vec<_>>(),
        "roles": ROLES,
        "warnings": WARNINGS,
        "cannot_be_undone": CANNOT_BE_UNDONE,
    })
}

fn for_people(
    wanted: &WantedMethod,
    calls: &[MethodCall],
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    writeln!(out, "External MFA for the tenant {}:", wanted.tenant)?;
    let application = wanted.application.map_or_else(
        || "to be registered (single tenant, openid and profile)".to_owned(),
        |id| id.to_string(),
    );
    let target = match wanted.target {
        Target::Group(id) => format!("the group {id}"),
        Target::AllUsers => "everybody".to_owned(),
    };
    for (name, value) in [
        ("Name", shown(&wanted.display_name, 200)),
        ("Client ID", wanted.client_id.to_string()),
        ("Discovery endpoint", wanted.discovery_url.clone()),
        ("App ID", application),
        ("Redirect URI (Web)", wanted.authorize_url.clone()),
        ("For", target),
    ] {
        writeln!(out, "  + {name:<19} {value}")?;
    }
    writeln!(out, "\nSteps:")?;
    for (number, call) in calls.iter().enumerate() {
        writeln!(
            out,
            "  {}. {} ({})\n     {} {}{}",
            number + 1,
            call.why,
            call.role,
            call.method,
            wanted.graph_url,
            call.path
        )?;
    }
    if wanted.application.is_none() {
        writeln!(
            out,
            "  {}. Say here: claimbridge external-mfa add {} --client-id {} --cloud {} --application-id APP-ID",
            calls.len() + 1,
            wanted.tenant,
            wanted.client_id,
            wanted.cloud
        )?;
    }
    for (title, lines) in [
        ("Who:", &ROLES[..]),
        ("What cannot be undone:", &CANNOT_BE_UNDONE[..]),
        ("Know before:", &WARNINGS[..]),
    ] {
        writeln!(out, "\n{title}")?;
        for line in lines {
            writeln!(out, "  - {line}")?;
        }
    }
    writeln!(
        out,
        "\nThe same as a script: --format powershell; as calls: --format graph. Afterwards: claimbridge external-mfa verify {}",
        wanted.tenant
    )?;
    Ok(ExitCode::SUCCESS)
}
