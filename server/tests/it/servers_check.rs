//! `check`: what came of contacting a server, for each way of being none (behaviour 4 and 11, issue "Bad input").

use crate::support::{SERVERS, TestServer, over, server_body};
use api::users::Role;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{
    fake_mcp::{FakeMcp, FakeTool, NotMcp, closed_port},
    http::Client,
};

async fn check(client: &Client, id: &str) -> Value {
    client.post(&format!("{SERVERS}/{id}/check"), &json!({})).await.expect(200).json()
}

#[tokio::test]
async fn a_good_server_is_shown_with_its_tools_and_verdicts() {
    let fake = FakeMcp::start(vec![
        FakeTool::of_text("get_issue", "Reads an issue").title("Get issue"),
        FakeTool::of_text("delete_issue", "Deletes an issue"),
        FakeTool::of_text("list repos!", "Lists repositories"),
    ])
    .await;
    let server = TestServer::start().await;
    let lists = json!({"tool_deny_list": ["delete_*"], "enabled": true});
    let id = server.register(&over(server_body("fake", &fake.url()), lists)).await;
    let report = check(server.owner(), &id).await;
    assert_eq!(
        (&report["outcome"], &report["error"], &report["auth_status"]),
        (&json!("connected"), &json!(""), &json!("not_required"))
    );
    assert_eq!((&report["server_name"], &report["server_version"]), (&json!("fake-mcp"), &json!("1.2.3")));
    assert_eq!(report["protocol_version"], "2025-06-18");
    assert!(report["connect_ms"].as_i64().unwrap() >= 0 && report["list_ms"].as_i64().unwrap() >= 0);
    let tools = report["tools"].as_array().unwrap();
    let of = |name: &str| {
        tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("{name} in {tools:?}"))
    };
    assert_eq!(
        (&of("get_issue")["exposed_name"], &of("get_issue")["title"]),
        (&json!("fake__get_issue"), &json!("Get issue"))
    );
    assert_eq!(of("get_issue")["allowed"], true);
    assert_eq!(of("delete_issue")["allowed"], false);
    assert!(!of("delete_issue")["reason"].as_str().unwrap().is_empty());
    let exposed = of("list repos!")["exposed_name"].as_str().unwrap();
    assert!(exposed.starts_with("fake__list_repos_") && exposed.len() <= 64, "{exposed}");
    let member = server.user(Role::Member).await.client;
    let seen = check(&member, &id).await;
    let names: Vec<&str> =
        seen["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert!(!names.contains(&"delete_issue") && names.contains(&"get_issue"), "{names:?}");
}

/// What a server speaks is found out by asking it, kept, shown to those who administer it, and forgotten when it moves.
#[tokio::test]
async fn what_a_server_speaks_is_kept_and_shown() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("echo", "Echoes")]).await;
    let server = TestServer::start().await;
    let id = server.register(&over(server_body("fake", &fake.url()), json!({"enabled": true}))).await;
    let path = format!("{SERVERS}/{id}");
    let detected = async |client: &Client| client.get(&path).await.expect(200).json()["detected"].clone();
    assert_eq!(detected(server.owner()).await, Value::Null);
    let report = check(server.owner(), &id).await;
    assert_eq!(report["wire"], "streamable");
    assert!(report["evidence"].as_array().is_some_and(|lines| lines.len() == 2), "{report}");
    let found = testkit::wait::until("what was found out", || async {
        Some(detected(server.owner()).await).filter(|found| !found.is_null())
    })
    .await;
    assert_eq!((&found["wire"], &found["protocol_version"]), (&json!("streamable"), &json!("2025-06-18")));
    assert_eq!(found["server_name"], "fake-mcp");
    let member = server.user(Role::Member).await.client;
    assert_eq!(detected(&member).await, Value::Null);
    let told = check(&member, &id).await;
    assert!(told.get("evidence").is_none() && told.get("instructions").is_none(), "{told}");
    server.owner().patch(&path, &json!({"url": format!("{}?other", fake.url())})).await.expect(200);
    assert_eq!(detected(server.owner()).await, Value::Null, "found somewhere else");
}

