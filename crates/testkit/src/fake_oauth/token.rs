//! The token endpoint: codes are exchanged once, refresh tokens rotate, and one that comes again ends its family.

use super::{
    authorize::demanded_resource,
    books::{Books, Client, Family, Standing},
    clients,
    knobs::{Knobs, merge},
    meddle::Canned,
    shared::{Refusal, Shared, single, wanted},
};
use crate::record::Recorded;
use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Instant;

pub(super) fn answer(shared: &Shared, request: &Recorded) -> Response {
    match issue(shared, request) {
        Ok(answer) => Canned::json(200, &answer).header("cache-control", "no-store").into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

fn issue(shared: &Shared, request: &Recorded) -> Result<Value, Refusal> {
    let form = request.form();
    let client = clients::authenticated(shared, request)?;
    let resource = demanded_resource(shared, &form)?;
    let knobs = shared.knobs().clone();
    // From here to the answer nobody else: two requests with one code are one after the other.
    let mut books = shared.books();
    match wanted(&form, "grant_type")?.as_str() {
        "authorization_code" => exchange(&mut books, &knobs, &client, &form, resource),
        "refresh_token" => refresh(&mut books, &knobs, &client, &form, resource),
        other => Err(Refusal::new("unsupported_grant_type", format!("no {other} here"))),
    }
}

fn exchange(
    books: &mut Books,
    knobs: &Knobs,
    client: &Client,
    form: &[(String, String)],
    resource: Option<String>,
) -> Result<Value, Refusal> {
    let refused = |text: &str| Err(Refusal::new("invalid_grant", text));
    let code = wanted(form, "code")?;
    let Some(waiting) = books.codes.get(&code) else { return refused("no such code") };
    if let Some(family) = waiting.family {
        // Somebody has it besides the client: what came of it is not to be trusted (RFC 6749, 4.1.2).
        books.revoke(family);
        return refused("the code was used before; its tokens are revoked");
    }
    if waiting.client_id != client.id {
        return refused("the code is another client's");
    }
    if waiting.until <= Instant::now() {
        return refused("the code has expired");
    }
    if single(form, "redirect_uri")?.as_deref() != Some(&waiting.redirect_uri) {
        return refused("redirect_uri is not that of the authorization request");
    }
    if single(form, "code_verifier")?.is_none_or(|verifier| challenge_of(&verifier) != waiting.challenge) {
        return refused("code_verifier does not fit the challenge");
    }
    if waiting.resource != resource {
        return Err(Refusal::new("invalid_target", "resource is not that of the authorization request"));
    }
    let scope = waiting.scope.clone();
    let family = books.new_family(&client.id, resource, &scope);
    if let Some(used) = books.codes.get_mut(&code) {
        used.family = Some(family.id);
    }
    let refresh_token = knobs.refresh_tokens.then(|| books.new_refresh(family.id));
    Ok(tokens(books, knobs, &family, &scope, refresh_token))
}

fn refresh(
    books: &mut Books,
    knobs: &Knobs,
    client: &Client,
    form: &[(String, String)],
    resource: Option<String>,
) -> Result<Value, Refusal> {
    let refused = |text: &str| Err(Refusal::new("invalid_grant", text));
    let token = wanted(form, "refresh_token")?;
    let family = match books.refresh_standing(&token) {
        Standing::Unknown => return refused("no such refresh token"),
        Standing::Revoked => return refused("the grant was revoked"),
        Standing::Replaced(family) | Standing::Good(family) if family.client_id != client.id => {
            return refused("the refresh token is another client's");
        }
        Standing::Replaced(family) if knobs.reuse_detection => {
            books.revoke(family.id);
            return refused("the refresh token was used before; the whole grant is revoked");
        }
        Standing::Replaced(family) | Standing::Good(family) => family,
    };
    if family.resource != resource {
        return Err(Refusal::new("invalid_target", "resource is not that of the grant"));
    }
    let scope = single(form, "scope")?.unwrap_or_else(|| family.scope.clone());
    if !covers(&family.scope, &scope) {
        return Err(Refusal::new("invalid_scope", "more scope than was granted"));
    }
    let next = knobs.rotate.then(|| {
        books.replace(&token);
        books.new_refresh(family.id)
    });
    Ok(tokens(books, knobs, &family, &scope, next))
}

fn tokens(books: &mut Books, knobs: &Knobs, family: &Family, scope: &str, refresh: Option<String>) -> Value {
    let mut answer = json!({
        "access_token": books.new_access(family.id, scope, knobs.access_lifetime),
        "token_type": "Bearer",
        "expires_in": knobs.access_lifetime.as_secs(),
        "scope": scope,
    });
    if let Some(refresh) = refresh {
        answer["refresh_token"] = json!(refresh);
    }
    merge(&mut answer, &knobs.token_answer);
    answer
}

/// The challenge of a verifier (RFC 7636, S256).
pub fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Whether every scope of `wanted` is in `granted`.
pub(super) fn covers(granted: &str, wanted: &str) -> bool {
    wanted.split_whitespace().all(|scope| granted.split_whitespace().any(|other| other == scope))
}
