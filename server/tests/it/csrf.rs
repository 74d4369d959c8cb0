//! Cross-site requests (behaviour 2, threats 63).

use crate::support::{CHATS, OWNER_EMAIL, OWNER_PASSWORD, SERVERS, TestServer, cookie};
use api::users::Role;
use http::Method;
use serde_json::json;
use testkit::http::Client;

const ID: &str = "01930000-0000-7000-8000-000000000000";

/// Every unsafe route of the API.
fn unsafe_routes() -> Vec<(Method, String)> {
    let (post, put, patch, delete) = (Method::POST, Method::PUT, Method::PATCH, Method::DELETE);
    vec![
        (post.clone(), SERVERS.to_owned()),
        (patch.clone(), format!("{SERVERS}/{ID}")),
        (delete.clone(), format!("{SERVERS}/{ID}")),
        (post.clone(), format!("{SERVERS}/{ID}/check")),
        (post.clone(), CHATS.to_owned()),
        (patch.clone(), format!("{CHATS}/{ID}")),
        (delete.clone(), format!("{CHATS}/{ID}")),
        (post.clone(), format!("{CHATS}/{ID}/messages")),
        (patch.clone(), format!("{CHATS}/{ID}/messages/1")),
        (post.clone(), format!("{CHATS}/{ID}/interrupt")),
        (post.clone(), "/api/v2/users/first".to_owned()),
        (post.clone(), "/api/v2/users/login".to_owned()),
        (post.clone(), "/api/v2/users/logout".to_owned()),
        (post.clone(), "/api/v2/users".to_owned()),
        (patch.clone(), format!("/api/v2/users/{ID}")),
        (delete.clone(), format!("/api/v2/users/{ID}")),
        (put, "/api/v2/users/me/password".to_owned()),
        (post.clone(), "/api/v2/users/me/keys/tokens".to_owned()),
        (delete.clone(), format!("/api/v2/users/me/keys/{ID}")),
        (delete.clone(), format!("/api/v2/users/me/sessions/{ID}")),
        (post.clone(), "/api/v2/providers".to_owned()),
        (patch.clone(), format!("/api/v2/providers/{ID}")),
        (delete.clone(), format!("/api/v2/providers/{ID}")),
        (post.clone(), "/api/v2/models".to_owned()),
        (patch, format!("/api/v2/models/{ID}")),
        (delete, format!("/api/v2/models/{ID}")),
        (post, "/logout".to_owned()),
    ]
}

/// What another site, or a sibling host, can make a browser send.
fn foreign(origin: &str) -> Vec<Vec<(&'static str, String)>> {
    let header = |name, value: &str| (name, value.to_owned());
    vec![
        vec![],
        vec![header("origin", "https://evil.example")],
        vec![header("origin", "null")],
        vec![header("origin", &format!("{origin}.evil.example"))],
        vec![header("origin", &origin.replace("http:", "https:"))],
        vec![header("origin", &origin.to_uppercase())],
        vec![header("sec-fetch-site", "cross-site"), header("origin", origin)],
        vec![header("sec-fetch-site", "same-site"), header("origin", origin)],
        vec![header("sec-fetch-site", "same-origin"), header("origin", "https://evil.example")],
    ]
}

