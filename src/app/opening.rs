//! Opening the database for an [`App`](super::App), with or without applying migrations.

use std::sync::Arc;

use super::Error;
use crate::{
    base::clock::Clock,
    storage::{MigrationState, Store},
};

pub use crate::factor::password::HashCost;

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
    match migrations {
        Migrations::Apply => {
            store.migrate().await?;
        }
        Migrations::MustBeApplied => {
            let state = store.migration_state().await?;
            if state != MigrationState::Current {
                return Err(Error::conflict(
                    "the database does not have this version's schema; run `claimbridge migrate` (or start with --migrate)",
                ));
            }
        }
    }
    Ok(store)
}
