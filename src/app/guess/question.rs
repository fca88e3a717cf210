//! Paying for the questions that a security key is to answer: who only asks writes too.
//!
//! Always true: asking makes no person wait; what one source, or one browser that is known, may
//! ask is bounded.

use std::sync::OnceLock;

use super::{Buckets, Counter, Named};
use crate::{
    app::{App, Error, error::SupportCode, sign_in::Browser},
    base::clock::Timestamp,
    directory::User,
    signin::{attempt::Attempt, request::Protocol},
    storage::Tx,
};

/// Whether a question may be asked. A refusal is committed too: it was paid for.
pub(in crate::app) enum Paid {
    /// It may.
    Ask,
    /// A wait is running.
    Refused(Error),
}

impl Buckets {
    /// For a question, which is no guess yet: not the person's, but its source's, or its own in
    /// a browser that is known.
    fn for_question(self) -> Self {
        Self {
            source: self.source.or(self.person.map(question_bucket)),
            person: None,
            source_waits: self.source_waits,
            person_waits: OnceLock::new(),
        }
    }
}

fn question_bucket(person: impl std::fmt::Display) -> String {
    format!("question:{person}")
}

impl App {
    /// Charges a question that a security key is to answer: who only asks writes too.
    pub(in crate::app) async fn pay_question(
        &self,
        tx: &mut Tx<'_>,
        buckets: Buckets,
    ) -> Result<Paid, Error> {
        let (buckets, nobody) = (buckets.for_question(), Named::Unknown(String::new()));
        let wait = self.pay(tx, Counter::SecondFactor, &buckets, &nobody);
        Ok(match wait.await? {
            None => Paid::Ask,
            Some(_) => Paid::Refused(Error::denied(
                &SupportCode::TOO_MANY_TRIES,
                "a security key is asked too often from one source",
            )),
        })
    }

    /// The same for a key of this person.
    pub(in crate::app) async fn pay_question_of(
        &self,
        tx: &mut Tx<'_>,
        user: &User,
        browser: &Browser,
    ) -> Result<Paid, Error> {
        let named = Named::Known(Box::new(user.clone()));
        let buckets = self
            .buckets(tx, Counter::SecondFactor, &named, browser)
            .await?;
        self.pay_question(tx, buckets).await
    }

    /// Charges the answer of a key of this person. Where no password comes first (External MFA)
    /// it is its source's alone: nobody guesses a signature, and a stranger's wrong guesses must
    /// not keep the person's key waiting.
    pub(in crate::app) async fn pay_answer_of(
        &self,
        tx: &mut Tx<'_>,
        attempt: &Attempt,
        user: &User,
        browser: &Browser,
    ) -> Result<(Buckets, Option<Timestamp>), Error> {
        if attempt.request.protocol != Protocol::ExternalMfa {
            return self.pay_second_factor(tx, user, browser).await;
        }
        let (buckets, nobody) = (Buckets::of_source(browser), Named::Unknown(String::new()));
        let wait = self
            .pay(tx, Counter::SecondFactor, &buckets, &nobody)
            .await?;
        Ok((buckets, wait))
    }

    /// A key's right answer: its try and that of its question.
    pub(in crate::app) async fn give_back_both(
        &self,
        tx: &mut Tx<'_>,
        buckets: &Buckets,
    ) -> Result<(), Error> {
        match (&buckets.source, &buckets.person) {
            // A wait that the question began is over, or nobody could have answered.
            (Some(source), _) => tx.refund_try(source, None).await?,
            (None, Some(person)) => tx.give_back_try(&question_bucket(person)).await?,
            (None, None) => {}
        }
        self.give_back(tx, buckets).await
    }
}
