//! Create and PATCH.

use super::*;
use crate::SecretChange;

fn create(write: ServerWrite) -> Result<ServerDraft, Vec<Validation>> {
    validate_create(&write, &policy())
}

fn patch(current: &ServerRecord, write: ServerWrite) -> Result<ServerChange, Vec<Validation>> {
    merge_update(current, &write, &policy())
}

#[test]
fn create_applies_the_defaults() {
    let record =
        create(minimal()).unwrap().record(Uuid::from_u128(9), Timestamp(77), Some(Uuid::from_u128(1)));
    assert_eq!((record.enabled, record.model_intent), (false, false));
    assert_eq!(
        (record.description.as_str(), record.icon_url.as_str(), record.api_key_header.as_str()),
        ("", "", "")
    );
    assert_eq!(
        (record.id, record.created_at, record.updated_at),
        (Uuid::from_u128(9), Timestamp(77), Timestamp(77))
    );
    assert_eq!((record.version, record.credential_version), (1, 1));
    assert_eq!((record.created_by, record.updated_by), (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(1))));
}

#[test]
fn create_trims_every_text() {
    let draft = create(ServerWrite {
        display_name: Some("  Linear ".into()),
        slug: Some(" linear\n".into()),
        description: Some("\n two\nlines ".into()),
        transport: Some(" streamable_http ".into()),
        url: Some(" https://mcp.example.com/mcp ".into()),
        auth_type: Some(" api_key ".into()),
        api_key_header: Some(" X-Key ".into()),
        api_key_value: Some(" hunter2 ".into()),
        tool_allow_list: Some(vec![" a* ".into(), "  ".into(), String::new()]),
        ..minimal()
    })
    .unwrap();
    let merged = &draft.merged;
    assert_eq!((merged.display_name.as_str(), merged.slug.as_str()), ("Linear", "linear"));
    assert_eq!(
        (merged.description.as_str(), merged.url.as_str()),
        ("two\nlines", "https://mcp.example.com/mcp")
    );
    assert_eq!(merged.api_key_header, "X-Key");
    assert_eq!(draft.api_key, SecretChange::Set("hunter2".to_owned()));
    assert_eq!(merged.tool_allow_list, ["a*"]);
    assert!(merged.has_api_key);
    assert!(!format!("{draft:?}").contains("hunter2"));
}

#[test]
fn an_empty_create_names_every_required_field() {
    let problems = create(ServerWrite::default()).unwrap_err();
    let names: Vec<_> = problems.iter().map(|p| p.field.as_str()).collect();
    assert_eq!(names, ["display_name", "slug", "transport", "url", "auth_type", "availability"]);
    assert!(
        problems[4].detail.contains("`none`, `oauth2`, `api_key`, `custom_headers` or `user_header`"),
        "{}",
        problems[4].detail
    );
    assert!(
        problems[5].detail.contains("`force_on`, `default_on` or `default_off`"),
        "{}",
        problems[5].detail
    );
}

