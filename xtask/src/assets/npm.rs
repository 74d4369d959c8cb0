//! The npm packages we use as tools: Tailwind, wasm-opt, and the browser driver and peers of the end-to-end tests.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::stamp::{self, Key};
use crate::workspace::Workspace;

/// Oldest Node.js the tools work with.
const NODE_MAJOR_MIN: u32 = 20;

/// Installs exactly what `package-lock.json` names, unless it is there already.
///
/// Install scripts are not run: none of our packages needs one, and it keeps the installation free of surprises.
///
/// # Errors
/// When Node.js is missing or too old, or `npm ci` fails.
pub(crate) fn ensure(workspace: &Workspace) -> Result<()> {
    let node = node()?;
    let version = process::output(Command::new(&node).arg("--version"))?;
    let major =
        version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MAJOR_MIN) {
        bail!(
            "Node.js {NODE_MAJOR_MIN} or newer is needed, found {}; see https://nodejs.org",
            version.trim()
        );
    }
    let modules = workspace.path("node_modules");
    let key = Key::new("npm ci 1").file(&workspace.path("package-lock.json"))?;
    // The stamp lies inside node_modules, so deleting that folder forgets it too.
    stamp::cached(&modules.join(".patchbay-lock"), key, &[modules.join(".package-lock.json")], || {
        let npm = process::find_program("npm")
            .context("npm is missing; it comes with Node.js (on Debian: apt-get install npm)")?;
        process::timed("npm packages (npm ci)", || {
            let mut command = Command::new(npm);
            command.current_dir(workspace.root()).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
            process::run(&mut command)
        })?;
        std::fs::create_dir_all(&modules)?;
        Ok(())
    })?;
    Ok(())
}

/// Node.js itself.
///
/// # Errors
/// When it is not on `PATH`; the text says how to get it.
pub(crate) fn node() -> Result<PathBuf> {
    process::find_program("node").context(
        "Node.js is missing; install version 20 or newer from https://nodejs.org or your package manager",
    )
}

/// A command line tool of one of the packages, run by node.
pub(super) fn tool(workspace: &Workspace, name: &str) -> Result<Command> {
    let script = workspace.path("node_modules/.bin").join(name);
    let script =
        script.canonicalize().with_context(|| format!("{} is not there after npm ci", script.display()))?;
    let mut command = Command::new(node()?);
    command.current_dir(workspace.root()).arg(script);
    Ok(command)
}
