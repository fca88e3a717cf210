//! The inventory of hardware tokens.
//!
//! Always true: a serial is there once; a row changes only if it still is what was read —
//! its tag covers state, person and credential, so "WHERE tag = the one that was read"
//! lets one of many through (attack 28).

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, millis, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{
        ids::{CredentialId, UserId},
        text::Upn,
    },
    directory::{OathAlgorithm, OathToken, Serial, TokenState, TotpParameters},
};

/// A token with what others tell of it.
#[derive(Clone, Debug)]
pub struct ListedToken {
    /// The row.
    pub token: OathToken,
    /// Who has it, or had it when it was lost.
    pub upn: Option<Upn>,
    /// The last accepted step and the drift of the credential that it became.
    pub used: Option<(i64, i64)>,
}

fn token(row: &AnyRow) -> Result<OathToken, StoreError> {
    let row = Reader::new(row, "oath_tokens", "id");
    Ok(OathToken {
        id: row.parsed("id")?,
        serial: row.parsed("serial")?,
        manufacturer: row.text("manufacturer")?,
        model: row.text("model")?,
        parameters: TotpParameters {
            algorithm: row.spelled("algorithm", OathAlgorithm::parse)?,
            digits: row.small("digits")?,
            period: row.small("period")?,
        },
        sealed_secret: row.text("sealed_secret")?,
        state: row.spelled("state", TokenState::parse)?,
        user: row.optional_parsed("user_id")?,
        credential: row.optional_parsed("credential")?,
        drift_steps: row.integer("drift_steps")?,
        last_step: row.optional_integer("last_step")?,
        imported_at: row.time("imported_at")?,
        assigned_at: row.optional_time("assigned_at")?,
        assigned_by: row.optional_text("assigned_by")?,
        activated_at: row.optional_time("activated_at")?,
        ended_at: row.optional_time("ended_at")?,
        secret_tag: row.optional_text("secret_tag")?,
        tag: row.text("tag")?,
    })
}

fn listed(row: &AnyRow) -> Result<ListedToken, StoreError> {
    let token = token(row)?;
    let row = Reader::new(row, "oath_tokens", "id");
    let step = row.optional_integer("used_step")?;
    Ok(ListedToken {
        upn: row.optional_parsed("upn")?,
        used: step.zip(row.optional_integer("used_drift")?),
        token,
    })
}

impl ReadTx<'_> {
    /// A token by its serial number, in whatever spelling.
    pub async fn oath_token(&mut self, serial: &Serial) -> Result<Option<OathToken>, StoreError> {
        self.one(
            sql(
                "SELECT id, serial, manufacturer, model, algorithm, digits, period, sealed_secret, state,
                   user_id, credential, drift_steps, last_step, imported_at, assigned_at, assigned_by,
                   activated_at, ended_at, secret_tag, tag
                 FROM oath_tokens WHERE serial_key = $1",
            )
            .bind(serial.key()),
        )
        .await?
        .as_ref()
        .map(token)
        .transpose()
    }

    /// Whether a serial number is in the inventory, in whatever state.
    pub async fn is_serial_there(&mut self, serial: &Serial) -> Result<bool, StoreError> {
        let row = self
            .one(sql("SELECT id FROM oath_tokens WHERE serial_key = $1").bind(serial.key()))
            .await?;
        Ok(row.is_some())
    }

    /// Whether a token has this secret (`OathToken::secret_tag`), in whatever state.
    pub async fn is_secret_there(&mut self, secret_tag: &str) -> Result<bool, StoreError> {
        let row = self
            .one(
                sql("SELECT id FROM oath_tokens WHERE secret_tag = $1 LIMIT 1")
                    .bind(secret_tag.to_owned()),
            )
            .await?;
        Ok(row.is_some())
    }

    /// Whether somebody signs in with a token that has this secret.
    pub async fn is_secret_active(&mut self, secret_tag: &str) -> Result<bool, StoreError> {
        let row = self
            .one(
                sql("SELECT id FROM oath_tokens WHERE secret_tag = $1 AND state = 'active'")
                    .bind(secret_tag.to_owned()),
            )
            .await?;
        Ok(row.is_some())
    }

    /// The tokens that a person has, activated or not, in the order of their handing over.
    pub async fn oath_tokens_of(&mut self, user: &UserId) -> Result<Vec<OathToken>, StoreError> {
        self.all(
            sql(
                "SELECT id, serial, manufacturer, model, algorithm, digits, period, sealed_secret, state,
                   user_id, credential, drift_steps, last_step, imported_at, assigned_at, assigned_by,
                   activated_at, ended_at, secret_tag, tag
                 FROM oath_tokens WHERE user_id = $1 AND state IN ('assigned', 'active')
                 ORDER BY assigned_at, id",
            )
            .bind(user.as_str()),
        )
        .await?
        .iter()
        .map(token)
        .collect()
    }

    /// Up to `limit` tokens in the order of their serial numbers, after `after`.
    pub async fn oath_tokens(
        &mut self,
        after: Option<&Serial>,
        limit: u32,
    ) -> Result<Vec<ListedToken>, StoreError> {
        self.all(
            sql(
                "SELECT o.id, o.serial, o.manufacturer, o.model, o.algorithm, o.digits, o.period,
                   o.sealed_secret, o.state, o.user_id, o.credential, o.drift_steps, o.last_step,
                   o.imported_at, o.assigned_at, o.assigned_by, o.activated_at, o.ended_at, o.secret_tag, o.tag,
                   u.upn AS upn, t.last_step AS used_step, t.drift_steps AS used_drift
                 FROM oath_tokens o
                 LEFT JOIN users u ON u.id = o.user_id
                 LEFT JOIN totp t ON t.id = o.credential
                 WHERE o.serial_key > $1 ORDER BY o.serial_key LIMIT $2",
            )
            .bind(after.map_or_else(String::new, Serial::key))
            .bind(i64::from(limit)),
        )
        .await?
        .iter()
        .map(listed)
        .collect()
    }
}

