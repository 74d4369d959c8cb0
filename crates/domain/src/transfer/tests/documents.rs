//! What is a document, and what of one is refused.

use super::*;

#[test]
fn what_is_no_document_says_what_one_is() {
    for (document, names) in [
        (json!([]), "patchbay: 1"),
        (json!("text"), "patchbay: 1"),
        (json!({}), "mcpServers"),
        (json!({"patchbay": 2, "servers": []}), "version 1"),
        (json!({"patchbay": "1", "servers": []}), "version 1"),
        (json!({"patchbay": 1}), "`servers`"),
        (json!({"patchbay": 1, "servers": {}}), "`servers`"),
        (json!({"patchbay": 1, "servers": [], "colour": 1}), "`colour`"),
        (json!({"servers": []}), "patchbay: 1"),
        (json!({"mcpServers": []}), "`mcpServers`"),
    ] {
        let problems = read_document(&document).err().unwrap_or_else(|| panic!("{document}"));
        assert_eq!(problems[0].field, "document");
        assert!(problems[0].detail.contains(names), "{document}: {problems:?}");
    }
    let many: Vec<Value> = (0..1001).map(|n| json!({"slug": format!("s{n}")})).collect();
    let problems = read_document(&json!({"patchbay": 1, "servers": many})).err().unwrap();
    assert!(problems[0].detail.contains("1001"), "{problems:?}");
}

#[test]
fn every_mistake_of_an_entry_is_named_and_costs_that_entry_alone() {
    let good = json!({"slug": "good", "display_name": "Good", "url": "https://a.example/mcp",
        "transport": "streamable_http", "auth_type": "none", "availability": "default_off"});
    let bad = json!({"slug": "bad__", "url": "http://a.example", "enabled": "yes", "colour": "red",
        "allowed_group_ids": [], "allowed_groups": "ops"});
    let entries = plan(json!({"patchbay": 1, "servers": [bad, good, 7, {}]}), &[]);
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["refused", "create", "refused", "refused"]);
    for field in ["slug", "url", "enabled", "colour", "allowed_group_ids", "allowed_groups", "display_name"] {
        assert!(reasons(&entries[0]).contains(&field), "{field} in {:?}", entries[0].reasons);
    }
    assert_eq!(entries[2].name, "servers[2]");
    assert_eq!(reasons(&entries[3])[0], "slug");
}

#[test]
fn of_two_entries_with_one_slug_neither_is_taken() {
    let entries = plan(
        json!({"mcpServers": {"My Tools": {"url": "https://a.example"}, "my-tools": {"url": "https://b.example"},
            "other": {"url": "https://c.example"}}}),
        &[],
    );
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["refused", "refused", "create"]);
    assert!(entries[0].reasons[0].detail.contains("2 entries have the slug `my-tools`"), "{entries:?}");
}

#[test]
fn http_entries_of_desktop_clients_become_servers_that_are_switched_off() {
    for (entry, transport) in [
        (json!({"url": "https://a.example/mcp"}), "streamable_http"),
        (json!({"url": "https://a.example/mcp", "type": "http"}), "streamable_http"),
        (json!({"url": "https://a.example/mcp", "transport": "streamable-http"}), "streamable_http"),
        (json!({"url": "https://a.example/mcp", "type": "streamableHttp"}), "streamable_http"),
    ] {
        let planned = client("Linear Issues!", entry.clone(), &[]);
        assert_eq!(planned.action, ImportAction::Create, "{entry}: {planned:?}");
        assert_eq!(planned.slug, "linear-issues");
        let value = |field: &str| {
            planned.changes.iter().find(|change| change.field == field).map(|change| change.new.clone())
        };
        assert_eq!(value("display_name"), Some(json!("Linear Issues!")));
        assert_eq!(value("transport"), Some(json!(transport)));
        assert_eq!(value("auth_type"), Some(json!("none")));
        assert_eq!(value("enabled"), Some(json!(false)));
    }
    let editor =
        plan(json!({"servers": {"a": {"type": "http", "url": "https://a.example"}}, "inputs": []}), &[]);
    assert_eq!(editor[0].action, ImportAction::Create);
    assert!(read(json!({"servers": {}, "inputs": []})).notes[0].contains("`inputs`"));
}

