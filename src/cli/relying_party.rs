//! `relying-party`: whom we answer besides Entra.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Failure, open, operator};
use crate::{
    app::relying_parties,
    protocol::saml::sp_metadata::parse_sp_metadata,
    relying_party::{EntityId, RelyingParty, RelyingPartyKind, ResponseSignature, Sha1},
};

/// Whom we answer besides Entra: test service providers, other applications.
#[derive(Debug, Subcommand)]
pub enum RelyingPartyCommand {
    List(ListArgs),
    Add(AddArgs),
    Show(ShowArgs),
    Remove(RemoveArgs),
}

/// List the relying parties, Entra first.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

/// Register a service provider from its SAML metadata.
#[derive(Args, Debug)]
pub struct AddArgs {
    /// Its metadata, a file.
    #[arg(long, value_name = "FILE")]
    metadata: PathBuf,
    /// What people read: "you are signing in to NAME".
    #[arg(long)]
    name: Option<String>,
    /// Take SHA-1 in signatures of its requests.
    #[arg(long)]
    allow_sha1_in_requests: bool,
    /// Sign the response too; the assertion always is.
    #[arg(long)]
    sign_response: bool,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Show one relying party.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Its entity id.
    entity_id: String,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Remove a relying party.
#[derive(Args, Debug)]
pub struct RemoveArgs {
    /// Its entity id.
    entity_id: String,
}

/// Runs the command.
pub async fn run(
    command: RelyingPartyCommand,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let config = open::config(path)?;
    let settings = open::settings(&config)?;
    let store = open::store(&config).await?;
    match command {
        RelyingPartyCommand::List(args) => {
            let all = relying_parties::list(&store, &settings).await?;
            if args.json {
                let list: Vec<Value> = all.iter().map(as_json).collect();
                writeln!(out, "{}", Value::Array(list))?;
            } else {
                for party in &all {
                    writeln!(out, "{}\t{}", party.entity_id, party.display_name)?;
                }
            }
        }
        RelyingPartyCommand::Add(args) => {
            let present: Vec<EntityId> = relying_parties::list(&store, &settings)
                .await?
                .into_iter()
                .map(|party| party.entity_id)
                .collect();
            let party = read_party(&args, &present)?;
            let party = relying_parties::add(&store, &settings, party, &operator::name()).await?;
            if args.json {
                writeln!(out, "{}", as_json(&party))?;
            } else {
                writeln!(out, "Added {}.", party.entity_id)?;
            }
        }
        RelyingPartyCommand::Show(args) => {
            let all = relying_parties::list(&store, &settings).await?;
            let Some(party) = all.iter().find(|p| p.entity_id.as_str() == args.entity_id) else {
                return Err(Failure::no(format!(
                    "no relying party {} is registered; `claimbridge relying-party list` shows them",
                    args.entity_id
                )));
            };
            let value = as_json(party);
            if args.json {
                writeln!(out, "{value}")?;
            } else {
                writeln!(out, "{value:#}")?;
            }
        }
        RelyingPartyCommand::Remove(args) => {
            let entity_id = EntityId(args.entity_id);
            if entity_id == settings.entra.entity_id {
                return Err(Failure::no(
                    "Entra is always answered, and comes from the section [entra] of the configuration; change its cloud there",
                ));
            }
            relying_parties::remove(&store, &entity_id, &operator::name()).await?;
            writeln!(out, "Removed {entity_id}.")?;
        }
    }
    Ok(())
}

fn read_party(args: &AddArgs, present: &[EntityId]) -> Result<RelyingParty, Failure> {
    let path = args.metadata.display();
    let bytes = fs::read(&args.metadata).map_err(|error| {
        Failure::usage(format!(
            "{path} cannot be read ({error}); name another file"
        ))
    })?;
    let metadata = parse_sp_metadata(&bytes)
        .map_err(|error| Failure::usage(format!("{path}: {}", super::chain(&error))))?;
    let mut party = metadata
        .into_relying_party(args.name.as_deref(), present)
        .map_err(|error| Failure::no(format!("{path}: {}", super::chain(&error))))?;
    if args.allow_sha1_in_requests {
        party.sha1 = Sha1::AllowedInRequests;
    }
    if args.sign_response {
        party.response_signature = ResponseSignature::AssertionAndResponse;
    }
    Ok(party)
}

fn as_json(party: &RelyingParty) -> Value {
    json!({
        "entity_id": party.entity_id,
        "name": party.display_name,
        "kind": match party.kind {
            RelyingPartyKind::Entra => "entra",
            RelyingPartyKind::ServiceProvider => "service-provider",
        },
        "reply_urls": party.reply_urls.iter().map(|reply| &reply.url).collect::<Vec<_>>(),
        "request_certificates": party.request_certificates.len(),
        "session_max_age_seconds": party.session_max_age.as_secs(),
        "single_logout": party.single_logout.as_ref().map(|logout| json!({
            "binding": logout.binding.as_str(),
            "request_url": logout.request_url,
            "response_url": logout.response_url(),
        })),
    })
}
