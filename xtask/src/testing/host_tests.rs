//! Tests of the host half: every crate but the wasm entry, with cargo-nextest where it is installed.

use std::process::{Command, Stdio};

use anyhow::Result;

use super::postgres::Cluster;
use crate::process;
use crate::workspace::Workspace;

/// One choice of packages for build and run: another choice would unify features differently and compile half of the
/// dependencies a second time. `frontend` is left out because it would turn on `hydrate` beside `ssr`.
const PACKAGES: [&str; 4] = ["--locked", "--workspace", "--exclude", "patchbay-frontend"];

/// Compiles all tests and the binaries, `patchbay` among them.
pub(super) fn build(workspace: &Workspace) -> Result<()> {
    process::timed("tests and binaries", || {
        process::run(process::cargo(workspace.root()).arg("build").args(PACKAGES).args(["--bins", "--tests"]))
    })
}

/// Runs the tests; the runner's own closing line says how many.
pub(super) fn run(workspace: &Workspace, cluster: &Cluster, filter: Option<&str>) -> Result<()> {
    let mut command = process::cargo(workspace.root());
    if has_nextest() {
        command.args(["nextest", "run", "--no-fail-fast"]).args(PACKAGES);
    } else {
        process::announce("cargo-nextest is not installed; using cargo test");
        command.args(["test", "--no-fail-fast", "--tests"]).args(PACKAGES);
    }
    command.args(filter).env(super::postgres::URL_VARIABLE, cluster.url());
    process::timed("host tests", || process::run(&mut command))
}

fn has_nextest() -> bool {
    Command::new("cargo")
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
