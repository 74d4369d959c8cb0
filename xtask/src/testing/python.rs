//! The Python peer of the end-to-end tests: an interpreter in a virtual environment that has exactly what is pinned.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::stamp::{self, Key};
use crate::workspace::Workspace;
use crate::{host, process};

/// Where the tests find the interpreter.
pub(super) const PYTHON_VARIABLE: &str = "PATCHBAY_PYTHON";
/// What is pinned.
const PINS: &str = "end2end/peers/requirements.txt";
/// Ends well in a Python for which the pins are complete and which can make a virtual environment: Debian's comes without
/// `ensurepip` until python3-venv is installed.
const SUITS: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
/// Debian's own, where another one that does not suit is first on `PATH`.
const DEBIANS: &str = "/usr/bin/python3";

/// Makes the virtual environment, unless it is there already, and returns its interpreter.
///
/// # Errors
/// When Python is missing or too old and cannot be installed, or when pip fails.
pub(super) fn ensure_venv(workspace: &Workspace) -> Result<PathBuf> {
    let python = ensure_python()?;
    let folder = workspace.target("end2end/python");
    let interpreter = folder.join("bin/python");
    let pins = workspace.path(PINS);
    // An environment does not outlive the Python it was made from.
    let origin = process::output(
        Command::new(&python).args(["-c", "import sys; print(sys.executable, sys.version)"]),
    )?;
    let key = Key::new("python venv 1").text(&origin).file(&pins)?;
    // The stamp lies inside, so deleting the folder forgets it too.
    stamp::cached(&folder.join(".patchbay-pins"), key, std::slice::from_ref(&interpreter), || {
        process::timed("Python packages (pip install)", || {
            process::run(Command::new(&python).args(["-m", "venv", "--clear"]).arg(&folder))?;
            let mut pip = Command::new(&interpreter);
            // Ready-made packages only: nothing is compiled, and no package runs code of its own while it is installed.
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
            pip.args(["--require-hashes", "--only-binary=:all:", "--requirement"]).arg(&pins);
            process::run(&mut pip)
        })
    })?;
    Ok(interpreter)
}

/// Finds Python or installs it.
fn ensure_python() -> Result<PathBuf> {
    let found = || first_suitable(process::find_program("python3").into_iter().chain([DEBIANS.into()]));
    if let Some(python) = found() {
        return Ok(python);
    }
    host::install(
        &["python3", "python3-venv"],
        "Python 3.11 or newer with its venv module, for a peer of the end-to-end tests,",
    )?;
    found().context(
        "Python was installed, but it is older than 3.11 or cannot make virtual environments; put a newer python3 on PATH",
    )
}

fn first_suitable(mut candidates: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    candidates.find(|python| suits(python))
}

fn suits(python: &Path) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", SUITS]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_first_python_that_suits_is_taken() {
        // Neither runs Python: one always says no and the other always yes.
        let candidates = ["/nonexistent/python3", "/bin/false", "/bin/true"].map(PathBuf::from);
        assert_eq!(first_suitable(candidates.clone().into_iter()), Some("/bin/true".into()));
        assert_eq!(first_suitable(candidates.into_iter().take(2)), None);
    }

    #[test]
    fn every_pin_is_exact_and_has_a_hash() {
        let pins = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(PINS);
        let text = fs::read_to_string(pins).unwrap();
        let whole = text.replace("\\\n", " ");
        let entries: Vec<&str> = whole.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(entries.iter().any(|entry| entry.starts_with("mcp==2.")), "the SDK itself");
        for entry in entries {
            let (name, rest) = entry.split_once("==").unwrap_or_else(|| panic!("no version: {entry}"));
            assert!(!name.starts_with('-') && rest.contains("--hash=sha256:"), "{entry}");
        }
    }
}
