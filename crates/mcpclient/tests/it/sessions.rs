//! Who uses which session, and when it ends.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use patchbay_mcpclient::{CallOutcome, McpErrorKind, Timeouts};
use serde_json::json;
use testkit::axum::http::StatusCode;
use testkit::axum::response::IntoResponse;
use uuid::Uuid;

use crate::fake::{self, Seen};

/// Refuses the first `times` calls as a server that has lost its sessions does.
async fn forgetful(times: usize, status: StatusCode) -> fake::Fake {
    let refused = Arc::new(AtomicUsize::new(0));
    fake::start(move |seen: Seen| {
        let refuse = seen.method() == "tools/call" && refused.fetch_add(1, Ordering::SeqCst) < times;
        async move {
            refuse.then(|| match status {
                StatusCode::NOT_FOUND => status.into_response(),
                _ => seen.error(status, -32000),
            })
        }
    })
    .await
}

#[tokio::test]
async fn a_lost_session_is_replaced_once_and_the_refused_call_sent_again() {
    let fake = forgetful(1, StatusCode::NOT_FOUND).await;
    let clients = fake::clients();
    let outcome = clients.call(&fake.target(), fake::echo("x")).await;
    assert!(matches!(outcome, CallOutcome::Done { is_error: false, .. }), "{outcome:?}");
    assert_eq!(sessions_of_calls(&fake), ["session-1", "session-2"]);
    let seen = fake.seen();
    let mut hellos = seen.iter().filter(|seen| seen.method() == "initialize");
    assert!(hellos.all(|seen| seen.header("mcp-session-id").is_none()));
}

fn sessions_of_calls(fake: &fake::Fake) -> Vec<String> {
    let seen = fake.seen();
    let calls = seen.iter().filter(|seen| seen.method() == "tools/call");
    calls.map(|seen| seen.header("mcp-session-id").unwrap().to_owned()).collect()
}

/// Some servers say so by 400 and a code of their own range. So do tools that failed half-way: the session is given up,
/// the call is not sent again.
#[tokio::test]
async fn a_session_lost_by_400_is_given_up_and_the_call_not_repeated() {
    let fake = forgetful(1, StatusCode::BAD_REQUEST).await;
    let clients = fake::clients();
    let outcome = clients.call(&fake.target(), fake::echo("x")).await;
    assert!(
        matches!(&outcome, CallOutcome::Unknown { message, .. } if message.contains("may or may not have run")),
        "{outcome:?}"
    );
    assert_eq!(fake.count("tools/call"), 1);
    let outcome = clients.call(&fake.target(), fake::echo("y")).await;
    assert!(matches!(outcome, CallOutcome::Done { is_error: false, .. }), "{outcome:?}");
    assert_eq!(sessions_of_calls(&fake), ["session-1", "session-2"]);
}

#[tokio::test]
async fn a_dead_server_holds_four_dials_and_waiting_for_one_is_no_timeout() {
    let hellos = Arc::new(AtomicUsize::new(0));
    let fake = fake::start(move |seen: Seen| {
        let dead = seen.method() == "initialize" && hellos.fetch_add(1, Ordering::SeqCst) < 4;
        async move { if dead { fake::silence().await } else { None } }
    })
    .await;
    let clients = fake::clients();
    let of_user = |user: u128| {
        let mut target = fake.target();
        target.user_id = Uuid::from_u128(user);
        target
    };
    let list = |user: u128, millis: u64| {
        let (clients, target) = (clients.clone(), of_user(user));
        let deadline = tokio::time::Instant::now() + Duration::from_millis(millis);
        tokio::spawn(async move { clients.catalogue(&target, deadline).await.map(|_| ()) })
    };
    let dialling: Vec<_> = (0..4).map(|user| list(user, 1500)).collect();
    fake::until("four dial", || fake.count("initialize") == 4).await;
    for user in 4..6 {
        let error = list(user, 200).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), McpErrorKind::Busy, "{error}");
    }
    assert_eq!(fake.count("initialize"), 4, "no fifth connection to one server");

    let other = fake::honest().await;
    let mut elsewhere = other.target();
    elsewhere.server_id = Uuid::from_u128(99);
    clients.catalogue(&elsewhere, fake::in_(1)).await.expect("another server is not held up");

    for dial in dialling {
        assert!(dial.await.unwrap().unwrap_err().is_timeout());
    }
    for user in 4..6 {
        list(user, 5000).await.unwrap().expect("who never had his turn has seen no timeout");
    }
    assert!(list(0, 5000).await.unwrap().unwrap_err().is_timeout(), "who had it is not kept waiting again");
}

