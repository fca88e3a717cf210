//! What `domain apply`, `domain rollback` and `domain verify` share: the administrator, the
//! question before a change, and what failures mean.
//!
//! Always true: without a terminal nothing is taken for a yes but `--confirm` with the
//! domain's name.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write},
    process::ExitCode,
};

use serde_json::{Value, json};

use super::{
    Failure,
    domain_words::Words,
    graph_sign_in::{self, GraphArgs},
    operator,
};
use crate::{
    app::{
        App, Category,
        federation::{
            change::{Came, ChangeError, LOOKS, still_open},
            facts::LookError,
            held_certificates,
            journal::{Change, Hand, History},
            read::{ReadError, read_domain},
        },
        graph_sign_in::{GraphError, SignedInGraph},
    },
    audit::Actor,
    base::{
        clock::{Clock as _, SystemClock},
        text::DomainName,
    },
    config::Config,
    federation::DomainState,
    relying_party::Domain,
};

/// What an administrator consents to; no more.
const PERMISSIONS: [&str; 4] = [
    "Domain-InternalFederation.ReadWrite.All",
    "Domain.Read.All",
    "Policy.Read.All",
    "User.Read.All",
];

/// What is common to both.
pub(super) struct Desk<'a> {
    pub app: &'a App,
    pub signed_in: &'a SignedInGraph,
    pub domain: &'a DomainName,
    pub words: Words,
    pub json: bool,
}

impl Desk<'_> {
    pub fn hand(&self) -> Hand {
        Hand {
            operator: operator::name(),
            administrator: self.signed_in.holder_name(),
            tenant: self.signed_in.tenant_id().map(ToOwned::to_owned),
            graph: self.signed_in.graph.base().to_string(),
        }
    }
}

/// What goes on, on standard error.
pub(super) fn tell(text: &str) {
    // Nobody reads it if this fails.
    let _ = writeln!(io::stderr(), "{text}");
}

/// What going back to managed needs beside: it changes the domain and not its federation.
pub(super) const TO_MANAGED: &str = "Domain.ReadWrite.All";

/// Signs an administrator in, whose account lies outside the domain.
pub(super) async fn administrator(
    args: &GraphArgs,
    config: &Config,
    domain: &DomainName,
    more: Option<&'static str>,
) -> Result<SignedInGraph, Failure> {
    let permissions: Vec<&str> = PERMISSIONS.into_iter().chain(more).collect();
    let signed_in = graph_sign_in::sign_in(
        args,
        config,
        domain.as_str(),
        &permissions,
        &mut io::stderr(),
    )
    .await?;
    signed_in
        .require_outsider(domain)
        .await
        .map_err(|error| Failure::no(super::chain(&error)))?;
    Ok(signed_in)
}

pub(super) fn require_person(args: &GraphArgs) -> Result<(), Failure> {
    if args.is_application() {
        return Err(Failure::usage(
            "a domain is changed by an administrator who signs in, not by an application's secret; leave --client-secret-file out",
        ));
    }
    Ok(())
}

/// Whether it shall be done. On a terminal the domain's name is asked for.
pub(super) fn confirmed(
    desk: &Desk<'_>,
    dry_run: bool,
    given: Option<&DomainName>,
    what: &str,
) -> Result<bool, Failure> {
    if dry_run {
        return Ok(false);
    }
    said_yes(desk.domain, desk.json, given, what)
}

/// Whether somebody named the domain, on a terminal or by `--confirm`.
pub(super) fn said_yes(
    domain: &DomainName,
    json: bool,
    given: Option<&DomainName>,
    what: &str,
) -> Result<bool, Failure> {
    if let Some(given) = given {
        return if given == domain {
            Ok(true)
        } else {
            Err(Failure::usage(format!(
                "--confirm names {given}, and the domain is {domain}; nothing was changed"
            )))
        };
    }
    // What must be read before the question stands on standard output.
    let is_seen = !json && io::stdout().is_terminal() && io::stderr().is_terminal();
    if !io::stdin().is_terminal() || !is_seen {
        tell(&format!(
            "Nobody can be asked here; to do it, give --confirm {domain}."
        ));
        return Ok(false);
    }
    let mut err = io::stderr();
    write!(err, "\nTo {what}, type the domain's name: ")?;
    err.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if line.trim().parse().ok().as_ref() == Some(domain) {
        Ok(true)
    } else {
        Err(Failure::no(format!(
            "that is not {domain}; nothing was changed"
        )))
    }
}

