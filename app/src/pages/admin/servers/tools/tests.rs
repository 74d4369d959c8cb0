//! The page as the server draws it, with what hostile servers write.

use super::{
    Catalogue, Tools,
    diff::DiffList,
    narrow::{Narrowing, Show},
    sample,
    trying::{Stage, TryTool, stage_view},
};
use api::{Uuid, tools::ServerTool};
use leptos::{prelude::*, reactive::owner::Owner};
use serde_json::json;

const HOSTILE: &str = "</textarea></option><script>alert(1)</script>\u{202e}";

fn rendered<V: IntoView + 'static>(view: impl FnOnce() -> V) -> String {
    Owner::new().with(|| view().into_view().to_html()).replace("<!>", "")
}

fn page(tools: Vec<ServerTool>, show: Show, writes: bool) -> String {
    rendered(move || {
        let catalogue = Catalogue::new(Uuid::nil(), tools, Narrowing::new(show), writes);
        view! { <Tools catalogue/> }
    })
}

fn changed() -> ServerTool {
    let change = json!({
        "path": "/description", "place": "description", "before": "Old  words", "after": "New words⟨U+200B⟩", "severity": "serious",
        "why": "Something hides.",
    });
    sample::tool(
        "create_issue",
        json!({"state": "held", "title": "Create", "diff": {"changes": [change], "more": 3}, "lint": ["Gemini refuses it."]}),
    )
}

