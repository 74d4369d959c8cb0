//! What the pool does between turns: lists that stand in, servers that are left alone, notices of changes, and who hears of it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use patchbay_mcpclient::{
    ClientConfig, Contact, Contacted, Found, McpClients, McpErrorKind, Observer, Timeouts, ToolCall, Wire,
};
use serde_json::json;
use testkit::axum::http::{Method, StatusCode};
use uuid::Uuid;

use crate::fake::{self, Seen};
use crate::fake_stateless;

#[derive(Default)]
pub(crate) struct Noting(pub(crate) Mutex<Vec<Contacted>>);

impl Observer for Noting {
    fn found(&self, _: Found) {}

    fn contacted(&self, contact: Contact) {
        self.0.lock().unwrap().push(contact.outcome);
    }
}

pub(crate) fn noting(timeouts: Timeouts) -> (McpClients, Arc<Noting>) {
    let noting = Arc::new(Noting::default());
    let config = egress::EgressConfig {
        allow: "127.0.0.1:*".parse().unwrap(),
        own_listeners: Vec::new(),
        access_url: None,
        user_agent: "patchbay/test".into(),
    };
    let clients = McpClients::with_timeouts(
        egress::Egress::new(config).unwrap(),
        ClientConfig {
            version: "1".into(),
            clock: Arc::new(domain::clock::ManualClock::default()),
            observer: Some(noting.clone()),
        },
        timeouts,
    );
    (clients, noting)
}

/// Idle at once; the first turn after that must not wait for the handshake of a slow server.
#[tokio::test]
async fn the_first_turn_after_a_pause_does_not_wait_for_a_handshake() {
    let fake = fake::start(|seen: Seen| async move {
        if seen.method() == "initialize" {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        None
    })
    .await;
    let idle = Timeouts { idle_connection: Duration::from_millis(200), ..Timeouts::default() };
    let (clients, noted) = noting(idle);
    let target = fake.target();
    let first = clients.catalogue(&target, fake::in_(5)).await.unwrap();
    fake::until("the connection is closed as idle", || !fake.deletes().is_empty()).await;
    let started = Instant::now();
    let second = clients.catalogue(&target, fake::in_(5)).await.unwrap();
    let third = clients.catalogue(&target, fake::in_(5)).await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(350), "{:?}", started.elapsed());
    assert!(Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&first, &third));
    // The model has thought; the call finds the connection that was opened meanwhile, and the definition it was offered.
    let call = ToolCall { definition_hash: Some(second.tools[0].hash.clone()), ..fake::echo("after") };
    assert_eq!(fake::text_of(&clients.call(&target, call).await), "after");
    assert_eq!(fake.count("initialize"), 2, "one handshake for all of them");
    let noted = noted.0.lock().unwrap();
    assert!(matches!(noted[..], [Contacted::Listed { .. }, .., Contacted::Called]), "{noted:?}");
}

/// To list for longer than a connection may be idle is no idleness: it stays, and so does what was listed.
#[tokio::test]
async fn a_connection_in_use_is_not_idle() {
    let fake = fake::start(|seen: Seen| async move {
        if seen.method() == "tools/list" {
            tokio::time::sleep(Duration::from_millis(900)).await;
        }
        None
    })
    .await;
    let (clients, _) =
        noting(Timeouts { idle_connection: Duration::from_millis(300), ..Timeouts::default() });
    let target = fake.target();
    let first = clients.catalogue(&target, fake::in_(5)).await.unwrap();
    assert!(fake.deletes().is_empty());
    let second = clients.catalogue(&target, fake::in_(5)).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!((fake.count("initialize"), fake.count("tools/list")), (1, 1));
    fake::until("the connection is closed as idle", || !fake.deletes().is_empty()).await;
}

