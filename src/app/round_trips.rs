//! Answers that come back as requests: when to stop bouncing, and what to say then.
//!
//! A party that does not take an answer asks again, and a session answers again: the
//! browser would run in a circle without a word. The fourth round trip of a person to one
//! party in two minutes stops at a page that says what is likely, with what the inspector
//! finds in the last answer.

use super::{App, Error, answer::Destination};
use crate::{
    audit::Receipt,
    base::{clock::Timestamp, ids::UserId},
    claims::{authn_context::MULTIPLE_AUTHN, require_domain},
    directory::User,
    factor::FactorKind,
    inspect::{self, Finding, Outcome},
    keys::KeyPurpose,
    relying_party::EntraCloud,
    signin::{
        request::{Protocol, SignInRequest},
        requirement::LOOP_WINDOW,
    },
    storage::ReadTx,
};

/// How many of the last receipts are looked at: far more than answers that a loop may have.
const LOOKED_AT: u32 = 50;

/// What is said where a loop was stopped.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// How many answers went to this party within [`LOOP_WINDOW`].
    pub answers: usize,
    /// From when the next one is given.
    pub again_at: Timestamp,
    /// Now, by this server's clock: people see at once whether it is wrong.
    pub now: Timestamp,
    /// The domain to look at, as commands take it.
    pub domain: String,
    /// The authentication class that our answers state.
    pub class_ref: &'static str,
    /// What the inspector says of the last answer; `None` if that is not kept any more.
    pub last: Option<LastAnswer>,
}

/// What the inspector says of an answer that was given.
#[derive(Clone, Debug)]
pub struct LastAnswer {
    /// Whether Entra should take it, and as multi-factor.
    pub is_accepted: bool,
    /// What deserves a look.
    pub findings: Vec<Finding>,
}

impl App {
    /// How many answers this person's browsers took to the asking party before this request. A person's own
    /// pages, and the inspector, bounce nobody.
    pub(super) async fn recent_answers(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
        request: &SignInRequest,
    ) -> Result<usize, Error> {
        Ok(self.receipts_to(tx, user, request).await?.len())
    }

    async fn receipts_to(
        &self,
        tx: &mut ReadTx<'_>,
        user: &UserId,
        request: &SignInRequest,
    ) -> Result<Vec<Receipt>, Error> {
        let party = &request.relying_party;
        if request.protocol == Protocol::Account || *party == self.inspector_entity_id() {
            return Ok(Vec::new());
        }
        let now = self.now();
        let mut receipts = tx.receipts_of(user, LOOKED_AT).await?;
        receipts.retain(|receipt| {
            let at = Timestamp::from_millis(receipt.issued_at_millis);
            // A circle is serial; and a program's token that rests on one password came back
            // to nobody.
            receipt.relying_party == *party
                && now.since(at) < LOOP_WINDOW
                && at <= request.received_at()
                && is_of_a_sign_in(&receipt.proofs)
        });
        Ok(receipts)
    }

    /// What to say where the loop is stopped.
    pub(super) async fn stopped(
        &self,
        tx: &mut ReadTx<'_>,
        user: &User,
        request: &SignInRequest,
    ) -> Result<Stopped, Error> {
        let receipts = self.receipts_to(tx, &user.id, request).await?;
        let oldest = receipts.iter().map(|receipt| receipt.issued_at_millis);
        let oldest = Timestamp::from_millis(oldest.min().unwrap_or(0));
        let last = match receipts.first() {
            Some(receipt) => self.last_answer(tx, user, receipt).await?,
            None => None,
        };
        Ok(Stopped {
            answers: receipts.len(),
            again_at: oldest.plus(LOOP_WINDOW),
            now: self.now(),
            domain: user.upn.domain().to_string(),
            class_ref: MULTIPLE_AUTHN,
            last,
        })
    }

    /// The answer of `receipt` once more before the inspector, as long as it is kept.
    async fn last_answer(
        &self,
        tx: &mut ReadTx<'_>,
        user: &User,
        receipt: &Receipt,
    ) -> Result<Option<LastAnswer>, Error> {
        let Some(attempt) = tx.attempt(&receipt.attempt).await? else {
            return Ok(None);
        };
        let Some(answer) = self.kept_answer(tx, &attempt).await? else {
            return Ok(None);
        };
        let (bytes, reply_url) = match answer {
            Destination::Saml {
                saml_response,
                action,
                ..
            } => (saml_response, action),
            Destination::WsFed {
                wresult, action, ..
            } => (wresult, action),
            Destination::Here(_) => return Ok(None),
        };
        let domains = tx.domains().await?;
        let Ok(domain) = require_domain(&user.upn.domain(), &domains, None) else {
            return Ok(None);
        };
        let mut context = inspect::Context::at(self.now());
        context.issuer = Some(domain.issuer_uri.clone());
        context.realm = Some(domain.root.clone());
        context.cloud = Some(EntraCloud {
            name: "relying party".to_owned(),
            entity_id: receipt.relying_party.clone(),
            reply_url,
            metadata_url: None,
        });
        let published = self.published_in(tx, KeyPurpose::Assertion).await?;
        let certificates = published.certificates();
        context.certificates = certificates.iter().map(|der| der.to_vec()).collect();
        context.request = Some(inspect::GivenRequest {
            id: receipt.request_id.clone(),
        });
        let report = inspect::inspect(bytes.as_bytes(), &context);
        let mut verdicts = report.verdicts.iter();
        Ok(Some(LastAnswer {
            is_accepted: verdicts.any(|verdict| verdict.outcome == Outcome::Accepted),
            findings: report.findings,
        }))
    }
}

/// Whether a receipt's proofs are those of a sign-in, not the password of a program.
fn is_of_a_sign_in(proofs: &str) -> bool {
    let kinds = proofs.lines().map(|line| line.split(' ').next());
    let mut kinds = kinds.map(|kind| kind.and_then(FactorKind::parse));
    kinds.all(|kind| kind.is_some())
}

#[cfg(test)]
mod tests {
    use super::is_of_a_sign_in;

    #[test]
    fn attack_22_a_programs_token_is_no_round_trip() {
        assert!(is_of_a_sign_in("password crd_a 2026\ntotp crd_b 2026"));
        assert!(is_of_a_sign_in("webauthn-verified crd_a 2026"));
        assert!(!is_of_a_sign_in("application-password crd_a 2026"));
        assert!(!is_of_a_sign_in("password-only crd_a 2026"));
    }
}
