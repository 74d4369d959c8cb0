//! What the benchmark asks of a running server, and the proof that the server did it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::{Value, json};

use super::http::{Answer, Connection, Request};

const SERVERS: &str = "/api/experimental/mcp/servers";
const CHATS: &str = "/api/experimental/chats";
/// For everything but a turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// For a turn: the 30 s the server is asked to wait at most, and then some.
const TURN_PATIENCE: Duration = Duration::from_secs(40);
/// Has words of the sample server's `search_docs` and of an article in its corpus.
const QUESTION: &str = "Search the docs for encryption";
const TOOL: &str = "search_docs";

/// A signed-in account on a connection of its own.
pub(super) struct Session {
    address: SocketAddr,
    connection: Connection,
    authorization: String,
}

impl Session {
    /// Signs in.
    ///
    /// # Errors
    /// When the server does not take the password.
    pub(super) fn sign_in(address: SocketAddr, email: &str, password: &str) -> Result<Self> {
        let mut connection = Connection::open(address)?;
        let body = json!({ "email": email, "password": password }).to_string();
        let answer = connection.send(&Request {
            method: "POST",
            path: "/api/v2/users/login",
            headers: &[("Content-Type", "application/json")],
            body: body.as_bytes(),
            deadline: PATIENCE,
        })?;
        let answer = answer.json(201).with_context(|| format!("{email} cannot sign in"))?;
        let token =
            answer["session_token"].as_str().context("the answer to the login has no session_token")?;
        Ok(Self { address, connection, authorization: format!("Bearer {token}") })
    }

    /// The same account on another connection.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub(super) fn another(&self) -> Result<Self> {
        let connection = Connection::open(self.address)?;
        Ok(Self { address: self.address, connection, authorization: self.authorization.clone() })
    }

    /// Sends one request; the answer is not judged.
    ///
    /// # Errors
    /// When there is none in time.
    pub(super) fn ask(&mut self, method: &'static str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let headers = [("Authorization", self.authorization.as_str()), ("Content-Type", "application/json")];
        // Without a body there is nothing whose type could be named.
        let headers = if body.is_empty() { &headers[..1] } else { &headers[..] };
        self.connection.send(&Request { method, path, headers, body: body.as_bytes(), deadline: PATIENCE })
    }

    /// What this account sends as `Authorization`.
    pub(super) fn authorization(&self) -> &str {
        &self.authorization
    }

    /// Sends one request whose answer comes when the turn is over.
    ///
    /// # Errors
    /// When there is none in time.
    pub(super) fn ask_waiting(
        &mut self,
        method: &'static str,
        path: &str,
        body: &Value,
        deadline: Duration,
    ) -> Result<Answer> {
        let headers = [
            ("Authorization", self.authorization.as_str()),
            ("Content-Type", "application/json"),
            ("Prefer", "wait=50"),
        ];
        let body = body.to_string();
        self.connection.send(&Request { method, path, headers: &headers, body: body.as_bytes(), deadline })
    }

    /// Registers `count` servers. They are disabled and nothing dials them: they are there to be listed.
    ///
    /// # Errors
    /// When one is refused.
    pub(super) fn register_servers(&mut self, count: usize) -> Result<()> {
        for number in 1..=count {
            self.ask("POST", SERVERS, Some(&server_body(number)))?
                .json(201)
                .with_context(|| format!("server {number} was refused"))?;
        }
        Ok(())
    }

    /// Asks for the list of servers `count` times, one after the other; the time of each, from the first byte sent to the
    /// last byte received.
    ///
    /// # Errors
    /// When an answer does not hold `expected` servers.
    pub(super) fn list_servers(&mut self, count: usize, expected: usize) -> Result<Vec<Duration>> {
        let headers = [("Authorization", self.authorization.as_str())];
        let request =
            Request { method: "GET", path: SERVERS, headers: &headers, body: b"", deadline: PATIENCE };
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let start = Instant::now();
            let answer = self.connection.send(&request)?;
            times.push(start.elapsed());
            let listed = answer.json(200)?.as_array().map_or(0, Vec::len);
            ensure!(listed == expected, "{listed} servers are listed instead of {expected}");
        }
        Ok(times)
    }

    /// Makes `count` chats whose first message makes the model call one tool; the time until the finished turn is here.
    ///
    /// # Errors
    /// When a turn does not end in time, or did not run the tool.
    pub(super) fn run_turns(&mut self, count: usize) -> Result<Vec<Duration>> {
        let body = json!({ "content": [{ "type": "text", "text": QUESTION }] }).to_string();
        let headers = [
            ("Authorization", self.authorization.as_str()),
            ("Content-Type", "application/json"),
            ("Prefer", "wait=30"),
        ];
        let request = Request {
            method: "POST",
            path: CHATS,
            headers: &headers,
            body: body.as_bytes(),
            deadline: TURN_PATIENCE,
        };
        let mut times = Vec::with_capacity(count);
        for number in 1..=count {
            let start = Instant::now();
            let answer = self.connection.send(&request)?;
            times.push(start.elapsed());
            check_turn(&answer.json(201)?).with_context(|| format!("turn {number}"))?;
        }
        Ok(times)
    }
}

