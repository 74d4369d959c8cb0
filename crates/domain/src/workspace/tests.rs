use super::*;
use crate::tools::exposed_name;
use api::{
    Uuid,
    workspaces::{McpEntry, McpTransport, STORED_HEADER},
};
use serde_json::{Value, json};

fn update(document: Value) -> WorkspaceUpdate {
    WorkspaceUpdate { mcp_json: Some(document), ..WorkspaceUpdate::default() }
}

fn current() -> WorkspaceDraft {
    let create = WorkspaceCreate {
        name: "Project".into(),
        description: String::new(),
        mcp_json: Some(json!({"mcpServers": {
            "github": {"type": "http", "url": "https://mcp.example.com/mcp", "headers": {"Authorization": "Bearer tok-12345678"}},
        }})),
    };
    validate_create(&create, &UrlPolicy::https_only()).unwrap()
}

fn refused(document: Value) -> Vec<(String, String)> {
    let wrong = validate_update(&current(), &update(document), &UrlPolicy::https_only()).unwrap_err();
    wrong.into_iter().map(|wrong| (wrong.field, wrong.detail)).collect()
}

fn entry(entry: Value) -> Vec<(String, String)> {
    refused(json!({"mcpServers": {"one": entry}}))
}

#[test]
fn a_document_is_taken_as_it_is() {
    let draft = current();
    let github = &draft.document.mcp_servers["github"];
    assert_eq!((github.transport, github.url.as_str()), (McpTransport::Http, "https://mcp.example.com/mcp"));
    assert_eq!(github.headers["Authorization"], "Bearer tok-12345678");
    let empty = validate_create(
        &WorkspaceCreate { name: " A ".into(), ..WorkspaceCreate::default() },
        &UrlPolicy::https_only(),
    );
    assert_eq!(empty.unwrap(), WorkspaceDraft { name: "A".into(), ..WorkspaceDraft::default() });
    let sse = json!({"mcpServers": {"old": {"type": "sse", "url": "https://old.example.com/sse"}, "bare": {"url": "https://b.example.com"}}});
    let change = validate_update(&current(), &update(sse), &UrlPolicy::https_only()).unwrap();
    assert_eq!(change.draft.document.mcp_servers["old"].transport, McpTransport::Sse);
    assert_eq!(change.draft.document.mcp_servers["bare"].transport, McpTransport::Http);
    assert_eq!(change.changed, ["mcp_json added bare", "mcp_json added old", "mcp_json removed github"]);
}

#[test]
fn commands_and_placeholders_are_refused_by_the_name_of_the_entry() {
    for stdio in [
        json!({"command": "npx", "args": ["x"]}),
        json!({"type": "stdio", "url": "https://a.example.com"}),
        json!({"command": "npx", "url": "https://a.example.com"}),
        json!({"url": "https://a.example.com", "env": {"A": "b"}}),
    ] {
        let wrong = entry(stdio);
        assert_eq!(wrong.len(), 1);
        assert_eq!(wrong[0].0, "mcp_json.mcpServers.one");
        assert!(wrong[0].1.contains("`one`") && wrong[0].1.contains("only HTTP and SSE"), "{wrong:?}");
    }
    for (field, value) in [
        ("url", json!({"url": "https://${HOST}/mcp"})),
        ("headers.X-Key", json!({"url": "https://a.example.com", "headers": {"X-Key": "${TOKEN}"}})),
    ] {
        let wrong = entry(value);
        assert_eq!(wrong[0].0, format!("mcp_json.mcpServers.one.{field}"));
        assert!(wrong[0].1.contains("placeholder"), "{wrong:?}");
    }
    let wrong = refused(json!({"mcpServers": {"${NAME}": {"url": "https://a.example.com"}}}));
    assert!(wrong[0].1.contains("placeholder"), "{wrong:?}");
}