/// Each line: what is sent instead of the minimal body, the field that is refused, and a word of the sentence.
#[test]
fn single_field_rules() {
    let text = |set: fn(&mut ServerWrite, String), values: &[&str]| {
        values
            .iter()
            .map(|value| {
                let mut write = minimal();
                set(&mut write, (*value).to_owned());
                (write, (*value).to_owned())
            })
            .collect::<Vec<_>>()
    };
    let long = |n: usize| "x".repeat(n);
    let cases: Vec<(&str, Vec<(ServerWrite, String)>)> = vec![
        ("display_name", text(|w, v| w.display_name = Some(v), &["", "  ", "a\nb", "a\0b", &long(129)])),
        (
            "slug",
            text(
                |w, v| w.slug = Some(v),
                &["", "-a", ".a", "_a", "a__b", "a_", "a b", "a/b", "ä", "a\nb", &long(65)],
            ),
        ),
        ("description", text(|w, v| w.description = Some(v), &["a\0b", "a\u{1b}b", &long(4097)])),
        (
            "icon_url",
            text(
                |w, v| w.icon_url = Some(v),
                &[
                    "icon.svg",
                    "//evil/x",
                    "https://evil/x",
                    "/\\evil",
                    "/\t/evil",
                    "data:image/png,x",
                    &format!("/{}", long(4096)),
                ],
            ),
        ),
        ("transport", text(|w, v| w.transport = Some(v), &["", "http", "stdio", "Streamable_HTTP"])),
        (
            "url",
            text(|w, v| w.url = Some(v), &["", "x", "http://mcp.example.com", "https://u:p@x/", "ftp://x/"]),
        ),
        ("auth_type", text(|w, v| w.auth_type = Some(v), &["", "user_oidc", "basic", "None"])),
        (
            "api_key_header",
            text(
                |w, v| w.api_key_header = Some(v),
                &["X Key", "Host", "X\r\nY", "Content-Type", "Mcp-Session-Id"],
            ),
        ),
        ("api_key_value", text(|w, v| w.api_key_value = Some(v), &["a\r\nb", "a\n", "a\0", &long(8193)])),
        (
            "custom_headers",
            text(
                |w, v| w.custom_headers = Some(BTreeMap::from([(v, "x".to_owned())])),
                &["", "A B", "Cookie", "Transfer-Encoding", "X:Y", "X\r\n"],
            ),
        ),
        ("tool_allow_list", text(|w, v| w.tool_allow_list = Some(vec![v]), &["a\nb", &long(257)])),
        ("tool_deny_list", text(|w, v| w.tool_deny_list = Some(vec![v; 513]), &["x"])),
        (
            "tool_idempotent_list",
            text(|w, v| w.tool_idempotent_list = Some(vec![v]), &["a\nb", "a\0", &long(257)]),
        ),
        ("tool_idempotent_list", text(|w, v| w.tool_idempotent_list = Some(vec![v; 513]), &["x"])),
        ("availability", text(|w, v| w.availability = Some(v), &["", "always", "FORCE_ON"])),
    ];
    for (field, writes) in cases {
        for (write, value) in writes {
            assert_eq!(fields(create(write.clone())), [field], "create {field} = {value:?}");
            // On PATCH the same, apart from what only clears.
            let clears = matches!(field, "description" | "icon_url" | "api_key_header" | "api_key_value");
            if !(clears && value.is_empty()) {
                assert_eq!(fields(patch(&record(), write)), [field], "patch {field} = {value:?}");
            }
        }
    }
}

#[test]
fn values_at_the_limit_are_kept() {
    let write = ServerWrite {
        display_name: Some("ä".repeat(128)),
        slug: Some("x".repeat(64)),
        description: Some("d".repeat(4096)),
        icon_url: Some("/i.svg".into()),
        tool_allow_list: Some(vec!["x".repeat(256); 512]),
        ..minimal()
    };
    create(write).unwrap();
    for slug in ["a", "A.b-c_d", "9", "a.-", "x_y_z"] {
        create(ServerWrite { slug: Some(slug.into()), ..minimal() }).unwrap();
    }
    create(ServerWrite { url: Some("http://127.0.0.1:3990/mcp".into()), ..minimal() }).unwrap();
}

#[test]
fn types_of_later_issues_are_named_as_such() {
    let problems = create(ServerWrite { auth_type: Some("user_oidc".into()), ..minimal() }).unwrap_err();
    assert!(problems[0].detail.contains("not available in this build"), "{problems:?}");
}

