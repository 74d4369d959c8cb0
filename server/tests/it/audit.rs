//! The audit log over REST and in the panel (behaviour 27, threats 69): one entry for each action, none for what is no action,
//! and nothing in it that should not be.

use crate::oauth;
use crate::support::{
    OWNER_EMAIL, OWNER_PASSWORD, SERVERS, TestServer, chat, id_of, over, server_body, text,
};
use api::{Timestamp, Uuid, users::Role};
use http::Method;
use serde_json::{Value, json};
use testkit::{
    fake_llm::{Call, FakeLlm, Reply},
    fake_mcp::{FakeMcp, FakeTool, ToolAnswer},
    fake_oauth::{approve, browser},
    http::{Answer, Client, Proof},
};

const AUDIT: &str = "/api/v2/audit";

/// What has come into the log since the last look.
struct Log<'a> {
    server: &'a TestServer,
    seen: usize,
}

impl<'a> Log<'a> {
    fn new(server: &'a TestServer) -> Self {
        Self { server, seen: 0 }
    }

    /// Oldest first.
    async fn fresh(&mut self) -> Vec<Value> {
        self.server.running.service.audit_flush().await.unwrap();
        let page = self.server.owner().get(&format!("{AUDIT}?limit=200")).await.expect(200);
        let mut entries = page.json().as_array().unwrap().clone();
        assert!(page.header("link").is_none(), "one page holds the log of a test");
        entries.reverse();
        let fresh = entries.split_off(self.seen);
        self.seen += fresh.len();
        fresh
    }

    /// Exactly these came since, each as `actor action outcome type/name [fields]`; `…` at the end leaves the rest open.
    #[track_caller]
    fn check(&mut self, expected: &'a [&'a str]) -> impl Future<Output = Vec<Value>> {
        let at = std::panic::Location::caller();
        async move {
            let fresh = self.fresh().await;
            let lines: Vec<String> = fresh.iter().map(line).collect();
            let fits = |(line, expected): (&String, &&str)| match expected.strip_suffix('…') {
                Some(start) => line.starts_with(start),
                None => line == expected,
            };
            assert!(
                lines.len() == expected.len() && lines.iter().zip(expected).all(fits),
                "{at}: expected {expected:#?}, got {lines:#?}"
            );
            fresh
        }
    }
}

fn words(entry: &Value, name: &str) -> String {
    entry[name].as_str().unwrap_or_default().to_owned()
}

fn fields(entry: &Value) -> Vec<String> {
    entry["changed_fields"].as_array().unwrap().iter().map(|f| f.as_str().unwrap().to_owned()).collect()
}

fn line(entry: &Value) -> String {
    let actor = match words(entry, "actor_name") {
        nobody if nobody.is_empty() => "-".to_owned(),
        name => name,
    };
    format!(
        "{actor} {} {} {}/{} [{}]",
        words(entry, "action"),
        words(entry, "outcome"),
        words(entry, "resource_type"),
        words(entry, "resource_name"),
        fields(entry).join("; ")
    )
}

async fn log_in(server: &TestServer, email: &str, password: &str) -> Answer {
    server.anonymous().post("/api/v2/users/login", &json!({"email": email, "password": password})).await
}

