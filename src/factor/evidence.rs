//! Proofs between requests.
//!
//! A proof lives in memory; the next request may reach another node. So [`seal`]
//! writes a plain record with a tag (HMAC under the evidence label) over attempt,
//! browser, person, factor, credential and instant, and [`open`] is the only way
//! back. A row that was copied, altered or written by hand has no right tag, and one
//! of another attempt or browser is not of this one (attacks 1, 36, 38).

use std::time::Duration;

use super::{FactorKind, Proof};
use crate::{
    base::{
        browser::TokenHash,
        clock::Timestamp,
        ids::{AttemptId, CredentialId, UserId},
    },
    keys::sealing::{Sealing, TagLabel},
};

/// What a proof is tied to: one attempt in one browser.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// The attempt.
    pub attempt: &'a AttemptId,
    /// The hash of the browser-binding cookie.
    pub browser: &'a TokenHash,
}

/// A sealed proof as a row. Plain data: anyone may write one, nobody can make its tag.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EvidenceRecord {
    /// Of which attempt.
    pub attempt: AttemptId,
    /// Who was verified.
    pub user: UserId,
    /// How.
    pub kind: FactorKind,
    /// With what.
    pub credential: CredentialId,
    /// When.
    pub at: Timestamp,
    /// The tag over all of it and the browser.
    pub tag: String,
}

/// A proof that was opened again. Made only by [`open`].
pub struct Evidence {
    user: UserId,
    kind: FactorKind,
    credential: CredentialId,
    at: Timestamp,
}

impl Evidence {
    /// Who was verified.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// How.
    pub fn kind(&self) -> FactorKind {
        self.kind
    }

    /// With what.
    pub fn credential(&self) -> &CredentialId {
        &self.credential
    }

    /// When.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// Why a record is no proof.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EvidenceError {
    /// The proof was made in another attempt.
    #[error("the proof belongs to another attempt")]
    OtherAttempt,
    /// The tag is wrong: copied, altered, or another browser's.
    #[error("the proof's seal is broken")]
    Broken,
    /// Too old, or from the future.
    #[error("the proof is too old")]
    Stale,
}

/// Seals a proof for its attempt and browser.
///
/// Takes the proof by value: what is sealed cannot be sealed again elsewhere.
#[expect(clippy::needless_pass_by_value, reason = "sealing consumes the proof")]
pub fn seal(
    proof: impl Proof,
    binding: Binding<'_>,
    sealing: &Sealing,
) -> Result<EvidenceRecord, EvidenceError> {
    let facts = proof.facts();
    if facts.attempt != binding.attempt {
        return Err(EvidenceError::OtherAttempt);
    }
    let mut record = EvidenceRecord {
        attempt: facts.attempt.clone(),
        user: facts.user.clone(),
        kind: facts.kind,
        credential: facts.credential.clone(),
        at: facts.at,
        tag: String::new(),
    };
    let instant = record.at.as_millis().to_be_bytes();
    record.tag = sealing.tag(
        TagLabel::Evidence,
        &fields(&record, binding.browser, &instant),
    );
    Ok(record)
}

/// Opens a record of this attempt and browser that is at most `max_age` old.
pub fn open(
    record: &EvidenceRecord,
    binding: Binding<'_>,
    sealing: &Sealing,
    now: Timestamp,
    max_age: Duration,
) -> Result<Evidence, EvidenceError> {
    if record.attempt != *binding.attempt {
        return Err(EvidenceError::OtherAttempt);
    }
    let instant = record.at.as_millis().to_be_bytes();
    sealing
        .verify_tag(
            TagLabel::Evidence,
            &fields(record, binding.browser, &instant),
            &record.tag,
        )
        .map_err(|_| EvidenceError::Broken)?;
    // Another node's clock may be a little ahead of ours; more than that is no instant we gave.
    if record.at > now.plus(CLOCK_SKEW) || now.since(record.at) > max_age {
        return Err(EvidenceError::Stale);
    }
    Ok(Evidence {
        user: record.user.clone(),
        kind: record.kind,
        credential: record.credential.clone(),
        at: record.at,
    })
}

/// Opens all records of an attempt; one that does not open is an error for all, because
/// whoever put it there was not us.
pub fn open_all(
    records: &[EvidenceRecord],
    binding: Binding<'_>,
    sealing: &Sealing,
    now: Timestamp,
    max_age: Duration,
) -> Result<Vec<Evidence>, EvidenceError> {
    records
        .iter()
        .map(|record| open(record, binding, sealing, now, max_age))
        .collect()
}

/// How far the clocks of two nodes may differ.
pub const CLOCK_SKEW: Duration = Duration::from_mins(1);

