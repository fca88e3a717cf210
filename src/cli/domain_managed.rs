//! `domain rollback --to-managed`, break glass: the federation of a domain is taken away, whatever
//! it is.
//!
//! Always true: it needs a database that opens, an administrator, the domain's name and one call of
//! Graph, and nothing else: no key of ours, no journal, nothing that the tenant shows. What it can
//! write down it does. It waits only for a call of ours that may still take place.

use std::{
    io::{self, IsTerminal as _, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use openidconnect::http::Method;
use serde_json::json;

use super::{
    Failure,
    domain_desk::{
        Desk, TO_MANAGED, administrator, change_failure, confirmed, done, not_done, note_seen,
        read_failure, require_person, say, tell, tell_altered,
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
                Came, ChangeError, LOOKS, carry_out, interrupted, is_managed_now,
                may_still_take_place, still_open,
            },
            journal::{Change, ChangeOutcome, History, Journal},
            read::{ReadError, read_kind, with_federation},
        },
        graph_sign_in::{Graph, GraphError},
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
    let (mut history, has_journal) = match app.federation_changes(domain).await {
        Ok(history) => (history, true),
        Err(error) => {
            tell(&format!(
                "The journal cannot be read ({}); going on without it.",
                super::chain(&error)
            ));
            (History::default(), false)
        }
    };
    tell_altered(domain, &history);
    let signed_in = administrator(&args.graph, &config, domain, Some(TO_MANAGED)).await?;
    let desk = Desk {
        app: &app,
        signed_in: &signed_in,
        domain,
        words: Words::of_terminal(io::stdout().is_terminal()),
        json: args.json,
    };
    tell("Reading the tenant …");
    // Nothing of what is seen is needed: it is waited for once.
    let seen = look(&desk, &signed_in.graph.once()).await?;
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
    if let Some(change) = &foreign
        && let Err(error) = Journal::give_up(&app, change, desk.hand()).await
    {
        tell_unwritten(&super::chain(&error));
    }
    let journal = if has_journal {
        match journal(&desk, &history, target, &way, seen.state()).await {
            Err(error) => {
                require_nothing_under_way(&desk).await?;
                tell_unwritten(&error.to_string());
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
    let sent = sent(&desk, &way, journal).await?;
    tell("Reading back …");
    let after = look(&desk, &signed_in.graph).await;
    let after = after.as_ref().ok().map(Seen::state);
    let is_written = match sent {
        Sent::Written(journal) => match journal.finish(ChangeOutcome::Done, after).await {
            Ok(()) => true,
            Err(error) => {
                tell_unwritten(&super::chain(&error));
                false
            }
        },
        Sent::Closed => true,
        Sent::Unwritten => false,
    };
    if !is_written {
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

fn tell_unwritten(why: &str) {
    tell(&format!(
        "The journal cannot be written ({why}); going on without it."
    ));
}

/// What the tenant shows of the domain, as far as it can be read; `graph` asks which kind it is.
async fn look(desk: &Desk<'_>, graph: &Graph) -> Result<Seen, Failure> {
    let once = desk.signed_in.graph.once();
    let (part, odd) = match read_kind(graph, desk.domain).await {
        Ok(kind) => match with_federation(&once, kind.clone()).await {
            Ok(state) => return Ok(Seen::Whole(state)),
            Err(error) => (kind, error),
        },
        // Who has no such domain, or no token that counts, changes nothing there.
        Err(error @ (ReadError::NoDomain(_) | ReadError::Graph(GraphError::Unauthorized(_)))) => {
            return Err(read_failure(&error));
        }
        Err(error) => (DomainState::unknown(desk.domain.clone()), error),
    };
    tell(&format!(
        "Mind: {}. The way back to managed does not need it.",
        super::chain(&odd)
    ));
    Ok(Seen::Part(part))
}

/// That no call of ours, of a command that began meanwhile, may still take place and undo this.
async fn require_nothing_under_way(desk: &Desk<'_>) -> Result<(), Failure> {
    let history = desk.app.federation_changes(desk.domain).await;
    let history = history.unwrap_or_default();
    let own = |change: &&Change| change.require_tenant(&desk.hand()).is_ok();
    let Some(change) = history.open().filter(own) else {
        return Ok(());
    };
    let left = change
        .unsettled()
        .and_then(|(_, at)| may_still_take_place(at, SystemClock.now()));
    left.map_or(Ok(()), |left| Err(too_early(change, left)))
}

fn too_early(change: &Change, left: Duration) -> Failure {
    Failure::service(format!(
        "the last call of the change {} may still take place, and could undo this; nothing was changed. Run the command again in {} minutes",
        change.id,
        left.as_secs().div_ceil(60)
    ))
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
        let what = if change.is_undrawn_line() {
            "was not drawn to its end"
        } else {
            "was made at another tenant"
        };
        tell(&format!(
            "The {} of {} that began at {} ({}) {what}; it is given up.",
            change.kind().as_str(),
            change.domain,
            change.begun_at,
            change.id
        ));
        return Ok(Some(change.clone()));
    }
    tell(&interrupted(change, seen.state()));
    let now = SystemClock.now();
    let left = match still_open(&desk.signed_in.graph.once(), change, &LOOKS, now).await {
        Ok(left) => left,
        Err(_) => change
            .unsettled()
            .and_then(|(_, at)| may_still_take_place(at, now)),
    };
    if let Some(left) = left {
        return Err(too_early(change, left));
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

/// What is known of the way back when the tenant is as it should be.
enum Sent<'a> {
    /// The journal has it, and is to be closed.
    Written(Box<Journal<'a>>),
    /// The journal says that Graph refused it, and is closed; somebody else was quicker.
    Closed,
    /// The journal has not all of it.
    Unwritten,
}

/// Sends it once, by the journal as long as that can be written. Whatever is not known of the call
/// then, the tenant is read before anything is said of it: it may have been taken.
async fn sent<'a>(
    desk: &Desk<'a>,
    way: &Restoration,
    journal: Option<Journal<'a>>,
) -> Result<Sent<'a>, Failure> {
    let Some(journal) = journal else {
        return send(desk, way).await;
    };
    let graph = &desk.signed_in.graph;
    let error = match carry_out(graph, journal, desk.domain, &way.calls, &LOOKS, tell).await {
        Ok(journal) => return Ok(Sent::Written(Box::new(journal))),
        // Nothing was sent.
        Err(ChangeError::App(error)) => {
            tell_unwritten(&super::chain(&error));
            return send(desk, way).await;
        }
        Err(ChangeError::Unwritten { came, cause, .. }) => {
            tell_unwritten(&super::chain(&cause));
            return came_of(desk, came).await;
        }
        Err(error) => error,
    };
    if !matches!(
        is_managed_now(&graph.once(), desk.domain, &LOOKS[..1]).await,
        Ok(true)
    ) {
        return Err(change_failure(&error));
    }
    tell_taken(desk, &super::chain(&error));
    if matches!(error, ChangeError::Refused { .. }) {
        return Ok(Sent::Closed);
    }
    Ok(gone_on_with(desk)
        .await
        .map_or(Sent::Unwritten, |journal| Sent::Written(Box::new(journal))))
}

/// Sends it where nothing can be written down.
async fn send<'a>(desk: &Desk<'a>, way: &Restoration) -> Result<Sent<'a>, Failure> {
    let graph = &desk.signed_in.graph;
    for call in &way.calls {
        tell(&format!("{} {} …", call.method.as_str(), call.path));
        let answer = graph.call(Method::PATCH, &call.path, Some(&call.body), &[]);
        let Err(cause) = answer.await else { continue };
        let came = if cause.outcome_is_unknown() {
            Came::Unknown(cause)
        } else {
            Came::Refused(cause)
        };
        return came_of(desk, came).await;
    }
    Ok(Sent::Unwritten)
}

/// What came of a call that stands in no journal.
async fn came_of<'a>(desk: &Desk<'a>, came: Came) -> Result<Sent<'a>, Failure> {
    let graph = desk.signed_in.graph.once();
    let (looks, cause) = match came {
        Came::Done => return Ok(Sent::Unwritten),
        Came::Refused(cause) => (&LOOKS[..1], cause),
        Came::Unknown(cause) => {
            tell("No answer came; reading what the tenant has …");
            (&LOOKS[..], cause)
        }
    };
    let what = match is_managed_now(&graph, desk.domain, looks).await {
        Ok(true) => {
            tell_taken(desk, &super::chain(&cause));
            return Ok(Sent::Unwritten);
        }
        Ok(false) => "the tenant does not show it so far",
        Err(_) => "the tenant could not be read",
    };
    if cause.outcome_is_unknown() {
        return Err(Failure::service(format!(
            "nobody knows whether {} became managed: {}, and {what}; run the command again in some minutes, it reads what it is",
            desk.domain,
            super::chain(&cause)
        )));
    }
    Err(change_failure(&ChangeError::Refused {
        domain: desk.domain.clone(),
        cause,
    }))
}

fn tell_taken(desk: &Desk<'_>, why: &str) {
    tell(&format!(
        "The call has no good answer ({why}), and the tenant shows that {} is managed.",
        desk.domain
    ));
}

/// The journal whose last call nobody knew of: it took place.
async fn gone_on_with<'a>(desk: &Desk<'a>) -> Option<Journal<'a>> {
    let history = desk.app.federation_changes(desk.domain).await;
    let history = history.unwrap_or_default();
    let change = history.open()?;
    match Journal::resume(desk.app, change, desk.hand(), &managed(desk.domain)).await {
        Ok(journal) => Some(journal),
        Err(error) => {
            tell_unwritten(&super::chain(&error));
            None
        }
    }
}