async fn accounts_leave_their_entries(server: &TestServer) {
    let mut log = Log::new(server);
    let owner = server.owner();
    log.check(&[
        "- keys.created ok encryption_key/ []",
        "- user.first ok user/owner [roles=owner]",
        "owner session.login ok user/owner []",
    ])
    .await;
    let ada = json!({"email": "ada@example.org", "username": "ada", "password": "canary password one"});
    let id = id_of(&owner.post("/api/v2/users", &ada).await.expect(201));
    log.check(&["owner user.create ok user/ada [roles=member]"]).await;
    let path = format!("/api/v2/users/{id}");

    log_in(server, "ada@example.org", "canary password one").await.expect(201);
    log_in(server, "ada@example.org", "canary password two").await.expect(401);
    log_in(server, "canary typed into the wrong field", "x").await.expect(401);
    log.check(&[
        "ada session.login ok user/ada []",
        "- session.login denied user/ada []",
        "- session.login denied user/ []",
    ])
    .await;

    owner.patch(&path, &json!({"roles": ["member", "auditor"], "name": "Ada"})).await.expect(200);
    owner.patch(&path, &json!({"password": "canary password three"})).await.expect(200);
    log.check(&[
        "owner user.update ok user/ada [name; roles=member -> auditor,member]",
        "owner user.update ok user/ada [password changed]",
    ])
    .await;

    let token = server.login("ada@example.org", "canary password three").await;
    let ada = server.anonymous().with(Proof::Bearer(token));
    let change = json!({"old_password": "canary password three", "password": "canary password four"});
    ada.put("/api/v2/users/me/password", &change).await.expect(204);
    let made = ada.post("/api/v2/users/me/keys/tokens", &json!({"token_name": "laptop"})).await.expect(201);
    ada.delete(&format!("/api/v2/users/me/keys/{}", id_of(&made))).await.expect(204);
    let gone = format!("ada token.delete ok token/laptop [user={id}]");
    let fresh = log.fresh().await;
    assert_eq!(
        fresh.iter().map(line).collect::<Vec<_>>(),
        [
            "ada session.login ok user/ada []",
            "ada user.password ok user/ada [password changed]",
            "ada token.create ok token/laptop []",
            &gone,
        ]
    );
    assert_eq!(words(&fresh[2], "resource_id"), id_of(&made));

    log_in(server, "ada@example.org", "canary password four").await.expect(201);
    let sessions = ada.get("/api/v2/users/me/sessions").await.expect(200).json();
    let other = sessions.as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
    ada.delete(&format!("/api/v2/users/me/sessions/{}", other["id"].as_str().unwrap())).await.expect(204);
    ada.post("/api/v2/users/logout", &json!({})).await.expect(200);
    let fresh = log
        .check(&[
            "ada session.login ok user/ada []",
            "ada session.revoke ok session/ada []",
            "ada session.logout ok user/ada []",
        ])
        .await;
    assert_eq!(fresh[1]["resource_id"], other["id"]);

    owner.patch(&path, &json!({"status": "suspended"})).await.expect(200);
    owner.delete(&path).await.expect(204);
    log.check(&[
        "owner user.update ok user/ada [status=active -> suspended]",
        "owner user.delete ok user/ada []",
    ])
    .await;
    // An account that is gone is found by the name it had.
    let hers = owner.get(&format!("{AUDIT}?actor=ADA&limit=200")).await.expect(200).json();
    assert_eq!(hers.as_array().unwrap().len(), 8);
    no_canary(server).await;
}

async fn configuration_leaves_its_entries(server: &TestServer) {
    let mut log = Log::new(server);
    let owner = server.owner();
    log.fresh().await;
    let provider = json!({"name": "P", "type": "openai", "base_url": "https://models.example.org/v1", "api_key": "sk-canary-1"});
    let provider = id_of(&owner.post("/api/v2/providers", &provider).await.expect(201));
    let path = format!("/api/v2/providers/{provider}");
    owner.patch(&path, &json!({"name": "Q", "api_key": "sk-canary-2"})).await.expect(200);
    owner.patch(&path, &json!({"api_key": ""})).await.expect(200);
    let model = json!({"provider_id": provider, "model": "m", "display_name": "M"});
    let model = id_of(&owner.post("/api/v2/models", &model).await.expect(201));
    let model_path = format!("/api/v2/models/{model}");
    owner.patch(&model_path, &json!({"display_name": "N", "context_limit": 64_000})).await.expect(200);
    owner.delete(&model_path).await.expect(204);
    owner.delete(&path).await.expect(204);
    log.check(&[
        "owner provider.create ok provider/P [api_key set]",
        "owner provider.update ok provider/Q [name; api_key changed]",
        "owner provider.update ok provider/Q [api_key cleared]",
        "owner model.create ok model/M []",
        "owner model.update ok model/N [display_name; context_limit]",
        "owner model.delete ok model/N []",
        "owner provider.delete ok provider/Q []",
    ])
    .await;

    let body = over(
        server_body("linear", "https://mcp.example.org/mcp"),
        json!({"auth_type": "api_key", "api_key_value": "canary-key-1"}),
    );
    let id = server.register(&body).await;
    let change = json!({"api_key_value": "canary-key-2", "enabled": true});
    owner.patch(&format!("{SERVERS}/{id}"), &change).await.expect(200);
    owner.delete(&format!("{SERVERS}/{id}")).await.expect(204);
    let fresh = log
        .check(&[
            "owner server.create ok mcp_server/linear …",
            "owner server.update ok mcp_server/linear …",
            "owner server.delete ok mcp_server/linear …",
        ])
        .await;
    let changed = fields(&fresh[1]);
    assert!(
        ["api_key_value changed", "enabled"].iter().all(|f| changed.iter().any(|c| c == f)),
        "{changed:?}"
    );
    assert!(fresh.iter().all(|entry| entry["resource_id"] == json!(id)), "{fresh:#?}");

    // What only reads, and what is refused as input, leaves none.
    for path in [SERVERS, "/api/v2/models", "/api/v2/providers", "/api/v2/users", AUDIT, "/admin/audit"] {
        owner.get(path).await.expect(200);
    }
    owner.post(SERVERS, &json!({"slug": "x"})).await.expect(400);
    owner.patch(&format!("{SERVERS}/{id}"), &json!({"enabled": true})).await.expect(404);
    server.anonymous().post(SERVERS, &json!({})).await.expect(401);
    log.check(&[]).await;
    no_canary(server).await;
}

