//! The watch over the federation inside `serve`.
//!
//! Always true: it runs beside the answering of requests and never before it; what goes wrong
//! with it is a line in the log, and no reason to stop.

use std::{pin::pin, sync::Arc, time::Duration};

use super::Failure;
use crate::{
    app::{
        App,
        watch::{CertificateEnd, Outbound, OwnRounds, Round, TenantReader, Watcher, Webhook},
    },
    config::Config,
    web::tls::ReloadingPair,
};

/// How often it is looked whether it is time, and whether messages are to be sent.
const TICK: Duration = Duration::from_secs(30);

/// With what the tenant is read, if `[graph]` says.
pub fn reader(config: &Config) -> Result<Option<TenantReader>, Failure> {
    let Some(graph) = &config.graph else {
        return Ok(None);
    };
    let endpoints = config.entra.endpoints.as_ref().ok_or_else(|| {
        Failure::usage(
            "[graph] is set, but the configured cloud does not say where its Graph is; add authority_url and graph_url to [entra.cloud]",
        )
    })?;
    TenantReader::new(
        endpoints,
        &graph.tenant_id,
        &graph.client_id,
        graph.client_secret.clone(),
    )
    .map(Some)
    .map_err(|error| Failure::usage(super::chain(&error)))
}

/// When the certificate of `[tls]` ends that browsers are shown now.
pub fn tls_end(tls: Option<&ReloadingPair>) -> Option<CertificateEnd> {
    let end = tls?.end();
    Some(Arc::new(move || Some(end())))
}

/// How this node watches.
pub fn watcher(config: &Config, tls: Option<&ReloadingPair>) -> Result<Watcher, Failure> {
    Ok(Watcher {
        every: config.watch.every,
        tenant: reader(config)?,
        webhook: config.watch.webhook.as_ref().map(|webhook| Webhook {
            url: webhook.url.clone(),
            secret: webhook.secret.clone(),
        }),
        tls_end: tls_end(tls),
        own: OwnRounds::default(),
    })
}

/// Watches until `stop` resolves. A look that has begun is dropped: the next node, or this one
/// after its restart, looks again.
pub async fn keep_watch(app: &App, watcher: &Watcher, stop: impl Future<Output = ()>) {
    let way_out = match Outbound::new() {
        Ok(way_out) => way_out,
        Err(error) => {
            tracing::error!("the federation is not watched: {}", super::chain(&error));
            return;
        }
    };
    if let Some(reader) = &watcher.tenant {
        let (tenant, every) = (reader.tenant(), watcher.every.as_secs());
        tracing::info!(tenant, every, "the federation is watched");
    }
    let mut stop = pin!(stop);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = async {
                tick.tick().await;
                watch_once(app, watcher, &way_out).await;
            } => {}
        }
    }
}

async fn watch_once(app: &App, watcher: &Watcher, way_out: &Outbound) {
    let round = app.watch_round(watcher, way_out).await;
    if let Ok(Round::LostTurn) = &round {
        tracing::warn!("another node looked meanwhile; what this one saw was not told");
    }
    if let Err(error) = round {
        tracing::warn!(
            "the watch over the federation failed: {}",
            super::chain(&error)
        );
    }
    if let Some(webhook) = &watcher.webhook
        && let Err(error) = app.deliver_alarms(webhook, way_out).await
    {
        tracing::warn!(
            "messages of alarms could not be sent: {}",
            super::chain(&error)
        );
    }
}
