use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://auth.example.com/tenant1";

fn document() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://auth.example.com/tenant1/authorize?a=b",
        "token_endpoint": "https://auth.example.com/tenant1/token",
        "code_challenge_methods_supported": ["plain", "S256"],
    })
}

fn read(document: &Value) -> Result<ServerMetadata, Refusal> {
    ServerMetadata::read(document.to_string().as_bytes(), ISSUER)
}

fn with(name: &str, value: Value) -> Result<ServerMetadata, Refusal> {
    let mut document = document();
    document[name] = value;
    read(&document)
}

#[test]
fn the_least_a_document_must_say() {
    let metadata = read(&document()).unwrap();
    assert_eq!(metadata.authorization_endpoint, "https://auth.example.com/tenant1/authorize?a=b");
    assert_eq!(metadata.registration_endpoint, None);
    assert_eq!(metadata.token_endpoint_auth_methods, None);
    assert!(
        !metadata.iss_parameter_supported && !metadata.cimd_supported && !metadata.lists_offline_access()
    );
    assert!(metadata.foreign_origins().is_empty());
}

#[test]
fn everything_a_document_may_say() {
    let mut full = document();
    full["registration_endpoint"] = json!("https://reg.example/register");
    full["revocation_endpoint"] = json!("https://AUTH.example.com:443/revoke");
    full["scopes_supported"] = json!(["openid", "offline_access", 7]);
    full["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt", "client_secret_post", null]);
    full["authorization_response_iss_parameter_supported"] = json!(true);
    full["client_id_metadata_document_supported"] = json!(true);
    full["response_types_supported"] = json!(["code", "code id_token"]);
    full["jwks_uri"] = json!("javascript:not used");
    let metadata = read(&full).unwrap();
    assert_eq!(
        metadata.token_endpoint_auth_methods,
        Some(vec!["private_key_jwt".into(), "client_secret_post".into()])
    );
    assert!(metadata.iss_parameter_supported && metadata.cimd_supported && metadata.lists_offline_access());
    let foreign = ForeignOrigin { field: "registration_endpoint", origin: "https://reg.example".into() };
    assert_eq!(metadata.foreign_origins(), [foreign]);
    let stored = serde_json::to_string(&metadata).unwrap();
    assert_eq!(serde_json::from_str::<ServerMetadata>(&stored).unwrap(), metadata);
}

/// Threat 5: twelve documents whose issuer is not identical.
#[test]
fn another_issuer_is_another_document() {
    let issuers = [
        json!("https://auth.example.com/tenant1/"),
        json!("https://auth.example.com/Tenant1"),
        json!("https://Auth.example.com/tenant1"),
        json!("https://auth.example.com:443/tenant1"),
        json!("https://auth.example.com/tenant2"),
        json!("https://auth.example.com"),
        json!("https://auth.example.com/tenant%31"),
        json!("https://auth.example.com./tenant1"),
        json!("http://auth.example.com/tenant1"),
        json!(" https://auth.example.com/tenant1"),
        json!(["https://auth.example.com/tenant1"]),
        json!(null),
    ];
    assert_eq!(issuers.len(), 12);
    for issuer in issuers {
        let refusal = with("issuer", issuer.clone()).unwrap_err();
        let Refusal::IssuerMismatch { expected, published, metadata } = refusal else {
            panic!("{issuer}: {refusal}")
        };
        assert_eq!((expected.as_str(), published.as_str()), (ISSUER, issuer.as_str().unwrap_or_default()));
        assert_eq!(metadata.unwrap().token_endpoint, "https://auth.example.com/tenant1/token");
    }
    let mut useless = document();
    useless["issuer"] = json!("https://evil.example");
    useless["token_endpoint"] = json!("javascript:x");
    assert!(matches!(read(&useless), Err(Refusal::IssuerMismatch { metadata: None, .. })));
}

/// Threat 8: PKCE not declared, or declared without S256.
#[test]
fn pkce_must_be_declared() {
    let mut absent = document();
    absent.as_object_mut().unwrap().remove("code_challenge_methods_supported");
    assert_eq!(read(&absent), Err(Refusal::NoPkce));
    for methods in [
        json!(null),
        json!([]),
        json!(["plain"]),
        json!(["s256"]),
        json!("S256"),
        json!({"S256": true}),
        json!([["S256"]]),
    ] {
        assert_eq!(
            with("code_challenge_methods_supported", methods.clone()),
            Err(Refusal::NoPkce),
            "{methods}"
        );
    }
}

/// Threat 7: an address that must not be used, in every place.
#[test]
fn bad_addresses_are_refused_in_every_place() {
    for field in ["authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint"]
    {
        for bad in crate::urls::tests::BAD.iter().filter(|bad| !bad.is_empty()) {
            assert!(
                matches!(with(field, json!(bad)), Err(Refusal::Unsafe { field: of, .. }) if of == field),
                "{field} {bad}"
            );
        }
    }
}

/// Threat 14: `private_key_jwt` is never chosen; where nothing else is offered, the cause says so.
#[test]
fn a_login_that_is_not_offered_is_named() {
    let refusal = with("token_endpoint_auth_methods_supported", json!(["private_key_jwt"])).unwrap_err();
    assert_eq!(refusal.to_string(), "it needs client login by private_key_jwt, which Patchbay does not do");
    for fine in [json!([]), json!(null), json!("none"), json!(["private_key_jwt", "none"])] {
        assert!(with("token_endpoint_auth_methods_supported", fine).is_ok());
    }
}

#[test]
fn what_else_is_refused() {
    for (field, value) in [
        ("authorization_endpoint", json!(null)),
        ("authorization_endpoint", json!(7)),
        ("token_endpoint", json!("")),
        ("token_endpoint", json!(["https://auth.example.com/token"])),
        ("response_types_supported", json!("code")),
    ] {
        assert_eq!(with(field, value), Err(Refusal::Malformed { field }));
    }
    for (field, value) in [
        ("response_types_supported", json!(["token"])),
        ("response_types_supported", json!([])),
        ("require_pushed_authorization_requests", json!(true)),
    ] {
        assert!(matches!(with(field, value), Err(Refusal::NotSupported { .. })), "{field}");
    }
    for odd in ["registration_endpoint", "scopes_supported", "client_id_metadata_document_supported"] {
        assert!(with(odd, json!(7)).is_ok(), "{odd}");
    }
    for body in ["", "<html></html>", "[]", "{}", "{\"error\":\"not found\"}"] {
        assert!(
            matches!(ServerMetadata::read(body.as_bytes(), ISSUER), Err(Refusal::NotADocument(_))),
            "{body}"
        );
    }
}

/// Threat 6: drift is seen.
#[test]
fn drift_names_what_has_moved() {
    let pinned = read(&document()).unwrap();
    assert!(pinned.drift_from(&pinned).is_empty());
    let moved = with("token_endpoint", json!("https://evil.example/token")).unwrap();
    assert_eq!(moved.drift_from(&pinned), ["token_endpoint"]);
    assert_eq!(moved.foreign_origins()[0].origin, "https://evil.example");
    let more = with("revocation_endpoint", json!("https://auth.example.com/r")).unwrap();
    assert_eq!(more.drift_from(&pinned), ["revocation_endpoint"]);
}
