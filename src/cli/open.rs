//! From the configuration to something that commands can work with.

use std::{path::Path, sync::Arc};

use super::{Failure, environment};
use crate::{
    app::{
        App, Parts, Settings,
        opening::{HashCost, Migrations, Store, open_store},
    },
    base::{
        clock::{Clock, SystemClock},
        random::SystemRandom,
    },
    config::Config,
    keys::sealing::Sealing,
    protocol::saml::sp_metadata::parse_sp_metadata,
    relying_party::{DomainProtocol, RelyingParty},
};

/// Reads the configuration of this process.
pub fn config(path: Option<&Path>) -> Result<Config, Failure> {
    Ok(Config::load(path, environment())?)
}

/// The database, with this version's schema.
pub async fn store(config: &Config) -> Result<Store, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let url = config.database_url.expose();
    Ok(open_store(url, Migrations::MustBeApplied, &clock).await?)
}

/// The application on a database that has this version's schema.
pub async fn app(config: &Config) -> Result<App, Failure> {
    start(config, Migrations::MustBeApplied, Arc::new(SystemClock)).await
}

/// The application, with `clock` as its time.
pub async fn start(
    config: &Config,
    migrations: Migrations,
    clock: Arc<dyn Clock>,
) -> Result<App, Failure> {
    let parts = Parts {
        store: open_store(config.database_url.expose(), migrations, &clock).await?,
        clock,
        random: Box::new(SystemRandom),
        sealing: Arc::new(Sealing::new(&config.master_key)),
        settings: settings(config)?,
    };
    Ok(App::start(parts).await?)
}

/// What the application is told.
pub fn settings(config: &Config) -> Result<Settings, Failure> {
    Ok(Settings {
        public_url: config.public_url.as_str().trim_end_matches('/').to_owned(),
        entra: entra(config)?,
        endpoints: config.entra.endpoints.clone(),
        tenants: config.tenants.clone(),
        tenant_domains: config.tenant_domains.clone(),
        domains: config
            .domains
            .iter()
            .map(|domain| (domain.name.clone(), domain.issuer.clone()))
            .collect(),
        known_federations: config.entra.known_federations.clone(),
        ws_federation: config
            .domains
            .iter()
            .filter(|domain| domain.protocol == DomainProtocol::WsFed)
            .map(|domain| domain.name.clone())
            .collect(),
        sessions: config.policy.session,
        attempt_lifetime: config.policy.attempt_lifetime,
        totp_skew: config.policy.totp_skew_steps,
        person_delays: config.policy.person_delays,
        source_delays: config.policy.source_delays,
        open_attempts_per_source: config.policy.open_attempts_per_source,
        desk: config.policy.desk,
        methods: config.policy.methods.clone(),
        webauthn: config.policy.webauthn.policy.clone(),
        breached_passwords_file: config.policy.breached_passwords_file.clone(),
        hash_cost: HashCost::FLOOR,
        active_door: config.active_door,
        token: config.token.clone(),
        service_name: config.branding.name.clone(),
        support_contact: config.branding.support_contact.clone(),
    })
}

fn entra(config: &Config) -> Result<RelyingParty, Failure> {
    let entra = &config.entra;
    let certificates = match &entra.metadata {
        None => Vec::new(),
        Some(xml) => {
            let metadata = parse_sp_metadata(xml.as_bytes()).map_err(|error| {
                Failure::usage(format!(
                    "entra.metadata_file: {}; download Microsoft's metadata of the cloud again",
                    super::chain(&error)
                ))
            })?;
            if metadata.entity_id != entra.cloud.entity_id {
                return Err(Failure::usage(format!(
                    "entra.metadata_file: it is of {}, but the cloud is {}; download the metadata of that cloud",
                    metadata.entity_id, entra.cloud.entity_id
                )));
            }
            metadata.request_certificates
        }
    };
    let mut party = entra.cloud.relying_party(certificates);
    party.request_signature = entra.request_signature;
    party.sha1 = entra.sha1;
    party.response_signature = entra.response_signature;
    party.session_max_age = config.policy.entra_session_max_age;
    Ok(party)
}
