//! `cargo xtask bench …`: figures of the real binary, as JSON that can be kept in `bench/`.
//!
//! Nothing of ours is linked in: the binary is started as a process and spoken to over loopback, so the figures are
//! those an operator would see. `bench/README.md` says what each figure means.

mod chat;
mod connector;
mod disk;
pub(crate) mod http;
pub(crate) mod machine;
mod oauth;
mod proc_fs;
mod registry;
mod report;
pub(crate) mod scratch;
pub(crate) mod server;
mod smoke;
pub(crate) mod statistics;
mod workload;

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};

use crate::assets::Mode;
use crate::workspace::Workspace;
use crate::{process, serve};

#[derive(Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    which: Which,
}

#[derive(Subcommand)]
enum Which {
    /// One to two minutes: start, idle memory, sizes, the list of servers, whole turns
    Smoke(BuildArgs),
    /// A few minutes: list, get, create, patch and delete of 10, 1 000 and 10 000 servers on both databases
    Registry(BuildArgs),
    /// A few minutes: one tool call by rmcp's client, through the pool, and over REST on both databases
    Connector(BuildArgs),
    /// A few minutes: connecting a user over OAuth, and the list of 1 000 servers with a connection each
    Oauth(BuildArgs),
    /// Ten minutes: whole turns, many at once, many open streams, and chats among a million messages on both databases
    Chat(BuildArgs),
}

#[derive(Args)]
struct BuildArgs {
    /// Measure the debug build, to try the benchmark itself; its figures say nothing about the product
    #[arg(long)]
    debug: bool,
    /// Measure the binary as it lies in the target folder instead of building first
    #[arg(long)]
    no_build: bool,
}

/// Builds, measures, and prints one JSON object on standard output; progress goes to standard error.
///
/// A goal that is missed is a figure, not a failure: it stands in the JSON as `"met": false`.
///
/// # Errors
/// When the build fails, when the binary does not do what the benchmark asks of it, or when this is not Linux.
pub(crate) fn run(workspace: &Workspace, args: &BenchArgs) -> Result<()> {
    let (Which::Smoke(which)
    | Which::Registry(which)
    | Which::Connector(which)
    | Which::Oauth(which)
    | Which::Chat(which)) = &args.which;
    if !cfg!(target_os = "linux") {
        bail!("the benchmark reads memory and processor time from /proc, which only Linux has");
    }
    process::announce_beside();
    let mode = Mode::from_release(!which.debug);
    if !which.no_build {
        build(workspace, mode)?;
        if let Which::Connector(_) | Which::Oauth(_) | Which::Chat(_) = args.which {
            connector::build(workspace, mode)?;
        }
    }
    let binary = serve::binary(workspace, mode);
    if !binary.is_file() {
        bail!("{} is not there; leave out --no-build", workspace.shown(&binary));
    }
    let report = match &args.which {
        Which::Smoke(_) => smoke::measure(workspace, mode, &binary)?,
        Which::Registry(_) => registry::measure(workspace, mode, &binary)?,
        Which::Connector(_) => connector::measure(workspace, mode, &binary)?,
        Which::Oauth(_) => oauth::measure(workspace, mode, &binary)?,
        Which::Chat(_) => chat::measure(workspace, mode, &binary)?,
    };
    println!("{report:#}");
    Ok(())
}

/// A build in a process of its own, because the steps of a build announce themselves on standard output, which here
/// belongs to the report.
fn build(workspace: &Workspace, mode: Mode) -> Result<()> {
    let own = std::env::current_exe().context("cannot find the path of xtask itself")?;
    let mut command = Command::new(own);
    command.current_dir(workspace.root()).arg("build");
    if mode == Mode::Release {
        command.arg("--release");
    }
    process::run(command.stdin(Stdio::null()).stdout(std::io::stderr()))
}

/// One line of progress. A closed standard error is no reason to stop measuring.
pub(crate) fn progress(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "==> {line}");
}
