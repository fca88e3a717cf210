//! `serve`: runs the identity provider until it is asked to stop.

use std::{
    io::{self, IsTerminal as _, Write},
    net::SocketAddr,
    path::Path,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use super::{
    Failure,
    metadata_file::MetadataFile,
    open,
    start::{self, Started},
    tls_files, watch,
};
use crate::{
    app::{App, external_mfa::naming::NamingNobody, opening::Migrations},
    base::clock::SystemClock,
    web,
};

/// Run the identity provider.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Apply pending migrations first; without it they are a reason not to start.
    #[arg(long)]
    migrate: bool,
}

/// Serves until Ctrl-C or SIGTERM; requests that have begun are finished.
pub async fn run(
    args: &ServeArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    // From the first moment: a signal that finds nobody listening ends the process.
    let asked = start::ReloadSignal::new();
    let tls_asked = start::ReloadSignal::new();
    let config = open::config(path)?;
    log();
    let tls = tls_files::start(&config)?;
    let watcher = watch::watcher(&config, tls.as_ref())?;
    let listener = listen("listen", config.listen).await?;
    let ops = match config.listen_ops {
        None => None,
        Some(address) => Some(listen("listen_ops.address", address).await?),
    };
    let migrations = if args.migrate {
        Migrations::Apply
    } else {
        Migrations::MustBeApplied
    };
    let Started {
        app,
        router,
        health,
    } = start::start(
        &config,
        migrations,
        Arc::new(SystemClock),
        web::InspectorAccess::SignedIn,
        watch::tls_end(tls.as_ref()),
    )
    .await?;
    warn_of_names(&app).await;
    let mut metadata = MetadataFile::of(&config.policy.webauthn);
    if let Some(file) = &mut metadata {
        file.load_first(&app).await?;
    }
    // Before anybody is told that it runs: from then on it may be asked to stop.
    let [
        stop_people,
        stop_ops,
        stop_certificate,
        stop_upkeep,
        stop_watch,
        stop_keys,
    ] = [(); 6].map(|()| start::stop_signal());
    writeln!(
        out,
        "{} is served on {}.",
        config.public_url.as_str().trim_end_matches('/'),
        // Where port 0 was asked for, the one that was given.
        listener.local_addr().unwrap_or(config.listen)
    )?;
    out.flush()?;
    let ops = async {
        match ops {
            Some(listener) => {
                web::serve::serve(listener, None, health, stop_ops).await;
            }
            None => stop_ops.await,
        }
    };
    let acceptor = match &tls {
        None => None,
        Some(pair) => Some(
            pair.acceptor()
                .map_err(|error| Failure::usage(format!("tls: {}", tls_files::in_words(&error))))?,
        ),
    };
    let people = web::serve::serve(listener, acceptor, router, stop_people);
    let certificate = tls_files::keep_current(tls, tls_files::EVERY, tls_asked, stop_certificate);
    // Not aborted: counts that are being written are not in memory any more.
    let upkeep = upkeep(&app, metadata, asked, stop_upkeep);
    let watch = watch::keep_watch(&app, &watcher, stop_watch);
    let cloud_keys = keep_cloud_keys(&app, stop_keys);
    tokio::join!(people, ops, upkeep, certificate, watch, cloud_keys);
    write_counts(&app).await;
    Ok(())
}

/// Every five minutes: forgets what ended. Any node may; all may at once. Every five
/// seconds: writes what was refused meanwhile. Every minute, and when asked by SIGHUP:
/// reads the metadata file again if it has changed.
async fn upkeep(
    app: &App,
    mut metadata: Option<MetadataFile>,
    mut asked: start::ReloadSignal,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    let mut look = tokio::time::interval(Duration::from_mins(1));
    let mut forget = tokio::time::interval(Duration::from_mins(5));
    let mut count = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = forget.tick() => match app.purge().await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "forgot what ended"),
                Err(error) => {
                    tracing::warn!(%error, "what ended could not be forgotten; trying again");
                }
            },
            _ = count.tick() => write_counts(app).await,
            _ = look.tick() => if let Some(file) = &mut metadata {
                file.reload_changed(app).await;
            },
            () = asked.next() => if let Some(file) = &mut metadata {
                file.reload(app).await;
            },
        }
    }
}

/// Tenants of External MFA that name nobody.
async fn warn_of_names(app: &App) {
    match NamingNobody::of(app.store(), app.settings()).await {
        Ok(None) => {}
        Ok(Some(found)) => tracing::warn!("{}; {}", found.sentence(), found.remedy()),
        Err(error) => tracing::warn!(%error, "whom tenants may name could not be looked at"),
    }
}

/// How often it is looked whether a cloud's keys are to be read. A cloud is asked once a minute at
/// most, so that a look which comes a moment too early costs seconds and no minute.
const BETWEEN_LOOKS: Duration = Duration::from_secs(15);

/// At once and by time: reads the keys of the clouds that tenants of External MFA are in,
/// where it is time. Beside everything else: a cloud may take its time, or be away.
async fn keep_cloud_keys(app: &App, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let mut tick = tokio::time::interval(BETWEEN_LOOKS);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = async {
                tick.tick().await;
                app.renew_hint_keys().await;
            } => {}
        }
    }
}

async fn write_counts(app: &App) {
    if let Err(error) = app.flush_refused().await {
        tracing::warn!(%error, "what was refused could not be counted; trying again");
    }
}

async fn listen(key: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::service(format!(
            "{address} cannot be listened on ({error}); stop what uses it, or change {key}"
        ))
    })
}

/// Text on a terminal, JSON lines elsewhere; `RUST_LOG` says how much.
fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let set = if io::stderr().is_terminal() {
        log.try_init()
    } else {
        log.json().try_init()
    };
    // Set already: someone embeds us, and their choice stands.
    drop(set);
}
