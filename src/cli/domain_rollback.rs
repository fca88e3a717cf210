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
        Desk, TO_MANAGED, administrator, change_failure, confirmed, done, not_done, note_seen,
        read_failure, require_person, require_settled, require_unchanged, say, tell, tell_altered,
    },
    domain_managed,
    domain_words::Words,
    graph_sign_in::GraphArgs,
    open,
};
use crate::{
    app::{
        App, domains,
        federation::{
            change::{LOOKS, carry_out, interrupted},
            journal::{Beginning, Change, ChangeKind, ChangeOutcome, History, Journal},
            ours,
            read::read_domain,
        },
    },
    base::{
        clock::{Clock as _, SystemClock},
        text::DomainName,
    },
    federation::{
        Certificates, DomainState, Ours, Property, RequestSigning, Restoration, Setting,
        UnknownKeys, restore, wanted::SystemBrowser,
    },
};

/// Give a domain the federation in Entra that it had before the last `domain apply`.
#[derive(Args, Debug)]
#[command(after_help = ROLLBACK_HELP)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub struct RollbackArgs {
    /// The domain.
    pub(super) domain: DomainName,
    /// Change nothing: show what would be done.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not ask: this is the domain's name. Without a terminal nothing is changed unless it is given.
    #[arg(long, value_name = "DOMAIN")]
    pub(super) confirm: Option<DomainName>,
    /// Restore also certificates that are none of ours: whoever has such a key can sign in as anybody. Needed to go back
    /// to an earlier provider.
    #[arg(long)]
    with_unknown_certificates: bool,
    /// Break glass: make the domain managed, whatever it was before. Entra asks its people for passwords of its own then;
    /// everybody needs a new one. Works without a journal.
    #[arg(long, conflicts_with = "with_unknown_certificates")]
    pub(super) to_managed: bool,
    /// Print what was planned and done as JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) graph: GraphArgs,
}

const ROLLBACK_HELP: &str = "\
Restores what Graph lets one restore, from the journal, and names what it does not: passwords after going back to
managed (which needs Domain.ReadWrite.All beside what `domain apply` needs), a federatedIdpMfaBehavior that was not set,
the time that it takes (up to two hours). A certificate that is none
of ours does not come back by itself: it may be why the domain was changed (--with-unknown-certificates).

It undoes one `domain apply`: after a rollover the domain stays federated, with the keys of before. To take the federation
away (this server is lost), use --to-managed. That needs an account outside the domain, consent to Domain.ReadWrite.All
beside what `domain apply` needs (Domain-InternalFederation.ReadWrite.All, Domain.Read.All, Policy.Read.All, User.Read.All),
and one of the roles Domain Name Administrator, Hybrid Identity Administrator or Security Administrator; a Global
Administrator has them all.

Exit code: 0 it is as it was, or the dry run was shown; 1 there is nothing to roll back, Entra refuses, or it was not
confirmed; 2 wrong usage; 3 a server did not answer (run it again).";

