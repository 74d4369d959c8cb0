//! What a save removes, said before it (behaviour 6, point 5): secrets, settings of the type that is left, what users entered.

use crate::pages::admin::servers::words::origin;
use api::servers::{AuthType, McpServer, ServerConnection, ServerWrite};

/// A list this long is the first page of more (`connection_list`).
const COUNTED: usize = 1000;

/// In words, in the order of the form. `connections` is None while it is not known who is connected.
pub(super) fn removed_by_save(
    saved: &McpServer,
    write: &ServerWrite,
    connections: Option<&[ServerConnection]>,
) -> Vec<String> {
    let moved = write.url.as_deref().is_some_and(|url| origin(url) != origin(&saved.url));
    let left = write.auth_type.as_deref() != Some(saved.auth_type.as_str());
    let mut gone = Vec::new();
    // When the origin moves and it is not sent again, or when it is removed by hand.
    let removed = |bound_moved: bool, sent: Option<bool>| sent.map_or(bound_moved, |filled| !filled);
    // A secret of an authentication goes when its type is left, too.
    let mut secret = |stored: bool, bound_moved: bool, sent: Option<bool>, name: &str| {
        if stored && (left || removed(bound_moved, sent)) {
            gone.push(name.to_owned());
        }
    };
    let filled = |text: &Option<String>| text.as_ref().map(|text| !text.is_empty());
    secret(saved.has_api_key, moved, filled(&write.api_key_value), "the API key");
    secret(
        saved.has_custom_headers,
        moved,
        write.custom_headers.as_ref().map(|_| true),
        "the custom headers",
    );
    secret(
        saved.has_oauth2_secret,
        moved || provider_changed(saved, write),
        filled(&write.oauth2_client_secret),
        "the client secret",
    );
    // Belongs to no type.
    if saved.has_signing_secret && removed(moved, filled(&write.signing_secret)) {
        gone.push("the signing secret".to_owned());
    }
    let found = matches!(saved.oauth2_registration.as_deref(), Some("cimd" | "dcr"));
    match saved.auth_type {
        AuthType::Oauth2 if left => gone.push("the OAuth settings".to_owned()),
        AuthType::Oauth2 if found && (moved || write.oauth2_client_id.is_some()) => {
            gone.push("what discovery found".to_owned());
        }
        AuthType::Oauth2
            if saved.oauth2_client_id.is_some() && write.oauth2_client_id.as_deref() == Some("") =>
        {
            gone.push("the client you entered".to_owned());
        }
        AuthType::UserHeader if left => gone.push("the list of personal headers".to_owned()),
        _ => {}
    }
    let Some(users) = counted(connections) else { return gone };
    if saved.auth_type == AuthType::UserHeader {
        let names = names_gone(saved, write);
        if moved || left {
            gone.push(format!("the personal values of {users}"));
        } else if !names.is_empty() {
            gone.push(format!("the personal values of {users} for {}", names.join(", ")));
        }
    }
    if saved.auth_type == AuthType::Oauth2
        && (moved || left || provider_changed(saved, write) || leaves_audience(saved, write))
    {
        gone.push(format!("the sign-ins of {users}, who have to connect again"));
    }
    gone
}

/// How many users have something to lose; `None`: nobody has.
fn counted(connections: Option<&[ServerConnection]>) -> Option<String> {
    match connections {
        None => Some("its users".to_owned()),
        Some([]) => None,
        Some([_]) => Some("1 user".to_owned()),
        Some(many) if many.len() >= COUNTED => Some(format!("at least {COUNTED} users")),
        Some(many) => Some(format!("{} users", many.len())),
    }
}

