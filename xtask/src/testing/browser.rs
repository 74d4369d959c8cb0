//! End-to-end tests: node's test runner, playwright-core and a real Chromium against the real binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::postgres::Cluster;
use super::python::PYTHON_VARIABLE;
use crate::assets::Mode;
use crate::workspace::Workspace;
use crate::{host, process, serve, stamp};

/// Names under which distributions install the browser.
const CHROMIUM_NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/// A browser of one's own choice.
const CHROMIUM_VARIABLE: &str = "PATCHBAY_CHROMIUM";
/// One test file at a time: two cores, and each file starts a server, peers and a browser.
const CONCURRENCY: &str = "--test-concurrency=1";

pub(super) struct Options<'a> {
    pub(super) node: &'a Path,
    pub(super) chromium: &'a Path,
    pub(super) python: &'a Path,
    pub(super) screenshots: bool,
    pub(super) file: Option<&'a str>,
}

/// Finds Chromium or installs it.
pub(super) fn ensure_chromium() -> Result<PathBuf> {
    if let Some(chosen) = std::env::var_os(CHROMIUM_VARIABLE) {
        let chosen = PathBuf::from(chosen);
        ensure!(chosen.exists(), "{CHROMIUM_VARIABLE} names {}, which does not exist", chosen.display());
        return Ok(chosen);
    }
    if let Some(found) = find_chromium() {
        return Ok(found);
    }
    host::install(&["chromium", "fonts-liberation"], "Chromium, which the browser tests drive,")?;
    find_chromium().context("Chromium was installed but is not on PATH")
}

fn find_chromium() -> Option<PathBuf> {
    CHROMIUM_NAMES.iter().find_map(|name| process::find_program(name))
}

/// Runs all of `end2end/*.test.mjs`, or one file.
pub(super) fn run(workspace: &Workspace, cluster: &Cluster, options: &Options<'_>) -> Result<()> {
    let binary = serve::binary(workspace, Mode::Debug);
    ensure!(binary.exists(), "{} was not built", workspace.shown(&binary));
    let files = test_files(workspace, options.file)?;
    let mut command = Command::new(options.node);
    command.current_dir(workspace.root()).args(["--test", CONCURRENCY, "--test-reporter=spec"]).args(&files);
    command.env("PATCHBAY_BIN", &binary).env(CHROMIUM_VARIABLE, options.chromium);
    command.env(PYTHON_VARIABLE, options.python);
    command.env("PATCHBAY_E2E_DIR", workspace.target("end2end"));
    command.env(super::postgres::URL_VARIABLE, cluster.url());
    if options.screenshots {
        command.env("PATCHBAY_SCREENSHOTS", workspace.path("docs/images"));
    }
    process::timed("browser tests", || process::run(&mut command))
}

/// Listed here because node's own rules for finding test files differ between its versions.
fn test_files(workspace: &Workspace, wanted: Option<&str>) -> Result<Vec<PathBuf>> {
    let mut files = stamp::files_below(&workspace.path("end2end"))?;
    files.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    if let Some(wanted) = wanted {
        files.retain(|file| *file == workspace.path(wanted));
    }
    ensure!(!files.is_empty(), "no browser test file {}", wanted.unwrap_or("in end2end/"));
    Ok(files)
}
