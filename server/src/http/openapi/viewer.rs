//! `GET /api/docs`: Swagger UI out of this binary, under a policy that loads nothing from elsewhere and runs no inline script.

use crate::assets;
use axum::{
    extract::Path,
    response::{IntoResponse as _, Response},
};
use flate2::read::GzDecoder;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY},
};
use std::{borrow::Cow, io::Read as _, sync::Arc};
use utoipa_swagger_ui::Config;

/// The viewer's own page is written here, not taken from the package: its page refers to files relative to a closing slash.
const PAGE: &str = include_str!("viewer/page.html");
const START: &str = include_str!("viewer/start.js");
const STYLE: &str = include_str!("viewer/page.css");

/// The files of the package that [`PAGE`] loads; the rest of it is not served.
const VENDORED: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

/// Scripts and styles from this origin only; pictures may be `data:`, which the style sheet uses.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The viewer of this description.
#[utoipa::path(
    get, path = "/api/docs", tag = "operations",
    responses((status = 200, description = "A page for people.", content_type = "text/html", body = String)),
    security(()),
)]
pub(crate) async fn page() -> Response {
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
    (headers, PAGE).into_response()
}

/// A file of the viewer.
pub(crate) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match name.as_str() {
        "start.js" => whole("text/javascript; charset=utf-8", START.as_bytes().into()),
        "page.css" => whole("text/css; charset=utf-8", STYLE.as_bytes().into()),
        vendored if VENDORED.contains(&vendored) => package(vendored, &headers),
        _ => crate::http::router::unknown_route().await.into_response(),
    }
}

fn whole(content_type: &'static str, body: Cow<'static, [u8]>) -> Response {
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "public, no-cache")];
    (headers, body.into_owned()).into_response()
}

/// A file of the package: embedded compressed, sent so to those who take it.
fn package(name: &str, headers: &HeaderMap) -> Response {
    let Ok(Some(file)) = utoipa_swagger_ui::serve(name, Arc::new(Config::default())) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let content_type =
        if name.ends_with(".css") { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
    let packed = file.gzpipped && assets::accepts(headers, "gzip");
    let body = if file.gzpipped && !packed { unpacked(&file.bytes) } else { file.bytes.into_owned() };
    let mut response = whole(content_type, body.into());
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    if packed {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn unpacked(gzip: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    // Our own embedded bytes: they are whole or the build was not.
    let _ = GzDecoder::new(gzip).read_to_end(&mut plain);
    plain
}
