//! The cross-field matrix of behaviour 5 and 6: every authentication type, create and PATCH, every credential field.

use super::*;

/// A field that belongs to a type: its name, the type, and how to send it.
type CredentialField = (&'static str, AuthType, fn(&mut ServerWrite));

/// Every one of them.
fn credential_fields() -> Vec<CredentialField> {
    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }
    use AuthType::{ApiKey, CustomHeaders, Oauth2, UserHeader};
    vec![
        ("oauth2_client_id", Oauth2, |w| w.oauth2_client_id = some("other-client")),
        ("oauth2_client_secret", Oauth2, |w| w.oauth2_client_secret = some("s3cret")),
        ("oauth2_auth_url", Oauth2, |w| w.oauth2_auth_url = some("https://other.example/a")),
        ("oauth2_token_url", Oauth2, |w| w.oauth2_token_url = some("https://other.example/t")),
        ("oauth2_revocation_url", Oauth2, |w| w.oauth2_revocation_url = some("https://other.example/r")),
        ("oauth2_scopes", Oauth2, |w| w.oauth2_scopes = some("other")),
        ("oauth2_issuer", Oauth2, |w| w.oauth2_issuer = some("https://other.example")),
        ("api_key_header", ApiKey, |w| w.api_key_header = some("X-Other")),
        ("api_key_value", ApiKey, |w| w.api_key_value = some("other-key")),
        ("custom_headers", CustomHeaders, |w| w.custom_headers = Some(headers(&[("X-Other", "1")]))),
        ("user_headers", UserHeader, |w| w.user_headers = Some(vec![user_header("X-Other")])),
    ]
}

/// A body that is complete for the type.
fn complete(auth_type: AuthType) -> ServerWrite {
    let mut write = ServerWrite { auth_type: Some(auth_type.as_str().into()), ..minimal() };
    for (field, of, set) in credential_fields() {
        let needed = !matches!(
            field,
            "oauth2_revocation_url" | "oauth2_issuer" | "oauth2_scopes" | "oauth2_client_secret"
        );
        if of == auth_type && needed {
            set(&mut write);
        }
    }
    write
}

fn stored(auth_type: AuthType) -> ServerRecord {
    match auth_type {
        AuthType::None => record(),
        AuthType::ApiKey => with_key(),
        AuthType::CustomHeaders => with_headers(),
        AuthType::Oauth2 => with_oauth2(),
        AuthType::UserHeader => with_user_headers(),
        AuthType::UserOidc => ServerRecord { auth_type, ..record() },
    }
}

/// What is in the record of a credential field.
fn is_stored(record: &ServerRecord, field: &str) -> bool {
    match field {
        "oauth2_client_id" => !record.oauth2.client_id.is_empty(),
        "oauth2_client_secret" => record.has_oauth2_secret,
        "oauth2_auth_url" => !record.oauth2.auth_url.is_empty(),
        "oauth2_token_url" => !record.oauth2.token_url.is_empty(),
        "oauth2_revocation_url" => !record.oauth2.revocation_url.is_empty(),
        "oauth2_scopes" => !record.oauth2.scopes.is_empty(),
        "oauth2_issuer" => !record.oauth2.issuer.is_empty(),
        "api_key_header" => !record.api_key_header.is_empty(),
        "api_key_value" => record.has_api_key,
        "custom_headers" => record.has_custom_headers,
        "user_headers" => !record.user_headers.is_empty(),
        other => panic!("{other}"),
    }
}

/// Create and PATCH of a complete server of `to` (from each other type too), with one credential field more: kept under its own
/// type, dropped and listed under every other.
#[test]
fn every_credential_field_lives_under_its_own_type_only() {
    let available = AuthType::ALL.iter().copied().filter(|kind| *kind != AuthType::UserOidc);
    for to in available {
        for (field, of, set) in credential_fields() {
            let mut write = complete(to);
            set(&mut write);
            let draft =
                validate_create(&write, &policy()).unwrap_or_else(|e| panic!("{to:?} {field}: {e:?}"));
            assert_eq!(is_stored(&draft.merged, field), of == to, "create {to:?} {field}");
            assert_eq!(draft.cleared.fields.contains(&field.to_owned()), of != to, "create {to:?} {field}");
            for from in AuthType::ALL {
                let change = merge_update(&stored(*from), &write, &policy())
                    .unwrap_or_else(|e| panic!("{from:?} {to:?} {field}: {e:?}"));
                assert_eq!(is_stored(&change.merged, field), of == to, "patch {from:?} {to:?} {field}");
                assert_eq!(
                    change.cleared.fields.contains(&field.to_owned()),
                    of != to,
                    "{from:?} {to:?} {field}"
                );
                // Nothing of any other type is left, whatever was there before.
                for (other, owner, _) in credential_fields() {
                    assert!(
                        owner == to || !is_stored(&change.merged, other),
                        "{from:?} {to:?} keeps {other}"
                    );
                }
            }
        }
    }
}

