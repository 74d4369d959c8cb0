//! Security headers on every answer. Pages replace the policy by one with their nonce.

use super::router::AppState;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{
    HeaderValue,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

/// What anything but a page may do in a browser: nothing.
const BARE_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The policy of a page: scripts by nonce only, nothing from other hosts, no frames.
pub(crate) fn page_policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
         media-src data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; \
         base-uri 'none'"
    )
}

pub(crate) async fn secure(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let https = state.origin.starts_with("https:");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(CONTENT_SECURITY_POLICY, BARE_POLICY);
    default(X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(X_FRAME_OPTIONS, "DENY");
    // Not no-referrer: under it browsers send `Origin: null` with our own forms.
    default(REFERRER_POLICY, "same-origin");
    // Pop-ups may leave for a provider and be found again when they come back; nobody who opened us has hold of us.
    default(HeaderName::from_static("cross-origin-opener-policy"), "same-origin-allow-popups");
    default(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    default(
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    );
    // Answers hold people's data; only assets, which set their own, may be kept.
    default(CACHE_CONTROL, "no-store");
    if https {
        default(STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}
