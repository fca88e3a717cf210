//! `domain apply`: giving a domain the federation in Entra that it should have.
//!
//! Always true: nothing is sent before the domain's name was typed or given by `--confirm`;
//! before that the plan, what must be so, and what cannot be undone stand on the screen; the
//! administrator's account lies outside the domain; every call is in the journal first.

use std::{
    io::{self, IsTerminal as _, Write},
    path::Path,
    process::ExitCode,
};

use clap::Args;
use serde_json::{Value, json};

use super::{
    Failure,
    domain_desk::{
        Desk, administrator, change_failure, confirmed, done, graph_url, look_failure, not_done,
        note_seen, read_failure, require_person, require_settled, require_unchanged, say, tell,
        tell_altered,
    },
    domain_plan,
    domain_words::Words,
    graph_sign_in::GraphArgs,
    open,
};
use crate::{
    app::{
        federation::{
            change::{LOOKS, carry_out, interrupted},
            facts::look,
            journal::{Beginning, Change, ChangeKind, ChangeOutcome, Journal},
            read::{of_tenant, read_domain, read_tenant},
        },
        graph_sign_in::SignedInGraph,
    },
    base::{
        clock::{Clock as _, SystemClock},
        text::DomainName,
    },
    federation::{
        DomainState, Plan, Property, Tenant, Wanted, plan,
        precondition::{Facts, Precondition, Standing, Weight, preconditions},
        restore::cannot_be_undone,
    },
};

/// Give a domain the federation that it should have in Entra.
///
/// Signs in an administrator, shows the plan, and asks for the domain's name. Everything that is
/// sent is in the journal first; an interrupted command is seen by the next one, which goes on.
#[derive(Args, Debug)]
#[command(after_help = APPLY_HELP)]
pub struct ApplyArgs {
    /// The domain.
    domain: DomainName,
    /// Change nothing: show what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask: this is the domain's name. Without a terminal nothing is changed unless it is given.
    #[arg(long, value_name = "DOMAIN")]
    confirm: Option<DomainName>,
    /// Two accounts on *.onmicrosoft.com that sign in when this server is down; both are looked up.
    #[arg(long, value_name = "UPN", num_args = 2, value_names = ["UPN", "UPN"])]
    emergency_account: Vec<String>,
    /// Print what was planned and done as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    graph: GraphArgs,
}

const APPLY_HELP: &str = "\
Examples:
  claimbridge domain apply contoso.com --emergency-account break1@contoso.onmicrosoft.com break2@contoso.onmicrosoft.com
  claimbridge domain apply contoso.com --device-code --dry-run --emergency-account …

It needs Domain-InternalFederation.ReadWrite.All, Domain.Read.All, Policy.Read.All and User.Read.All, and a role such as
Domain Name Administrator; the account must lie outside the domain.

Exit code: 0 the tenant has what it should have, or the dry run was shown; 1 a precondition refuses, Entra refuses, or it
was not confirmed; 2 wrong usage; 3 a server did not answer (run it again: it reads what there is and goes on).";

