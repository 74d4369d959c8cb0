//! Revocation (RFC 7009) and introspection (RFC 7662).

use super::{
    clients,
    meddle::Canned,
    shared::{Refusal, Shared, wanted},
};
use crate::record::Recorded;
use axum::response::Response;
use serde_json::{Value, json};

pub(super) fn revoke(shared: &Shared, request: &Recorded) -> Response {
    match try_revoke(shared, request) {
        // Also for tokens that nobody knows (RFC 7009, 2.2).
        Ok(()) => Canned::status(200).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

fn try_revoke(shared: &Shared, request: &Recorded) -> Result<(), Refusal> {
    let client = clients::authenticated(shared, request)?;
    let token = wanted(&request.form(), "token")?;
    let takes_access = shared.knobs().revokes_access_tokens;
    let mut books = shared.books();
    let Some(family) = books.family_of(&token) else { return Ok(()) };
    if books.families()[family].client_id != client.id {
        return Err(Refusal::new("invalid_grant", "the token is another client's"));
    }
    match books.is_access(&token) {
        true if !takes_access => return Err(Refusal::new("unsupported_token_type", "only refresh tokens")),
        true => books.forget_access(&token),
        false => books.revoke(family),
    }
    Ok(())
}

/// For resource servers; any confidential client may ask.
pub(super) fn introspect(shared: &Shared, request: &Recorded) -> Response {
    match try_introspect(shared, request) {
        Ok(answer) => Canned::json(200, &answer).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

fn try_introspect(shared: &Shared, request: &Recorded) -> Result<Value, Refusal> {
    let asks = clients::authenticated(shared, request)?;
    if asks.secret.is_none() {
        return Err(Refusal {
            status: 401,
            error: "invalid_client",
            description: "not for public clients".to_owned(),
        });
    }
    let token = wanted(&request.form(), "token")?;
    let live = shared.books().live(&token);
    let Some(live) = live else { return Ok(json!({"active": false})) };
    let mut answer = json!({
        "active": true,
        "token_type": "Bearer",
        "client_id": live.family.client_id,
        "sub": format!("grant-{}", live.family.id),
        "scope": live.scope,
        "iss": shared.issuer(),
    });
    if let Some(resource) = live.family.resource {
        answer["aud"] = json!(resource);
    }
    Ok(answer)
}
