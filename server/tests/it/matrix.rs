//! Every address of the API against every kind of caller (behaviour 2, "a generated matrix asserts each cell").

use crate::support::{CHATS, SERVERS, TestServer};
use api::users::Role;
use http::Method;
use testkit::http::{Client, Proof};

const ID: &str = "01930000-0000-7000-8000-000000000000";

/// Statuses of owner, admin, auditor, member, nobody to a request with the body `{}` and an unknown id.
type Row = (&'static str, String, [u16; 5]);

fn table() -> Vec<Row> {
    let row = |method: &'static str, path: String, statuses: [u16; 5]| (method, path, statuses);
    vec![
        row("GET", SERVERS.into(), [200, 200, 200, 200, 401]),
        row("POST", SERVERS.into(), [400, 400, 403, 403, 401]),
        row("GET", format!("{SERVERS}/{ID}"), [404, 404, 404, 404, 401]),
        row("PATCH", format!("{SERVERS}/{ID}"), [404, 404, 403, 403, 401]),
        row("DELETE", format!("{SERVERS}/{ID}"), [404, 404, 403, 403, 401]),
        row("POST", format!("{SERVERS}/{ID}/check"), [404, 404, 404, 404, 401]),
        row("GET", "/api/experimental/mcp/export".into(), [200, 200, 200, 403, 401]),
        row("POST", "/api/experimental/mcp/import".into(), [400, 400, 403, 403, 401]),
        row("GET", CHATS.into(), [200, 200, 200, 200, 401]),
        row("POST", CHATS.into(), [400, 400, 400, 400, 401]),
        row("GET", format!("{CHATS}/{ID}"), [404, 404, 404, 404, 401]),
        row("PATCH", format!("{CHATS}/{ID}"), [404, 404, 404, 404, 401]),
        row("DELETE", format!("{CHATS}/{ID}"), [404, 404, 404, 404, 401]),
        row("GET", format!("{CHATS}/{ID}/messages"), [404, 404, 404, 404, 401]),
        row("POST", format!("{CHATS}/{ID}/interrupt"), [404, 404, 404, 404, 401]),
        row("GET", format!("{CHATS}/{ID}/stream"), [404, 404, 404, 404, 401]),
        row("PATCH", format!("{CHATS}/{ID}/messages/1"), [404, 404, 404, 404, 401]),
        row("GET", "/api/v2/buildinfo".into(), [200, 200, 200, 200, 200]),
        row("GET", "/api/v2/users/first".into(), [200, 200, 200, 200, 200]),
        row("POST", "/api/v2/users/first".into(), [409, 409, 409, 409, 409]),
        row("GET", "/api/v2/users".into(), [200, 200, 403, 403, 401]),
        row("POST", "/api/v2/users".into(), [400, 400, 403, 403, 401]),
        row("GET", "/api/v2/users/me".into(), [200, 200, 200, 200, 401]),
        row("GET", format!("/api/v2/users/{ID}"), [404, 404, 403, 403, 401]),
        row("PATCH", format!("/api/v2/users/{ID}"), [404, 404, 403, 403, 401]),
        row("DELETE", format!("/api/v2/users/{ID}"), [404, 404, 403, 403, 401]),
        row("GET", "/api/v2/users/me/sessions".into(), [200, 200, 200, 200, 401]),
        row("DELETE", format!("/api/v2/users/me/sessions/{ID}"), [404, 404, 404, 404, 401]),
        row("GET", "/api/v2/users/me/keys/tokens".into(), [200, 200, 200, 200, 401]),
        row("POST", "/api/v2/users/me/keys/tokens".into(), [400, 400, 400, 400, 401]),
        row("DELETE", format!("/api/v2/users/me/keys/{ID}"), [404, 404, 404, 404, 401]),
        row("PUT", "/api/v2/users/me/password".into(), [400, 400, 400, 400, 401]),
        row("GET", "/api/v2/providers".into(), [200, 200, 200, 403, 401]),
        row("POST", "/api/v2/providers".into(), [400, 400, 403, 403, 401]),
        row("PATCH", format!("/api/v2/providers/{ID}"), [404, 404, 403, 403, 401]),
        row("DELETE", format!("/api/v2/providers/{ID}"), [404, 404, 403, 403, 401]),
        row("GET", "/api/v2/models".into(), [200, 200, 200, 200, 401]),
        row("POST", "/api/v2/models".into(), [400, 400, 403, 403, 401]),
        row("PATCH", format!("/api/v2/models/{ID}"), [404, 404, 403, 403, 401]),
        row("DELETE", format!("/api/v2/models/{ID}"), [404, 404, 403, 403, 401]),
        row("GET", "/api/v2/no-such-thing".into(), [404, 404, 404, 404, 404]),
        row("GET", "/healthz".into(), [200, 200, 200, 200, 200]),
        row("GET", "/readyz".into(), [200, 200, 200, 200, 200]),
    ]
}

#[tokio::test]
async fn every_address_answers_every_kind_of_caller_as_the_contract_says() {
    let server = TestServer::start().await;
    let mut callers: Vec<(String, Client)> = Vec::new();
    for role in [Role::Owner, Role::Admin, Role::Auditor, Role::Member] {
        callers.push((role.as_str().to_owned(), server.user(role).await.client));
    }
    callers.push(("nobody".to_owned(), server.anonymous().with(Proof::Nobody)));
    let mut wrong = Vec::new();
    for (method, path, expected) in table() {
        for ((name, client), status) in callers.iter().zip(expected) {
            let ask = client.request(Method::from_bytes(method.as_bytes()).unwrap(), &path);
            let ask = if method == "GET" { ask } else { ask.body("application/json", "{}") };
            let answer = ask.send().await;
            if answer.status != status {
                wrong.push(format!(
                    "{method} {path} as {name}: {} instead of {status}: {}",
                    answer.status, answer.body
                ));
            }
            if answer.status >= 400 {
                let body = answer.json();
                assert!(
                    body["message"].as_str().is_some_and(|message| !message.is_empty()),
                    "{method} {path}: {body}"
                );
                let known = ["message", "detail", "validations"];
                assert!(body.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{body}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
