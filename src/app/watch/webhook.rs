//! Telling somebody else: JSON by POST, signed.
//!
//! Always true: a message is stored with the finding that it tells of and sent afterwards, so
//! that none is lost; the finding says under its tag what the receiver has not taken yet, and
//! one whose message is gone or was altered, also in when it is tried next, is told all the same; it is sent by one node at a time, tried a bounded number of times, and
//! nobody waits for it; what the receiver answers is not read, only whether it took it.

use std::{collections::BTreeSet, time::Duration};

use aws_lc_rs::hmac;
use openidconnect::http::{self, header};
use serde_json::{Value, json};
use url::Url;

use super::{
    changes::Change,
    kept::{self, Kept},
};
use crate::{
    app::{App, Error, saml::chain},
    audit::{Actor, Event},
    base::{clock::Timestamp, random::random_token, secret::Secret},
    keys::sealing::{Sealing, TagLabel},
    outbound::guard::{Outbound, OutboundError},
    storage::{StoredFinding, StoredMessage},
};

/// Name, time and body, signed: `v1=` and hex.
pub const SIGNATURE_HEADER: &str = "claimbridge-signature";
/// Seconds since 1970, as they are signed.
pub const TIMESTAMP_HEADER: &str = "claimbridge-timestamp";
/// The message's id: the same if it comes twice.
pub const DELIVERY_HEADER: &str = "claimbridge-delivery";

/// After this many tries, over half a day, a message is given up.
pub const TRIES: i64 = 12;
/// A message of an earlier version that is older than this is none that waits: an upgrade may take
/// a while, and the tries take half a day.
const LONGEST_WAIT: Duration = Duration::from_hours(7 * 24);
/// How many messages are sent in one go.
const AT_ONCE: u32 = 20;
/// A receiver that is slow is tried again.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whom to tell.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where messages are posted.
    pub url: Url,
    /// What they are signed with.
    pub secret: Secret<String>,
}

/// The signature of a body that is sent at `seconds`: HMAC-SHA-256 over `seconds.body`.
pub fn sign(secret: &Secret<String>, seconds: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    format!("v1={}", data_encoding::HEXLOWER.encode(tag.as_ref()))
}

/// What is told of a change.
pub(super) fn body(id: &str, service: &str, change: &Change, now: Timestamp) -> Value {
    let alarm = &change.alarm;
    json!({
        "version": 1,
        "id": id,
        "service": service,
        "event": change.telling.as_str(),
        "kind": alarm.kind,
        "severity": alarm.severity.as_str(),
        "domain": alarm.domain,
        "property": alarm.property,
        "sentence": alarm.sentence,
        "remedy": alarm.remedy,
        "since": change.since.to_rfc3339(),
        "at": now.to_rfc3339(),
    })
}

/// The message of a change, to be stored.
pub(super) fn message(app: &App, change: &Change, now: Timestamp) -> StoredMessage {
    let id = format!("wmg_{}", app.with_random(random_token));
    message_of(app, id, change, now)
}

fn message_of(app: &App, id: String, change: &Change, now: Timestamp) -> StoredMessage {
    let body = body(&id, &app.settings().public_url, change, now).to_string();
    let mut message = StoredMessage {
        id,
        body,
        made_at: now,
        tries: 0,
        next_try_at: now,
        tag: String::new(),
    };
    message.tag = make_tag(app.sealing(), &message);
    message
}

pub(super) fn make_tag(sealing: &Sealing, message: &StoredMessage) -> String {
    sealing.tag(
        TagLabel::Watch,
        &fields(message).each_ref().map(Vec::as_slice),
    )
}

fn is_ours(sealing: &Sealing, message: &StoredMessage) -> bool {
    let fields = fields(message);
    let fields = fields.each_ref().map(Vec::as_slice);
    sealing
        .verify_tag(TagLabel::Watch, &fields, &message.tag)
        .is_ok()
}

/// A message that an earlier claimbridge wrote, and nobody has tried since: its tag does not say how
/// often it was tried and when it comes next. It comes now, as long as it could still be waiting.
fn of_former_version(
    sealing: &Sealing,
    message: &StoredMessage,
    now: Timestamp,
) -> Option<StoredMessage> {
    let now_fields = fields(message);
    let [kind, id, body, made_at, ..] = now_fields.each_ref().map(Vec::as_slice);
    sealing
        .verify_tag(TagLabel::Watch, &[kind, id, body, made_at], &message.tag)
        .ok()?;
    let is_recent = now < message.made_at.plus(LONGEST_WAIT);
    is_recent.then(|| StoredMessage {
        tries: message.tries.clamp(0, TRIES - 1),
        next_try_at: now,
        ..message.clone()
    })
}

