//! What is measured, in Prometheus' text form.
//!
//! Always true: no name of a person or domain stands in it, and nothing is counted for it
//! that is not known anyway.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{OWN_KINDS, changes::Severity, kept::read};
use crate::{
    app::{App, Error},
    base::clock::Timestamp,
    federation::DriftKind,
    keys::{KeyPurpose, certificate::Certificate, state::KeyState},
};

/// The text form's content type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl App {
    /// The measures; `tls_end` is when the certificate of TLS ends.
    pub async fn measured(&self, tls_end: Option<Timestamp>) -> Result<String, Error> {
        let mut tx = self.store.read().await?;
        let state = tx.watch_state().await?;
        let stored = tx.watch_findings().await?;
        let mut waiting = tx.message_ids().await?;
        drop(tx);
        // An altered row counts as the worst: it hides something.
        let mut findings: Vec<(String, Severity)> = Vec::new();
        for row in &stored {
            let Some(kept) = read(self.sealing(), row) else {
                findings.push((row.kind.clone(), Severity::Critical));
                continue;
            };
            // A message that is gone before anybody took it waits all the same.
            waiting.extend(kept.owed.iter().map(|owed| owed.message.clone()));
            if !kept.is_over() {
                findings.push((kept.known.alarm.kind, kept.known.alarm.severity));
            }
        }
        let waiting = i64::try_from(waiting.len()).unwrap_or(i64::MAX);
        let (looked_at, read_at, failures) = state.map_or((None, None, 0), |state| {
            (state.looked_at, state.read_at, state.failures)
        });
        let keys = self.keys().await?;

        let mut text = Text::default();
        text.begin("build_info", "gauge", "The version that runs.");
        text.put(&[("version", env!("CARGO_PKG_VERSION"))], 1);

        let mut counts: BTreeMap<&str, i64> = DriftKind::ALL
            .iter()
            .map(|kind| kind.as_str())
            .chain(OWN_KINDS.iter().map(|kind| kind.name))
            .map(|kind| (kind, 0))
            .collect();
        for (kind, _) in &findings {
            if let Some(count) = counts.get_mut(kind.as_str()) {
                *count += 1;
            }
        }
        text.begin(
            "watch_findings",
            "gauge",
            "What the watch over the federation has found and is not over, by kind.",
        );
        for (kind, count) in counts {
            text.put(&[("kind", kind)], count);
        }
        text.begin(
            "watch_critical_findings",
            "gauge",
            "Those of them by which people cannot sign in, or strangers can.",
        );
        let critical = findings
            .iter()
            .filter(|(_, severity)| *severity == Severity::Critical);
        text.put(&[], i64::try_from(critical.count()).unwrap_or(i64::MAX));
        for (name, help, at) in [
            (
                "watch_last_look_timestamp_seconds",
                "When somebody looked last.",
                looked_at,
            ),
            (
                "watch_last_read_timestamp_seconds",
                "When the tenant could be read last.",
                read_at,
            ),
        ] {
            text.begin(name, "gauge", help);
            text.put(&[], at.map_or(0, Timestamp::as_secs));
        }
        text.begin(
            "watch_read_failures",
            "gauge",
            "How often in a row the tenant could not be read.",
        );
        text.put(&[], failures);
        text.begin(
            "watch_messages_waiting",
            "gauge",
            "Messages of alarms that nobody took yet.",
        );
        text.put(&[], waiting);

        text.begin(
            "signing_certificate_expiry_timestamp_seconds",
            "gauge",
            "When the certificate of a signing key that is staged or active ends.",
        );
        for key in keys {
            let state = match key.state {
                Some(KeyState::Active) => "active",
                Some(KeyState::Staged) => "staged",
                _ => continue,
            };
            if key.purpose == KeyPurpose::Audit {
                continue;
            }
            if let Ok(certificate) = Certificate::read(&key.certificate) {
                text.put(
                    &[
                        ("key", key.id.as_str()),
                        ("purpose", key.purpose.as_str()),
                        ("state", state),
                    ],
                    certificate.not_after.as_secs(),
                );
            }
        }
        if let Some(end) = tls_end {
            text.begin(
                "tls_certificate_expiry_timestamp_seconds",
                "gauge",
                "When the certificate in the files of [tls] ends.",
            );
            text.put(&[], end.as_secs());
        }
        text.begin(
            "refused_total",
            "counter",
            "Requests of strangers that were refused by this process, by reason.",
        );
        for (reason, count) in self.refused.totals() {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            text.put(&[("reason", reason.as_str())], count);
        }
        Ok(text.text)
    }
}

/// The text form. Label values are ours: none needs an escape.
#[derive(Default)]
struct Text {
    text: String,
    name: &'static str,
}

impl Text {
    fn begin(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let _ = writeln!(self.text, "# HELP claimbridge_{name} {help}");
        let _ = writeln!(self.text, "# TYPE claimbridge_{name} {kind}");
    }

    fn put(&mut self, labels: &[(&str, &str)], value: i64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let _ = writeln!(self.text, "claimbridge_{}{labels} {value}", self.name);
    }
}
