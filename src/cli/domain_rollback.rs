//! `domain rollback`: giving a domain the federation in Entra that it had.
//!
//! Always true: what is restored comes from the sealed journal and from nowhere else; what
//! Graph lets nobody restore is named before the question.

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
        Desk, TO_MANAGED, administrator, change_failure, confirmed, done, read_failure,
        require_person, say, tell,
    },
    domain_words::Words,
    graph_sign_in::GraphArgs,
    open,
};
use crate::{
    app::federation::{
        change::{LOOKS, carry_out, interrupted},
        journal::{Change, ChangeKind, ChangeOutcome, Journal},
        ours,
        read::read_domain,
    },
    base::{
        clock::{Clock as _, SystemClock},
        text::DomainName,
    },
    federation::{UnknownKeys, restore},
};

/// Give a domain the federation in Entra that it had before the last `domain apply`.
#[derive(Args, Debug)]
#[command(after_help = ROLLBACK_HELP)]
pub struct RollbackArgs {
    /// The domain.
    domain: DomainName,
    /// Change nothing: show what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask: this is the domain's name. Without a terminal nothing is changed unless it is given.
    #[arg(long, value_name = "DOMAIN")]
    confirm: Option<DomainName>,
    /// Restore also certificates that are none of ours: whoever has such a key can sign in as anybody. Needed to go back
    /// to an earlier provider.
    #[arg(long)]
    with_unknown_certificates: bool,
    /// Print what was planned and done as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    graph: GraphArgs,
}

const ROLLBACK_HELP: &str = "\
Restores what Graph lets one restore, from the journal, and names what it does not: passwords after going back to
managed (which needs Domain.ReadWrite.All beside what `domain apply` needs), a federatedIdpMfaBehavior that was not set,
the time that it takes (up to two hours). A certificate that is none
of ours does not come back by itself: it may be why the domain was changed (--with-unknown-certificates).

Exit code: 0 it is as it was, or the dry run was shown; 1 there is nothing to roll back, Entra refuses, or it was not
confirmed; 2 wrong usage; 3 a server did not answer (run it again).";

/// Runs `domain rollback`.
pub async fn rollback(
    args: &RollbackArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    require_person(&args.graph)?;
    let config = open::config(path)?;
    let app = open::app(&config).await?;
    let domain = &args.domain;
    // Before anybody signs in: whether there is something to go back to.
    let all = app.federation_changes(domain).await?;
    let open_rollback = all
        .iter()
        .find(|change| change.kind() == ChangeKind::Rollback && change.outcome().is_none());
    let target = match open_rollback {
        Some(rollback) => all
            .iter()
            .find(|change| Some(change.id.as_str()) == rollback.rolls_back()),
        None => last_applied(&all),
    };
    let Some(target) = target else {
        return Err(Failure::no(format!(
            "there is nothing to roll back: no `domain apply` of {domain} is in the journal that is not undone already"
        )));
    };
    let before = target.before()?;
    let signed_in = administrator(
        &args.graph,
        &config,
        domain,
        before.is_managed().then_some(TO_MANAGED),
    )
    .await?;
    let desk = Desk {
        app: &app,
        signed_in: &signed_in,
        domain,
        words: Words::of_terminal(io::stdout().is_terminal()),
        json: args.json,
    };
    target.require_tenant(&desk.hand())?;
    tell("Reading the tenant …");
    let state = read_domain(&signed_in.graph, domain)
        .await
        .map_err(|error| read_failure(&error))?;
    for change in all.iter().filter(|change| change.outcome().is_none()) {
        tell(&interrupted(change, &state));
    }
    let unknown_keys = if args.with_unknown_certificates {
        UnknownKeys::Restored
    } else {
        UnknownKeys::LeftOut
    };
    let ours = ours(&app).await?;
    let way = restore(&before, &state, &ours, unknown_keys, SystemClock.now());
    if let Some(why) = &way.refused {
        if !args.json {
            desk.words.restoration(&way, out)?;
            out.flush()?;
        }
        return Err(Failure::no(format!("nothing was restored: {why}")));
    }
    let mut report = json!({
        "rolls_back": target.id,
        "calls": way.calls.iter().map(|call| json!({
            "method": call.method.as_str(), "path": call.path, "body": call.body,
        })).collect::<Vec<Value>>(),
        "cannot_be_restored": way.cannot,
        "should_not_come_back": way.warnings,
        "to_managed": way.to_managed,
    });
    say(
        &desk,
        out,
        &format!(
            "{domain} goes back to what it was before {} ({}).",
            target.begun_at, target.id
        ),
    )?;
    if !desk.json {
        desk.words.restoration(&way, out)?;
        out.flush()?;
    }
    if !way.calls.is_empty()
        && !confirmed(domain, args.dry_run, args.confirm.as_ref(), "roll back")?
    {
        say(&desk, out, "\nDry run: nothing was changed.")?;
        return done(&desk, out, report, "dry-run");
    }
    if args.dry_run {
        say(&desk, out, "\nDry run: nothing was changed.")?;
        return done(&desk, out, report, "dry-run");
    }
    // The apply is over with this; its own journal says so before the rollback's begins, so
    // that at most one change of the domain is open.
    let unfinished = all
        .iter()
        .filter(|change| change.kind() == ChangeKind::Apply && change.outcome().is_none());
    for change in unfinished {
        Journal::resume(&app, change, desk.hand(), &state)
            .await?
            .finish(ChangeOutcome::RolledBack, Some(&state))
            .await?;
    }
    let journal = match open_rollback {
        Some(change) => Journal::resume(&app, change, desk.hand(), &state).await?,
        None => {
            Journal::begin(
                &app,
                domain,
                ChangeKind::Rollback,
                desk.hand(),
                &state,
                Some(&target.id),
                way.cannot.clone(),
            )
            .await?
        }
    };
    report["change"] = json!(journal.id);
    let journal = carry_out(&signed_in.graph, journal, domain, &way.calls, &LOOKS, tell)
        .await
        .map_err(|error| change_failure(&error))?;
    tell("Reading back …");
    let after = read_domain(&signed_in.graph, domain).await.map_err(|error| {
        Failure::service(format!(
            "everything was sent and accepted, and could not be read back: {}; run `claimbridge domain rollback {domain}` again, it closes the change",
            super::chain(&error)
        ))
    })?;
    let left = restore(&before, &after, &ours, unknown_keys, SystemClock.now());
    journal.finish(ChangeOutcome::Done, Some(&after)).await?;
    if left.calls.is_empty() {
        say(
            &desk,
            out,
            &format!("\nDone, and read back: {domain} is as it was."),
        )?;
    } else {
        say(
            &desk,
            out,
            "\nEverything was sent and accepted; read back, the tenant does not show all of it yet. Look again in some minutes.",
        )?;
    }
    done(&desk, out, report, "rolled-back")
}

/// The last change that took place or may have, and was not undone.
fn last_applied(all: &[Change]) -> Option<&Change> {
    let undone: Vec<&str> = all
        .iter()
        .filter(|change| {
            change.kind() == ChangeKind::Rollback && change.outcome() == Some(ChangeOutcome::Done)
        })
        .filter_map(Change::rolls_back)
        .collect();
    all.iter().find(|change| {
        change.kind() == ChangeKind::Apply
            && change.may_have_changed()
            && !undone.contains(&change.id.as_str())
    })
}
