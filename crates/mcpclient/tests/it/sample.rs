//! Against the sample server: another implementation of the protocol than ours, in both of its eras. Asked openly it says that it
//! is stateless; what is remembered of it decides otherwise.

use std::{path::PathBuf, time::Duration};

use api::messages::ResultContent;
use patchbay_mcpclient::{CallOutcome, Revision, Target, Wire};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fake;

struct Sample {
    target: Target,
    dir: PathBuf,
    _stop: DropGuard,
}

/// With `Some(Wire::Streamable)` its older half is spoken to.
async fn start(name: &str, remembered: Option<Wire>) -> Sample {
    let dir =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("client-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let stop = CancellationToken::new();
    let (tell, told) = oneshot::channel();
    let serving = testkit::samplemcp::serve(
        "127.0.0.1:0".parse().unwrap(),
        dir.clone(),
        move |addr| tell.send(addr).unwrap(),
        stop.clone(),
    );
    tokio::spawn(async move { serving.await.unwrap() });
    let addr = told.await.unwrap();
    let mut target = fake::target(&format!("http://{addr}{}", testkit::samplemcp::PATH));
    target.wire = remembered;
    Sample { target, dir, _stop: stop.drop_guard() }
}

fn count_lines(sample: &Sample) -> Vec<String> {
    let text = std::fs::read_to_string(sample.dir.join("slow_count.jsonl")).unwrap_or_default();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].clone());
    events.map(|event| event.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn lists_and_calls() {
    listed_and_called(&start("calls", None).await, Revision::V2026_07_28).await;
}

#[tokio::test]
async fn lists_and_calls_with_a_handshake() {
    listed_and_called(&start("calls-old", Some(Wire::Streamable)).await, Revision::V2025_11_25).await;
}

async fn listed_and_called(sample: &Sample, revision: Revision) {
    let clients = fake::clients();
    let catalogue = clients.catalogue(&sample.target, fake::in_(10)).await.unwrap();
    assert_eq!(catalogue.server_name, "patchbay-sample");
    assert_eq!(catalogue.revision, revision);
    assert!(catalogue.problems.is_empty(), "{:?}", catalogue.problems);
    assert_eq!(catalogue.tools.len(), 3);

    let search = catalogue.tool("search_docs").unwrap();
    assert_eq!(search.title.as_deref(), Some("Search the documentation"));
    assert_eq!(search.annotations.read_only, Some(true));
    let arguments = json!({"query": "encryption keys", "limit": 1});
    assert_eq!(search.accepts(&arguments), Ok(()));
    assert!(search.accepts(&json!({"limit": 1})).unwrap_err().contains("query"));

    let mut call = fake::call("search_docs", arguments);
    call.definition_hash = Some(search.hash.clone());
    let CallOutcome::Done { content, is_error: false, total_bytes } =
        clients.call(&sample.target, call).await
    else {
        panic!("not done")
    };
    assert!(total_bytes > 100);
    assert!(matches!(&content[0], ResultContent::Text { text } if text.contains("AES-256-GCM")));
    assert!(
        matches!(&content[1], ResultContent::Structured { value } if value["articles"][0]["id"] == "encryption")
    );

    let bad = clients.call(&sample.target, fake::call("create_ticket", json!({"title": ""}))).await;
    assert!(matches!(bad, CallOutcome::Done { is_error: true, .. }), "{bad:?}");
    let missing = clients.call(&sample.target, fake::call("no_such_tool", json!({}))).await;
    assert!(
        matches!(&missing, CallOutcome::NotExecuted { message, .. } if message.contains("-32602")),
        "{missing:?}"
    );
}

#[tokio::test]
async fn progress_arrives_while_the_tool_runs() {
    progress_arrived(&start("progress", None).await).await;
}

#[tokio::test]
async fn progress_arrives_with_a_handshake_too() {
    progress_arrived(&start("progress-old", Some(Wire::Streamable)).await).await;
}

async fn progress_arrived(sample: &Sample) {
    let clients = fake::clients();
    let (tell, mut told) = mpsc::channel(16);
    let mut call = fake::call("slow_count", json!({"to": 2}));
    call.progress = Some(tell);
    let running = tokio::spawn({
        let (clients, target) = (clients.clone(), sample.target.clone());
        async move { clients.call(&target, call).await }
    });
    let first = told.recv().await.unwrap();
    assert!(!running.is_finished());
    assert_eq!(
        (first.progress, first.total, first.message.as_deref()),
        (1.0, Some(2.0), Some("Counted to 1 of 2"))
    );
    assert!(matches!(running.await.unwrap(), CallOutcome::Done { is_error: false, .. }));
    assert_eq!(count_lines(sample), ["started", "finished"]);
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_at_the_server() {
    cancelled_there(&start("cancel", None).await).await;
}

#[tokio::test]
async fn a_call_of_a_session_is_cancelled_at_the_server() {
    cancelled_there(&start("cancel-old", Some(Wire::Streamable)).await).await;
}

async fn cancelled_there(sample: &Sample) {
    let clients = fake::clients();
    clients.catalogue(&sample.target, fake::in_(10)).await.unwrap();
    let call = fake::call("slow_count", json!({"to": 30}));
    let cancel = call.cancel.clone();
    let running = tokio::spawn({
        let (clients, target) = (clients.clone(), sample.target.clone());
        async move { clients.call(&target, call).await }
    });
    fake::until("the tool started", || count_lines(sample) == ["started"]).await;
    let stopped = tokio::time::Instant::now();
    cancel.cancel();
    assert_eq!(running.await.unwrap(), CallOutcome::Cancelled { sure: false });
    assert!(stopped.elapsed() < Duration::from_millis(500));
    fake::until("the server stopped", || count_lines(sample) == ["started", "cancelled"]).await;
}