/// Runs `domain apply`.
pub async fn apply(
    args: &ApplyArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    require_person(&args.graph)?;
    let config = open::config(path)?;
    let app = open::app(&config).await?;
    let domain = &args.domain;
    let wanted = domain_plan::wanted(&app, domain).await?;
    if wanted.is_inherited() {
        return Err(Failure::no(format!(
            "{domain} lies below {root} and has that domain's federation; run `claimbridge domain apply {root}`",
            root = wanted.domain.root
        )));
    }
    let signed_in = administrator(&args.graph, &config, domain, None).await?;
    let desk = Desk {
        app: &app,
        signed_in: &signed_in,
        domain,
        words: Words::of_terminal(io::stdout().is_terminal()),
        json: args.json,
    };
    tell("Reading the tenant …");
    let tenant = read_tenant(&signed_in.graph)
        .await
        .map_err(|error| read_failure(&error))?;
    let state = of_tenant(&tenant, domain)
        .map_err(|error| read_failure(&error))?
        .clone();
    if let Some(name) = depends_on_us(&signed_in, &wanted, &tenant) {
        tell(&format!(
            "Mind: {name} is an account of a domain that signs in here too; if this server is down it cannot undo anything."
        ));
    }
    let history = app.federation_changes(domain).await?;
    tell_altered(domain, &history);
    if let Some(change) = history.open() {
        change.require_tenant(&desk.hand())?;
        tell(&interrupted(change, &state));
        // Whoever waits for the answer of that call may still be there.
        if !args.dry_run {
            require_settled(&desk, change).await?;
        }
        if change.kind() == ChangeKind::Rollback {
            tell(
                "That rollback is given up with this; `claimbridge domain rollback` would finish it instead.",
            );
        }
    }
    let unfinished = history
        .open()
        .filter(|change| change.kind() == ChangeKind::Apply);
    let plan = plan(&wanted, Some(&tenant), SystemClock.now());
    let facts = if plan.is_empty() {
        Facts::default()
    } else {
        let looked = look(
            &app,
            &signed_in.graph,
            &wanted,
            &tenant,
            &args.emergency_account,
            tell,
        )
        .await;
        match looked {
            Ok(facts) => facts,
            // A list of people that cannot be read must not keep a foreign certificate in force.
            Err(error) if !plan.converts => {
                tell(&format!(
                    "Not everything could be looked at: {}.",
                    super::chain(&error)
                ));
                Facts::default()
            }
            Err(error) => return Err(look_failure(&error)),
        }
    };
    let checks = preconditions(&wanted, Some(&tenant), domain_plan::step(&plan), &facts);
    let mut report =
        json!({ "plan": domain_plan::as_json(&plan, &checks, &graph_url(&signed_in)) });
    if !desk.json {
        desk.words.plan(&plan, out)?;
    }
    if plan.is_empty() {
        note_seen(&app, &wanted.domain, &state).await?;
        if let Some(change) = history.open().filter(|_| !args.dry_run) {
            close(&desk, change, &state, out).await?;
        }
        return done(&desk, out, report, "nothing-to-do");
    }
    if !desk.json {
        desk.words.preconditions(&checks, out)?;
        out.flush()?;
    }
    refuse_unmet(&checks, args.dry_run, &desk, &mut report, out)?;
    if !confirmed(&desk, args.dry_run, args.confirm.as_ref(), "apply this")? {
        return not_done(&desk, out, report, args.dry_run);
    }
    let state = require_unchanged(&desk, &state).await?;
    let named: Vec<String> = cannot_be_undone(plan.converts)
        .into_iter()
        .map(ToOwned::to_owned)
        .collect();
    let given_up = history
        .open()
        .filter(|change| change.kind() != ChangeKind::Apply);
    if let Some(change) = given_up {
        let journal = Journal::resume(&app, change, desk.hand(), &state).await?;
        journal
            .finish(ChangeOutcome::Superseded, Some(&state))
            .await?;
    }
    let journal = if let Some(change) = unfinished {
        Journal::resume(&app, change, desk.hand(), &state).await?
    } else {
        let beginning = Beginning {
            kind: ChangeKind::Apply,
            hand: desk.hand(),
            before: &state,
            rolls_back: None,
            named,
            covers: Vec::new(),
            aside: &history,
        };
        Journal::begin(&app, domain, beginning).await?
    };
    report["change"] = json!(journal.id);
    let journal = carry_out(&signed_in.graph, journal, domain, &plan.calls, &LOOKS, tell)
        .await
        .map_err(|error| change_failure(&error))?;
    let left = finish_apply(&desk, journal, &wanted).await?;
    let Some(left) = left else {
        say(
            &desk,
            out,
            &format!(
                "\nDone, and read back: {domain} has what it should have. All of Entra may need up to two hours to know; `claimbridge domain verify {domain}` looks."
            ),
        )?;
        return done(&desk, out, report, "applied");
    };
    report["left"] = domain_plan::as_json(&left, &[], "")["differences"].clone();
    if left.is_only_what_may_fail() {
        say(
            &desk,
            out,
            "\nDone, and read back. Entra did not take systemBrowserEnabledOn: in the embedded views of mobile apps people need a one-time code.",
        )?;
        return done(&desk, out, report, "applied");
    }
    say(
        &desk,
        out,
        "\nWhat must be was sent and accepted; read back, the tenant does not show all of it yet:",
    )?;
    if !desk.json {
        desk.words.differences(&left.differences, out)?;
    }
    say(
        &desk,
        out,
        &format!("Look again in some minutes: `claimbridge domain verify {domain}`."),
    )?;
    done(&desk, out, report, "not-all-there-yet")?;
    Ok(ExitCode::from(3))
}

