//! Domains and their issuers.

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::relying_party::Domain;

impl ReadTx<'_> {
    /// All domains, by name.
    pub async fn domains(&mut self) -> Result<Vec<Domain>, StoreError> {
        self.all(sql(
            "SELECT name, root, issuer_uri, created_at FROM domains ORDER BY name",
        ))
        .await?
        .iter()
        .map(|row| {
            let row = Reader::new(row, "domains", "name");
            Ok(Domain {
                name: row.parsed("name")?,
                root: row.parsed("root")?,
                issuer_uri: row.text("issuer_uri")?,
                created_at: row.time("created_at")?,
            })
        })
        .collect()
    }
}

impl Tx<'_> {
    /// Adds a domain; `false` if it is there, or another root has that issuer.
    pub async fn insert_domain(&mut self, domain: &Domain) -> Result<bool, StoreError> {
        self.run_once(
            sql(
                "INSERT INTO domains (name, root, issuer_uri, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
            )
            .bind(domain.name.as_str())
            .bind(domain.root.as_str())
            .bind(domain.issuer_uri.as_str())
            .bind(domain.created_at.as_millis()),
        )
        .await
    }
}
