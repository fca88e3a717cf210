//! What Entra reads of us: the discovery document and the key list (facts §5.2).
//!
//! Always true: there is none of them before a tenant asks here; the list has the key that signs
//! first, and every key that signed within two days or will.

use crate::{
    app::{App, Category, Error, SupportCode, saml::chain},
    keys::KeyPurpose,
    protocol::oidc::{
        discovery::encode_discovery,
        jwks::{PublicKey, encode_jwks},
    },
};

impl App {
    /// The discovery document, JSON.
    ///
    /// # Errors
    /// `NotFound`: no tenant asks here.
    pub async fn discovery_document(&self) -> Result<String, Error> {
        self.require_external_mfa().await?;
        encode_discovery(&self.settings.public_url).map_err(|error| Error::internal(chain(&error)))
    }

    /// The key list, JSON.
    ///
    /// # Errors
    /// `NotFound`: no tenant asks here. It is never empty: that would be "all keys are gone".
    pub async fn key_list(&self) -> Result<String, Error> {
        // One look at the database: Entra and strangers fetch it often.
        let mut tx = self.store.read().await?;
        if !tx.has_tenants().await? {
            return Err(no_tenants());
        }
        if tx.active_key(KeyPurpose::Oidc).await?.is_none() {
            drop(tx);
            self.ensure_oidc_key().await?;
            tx = self.store.read().await?;
        }
        // What does not fit together is published as little as it signs.
        self.oidc_signing_key(&mut tx).await?;
        let published = self.published_in(&mut tx, KeyPurpose::Oidc).await?;
        let active = published
            .active
            .as_ref()
            .ok_or_else(|| Error::internal("no oidc key is active; say `claimbridge keys list`"))?;
        let all = std::iter::once(active)
            .chain(&published.staged)
            .chain(&published.retiring);
        encode_jwks(all.map(|key| PublicKey {
            id: &key.id,
            certificate: &key.certificate,
        }))
        .map_err(|error| Error::internal(chain(&error)))
    }

    /// The door is there once a tenant asks.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn require_external_mfa(&self) -> Result<(), Error> {
        if self.serves_external_mfa().await? {
            Ok(())
        } else {
            Err(no_tenants())
        }
    }
}

fn no_tenants() -> Error {
    Error::new(
        Category::NotFound,
        &SupportCode::NO_TENANTS,
        "no tenant asks here for a second factor; add one with `claimbridge external-mfa add`",
    )
}