/// Whether the address leaves what tokens were issued for (protocol.md R1): another path, unless the audience is wide enough.
fn leaves_audience(saved: &McpServer, write: &ServerWrite) -> bool {
    let Some(url) = write.url.as_deref().map(str::trim).filter(|url| *url != saved.url) else { return false };
    let resource = saved.oauth2_client.as_ref().map_or(saved.url.as_str(), |client| &client.resource);
    let path = |url: &str| {
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest.find('/').map_or("", |start| &rest[start..]);
        path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_owned()
    };
    let (wider, own) = (path(resource), path(url));
    let inside =
        own.strip_prefix(wider.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    origin(resource) != origin(url) || !inside
}

/// Whether the client secret would go to another provider, or belong to another client.
fn provider_changed(saved: &McpServer, write: &ServerWrite) -> bool {
    [
        (&saved.oauth2_client_id, &write.oauth2_client_id),
        (&saved.oauth2_auth_url, &write.oauth2_auth_url),
        (&saved.oauth2_token_url, &write.oauth2_token_url),
        (&saved.oauth2_revocation_url, &write.oauth2_revocation_url),
        (&saved.oauth2_issuer, &write.oauth2_issuer),
    ]
    .into_iter()
    .any(|(stored, sent)| {
        sent.as_ref().is_some_and(|sent| sent.trim() != stored.as_deref().unwrap_or_default())
    })
}

/// Names that the server would no longer ask for.
fn names_gone(saved: &McpServer, write: &ServerWrite) -> Vec<String> {
    let Some(sent) = &write.user_headers else { return Vec::new() };
    let kept = |name: &str| sent.iter().any(|header| header.name.trim().eq_ignore_ascii_case(name));
    saved.user_headers.iter().map(|header| header.name.clone()).filter(|name| !kept(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};
    use api::servers::UserHeader;

    fn edit(url: &str, auth_type: &str) -> ServerWrite {
        ServerWrite { url: Some(url.into()), auth_type: Some(auth_type.into()), ..ServerWrite::default() }
    }

    const HERE: &str = "https://mcp.example.com/mcp";
    const ELSEWHERE: &str = "https://evil.example.com/mcp";

    #[test]
    fn a_signing_secret_goes_with_its_origin_and_with_nothing_else() {
        let saved = sample::server("none", serde_json::json!({"has_signing_secret": true}));
        let with =
            |edit: ServerWrite, secret: &str| ServerWrite { signing_secret: Some(secret.into()), ..edit };
        let gone = vec!["the signing secret".to_owned()];
        for (edit, expected) in [
            (edit(HERE, "none"), vec![]),
            (edit(HERE, "api_key"), vec![]),
            (edit(ELSEWHERE, "none"), gone.clone()),
            (with(edit(ELSEWHERE, "none"), "0123456789abcdef"), vec![]),
            (with(edit(HERE, "none"), ""), gone),
        ] {
            assert_eq!(removed_by_save(&saved, &edit, None), expected, "{edit:?}");
        }
    }

    #[test]
    fn what_an_edit_wipes_is_said_before() {
        let saved = sample::server("api_key", serde_json::json!({"has_api_key": true}));
        let with_key =
            |url: &str, key: &str| ServerWrite { api_key_value: Some(key.into()), ..edit(url, "api_key") };
        let key = vec!["the API key".to_owned()];
        for (edit, gone) in [
            (edit(HERE, "api_key"), vec![]),
            (edit("https://mcp.example.com/other", "api_key"), vec![]),
            (edit(ELSEWHERE, "api_key"), key.clone()),
            (with_key(ELSEWHERE, "new"), vec![]),
            (with_key(HERE, ""), key.clone()),
            (edit(HERE, "none"), key.clone()),
            (edit("http://mcp.example.com/mcp", "api_key"), key),
        ] {
            assert_eq!(removed_by_save(&saved, &edit, Some(&[])), gone, "{edit:?}");
        }
    }

    #[test]
    fn a_client_secret_goes_with_its_provider() {
        let stored = serde_json::json!({
            "has_oauth2_secret": true, "oauth2_client_id": "client", "oauth2_auth_url": "https://id.example/a",
            "oauth2_token_url": "https://id.example/t",
        });
        let saved = sample::server("oauth2", stored);
        let same = ServerWrite {
            oauth2_client_id: Some(" client ".into()),
            oauth2_auth_url: Some("https://id.example/a".into()),
            oauth2_token_url: Some("https://id.example/t".into()),
            oauth2_revocation_url: Some(String::new()),
            oauth2_issuer: Some(String::new()),
            oauth2_scopes: Some("other scopes".into()),
            ..edit(HERE, "oauth2")
        };
        let moved = ServerWrite { oauth2_token_url: Some("https://evil.example/t".into()), ..same.clone() };
        let sent_again = ServerWrite { oauth2_client_secret: Some("again".into()), ..moved.clone() };
        let secret = "the client secret".to_owned();
        assert_eq!(removed_by_save(&saved, &same, Some(&[])), Vec::<String>::new());
        assert_eq!(removed_by_save(&saved, &moved, Some(&[])), vec![secret.clone()]);
        assert_eq!(removed_by_save(&saved, &sent_again, Some(&[])), Vec::<String>::new());
        let left = removed_by_save(&saved, &edit(HERE, "none"), Some(&[]));
        assert_eq!(left, vec![secret, "the OAuth settings".to_owned()]);
    }

    #[test]
    fn users_who_would_have_to_connect_again_are_counted() {
        let client = |resource: &str| {
            serde_json::json!({"redirect_uri": "https://p.example/cb", "resource": resource, "auth_method": "none", "scopes": "",
                "scopes_source": "", "guessed": false})
        };
        let stored = |registration: &str, resource: &str| {
            sample::server(
                "oauth2",
                serde_json::json!({"oauth2_client_id": "client", "oauth2_auth_url": "https://id.example/a",
                    "oauth2_token_url": "https://id.example/t", "oauth2_registration": registration,
                    "oauth2_client": client(resource)}),
            )
        };
        let two = [sample::connection("ada"), sample::connection("bo")];
        let ends = |saved: &McpServer, edit: &ServerWrite| {
            removed_by_save(saved, edit, Some(&two))
                .iter()
                .any(|gone| gone.contains("the sign-ins of 2 users"))
        };
        const DEEPER: &str = "https://mcp.example.com/mcp/v2";
        const BESIDE: &str = "https://mcp.example.com/mcp2";
        for (resource, url, expected) in [
            (HERE, HERE, false),
            (HERE, DEEPER, false),
            (HERE, BESIDE, true),
            (HERE, "https://mcp.example.com/", true),
            ("https://mcp.example.com", BESIDE, false),
            ("https://mcp.example.com/", BESIDE, false),
            ("https://mcp.example.com", ELSEWHERE, true),
        ] {
            let saved = stored("dcr", resource);
            assert_eq!(ends(&saved, &edit(url, "oauth2")), expected, "{resource} {url}");
        }
        let manual = stored("manual", HERE);
        let issuer = ServerWrite { oauth2_issuer: Some("https://id.example".into()), ..edit(HERE, "oauth2") };
        assert!(ends(&manual, &issuer) && ends(&manual, &edit(HERE, "none")));
        let scopes = ServerWrite { oauth2_scopes: Some("other".into()), ..edit(HERE, "oauth2") };
        assert!(!ends(&manual, &scopes), "who consented to fewer is asked when it matters");
        let automatic = ServerWrite {
            oauth2_client_id: Some(String::new()),
            oauth2_auth_url: Some(String::new()),
            oauth2_token_url: Some(String::new()),
            ..edit(HERE, "oauth2")
        };
        assert_eq!(
            removed_by_save(&manual, &automatic, Some(&two[..1])),
            ["the client you entered", "the sign-ins of 1 user, who have to connect again"]
        );
        assert_eq!(removed_by_save(&manual, &automatic, Some(&[])), ["the client you entered"]);
        assert_eq!(
            removed_by_save(&stored("dcr", HERE), &edit(ELSEWHERE, "oauth2"), None),
            ["what discovery found", "the sign-ins of its users, who have to connect again"]
        );
    }

    #[test]
    fn users_who_would_lose_values_are_counted() {
        let header = |name: &str| UserHeader {
            name: name.into(),
            description: String::new(),
            value_prefix: String::new(),
        };
        let stored = serde_json::json!({"user_headers": [header("X-Key"), header("X-Team")]});
        let saved = sample::server("user_header", stored);
        let kept = ServerWrite {
            user_headers: Some(vec![header(" x-team"), header("X-KEY"), header("X-New")]),
            ..edit("https://mcp.example.com/other", "user_header")
        };
        let fewer = ServerWrite { user_headers: Some(vec![header("X-Key")]), ..kept.clone() };
        let two = [sample::connection("ada"), sample::connection("bo")];
        let none = Vec::<String>::new();
        assert_eq!(removed_by_save(&saved, &kept, Some(&two)), none);
        assert_eq!(
            removed_by_save(&saved, &fewer, Some(&two)),
            ["the personal values of 2 users for X-Team"]
        );
        assert_eq!(removed_by_save(&saved, &fewer, Some(&[])), none);
        let moved = ServerWrite { url: Some(ELSEWHERE.into()), ..kept };
        assert_eq!(removed_by_save(&saved, &moved, Some(&two[..1])), ["the personal values of 1 user"]);
        assert_eq!(removed_by_save(&saved, &moved, None), ["the personal values of its users"]);
        let left = removed_by_save(&saved, &edit(HERE, "none"), Some(&two));
        assert_eq!(left, ["the list of personal headers", "the personal values of 2 users"]);
    }
}
