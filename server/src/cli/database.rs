//! Opening the database beside a server: it must be there, and its schema must be ours.

use crate::{
    config::Config,
    keys::keyring_configured,
    system::{SystemClock, SystemEntropy},
    wiring::open_database,
};
use anyhow::{Context as _, bail};
use service::{KeyStartError, Keys};
use std::sync::Arc;
use store::{Db, DbConfig};

/// Opens the database of a Patchbay that has run already.
///
/// # Errors
/// One sentence that says what to do.
pub(super) async fn open_existing(config: &Config) -> anyhow::Result<Db> {
    if let DbConfig::Sqlite { path } = &config.database
        && !path.exists()
    {
        bail!(
            "there is no database at {}; set PATCHBAY_DATA_DIR or PATCHBAY_DATABASE_URL to that of your server",
            path.display()
        );
    }
    let db = open_database(&config.database).await?;
    let pending = db.migrations_pending().await.context("the database cannot be used by this build")?;
    if !pending.is_empty() {
        db.close().await;
        bail!("the database schema lacks {}; run `patchbay migrate` first", pending.join(", "));
    }
    Ok(db)
}

/// What work on keys stands on: the configured keys, never new ones.
///
/// # Errors
/// Without any key.
pub(super) fn keys_of(config: &Config, db: &Db) -> anyhow::Result<Keys> {
    let keyring = keyring_configured(config)?.ok_or(KeyStartError::NoneConfigured)?;
    Ok(Keys {
        db: db.clone(),
        keyring: Arc::new(keyring),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
    })
}
