//! `patchbay keys` (behaviour 26): beside a running server, on the same database.

use super::database::{keys_of, open_existing};
use crate::{config::Config, keys::keyring_configured, serve::announce};
use anyhow::{Context as _, bail};
use api::keys::KeyStatus;
use clap::Subcommand;
use dbcrypt::KeyId;
use service::{OpContext, Rotation};
use store::Db;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Every key: its state, whether it is configured here, and how many values need it.
    Status {
        /// As JSON, like `GET /api/v2/keys`.
        #[arg(long)]
        json: bool,
    },
    /// Encrypt every stored secret with the first configured key. Can be repeated, and goes on where it was interrupted.
    Rotate,
    /// Give up a key that nothing needs: no start with it from now on.
    Revoke {
        /// 16 characters, as `status` prints them.
        id: String,
    },
    /// Delete the values whose key is lost, so that Patchbay starts again. Without --yes: say what would be deleted.
    Purge {
        /// Do it.
        #[arg(long)]
        yes: bool,
    },
}

/// Runs one of them.
///
/// # Errors
/// One sentence for the operator.
pub(super) async fn run(command: KeysCommand, config: &Config) -> anyhow::Result<()> {
    let db = open_existing(config).await?;
    let done = match command {
        KeysCommand::Status { json } => status(config, &db, json).await,
        KeysCommand::Rotate => rotate(config, &db).await,
        KeysCommand::Revoke { id } => revoke(config, &db, &id).await,
        KeysCommand::Purge { yes } => purge(config, &db, yes).await,
    };
    db.close().await;
    done
}

fn context(command: &str) -> OpContext {
    super::context(format!("patchbay keys {command}"))
}

async fn status(config: &Config, db: &Db, json: bool) -> anyhow::Result<()> {
    let keyring = keyring_configured(config)?;
    let keys = service::keys_status(db, keyring.as_ref()).await?;
    if json {
        announce(&serde_json::to_string_pretty(&keys).context("the status cannot be written as JSON")?);
        return Ok(());
    }
    if keys.is_empty() {
        announce("No key is known or configured. The first start makes one.");
        return Ok(());
    }
    announce("KEY               STATE       HERE     REPLICAS  VALUES");
    for key in &keys {
        announce(&line_of(key));
        for used in &key.usage {
            announce(&format!("    {}.{}: {}", used.table, used.column, used.values));
        }
    }
    if let Some(sentence) = not_counted(db) {
        announce(sentence);
    }
    if keys.iter().any(KeyStatus::is_lost) {
        announce(
            "Values need a key that is not configured here. Configure it, or give them up with `patchbay keys purge`.",
        );
    }
    Ok(())
}

/// What no count of replicas can know. On SQLite one process serves at a time, so nothing is missing there.
fn not_counted(db: &Db) -> Option<&'static str> {
    matches!(db, Db::Postgres(_)).then_some(
        "Not counted: replicas of a release that does not register itself (schema 0001). One that still runs cannot read what is \
         encrypted with a new key. If this database was ever used by such a release, make sure that none of its processes runs.",
    )
}

fn line_of(key: &KeyStatus) -> String {
    let state = key.state.map_or("unknown", |state| state.as_str());
    let here = match (key.configured, key.writes) {
        (true, true) => "first",
        (true, false) => "yes",
        (false, _) => "no",
    };
    let replicas = format!("{} of {}", key.readable_by, key.replicas);
    format!("{}  {state:<10}  {here:<7}  {replicas:<8}  {}", key.id, key.values())
}

async fn rotate(config: &Config, db: &Db) -> anyhow::Result<()> {
    if let Some(sentence) = not_counted(db) {
        announce(sentence);
    }
    let rotation = Rotation::begin(keys_of(config, db)?, context("rotate")).await?;
    let done = rotation.run().await?;
    for (place, values) in &done.moved {
        announce(&format!("{place}: {values} values moved"));
    }
    for id in &done.retired {
        announce(&format!("Key {id} is retired: no value needs it."));
    }
    if done.failed.is_empty() {
        announce(&format!("Every stored secret is encrypted with key {}.", done.key));
        return Ok(());
    }
    for failure in &done.failed {
        announce(&format!("Not readable: {}.{} of row {}", failure.table, failure.column, failure.row));
    }
    bail!(
        "{} values did not open and were left as they are; enter those secrets again, or delete their rows, and rotate again",
        done.failed.len()
    )
}

async fn revoke(config: &Config, db: &Db, id: &str) -> anyhow::Result<()> {
    let id: KeyId = id.parse().with_context(|| format!("{id} is no key id"))?;
    service::key_revoke(&keys_of(config, db)?, &context("revoke"), &id).await?;
    announce(&format!(
        "Key {id} is revoked. Remove it from PATCHBAY_ENCRYPTION_KEYS: no start with it from now on."
    ));
    Ok(())
}

async fn purge(config: &Config, db: &Db, yes: bool) -> anyhow::Result<()> {
    let keys = keys_of(config, db)
        .context("a purge needs the key that Patchbay shall go on with; make one and configure it first")?;
    let plan = if yes {
        service::keys_purge(&keys, &context("purge")).await?
    } else {
        service::keys_purge_plan(&keys).await?
    };
    if plan.is_empty() {
        announce("Every key in use is configured here. There is nothing to purge.");
        return Ok(());
    }
    let verb = if yes { "Deleted" } else { "Would delete" };
    for used in &plan.values {
        let key = used.key_id.as_deref().unwrap_or_default();
        announce(&format!("{verb} {} values of {} under key {key}", used.values, used.field.name()));
    }
    for id in &plan.keys {
        let verb = if yes { "Retired" } else { "Would retire" };
        announce(&format!("{verb} key {id}"));
    }
    announce(if yes {
        "Patchbay starts again. Enter the deleted secrets anew; people connect again."
    } else {
        "Nothing was deleted. This cannot be undone: if you can find the key, configure it. To go on, add --yes."
    });
    Ok(())
}
