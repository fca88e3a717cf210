//! How people are shown, listed and exported.

use std::{collections::BTreeMap, io::Write};

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use crate::{
    app::{
        App,
        user_view::{MethodStanding, MethodView, PasswordState, UserView},
    },
    base::{clock::Timestamp, text::harmless_cell},
    directory::{GroupName, ImmutableId, MethodKind, User},
};

/// How many people are read at once.
const PAGE: u32 = 200;

/// List people.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// With methods and the last MFA of each.
    #[arg(long)]
    coverage: bool,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// All people, page by page, so that memory stays bounded.
async fn each(
    app: &App,
    mut with: impl FnMut(&UserView) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut after = None;
    loop {
        let page = app.list_users(after.as_ref(), PAGE).await?;
        for view in &page {
            with(view)?;
        }
        match page.into_iter().last() {
            Some(last) => after = Some(last.user.upn),
            None => return Ok(()),
        }
    }
}

/// `user list`.
pub async fn list(args: &ListArgs, app: &App, out: &mut dyn Write) -> Result<(), Failure> {
    if args.json {
        let mut separator = "[";
        each(app, |view| {
            let mut value = if args.coverage {
                view_json(view)
            } else {
                user_json(&view.user)
            };
            value["groups"] = json!(view.groups);
            write!(out, "{separator}{value}")?;
            separator = ",\n";
            Ok(())
        })
        .await?;
        writeln!(out, "{}", if separator == "[" { "[]" } else { "]" })?;
        return Ok(());
    }
    let (mut people, mut covered) = (0, 0);
    each(app, |view| {
        people += 1;
        let user = &view.user;
        let state = if user.disabled_at.is_some() {
            "disabled"
        } else {
            "active"
        };
        write!(out, "{}\t{}\t{state}", user.upn, user.display_name)?;
        if !view.groups.is_empty() {
            write!(out, "\tgroups {}", joined(view, ", "))?;
        }
        if args.coverage {
            covered += usize::from(view.is_covered());
            write_coverage(view, out)?;
        }
        writeln!(out)?;
        Ok(())
    })
    .await?;
    if args.coverage {
        writeln!(out, "{covered} of {people} can sign in with two factors.")?;
    }
    Ok(())
}

/// `user show --json`: on one line.
pub fn show_json(view: &UserView, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{}", view_json(view))?;
    Ok(())
}

/// `user show`.
pub fn show(view: &UserView, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{:#}", view_json(view))?;
    Ok(())
}

/// `user export`: CSV as `import` reads it.
pub async fn export(args: &ExportArgs, app: &App, out: &mut dyn Write) -> Result<(), Failure> {
    let unwritten =
        |error: csv::Error| Failure::service(format!("the list could not be written: {error}"));
    let mut csv = csv::Writer::from_writer(out);
    if args.readers == Some(Readers::Graph) {
        return export_for_graph(app, csv).await;
    }
    csv.write_record([
        "upn",
        "name",
        "immutable_id",
        "disabled_at",
        "created_at",
        "groups",
    ])
    .map_err(unwritten)?;
    each(app, |view| {
        let user = &view.user;
        let immutable_id = user.immutable_id.as_ref().map_or("", ImmutableId::as_str);
        csv.write_record([
            &harmless_cell(user.upn.as_str()),
            &harmless_cell(&user.display_name),
            &harmless_cell(immutable_id),
            &user
                .disabled_at
                .map(Timestamp::to_rfc3339)
                .unwrap_or_default(),
            &user.created_at.to_rfc3339(),
            &harmless_cell(&joined(view, ";")),
        ])
        .map_err(unwritten)
    })
    .await?;
    csv.flush()?;
    Ok(())
}

/// Graph's own names, as `Import-Csv` and `Update-MgUser` take them. People without an
/// ImmutableID are left out: nothing could be set. The two keys are written byte for byte,
/// because a program sets what it reads: one anchor in 64 begins with `+`, and an apostrophe
/// before it would become part of it. Neither can hold what makes a formula do anything (no
/// parenthesis, quote or `=` at its beginning).
async fn export_for_graph(app: &App, mut csv: csv::Writer<&mut dyn Write>) -> Result<(), Failure> {
    let unwritten =
        |error: csv::Error| Failure::service(format!("the list could not be written: {error}"));
    csv.write_record(["userPrincipalName", "displayName", "onPremisesImmutableId"])
        .map_err(unwritten)?;
    each(app, |view| {
        let user = &view.user;
        let Some(id) = &user.immutable_id else {
            return Ok(());
        };
        let name = harmless_cell(&user.display_name);
        csv.write_record([user.upn.as_str(), &name, id.as_str()])
            .map_err(unwritten)
    })
    .await?;
    csv.flush()?;
    Ok(())
}

/// Write people as CSV, as `import` reads it; without any secret.
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// Name the columns as Graph does: userPrincipalName, displayName, onPremisesImmutableId.
    #[arg(long = "for", value_enum, value_name = "READER")]
    readers: Option<Readers>,
}