#[test]
fn fields_of_later_issues_take_only_their_default() {
    let text = || Some("x".to_owned());
    let list = || Some(vec!["x".to_owned()]);
    let write = ServerWrite { oidc_trusted_origin: text(), tool_approval_list: list(), ..minimal() };
    let problems = create(write).unwrap_err();
    assert_eq!(problems.len(), 2);
    assert!(problems.iter().all(|p| p.detail.contains("not available in this build")), "{problems:?}");
    assert_eq!(problems[0].field, "oidc_trusted_origin");
    assert_eq!(problems[1].field, "tool_approval_list");

    let empty = || Some(String::new());
    let defaults =
        ServerWrite { oidc_trusted_origin: empty(), tool_approval_list: Some(vec![]), ..minimal() };
    create(defaults.clone()).unwrap();
}

#[test]
fn a_server_is_let_into_plan_mode_and_out_again() {
    let on = ServerWrite { allow_in_plan_mode: Some(true), ..ServerWrite::default() };
    let change = patch(&record(), on).unwrap();
    assert!(change.merged.allow_in_plan_mode && !change.credentials_changed);
    assert_eq!(change.changed, ["allow_in_plan_mode"]);
    let other = ServerWrite { model_intent: Some(true), ..ServerWrite::default() };
    assert!(patch(&change.merged, other).unwrap().merged.allow_in_plan_mode, "omitted keeps");
    let off = ServerWrite { allow_in_plan_mode: Some(false), ..ServerWrite::default() };
    assert!(!patch(&change.merged, off).unwrap().merged.allow_in_plan_mode);
}

#[test]
fn a_signing_secret_belongs_to_its_origin_and_is_long_enough() {
    let secret = "0123456789abcdef";
    let with = |text: &str| ServerWrite { signing_secret: Some(text.to_owned()), ..ServerWrite::default() };
    let created = create(ServerWrite {
        forward_coder_headers: Some(true),
        ..ServerWrite { signing_secret: Some(secret.into()), ..minimal() }
    })
    .unwrap();
    assert_eq!(created.signing_secret, SecretChange::Set(secret.into()));
    assert!(created.merged.has_signing_secret && created.merged.forward_coder_headers);
    let stored = ServerRecord { has_signing_secret: true, ..record() };
    for short in ["x", "0123456789abcde"] {
        let problems = patch(&stored, with(short)).unwrap_err();
        assert_eq!(problems[0].field, "signing_secret");
        assert!(problems[0].detail.contains("at least 16"), "{problems:?}");
    }
    assert_eq!(patch(&stored, with("")).unwrap().signing_secret, SecretChange::Clear);
    let kept =
        patch(&stored, ServerWrite { description: Some("x".into()), ..ServerWrite::default() }).unwrap();
    assert_eq!(kept.signing_secret, SecretChange::Keep);
    let elsewhere = Some("https://elsewhere.example/mcp".to_owned());
    let moved = patch(&stored, ServerWrite { url: elsewhere.clone(), ..ServerWrite::default() }).unwrap();
    assert_eq!(moved.signing_secret, SecretChange::Clear);
    assert!(moved.cleared.fields.contains(&"signing_secret".to_owned()) && !moved.merged.has_signing_secret);
    let resent = patch(&stored, ServerWrite { url: elsewhere, ..with(secret) }).unwrap();
    assert_eq!(resent.signing_secret, SecretChange::Set(secret.into()));
    assert!(!resent.cleared.fields.contains(&"signing_secret".to_owned()));
}

/// While identities are forwarded nobody may claim to be somebody else by a configured header (behaviour 12).
#[test]
fn configured_headers_do_not_pose_as_identities() {
    let custom = |name: &str, forward: bool| ServerWrite {
        auth_type: Some("custom_headers".into()),
        custom_headers: Some(headers(&[(name, "1")])),
        forward_coder_headers: Some(forward),
        ..minimal()
    };
    assert_eq!(create(custom("x-CODER-Owner-Id", true)).unwrap_err()[0].field, "custom_headers");
    create(custom("X-Coder-Owner-Id", false)).unwrap();
    create(custom("X-Code", true)).unwrap();
    let key = ServerWrite {
        auth_type: Some("api_key".into()),
        api_key_header: Some("X-Coder-Key".into()),
        api_key_value: Some("k".into()),
        forward_coder_headers: Some(true),
        ..minimal()
    };
    assert_eq!(create(key).unwrap_err()[0].field, "api_key_header");
}

