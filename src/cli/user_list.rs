//! How people are shown, listed and exported.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use crate::{
    app::{
        App,
        users::{PasswordState, UserView},
    },
    base::{clock::Timestamp, text::harmless_cell},
    directory::{ImmutableId, User},
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
            let value = if args.coverage {
                view_json(view)
            } else {
                user_json(&view.user)
            };
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
        if args.coverage {
            let methods = confirmed(view);
            covered += usize::from(methods > 0);
            let last = last_mfa(view).map_or_else(|| "never".to_owned(), Timestamp::to_rfc3339);
            let password = password_word(view.password);
            write!(
                out,
                "\tpassword {password}\tmethods {methods}\tlast MFA {last}"
            )?;
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

/// `user show`.
pub fn show(view: &UserView, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let value = view_json(view);
    if json {
        writeln!(out, "{value}")?;
    } else {
        writeln!(out, "{value:#}")?;
    }
    Ok(())
}

/// `user export`: CSV as `import` reads it.
pub async fn export(app: &App, out: &mut dyn Write) -> Result<(), Failure> {
    let unwritten =
        |error: csv::Error| Failure::service(format!("the list could not be written: {error}"));
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(["upn", "name", "immutable_id", "disabled_at", "created_at"])
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
        ])
        .map_err(unwritten)
    })
    .await?;
    csv.flush()?;
    Ok(())
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
    let methods: Vec<Value> = view
        .methods
        .iter()
        .map(|method| {
            json!({
                "id": method.id, "kind": "totp", "name": method.name,
                "confirmed_at": method.confirmed_at.map(Timestamp::to_rfc3339),
            })
        })
        .collect();
    value["password"] = json!(view.password);
    value["methods"] = Value::Array(methods);
    value["covered"] = json!(confirmed(view) > 0);
    value["last_mfa_at"] = json!(last_mfa(view).map(Timestamp::to_rfc3339));
    value["last_without_mfa_at"] = Value::Null; // every answer carries it; there is no other door
    value["pass_expires_at"] = json!(view.live_pass.as_ref().map(|p| p.expires_at.to_rfc3339()));
    value
}

fn confirmed(view: &UserView) -> usize {
    view.methods
        .iter()
        .filter(|method| method.confirmed_at.is_some())
        .count()
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
