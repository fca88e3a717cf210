//! `domain rollback --to-managed`, break glass: the federation of a domain is taken away, whatever
//! it is.
//!
//! Always true: it needs an administrator, the domain's name and one call of Graph, and nothing
//! else: no key of ours, no journal, nothing that the tenant shows. What it can write down it does.

use std::{
    io::{self, IsTerminal as _, Write},
    path::Path,
    process::ExitCode,
};

use openidconnect::http::Method;
use serde_json::json;

use super::{
    Failure,
    domain_desk::{
        Desk, TO_MANAGED, administrator, change_failure, confirmed, done, not_done, note_seen,
        read_failure, require_person, require_unchanged, say, tell, tell_altered,
    },
    domain_rollback::{RollbackArgs, journal, keyless, target},
    domain_words::Words,
    open,
};
use crate::{
    app::{
        domains,
        federation::{
            change::{
                ChangeError, LOOKS, carry_out, interrupted, may_still_take_place, still_open,
            },
            journal::{Change, ChangeOutcome, History, Journal},
            read::{ReadError, read_domain, read_kind},
        },
    },
    base::{
        clock::{Clock as _, SystemClock},
        text::DomainName,
    },
    federation::{Authentication, DomainState, Restoration, UnknownKeys, restore},
};

/// What is known of the domain.
enum Seen {
    /// All of it.
    Whole(DomainState),
    /// Some of it, or nothing.
    Part(DomainState),
}

impl Seen {
    fn state(&self) -> &DomainState {
        match self {
            Self::Whole(state) | Self::Part(state) => state,
        }
    }
}

/// Runs `domain rollback --to-managed`.
pub async fn to_managed(
    args: &RollbackArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    require_person(&args.graph)?;
    let config = open::config(path)?;
    let app = open::app(&config).await?;
    let domain = &args.domain;
    let (mut history, mut has_journal) = match app.federation_changes(domain).await {
        Ok(history) => (history, true),
        Err(error) => {
            tell(&format!(
                "The journal cannot be read ({}); going on without it.",
                super::chain(&error)
            ));
            (History::default(), false)
        }
    };
    tell_altered(&history);
    let signed_in = administrator(&args.graph, &config, domain, Some(TO_MANAGED)).await?;
    let desk = Desk {
        app: &app,
        signed_in: &signed_in,
        domain,
        words: Words::of_terminal(io::stdout().is_terminal()),
        json: args.json,
    };
    tell("Reading the tenant …");
    let seen = look(&desk).await?;
    let foreign = given_up(&desk, &seen, &history).await?;
    if let Some(change) = &foreign {
        history.changes.retain(|other| other.id != change.id);
    }
    let target = target(&history).filter(|change| change.require_tenant(&desk.hand()).is_ok());
    let way = way(&desk, &seen).await;
    let mut report = json!({
        "rolls_back": target.map(|target| &target.id),
        "calls": way.calls.iter().map(|call| json!({
            "method": call.method.as_str(), "path": call.path, "body": call.body,
        })).collect::<Vec<_>>(),
        "cannot_be_restored": way.cannot,
        "should_not_come_back": [],
        "to_managed": way.to_managed,
    });
    say(&desk, out, &format!("{domain} goes back to managed."))?;
    if !args.json {
        desk.words.restoration(&way, out)?;
        out.flush()?;
    }
    if way.calls.is_empty() && history.open().is_none() && foreign.is_none() {
        return done(&desk, out, report, "nothing-to-do");
    }
    if !confirmed(&desk, args.dry_run, args.confirm.as_ref(), "roll back")? {
        return not_done(&desk, out, report, args.dry_run);
    }
    if let Seen::Whole(state) = &seen {
        require_unchanged(&desk, state).await?;
    }
    if let Some(change) = &foreign {
        Journal::give_up(&app, change, desk.hand()).await?;
    }
    let journal = if has_journal {
        match journal(&desk, &history, target, &way, seen.state()).await {
            // Somebody else is at it, or knows what this one does not.
            Err(error) if error.exit() != 3 => return Err(error),
            Err(error) => {
                tell(&format!(
                    "The journal cannot be written ({error}); going on without it."
                ));
                has_journal = false;
                None
            }
            Ok(journal) => journal,
        }
    } else {
        None
    };
    if way.calls.is_empty() {
        say(
            &desk,
            out,
            "\nNothing was sent: it is managed. The interrupted change is closed.",
        )?;
        return done(&desk, out, report, "nothing-to-do");
    }
    report["change"] = json!(journal.as_ref().map(|journal| &journal.id));
    let own = domains::list(app.store()).await.unwrap_or_default();
    let own = own.iter().find(|own| own.name == *domain);
    if let Some(own) = own
        && let Err(error) = note_seen(&app, own, &managed(domain)).await
    {
        // What the tenant holds of ours is only for the next rollover.
        tell(&format!(
            "Not written down what leaves the tenant: {error}."
        ));
    }
    let graph = &signed_in.graph;
    let journal = if let Some(journal) = journal {
        let sent = carry_out(graph, journal, domain, &way.calls, &LOOKS, tell).await;
        Some(sent.map_err(|error| change_failure(&error))?)
    } else {
        send(&desk, &way).await?;
        None
    };
    tell("Reading back …");
    let after = look(&desk).await;
    let after = after.as_ref().ok().map(Seen::state);
    if let Some(journal) = journal {
        journal.finish(ChangeOutcome::Done, after).await?;
    }
    if !has_journal {
        tell("It is in no journal: write down that you did it, and when.");
    }
    if after.is_some_and(DomainState::is_managed) {
        say(
            &desk,
            out,
            &format!("\nDone, and read back: {domain} is managed again."),
        )?;
        return done(&desk, out, report, "rolled-back");
    }
    say(
        &desk,
        out,
        "\nIt was sent and accepted; read back, the tenant does not show it yet. Look again in some minutes.",
    )?;
    done(&desk, out, report, "not-all-there-yet")?;
    Ok(ExitCode::from(3))
}