/// The cross-field matrix of behaviour 5: type, header, key, custom headers, and which field is refused.
#[test]
fn what_each_type_needs() {
    let some = |text: &str| Some(text.to_owned());
    let one = || Some(headers(&[("X-A", "1")]));
    for (kind, header, key, map, refused) in [
        ("none", None, None, None, ""),
        ("api_key", None, some("k"), None, ""),
        ("api_key", some("X-Key"), some("k"), None, ""),
        ("api_key", None, None, None, "api_key_value"),
        ("api_key", None, some(""), None, "api_key_value"),
        ("api_key", None, some("   "), None, "api_key_value"),
        ("api_key", some(""), some("k"), None, "api_key_header"),
        ("custom_headers", None, None, one(), ""),
        ("custom_headers", None, None, None, "custom_headers"),
        ("custom_headers", None, None, Some(BTreeMap::new()), "custom_headers"),
        ("custom_headers", None, some("k"), None, "custom_headers"),
    ] {
        let write = ServerWrite {
            auth_type: some(kind),
            api_key_header: header,
            api_key_value: key,
            custom_headers: map,
            ..minimal()
        };
        for (what, refusals) in [
            ("create", create(write.clone()).err().unwrap_or_default()),
            ("patch", patch(&with_both_missing(kind), write.clone()).err().unwrap_or_default()),
        ] {
            let names: Vec<_> = refusals.iter().map(|p| p.field.as_str()).collect();
            assert_eq!(names.concat(), refused, "{what} {write:?}");
        }
    }
}

/// A stored server of another type than `kind`, so that the PATCH changes the type.
fn with_both_missing(kind: &str) -> ServerRecord {
    if kind == "none" { with_headers() } else { record() }
}

#[test]
fn create_drops_and_lists_what_belongs_to_other_types() {
    let draft = create(ServerWrite {
        api_key_header: Some("X-Key".into()),
        api_key_value: Some("k".into()),
        custom_headers: Some(headers(&[("X-A", "1")])),
        ..minimal()
    })
    .unwrap();
    assert_eq!(draft.cleared.fields, ["api_key_header", "api_key_value", "custom_headers"]);
    assert_eq!((draft.api_key, draft.custom_headers), (SecretChange::Clear, SecretChange::Clear));
    assert!(
        !draft.merged.has_api_key
            && !draft.merged.has_custom_headers
            && draft.merged.api_key_header.is_empty()
    );

    let empty = create(ServerWrite {
        api_key_header: Some(String::new()),
        api_key_value: Some(String::new()),
        custom_headers: Some(BTreeMap::new()),
        ..minimal()
    });
    assert!(empty.unwrap().cleared.fields.is_empty(), "nothing was sent, so nothing was dropped");
}

#[test]
fn an_empty_patch_changes_nothing() {
    for server in [record(), with_key(), with_headers()] {
        let change = patch(&server, ServerWrite::default()).unwrap();
        assert_eq!(change.merged, server);
        assert!(change.changed.is_empty() && !change.credentials_changed && change.cleared.fields.is_empty());
        assert_eq!((change.api_key, change.custom_headers), (SecretChange::Keep, SecretChange::Keep));
    }
}

