//! Files of chats (behaviour 17). What comes back is never a document of this origin: images that browsers draw without running
//! anything may be shown in place, everything else is saved.

use super::{
    auth::SignedIn,
    error::{ApiError, ApiResult},
    router::{AppState, parse_id},
};
use api::chats::ChatFile;
use axum::{
    body::Body,
    extract::{Path, Query, State},
    response::{IntoResponse as _, Response},
};
use domain::files::{FILE_BYTES, UNKNOWN_TYPE, is_shown};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};
use serde::Deserialize;
use std::{fmt::Write as _, time::Duration};
use utoipa::IntoParams;

/// Longest wait for the bytes of a file.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadQuery {
    /// The name of the file; what stands before a slash is dropped.
    name: String,
}

/// Stores a file for a message that is yet to be sent. The body is the file, `Content-Type` says what it is.
#[utoipa::path(
    post, path = "/api/experimental/chats/files", tag = "chats",
    params(UploadQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The bytes of the file, at most 10 MiB"),
    responses((status = 201, body = ChatFile)),
)]
pub(crate) async fn upload(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Query(query): Query<UploadQuery>,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<(StatusCode, axum::Json<ChatFile>)> {
    let read = tokio::time::timeout(READ_TIMEOUT, axum::body::to_bytes(body, FILE_BYTES));
    let data = match read.await {
        Ok(Ok(data)) => data,
        Ok(Err(_)) => {
            return Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The file is larger than 10 MiB, or it did not arrive whole.",
            ));
        }
        Err(_) => return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "The file did not arrive in time.")),
    };
    let claimed = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let stored = state.service.file_upload(&ctx, &query.name, claimed, &data).await?;
    Ok((StatusCode::CREATED, axum::Json(stored)))
}

/// The bytes of an own file.
#[utoipa::path(
    get, path = "/api/experimental/chats/files/{file}", tag = "chats",
    params(("file" = Uuid, Path, description = "The file")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404)),
)]
pub(crate) async fn download(
    State(state): State<AppState>,
    SignedIn(ctx): SignedIn,
    Path(file): Path<String>,
) -> ApiResult<Response> {
    let (file, data) = state.service.file_get(&ctx, parse_id("file", &file)?).await?;
    let shown = is_shown(&file.media_type);
    let kind = if shown { file.media_type.as_str() } else { UNKNOWN_TYPE };
    let mut response = data.into_response();
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(CONTENT_TYPE, kind);
    set(CONTENT_DISPOSITION, &disposition(if shown { "inline" } else { "attachment" }, &file.name));
    // Whatever a browser makes of it, it is a document without rights.
    set(CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
    Ok(response)
}

/// RFC 6266: the name in UTF-8, percent-encoded, so that nothing of it is syntax.
fn disposition(kind: &str, name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    format!("{kind}; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_syntax() {
        assert_eq!(
            disposition("attachment", "a\"; x=\r\nä"),
            "attachment; filename*=UTF-8''a%22%3B%20x%3D%0D%0A%C3%A4"
        );
    }
}