#[test]
fn each_tool_says_how_it_stands() {
    let tools = vec![
        sample::tool("echo", json!({"claims": {"read_only": true}})),
        changed(),
        sample::tool(
            "drop",
            json!({"allowed": false, "reason": "Denied by drop*.", "gone_since": "2026-02-03T04:05:00Z"}),
        ),
    ];
    let html = page(tools, Show::All, true);
    for words in [
        "2 tools, 1 to review, 1 gone",
        "sample__echo",
        "Claimed",
        "reads only",
        "Held back",
        "Something hides.",
        "And 3 more",
        "Gemini refuses it.",
        "Not allowed",
        "Denied by drop*.",
        "Not listed any more since",
        "2026-02-03 04:05 UTC",
        "Accept all (1)",
        r#"aria-label="Accept create_issue""#,
        r#"aria-label="Try echo""#,
    ] {
        assert!(html.contains(words), "{words}: {html}");
    }
    assert!(!html.contains(r#"aria-label="Accept echo""#), "it is accepted: {html}");
    assert!(!html.contains(r#"aria-label="Try drop""#), "it is gone: {html}");
}

#[test]
fn what_is_held_back_says_whether_it_is_new() {
    let badges = |tool: ServerTool| {
        let html = page(vec![tool], Show::All, false);
        let (_, card) = html.split_once(r#"data-testid="tool""#).expect("a card");
        let (_, badges) = card.split_once(r#"class="badges""#).expect("badges");
        let badges = badges.split("</div>").next().unwrap_or_default();
        ["New", "Changed", "Held back"].map(|word| badges.contains(&format!("{word}</span>")))
    };
    let in_state = |state: &str| sample::tool("t", json!({"state": state}));
    assert_eq!(badges(in_state("held")), [true, false, true]);
    assert_eq!(badges(changed()), [false, true, true]);
    assert_eq!(badges(in_state("new")), [true, false, false]);
    assert_eq!(badges(in_state("changed")), [false, true, false]);
    assert_eq!(badges(in_state("accepted")), [false; 3]);
}

#[test]
fn auditors_see_everything_and_no_buttons() {
    let html = page(vec![changed()], Show::All, false);
    assert!(html.contains("Something hides.") && html.contains("Held back"), "{html}");
    for button in [">Accept", ">Try<", "Accept all", "<dialog"] {
        assert!(!html.contains(button), "{button}: {html}");
    }
    let html = page(Vec::new(), Show::All, false);
    assert!(html.contains("Nothing was listed yet") && !html.contains("Test connection"), "{html}");
    assert!(page(Vec::new(), Show::All, true).contains("Test connection"));
}

#[test]
fn a_filter_leaves_what_waits() {
    let html = page(vec![sample::tool("echo", json!({})), changed()], Show::Review, true);
    assert!(html.contains("create_issue") && !html.contains("sample__echo"), "{html}");
    let html = page(vec![sample::tool("echo", json!({}))], Show::Review, true);
    assert!(html.contains("No tool matches."), "{html}");
}

#[test]
fn what_a_server_writes_stays_text_and_hides_nothing() {
    let mut tool = sample::tool(
        HOSTILE,
        json!({"title": HOSTILE, "description": HOSTILE, "reason": HOSTILE, "allowed": false}),
    );
    tool.lint = vec![HOSTILE.to_owned()];
    let html = page(vec![tool], Show::All, true);
    assert!(!html.contains("<script>") && !html.contains('\u{202e}'), "{html}");
    assert!(html.contains("⟨U+202E⟩"), "{html}");
    let tool = sample::tool(
        "t",
        json!({"input_schema": {"type": "object", "required": [HOSTILE], "properties": {
            HOSTILE: {"type": "string", "description": HOSTILE, "default": "</textarea><script>"}, "e": {"enum": [HOSTILE, 1]},
            "__proto__": {"type": "object", "description": HOSTILE, "properties": {"constructor": {"const": HOSTILE}}},
        }}}),
    );
    let html = rendered(move || view! { <TryTool server=Uuid::nil() tool/> });
    assert!(!html.contains("<script>") && !html.contains('\u{202e}'), "{html}");
    assert!(html.contains("__proto__") && html.contains("constructor"), "{html}");
}

#[test]
fn a_long_text_of_a_change_is_folded_and_keeps_its_blanks() {
    let change = |after: String| json!({"path": "/x", "place": "argument `x`", "after": after, "severity": "minor", "why": "W."});
    let diff =
        serde_json::from_value(json!({"changes": [change("a  b".into()), change("z".repeat(300))]})).unwrap();
    let html = rendered(move || view! { <DiffList diff/> });
    assert_eq!(html.matches("<details").count(), 1, "{html}");
    assert!(
        html.contains("a  b") && html.contains("All 300 characters") && html.contains("nothing"),
        "{html}"
    );
}

#[test]
fn the_form_names_what_is_needed_and_what_it_does() {
    let tool = changed();
    let html = rendered(move || view! { <TryTool server=Uuid::nil() tool/> });
    assert!(html.contains("Calls the server for real, with your own connection."), "{html}");
    assert!(html.contains("until somebody accepts it"), "{html}");
    assert!(html.contains("The tool describes no arguments."), "{html}");
    let properties: serde_json::Map<String, serde_json::Value> =
        (0..500).map(|n| (format!("m{n}"), json!({"type": "string", "default": "d"}))).collect();
    let tool = sample::tool("t", json!({"input_schema": {"properties": properties, "required": ["m7"]}}));
    let html = rendered(move || view! { <TryTool server=Uuid::nil() tool/> });
    assert!(
        html.contains("m7 (required)") && html.contains("440 more arguments have no field here."),
        "{html}"
    );
    assert_eq!(html.matches("<textarea").count(), 60, "{html}");
    let tool = sample::tool("t", json!({"input_schema": {"$ref": "#/x"}}));
    let html = rendered(move || view! { <TryTool server=Uuid::nil() tool/> });
    assert!(html.contains(r#"id="f-try-json""#), "{html}");
}

#[test]
fn an_outcome_says_what_it_means() {
    let over = |outcome: &str, is_error| {
        let tried = json!({
            "outcome": outcome, "is_error": is_error, "result": [{"type": "text", "text": "a\u{200b}<b>"}], "duration_ms": 1_240,
        });
        rendered(move || stage_view(Stage::Over(serde_json::from_value(tried).unwrap())))
    };
    let html = over("ok", false);
    assert!(html.contains("Done") && html.contains("1.2 s") && html.contains("a⟨U+200B⟩&lt;b&gt;"), "{html}");
    assert!(over("ok", true).contains("Tool reported a problem"));
    assert!(over("error", true).contains("Failed"));
    assert!(over("unknown", true).contains("it may or may not have happened"));
    let cancelled = rendered(|| stage_view(Stage::Cancelled(2_100)));
    assert!(cancelled.contains("Cancelled after 2.1 s."), "{cancelled}");
}
