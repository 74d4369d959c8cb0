//! The authorization endpoint. Whoever asks has consented, unless a login page is wanted first.

use super::{
    SCOPE,
    books::Code,
    clients,
    knobs::Iss,
    meddle::Canned,
    shared::{Refusal, Shared, single, wanted},
};
use crate::{limits, record::Recorded, temp::unique};
use axum::response::Response;
use http::Method;
use std::time::Instant;

pub(super) fn answer(shared: &Shared, request: &Recorded) -> Response {
    let query = request.query();
    if let Some(elsewhere) = &shared.knobs().authorize_elsewhere {
        let replaced = |name: &str| elsewhere.replaced.iter().find(|(key, _)| key == name);
        let passed: Vec<(String, String)> =
            query.into_iter().map(|pair| replaced(&pair.0).cloned().unwrap_or(pair)).collect();
        return Canned::redirect(302, &with_query(&elsewhere.url, &passed)).into_response();
    }
    // Until client and address are known nothing is sent anywhere (RFC 6749, 4.1.2.1).
    let redirect_uri = match addressee(shared, &query) {
        Ok(uri) => uri,
        Err(refusal) => return page(400, &refusal.description),
    };
    if shared.knobs().login_page && request.method != Method::POST {
        return login_page();
    }
    let denied = request.form().iter().any(|(name, _)| name == "deny");
    let deny = shared.knobs().deny.clone();
    let granted = match deny {
        Some(error_and_description) => Err(error_and_description),
        None if denied => Err(("access_denied".to_owned(), "the person said no".to_owned())),
        None => grant(shared, &query, &redirect_uri).map_err(|no| (no.error.to_owned(), no.description)),
    };
    let mut parameters = match granted {
        Ok(code) => vec![("code".to_owned(), code)],
        Err((error, text)) => vec![("error".to_owned(), error), ("error_description".to_owned(), text)],
    };
    parameters.extend(query.iter().find(|(name, _)| name == "state").cloned());
    let iss = shared.knobs().iss.clone();
    let iss = match iss {
        Iss::Published => Some(shared.issuer()),
        Iss::Absent => None,
        Iss::Other(other) => Some(other),
    };
    parameters.extend(iss.map(|iss| ("iss".to_owned(), iss)));
    let status = shared.knobs().redirect_status;
    Canned::redirect(status, &with_query(&redirect_uri, &parameters)).into_response()
}

/// Where the answer goes: exactly an address that the client registered.
fn addressee(shared: &Shared, query: &[(String, String)]) -> Result<String, Refusal> {
    let id = wanted(query, "client_id")?;
    let uri = wanted(query, "redirect_uri")?;
    let client =
        clients::find(shared, &id).ok_or_else(|| Refusal::new("invalid_client", "no such client"))?;
    if !client.redirect_uris.contains(&uri) {
        return Err(Refusal::new("invalid_request", "redirect_uri is not one of this client's"));
    }
    Ok(uri)
}

/// A code for this request.
fn grant(shared: &Shared, query: &[(String, String)], redirect_uri: &str) -> Result<String, Refusal> {
    if wanted(query, "response_type")? != "code" {
        return Err(Refusal::new("unsupported_response_type", "only code"));
    }
    wanted(query, "state")?;
    let challenge = wanted(query, "code_challenge")?;
    // 32 bytes in base64url.
    if single(query, "code_challenge_method")?.as_deref() != Some("S256") || challenge.len() != 43 {
        return Err(Refusal::new("invalid_request", "PKCE with S256 is required"));
    }
    let resource = demanded_resource(shared, query)?;
    let asked = single(query, "scope")?.unwrap_or_else(|| SCOPE.to_owned());
    let scope = shared.knobs().granted_scope.clone().unwrap_or(asked);
    let code = format!("code-{}", unique());
    let waiting = Code {
        client_id: wanted(query, "client_id")?,
        redirect_uri: redirect_uri.to_owned(),
        challenge,
        resource,
        scope,
        until: Instant::now() + limits::AUTHORIZATION_CODE,
        family: None,
    };
    shared.books().codes.insert(code.clone(), waiting);
    Ok(code)
}

/// The `resource` of a request, byte for byte the one that is protected (RFC 8707).
pub(super) fn demanded_resource(
    shared: &Shared,
    fields: &[(String, String)],
) -> Result<Option<String>, Refusal> {
    let named = single(fields, "resource")?;
    let protected = shared.resource();
    if shared.knobs().demand_resource && named.as_ref() != Some(&protected) {
        let text = format!("resource is {named:?}, and this server knows only {protected}");
        return Err(Refusal::new("invalid_target", text));
    }
    Ok(named)
}

fn with_query(url: &str, parameters: &[(String, String)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let join = if url.contains('?') { '&' } else { '?' };
    format!("{url}{join}{query}")
}

/// Posts back to its own address, so that the query stays.
fn login_page() -> Response {
    let form = "<form method=\"post\"><label>Name <input name=\"login\"></label>\
        <button>Sign in</button> <button name=\"deny\" value=\"1\">Deny</button></form>";
    page(200, form)
}

fn page(status: u16, body: &str) -> Response {
    let html = format!("<!doctype html><title>Fake authorization server</title>{body}");
    Canned::status(status).header("content-type", "text/html; charset=utf-8").body(html).into_response()
}