#[test]
fn patch_replaces_what_is_present() {
    let change = patch(
        &record(),
        ServerWrite {
            description: Some(String::new()),
            icon_url: Some(String::new()),
            tool_deny_list: Some(vec![]),
            tool_allow_list: Some(vec!["list_*".into()]),
            tool_idempotent_list: Some(vec![" Read? ".into(), " ".into(), "*".into()]),
            enabled: Some(false),
            model_intent: Some(false),
            availability: Some("force_on".into()),
            ..ServerWrite::default()
        },
    )
    .unwrap();
    let merged = &change.merged;
    assert_eq!((merged.description.as_str(), merged.icon_url.as_str()), ("", ""));
    assert_eq!((merged.tool_allow_list.len(), merged.tool_deny_list.len()), (1, 0));
    assert_eq!(merged.tool_idempotent_list, ["Read?", "*"]);
    assert_eq!(
        (merged.enabled, merged.model_intent, merged.availability),
        (false, false, Availability::ForceOn)
    );
    assert_eq!(merged.display_name, "Linear");
    assert!(!change.credentials_changed, "open connections stay usable");
    assert_eq!(
        change.changed,
        [
            "description",
            "icon_url",
            "tool_allow_list",
            "tool_deny_list",
            "tool_idempotent_list",
            "availability",
            "enabled",
            "model_intent"
        ]
    );
}

#[test]
fn versions_and_time_ascend() {
    let change = patch(&record(), ServerWrite { enabled: Some(false), ..ServerWrite::default() }).unwrap();
    let stored = change.record(Timestamp(9_000_000), None);
    assert_eq!((stored.version, stored.credential_version), (6, 3));
    assert_eq!((stored.updated_at, stored.created_at), (Timestamp(9_000_000), Timestamp(1_000_000)));
    // A clock that stands still or goes back must not repeat an ETag.
    assert_ne!(etag(&change.record(Timestamp(0), None)), etag(&record()));
    let moved =
        patch(&record(), ServerWrite { url: Some("https://x.example/".into()), ..ServerWrite::default() })
            .unwrap();
    assert_eq!(moved.record(Timestamp(9_000_000), None).credential_version, 4);
}

/// Behaviour 6, point 5: the rows of the table that have something to wipe in this build.
#[test]
fn secrets_stay_with_the_origin() {
    let moved = |server: &ServerRecord, url: &str, write: ServerWrite| {
        patch(server, ServerWrite { url: Some(url.into()), ..write }).unwrap()
    };
    for other in ["https://evil.example/mcp", "https://mcp.example.com:8443/mcp", "http://127.0.0.1:3990/mcp"]
    {
        let key = moved(&with_key(), other, ServerWrite::default());
        assert_eq!(
            (key.api_key.clone(), key.cleared.fields.as_slice()),
            (SecretChange::Clear, ["api_key_value".to_owned()].as_slice())
        );
        assert!(!key.merged.has_api_key && key.credentials_changed);
        assert_eq!(key.merged.api_key_header, "X-Key");
        assert_eq!(auth_status(&key.merged, &Access::default()).0.as_str(), "misconfigured");

        let map = moved(&with_headers(), other, ServerWrite::default());
        assert_eq!(
            (map.custom_headers, map.cleared.fields),
            (SecretChange::Clear, vec!["custom_headers".to_owned()])
        );

        let again = moved(
            &with_key(),
            other,
            ServerWrite { api_key_value: Some("new".into()), ..ServerWrite::default() },
        );
        assert_eq!((again.api_key, again.cleared.fields), (SecretChange::Set("new".into()), vec![]));
        let again = ServerWrite { custom_headers: Some(headers(&[("X", "1")])), ..ServerWrite::default() };
        assert!(moved(&with_headers(), other, again).merged.has_custom_headers);
    }
    for same in ["https://mcp.example.com/other?x=1", "https://MCP.example.com:443/mcp"] {
        let change = moved(&with_key(), same, ServerWrite::default());
        assert_eq!((change.api_key, change.cleared.fields), (SecretChange::Keep, vec![]));
        assert!(change.credentials_changed, "open connections still point at the old path");
    }
}

