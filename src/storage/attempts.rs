//! Attempts: one answer each, one attempt a request.

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, millis, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{
        browser::TokenHash,
        clock::Timestamp,
        ids::{AttemptId, UserId},
    },
    signin::{attempt::Attempt, request::SignInRequest},
};

/// What became of a new attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InsertAttempt {
    /// Stored.
    Inserted,
    /// That party's request was seen before: this is its attempt.
    Known(Box<Attempt>),
}

fn attempt(row: &AnyRow) -> Result<Attempt, StoreError> {
    let row = Reader::new(row, "attempts", "id");
    Ok(Attempt {
        id: row.parsed("id")?,
        browser: TokenHash::from_stored(row.text("browser")?),
        request: row.json("request")?,
        user: row.optional_parsed("user_id")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        answered_at: row.optional_time("answered_at")?,
    })
}

fn request_text(request: &SignInRequest) -> Result<String, StoreError> {
    serde_json::to_string(request)
        .map_err(|error| StoreError::Refused(sqlx::Error::Encode(Box::new(error))))
}

impl ReadTx<'_> {
    /// An attempt by id.
    pub async fn attempt(&mut self, id: &AttemptId) -> Result<Option<Attempt>, StoreError> {
        self.one(
            sql(
                "SELECT id, browser, request, user_id, created_at, expires_at, answered_at
                 FROM attempts WHERE id = $1",
            )
            .bind(id.as_str()),
        )
        .await?
        .as_ref()
        .map(attempt)
        .transpose()
    }

    /// The sealed answer of an attempt, as long as it is kept.
    pub async fn answer_of(&mut self, id: &AttemptId) -> Result<Option<String>, StoreError> {
        let row = self
            .one(sql("SELECT id, sealed_answer FROM attempts WHERE id = $1").bind(id.as_str()))
            .await?;
        match &row {
            None => Ok(None),
            Some(row) => Reader::new(row, "attempts", "id").optional_text("sealed_answer"),
        }
    }

    /// The attempt that a party's request began.
    pub async fn attempt_of_request(
        &mut self,
        relying_party: &str,
        request_id: &str,
    ) -> Result<Option<Attempt>, StoreError> {
        self.one(
            sql(
                "SELECT id, browser, request, user_id, created_at, expires_at, answered_at
                 FROM attempts WHERE relying_party = $1 AND request_id = $2",
            )
            .bind(relying_party.to_owned())
            .bind(request_id.to_owned()),
        )
        .await?
        .as_ref()
        .map(attempt)
        .transpose()
    }

    /// How many attempts one source began within the time that an attempt lives, without
    /// those that were answered for a person: what a stranger can have made, also of
    /// requests that are answered at once (`IsPassive`).
    pub async fn unproved_attempts_from(
        &mut self,
        source: &str,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        self.count(
            sql("SELECT COUNT(*) AS counted FROM attempts
                     WHERE source = $1 AND expires_at > $2
                       AND (answered_at IS NULL OR user_id IS NULL)")
            .bind(source)
            .bind(now.as_millis()),
            "attempts",
        )
        .await
    }
}