async fn refusals_leave_their_entries(server: &TestServer) {
    let (admin, member) = (server.user(Role::Admin).await, server.user(Role::Member).await);
    let owner_id = id_of(&server.owner().get("/api/v2/users/me").await.expect(200));
    let mut log = Log::new(server);
    log.fresh().await;
    let target = format!("{SERVERS}/{owner_id}");
    member.client.patch(&target, &json!({"enabled": true})).await.expect(403);
    member.client.post("/api/v2/models", &json!({})).await.expect(403);
    member.client.post("/api/v2/users", &json!({})).await.expect(403);
    member.client.get("/api/v2/providers").await.expect(403);
    member.client.get(AUDIT).await.expect(403);
    admin.client.patch(&format!("/api/v2/users/{owner_id}"), &json!({"name": "x"})).await.expect(403);
    let token = json!({"token_name": "x"});
    admin.client.post(&format!("/api/v2/users/{}/keys/tokens", member.id), &token).await.expect(403);
    let fresh = log.fresh().await;
    let (admin_name, member_name) = (words(&fresh[5], "actor_name"), words(&fresh[0], "actor_name"));
    assert_eq!(
        fresh.iter().map(line).collect::<Vec<_>>(),
        [
            format!("{member_name} server.write denied mcp_server/ [request=PATCH {target}]"),
            format!("{member_name} model.write denied model/ [request=POST /api/v2/models]"),
            format!("{member_name} user.manage denied user/ [request=POST /api/v2/users]"),
            format!("{member_name} model.read denied model/ [request=GET /api/v2/providers]"),
            format!("{member_name} audit.read denied audit_log/ [request=GET /api/v2/audit]"),
            format!("{admin_name} user.manage_owner denied user/ [request=PATCH /api/v2/users/{owner_id}]"),
            format!(
                "{admin_name} token.create denied token/ [request=POST /api/v2/users/{}/keys/tokens]",
                member.id
            ),
        ]
    );
    assert!(admin_name.starts_with("admin-") && member_name.starts_with("member-"));
    assert_eq!(fresh[0]["actor_id"], json!(member.id));
    let denied = server.owner().get(&format!("{AUDIT}?outcome=denied")).await.expect(200).json();
    assert_eq!(denied.as_array().unwrap().len(), 7);
}

async fn tool_calls_leave_intent_and_result(server: &TestServer) {
    let good = FakeTool::of_text("note", "x").answering(|_| ToolAnswer::text("canary-result"));
    let bad = FakeTool::of_text("fail", "x").answering(|_| ToolAnswer::error("canary-result"));
    let fake = FakeMcp::start(vec![good, bad]).await;
    let llm = FakeLlm::start().await;
    server.scripted_model(&llm, "sk-canary-3").await;
    let id = server.register_fake("lab", &fake).await;
    let mut log = Log::new(server);
    log.fresh().await;
    for tool in ["note", "fail"] {
        let arguments = json!({"text": "canary-argument"});
        llm.push(Reply::call(Call::new("c1", &format!("lab__{tool}"), &arguments)));
        chat(server.owner(), &json!({"content": text("canary-question")})).await;
    }
    let fresh = log
        .check(&[
            "owner tool_call.sent ok mcp_server/lab/note [chat=…",
            "owner tool_call.ended ok mcp_server/lab/note [chat=…",
            "owner tool_call.sent ok mcp_server/lab/fail [chat=…",
            "owner tool_call.ended ok mcp_server/lab/fail [chat=…",
        ])
        .await;
    assert_eq!(fake.effects().len(), 2);
    for (sent, ended) in [(&fresh[0], &fresh[1]), (&fresh[2], &fresh[3])] {
        let (sent_facts, ended_facts) = (fields(sent), fields(ended));
        let hash = sent_facts[1].strip_prefix("argument_hash=").unwrap();
        assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
        assert_eq!((sent_facts.len(), &sent_facts[..]), (2, &ended_facts[..2]), "the same call");
        assert!(ended_facts[2].starts_with("outcome="), "{ended_facts:?}");
        assert!(ended_facts[3].strip_prefix("duration_ms=").unwrap().parse::<u64>().is_ok());
        assert_eq!((&sent["resource_id"], &ended["resource_id"]), (&json!(id), &json!(id)));
    }
    no_canary(server).await;
}

