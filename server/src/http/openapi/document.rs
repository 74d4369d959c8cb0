//! `GET /api/v2/openapi.json`: the description as one text, made once per process.

use crate::http::router;
use axum::response::{IntoResponse as _, Response};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, ETAG},
};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// The description as it is served.
#[derive(Debug)]
pub struct Document {
    /// Pretty JSON in a stable order, with a line break at the end.
    pub text: String,
    etag: HeaderValue,
}

static PUBLISHED: LazyLock<Document> = LazyLock::new(|| {
    let text = router::description().to_pretty_json().unwrap_or_default() + "\n";
    let hex = domain::text::hex(&Sha256::digest(text.as_bytes())[..16]);
    let etag = HeaderValue::from_str(&format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""));
    Document { text, etag }
});

/// The description of this build.
#[must_use]
pub fn published() -> &'static Document {
    &PUBLISHED
}

/// This description.
#[utoipa::path(
    get, path = "/api/v2/openapi.json", tag = "operations",
    responses(
        (status = 200, description = "An OpenAPI 3.1 document.", body = serde_json::Value,
            headers(("ETag" = String, description = "Version of the document, for `If-None-Match`"))),
        (status = 304),
    ),
    security(()),
)]
pub(crate) async fn document(headers: HeaderMap) -> Response {
    let document = published();
    let known = crate::assets::matches(&headers, document.etag.to_str().unwrap_or_default());
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { document.text.as_str().into_response() };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ETAG, document.etag.clone());
    // Kept, but asked about each time: the address does not change with the release.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    response
}