#[test]
fn headers_of_desktop_clients_are_secrets() {
    let entry = json!({"url": "https://a.example", "headers": {"Authorization": "Bearer hunter2-hunter2"}});
    let planned = client("a", entry, &[]);
    assert_eq!(planned.action, ImportAction::Create, "{planned:?}");
    let secret = planned.changes.iter().find(|change| change.field == "custom_headers").unwrap();
    assert_eq!(secret.secret.as_deref(), Some("set"));
    assert!(!serde_json::to_string(&planned).unwrap().contains("hunter2"), "{planned:?}");
}

#[test]
fn what_desktop_clients_have_and_we_have_not_is_refused_or_named() {
    for (entry, field) in [
        (json!({"command": "npx", "args": ["-y", "server"], "env": {"TOKEN": "hunter2"}}), "command"),
        (json!({"type": "stdio", "command": "npx"}), "command"),
        (json!({"type": "stdio"}), "type"),
        (json!({"type": "ws", "url": "https://a.example"}), "type"),
        (json!({"transport": 1, "url": "https://a.example"}), "transport"),
        (json!({"url": 1}), "url"),
        (json!({}), "url"),
        (json!([]), "entry"),
        (json!({"url": "http://a.example"}), "url"),
        (json!({"url": "https://${host}/mcp"}), "url"),
        (json!({"url": "https://a.example", "headers": []}), "headers"),
        (json!({"url": "https://a.example", "headers": {"X-Key": "${input:key}"}}), "headers.X-Key"),
        (json!({"url": "https://a.example", "headers": {"X-Key": 1}}), "headers.X-Key"),
        (json!({"url": "https://a.example", "headers": {"X-Key": "hunter2\r\nX: y"}}), "custom_headers"),
        (json!({"url": "https://a.example", "headers": {"Host": "hunter2"}}), "custom_headers"),
    ] {
        let planned = client("a", entry.clone(), &[]);
        assert_eq!(planned.action, ImportAction::Refused, "{entry}: {planned:?}");
        assert!(reasons(&planned).contains(&field), "{entry}: {planned:?}");
        assert!(!serde_json::to_string(&planned).unwrap().contains("hunter2"), "{planned:?}");
    }
    let planned = client("a", json!({"url": "https://a.example", "autoApprove": [], "env": {}}), &[]);
    assert_eq!(planned.action, ImportAction::Create);
    assert!(planned.notes[0].contains("`autoApprove`") && planned.notes[1].contains("`env`"), "{planned:?}");
    assert_eq!(reasons(&client("日本", json!({"url": "https://a.example"}), &[])), ["slug"]);
}

#[test]
fn mistyped_secrets_are_never_quoted() {
    for field in
        [json!({"api_key_value": 424_242_424_242_u64}), json!({"custom_headers": {"X": 424_242_424_242_u64}})]
    {
        let mut entry = json!({"slug": "a"});
        entry.as_object_mut().unwrap().extend(field.as_object().unwrap().clone());
        let planned = plan(json!({"patchbay": 1, "servers": [entry]}), &[]).remove(0);
        assert_eq!(planned.action, ImportAction::Refused);
        assert!(!serde_json::to_string(&planned).unwrap().contains("4242"), "{planned:?}");
    }
}

#[test]
fn hostile_names_stay_short_text() {
    let name = format!("<script>\u{202e}{}", "x".repeat(5000));
    let planned = client(&name, json!({"command": "rm"}), &[]);
    assert!(planned.name.chars().count() <= 128 && !planned.name.contains('\u{202e}'), "{planned:?}");
    let members: serde_json::Map<String, Value> =
        (0..500).map(|n| (format!("{n}{}", "y".repeat(300)), json!(1))).collect();
    let mut entry = json!({"url": "https://a.example"});
    entry.as_object_mut().unwrap().extend(members);
    let note = client("a", entry, &[]).notes.remove(0);
    assert!(note.contains("484 more") && note.len() < 1500, "{note}");
}