#[test]
fn every_problem_is_named_at_its_place() {
    let wrong = refused(json!({"mcpServers": {
        "a": {"type": "ws", "url": "ftp://x"},
        "b": {"url": "https://u:p@b.example.com", "headers": {"Host": "x", "X-A": 7, "X-B": ""}},
        "c": 5,
        "d": {"url": "https://d.example.com", "extra": 1},
        "A": {"url": "https://e.example.com"},
        " f": {"url": "https://f.example.com"},
        "": {"url": "https://g.example.com"},
    }, "other": 1}));
    let fields: Vec<&str> = wrong.iter().map(|(field, _)| field.as_str()).collect();
    for field in [
        "mcp_json",
        "mcp_json.mcpServers.a.url",
        "mcp_json.mcpServers.b.url",
        "mcp_json.mcpServers.b.headers.Host",
        "mcp_json.mcpServers.b.headers.X-A",
        "mcp_json.mcpServers.b.headers.X-B",
        "mcp_json.mcpServers.c",
        "mcp_json.mcpServers.d",
        "mcp_json.mcpServers. f",
        "mcp_json.mcpServers.",
    ] {
        assert!(fields.contains(&field), "{field} in {fields:?}");
    }
    for whole in [json!(7), json!([]), json!({"mcpServers": []})] {
        assert_eq!(refused(whole)[0].0, "mcp_json");
    }
    let many: serde_json::Map<String, Value> =
        (0..21).map(|n| (format!("s{n}"), json!({"url": "https://a.example.com"}))).collect();
    assert!(refused(json!({"mcpServers": many}))[0].1.contains("at most 20"));
}

#[test]
fn a_placeholder_keeps_the_stored_value_of_the_same_server_only() {
    let stored = |url: &str, name: &str| json!({"mcpServers": {name: {"type": "http", "url": url, "headers": {"authorization": STORED_HEADER}}}});
    let moved = update(stored("https://mcp.example.com/other", "github"));
    let kept = validate_update(&current(), &moved, &UrlPolicy::https_only()).unwrap();
    assert_eq!(kept.draft.document.mcp_servers["github"].headers["authorization"], "Bearer tok-12345678");
    assert!(kept.document_changed);
    let elsewhere = refused(stored("https://evil.example.com/mcp", "github"));
    assert_eq!(elsewhere[0].0, "mcp_json.mcpServers.github.headers.authorization");
    assert!(elsewhere[0].1.contains("another server"), "{elsewhere:?}");
    let renamed = refused(stored("https://mcp.example.com/mcp", "gitlab"));
    assert!(renamed[0].1.contains("no stored value"), "{renamed:?}");
    let shown = concealed(&current().document);
    assert_eq!(shown.mcp_servers["github"].headers["Authorization"], STORED_HEADER);
    let same = update(serde_json::to_value(&shown).unwrap());
    let same = validate_update(&current(), &same, &UrlPolicy::https_only()).unwrap();
    assert!(!same.document_changed && same.changed.is_empty(), "what was shown, sent again, changes nothing");
}

#[test]
fn an_edit_changes_every_id_of_a_document_and_no_row_can_have_one() {
    let (workspace, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let id = entry_id(workspace, "github", 1);
    assert_eq!(id, entry_id(workspace, "github", 1));
    for changed in
        [entry_id(other, "github", 1), entry_id(workspace, "gitlab", 1), entry_id(workspace, "github", 2)]
    {
        assert_ne!(id, changed);
    }
    assert!(is_entry_id(id));
    assert!(
        !is_entry_id(Uuid::nil()) && !is_entry_id("0190a000-0000-7000-8000-000000000001".parse().unwrap())
    );
}

#[test]
fn an_entry_takes_part_with_nothing_an_admin_has_to_vouch_for() {
    let entry = McpEntry { url: "https://a.example.com".into(), ..McpEntry::default() };
    let record = server_record(entry_id(Uuid::nil(), "my tools", 1), "my tools", &entry, 1);
    assert!(
        record.enabled
            && !record.forward_coder_headers
            && !record.use_instructions
            && !record.send_trace_context
    );
    assert!(record.tool_idempotent_list.is_empty() && !record.has_signing_secret && !record.model_intent);
    assert!(exposed_name(&record.slug, "list").starts_with("my_tools__list_"));
}
