//! `oath list`: which token is in whose hands.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use super::Failure;
use crate::{
    app::{
        App,
        oath_tokens::{ListedToken, last_used},
    },
    base::{clock::Timestamp, text::Upn},
    directory::{Serial, TokenState},
};

/// How many tokens are read at once.
const PAGE: u32 = 500;

/// List tokens: where each is, with whom, since when.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only tokens in this state: in-stock, assigned, active, lost, removed, retired.
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Option<TokenState>,
    /// Only this person's.
    #[arg(long, value_name = "UPN")]
    upn: Option<Upn>,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

fn state(text: &str) -> Result<TokenState, String> {
    TokenState::parse(text)
        .ok_or_else(|| "a token is in-stock, assigned, active, lost, removed or retired".to_owned())
}

impl ListArgs {
    fn wants(&self, listed: &ListedToken) -> bool {
        self.state.is_none_or(|state| state == listed.token.state)
            && (self.upn.is_none() || self.upn == listed.upn)
    }
}

/// Runs the command.
pub async fn run(args: &ListArgs, app: &App, out: &mut dyn Write) -> Result<(), Failure> {
    let mut after: Option<Serial> = None;
    let mut separator = "[";
    loop {
        let page = app.list_oath_tokens(after.as_ref(), PAGE).await?;
        for listed in page.iter().filter(|listed| args.wants(listed)) {
            if args.json {
                write!(out, "{separator}{}", token_json(listed))?;
                separator = ",\n";
            } else {
                writeln!(out, "{}", line(listed))?;
            }
        }
        match page.into_iter().last() {
            Some(last) => after = Some(last.token.serial),
            None => break,
        }
    }
    if args.json {
        writeln!(out, "{}", if separator == "[" { "[]" } else { "]" })?;
    }
    Ok(())
}

fn line(listed: &ListedToken) -> String {
    let token = &listed.token;
    let mut cells = vec![
        token.serial.to_string(),
        token.model.clone(),
        token.state.to_string(),
    ];
    cells.extend(listed.upn.as_ref().map(Upn::to_string));
    for (word, at) in [
        ("handed over", token.assigned_at),
        ("activated", token.activated_at),
        ("last used", last_used(listed)),
        ("since", token.ended_at),
    ] {
        cells.extend(at.map(|at| format!("{word} {at}")));
    }
    cells.join("\t")
}

fn token_json(listed: &ListedToken) -> Value {
    let token = &listed.token;
    let at = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339);
    json!({
        "serial": token.serial,
        "upn": listed.upn,
        "state": token.state,
        "manufacturer": token.manufacturer,
        "model": token.model,
        "algorithm": token.parameters.algorithm,
        "digits": token.parameters.digits,
        "period": token.parameters.period,
        "imported_at": token.imported_at,
        "assigned_at": at(token.assigned_at),
        "assigned_by": token.assigned_by,
        "activated_at": at(token.activated_at),
        "last_used_at": at(last_used(listed)),
        "drift_steps": listed.used.map_or(token.drift_steps, |(_, drift)| drift),
        "ended_at": at(token.ended_at),
    })
}