/// An interrupted change of which nothing is left to do.
async fn close(
    desk: &Desk<'_>,
    change: &Change,
    state: &DomainState,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let sent = change.may_have_changed();
    let journal = Journal::resume(desk.app, change, desk.hand(), state).await?;
    let outcome = match change.kind() {
        ChangeKind::Rollback | ChangeKind::SetAside => ChangeOutcome::Superseded,
        ChangeKind::Apply if sent => ChangeOutcome::Done,
        ChangeKind::Apply => ChangeOutcome::Refused,
    };
    journal.finish(outcome, Some(state)).await?;
    say(
        desk,
        out,
        if sent && outcome == ChangeOutcome::Done {
            "The interrupted change took place; it is closed."
        } else {
            "The interrupted change is closed."
        },
    )
}

/// The administrator's name, if its own domain is federated with us.
fn depends_on_us(signed_in: &SignedInGraph, wanted: &Wanted, tenant: &Tenant) -> Option<String> {
    let name = signed_in.holder_name();
    let own: DomainName = name.rsplit_once('@')?.1.parse().ok()?;
    let issuer = tenant
        .domain(&own)?
        .federation()?
        .text(Property::IssuerUri)?;
    let is_ours = wanted
        .ours
        .domains
        .iter()
        .any(|one| one.issuer_uri == issuer);
    is_ours.then_some(name)
}

/// Reads back and closes the change; what the tenant does not show yet.
async fn finish_apply(
    desk: &Desk<'_>,
    journal: Journal<'_>,
    wanted: &Wanted,
) -> Result<Option<Plan>, Failure> {
    tell("Reading back …");
    let after = read_domain(&desk.signed_in.graph, desk.domain)
        .await
        .map_err(|error| {
            Failure::service(format!(
                "everything was sent and accepted, and could not be read back: {}; run `claimbridge domain apply {}` again, it closes the change",
                super::chain(&error),
                desk.domain
            ))
        })?;
    note_seen(desk.app, &wanted.domain, &after).await?;
    journal.finish(ChangeOutcome::Done, Some(&after)).await?;
    let tenant = Tenant {
        domains: vec![after],
        ..Tenant::default()
    };
    let left = plan(wanted, Some(&tenant), SystemClock.now());
    Ok((!left.is_empty()).then_some(left))
}

/// Refuses what is not met. In a dry run it is only told.
fn refuse_unmet(
    checks: &[Precondition],
    dry_run: bool,
    desk: &Desk<'_>,
    report: &mut Value,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let unmet: Vec<&Precondition> = checks
        .iter()
        .filter(|check| check.weight == Weight::Refuses && check.standing != Standing::Met)
        .collect();
    if unmet.is_empty() || dry_run {
        return Ok(());
    }
    report["result"] = json!("refused");
    if desk.json {
        writeln!(out, "{report}")?;
    }
    let lines: Vec<String> = unmet
        .iter()
        .map(|check| format!("{} {}", check.says, check.remedy))
        .collect();
    Err(Failure::no(format!(
        "nothing was changed, because this must be so first:\n{}",
        lines.join("\n")
    )))
}
