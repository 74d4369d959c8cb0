//! Pages as a browser without wasm gets them (issue points 1 and 5, behaviour 2 and 25, threats "Web attacker").

use crate::support::{
    OWNER_EMAIL, OWNER_PASSWORD, SERVERS, SETUP_TOKEN, TestServer, chat, cookie, id_of, over, server_body,
    text,
};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use testkit::{
    fake_llm::{FakeLlm, Reply},
    http::{Answer, Client},
};

const HOSTILE: &str = "</title></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}";

/// The nonce of the page's policy; every script of the page must carry it.
#[track_caller]
fn check_policy(path: &str, page: &Answer) {
    let policy = page.header("content-security-policy").unwrap_or_else(|| panic!("{path} has no policy"));
    let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next());
    let nonce = nonce.unwrap_or_else(|| panic!("{path}: no nonce in {policy}"));
    assert!(nonce.len() >= 20, "{nonce}");
    for part in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "img-src 'self' data:",
    ] {
        assert!(policy.contains(part), "{path}: {part} is missing in {policy}");
    }
    assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
    for script in page.body.split("<script").skip(1) {
        let tag = script.split('>').next().unwrap();
        assert!(tag.contains(&format!("nonce=\"{nonce}\"")), "{path}: a script without the nonce: {tag}");
    }
    for tag in tags(&page.body) {
        let lower = tag.to_lowercase();
        for bad in [" on", " style=", "\"javascript:", " src=\"http", " srcdoc="] {
            assert!(!without_values(&lower, bad), "{path}: {bad} in {tag}");
        }
    }
}

/// Every start tag of a page, quotes respected: a `>` inside an attribute ends nothing.
fn tags(page: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let mut quote = None;
        let end = rest.char_indices().find(|(_, c)| match (quote, c) {
            (None, '>') => true,
            (None, '"' | '\'') => {
                quote = Some(*c);
                false
            }
            (Some(open), close) if open == *close => {
                quote = None;
                false
            }
            _ => false,
        });
        let end = end.map_or(rest.len(), |(at, _)| at);
        tags.push(&rest[..end]);
        rest = &rest[end..];
    }
    tags
}

/// Whether `tag` holds `bad` as it stands, or, for the start of an attribute's name, outside of its values.
fn without_values(tag: &str, bad: &str) -> bool {
    if bad.contains('"') {
        return tag.contains(bad);
    }
    tag.split('"').step_by(2).any(|outside| outside.contains(bad))
}

#[test]
fn the_scanner_of_tags_sees_handlers_and_not_text() {
    let page = "<p>a onerror=1 &lt;img onerror=2&gt;</p><input value=\"x > y onerror=3\" disabled><img src=x onerror=\"4\">";
    let found = tags(page);
    assert_eq!(found.len(), 3, "{found:?}");
    let handlers: Vec<bool> = found.iter().map(|tag| without_values(tag, " on")).collect();
    assert_eq!(handlers, [false, false, true]);
}

/// A group with its owner as the member; its id.
async fn new_group(server: &TestServer, name: &str, display_name: &str) -> String {
    let owner = server.owner();
    let body = json!({"name": name, "display_name": display_name});
    let group = id_of(&owner.post("/api/v2/groups", &body).await.expect(201));
    let me = id_of(&owner.get("/api/v2/users/me").await.expect(200));
    owner.patch(&format!("/api/v2/groups/{group}"), &json!({"add_users": [me]})).await.expect(200);
    group
}

async fn post_form(client: &Client, path: &str, origin: &str, fields: &[(&str, &str)]) -> Answer {
    let body: Vec<String> = fields
        .iter()
        .map(|(name, value)| {
            let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            format!("{name}={value}")
        })
        .collect();
    let ask = client.request(Method::POST, path).header("origin", origin);
    ask.body("application/x-www-form-urlencoded", body.join("&")).send().await
}

