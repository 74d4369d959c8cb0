//! The OAuth fields (behaviour 3, 5 and 6).

use super::*;
use crate::SecretChange;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn manual() -> ServerWrite {
    ServerWrite {
        auth_type: some("oauth2"),
        oauth2_client_id: some("client-7"),
        oauth2_auth_url: some("https://id.example.com/authorize"),
        oauth2_token_url: some("https://id.example.com/token"),
        ..minimal()
    }
}

fn patch(current: &ServerRecord, write: ServerWrite) -> Result<ServerChange, Vec<Validation>> {
    merge_update(current, &write, &policy())
}

#[test]
fn all_three_by_hand_or_none() {
    let draft = validate_create(&manual(), &policy()).unwrap();
    assert_eq!(draft.merged.oauth2.registration, Some(OAuth2Registration::Manual));
    assert!(!draft.discover);
    assert_eq!(draft.oauth2_secret, SecretChange::Clear, "a public client");
    // Which of the three is given, and what is refused.
    for bits in 1..7_u8 {
        let pick = |bit: u8, text: Option<String>| text.filter(|_| bits & bit != 0);
        let write = ServerWrite {
            oauth2_client_id: pick(1, manual().oauth2_client_id),
            oauth2_auth_url: pick(2, manual().oauth2_auth_url),
            oauth2_token_url: pick(4, manual().oauth2_token_url),
            ..manual()
        };
        for problems in
            [validate_create(&write, &policy()).unwrap_err(), patch(&record(), write.clone()).unwrap_err()]
        {
            let missing: Vec<&str> =
                [(1, "oauth2_client_id"), (2, "oauth2_auth_url"), (4, "oauth2_token_url")]
                    .into_iter()
                    .filter(|(bit, _)| bits & bit == 0)
                    .map(|(_, field)| field)
                    .collect();
            assert_eq!(problems.iter().map(|p| p.field.as_str()).collect::<Vec<_>>(), missing);
            for problem in problems {
                assert!(
                    problem.detail.contains("manual setup") && problem.detail.contains("discovery"),
                    "{problem:?}"
                );
            }
        }
    }
}

#[test]
fn a_secret_needs_its_client() {
    let lone = ServerWrite { auth_type: some("oauth2"), oauth2_client_secret: some("s"), ..minimal() };
    let fields = |problems: Vec<Validation>| problems.into_iter().map(|p| p.field).collect::<Vec<_>>();
    let refused = fields(validate_create(&lone, &policy()).unwrap_err());
    assert_eq!(refused, ["oauth2_client_secret"]);
    let whole = ServerWrite { oauth2_client_secret: some(" s "), ..manual() };
    let draft = validate_create(&whole, &policy()).unwrap();
    assert_eq!(draft.oauth2_secret, SecretChange::Set("s".into()));
    assert!(draft.merged.has_oauth2_secret && !format!("{draft:?}").contains("\"s\""));
}

#[test]
fn single_field_rules() {
    let long = "x".repeat(8193);
    for (field, values) in [
        ("oauth2_client_id", vec!["a\nb", "sch\u{fc}ssel", &long[..2049]]),
        ("oauth2_client_secret", vec!["a\r\nb", "a\0", &long]),
        (
            "oauth2_auth_url",
            vec![
                "x",
                "http://id.example.com/a",
                "http://10.0.0.1/a",
                "javascript:alert(1)",
                "data:text/html,x",
                "file:///etc/passwd",
                "https://u:p@id.example.com/",
                "https://id.example.com/#x",
            ],
        ),
        ("oauth2_token_url", vec!["http://id.example.com/t", "//id.example.com"]),
        ("oauth2_revocation_url", vec!["http://id.example.com/r", "ftp://x/"]),
        ("oauth2_scopes", vec!["a\nb", "a \"b\"", "a\\b", &long[..4097]]),
        ("oauth2_issuer", vec!["http://id.example.com", "https://id.example.com/?x=1", "issuer"]),
    ] {
        for value in values {
            let mut write = manual();
            let place = match field {
                "oauth2_client_id" => &mut write.oauth2_client_id,
                "oauth2_client_secret" => &mut write.oauth2_client_secret,
                "oauth2_auth_url" => &mut write.oauth2_auth_url,
                "oauth2_token_url" => &mut write.oauth2_token_url,
                "oauth2_revocation_url" => &mut write.oauth2_revocation_url,
                "oauth2_scopes" => &mut write.oauth2_scopes,
                _ => &mut write.oauth2_issuer,
            };
            *place = some(value);
            assert_eq!(fields(validate_create(&write, &policy())), [field], "{value:?}");
            assert_eq!(fields(patch(&with_oauth2(), write)), [field], "{value:?}");
        }
    }
    let write = ServerWrite {
        oauth2_scopes: some("  read   write\tmcp:tools "),
        oauth2_auth_url: some("http://127.0.0.1:9/a"),
        oauth2_token_url: some("http://localhost:9/t"),
        oauth2_issuer: some("http://[::1]:9"),
        ..manual()
    };
    let oauth2 = validate_create(&write, &policy()).unwrap().merged.oauth2;
    assert_eq!(oauth2.scopes, "read write mcp:tools");
    assert_eq!(oauth2.issuer, "http://[::1]:9");
}

