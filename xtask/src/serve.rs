//! `cargo xtask build` and `cargo xtask run`.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::assets::{self, Mode};
use crate::process;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct RunArgs {
    /// Start with a sample MCP server, a demo owner and user (passwords printed) and the demo model
    #[arg(long)]
    demo: bool,
    /// Build optimised
    #[arg(long)]
    release: bool,
    /// Address and port to listen on; the server's own default is 127.0.0.1:3000
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Handed to `patchbay serve` as they are
    #[arg(last = true)]
    extra: Vec<String>,
}

/// Builds assets and server, in this order because the server embeds the assets. Returns the binary.
///
/// # Errors
/// When a step fails.
pub(crate) fn build(workspace: &Workspace, mode: Mode) -> Result<PathBuf> {
    assets::build(workspace, mode)?;
    build_server(workspace, mode)?;
    Ok(binary(workspace, mode))
}

/// Builds the server with whatever browser half is there.
///
/// # Errors
/// When it does not compile.
pub(crate) fn build_server(workspace: &Workspace, mode: Mode) -> Result<()> {
    process::timed(&format!("server ({})", mode.folder()), || {
        process::run(&mut server_command(workspace, mode))
    })
}

/// The command that builds the server.
pub(crate) fn server_command(workspace: &Workspace, mode: Mode) -> Command {
    let mut command = process::cargo(workspace.root());
    command.args(["build", "--locked", "--package", "patchbay-server"]);
    if mode == Mode::Release {
        command.arg("--release");
    }
    command
}

/// Where cargo puts the server.
pub(crate) fn binary(workspace: &Workspace, mode: Mode) -> PathBuf {
    workspace.target(mode.folder()).join("patchbay")
}

/// Builds, then becomes the server: signals and the exit code are its own.
///
/// # Errors
/// When the build fails or the binary cannot be started; otherwise it does not return.
pub(crate) fn run(workspace: &Workspace, args: &RunArgs) -> Result<()> {
    let binary = build(workspace, Mode::from_release(args.release))?;
    let mut command = Command::new(&binary);
    command.current_dir(workspace.root()).arg("serve");
    if args.demo {
        command.arg("--demo");
        // A demo keeps its people and chats apart from those of a real data directory.
        if std::env::var_os("PATCHBAY_DATA_DIR").is_none() {
            command.env("PATCHBAY_DATA_DIR", workspace.target("demo-data"));
        }
    }
    if let Some(address) = &args.listen {
        command.env("PATCHBAY_LISTEN", address);
    }
    command.args(&args.extra);
    process::announce(&format!("starting {}", process::command_line(&command)));
    let error = command.exec();
    Err(error).with_context(|| format!("could not start {}", binary.display()))
}