/// The message as it was written, by this version or an earlier one; none: it was altered.
pub(super) fn as_written(
    sealing: &Sealing,
    message: &StoredMessage,
    now: Timestamp,
) -> Option<StoredMessage> {
    if is_ours(sealing, message) {
        return Some(message.clone());
    }
    of_former_version(sealing, message, now)
}

/// What the tag is over: who puts a message off, or says that it was tried, alters it.
fn fields(message: &StoredMessage) -> [Vec<u8>; 6] {
    [
        b"message".to_vec(),
        message.id.clone().into_bytes(),
        message.body.clone().into_bytes(),
        message.made_at.as_millis().to_be_bytes().to_vec(),
        message.tries.to_be_bytes().to_vec(),
        message.next_try_at.as_millis().to_be_bytes().to_vec(),
    ]
}

/// The same message, tried so often, that comes again then.
fn put_off(
    sealing: &Sealing,
    message: &StoredMessage,
    tries: i64,
    again: Timestamp,
) -> StoredMessage {
    let mut later = StoredMessage {
        tries,
        next_try_at: again,
        ..message.clone()
    };
    later.tag = make_tag(sealing, &later);
    later
}

/// One, two, four … minutes, two hours at the most.
fn pause_after(tries: i64) -> Duration {
    let doublings = u32::try_from(tries.clamp(0, 7)).unwrap_or(7);
    Duration::from_mins(1 << doublings).min(Duration::from_hours(2))
}

/// What became of the messages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Delivered {
    /// The receiver took them.
    pub sent: u32,
    /// They come again.
    pub failed: u32,
    /// They do not.
    pub given_up: u32,
}

/// What became of one.
#[derive(Clone, Copy)]
enum Outcome {
    Sent,
    Failed,
    GivenUp,
}

impl Delivered {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Sent => self.sent += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::GivenUp => self.given_up += 1,
        }
    }
}

impl App {
    /// Sends the messages whose time has come. Any node may; all may at once.
    pub async fn deliver_alarms(
        &self,
        webhook: &Webhook,
        outbound: &Outbound,
    ) -> Result<Delivered, Error> {
        let mut delivered = Delivered::default();
        let now = self.now();
        let mut tx = self.store.read().await?;
        // All of them: one that was put off by somebody else is seen by its tag only.
        let waiting = tx.messages().await?;
        drop(tx);
        let mut left = AT_ONCE;
        for stored in waiting {
            let Some(message) = as_written(self.sealing(), &stored, now) else {
                self.drop_altered(&stored).await?;
                continue;
            };
            if left > 0 && message.next_try_at <= now && self.take_message(&message).await? {
                left -= 1;
                let outcome = self.deliver(webhook, outbound, &message).await?;
                delivered.count(outcome);
            }
        }
        for message in self.lost_messages().await? {
            let outcome = self.deliver(webhook, outbound, &message).await?;
            delivered.count(outcome);
        }
        Ok(delivered)
    }

    /// Sends a message that was taken.
    async fn deliver(
        &self,
        webhook: &Webhook,
        outbound: &Outbound,
        message: &StoredMessage,
    ) -> Result<Outcome, Error> {
        let id = &message.id;
        let tries = message.tries + 1;
        match self.post_message(webhook, outbound, message).await {
            Ok(()) => {
                self.close_message(id).await?;
                Ok(Outcome::Sent)
            }
            Err(why) if tries >= TRIES => {
                tracing::error!(
                    message = id,
                    why,
                    "nobody took the message of an alarm; it is given up, the log and the events have it"
                );
                self.close_message(id).await?;
                Ok(Outcome::GivenUp)
            }
            Err(why) => {
                tracing::warn!(
                    message = id,
                    tries,
                    why,
                    "the message of an alarm was not taken; it is tried again"
                );
                Ok(Outcome::Failed)
            }
        }
    }

    /// What findings owe and no message says any more, made again. They are sent from here,
    /// so that who deletes them once more does not keep them from being sent.
    async fn lost_messages(&self) -> Result<Vec<StoredMessage>, Error> {
        let mut tx = self.store.read().await?;
        let is_none_lost =
            lost(&tx.watch_findings().await?, &tx.message_ids().await?, self).is_empty();
        drop(tx);
        if is_none_lost {
            return Ok(Vec::new());
        }
        let again = self.now().plus(pause_after(0));
        let mut tx = self.store.begin().await?;
        let mut made = Vec::new();
        for message in lost(&tx.watch_findings().await?, &tx.message_ids().await?, self) {
            let waiting = put_off(self.sealing(), &message, 1, again);
            // Of several nodes one makes it.
            if tx.put_message(&waiting).await? {
                let what = "watch-message";
                tx.append(Actor::System, None, Event::TamperingFound { what });
                made.push(message);
            }
        }
        tx.commit().await?;
        Ok(made)
    }