fn fields<'a>(
    record: &'a EvidenceRecord,
    browser: &'a TokenHash,
    instant: &'a [u8],
) -> [&'a [u8]; 6] {
    [
        record.attempt.as_str().as_bytes(),
        browser.as_str().as_bytes(),
        record.user.as_str().as_bytes(),
        record.kind.as_str().as_bytes(),
        record.credential.as_str().as_bytes(),
        instant,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{browser::CookieToken, random::SystemRandom, secret::Secret},
        directory::PasswordCredential,
        factor::password::{self, HashCost},
        keys::sealing::MasterKey,
    };

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const AGE: Duration = Duration::from_mins(15);

    struct Fixture {
        sealing: Sealing,
        attempt: AttemptId,
        browser: TokenHash,
        record: EvidenceRecord,
    }

    fn fixture() -> Fixture {
        let sealing = Sealing::new(&MasterKey::random(&mut SystemRandom));
        let attempt = AttemptId::random(&mut SystemRandom);
        let browser = CookieToken::random(&mut SystemRandom).hash();
        let (id, user) = (
            CredentialId::random(&mut SystemRandom),
            UserId::random(&mut SystemRandom),
        );
        let password = Secret::new("correct horse".to_owned());
        let phc = password::hash(&password, HashCost::FLOOR, &mut SystemRandom).unwrap();
        let tag = PasswordCredential::make_tag(&sealing, &id, &user, &phc);
        let credential = PasswordCredential {
            id,
            user,
            phc,
            set_at: NOW,
            dead_at: None,
            tag,
        };
        let (proof, _) = password::verify(
            &password,
            Some(&credential),
            &attempt,
            HashCost::FLOOR,
            &sealing,
            NOW,
        )
        .unwrap();
        let record = seal(
            proof,
            Binding {
                attempt: &attempt,
                browser: &browser,
            },
            &sealing,
        )
        .unwrap();
        Fixture {
            sealing,
            attempt,
            browser,
            record,
        }
    }

    fn open_at(
        fixture: &Fixture,
        record: &EvidenceRecord,
        now: Timestamp,
    ) -> Result<(), EvidenceError> {
        let binding = Binding {
            attempt: &fixture.attempt,
            browser: &fixture.browser,
        };
        open(record, binding, &fixture.sealing, now, AGE).map(|evidence| {
            assert_eq!(
                (
                    evidence.user(),
                    evidence.credential(),
                    evidence.kind(),
                    evidence.at()
                ),
                (&record.user, &record.credential, record.kind, record.at)
            );
        })
    }

    #[test]
    fn a_record_opens_where_it_was_made() {
        let fixture = fixture();
        assert_eq!(open_at(&fixture, &fixture.record, NOW), Ok(()));
    }

    #[test]
    fn attack_38_an_altered_record_is_refused_whichever_field_it_is() {
        let fixture = fixture();
        let record = &fixture.record;
        for altered in [
            EvidenceRecord {
                user: UserId::random(&mut SystemRandom),
                ..record.clone()
            },
            EvidenceRecord {
                kind: FactorKind::Totp,
                ..record.clone()
            },
            EvidenceRecord {
                credential: CredentialId::random(&mut SystemRandom),
                ..record.clone()
            },
            EvidenceRecord {
                at: NOW.plus(Duration::from_millis(1)),
                ..record.clone()
            },
            EvidenceRecord {
                tag: String::new(),
                ..record.clone()
            },
        ] {
            assert_eq!(open_at(&fixture, &altered, NOW), Err(EvidenceError::Broken));
        }
    }

    #[test]
    fn attack_36_another_browser_or_attempt_does_not_open_it() {
        let fixture = fixture();
        let other_browser = CookieToken::random(&mut SystemRandom).hash();
        let other_attempt = AttemptId::random(&mut SystemRandom);
        let open_with = |attempt, browser| {
            open(
                &fixture.record,
                Binding { attempt, browser },
                &fixture.sealing,
                NOW,
                AGE,
            )
            .map(|_| ())
        };
        assert_eq!(
            open_with(&fixture.attempt, &other_browser),
            Err(EvidenceError::Broken)
        );
        assert_eq!(
            open_with(&other_attempt, &fixture.browser),
            Err(EvidenceError::OtherAttempt)
        );
        let copied = EvidenceRecord {
            attempt: other_attempt.clone(),
            ..fixture.record.clone()
        };
        let binding = Binding {
            attempt: &other_attempt,
            browser: &fixture.browser,
        };
        assert_eq!(
            open(&copied, binding, &fixture.sealing, NOW, AGE).map(|_| ()),
            Err(EvidenceError::Broken)
        );
    }

    #[test]
    fn attack_5_a_proof_ages() {
        let fixture = fixture();
        let end = NOW.plus(AGE);
        assert_eq!(open_at(&fixture, &fixture.record, end), Ok(()));
        assert_eq!(
            open_at(
                &fixture,
                &fixture.record,
                end.plus(Duration::from_millis(1))
            ),
            Err(EvidenceError::Stale)
        );
        assert_eq!(
            open_at(&fixture, &fixture.record, NOW.minus(CLOCK_SKEW)),
            Ok(())
        );
        assert_eq!(
            open_at(
                &fixture,
                &fixture.record,
                NOW.minus(CLOCK_SKEW).minus(Duration::from_millis(1))
            ),
            Err(EvidenceError::Stale)
        );
    }
}
