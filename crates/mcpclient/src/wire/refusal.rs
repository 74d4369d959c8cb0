//! What an answer that is no MCP means, in one sentence with a next step.

use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};

use crate::{
    error::{McpError, McpErrorKind, wants_more},
    redact::Secrets,
    refused::challenge_of,
};

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    EventStream,
    Html,
    Other,
}

impl Form {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Self::Json,
            "text/event-stream" => Self::EventStream,
            "text/html" | "application/xhtml+xml" => Self::Html,
            other if other.starts_with("application/") && other.ends_with("+json") => Self::Json,
            _ => Self::Other,
        }
    }
}

/// An answer that is neither success nor JSON-RPC, with what it says about the credential (protocol.md 14.1).
pub(crate) fn of_answer(host: &str, status: StatusCode, headers: &HeaderMap, secrets: &Secrets) -> McpError {
    if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return of_status(host, status, Form::of(headers));
    }
    let challenge = challenge_of(headers, secrets);
    if status == StatusCode::FORBIDDEN
        && challenge.as_ref().is_some_and(domain::oauth::challenge::Challenge::is_insufficient_scope)
    {
        let text = format!("{host} {}.", wants_more(challenge.as_ref()));
        return McpError::quoting(McpErrorKind::InsufficientScope, text)
            .with_status(status)
            .with_challenge(challenge);
    }
    of_status(host, status, Form::of(headers)).with_challenge(challenge)
}

fn of_status(host: &str, status: StatusCode, form: Form) -> McpError {
    let code = status.as_u16();
    let (kind, text) = match code {
        401 => (
            McpErrorKind::Unauthorized,
            format!("{host} refuses the credentials (HTTP 401). Check the key or header of this server."),
        ),
        403 => (
            McpErrorKind::Unauthorized,
            format!(
                "{host} refuses access (HTTP 403): the credentials are not enough, or it does not accept requests \
                 from here."
            ),
        ),
        404 | 405 | 410 => (
            McpErrorKind::NotMcp,
            format!(
                "{host} speaks no MCP at this path (HTTP {code}). Check the path of the URL, and the transport."
            ),
        ),
        429 => (
            McpErrorKind::Refused,
            format!("{host} refuses more requests for now (HTTP 429). Try again later."),
        ),
        500..=599 => (
            McpErrorKind::ServerFault,
            format!("{host} has an internal problem (HTTP {code}). Try again later."),
        ),
        _ if form == Form::Html => (McpErrorKind::Html, html(host)),
        300..=399 => {
            (McpErrorKind::NotMcp, format!("{host} answers with a redirect (HTTP {code}) instead of MCP."))
        }
        _ => (McpErrorKind::Refused, format!("{host} refuses the MCP request (HTTP {code}).")),
    };
    McpError::new(kind, text).with_status(status)
}

/// A successful answer of the wrong form.
pub(crate) fn of_form(host: &str, form: Form) -> McpError {
    match form {
        Form::Html => McpError::new(McpErrorKind::Html, html(host)),
        Form::Json => McpError::new(
            McpErrorKind::NotMcp,
            format!(
                "{host} answers JSON that is not JSON-RPC, so it speaks no MCP at this path. Check the URL."
            ),
        ),
        Form::EventStream | Form::Other => McpError::new(
            McpErrorKind::NotMcp,
            format!(
                "{host} answers neither JSON nor events, so it speaks no MCP at this path. Check the URL."
            ),
        ),
    }
}

fn html(host: &str) -> String {
    format!(
        "{host} answers HTML, not MCP: this is the address of a web page. Enter the URL of its MCP endpoint."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_kinds() {
        for (status, form, kind) in [
            (401, Form::Json, McpErrorKind::Unauthorized),
            (403, Form::Html, McpErrorKind::Unauthorized),
            (404, Form::Html, McpErrorKind::NotMcp),
            (405, Form::Other, McpErrorKind::NotMcp),
            (400, Form::Html, McpErrorKind::Html),
            (400, Form::Json, McpErrorKind::Refused),
            (429, Form::Json, McpErrorKind::Refused),
            (502, Form::Html, McpErrorKind::ServerFault),
            (302, Form::Other, McpErrorKind::NotMcp),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = of_status("mcp.example.com", status, form);
            assert_eq!(error.kind(), kind, "{status}");
            assert!(error.public_message().contains("mcp.example.com"), "{error}");
        }
    }

    #[test]
    fn content_types() {
        for (value, form) in [
            ("application/json", Form::Json),
            ("Application/JSON; charset=utf-8", Form::Json),
            ("application/problem+json", Form::Json),
            ("text/event-stream;charset=utf-8", Form::EventStream),
            ("text/html", Form::Html),
            ("text/plain", Form::Other),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            assert_eq!(Form::of(&headers), form, "{value}");
        }
        assert_eq!(Form::of(&HeaderMap::new()), Form::Other);
    }
}
