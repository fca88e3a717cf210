//! The TLS files that `serve` watches: every minute, and when asked by SIGHUP.
//!
//! Always true: looking never stops answering — it has a thread of its own — and what is
//! wrong is said once, with the remedy, not every minute.

use std::{pin::pin, time::Duration};

use url::Host;

use super::{Failure, metadata_file::day, start::ReloadSignal};
use crate::{
    base::clock::{Clock as _, SystemClock},
    config::Config,
    web::tls::{Look, ReloadingPair, TlsError, TlsFiles},
};

/// How often the files are looked at.
pub const EVERY: Duration = Duration::from_mins(1);

/// The configured pair, if there is one; the error is the configuration's.
pub fn open(config: &Config) -> Result<Option<ReloadingPair>, TlsError> {
    let Some(files) = &config.tls else {
        return Ok(None);
    };
    ReloadingPair::open(TlsFiles {
        certificates: files.certificate_file.clone(),
        key: files.private_key_file.clone(),
        host: host(config),
    })
    .map(Some)
}

/// The host of `public_url`, an IPv6 address without its brackets.
fn host(config: &Config) -> String {
    match config.public_url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => String::new(),
    }
}

/// What is wrong with the files, as a sentence with its remedy.
pub fn in_words(error: &TlsError) -> String {
    let remedy = match error {
        TlsError::Unread(..) => "correct the path, or let the account of `serve` read it",
        TlsError::Worse(_) => "put a certificate for this server there that is valid now",
        _ => "give a PEM certificate chain, the server's own first, and the key that belongs to it",
    };
    format!("{}; {remedy}", super::chain(error))
}

/// Reads the pair for `serve` and says in the log what is in use.
pub fn start(config: &Config) -> Result<Option<ReloadingPair>, Failure> {
    let pair =
        open(config).map_err(|error| Failure::usage(format!("tls: {}", in_words(&error))))?;
    if let Some(pair) = &pair {
        let until = day(pair.facts().not_after);
        match pair.flaw(SystemClock.now()) {
            None => tracing::info!(until, "the TLS certificate is in use"),
            Some(flaw) => tracing::error!(
                until,
                "browsers refuse the TLS certificate, because it {flaw}; put a good one in its place, it is used without a restart"
            ),
        }
    }
    Ok(pair)
}

/// Uses what the files hold from now on, until `stop` resolves.
pub async fn keep_current(
    pair: Option<ReloadingPair>,
    every: Duration,
    mut asked: ReloadSignal,
    stop: impl Future<Output = ()>,
) {
    let Some(mut pair) = pair else {
        return;
    };
    let mut stop = pin!(stop);
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let anew = tokio::select! {
            () = &mut stop => return,
            _ = tick.tick() => Asked::ByTime,
            () = asked.next() => Asked::BySignal,
        };
        // Files may lie on a disk that takes its time.
        let looked = tokio::task::spawn_blocking(move || {
            let now = SystemClock.now();
            let look = match anew {
                Asked::ByTime => pair.look(now),
                Asked::BySignal => pair.look_anew(now),
            };
            (pair, look)
        });
        let Ok((back, look)) = looked.await else {
            tracing::error!("the TLS files are not watched any more; restart `serve`");
            return;
        };
        pair = back;
        say(&look);
    }
}

/// Who wants to know.
#[derive(Clone, Copy)]
enum Asked {
    ByTime,
    BySignal,
}

fn say(look: &Look) {
    match look {
        Look::Unchanged => {}
        Look::Replaced(facts) => {
            let until = day(facts.not_after);
            tracing::info!(
                until,
                "the TLS certificate was read; new connections use it"
            );
        }
        Look::Kept(error) => {
            let failure = in_words(error);
            tracing::error!(
                failure,
                "the TLS files are not used; the former certificate stays"
            );
        }
    }
}
