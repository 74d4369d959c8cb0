//! One layer against cross-site requests (behaviour 2, threats 63): every server function and every plain form, and every other
//! unsafe request that carries the session cookie, must come from our own pages.

use super::{auth::request_info, error::ApiError, router::AppState};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, Method, StatusCode, header::ORIGIN};

/// Server functions live under this prefix.
pub(crate) const SERVER_FN_PREFIX: &str = "/ui/fn";

pub(crate) async fn check(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let unsafe_method = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let server_fn = path.starts_with(SERVER_FN_PREFIX);
    // Server functions with GET encoding exist in the library; none of ours may be reached that way.
    if server_fn && *request.method() != Method::POST {
        note(&state, &request).await;
        return ApiError::new(StatusCode::FORBIDDEN, "Server functions take POST only.").into_response();
    }
    let is_form = !path.starts_with("/api/");
    let needs_proof = unsafe_method && (is_form || state.cookie.read(request.headers()).is_some());
    if needs_proof && !same_origin(request.headers(), &state.origin) {
        note(&state, &request).await;
        let message = "This request did not come from a page of this Patchbay. Open it at its own address and try again.";
        return ApiError::new(StatusCode::FORBIDDEN, message).into_response();
    }
    next.run(request).await
}

/// Refused attempts go into the audit log (behaviour 27), under the user whose browser was abused.
fn note(state: &AppState, request: &Request) -> impl Future<Output = ()> + Send + use<> {
    let token = state.cookie.read(request.headers());
    let origin = request.headers().get(ORIGIN).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (service, info) = (state.service.clone(), request_info(state, request));
    async move { service.foreign_request_refused(token.as_deref(), &info, origin.as_deref()).await }
}

/// `Sec-Fetch-Site` decides where the browser sends it; else `Origin` must be ours, byte for byte.
fn same_origin(headers: &HeaderMap, origin: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let sent_origin = headers.get(ORIGIN).map(|value| value.to_str().unwrap_or("?"));
    match text("sec-fetch-site") {
        Some("same-origin") => sent_origin.is_none_or(|sent| sent == origin),
        // A person typed or bookmarked it. No page can cause a POST like that, but a foreign Origin would give a lie away.
        Some("none") => sent_origin.is_none_or(|sent| sent == origin),
        Some(_) => false,
        None => sent_origin == Some(origin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_pass() {
        let ours = "http://127.0.0.1:3000";
        for (site, origin, passes) in [
            (Some("same-origin"), Some(ours), true),
            (Some("same-origin"), None, true),
            (Some("none"), None, true),
            (None, Some(ours), true),
            (None, None, false),
            (None, Some("null"), false),
            (None, Some("http://127.0.0.1:3001"), false),
            (None, Some("http://evil.example"), false),
            (Some("cross-site"), Some(ours), false),
            (Some("same-site"), Some(ours), false),
            (Some("same-origin"), Some("http://evil.example"), false),
            (Some("none"), Some("null"), false),
            (Some("SAME-ORIGIN"), Some(ours), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(site) = site {
                headers.insert("sec-fetch-site", site.parse().unwrap());
            }
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(same_origin(&headers, ours), passes, "{site:?} {origin:?}");
        }
    }
}