/// What each type needs is refused by its name when it is missing, on create and on a PATCH to the type.
#[test]
fn every_type_names_what_it_needs() {
    for (to, expected) in [
        (AuthType::None, vec![]),
        // What it needs is discovered.
        (AuthType::Oauth2, vec![]),
        (AuthType::ApiKey, vec!["api_key_value"]),
        (AuthType::CustomHeaders, vec!["custom_headers"]),
        (AuthType::UserOidc, vec!["auth_type"]),
        (AuthType::UserHeader, vec!["user_headers"]),
    ] {
        let write = ServerWrite { auth_type: Some(to.as_str().into()), ..minimal() };
        let refused = |result: Option<Vec<Validation>>| {
            result.unwrap_or_default().into_iter().map(|p| p.field).collect::<Vec<_>>()
        };
        assert_eq!(refused(validate_create(&write, &policy()).err()), expected, "create {to:?}");
        for from in AuthType::ALL.iter().filter(|from| **from != to) {
            let result = merge_update(&stored(*from), &write, &policy()).err();
            assert_eq!(refused(result), expected, "patch {from:?} {to:?}");
        }
        // Under the same type the stored value stays.
        if to != AuthType::UserOidc {
            let same = ServerWrite { auth_type: Some(to.as_str().into()), ..ServerWrite::default() };
            let change = merge_update(&stored(to), &same, &policy()).unwrap();
            assert_eq!(change.merged, stored(to), "{to:?}");
            assert!(change.changed.is_empty());
        }
    }
}