async fn ask(
    client: &Client,
    method: &Method,
    path: &str,
    headers: &[(&'static str, String)],
) -> testkit::http::Answer {
    // A client of its own without a caller: nothing adds an Origin.
    let mut ask = client.request(method.clone(), path).body("application/json", "{}");
    for (name, value) in headers {
        ask = ask.header(name, value);
    }
    ask.send().await
}

#[tokio::test]
async fn no_foreign_page_gets_an_unsafe_request_through_with_the_cookie() {
    let server = TestServer::start().await;
    let token = server.login(OWNER_EMAIL, OWNER_PASSWORD).await;
    let browser_cookie = ("cookie", format!("patchbay_session={token}"));
    for (method, path) in unsafe_routes() {
        for mut headers in foreign(&server.origin) {
            headers.push(browser_cookie.clone());
            let answer = ask(&server.anonymous(), &method, &path, &headers).await;
            assert_eq!(answer.status, 403, "{method} {path} {headers:?}: {}", answer.body);
            assert!(!answer.message().is_empty());
        }
    }
    // Not one of them did anything: the session is alive.
    server.anonymous().with(cookie(&token)).get("/api/v2/users/me").await.expect(200);
}

#[tokio::test]
async fn our_own_pages_pass() {
    let server = TestServer::start().await;
    let token = server.login(OWNER_EMAIL, OWNER_PASSWORD).await;
    for (method, path) in unsafe_routes() {
        if path.ends_with("/logout") {
            continue;
        }
        for own in [("origin", server.origin.clone()), ("sec-fetch-site", "same-origin".to_owned())] {
            let headers = [own, ("cookie", format!("patchbay_session={token}"))];
            let answer = ask(&server.anonymous(), &method, &path, &headers).await;
            assert!(!answer.body.contains("did not come from a page"), "{method} {path}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn callers_without_the_cookie_need_no_origin() {
    let server = TestServer::start().await;
    for (method, path) in unsafe_routes() {
        if !path.starts_with("/api/") || path.ends_with("/logout") {
            continue;
        }
        let headers = [("origin", "https://evil.example".to_owned())];
        let answer = ask(server.owner(), &method, &path, &headers).await;
        assert!(!answer.body.contains("did not come from a page"), "{method} {path}: {}", answer.body);
    }
}

/// Behaviour 27: refused attempts are logged, under the user whose browser was abused, with the site that did it and without the
/// body. [`service`] bounds them.
#[tokio::test]
async fn what_a_foreign_page_tried_is_in_the_audit_log() {
    let server = TestServer::start().await;
    let ada = server.user(Role::Member).await;
    let evil = || ("origin", "https://evil.example".to_owned());
    let as_ada = ("cookie", format!("patchbay_session={}", ada.token));
    for (method, path, headers) in [
        (Method::POST, SERVERS, vec![evil(), as_ada.clone()]),
        (Method::DELETE, "/api/v2/users/me/keys/x?secret=canary", vec![as_ada.clone()]),
        (Method::GET, "/ui/fn/user_create", vec![as_ada]),
        (Method::POST, "/login", vec![evil()]),
    ] {
        let mut ask =
            server.anonymous().request(method, path).body("application/json", r#"{"canary": "canary"}"#);
        for (name, value) in &headers {
            ask = ask.header(name, value);
        }
        ask.send().await.expect(403);
    }
    server.running.service.audit_flush().await.unwrap();
    let log = server.owner().get("/api/v2/audit?action=access.cross_site").await.expect(200);
    assert!(!log.body.contains("canary"), "{}", log.body);
    let entries = log.json();
    let mut seen: Vec<(String, Option<&str>)> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            assert_eq!((&entry["outcome"], &entry["address"]), (&json!("denied"), &json!("127.0.0.1")));
            assert!(entry["request_id"].as_str().is_some_and(|id| id.len() == 16));
            (entry["changed_fields"].to_string(), entry["actor_id"].as_str())
        })
        .collect();
    seen.sort();
    let hers = Some(ada.id.as_str());
    assert_eq!(
        seen,
        [
            (r#"["request=DELETE /api/v2/users/me/keys/x"]"#.to_owned(), hers),
            (r#"["request=GET /ui/fn/user_create"]"#.to_owned(), hers),
            (format!(r#"["request=POST {SERVERS}","origin=https://evil.example"]"#), hers),
            (r#"["request=POST /login","origin=https://evil.example"]"#.to_owned(), None),
        ]
    );
}

/// The forms work before there is a cookie: login CSRF would sign a victim in as somebody else.
#[tokio::test]
async fn the_plain_forms_need_our_origin_even_without_a_cookie() {
    let server = TestServer::start().await;
    for path in ["/login", "/setup", "/logout"] {
        for headers in foreign(&server.origin) {
            let mut ask = server.anonymous().request(Method::POST, path);
            for (name, value) in &headers {
                ask = ask.header(name, value);
            }
            let form = format!("email={OWNER_EMAIL}&password={}", OWNER_PASSWORD.replace(' ', "+"));
            let answer = ask.body("application/x-www-form-urlencoded", form).send().await;
            assert_eq!(answer.status, 403, "{path} {headers:?}");
            assert!(answer.header("set-cookie").is_none());
        }
    }
}

/// Types that a form of another site can send without asking first.
#[tokio::test]
async fn a_type_that_needs_no_preflight_opens_nothing() {
    let server = TestServer::start().await;
    let token = server.login(OWNER_EMAIL, OWNER_PASSWORD).await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        for path in ["/ui/fn/server_create", "/ui/fn/user_create", SERVERS, "/api/v2/users", CHATS] {
            for origin in ["https://evil.example", "null"] {
                let ask = server.anonymous().request(Method::POST, path).header("origin", origin);
                let ask = ask.header("cookie", &format!("patchbay_session={token}")).body(kind, "{}");
                ask.send().await.expect(403);
            }
        }
    }
}

#[tokio::test]
async fn every_server_function_is_closed_to_foreign_pages_and_to_get() {
    let server = TestServer::start().await;
    let paths: Vec<(String, Method)> =
        leptos::server_fn::axum::server_fn_paths().map(|(path, method)| (path.to_owned(), method)).collect();
    assert!(paths.len() >= 25, "the functions are not registered: {paths:?}");
    let token = server.login(OWNER_EMAIL, OWNER_PASSWORD).await;
    for (path, method) in &paths {
        assert!(path.starts_with("/ui/fn/"), "{path} lies outside the guarded prefix");
        assert_eq!(*method, Method::POST, "{path} must not be reachable by a link");
        for with_cookie in [false, true] {
            for mut headers in foreign(&server.origin) {
                if with_cookie {
                    headers.push(("cookie", format!("patchbay_session={token}")));
                }
                let answer = ask(&server.anonymous(), &Method::POST, path, &headers).await;
                assert_eq!(answer.status, 403, "{path} {headers:?}: {}", answer.body);
            }
        }
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let headers =
                [("cookie", format!("patchbay_session={token}")), ("origin", server.origin.clone())];
            let answer = ask(&server.anonymous(), &method, path, &headers).await;
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.body);
        }
    }
}

/// A server function is a public endpoint: the use case behind it asks who is calling.
#[tokio::test]
async fn server_functions_answer_nobody_who_is_not_signed_in() {
    let server = TestServer::start().await;
    for (path, _) in leptos::server_fn::axum::server_fn_paths() {
        // For everybody over REST as well (behaviour 30).
        if path == "/ui/fn/build_info" {
            continue;
        }
        let body = format!(r#"{{"id": "{ID}"}}"#);
        let ask = server.anonymous().request(Method::POST, path).header("origin", &server.origin);
        let answer = ask.body("application/json", body).send().await;
        assert!(answer.status >= 400, "{path} answers {} to nobody: {}", answer.status, answer.body);
    }
}

#[tokio::test]
async fn server_functions_redirect_nobody_to_a_referer() {
    let server = TestServer::start().await;
    let ask = server
        .anonymous()
        .request(Method::POST, "/ui/fn/server_list_personal")
        .header("origin", &server.origin);
    let answer = ask
        .header("referer", "https://evil.example/")
        .header("accept", "text/html")
        .body("application/json", "{}");
    let answer = answer.send().await;
    assert!(!answer.whole().contains("evil.example"), "{:?}", answer.headers);
    assert!(answer.header("location").is_none_or(|to| to.starts_with('/')), "{:?}", answer.headers);
}