/// Runs `domain rollback`.
pub async fn rollback(
    args: &RollbackArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    if args.to_managed {
        return Box::pin(domain_managed::to_managed(args, path, out)).await;
    }
    require_person(&args.graph)?;
    let config = open::config(path)?;
    let app = open::app(&config).await?;
    let domain = &args.domain;
    let history = app.federation_changes(domain).await?;
    tell_altered(domain, &history);
    // Before anybody signs in: whether there is something to go back to.
    let target = target(&history);
    let before = match target {
        // A journal that lacks what came later leads to where who altered it wants.
        _ if !history.altered.is_empty() => return Err(altered(&history)),
        Some(target) => target.before()?,
        None => {
            return Err(Failure::no(format!(
                "there is nothing to roll back: no `domain apply` of {domain} is in the journal that is not undone already. `--to-managed` takes the federation away whatever it was before"
            )));
        }
    };
    let more = before.is_managed().then_some(TO_MANAGED);
    let signed_in = administrator(&args.graph, &config, domain, more).await?;
    let desk = Desk {
        app: &app,
        signed_in: &signed_in,
        domain,
        words: Words::of_terminal(io::stdout().is_terminal()),
        json: args.json,
    };
    for change in target.into_iter().chain(history.open()) {
        change.require_tenant(&desk.hand())?;
    }
    tell("Reading the tenant …");
    let state = read_domain(&signed_in.graph, domain)
        .await
        .map_err(|error| read_failure(&error))?;
    if let Some(change) = history.open() {
        tell(&interrupted(change, &state));
        require_settled(&desk, change).await?;
    }
    let unknown_keys = if args.with_unknown_certificates {
        UnknownKeys::Restored
    } else {
        UnknownKeys::LeftOut
    };
    let ours = match ours(&app).await {
        // Managed needs no key of ours: the way out must be open when just that is broken.
        Err(error) if before.is_managed() => {
            tell(&format!(
                "Mind: {error}. The way back to managed does not need it."
            ));
            keyless(&app).await
        }
        ours => ours?,
    };
    let way = restore(&before, &state, &ours, unknown_keys, SystemClock.now());
    let refused = way
        .refused
        .clone()
        .or_else(|| without_the_key_that_signs(&ours, &before));
    if let Some(why) = refused {
        if !args.json {
            desk.words.restoration(&way, out)?;
            out.flush()?;
        }
        return Err(Failure::no(format!("nothing was restored: {why}")));
    }
    let mut report = json!({
        "rolls_back": target.map(|target| &target.id),
        "calls": way.calls.iter().map(|call| json!({
            "method": call.method.as_str(), "path": call.path, "body": call.body,
        })).collect::<Vec<Value>>(),
        "cannot_be_restored": way.cannot,
        "should_not_come_back": way.warnings,
        "to_managed": way.to_managed,
    });
    say(&desk, out, &first_line(domain, target, &before, &way))?;
    if !args.json {
        desk.words.restoration(&way, out)?;
        out.flush()?;
    }
    let nothing_to_do = way.calls.is_empty() && history.open().is_none();
    if nothing_to_do {
        return done(&desk, out, report, "nothing-to-do");
    }
    if !confirmed(&desk, args.dry_run, args.confirm.as_ref(), "roll back")? {
        return not_done(&desk, out, report, args.dry_run);
    }
    let state = require_unchanged(&desk, &state).await?;
    let Some(journal) = journal(&desk, &history, target, &way, &state).await? else {
        say(
            &desk,
            out,
            "\nNothing was sent: it is as it was. The interrupted change is closed.",
        )?;
        return done(&desk, out, report, "nothing-to-do");
    };
    report["change"] = json!(journal.id);
    let own = ours.domains.iter().find(|own| own.name == *domain);
    if let Some(own) = own {
        // What is about to be taken out counts as gone from here on: nobody may activate such a key.
        note_seen(&app, own, &before).await?;
    }
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
    if let Some(own) = own {
        note_seen(&app, own, &after).await?;
    }
    let left = restore(&before, &after, &ours, unknown_keys, SystemClock.now());
    journal.finish(ChangeOutcome::Done, Some(&after)).await?;
    if left.calls.is_empty() {
        let how = if way.to_managed {
            "is managed again"
        } else {
            "is as it was, and stays federated"
        };
        say(
            &desk,
            out,
            &format!("\nDone, and read back: {domain} {how}."),
        )?;
        return done(&desk, out, report, "rolled-back");
    }
    say(
        &desk,
        out,
        "\nEverything was sent and accepted; read back, the tenant does not show all of it yet. Look again in some minutes.",
    )?;
    done(&desk, out, report, "not-all-there-yet")?;
    Ok(ExitCode::from(3))
}

/// What a rollback undoes: what an open one began with, or the last apply that is in force.
pub(super) fn target(history: &History) -> Option<&Change> {
    let open = history
        .open()
        .filter(|change| change.kind() == ChangeKind::Rollback);
    match open {
        Some(rollback) => history
            .changes
            .iter()
            .find(|change| Some(change.id.as_str()) == rollback.rolls_back()),
        None => last_applied(&history.changes),
    }
}

