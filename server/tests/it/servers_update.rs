//! PATCH, ETag, what is wiped (behaviour 4 and 6).

use crate::support::{SERVERS, TestServer, over, server_body};
use http::Method;
use serde_json::{Value, json};
use testkit::http::Answer;

const URL: &str = "https://mcp.example.org/mcp";

fn with_key() -> Value {
    over(
        server_body("keyed", URL),
        json!({"auth_type": "api_key", "api_key_header": "X-Key", "api_key_value": "secret-one"}),
    )
}

fn with_headers() -> Value {
    over(
        server_body("headed", URL),
        json!({"auth_type": "custom_headers", "custom_headers": {"X-A": "1", "X-B": "2"}}),
    )
}

#[track_caller]
fn cleared(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let fields = body["credentials_cleared"]["fields"]
        .as_array()
        .unwrap_or_else(|| panic!("no credentials_cleared: {body}"));
    fields.iter().map(|field| field.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn omitted_is_kept_present_replaces_and_empty_clears() {
    let server = TestServer::start().await;
    let full = over(
        server_body("linear", URL),
        json!({
            "description": "about it", "icon_url": "/i.svg", "tool_allow_list": ["a"], "tool_deny_list": ["b"],
            "enabled": true, "model_intent": true,
        }),
    );
    let path = format!("{SERVERS}/{}", server.register(&full).await);
    let before = server.owner().get(&path).await.expect(200).json();
    let after = server.owner().patch(&path, &json!({})).await.expect(200).json();
    for (field, value) in before.as_object().unwrap() {
        assert!(field == "updated_at" || after[field] == *value, "{field}");
    }
    let change = json!({
        "description": "", "icon_url": "", "tool_allow_list": [], "tool_deny_list": ["c", "d"], "enabled": false,
        "display_name": " New ", "availability": "force_on",
    });
    let after = server.owner().patch(&path, &change).await.expect(200).json();
    for (field, value) in [
        ("description", json!("")),
        ("icon_url", json!("")),
        ("tool_allow_list", json!([])),
        ("tool_deny_list", json!(["c", "d"])),
        ("enabled", json!(false)),
        ("display_name", json!("New")),
        ("availability", json!("force_on")),
        ("model_intent", json!(true)),
        ("slug", json!("linear")),
        ("url", json!(URL)),
    ] {
        assert_eq!(after[field], value, "{field}");
    }
    for required in ["display_name", "slug", "url", "transport", "auth_type", "availability"] {
        let answer = server.owner().patch(&path, &json!({ required: "" })).await.expect(400);
        assert_eq!(answer.refused_fields(), [required]);
    }
}

#[tokio::test]
async fn a_secret_is_kept_replaced_and_cannot_be_cleared_while_its_type_needs_it() {
    let server = TestServer::start().await;
    let path = format!("{SERVERS}/{}", server.register(&with_key()).await);
    let kept = server.owner().patch(&path, &json!({"display_name": "Other"})).await.expect(200);
    assert_eq!((&kept.json()["has_api_key"], cleared(&kept)), (&json!(true), vec![]));
    server.owner().patch(&path, &json!({"api_key_value": "secret-two"})).await.expect(200);
    assert_eq!(
        server.owner().patch(&path, &json!({"api_key_value": ""})).await.expect(400).refused_fields(),
        ["api_key_value"]
    );
    let path = format!("{SERVERS}/{}", server.register(&with_headers()).await);
    assert_eq!(
        server.owner().patch(&path, &json!({"custom_headers": {}})).await.expect(400).refused_fields(),
        ["custom_headers"]
    );
    let after = server.owner().patch(&path, &json!({"custom_headers": {"X-C": "3"}})).await.expect(200);
    assert_eq!(after.json()["has_custom_headers"], true);
}

#[tokio::test]
async fn another_type_clears_what_belonged_to_the_old_one() {
    let server = TestServer::start().await;
    let path = format!("{SERVERS}/{}", server.register(&with_key()).await);
    let answer = server.owner().patch(&path, &json!({"auth_type": "none"})).await.expect(200);
    assert_eq!(cleared(&answer), ["api_key_header", "api_key_value"]);
    assert_eq!((&answer.json()["has_api_key"], answer.json().get("api_key_header")), (&json!(false), None));
    // Back again: the old key did not survive anywhere.
    assert_eq!(
        server.owner().patch(&path, &json!({"auth_type": "api_key"})).await.expect(400).refused_fields(),
        ["api_key_value"]
    );
    let both =
        json!({"auth_type": "custom_headers", "custom_headers": {"X-A": "1"}, "api_key_value": "dropped"});
    let answer = server.owner().patch(&path, &both).await.expect(200);
    assert_eq!(
        (&answer.json()["has_api_key"], &answer.json()["has_custom_headers"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(cleared(&answer), ["api_key_value"]);
}

#[tokio::test]
async fn fields_of_another_type_are_dropped_on_create_and_listed() {
    let server = TestServer::start().await;
    let body =
        over(server_body("s", URL), json!({"api_key_value": "dropped", "custom_headers": {"X-A": "1"}}));
    let answer = server.owner().post(SERVERS, &body).await.expect(201);
    assert_eq!(cleared(&answer), ["api_key_value", "custom_headers"]);
    assert_eq!(
        (&answer.json()["has_api_key"], &answer.json()["has_custom_headers"]),
        (&json!(false), &json!(false))
    );
}

/// A stored key goes only where it was meant for.
#[tokio::test]
async fn a_move_to_another_origin_wipes_the_secrets_unless_they_are_sent_again() {
    let server = TestServer::start().await;
    for (body, secret, flag, resend) in [
        (with_key(), "api_key_value", "has_api_key", json!({"api_key_value": "new"})),
        (with_headers(), "custom_headers", "has_custom_headers", json!({"custom_headers": {"X-N": "1"}})),
    ] {
        let path = format!("{SERVERS}/{}", server.register(&body).await);
        for same_origin in ["https://mcp.example.org/other", "https://MCP.example.org:443/mcp?x=1"] {
            let answer = server.owner().patch(&path, &json!({"url": same_origin})).await.expect(200);
            assert_eq!((cleared(&answer), &answer.json()[flag]), (vec![], &json!(true)), "{same_origin}");
        }
        for elsewhere in
            ["https://evil.example.org/mcp", "https://mcp.example.org:8443/mcp", "http://127.0.0.1:9/mcp"]
        {
            let answer = server.owner().patch(&path, &json!({"url": elsewhere})).await.expect(200);
            let seen = answer.json();
            assert_eq!(
                (cleared(&answer), &seen[flag]),
                (vec![secret.to_owned()], &json!(false)),
                "{elsewhere}"
            );
            assert_eq!(seen["auth_status"], "misconfigured");
            assert_eq!(seen["config_problems"][0]["field"], secret);
            let answer = server.owner().patch(&path, &resend).await.expect(200);
            assert_eq!(
                (&answer.json()["auth_status"], &answer.json()["config_problems"]),
                (&json!("not_required"), &json!([]))
            );
        }
        let moved = over(resend, json!({"url": "https://third.example.org/"}));
        let answer = server.owner().patch(&path, &moved).await.expect(200);
        assert_eq!((cleared(&answer), &answer.json()[flag]), (vec![], &json!(true)));
    }
}

#[tokio::test]
async fn a_refused_edit_changes_nothing() {
    let server = TestServer::start().await;
    let path = format!("{SERVERS}/{}", server.register(&with_key()).await);
    let before = server.owner().get(&path).await.expect(200);
    let change = json!({"display_name": "Other", "url": "https://evil.example/", "slug": "no good"});
    server.owner().patch(&path, &change).await.expect(400);
    let after = server.owner().get(&path).await.expect(200);
    assert_eq!((after.json(), after.header("etag")), (before.json(), before.header("etag")));
}

#[tokio::test]
async fn a_stale_if_match_is_412_and_changes_nothing() {
    let server = TestServer::start().await;
    let id = server.register(&server_body("linear", URL)).await;
    let path = format!("{SERVERS}/{id}");
    let first = server.owner().get(&path).await.expect(200).header("etag").unwrap().to_owned();
    assert!(first.starts_with('"') && first.ends_with('"'));
    let change = |tag: &str, name: &str| {
        let ask = server
            .owner()
            .request(Method::PATCH, &path)
            .header("if-match", tag)
            .json(&json!({"display_name": name}));
        async move { ask.send().await }
    };
    let second = change(&first, "One").await.expect(200).header("etag").unwrap().to_owned();
    assert_ne!(first, second);
    let stale = change(&first, "Two").await.expect(412);
    assert!(!stale.message().is_empty());
    change("\"nonsense\"", "Two").await.expect(412);
    server.owner().request(Method::DELETE, &path).header("if-match", &first).send().await.expect(412);
    assert_eq!(server.owner().get(&path).await.expect(200).json()["display_name"], "One");
    change(&format!("\"x\", {second}"), "Three").await.expect(200);
    change("*", "Four").await.expect(200);
    let current = server.owner().get(&path).await.expect(200).header("etag").unwrap().to_owned();
    server.owner().request(Method::DELETE, &path).header("if-match", &current).send().await.expect(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_edits_merge_without_losing_one() {
    let server = TestServer::start().await;
    let path = format!("{SERVERS}/{}", server.register(&server_body("linear", URL)).await);
    let edits = [
        json!({"display_name": "New"}),
        json!({"description": "new"}),
        json!({"tool_deny_list": ["x"]}),
        json!({"enabled": true}),
        json!({"model_intent": true}),
        json!({"availability": "force_on"}),
    ];
    let tasks: Vec<_> = edits
        .iter()
        .map(|edit| {
            let (owner, path, edit) = (server.owner().clone(), path.clone(), edit.clone());
            tokio::spawn(async move { owner.patch(&path, &edit).await.expect(200) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let after = server.owner().get(&path).await.expect(200).json();
    for edit in edits {
        for (field, value) in edit.as_object().unwrap() {
            assert_eq!(after[field], *value, "{field}");
        }
    }
}
