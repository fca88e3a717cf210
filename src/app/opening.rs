//! Opening the database for an [`App`](super::App), with or without applying migrations.

use std::sync::Arc;

use super::Error;
use crate::{base::clock::Clock, storage::MigrationState};

pub use crate::{factor::password::HashCost, storage::Store};

/// What to do about migrations that are not applied yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Migrations {
    /// Apply them.
    Apply,
    /// Refuse to start.
    MustBeApplied,
}

/// Opens `url`. Its events get their instants from `clock`.
pub async fn open_store(
    url: &str,
    migrations: Migrations,
    clock: &Arc<dyn Clock>,
) -> Result<Store, Error> {
    let store = Store::connect(url).await?.with_clock(Arc::clone(clock));
    if migrations == Migrations::Apply {
        require_known(&store).await?;
        store.migrate().await?;
    }
    let pending = require_known(&store).await?;
    if pending.is_empty() {
        Ok(store)
    } else {
        Err(Error::conflict(format!(
            "the database lacks migrations ({}); run `claimbridge migrate`, or `serve --migrate`",
            pending.join(", ")
        )))
    }
}

/// The names of the migrations that `url` lacks.
pub async fn pending_migrations(url: &str) -> Result<Vec<String>, Error> {
    require_known(&Store::connect(url).await?).await
}

/// Applies the migrations that `url` lacks; their names.
pub async fn migrate(url: &str) -> Result<Vec<String>, Error> {
    let store = Store::connect(url).await?;
    require_known(&store).await?;
    Ok(store.migrate().await?)
}

/// What is pending. A schema that is ahead of this program is not touched.
async fn require_known(store: &Store) -> Result<Vec<String>, Error> {
    match store.migration_state().await? {
        MigrationState::Current => Ok(Vec::new()),
        MigrationState::Pending(names) => Ok(names),
        MigrationState::Unknown(names) => Err(Error::conflict(format!(
            "the database has migrations that this version does not know ({}); run the version that made them",
            names.join(", ")
        ))),
    }
}