#[tokio::test]
async fn a_server_that_keeps_losing_sessions_is_not_chased() {
    let fake = forgetful(usize::MAX, StatusCode::NOT_FOUND).await;
    let clients = fake::clients();
    for _ in 0..3 {
        let outcome = clients.call(&fake.target(), fake::echo("x")).await;
        assert!(matches!(outcome, CallOutcome::NotExecuted { .. }), "{outcome:?}");
    }
    assert_eq!(fake.count("tools/call"), 4, "one repeat in ten seconds, not one per call");
}

#[tokio::test]
async fn a_lost_session_does_not_cost_the_turn_its_tools() {
    let lists = Arc::new(AtomicUsize::new(0));
    let fake = fake::start(move |seen: Seen| {
        let lost = seen.method() == "tools/list" && lists.fetch_add(1, Ordering::SeqCst) == 0;
        async move { lost.then(|| StatusCode::NOT_FOUND.into_response()) }
    })
    .await;
    let catalogue = fake::clients().catalogue(&fake.target(), fake::in_(5)).await.unwrap();
    assert_eq!(catalogue.tools.len(), 1);
    assert_eq!(fake.count("initialize"), 2);
}

#[tokio::test]
async fn two_users_never_share_a_session_or_an_answer() {
    let fake = fake::start(|seen: Seen| async move {
        (seen.method() == "tools/call").then(|| {
            let session = seen.header("mcp-session-id").unwrap().to_owned();
            let who = seen.header("authorization").unwrap().to_owned();
            let nonce = seen.body["params"]["arguments"]["text"].clone();
            seen.result(json!({"structuredContent": {"session": session, "who": who, "nonce": nonce}}))
        })
    })
    .await;
    let clients = fake::clients();
    let calls = (0..200u128).map(|number| {
        let user = number % 2;
        let mut target = fake.target();
        target.user_id = Uuid::from_u128(user);
        target.headers = vec![("authorization".parse().unwrap(), format!("user {user}").into())];
        let clients = clients.clone();
        async move {
            let outcome = clients.call(&target, fake::echo(&format!("nonce {number}"))).await;
            let CallOutcome::Done { content, .. } = outcome else { panic!("{outcome:?}") };
            let api::messages::ResultContent::Structured { value } = &content[0] else {
                panic!("{content:?}")
            };
            assert_eq!(value["who"], format!("user {user}"));
            assert_eq!(value["nonce"], format!("nonce {number}"));
            (user, value["session"].as_str().unwrap().to_owned())
        }
    });
    let pairs: HashSet<(u128, String)> = futures::future::join_all(calls).await.into_iter().collect();
    assert_eq!(pairs.len(), 2, "one session per user: {pairs:?}");
    let sessions: HashSet<_> = pairs.iter().map(|(_, session)| session).collect();
    assert_eq!(sessions.len(), 2);
    assert_eq!(fake.count("initialize"), 2, "opened once each, though all came at once");
}

#[tokio::test]
async fn a_new_credential_gets_a_new_session_and_ends_the_old_one() {
    let fake = fake::honest().await;
    let clients = fake::clients();
    let mut target = fake.target();
    clients.catalogue(&target, fake::in_(5)).await.unwrap();
    target.credential_version = 2;
    target.headers = vec![("authorization".parse().unwrap(), "Bearer new".into())];
    clients.catalogue(&target, fake::in_(5)).await.unwrap();
    assert_eq!(fake.count("initialize"), 2);
    fake::until("the old session is ended", || fake.deletes() == ["session-1"]).await;
    let seen = fake.seen();
    let delete = seen.iter().find(|seen| seen.http == "DELETE").unwrap();
    assert_eq!(delete.header("authorization"), Some("Bearer hunter2"));

    target.headers = vec![("authorization".parse().unwrap(), "Bearer changed behind our back".into())];
    clients.catalogue(&target, fake::in_(5)).await.unwrap();
    assert_eq!(fake.count("initialize"), 3);
}

#[tokio::test]
async fn refused_credentials_close_the_connection() {
    let refuse = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refuse);
    let fake = fake::start(move |seen: Seen| {
        let refused = seen.method() == "tools/call" && counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move { refused.then(|| StatusCode::UNAUTHORIZED.into_response()) }
    })
    .await;
    let clients = fake::clients();
    let outcome = clients.call(&fake.target(), fake::echo("x")).await;
    assert!(matches!(outcome, CallOutcome::NotExecuted { .. }), "{outcome:?}");
    clients.call(&fake.target(), fake::echo("x")).await;
    assert_eq!(fake.count("initialize"), 2);
}