/// Runs `work` once for each part, each on a connection of its own, all at once.
///
/// # Errors
/// When the work of one fails.
pub(super) fn in_parallel<P: Sync + Send, T: Send>(
    owner: &Session,
    parts: impl Iterator<Item = P>,
    work: impl Fn(&mut Session, P) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let run = |part: P| -> Result<T> { work(&mut owner.another()?, part) };
    let run = &run;
    thread::scope(|scope| {
        let running: Vec<_> = parts.map(|part| scope.spawn(move || run(part))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Result<T>>| {
            thread.join().map_err(|_| anyhow!("a connection of the benchmark panicked"))?
        };
        running.into_iter().map(join).collect()
    })
}

/// A server to register. It is disabled and nothing dials it: it is there to be listed.
pub(super) fn server_body(number: usize) -> Value {
    json!({
        "display_name": format!("Bench {number:05}"),
        "slug": format!("bench-{number:05}"),
        "description": "One of the servers that the benchmark lists.",
        "url": format!("https://bench-{number:05}.example/mcp"),
        "transport": "streamable_http",
        "auth_type": "none",
        "availability": "default_off",
        "enabled": false,
    })
}

/// Whether this is a finished turn that called the tool once, with success, and then answered.
fn check_turn(chat: &Value) -> Result<()> {
    ensure!(
        chat["status"] == "waiting",
        "the turn is not finished: status {}, {}",
        chat["status"],
        chat["last_error"]
    );
    let messages = chat["messages"].as_array().context("the answer has no messages")?;
    let parts = |kind: &'static str| {
        let all = messages.iter().filter_map(|message| message["content"].as_array()).flatten();
        all.filter(move |part| part["type"] == kind).collect::<Vec<_>>()
    };
    let (calls, results) = (parts("tool-call"), parts("tool-result"));
    ensure!(
        calls.len() == 1 && results.len() == 1,
        "{} tool calls and {} results",
        calls.len(),
        results.len()
    );
    ensure!(
        calls[0]["original_name"] == TOOL,
        "the model called {} instead of {TOOL}",
        calls[0]["original_name"]
    );
    ensure!(
        results[0]["outcome"] == "ok" && results[0]["is_error"] == false,
        "the tool failed: {}",
        results[0]
    );
    ensure!(messages.last().is_some_and(|last| last["role"] == "assistant"), "the turn has no last answer");
    Ok(())
}

