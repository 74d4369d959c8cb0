//! Import and export over REST, by server function and as a page (issue 2/9, part 9).

use crate::support::{SERVERS, TestServer, over, server_body};
use api::users::Role;
use http::Method;
use serde_json::{Value, json};
use testkit::http::{Answer, Client};

const EXPORT: &str = "/api/experimental/mcp/export";
const IMPORT: &str = "/api/experimental/mcp/import";
const URL: &str = "https://mcp.example.org/mcp";

async fn import(client: &Client, document: &str, more: Value) -> Answer {
    client.post(IMPORT, &over(json!({"document": document}), more)).await
}

fn actions(answer: &Answer) -> Vec<String> {
    let plan = answer.json();
    let entries = plan["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_export_is_a_file_for_those_who_see_everything() {
    let server = TestServer::start().await;
    let key = json!({"auth_type": "api_key", "api_key_value": "canary-key-1d", "api_key_header": "X-Key"});
    server.register(&over(server_body("keyed", URL), key)).await;
    for role in [Role::Admin, Role::Auditor] {
        let client = server.user(role).await.client;
        let yaml = client.get(EXPORT).await.expect(200);
        assert_eq!(yaml.header("content-type"), Some("application/yaml"));
        assert!(yaml.header("content-disposition").unwrap().contains("patchbay-servers.yaml"));
        assert!(yaml.body.starts_with("patchbay: 1\n"), "{}", yaml.body);
        let json = client.get(&format!("{EXPORT}?format=json")).await.expect(200);
        assert_eq!(json.json()["servers"][0]["slug"], "keyed");
        assert_eq!(json.json()["servers"][0]["secrets_needed"], json!(["api_key_value"]));
        for answer in [yaml, json] {
            assert!(!answer.whole().contains("canary"), "{}", answer.body);
        }
        assert_eq!(
            client.get(&format!("{EXPORT}?format=xml")).await.expect(400).refused_fields(),
            ["format"]
        );
    }
    let member = server.user(Role::Member).await.client;
    member.get(EXPORT).await.expect(403);
    server.anonymous().get(EXPORT).await.expect(401);
}

#[tokio::test]
async fn an_import_shows_its_plan_first_and_then_does_exactly_that() {
    let server = TestServer::start().await;
    let admin = server.user(Role::Admin).await.client;
    server.register(&server_body("linear", URL)).await;
    let document = json!({"patchbay": 1, "servers": [
        {"slug": "linear", "description": "Issues"},
        over(server_body("docs", "https://docs.example.org/mcp"), json!({"enabled": true})),
        {"slug": "bad", "colour": "red"},
    ]})
    .to_string();
    let seen = import(&admin, &document, json!({})).await.expect(200);
    assert_eq!(actions(&seen), ["update", "create", "refused"]);
    let plan = seen.json();
    assert_eq!(plan["applied"], false);
    assert_eq!(plan["entries"][0]["changes"], json!([{"field": "description", "old": "", "new": "Issues"}]));
    assert_eq!(admin.get(SERVERS).await.expect(200).json().as_array().unwrap().len(), 1, "a dry run");

    let no_hash = import(&admin, &document, json!({"apply": true})).await.expect(400);
    assert_eq!(no_hash.refused_fields(), ["plan_hash"]);
    import(&admin, &document, json!({"apply": true, "plan_hash": "0".repeat(64)})).await.expect(412);
    let hash = &plan["plan_hash"];
    let done = import(&admin, &document, json!({"apply": true, "plan_hash": hash})).await.expect(200).json();
    assert_eq!(done["applied"], true);
    let made = format!("{SERVERS}/{}", done["entries"][1]["server_id"].as_str().unwrap());
    assert_eq!(admin.get(&made).await.expect(200).json()["enabled"], true);
    let again = import(&admin, &document, json!({})).await.expect(200);
    assert_eq!(actions(&again), ["unchanged", "unchanged", "refused"]);
}

#[tokio::test]
async fn bad_documents_are_refused_with_the_field() {
    let server = TestServer::start().await;
    for (document, more, field) in [
        ("", json!({}), "document"),
        ("a: &a [1]\nb: *a\n", json!({}), "document"),
        ("{\"mcpServers\": {\"a\": {}, \"a\": {}}}", json!({}), "document"),
        ("patchbay: 7\nservers: []\n", json!({}), "document"),
        ("patchbay: 1\nservers: []\n", json!({"format": "toml"}), "format"),
        ("patchbay: 1\nservers: []\n", json!({"colour": 1}), "colour"),
    ] {
        let refused = import(server.owner(), document, more).await.expect(400);
        assert_eq!(refused.refused_fields(), [field], "{document}: {}", refused.body);
    }
    import(server.owner(), &"x".repeat(1024 * 1024), json!({})).await.expect(413);
}

#[tokio::test]
async fn imported_headers_are_sealed_and_shown_nowhere() {
    let server = TestServer::on_postgres().await;
    let document =
        json!({"mcpServers": {"Linear": {"url": URL, "headers": {"X-Canary-9e": "canary-value-9e"}}}})
            .to_string();
    let seen = import(server.owner(), &document, json!({})).await.expect(200);
    let hash = json!({"apply": true, "plan_hash": seen.json()["plan_hash"]});
    let done = import(server.owner(), &document, hash).await.expect(200);
    let list = server.owner().get(SERVERS).await.expect(200);
    let made = &list.json()[0];
    assert_eq!((&made["has_custom_headers"], &made["enabled"]), (&json!(true), &json!(false)));
    let export = server.owner().get(EXPORT).await.expect(200);
    for answer in [&seen, &done, &list, &export] {
        assert!(!answer.whole().to_lowercase().contains("canary"), "{}", answer.body);
    }
}

#[tokio::test]
async fn the_page_is_for_admins_and_its_function_obeys_the_same_rules() {
    let server = TestServer::start().await;
    let page = server.owner().get("/admin/servers/import").await.expect(200);
    for part in ["Import servers", "name=\"document\"", "type=\"file\"", "Preview", "patchbay mcp import"] {
        assert!(page.body.contains(part), "{part} is missing");
    }
    let list = server.owner().get("/admin/servers").await.expect(200).body;
    assert!(list.contains("href=\"/admin/servers/import\"") && list.contains(&format!("href=\"{EXPORT}\"")));
    let auditor = server.user(Role::Auditor).await;
    auditor.client.get("/admin/servers/import").await.expect(403);
    let list = auditor.client.get("/admin/servers").await.expect(200).body;
    assert!(!list.contains("/admin/servers/import") && list.contains(EXPORT));
    let call = |client: Client| {
        let ask = client.request(Method::POST, "/ui/fn/server_import").header("origin", &server.origin);
        ask.json(&json!({"request": {"document": "patchbay: 1\nservers: []\n", "apply": false}})).send()
    };
    let admin = server.user(Role::Admin).await;
    assert_eq!(call(admin.by_cookie()).await.expect(200).json()["entries"], json!([]));
    call(auditor.by_cookie()).await.expect(403);
    call(server.anonymous()).await.expect(401);
}
