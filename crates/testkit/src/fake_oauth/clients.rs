//! Clients: how they are registered (RFC 7591), deleted (RFC 7592) and known again at the token endpoint.

use super::{
    books::Client,
    knobs::merge,
    meddle::Canned,
    shared::{Refusal, Shared, single},
};
use crate::{record::Recorded, temp::unique};
use axum::response::Response;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use serde_json::{Value, json};

/// What a registration that names no method gets (RFC 7591, 2).
const DEFAULT_METHOD: &str = "client_secret_basic";

pub(super) fn register(shared: &Shared, request: &Recorded) -> Response {
    match try_register(shared, &request.json()) {
        Ok(answer) => Canned::json(201, &answer).header("cache-control", "no-store").into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

fn try_register(shared: &Shared, asked: &Value) -> Result<Value, Refusal> {
    let knobs = shared.knobs().clone();
    let wrong = |text: String| Refusal::new("invalid_client_metadata", text);
    let method = asked["token_endpoint_auth_method"].as_str().unwrap_or(DEFAULT_METHOD);
    if !knobs.auth_methods.iter().any(|known| known == method) {
        return Err(wrong(format!("token_endpoint_auth_method {method} is not supported")));
    }
    let redirect_uris = strings(&asked["redirect_uris"]);
    if redirect_uris.is_empty() {
        return Err(Refusal::new("invalid_redirect_uri", "redirect_uris is empty"));
    }
    if !strings(&asked["grant_types"]).contains(&"authorization_code".to_owned()) {
        return Err(wrong("grant_types lacks authorization_code".to_owned()));
    }
    // Characters that only come through Basic where the client encodes them as RFC 6749 (2.3.1) wants it.
    let secret = (method != "none").then(|| format!("s+3cr%t/:{}=", unique()));
    let client = Client {
        id: format!("client-{}", unique()),
        secret,
        auth_method: method.to_owned(),
        redirect_uris,
        registration_token: Some(format!("rat-{}", unique())),
    };
    let mut answer = asked.clone();
    merge(
        &mut answer,
        &json!({
            "client_id": client.id,
            "token_endpoint_auth_method": method,
            "registration_client_uri": shared.url(&format!("/register/{}", client.id)),
            "registration_access_token": client.registration_token,
        }),
    );
    if let Some(secret) = &client.secret {
        answer["client_secret"] = json!(secret);
        answer["client_secret_expires_at"] = json!(knobs.client_secret_expires_at);
    }
    merge(&mut answer, &knobs.registration_answer);
    let mut books = shared.books();
    books.registrations += 1;
    books.clients.insert(client.id.clone(), client);
    Ok(answer)
}

/// `/register/{client_id}` with its own token.
pub(super) fn manage(shared: &Shared, request: &Recorded, id: &str) -> Response {
    let mut books = shared.books();
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let known = books.clients.get(id).is_some_and(|client| client.registration_token.as_deref() == token);
    // RFC 7592, 2: a client that is gone and a wrong token look the same.
    if token.is_none() || !known {
        return Canned::status(401)
            .header("www-authenticate", "Bearer error=\"invalid_token\"")
            .into_response();
    }
    if request.method != Method::DELETE {
        return Canned::status(405).into_response();
    }
    books.clients.remove(id);
    Canned::status(204).into_response()
}

fn strings(value: &Value) -> Vec<String> {
    let values = value.as_array().into_iter().flatten();
    values.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A client by its id: a registered one, or one that is known by its document.
pub(super) fn find(shared: &Shared, id: &str) -> Option<Client> {
    let document = shared.knobs().client_documents.get(id).cloned();
    let Some(document) = document else { return shared.books().clients.get(id).cloned() };
    // The document must name itself; such a client has no secret.
    (document["client_id"] == id).then(|| Client {
        id: id.to_owned(),
        secret: None,
        auth_method: "none".to_owned(),
        redirect_uris: strings(&document["redirect_uris"]),
        registration_token: None,
    })
}

/// The client that sent this form, by the method it was registered with and no other.
pub(super) fn authenticated(shared: &Shared, request: &Recorded) -> Result<Client, Refusal> {
    let form = request.form();
    let (body_id, body_secret) = (single(&form, "client_id")?, single(&form, "client_secret")?);
    let basic = request.header("authorization").map(decode_basic);
    let refused = |text: &str| Refusal { status: 401, error: "invalid_client", description: text.to_owned() };
    let (id, secret, method) = match (basic, body_secret) {
        (Some(_), Some(_)) => {
            return Err(Refusal::new("invalid_request", "two ways of client authentication"));
        }
        (Some(None), None) => return Err(refused("the Authorization header is no form-encoded Basic")),
        (Some(Some((id, _))), None) if body_id.as_ref().is_some_and(|other| *other != id) => {
            return Err(Refusal::new("invalid_request", "client_id differs from the Authorization header"));
        }
        (Some(Some((id, secret))), None) => (id, Some(secret), "client_secret_basic"),
        (None, Some(secret)) => (body_id.unwrap_or_default(), Some(secret), "client_secret_post"),
        (None, None) => (body_id.unwrap_or_default(), None, "none"),
    };
    let client = find(shared, &id).ok_or_else(|| refused("no such client"))?;
    if client.auth_method != method {
        return Err(refused(&format!("the client was registered for {}, not {method}", client.auth_method)));
    }
    if client.secret != secret {
        return Err(refused("the secret is wrong"));
    }
    Ok(client)
}

/// The header of a client that comes by Basic, each half form-encoded (RFC 6749, 2.3.1).
pub fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

/// Id and secret of an `Authorization` header, when each is form-encoded as it must be.
pub(super) fn decode_basic(header: &str) -> Option<(String, String)> {
    let encoded = header.strip_prefix("Basic ")?;
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    // What the encoding never lets through would be swallowed by a lenient reader.
    let clean = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*-._+%".contains(&byte));
    let pair = format!("v={text}");
    clean.then(|| form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()))?
}