    /// One that was altered is an event, and is not sent; its finding owes it still.
    async fn drop_altered(&self, message: &StoredMessage) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        tx.remove_message(&message.id).await?;
        let what = "watch-message";
        tx.append(Actor::System, None, Event::TamperingFound { what });
        Ok(tx.commit().await?)
    }

    /// Takes a message to send it; whether no other node did.
    async fn take_message(&self, message: &StoredMessage) -> Result<bool, Error> {
        let mut tx = self.store.begin().await?;
        let again = self.now().plus(pause_after(message.tries));
        let later = put_off(self.sealing(), message, message.tries + 1, again);
        let taken = tx.take_message(&message.tag, &later).await?;
        tx.commit().await?;
        Ok(taken)
    }

    /// Nobody sends it any more, and its finding owes it no longer.
    async fn close_message(&self, id: &str) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        tx.remove_message(id).await?;
        for stored in tx.watch_findings().await? {
            let Some(kept) = kept::read(self.sealing(), &stored) else {
                continue;
            };
            if kept.owed.as_ref().is_none_or(|owed| owed.message != id) {
                continue;
            }
            if kept.is_over() {
                tx.forget_finding(&stored.id).await?;
            } else {
                // If it was told anew meanwhile, it owes another.
                let told = kept::told(self.sealing(), &stored, &kept);
                tx.replace_finding(&stored.tag, &told).await?;
            }
        }
        Ok(tx.commit().await?)
    }

    /// Why it was not taken, in words without the address, which may be a secret.
    async fn post_message(
        &self,
        webhook: &Webhook,
        outbound: &Outbound,
        message: &StoredMessage,
    ) -> Result<(), String> {
        let seconds = self.now().as_secs();
        let request = http::Request::builder()
            .method("POST")
            .uri(webhook.url.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .header(TIMESTAMP_HEADER, seconds)
            .header(DELIVERY_HEADER, message.id.as_str())
            .header(
                SIGNATURE_HEADER,
                sign(&webhook.secret, seconds, &message.body),
            )
            .body(message.body.clone().into_bytes())
            .map_err(|error| chain(&OutboundError::Request(error)))?;
        let answer = tokio::time::timeout(PATIENCE, outbound.call(request)).await;
        let answer = answer.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))?;
        let status = answer.map_err(|error| chain(&error))?.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("it answered {status}"))
        }
    }
}

/// The messages that findings owe and that are not among those `waiting`.
fn lost(findings: &[StoredFinding], waiting: &BTreeSet<String>, app: &App) -> Vec<StoredMessage> {
    let mut lost = Vec::new();
    for stored in findings {
        let Some(Kept {
            known,
            owed: Some(owed),
        }) = kept::read(app.sealing(), stored)
        else {
            continue;
        };
        if waiting.contains(&owed.message) {
            continue;
        }
        let change = Change {
            telling: owed.event,
            alarm: known.alarm,
            since: known.since,
            replaces: None,
        };
        lost.push(message_of(app, owed.message, &change, known.told));
        if lost.len() >= AT_ONCE as usize {
            break;
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_body_are_signed() {
        let secret = Secret::new("0123456789abcdef0123456789abcdef".to_owned());
        // printf '1795168800.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        assert_eq!(
            sign(&secret, 1_795_168_800, r#"{"a":1}"#),
            "v1=6616c7b8bdee3ebd08c583da1fd064c1cef7b9e3009899df4c2a1e39ec6cfad4"
        );
        assert_ne!(
            sign(&secret, 1_795_168_801, r#"{"a":1}"#),
            sign(&secret, 1_795_168_800, r#"{"a":1}"#)
        );
    }

    #[test]
    fn tries_come_rarer_and_end_within_a_day() {
        let all: Duration = (0..TRIES).map(pause_after).sum();
        assert!(
            all > Duration::from_hours(6) && all < Duration::from_hours(24),
            "{all:?}"
        );
        assert_eq!(pause_after(0), Duration::from_mins(1));
        assert_eq!(pause_after(1000), Duration::from_hours(2));
    }
}
