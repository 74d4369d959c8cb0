//! More than anybody can hold: 35, 43.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::join_all;
use patchbay_mcpclient::{CallOutcome, Catalogue, McpError, McpErrorKind, Timeouts};
use serde_json::{Value, json};
use testkit::{
    axum::{
        body::Body,
        response::{IntoResponse, Response},
    },
    raw_peer::{Act, RawPeer},
};

use super::{
    lab::{ERAS, Era, Lab, assert_growth, memory_peak, short, target},
    slow::honest,
};
use crate::fake::{self, Fake, Seen, tool};

/// The beginning of a gzip stream in which every further zero bit pair stands for 258 zeros: 1032 to 1, and no end.
const BOMB: [u8; 24] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xed, 0xc0, 0x81, 0x00, 0x00, 0x00, 0x00,
    0x80, 0xa0, 0xfd, 0xa9, 0x17, 0xa9, 0x00,
];
/// What a peer may get rid of before it is cut off: the cap of a stream, and what the system buffers.
const TAKEN: u64 = 64 * 1024 * 1024;
const PIECE: usize = 64 * 1024;

fn endless(head: &str, first: &[u8], piece: Vec<u8>) -> Vec<Act> {
    let mut start = format!("HTTP/1.1 {head}\r\n\r\n").into_bytes();
    start.extend_from_slice(first);
    vec![Act::Send(start.into()), Act::Forever(piece.into(), Duration::ZERO)]
}

