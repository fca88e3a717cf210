//! `domain plan`: what there is to do so that Entra has what it should have.
//!
//! Always true: nothing is changed, and nothing is asked of anybody unless a tenant is
//! named; without a state the plan says that it was made without one.

use std::{
    fs,
    io::{IsTerminal as _, Read as _, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{Failure, domain_words::Words, open};
use crate::{
    app::{App, federation::ours, graph_sign_in::GRAPH_RESOURCE},
    base::{
        clock::{Clock as _, SystemClock},
        text::DomainName,
    },
    federation::{
        Authentication, CallWeight, Plan, Setting, Tenant, Wanted, plan,
        powershell::{self, ScriptFor},
        precondition::{Facts, Precondition, Step, preconditions},
    },
};

/// What there is to do so that Entra has what it should have.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct PlanArgs {
    /// The domain.
    domain: DomainName,
    /// How it is written: for people, as calls of Graph, or as Microsoft Graph PowerShell.
    #[arg(long, value_enum, default_value_t = Format::Diff)]
    format: Format,
    /// What the tenant has: Graph's answer for the domain or its federationConfiguration as JSON; - reads it
    /// from standard input. Without it the plan is made as if the domain were managed.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// The tenant, for the PowerShell script's sign-in: its id or one of its domains [default: the domain].
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Print the whole plan as JSON: differences, calls, preconditions, warnings.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Exit with 10 if there is something to do.
    #[arg(long)]
    detailed_exit_code: bool,
}

const AFTER_HELP: &str = "\
Examples:
  claimbridge domain plan contoso.com
  claimbridge domain plan contoso.com --format powershell > federate.ps1
  az rest --url https://graph.microsoft.com/v1.0/domains/contoso.com/federationConfiguration |
    claimbridge domain plan contoso.com --state -

Exit code: 0 the plan was printed; with --detailed-exit-code 10 if there is something to do; 1 the domain is not
configured here; 2 wrong usage or an unreadable state.";

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

/// Larger than any answer about domains.
const LARGEST_STATE: u64 = 8 * 1024 * 1024;

/// Runs the command.
pub async fn run(
    args: &PlanArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let config = open::config(path)?;
    let app = open::app(&config).await?;
    let wanted = wanted(&app, &args.domain).await?;
    let tenant = args
        .state
        .as_deref()
        .map(|from| state(from, &args.domain))
        .transpose()?;
    let plan = plan(&wanted, tenant.as_ref(), SystemClock.now());
    let graph_url = config.entra.endpoints.as_ref().map_or_else(
        || GRAPH_RESOURCE.to_owned(),
        |endpoints| endpoints.graph_url.clone(),
    );
    let checks = preconditions(&wanted, tenant.as_ref(), step(&plan), &Facts::default());
    if args.json {
        writeln!(out, "{}", as_json(&plan, &checks, &graph_url))?;
    } else {
        match args.format {
            Format::Graph => {
                let calls = calls(&plan, &graph_url);
                serde_json::to_writer_pretty(&mut *out, &calls).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
            Format::Powershell => {
                let about = ScriptFor {
                    tenant: args.tenant.clone(),
                    environment: powershell::environment(&config.entra.cloud.name),
                    checks: checks.clone(),
                };
                write!(out, "{}", powershell::script(&plan, &about))?;
            }
            Format::Diff => {
                let words = Words::of_terminal(std::io::stdout().is_terminal());
                words.plan(&plan, out)?;
                if !plan.is_empty() {
                    words.preconditions(&checks, out)?;
                }
            }
        }
        if args.format != Format::Diff {
            // Whoever runs what stands in the file has read this.
            let words = Words::of_terminal(std::io::stderr().is_terminal());
            words.before_it_is_run(&plan, &checks, &mut std::io::stderr())?;
        }
    }
    let changes = args.detailed_exit_code && plan.is_to_do();
    Ok(if changes {
        ExitCode::from(SOMETHING_TO_DO)
    } else {
        ExitCode::SUCCESS
    })
}

/// Unlike any failure's.
const SOMETHING_TO_DO: u8 = 10;

/// What a plan does to its domain.
pub(super) fn step(plan: &Plan) -> Step {
    if plan.converts || !plan.is_of_state {
        Step::Converts
    } else {
        Step::Mends
    }
}

/// What Entra should have for a domain of ours.
pub(super) async fn wanted(app: &App, domain: &DomainName) -> Result<Wanted, Failure> {
    let ours = ours(app).await?;
    let found = ours.domains.iter().find(|own| own.name == *domain);
    found.map(|own| ours.wanted(own)).ok_or_else(|| {
        Failure::no(format!(
            "the domain {domain} is not there; add it with `claimbridge domain add {domain}`"
        ))
    })
}

fn state(from: &Path, domain: &DomainName) -> Result<Tenant, Failure> {
    let mut text = Vec::new();
    let read = if from == Path::new("-") {
        std::io::stdin().take(LARGEST_STATE).read_to_end(&mut text)
    } else {
        fs::File::open(from).and_then(|file| file.take(LARGEST_STATE).read_to_end(&mut text))
    };
    let name = from.display();
    read.map_err(|error| Failure::usage(format!("{name} cannot be read ({error})")))?;
    let value: Value = serde_json::from_slice(&text).map_err(|error| {
        Failure::usage(format!(
            "{name} is no JSON ({error}); give what Graph answers for /domains/{domain}/federationConfiguration"
        ))
    })?;
    let tenant = Tenant::parse(&value, domain)
        .map_err(|error| Failure::usage(format!("{name}: {}", super::chain(&error))))?;
    if tenant.domain(domain).is_none() {
        return Err(Failure::usage(format!(
            "{name} shows {} domains and {domain} is none of them; give the state of its tenant",
            tenant.domains.len()
        )));
    }
    let state = tenant.domain(domain);
    if state.is_some_and(|state| {
        state.authentication == Some(Authentication::Federated) && state.configuration.is_none()
    }) {
        return Err(Failure::usage(format!(
            "{name} says that {domain} is federated, and not how; give what Graph answers for /domains/{domain}/federationConfiguration"
        )));
    }
    Ok(tenant)
}

/// The calls as a program sends them.
fn calls(plan: &Plan, graph_url: &str) -> Value {
    plan.calls
        .iter()
        .map(|call| {
            json!({
                "method": call.method.as_str(),
                "url": format!("{graph_url}{}", call.path),
                "body": call.body,
                "may_fail": call.weight == CallWeight::MayFail,
            })
        })
        .collect()
}

/// The whole plan.
pub(super) fn as_json(plan: &Plan, checks: &[Precondition], graph_url: &str) -> Value {
    let json_of = |setting: &Option<Setting>| setting.as_ref().map(Setting::to_json);
    let differences: Vec<Value> = plan
        .differences
        .iter()
        .map(|difference| {
            json!({
                "property": difference.property.name(),
                "was": json_of(&difference.was),
                "will": json_of(&difference.will),
                "matters": difference.property.matters(),
            })
        })
        .collect();
    let warnings: Vec<Value> = plan
        .warnings
        .iter()
        .map(|warning| {
            json!({
                "rule": warning.rule, "severity": warning.severity,
                "title": warning.title, "evidence": warning.evidence, "fix": warning.fix,
            })
        })
        .collect();
    json!({
        "domain": plan.domain,
        "inherits": plan.inherits,
        "is_of_state": plan.is_of_state,
        "converts": plan.converts,
        "contradicts": plan.contradicts,
        "differences": differences,
        "calls": calls(plan, graph_url),
        "mends": plan.mends,
        "warnings": warnings,
        "preconditions": checks.iter().map(check_json).collect::<Vec<_>>(),
        "cannot_be_undone": crate::federation::restore::cannot_be_undone(plan.converts),
    })
}

fn check_json(check: &Precondition) -> Value {
    json!({
        "id": check.id, "standing": check.standing.as_str(),
        "says": check.says, "remedy": check.remedy,
        "refuses": check.weight == crate::federation::precondition::Weight::Refuses,
    })
}
