//! What the ledger shows: every answer of the period, counted again from its proofs.
//!
//! Always true: whether an answer was multi-factor is not read from anywhere; it is worked
//! out here from the kinds of proof in the receipt, by the rule that let it leave.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Error;
use crate::{
    audit::Receipt,
    base::{clock::Timestamp, ids::UserId},
    factor::{FactorKind, classes_of},
    storage::ReadTx,
};

/// How many receipts are read at once.
const PAGE: u32 = 2_000;

/// What all receipts of the period come to.
#[derive(Debug, Default)]
pub(super) struct Issuance {
    /// How many answers, of all people who are in the directory.
    pub answers: u64,
    /// How many of them carry the MFA claim and rest on fewer than two kinds of proof.
    pub without: u64,
    /// How many of them do not carry it: tokens of WS-Trust, for a password alone.
    pub claimless: u64,
    /// By day (UTC), relying party and kinds of proof.
    pub cells: BTreeMap<(String, String, String), u64>,
    /// How many receipts the ledger has in all: more, if one names nobody in the directory.
    pub in_ledger: u64,
    /// How many events say that an answer left.
    pub events: u64,
    /// How many refusals were sent to relying parties.
    pub refused: u64,
    /// How many events are missing in the numbering of all nodes, of any time.
    pub missing_events: i64,
}

/// The answers for one person in the period.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub answers: u64,
    pub without: u64,
    /// Tokens of WS-Trust, which never carry the claim.
    pub claimless: u64,
    pub last_without: Option<Timestamp>,
    /// The last one that rests on two kinds of proof.
    pub last_with: Option<Receipt>,
}

/// What one answer rested on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Basis {
    /// In words: `password + one-time code`.
    pub how: String,
    /// Whether that is two different kinds of proof.
    pub is_mfa: bool,
    /// Whether the answer does not carry the MFA claim: its receipt names what only the door
    /// for a password alone takes.
    pub is_claimless: bool,
}

/// What a token of WS-Trust rests on (`claims::active`), or one of External MFA.
fn claimless(receipt: &Receipt) -> Option<&'static str> {
    let mut lines = receipt.proofs.lines();
    match (lines.next()?.split(' ').next()?, lines.next()) {
        ("application-password", None) => Some("application password (WS-Trust, no MFA claim)"),
        ("password-only", None) => Some("password (WS-Trust, no MFA claim)"),
        // Entra did the first factor and makes the claim itself.
        ("second-factor:totp", None) => Some("one-time code (second step for Entra)"),
        (kind, None) if kind.starts_with("second-factor:") => {
            Some("security key (second step for Entra)")
        }
        _ => None,
    }
}

/// Reads the proofs of a receipt. A line that is not understood proves nothing.
pub(super) fn basis(receipt: &Receipt) -> Basis {
    if let Some(how) = claimless(receipt) {
        return Basis {
            how: how.to_owned(),
            is_mfa: false,
            is_claimless: true,
        };
    }
    let kinds: BTreeSet<FactorKind> = receipt
        .proofs
        .lines()
        .filter_map(|line| FactorKind::parse(line.split(' ').next()?))
        .collect();
    let words: Vec<&str> = kinds
        .iter()
        .map(|kind| match kind {
            FactorKind::Password => "password",
            FactorKind::Totp => "one-time code",
            FactorKind::WebAuthn => "security key (touch)",
            FactorKind::WebAuthnVerified => "security key with PIN or biometric",
        })
        .collect();
    Basis {
        how: if words.is_empty() {
            "nothing that is understood".to_owned()
        } else {
            words.join(" + ")
        },
        is_mfa: classes_of(kinds).len() >= 2,
        is_claimless: false,
    }
}

/// Counts the answers for a person into `all`.
pub(super) async fn of_person(
    tx: &mut ReadTx<'_>,
    user: &UserId,
    since: Timestamp,
    all: &mut Issuance,
) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    let mut after: Option<Receipt> = None;
    loop {
        let page = tx
            .receipts_of_since(user, since, after.as_ref(), PAGE)
            .await?;
        for receipt in &page {
            let basis = basis(receipt);
            let at = Timestamp::from_millis(receipt.issued_at_millis);
            tally.answers += 1;
            if basis.is_mfa {
                tally.last_with = Some(receipt.clone());
            } else if basis.is_claimless {
                tally.claimless += 1;
            } else {
                tally.without += 1;
                tally.last_without = Some(at);
            }
            let cell = (day(at), receipt.relying_party.clone(), basis.how);
            *all.cells.entry(cell).or_default() += 1;
        }
        after = page.into_iter().last();
        if after.is_none() {
            break;
        }
    }
    all.answers += tally.answers;
    all.without += tally.without;
    all.claimless += tally.claimless;
    Ok(tally)
}

