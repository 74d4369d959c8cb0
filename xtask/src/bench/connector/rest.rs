//! The call over REST: `patchbay serve` on one engine, and the rows that its calls must leave.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::server::Server;
use super::super::workload::{Session, in_parallel};
use super::ERAS;
use crate::process;

const SERVERS: &str = "/api/experimental/mcp/servers";
const EMAIL: &str = "owner@bench.example";
const PASSWORD: &str = "a long password for the benchmark";

/// A running Patchbay, at which the echo server is registered once for each era.
pub(super) struct Rest {
    pub(super) engine: &'static str,
    server: Server,
    owner: Session,
    database: String,
    /// Where the tool is called, in the order of [`ERAS`].
    tools: Vec<String>,
    /// Calls so far.
    pub(super) made: u64,
}

/// What calls left in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Rows {
    pub(super) intents: u64,
    pub(super) outcomes: u64,
}

impl Rows {
    /// What came since then.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            intents: self.intents.saturating_sub(earlier.intents),
            outcomes: self.outcomes.saturating_sub(earlier.outcomes),
        }
    }

    /// Calls are only measured whole: each with its intent and its outcome.
    ///
    /// # Errors
    /// When there are more or fewer rows than calls.
    pub(super) fn expect(self, calls: u64) -> Result<()> {
        ensure!(
            self == Self { intents: calls, outcomes: calls },
            "{calls} calls left {} intents and {} outcomes",
            self.intents,
            self.outcomes
        );
        Ok(())
    }
}

impl Rest {
    /// # Errors
    /// When it does not start, or takes no server.
    pub(super) fn start(
        engine: &'static str,
        binary: &Path,
        data: PathBuf,
        database: Option<&str>,
        upstream: SocketAddr,
    ) -> Result<Self> {
        fs::create_dir_all(&data)?;
        let password = data.join("owner-password");
        fs::write(&password, PASSWORD)?;
        let password = password.to_str().context("the target folder's path is no text")?;
        let database = match database {
            Some(url) => url.to_owned(),
            None => format!("sqlite:{}", data.join("patchbay.sqlite").display()),
        };
        let allow = upstream.to_string();
        let settings = [
            ("PATCHBAY_ADMIN_EMAIL", EMAIL),
            ("PATCHBAY_ADMIN_PASSWORD_FILE", password),
            ("PATCHBAY_DATABASE_URL", &database),
            ("PATCHBAY_EGRESS_ALLOW", &allow),
            ("PATCHBAY_TOOL_TRIALS_PER_MINUTE", "0"),
        ];
        let server = Server::start(binary, &data, &[], &settings)?;
        let mut owner = Session::sign_in(server.address(), EMAIL, PASSWORD)?;
        let tools = ERAS.iter().map(|era| register(&mut owner, upstream, era)).collect::<Result<_>>()?;
        Ok(Self { engine, server, owner, database, tools, made: 0 })
    }

    pub(super) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Calls the tool `count` times over so many connections; the time of each, from the first byte sent to the last
    /// byte received.
    ///
    /// # Errors
    /// When an answer is not what was said.
    pub(super) fn calls(&mut self, era: &str, in_flight: usize, count: usize) -> Result<Vec<Duration>> {
        let index = ERAS.iter().position(|known| *known == era).context("no era")?;
        let tool = &self.tools[index];
        let numbers: Vec<usize> = (0..count).collect();
        let times =
            in_parallel(&self.owner, numbers.chunks(count.div_ceil(in_flight)), |session, numbers| {
                let mut times = Vec::with_capacity(numbers.len());
                for number in numbers {
                    let text = number.to_string();
                    let body = json!({ "arguments": { "text": text } });
                    let start = Instant::now();
                    let answer = session.ask("POST", tool, Some(&body))?;
                    times.push(start.elapsed());
                    check(&answer.json(200)?, &text)?;
                }
                Ok(times)
            })
            .with_context(|| format!("calls over REST on {}", self.engine))?;
        self.made += count as u64;
        Ok(times.into_iter().flatten().collect())
    }

    /// # Errors
    /// When the database cannot be read.
    pub(super) fn rows(&self, program: &Path) -> Result<Rows> {
        let mut command = Command::new(program);
        let printed = process::output(command.arg("rows").env("PATCHBAY_DATABASE_URL", &self.database))?;
        serde_json::from_str(&printed).context("the program does not say how many rows there are")
    }

    /// # Errors
    /// When it does not end as it should.
    pub(super) fn stop(self) -> Result<()> {
        self.server.stop()
    }
}

/// Registers the echo server and checks it once, so that its tool is known; the address of the tool.
fn register(owner: &mut Session, upstream: SocketAddr, era: &str) -> Result<String> {
    let body = json!({
        "display_name": format!("Echo {era}"),
        "slug": format!("echo-{era}"),
        "url": format!("http://{upstream}/{era}"),
        "transport": "streamable_http",
        "auth_type": "none",
        "availability": "default_on",
        "enabled": true,
    });
    let made = owner.ask("POST", SERVERS, Some(&body))?.json(201)?;
    let id = made["id"].as_str().context("a new server has no id")?;
    let report = owner.ask("POST", &format!("{SERVERS}/{id}/check"), None)?.json(200)?;
    ensure!(report["outcome"] == "connected", "the echo server cannot be used: {report}");
    Ok(format!("{SERVERS}/{id}/tools/echo/call"))
}

/// Whether the tool ran and gave back what was said.
fn check(answer: &Value, said: &str) -> Result<()> {
    let same = matches!(answer["result"].as_array().map(Vec::as_slice), Some([only]) if only["text"] == said);
    ensure!(
        answer["outcome"] == "ok" && answer["is_error"] == false && same,
        "the call of {said:?} was answered with {answer}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_echo_of_what_was_said_counts() {
        let answer = json!({
            "outcome": "ok", "is_error": false, "result": [{ "type": "text", "text": "7" }], "duration_ms": 1,
        });
        check(&answer, "7").unwrap();
        assert!(check(&answer, "8").is_err(), "another call's answer");
        for (member, value) in
            [("outcome", json!("unknown")), ("is_error", json!(true)), ("result", json!([]))]
        {
            let mut broken = answer.clone();
            broken[member] = value;
            assert!(check(&broken, "7").is_err(), "{member}");
        }
    }

    #[test]
    fn every_call_leaves_one_row_of_each() {
        let before = Rows { intents: 3, outcomes: 4 };
        Rows { intents: 13, outcomes: 14 }.since(before).expect(10).unwrap();
        for after in [Rows { intents: 12, outcomes: 14 }, Rows { intents: 13, outcomes: 15 }, before] {
            let error = after.since(before).expect(10).unwrap_err().to_string();
            assert!(error.starts_with("10 calls left"), "{error}");
        }
    }
}
