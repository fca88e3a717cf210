//! `domain verify` and `domain drift`: whether Entra has what it should have.
//!
//! Always true: both only read; what was not done is said, and never looks like a yes.

use std::{
    io::{self, IsTerminal as _, Write},
    path::Path,
    process::ExitCode,
};

use clap::Args;
use serde_json::json;

use super::{
    Failure,
    domain_desk::{note_seen, read_failure},
    domain_plan,
    domain_words::Words,
    graph_sign_in::{self, GraphArgs},
    inspect_live, open,
};
use crate::{
    app::{
        App,
        federation::{
            ours,
            read::{of_tenant, read_tenant},
            realm::{judge, realm},
        },
        graph_sign_in::SignedInGraph,
        live_check::{self, Authority, ClientIdentity, Flow, MICROSOFT_SCRIPT_CLIENT},
    },
    base::{
        clock::{Clock as _, SystemClock},
        random::SystemRandom,
        text::DomainName,
    },
    config::{Config, GraphCredential},
    federation::{Drift, DriftKind, DriftSeverity, Ours, Property, Tenant, drift, plan},
};

const READING: [&str; 2] = ["Domain.Read.All", "Policy.Read.All"];

/// Read back what Entra has for a domain, ask it what it tells everybody, and sign in.
#[derive(Args, Debug)]
#[command(after_help = VERIFY_HELP)]
pub struct VerifyArgs {
    /// The domain.
    domain: DomainName,
    /// Also sign somebody of the domain in, and judge the access token with the inspector.
    #[arg(long)]
    sign_in: bool,
    /// Print what was found as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    graph: GraphArgs,
}

const VERIFY_HELP: &str = "\
Without options the application of [graph] in the configuration reads, if there is one; otherwise somebody signs in.

Exit code: 0 the tenant has what it should have (and, with --sign-in, the token carries MFA); 1 it has not; 2 wrong
usage; 3 a server did not answer.";

/// Compare what Entra has for all our domains with what it should have, once.
///
/// `serve` does the same every [watch] every, if [graph] is configured.
#[derive(Args, Debug)]
#[command(after_help = DRIFT_HELP)]
pub struct DriftArgs {
    /// Only what concerns this domain, and the tenant as a whole.
    domain: Option<DomainName>,
    /// Print what was found as JSON: [{kind, severity, domain, property, sentence, remedy}].
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    graph: GraphArgs,
}

const DRIFT_HELP: &str = "\
Without options the application of [graph] in the configuration reads, if there is one; otherwise somebody signs in.
It needs Domain.Read.All and Policy.Read.All.

Exit code: 0 nothing differs; 1 something does; 2 wrong usage; 3 a server did not answer.";

