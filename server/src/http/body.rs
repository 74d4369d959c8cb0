//! Request bodies: JSON of at most 1 MiB, unknown fields refused, the field at fault named (behaviour 2, threats 5 Inbound).

mod unique_keys;

use super::error::ApiError;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use serde::de::DeserializeOwned;

/// Largest JSON body, bytes.
pub(crate) const MAX_JSON: usize = 1024 * 1024;
/// Longest wait for a body.
const READ_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        says_json(request.headers())?;
        let bytes = read(request, state).await?;
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out: then every member has its default.
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let says = says_json(request.headers());
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        says?;
        parse(&bytes).map(Self)
    }
}

fn says_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::BAD_REQUEST, "Send JSON with Content-Type: application/json."))
}

/// The whole body, capped and in time.
pub(super) async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(READ_TIMEOUT, Bytes::from_request(request, state)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 1 MiB."))
        }
        Ok(Err(_)) => Err(ApiError::new(StatusCode::BAD_REQUEST, "The body could not be read.")),
        Err(_) => Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.")),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if let Some(key) = unique_keys::first_repeated(bytes) {
        return Err(ApiError::invalid(&key, "Is given twice. Send each key once."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_syntax() || inner.is_eof() {
            return ApiError::new(StatusCode::BAD_REQUEST, format!("The body is not valid JSON: {inner}."));
        }
        let text = inner.to_string();
        // serde names a missing or unknown field in its text and gives the path of the object around it.
        let named = ["unknown field `", "missing field `"].iter().find_map(|lead| {
            text.strip_prefix(lead).and_then(|rest| rest.split_once('`')).map(|(name, _)| name.to_owned())
        });
        let field = match (path.as_str(), named) {
            ("." | "?", Some(name)) => name,
            (path, Some(name)) if path.ends_with(&name) => path.to_owned(),
            (path, Some(name)) => format!("{path}.{name}"),
            (path, None) => path.to_owned(),
        };
        let detail = text.split(" at line ").next().unwrap_or(&text).to_owned();
        ApiError::invalid(&field, detail)
    })?;
    deserializer.end().map_err(|error| {
        ApiError::new(StatusCode::BAD_REQUEST, format!("The body is not valid JSON: {error}."))
    })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::servers::ServerWrite;

    #[test]
    fn the_field_at_fault_is_named() {
        for (body, field) in [
            (r#"{"colour": 1}"#, "colour"),
            (r#"{"enabled": "yes"}"#, "enabled"),
            (r#"{"tool_allow_list": [1]}"#, "tool_allow_list[0]"),
            (r#"{"custom_headers": {"X-A": 1}}"#, "custom_headers.X-A"),
            (r#"{"user_headers": [{"description": ""}]}"#, "user_headers[0].name"),
        ] {
            let error = parse::<ServerWrite>(body.as_bytes()).expect_err(body);
            assert_eq!(error.status, StatusCode::BAD_REQUEST);
            assert_eq!(error.body.validations[0].field, field, "{body}: {:?}", error.body);
        }
    }

    #[test]
    fn a_key_given_twice_is_named_wherever_it_is() {
        for (body, field) in [
            (r#"{"slug": "a", "slug": "b"}"#, "slug"),
            (r#"{"slug": "a", "sl\u0075g": "b"}"#, "slug"),
            (r#"{"custom_headers": {"X-A": "1", "X-B": "2", "X-A": "3"}}"#, "custom_headers.X-A"),
            (r#"{"user_headers": [{"name": "A"}, {"name": "B", "name": "C"}]}"#, "user_headers[1].name"),
        ] {
            let error = parse::<ServerWrite>(body.as_bytes()).expect_err(body);
            assert_eq!(error.body.validations[0].field, field, "{body}: {:?}", error.body);
        }
        assert!(parse::<ServerWrite>(br#"{"custom_headers": {"X-A": "1", "x-a": "2"}}"#).is_ok());
    }

    #[test]
    fn broken_json_says_so() {
        let deep = "[".repeat(100_000);
        for body in ["", "{", "{]", "[]x", "{\"url\": \"x\"} trailing", deep.as_str()] {
            let error = parse::<ServerWrite>(body.as_bytes()).expect_err("broken");
            assert!(
                error.body.message.contains("JSON") || !error.body.validations.is_empty(),
                "{body:.40}: {:?}",
                error.body
            );
        }
    }

    /// Threats 71: neither silence nor a byte now and then holds a request open for longer.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_408() {
        use futures::{StreamExt as _, stream};
        use tokio::time::{Duration, Instant, sleep};
        let trickle = stream::repeat(Bytes::from_static(b" ")).then(async |byte| {
            sleep(Duration::from_secs(5)).await;
            Ok::<_, std::io::Error>(byte)
        });
        for body in [
            axum::body::Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()),
            axum::body::Body::from_stream(trickle),
        ] {
            let begun = Instant::now();
            let request = Request::builder().header(CONTENT_TYPE, "application/json").body(body).unwrap();
            let refused = Json::<ServerWrite>::from_request(request, &()).await.err().expect("no body came");
            assert_eq!(refused.status, StatusCode::REQUEST_TIMEOUT, "{:?}", refused.body);
            assert_eq!(begun.elapsed(), READ_TIMEOUT);
        }
    }

    #[test]
    fn invalid_utf8_is_broken_json() {
        let error = parse::<ServerWrite>(b"{\"slug\": \"\xff\xfe\"}").expect_err("no UTF-8");
        assert_eq!((error.status, error.body.message.contains("JSON")), (StatusCode::BAD_REQUEST, true));
    }
}