#[tokio::test]
async fn set_up_login_and_logout_work_as_plain_forms() {
    let server = TestServer::bare().await;
    let browser = server.anonymous();
    let page = browser.get(&format!("/setup?token={SETUP_TOKEN}")).await.expect(200);
    check_policy("/setup", &page);
    assert!(page.body.contains(SETUP_TOKEN) && page.body.contains("method=\"post\""), "{}", page.body);
    let fields = [
        ("setup_token", SETUP_TOKEN),
        ("email", OWNER_EMAIL),
        ("username", "owner"),
        ("name", "O"),
        ("password", OWNER_PASSWORD),
    ];
    let done = post_form(&browser, "/setup", &server.origin, &fields).await.expect(303);
    assert_eq!(done.header("location"), Some("/admin/servers"));
    let set = done.header("set-cookie").unwrap();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax") && !set.contains("Secure"), "{set}");
    let signed_in = browser.with(cookie(set.split(['=', ';']).nth(1).unwrap()));
    signed_in.get("/admin/servers").await.expect(200);
    let out = signed_in.request(Method::POST, "/logout").send().await.expect(303);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    signed_in.get("/api/v2/users/me").await.expect(401);
    let again = post_form(
        &browser,
        "/login",
        &server.origin,
        &[("email", OWNER_EMAIL), ("password", OWNER_PASSWORD)],
    )
    .await
    .expect(303);
    assert_eq!(again.header("location"), Some("/"));
}

#[tokio::test]
async fn a_refused_form_says_why_and_keeps_what_was_typed_but_no_password() {
    let server = TestServer::bare().await;
    let browser = server.anonymous();
    let fields = [
        ("setup_token", SETUP_TOKEN),
        ("email", "typed@example.org"),
        ("username", "typed-name"),
        ("name", HOSTILE),
        ("password", "short-pw"),
    ];
    let page = post_form(&browser, "/setup", &server.origin, &fields).await.expect(400);
    check_policy("/setup", &page);
    assert!(
        page.body.contains("typed@example.org")
            && page.body.contains("typed-name")
            && page.body.contains(SETUP_TOKEN)
    );
    assert!(page.body.contains("at least 12"), "the reason stands in the page");
    assert!(!page.body.contains("short-pw"), "a password is never sent back");
    assert!(!page.body.contains("<script>alert(1)") && !page.body.contains("<img src=x"), "{}", page.body);
    let server = server.owned().await;
    let page = post_form(
        &browser,
        "/login",
        &server.origin,
        &[("email", "x@example.org"), ("password", "wrong-pw-here")],
    )
    .await
    .expect(401);
    assert!(
        page.body.contains("x@example.org")
            && page.body.contains("wrong")
            && !page.body.contains("wrong-pw-here")
    );
    assert!(page.header("set-cookie").is_none());
}

#[tokio::test]
async fn a_page_for_people_sends_strangers_to_login_and_back() {
    let server = TestServer::start().await;
    let browser = server.anonymous();
    for path in ["/", "/admin/servers", "/account", "/chats/01930000-0000-7000-8000-000000000000?x=1"] {
        let answer =
            browser.request(Method::GET, path).header("accept", "text/html").send().await.expect(302);
        let to = answer.header("location").unwrap();
        assert!(to.starts_with("/login"), "{path}: {to}");
    }
    for (return_to, expected) in [
        ("/admin/servers?x=1", "/admin/servers?x=1"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ] {
        let fields = [("email", OWNER_EMAIL), ("password", OWNER_PASSWORD), ("return_to", return_to)];
        let answer = post_form(&browser, "/login", &server.origin, &fields).await.expect(303);
        assert_eq!(answer.header("location"), Some(expected), "{return_to}");
    }
    // Browsers hold a form to this site through every redirect; what leads on to a provider is gone to from a page.
    let onward = "/api/experimental/mcp/servers/x/oauth2/connect?return_to=/a&b=\"";
    let fields = [("email", OWNER_EMAIL), ("password", OWNER_PASSWORD), ("return_to", onward)];
    let answer = post_form(&browser, "/login", &server.origin, &fields).await.expect(200);
    assert!(answer.header("set-cookie").is_some());
    let goes = r#"content="0;url=/api/experimental/mcp/servers/x/oauth2/connect?return_to=/a&amp;b=&quot;""#;
    assert!(answer.body.contains(goes), "{}", answer.body);
}

#[tokio::test]
async fn every_page_has_a_nonce_of_its_own_and_no_inline_script_without_it() {
    let server = TestServer::start().await;
    let id = server.register(&server_body("linear", "https://mcp.example.org/mcp")).await;
    server.demo_model().await;
    let made = chat(server.owner(), &json!({"content": text("hi")})).await;
    let group = new_group(&server, "web", "").await;
    let mut nonces = Vec::new();
    for path in [
        "/",
        &format!("/chats/{}", made["id"].as_str().unwrap()),
        "/account",
        "/admin/servers",
        "/admin/servers/new",
        &format!("/admin/servers/{id}"),
        "/admin/models",
        "/admin/users",
        "/admin/audit",
        "/admin/groups",
        &format!("/admin/groups/{group}"),
        "/admin/settings",
        "/admin/keys",
        "/admin/servers/import",
    ] {
        for _ in 0..2 {
            let page = server.owner().get(path).await.expect(200);
            check_policy(path, &page);
            nonces.push(page.header("content-security-policy").unwrap().to_owned());
            assert!(page.body.starts_with("<!DOCTYPE html>"), "{path}");
            assert_eq!(page.header("content-type").map(|kind| kind.starts_with("text/html")), Some(true));
        }
    }
    let count = nonces.len();
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), count, "no nonce is used twice");
    let page = server.anonymous().get("/login").await.expect(200);
    check_policy("/login", &page);
}

