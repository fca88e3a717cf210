//! Waiting for Graph, and who is told of it.

use std::{future::Future, pin::Pin, time::Duration};

/// Why a call waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PauseReason {
    /// Graph asks us to (429, or 503 with `Retry-After`).
    Asked,
    /// Graph is out of order, or its answer did not arrive whole.
    OutOfOrder,
}

/// A wait before the next try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pause {
    /// How long.
    pub lasts: Duration,
    /// Why.
    pub reason: PauseReason,
}

impl Pause {
    /// For a progress bar: `Graph asks us to wait 10 s`.
    pub fn in_words(&self) -> String {
        let seconds = self.lasts.as_secs().max(1);
        match self.reason {
            PauseReason::Asked => format!("Graph asks us to wait {seconds} s"),
            PauseReason::OutOfOrder => {
                format!("Graph did not answer as it should; trying again in {seconds} s")
            }
        }
    }
}

/// Waits, and may tell somebody.
pub trait Patience: Send + Sync {
    /// Returns when `pause` is over.
    fn pause(&self, pause: Pause) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Waits by tokio's clock and tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits;

impl Patience for Waits {
    fn pause(&self, pause: Pause) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(pause.lasts))
    }
}

/// Waits by tokio's clock and tells this function first.
impl<F: Fn(Pause) + Send + Sync> Patience for F {
    fn pause(&self, pause: Pause) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self(pause);
        Box::pin(tokio::time::sleep(pause.lasts))
    }
}