/// Runs `domain verify`.
pub async fn verify(
    args: &VerifyArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let config = open::config(path)?;
    let app = open::app(&config).await?;
    let domain = &args.domain;
    let wanted = domain_plan::wanted(&app, domain).await?;
    let signed_in = reader(&args.graph, &config, domain.as_str()).await?;
    let tenant = read_tenant(&signed_in.graph)
        .await
        .map_err(|error| read_failure(&error))?;
    let state = of_tenant(&tenant, domain).map_err(|error| read_failure(&error))?;
    note_seen(&app, &wanted.domain, state).await?;
    let found = of_domain(
        drift(&wanted.ours, &tenant, SystemClock.now()),
        &wanted.ours,
        domain,
    );
    let left = plan(&wanted, Some(&tenant), SystemClock.now());
    let authority = args.graph.authority_url(&config)?;
    let public = match realm(&authority, domain).await {
        Ok(realm) => judge(&realm, &wanted),
        Err(error) => Some(super::chain(&error)),
    };
    // What it shows may be as planned and still be bad: a sub-domain, a certificate that ended.
    let as_it_should =
        (left.is_only_what_may_fail() && left.contradicts.is_none()) && !found.iter().any(is_drift);
    let mut good = as_it_should && public.is_none();
    let words = Words::of_terminal(io::stdout().is_terminal());
    if !args.json {
        if as_it_should {
            writeln!(out, "ok   Read back: {domain} has what it should have.")?;
        } else {
            writeln!(out, "no   Read back: {domain} has not what it should have.")?;
            words.differences(&left.differences, out)?;
            words.drift(&found, out)?;
        }
        match &public {
            None => writeln!(
                out,
                "ok   Entra tells everybody that {domain} signs in here."
            )?,
            Some(why) => writeln!(out, "no   {why}.")?,
        }
        out.flush()?;
    }
    let sign_in = if args.sign_in {
        let found = sign_in_of(args, &config, &wanted.domain.name).await?;
        good &= found.0;
        Some(found)
    } else {
        None
    };
    if args.json {
        let mut report = json!({
            "domain": domain,
            "good": good,
            "differences": domain_plan::as_json(&left, &[], "")["differences"],
            "findings": found,
            "realm": public,
            "sign_in": sign_in.as_ref().map(|(good, says)| json!({"good": good, "says": says})),
        });
        if sign_in.is_none() {
            report["not_done"] = json!(["sign-in"]);
        }
        writeln!(out, "{report}")?;
    } else {
        match &sign_in {
            Some((true, says)) => writeln!(out, "ok   {says}")?,
            Some((false, says)) => writeln!(out, "no   {says}")?,
            None => writeln!(
                out,
                "?    Not done: a sign-in. `claimbridge domain verify {domain} --sign-in` makes one."
            )?,
        }
    }
    Ok(ExitCode::from(u8::from(!good)))
}

/// Somebody of the domain signs in; whether the token carries MFA, and a sentence.
async fn sign_in_of(
    args: &VerifyArgs,
    config: &Config,
    domain: &DomainName,
) -> Result<(bool, String), Failure> {
    let cloud = live_check::cloud_endpoints(&config.entra.cloud.name)
        .or_else(|| live_check::cloud_endpoints("global"))
        .ok_or_else(|| Failure::usage("the cloud has no known endpoints"))?;
    let tenant = args.graph.tenant.as_deref().unwrap_or(domain.as_str());
    let authority =
        Authority::new(&args.graph.authority_url(config)?, tenant).map_err(Failure::usage)?;
    let plan = live_check::Plan {
        authority,
        identity: ClientIdentity {
            id: MICROSOFT_SCRIPT_CLIENT.to_owned(),
            secret: None,
        },
        resource: cloud.partner_center.to_owned(),
        flow: if args.graph.device_code {
            Flow::DeviceCode
        } else {
            Flow::AuthorizationCode
        },
        anew: true,
        login_hint: None,
        partner_center: None,
        redirect_port: args.graph.redirect_port,
        patience: args.graph.wait,
    };
    let mut err = io::stderr();
    writeln!(
        err,
        "Now sign in as somebody of {domain}, with both factors."
    )?;
    let mut notify = |notice: live_check::Notice<'_>| {
        // Nobody reads it if this fails.
        let _ = inspect_live::tell(notice, &mut err);
    };
    let check = live_check::run(plan, &SystemClock, &mut SystemRandom, &mut notify)
        .await
        .map_err(|error| Failure::service(super::chain(&error)))?;
    let upn = check.live.upn.clone().unwrap_or_default();
    let of_domain = upn
        .rsplit_once('@')
        .and_then(|(_, own)| own.parse::<DomainName>().ok())
        .is_some_and(|own| own.is_within(domain));
    Ok(match (check.passes(), of_domain) {
        (true, true) => (
            true,
            format!("Signed in: {upn}, and the access token carries MFA."),
        ),
        (true, false) => (
            false,
            format!("Signed in: {upn}, who is not of {domain}; sign in as somebody of it."),
        ),
        (false, _) => {
            let broken = check
                .report
                .as_ref()
                .map(|report| report.broken().join(", "))
                .filter(|rules| !rules.is_empty());
            let refused = check
                .live
                .refused
                .as_ref()
                .map(|refused| refused.description.clone());
            let why = refused
                .or(broken)
                .unwrap_or_else(|| "no MFA in amr".to_owned());
            (
                false,
                format!(
                    "The sign-in does not carry MFA ({why}); `claimbridge inspect live` says more."
                ),
            )
        }
    })
}