/// Who reads the list.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Readers {
    /// Microsoft Graph's tools.
    Graph,
}

/// A person, as JSON.
pub fn user_json(user: &User) -> Value {
    json!({
        "upn": user.upn,
        "name": user.display_name,
        "immutable_id": user.immutable_id,
        "disabled_at": user.disabled_at.map(Timestamp::to_rfc3339),
        "created_at": user.created_at.to_rfc3339(),
    })
}

fn view_json(view: &UserView) -> Value {
    let mut value = user_json(&view.user);
    let methods: Vec<Value> = view.methods.iter().map(method_json).collect();
    value["password"] = json!(view.password);
    value["methods"] = Value::Array(methods);
    value["covered"] = json!(view.is_covered());
    value["below_minimum"] = json!(is_below_minimum(view));
    value["last_mfa_at"] = json!(last_mfa(view).map(Timestamp::to_rfc3339));
    // Tokens of WS-Trust never carry it; every other answer does.
    let without = view.last_without_mfa.as_ref();
    let without = without.map(|receipt| Timestamp::from_millis(receipt.issued_at_millis));
    value["last_without_mfa_at"] = json!(without.map(Timestamp::to_rfc3339));
    value["methods_by_kind"] = json!(by_kind(view));
    value["groups"] = json!(view.groups);
    value["last_refusal"] = view.last_refusal.as_ref().map_or(Value::Null, |refusal| {
        json!({
            "at": refusal.at.to_rfc3339(),
            "event": refusal.kind(),
            "reason": refusal.event.get("reason"),
        })
    });
    value["recovery_codes"] = json!(view.recovery_codes);
    value["pass_expires_at"] = json!(view.live_pass.as_ref().map(|p| p.expires_at.to_rfc3339()));
    value
}

fn method_json(method: &MethodView) -> Value {
    let mut value = json!({
        "id": method.id, "kind": method.kind, "name": method.name,
        "confirmed_at": method.confirmed_at.map(Timestamp::to_rfc3339),
        "last_used_at": method.last_used_at.map(Timestamp::to_rfc3339),
        "standing": method.standing,
    });
    if let Some((aaguid, attestation)) = &method.model {
        value["aaguid"] = json!(aaguid);
        value["attestation"] = json!(attestation.as_str());
    }
    value
}

/// Whether the person has fewer methods than the policy asks to keep.
fn is_below_minimum(view: &UserView) -> bool {
    u32::try_from(view.counting()).is_ok_and(|counting| counting < view.policy.minimum())
}

/// How many methods of each kind count.
fn by_kind(view: &UserView) -> BTreeMap<MethodKind, usize> {
    let mut counts: BTreeMap<MethodKind, usize> =
        MethodKind::ALL.into_iter().map(|kind| (kind, 0)).collect();
    for method in &view.methods {
        if method.standing == MethodStanding::Counts {
            *counts.entry(method.kind).or_default() += 1;
        }
    }
    counts
}

/// The columns of `--coverage`: password, methods by kind, last MFA, last refusal.
fn write_coverage(view: &UserView, out: &mut dyn Write) -> Result<(), Failure> {
    let kinds: Vec<String> = by_kind(view)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let methods = if kinds.is_empty() {
        "none".to_owned()
    } else {
        kinds.join(", ")
    };
    let last = last_mfa(view).map_or_else(|| "never".to_owned(), Timestamp::to_rfc3339);
    let refusal = view.last_refusal.as_ref().map_or_else(
        || "never".to_owned(),
        |refusal| format!("{} ({})", refusal.at, refusal.kind()),
    );
    write!(
        out,
        "\tpassword {}\tmethods {methods}\tlast MFA {last}\tlast refusal {refusal}",
        password_word(view.password)
    )?;
    Ok(())
}

fn joined(view: &UserView, separator: &str) -> String {
    let names: Vec<&str> = view.groups.iter().map(GroupName::as_str).collect();
    names.join(separator)
}

fn last_mfa(view: &UserView) -> Option<Timestamp> {
    let receipt = view.last_mfa.as_ref()?;
    Some(Timestamp::from_millis(receipt.issued_at_millis))
}

fn password_word(state: PasswordState) -> &'static str {
    match state {
        PasswordState::None => "none",
        PasswordState::Set => "set",
        PasswordState::Dead => "dead",
    }
}
