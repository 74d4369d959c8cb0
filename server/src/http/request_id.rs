//! A short id per request, in the log, the audit log and the `X-Request-Id` answer header. Never taken from the caller.

use super::router::AppState;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::HeaderValue;
use tracing::Instrument as _;

#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

pub(crate) async fn assign(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let mut bytes = [0_u8; 8];
    state.entropy.fill(&mut bytes);
    let id = domain::text::hex(&bytes);
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}
