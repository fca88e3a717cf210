//! What operators did, and what claimbridge did to keys, domains and metadata.
//!
//! Always true: of an event only what is named here is told: a member that a later event
//! has, or a value that names somebody, does not get in by itself.

use serde::Serialize;

use super::{super::Error, names::Names};
use crate::{
    audit::Actor,
    base::{clock::Timestamp, ids::UserId},
    storage::{ReadTx, StoredEvent},
};

/// How many acts are told one by one; all are counted.
const MOST: u32 = 5_000;

/// `events.json`.
#[derive(Debug, Serialize)]
pub(super) struct Acts {
    /// How many events of each kind, of people and strangers too.
    pub counts: Vec<Count>,
    /// How many acts are told: the newest, if there are more.
    pub listed: usize,
    pub is_complete: bool,
    /// The newest first.
    pub acts: Vec<Act>,
}

/// One kind of event.
#[derive(Debug, Serialize)]
pub(super) struct Count {
    pub event: String,
    pub count: i64,
}

/// One act.
#[derive(Debug, Serialize)]
pub(super) struct Act {
    pub at: Timestamp,
    pub event: String,
    /// The operator's account, or `claimbridge` itself.
    pub by: String,
    /// Whom it is about.
    pub person: Option<String>,
    /// What it is about: a key, a domain, a relying party.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

impl Act {
    pub fn in_words(&self) -> &str {
        in_words(&self.event)
    }
}

/// Reads the period.
pub(super) async fn read(
    tx: &mut ReadTx<'_>,
    since: Timestamp,
    names: &Names<'_>,
    label: impl Fn(&UserId) -> Option<String>,
) -> Result<Acts, Error> {
    let counts = tx.event_counts(since).await?;
    let mut events = tx.acts_since(since, MOST + 1).await?;
    let most = usize::try_from(MOST).unwrap_or(usize::MAX);
    let is_complete = events.len() <= most;
    events.truncate(most);
    let acts: Vec<Act> = events
        .iter()
        .map(|event| Act {
            at: event.at,
            event: event.kind().to_owned(),
            by: match &event.actor {
                Actor::Operator(account) => names.operator(account),
                Actor::Person => "the person".to_owned(),
                Actor::System => "claimbridge".to_owned(),
            },
            person: event.user.as_ref().map(|user| {
                label(user).unwrap_or_else(|| "somebody who is not in the directory".to_owned())
            }),
            about: about(event),
        })
        .collect();
    Ok(Acts {
        counts: counts
            .into_iter()
            .map(|(event, count)| Count { event, count })
            .collect(),
        listed: acts.len(),
        is_complete,
        acts,
    })
}

/// What an event is about, where that is no person and no secret.
fn about(event: &StoredEvent) -> Option<String> {
    let member = |name: &str| event.event.get(name).and_then(serde_json::Value::as_str);
    match event.kind() {
        "key-created" => Some(format!("{} ({})", member("key")?, member("purpose")?)),
        "key-staged" | "key-activated" | "key-retired" => {
            let forced = event.event.get("forced")?.as_array()?;
            let key = format!("{} ({})", member("key")?, member("purpose")?);
            Some(if forced.is_empty() {
                key
            } else {
                format!("{key}, forced")
            })
        }
        "key-seen" => Some(format!("{} at {}", member("key")?, member("party")?)),
        "alarm-raised" | "alarm-changed" | "alarm-over" => Some(match member("domain") {
            Some(domain) => format!("{} at {domain}", member("kind")?),
            None => member("kind")?.to_owned(),
        }),
        "keys-rewrapped" => Some(format!("{} → {}", member("from")?, member("to")?)),
        "domain-added" => Some(format!(
            "{}, issuer {}",
            member("domain")?,
            member("issuer")?
        )),
        "federation-change-begun" => Some(format!("{} ({})", member("domain")?, member("kind")?)),
        "federation-called" | "federation-change-finished" => {
            Some(format!("{}, {}", member("domain")?, member("outcome")?))
        }
        "federation-journal-set-aside" => {
            let all = event.event.get("set_aside")?.as_array()?;
            let all: Vec<&str> = all.iter().filter_map(serde_json::Value::as_str).collect();
            Some(format!("{}: {}", member("domain")?, all.join("; ")))
        }
        "relying-party-added" | "relying-party-removed" => member("entity_id").map(str::to_owned),
        "tenant-added" | "tenant-removed" => Some(format!(
            "{}, client id {}",
            member("tenant")?,
            member("client_id")?
        )),
        "tampering-found" => member("what").map(str::to_owned),
        "group-joined" | "group-left" => member("group").map(str::to_owned),
        "pre-flight-failed" => {
            let rules = event.event.get("rules")?.as_array()?;
            let rules: Vec<&str> = rules.iter().filter_map(serde_json::Value::as_str).collect();
            Some(rules.join(", "))
        }
        _ => None,
    }
}

/// What an act is, in words. An event without words keeps its name.
pub(super) fn in_words(event: &str) -> &str {
    match event {
        "user-added" => "Person added",
        "user-disabled" => "Person disabled",
        "user-enabled" => "Person enabled again",
        "user-unlocked" => "Waiting times lifted",
        "user-reset" => "All methods, sessions and passes taken away",
        "password-set" => "Password set",
        "pass-issued" => "Access pass issued",
        "pass-revoked" => "Access pass taken back",
        "method-revoked" => "Method taken away",
        "app-password-added" => "Application password made",
        "app-password-revoked" => "Application password revoked",
        "group-joined" => "Put into a group",
        "group-left" => "Taken out of a group",
        "metadata-used" => "FIDO metadata taken into use",
        "oath-tokens-imported" => "Hardware tokens imported",
        "oath-tokens-exported" => "Hardware tokens exported with their secrets",
        "oath-token-assigned" => "Hardware token handed out",
        "oath-token-resynced" => "Hardware token's clock corrected",
        "oath-token-taken" => "Hardware token taken back, lost or retired",
        "immutable-id-set" => "ImmutableID set",
        "immutable-id-sent" => "ImmutableID set in the tenant",
        "immutable-id-replaced" => "ImmutableID replaced",
        "session-ended" | "sessions-ended" => "Sessions ended",
        "domain-added" => "Domain added",
        "federation-change-begun" => "Change of a domain's federation begun",
        "federation-called" => "Change of a domain's federation sent to Entra",
        "federation-change-finished" => "Change of a domain's federation over",
        "federation-journal-set-aside" => "Altered journal of a domain's federation set aside",
        "relying-party-added" => "Relying party registered",
        "relying-party-removed" => "Relying party removed",
        "tenant-added" => "Tenant of External MFA added",
        "tenant-removed" => "Tenant of External MFA removed",
        "key-created" => "Signing key made",
        "key-staged" => "Signing key published",
        "key-activated" => "Signing key taken into use",
        "key-retired" => "Signing key taken away and erased",
        "key-seen" => "Looked who knows a signing key",
        "alarm-raised" => "The watch over the federation found something",
        "alarm-changed" => "What the watch over the federation had found changed",
        "alarm-over" => "What the watch over the federation had found is over",
        "keys-rewrapped" => "Sealed anew under another master key",
        "tampering-found" => "A row that was altered outside claimbridge was found",
        "pre-flight-failed" => "An answer failed the rules and was not sent",
        other => other,
    }
}
