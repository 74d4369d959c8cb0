//! Servers that take their time, or all of it: 33, 34.

use std::time::Duration;

use futures::future::join_all;
use patchbay_mcpclient::{CallOutcome, McpErrorKind, Target, Transport, Wire};
use serde_json::{Value, json};
use testkit::{
    raw_peer::{Act, RawPeer, whole},
    record::Recorded,
};
use tokio::time::Instant;

use super::lab::{ERAS, Era, Lab, QUERY, assert_growth, in_time, memory_peak, target};
use crate::{fake, fake_stateless};

/// As an honest server of whatever era it is asked as.
pub(super) fn honest(request: &Recorded) -> Vec<Act> {
    let body = request.json();
    let result = match body["method"].as_str().unwrap_or_default() {
        "initialize" => fake::hello("2025-11-25"),
        "server/discover" => fake_stateless::discovered(),
        "tools/list" => json!({"resultType": "complete", "tools": [fake::tool("echo")]}),
        "tools/call" => json!({"resultType": "complete", "content": []}),
        _ => return whole("202 Accepted", "", ""),
    };
    answer(&body, result)
}

pub(super) fn answer(body: &Value, result: Value) -> Vec<Act> {
    let answer = json!({"jsonrpc": "2.0", "id": body["id"], "result": result});
    whole("200 OK", "content-type: application/json\r\n", answer.to_string())
}

/// Silent at the request of this method, or at every GET.
async fn silent_at(step: &'static str) -> RawPeer {
    RawPeer::start(move |request| {
        let method = request.json()["method"].as_str().unwrap_or_default().to_owned();
        let silent = step == method || step == request.method.as_str();
        if silent { Vec::new() } else { honest(request) }
    })
    .await
}

#[tokio::test]
pub(super) async fn accepts_and_never_answers() {
    let steps = [
        ("server/discover", None),
        ("initialize", Some(Wire::Streamable)),
        ("notifications/initialized", Some(Wire::Streamable)),
        ("tools/list", Some(Wire::Streamable)),
        ("server/discover", Some(Wire::Stateless)),
        ("tools/list", Some(Wire::Stateless)),
        ("GET", Some(Wire::Sse)),
    ];
    let lab = Lab::start().await;
    let before = memory_peak();
    let silent = join_all(steps.map(|(step, wire)| {
        let lab = &lab;
        async move {
            let peer = silent_at(step).await;
            let of_one = || {
                let transport =
                    if wire == Some(Wire::Sse) { Transport::Sse } else { Transport::StreamableHttp };
                Target { transport, ..target(&peer.url(&format!("/mcp?key={QUERY}")), wire) }
            };
            let in_a_turn = of_one();
            let (to_check, to_call) = (of_one(), of_one());
            let (listed, checked, outcome) = tokio::join!(
                lab.list(&in_a_turn),
                lab.check(&to_check),
                in_time(lab.timeouts.connect, lab.call(&to_call, fake::call("echo", json!({})))),
            );
            assert_eq!(listed.unwrap_err().kind(), McpErrorKind::Timeout, "{step} {wire:?}");
            // A question of its own finds out what the server speaks, so a later step may never come.
            if step == "server/discover" || step == "tools/list" {
                assert_eq!(checked.unwrap_err().kind(), McpErrorKind::Timeout, "{step} {wire:?}");
            }
            if step == "tools/list" && wire == Some(Wire::Streamable) {
                assert!(
                    matches!(outcome, CallOutcome::Done { .. }),
                    "a call needs no list there: {outcome:?}"
                );
            } else {
                assert!(matches!(outcome, CallOutcome::NotExecuted { .. }), "{step} {wire:?}: {outcome:?}");
            }
            // The next turn goes on at once.
            let again = in_time(Duration::from_millis(200), lab.list(&in_a_turn)).await;
            assert_eq!(again.unwrap_err().kind(), McpErrorKind::Timeout);
        }
    }));
    lab.beside(silent).await;
    for era in ERAS {
        let peer = silent_at("tools/call").await;
        let target = target(&peer.url("/mcp"), Some(era.wire()));
        lab.list(&target).await.unwrap();
        let call = in_time(lab.timeouts.call_idle, lab.call(&target, fake::call("echo", json!({}))));
        let outcome = lab.beside(call).await;
        assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{era:?}: {outcome:?}");
    }
    assert_growth("33", before, 20);
}

const CHUNKED_JSON: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

