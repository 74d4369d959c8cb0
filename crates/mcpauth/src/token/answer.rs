//! Answers of a token endpoint (RFC 6749, 5).

use std::time::Duration;

use domain::oauth::scopes;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::{
    auth_method::AuthMethod,
    limits::{EXPIRES_IN_MAX, EXPIRES_IN_MIN, TOKEN_BYTES},
    send::{Reply, error_code},
    token::{Grant, TokenError, TokenErrorKind},
};

pub(super) fn read(reply: &Reply, method: AuthMethod) -> Result<Grant, TokenError> {
    // A fault behind a proxy may repeat any error code; only the server's own word ends a grant.
    if reply.is_transient() {
        let message = format!("the provider cannot answer now (HTTP {})", reply.status);
        return Err(TokenError::answered(
            TokenErrorKind::Transient { retry_after: reply.retry_after },
            message,
        ));
    }
    let members = reply.object();
    if let Some(refused) = members.as_ref().and_then(|members| refusal(members, reply, method)) {
        return Err(refused);
    }
    if !(200..300).contains(&reply.status) {
        return Err(refused(None, reply.status));
    }
    let Some(members) = members else { return Err(malformed("is no JSON object")) };
    grant(&members)
}

/// An error, under any status: some providers send it with 200.
fn refusal(members: &Map<String, Value>, reply: &Reply, method: AuthMethod) -> Option<TokenError> {
    let error = members.get("error").filter(|error| !error.is_null() && error.as_str() != Some(""))?;
    let code = error_code(error);
    Some(match code.as_deref() {
        Some(code @ ("invalid_grant" | "bad_refresh_token")) => TokenError::answered(
            TokenErrorKind::InvalidGrant,
            format!("the provider does not accept this sign-in any more ({code})"),
        ),
        Some("invalid_client") => TokenError::answered(
            TokenErrorKind::InvalidClient,
            format!("the provider refused our client login (method {method})"),
        ),
        Some(code @ ("temporarily_unavailable" | "server_error" | "slow_down")) => TokenError::answered(
            TokenErrorKind::Transient { retry_after: reply.retry_after },
            format!("the provider cannot answer now ({code})"),
        ),
        _ => refused(code, reply.status),
    })
}

fn refused(code: Option<String>, status: u16) -> TokenError {
    let message = match &code {
        Some(code) => format!("the provider refused the request ({code})"),
        None => format!("the provider refused the request (HTTP {status})"),
    };
    TokenError::answered(TokenErrorKind::Refused { code }, message)
}

fn malformed(how: &str) -> TokenError {
    TokenError::answered(TokenErrorKind::Malformed, format!("the answer of the provider {how}"))
}

fn grant(members: &Map<String, Value>) -> Result<Grant, TokenError> {
    let text = |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let access_token = text("access_token").ok_or_else(|| malformed("holds no access token"))?;
    let is_bearer = text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer"));
    if !is_bearer {
        let message = "the provider gives tokens of another type than Bearer, which Patchbay cannot use";
        return Err(TokenError::answered(TokenErrorKind::NotBearer, message));
    }
    if access_token.len() > TOKEN_BYTES || !access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(malformed("holds an access token that no header can carry"));
    }
    let refresh_token = text("refresh_token");
    if refresh_token.is_some_and(|token| token.len() > TOKEN_BYTES) {
        return Err(malformed("holds a refresh token that is too long"));
    }
    Ok(Grant {
        access_token: SecretString::from(access_token),
        refresh_token: refresh_token.map(SecretString::from),
        token_type: "Bearer".to_owned(),
        expires_in: members.get("expires_in").and_then(life),
        scope: members.get("scope").and_then(granted),
    })
}

/// Seconds as a number or, from some providers, as its digits; bounded.
fn life(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(digits) => digits.trim().parse::<f64>().ok()?,
        value => value.as_f64()?,
    };
    // Compared before it is converted: a `Duration` of a negative or endless number panics.
    if seconds.is_nan() {
        None
    } else if seconds <= EXPIRES_IN_MIN.as_secs_f64() {
        Some(EXPIRES_IN_MIN)
    } else if seconds >= EXPIRES_IN_MAX.as_secs_f64() {
        Some(EXPIRES_IN_MAX)
    } else {
        Some(Duration::from_secs_f64(seconds.floor()))
    }
}

/// One text, or a list of some providers.
fn granted(value: &Value) -> Option<String> {
    let listed;
    let text = match value {
        Value::String(text) => text,
        Value::Array(scopes) => {
            listed = scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
            &listed
        }
        _ => return None,
    };
    Some(scopes::union(text, "")).filter(|scopes| !scopes.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lives_are_bounded() {
        for (value, seconds) in [
            (json!(3600), Some(3600)),
            (json!("3600"), Some(3600)),
            (json!(3599.9), Some(3599)),
            (json!(0), Some(90)),
            (json!(-5), Some(90)),
            (json!(1e300), Some(2_592_000)),
            (json!("inf"), Some(2_592_000)),
            (json!("-inf"), Some(90)),
            (json!("NaN"), None),
            (json!("soon"), None),
            (json!(null), None),
            (json!([3600]), None),
            (json!(u64::MAX), Some(2_592_000)),
        ] {
            assert_eq!(life(&value).map(|life| life.as_secs()), seconds, "{value}");
        }
    }

    #[test]
    fn granted_scopes_are_cleaned() {
        for (value, expected) in [
            (json!("a  b a"), Some("a b")),
            (json!(["a", "b", 7]), Some("a b")),
            (json!(""), None),
            (json!("\u{202e}\""), None),
            (json!(7), None),
        ] {
            assert_eq!(granted(&value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn nothing_of_a_grant_can_be_printed() {
        let members = json!({"access_token": "hunter2", "refresh_token": "hunter3", "token_type": "bEaReR", "id_token": "hunter4"});
        let grant = grant(members.as_object().unwrap()).unwrap();
        assert!(!format!("{grant:?}").contains("hunter"));
        assert_eq!(grant.token_type, "Bearer");
    }

    #[test]
    fn tokens_that_no_header_can_carry() {
        for token in ["a b", "a\r\nX: y", "ä", &"a".repeat(TOKEN_BYTES + 1)] {
            let members = json!({"access_token": token, "token_type": "Bearer"});
            let error = grant(members.as_object().unwrap()).unwrap_err();
            assert_eq!(error.kind, TokenErrorKind::Malformed);
            assert!(!error.public_message().contains(token));
        }
    }
}
