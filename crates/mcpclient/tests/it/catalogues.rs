//! Listing: pages, caps, bad definitions, and when a list is made anew.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use patchbay_mcpclient::{Catalogue, McpError, McpErrorKind, Timeouts};
use serde_json::{Value, json};
use testkit::axum;
use testkit::axum::http::StatusCode;

use crate::fake::{self, Fake, Seen, tool};

/// A server whose tools are listed by `page`, which gets the number of the page and the cursor.
async fn paged(page: impl Fn(usize, Option<&str>) -> Value + Send + Sync + 'static) -> Fake {
    let pages = AtomicUsize::new(0);
    fake::start(move |seen: Seen| {
        let answer = (seen.method() == "tools/list").then(|| {
            let cursor = seen.body["params"]["cursor"].as_str();
            seen.result(page(pages.fetch_add(1, Ordering::SeqCst), cursor))
        });
        async move { answer }
    })
    .await
}

async fn list(fake: &Fake) -> Result<Arc<Catalogue>, McpError> {
    fake::clients().catalogue(&fake.target(), fake::in_(10)).await
}

fn names(catalogue: &Catalogue) -> Vec<&str> {
    catalogue.tools.iter().map(|tool| tool.name.as_str()).collect()
}

#[tokio::test]
async fn pages_are_followed_and_an_empty_cursor_is_a_cursor() {
    let fake = paged(|_, cursor| match cursor {
        None => json!({"tools": [tool("a")], "nextCursor": ""}),
        Some("") => json!({"tools": [tool("b")], "nextCursor": "x"}),
        Some(_) => json!({"tools": [tool("c")], "nextCursor": null}),
    })
    .await;
    let catalogue = list(&fake).await.unwrap();
    assert_eq!(names(&catalogue), ["a", "b", "c"]);
    assert!(catalogue.problems.is_empty());
}

#[tokio::test]
async fn endless_pages_end() {
    let fake =
        paged(|page, _| json!({"tools": [tool(&format!("t{page}"))], "nextCursor": page.to_string()})).await;
    let catalogue = list(&fake).await.unwrap();
    assert_eq!(catalogue.tools.len(), 50);
    assert!(catalogue.problems[0].detail.contains("50 pages"), "{:?}", catalogue.problems);
    assert_eq!(fake.count("tools/list"), 50);
}

#[tokio::test]
async fn a_repeated_cursor_ends_the_list() {
    let fake = paged(|page, _| json!({"tools": [tool(&format!("t{page}"))], "nextCursor": "again"})).await;
    let catalogue = list(&fake).await.unwrap();
    assert_eq!(names(&catalogue), ["t0", "t1"]);
    assert!(catalogue.problems[0].detail.contains("repeated"));
}

#[tokio::test]
async fn an_overlong_cursor_ends_the_list() {
    let fake = paged(|_, _| json!({"tools": [tool("a")], "nextCursor": "x".repeat(5000)})).await;
    let catalogue = list(&fake).await.unwrap();
    assert_eq!((catalogue.tools.len(), catalogue.problems.len()), (1, 1));
}

