//! Registering and reading MCP servers (behaviour 2 to 5, issue "Bad input").

use crate::support::{SERVERS, TestServer, id_of, over, server_body};
use api::users::Role;
use http::Method;
use serde_json::{Map, Value, json};

const GONE: &str = "01930000-0000-7000-8000-000000000000";
const URL: &str = "https://mcp.example.org/mcp";

fn names(array: &Value) -> Vec<String> {
    array
        .as_array()
        .unwrap()
        .iter()
        .map(|server| server["display_name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_least_a_server_needs_gets_the_defaults_of_the_contract() {
    let server = TestServer::start().await;
    let made = server.owner().post(SERVERS, &server_body("linear", URL)).await.expect(201);
    assert!(made.header("etag").is_some());
    let body = made.json();
    for (field, value) in [
        ("slug", json!("linear")),
        ("description", json!("")),
        ("icon_url", json!("")),
        ("transport", json!("streamable_http")),
        ("url", json!(URL)),
        ("auth_type", json!("none")),
        ("has_oauth2_secret", json!(false)),
        ("has_api_key", json!(false)),
        ("has_custom_headers", json!(false)),
        ("has_signing_secret", json!(false)),
        ("user_headers", json!([])),
        ("tool_allow_list", json!([])),
        ("tool_deny_list", json!([])),
        ("tool_idempotent_list", json!([])),
        ("tool_approval_list", json!([])),
        ("tool_change_policy", json!("notify")),
        ("send_trace_context", json!(false)),
        ("use_instructions", json!(false)),
        ("availability", json!("default_off")),
        ("enabled", json!(false)),
        ("model_intent", json!(false)),
        ("allow_in_plan_mode", json!(false)),
        ("forward_coder_headers", json!(false)),
        ("allowed_group_ids", json!([])),
        ("auth_connected", json!(true)),
        ("auth_status", json!("not_required")),
        ("config_problems", json!([])),
    ] {
        assert_eq!(body[field], value, "{field}");
    }
    let me = server.owner().get("/api/v2/users/me").await.expect(200).json();
    assert_eq!((&body["created_by"], &body["updated_by"]), (&me["id"], &me["id"]));
    for absent in [
        "oauth2_client_id",
        "oauth2_auth_url",
        "api_key_header",
        "api_key_value",
        "custom_headers",
        "signing_secret",
    ] {
        assert!(body.get(absent).is_none(), "{absent}");
    }
    let read = server.owner().get(&format!("{SERVERS}/{}", id_of(&made))).await.expect(200);
    assert_eq!(read.json(), body);
    assert_eq!(read.header("etag"), made.header("etag"));
}

#[tokio::test]
async fn every_mistake_is_named_in_one_answer() {
    let server = TestServer::start().await;
    let answer = server.owner().post(SERVERS, &json!({})).await.expect(400);
    assert_eq!(
        answer.refused_fields(),
        ["auth_type", "availability", "display_name", "slug", "transport", "url"]
    );
    let wrong = json!({
        "display_name": " ", "slug": "two words", "description": "x".repeat(4097), "icon_url": "https://evil.example/x.png",
        "transport": "telepathy", "url": "ftp://x", "auth_type": "password", "availability": "sometimes",
        "api_key_header": "X Key", "api_key_value": "a\r\nb", "custom_headers": {"Host": "x"},
        "tool_allow_list": ["a".repeat(257)], "tool_deny_list": ["a\u{7}"], "oauth2_client_id": "c\nd",
        "oauth2_auth_url": "http://x.example/", "user_headers": [{"name": "Host"}],
    });
    let answer = server.owner().post(SERVERS, &wrong).await.expect(400);
    let mut fields: Vec<String> = wrong.as_object().unwrap().keys().cloned().collect();
    for field in fields.iter_mut().filter(|field| *field == "user_headers") {
        field.push_str("[0].name");
    }
    fields.sort();
    assert_eq!(answer.refused_fields(), fields);
    let body = answer.json();
    for entry in body["validations"].as_array().unwrap() {
        assert!(entry["detail"].as_str().unwrap().len() > 10, "{entry}");
    }
    assert!(!answer.message().is_empty());
    assert_eq!(server.owner().get(SERVERS).await.expect(200).json(), json!([]), "nothing was stored");
}

/// One mistake at a time: exactly its field is refused.
#[tokio::test]
async fn each_rule_refuses_its_own_field() {
    let server = TestServer::start().await;
    let long_url = format!("https://x.example/{}", "a".repeat(2048));
    let many: Vec<String> = (0..513).map(|n| format!("t{n}")).collect();
    let headers: Map<String, Value> = (0..33).map(|n| (format!("X-{n}"), json!("v"))).collect();
    let with_headers = |headers: Value| json!({"auth_type": "custom_headers", "custom_headers": headers});
    let with_key = |more: Value| over(json!({"auth_type": "api_key", "api_key_value": "k"}), more);
    let cases: Vec<(&str, Value)> = vec![
        ("display_name", json!({"display_name": ""})),
        ("display_name", json!({"display_name": "x".repeat(129)})),
        ("display_name", json!({"display_name": "a\nb"})),
        ("slug", json!({"slug": ""})),
        ("slug", json!({"slug": "x".repeat(65)})),
        ("slug", json!({"slug": "-a"})),
        ("slug", json!({"slug": ".a"})),
        ("slug", json!({"slug": "_a"})),
        ("slug", json!({"slug": "a_"})),
        ("slug", json!({"slug": "a__b"})),
        ("slug", json!({"slug": "a/b"})),
        ("slug", json!({"slug": "sl\u{fc}g"})),
        ("slug", json!({"slug": "a\u{0}"})),
        ("icon_url", json!({"icon_url": "//evil.example/x"})),
        ("icon_url", json!({"icon_url": "/\\evil.example/x"})),
        ("icon_url", json!({"icon_url": "icon.png"})),
        ("icon_url", json!({"icon_url": "javascript:alert(1)"})),
        ("icon_url", json!({"icon_url": "data:image/png;base64,AA"})),
        ("transport", json!({"transport": ""})),
        ("transport", json!({"transport": "stdio"})),
        ("transport", json!({"transport": "http"})),
        ("url", json!({"url": ""})),
        ("url", json!({"url": "mcp.example.org"})),
        ("url", json!({"url": "/mcp"})),
        ("url", json!({"url": "ftp://x.example/"})),
        ("url", json!({"url": "file:///etc/passwd"})),
        ("url", json!({"url": "javascript:alert(1)"})),
        ("url", json!({"url": "https://user:pass@x.example/"})),
        ("url", json!({"url": "https://x.example/#part"})),
        ("url", json!({"url": "http://x.example/mcp"})),
        ("url", json!({"url": "https://x.example/\r\nHost: y"})),
        ("url", json!({"url": long_url})),
        (
            "oauth2_token_url",
            json!({"auth_type": "oauth2", "oauth2_client_id": "c", "oauth2_auth_url": "https://x.example/a"}),
        ),
        ("auth_type", json!({"auth_type": "user_oidc"})),
        ("user_headers", json!({"auth_type": "user_header"})),
        (
            "user_headers[2].name",
            json!({"auth_type": "user_header", "user_headers": [{"name": "X"}, {"name": "Y"}, {"name": "X A"}]}),
        ),
        (
            "user_headers[1].name",
            json!({"auth_type": "user_header", "user_headers": [{"name": "X"}, {"name": "x"}]}),
        ),
        ("tool_allow_list", json!({"tool_allow_list": vec![""; 100_000]})),
        ("allowed_group_ids", json!({"allowed_group_ids": ["01930000-0000-7000-8000-000000000000"]})),
        ("auth_type", json!({"auth_type": "NONE"})),
        ("availability", json!({"availability": "on"})),
        ("tool_allow_list", json!({"tool_allow_list": many})),
        ("tool_deny_list", json!({"tool_deny_list": ["x".repeat(257)]})),
        ("tool_idempotent_list", json!({"tool_idempotent_list": ["x".repeat(257)]})),
        ("tool_approval_list", json!({"tool_approval_list": ["x".repeat(257)]})),
        ("api_key_value", json!({"auth_type": "api_key"})),
        ("api_key_value", json!({"auth_type": "api_key", "api_key_value": ""})),
        ("api_key_value", with_key(json!({"api_key_value": "a\nb"}))),
        ("api_key_value", with_key(json!({"api_key_value": "a\u{0}b"}))),
        ("api_key_value", with_key(json!({"api_key_value": "x".repeat(8193)}))),
        ("api_key_header", with_key(json!({"api_key_header": ""}))),
        ("api_key_header", with_key(json!({"api_key_header": "X-Key\r\nEvil: 1"}))),
        ("api_key_header", with_key(json!({"api_key_header": "Host"}))),
        ("api_key_header", with_key(json!({"api_key_header": "Mcp-Session-Id"}))),
        ("api_key_header", with_key(json!({"api_key_header": "x".repeat(129)}))),
        ("custom_headers", with_headers(json!({}))),
        ("custom_headers", json!({"auth_type": "custom_headers"})),
        ("custom_headers", with_headers(json!({"X-A": "1\r\nX-B: 2"}))),
        ("custom_headers", with_headers(json!({"X-A\r\n": "1"}))),
        ("custom_headers", with_headers(json!({"": "1"}))),
        ("custom_headers", with_headers(json!({"X-A": ""}))),
        ("custom_headers", with_headers(json!({"X-A": "1", "x-a": "2"}))),
        ("custom_headers", with_headers(json!({"Content-Length": "1"}))),
        ("custom_headers", with_headers(json!({"Cookie": "a=b"}))),
        ("custom_headers", with_headers(json!({"Transfer-Encoding": "chunked"}))),
        ("custom_headers", with_headers(json!({"X-A": "x".repeat(8193)}))),
        ("custom_headers", with_headers(Value::Object(headers))),
    ];
    for (field, change) in cases {
        let shown = change.to_string();
        let body = over(server_body("linear", URL), change);
        let answer = server.owner().post(SERVERS, &body).await;
        assert_eq!(answer.status, 400, "{shown:.200}: {}", answer.body);
        assert_eq!(answer.refused_fields(), [field], "{shown:.200}: {}", answer.body);
    }
    assert_eq!(server.owner().get(SERVERS).await.expect(200).json(), json!([]));
}

#[tokio::test]
async fn what_is_just_allowed_is_taken_and_text_is_trimmed() {
    let server = TestServer::start().await;
    let headers: Map<String, Value> = (0..32).map(|n| (format!("X-{n}"), json!("v"))).collect();
    let many: Vec<String> = (0..512).map(|n| format!("t{n}")).collect();
    for (n, (change, field, stored)) in [
        (json!({"display_name": format!("  {}  ", "x".repeat(128))}), "display_name", json!("x".repeat(128))),
        (json!({"slug": "x".repeat(64)}), "slug", json!("x".repeat(64))),
        (json!({"slug": " 9.a_B-c "}), "slug", json!("9.a_B-c")),
        (json!({"description": "x".repeat(4096)}), "description", json!("x".repeat(4096))),
        (json!({"icon_url": "/icons/x.svg"}), "icon_url", json!("/icons/x.svg")),
        (json!({"tool_allow_list": [" a ", "", "  ", "b*"]}), "tool_allow_list", json!(["a", "b*"])),
        (json!({"tool_deny_list": many.clone()}), "tool_deny_list", json!(many)),
        (json!({"tool_idempotent_list": [" get_? ", ""]}), "tool_idempotent_list", json!(["get_?"])),
        (json!({"tool_approval_list": [" make_* ", ""]}), "tool_approval_list", json!(["make_*"])),
        (
            json!({"auth_type": "api_key", "api_key_value": "x".repeat(8192)}),
            "api_key_header",
            json!("Authorization"),
        ),
        (
            json!({"auth_type": "custom_headers", "custom_headers": headers}),
            "has_custom_headers",
            json!(true),
        ),
        (json!({"url": "http://127.0.0.1:9/mcp"}), "url", json!("http://127.0.0.1:9/mcp")),
    ]
    .into_iter()
    .enumerate()
    {
        let body = over(server_body(&format!("s{n}"), URL), change);
        let answer = server.owner().post(SERVERS, &body).await.expect(201).json();
        assert_eq!(answer[field], stored, "{body:.200}");
    }
}

/// Contract fields whose feature is not in this build: nothing inert is stored (issue point 2).
#[tokio::test]
async fn later_fields_are_refused_by_name_and_their_defaults_accepted() {
    let server = TestServer::start().await;
    let fields = [("oidc_trusted_origin", json!("https://mcp.example.org"), json!(""))];
    let mut defaults = server_body("with-defaults", URL);
    for (field, other, default) in &fields {
        let body = over(server_body("linear", URL), json!({ *field: other }));
        let answer = server.owner().post(SERVERS, &body).await.expect(400);
        assert_eq!(answer.refused_fields(), [*field]);
        defaults[*field] = default.clone();
    }
    let made = server.owner().post(SERVERS, &defaults).await.expect(201);
    let path = format!("{SERVERS}/{}", id_of(&made));
    for (field, other, default) in &fields {
        assert_eq!(
            server.owner().patch(&path, &json!({ *field: other })).await.expect(400).refused_fields(),
            [*field]
        );
        server.owner().patch(&path, &json!({ *field: default })).await.expect(200);
    }
}

/// What a server learns of a chat (behaviour 12), stored, shown, wiped with its origin; the secret comes back nowhere.
#[tokio::test]
async fn forwarding_is_set_shown_and_wiped_with_the_origin() {
    let server = TestServer::start().await;
    let fields = json!({"forward_coder_headers": true, "signing_secret": "canary-signing-0123456789", "send_trace_context": true,
        "use_instructions": true, "transport": "sse"});
    let made = server.owner().post(SERVERS, &over(server_body("linear", URL), fields)).await.expect(201);
    let path = format!("{SERVERS}/{}", id_of(&made));
    let got = server.owner().get(&path).await.expect(200);
    let shown = got.json();
    for field in ["forward_coder_headers", "has_signing_secret", "send_trace_context", "use_instructions"] {
        assert_eq!(shown[field], true, "{field}");
    }
    assert_eq!(shown["transport"], "sse");
    assert!(!got.body.contains("canary"), "{}", got.body);
    let short = server.owner().patch(&path, &json!({"signing_secret": "short"})).await.expect(400);
    assert_eq!(short.refused_fields(), ["signing_secret"]);

    let custom = json!({"auth_type": "custom_headers", "custom_headers": {"X-Coder-Owner-Id": "me"}});
    let refused = server.owner().patch(&path, &custom).await.expect(400);
    assert_eq!(refused.refused_fields(), ["custom_headers"]);
    // The names of stored headers are sealed, and judged all the same.
    server.owner().patch(&path, &json!({"forward_coder_headers": false})).await.expect(200);
    server.owner().patch(&path, &custom).await.expect(200);
    let refused = server.owner().patch(&path, &json!({"forward_coder_headers": true})).await.expect(400);
    assert_eq!(refused.refused_fields(), ["custom_headers"]);

    let moved = server
        .owner()
        .patch(&path, &json!({"url": "https://elsewhere.example.org/mcp"}))
        .await
        .expect(200)
        .json();
    assert_eq!(moved["has_signing_secret"], false);
    let cleared = moved["credentials_cleared"]["fields"].to_string();
    assert!(cleared.contains("signing_secret"), "{cleared}");
}

#[tokio::test]
async fn broken_bodies_are_refused_with_a_sentence() {
    let server = TestServer::start().await;
    let post = |kind: &'static str, body: &str| {
        let ask = server.owner().request(Method::POST, SERVERS).body(kind, body.as_bytes().to_vec());
        async move { ask.send().await }
    };
    for body in
        ["", "{", "nonsense", "{\"slug\": }", "{\"slug\": \"a\"} x", "\u{feff}{}", "{\"slug\": \"\\ud800\"}"]
    {
        let answer = post("application/json", body).await.expect(400);
        assert!(!answer.message().is_empty(), "{body}");
    }
    for (body, field) in [
        (r#"{"colour": "red"}"#, "colour"),
        (r#"{"enabled": "yes"}"#, "enabled"),
        (r#"{"tool_allow_list": "a"}"#, "tool_allow_list"),
        (r#"{"tool_allow_list": [1]}"#, "tool_allow_list[0]"),
        (r#"{"custom_headers": ["a"]}"#, "custom_headers"),
        (r#"{"allowed_group_ids": ["x"]}"#, "allowed_group_ids[0]"),
        (r#"{"id": "01930000-0000-7000-8000-000000000000"}"#, "id"),
        (r#"{"has_api_key": true}"#, "has_api_key"),
    ] {
        assert_eq!(post("application/json", body).await.expect(400).refused_fields(), [field], "{body}");
    }
    for body in ["null", "[]", "1", "\"x\""] {
        post("application/json", body).await.expect(400);
    }
    post("text/plain", "{}").await.expect(400);
    post("application/x-www-form-urlencoded", "slug=a").await.expect(400);
    let huge = format!("{{\"description\": \"{}\"}}", "x".repeat(1024 * 1024));
    post("application/json", &huge).await.expect(413);
    // Deep nesting must not cost the process its stack.
    post("application/json", &"[".repeat(200_000)).await.expect(400);
    server.owner().get(SERVERS).await.expect(200);
}

#[tokio::test]
async fn a_slug_is_taken_whatever_its_case() {
    let server = TestServer::start().await;
    server.register(&server_body("GitHub", URL)).await;
    let answer = server.owner().post(SERVERS, &server_body("github", URL)).await.expect(409);
    assert_eq!(answer.refused_fields(), ["slug"]);
    let other = server.register(&server_body("linear", URL)).await;
    server.owner().patch(&format!("{SERVERS}/{other}"), &json!({"slug": "GITHUB"})).await.expect(409);
    server.owner().patch(&format!("{SERVERS}/{other}"), &json!({"slug": "LINEAR"})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_parallel_registrations_of_one_slug_one_wins() {
    let server = TestServer::start().await;
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let owner = server.owner().clone();
            tokio::spawn(async move { owner.post(SERVERS, &server_body("linear", URL)).await.status })
        })
        .collect();
    let mut seen = Vec::new();
    for attempt in attempts {
        seen.push(attempt.await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, [vec![201], vec![409; 7]].concat());
}

#[tokio::test]
async fn members_see_enabled_servers_without_what_is_marked_r() {
    let server = TestServer::start().await;
    let secret = json!({
        "auth_type": "api_key", "api_key_header": "X-Internal-Key", "api_key_value": "canary-key", "enabled": true,
        "description": "what it is for", "tool_allow_list": ["a*"], "tool_deny_list": ["b"], "icon_url": "/i.svg",
    });
    let enabled =
        server.register(&over(server_body("on", "https://internal.example.org/path"), secret)).await;
    server.register(&server_body("off", "https://hidden.example.org/path")).await;
    let member = server.user(Role::Member).await.client;
    let list = member.get(SERVERS).await.expect(200);
    assert_eq!(names(&list.json()), ["Server on"]);
    let one = member.get(&format!("{SERVERS}/{enabled}")).await.expect(200);
    assert_eq!(one.json(), list.json()[0]);
    let body = one.json();
    assert_eq!((&body["url"], &body["transport"]), (&json!(""), &json!("")));
    for hidden in [
        "api_key_header",
        "allowed_group_ids",
        "config_problems",
        "created_by",
        "updated_by",
        "oauth2_client_id",
    ] {
        assert!(body.get(hidden).is_none(), "{hidden}: {body}");
    }
    assert_eq!(
        (&body["has_api_key"], &body["description"], &body["tool_allow_list"]),
        (&json!(true), &json!("what it is for"), &json!(["a*"]))
    );
    for text in ["internal.example.org", "X-Internal-Key", "hidden.example.org"] {
        assert!(!list.whole().contains(text) && !one.whole().contains(text), "{text}");
    }
    for role in [Role::Owner, Role::Admin, Role::Auditor] {
        let reader = server.user(role).await.client;
        assert_eq!(
            names(&reader.get(SERVERS).await.expect(200).json()),
            ["Server off", "Server on"],
            "{role:?}"
        );
        let body = reader.get(&format!("{SERVERS}/{enabled}")).await.expect(200).json();
        assert_eq!(
            (&body["api_key_header"], &body["url"]),
            (&json!("X-Internal-Key"), &json!("https://internal.example.org/path"))
        );
    }
}

#[tokio::test]
async fn a_disabled_server_is_to_members_what_an_unknown_one_is() {
    let server = TestServer::start().await;
    let disabled = server.register(&server_body("off", URL)).await;
    let member = server.user(Role::Member).await.client;
    let unknown = "01930000-0000-7000-8000-000000000000";
    for (method, tail) in [(Method::GET, ""), (Method::POST, "/check")] {
        let mut seen = Vec::new();
        for id in [disabled.as_str(), unknown] {
            let mut answer =
                member.request(method.clone(), &format!("{SERVERS}/{id}{tail}")).send().await.expect(404);
            answer.headers.remove("x-request-id");
            answer.headers.remove("date");
            seen.push(answer.whole());
        }
        assert_eq!(seen[0], seen[1], "byte-equal");
    }
}

#[tokio::test]
async fn writes_of_those_who_may_not_are_403_for_every_id() {
    let server = TestServer::start().await;
    let enabled = server.register(&over(server_body("on", URL), json!({"enabled": true}))).await;
    let disabled = server.register(&server_body("off", URL)).await;
    for role in [Role::Auditor, Role::Member] {
        let client = server.user(role).await.client;
        let mut bodies = Vec::new();
        for id in [enabled.as_str(), &disabled, "01930000-0000-7000-8000-000000000000", "no-uuid"] {
            let path = format!("{SERVERS}/{id}");
            bodies.push(client.patch(&path, &json!({"enabled": false})).await.expect(403).body);
            bodies.push(client.delete(&path).await.expect(403).body);
        }
        bodies.push(client.post(SERVERS, &server_body("x", URL)).await.expect(403).body);
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    }
    for id in [enabled, disabled] {
        server.owner().get(&format!("{SERVERS}/{id}")).await.expect(200);
    }
}

#[tokio::test]
async fn an_id_that_is_no_uuid_is_400_and_an_unknown_one_404() {
    let server = TestServer::start().await;
    for id in ["x", "1", "%00", "01930000000070008000000000000000", "{01930000-0000-7000-8000-000000000000}"]
    {
        let path = format!("{SERVERS}/{id}");
        server.owner().get(&path).await.expect(400);
        server.owner().patch(&path, &json!({})).await.expect(400);
        server.owner().delete(&path).await.expect(400);
        server.owner().post(&format!("{path}/check"), &json!({})).await.expect(400);
    }
    let path = format!("{SERVERS}/01930000-0000-7000-8000-000000000000");
    server.owner().get(&path).await.expect(404);
    server.owner().patch(&path, &json!({})).await.expect(404);
    server.owner().delete(&path).await.expect(404);
    server.owner().post(&format!("{path}/check"), &json!({})).await.expect(404);
}

#[tokio::test]
async fn the_list_is_ordered_by_name_whole_or_in_pages_with_a_link() {
    let server = TestServer::start().await;
    for (slug, name) in [("s1", "zulu"), ("s2", "Alpha"), ("s3", "mike"), ("s4", "Mike"), ("s5", "bravo")] {
        server.register(&over(server_body(slug, URL), json!({"display_name": name}))).await;
    }
    let whole = server.owner().get(SERVERS).await.expect(200);
    assert!(whole.header("link").is_none());
    assert_eq!(
        names(&whole.json()).iter().map(|name| name.to_lowercase()).collect::<Vec<_>>(),
        ["alpha", "bravo", "mike", "mike", "zulu"]
    );
    let mut path = format!("{SERVERS}?limit=2");
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let page = server.owner().get(&path).await.expect(200);
        pages += 1;
        seen.extend(page.json().as_array().unwrap().clone());
        let Some(link) = page.header("link") else { break };
        let (target, rel) = link.split_once(';').unwrap();
        assert!(rel.contains("rel=\"next\""));
        path = target.trim_matches(['<', '>']).to_owned();
    }
    assert_eq!(json!(seen), whole.json());
    assert!(pages <= 4);
    for wrong in ["0", "201", "-1", "x"] {
        server.owner().get(&format!("{SERVERS}?limit={wrong}")).await.expect(400);
    }
    for (query, field) in
        [("limit=-1", "limit"), ("limit=2&after=x", "after"), (&format!("limit=2&after={GONE}"), "after")]
    {
        let answer = server.owner().get(&format!("{SERVERS}?{query}")).await.expect(400);
        assert_eq!(answer.refused_fields(), [field], "{query}");
    }
}

#[tokio::test]
async fn a_deleted_server_is_gone() {
    let server = TestServer::start().await;
    let id = server.register(&server_body("linear", URL)).await;
    server.owner().delete(&format!("{SERVERS}/{id}")).await.expect(204);
    server.owner().delete(&format!("{SERVERS}/{id}")).await.expect(404);
    server.register(&server_body("linear", URL)).await;
}

#[tokio::test]
async fn bad_bodies_are_refused_by_what_is_wrong_with_them() {
    let server = TestServer::start().await;
    let send = async |body: Vec<u8>| {
        server.owner().request(Method::POST, SERVERS).body("application/json", body).send().await
    };
    let twice = send(br#"{"slug": "a", "slug": "b"}"#.to_vec()).await.expect(400);
    assert_eq!(twice.refused_fields(), ["slug"]);
    let nested = send(br#"{"custom_headers": {"X-A": "1", "X-A": "2"}}"#.to_vec()).await.expect(400);
    assert_eq!(nested.refused_fields(), ["custom_headers.X-A"]);
    let unknown = send(br#"{"colour": 1}"#.to_vec()).await.expect(400);
    assert_eq!(unknown.refused_fields(), ["colour"]);
    assert!(send(b"{\"slug\": \"\xff\"}".to_vec()).await.expect(400).message().contains("JSON"));
    send(vec![b'['; 100_000]).await.expect(400);
    send(format!("{{\"description\": \"{}\"}}", "x".repeat(10 * 1024 * 1024)).into_bytes()).await.expect(413);
    assert_eq!(server.owner().get(SERVERS).await.expect(200).json(), json!([]));
}