/// What the tenant shows of the domain, as far as it can be read.
async fn look(desk: &Desk<'_>) -> Result<Seen, Failure> {
    let graph = &desk.signed_in.graph;
    let odd = match read_domain(graph, desk.domain).await {
        Ok(state) => return Ok(Seen::Whole(state)),
        Err(error) if error.is_of_one_domain() => error,
        // The way to Graph is the way out, too.
        Err(error) => return Err(read_failure(&error)),
    };
    tell(&format!(
        "Mind: {}. The way back to managed does not need it.",
        super::chain(&odd)
    ));
    match read_kind(graph, desk.domain).await {
        Ok(state) => Ok(Seen::Part(state)),
        Err(error @ ReadError::NoDomain(_)) => Err(read_failure(&error)),
        Err(_) => Ok(Seen::Part(DomainState::unknown(desk.domain.clone()))),
    }
}

/// The open change that is given up and not gone on with: it is of another tenant, or nobody can
/// read what came of it. While a call of it may still take place, nothing is sent after it.
async fn given_up(
    desk: &Desk<'_>,
    seen: &Seen,
    history: &History,
) -> Result<Option<Change>, Failure> {
    let Some(change) = history.open() else {
        return Ok(None);
    };
    if change.require_tenant(&desk.hand()).is_err() {
        tell(&format!(
            "The {} of {} that began at {} ({}) was made at another tenant; it is given up.",
            change.kind().as_str(),
            change.domain,
            change.begun_at,
            change.id
        ));
        return Ok(Some(change.clone()));
    }
    tell(&interrupted(change, seen.state()));
    let now = SystemClock.now();
    let left = match still_open(&desk.signed_in.graph, change, &LOOKS, now).await {
        Ok(left) => left,
        Err(_) => change
            .unsettled()
            .and_then(|(_, at)| may_still_take_place(at, now)),
    };
    if let Some(left) = left {
        return Err(Failure::service(format!(
            "the last call of the change {} may still take place, and could undo this; nothing was changed. Run the command again in {} minutes",
            change.id,
            left.as_secs().div_ceil(60)
        )));
    }
    Ok(match seen {
        Seen::Whole(_) => None,
        Seen::Part(_) => Some(change.clone()),
    })
}

/// What leads to managed.
async fn way(desk: &Desk<'_>, seen: &Seen) -> Restoration {
    let mut now = seen.state().clone();
    // What is not known may be federated.
    now.authentication = now.authentication.or(Some(Authentication::Federated));
    restore(
        &managed(desk.domain),
        &now,
        &keyless(desk.app).await,
        UnknownKeys::LeftOut,
        SystemClock.now(),
    )
}

/// A domain that nobody federates.
fn managed(domain: &DomainName) -> DomainState {
    DomainState {
        authentication: Some(Authentication::Managed),
        configuration: Some(None),
        ..DomainState::unknown(domain.clone())
    }
}

/// Sends it where nothing can be written down.
async fn send(desk: &Desk<'_>, way: &Restoration) -> Result<(), Failure> {
    let graph = &desk.signed_in.graph;
    for call in &way.calls {
        tell(&format!("{} {} …", call.method.as_str(), call.path));
        let answer = graph.call(Method::PATCH, &call.path, Some(&call.body), &[]);
        let Err(cause) = answer.await else { continue };
        if cause.outcome_is_unknown() {
            return Err(Failure::service(format!(
                "nobody knows whether {} became managed ({cause}); run the command again, it reads what it is",
                desk.domain
            )));
        }
        return Err(change_failure(&ChangeError::Refused {
            domain: desk.domain.clone(),
            cause,
        }));
    }
    Ok(())
}
