use super::*;
use proptest::prelude::*;

fn read(fields: &[&str]) -> Option<Challenge> {
    bearer_challenge(fields.iter().map(|field| field.as_bytes()))
}

fn of(metadata: Option<&str>, scope: Option<&str>, error: Option<&str>) -> Option<Challenge> {
    Some(Challenge {
        resource_metadata: metadata.map(str::to_owned),
        scope: scope.map(str::to_owned),
        error: error.map(str::to_owned),
        error_description: None,
    })
}

const META: &str = "https://h.example/.well-known/oauth-protected-resource/mcp";

#[test]
fn what_is_a_bearer_challenge() {
    let meta = format!("resource_metadata=\"{META}\"");
    for (field, expected) in [
        ("Bearer".to_owned(), of(None, None, None)),
        ("bearer".to_owned(), of(None, None, None)),
        ("  ,, Bearer ,".to_owned(), of(None, None, None)),
        (format!("BEARER {meta}"), of(Some(META), None, None)),
        (format!("Bearer realm=\"a\", {meta}, scope=\"a b\""), of(Some(META), Some("a b"), None)),
        (format!("Bearer Scope = \"a\" ,Resource_Metadata\t=\t\"{META}\""), of(Some(META), Some("a"), None)),
        (r#"Bearer scope="a \"b\" \\c""#.to_owned(), of(None, Some(r#"a "b" \c"#), None)),
        (
            r#"Bearer scope="a, Basic realm=x", error=invalid_token"#.to_owned(),
            of(None, Some("a, Basic realm=x"), Some("invalid_token")),
        ),
        // other schemes before and behind, with parameters, with token68, with nothing
        (format!("Basic realm=\"x\", Bearer {meta}"), of(Some(META), None, None)),
        (format!("Negotiate YWJj==, Bearer {meta}"), of(Some(META), None, None)),
        (format!("Negotiate, Bearer {meta}, Digest a=b, c=d"), of(Some(META), None, None)),
        (
            format!("Newauth realm=\"Bearer {META}\", title=\"x\\\"\", Bearer error=\"e\""),
            of(None, None, Some("e")),
        ),
        // forgiven
        (format!("Bearer error=\"invalid_token\" {meta}"), of(Some(META), None, Some("invalid_token"))),
        (format!("Bearer resource_metadata={META}, scope=a"), of(Some(META), Some("a"), None)),
        // the one that names metadata wins over an earlier one
        (format!("Bearer scope=\"a\", Bearer {meta}"), of(Some(META), None, None)),
        // a name twice voids that challenge only
        (format!("Bearer scope=a, scope=b, {meta}"), None),
        (format!("Bearer realm=a, REALM=b, {meta}"), None),
        (format!("Bearer scope=a, scope=b, Bearer {meta}"), of(Some(META), None, None)),
        // cut off
        ("Bearer scope=\"a".to_owned(), None),
        ("Bearer scope=\"a\\".to_owned(), None),
        // none at all
        (String::new(), None),
        ("Basic realm=\"Bearer\"".to_owned(), None),
        ("Bearers x=y".to_owned(), None),
        ("XBearer".to_owned(), None),
        ("Basic Bearer".to_owned(), None),
        ("=Bearer".to_owned(), None),
        ("\"Bearer\"".to_owned(), None),
    ] {
        assert_eq!(read(&[&field]), expected, "{field}");
    }
}

#[test]
fn all_fields_are_read() {
    let meta = format!("Bearer resource_metadata=\"{META}\"");
    assert_eq!(read(&["Basic realm=\"x\"", &meta]), of(Some(META), None, None));
    // an open quotation mark ends with its field
    assert_eq!(read(&["Basic realm=\"x", &meta]), of(Some(META), None, None));
    assert_eq!(read(&["Bearer scope=a", &meta]), of(Some(META), None, None));
    assert_eq!(read(&["Bearer scope=a", "Bearer scope=b"]), of(None, Some("a"), None));
    assert_eq!(read(&[]), None);
}

#[test]
fn what_a_challenge_may_hold_is_bounded() {
    let long = format!("Bearer scope=\"{}\"", "a".repeat(FIELD_BYTES));
    assert_eq!(read(&[&long, "Bearer error=e"]), of(None, None, Some("e")));
    let many: String = (0..=PARAMETERS).map(|n| format!("p{n}=x, ")).collect();
    assert_eq!(read(&[&format!("Bearer {many}")]), None);
    let schemes = "Basic, ".repeat(CHALLENGES);
    assert_eq!(read(&[&format!("{schemes}Bearer")]), None);
}

#[test]
fn too_little_scope_is_told_by_its_code_only() {
    let is = |field: &str| read(&[field]).is_some_and(|challenge| challenge.is_insufficient_scope());
    assert!(is("Bearer error=\"insufficient_scope\", scope=\"files:write\""));
    assert!(is("Bearer error=insufficient_scope"));
    assert!(!is("Bearer error=\"INSUFFICIENT_SCOPE\""));
    assert!(!is("Bearer error=\"invalid_token\", error_description=\"insufficient_scope\""));
    assert!(!is("Basic error=\"insufficient_scope\""));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(fields in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..4)) {
        let _ = bearer_challenge(fields.iter().map(Vec::as_slice));
    }

    #[test]
    fn no_almost_right_text_makes_it_panic(field in "(Bearer|basic|[a-z]{1,3}|[ ,=\"\\\\\t]|scope|realm|é){0,40}") {
        let _ = bearer_challenge([field.as_bytes()]);
    }

    #[test]
    fn what_is_quoted_comes_back(scope in "[ -~]{0,60}") {
        let quoted = scope.replace('\\', "\\\\").replace('"', "\\\"");
        let challenge = read(&[&format!("Digest a=\"b\", Bearer scope=\"{quoted}\", error=x")]).unwrap();
        prop_assert_eq!(challenge.scope.as_deref(), Some(scope.as_str()));
        prop_assert_eq!(challenge.error.as_deref(), Some("x"));
    }
}
