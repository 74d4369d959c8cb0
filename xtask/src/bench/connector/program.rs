//! The bench's own program, `crates/testkit/examples/connector_bench`, as a child that answers a line with a line.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::super::server::read_lines;
use crate::process;

/// For one line of it: a thousand users connect in far less.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running child. It ends when its standard input does, so also with us.
pub(in crate::bench) struct Program {
    child: Child,
    input: ChildStdin,
    lines: Receiver<(Instant, String)>,
}

impl Program {
    /// Starts it. What it has to complain about goes to our standard error.
    ///
    /// # Errors
    /// When the file is not there.
    pub(in crate::bench) fn start(file: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(file);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let line = process::command_line(&command);
        let mut child = command.spawn().with_context(|| format!("could not start `{line}`"))?;
        let input = child.stdin.take().context("the program has no standard input")?;
        let lines = read_lines(child.stdout.take());
        Ok(Self { child, input, lines })
    }

    /// Valid as long as this value lives.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its next line.
    ///
    /// # Errors
    /// When it is silent or has ended.
    pub(in crate::bench) fn line(&self) -> Result<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok((_, line)) => Ok(line),
            Err(RecvTimeoutError::Timeout) => {
                bail!("the benchmark's program was silent for {} s", PATIENCE.as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the benchmark's program ended"),
        }
    }

    /// Its answer to a line.
    ///
    /// # Errors
    /// When it is silent or has ended.
    pub(in crate::bench) fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.input, "{line}").with_context(|| line.to_owned())?;
        self.line().with_context(|| line.to_owned())
    }

    /// Has it make calls; the time of each.
    ///
    /// # Errors
    /// When one fails.
    pub(super) fn calls(
        &mut self,
        who: &str,
        era: &str,
        in_flight: usize,
        count: usize,
    ) -> Result<Vec<Duration>> {
        let ask = format!("{who} {era} {in_flight} {count}");
        let answer = self.ask(&ask)?;
        let times: Vec<u64> = serde_json::from_str(&answer).with_context(|| ask.clone())?;
        if times.len() != count {
            bail!("{ask}: {} times came back", times.len());
        }
        Ok(times.into_iter().map(Duration::from_nanos).collect())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell that answers every line as `script` says.
    fn shell(script: &str) -> Program {
        Program::start(Path::new("sh"), &["-c", script]).unwrap()
    }

    #[test]
    fn a_line_is_answered_by_the_times_of_its_calls() {
        let mut program =
            shell("while read who era rest; do [ $who$era = poolx ] && echo '[1000, 2500]'; done");
        let times = program.calls("pool", "x", 1, 2).unwrap();
        assert_eq!(times, [Duration::from_nanos(1000), Duration::from_nanos(2500)]);
        let error = program.calls("pool", "x", 1, 3).unwrap_err().to_string();
        assert!(error.contains("2 times"), "a call without a time is a failure: {error}");
    }

    #[test]
    fn a_program_that_fails_is_an_error_with_the_line() {
        let error = format!("{:#}", shell("read line; exit 1").calls("direct", "x", 1, 1).unwrap_err());
        assert!(error.contains("direct x 1 1") && error.contains("ended"), "{error}");
    }

    #[test]
    fn dropping_ends_the_process() {
        let program = shell("exec sleep 60");
        let process = format!("/proc/{}", program.pid());
        drop(program);
        assert!(!Path::new(&process).exists());
    }
}
