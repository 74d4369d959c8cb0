//! Where every request comes in: it is recorded, meets the fault of its path, and goes to its endpoint.

use super::{
    authorize, clients, documents,
    meddle::{Canned, Way},
    resource,
    shared::Shared,
    token, upkeep,
};
use crate::{fake_mcp, record::Recorded, serve::Lost};
use axum::{
    extract::{Request, State},
    response::Response,
};
use http::Method;

pub(super) async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let recorded = Recorded::read(request).await;
    shared.record.push(recorded.clone());
    let meddle = shared.meddling().of(&recorded);
    tokio::time::sleep(meddle.before).await;
    let lost = matches!(meddle.way, Way::Lose);
    let mut response = match meddle.way {
        Way::Instead(canned) => canned.into_response(),
        Way::Hang => std::future::pending().await,
        Way::Honest | Way::Lose => endpoint(&shared, recorded).await,
    };
    tokio::time::sleep(meddle.after).await;
    if lost {
        response.extensions_mut().insert(Lost);
    }
    response
}

async fn endpoint(shared: &Shared, request: Recorded) -> Response {
    let path = request.path().to_owned();
    if path == fake_mcp::PATH {
        return resource::answer(shared, request).await;
    }
    let registration = shared.knobs().registration;
    let post = request.method == Method::POST;
    match path.as_str() {
        "/authorize" => authorize::answer(shared, &request),
        "/token" if post => token::answer(shared, &request),
        "/revoke" if post => upkeep::revoke(shared, &request),
        "/introspect" if post => upkeep::introspect(shared, &request),
        "/register" if post && registration => clients::register(shared, &request),
        other => match other.strip_prefix("/register/").filter(|_| registration) {
            Some(id) => clients::manage(shared, &request, id),
            None => documents::at(shared, other).unwrap_or_else(|| Canned::status(404).into_response()),
        },
    }
}
