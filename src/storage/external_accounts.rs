//! Accounts of tenants and whose they are (External MFA).

use std::collections::BTreeMap;

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{clock::Timestamp, guid::Guid, ids::UserId},
    directory::{ExternalAccount, LinkTold, LinkedBy},
};

/// A link's name in an event.
fn name(value: &serde_json::Value) -> Option<Timestamp> {
    value.as_str().and_then(Timestamp::parse_rfc3339)
}

/// What an event tells of an account; none if it is of another.
fn link_told(row: &AnyRow, (tenant, object): (Guid, Guid)) -> Result<Option<LinkTold>, StoreError> {
    let row = Reader::new(row, "events", "id");
    let body: serde_json::Value = row.json("body")?;
    if body["tenant"] != tenant.to_string() || body["object"] != object.to_string() {
        return Ok(None);
    }
    Ok(Some(match row.text("kind")?.as_str() {
        "external-account-linked" => LinkTold::Made(name(&body["linked_at"])),
        _ => LinkTold::Ended(match &body["links"] {
            serde_json::Value::Array(names) => names.iter().filter_map(name).collect(),
            _ => Vec::new(),
        }),
    }))
}

fn account(row: &AnyRow) -> Result<ExternalAccount, StoreError> {
    let row = Reader::new(row, "external_accounts", "object");
    Ok(ExternalAccount {
        tenant: row.parsed("tenant")?,
        object: row.parsed("object")?,
        user: row.parsed("user_id")?,
        linked_at: row.time("linked_at")?,
        linked_by: row.spelled("linked_by", LinkedBy::parse)?,
        tag: row.text("tag")?,
    })
}

impl ReadTx<'_> {
    /// A tenant's account, if it is anybody's.
    pub async fn external_account(
        &mut self,
        tenant: Guid,
        object: Guid,
    ) -> Result<Option<ExternalAccount>, StoreError> {
        self.one(
            sql(
                "SELECT tenant, object, user_id, linked_at, linked_by, tag FROM external_accounts
                 WHERE tenant = $1 AND object = $2",
            )
            .bind(tenant.to_string())
            .bind(object.to_string()),
        )
        .await?
        .as_ref()
        .map(account)
        .transpose()
    }

    /// A person's accounts, the first linked first.
    pub async fn external_accounts_of(
        &mut self,
        user: &UserId,
    ) -> Result<Vec<ExternalAccount>, StoreError> {
        self.all(
            sql(
                "SELECT tenant, object, user_id, linked_at, linked_by, tag FROM external_accounts
                 WHERE user_id = $1 ORDER BY linked_at, tenant, object",
            )
            .bind(user.as_str()),
        )
        .await?
        .iter()
        .map(account)
        .collect()
    }

    /// What events tell of the links between a tenant's account and a person, the newest first.
    pub async fn links_told(
        &mut self,
        user: &UserId,
        (tenant, object): (Guid, Guid),
    ) -> Result<Vec<LinkTold>, StoreError> {
        let rows = self
            .all(
                sql("SELECT id, kind, body FROM events WHERE user_id = $1
                   AND kind IN ('external-account-linked', 'external-account-unlinked')
                 ORDER BY written_at DESC, sequence DESC")
                .bind(user.as_str()),
            )
            .await?;
        let mut told = Vec::new();
        for row in &rows {
            told.extend(link_told(row, (tenant, object))?);
        }
        Ok(told)
    }

    /// The same of everybody, by person: for an account that has no row here. It reads what was told
    /// of every account, and is meant for the one time when a person is about to be linked.
    pub async fn links_told_of_all(
        &mut self,
        (tenant, object): (Guid, Guid),
    ) -> Result<BTreeMap<UserId, Vec<LinkTold>>, StoreError> {
        let rows = self
            .all(
                sql("SELECT id, user_id, kind, body FROM events
                     WHERE kind IN ('external-account-linked', 'external-account-unlinked')
                       AND body LIKE $1
                     ORDER BY written_at DESC, sequence DESC")
                // No wildcard stands in an id.
                .bind(format!("%{object}%")),
            )
            .await?;
        let mut told: BTreeMap<UserId, Vec<LinkTold>> = BTreeMap::new();
        for row in &rows {
            let user = Reader::new(row, "events", "id").optional_parsed("user_id")?;
            if let (Some(user), Some(one)) = (user, link_told(row, (tenant, object))?) {
                told.entry(user).or_default().push(one);
            }
        }
        Ok(told)
    }

    /// All (`keys rewrap`).
    pub async fn all_external_accounts(&mut self) -> Result<Vec<ExternalAccount>, StoreError> {
        self.all(sql(
            "SELECT tenant, object, user_id, linked_at, linked_by, tag FROM external_accounts
             ORDER BY tenant, object",
        ))
        .await?
        .iter()
        .map(account)
        .collect()
    }
}

impl Tx<'_> {
    /// Links an account; `false` if it is somebody's already, whoever that is.
    pub async fn insert_external_account(
        &mut self,
        account: &ExternalAccount,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "INSERT INTO external_accounts (tenant, object, user_id, linked_at, linked_by, tag)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, object) DO NOTHING",
            )
            .bind(account.tenant.to_string())
            .bind(account.object.to_string())
            .bind(account.user.as_str())
            .bind(account.linked_at.as_millis())
            .bind(account.linked_by.as_str())
            .bind(account.tag.as_str()),
        )
        .await
    }

    /// Unlinks an account of this person: since when it was linked, by its row; none if it is not
    /// the person's.
    pub async fn delete_external_account(
        &mut self,
        user: &UserId,
        tenant: Guid,
        object: Guid,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row = self
            .one(
                sql("DELETE FROM external_accounts
                     WHERE tenant = $1 AND object = $2 AND user_id = $3 RETURNING object, linked_at")
                .bind(tenant.to_string())
                .bind(object.to_string())
                .bind(user.as_str()),
            )
            .await?;
        row.map(|row| Reader::new(&row, "external_accounts", "object").time("linked_at"))
            .transpose()
    }

    /// A new tag over the same row (`keys rewrap`).
    pub async fn update_external_account_tag(
        &mut self,
        account: &ExternalAccount,
        tag: &str,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE external_accounts SET tag = $3 WHERE tenant = $1 AND object = $2")
                .bind(account.tenant.to_string())
                .bind(account.object.to_string())
                .bind(tag),
        )
        .await
    }
}
