//! Effects that must not happen twice: 39, 40.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream};
use patchbay_mcpclient::{CallOutcome, Target, Timeouts, ToolCall};
use serde_json::{Value, json};
use testkit::{
    axum::{http::StatusCode, response::IntoResponse},
    effects::{EffectLedger, repeated},
    raw_peer::{Act, RawPeer},
    temp::TempDir,
};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    lab::{ERAS, Era, Lab, of_user, short, target},
    old_peer::{OldPeer, Told},
    slow::honest,
};
use crate::fake::{self, Seen, text_of};

/// The ledger of a server: one line for each executed call, on disk before anything is answered.
struct Ledger {
    effects: EffectLedger,
    _folder: TempDir,
}

impl Ledger {
    fn new() -> Arc<Self> {
        let folder = TempDir::new();
        Arc::new(Self { effects: EffectLedger::open(&folder.path().join("effects.jsonl")), _folder: folder })
    }

    fn executed(&self, call: &Value) {
        self.effects.append(&json!({"id": call["params"]["_meta"]["com.coder/tool_call_id"]}));
    }

    /// Every effect once, and this many in all.
    #[track_caller]
    fn assert_once(&self, effects: usize, what: &str) {
        let all = self.effects.effects();
        assert!(repeated(&all, "id").is_empty(), "{what}: {:?}", repeated(&all, "id"));
        assert_eq!(all.len(), effects, "{what}");
    }
}

fn numbered(text: &str, number: usize) -> ToolCall {
    ToolCall { tool_call_id: format!("{text}-{number}"), ..fake::echo(text) }
}

const LOST_SESSIONS: usize = 100;
const LOST_ELSEWHERE: usize = 40;

#[tokio::test]
pub(super) async fn session_lost_in_mid_turn() {
    // Many users wait for the right to dial one server.
    let lab = Lab::with(Timeouts { connect: Duration::from_secs(10), ..short() }).await;
    lab.beside(streamable(&lab)).await;
    lab.beside(refused_as_unknown(&lab)).await;
    lab.beside(two_endpoints(&lab)).await;
}

/// Sessions end while one call runs and another has been resumed; the next call is refused, and goes out once more.
async fn streamable(lab: &Lab) {
    let ledger = Ledger::new();
    let (lost, cut) = (Arc::new(Mutex::new(HashSet::new())), Arc::new(Notify::new()));
    // Sessions by the id of the call that arrived on them.
    let arrived: Arc<Mutex<HashMap<String, String>>> = Arc::default();
    let fake = fake::start({
        let (ledger, lost, cut, arrived) =
            (Arc::clone(&ledger), Arc::clone(&lost), Arc::clone(&cut), Arc::clone(&arrived));
        move |seen: Seen| {
            let (ledger, lost, cut, arrived) =
                (Arc::clone(&ledger), Arc::clone(&lost), Arc::clone(&cut), Arc::clone(&arrived));
            async move {
                let session = seen.header("mcp-session-id").unwrap_or_default().to_owned();
                let gone = lost.lock().unwrap().contains(&session);
                if gone && seen.http != "DELETE" {
                    return Some(StatusCode::NOT_FOUND.into_response());
                }
                if seen.method() != "tools/call" {
                    return None;
                }
                ledger.executed(&seen.body);
                let id = seen.body["params"]["_meta"]["com.coder/tool_call_id"].as_str().unwrap().to_owned();
                arrived.lock().unwrap().insert(id, session);
                match seen.body["params"]["arguments"]["text"].as_str().unwrap() {
                    // Its stream ends with the session; a byte of it has been read, and resuming is answered 404.
                    "resumed" => Some(fake::events(vec![(0, "id: 1\nretry: 500\ndata:\n\n".into())])),
                    "running" => {
                        cut.notified().await;
                        Some(fake::events(vec![(0, ": half\n\n".into())]))
                    }
                    _ => None,
                }
            }
        }
    })
    .await;
    let base = Era::Initialized.target(&fake);
    let runs = (0..LOST_SESSIONS).map(|number| {
        let target = of_user(&base, 1000 + number as u128, "key-of-one-user");
        let (lost, cut, arrived) = (Arc::clone(&lost), Arc::clone(&cut), Arc::clone(&arrived));
        async move {
            lab.list(&target).await.unwrap();
            let session_of = |text: &str| arrived.lock().unwrap().get(&format!("{text}-{number}")).cloned();
            let next = async {
                let both = || session_of("running").is_some() && session_of("resumed").is_some();
                fake::until("both calls arrived", both).await;
                lost.lock().unwrap().insert(session_of("running").unwrap());
                let outcome = lab.call(&target, numbered("next", number)).await;
                cut.notify_waiters();
                outcome
            };
            let (running, resumed, next) = tokio::join!(
                lab.call(&target, numbered("running", number)),
                lab.call(&target, numbered("resumed", number)),
                next,
            );
            assert_eq!(text_of(&next), "next", "{next:?}");
            assert!(matches!(running, CallOutcome::Unknown { .. }), "{running:?}");
            assert!(matches!(resumed, CallOutcome::Unknown { .. }), "{resumed:?}");
        }
    });
    stream::iter(runs).buffer_unordered(20).for_each(|()| async {}).await;
    ledger.assert_once(3 * LOST_SESSIONS, "streamable");
    assert_eq!(fake.count("initialize"), 2 * LOST_SESSIONS, "one new session each");
    assert_eq!(fake.count("tools/call"), 4 * LOST_SESSIONS, "only the refused call went out again");
}