/// The ways never to finish, for the request with this body.
fn endless(way: &str, body: &Value) -> Vec<Act> {
    let ms = Duration::from_millis;
    let send = |text: &str| Act::Send(text.to_owned().into());
    let forever = |text: &str, pause| Act::Forever(text.to_owned().into(), pause);
    let note = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x"}});
    match way {
        "a byte of the body at a time" => vec![send(CHUNKED_JSON), forever("1\r\n \r\n", ms(20))],
        "a byte of the status line at a time" => vec![send("HTTP/1.1 200 "), forever("O", ms(20))],
        "headers" => vec![send("HTTP/1.1 200 OK\r\n"), forever("x-pad: y\r\n", ms(5))],
        "headers at full speed" => {
            vec![send("HTTP/1.1 200 OK\r\n"), forever(&"x-pad: y\r\n".repeat(4000), ms(0))]
        }
        "interim answers" => vec![forever("HTTP/1.1 102 Processing\r\n\r\n", ms(5))],
        "a chunk's extension" => vec![send(CHUNKED_JSON), send("1;"), forever("aaaaaaaa", ms(1))],
        "trailers" => vec![send(CHUNKED_JSON), send("0\r\n"), forever("x-pad: y\r\n", ms(1))],
        "comments" => vec![send(EVENTS), forever(": still here\n\n", ms(5))],
        "empty lines" => vec![send(EVENTS), forever("\n", ms(1))],
        "priming events" => vec![send(EVENTS), forever("id: 1\ndata:\n\n", ms(5))],
        "notifications" => vec![send(EVENTS), forever(&fake::event(&note), ms(5))],
        "notifications at full speed" => vec![send(EVENTS), forever(&fake::event(&note).repeat(100), ms(0))],
        "answers to others" => {
            let other = json!({"jsonrpc": "2.0", "id": 424_242, "result": {}});
            vec![send(EVENTS), forever(&fake::event(&other), ms(5))]
        }
        "progress that stands still" => vec![send(EVENTS), forever(&progress(body, 1), ms(5))],
        "progress that grows" => {
            let mut acts = vec![send(EVENTS)];
            for number in 0..1000 {
                acts.extend([send(&progress(body, number)), Act::Wait(ms(10))]);
            }
            acts
        }
        other => panic!("no way {other}"),
    }
}

fn progress(body: &Value, progress: u32) -> String {
    fake::event(&json!({"jsonrpc": "2.0", "method": "notifications/progress",
        "params": {"progressToken": body["params"]["_meta"]["progressToken"], "progress": progress}}))
}

const WAYS: [&str; 15] = [
    "a byte of the body at a time",
    "a byte of the status line at a time",
    "headers",
    "headers at full speed",
    "interim answers",
    "a chunk's extension",
    "trailers",
    "comments",
    "empty lines",
    "priming events",
    "notifications",
    "notifications at full speed",
    "answers to others",
    "progress that stands still",
    "progress that grows",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn drips_and_endless_streams() {
    let lab = Lab::start().await;
    let before = memory_peak();
    // Some at a time: peers and client share two cores, and it is the client whose deadlines count.
    for ways in WAYS.chunks(8) {
        lab.beside(join_all(ways.iter().map(|way| in_a_list(&lab, way)))).await;
        for era in ERAS {
            lab.beside(join_all(ways.iter().map(|way| in_a_call(&lab, era, way)))).await;
        }
    }
    // Of all of them together, peers included; the row allows half of it to each.
    assert_growth("34", before, 40);
}

async fn endless_at(step: &'static str, way: &'static str) -> RawPeer {
    RawPeer::start(move |request| {
        let body = request.json();
        if body["method"] == step { endless(way, &body) } else { honest(request) }
    })
    .await
}

async fn in_a_list(lab: &Lab, way: &'static str) {
    let peer = endless_at("tools/list", way).await;
    let error = lab.list_fails(&target(&peer.url("/mcp"), Some(Wire::Streamable))).await;
    let kinds = [McpErrorKind::Timeout, McpErrorKind::Protocol, McpErrorKind::Unreachable];
    assert!(kinds.contains(&error.kind()), "{way}: {:?} {error}", error.kind());
}

async fn in_a_call(lab: &Lab, era: Era, way: &'static str) {
    let peer = endless_at("tools/call", way).await;
    let target = target(&peer.url("/mcp"), Some(era.wire()));
    lab.list(&target).await.unwrap();
    let started = Instant::now();
    let outcome = in_time(lab.timeouts.call_total, lab.call(&target, fake::call("echo", json!({})))).await;
    assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{era:?}, {way}: {outcome:?}");
    let grows = way == "progress that grows";
    assert!(!grows || started.elapsed() >= lab.timeouts.call_total, "progress is a sign of life");
}
