//! From a validated configuration to a running identity provider: what `serve` and
//! `demo` share, so that what is tried is what is run.

use std::sync::Arc;

use axum::Router;

use super::{Failure, open};
use crate::{
    app::{App, opening::Migrations, watch::CertificateEnd},
    base::clock::Clock,
    config::Config,
    web::{self, Web},
};

/// An identity provider that is ready for requests.
pub struct Started {
    /// Its use cases.
    pub app: Arc<App>,
    /// Its routes.
    pub router: Router,
    /// The health endpoints and the measures, for an address of their own.
    pub health: Router,
}

/// Opens the database, makes what the first start makes, and puts the routes together.
pub async fn start(
    config: &Config,
    migrations: Migrations,
    clock: Arc<dyn Clock>,
    inspector_access: web::InspectorAccess,
    tls_end: Option<CertificateEnd>,
) -> Result<Started, Failure> {
    let app = Arc::new(open::start(config, migrations, clock).await?);
    let mut web = Web::new(Arc::clone(&app), config.policy.trusted_proxies.clone());
    web.inspector_access = inspector_access;
    web.tls_end = tls_end;
    let web = Arc::new(web);
    Ok(Started {
        app,
        router: if config.listen_ops.is_some() {
            web::public_router(Arc::clone(&web))
        } else {
            web::router(Arc::clone(&web))
        },
        health: web::health_router(web),
    })
}

/// Ends when this process is asked to stop (Ctrl-C, SIGTERM). It listens from the call on, not
/// from the first time that it is awaited: of several, one that began to listen after the signal
/// would wait for ever, and the process with it. Call it inside the runtime.
#[cfg(unix)]
pub fn stop_signal() -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    async move {
        let [interrupt, terminate] = signals.map(|signal| async {
            match signal {
                Ok(mut signal) => {
                    signal.recv().await;
                }
                Err(_) => std::future::pending().await,
            }
        });
        tokio::select! {
            () = interrupt => {}
            () = terminate => {}
        }
    }
}

/// Ends when this process is asked to stop (Ctrl-C).
#[cfg(not(unix))]
pub fn stop_signal() -> impl Future<Output = ()> + Send + 'static {
    async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// SIGHUP: read again what may have changed. Without it the signal would end the process.
pub struct ReloadSignal {
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
}

impl ReloadSignal {
    /// From now on the signal asks; inside the runtime.
    pub fn new() -> Self {
        Self {
            #[cfg(unix)]
            hangup: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    /// Ends when it is asked the next time.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(hangup) = &mut self.hangup
            && hangup.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}