#[test]
fn a_type_keeps_nothing_of_another() {
    let to = |server: &ServerRecord, kind: &str, write: ServerWrite| {
        patch(server, ServerWrite { auth_type: Some(kind.into()), ..write }).unwrap()
    };
    let none = to(&with_key(), "none", ServerWrite::default());
    assert_eq!(none.api_key, SecretChange::Clear);
    assert_eq!(none.cleared.fields, ["api_key_header", "api_key_value"]);
    assert!(none.merged.api_key_header.is_empty() && !none.merged.has_api_key && none.credentials_changed);

    // Fields of the other type in the same request are dropped as well.
    let sent = ServerWrite { api_key_value: Some("k".into()), ..ServerWrite::default() };
    let none = to(&with_headers(), "none", sent);
    assert_eq!((none.api_key, none.custom_headers), (SecretChange::Keep, SecretChange::Clear));
    assert_eq!(none.cleared.fields, ["api_key_value", "custom_headers"]);

    let sent = ServerWrite { custom_headers: Some(headers(&[("X-A", "1")])), ..ServerWrite::default() };
    let map = to(&with_key(), "custom_headers", sent);
    assert_eq!((map.api_key, map.custom_headers.is_change()), (SecretChange::Clear, true));

    let sent = ServerWrite { api_key_value: Some("k".into()), ..ServerWrite::default() };
    assert_eq!(to(&record(), "api_key", sent).merged.api_key_header, "Authorization");
}

#[test]
fn a_needed_secret_cannot_be_cleared() {
    let clear_key = ServerWrite { api_key_value: Some(String::new()), ..ServerWrite::default() };
    assert_eq!(fields(patch(&with_key(), clear_key.clone())), ["api_key_value"]);
    let clear_header = ServerWrite { api_key_header: Some(String::new()), ..ServerWrite::default() };
    assert_eq!(fields(patch(&with_key(), clear_header)), ["api_key_header"]);
    let clear_map = ServerWrite { custom_headers: Some(BTreeMap::new()), ..ServerWrite::default() };
    assert_eq!(fields(patch(&with_headers(), clear_map.clone())), ["custom_headers"]);
    // Where it is not needed there is nothing to refuse.
    patch(&record(), clear_key).unwrap();
    patch(&record(), clear_map).unwrap();
}

#[test]
fn a_server_that_lost_its_secret_can_still_be_edited() {
    let lost = ServerRecord { has_api_key: false, ..with_key() };
    let edit =
        ServerWrite { enabled: Some(false), auth_type: Some("api_key".into()), ..ServerWrite::default() };
    assert!(!patch(&lost, edit).unwrap().merged.has_api_key);
    let again = ServerWrite { api_key_value: Some("k".into()), ..ServerWrite::default() };
    assert!(config_problems(&patch(&lost, again).unwrap().merged, &Access::default()).is_empty());
}

#[test]
fn the_same_secret_again_counts_as_a_change() {
    let change =
        patch(&with_key(), ServerWrite { api_key_value: Some("k".into()), ..ServerWrite::default() })
            .unwrap();
    assert!(change.credentials_changed);
    assert_eq!(change.changed, ["api_key_value"]);
    assert_eq!(change.api_key.audit_word(true), Some("changed"));
    let header =
        patch(&with_key(), ServerWrite { api_key_header: Some("X-Other".into()), ..ServerWrite::default() })
            .unwrap();
    assert!(header.credentials_changed && header.cleared.fields.is_empty());
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_form() {
    let write = ServerWrite {
        availability: Some("x".into()),
        slug: Some("_".into()),
        display_name: Some(String::new()),
        url: Some("x".into()),
        custom_headers: Some(headers(&[("Host", "x")])),
        api_key_value: Some("a\nb".into()),
        ..minimal()
    };
    let expected = ["display_name", "slug", "url", "api_key_value", "custom_headers", "availability"];
    assert_eq!(fields(create(write.clone())), expected);
    assert_eq!(fields(patch(&record(), write)), expected);
}
