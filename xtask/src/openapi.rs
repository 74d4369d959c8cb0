//! docs/openapi.json is what `patchbay openapi` prints. A test of the server fails while the two differ.

use std::fs;

use anyhow::{Context as _, Result};

use crate::process;
use crate::workspace::Workspace;

const FILE: &str = "docs/openapi.json";

/// Builds the server as it is now and writes its description.
///
/// # Errors
/// When the server does not build, or the file cannot be written.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    let arguments =
        ["run", "--locked", "--quiet", "--package", "patchbay-server", "--bin", "patchbay", "--", "openapi"];
    let text = process::timed("describe the API", || {
        process::output(process::cargo(workspace.root()).args(arguments))
    })?;
    fs::write(workspace.path(FILE), text).with_context(|| format!("cannot write {FILE}"))?;
    process::announce(&format!("{FILE} is up to date"));
    Ok(())
}