#[tokio::test]
async fn a_refused_cursor_starts_the_list_again_once() {
    let refusals = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refusals);
    let fake = fake::start(move |seen: Seen| {
        let counted = Arc::clone(&counted);
        async move {
            (seen.method() == "tools/list").then(|| match seen.body["params"]["cursor"].as_str() {
                None => seen.result(json!({"tools": [tool("a")], "nextCursor": "2"})),
                Some(_) if counted.fetch_add(1, Ordering::SeqCst) == 0 => seen.error(StatusCode::OK, -32602),
                Some(_) => seen.result(json!({"tools": [tool("b")]})),
            })
        }
    })
    .await;
    assert_eq!(names(&list(&fake).await.unwrap()), ["a", "b"]);
    assert_eq!(refusals.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn too_many_tools_are_cut_with_a_note() {
    let fake = paged(|_, _| {
        let tools: Vec<Value> = (0..1500).map(|number| tool(&format!("t{number}"))).collect();
        json!({"tools": tools})
    })
    .await;
    let catalogue = list(&fake).await.unwrap();
    assert_eq!(catalogue.tools.len(), 1000);
    assert!(catalogue.problems[0].detail.contains("1000 tools"));
}

#[tokio::test]
async fn definitions_of_too_many_bytes_skip_the_server() {
    let fake = paged(|_, _| {
        let big = |number| json!({"name": format!("t{number}"), "inputSchema": {"type": "object", "title": "x".repeat(60_000)}});
        json!({"tools": (0..80).map(big).collect::<Vec<_>>()})
    })
    .await;
    assert_eq!(list(&fake).await.unwrap_err().kind(), McpErrorKind::TooLarge);
}

#[tokio::test]
async fn bad_tools_cost_themselves_only() {
    let fake = paged(|_, _| {
        json!({"tools": [
            tool("good"),
            {"name": "huge", "description": "x".repeat(5_000_000), "inputSchema": {"type": "object"}},
            {"name": "schemaless"},
            {"name": "network", "inputSchema": {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/s"}}}},
            "nonsense",
            tool("also good"),
        ]})
    })
    .await;
    let catalogue = list(&fake).await.unwrap();
    assert_eq!(names(&catalogue), ["good", "also good"]);
    let blamed: Vec<_> = catalogue.problems.iter().map(|problem| problem.name.as_str()).collect();
    assert_eq!(blamed, ["huge", "schemaless", "network", "number 5"]);
}

#[tokio::test]
async fn a_fresh_list_is_not_asked_for_again() {
    let fake = fake::honest().await;
    let clients = fake::clients();
    for _ in 0..5 {
        clients.catalogue(&fake.target(), fake::in_(10)).await.unwrap();
    }
    assert_eq!((fake.count("initialize"), fake.count("tools/list")), (1, 1));
}

#[tokio::test]
async fn an_old_list_is_asked_for_again_on_the_same_connection() {
    let fake = fake::honest().await;
    let clients =
        fake::clients_with(Timeouts { catalogue_fresh: Duration::from_millis(50), ..Timeouts::default() });
    clients.catalogue(&fake.target(), fake::in_(10)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(80)).await;
    clients.catalogue(&fake.target(), fake::in_(10)).await.unwrap();
    assert_eq!((fake.count("initialize"), fake.count("tools/list")), (1, 2));
}

#[tokio::test]
async fn a_change_notice_makes_the_list_old_but_not_more_often_than_allowed() {
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    let fake = fake::start(move |seen: Seen| {
        let changed = changed.clone();
        async move {
            (seen.method() == "tools/call").then(|| {
                let answer = fake::event(&seen.message(json!({"content": []})));
                fake::events(vec![(0, fake::event(&changed).repeat(50)), (0, answer)])
            })
        }
    })
    .await;
    let clients =
        fake::clients_with(Timeouts { list_debounce: Duration::from_millis(300), ..Timeouts::default() });
    let target = fake.target();
    clients.catalogue(&target, fake::in_(10)).await.unwrap();
    clients.call(&target, fake::echo("x")).await;
    clients.catalogue(&target, fake::in_(10)).await.unwrap();
    assert_eq!(fake.count("tools/list"), 1, "debounced");
    tokio::time::sleep(Duration::from_millis(350)).await;
    clients.catalogue(&target, fake::in_(10)).await.unwrap();
    clients.catalogue(&target, fake::in_(10)).await.unwrap();
    assert_eq!(fake.count("tools/list"), 2);
}

#[tokio::test]
async fn a_timeout_is_remembered_until_the_server_is_edited() {
    let fake = fake::start(|seen: Seen| async move {
        if seen.method() == "initialize" { fake::silence().await } else { None }
    })
    .await;
    let clients = fake::clients();
    let soon = || tokio::time::Instant::now() + Duration::from_millis(200);
    let target = fake.target();
    assert!(clients.catalogue(&target, soon()).await.unwrap_err().is_timeout());
    assert_eq!(fake.count("initialize"), 1);
    let started = tokio::time::Instant::now();
    assert!(clients.catalogue(&target, soon()).await.unwrap_err().is_timeout());
    assert!(started.elapsed() < Duration::from_millis(50));
    assert_eq!(fake.count("initialize"), 1, "not tried again");

    let mut other = target.clone();
    other.user_id = uuid::Uuid::from_u128(99);
    assert!(clients.catalogue(&other, soon()).await.unwrap_err().is_timeout());
    assert_eq!(fake.count("initialize"), 2, "another user tries for himself");

    clients.close_server(target.server_id);
    assert!(clients.catalogue(&target, soon()).await.unwrap_err().is_timeout());
    assert_eq!(fake.count("initialize"), 3);
}

#[tokio::test]
async fn a_batch_is_read_where_the_revision_has_batches() {
    for (version, readable) in [("2025-03-26", true), ("2025-11-25", false)] {
        let fake = fake::start(move |seen: Seen| async move {
            match seen.method() {
                "initialize" => Some(seen.result(fake::hello(version))),
                "tools/list" => {
                    let note = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}});
                    let answer = seen.message(json!({"tools": [tool("a")]}));
                    Some(axum::response::IntoResponse::into_response(axum::Json(json!([note, answer]))))
                }
                _ => None,
            }
        })
        .await;
        assert_eq!(list(&fake).await.is_ok(), readable, "{version}");
    }
}