/// What we are when no key of ours can be used.
pub(super) async fn keyless(app: &App) -> Ours {
    Ours {
        display_name: app.settings().service_name.clone(),
        public_url: app.settings().public_url.clone(),
        certificates: Certificates {
            active: Vec::new(),
            staged: None,
            retiring: None,
            former: Vec::new(),
        },
        request_signing: RequestSigning::Unverifiable,
        system_browser: SystemBrowser::LeftAlone,
        domains: domains::list(app.store()).await.unwrap_or_default(),
        known_federations: Vec::new(),
        ws_federation: app.settings().ws_federation.clone(),
        active_door: app.settings().active_door,
    }
}

fn first_line(
    domain: &DomainName,
    target: Option<&Change>,
    before: &DomainState,
    way: &Restoration,
) -> String {
    let of = target.map_or_else(String::new, |target| {
        format!(" what it was before {} ({})", target.begun_at, target.id)
    });
    if way.to_managed || before.is_managed() {
        format!("{domain} goes back to managed.")
    } else {
        format!(
            "{domain} stays federated, and goes back to{of}. To take the federation away: --to-managed."
        )
    }
}

/// The change at hand goes on, or a new one begins; nothing where nothing is to be sent.
pub(super) async fn journal<'a>(
    desk: &Desk<'a>,
    history: &History,
    target: Option<&Change>,
    way: &Restoration,
    state: &DomainState,
) -> Result<Option<Journal<'a>>, Failure> {
    let app = desk.app;
    if let Some(change) = history.open() {
        let journal = Journal::resume(app, change, desk.hand(), state).await?;
        let is_rollback = change.kind() == ChangeKind::Rollback;
        if is_rollback && !way.calls.is_empty() {
            return Ok(Some(journal));
        }
        let outcome = match (is_rollback, journal.has_changed()) {
            // What it sent is in force, and is undone by what follows.
            (false, true) if !way.calls.is_empty() => ChangeOutcome::Superseded,
            (true, _) | (false, true) => ChangeOutcome::Done,
            (false, false) => ChangeOutcome::Refused,
        };
        journal.finish(outcome, Some(state)).await?;
    }
    if way.calls.is_empty() {
        return Ok(None);
    }
    let beginning = Beginning {
        kind: ChangeKind::Rollback,
        hand: desk.hand(),
        before: state,
        rolls_back: target.map(|target| &target.id),
        named: way.cannot.clone(),
        covers: Vec::new(),
        aside: history,
    };
    Ok(Some(Journal::begin(app, desk.domain, beginning).await?))
}

fn altered(history: &History) -> Failure {
    let names: Vec<String> = history.altered.iter().map(ToString::to_string).collect();
    Failure::no(format!(
        "nothing was restored, because it is not known what was before: the journal was altered outside claimbridge ({}). `claimbridge domain apply` gives the domain what it should have, `domain rollback --to-managed` takes the federation away; neither needs the journal. When you know who altered it, `claimbridge domain set-aside` lets the journal begin anew",
        names.join("; ")
    ))
}

/// A domain that stays with us must take the key that signs now.
fn without_the_key_that_signs(ours: &Ours, before: &DomainState) -> Option<String> {
    let was = before.federation()?;
    let issuer = was.text(Property::IssuerUri)?;
    let is_ours = ours.domains.iter().any(|own| own.issuer_uri == issuer);
    let active = Setting::Certificate(ours.certificates.active.clone());
    let holds = [
        Property::SigningCertificate,
        Property::NextSigningCertificate,
    ]
    .into_iter()
    .any(|property| was.get(property) == Some(&active));
    (is_ours && !holds).then(|| {
        "before, it took only keys of ours that no longer sign, and nobody could sign in. `claimbridge domain apply` gives it the present ones, `--to-managed` takes the federation away".to_owned()
    })
}

/// The last change that took place or may have, and was not undone.
fn last_applied(all: &[Change]) -> Option<&Change> {
    let undone: Vec<&str> = all
        .iter()
        .filter(|change| {
            change.kind() == ChangeKind::Rollback
                && change.outcome() == Some(ChangeOutcome::Done)
                && change.may_have_changed()
        })
        .filter_map(Change::rolls_back)
        .collect();
    all.iter().find(|change| {
        change.kind() == ChangeKind::Apply
            && change.may_have_changed()
            && !undone.contains(&change.id.as_str())
    })
}
