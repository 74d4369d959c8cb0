//! Who sees what.

use super::*;
use api::servers::AuthStatus;

#[test]
fn admins_see_everything_but_secrets() {
    let wire = to_wire(&with_key(), Viewer { unredacted: true }, &Access::default());
    assert_eq!(
        (wire.url.as_str(), wire.transport.as_str()),
        ("https://mcp.example.com/mcp", "streamable_http")
    );
    assert_eq!(wire.api_key_header.as_deref(), Some("X-Key"));
    assert!(
        wire.has_api_key && !wire.has_custom_headers && !wire.has_oauth2_secret && !wire.has_signing_secret
    );
    assert_eq!(wire.created_by, Some(Uuid::from_u128(1)));
    assert_eq!(wire.allowed_group_ids, Some(vec![]));
    assert_eq!(wire.config_problems, Some(vec![]));
    assert_eq!((wire.auth_connected, wire.auth_status), (true, AuthStatus::NotRequired));
    assert_eq!(wire.tool_change_policy, api::servers::ToolChangePolicy::Notify);
}

#[test]
fn members_see_neither_address_nor_authors() {
    let wire = to_wire(&with_key(), Viewer { unredacted: false }, &Access::default());
    assert_eq!((wire.url.as_str(), wire.transport.as_str()), ("", ""));
    assert_eq!(wire.tool_deny_list, ["delete_*"]);
    assert_eq!(wire.tool_idempotent_list, ["get_*"]);
    assert_eq!(wire.tool_approval_list, ["create_*"]);
    let json = format!("{wire:?}");
    for hidden in ["mcp.example.com", "X-Key"] {
        assert!(!json.contains(hidden), "{hidden} in {json}");
    }
    assert!(
        wire.api_key_header.is_none() && wire.allowed_group_ids.is_none() && wire.config_problems.is_none()
    );
    assert!(wire.created_by.is_none() && wire.updated_by.is_none());
}

/// Behaviour 3: every field marked R, and that nothing else goes missing.
#[test]
fn members_miss_exactly_the_fields_marked_r() {
    let groups = vec![Uuid::from_u128(3), Uuid::from_u128(4)];
    for server in [with_oauth2(), with_key(), with_headers(), with_user_headers()] {
        let server = ServerRecord { allowed_group_ids: groups.clone(), ..server };
        let shown = |unredacted| {
            let wire = to_wire(&server, Viewer { unredacted }, &Access::default());
            let serde_json::Value::Object(fields) = serde_json::to_value(wire).unwrap() else {
                panic!("an object")
            };
            fields
        };
        let (whole, redacted) = (shown(true), shown(false));
        let mut hidden: Vec<&str> = whole
            .iter()
            .filter(|(field, value)| redacted.get(*field) != Some(*value))
            .map(|(field, _)| field.as_str())
            .collect();
        let mut expected =
            vec!["url", "transport", "allowed_group_ids", "config_problems", "created_by", "updated_by"];
        match server.auth_type {
            AuthType::Oauth2 => expected.extend([
                "oauth2_client_id",
                "oauth2_auth_url",
                "oauth2_token_url",
                "oauth2_revocation_url",
                "oauth2_scopes",
                "oauth2_registration",
                "oauth2_issuer",
            ]),
            AuthType::ApiKey => expected.push("api_key_header"),
            _ => {}
        }
        hidden.sort_unstable();
        expected.sort_unstable();
        assert_eq!(hidden, expected, "{:?}", server.auth_type);
        assert_eq!((&redacted["url"], &redacted["transport"]), (&"".into(), &"".into()));
        for absent in expected.iter().filter(|field| !matches!(**field, "url" | "transport")) {
            assert!(!redacted.contains_key(*absent), "{absent}");
        }
        // What a user needs to connect stays.
        assert_eq!(redacted["user_headers"].as_array().unwrap().len(), server.user_headers.len());
    }
}

#[test]
fn the_etag_of_record_and_answer_is_the_same() {
    let server = record();
    assert_eq!(etag(&server), "\"00000000-0000-0000-0000-000000000007-2000000\"");
    let answer = to_wire(&server, Viewer { unredacted: false }, &Access::default());
    assert_eq!(etag_of_answer(&answer), etag(&server));
}

#[test]
fn slugs_from_names() {
    for (name, expected) in [
        ("Linear", "linear"),
        ("GitHub (Enterprise)", "github-enterprise"),
        ("  Ärger & Co. 2 ", "rger-co-2"),
        ("__x__", "x"),
        ("日本", ""),
        ("", ""),
    ] {
        assert_eq!(slug_from_name(name), expected, "{name}");
    }
}

proptest::proptest! {
    #[test]
    fn slugs_from_names_are_valid(name in ".{0,100}") {
        let slug = slug_from_name(&name);
        proptest::prop_assert!(slug.is_empty() || super::super::fields::slug(&slug) == Ok(slug.clone()), "{slug}");
    }
}