#[tokio::test]
async fn pages_hold_their_content_without_wasm() {
    let server = TestServer::start().await;
    let id = server.register(&server_body("linear", "https://mcp.example.org/mcp")).await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    let group = new_group(&server, "web", "The web team").await;
    llm.push(Reply::text("an answer **in bold**"));
    let made = chat(server.owner(), &json!({"content": text("a question of mine")})).await;
    for (path, words) in [
        ("/admin/servers".to_owned(), vec!["Server linear"]),
        (format!("/admin/servers/{id}"), vec!["https://mcp.example.org/mcp", "<noscript>"]),
        ("/admin/models".to_owned(), vec!["Scripted", "Model scripted-1"]),
        ("/admin/users".to_owned(), vec![OWNER_EMAIL]),
        ("/admin/groups".to_owned(), vec!["The web team", "1"]),
        (format!("/admin/groups/{group}"), vec!["The web team", "Members (1)", OWNER_EMAIL, "<noscript>"]),
        ("/admin/settings".to_owned(), vec!["127.0.0.1:*", "Allowed by owners", "<noscript>"]),
        ("/account".to_owned(), vec!["owner"]),
        (
            format!("/chats/{}", made["id"].as_str().unwrap()),
            vec!["a question of mine", "<strong>in bold</strong>", "<noscript>"],
        ),
        ("/".to_owned(), vec!["a question of mine"]),
    ] {
        let page = server.owner().get(&path).await.expect(200);
        for word in words {
            assert!(page.body.contains(word), "{word} is missing on {path}");
        }
    }
}

