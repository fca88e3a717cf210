//! TOTP secrets and their steps.

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, millis, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{
        clock::Timestamp,
        ids::{CredentialId, UserId},
    },
    directory::{OathAlgorithm, TotpCredential, TotpParameters},
    factor::totp::{ConsumeStep, MatchedStep, StepUse},
};

fn totp(row: &AnyRow) -> Result<TotpCredential, StoreError> {
    let row = Reader::new(row, "totp", "id");
    Ok(TotpCredential {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        name: row.text("name")?,
        parameters: TotpParameters {
            algorithm: row.spelled("algorithm", OathAlgorithm::parse)?,
            digits: row.small("digits")?,
            period: row.small("period")?,
        },
        sealed_secret: row.text("sealed_secret")?,
        drift_steps: row.integer("drift_steps")?,
        last_step: row.optional_integer("last_step")?,
        confirmed_at: row.optional_time("confirmed_at")?,
        revoked_at: row.optional_time("revoked_at")?,
        created_at: row.time("created_at")?,
        tag: row.text("tag")?,
    })
}

impl ReadTx<'_> {
    /// A person's secrets that were not taken away, confirmed or not, oldest first.
    pub async fn totp_of(&mut self, user: &UserId) -> Result<Vec<TotpCredential>, StoreError> {
        self.all(
            sql(
                "SELECT id, user_id, name, algorithm, digits, period, sealed_secret, drift_steps,
                   last_step, confirmed_at, revoked_at, created_at, tag
                 FROM totp WHERE user_id = $1 AND revoked_at IS NULL ORDER BY created_at, id",
            )
            .bind(user.as_str()),
        )
        .await?
        .iter()
        .map(totp)
        .collect()
    }

    /// All secrets that were not taken away (`keys rewrap`); of the others nothing is left.
    pub async fn all_totp(&mut self) -> Result<Vec<TotpCredential>, StoreError> {
        self.all(sql(
            "SELECT id, user_id, name, algorithm, digits, period, sealed_secret, drift_steps,
                   last_step, confirmed_at, revoked_at, created_at, tag
                 FROM totp WHERE revoked_at IS NULL ORDER BY id",
        ))
        .await?
        .iter()
        .map(totp)
        .collect()
    }
}

impl Tx<'_> {
    /// Adds a secret.
    pub async fn insert_totp(&mut self, totp: &TotpCredential) -> Result<(), StoreError> {
        self.run(
            sql(
                "INSERT INTO totp (id, user_id, name, algorithm, digits, period, sealed_secret,
                   drift_steps, last_step, confirmed_at, revoked_at, created_at, tag)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            )
            .bind(totp.id.as_str())
            .bind(totp.user.as_str())
            .bind(totp.name.as_str())
            .bind(totp.parameters.algorithm.as_str())
            .bind(i64::from(totp.parameters.digits))
            .bind(i64::from(totp.parameters.period))
            .bind(totp.sealed_secret.as_str())
            .bind(totp.drift_steps)
            .bind(totp.last_step)
            .bind(millis(totp.confirmed_at))
            .bind(millis(totp.revoked_at))
            .bind(totp.created_at.as_millis())
            .bind(totp.tag.as_str()),
        )
        .await
        .map(drop)
    }

    /// Confirms a secret under a name, once. The step of the confirming code is spent:
    /// that code signs nobody in.
    pub async fn confirm_totp(
        &mut self,
        id: &CredentialId,
        name: &str,
        matched: MatchedStep,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "UPDATE totp SET name = $2, last_step = $3, drift_steps = $4, confirmed_at = $5
                 WHERE id = $1 AND confirmed_at IS NULL AND revoked_at IS NULL",
            )
            .bind(id.as_str())
            .bind(name)
            .bind(matched.step)
            .bind(matched.drift_steps)
            .bind(at.as_millis()),
        )
        .await
    }

    /// Gives a secret another name; whether it was there.
    pub async fn rename_totp(&mut self, id: &CredentialId, name: &str) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE totp SET name = $2 WHERE id = $1 AND revoked_at IS NULL")
                .bind(id.as_str())
                .bind(name),
        )
        .await
    }

    /// Takes a secret away; whether it was there. Nothing of it is left, so that nobody
    /// brings it back who writes into the database (attack 38).
    pub async fn revoke_totp(
        &mut self,
        id: &CredentialId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE totp SET revoked_at = $2, sealed_secret = ''
                 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id.as_str())
            .bind(at.as_millis()),
        )
        .await
    }

    /// The last accepted step and the drift of a secret, if it is there. No code of it is
    /// accepted until this transaction ends, so they stay the last ones.
    pub async fn hold_totp(
        &mut self,
        id: &CredentialId,
    ) -> Result<Option<(Option<i64>, i64)>, StoreError> {
        let row = self
            .one(
                sql("UPDATE totp SET last_step = last_step WHERE id = $1
                     RETURNING id, last_step, drift_steps")
                .bind(id.as_str()),
            )
            .await?;
        let Some(row) = &row else { return Ok(None) };
        let row = Reader::new(row, "totp", "id");
        Ok(Some((
            row.optional_integer("last_step")?,
            row.integer("drift_steps")?,
        )))
    }

    /// Forgets a person's secrets that no code confirmed; how many.
    pub async fn drop_unconfirmed_totp(&mut self, user: &UserId) -> Result<u64, StoreError> {
        self.run(
            sql("DELETE FROM totp WHERE user_id = $1 AND confirmed_at IS NULL").bind(user.as_str()),
        )
        .await
    }

    /// The same secret, sealed and tagged anew (`keys rewrap`).
    pub async fn update_totp_seal(
        &mut self,
        id: &CredentialId,
        sealed_secret: &str,
        tag: &str,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE totp SET sealed_secret = $2, tag = $3 WHERE id = $1")
                .bind(id.as_str())
                .bind(sealed_secret)
                .bind(tag),
        )
        .await
    }
}

impl ConsumeStep for Tx<'_> {
    type Error = StoreError;

    /// Attack 3: the condition stands in the UPDATE, so of many who bring one code the
    /// database lets one through, whichever node and session they come by.
    async fn consume_step(
        &mut self,
        credential: &CredentialId,
        step: i64,
        drift_steps: i64,
    ) -> Result<StepUse, StoreError> {
        let consumed = self
            .one(
                sql("UPDATE totp SET last_step = $2, drift_steps = $3
                     WHERE id = $1 AND confirmed_at IS NOT NULL AND revoked_at IS NULL
                       AND (last_step IS NULL OR last_step < $2)
                     RETURNING id")
                .bind(credential.as_str())
                .bind(step)
                .bind(drift_steps),
            )
            .await?;
        Ok(if consumed.is_some() {
            StepUse::Consumed
        } else {
            StepUse::AlreadyUsed
        })
    }
}