/// A list stands in once. When the server turns out to be gone, the next turn hears of it.
#[tokio::test]
async fn a_list_does_not_stand_in_for_a_server_that_is_gone() {
    let gone = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let fake = fake::start(move |seen: Seen| {
        let gone = is_gone.load(std::sync::atomic::Ordering::SeqCst);
        async move { (gone && seen.http == Method::POST).then(|| seen.error(StatusCode::UNAUTHORIZED, -1)) }
    })
    .await;
    let idle = Timeouts { idle_connection: Duration::from_millis(200), ..Timeouts::default() };
    let (clients, noted) = noting(idle);
    let target = fake.target();
    let offered = clients.catalogue(&target, fake::in_(5)).await.unwrap();
    fake::until("idle", || !fake.deletes().is_empty()).await;
    gone.store(true, std::sync::atomic::Ordering::SeqCst);
    clients.catalogue(&target, fake::in_(5)).await.unwrap();
    fake::until("the new connection was refused", || noted.0.lock().unwrap().len() > 1).await;
    let error = clients.catalogue(&target, fake::in_(5)).await.unwrap_err();
    assert_eq!(error.kind(), McpErrorKind::Unauthorized);
    let call = ToolCall { definition_hash: Some(offered.tools[0].hash.clone()), ..fake::echo("x") };
    let outcome = clients.call(&target, call).await;
    assert!(matches!(outcome, patchbay_mcpclient::CallOutcome::NotExecuted { .. }), "{outcome:?}");
    assert_eq!(fake.count("tools/call"), 0);
}

#[tokio::test]
async fn an_edited_server_is_asked_before_its_tools_are_offered() {
    let fake = fake::honest().await;
    let clients =
        fake::clients_with(Timeouts { idle_connection: Duration::from_millis(200), ..Timeouts::default() });
    clients.catalogue(&fake.target(), fake::in_(5)).await.unwrap();
    fake::until("idle", || !fake.deletes().is_empty()).await;
    clients.close_server(fake.target().server_id);
    clients.catalogue(&fake.target(), fake::in_(5)).await.unwrap();
    assert_eq!(fake.count("tools/list"), 2);
}

#[tokio::test]
async fn a_server_that_keeps_failing_is_left_alone_and_said_so() {
    let fake = fake::start(|seen: Seen| async move {
        (seen.method() == "initialize").then(|| seen.error(StatusCode::INTERNAL_SERVER_ERROR, -32603))
    })
    .await;
    let (clients, noted) = noting(Timeouts::default());
    let target = fake.target();
    for _ in 0..5 {
        clients.catalogue(&target, fake::in_(5)).await.unwrap_err();
    }
    let asked = fake.count("initialize");
    let error = clients.catalogue(&target, fake::in_(5)).await.unwrap_err();
    assert_eq!(error.kind(), McpErrorKind::Paused);
    assert!(error.public_message().contains("failed 5 times"), "{error}");
    let outcome = clients.call(&target, fake::echo("x")).await;
    assert!(fake::text_of(&outcome).contains("failed 5 times"), "{outcome:?}");
    assert_eq!(fake.count("initialize"), asked, "nobody knocks");
    let other = patchbay_mcpclient::Target { user_id: Uuid::max(), ..target.clone() };
    clients.catalogue(&other, fake::in_(5)).await.unwrap_err();
    assert!(fake.count("initialize") > asked, "another user's own try");
    assert_eq!(noted.0.lock().unwrap().len(), 6, "refusals of our own are no contact");
    clients.close_server(target.server_id);
    let after = fake.count("initialize");
    clients.catalogue(&target, fake::in_(5)).await.unwrap_err();
    assert!(fake.count("initialize") > after, "an edit clears it");
}