#[tokio::test]
async fn closing_a_server_ends_its_sessions_after_running_calls() {
    let fake = fake::start(|seen: Seen| async move {
        if seen.method() == "tools/call" {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        None
    })
    .await;
    let clients = fake::clients();
    let target = fake.target();
    let running = tokio::spawn({
        let (clients, target) = (clients.clone(), target.clone());
        async move { clients.call(&target, fake::echo("x")).await }
    });
    fake::until("the call arrived", || fake.count("tools/call") == 1).await;
    clients.close_server(target.server_id);
    assert!(fake.deletes().is_empty());
    assert!(matches!(running.await.unwrap(), CallOutcome::Done { .. }));
    fake::until("the session is ended", || fake.deletes() == ["session-1"]).await;

    clients.catalogue(&target, fake::in_(5)).await.unwrap();
    clients.close_user(target.user_id);
    fake::until("the session is ended", || fake.deletes() == ["session-1", "session-2"]).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let fake = fake::honest().await;
    let clients =
        fake::clients_with(Timeouts { idle_connection: Duration::from_millis(200), ..Timeouts::default() });
    clients.catalogue(&fake.target(), fake::in_(5)).await.unwrap();
    fake::until("the session is ended", || fake.deletes() == ["session-1"]).await;
    clients.catalogue(&fake.target(), fake::in_(5)).await.unwrap();
    fake::until("a new one is opened", || fake.count("initialize") == 2).await;
}

#[tokio::test]
async fn shutdown_ends_every_session_and_waits_for_it() {
    let fake = fake::start(|seen: Seen| async move {
        if seen.method() == "tools/call" { fake::silence().await } else { None }
    })
    .await;
    let clients = fake::clients();
    let mut other = fake.target();
    other.user_id = Uuid::from_u128(9);
    clients.catalogue(&fake.target(), fake::in_(5)).await.unwrap();
    clients.catalogue(&other, fake::in_(5)).await.unwrap();
    let running = tokio::spawn({
        let clients = clients.clone();
        async move { clients.call(&other, fake::echo("x")).await }
    });
    fake::until("the call arrived", || fake.count("tools/call") == 1).await;
    clients.shutdown().await;
    let mut ended = fake.deletes();
    ended.sort();
    assert_eq!(ended, ["session-1", "session-2"]);
    let outcome = running.await.unwrap();
    assert!(matches!(outcome, CallOutcome::Unknown { .. }), "{outcome:?}");
    let refused = clients.call(&fake.target(), fake::echo("x")).await;
    assert!(matches!(refused, CallOutcome::NotExecuted { .. }), "{refused:?}");
    assert_eq!(fake.count("initialize"), 2);
}

#[tokio::test]
async fn a_handshake_that_nobody_waits_for_leaves_no_session() {
    let fake = fake::start(|seen: Seen| async move {
        if seen.method() == "notifications/initialized" { fake::silence().await } else { None }
    })
    .await;
    let clients = fake::clients();
    let soon = tokio::time::Instant::now() + Duration::from_millis(300);
    assert!(clients.catalogue(&fake.target(), soon).await.unwrap_err().is_timeout());
    fake::until("the session is ended", || fake.deletes() == ["session-1"]).await;
}

#[tokio::test]
async fn a_server_without_sessions_works() {
    let fake = fake::start(|seen: Seen| async move {
        (seen.method() == "initialize").then(|| seen.result(fake::hello("2025-06-18")))
    })
    .await;
    let clients = fake::clients();
    let outcome = clients.call(&fake.target(), fake::echo("x")).await;
    assert!(matches!(outcome, CallOutcome::Done { .. }), "{outcome:?}");
    clients.shutdown().await;
    assert!(fake.seen().iter().all(|seen| seen.header("mcp-session-id").is_none() && seen.http == "POST"));
}

#[tokio::test]
async fn an_unusable_session_id_is_refused() {
    let fake = fake::start(|seen: Seen| async move {
        (seen.method() == "initialize").then(|| {
            ([("mcp-session-id", "two words")], seen.result(fake::hello("2025-11-25"))).into_response()
        })
    })
    .await;
    let error = fake::clients().catalogue(&fake.target(), fake::in_(5)).await.unwrap_err();
    assert!(error.public_message().contains("session id"), "{error}");
}
