//! One request to an authorization server, without redirects, and what can be said of its answer in words of our own.

use std::time::Duration;

use egress::{Egress, EgressError, Limits, Request, Reuse};
use http::{HeaderMap, Method, header::RETRY_AFTER};
use serde_json::{Map, Value};
use url::Url;

use crate::{
    limits::{ANSWER_BODY, ERROR_CODE_BYTES, RETRY_AFTER_MAX},
    urls::check_endpoint,
};

/// An answer, whole.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn object(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The provider's error code (RFC 6749, 5.2), if it is one: a short word, never a sentence.
    pub(crate) fn error_code(&self) -> Option<String> {
        error_code(self.object()?.get("error")?)
    }

    /// Overload, faults and timeouts on the other side.
    pub(crate) fn is_transient(&self) -> bool {
        self.status >= 500 || matches!(self.status, 408 | 425 | 429)
    }
}

/// A code that may be shown: letters, digits and what joins them.
pub(crate) fn error_code(value: &Value) -> Option<String> {
    let code = value.as_str().filter(|code| !code.is_empty() && code.len() <= ERROR_CODE_BYTES)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    code.bytes().all(plain).then(|| code.to_owned())
}

/// Sends, and reads the whole answer within `wait`.
pub(crate) async fn send(
    egress: &Egress,
    method: Method,
    url: &str,
    headers: HeaderMap,
    body: Vec<u8>,
    wait: Duration,
) -> Result<Reply, EgressError> {
    // It was checked when it was stored; secrets go along, so it is checked again.
    check_endpoint(url).map_err(EgressError::InvalidUrl)?;
    let parsed = Url::parse(url).map_err(|_| EgressError::InvalidUrl("it cannot be read"))?;
    let mut request = Request::new(method, parsed, body.into());
    request.headers = headers;
    request.reuse = Reuse::Never;
    request.limits = Limits {
        first_byte: wait,
        idle: wait,
        total: Some(wait),
        max_body: ANSWER_BODY,
        ..Limits::default()
    };
    let response = egress.send(request).await?;
    let status = response.status.as_u16();
    let retry_after = response.headers.get(RETRY_AFTER).and_then(|value| seconds(value.to_str().ok()?));
    Ok(Reply { status, retry_after, body: response.bytes().await?.to_vec() })
}

/// The form with seconds (RFC 9110, 10.2.3). A date would be read against a clock that may differ from the peer's.
fn seconds(value: &str) -> Option<Duration> {
    let value = value.trim();
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than fit are just a long time.
    digits.then(|| value.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn codes_are_words() {
        for good in ["invalid_grant", "AADSTS70008", "x.y-z"] {
            assert_eq!(error_code(&json!(good)).as_deref(), Some(good));
        }
        for bad in
            [json!(""), json!("a b"), json!("<b>"), json!("a\n"), json!("ä"), json!(7), json!("x".repeat(65))]
        {
            assert_eq!(error_code(&bad), None, "{bad}");
        }
    }

    #[test]
    fn pauses_are_bounded() {
        for (value, expected) in [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("999999", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("-1", None),
            ("", None),
            ("1.5", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ] {
            assert_eq!(seconds(value).map(|pause| pause.as_secs()), expected, "{value}");
        }
    }
}