#[tokio::test]
async fn each_way_of_being_no_mcp_server_has_its_own_words() {
    let (html, plain, missing) = (NotMcp::html().await, NotMcp::json().await, NotMcp::status(404).await);
    let (unauthorized, broken, wrong_method) =
        (NotMcp::status(401).await, NotMcp::status(500).await, NotMcp::status(405).await);
    let down = format!("http://{}/mcp", closed_port());
    let server = TestServer::start().await;
    let mut texts = Vec::new();
    for (slug, url, word) in [
        ("html", html.url(), "web page"),
        ("plain", plain.url(), "MCP"),
        ("missing", missing.url(), "404"),
        ("unauthorized", unauthorized.url(), "401"),
        ("broken", broken.url(), "500"),
        ("wrong-method", wrong_method.url(), "405"),
        ("down", down, "connect"),
    ] {
        let id = server.register(&server_body(slug, &url)).await;
        let report = check(server.owner(), &id).await;
        assert_eq!(report["outcome"], "error", "{slug}: {report}");
        let text = report["error"].as_str().unwrap().to_owned();
        assert!(text.contains(word), "{slug} should say {word}: {text}");
        assert!(text.len() <= 512 && !text.contains("/mcp"), "{slug}: {text}");
        assert_eq!(report["tools"], json!([]));
        texts.push(text.replace(|c: char| c.is_ascii_digit(), ""));
    }
    texts.sort();
    texts.dedup();
    assert!(texts.len() >= 5, "the texts tell the cases apart: {texts:#?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_a_timeout() {
    let slow = NotMcp::slow(Duration::from_secs(120)).await;
    let server = TestServer::start().await;
    let id = server.register(&server_body("slow", &slow.url())).await;
    let begun = std::time::Instant::now();
    let report = check(server.owner(), &id).await;
    assert_eq!(report["outcome"], "timeout", "{report}");
    assert!(begun.elapsed() < Duration::from_secs(35), "{:?}", begun.elapsed());
    assert!(report["error"].as_str().unwrap().contains("within"), "{report}");
}

#[tokio::test]
async fn a_server_without_tools_says_so() {
    let fake = FakeMcp::start(vec![]).await;
    let server = TestServer::start().await;
    let id = server.register(&server_body("empty", &fake.url())).await;
    let report = check(server.owner(), &id).await;
    assert_eq!((&report["outcome"], &report["server_name"]), (&json!("no_tools"), &json!("fake-mcp")));
}

#[tokio::test]
async fn a_private_address_is_refused_with_setting_and_value_and_not_dialled() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("t", "x")]).await;
    // Over https the URL itself is taken; whether it may be dialled is egress' question.
    let url = format!("https://{}/mcp", fake.authority());
    let other = closed_port();
    for (allow, wanted) in [
        (None, format!("to allow it, start with PATCHBAY_EGRESS_ALLOW={}", fake.authority())),
        // Setting the variable to this entry alone would close what it opens today.
        (Some(other), format!("to allow it, add {} to PATCHBAY_EGRESS_ALLOW", fake.authority())),
    ] {
        let server = TestServer::with(|settings| settings.egress_allow = allow).await.owned().await;
        let id = server.register(&server_body("private", &url)).await;
        let report = check(server.owner(), &id).await;
        assert_eq!(report["outcome"], "error");
        assert!(report["error"].as_str().unwrap().contains(&wanted), "{report}");
    }
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn metadata_addresses_and_our_own_listener_are_never_dialled() {
    let server = TestServer::with(|settings| settings.egress_allow = Some("0.0.0.0/0:*".to_owned())).await;
    let server = server.owned().await;
    let own = format!("{}/mcp", server.origin);
    for (slug, url) in [("metadata", "http://169.254.169.254/latest"), ("own", own.as_str())] {
        let id = server.register(&server_body(slug, url)).await;
        let report = check(server.owner(), &id).await;
        assert_eq!(report["outcome"], "error", "{report}");
        let text = report["error"].as_str().unwrap();
        assert!(!text.contains("PATCHBAY_EGRESS_ALLOW="), "no setting opens it: {text}");
    }
}

