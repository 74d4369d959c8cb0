//! `patchbay backup FILE`: a copy of the SQLite database, also while it is served.

use super::{database::open_existing, files::Unfinished};
use crate::{
    config::Config,
    serve::announce,
    system::{SystemClock, SystemEntropy},
};
use anyhow::{Context as _, bail};
use clap::Args;
use std::path::PathBuf;
use store::{DbConfig, backup};

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The file to write; it must not exist.
    file: PathBuf,
}

/// Writes the copy, reads it back whole, and only then gives it its name.
///
/// # Errors
/// One sentence for the operator; there is no half-written file under the name then.
pub(super) async fn run(args: BackupArgs, config: &Config) -> anyhow::Result<()> {
    let DbConfig::Sqlite { path } = &config.database else {
        bail!(
            "`patchbay backup` copies SQLite; back up PostgreSQL with pg_dump, which works while Patchbay runs"
        )
    };
    if args.file.exists() {
        bail!("{} exists already; choose another name", args.file.display());
    }
    let db = open_existing(config).await?;
    let target = Unfinished::beside(&args.file)?;
    backup::database_copy(path, target.path())
        .await
        .with_context(|| format!("the database cannot be copied to {}", args.file.display()))?;
    let tables = backup::database_verify(target.path()).await.context("the copy cannot be read back")?;
    target.keep(&args.file)?;
    let ctx = super::context("patchbay backup".to_owned());
    service::database_backed_up(&db, &SystemClock, &SystemEntropy, &ctx)
        .await
        .context("the backup is written, but not noted in the audit log")?;
    db.close().await;
    let bytes = std::fs::metadata(&args.file).map(|data| data.len()).unwrap_or_default();
    announce(&format!("Wrote {}: {}", args.file.display(), summary(&tables, bytes)));
    announce(
        "Secrets in it are encrypted, chats are not. Keep the encryption key in another place: without it the secrets are lost.",
    );
    Ok(())
}

/// What people count, and how large it is.
pub(super) fn summary(tables: &[(String, i64)], bytes: u64) -> String {
    let rows = |name: &str| tables.iter().find(|(table, _)| table == name).map_or(0, |(_, rows)| *rows);
    format!(
        "{} users, {} servers, {} chats, {} messages, {} KiB",
        rows("users"),
        rows("mcp_servers"),
        rows("chats"),
        rows("messages"),
        bytes.div_ceil(1024)
    )
}
