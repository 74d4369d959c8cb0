//! Answers that depend on what happened before: 412 for a version that is no longer the newest, 429 for too much (behaviour 2 and
//! 4). What the description says can be answered so has its case here, beside the access matrix.

use crate::{
    description::{Description, answer_to},
    support::{
        CHATS, OWNER_EMAIL, SERVERS, SETUP_TOKEN, TestServer, chat, first_user, over, server_body, text,
    },
};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::{
    fake_mcp::{FakeMcp, FakeTool},
    fake_oauth::FakeOauth,
    http::{Answer, Ask, Client},
};

const UNKNOWN: &str = "01930000-0000-7000-8000-000000000000";
const EGRESS: &str = "/api/v2/settings/egress-allow";
const SERVER: &str = "/api/experimental/mcp/servers/{id}";
const IMPORT: &str = "POST /api/experimental/mcp/import";

/// The operations that can answer `status`, as `METHOD path`.
fn described(description: &Description, status: &str) -> BTreeSet<String> {
    let operations = description.operations();
    let answering = operations.iter().filter(|of| !of.described["responses"][status].is_null());
    answering.map(|operation| operation.key()).collect()
}

fn keys(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

async fn etag(client: &Client, path: &str) -> String {
    client.get(path).await.expect(200).header("etag").expect(path).to_owned()
}

fn conditional(client: &Client, method: &Method, path: &str, body: &Value, if_match: Option<&str>) -> Ask {
    let ask = client.request(method.clone(), path);
    let ask = if *method == Method::DELETE { ask } else { ask.json(body) };
    match if_match {
        Some(tags) => ask.header("if-match", tags),
        None => ask,
    }
}

async fn versions_are_held(server: TestServer) {
    let description = Description::of(&server).await;
    assert_eq!(
        described(&description, "412"),
        keys(&[IMPORT, &format!("PATCH {SERVER}"), &format!("DELETE {SERVER}"), &format!("PUT {EGRESS}")]),
        "each has its case below, the import in transfer.rs"
    );
    let owner = server.owner();
    let (member, auditor) = (server.user(Role::Member).await.client, server.user(Role::Auditor).await.client);
    let mut count = 0;
    for (method, template) in [(Method::PATCH, SERVER), (Method::DELETE, SERVER), (Method::PUT, EGRESS)] {
        let mut first = String::new();
        // Strong comparison (RFC 9110, 13.1.1): a weak tag matches nothing.
        for (tags, passes) in [
            (Some("{stale}"), false),
            (Some("W/{now}"), false),
            (Some("\"other\""), false),
            (Some("other"), false),
            (Some(""), false),
            (Some("{now}"), true),
            (Some("\"other\", {now}"), true),
            (Some("*"), true),
            (None, true),
        ] {
            // What is changed for each question, so that the first version is stale.
            count += 1;
            let (path, body) = if template == SERVER {
                let body = server_body(&format!("s{count}"), "https://mcp.example.org/mcp");
                let path = format!("{SERVERS}/{}", server.register(&body).await);
                first = etag(owner, &path).await;
                owner.patch(&path, &json!({"description": "newer"})).await.expect(200);
                (path, json!({"description": format!("mine {count}")}))
            } else {
                first = if first.is_empty() { etag(owner, EGRESS).await } else { first };
                let newer = json!({"entries": [format!("h{count}.corp.lan:1")]});
                owner.put(EGRESS, &newer).await.expect(200);
                (EGRESS.to_owned(), json!({"entries": [format!("mine{count}.corp.lan:1")]}))
            };
            let before = owner.get(&path).await.expect(200);
            let now = before.header("etag").unwrap().to_owned();
            assert_ne!(now, first);
            let tags = tags.map(|tags| tags.replace("{now}", &now).replace("{stale}", &first));
            let tags = tags.as_deref();
            // Who may not write learns nothing about versions.
            for client in [&member, &auditor] {
                conditional(client, &method, &path, &body, tags).send().await.expect(403);
            }
            let answer = answer_to(conditional(owner, &method, &path, &body, tags)).await;
            let case = format!("{method} {path} {tags:?}: {} {}", answer.status, answer.body);
            assert_eq!(description.objection(&method, template, &answer), None, "{case}");
            if passes {
                assert!(answer.status < 300, "{case}");
                if method != Method::DELETE {
                    assert_eq!(answer.header("etag").unwrap(), etag(owner, &path).await, "{case}");
                    assert_ne!(answer.header("etag"), Some(now.as_str()), "{case}");
                }
            } else {
                assert_eq!(answer.status, 412, "{case}");
                assert!(answer.message().contains("Load it again"), "{case}");
                let after = owner.get(&path).await.expect(200);
                assert_eq!(
                    (after.body, after.headers.get("etag")),
                    (before.body, before.headers.get("etag")),
                    "{case}"
                );
            }
        }
        if template == SERVER {
            let path = format!("{SERVERS}/{UNKNOWN}");
            conditional(owner, &method, &path, &json!({}), Some("\"x\"")).send().await.expect(404);
        }
    }
}

#[tokio::test]
async fn a_stale_version_is_412_and_changes_nothing_on_sqlite() {
    versions_are_held(TestServer::start().await).await;
}

#[tokio::test]
async fn a_stale_version_is_412_and_changes_nothing_on_postgres() {
    versions_are_held(TestServer::on_postgres().await).await;
}

/// Of two that saw the same list one is told, whichever it is; without `If-Match` both pass.
#[tokio::test]
async fn of_parallel_edits_with_one_version_one_wins() {
    let server = TestServer::on_postgres().await;
    for round in 0..5 {
        let seen = etag(server.owner(), EGRESS).await;
        let put = |name: &str| {
            let body = json!({"entries": [format!("{name}{round}.corp.lan:1")]});
            let ask = server.owner().request(Method::PUT, EGRESS).header("if-match", &seen).json(&body);
            ask.send()
        };
        let (one, other) = tokio::join!(put("a"), put("b"));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "{} {}", one.body, other.body);
    }
}

