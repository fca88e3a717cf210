//! Enrolments: a pass opened the door to one new method in one attempt (attack 6).

use super::{
    error::StoreError,
    row::{Reader, millis, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{
        clock::Timestamp,
        ids::{AttemptId, CredentialId, PassId, RecoveryCodeId, SessionId, UserId},
    },
    directory::MethodKind,
};

/// What opened an enrolment. Never a password alone (attack 37).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OpenedBy {
    /// A temporary access pass.
    Pass(PassId),
    /// A recovery code.
    RecoveryCode(RecoveryCodeId),
    /// A session whose proofs were minutes old.
    Session(SessionId),
}

impl OpenedBy {
    /// The id of what opened it, as stored: its prefix tells which.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pass(id) => id.as_str(),
            Self::RecoveryCode(id) => id.as_str(),
            Self::Session(id) => id.as_str(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let pass = text.parse().map(Self::Pass).ok();
        let code = || text.parse().map(Self::RecoveryCode).ok();
        let session = || text.parse().map(Self::Session).ok();
        pass.or_else(code).or_else(session)
    }
}

/// An enrolment as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EnrolmentRow {
    /// The attempt in which it was opened; one enrolment an attempt.
    pub attempt: AttemptId,
    /// Who enrols.
    pub user: UserId,
    /// What opened it.
    pub opened_by: OpenedBy,
    /// What is being set up, once the person chose.
    pub method: Option<MethodKind>,
    /// The id of the method that is being set up.
    pub credential: Option<CredentialId>,
    /// From when it is over.
    pub expires_at: Timestamp,
    /// When a code or an assertion confirmed the method.
    pub finished_at: Option<Timestamp>,
    /// That we opened it, in that browser: without it a row opens nothing (`app::enrol`).
    pub tag: String,
}

impl ReadTx<'_> {
    /// Whether an enrolment was ever opened in an attempt.
    pub async fn had_enrolment(&mut self, attempt: &AttemptId) -> Result<bool, StoreError> {
        let row = self
            .one(sql("SELECT attempt FROM enrolments WHERE attempt = $1").bind(attempt.as_str()))
            .await?;
        Ok(row.is_some())
    }

    /// The enrolment that is open in an attempt.
    pub async fn open_enrolment_of(
        &mut self,
        attempt: &AttemptId,
        now: Timestamp,
    ) -> Result<Option<EnrolmentRow>, StoreError> {
        let row = self
            .one(
                sql("SELECT attempt, user_id, pass, method, credential, expires_at, finished_at, tag FROM enrolments
                     WHERE attempt = $1 AND finished_at IS NULL AND expires_at > $2")
                .bind(attempt.as_str())
                .bind(now.as_millis()),
            )
            .await?;
        let Some(row) = &row else { return Ok(None) };
        let row = Reader::new(row, "enrolments", "attempt");
        Ok(Some(EnrolmentRow {
            attempt: row.parsed("attempt")?,
            user: row.parsed("user_id")?,
            opened_by: row.spelled("pass", OpenedBy::parse)?,
            method: match row.optional_text("method")? {
                None => None,
                Some(_) => Some(row.spelled("method", MethodKind::parse)?),
            },
            credential: row.optional_parsed("credential")?,
            expires_at: row.time("expires_at")?,
            finished_at: row.optional_time("finished_at")?,
            tag: row.text("tag")?,
        }))
    }
}

impl ReadTx<'_> {
    /// The pass that opened an enrolment of this person which is not finished yet.
    pub async fn pass_of_open_enrolment(
        &mut self,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Option<PassId>, StoreError> {
        let rows = self
            .all(
                sql("SELECT attempt, pass FROM enrolments
                     WHERE user_id = $1 AND finished_at IS NULL AND expires_at > $2")
                .bind(user.as_str())
                .bind(now.as_millis()),
            )
            .await?;
        for row in &rows {
            let row = Reader::new(row, "enrolments", "attempt");
            if let OpenedBy::Pass(pass) = row.spelled("pass", OpenedBy::parse)? {
                return Ok(Some(pass));
            }
        }
        Ok(None)
    }
}

impl Tx<'_> {
    /// Opens an enrolment. An earlier one of the attempt is replaced: each was paid for by
    /// what opened it.
    pub async fn insert_enrolment(&mut self, enrolment: &EnrolmentRow) -> Result<(), StoreError> {
        self.run(
            sql("INSERT INTO enrolments (attempt, user_id, pass, method, credential, expires_at, finished_at, tag)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (attempt) DO UPDATE SET user_id = excluded.user_id, pass = excluded.pass,
                   method = excluded.method, credential = excluded.credential, expires_at = excluded.expires_at,
                   finished_at = excluded.finished_at, tag = excluded.tag")
            .bind(enrolment.attempt.as_str())
            .bind(enrolment.user.as_str())
            .bind(enrolment.opened_by.as_str())
            .bind(enrolment.method.map(MethodKind::as_str))
            .bind(enrolment.credential.as_ref().map(CredentialId::as_str))
            .bind(enrolment.expires_at.as_millis())
            .bind(millis(enrolment.finished_at))
            .bind(enrolment.tag.as_str()),
        )
        .await
        .map(drop)
    }

    /// Says what is being set up in an open enrolment; `false` if it is over.
    pub async fn choose_method(
        &mut self,
        enrolment: &EnrolmentRow,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "UPDATE enrolments SET method = $2, credential = $3, tag = $4
                 WHERE attempt = $1 AND finished_at IS NULL AND expires_at > $5",
            )
            .bind(enrolment.attempt.as_str())
            .bind(enrolment.method.map(MethodKind::as_str))
            .bind(enrolment.credential.as_ref().map(CredentialId::as_str))
            .bind(enrolment.tag.as_str())
            .bind(now.as_millis()),
        )
        .await
    }

    /// Ends what a pass opened and nobody finished.
    pub async fn end_enrolments_by(&mut self, pass: &PassId) -> Result<u64, StoreError> {
        self.run(
            sql("DELETE FROM enrolments WHERE pass = $1 AND finished_at IS NULL")
                .bind(pass.as_str()),
        )
        .await
    }

    /// Ends what a person is setting up, in every attempt, and what could open it once more;
    /// how many enrolments that were.
    pub async fn end_enrolments_of(&mut self, user: &UserId) -> Result<u64, StoreError> {
        self.spend_kept_passes_of(user).await?;
        self.run(
            sql("DELETE FROM enrolments WHERE user_id = $1 AND finished_at IS NULL")
                .bind(user.as_str()),
        )
        .await
    }

    /// Closes an open enrolment, once.
    pub async fn finish_enrolment(
        &mut self,
        attempt: &AttemptId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE enrolments SET finished_at = $2
                 WHERE attempt = $1 AND finished_at IS NULL AND expires_at > $2")
            .bind(attempt.as_str())
            .bind(now.as_millis()),
        )
        .await
    }
}