/// Behaviour 6, point 5: what each change takes with it.
#[test]
fn the_client_secret_stays_with_its_endpoints() {
    let none = ServerWrite::default;
    for (what, write, wiped) in [
        ("nothing", none(), false),
        ("path", ServerWrite { url: some("https://mcp.example.com/other"), ..none() }, false),
        ("origin", ServerWrite { url: some("https://evil.example/mcp"), ..none() }, true),
        ("client", ServerWrite { oauth2_client_id: some("other"), ..none() }, true),
        ("auth", ServerWrite { oauth2_auth_url: some("https://evil.example/a"), ..none() }, true),
        ("token", ServerWrite { oauth2_token_url: some("https://evil.example/t"), ..none() }, true),
        ("revocation", ServerWrite { oauth2_revocation_url: some(""), ..none() }, true),
        ("issuer", ServerWrite { oauth2_issuer: some("https://evil.example"), ..none() }, true),
        ("scopes", ServerWrite { oauth2_scopes: some("read"), ..none() }, false),
        ("same", ServerWrite { oauth2_client_id: some("client-7"), ..none() }, false),
    ] {
        let change = patch(&with_oauth2(), write.clone()).unwrap();
        let expected = if wiped { vec!["oauth2_client_secret".to_owned()] } else { vec![] };
        assert_eq!(change.cleared.fields, expected, "{what}");
        assert_eq!(change.merged.has_oauth2_secret, !wiped, "{what}");
        assert_eq!(change.merged.oauth2.secret_wiped, wiped, "{what}");
        if wiped {
            assert!(change.credentials_changed);
            let again = ServerWrite { oauth2_client_secret: some("new"), ..write };
            let again = patch(&with_oauth2(), again).unwrap();
            assert!(again.cleared.fields.is_empty() && !again.merged.oauth2.secret_wiped, "{what}");
            // Whoever says that there is none is believed.
            let public = ServerWrite { oauth2_client_secret: some(""), ..none() };
            assert!(!patch(&change.merged, public).unwrap().merged.oauth2.secret_wiped, "{what}");
        }
    }
}

#[test]
fn what_discovery_found_is_wiped_with_the_origin_and_then_needed_again() {
    let discovered = ServerRecord {
        oauth2: OAuth2Settings { registration: Some(OAuth2Registration::Dcr), ..with_oauth2().oauth2 },
        ..with_oauth2()
    };
    let moved = ServerWrite { url: some("https://evil.example/mcp"), ..ServerWrite::default() };
    let again = patch(&discovered, moved.clone()).unwrap();
    assert!(again.discover && again.merged.oauth2.client_id.is_empty());
    // Set up by hand in the same request: the rest of what was found goes.
    let by_hand = ServerWrite { url: moved.url, auth_type: None, ..manual() };
    let by_hand = patch(&discovered, by_hand).unwrap();
    assert_eq!(by_hand.merged.oauth2.registration, Some(OAuth2Registration::Manual));
    assert_eq!(by_hand.cleared.fields, ["oauth2_revocation_url", "oauth2_issuer", "oauth2_client_secret"]);
    assert!(by_hand.merged.oauth2.revocation_url.is_empty() && by_hand.merged.oauth2.issuer.is_empty());
    // The issuer of a discovered setup is not for people to write.
    let issuer = ServerWrite { oauth2_issuer: some("https://other.example"), ..ServerWrite::default() };
    assert_eq!(fields(patch(&discovered, issuer.clone())), ["oauth2_issuer"]);
    assert_eq!(patch(&with_oauth2(), issuer).unwrap().merged.oauth2.issuer, "https://other.example");
}

