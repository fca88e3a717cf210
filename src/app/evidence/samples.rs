//! Messages and tokens that the operator hands in, as the inspector judges them.
//!
//! Always true: the message itself never enters the bundle, only the redacted report; and a
//! report in which something still looks like a token, or that names somebody of the
//! directory, is refused or rewritten before it gets there.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    super::{App, Error},
    live_check::token_in,
    names::Names,
};
use crate::{
    base::{clock::Timestamp, ids::UserId},
    directory::User,
    inspect::{self, Context, redact::redacted},
    keys::KeyPurpose,
    relying_party::{Domain, EntraCloud},
    storage::StoredKey,
};

/// A message that is to be judged.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What the operator calls it, for errors: it does not enter the bundle.
    pub name: String,
    /// The message, in any wrapping.
    pub bytes: Vec<u8>,
    /// The instant that it is judged at; none: when the bundle is made.
    pub at: Option<Timestamp>,
}

/// A sample, judged.
#[derive(Debug)]
pub(super) struct Judged {
    /// What it is, and the verdicts, for the report.
    pub kind: &'static str,
    pub at: Timestamp,
    pub verdicts: Vec<(String, String)>,
    pub broken: Vec<&'static str>,
    /// The file.
    pub report: Value,
}

/// A name or an id, the same in lower case, and what stands for it.
type KnownText = (String, String, &'static str);

/// Everybody of the directory: what is taken out of reports, and what stands for it.
#[derive(Default)]
pub(super) struct KnownPeople {
    labels: HashMap<UserId, String>,
    texts: Vec<KnownText>,
}

impl KnownPeople {
    pub fn add(&mut self, user: &User, names: &Names<'_>) {
        let mut text = |text: String, instead| {
            let folded = text.to_lowercase();
            self.texts.push((text, folded, instead));
        };
        text(user.upn.to_string(), "[address]");
        // "Al" would be replaced in the middle of words.
        if user.display_name.chars().count() >= 5 {
            text(user.display_name.clone(), "[name]");
        }
        if let Some(id) = &user.immutable_id {
            text(id.to_string(), "[immutable_id]");
        }
        self.labels.insert(user.id.clone(), names.person(user).0);
    }

    pub fn label(&self, id: &UserId) -> Option<String> {
        self.labels.get(id).cloned()
    }
}

impl App {
    /// What samples are judged against: this server's own registration.
    pub(super) fn sample_context(
        &self,
        at: Timestamp,
        domains: &[Domain],
        keys: &[StoredKey],
    ) -> Context {
        let entra = &self.settings.entra;
        let mut context = Context::at(at);
        context.certificates = keys
            .iter()
            .filter(|key| key.purpose == KeyPurpose::Assertion)
            .map(|key| key.certificate.clone())
            .collect();
        context.cloud = Some(EntraCloud {
            name: "entra".to_owned(),
            entity_id: entra.entity_id.0.clone(),
            reply_url: entra
                .reply_urls
                .first()
                .map(|reply| reply.url.clone())
                .unwrap_or_default(),
            metadata_url: None,
        });
        if let [domain] = domains {
            context.issuer = Some(domain.issuer_uri.clone());
            context.realm = Some(domain.root.clone());
        }
        context
    }
}

/// Judges all of them; one that cannot be shown stops the bundle and names itself.
pub(super) fn judge(
    samples: &[Sample],
    context: &Context,
    known: &KnownPeople,
) -> Result<Vec<Judged>, Error> {
    // The longest first: a name may be part of a longer one.
    let mut texts: Vec<&KnownText> = known.texts.iter().collect();
    texts.sort_by_key(|(text, ..)| std::cmp::Reverse(text.len()));
    samples
        .iter()
        .map(|sample| one(sample, context, &texts))
        .collect()
}

fn one(sample: &Sample, context: &Context, known: &[&KnownText]) -> Result<Judged, Error> {
    let at = sample.at.unwrap_or(context.at);
    let mut context = context.clone();
    context.at = at;
    let report = inspect::inspect(&sample.bytes, &context);
    if let Some(problem) = &report.input.problem {
        return Err(Error::invalid(format!(
            "{}: {problem} Leave it out, or give a message or a token",
            sample.name
        )));
    }
    let mut value = redacted(&report);
    rewrite(&mut value, known);
    if token_in(&value).is_some() {
        return Err(Error::invalid(format!(
            "{}: its report still shows something that looks like a token, so it does not go into the bundle; leave it out",
            sample.name
        )));
    }
    Ok(Judged {
        kind: report.input.kind.as_str(),
        at,
        verdicts: report
            .verdicts
            .iter()
            .map(|verdict| {
                (
                    verdict.consumer.to_string(),
                    verdict.outcome.as_str().to_owned(),
                )
            })
            .collect(),
        broken: report.broken(),
        report: json!({
            "provenance": "judged by this command from a message that the operator handed in; the message itself is not in the bundle",
            "judged_as_of": at,
            "report": value,
        }),
    })
}

fn rewrite(value: &mut Value, known: &[&KnownText]) {
    match value {
        Value::String(text) => {
            let folded = text.to_lowercase();
            for (name, lower, instead) in known {
                if text.contains(name.as_str()) {
                    *text = text.replace(name.as_str(), instead);
                } else if folded.contains(lower.as_str()) && text.to_lowercase().contains(lower) {
                    // Another spelling: rather nothing of the text than half of a name.
                    (*instead).clone_into(text);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, known)),
        Value::Object(members) => members.values_mut().for_each(|item| rewrite(item, known)),
        _ => {}
    }
}
