use super::*;
use serde_json::json;

fn definition() -> Value {
    json!({
        "name": "list_issues",
        "title": "List issues",
        "description": "Lists issues.",
        "annotations": {"readOnlyHint": true},
        "inputSchema": {"type": "object", "required": ["repo"], "properties": {
            "repo": {"type": "string", "description": "The repository"},
            "state": {"type": "string", "enum": ["open", "closed"]},
            "filter": {"type": "object", "properties": {"labels": {"type": "array", "items": {"type": "string"}}}},
        }},
        "outputSchema": {"type": "object", "properties": {"total": {"type": "integer"}}},
    })
}

/// The definition with one value put at a pointer, or taken away.
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut changed = definition();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = changed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(key.to_owned(), value),
        None => parent.shift_remove(key),
    };
    changed
}

fn one(before: &Value, after: &Value) -> Change {
    let diff = diff(before, after);
    assert_eq!((diff.changes.len(), diff.more), (1, 0), "{diff:#?}");
    diff.changes.into_iter().next().unwrap()
}

#[test]
fn every_change_has_its_place_and_its_severity() {
    use ChangeKind::{Added, Changed, Removed};
    use Severity::{Minor, Notable, Serious};
    let text = |text: &str| Some(json!(text));
    for (pointer, value, path, place, kind, severity) in [
        ("/title", text("Issues"), "/title", "title", Changed, Minor),
        ("/title", None, "/title", "title", Removed, Minor),
        ("/description", text("Lists all issues."), "/description", "description", Changed, Notable),
        ("/name", text("find"), "/name", "name", Changed, Notable),
        (
            "/annotations/readOnlyHint",
            Some(json!(false)),
            "/annotations/readOnlyHint",
            "claim readOnlyHint",
            Changed,
            Serious,
        ),
        (
            "/annotations/readOnlyHint",
            None,
            "/annotations/readOnlyHint",
            "claim readOnlyHint",
            Removed,
            Serious,
        ),
        ("/annotations", None, "/annotations", "annotations", Removed, Serious),
        // what holds without a claim anyway
        (
            "/annotations/destructiveHint",
            Some(json!(true)),
            "/annotations/destructiveHint",
            "claim destructiveHint",
            Added,
            Minor,
        ),
        (
            "/annotations/destructiveHint",
            Some(json!(false)),
            "/annotations/destructiveHint",
            "claim destructiveHint",
            Added,
            Minor,
        ),
        ("/annotations/title", text("x"), "/annotations/title", "claim title", Added, Minor),
        (
            "/inputSchema/properties/repo/type",
            text("integer"),
            "/inputSchema/properties/repo/type",
            "argument `repo`, type",
            Changed,
            Notable,
        ),
        (
            "/inputSchema/properties/repo/description",
            text("x"),
            "/inputSchema/properties/repo/description",
            "argument `repo`, description",
            Changed,
            Notable,
        ),
        (
            "/inputSchema/properties/repo/title",
            text("x"),
            "/inputSchema/properties/repo/title",
            "argument `repo`, title",
            Added,
            Minor,
        ),
        (
            "/inputSchema/properties/repo/x-mcp-header",
            text("Repo"),
            "/inputSchema/properties/repo/x-mcp-header",
            "argument `repo`, x-mcp-header",
            Added,
            Serious,
        ),
        (
            "/inputSchema/properties/region",
            Some(json!({"type": "string", "x-mcp-header": "R"})),
            "/inputSchema/properties/region",
            "argument `region`",
            Added,
            Serious,
        ),
        (
            "/inputSchema/properties/page",
            Some(json!({"type": "integer"})),
            "/inputSchema/properties/page",
            "argument `page`",
            Added,
            Notable,
        ),
        // an argument that is called like a keyword
        (
            "/inputSchema/properties/title",
            Some(json!({"type": "string"})),
            "/inputSchema/properties/title",
            "argument `title`",
            Added,
            Notable,
        ),
        (
            "/inputSchema/properties/state",
            None,
            "/inputSchema/properties/state",
            "argument `state`",
            Removed,
            Notable,
        ),
        (
            "/inputSchema/properties/state/enum",
            Some(json!(["closed", "open", "all"])),
            "/inputSchema/properties/state/enum",
            "argument `state`, enum",
            Added,
            Notable,
        ),
        (
            "/inputSchema/properties/state/enum",
            Some(json!(["open"])),
            "/inputSchema/properties/state/enum",
            "argument `state`, enum",
            Removed,
            Notable,
        ),
        (
            "/inputSchema/properties/filter/properties/labels/items/type",
            text("integer"),
            "/inputSchema/properties/filter/properties/labels/items/type",
            "argument `filter.labels[]`, type",
            Changed,
            Notable,
        ),
        (
            "/inputSchema/required",
            Some(json!(["repo", "state"])),
            "/inputSchema/required",
            "arguments, required",
            Added,
            Serious,
        ),
        (
            "/inputSchema/required",
            Some(json!([])),
            "/inputSchema/required",
            "arguments, required",
            Removed,
            Notable,
        ),
        (
            "/inputSchema/additionalProperties",
            Some(json!(false)),
            "/inputSchema/additionalProperties",
            "arguments, additionalProperties",
            Added,
            Notable,
        ),
        (
            "/outputSchema/properties/total/type",
            text("number"),
            "/outputSchema/properties/total/type",
            "result field `total`, type",
            Changed,
            Minor,
        ),
        ("/outputSchema", None, "/outputSchema", "outputSchema", Removed, Minor),
    ] {
        let change = one(&definition(), &with(pointer, value));
        let wanted = (path, if place == "outputSchema" { "result" } else { place }, kind, severity);
        assert_eq!(
            (change.path.as_str(), change.place.as_str(), change.kind, change.severity),
            wanted,
            "{change:#?}"
        );
        assert!(change.why.ends_with('.'));
    }
}

