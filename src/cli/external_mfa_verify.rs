//! `external-mfa verify`: whether Entra would take what we publish, and knows us as it should.
//!
//! Always true: it only reads; what was not looked at is said, and never looks like a yes.

use std::{
    io::{self, IsTerminal as _, Read as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::{Value, json};

use super::{
    Failure,
    external_mfa::{Which, chosen},
    open,
};
use crate::{
    app::{
        external_mfa::{
            published, tenants,
            verify::{self, Check, Standing},
        },
        keys,
    },
    base::clock::{Clock as _, SystemClock},
    inspect::shown,
    keys::{KeyPurpose, sealing::Sealing},
    relying_party::{ClientId, Tenant},
};

/// Read what we publish at the public address, and judge it as Entra would.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct VerifyArgs {
    /// The tenant: its id, or what you call it [default: all].
    #[arg(value_name = "TENANT")]
    tenant: Option<String>,
    /// Which of its methods, if it has several here.
    #[arg(long, value_name = "TEXT", requires = "tenant")]
    client_id: Option<ClientId>,
    /// What Graph answers for GET /applications(appId='…'), to look at its redirect URIs; - is standard input.
    #[arg(long, value_name = "FILE", requires = "tenant")]
    application: Option<PathBuf>,
    /// What Graph answers for the method's configuration; - is standard input.
    #[arg(long, value_name = "FILE", requires = "tenant")]
    method: Option<PathBuf>,
    /// Print {good, provider: [check], tenants: [{tenant_id, client_id, checks}]}.
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Run it where the public address leads to what Entra sees, best from outside your network.

Exit code: 0 nothing is wrong; 1 something is, or the tenant is not there; 2 wrong usage; 3 the public address did not
answer.";

/// Larger than any of them.
const LARGEST: u64 = 1024 * 1024;

/// Runs the command.
pub async fn run(
    args: &VerifyArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let config = open::config(path)?;
    let settings = open::settings(&config)?;
    let store = open::store(&config).await?;
    let all = tenants::known(&store, &settings).await?;
    let meant: Vec<Tenant> = match &args.tenant {
        None => all,
        Some(tenant) => vec![chosen(
            &all,
            &Which {
                tenant: tenant.clone(),
                client_id: args.client_id.clone(),
            },
        )?],
    };
    if meant.is_empty() {
        return Err(Failure::no(
            "there is no tenant, so nothing is published; begin with `claimbridge external-mfa plan`",
        ));
    }
    let application = args.application.as_deref().map(json_of).transpose()?;
    let method = args.method.as_deref().map(json_of).transpose()?;
    let sealing = Sealing::new(&config.master_key);
    let own_keys = keys::published(&store, &sealing, KeyPurpose::Oidc).await?;
    let outbound = published::way_out().map_err(|error| Failure::service(super::chain(&error)))?;
    let ours = verify::our_side(&outbound, &settings, &own_keys, SystemClock.now()).await?;
    let mut of_tenants: Vec<(&Tenant, Vec<Check>)> = Vec::new();
    for tenant in &meant {
        let mut checks = vec![verify::cloud(&outbound, &settings, tenant).await];
        checks.extend(verify::application(&settings, tenant, application.as_ref()));
        checks.extend(verify::method(&settings, tenant, method.as_ref()));
        of_tenants.push((tenant, checks));
    }
    let every = || {
        let of_tenants = of_tenants.iter().flat_map(|(_, checks)| checks);
        ours.checks.iter().chain(of_tenants)
    };
    let good = every().all(|check| check.standing != Standing::Unmet);
    if args.json {
        let tenants: Vec<Value> = of_tenants
            .iter()
            .map(|(tenant, checks)| {
                json!({"tenant_id": tenant.id, "client_id": tenant.client_id, "checks": checks})
            })
            .collect();
        let value = json!({"good": good, "provider": ours.checks, "tenants": tenants});
        writeln!(out, "{value}")?;
    } else {
        let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        writeln!(out, "What Entra reads of us:")?;
        lines(&ours.checks, colours, out)?;
        for (tenant, checks) in &of_tenants {
            writeln!(out, "The tenant {} ({}):", tenant.title(), tenant.client_id)?;
            lines(checks, colours, out)?;
        }
    }
    Ok(if ours.is_unreachable {
        ExitCode::from(3)
    } else {
        ExitCode::from(u8::from(!good))
    })
}

fn json_of(path: &Path) -> Result<Value, Failure> {
    let mut text = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().take(LARGEST).read_to_end(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut text))
    };
    let name = path.display();
    read.map_err(|error| Failure::usage(format!("{name} cannot be read ({error})")))?;
    let value: Value = serde_json::from_slice(&text).map_err(|error| {
        Failure::usage(format!(
            "{name} is no JSON ({error}); give what Graph answers"
        ))
    })?;
    // A search answers with a list.
    match value["value"].as_array().map(Vec::as_slice) {
        Some([one]) => Ok(one.clone()),
        Some(list) => Err(Failure::usage(format!(
            "{name} shows {} objects; give the one that is meant",
            list.len()
        ))),
        None => Ok(value),
    }
}

fn lines(checks: &[Check], colours: bool, out: &mut dyn Write) -> io::Result<()> {
    for check in checks {
        let (colour, sign) = match check.standing {
            Standing::Met => (32, "ok"),
            Standing::Unmet => (31, "no"),
            Standing::Unknown => (33, "?"),
        };
        let sign = format!("{sign:<4}");
        let sign = if colours {
            format!("\u{1b}[{colour}m{sign}\u{1b}[0m")
        } else {
            sign
        };
        let rule = if check.id.starts_with("CB-") {
            format!("{}: ", check.id)
        } else {
            String::new()
        };
        let entra = if check.aadsts.is_empty() {
            String::new()
        } else {
            format!(" Entra says AADSTS{}.", check.aadsts.join(", AADSTS"))
        };
        writeln!(out, "  {sign} {rule}{}{entra}", shown(&check.says, 800))?;
        if !check.remedy.is_empty() {
            writeln!(out, "       {}", shown(&check.remedy, 800))?;
        }
    }
    Ok(())
}
