//! The command line (behaviour 30). `serve` is the default; the others are short and work beside a running server.

mod backup;
mod config;
mod database;
mod doctor;
mod files;
mod keys;
mod mcp;
mod migrate;
mod restore;

use crate::config::Settings;
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use service::{OpContext, RequestInfo};
use std::{io::Write as _, net::SocketAddr, path::PathBuf};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Parser)]
#[command(name = "patchbay", version, about = "Plug MCP servers into AI chats without giving up control.")]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the web app and the API.
    Serve(ServeArgs),
    /// Bring the database schema up to date, and say what was done.
    Migrate,
    /// Encryption keys: what there is, and how values move from one to another.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// MCP servers: export and import them as a document, probe one.
    #[command(subcommand)]
    Mcp(mcp::McpCommand),
    /// Copy the SQLite database into a file, also while it is served.
    Backup(backup::BackupArgs),
    /// Put a backup in the place of the database, while nobody serves it.
    Restore(restore::RestoreArgs),
    /// Check configuration, database, keys and addresses: one line each, and what to do.
    Doctor,
    /// Print the effective settings and where each comes from; secrets are not shown.
    Config,
    /// Run the sample MCP server: search_docs, create_ticket, slow_count.
    SampleMcp(SampleArgs),
    /// Print the OpenAPI description of this build's API.
    Openapi,
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// Also start the sample MCP server, make a demo owner and a demo user, and select the demo model.
    #[arg(long)]
    demo: bool,
}

#[derive(Debug, Args)]
struct SampleArgs {
    /// Where to listen; loopback only makes sense for demos.
    #[arg(long, default_value = "127.0.0.1:3990")]
    addr: SocketAddr,
    /// Where tickets and the effect ledger are written.
    #[arg(long, env = "PATCHBAY_SAMPLE_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

impl Cli {
    /// Runs the chosen command to its end.
    ///
    /// # Errors
    /// One sentence for the operator.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            None => crate::serve(self.settings.load()?, false).await,
            Some(Command::Serve(args)) => crate::serve(self.settings.load()?, args.demo).await,
            Some(Command::Migrate) => migrate::run(&self.settings.load()?).await,
            Some(Command::Keys(command)) => keys::run(command, &self.settings.load()?).await,
            Some(Command::Mcp(command)) => mcp::run(command, &self.settings.load()?).await,
            Some(Command::Backup(args)) => backup::run(args, &self.settings.load()?).await,
            Some(Command::Restore(args)) => restore::run(args, &self.settings.load()?).await,
            Some(Command::Doctor) => doctor::run(self.settings).await,
            Some(Command::Config) => config::run(self.settings),
            Some(Command::SampleMcp(args)) => sample_mcp(args).await,
            Some(Command::Openapi) => print_description(),
        }
    }
}

fn print_description() -> anyhow::Result<()> {
    let text = crate::http::openapi::published().text.as_bytes();
    std::io::stdout().write_all(text).context("cannot write the description to standard output")
}

/// Nobody is signed in here; the audit log shows the command instead.
fn context(command: String) -> OpContext {
    let request = RequestInfo { actor: "command line", user_agent: command, ..RequestInfo::default() };
    OpContext { caller: None, request }
}

async fn sample_mcp(args: SampleArgs) -> anyhow::Result<()> {
    let data_dir = args.data_dir.unwrap_or_else(|| std::env::temp_dir().join("patchbay-sample-mcp"));
    std::fs::create_dir_all(&data_dir).with_context(|| format!("cannot write to {}", data_dir.display()))?;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let mut signals = crate::serve::StopSignal::catch()?;
    tokio::spawn(async move {
        signals.received().await;
        stop.cancel();
    });
    samplemcp::serve(
        args.addr,
        data_dir,
        |addr| crate::serve::announce(&format!("Sample MCP server at http://{addr}/mcp")),
        shutdown,
    )
    .await
    .with_context(|| format!("cannot serve the sample MCP server on {}", args.addr))
}
