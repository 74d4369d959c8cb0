//! Who gets through: a live token of our authorization server that was issued for us, with the scope that a tool needs.

use crate::{introspection::Introspection, say};
use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header::WWW_AUTHENTICATE};
use patchbay_testkit::samplemcp;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

pub(super) struct Guard {
    pub(super) introspection: Introspection,
    pub(super) issuer: String,
    pub(super) resource: String,
    pub(super) metadata_url: String,
    pub(super) scope: String,
    pub(super) tool_scopes: BTreeMap<String, String>,
}

/// Why a request was turned away.
enum Refused {
    NoToken,
    /// In words, for the line that we print.
    Token(&'static str),
    Scope(String),
    /// The authorization server does not tell.
    Unknown,
}

pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, samplemcp::MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let message: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let judged = guard.judge(&parts.headers, &message).await;
    let (token, refused) = match judged {
        Ok(token) => (token, None),
        Err(refused) => (Value::Null, Some(refused)),
    };
    // Never the token itself.
    let line = json!({
        "event": if refused.is_none() { "admitted" } else { "refused" },
        "why": refused.as_ref().map(Refused::word),
        "method": message["method"],
        "tool": message["params"]["name"],
        "sub": token["sub"],
        "client_id": token["client_id"],
        "scope": token["scope"],
    });
    say(&line.to_string());
    match refused {
        None => next.run(Request::from_parts(parts, Body::from(body))).await,
        Some(refused) => guard.answer(&refused),
    }
}

impl Guard {
    /// What the authorization server says about the token, when the request may pass.
    async fn judge(&self, headers: &HeaderMap, message: &Value) -> Result<Value, Refused> {
        let header = headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(Refused::NoToken)?;
        let told = self.introspection.of(token).await.ok_or(Refused::Unknown)?;
        if told["active"] != true {
            return Err(Refused::Token("inactive"));
        }
        let ours = match &told["aud"] {
            Value::Array(audiences) => audiences.iter().any(|audience| *audience == *self.resource),
            audience => *audience == *self.resource,
        };
        if !ours {
            return Err(Refused::Token("audience"));
        }
        if told["iss"].as_str().is_some_and(|issuer| issuer != self.issuer) {
            return Err(Refused::Token("issuer"));
        }
        match self.scope_of(message) {
            Some(scope) if !granted(&told).any(|other| other == scope) => Err(Refused::Scope(scope.clone())),
            _ => Ok(told),
        }
    }

    /// What a call needs beyond a token.
    fn scope_of(&self, message: &Value) -> Option<&String> {
        let call = message["method"] == "tools/call";
        message["params"]["name"].as_str().filter(|_| call).and_then(|tool| self.tool_scopes.get(tool))
    }

    fn answer(&self, refused: &Refused) -> Response {
        let metadata = &self.metadata_url;
        let (status, error, scope) = match refused {
            Refused::Unknown => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Refused::NoToken => (StatusCode::UNAUTHORIZED, "", &self.scope),
            Refused::Token(_) => (StatusCode::UNAUTHORIZED, "error=\"invalid_token\", ", &self.scope),
            Refused::Scope(scope) => (StatusCode::FORBIDDEN, "error=\"insufficient_scope\", ", scope),
        };
        let challenge = format!("Bearer {error}resource_metadata=\"{metadata}\", scope=\"{scope}\"");
        (status, [(WWW_AUTHENTICATE, challenge)]).into_response()
    }
}

impl Refused {
    fn word(&self) -> &str {
        match self {
            Self::NoToken => "no token",
            Self::Token(why) => why,
            Self::Scope(scope) => scope,
            Self::Unknown => "not told",
        }
    }
}

fn granted(told: &Value) -> impl Iterator<Item = &str> {
    told["scope"].as_str().unwrap_or_default().split_whitespace()
}