fn chunk(fill: u8) -> Vec<u8> {
    let mut chunk = format!("{PIECE:x}\r\n").into_bytes();
    chunk.resize(chunk.len() + PIECE, fill);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// The ways to send ten gigabytes and more.
fn bodies() -> Vec<(&'static str, Vec<Act>)> {
    let json = "200 OK\r\ncontent-type: application/json";
    let events = "200 OK\r\ncontent-type: text/event-stream";
    let with = |head: &str, more: &str| format!("{head}\r\n{more}");
    let line = [b"data: ".as_slice(), &[b'x'; 4000], b"\n"].concat().repeat(16);
    vec![
        ("announced", endless(&with(json, "content-length: 10737418240"), b"", vec![b' '; PIECE])),
        ("chunked", endless(&with(json, "transfer-encoding: chunked"), b"", chunk(b' '))),
        ("until the end", endless(json, b"\"", vec![b'x'; PIECE])),
        ("a line without an end", endless(events, b"data: ", vec![b'x'; PIECE])),
        ("an event without an end", endless(events, b"", line)),
        ("a comment without an end", endless(events, b":", vec![b'x'; PIECE])),
        ("a name without an end", endless(events, b"event: ", vec![b'x'; PIECE])),
        ("a bomb", endless(&with(json, "content-encoding: gzip"), &BOMB, vec![0; PIECE])),
        ("a bomb of events", endless(&with(events, "content-encoding: gzip"), &BOMB, vec![0; PIECE])),
        (
            "a bomb in two wrappings",
            endless(&with(json, "content-encoding: gzip, gzip"), &BOMB, vec![0; PIECE]),
        ),
        ("a bomb without a label", endless(json, &BOMB, vec![0; PIECE])),
        ("a web page", endless("200 OK\r\ncontent-type: text/html", b"<html>", vec![b' '; PIECE])),
        ("an error", endless("500 Oops\r\ncontent-type: application/json", b"", vec![b' '; PIECE])),
        ("a refusal", endless("400 Bad Request\r\ncontent-type: application/json", b"", vec![b' '; PIECE])),
        ("a packed refusal", endless("400 Bad Request\r\ncontent-encoding: gzip", &BOMB, vec![0; PIECE])),
    ]
}

#[tokio::test]
pub(super) async fn bodies_without_an_end() {
    let lab = Lab::start().await;
    lab.beside(async {}).await;
    let before = memory_peak();
    // A list and a call are read by the same code in both eras, so a list is enough in one.
    for (era, steps) in
        [(Era::Initialized, &["tools/list", "tools/call"][..]), (Era::Stateless, &["tools/call"])]
    {
        for (name, acts) in bodies() {
            for &step in steps {
                let acts = acts.clone();
                let peer = RawPeer::start(move |request| {
                    if request.json()["method"] == step { acts.clone() } else { honest(request) }
                })
                .await;
                let target = target(&peer.url("/mcp"), Some(era.wire()));
                let case = format!("{name}, {era:?}, {step}");
                if step == "tools/list" {
                    let error = lab.beside(lab.list_fails(&target)).await;
                    assert_ne!(error.kind(), McpErrorKind::Closed, "{case}: {error}");
                } else {
                    let outcome = lab.beside(lab.call(&target, fake::call("echo", json!({})))).await;
                    let over = matches!(outcome, CallOutcome::Done { is_error: true, .. });
                    let refused =
                        matches!(outcome, CallOutcome::NotExecuted { .. }) && name.contains("refusal");
                    assert!(
                        over || refused || matches!(outcome, CallOutcome::Unknown { .. }),
                        "{case}: {outcome:?}"
                    );
                }
                assert!(peer.sent() < TAKEN, "{case}: {} bytes were taken", peer.sent());
            }
        }
    }
    assert_growth("35", before, 60);
}

/// A server whose pages of tools are made by `page`, which gets the number of the page and the cursor.
async fn paged(era: Era, page: impl Fn(usize, Option<&str>) -> Value + Send + Sync + 'static) -> Fake {
    let pages = AtomicUsize::new(0);
    era.start(move |seen: Seen| {
        let answer = (seen.method() == "tools/list").then(|| {
            let number = pages.fetch_add(1, Ordering::SeqCst);
            let mut result = page(number, seen.body["params"]["cursor"].as_str());
            result["resultType"] = json!("complete");
            seen.result(result)
        });
        async move { answer }
    })
    .await
}

async fn listed(lab: &Lab, era: Era, fake: &Fake) -> Result<Arc<Catalogue>, McpError> {
    lab.beside(lab.list(&era.target(fake))).await
}

/// A server whose whole list is this text, sent as it is.
async fn listing(era: Era, tools: Bytes) -> Fake {
    era.start(move |seen: Seen| {
        let answer = (seen.method() == "tools/list").then(|| around(&seen, &tools));
        async move { answer }
    })
    .await
}

/// Without a copy of its own, which would count as the client's memory.
fn around(seen: &Seen, tools: &Bytes) -> Response {
    let head =
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"resultType\":\"complete\",", seen.body["id"]);
    let pieces = [Bytes::from(head), tools.clone(), Bytes::from_static(b"}}")];
    let stream = futures::stream::iter(pieces.map(Ok::<_, std::convert::Infallible>));
    ([("content-type", "application/json")], Body::from_stream(stream)).into_response()
}

#[tokio::test]
pub(super) async fn lists_without_an_end() {
    // Large lists are read in time in an unoptimised build too.
    let patient = Timeouts { connect: Duration::from_secs(10), ..short() };
    let lab = Lab::with(patient).await;
    for era in ERAS {
        endless_pages(&lab, era).await;
    }
    large_definitions(&lab, Era::Initialized).await;
}