#[tokio::test]
async fn a_redirect_to_another_origin_is_not_followed() {
    let target = FakeMcp::start(vec![FakeTool::of_text("t", "x")]).await;
    let redirect = NotMcp::redirect(&target.url()).await;
    let server = TestServer::start().await;
    let key = json!({"auth_type": "api_key", "api_key_value": "canary-secret-key"});
    let id = server.register(&over(server_body("redirect", &redirect.url()), key)).await;
    let report = check(server.owner(), &id).await;
    assert_eq!(report["outcome"], "error", "{report}");
    assert!(target.requests().is_empty(), "the key must not travel");
    assert!(
        redirect
            .requests()
            .iter()
            .all(|request| request.header("authorization") == Some("canary-secret-key"))
    );
}

#[tokio::test]
async fn credentials_go_on_every_request_the_first_included() {
    let keyed = FakeMcp::start(vec![FakeTool::of_text("t", "x")]).await;
    keyed.require_header("x-key", "the key");
    let headed = FakeMcp::start(vec![FakeTool::of_text("t", "x")]).await;
    headed.require_header("x-b", "two");
    let server = TestServer::start().await;
    let key = json!({"auth_type": "api_key", "api_key_header": "X-Key", "api_key_value": "the key"});
    let id = server.register(&over(server_body("keyed", &keyed.url()), key)).await;
    assert_eq!(check(server.owner(), &id).await["outcome"], "connected");
    assert!(keyed.requests().iter().all(|request| request.header("x-key") == Some("the key")));
    let headers = json!({"auth_type": "custom_headers", "custom_headers": {"X-A": "one", "X-B": "two"}});
    let headed_id = server.register(&over(server_body("headed", &headed.url()), headers)).await;
    assert_eq!(check(server.owner(), &headed_id).await["outcome"], "connected");
    let requests = headed.requests();
    assert!(requests.len() >= 2);
    assert!(
        requests
            .iter()
            .all(|request| (request.header("x-a"), request.header("x-b")) == (Some("one"), Some("two")))
    );
    // A wrong key after an edit: the old connection is not used again.
    server.owner().patch(&format!("{SERVERS}/{id}"), &json!({"api_key_value": "wrong"})).await.expect(200);
    let report = check(server.owner(), &id).await;
    assert_eq!(report["outcome"], "error", "{report}");
    assert!(report["error"].as_str().unwrap().contains("401"), "{report}");
}

#[tokio::test]
async fn a_misconfigured_server_is_skipped_and_not_dialled() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("t", "x")]).await;
    let server = TestServer::start().await;
    let key = json!({"auth_type": "api_key", "api_key_value": "k", "url": "https://old.example.org/mcp"});
    let id = server.register(&over(server_body("keyed", ""), key)).await;
    server.owner().patch(&format!("{SERVERS}/{id}"), &json!({"url": fake.url()})).await.expect(200);
    let report = check(server.owner(), &id).await;
    assert_eq!((&report["outcome"], &report["auth_status"]), (&json!("skipped"), &json!("misconfigured")));
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn the_eleventh_check_in_a_minute_waits_per_user() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("t", "x")]).await;
    let server = TestServer::start().await;
    let id = server.register(&over(server_body("fake", &fake.url()), json!({"enabled": true}))).await;
    for _ in 0..10 {
        check(server.owner(), &id).await;
    }
    let answer = server.owner().post(&format!("{SERVERS}/{id}/check"), &json!({})).await.expect(429);
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    check(&server.user(Role::Member).await.client, &id).await;
}

#[tokio::test]
async fn a_check_takes_no_address_from_the_request() {
    let fake = FakeMcp::start(vec![]).await;
    let server = TestServer::start().await;
    let id = server.register(&server_body("html", &NotMcp::html().await.url())).await;
    let body = json!({"url": fake.url()});
    server.owner().post(&format!("{SERVERS}/{id}/check?url={}", fake.url()), &body).await;
    assert!(fake.requests().is_empty());
}
