//! What a provider means when it says no.
//!
//! Providers agree on little: the same trouble comes as a status, a `code`, a `type` or only as prose. What they wrote is
//! read here to find the kind, and never passed on.

use crate::{
    ModelError,
    error::{Outage, ProtocolFault},
};
use http::{
    HeaderMap, StatusCode,
    header::{DATE, RETRY_AFTER},
};
use serde_json::Value;
use std::time::Duration;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

/// The longest code that is repeated to people.
const CODE_SHOWN: usize = 48;
/// The part of the prose that is searched for phrases, in bytes.
const PROSE: usize = 4 * 1024;

/// A refusal, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    status: u16,
    /// `code` and `type`, lower case.
    codes: Vec<String>,
    param: String,
    /// Lower case, cut; only for searching.
    prose: String,
    retry_after: Option<Duration>,
    html: bool,
    /// There was an error object at all.
    pub(crate) has_error: bool,
}

impl Refusal {
    /// Reads an error answer.
    pub(crate) fn of_response(status: StatusCode, headers: &HeaderMap, body: &[u8], html: bool) -> Self {
        let value = serde_json::from_slice(body).unwrap_or(Value::Null);
        // One provider wraps its error in a list.
        let value = value.get(0).unwrap_or(&value);
        let mut refusal = match error_of(value) {
            Some(error) => Self::of_error(error),
            None if status.is_success() => Self::default(),
            // FastAPI and others: the object itself is the error.
            None => Self { has_error: false, ..Self::of_error(value) },
        };
        // An error in an answer of 200 may name the status that it should have had.
        if !status.is_success() || refusal.status == 0 {
            refusal.status = status.as_u16();
        }
        refusal.retry_after = retry_after(headers);
        refusal.html = html;
        refusal
    }