/// Behaviour 27: connect begun, and callbacks refused with their cause; nothing of a provider's secret in it.
async fn sign_ins_leave_their_entries(server: &TestServer) {
    let oauth = oauth::peer().await;
    let path = oauth::connectable(server, &oauth, "linear").await;
    let client = oauth::browser_of(server, &server.user(Role::Member).await);
    let callback = format!("{path}/oauth2/callback");
    let mut log = Log::new(server);
    log.fresh().await;
    // No state at all; the provider says no; too late; used already.
    client.get(&format!("{callback}?code=canary-code")).await.expect(400);
    let state = browser::parameters(&oauth::begin(&client, &path).await)["state"].clone();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("state", &state).append_pair("iss", &oauth.issuer());
    query.append_pair("error", "access_denied").append_pair("error_description", "canary-description");
    client.get(&format!("{callback}?{}", query.finish())).await.expect(400);
    let late = approve(&oauth::begin(&client, &path).await).await;
    let sql = "UPDATE mcp_oauth_flows SET expires_at = created_at - 1";
    testkit::raw_sql(&server.running.db, sql).await.unwrap();
    oauth::come_back(&client, &late).await.expect(400);
    let good = approve(&oauth::begin(&client, &path).await).await;
    oauth::come_back(&client, &good).await.expect(200);
    oauth::come_back(&client, &good).await.expect(400);
    let fresh = log.fresh().await;
    let of = |action: &str| fresh.iter().filter(|entry| entry["action"] == action).collect::<Vec<_>>();
    let begun = of("connection.begun");
    assert_eq!(begun.len(), 3, "{fresh:#?}");
    let id = path.rsplit('/').next().unwrap();
    for entry in &begun {
        assert!(line(entry).ends_with(" connection.begun ok mcp_server/linear []"), "{entry:#}");
        assert_eq!(entry["resource_id"], json!(id));
    }
    assert_eq!(of("connection.connected").len(), 1);
    let refused = of("connection.callback_refused");
    let none = "no such sign-in: expired, used, or of another server";
    let causes = ["no state", "the provider says access_denied", none, none];
    assert_eq!(refused.len(), causes.len(), "{fresh:#?}");
    for (entry, cause) in refused.iter().zip(causes) {
        let facts = [format!("request=GET {callback}"), format!("cause={cause}")];
        assert_eq!((entry["outcome"].as_str(), fields(entry)), (Some("denied"), facts.to_vec()));
        assert_eq!(entry["actor_id"], begun[0]["actor_id"]);
    }
    assert_eq!(fresh.len(), 3 + 1 + 4, "{fresh:#?}");
    for secret in [&state, &browser::parameters(&good)["code"], &browser::parameters(&late)["state"]] {
        assert!(!json!(fresh).to_string().contains(secret.as_str()), "{secret} in {fresh:#?}");
    }
    no_canary(server).await;
}

/// Neither the log as it is read nor the table as it is stored has any of what the test sent as a secret or as content.
async fn no_canary(server: &TestServer) {
    server.running.service.audit_flush().await.unwrap();
    let mut export = server.owner().get(&format!("{AUDIT}?format=ndjson")).await.expect(200).body;
    export += &server.owner().get("/admin/audit").await.expect(200).body;
    assert!(export.contains("session.login"), "{export}");
    for secret in ["canary", OWNER_PASSWORD, "$argon2"] {
        assert!(!export.contains(secret), "{secret} in {export}");
    }
}

#[tokio::test]
async fn every_action_leaves_exactly_its_entries_on_sqlite() {
    accounts_leave_their_entries(&TestServer::start().await).await;
    configuration_leaves_its_entries(&TestServer::start().await).await;
    refusals_leave_their_entries(&TestServer::start().await).await;
    tool_calls_leave_intent_and_result(&TestServer::start().await).await;
    sign_ins_leave_their_entries(&TestServer::start().await).await;
}

