use super::*;
use leptos::reactive::owner::Owner;
use serde_json::{Value, json};

const HOSTILE: &str = "</code></dd><script>alert(1)</script><b onmouseover='x'>\u{202e}";

fn plan(applied: bool, entries: Value) -> ImportPlan {
    serde_json::from_value(json!({
        "source": "patchbay", "applied": applied, "plan_hash": "h", "entries": entries, "notes": [HOSTILE],
    }))
    .unwrap()
}

fn rendered(plan: ImportPlan) -> String {
    Owner::new().with(|| view! { <PlanView plan/> }.into_view().to_html())
}

#[test]
fn a_plan_shows_before_and_after_what_is_wiped_and_why_not() {
    let html = rendered(plan(
        false,
        json!([
            {"name": "a", "slug": "a", "action": "update", "server_id": "01900000-0000-7000-8000-000000000001",
             "changes": [
                {"field": "url", "old": "https://old.example", "new": "https://new.example"},
                {"field": "enabled", "old": true, "new": false},
                {"field": "tool_deny_list", "old": ["x_*"], "new": []},
                {"field": "availability", "old": "default_off", "new": "force_on"},
                {"field": "custom_headers", "old": null, "new": null, "secret": "cleared"}],
             "credentials_cleared": {"fields": ["custom_headers"], "user_tokens": 0, "user_header_values": 3}},
            {"name": "B", "slug": "b", "action": "refused", "reasons": [{"field": "command", "detail": "Starts a program."}]},
            {"name": "c", "slug": "c", "action": "unchanged"},
        ]),
    ));
    for part in [
        "Update",
        "https://old.example",
        "https://new.example",
        "x_*",
        "Denied tools",
        "Off by default",
        "Always on",
        "<code>command",
        "Secret, ",
        "cleared",
        "Wipes what is stored in Custom headers.",
        "Removes 3 personal values of users.",
        "Refused",
        "Starts a program.",
        "Unchanged",
        "href=\"/admin/servers/01900000-0000-7000-8000-000000000001\"",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!html.contains("tool_deny_list") && !html.contains("custom_headers"), "{html}");
}

#[test]
fn text_of_a_document_is_never_markup() {
    let html = rendered(plan(
        false,
        json!([{"name": HOSTILE, "slug": HOSTILE, "action": "create", "notes": [HOSTILE],
            "changes": [{"field": HOSTILE, "old": HOSTILE, "new": HOSTILE}, {"field": "a", "old": [HOSTILE], "new": {"k": HOSTILE}}],
            "reasons": [{"field": HOSTILE, "detail": HOSTILE}]}]),
    ));
    assert!(
        !html.contains("<script>") && !html.contains("<b onmouseover") && !html.contains('\u{202e}'),
        "{html}"
    );
}

#[test]
fn the_button_and_the_summary_say_what_happens() {
    let entry = |action: &str| json!({"name": "a", "slug": "a", "action": action});
    let of = |actions: &[&str]| plan(false, actions.iter().map(|action| entry(action)).collect());
    for (actions, label) in [
        (&["create"][..], "Create 1 server"),
        (&["create", "create", "update"], "Create 2 servers, update 1"),
        (&["update", "update", "refused"], "Update 2 servers"),
    ] {
        assert_eq!(apply_label(&of(actions)), label);
    }
    assert_eq!(summary(&of(&[])), "The document holds no servers.");
    assert_eq!(summary(&of(&["unchanged"])), "1 unchanged. There is nothing to do.");
    assert_eq!(summary(&of(&["create", "refused"])), "1 to create, 1 refused.");
    assert_eq!(summary(&plan(true, json!([entry("create")]))), "1 created.");
}
