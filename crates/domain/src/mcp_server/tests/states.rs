//! `auth_status` and `auth_connected` (behaviour 10), and what an admin must mend.

use super::*;
use api::servers::AuthStatus::{
    self, Connected, ExpiredRefreshable, Misconfigured, NeedsPermission, NeedsReconnect, NotConnected,
    NotRequired,
};

fn values(names: &[&str]) -> Access {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Access { own: OwnCredential::HeaderValues(names), ..Access::default() }
}

fn unreadable(field: &'static str) -> Access {
    Access { unreadable: Some(field), ..Access::default() }
}

/// Every type in every state it can have in this build: status, reason, and the older flag.
#[test]
fn status_and_flag_of_every_type() {
    let nothing = Access::default;
    let lost = || Access { own: OwnCredential::Unreadable, ..Access::default() };
    let of = |oauth2: OAuth2Settings| ServerRecord { oauth2, ..with_oauth2() };
    let cases: Vec<(ServerRecord, Access, (AuthStatus, &str), bool)> = vec![
        (record(), nothing(), (NotRequired, ""), true),
        (with_key(), nothing(), (NotRequired, ""), true),
        (
            ServerRecord { has_api_key: false, ..with_key() },
            nothing(),
            (Misconfigured, "missing_secret"),
            true,
        ),
        (
            ServerRecord { api_key_header: String::new(), ..with_key() },
            nothing(),
            (Misconfigured, "missing_field"),
            true,
        ),
        (with_key(), unreadable("api_key_value"), (Misconfigured, "undecryptable"), true),
        (with_headers(), nothing(), (NotRequired, ""), true),
        (
            ServerRecord { has_custom_headers: false, ..with_headers() },
            nothing(),
            (Misconfigured, "missing_secret"),
            true,
        ),
        (with_headers(), unreadable("custom_headers"), (Misconfigured, "undecryptable"), true),
        (with_oauth2(), nothing(), (NotConnected, ""), false),
        (ServerRecord { has_oauth2_secret: false, ..with_oauth2() }, nothing(), (NotConnected, ""), false),
        (of(OAuth2Settings::default()), nothing(), (Misconfigured, "missing_field"), false),
        (
            of(OAuth2Settings { secret_wiped: true, ..with_oauth2().oauth2 }),
            nothing(),
            (Misconfigured, "missing_secret"),
            false,
        ),
        (with_oauth2(), unreadable("oauth2_client_secret"), (Misconfigured, "undecryptable"), false),
        (with_oauth2(), token(TokenState::default()), (Connected, ""), true),
        (with_oauth2(), token(TokenState { refreshable: true, ..expired() }), (ExpiredRefreshable, ""), true),
        (with_oauth2(), token(expired()), (NeedsReconnect, "expired_no_refresh_token"), false),
        (
            with_oauth2(),
            token(TokenState { wants_more: true, ..TokenState::default() }),
            (NeedsPermission, "insufficient_scope"),
            false,
        ),
        (
            with_oauth2(),
            token(TokenState { foreign: true, refreshable: true, ..expired() }),
            (NeedsReconnect, "client_changed"),
            false,
        ),
        (
            with_oauth2(),
            token(failed(TokenFailure::RefreshRejected)),
            (NeedsReconnect, "refresh_rejected"),
            false,
        ),
        (
            with_oauth2(),
            token(failed(TokenFailure::RejectedByServer)),
            (NeedsReconnect, "rejected_by_server"),
            false,
        ),
        (
            with_oauth2(),
            Access { own: OwnCredential::Unreadable, ..Access::default() },
            (NeedsReconnect, "undecryptable"),
            false,
        ),
        (with_user_headers(), nothing(), (NotConnected, ""), false),
        (with_user_headers(), values(&["x-token", "x-team"]), (Connected, ""), true),
        (with_user_headers(), values(&["x-token", "x-team", "x-old"]), (Connected, ""), true),
        (with_user_headers(), values(&["x-token"]), (NotConnected, "missing_value"), false),
        (with_user_headers(), lost(), (NeedsReconnect, "undecryptable"), false),
        (
            ServerRecord { user_headers: vec![], ..with_user_headers() },
            nothing(),
            (Misconfigured, "missing_field"),
            false,
        ),
        (
            ServerRecord { auth_type: AuthType::UserOidc, ..record() },
            nothing(),
            (Misconfigured, "auth_type_not_available"),
            true,
        ),
    ];
    for auth_type in AuthType::ALL {
        assert!(cases.iter().any(|(server, ..)| server.auth_type == *auth_type), "{auth_type:?}");
    }
    for (server, access, status, connected) in cases {
        assert_eq!(auth_status(&server, &access), status, "{server:?} {access:?}");
        let wire = to_wire(&server, Viewer { unredacted: true }, &access);
        assert_eq!((wire.auth_status, wire.auth_connected), (status.0, connected), "{server:?} {access:?}");
        // Whoever can mend it is told what.
        let problems = wire.config_problems.unwrap();
        assert_eq!(problems.is_empty(), status.0 != Misconfigured, "{problems:?}");
    }
}

#[test]
fn everything_that_is_missing_is_named() {
    let bare = ServerRecord {
        oauth2: OAuth2Settings { secret_wiped: true, ..OAuth2Settings::default() },
        ..with_oauth2()
    };
    let fields: Vec<String> =
        config_problems(&bare, &Access::default()).into_iter().map(|problem| problem.field).collect();
    assert_eq!(fields, ["oauth2_client_id", "oauth2_auth_url", "oauth2_token_url", "oauth2_client_secret"]);
}

fn token(state: TokenState) -> Access {
    Access { own: OwnCredential::Token(state), ..Access::default() }
}

fn expired() -> TokenState {
    TokenState { expired: true, ..TokenState::default() }
}

fn failed(failure: TokenFailure) -> TokenState {
    TokenState { failure: Some(failure), ..TokenState::default() }
}

/// A value of one's own says nothing about a type that has none.
#[test]
fn values_left_over_do_not_connect_another_type() {
    let leftover = values(&["x-token", "x-team"]);
    assert_eq!(auth_status(&record(), &leftover), (NotRequired, ""));
    assert_eq!(auth_status(&with_oauth2(), &leftover), (NotConnected, ""));
}
