//! The server's answer (RFC 7591, 3.2).

use domain::limits::{CLIENT_ID_BYTES, HEADER_VALUE_BYTES};
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::{
    auth_method::{AuthMethod, choose},
    registration::{Registered, RegistrationError},
    send::Reply,
    urls::{check_endpoint, origin},
};

pub(super) fn read(
    reply: &Reply,
    supported: Option<&[String]>,
    endpoint: &str,
) -> Result<Registered, RegistrationError> {
    // Some servers answer 200 where 201 is due.
    if !matches!(reply.status, 200 | 201) {
        return Err(RegistrationError::of_reply(reply));
    }
    match reply.object() {
        Some(members) => registered(&members, supported, endpoint),
        None => Err(RegistrationError::malformed("the answer of the authorization server is no JSON object")),
    }
}

fn registered(
    members: &Map<String, Value>,
    supported: Option<&[String]>,
    endpoint: &str,
) -> Result<Registered, RegistrationError> {
    let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let client_id = text("client_id")
        .filter(|id| is_printable(id, CLIENT_ID_BYTES))
        .ok_or_else(|| RegistrationError::malformed("the authorization server gave no usable client id"))?;
    let secret = text("client_secret");
    if secret.is_some_and(|secret| !is_printable(secret, HEADER_VALUE_BYTES)) {
        return Err(RegistrationError::malformed(
            "the authorization server gave a client secret that cannot be used",
        ));
    }
    let named = text("token_endpoint_auth_method");
    if named.is_some_and(|named| AuthMethod::parse(named).is_none()) {
        return Err(RegistrationError::malformed(
            "the authorization server registered a client login that Patchbay does not do",
        ));
    }
    let (auth_method, _) = choose(named, secret.is_some(), supported);
    // Without its token the address is of no use, and a bad one is never asked. Nor is one elsewhere: a provider must not choose which of
    // the hosts that we may reach gets a DELETE.
    let manage = text("registration_client_uri")
        .filter(|uri| check_endpoint(uri).is_ok() && origin(uri) == origin(endpoint));
    let token = text("registration_access_token").filter(|token| is_printable(token, HEADER_VALUE_BYTES));
    let (uri, token) = manage.zip(token).unzip();
    Ok(Registered {
        client_id: client_id.to_owned(),
        client_secret: secret.map(SecretString::from),
        secret_expires_at: members.get("client_secret_expires_at").and_then(expiry),
        auth_method,
        registration_client_uri: uri.map(str::to_owned),
        registration_access_token: token.map(SecretString::from),
    })
}

/// `VSCHAR` of RFC 6749, appendix A.
fn is_printable(text: &str, max: usize) -> bool {
    text.len() <= max && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
}

/// Seconds since 1970; 0 is never.
fn expiry(value: &Value) -> Option<i64> {
    let seconds = match value {
        Value::String(digits) => digits.trim().parse().ok()?,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float saturates, which is as far away as any date"
        )]
        value => value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))?,
    };
    (seconds > 0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    use super::*;

    fn read(document: &Value) -> Result<Registered, RegistrationError> {
        registered(document.as_object().unwrap(), None, "https://auth.example.com/register")
    }

    #[test]
    fn a_client_with_everything() {
        let client = read(&json!({
            "client_id": "id", "client_secret": "hunter2", "client_secret_expires_at": 1_900_000_000,
            "token_endpoint_auth_method": "client_secret_post", "redirect_uris": ["https://elsewhere.example"],
            "registration_client_uri": "https://auth.example.com/register/id", "registration_access_token": "hunter3",
        }))
        .unwrap();
        assert_eq!((client.client_id.as_str(), client.auth_method), ("id", AuthMethod::Post));
        assert_eq!(client.secret_expires_at, Some(1_900_000_000));
        assert_eq!(client.registration_client_uri.as_deref(), Some("https://auth.example.com/register/id"));
        assert_eq!(client.registration_access_token.as_ref().unwrap().expose_secret(), "hunter3");
        assert!(!format!("{client:?}").contains("hunter"));
    }

    #[test]
    fn a_client_with_little() {
        for (document, method) in [
            (json!({"client_id": "id"}), AuthMethod::None),
            (json!({"client_id": "id", "client_secret": null}), AuthMethod::None),
            (json!({"client_id": "id", "client_secret": "s"}), AuthMethod::Basic),
            (
                json!({"client_id": "id", "client_secret": "s", "token_endpoint_auth_method": "none"}),
                AuthMethod::None,
            ),
            (
                json!({"client_id": "id", "token_endpoint_auth_method": "client_secret_basic"}),
                AuthMethod::None,
            ),
        ] {
            let client = read(&document).unwrap();
            assert_eq!(client.auth_method, method, "{document}");
            assert!(client.registration_client_uri.is_none() && client.secret_expires_at.is_none());
        }
        for (uri, token) in [
            (json!("javascript:x"), json!("t")),
            (json!("https://auth.example.com/c"), json!(null)),
            // Elsewhere: nobody chooses a host for us.
            (json!("https://internal.example/things/7"), json!("t")),
            (json!("https://auth.example.com:8443/c"), json!("t")),
            (json!(7), json!("t")),
        ] {
            let client =
                read(&json!({"client_id": "i", "registration_client_uri": uri, "registration_access_token": token})).unwrap();
            assert!(client.registration_client_uri.is_none() && client.registration_access_token.is_none());
        }
    }

    #[test]
    fn what_is_no_client() {
        for document in [
            json!({}),
            json!({"client_id": ""}),
            json!({"client_id": 7}),
            json!({"client_id": "a\nb"}),
            json!({"client_id": "x".repeat(CLIENT_ID_BYTES + 1)}),
            json!({"client_id": "id", "client_secret": "a\r\nb"}),
            // threat 14
            json!({"client_id": "id", "token_endpoint_auth_method": "private_key_jwt"}),
        ] {
            assert!(read(&document).is_err(), "{document}");
        }
    }

    #[test]
    fn ends_of_secrets() {
        for (value, expected) in [
            (json!(0), None),
            (json!(-1), None),
            (json!("0"), None),
            (json!("1900000000"), Some(1_900_000_000)),
            (json!(1.9e9), Some(1_900_000_000)),
            (json!(1e300), Some(i64::MAX)),
            (json!("never"), None),
            (json!(null), None),
        ] {
            assert_eq!(expiry(&value), expected, "{value}");
        }
    }
}
