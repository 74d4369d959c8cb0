//! The command line: what can be typed, and which module does it.

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::assets::{self, Mode};
use crate::workspace::Workspace;
use crate::{bench, coverage, drill, edges, openapi, serve, testing, wasm_target};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, run and check Patchbay", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the browser assets and the `patchbay` binary with the assets inside it
    Build {
        /// Optimised: wasm through wasm-opt, assets at the highest compression, server with LTO
        #[arg(long)]
        release: bool,
    },
    /// Build the browser assets only (wasm, JavaScript, CSS, static files)
    Assets {
        #[arg(long)]
        release: bool,
    },
    /// Build everything and serve it on http://127.0.0.1:3000
    Run(serve::RunArgs),
    /// Run all tests: unit, store on both engines, REST, browser
    Test(testing::TestArgs),
    /// Measure the real binary and print the figures as JSON
    Bench(bench::BenchArgs),
    /// Kill replicas, cut streams and take the database away, and check that nothing is lost and nothing done twice
    Drill(drill::DrillArgs),
    /// Check that no crate imports what the plan of the house forbids
    Edges,
    /// Check that every test named in docs/coverage.md exists
    Coverage,
    /// Write docs/openapi.json anew, from the binary's own description of its API
    Openapi,
    /// Run clippy, warnings denied, on the half that runs in the browser
    ClippyFront,
}

/// Parses the arguments and runs the command.
///
/// # Errors
/// Whatever the command met; `main` prints the whole chain and exits with a failure.
pub(crate) fn run() -> Result<()> {
    let cli = Cli::parse();
    let workspace = Workspace::load()?;
    match cli.command {
        Command::Build { release } => serve::build(&workspace, Mode::from_release(release)).map(drop),
        Command::Assets { release } => assets::build(&workspace, Mode::from_release(release)),
        Command::Run(args) => serve::run(&workspace, &args),
        Command::Test(args) => testing::run(&workspace, &args),
        Command::Bench(args) => bench::run(&workspace, &args),
        Command::Drill(args) => drill::run(&workspace, &args),
        Command::Edges => edges::check(&workspace),
        Command::Coverage => coverage::check(&workspace),
        Command::Openapi => openapi::write(&workspace),
        Command::ClippyFront => wasm_target::clippy(&workspace),
    }
}

/// The names of all subcommands, for the check of docs/coverage.md.
pub(crate) fn subcommand_names() -> Vec<String> {
    <Cli as clap::CommandFactory>::command().get_subcommands().map(|c| c.get_name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn every_documented_command_is_known() {
        let names = subcommand_names();
        for expected in ["build", "run", "test", "edges"] {
            assert!(names.iter().any(|name| name == expected), "no `{expected}` in {names:?}");
        }
    }
}