async fn endless_pages(lab: &Lab, era: Era) {
    let one = |page: usize| json!([tool(&format!("t{page}"))]);
    let fake = paged(era, move |page, _| json!({"tools": one(page), "nextCursor": page.to_string()})).await;
    let catalogue = listed(lab, era, &fake).await.unwrap();
    assert_eq!((catalogue.tools.len(), fake.count("tools/list")), (50, 50));
    assert!(catalogue.problems[0].detail.contains("50 pages"), "{:?}", catalogue.problems);

    let fake = paged(era, |page, _| json!({"tools": [], "nextCursor": "x".repeat(page)})).await;
    assert_eq!(listed(lab, era, &fake).await.unwrap().problems.len(), 1);
    assert_eq!(fake.count("tools/list"), 50, "empty pages count too; an empty cursor is one");

    for (cursors, pages) in [(["", ""], 2), (["again", "again"], 2), (["a", "b"], 3)] {
        let fake =
            paged(era, move |page, _| json!({"tools": one(page), "nextCursor": cursors[page % 2]})).await;
        let catalogue = listed(lab, era, &fake).await.unwrap();
        assert_eq!((catalogue.tools.len(), fake.count("tools/list")), (pages, pages), "{cursors:?}");
        assert!(catalogue.problems[0].detail.contains("repeated"), "{:?}", catalogue.problems);
    }
    for cursor in [json!("x".repeat(5000)), json!(7), json!({"a": 1}), json!(false)] {
        let fake = paged(era, move |page, _| json!({"tools": one(page), "nextCursor": cursor})).await;
        let catalogue = listed(lab, era, &fake).await.unwrap();
        assert_eq!((catalogue.tools.len(), catalogue.problems.len()), (1, 1));
        assert_eq!(fake.count("tools/list"), 1);
    }
    // Each page is quick enough; all together are not.
    let slow = era
        .start(move |seen: Seen| async move {
            if seen.method() != "tools/list" {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            let next = seen.body["id"].to_string();
            Some(seen.result(json!({"resultType": "complete", "tools": [], "nextCursor": next})))
        })
        .await;
    let hasty = Lab::start().await;
    assert_eq!(listed(&hasty, era, &slow).await.unwrap_err().kind(), McpErrorKind::Timeout);
}

async fn large_definitions(lab: &Lab, era: Era) {
    let plain = |number: usize| json!({"name": format!("t{number}"), "description": "does", "inputSchema": {"type": "object"}});
    let huge = |number: usize, size: usize| {
        json!({"name": format!("t{number}"), "description": "d".repeat(size),
        "inputSchema": {"type": "object"}})
    };
    let hundred_thousand = tools_text((0..100_000).map(plain));
    let five_megabytes = tools_text([huge(0, 5_000_000), tool("good")].into_iter());
    let in_all = tools_text((0..150).map(|number| huge(number, 60_000)));
    let dense = format!(
        "{},\"_meta\":{{\"x\":[{}0]}}",
        tools_text([tool("good")].into_iter()),
        "[],".repeat(3_500_000)
    );
    let texts = [hundred_thousand, five_megabytes, in_all, dense].map(Bytes::from);

    let peers = join_all(texts.map(|tools| listing(era, tools))).await;
    lab.beside(async {}).await;
    let before = memory_peak();

    let catalogue = listed(lab, era, &peers[1]).await.unwrap();
    assert_eq!(catalogue.tools.len(), 1, "{:?}", catalogue.problems);
    assert!(catalogue.problems[0].detail.contains("at most"), "{:?}", catalogue.problems);
    assert_growth("43: a description of 5 MB", before, 60);

    assert_eq!(listed(lab, era, &peers[2]).await.unwrap_err().kind(), McpErrorKind::TooLarge);
    assert_growth("43: definitions of 9 MB", before, 60);

    for (peer, what) in [(&peers[0], "43: 100 000 tools"), (&peers[3], "43: millions of empty lists")] {
        let error = listed(lab, era, peer).await.unwrap_err();
        assert_eq!(error.kind(), McpErrorKind::Protocol, "{error}");
        assert!(error.public_message().contains("too many parts"), "{error}");
        assert_growth(what, before, 60);
    }
    let pages = paged(era, move |page, _| {
        let tools: Vec<Value> = (0..2000).map(|number| plain(2000 * page + number)).collect();
        json!({"tools": tools, "nextCursor": page.to_string()})
    })
    .await;
    let catalogue = listed(lab, era, &pages).await.unwrap();
    assert_eq!((catalogue.tools.len(), pages.count("tools/list")), (1000, 1));
    assert!(catalogue.problems[0].detail.contains("1000 tools"), "{:?}", catalogue.problems);
}

/// The member `tools` of a result, written piece by piece: what it takes to make it must not count as the client's.
fn tools_text(tools: impl Iterator<Item = Value>) -> String {
    let mut text = "\"tools\":[".to_owned();
    for (number, tool) in tools.enumerate() {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{tool}");
    }
    text.push(']');
    text
}
