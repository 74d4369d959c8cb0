//! Private destinations that owners allow (behaviour 11 and 30).

use crate::support::{SERVERS, TestServer, server_body};
use api::users::Role;
use http::Method;
use serde_json::json;
use testkit::fake_mcp::{FakeMcp, FakeTool};

const EGRESS: &str = "/api/v2/settings/egress-allow";

#[tokio::test]
async fn a_destination_that_an_owner_allows_is_dialled_at_once_and_closed_at_once() {
    let fake = FakeMcp::start(vec![FakeTool::of_text("note", "Notes")]).await;
    let server = TestServer::with(|settings| settings.egress_allow = None).await.owned().await;
    let owner = server.owner();
    // Plain http needs the allow list already when it is stored.
    let body = server_body("fake", &fake.url());
    assert_eq!(owner.post(SERVERS, &body).await.expect(400).refused_fields(), ["url"]);
    let entry = fake.authority();
    let put =
        owner.put(EGRESS, &json!({"entries": [format!(" {entry} "), "", entry]})).await.expect(200).json();
    assert_eq!(put, json!({"entries": [entry], "operator_entries": [], "locked": false}));
    assert_eq!(owner.get(EGRESS).await.expect(200).json(), put);
    let id = server.register(&body).await;
    let check = format!("{SERVERS}/{id}/check");
    assert_eq!(owner.post(&check, &json!({})).await.expect(200).json()["outcome"], "connected");
    owner.put(EGRESS, &json!({"entries": []})).await.expect(200);
    let closed = owner.post(&check, &json!({})).await.expect(200).json();
    assert_ne!(closed["outcome"], "connected", "{closed:#}");
}

#[tokio::test]
async fn what_owners_allow_survives_a_restart_and_the_operator_s_entries_stand_beside_it() {
    let server = TestServer::with(|settings| settings.egress_allow = Some("10.0.0.0/8:443".to_owned()))
        .await
        .owned()
        .await;
    let put = server.owner().put(EGRESS, &json!({"entries": ["MCP.corp.LAN:443", "10.0.0.0/8:443"]})).await;
    let expected = json!({"entries": ["mcp.corp.lan:443", "10.0.0.0/8:443"], "operator_entries": ["10.0.0.0/8:443"], "locked": false});
    assert_eq!(put.expect(200).json(), expected);
    let again = server.restarted(|settings| settings.egress_allow = None).await;
    let after = again.owner().get(EGRESS).await.expect(200).json();
    assert_eq!(after["entries"], expected["entries"]);
    assert_eq!(after["operator_entries"], json!([]));
}

#[tokio::test]
async fn each_entry_is_judged_and_named() {
    let server = TestServer::start().await;
    let own = server.origin.trim_start_matches("http://").to_owned();
    let entries = json!([
        "mcp.corp.lan:443",
        "no-port",
        "169.254.169.254:80",
        "",
        "[fe80::1]:*",
        own,
        "a:1,b:2",
        "*.corp:443"
    ]);
    let refused = server.owner().put(EGRESS, &json!({"entries": entries})).await.expect(400);
    assert_eq!(
        refused.refused_fields(),
        ["entries[1]", "entries[2]", "entries[4]", "entries[5]", "entries[6]", "entries[7]"]
    );
    for words in ["host:port", "cloud metadata", "link-local", "without a comma"] {
        assert!(refused.body.contains(words), "{words}: {}", refused.body);
    }
    assert_eq!(
        server.owner().get(EGRESS).await.expect(200).json()["entries"],
        json!([]),
        "nothing was stored"
    );
    let many: Vec<String> = (1..=257).map(|n| format!("h{n}:1")).collect();
    assert_eq!(
        server.owner().put(EGRESS, &json!({"entries": many})).await.expect(400).refused_fields(),
        ["entries"]
    );
    server.owner().put(EGRESS, &json!({"entries": many[..256]})).await.expect(200);
    assert_eq!(server.owner().put(EGRESS, &json!({})).await.expect(400).refused_fields(), ["entries"]);
}

#[tokio::test]
async fn only_owners_change_the_list_and_only_readers_of_the_configuration_see_it() {
    let server = TestServer::start().await;
    for (role, reads) in [(Role::Admin, 200), (Role::Auditor, 200), (Role::Member, 403)] {
        let client = server.user(role).await.client;
        client.get(EGRESS).await.expect(reads);
        client.put(EGRESS, &json!({"entries": ["mcp.corp.lan:443"]})).await.expect(403);
        // Decided before the body is looked at.
        client.request(Method::PUT, EGRESS).body("application/json", "{").send().await.expect(403);
    }
}

#[tokio::test]
async fn the_operator_can_keep_the_list_from_owners() {
    let server = TestServer::start().await;
    server.owner().put(EGRESS, &json!({"entries": ["mcp.corp.lan:443"]})).await.expect(200);
    let locked = server.restarted(|settings| settings.egress_allow_locked = Some(true)).await;
    let refused = locked.owner().put(EGRESS, &json!({"entries": []})).await.expect(403);
    assert!(refused.body.contains("PATCHBAY_EGRESS_ALLOW_LOCKED"), "{}", refused.body);
    let shown = locked.owner().get(EGRESS).await.expect(200).json();
    assert_eq!((&shown["entries"], &shown["locked"]), (&json!(["mcp.corp.lan:443"]), &json!(true)));
    // Kept, and without effect: plain http to it is refused.
    let body = server_body("corp", "http://mcp.corp.lan:443/mcp");
    assert_eq!(locked.owner().post(SERVERS, &body).await.expect(400).refused_fields(), ["url"]);
    let page = locked.owner().get("/admin/settings").await.expect(200);
    assert!(page.body.contains("The operator keeps this list"), "{}", page.body);
}
