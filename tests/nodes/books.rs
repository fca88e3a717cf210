//! What must balance, whoever answered and whatever happened meanwhile.

use claimbridge::{
    base::ids::{AttemptId, NodeId},
    signin::request::OWN_ACCOUNT,
};
use sqlx::{AssertSqlSafe, Row as _};

use crate::{cluster::Cluster, people::Person};

/// What was proved besides the password, or instead of it.
#[derive(Clone, Copy)]
pub enum SecondFactor {
    /// A one-time code.
    Code,
    /// A security key after the password.
    Key,
    /// A security key alone, which verified its person.
    Passkey,
}

impl SecondFactor {
    /// The events of a sign-in.
    fn events(self) -> &'static [&'static str] {
        match self {
            Self::Code => &[
                "password-tried",
                "password-verified",
                "code-tried",
                "code-verified",
                "answer-issued",
            ],
            Self::Key => &[
                "password-tried",
                "password-verified",
                "key-verified",
                "answer-issued",
            ],
            Self::Passkey => &["key-verified", "answer-issued"],
        }
    }
}

impl Cluster {
    /// The receipt of these bytes, and every event of the attempt that they answered: both
    /// factors, each once. `second`: what was proved besides the password.
    pub async fn require_receipt(&self, xml: &str, second: SecondFactor) {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, xml.as_bytes());
        let sha256 = data_encoding::HEXLOWER.encode(digest.as_ref());
        let attempt = self
            .texts(&format!(
                "SELECT attempt FROM receipts WHERE sha256 = '{sha256}'"
            ))
            .await;
        assert_eq!(attempt.len(), 1, "an answer without a receipt:\n{xml}");
        let attempt: AttemptId = attempt[0].parse().unwrap();
        let mut tx = self.store.read().await.unwrap();
        let events = tx.events_of_attempt(&attempt).await.unwrap();
        for kind in second.events() {
            let found = events.iter().filter(|event| event.kind() == *kind).count();
            assert!(found >= 1, "{kind} is missing in {events:#?}");
            assert!(
                found == 1 || kind.ends_with("tried"),
                "{kind} twice in {events:#?}"
            );
        }
        let receipt = tx.receipt_of_attempt(&attempt).await.unwrap().unwrap();
        let issued = events
            .iter()
            .find(|event| event.kind() == "answer-issued")
            .unwrap();
        assert_eq!(issued.event["assertion"], receipt.assertion_id.as_str());
        assert!(xml.contains(&receipt.assertion_id));
    }

    /// The events of a kind about a person, oldest first.
    pub async fn events(&self, person: &Person, kind: &str) -> Vec<serde_json::Value> {
        let mut tx = self.store.read().await.unwrap();
        let mut events = tx.events_of(person.id(), 10_000).await.unwrap();
        events.reverse();
        events.retain(|event| event.kind() == kind);
        events.into_iter().map(|event| event.event).collect()
    }

    /// That ledger, events and attempts tell the same, and that no node's events have a
    /// gap. How many answers there are; the way to one's own account sends none.
    pub async fn check_books(&self) -> usize {
        let receipts = self
            .texts("SELECT attempt FROM receipts ORDER BY attempt")
            .await;
        let issued = self
            .texts(
                "SELECT attempt FROM events
                 WHERE kind IN ('answer-issued', 'external-mfa-answered') ORDER BY attempt",
            )
            .await;
        let answered = self
            .texts(&format!(
                "SELECT id FROM attempts WHERE answered_at IS NOT NULL
                 AND relying_party <> '{OWN_ACCOUNT}' ORDER BY id"
            ))
            .await;
        assert_eq!(receipts, issued);
        assert_eq!(receipts, answered);
        for node in self.texts("SELECT id FROM nodes").await {
            let node: NodeId = node.parse().unwrap();
            let events = self
                .store
                .read()
                .await
                .unwrap()
                .events_of_node(&node)
                .await
                .unwrap();
            let numbers: Vec<i64> = events.iter().map(|event| event.sequence).collect();
            let all: Vec<i64> = (1..).take(numbers.len()).collect();
            assert_eq!(numbers, all);
            let last = self
                .texts(&format!(
                    "SELECT CAST(sequence AS TEXT) FROM nodes WHERE id = '{node}'"
                ))
                .await;
            assert_eq!(last, [numbers.len().to_string()]);
        }
        receipts.len()
    }

    pub async fn texts(&self, statement: &str) -> Vec<String> {
        sqlx::query(AssertSqlSafe(statement.to_owned()))
            .fetch_all(&self.sql)
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect()
    }
}