/// Runs `domain drift`.
pub async fn run_drift(
    args: &DriftArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    let config = open::config(path)?;
    let app = open::app(&config).await?;
    let ours = ours(&app).await?;
    let first = args
        .domain
        .clone()
        .or_else(|| ours.domains.first().map(|domain| domain.name.clone()))
        .ok_or_else(|| {
            Failure::no("no domain is configured here; add one with `claimbridge domain add`")
        })?;
    if let Some(asked) = &args.domain
        && !ours.domains.iter().any(|domain| domain.name == *asked)
    {
        return Err(Failure::no(format!(
            "the domain {asked} is not there; `claimbridge domain list` shows those that are"
        )));
    }
    let signed_in = reader(&args.graph, &config, first.as_str()).await?;
    let tenant = read_tenant(&signed_in.graph)
        .await
        .map_err(|error| read_failure(&error))?;
    note_all(&app, &ours.domains, &tenant).await?;
    let mut found = drift(&ours, &tenant, SystemClock.now());
    if let Some(asked) = &args.domain {
        found = of_domain(found, &ours, asked);
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &found).map_err(io::Error::from)?;
        writeln!(out)?;
    } else if found.is_empty() {
        let compared = match &args.domain {
            Some(asked) => asked.to_string(),
            None => in_words(ours.domains.len()),
        };
        writeln!(
            out,
            "Nothing differs: {compared} compared, and what concerns the tenant as a whole."
        )?;
    } else {
        Words::of_terminal(io::stdout().is_terminal()).drift(&found, out)?;
    }
    // What is only worth knowing is no drift.
    let differs = found.iter().any(is_drift);
    Ok(ExitCode::from(u8::from(differs)))
}

/// What concerns a domain of ours, everything below it, and the tenant as a whole: a domain
/// that is none of ours may carry this one's issuer.
fn of_domain(found: Vec<Drift>, ours: &Ours, asked: &DomainName) -> Vec<Drift> {
    let is_another_of_ours = |name: &str| {
        ours.domains
            .iter()
            .any(|own| own.name.as_str() == name && !own.name.is_within(asked))
    };
    found
        .into_iter()
        .filter(|one| {
            one.domain
                .as_deref()
                .is_none_or(|name| !is_another_of_ours(name))
        })
        .collect()
}

fn is_drift(one: &Drift) -> bool {
    let optional = one.property == Some(Property::SystemBrowserEnabledOn.name());
    one.severity != DriftSeverity::Info || (one.kind == DriftKind::SettingChanged && !optional)
}

fn in_words(domains: usize) -> String {
    if domains == 1 {
        "one domain".to_owned()
    } else {
        format!("{domains} domains")
    }
}

async fn note_all(
    app: &App,
    domains: &[crate::relying_party::Domain],
    tenant: &Tenant,
) -> Result<(), Failure> {
    for domain in domains {
        if let Some(state) = tenant.domain(&domain.name) {
            note_seen(app, domain, state).await?;
        }
    }
    Ok(())
}

/// Somebody who may read: by the options, else by [graph] of the configuration.
async fn reader(
    args: &GraphArgs,
    config: &Config,
    default_tenant: &str,
) -> Result<SignedInGraph, Failure> {
    let by_hand = args.device_code
        || args.client_id.is_some()
        || args.redirect_port.is_some()
        || args.login_hint.is_some();
    match &config.graph {
        Some(credential) if !by_hand => {
            let GraphCredential {
                tenant_id,
                client_id,
                client_secret,
            } = credential;
            graph_sign_in::application(args, config, tenant_id, client_id, client_secret.clone())
                .await
        }
        _ => {
            graph_sign_in::sign_in(args, config, default_tenant, &READING, &mut io::stderr()).await
        }
    }
}