#[test]
fn none_of_the_three_is_discovery() {
    let empty = || some("");
    let write = ServerWrite { auth_type: some("oauth2"), oauth2_scopes: some("read"), ..minimal() };
    let draft = validate_create(&write, &policy()).unwrap();
    assert!(draft.discover && draft.merged.oauth2.registration.is_none());
    assert_eq!(draft.merged.oauth2.scopes, "read", "scopes sent along are used");
    let changed = patch(&record(), write).unwrap();
    assert!(changed.discover && changed.credentials_changed);
    let all = ServerWrite {
        oauth2_client_id: empty(),
        oauth2_auth_url: empty(),
        oauth2_token_url: empty(),
        ..ServerWrite::default()
    };
    let anew = patch(&with_oauth2(), all.clone()).unwrap();
    assert!(anew.discover);
    assert_eq!(anew.user_tokens, UserTokensWipe::All);
    let one = ServerWrite { oauth2_token_url: empty(), ..ServerWrite::default() };
    assert_eq!(fields(patch(&with_oauth2(), one)), ["oauth2_token_url"]);
    // A mistake is no blank.
    let wrong = ServerWrite {
        oauth2_token_url: some("nonsense"),
        oauth2_client_id: empty(),
        oauth2_auth_url: empty(),
        ..ServerWrite::default()
    };
    assert_eq!(fields(patch(&with_oauth2(), wrong)), ["oauth2_token_url"]);
    // Away from the type they may go, and go anyway.
    let none = patch(&with_oauth2(), ServerWrite { auth_type: some("none"), ..all }).unwrap();
    assert!(!none.discover);
    assert_eq!(none.merged.oauth2, OAuth2Settings::default());
    assert_eq!(none.oauth2_secret, SecretChange::Clear);
    assert_eq!(none.user_tokens, UserTokensWipe::All);
    assert_eq!(none.cleared.fields.len(), 7, "{:?}", none.cleared.fields);
}

/// Behaviour 6, point 5: which edits take the users' tokens.
#[test]
fn tokens_stay_where_they_were_meant_for() {
    let none = ServerWrite::default;
    for (what, write, wipe) in [
        ("nothing", none(), UserTokensWipe::Nothing),
        ("name", ServerWrite { display_name: some("Other"), ..none() }, UserTokensWipe::Nothing),
        ("scopes", ServerWrite { oauth2_scopes: some("read"), ..none() }, UserTokensWipe::Nothing),
        ("secret", ServerWrite { oauth2_client_secret: some("new"), ..none() }, UserTokensWipe::Nothing),
        (
            "path",
            ServerWrite { url: some("https://mcp.example.com/other"), ..none() },
            UserTokensWipe::UnfitResource,
        ),
        ("origin", ServerWrite { url: some("https://evil.example/mcp"), ..none() }, UserTokensWipe::All),
        ("client", ServerWrite { oauth2_client_id: some("other"), ..none() }, UserTokensWipe::All),
        (
            "auth",
            ServerWrite { oauth2_auth_url: some("https://evil.example/a"), ..none() },
            UserTokensWipe::All,
        ),
        (
            "token",
            ServerWrite { oauth2_token_url: some("https://evil.example/t"), ..none() },
            UserTokensWipe::All,
        ),
        ("revocation", ServerWrite { oauth2_revocation_url: some(""), ..none() }, UserTokensWipe::All),
        (
            "issuer",
            ServerWrite { oauth2_issuer: some("https://evil.example"), ..none() },
            UserTokensWipe::All,
        ),
        ("type", ServerWrite { auth_type: some("none"), ..none() }, UserTokensWipe::All),
    ] {
        assert_eq!(patch(&with_oauth2(), write).unwrap().user_tokens, wipe, "{what}");
    }
}