/// Asks until it is too much, which it is not at once.
async fn exhaust(description: &Description, method: Method, template: &str, ask: impl Fn() -> Ask) {
    for at in 0..40 {
        let answer = answer_to(ask()).await;
        if answer.status == 429 {
            assert!(at > 5, "{method} {template}: only {at} were let through");
            return limited(description, &method, template, &answer);
        }
    }
    panic!("{method} {template} has no limit");
}

#[track_caller]
fn limited(description: &Description, method: &Method, template: &str, answer: &Answer) {
    assert_eq!(answer.status, 429, "{method} {template}: {}", answer.body);
    let seconds: u64 = answer.header("retry-after").expect("when to come again").parse().unwrap();
    assert!((1..=300).contains(&seconds), "{seconds}");
    assert!(answer.message().len() > 20, "{}", answer.body);
    assert_eq!(description.objection(method, template, answer), None);
}

#[tokio::test]
async fn too_much_is_429_and_says_when_to_come_again() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("note", "x")]).await;
    let server = TestServer::start().await;
    let description = Description::of(&server).await;
    let (stream, watch) = ("/api/experimental/chats/{id}/stream", "/api/experimental/chats/watch");
    let (check, call) = (format!("{SERVER}/check"), format!("{SERVER}/tools/{{tool}}/call"));
    let discover = format!("{SERVER}/discover");
    let (first, login, password) =
        ("/api/v2/users/first", "/api/v2/users/login", "/api/v2/users/{user}/password");
    // Limits of turns come with a later issue.
    let later = ["POST /api/experimental/chats", "POST /api/experimental/chats/{id}/messages"];
    let mut expected = keys(&later);
    expected.extend(
        [
            ("GET", stream),
            ("GET", watch),
            ("POST", &check),
            ("POST", &call),
            ("POST", &discover),
            ("POST", first),
            ("POST", login),
            ("PUT", password),
            ("GET", "/api/v2/audit"),
        ]
        .map(|(method, path)| format!("{method} {path}")),
    );
    assert_eq!(described(&description, "429"), expected, "each has its case below");

    let member = server.user(Role::Member).await.client;
    let change = json!({"old_password": "wrong", "password": "a new and long password"});
    let mine = password.replace("{user}", "me");
    exhaust(&description, Method::PUT, password, || member.request(Method::PUT, &mine).json(&change)).await;

    let id = server.register_fake("fake", &fake).await;
    let path = format!("{SERVERS}/{id}/check");
    exhaust(&description, Method::POST, &check, || member.request(Method::POST, &path).json(&json!({})))
        .await;
    let other = server.user(Role::Member).await.client;
    other.post(&path, &json!({})).await.expect(200);

    let oauth = FakeOauth::start(vec![FakeTool::of_text("note", "x")]).await;
    let body = over(server_body("oauth", &oauth.url()), json!({"auth_type": "oauth2"}));
    let path = format!("{SERVERS}/{}/discover", server.register(&body).await);
    exhaust(&description, Method::POST, &discover, || {
        server.owner().request(Method::POST, &path).json(&json!({}))
    })
    .await;

    let path = format!("{SERVERS}/{id}/tools/note/call");
    let note = json!({"arguments": {"text": "x"}});
    exhaust(&description, Method::POST, &call, || server.owner().request(Method::POST, &path).json(&note))
        .await;

    server.demo_model().await;
    let talk = chat(server.owner(), &json!({"content": text("hi")})).await;
    let path = format!("{CHATS}/{}/stream", talk["id"].as_str().unwrap());
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(server.owner().request(Method::GET, &path).open().await);
    }
    limited(&description, &Method::GET, stream, &server.owner().get(&path).await);
    limited(&description, &Method::GET, watch, &server.owner().get(watch).await);
    drop(open);

    let cases = &server.running.service;
    let auditor = server.user(Role::Auditor).await;
    let caller = cases.authenticate(&auditor.token).await.unwrap();
    let ctx = service::OpContext { caller, ..service::OpContext::default() };
    let all = api::audit::AuditQuery::default();
    let exports =
        [cases.audit_export(&ctx, &all).await.unwrap(), cases.audit_export(&ctx, &all).await.unwrap()];
    let path = "/api/v2/audit?format=ndjson";
    limited(&description, &Method::GET, "/api/v2/audit", &server.owner().get(path).await);
    drop(exports);
    server.owner().get(path).await.expect(200);

    let wrong = json!({"email": OWNER_EMAIL, "password": "wrong"});
    let anonymous = server.anonymous();
    exhaust(&description, Method::POST, login, || anonymous.request(Method::POST, login).json(&wrong)).await;

    let bare = TestServer::bare().await;
    let anyone = bare.anonymous();
    let guess = over(first_user(), json!({"setup_token": format!("not {SETUP_TOKEN}")}));
    exhaust(&description, Method::POST, first, || anyone.request(Method::POST, first).json(&guess)).await;
}
