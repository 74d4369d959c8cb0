//! `patchbay migrate`.

use crate::{
    config::Config,
    serve::announce,
    wiring::{make_private_dir, open_database},
};
use anyhow::Context as _;
use store::DbConfig;

/// Brings the schema up to date. A running server of the previous release goes on: migrations only add.
///
/// # Errors
/// One sentence for the operator.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    if let DbConfig::Sqlite { path } = &config.database
        && let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
    {
        make_private_dir(folder)?;
    }
    let db = open_database(&config.database).await?;
    let pending = db.migrations_pending().await.context("the database cannot be used by this build")?;
    db.migrate().await.context("the database schema cannot be brought up to date")?;
    db.close().await;
    for name in &pending {
        announce(&format!("Applied migration {name}"));
    }
    announce(match pending.len() {
        0 => "The database schema was up to date already.",
        _ => "The database schema is up to date.",
    });
    Ok(())
}
