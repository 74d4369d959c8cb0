//! `patchbay restore FILE`: puts a backup in the place of the SQLite database that nobody serves, and takes back what an old
//! database must not act on. `--loaded` does the second part alone, for PostgreSQL after `pg_restore`.

use super::{
    backup::summary,
    database::open_existing,
    files::{Unfinished, sync_folder, with_suffix},
};
use crate::{
    config::Config,
    keys::keyring_configured,
    serve::announce,
    system::{SystemClock, SystemEntropy},
    wiring::{lock_beside, make_private_dir, open_database},
};
use anyhow::{Context as _, bail};
use api::keys::KeyStatus;
use clap::Args;
use domain::clock::Clock as _;
use std::path::{Path, PathBuf};
use store::{
    Db, DbConfig,
    backup::{self, Restored},
    replicas::replicas_live,
};

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// What `patchbay backup` wrote.
    #[arg(required_unless_present = "loaded", conflicts_with = "loaded")]
    file: Option<PathBuf>,
    /// Take the place of the database that is there; it is kept beside it under another name.
    #[arg(long, conflicts_with = "loaded")]
    replace: bool,
    /// The backup is in its place already, as after `pg_restore`: only do what must follow.
    #[arg(long)]
    loaded: bool,
}

/// Runs it.
///
/// # Errors
/// One sentence for the operator. Up to the last step the database that was there stays as it is.
pub(super) async fn run(args: RestoreArgs, config: &Config) -> anyhow::Result<()> {
    match (&config.database, args.file) {
        (DbConfig::Postgres { .. }, Some(_)) => bail!(
            "this command loads backups of SQLite; load PostgreSQL's with pg_restore, then run `patchbay restore --loaded`"
        ),
        (DbConfig::Sqlite { path }, Some(file)) => load(&file, path, args.replace, config).await,
        (DbConfig::Sqlite { path }, None) => {
            let _lock = lock_beside(path)?;
            follow_up(config).await
        }
        (DbConfig::Postgres { .. }, None) => follow_up(config).await,
    }
}

/// What must follow once the backup is in its place.
async fn follow_up(config: &Config) -> anyhow::Result<()> {
    let db = open_existing(config).await?;
    if let Db::Postgres(_) = &db {
        let live = replicas_live(&mut db.read().await?).await?;
        if !live.is_empty() {
            bail!(
                "{} replicas served this database within the last 30 s; stop them, wait 30 s, and repeat",
                live.len()
            );
        }
    }
    keys_open(config, &db).await?;
    let restored = mark(&db).await?;
    db.close().await;
    report(restored);
    Ok(())
}

async fn load(file: &Path, database: &Path, replace: bool, config: &Config) -> anyhow::Result<()> {
    if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_private_dir(folder)?;
    }
    let _lock = lock_beside(database)?;
    let there = database.exists();
    if there && !replace {
        bail!(
            "there is a database at {} already; with --replace the backup takes its place, and it is kept under another name",
            database.display()
        );
    }
    backup::database_verify(file).await.with_context(|| format!("{} cannot be restored", file.display()))?;
    let copy = Unfinished::beside(database)?;
    std::fs::copy(file, copy.path()).with_context(|| format!("{} cannot be copied", file.display()))?;
    std::fs::set_permissions(copy.path(), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .with_context(|| format!("{} cannot be made private", copy.path().display()))?;
    let (restored, mut notes) = prepare(copy.path(), config).await?;
    if there {
        // A journal that was left would be applied to the new file.
        match backup::database_settle(database).await {
            Ok(()) => match backup::deletions_keep(copy.path(), database).await {
                Ok(0) => {}
                Ok(kept) => {
                    notes.push(format!("{kept} deletions and suspensions since the backup were kept."))
                }
                Err(error) => notes.push(not_compared(&error)),
            },
            Err(error) => notes.push(not_compared(&error)),
        }
    }
    backup::database_settle(copy.path()).await.context("the restored database cannot be closed")?;
    let tables = backup::database_verify(copy.path()).await.context("the restored database is not whole")?;
    let bytes = std::fs::metadata(copy.path()).map(|data| data.len()).unwrap_or_default();
    if there {
        let kept = set_aside(database)?;
        announce(&format!("The database that was there is kept as {}", kept.display()));
    }
    copy.replace(database)?;
    announce(&format!("Restored {}: {}", database.display(), summary(&tables, bytes)));
    report(restored);
    for note in notes {
        announce(&note);
    }
    Ok(())
}

/// Brings the copy up to date with this build, makes sure that its secrets can be read, and takes back what it must not act on.
async fn prepare(copy: &Path, config: &Config) -> anyhow::Result<(Restored, Vec<String>)> {
    let db = open_database(&DbConfig::Sqlite { path: copy.to_owned() }).await?;
    let pending = db.migrations_pending().await.context("the backup cannot be used by this build")?;
    db.migrate().await.context("the schema of the backup cannot be brought up to date")?;
    keys_open(config, &db).await?;
    let restored = mark(&db).await?;
    db.close().await;
    Ok((restored, pending.iter().map(|name| format!("Applied migration {name}")).collect()))
}

/// A database whose keys are missing would refuse to start: better to hear of it while the old one is in its place.
async fn keys_open(config: &Config, db: &Db) -> anyhow::Result<()> {
    let keyring = keyring_configured(config)?;
    let keys = service::keys_status(db, keyring.as_ref()).await?;
    let lost: Vec<&str> =
        keys.iter().filter(|key| KeyStatus::is_lost(key)).map(|key| key.id.as_str()).collect();
    if !lost.is_empty() {
        bail!(
            "the backup needs the encryption key {}, which is not configured here; put back the key file of that time, or set PATCHBAY_ENCRYPTION_KEYS",
            lost.join(", ")
        );
    }
    Ok(())
}

async fn mark(db: &Db) -> anyhow::Result<Restored> {
    let ctx = super::context("patchbay restore".to_owned());
    service::database_restored(db, &SystemClock, &SystemEntropy, &ctx)
        .await
        .context("what an old database must not act on could not be taken back")
}

/// Gives the present database a second name, and its journal if one is left.
fn set_aside(database: &Path) -> anyhow::Result<PathBuf> {
    let seconds = SystemClock.now().0 / 1_000_000;
    let kept = with_suffix(database, &format!(".before-restore-{seconds}"));
    std::fs::hard_link(database, &kept)
        .with_context(|| format!("the present database cannot be kept as {}", kept.display()))?;
    for suffix in ["-wal", "-shm"] {
        let journal = with_suffix(database, suffix);
        if journal.exists() {
            std::fs::rename(&journal, with_suffix(&kept, suffix))
                .with_context(|| format!("{} cannot be moved", journal.display()))?;
        }
    }
    sync_folder(database)?;
    Ok(kept)
}

fn not_compared(error: &store::StoreError) -> String {
    format!(
        "The database that was there could not be compared ({error}): what was deleted since the backup is back, API tokens and connections among it."
    )
}

fn report(restored: Restored) {
    let Restored { sessions, tokens, refresh_tokens, turns } = restored;
    announce(&format!(
        "{sessions} sessions ended: people sign in again. {tokens} API tokens are as they were when the backup was made."
    ));
    announce(&format!(
        "{refresh_tokens} refresh tokens removed: they may be spent. Those people connect again when their access token ends."
    ));
    announce(&format!(
        "{turns} turns that were under way have failed; what they did after the backup is not known."
    ));
}
