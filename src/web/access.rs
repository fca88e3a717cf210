//! The map: every address, who may use it, and whether a GET may change something.
//!
//! Always true: the router is built from this table and from nothing else, so an
//! address that is not listed does not exist. A test asks each as nobody and as a
//! signed-in person.

use std::sync::Arc;

use axum::routing::{MethodRouter, get};

use super::{Web, assets, health, home};

/// Who gets an answer other than "start again" or a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Who {
    /// Anyone.
    Anyone,
    /// The browser that began the attempt, by its cookie.
    AttemptsBrowser,
    /// A person with a session.
    SignedIn,
}

/// What a GET may change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Get {
    /// Nothing, or there is no GET.
    ChangesNothing,
    /// It begins or answers a sign-in: the protocol asks by GET.
    Protocol,
}

/// One row.
pub struct Route {
    /// The path, as axum writes it.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
    /// What a GET does.
    pub get: Get,
    /// What answers.
    pub(super) handler: MethodRouter<Arc<Web>>,
}

/// The table.
pub fn routes() -> Vec<Route> {
    use Get::ChangesNothing;
    use Who::Anyone;

    let row = |path, who, get, handler| Route {
        path,
        who,
        get,
        handler,
    };
    #[rustfmt::skip]
    let table = vec![
        row("/",                    Anyone,          ChangesNothing, get(home::home)),
        row("/assets/{file}",       Anyone,          ChangesNothing, get(assets::serve)),
        row("/healthz",             Anyone,          ChangesNothing, get(health::healthz)),
    ];
    table
}

/// Whether a path belongs to the endpoints that answer under any host name.
pub fn is_health(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}