    /// Reads an error object or text that came inside an answer.
    pub(crate) fn of_error(error: &Value) -> Self {
        let text = |key: &str| match error.get(key) {
            Some(Value::String(text)) => text.to_lowercase(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let prose = match error {
            Value::String(text) => text.to_lowercase(),
            _ => ["message", "detail", "msg"].map(text).join(" "),
        };
        let codes = vec![text("code"), text("type"), text("status")];
        let numeric = codes.iter().find_map(|code| code.parse().ok().filter(|s| (400..600).contains(s)));
        let status = numeric.or_else(|| codes.iter().find_map(|code| status_of_type(code))).unwrap_or(0);
        Self {
            status,
            codes,
            param: text("param"),
            prose: cut(&prose, PROSE).to_owned(),
            retry_after: None,
            html: false,
            has_error: true,
        }
    }

    /// The provider complains about this request parameter.
    pub(crate) fn is_about(&self, parameter: &str) -> bool {
        matches!(self.status, 400 | 404 | 422) && (self.param == parameter || self.prose.contains(parameter))
    }

    /// The most tokens of one answer that the model gives, where that is what the provider complains about.
    pub(crate) fn output_limit(&self) -> Option<i64> {
        let (before, _) = self.prose.split_once(", which is the maximum allowed number of output tokens")?;
        let limit = before.rsplit_once('>')?.1.trim().parse().ok()?;
        (self.status == 400 && limit > 0).then_some(limit)
    }

    fn has_code(&self, codes: &[&str]) -> bool {
        self.codes.iter().any(|code| codes.contains(&code.as_str()))
    }

    fn says(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.prose.contains(phrase))
    }

    /// The kind of refusal; `model` is the name that was asked for.
    pub(crate) fn into_error(self, model: &str) -> ModelError {
        let retry_after = self.retry_after;
        if self.status == 402 || self.has_code(OUT_OF_CREDIT) || self.says(OUT_OF_CREDIT_PHRASES) {
            return ModelError::Quota;
        }
        // First of all: a rate limit may well speak of tokens and of keys.
        if self.status == 429 || self.has_code(RATE) {
            return ModelError::RateLimited { retry_after };
        }
        if self.status == 401 || self.has_code(WRONG_KEY) || self.says(WRONG_KEY_PHRASES) {
            return ModelError::Auth { status: self.status };
        }
        if self.status == 413 || self.has_code(TOO_LONG) || self.says(TOO_LONG_PHRASES) {
            return ModelError::ContextOverflow;
        }
        if self.has_code(FILTERED) || self.says(FILTERED_PHRASES) {
            return ModelError::ContentFilter;
        }
        if self.status == 403 {
            // A page instead of an error object comes from a gateway, which knows nothing of our key.
            return if self.html {
                ModelError::Protocol(ProtocolFault::WebPage)
            } else {
                ModelError::Auth { status: 403 }
            };
        }
        if self.has_code(UNKNOWN_MODEL)
            || (matches!(self.status, 0 | 400 | 404 | 422)
                && self.prose.contains("model")
                && self.says(UNKNOWN_MODEL_PHRASES))
            // Anthropic: "model: claude-x", and nothing more.
            || (self.has_code(&["not_found_error"]) && self.prose.starts_with("model:"))
        {
            return ModelError::ModelUnknown { model: model.to_owned() };
        }
        match self.status {
            404 | 405 | 410 => ModelError::Protocol(ProtocolFault::NotFound { status: self.status }),
            300..=399 => ModelError::Protocol(ProtocolFault::Redirect),
            0 => ModelError::Unavailable { outage: Outage::Announced, retry_after },
            status @ (408 | 500..) => {
                ModelError::Unavailable { outage: Outage::Status { status }, retry_after }
            }
            status => ModelError::Rejected { status, code: self.shown_code() },
        }
    }

    /// A code that can be repeated: too plain to carry anything secret.
    fn shown_code(&self) -> Option<String> {
        let plain = |code: &&String| {
            (3..=CODE_SHOWN).contains(&code.len())
                && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        self.codes.iter().find(plain).cloned()
    }
}

const OUT_OF_CREDIT: &[&str] = &[
    "insufficient_quota",
    "billing_hard_limit_reached",
    "insufficient_balance",
    "billing_not_active",
    "insufficient_credits",
    "billing_error",
];
const OUT_OF_CREDIT_PHRASES: &[&str] = &["credit balance is too low"];
const RATE: &[&str] =
    &["rate_limit_exceeded", "rate_limit_error", "too_many_requests", "tokens_per_minute_limit_exceeded"];
const WRONG_KEY: &[&str] =
    &["invalid_api_key", "authentication_error", "invalid_authentication", "unauthorized", "unauthenticated"];
const WRONG_KEY_PHRASES: &[&str] =
    &["api key not valid", "invalid api key", "incorrect api key", "invalid api-key", "invalid x-api-key"];
const TOO_LONG: &[&str] = &[
    "context_length_exceeded",
    "exceed_context_size_error",
    "context_window_exceeded",
    "string_above_max_length",
];
const TOO_LONG_PHRASES: &[&str] = &[
    "context length",
    "context window",
    "context size",
    "maximum context",
    "prompt is too long",
    "input is too long",
    "too many tokens",
    "reduce the length",
    "exceeds the maximum number of tokens",
    "input token count",
    "exceed context limit",
];
const FILTERED: &[&str] = &[
    "content_filter",
    "content_policy_violation",
    "moderation_blocked",
    "responsibleaipolicyviolation",
    "data_inspection_failed",
];
const FILTERED_PHRASES: &[&str] = &[
    "content management policy",
    "content policy",
    "content filtering policy",
    "flagged by moderation",
    "requires moderation",
];
const UNKNOWN_MODEL: &[&str] = &["model_not_found", "unknown_model", "invalid_model", "model_not_exist"];
const UNKNOWN_MODEL_PHRASES: &[&str] = &[
    "not found",
    "does not exist",
    "not exist",
    "unknown model",
    "not a valid model",
    "invalid model",
    "no such model",
];

/// The status of Anthropic's error types, for errors that come inside an answer (<https://docs.claude.com/en/api/errors>).
fn status_of_type(code: &str) -> Option<u16> {
    Some(match code {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "api_error" => 500,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => return None,
    })
}

/// The error object or text in an answer or event, if it has one.
pub(crate) fn error_of(value: &Value) -> Option<&Value> {
    match value.get("error")? {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) if text.is_empty() => None,
        error => Some(error),
    }
}

/// The wait that the provider asks for: milliseconds, seconds, or a date, which is measured against the answer's own
/// `Date` (our clock may be off, and is no business of this crate).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return seconds(millis / 1000.0);
    }
    let after = text(RETRY_AFTER.as_str())?;
    if let Ok(number) = after.parse::<f64>() {
        return seconds(number);
    }
    let until = OffsetDateTime::parse(after, &Rfc2822).ok()?;
    let now = OffsetDateTime::parse(text(DATE.as_str())?, &Rfc2822).ok()?;
    Some(Duration::try_from(until - now).unwrap_or(Duration::ZERO))
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests;