impl Tx<'_> {
    /// Stores a new attempt, unless that party's request has one already (attack 15).
    pub async fn insert_attempt(
        &mut self,
        new: &Attempt,
        source: &str,
    ) -> Result<InsertAttempt, StoreError> {
        let request = request_text(&new.request)?;
        let inserted = self
            .run_once(
                sql("INSERT INTO attempts (id, browser, relying_party, request_id, request, source, user_id,
                       created_at, expires_at, answered_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                     ON CONFLICT (relying_party, request_id) DO NOTHING")
                .bind(new.id.as_str())
                .bind(new.browser.as_str())
                .bind(new.request.relying_party.as_str())
                .bind(new.request.request_id.as_str())
                .bind(request)
                .bind(source)
                .bind(new.user.as_ref().map(UserId::as_str))
                .bind(new.created_at.as_millis())
                .bind(new.expires_at.as_millis())
                .bind(millis(new.answered_at)),
            )
            .await?;
        if inserted {
            return Ok(InsertAttempt::Inserted);
        }
        let request = &new.request;
        let known = self
            .attempt_of_request(&request.relying_party, &request.request_id)
            .await?;
        match known {
            Some(known) => Ok(InsertAttempt::Known(Box::new(known))),
            // Purged between the two statements.
            None => Err(StoreError::Unavailable(sqlx::Error::RowNotFound)),
        }
    }

    /// Says whose attempt it is, until it is begun anew: `false` if it is another person's.
    pub async fn set_attempt_user(
        &mut self,
        id: &AttemptId,
        user: &UserId,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE attempts SET user_id = $2 WHERE id = $1 AND (user_id IS NULL OR user_id = $2)")
                .bind(id.as_str())
                .bind(user.as_str()),
        )
        .await
    }

    /// Begins an open attempt anew with `request`: it is nobody's, nothing is proved in it,
    /// and no question to a key waits. `false` if it is over.
    pub async fn restart_attempt(
        &mut self,
        id: &AttemptId,
        request: &SignInRequest,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // The questions first, as whoever answers one does: one that is being answered is waited
        // for before the attempt is held, which its answer needs.
        self.clear_ceremonies(id).await?;
        // Then the attempt: a proof that is being written waits, or is deleted with the others.
        let open = self
            .run_once(
                sql("UPDATE attempts SET user_id = NULL, request = $2
                     WHERE id = $1 AND answered_at IS NULL AND expires_at > $3")
                .bind(id.as_str())
                .bind(request_text(request)?)
                .bind(now.as_millis()),
            )
            .await?;
        if open {
            self.clear_evidence(id).await?;
            // Also one that was asked meanwhile.
            self.clear_ceremonies(id).await?;
        }
        Ok(open)
    }

    async fn clear_ceremonies(&mut self, id: &AttemptId) -> Result<u64, StoreError> {
        self.run(sql("DELETE FROM ceremonies WHERE attempt = $1").bind(id.as_str()))
            .await
    }

    /// Answers an open attempt, once (attack 28): of many at once one gets `true`.
    pub async fn answer_attempt(
        &mut self,
        id: &AttemptId,
        sealed_answer: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE attempts SET answered_at = $3, sealed_answer = $2
                 WHERE id = $1 AND answered_at IS NULL AND expires_at > $3")
            .bind(id.as_str())
            .bind(sealed_answer)
            .bind(now.as_millis()),
        )
        .await
    }

    /// Ends a person's attempts: open ones are over with what is set up in them, and kept
    /// answers are not repeated. How many were open.
    ///
    /// They end as of 1970, not as of now: an answer that is being made at this moment read
    /// its clock, perhaps another node's, before us, and its update must fail all the same.
    pub async fn end_attempts_of(
        &mut self,
        user: &UserId,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.lock_user(user).await?;
        self.end_enrolments_of(user).await?;
        self.forget_answers_of(user).await?;
        self.run(
            sql("UPDATE attempts SET expires_at = 0
                 WHERE user_id = $1 AND answered_at IS NULL AND expires_at > $2")
            .bind(user.as_str())
            .bind(now.as_millis()),
        )
        .await
    }

    /// The same for attempts that began at `until` or before: what began since goes on.
    pub async fn end_attempts_begun_by(
        &mut self,
        user: &UserId,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.lock_user(user).await?;
        for statement in [
            "UPDATE access_passes SET value_tag = ''
             WHERE user_id = $1 AND used_at <= $2 AND reuse = 'once'",
            "DELETE FROM enrolments WHERE user_id = $1 AND finished_at IS NULL AND attempt IN
               (SELECT id FROM attempts WHERE created_at <= $2)",
            "UPDATE attempts SET sealed_answer = NULL
             WHERE user_id = $1 AND sealed_answer IS NOT NULL AND created_at <= $2",
        ] {
            let statement = sql(statement).bind(user.as_str()).bind(until.as_millis());
            self.run(statement).await?;
        }
        self.run(
            sql("UPDATE attempts SET expires_at = 0
                 WHERE user_id = $1 AND answered_at IS NULL AND expires_at > $2 AND created_at <= $3")
            .bind(user.as_str())
            .bind(now.as_millis())
            .bind(until.as_millis()),
        )
        .await
    }

    /// Forgets the kept answers of a person: a browser that goes back gets none again.
    pub async fn forget_answers_of(&mut self, user: &UserId) -> Result<u64, StoreError> {
        self.run(
            sql("UPDATE attempts SET sealed_answer = NULL
                 WHERE user_id = $1 AND sealed_answer IS NOT NULL")
            .bind(user.as_str()),
        )
        .await
    }

    /// Forgets the kept answer of one browser's attempt of a person.
    pub async fn forget_answer_here(
        &mut self,
        (id, browser, user): (&AttemptId, &TokenHash, &UserId),
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE attempts SET sealed_answer = NULL
                 WHERE id = $1 AND browser = $2 AND user_id = $3 AND sealed_answer IS NOT NULL")
            .bind(id.as_str())
            .bind(browser.as_str())
            .bind(user.as_str()),
        )
        .await
    }

    /// Ends one browser's open attempt of a person, with what is set up in it; as of 1970, as
    /// [`end_attempts_of`](Self::end_attempts_of) does. Hold the person's row.
    pub async fn end_attempt_here(
        &mut self,
        (id, browser, user): (&AttemptId, &TokenHash, &UserId),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run(
            sql(
                "DELETE FROM enrolments WHERE user_id = $3 AND finished_at IS NULL AND attempt =
                 (SELECT id FROM attempts WHERE id = $1 AND browser = $2)",
            )
            .bind(id.as_str())
            .bind(browser.as_str())
            .bind(user.as_str()),
        )
        .await?;
        self.run_once(
            sql("UPDATE attempts SET expires_at = 0
                 WHERE id = $1 AND browser = $2 AND user_id = $3
                   AND answered_at IS NULL AND expires_at > $4")
            .bind(id.as_str())
            .bind(browser.as_str())
            .bind(user.as_str())
            .bind(now.as_millis()),
        )
        .await
    }

    /// Forgets answers that were given before `before`.
    pub async fn forget_answers(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        self.run(
            sql("UPDATE attempts SET sealed_answer = NULL
                 WHERE answered_at < $1 AND sealed_answer IS NOT NULL")
            .bind(before.as_millis()),
        )
        .await
    }

    /// Takes back what was proved in a person's open attempts, so that they begin anew
    /// where they are. How many proofs.
    pub async fn restart_attempts_of(&mut self, user: &UserId) -> Result<u64, StoreError> {
        self.lock_user(user).await?;
        self.end_enrolments_of(user).await?;
        self.run(
            sql("DELETE FROM evidence WHERE attempt IN
                 (SELECT id FROM attempts WHERE user_id = $1 AND answered_at IS NULL)")
            .bind(user.as_str()),
        )
        .await
    }

    /// Forgets what ended before `before`: attempts with their evidence and enrolments,
    /// waits, sessions that ended or were not used since. `before` must lie further back
    /// than a session may live without use. Events, receipts, counts of refusals and
    /// counters of failures in a row stay. How many rows.
    pub async fn purge(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let at = before.as_millis();
        let mut rows = 0;
        // Evidence, enrolments and a session's parties go with their row.
        for statement in [
            // By its age too: one that was ended is over as of 1970, and its request must not
            // begin another (attacks 15, 28).
            "DELETE FROM attempts WHERE expires_at < $1 AND created_at < $1
               AND (answered_at IS NULL OR answered_at < $1)",
            "DELETE FROM ceremonies WHERE expires_at < $1",
            "DELETE FROM sign_outs WHERE expires_at < $1",
            "DELETE FROM throttle WHERE counts = 'tries' AND touched_at < $1 AND wait_until < $1",
            "DELETE FROM sessions WHERE last_used_at < $1 OR revoked_at < $1",
        ] {
            rows += self.run(sql(statement).bind(at)).await?;
        }
        Ok(rows)
    }
}
