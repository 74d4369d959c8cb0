//! Who sees what.

use super::*;
use api::servers::AuthStatus;

#[test]
fn admins_see_everything_but_secrets() {
    let wire = to_wire(&with_key(), Viewer { unredacted: true });
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
    assert_eq!(wire.tool_change_policy, "notify");
}

#[test]
fn members_see_neither_address_nor_authors() {
    let wire = to_wire(&with_key(), Viewer { unredacted: false });
    assert_eq!((wire.url.as_str(), wire.transport.as_str()), ("", ""));
    assert_eq!(wire.tool_deny_list, ["delete_*"]);
    let json = format!("{wire:?}");
    for hidden in ["mcp.example.com", "X-Key"] {
        assert!(!json.contains(hidden), "{hidden} in {json}");
    }
    assert!(
        wire.api_key_header.is_none() && wire.allowed_group_ids.is_none() && wire.config_problems.is_none()
    );
    assert!(wire.created_by.is_none() && wire.updated_by.is_none());
}

#[test]
fn a_missing_secret_is_reported() {
    for (server, field) in [
        (ServerRecord { has_api_key: false, ..with_key() }, "api_key_value"),
        (ServerRecord { api_key_header: String::new(), ..with_key() }, "api_key_header"),
        (ServerRecord { has_custom_headers: false, ..with_headers() }, "custom_headers"),
        (ServerRecord { auth_type: AuthType::Oauth2, ..record() }, "auth_type"),
    ] {
        let problems = config_problems(&server);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].field, field);
        assert_eq!(auth_status(&server).0, AuthStatus::Misconfigured);
        // The older flag is about the connect step only.
        let connected = to_wire(&server, Viewer { unredacted: false }).auth_connected;
        assert_eq!(connected, server.auth_type != AuthType::Oauth2);
    }
    for complete in [record(), with_key(), with_headers()] {
        assert_eq!(auth_status(&complete), (AuthStatus::NotRequired, ""));
    }
}

#[test]
fn disabled_servers_do_not_exist_for_members() {
    let disabled = ServerRecord { enabled: false, ..record() };
    assert!(is_visible(&disabled, true) && !is_visible(&disabled, false) && is_visible(&record(), false));
}

#[test]
fn the_etag_of_record_and_answer_is_the_same() {
    let server = record();
    assert_eq!(etag(&server), "\"00000000-0000-0000-0000-000000000007-2000000\"");
    assert_eq!(etag_of_answer(&to_wire(&server, Viewer { unredacted: false })), etag(&server));
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
