//! The binary under test as a process of ours: started, awaited, and ended by its handle, also on failure.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// From the start of the process to its ready line; far above any goal, so that only a hang meets it.
const START: Duration = Duration::from_secs(60);
/// For the lines that follow the ready line at once.
const LINES: Duration = Duration::from_secs(5);
/// From SIGTERM to the end. Nothing is in flight then, so the server's own drain limits are not reached.
const STOP: Duration = Duration::from_secs(15);
/// Lines of output kept; what comes beyond is read and dropped.
const MAX_LINES: usize = 64;
/// End of the log that an error shows, bytes.
const LOG_SHOWN: usize = 2000;

const READY: &str = "Patchbay is ready at http://";

/// A running server.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<(Instant, String)>,
    log: PathBuf,
    address: SocketAddr,
    ready_after: Duration,
}

impl Server {
    /// Starts `patchbay serve` on any free port and waits for its ready line.
    ///
    /// Settings of the caller's environment are kept away from it: only the given ones and the defaults count.
    ///
    /// # Errors
    /// When it ends or is silent; with the end of its log.
    pub(crate) fn start(
        binary: &Path,
        data: &Path,
        arguments: &[&str],
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
        let log = data.join("bench.log");
        // A server that is started again on the same data goes on with its log: a drill wants to read what happened before.
        let log_file = File::options().create(true).append(true).open(&log);
        let log_file = log_file.with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(binary);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PATCHBAY_"))
        {
            command.env_remove(name);
        }
        command.arg("serve").args(arguments);
        command.env("PATCHBAY_LISTEN", "127.0.0.1:0").env("PATCHBAY_DATA_DIR", data);
        command.envs(settings.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file);
        let line = process::command_line(&command);
        let spawned = Instant::now();
        let mut child = command.spawn().with_context(|| format!("could not start `{line}`"))?;
        let lines = read_lines(child.stdout.take());
        // From here on dropping `server` ends the process, whatever happens.
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, lines, log, address: unknown, ready_after: Duration::ZERO };
        let (at, address) = server.line_after(READY, START)?;
        server.address = address
            .parse()
            .with_context(|| format!("the ready line names no loopback address: {address}"))?;
        server.ready_after = at.saturating_duration_since(spawned);
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From just before the process was made to the arrival of its ready line.
    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Its process id; valid as long as this value lives.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// When the system does not say.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Ends it as a power cut would, and waits until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal by its name, to a process that was not waited for.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        process::run(Command::new("sh").args(["-c", "kill -\"$1\" \"$0\"", &self.pid().to_string(), name]))
    }

    /// E-mail and password of a demo account, from the lines after the ready line. Accounts come in the order in which
    /// they are printed, owner first: ask in that order.
    ///
    /// # Errors
    /// When the line does not come.
    pub(crate) fn demo_account(&mut self, who: &str) -> Result<(String, String)> {
        let (_, rest) = self.line_after(&format!("{who}: "), LINES)?;
        let account = parse_account(&rest).with_context(|| format!("no account in the line of the {who}"))?;
        Ok(account)
    }

    /// Asks it to end and waits; the data directory can be started again afterwards.
    ///
    /// # Errors
    /// When it does not end in time or ends with a failure. It is gone in any case.
    pub(crate) fn stop(mut self) -> Result<()> {
        // The standard library sends no SIGTERM, and `unsafe` is forbidden. Nobody has waited for the child yet, so its
        // id cannot belong to another process.
        self.signal("TERM")?;
        let until = Instant::now() + STOP;
        loop {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("the server ended with {status} after SIGTERM:\n{}", self.log_end());
            }
            if Instant::now() >= until {
                bail!("the server still runs {} s after SIGTERM:\n{}", STOP.as_secs(), self.log_end());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The rest of the next line that begins with `prefix`, and when it came.
    fn line_after(&mut self, prefix: &str, patience: Duration) -> Result<(Instant, String)> {
        let until = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((at, line)) => {
                    if let Some(rest) = line.strip_prefix(prefix) {
                        return Ok((at, rest.to_owned()));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!(
                        "the server did not print {prefix:?} within {} s:\n{}",
                        patience.as_secs(),
                        self.log_end()
                    );
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the server ended before it printed {prefix:?}:\n{}", self.log_end());
                }
            }
        }
    }

    fn log_end(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_SHOWN)..]).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both do nothing for a child that was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads standard output to its end in a thread, so that lines are timed when they come and the pipe never fills up.
pub(crate) fn read_lines(stdout: Option<ChildStdout>) -> Receiver<(Instant, String)> {
    let (sender, receiver) = mpsc::sync_channel(MAX_LINES);
    if let Some(stdout) = stdout {
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.try_send((Instant::now(), line));
            }
        });
    }
    receiver
}

/// `EMAIL  password: PASSWORD`, or `new password` for an account that was there before.
fn parse_account(text: &str) -> Option<(String, String)> {
    let (email, rest) = text.split_once(' ')?;
    let password = rest.rsplit_once("password: ")?.1.trim();
    (!password.is_empty()).then(|| (email.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A program that plays the server: prints what it is told to and obeys SIGTERM.
    fn program(name: &str, script: &str) -> (PathBuf, PathBuf) {
        let folder =
            std::env::temp_dir().join(format!("patchbay-xtask-{}-server-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let text = folder.join("program.sh");
        fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
        // Executed is a copy that another process wrote: a file that we had open for writing could still be open in
        // the child that a test beside us is just starting, and the kernel does not execute such a file.
        let binary = folder.join("program");
        process::run(Command::new("cp").arg(&text).arg(&binary)).unwrap();
        (binary, folder)
    }

    #[test]
    fn waits_for_the_ready_line_and_ends_the_process() {
        let (binary, folder) = program(
            "ready",
            "trap 'exit 0' TERM; echo noise; sleep 0.2; echo \"Patchbay is ready at http://127.0.0.1:1234\"\n\
             echo \"Demo owner: o@demo.example  password: $1$SETTING\"\nwhile :; do sleep 0.02; done",
        );
        let mut server = Server::start(&binary, &folder, &["word-"], &[("SETTING", "x")]).unwrap();
        assert_eq!(server.address().port(), 1234);
        assert!(server.ready_after() >= Duration::from_millis(200), "{:?}", server.ready_after());
        // The first argument of every call is `serve`; the script sees it as $1.
        let account = server.demo_account("Demo owner").unwrap();
        assert_eq!(account, ("o@demo.example".to_owned(), "servex".to_owned()));
        let process = PathBuf::from(format!("/proc/{}", server.pid()));
        server.stop().unwrap();
        assert!(!process.exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_server_that_ends_early_shows_its_log() {
        let (binary, folder) = program("ends", "echo 'the port is taken' >&2; exit 1");
        let error = Server::start(&binary, &folder, &[], &[]).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("the port is taken"), "{error}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn dropping_ends_the_process() {
        let (binary, folder) =
            program("drop", "echo \"Patchbay is ready at http://127.0.0.1:1\"; exec sleep 60");
        let server = Server::start(&binary, &folder, &[], &[]).unwrap();
        let process = PathBuf::from(format!("/proc/{}", server.pid()));
        drop(server);
        assert!(!process.exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn accounts_are_read_from_both_kinds_of_lines() {
        let expected = Some(("a@b.example".to_owned(), "x-Y_1".to_owned()));
        assert_eq!(parse_account("a@b.example  password: x-Y_1"), expected);
        assert_eq!(parse_account("a@b.example  new password: x-Y_1"), expected);
        assert_eq!(parse_account("a@b.example  password: "), None);
    }
}