#[test]
fn nothing_changed() {
    assert_eq!(diff(&definition(), &definition()), Diff::default());
    assert_eq!(diff(&definition(), &definition()).severity(), None);
    let mut other = definition();
    other["icons"] = json!([{"src": "x"}]);
    other["_meta"] = json!({"a": 1});
    assert_eq!(diff(&definition(), &other), Diff::default(), "not pinned, not shown");
    let shuffled: Value = serde_json::from_str(r#"{"title": "b", "name": "a"}"#).unwrap();
    assert_eq!(diff(&json!({"name": "a", "title": "b"}), &shuffled), Diff::default());
}

#[test]
fn every_pinned_change_is_a_change() {
    // only the order: the hash differs, so something must be shown
    let order = with("/inputSchema/properties/state/enum", Some(json!(["closed", "open"])));
    let changes = diff(&definition(), &order).changes;
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0].path, "/inputSchema/properties/state/enum/0");
    let doubled = with("/inputSchema/required", Some(json!(["repo", "repo"])));
    assert_eq!(one(&definition(), &doubled).path, "/inputSchema/required/1");
    assert_eq!(one(&json!({}), &json!({"name": "x"})).kind, ChangeKind::Added);
    assert_eq!(one(&json!(null), &json!({"name": "x"})).after.as_deref(), Some("x"));
}

#[test]
fn long_texts_show_where_they_differ() {
    let long = "word ".repeat(400);
    let before = with("/description", Some(json!(format!("{long}old{long}"))));
    let after = with("/description", Some(json!(format!("{long}new and longer{long}"))));
    let change = one(&before, &after);
    let tail = &long[..40];
    let head = &long[long.len() - 40..];
    assert_eq!(change.before.unwrap(), format!("…{head}old{tail}…"));
    assert_eq!(change.after.unwrap(), format!("…{head}new and longer{tail}…"));

    let appended = with("/description", Some(json!(format!("{long}{}", "x".repeat(1000)))));
    let change = one(&with("/description", Some(json!(long))), &appended);
    assert_eq!(change.before.unwrap(), format!("…{head}"));
    assert_eq!(change.after.unwrap(), format!("…{head}{}…", "x".repeat(260)));

    let added = with("/inputSchema/properties/x", Some(json!({"description": "y".repeat(1000)})));
    assert_eq!(one(&definition(), &added).after.unwrap().chars().count(), 300);
}

