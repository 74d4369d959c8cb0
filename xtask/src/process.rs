//! Starting other programs, with errors that name the command line.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// Prints the line that announces a step, at once, so that long steps never look like a hang.
pub(crate) fn announce(step: &str) {
    say(&format!("==> {step}"));
}

/// Steps are announced on standard error from here on: standard output is for a report.
pub(crate) fn announce_beside() {
    BESIDE.store(true, Ordering::Relaxed);
}

static BESIDE: AtomicBool = AtomicBool::new(false);

fn say(line: &str) {
    if BESIDE.load(Ordering::Relaxed) {
        // A closed standard error is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{line}");
    } else {
        println!("{line}");
        let _ = std::io::stdout().flush();
    }
}

/// Announces a step that takes a while, runs it, and says how long it took.
pub(crate) fn timed<T>(step: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    announce(step);
    let start = Instant::now();
    let result = work()?;
    say(&format!("    {step}: done in {:.1} s", start.elapsed().as_secs_f64()));
    Ok(result)
}

/// Runs a command with our own output streams and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = command_line(command);
    let status = command.status().with_context(|| format!("could not start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// [`run`] for when standard output belongs to a report: what the command prints goes to standard error.
pub(crate) fn run_beside(command: &mut Command) -> Result<()> {
    run(command.stdin(Stdio::null()).stdout(std::io::stderr()))
}

/// Runs a command silently and returns what it printed; its own words are in the error if it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = command_line(command);
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("could not start `{line}`"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` ended with {}:\n{}\n{}", output.status, stdout.trim(), stderr.trim());
    }
    Ok(stdout)
}

/// The command as one would type it.
pub(crate) fn command_line(command: &Command) -> String {
    let mut words = vec![command.get_program()];
    words.extend(command.get_args());
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.is_empty() || word.contains(char::is_whitespace) {
        format!("'{word}'")
    } else {
        word.into_owned()
    }
}

/// Finds a program on `PATH`, as a shell would.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The cargo that started us, so that nested calls use the same toolchain.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_a_failing_command_carries_its_words() {
        let error = output(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("out") && text.contains("err") && text.contains('3'), "{text}");
    }

    #[test]
    fn missing_program_is_named() {
        let error = run(&mut Command::new("/nonexistent/program")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/program"), "{error}");
    }

    #[test]
    fn finds_what_a_shell_finds() {
        assert!(find_program("sh").is_some());
        assert!(find_program("no-such-program-anywhere").is_none());
    }
}
