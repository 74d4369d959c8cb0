//! What an import does to what is registered.

use super::*;
use api::servers::AuthType;

fn with_headers() -> ServerRecord {
    ServerRecord { auth_type: AuthType::CustomHeaders, has_custom_headers: true, ..record() }
}

#[test]
fn an_update_shows_old_and_new_of_what_changes_and_nothing_else() {
    let entry = json!({"slug": "LINEAR", "description": "Bugs", "tool_deny_list": [], "enabled": true});
    let planned = plan(json!({"patchbay": 1, "servers": [entry]}), &[record()]).remove(0);
    assert_eq!(planned.action, ImportAction::Update);
    assert_eq!(planned.server_id, Some(record().id));
    assert_eq!(changed(&planned), ["slug", "description", "tool_deny_list"]);
    assert_eq!((&planned.changes[1].old, &planned.changes[1].new), (&json!("Issues"), &json!("Bugs")));
    assert_eq!((&planned.changes[2].old, &planned.changes[2].new), (&json!(["delete_*"]), &json!([])));
}

#[test]
fn what_an_update_would_wipe_is_said() {
    let entry = json!({"slug": "linear", "url": "https://elsewhere.example/mcp"});
    let planned = plan(json!({"patchbay": 1, "servers": [entry]}), &[with_headers()]).remove(0);
    assert_eq!(planned.action, ImportAction::Update);
    assert_eq!(planned.credentials_cleared.fields, ["custom_headers"]);
    assert_eq!(changed(&planned), ["url", "custom_headers"]);
    assert_eq!(planned.changes[1].secret.as_deref(), Some("cleared"));
    assert!(planned.notes.iter().any(|note| note.contains("Enter them again")), "{planned:?}");
}

#[test]
fn a_client_changes_neither_name_nor_switch_nor_sign_in_of_what_is_registered() {
    let stored = ServerRecord { display_name: "Our Linear".into(), ..with_headers() };
    let same = client("linear", json!({"url": stored.url, "type": "http"}), std::slice::from_ref(&stored));
    assert_eq!(same.action, ImportAction::Unchanged, "{same:?}");
    let moved = client("Linear", json!({"url": "https://mcp.example.com/v2"}), &[stored]);
    assert_eq!(changed(&moved), ["url"]);
}

#[test]
fn a_secret_that_is_stored_already_changes_nothing_unless_it_would_be_wiped() {
    let headers = json!({"Authorization": "Bearer hunter2"});
    let at = |url: &str, same: &[&'static str]| {
        let document = json!({"mcpServers": {"linear": {"url": url, "headers": headers}}});
        let read = read(document);
        plan_entry(&read.entries[0], Some(&with_headers()), same, &GroupNames::default(), &policy())
    };
    let planned = at("https://mcp.example.com/mcp", &["custom_headers"]);
    assert_eq!(planned.entry.action, ImportAction::Unchanged);
    let planned = at("https://mcp.example.com/mcp", &[]);
    assert_eq!(changed(&planned.entry), ["custom_headers"]);
    assert_eq!(planned.entry.changes[0].secret.as_deref(), Some("changed"));
    // Another origin: the stored one would go, so the one of the document is kept.
    let planned = at("https://elsewhere.example/mcp", &["custom_headers"]);
    assert_eq!(changed(&planned.entry), ["url", "custom_headers"]);
    assert!(planned.entry.credentials_cleared.fields.is_empty());
    let Step::Update(change) = planned.step else { panic!("no update") };
    assert!(change.merged.has_custom_headers);
}

#[test]
fn a_missing_secret_is_asked_for() {
    let entry = json!({"slug": "new", "display_name": "New", "url": "https://a.example", "transport": "streamable_http",
        "auth_type": "api_key", "availability": "default_off", "secrets_needed": ["api_key_value"]});
    let planned = plan(json!({"patchbay": 1, "servers": [entry]}), &[]).remove(0);
    assert_eq!(reasons(&planned), ["api_key_value"]);
    assert!(planned.notes[0].contains("Exports hold no secrets"), "{planned:?}");
}

#[test]
fn groups_are_found_by_name_and_unknown_ones_refused() {
    let groups = GroupNames::new([(api::Uuid::from_u128(9), "Ops".to_owned())]);
    let entry = |name: &str| {
        let document = json!({"patchbay": 1, "servers": [{"slug": "linear", "allowed_groups": [name]}]});
        plan_entry(&read(document).entries[0], Some(&record()), &[], &groups, &policy()).entry
    };
    let unknown = entry("nobody");
    assert_eq!(reasons(&unknown), ["allowed_groups"]);
    assert!(unknown.reasons[0].detail.contains("`nobody`"), "{unknown:?}");
    assert!(!reasons(&entry("ops")).contains(&"allowed_groups"));
}

#[test]
fn a_plan_is_named_by_document_outcome_and_versions() {
    let entries =
        plan(json!({"patchbay": 1, "servers": [{"slug": "linear", "description": "Bugs"}]}), &[record()]);
    let versions = [Some("\"a-1\"".to_owned())];
    let hash = plan_hash("document", &entries, &versions);
    assert_eq!(hash, plan_hash("document", &entries, &versions));
    assert_eq!(hash.len(), 64);
    assert_ne!(hash, plan_hash("other document", &entries, &versions));
    assert_ne!(hash, plan_hash("document", &entries, &[Some("\"a-2\"".to_owned())]));
    assert_ne!(hash, plan_hash("document", &entries, &[None]));
    assert_ne!(hash, plan_hash("document", &[], &versions));
}
