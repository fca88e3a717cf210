//! The demo's practice tenant takes our second factor: what `external-mfa add` does here, and what
//! an administrator registers there.

use crate::{
    app::{App, external_mfa::tenants},
    base::{clock::Timestamp, random::Random},
    cli::Failure,
    practice::{Consent, ExternalMethod, Practice, request::guid},
    relying_party::{ClientId, Tenant, TenantCloud},
};

/// What the method is called in the tenant.
const NAME: &str = "claimbridge demo";

/// Registers each with the other.
pub async fn register(
    app: &App,
    practice: &Practice,
    now: Timestamp,
    random: &mut dyn Random,
) -> Result<(), Failure> {
    let application_id = guid(random);
    let tenant = Tenant {
        id: practice.tenant_id().parse().map_err(Failure::service)?,
        client_id: ClientId::random(random),
        application_id: application_id.parse().map_err(Failure::service)?,
        cloud: TenantCloud::Custom,
        name: Some("Practice tenant".parse().map_err(Failure::service)?),
    };
    let tenant = tenants::add(app.store(), app.settings(), tenant, "demo", now)
        .await
        .map_err(Failure::service)?;
    practice.register_external_method(ExternalMethod {
        name: NAME.to_owned(),
        application_id,
        client_id: tenant.client_id.to_string(),
        discovery_url: app.settings().oidc_discovery_url(),
        reply_urls: vec![app.settings().oidc_authorize_url()],
        consent: Consent::Granted,
    });
    Ok(())
}
