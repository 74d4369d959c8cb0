//! The real binary as a process: for what only a process can show.

use crate::support::{OWNER_EMAIL, OWNER_PASSWORD, SETUP_TOKEN, first_user};
use serde_json::json;
use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use testkit::http::{Client, Proof};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// Until a process says that it is ready, or ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command of the binary that sees no settings of ours.
pub(crate) fn patchbay(arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patchbay"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PATCHBAY_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(settings.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// A process that has said it is ready.
pub(crate) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    errors: tokio::task::JoinHandle<std::io::Result<String>>,
    /// What it printed up to then.
    pub(crate) printed: Vec<String>,
}

impl Process {
    async fn start(mut command: Command, ready: &str) -> Self {
        let mut child = command.spawn().unwrap();
        let mut errors = child.stderr.take().unwrap();
        // Read to its end, or the process would block on a full pipe.
        let errors = tokio::spawn(async move {
            let mut text = String::new();
            errors.read_to_string(&mut text).await.map(|_| text)
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut printed = Vec::new();
        loop {
            let line =
                tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it gets ready").unwrap();
            let Some(line) = line else {
                panic!(
                    "it ended before it was ready: {printed:?} {}",
                    errors.await.unwrap().unwrap_or_default()
                );
            };
            let done = line.contains(ready);
            printed.push(line);
            if done {
                return Self { child, lines, errors, printed };
            }
        }
    }

    /// The next line it prints.
    pub(crate) async fn line(&mut self) -> Option<String> {
        tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("it says something").unwrap()
    }

    /// The first URL it printed.
    pub(crate) fn url(&self) -> String {
        let words = self.printed.iter().flat_map(|line| line.split_whitespace());
        words
            .clone()
            .find(|word| word.starts_with("http://"))
            .unwrap_or_else(|| panic!("no URL in {:?}", self.printed))
            .to_owned()
    }

    /// `kill -9`.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and all it wrote to standard error in its life.
    pub(crate) async fn into_log(mut self) -> String {
        self.signal_term().await;
        self.errors.await.unwrap().unwrap()
    }

    /// SIGTERM, and how it ended.
    pub(crate) async fn terminate(mut self) -> ExitStatus {
        self.signal_term().await
    }

    async fn signal_term(&mut self) -> ExitStatus {
        let id = self.child.id().expect("it is running").to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap()
    }
}

/// A running `serve` on any port.
pub(crate) async fn serve(data: &Path, settings: &[(&str, &str)]) -> Process {
    let data = data.to_str().unwrap();
    let mut all = vec![
        ("PATCHBAY_DATA_DIR", data),
        ("PATCHBAY_LISTEN", "127.0.0.1:0"),
        ("PATCHBAY_SETUP_TOKEN", SETUP_TOKEN),
        ("PATCHBAY_DEMO_PACING_MS", "0"),
    ];
    all.extend(settings);
    Process::start(patchbay(&["serve"], &all), "Patchbay is ready at ").await
}

/// A running sample server on any port.
pub(crate) async fn sample(data: &Path) -> Process {
    let arguments = ["sample-mcp", "--addr", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    Process::start(patchbay(&arguments, &[]), "Sample MCP server at ").await
}

/// Makes the first owner and signs in.
pub(crate) async fn set_up(origin: &str) -> Client {
    Client::new(origin).post("/api/v2/users/first", &first_user()).await.expect(201);
    sign_in(origin).await
}

pub(crate) async fn sign_in(origin: &str) -> Client {
    let body = json!({"email": OWNER_EMAIL, "password": OWNER_PASSWORD});
    let answer = Client::new(origin).post("/api/v2/users/login", &body).await.expect(201).json();
    Client::new(origin).with(Proof::Bearer(answer["session_token"].as_str().unwrap().to_owned()))
}

/// A start that must fail: its exit status and what it wrote to standard error.
pub(crate) async fn refused(arguments: &[&str], settings: &[(&str, &str)]) -> String {
    let child = patchbay(arguments, settings).spawn().unwrap();
    let output =
        tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends by itself").unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "it succeeded: {}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.status.code(), Some(1), "no signal, no panic: {errors}");
    let said: Vec<&str> = errors.lines().filter(|line| line.starts_with("patchbay: ")).collect();
    assert_eq!(said.len(), 1, "one line: {errors}");
    assert_eq!(errors.lines().last(), Some(said[0]), "the reason comes last: {errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    said[0].to_owned()
}