/// Whether the ready line was true: the server answers, and its database too.
///
/// # Errors
/// When it was not.
pub(super) fn check_ready(address: SocketAddr) -> Result<()> {
    let request = Request { method: "GET", path: "/readyz", headers: &[], body: b"", deadline: PATIENCE };
    let status = Connection::open(address)?.send(&request)?.status;
    ensure!(status == 200, "the server said it was ready, but /readyz answers {status}");
    Ok(())
}

/// Loads what the login page asks a browser to load from `/pkg/`, with brotli; bytes of the bodies by file name.
///
/// # Errors
/// When a file is missing or comes uncompressed, or when wasm, JavaScript and CSS are not all among them.
pub(super) fn asset_sizes(address: SocketAddr) -> Result<BTreeMap<String, usize>> {
    let mut connection = Connection::open(address)?;
    let mut get = |path: &str| {
        let headers = [("Accept-Encoding", "br")];
        connection.send(&Request { method: "GET", path, headers: &headers, body: b"", deadline: PATIENCE })
    };
    let page = get("/login")?;
    ensure!(page.status == 200, "the login page answers {}", page.status);
    let mut sizes = BTreeMap::new();
    for path in asset_paths(&String::from_utf8_lossy(&page.body)) {
        let asset = get(&path)?;
        if asset.status != 200 || asset.header("content-encoding") != Some("br") {
            bail!("{path} answers {} with coding {:?}", asset.status, asset.header("content-encoding"));
        }
        sizes.insert(path.trim_start_matches("/pkg/").to_owned(), asset.body.len());
    }
    for kind in [".wasm", ".js", ".css"] {
        ensure!(sizes.keys().any(|name| name.ends_with(kind)), "the login page loads no {kind} file");
    }
    Ok(sizes)
}

/// The addresses below `/pkg/` in a page, each once.
fn asset_paths(page: &str) -> Vec<String> {
    let mut paths: Vec<String> = page
        .match_indices("/pkg/")
        .map(|(at, _)| {
            let rest = &page[at..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"/._-".contains(c));
            rest[..end.unwrap_or(rest.len())].to_owned()
        })
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_asset_of_a_page_once() {
        let page = r#"<link href="/pkg/a.1f.css"><link href="/pkg/a.2e.js" nonce="x">
            <script>import init from "/pkg/a.2e.js";init({p:'/pkg/a_bg.3d.wasm'})</script><img src="/favicon.svg">/pkg/end.js"#;
        assert_eq!(asset_paths(page), ["/pkg/a.1f.css", "/pkg/a.2e.js", "/pkg/a_bg.3d.wasm", "/pkg/end.js"]);
    }

    #[test]
    fn only_a_finished_turn_with_the_tool_counts() {
        let turn = json!({
            "status": "waiting", "last_error": null,
            "messages": [
                { "role": "user", "content": [{ "type": "text", "text": "q" }] },
                { "role": "assistant", "content": [{ "type": "tool-call", "original_name": TOOL }] },
                { "role": "tool", "content": [{ "type": "tool-result", "outcome": "ok", "is_error": false }] },
                { "role": "assistant", "content": [{ "type": "text", "text": "a" }] },
            ],
        });
        check_turn(&turn).unwrap();
        type Damage = fn(&mut Value);
        let damages: [(&str, Damage); 6] = [
            ("still running", |turn| turn["status"] = json!("running")),
            ("other tool", |turn| turn["messages"][1]["content"][0]["original_name"] = json!("slow_count")),
            ("no call", |turn| turn["messages"][1]["content"] = json!([])),
            ("failed call", |turn| turn["messages"][2]["content"][0]["outcome"] = json!("error")),
            ("tool's own error", |turn| turn["messages"][2]["content"][0]["is_error"] = json!(true)),
            ("no answer", |turn| drop(turn["messages"].as_array_mut().unwrap().pop())),
        ];
        for (what, damage) in damages {
            let mut broken = turn.clone();
            damage(&mut broken);
            assert!(check_turn(&broken).is_err(), "{what}");
        }
    }
}
