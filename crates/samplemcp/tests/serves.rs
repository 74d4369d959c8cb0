//! The sample server over real HTTP, spoken by hand: no client library of ours stands between test and wire.

#![expect(clippy::unwrap_used, reason = "helpers of tests; a failure is a failed test")]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use patchbay_samplemcp as samplemcp;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};
use tokio_util::sync::{CancellationToken, DropGuard};

struct Sample {
    addr: SocketAddr,
    dir: PathBuf,
    _stop: DropGuard,
}

async fn start(name: &str) -> Sample {
    let dir =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("sample-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    start_in(dir).await
}

async fn start_in(dir: PathBuf) -> Sample {
    let stop = CancellationToken::new();
    let (tell, told) = oneshot::channel();
    let serving = samplemcp::serve(
        "127.0.0.1:0".parse().unwrap(),
        dir.clone(),
        move |addr| tell.send(addr).unwrap(),
        stop.clone(),
    );
    tokio::spawn(async move { serving.await.unwrap() });
    Sample { addr: told.await.unwrap(), dir, _stop: stop.drop_guard() }
}

struct Answer {
    status: u16,
    session: Option<String>,
    body: String,
}

impl Answer {
    /// Every JSON-RPC message of the body, whether it came as JSON or as an event stream.
    fn messages(&self) -> Vec<Value> {
        let events = self.body.lines().filter_map(|line| line.strip_prefix("data:"));
        let mut messages: Vec<Value> = events.filter_map(|data| serde_json::from_str(data).ok()).collect();
        messages.extend(serde_json::from_str::<Value>(&self.body).ok());
        messages
    }

    fn result(&self) -> Value {
        self.messages().into_iter().find_map(|message| message.get("result").cloned()).expect("a result")
    }
}

async fn post(sample: &Sample, host: Option<&str>, session: Option<&str>, message: &Value) -> Answer {
    let mut stream = TcpStream::connect(sample.addr).await.unwrap();
    let body = message.to_string();
    let host = host.map_or_else(|| sample.addr.to_string(), str::to_owned);
    let session = session.map_or_else(String::new, |id| {
        format!("Mcp-Session-Id: {id}\r\nMCP-Protocol-Version: 2025-11-25\r\n")
    });
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json, text/event-stream\r\nContent-Type: \
         application/json\r\n{session}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        samplemcp::PATH,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut raw = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut raw)).await.unwrap().unwrap();
    let raw = String::from_utf8(raw).unwrap();
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        session: header("mcp-session-id"),
        body: if header("transfer-encoding").is_some() { dechunk(body) } else { body.to_owned() },
    }
}

fn dechunk(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
    }
    whole
}

async fn open_session(sample: &Sample) -> String {
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
    let answer = post(sample, None, None, &hello).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.result()["serverInfo"]["name"], "patchbay-sample");
    let session = answer.session.unwrap();
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(post(sample, None, Some(&session), &ready).await.status, 202);
    session
}

async fn call(sample: &Sample, session: &str, tool: &str, arguments: Value) -> Answer {
    let message = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
        "name": tool, "arguments": arguments, "_meta": {"progressToken": "p1"}}});
    post(sample, None, Some(session), &message).await
}

fn ledger(dir: &Path, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn lists_three_described_tools() {
    let sample = start("list").await;
    let session = open_session(&sample).await;
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let result = post(&sample, None, Some(&session), &list).await.result();
    let tools = result["tools"].as_array().unwrap();
    let mut names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["create_ticket", "search_docs", "slow_count"]);
    for tool in tools {
        assert!(tool["title"].as_str().is_some_and(|title| !title.is_empty()), "{tool}");
        assert!(tool["description"].as_str().is_some_and(|text| text.len() > 40), "{tool}");
        assert_eq!(tool["inputSchema"]["type"], "object");
        assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{tool}");
    }
    let ticket = tools.iter().find(|tool| tool["name"] == "create_ticket").unwrap();
    assert_eq!(ticket["annotations"]["idempotentHint"], false);
    assert!(ticket["inputSchema"].to_string().contains(r#""high""#));
}

#[tokio::test]
async fn search_finds_and_names_bad_arguments() {
    let sample = start("search").await;
    let session = open_session(&sample).await;
    let found = call(&sample, &session, "search_docs", json!({"query": "encryption keys", "limit": 1})).await;
    let found = found.result();
    assert!(found["content"][0]["text"].as_str().unwrap().contains("AES-256-GCM"));
    assert_eq!(found["structuredContent"]["articles"][0]["id"], "encryption");
    assert_eq!(found["structuredContent"]["articles"].as_array().unwrap().len(), 1);

    let bad = call(&sample, &session, "search_docs", json!({"query": "x", "limit": 11})).await.result();
    assert_eq!(bad["isError"], true);
    assert!(bad["content"][0]["text"].as_str().unwrap().contains("limit"));
}

#[tokio::test]
async fn every_ticket_is_one_line_and_numbers_survive_a_restart() {
    let first = start("tickets").await;
    let session = open_session(&first).await;
    for number in 1..=2 {
        let made =
            call(&first, &session, "create_ticket", json!({"title": "Broken", "priority": "high"})).await;
        assert_eq!(made.result()["structuredContent"]["number"], number);
    }
    let refused = call(&first, &session, "create_ticket", json!({"title": " "})).await.result();
    assert_eq!(refused["isError"], true);
    let dir = first.dir.clone();
    drop(first);

    let second = start_in(dir).await;
    let session = open_session(&second).await;
    let made = call(&second, &session, "create_ticket", json!({"title": "Again", "body": "b"})).await;
    assert_eq!(made.result()["structuredContent"]["number"], 3);
    let lines = ledger(&second.dir, "tickets.jsonl");
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1], json!({"number": 2, "title": "Broken", "body": "", "priority": "high"}));
}

#[tokio::test]
async fn slow_count_reports_progress_and_leaves_two_lines() {
    let sample = start("count").await;
    let session = open_session(&sample).await;
    let started = Instant::now();
    let answer = call(&sample, &session, "slow_count", json!({"to": 2})).await;
    assert!(started.elapsed() >= Duration::from_secs(2));
    assert_eq!(answer.result()["structuredContent"]["counted_to"], 2);
    let progress: Vec<_> = answer
        .messages()
        .into_iter()
        .filter(|message| message["method"] == "notifications/progress")
        .map(|message| (message["params"]["progressToken"].clone(), message["params"]["progress"].as_f64()))
        .collect();
    assert_eq!(progress, [(json!("p1"), Some(1.0)), (json!("p1"), Some(2.0))]);
    let events: Vec<_> =
        ledger(&sample.dir, "slow_count.jsonl").iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["started", "finished"]);
}

#[tokio::test]
async fn a_foreign_host_name_is_refused() {
    let sample = start("host").await;
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    assert_eq!(post(&sample, Some("evil.example"), None, &hello).await.status, 403);
    assert_eq!(post(&sample, Some("localhost"), None, &hello).await.status, 200);
}