/// Omitted, null, empty and present on PATCH, for every field that a client can send (behaviour 6, point 1).
#[test]
fn patch_of_every_field_omitted_null_empty_and_present() {
    use serde_json::{Value, json};
    // The stored server, the field, an empty value and what it does, another value and what is then stored under its name.
    let keeps = |server: &ServerRecord| {
        serde_json::to_value(to_wire(server, Viewer { unredacted: true }, &Access::default())).unwrap()
    };
    let group = Uuid::from_u128(77);
    type Case = (ServerRecord, &'static str, Value, Option<Value>, Value, Value);
    let cases: Vec<Case> = vec![
        (record(), "display_name", json!(""), None, json!("New"), json!("New")),
        (record(), "slug", json!(""), None, json!("new"), json!("new")),
        (record(), "description", json!(""), Some(json!("")), json!("New"), json!("New")),
        (record(), "icon_url", json!(""), Some(json!("")), json!("/n.svg"), json!("/n.svg")),
        (record(), "transport", json!(""), None, json!("streamable_http"), json!("streamable_http")),
        (record(), "url", json!(""), None, json!("https://n.example/"), json!("https://n.example/")),
        (record(), "auth_type", json!(""), None, json!("none"), json!("none")),
        (record(), "availability", json!(""), None, json!("force_on"), json!("force_on")),
        (record(), "tool_allow_list", json!([]), Some(json!([])), json!(["a"]), json!(["a"])),
        (record(), "tool_deny_list", json!([]), Some(json!([])), json!(["a"]), json!(["a"])),
        (record(), "tool_idempotent_list", json!([]), Some(json!([])), json!(["a"]), json!(["a"])),
        (record(), "tool_approval_list", json!([]), Some(json!([])), json!(["a"]), json!(["a"])),
        (record(), "enabled", json!(false), Some(json!(false)), json!(true), json!(true)),
        (record(), "model_intent", json!(false), Some(json!(false)), json!(true), json!(true)),
        (record(), "allowed_group_ids", json!([]), Some(json!([])), json!([group, group]), json!([group])),
        (with_key(), "api_key_header", json!(""), None, json!("X-New"), json!("X-New")),
        (with_oauth2(), "oauth2_client_id", json!(""), None, json!("new"), json!("new")),
        (
            with_oauth2(),
            "oauth2_auth_url",
            json!(""),
            None,
            json!("https://n.example/a"),
            json!("https://n.example/a"),
        ),
        (
            with_oauth2(),
            "oauth2_token_url",
            json!(""),
            None,
            json!("https://n.example/t"),
            json!("https://n.example/t"),
        ),
        (
            with_oauth2(),
            "oauth2_revocation_url",
            json!(""),
            Some(Value::Null),
            json!("https://n.example/r"),
            json!("https://n.example/r"),
        ),
        (with_oauth2(), "oauth2_scopes", json!(""), Some(Value::Null), json!("new"), json!("new")),
        (
            with_oauth2(),
            "oauth2_issuer",
            json!(""),
            Some(Value::Null),
            json!("https://n.example"),
            json!("https://n.example"),
        ),
        (
            with_user_headers(),
            "user_headers",
            json!([]),
            None,
            json!([{"name": "X-New"}]),
            json!([{"name": "X-New", "description": "", "value_prefix": ""}]),
        ),
    ];
    for (server, field, empty, emptied, present, stored) in cases {
        let patch = |value: Value| {
            let write: ServerWrite = serde_json::from_value(json!({field: value})).unwrap();
            merge_update(&server, &write, &policy())
        };
        let before = keeps(&server);
        let null = patch(Value::Null).unwrap();
        assert_eq!((keeps(&null.merged), null.changed.len()), (before.clone(), 0), "{field}: null keeps");
        match (emptied, patch(empty)) {
            (Some(expected), Ok(change)) => {
                assert_eq!(
                    keeps(&change.merged).get(field).cloned().unwrap_or(Value::Null),
                    expected,
                    "{field}: empty"
                );
            }
            (None, Err(problems)) => assert_eq!(problems[0].field, field, "{field}: empty is refused"),
            (_, other) => panic!("{field}: {other:?}"),
        }
        let change = patch(present).unwrap();
        assert_eq!(keeps(&change.merged)[field], stored, "{field}: present replaces");
        let omitted = merge_update(&server, &ServerWrite::default(), &policy()).unwrap();
        assert_eq!(keeps(&omitted.merged), before, "{field}: omitted keeps");
    }
}

/// The same of the write-only fields.
#[test]
fn patch_of_every_secret_omitted_null_empty_and_present() {
    use crate::SecretChange::{Clear, Keep, Set};
    use serde_json::json;
    let patch = |server: &ServerRecord, body: serde_json::Value| {
        merge_update(server, &serde_json::from_value(body).unwrap(), &policy())
    };
    for none in
        [json!({}), json!({"api_key_value": null, "custom_headers": null, "oauth2_client_secret": null})]
    {
        for server in [with_key(), with_headers(), with_oauth2()] {
            let change = patch(&server, none.clone()).unwrap();
            assert_eq!((change.api_key, change.custom_headers, change.oauth2_secret), (Keep, Keep, Keep));
        }
    }
    assert_eq!(patch(&with_key(), json!({"api_key_value": "n"})).unwrap().api_key, Set("n".into()));
    assert_eq!(fields(patch(&with_key(), json!({"api_key_value": ""}))), ["api_key_value"]);
    let map = patch(&with_headers(), json!({"custom_headers": {"X-N": "1"}})).unwrap();
    assert_eq!(map.custom_headers, Set(headers(&[("X-N", "1")])), "the whole map is replaced");
    assert_eq!(fields(patch(&with_headers(), json!({"custom_headers": {}}))), ["custom_headers"]);
    assert_eq!(
        patch(&with_oauth2(), json!({"oauth2_client_secret": "n"})).unwrap().oauth2_secret,
        Set("n".into())
    );
    // A public client has none, so this one may go.
    let cleared = patch(&with_oauth2(), json!({"oauth2_client_secret": ""})).unwrap();
    assert_eq!((cleared.oauth2_secret, cleared.cleared.fields), (Clear, vec![]));
}