/// Which of our keys the tenant holds: the rollover goes by it.
pub(super) async fn note_seen(
    app: &App,
    domain: &Domain,
    state: &DomainState,
) -> Result<(), Failure> {
    let Some(held) = held_certificates(domain, state) else {
        return Ok(());
    };
    let actor = Actor::Operator(operator::name());
    Ok(app.note_seen(&domain.name, &held, actor).await?)
}

pub(super) fn graph_url(signed_in: &SignedInGraph) -> String {
    signed_in
        .graph
        .base()
        .as_str()
        .trim_end_matches('/')
        .to_owned()
}

pub(super) fn say(desk: &Desk<'_>, out: &mut dyn Write, text: &str) -> Result<(), Failure> {
    if !desk.json {
        writeln!(out, "{text}")?;
    }
    Ok(())
}

/// Nothing was changed: because only a look was asked for, or because nobody said yes (exit 1).
pub(super) fn not_done(
    desk: &Desk<'_>,
    out: &mut dyn Write,
    report: Value,
    dry_run: bool,
) -> Result<ExitCode, Failure> {
    let (words, result) = if dry_run {
        ("Dry run: nothing was changed.", "dry-run")
    } else {
        (
            "Nothing was changed: nobody said yes to it.",
            "not-confirmed",
        )
    };
    say(desk, out, &format!("\n{words}"))?;
    done(desk, out, report, result)?;
    Ok(ExitCode::from(u8::from(!dry_run)))
}

/// Tells of changes that were altered outside claimbridge.
pub(super) fn tell_altered(domain: &DomainName, history: &History) {
    let mut tampered = history.tampered().peekable();
    if tampered.peek().is_none() {
        return;
    }
    for altered in tampered {
        tell(&format!("In the journal, {altered}."));
    }
    tell(&format!(
        "Find out who wrote to the database; `claimbridge domain set-aside {domain}` lets its journal begin anew."
    ));
}

/// Waits for what became of the last call of an open change; an error while nobody can know.
pub(super) async fn require_settled(desk: &Desk<'_>, change: &Change) -> Result<(), Failure> {
    let left = still_open(&desk.signed_in.graph, change, &LOOKS, SystemClock.now())
        .await
        .map_err(|error| read_failure(&error))?;
    match left {
        None => Ok(()),
        Some(left) => Err(Failure::service(format!(
            "the last call of the change {} may still take place, perhaps another command waits for its answer; nothing was changed. Run the command again in {} minutes",
            change.id,
            left.as_secs().div_ceil(60)
        ))),
    }
}

/// That the tenant still is what was shown before the question.
pub(super) async fn require_unchanged(
    desk: &Desk<'_>,
    shown: &DomainState,
) -> Result<DomainState, Failure> {
    let now = read_domain(&desk.signed_in.graph, desk.domain)
        .await
        .map_err(|error| read_failure(&error))?;
    if (now.authentication, &now.configuration) == (shown.authentication, &shown.configuration) {
        Ok(now)
    } else {
        Err(Failure::no(format!(
            "{} was changed by somebody else while you read; nothing was done. Run the command again and look at what it is now",
            desk.domain
        )))
    }
}

pub(super) fn done(
    desk: &Desk<'_>,
    out: &mut dyn Write,
    mut report: Value,
    result: &str,
) -> Result<ExitCode, Failure> {
    if desk.json {
        report["result"] = json!(result);
        writeln!(out, "{report}")?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn read_failure(error: &ReadError) -> Failure {
    let text = super::chain(error);
    match error {
        ReadError::NoDomain(_) => Failure::no(text),
        ReadError::Graph(error) if is_no(error) => Failure::no(text),
        _ => Failure::service(text),
    }
}

fn is_no(error: &GraphError) -> bool {
    matches!(
        error,
        GraphError::Forbidden { .. } | GraphError::Refused(_) | GraphError::Unauthorized(_)
    )
}

pub(super) fn look_failure(error: &LookError) -> Failure {
    match error {
        LookError::Read(error) => read_failure(error),
        LookError::App(_) => Failure::service(super::chain(error)),
    }
}

pub(super) fn change_failure(error: &ChangeError) -> Failure {
    let text = super::chain(error);
    match error {
        ChangeError::Refused { cause, .. }
        | ChangeError::Unwritten {
            came: Came::Refused(cause),
            ..
        } if is_no(cause) => Failure::no(text),
        ChangeError::App(error) | ChangeError::Unwritten { cause: error, .. }
            if error.category() == Category::Conflict =>
        {
            Failure::no(text)
        }
        _ => Failure::service(text),
    }
}
