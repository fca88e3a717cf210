//! Tenants of External MFA.
//!
//! Always true: a row says who asks and under which ids; where answers go is not in it (see
//! `relying_party::tenant`), so that whoever can write rows cannot send answers elsewhere.

use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::{
    base::{clock::Timestamp, guid::Guid},
    relying_party::{ClientId, Tenant},
};

fn tenant(row: &AnyRow) -> Result<Tenant, StoreError> {
    let row = Reader::new(row, "tenants", "tenant_id");
    Ok(Tenant {
        id: row.parsed("tenant_id")?,
        client_id: row.parsed("client_id")?,
        application_id: row.parsed("application_id")?,
        cloud: row.parsed("cloud")?,
        name: row.optional_parsed("name")?,
    })
}

impl ReadTx<'_> {
    /// All tenants, by tenant id and client id.
    pub async fn tenants(&mut self) -> Result<Vec<Tenant>, StoreError> {
        self.all(sql(
            "SELECT tenant_id, client_id, application_id, cloud, name FROM tenants
                 ORDER BY tenant_id, client_id",
        ))
        .await?
        .iter()
        .map(tenant)
        .collect()
    }

    /// The tenant with that client id: the two that a request and its hint name.
    pub async fn tenant(
        &mut self,
        id: Guid,
        client_id: &ClientId,
    ) -> Result<Option<Tenant>, StoreError> {
        self.one(
            sql(
                "SELECT tenant_id, client_id, application_id, cloud, name FROM tenants
                 WHERE tenant_id = $1 AND client_id = $2",
            )
            .bind(id.to_string())
            .bind(client_id.as_str().to_owned()),
        )
        .await?
        .as_ref()
        .map(tenant)
        .transpose()
    }

    /// The tenants that we gave that client id, by tenant id.
    pub async fn tenants_by_client(
        &mut self,
        client_id: &ClientId,
    ) -> Result<Vec<Tenant>, StoreError> {
        self.all(
            sql(
                "SELECT tenant_id, client_id, application_id, cloud, name FROM tenants
                 WHERE client_id = $1 ORDER BY tenant_id",
            )
            .bind(client_id.as_str().to_owned()),
        )
        .await?
        .iter()
        .map(tenant)
        .collect()
    }

    /// Whether another tenant than that one asks here.
    pub async fn has_other_tenant(&mut self, id: Guid) -> Result<bool, StoreError> {
        let found = self
            .one(
                sql("SELECT tenant_id FROM tenants WHERE tenant_id <> $1 LIMIT 1")
                    .bind(id.to_string()),
            )
            .await?;
        Ok(found.is_some())
    }

    /// Whether there is any tenant: whether this door is open at all.
    pub async fn has_tenants(&mut self) -> Result<bool, StoreError> {
        let found = self
            .one(sql("SELECT tenant_id FROM tenants LIMIT 1"))
            .await?;
        Ok(found.is_some())
    }
}

impl Tx<'_> {
    /// Adds a tenant; `false` if that tenant and client id are there.
    pub async fn insert_tenant(
        &mut self,
        tenant: &Tenant,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "INSERT INTO tenants (tenant_id, client_id, application_id, cloud, name, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, client_id) DO NOTHING",
            )
            .bind(tenant.id.to_string())
            .bind(tenant.client_id.as_str().to_owned())
            .bind(tenant.application_id.to_string())
            .bind(tenant.cloud.as_str())
            .bind(tenant.name.as_ref().map(ToString::to_string))
            .bind(now.as_millis()),
        )
        .await
    }

    /// Gives a tenant the name that `tenant` has, or none; whether it is there.
    pub async fn rename_tenant(&mut self, tenant: &Tenant) -> Result<bool, StoreError> {
        self.run_once(
            sql("UPDATE tenants SET name = $3 WHERE tenant_id = $1 AND client_id = $2")
                .bind(tenant.id.to_string())
                .bind(tenant.client_id.as_str().to_owned())
                .bind(tenant.name.as_ref().map(ToString::to_string)),
        )
        .await
    }

    /// Removes a tenant; whether it was there.
    pub async fn remove_tenant(
        &mut self,
        id: Guid,
        client_id: &ClientId,
    ) -> Result<bool, StoreError> {
        self.run_once(
            sql("DELETE FROM tenants WHERE tenant_id = $1 AND client_id = $2")
                .bind(id.to_string())
                .bind(client_id.as_str().to_owned()),
        )
        .await
    }
}