#[tokio::test]
async fn every_action_leaves_exactly_its_entries_on_postgres() {
    accounts_leave_their_entries(&TestServer::on_postgres().await).await;
    configuration_leaves_its_entries(&TestServer::on_postgres().await).await;
    refusals_leave_their_entries(&TestServer::on_postgres().await).await;
    tool_calls_leave_intent_and_result(&TestServer::on_postgres().await).await;
    sign_ins_leave_their_entries(&TestServer::on_postgres().await).await;
}

#[tokio::test]
async fn an_entry_says_who_from_where_and_in_which_request() {
    let server = TestServer::start().await;
    let ask = server.owner().request(Method::POST, "/api/v2/providers").header("user-agent", "curl/8 audit");
    let answer = ask.json(&json!({"name": "Demo", "type": "demo"})).send().await.expect(201);
    let entries = server.owner().get(&format!("{AUDIT}?action=provider.create")).await.expect(200).json();
    let entry = &entries[0];
    let me = server.owner().get("/api/v2/users/me").await.expect(200).json();
    let sessions = server.owner().get("/api/v2/users/me/sessions").await.expect(200).json();
    assert_eq!(entry["request_id"].as_str(), answer.header("x-request-id"));
    assert_eq!((&entry["actor_id"], &entry["actor_name"]), (&me["id"], &me["username"]));
    assert_eq!(entry["credential_id"], sessions[0]["id"]);
    assert_eq!((&entry["address"], &entry["user_agent"]), (&json!("127.0.0.1"), &json!("curl/8 audit")));
    assert_eq!(entry["resource_id"], answer.json()["id"]);
    let members: Vec<&String> = entry.as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 14, "{members:?}");
}

/// Entries at one instant, so that only the id orders them.
async fn fill(server: &TestServer, count: u128) {
    let mut write = server.running.db.write().await.unwrap();
    for n in 0..count {
        let entry = store::audit::AuditEntry {
            id: Uuid::from_u128(n + 1),
            at: Timestamp(1_700_000_000_000_000),
            actor_id: None,
            actor_name: "bulk".to_owned(),
            credential_id: None,
            address: String::new(),
            user_agent: String::new(),
            request_id: String::new(),
            action: "test.entry",
            resource_type: "test",
            resource_id: n.to_string(),
            resource_name: String::new(),
            outcome: "ok",
            changed_fields: Vec::new(),
        };
        store::audit::audit_append(&mut write, &entry).await.unwrap();
    }
    write.commit().await.unwrap();
}

async fn pages(client: &Client, first: &str) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), Some(first.to_owned()));
    while let Some(path) = next {
        let page = client.get(&path).await.expect(200);
        found.extend(page.json().as_array().unwrap().iter().map(|entry| words(entry, "resource_id")));
        next = page.header("link").map(|link| {
            let (address, relation) = link.split_once(">; ").unwrap();
            assert_eq!(relation, "rel=\"next\"");
            address.trim_start_matches('<').to_owned()
        });
    }
    found
}

