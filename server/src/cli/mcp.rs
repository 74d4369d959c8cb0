//! `patchbay mcp export|import`: servers as a document, on the configured database, also beside a running server. `probe` needs none.

mod probe;
mod words;

use super::database::{keys_of, open_existing};
use crate::{config::Config, serve::announce};
use anyhow::{Context as _, bail};
use api::transfer::{ImportPlan, ImportRequest};
use clap::{Args, Subcommand, ValueEnum};
use domain::limits::IMPORT_BYTES;
use service::{ExportFormat, Keys, OperatorEgress, Replica, ServerTransfer};
use std::{
    io::Read,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use store::Db;

#[derive(Debug, Subcommand)]
pub(super) enum McpCommand {
    /// Write every server into a document, without its secrets.
    Export(ExportArgs),
    /// Show what a document of servers would change; with --apply, change it.
    Import(ImportArgs),
    /// Ask an MCP server what it speaks and offers, without registering it; with --call, call a tool.
    Probe(probe::ProbeArgs),
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[arg(long, value_enum, default_value_t = Language::Yaml)]
    format: Language,
    /// Where to write it. Default: standard output.
    #[arg(long)]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Our own YAML or JSON, or the mcpServers JSON of a desktop client; - reads standard input.
    file: PathBuf,
    /// Carry the plan out.
    #[arg(long)]
    apply: bool,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Language {
    Yaml,
    Json,
}

/// Runs the command to its end.
///
/// # Errors
/// One sentence for the operator.
pub(super) async fn run(command: McpCommand, config: &Config) -> anyhow::Result<()> {
    match command {
        McpCommand::Export(args) => export(args, config).await,
        McpCommand::Import(args) => import(args, config).await,
        McpCommand::Probe(args) => probe::run(args, config).await,
    }
}

async fn export(args: ExportArgs, config: &Config) -> anyhow::Result<()> {
    let format = match args.format {
        Language::Yaml => ExportFormat::Yaml,
        Language::Json => ExportFormat::Json,
    };
    let transfer = open(config).await?;
    let document = transfer.export(format).await;
    transfer.db.close().await;
    let document = document.context("the servers cannot be read")?;
    let Some(path) = args.output else {
        announce(document.trim_end());
        return Ok(());
    };
    // Addresses and tool names are nobody else's business.
    let file = std::fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&path);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, document.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

async fn import(args: ImportArgs, config: &Config) -> anyhow::Result<()> {
    let request = ImportRequest { document: read(&args.file)?, ..ImportRequest::default() };
    let transfer = open(config).await?;
    let done = if args.apply {
        apply(&transfer, &request).await
    } else {
        transfer.preview(&request).await.map_err(Into::into)
    };
    transfer.db.close().await;
    let plan = done.with_context(|| format!("cannot import {}", args.file.display()))?;
    if args.json {
        announce(&serde_json::to_string_pretty(&plan).context("the plan cannot be written as JSON")?);
    } else {
        words::lines(&plan).iter().for_each(|line| announce(line));
    }
    Ok(())
}

/// Writes as one of the replicas while it lasts: secrets are sealed with the key that all of them can read, and a key that the
/// database does not know yet becomes known.
async fn apply(transfer: &ServerTransfer, request: &ImportRequest) -> anyhow::Result<ImportPlan> {
    let ctx = super::context("patchbay mcp import".to_owned());
    let (clock, entropy) = (transfer.clock.clone(), transfer.entropy.clone());
    let id = domain::clock::new_id(&*clock, &*entropy);
    let keys = Keys { db: transfer.db.clone(), keyring: transfer.keyring.clone(), clock, entropy };
    let replica = Replica::join(keys, id, &ctx).await?;
    let done = transfer.apply(&ctx, request).await;
    let left = replica.leave().await;
    let plan = done?;
    left.context("the other replicas notice in 30 s that this command is done")?;
    Ok(plan)
}

/// At most one byte more than may be read: the reader of documents says the rest.
fn read(path: &Path) -> anyhow::Result<String> {
    let limit = u64::try_from(IMPORT_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            bail!("{} is no text in UTF-8, or larger than 1 MiB", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The database of a Patchbay that has run already, and its keys, checked as at a start.
async fn open(config: &Config) -> anyhow::Result<ServerTransfer> {
    let db = open_existing(config).await?;
    let transfer = transfer_of(config, &db).await;
    if transfer.is_err() {
        db.close().await;
    }
    transfer
}

async fn transfer_of(config: &Config, db: &Db) -> anyhow::Result<ServerTransfer> {
    let Keys { db, keyring, clock, entropy } = keys_of(config, db)?;
    service::keyring_verify(&db, &keyring).await?;
    let operator = OperatorEgress { allow: config.egress_allow.clone(), locked: config.egress_allow_locked };
    let allow = service::egress_allow_of(&db, &operator).await.context("the settings cannot be read")?;
    Ok(ServerTransfer { db, keyring, allow, clock, entropy })
}