impl Tx<'_> {
    /// Adds a token; whether its serial number was not there.
    pub async fn insert_oath_token(&mut self, token: &OathToken) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "INSERT INTO oath_tokens (id, serial, serial_key, manufacturer, model, algorithm, digits,
                   period, sealed_secret, state, user_id, credential, drift_steps, last_step,
                   imported_at, assigned_at, assigned_by, activated_at, ended_at, secret_tag, tag)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                   $18, $19, $20, $21)
                 ON CONFLICT (serial_key) DO NOTHING",
            )
            .bind(token.id.as_str())
            .bind(token.serial.as_str())
            .bind(token.serial.key())
            .bind(token.manufacturer.as_str())
            .bind(token.model.as_str())
            .bind(token.parameters.algorithm.as_str())
            .bind(i64::from(token.parameters.digits))
            .bind(i64::from(token.parameters.period))
            .bind(token.sealed_secret.as_str())
            .bind(token.state.as_str())
            .bind(token.user.as_ref().map(UserId::as_str))
            .bind(token.credential.as_ref().map(CredentialId::as_str))
            .bind(token.drift_steps)
            .bind(token.last_step)
            .bind(token.imported_at.as_millis())
            .bind(millis(token.assigned_at))
            .bind(token.assigned_by.as_deref())
            .bind(millis(token.activated_at))
            .bind(millis(token.ended_at))
            .bind(token.secret_tag.as_deref())
            .bind(token.tag.as_str()),
        )
        .await
    }

    /// Writes what changes of a token, if its row still has the tag that was read.
    pub async fn update_oath_token(
        &mut self,
        token: &OathToken,
        read_tag: &str,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "UPDATE oath_tokens SET sealed_secret = $3, state = $4, user_id = $5, credential = $6,
                   drift_steps = $7, last_step = $8, assigned_at = $9, assigned_by = $10,
                   activated_at = $11, ended_at = $12, secret_tag = $13, tag = $14
                 WHERE id = $1 AND tag = $2",
            )
            .bind(token.id.as_str())
            .bind(read_tag)
            .bind(token.sealed_secret.as_str())
            .bind(token.state.as_str())
            .bind(token.user.as_ref().map(UserId::as_str))
            .bind(token.credential.as_ref().map(CredentialId::as_str))
            .bind(token.drift_steps)
            .bind(token.last_step)
            .bind(millis(token.assigned_at))
            .bind(token.assigned_by.as_deref())
            .bind(millis(token.activated_at))
            .bind(millis(token.ended_at))
            .bind(token.secret_tag.as_deref())
            .bind(token.tag.as_str()),
        )
        .await
    }
}