/// A stream that sends a notice and then stands.
fn notice(first: Vec<String>) -> testkit::axum::response::Response {
    let changed = fake::event(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
    let mut pieces: Vec<(u64, String)> = first.into_iter().map(|piece| (0, piece)).collect();
    pieces.push((150, changed));
    pieces.push((60_000, String::new()));
    fake::events(pieces)
}

/// A stateless server that says when its tools change.
fn announcing(seen: &Seen) -> testkit::axum::response::Response {
    let mut offers = fake_stateless::discovered();
    offers["capabilities"]["tools"]["listChanged"] = true.into();
    seen.result(offers)
}

fn soon() -> Timeouts {
    Timeouts { list_debounce: Duration::from_millis(50), ..Timeouts::default() }
}

#[tokio::test]
async fn a_standing_stream_tells_that_the_tools_changed() {
    let fake =
        fake::start(|seen: Seen| async move { (seen.http == Method::GET).then(|| notice(Vec::new())) }).await;
    let clients = fake::clients_with(soon());
    let target = fake.target();
    clients.catalogue(&target, fake::in_(5)).await.unwrap();
    clients.catalogue(&target, fake::in_(5)).await.unwrap();
    assert_eq!(fake.count("tools/list"), 1);
    tokio::time::sleep(Duration::from_millis(400)).await;
    clients.catalogue(&target, fake::in_(5)).await.unwrap();
    assert_eq!(fake.count("tools/list"), 2, "no minute has passed");
    let gets: Vec<_> = fake.seen().into_iter().filter(|seen| seen.http == Method::GET).collect();
    assert_eq!(gets.len(), 1);
    assert_eq!(gets[0].header("mcp-session-id"), Some("session-1"));
    assert_eq!(gets[0].header("authorization"), Some("Bearer hunter2"));
}

#[tokio::test]
async fn a_stateless_server_is_subscribed_to() {
    let fake = fake_stateless::start(|seen: Seen| async move {
        match seen.method() {
            "server/discover" => Some(announcing(&seen)),
            "subscriptions/listen" => {
                let id = seen.body["id"].clone();
                Some(notice(vec![fake::event(&json!({"jsonrpc": "2.0",
                    "method": "notifications/subscriptions/acknowledged",
                    "params": {"_meta": {"io.modelcontextprotocol/subscriptionId": id},
                        "notifications": {"toolsListChanged": true}}}))]))
            }
            _ => None,
        }
    })
    .await;
    let clients = fake::clients_with(soon());
    let target = patchbay_mcpclient::Target { wire: Some(Wire::Stateless), ..fake.target() };
    clients.catalogue(&target, fake::in_(5)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    clients.catalogue(&target, fake::in_(5)).await.unwrap();
    assert_eq!(fake.count("tools/list"), 2, "the list was good for a minute");
    let asked = fake.seen().into_iter().find(|seen| seen.method() == "subscriptions/listen").unwrap();
    assert_eq!(asked.header("mcp-method"), Some("subscriptions/listen"));
    assert_eq!(asked.body["params"]["notifications"], json!({"toolsListChanged": true}));
    assert_eq!(
        asked.body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"],
        fake_stateless::REVISION
    );
}

/// Whatever is no acknowledgement of ours first, is no such stream; and where there is none, nobody asks again.
#[tokio::test]
async fn a_stream_that_keeps_to_no_rules_is_closed() {
    let fake = fake_stateless::start(|seen: Seen| async move {
        match seen.method() {
            "server/discover" => Some(announcing(&seen)),
            "subscriptions/listen" => Some(notice(Vec::new())),
            _ => None,
        }
    })
    .await;
    let clients = fake::clients_with(soon());
    let target = patchbay_mcpclient::Target { wire: Some(Wire::Stateless), ..fake.target() };
    for _ in 0..3 {
        clients.catalogue(&target, fake::in_(5)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!((fake.count("tools/list"), fake.count("subscriptions/listen")), (1, 1));
    let without = fake::honest().await;
    for _ in 0..3 {
        clients.catalogue(&without.target(), fake::in_(5)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(without.seen().iter().filter(|seen| seen.http == Method::GET).count(), 1);
}