#[tokio::test]
async fn hostile_text_is_never_markup() {
    let server = TestServer::start().await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-x").await;
    llm.push(Reply::text(HOSTILE));
    let name: String = HOSTILE.chars().take(128).collect();
    let id = server
        .register(&over(
            server_body("evil", "https://mcp.example.org/mcp"),
            json!({
                "display_name": name, "description": HOSTILE, "enabled": true, "availability": "default_on",
                "tool_deny_list": [HOSTILE],
            }),
        ))
        .await;
    let me = server.owner().get("/api/v2/users/me").await.json()["id"].as_str().unwrap().to_owned();
    server.owner().patch(&format!("/api/v2/users/{me}"), &json!({"name": name})).await.expect(200);
    let made = chat(server.owner(), &json!({"content": text(HOSTILE), "mcp_server_ids": []})).await;
    server
        .owner()
        .patch(
            &format!("/api/experimental/chats/{}", made["id"].as_str().unwrap()),
            &json!({"title": HOSTILE}),
        )
        .await
        .expect(200);
    let group = new_group(&server, "evil", &name).await;
    let hostile_path = "/nothing/%3Cscript%3Ealert(1)%3C/script%3E";
    for path in [
        "/",
        "/account",
        "/admin/servers",
        &format!("/admin/servers/{id}"),
        "/admin/models",
        "/admin/users",
        "/admin/audit",
        "/admin/users?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&after=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/admin/groups",
        &format!("/admin/groups/{group}"),
        "/admin/settings",
        "/admin/keys",
        "/admin/servers/import",
        "/admin/servers/import?document=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        &format!("/chats/{}", made["id"].as_str().unwrap()),
        hostile_path,
        "/setup?token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/login?return_to=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ] {
        for client in [server.owner(), &server.anonymous()] {
            let page = client.get(path).await;
            for bad in ["<script>alert", "<img src=x", "</title></script>"] {
                let at = page.body.find(bad);
                let around =
                    at.map(|at| page.body[at.saturating_sub(200)..].chars().take(300).collect::<String>());
                assert!(at.is_none(), "{bad} on {path}: {around:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_host_is_redirected_for_pages_and_nothing_else() {
    let server = TestServer::start().await;
    let port = server.origin.rsplit(':').next().unwrap().to_owned();
    for host in [format!("localhost:{port}"), "evil.example".to_owned(), format!("127.0.0.1:{}", 1)] {
        let answer = server
            .anonymous()
            .request(Method::GET, "/login?return_to=%2Fx")
            .header("host", &host)
            .send()
            .await
            .expect(307);
        assert_eq!(
            answer.header("location"),
            Some(format!("{}/login?return_to=%2Fx", server.origin).as_str()),
            "{host}"
        );
        let api = server.owner().request(Method::GET, SERVERS).header("host", &host).send().await.expect(200);
        assert!(!api.body.contains(&host));
        server.anonymous().request(Method::GET, "/healthz").header("host", &host).send().await.expect(200);
        let login = json!({"email": OWNER_EMAIL, "password": OWNER_PASSWORD});
        let ask = server
            .anonymous()
            .request(Method::POST, "/api/v2/users/login")
            .header("host", &host)
            .json(&login);
        ask.send().await.expect(201);
    }
    // Forwarding headers change nothing.
    let ask = server.anonymous().request(Method::GET, "/login").header("x-forwarded-host", "evil.example");
    let page = ask
        .header("forwarded", "host=evil.example;proto=https")
        .header("x-forwarded-proto", "https")
        .send()
        .await
        .expect(200);
    assert!(!page.whole().contains("evil.example"));
}

#[tokio::test]
async fn pages_of_the_panel_are_for_those_who_may() {
    let server = TestServer::start().await;
    let id = server.register(&server_body("linear", "https://mcp.example.org/mcp")).await;
    let (member, auditor) = (server.user(Role::Member).await.client, server.user(Role::Auditor).await.client);
    for (path, member_sees, auditor_sees) in [
        ("/admin/servers".to_owned(), 403, 200),
        (format!("/admin/servers/{id}"), 403, 200),
        ("/admin/servers/new".to_owned(), 403, 403),
        ("/admin/models".to_owned(), 403, 200),
        ("/admin/users".to_owned(), 403, 403),
        ("/admin/audit".to_owned(), 403, 200),
        ("/admin/groups".to_owned(), 403, 200),
        ("/admin/settings".to_owned(), 403, 200),
        ("/admin/keys".to_owned(), 403, 200),
        ("/admin/servers/import".to_owned(), 403, 403),
        ("/account".to_owned(), 200, 200),
    ] {
        let seen = member.get(&path).await;
        assert_eq!(seen.status, member_sees, "{path} as member");
        assert!(!seen.body.contains("mcp.example.org"), "{path}");
        auditor.get(&path).await.expect(auditor_sees);
    }
}

#[tokio::test]
async fn pages_of_a_personal_server_tell_each_reader_what_is_theirs_to_know() {
    let server = TestServer::start().await;
    let asks = json!([{"name": "X-Token", "description": HOSTILE, "value_prefix": "Bearer "}]);
    let body = over(
        server_body("tracker", "https://mcp.example.org/mcp"),
        json!({"auth_type": "user_header", "enabled": true, "availability": "default_on", "user_headers": asks}),
    );
    let id = server.register(&body).await;
    server.demo_model().await;
    let (member, auditor) = (server.user(Role::Member).await, server.user(Role::Auditor).await.client);
    let needs = "needs your own values";
    let home = member.client.get("/").await.expect(200);
    assert!(home.body.contains(needs), "{}", home.body);
    let account = member.client.get("/account").await.expect(200);
    assert!(account.body.contains("Enter values for Server tracker"), "{}", account.body);

    let secret = "a-value-of-the-member";
    let values = json!({"values": {"X-Token": secret}});
    member.client.put(&format!("{SERVERS}/{id}/user_headers"), &values).await.expect(204);
    let home = member.client.get("/").await.expect(200);
    assert!(!home.body.contains(needs), "{}", home.body);
    let account = member.client.get("/account").await.expect(200);
    assert!(account.body.contains("Disconnect Server tracker"), "{}", account.body);
    let username = member.email.split('@').next().unwrap();
    let path = format!("/admin/servers/{id}");
    for (reader, may_end) in [(server.owner(), true), (&auditor, false)] {
        let page = reader.get(&path).await.expect(200);
        check_policy(&path, &page);
        for words in ["X-Token", "Bearer ", "Connections", username, "Everybody"] {
            assert!(page.body.contains(words), "{words} is missing: {}", page.body);
        }
        assert_eq!(page.body.contains(&format!("Disconnect {username}")), may_end);
        assert!(!page.body.contains("<script>alert") && !page.body.contains("<img src=x"), "{}", page.body);
        assert!(!page.whole().contains(secret));
    }
    assert!(!home.whole().contains(secret) && !account.whole().contains(secret));
}

#[tokio::test]
async fn the_editor_learns_of_a_save_in_between_and_who_made_it() {
    let server = TestServer::start().await;
    let id = server.register(&server_body("shared", "https://mcp.example.org/mcp")).await;
    let admin = server.user(Role::Admin).await;
    let loaded = server.owner().get(&format!("{SERVERS}/{id}")).await.expect(200);
    let etag = loaded.header("etag").unwrap().to_owned();
    admin.client.patch(&format!("{SERVERS}/{id}"), &json!({"description": "Theirs"})).await.expect(200);
    // As the page asks: server functions want our own origin.
    let call = |client: &Client, path: &str, body: Value| {
        client.request(Method::POST, path).header("origin", &server.origin).json(&body)
    };
    let write = json!({"id": id, "write": {"description": "Mine"}, "if_match": etag});
    call(server.owner(), "/ui/fn/server_update", write).send().await.expect(412);
    call(server.owner(), "/ui/fn/server_delete", json!({"id": id, "if_match": etag}))
        .send()
        .await
        .expect(412);
    let now = call(server.owner(), "/ui/fn/server_now", json!({"id": id})).send().await.expect(200).json();
    assert_eq!(now["server"]["description"], "Theirs");
    assert_eq!(now["changed_by"], admin.email.split('@').next().unwrap());
    // Who changed a server is for those who read the configuration.
    let member = server.user(Role::Member).await.client;
    call(&member, "/ui/fn/server_now", json!({"id": id})).send().await.expect(404);
    call(&member, "/ui/fn/connection_list", json!({"id": id})).send().await.expect(403);
    call(&member, "/ui/fn/connection_remove", json!({"id": id, "user": null})).send().await.expect(403);
}

#[tokio::test]
async fn an_address_without_a_page_is_404_and_says_so() {
    let server = TestServer::start().await;
    server.demo_model().await;
    let person = server.user(Role::Member).await.client;
    let foreign = chat(&person, &json!({"content": text("mine")})).await;
    for path in [
        "/nothing",
        "/admin/nothing",
        "/chats/01930000-0000-7000-8000-000000000000",
        &format!("/chats/{}", foreign["id"].as_str().unwrap()),
        "/admin/servers/01930000-0000-7000-8000-000000000000",
        "/admin/groups/01930000-0000-7000-8000-000000000000",
    ] {
        let page = server.owner().get(path).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(page.body.contains("</html>") && !page.body.contains("mine"), "{path}");
    }
}

#[tokio::test]
async fn assets_are_cached_for_ever_and_everything_else_not_at_all() {
    let server = TestServer::start().await;
    let page = server.anonymous().get("/login").await.expect(200);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let assets =
        page.body.split('"').filter(|text| text.starts_with("/pkg/")).map(str::to_owned).collect::<Vec<_>>();
    for asset in &assets {
        let answer =
            server.anonymous().request(Method::GET, asset).header("accept-encoding", "br").send().await;
        assert_eq!(answer.status, 200, "{asset}");
        assert!(answer.header("cache-control").unwrap().contains("immutable"), "{asset}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{asset}");
    }
    server.anonymous().get("/pkg/../../Cargo.toml").await;
    let outside = server.anonymous().get("/pkg/%2e%2e/%2e%2e/Cargo.toml").await;
    assert!(!outside.body.contains("[workspace]") && !outside.body.contains("[package]"));
}

/// The panel pages through users by links, so also without wasm, and the search looks at all of them.
#[tokio::test]
async fn long_lists_of_the_panel_are_paged_by_links_and_searched_on_the_server() {
    let server = TestServer::start().await;
    {
        let mut write = server.running.db.write().await.unwrap();
        for n in 0..120 {
            let now = api::Timestamp(1_793_491_200_000_000);
            let user = api::users::User {
                id: api::Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + n),
                email: format!("u{n:03}@example.org"),
                username: format!("u{n:03}"),
                name: String::new(),
                roles: vec![Role::Member],
                status: api::users::UserStatus::Active,
                created_at: now,
                updated_at: now,
            };
            let record = store::users::UserRecord { user, password_hash: None };
            store::users::user_insert(&mut write, &record).await.unwrap();
        }
        write.commit().await.unwrap();
    }
    let mut path = "/admin/users".to_owned();
    let mut seen = 0;
    let mut pages = 0;
    loop {
        let page = server.owner().get(&path).await.expect(200);
        seen += (0..120).filter(|n| page.body.contains(&format!("u{n:03}@example.org"))).count();
        pages += 1;
        assert_eq!(page.body.contains("First page"), pages > 1, "{path}");
        let Some(next) = page
            .body
            .split("href=\"")
            .filter_map(|rest| rest.split('"').next())
            .find(|href| href.contains("after="))
        else {
            break;
        };
        path = next.replace("&amp;", "&");
    }
    assert_eq!((seen, pages), (120, 3));
    let found = server.owner().get("/admin/users?q=U077").await.expect(200);
    assert!(found.body.contains("u077@example.org") && !found.body.contains("u078@example.org"));
    assert!(found.body.contains("value=\"U077\""), "the search stands in its field");
    let nobody = server.owner().get("/admin/users?q=zzz").await.expect(200);
    assert!(nobody.body.contains("No user matches"), "{}", nobody.body);
}

#[tokio::test]
async fn servers_of_the_panel_are_paged_filtered_and_searched_on_the_server() {
    let server = TestServer::start().await;
    for n in 0..52 {
        let body = over(
            server_body(&format!("s{n:02}"), "https://mcp.example.org/mcp"),
            json!({"enabled": n % 2 == 0, "display_name": format!("Server {n:02}")}),
        );
        server.register(&body).await;
    }
    let owner = server.owner();
    let first = owner.get("/admin/servers").await.expect(200);
    assert!(first.body.contains("Server 49") && !first.body.contains("Server 50"), "fifty a page");
    let next = first
        .body
        .split("href=\"")
        .filter_map(|rest| rest.split('"').next())
        .find(|href| href.contains("after="));
    let second = owner.get(&next.unwrap().replace("&amp;", "&")).await.expect(200);
    assert!(
        second.body.contains("Server 50")
            && second.body.contains("Server 51")
            && !second.body.contains("Server 49")
    );
    let enabled = owner.get("/admin/servers?show=enabled").await.expect(200);
    assert!(enabled.body.contains("Server 50") && !enabled.body.contains("Server 01"));
    assert!(!enabled.body.contains("after="), "26 fit one page");
    let found = owner.get("/admin/servers?show=disabled&q=SERVER%2003").await.expect(200);
    assert!(found.body.contains("Server 03") && !found.body.contains("Server 05"));
    let none = owner.get("/admin/servers?show=disabled&q=server%2002").await.expect(200);
    assert!(none.body.contains("No server matches"), "{}", none.body);
    owner.get("/admin/servers?after=x").await.expect(400);
}
