//! From a validated configuration to a running identity provider: what `serve` and
//! `demo` share, so that what is tried is what is run.

use std::sync::Arc;

use axum::Router;

use super::Failure;
use crate::{
    app::{
        App, Parts, Settings,
        opening::{HashCost, Migrations, open_store},
    },
    base::{clock::Clock, random::SystemRandom},
    config::Config,
    keys::sealing::Sealing,
    web::{self, Web},
};

/// Attempts that one address may have open: an office behind one address, not a flood.
const OPEN_ATTEMPTS_PER_SOURCE: u32 = 200;

/// An identity provider that is ready for requests.
pub struct Started {
    /// Its use cases.
    pub app: Arc<App>,
    /// Its routes.
    pub router: Router,
}

/// Opens the database, makes what the first start makes, and puts the routes together.
pub async fn start(
    config: &Config,
    migrations: Migrations,
    clock: Arc<dyn Clock>,
) -> Result<Started, Failure> {
    let store = open_store(config.database_url.expose(), migrations, &clock)
        .await
        .map_err(Failure::service)?;
    let app = App::start(Parts {
        store,
        clock,
        random: Box::new(SystemRandom),
        sealing: Arc::new(Sealing::new(&config.master_key)),
        settings: settings(config),
    })
    .await
    .map_err(Failure::service)?;
    let app = Arc::new(app);
    let web = Web::new(Arc::clone(&app), config.policy.trusted_proxies.clone());
    let router = web::router(Arc::new(web));
    Ok(Started { app, router })
}

/// The configuration in the terms of the use cases.
pub fn settings(config: &Config) -> Settings {
    let mut entra = config.entra.cloud.relying_party(Vec::new());
    entra.request_signature = config.entra.request_signature;
    entra.sha1 = config.entra.sha1;
    entra.response_signature = config.entra.response_signature;
    entra.session_max_age = config.policy.entra_session_max_age;
    Settings {
        public_url: config.public_url.as_str().trim_end_matches('/').to_owned(),
        entra,
        domains: config
            .domains
            .iter()
            .map(|domain| (domain.name.clone(), Some(domain.issuer.clone())))
            .collect(),
        sessions: config.policy.session,
        attempt_lifetime: config.policy.attempt_lifetime,
        totp_skew: config.policy.totp_skew_steps,
        person_delays: config.policy.person_delays,
        source_delays: config.policy.source_delays,
        open_attempts_per_source: OPEN_ATTEMPTS_PER_SOURCE,
        hash_cost: HashCost::FLOOR,
        service_name: config.branding.name.clone(),
        support_contact: Some(config.branding.support_contact.clone()),
    }
}

/// Ends when this process is asked to stop (Ctrl-C, SIGTERM).
pub async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