/// The stateless era has no sessions; a 404 without an answer says the same, and costs one more question.
async fn refused_as_unknown(lab: &Lab) {
    let ledger = Ledger::new();
    let refused = Arc::new(AtomicUsize::new(0));
    let fake = Era::Stateless
        .start({
            let (ledger, refused) = (Arc::clone(&ledger), Arc::clone(&refused));
            move |seen: Seen| {
                let call = seen.method() == "tools/call";
                let refuse = call && refused.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
                if call && !refuse {
                    ledger.executed(&seen.body);
                }
                async move { refuse.then(|| StatusCode::NOT_FOUND.into_response()) }
            }
        })
        .await;
    for number in 0..LOST_ELSEWHERE {
        // A server of its own each: whether it changed its era is asked once a minute.
        let target = Era::Stateless.target(&fake);
        assert_eq!(text_of(&lab.call(&target, numbered("next", number)).await), "next");
    }
    ledger.assert_once(LOST_ELSEWHERE, "stateless");
    assert_eq!(fake.count("tools/call"), 2 * LOST_ELSEWHERE);
}

async fn two_endpoints(lab: &Lab) {
    let ledger = Ledger::new();
    let refused = AtomicUsize::new(0);
    let old = OldPeer::start({
        let ledger = Arc::clone(&ledger);
        move |seen| {
            if refused.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
                return Told::Lost;
            }
            ledger.executed(&seen.body);
            Told::Events(fake::event(&seen.message(json!({"content": [{"type": "text", "text": "next"}]}))))
        }
    })
    .await;
    let target = old.target();
    for number in 0..LOST_ELSEWHERE {
        assert_eq!(text_of(&lab.call(&target, numbered("next", number)).await), "next");
    }
    ledger.assert_once(LOST_ELSEWHERE, "two endpoints");
    assert_eq!(old.fake.count("tools/call"), 2 * LOST_ELSEWHERE);
}

/// Where an answer can be cut.
const CUTS: [&str; 8] = [
    "",
    "HTTP/1.1 2",
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n",
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"jsonrpc\":\"2.0\",",
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n",
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"res",
];

const RUNS_PER_ERA: usize = 220;
const RUNS_ON_STREAMS: usize = 60;

#[tokio::test]
pub(super) async fn connection_cut_after_the_effect() {
    let lab = Lab::start().await;
    for era in ERAS {
        let ledger = Ledger::new();
        let peer = RawPeer::start({
            let (ledger, calls) = (Arc::clone(&ledger), AtomicUsize::new(0));
            move |request| {
                let body = request.json();
                if body["method"] != "tools/call" {
                    return honest(request);
                }
                ledger.executed(&body);
                let cut = CUTS[calls.fetch_add(1, Ordering::SeqCst) % CUTS.len()];
                // Some cuts come a moment later, when the client has begun to read.
                vec![
                    Act::Send(cut.into()),
                    Act::Wait(Duration::from_millis(cut.len() as u64 % 3)),
                    Act::Close,
                ]
            }
        })
        .await;
        let target = target(&peer.url("/mcp"), Some(era.wire()));
        lab.beside(all_unknown(&lab, &target, RUNS_PER_ERA, 8)).await;
        ledger.assert_once(RUNS_PER_ERA, "one for each call");
    }
    let ledger = Ledger::new();
    let old = OldPeer::start({
        let ledger = Arc::clone(&ledger);
        move |seen| {
            ledger.executed(&seen.body);
            Told::Cut
        }
    })
    .await;
    lab.beside(all_unknown(&lab, &old.target(), RUNS_ON_STREAMS, 1)).await;
    ledger.assert_once(RUNS_ON_STREAMS, "one for each call on the old transport");
}

/// Nobody is told that it failed, or that it went well, and nobody sends it again.
/// `at_once` is one where a cut ends the calls beside too.
async fn all_unknown(lab: &Lab, target: &Target, runs: usize, at_once: usize) {
    let runs = (0..runs).map(|number| async move {
        // A few for each user: a server that fails more often than that is left alone.
        let user_id = Uuid::from_u128(1_000 + number as u128 / 4);
        let target = Target { user_id, ..target.clone() };
        let outcome = lab.call(&target, numbered("effect", number)).await;
        let CallOutcome::Unknown { message, .. } = &outcome else { panic!("run {number}: {outcome:?}") };
        assert!(message.contains("may or may not have run"), "{message}");
    });
    stream::iter(runs).buffer_unordered(at_once).for_each(|()| async {}).await;
}
