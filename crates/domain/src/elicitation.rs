//! What a server may ask a person during a call: a short form, or to visit a page (protocol.md 8, behaviour 15).
//!
//! Both eras carry the same request object: in the stateless one inside `inputRequests`, before it as a JSON-RPC request of
//! its own. So everything here takes that object and gives back a card to show or a reason to decline; who asks, who may answer and for
//! how long is the business of the daemon.

mod answer;
mod choices;
mod fields;
mod formats;
mod link;
mod refusal;
mod requests;
mod scripts;
mod secrets;
mod wire;

pub use answer::{Action, Answer};
pub use fields::{Choice, Field, FieldKind};
pub use formats::Format;
pub use link::{Link, LinkWarning};
pub use refusal::Refusal;
pub use requests::{Requested, input_requests, required_urls};

use crate::{
    limits::{ELICITATION_ID_BYTES, ELICITATION_MESSAGE_BYTES},
    text::{neutralise, quote},
};
use serde_json::{Map, Value};

/// A request that passed every rule. Its texts are neutral: they can be shown as they are, as plain text.
#[derive(Debug, Clone, PartialEq)]
pub enum Elicitation {
    /// Fields to fill in. Without any it asks for a yes or no.
    Form { message: String, fields: Vec<Field> },
    /// A page to visit. Patchbay never fetches it and never opens it by itself (I6).
    Url {
        message: String,
        link: Link,
        /// Names the request in a later notice that the visit is over (I9); the stateless era has none.
        elicitation_id: Option<String>,
    },
}

impl Elicitation {
    /// Reads the `params` of an `elicitation/create`. Without `mode` it is a form (I1). `http_on_loopback` lets a URL of this very
    /// machine be plain http, for development (I7).
    ///
    /// # Errors
    /// Why the server gets `decline` instead of an answer.
    pub fn parse(params: &Value, http_on_loopback: bool) -> Result<Self, Refusal> {
        let Value::Object(params) = params else { return Err(Refusal::Malformed { what: "is no object" }) };
        match params.get("mode") {
            None => Self::form(params),
            Some(Value::String(mode)) if mode == "form" => Self::form(params),
            Some(Value::String(mode)) if mode == "url" => Self::url(params, http_on_loopback),
            Some(mode) => Err(Refusal::UnknownMode { mode: quote(mode.as_str().unwrap_or("no text"), 40) }),
        }
    }

    fn form(params: &Map<String, Value>) -> Result<Self, Refusal> {
        let message = message(params)?;
        let schema =
            params.get("requestedSchema").ok_or(Refusal::Malformed { what: "has no `requestedSchema`" })?;
        Ok(Self::Form { message, fields: fields::parse(schema)? })
    }

    fn url(params: &Map<String, Value>, http_on_loopback: bool) -> Result<Self, Refusal> {
        let message = message(params)?;
        let url =
            params.get("url").and_then(Value::as_str).ok_or(Refusal::Malformed { what: "has no `url`" })?;
        let elicitation_id = match params.get("elicitationId") {
            None => None,
            Some(Value::String(id)) if !id.is_empty() && id.len() <= ELICITATION_ID_BYTES => Some(id.clone()),
            Some(_) => return Err(Refusal::Malformed { what: "has an `elicitationId` that cannot be one" }),
        };
        Ok(Self::Url { message, link: Link::parse(url, http_on_loopback)?, elicitation_id })
    }

    /// What the server says it wants, neutral and at most 4 KiB. Plain text: no link in it may become clickable (I7).
    pub fn message(&self) -> &str {
        match self {
            Self::Form { message, .. } | Self::Url { message, .. } => message,
        }
    }
}

fn message(params: &Map<String, Value>) -> Result<String, Refusal> {
    let message = params
        .get("message")
        .and_then(Value::as_str)
        .ok_or(Refusal::Malformed { what: "has no `message`" })?;
    if message.len() > ELICITATION_MESSAGE_BYTES {
        return Err(Refusal::MessageTooLong { bytes: message.len() });
    }
    Ok(neutralise(message.trim()).into_owned())
}

#[cfg(test)]
mod tests;