#[test]
fn what_cannot_be_seen_is_seen() {
    let change = one(&definition(), &with("/description", Some(json!("Lists issues.\u{200b}\u{202e}"))));
    assert_eq!(change.after.as_deref(), Some("Lists issues.⟨U+200B⟩⟨U+202E⟩"));
    assert_eq!((change.severity, change.why), (Severity::Serious, "It has characters that cannot be seen."));
    let key = with("/inputSchema/properties/re\u{200d}po", Some(json!({"type": "string"})));
    let change = one(&definition(), &key);
    assert_eq!((change.place.as_str(), change.severity), ("argument `re⟨U+200D⟩po`", Severity::Serious));
    let deep = with("/title", Some(json!("tags \u{e0041}")));
    assert_eq!(one(&definition(), &deep).severity, Severity::Serious);
    // emoji and Persian are written with them
    for text in [
        "\u{26a0}\u{fe0f} Deletes",
        "1\u{fe0f}\u{20e3}",
        "\u{1f469}\u{200d}\u{1f4bb}",
        "\u{2764}\u{fe0f}\u{200d}\u{1f525}",
        "\u{645}\u{6cc}\u{200c}\u{62e}",
    ] {
        assert_eq!(
            one(&definition(), &with("/title", Some(json!(text)))).severity,
            Severity::Minor,
            "{text}"
        );
    }
    for text in
        ["a\u{fe0f}", "a\u{200d}b", "\u{26a0}\u{fe0f}\u{fe0f}", "\u{26a0}\u{fe00}", "\u{645}\u{200c}\u{200c}"]
    {
        assert_eq!(
            one(&definition(), &with("/title", Some(json!(text)))).severity,
            Severity::Serious,
            "{text}"
        );
    }
    // they go away again
    assert_eq!(one(&deep, &definition()).severity, Severity::Minor);
}

#[test]
fn the_worst_come_first_and_the_rest_is_counted() {
    let mut after = definition();
    for n in 0..150 {
        after["inputSchema"]["properties"]["repo"][format!("title{n}")] = json!("x");
    }
    after["title"] = json!("Other");
    after["annotations"]["readOnlyHint"] = json!(false);
    let diff = diff(&definition(), &after);
    assert_eq!((diff.changes.len(), diff.more), (100, 52));
    assert_eq!(diff.changes[0].path, "/annotations/readOnlyHint");
    assert_eq!(diff.severity(), Some(Severity::Serious));
}

#[test]
fn hostile_shapes_end() {
    let mut deep = json!("a");
    let mut other = json!("b");
    for _ in 0..120 {
        deep = json!({"not": deep});
        other = json!({"not": other});
    }
    let change = one(&with("/inputSchema", Some(deep)), &with("/inputSchema", Some(other)));
    assert_eq!(change.path.matches('/').count(), 64);
    assert!(change.place.chars().count() <= 240);

    let many = |from: usize| json!((from..from + 20_000).collect::<Vec<_>>());
    let pointer = "/inputSchema/properties/state/enum";
    let diff = diff(&with(pointer, Some(many(0))), &with(pointer, Some(many(20_000))));
    assert_eq!(diff.changes.len() + diff.more, 40_000);
    let slashes = json!({"inputSchema": {"properties": {"a/b~c": {"type": "string"}}}});
    assert_eq!(
        one(&json!({"inputSchema": {"properties": {}}}), &slashes).path,
        "/inputSchema/properties/a~1b~0c"
    );
}