/// `2026-11-20`.
pub(super) fn day(at: Timestamp) -> String {
    at.to_rfc3339().chars().take(10).collect()
}

impl Issuance {
    /// How many answers carry the MFA claim.
    pub fn with_claim(&self) -> u64 {
        self.answers.saturating_sub(self.claimless)
    }

    /// Compares the receipts with what else was written down of them.
    pub async fn compare(&mut self, tx: &mut ReadTx<'_>, since: Timestamp) -> Result<(), Error> {
        let number = |count: i64| u64::try_from(count).unwrap_or(0);
        self.in_ledger = number(tx.count_receipts_since(since).await?);
        for (kind, count) in tx.event_counts(since).await? {
            match kind.as_str() {
                "answer-issued" => self.events = number(count),
                "answer-refused" => self.refused = number(count),
                _ => {}
            }
        }
        self.missing_events = tx.missing_events().await?;
        Ok(())
    }

    /// Sums by one part of the key.
    pub fn by<'a>(
        &'a self,
        part: impl Fn(&'a (String, String, String)) -> &'a str,
    ) -> BTreeMap<&'a str, u64> {
        let mut sums = BTreeMap::new();
        for (cell, count) in &self.cells {
            *sums.entry(part(cell)).or_default() += count;
        }
        sums
    }

    /// `issuance.csv`.
    pub fn csv(&self) -> Result<Vec<u8>, csv::Error> {
        use crate::base::text::harmless_cell;
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["day", "relying_party", "proofs", "answers"])?;
        for ((day, party, how), count) in &self.cells {
            csv.write_record([day, &harmless_cell(party), how, &count.to_string()])?;
        }
        csv.into_inner()
            .map_err(|error| csv::Error::from(error.into_error()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::ids::{AttemptId, KeyId, SessionId},
        base::random::SystemRandom,
    };

    fn basis_of(proofs: &str) -> Basis {
        let random = &mut SystemRandom;
        basis(&Receipt {
            assertion_id: "_a".to_owned(),
            attempt: AttemptId::random(random),
            user: UserId::random(random),
            relying_party: "urn:x".to_owned(),
            request_id: "_r".to_owned(),
            issuer: "urn:y".to_owned(),
            name_id: "n".to_owned(),
            proofs: proofs.to_owned(),
            session: SessionId::random(random),
            authn_instant_millis: 0,
            issued_at_millis: 0,
            key: KeyId::random(random),
            sha256: String::new(),
        })
    }

    fn of(proofs: &str) -> (String, bool) {
        let basis = basis_of(proofs);
        (basis.how, basis.is_mfa)
    }

    #[test]
    fn an_answer_is_multi_factor_by_its_proofs_alone() {
        for (proofs, how, is_mfa) in [
            (
                "password crd_a t\ntotp crd_b t",
                "password + one-time code",
                true,
            ),
            (
                "password crd_a t\nwebauthn crd_b t",
                "password + security key (touch)",
                true,
            ),
            (
                "webauthn-verified crd_b t",
                "security key with PIN or biometric",
                true,
            ),
            ("password crd_a t", "password", false),
            (
                "totp crd_a t\nwebauthn crd_b t",
                "one-time code + security key (touch)",
                false,
            ),
            ("password crd_a t\npassword crd_b t", "password", false),
            ("multipleauthn", "nothing that is understood", false),
            ("", "nothing that is understood", false),
        ] {
            assert_eq!(of(proofs), (how.to_owned(), is_mfa), "{proofs}");
            assert!(!basis_of(proofs).is_claimless, "{proofs}");
        }
    }

    #[test]
    fn a_token_for_a_password_alone_is_no_answer_without_its_second_factor() {
        for kind in [
            "application-password",
            "password-only",
            "second-factor:totp",
            "second-factor:webauthn-verified",
        ] {
            let basis = basis_of(&format!("{kind} crd_a t"));
            assert!(basis.is_claimless && !basis.is_mfa, "{kind}");
            // With anything beside it, it is none of that door's.
            let basis = basis_of(&format!("{kind} crd_a t\ntotp crd_b t"));
            assert!(!basis.is_claimless && !basis.is_mfa, "{kind}");
        }
    }
}