#[tokio::test]
async fn pages_follow_their_links_to_the_end_and_the_export_has_the_same() {
    let server = TestServer::start().await;
    fill(&server, 1203).await;
    let expected: Vec<String> = (0..1203).rev().map(|n: u32| n.to_string()).collect();
    let owner = server.owner();
    let filter = "actor=bulk&action=test.&resource_type=test&to=2023-11-15T00%3A00%3A00%2B00%3A00";
    assert_eq!(pages(owner, &format!("{AUDIT}?{filter}&limit=200")).await, expected);
    assert_eq!(
        owner.get(&format!("{AUDIT}?{filter}")).await.expect(200).json().as_array().unwrap().len(),
        50
    );
    let exact = owner.get(&format!("{AUDIT}?{filter}&resource_id=7&limit=1")).await.expect(200);
    assert!(exact.header("link").is_none(), "a full last page has no next");

    let by_accept = owner.request(Method::GET, &format!("{AUDIT}?{filter}"));
    let by_accept = by_accept.header("accept", "text/html;q=0.5, application/x-ndjson;q=1").send().await;
    let by_format = owner.get(&format!("{AUDIT}?{filter}&format=ndjson&limit=3")).await;
    for export in [by_accept.expect(200), by_format.expect(200)] {
        assert_eq!(export.header("content-type"), Some("application/x-ndjson"));
        assert!(export.header("content-disposition").unwrap().starts_with("attachment"));
        assert_eq!(export.header("cache-control"), Some("no-store"));
        assert!(export.body.ends_with("}\n"));
        let lines: Vec<Value> = export.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.iter().map(|entry| words(entry, "resource_id")).collect::<Vec<_>>(), expected);
    }
    let after = Uuid::from_u128(11);
    let rest = owner.get(&format!("{AUDIT}?{filter}&format=ndjson&after={after}")).await.expect(200);
    assert_eq!(rest.body.lines().count(), 10, "an export goes on behind an entry");
    let none = owner.get(&format!("{AUDIT}?format=ndjson&actor=nobody")).await.expect(200);
    assert_eq!(none.body, "");
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_is_400_and_named() {
    let server = TestServer::start().await;
    for (query, named) in [
        ("from=yesterday", vec!["from"]),
        ("to=2026-11-01", vec!["to"]),
        ("from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", vec!["to"]),
        ("action=server.%25", vec!["action"]),
        ("resource_type=MCP", vec!["resource_type"]),
        ("outcome=perhaps", vec!["outcome"]),
        ("limit=0", vec!["limit"]),
        ("limit=201", vec!["limit"]),
        ("limit=-5", vec!["limit"]),
        ("after=1", vec!["after"]),
        ("after=01930000-0000-7000-8000-000000000000", vec!["after"]),
        ("format=csv", vec!["format"]),
        ("actor=a&actor=b", vec!["actor"]),
        ("outcome=x&limit=x&from=x", vec!["from", "limit", "outcome"]),
    ] {
        for path in [format!("{AUDIT}?{query}"), format!("{AUDIT}?{query}&token=x")] {
            assert_eq!(server.owner().get(&path).await.expect(400).refused_fields(), named, "{path}");
        }
    }
    server.owner().get(&format!("{AUDIT}?outcome=x&format=ndjson")).await.expect(400);
    server.owner().get(&format!("{AUDIT}?from=&to=&actor=&limit=&after=&something=else")).await.expect(200);
}

#[tokio::test]
async fn the_page_shows_filters_details_and_pages_without_wasm() {
    let server = TestServer::start().await;
    fill(&server, 60).await;
    let hostile = "<script>alert(1)</script>";
    let ask = server.anonymous().request(Method::POST, "/api/v2/users/login").header("user-agent", hostile);
    ask.json(&json!({"email": OWNER_EMAIL, "password": "wrong"})).send().await.expect(401);
    let auditor = server.user(Role::Auditor).await.client;

    let page = auditor.get("/admin/audit").await.expect(200).body;
    for part in
        ["session.login", "Denied", "Not signed in", "127.0.0.1", "user.first", "roles=owner", "Older"]
    {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    assert!(!page.contains(hostile) && page.contains("&lt;script&gt;alert(1)"));
    assert!(
        page.contains("method=\"get\"") && page.contains("href=\"/api/v2/audit?format=ndjson\""),
        "{page}"
    );
    assert!(page.contains("<summary"), "an entry opens without wasm");

    let filtered = auditor.get("/admin/audit?action=user.&actor=&outcome=ok").await.expect(200).body;
    assert!(filtered.contains("user.create") && !filtered.contains(">session.login<"), "{filtered}");
    assert!(filtered.contains("value=\"user.\""), "the form keeps what was asked");
    assert!(filtered.contains("/api/v2/audit?format=ndjson&amp;action=user.&amp;outcome=ok"), "{filtered}");

    let first = auditor.get("/admin/audit?actor=bulk").await.expect(200).body;
    let next =
        first.split("href=\"").find(|rest| rest.starts_with("/admin/audit?actor=bulk&amp;after=")).unwrap();
    let next = next.split('"').next().unwrap().replace("&amp;", "&");
    let last = auditor.get(&next).await.expect(200).body;
    assert_eq!(last.matches(">test.entry<").count(), 10, "{last}");
    assert!(last.contains("Newest") && !last.contains("Older"));

    let future = auditor.get("/admin/audit?from=2100-01-01T00%3A00").await.expect(200).body;
    assert!(future.contains("No entry matches") && future.contains("2100-01-01T00:00:00"), "{future}");
    let wrong = auditor.get("/admin/audit?outcome=perhaps").await.expect(400).body;
    assert!(wrong.contains("is not an outcome"), "{wrong}");
    assert!(!server.user(Role::Member).await.client.get("/").await.expect(200).body.contains("/admin/audit"));
}
